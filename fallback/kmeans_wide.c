#include "fallback/kmeans_wide.h"

#include "numerics/quantiser.h"

static void move_row(const double *x, int32_t columns, const double *scale, int32_t from,
                     int32_t to, int64_t *sums)
{
    const int64_t stride = padded_columns(columns);
    int64_t *into = sums + to * stride, *out = sums + (from < 0 ? to : from) * stride;
    for (int64_t j = 0; j < columns; j++) {
        int64_t value = quantise(x[j * BLOCK_ROWS], scale[j]);
        into[j] += value;
        if (from >= 0) out[j] -= value;
    }
}

uint64_t wide_move_rows(const double *x, int32_t columns, const double *scale, const int32_t *from,
                        const int32_t *to, int64_t *sums, int64_t *sizes)
{
    uint64_t moved = 0;
    for (int32_t i = 0; i < BLOCK_ROWS; i++) {
        if (from[i] == to[i]) continue;
        moved |= (uint64_t)1 << i;
        sizes[to[i]]++;
        if (from[i] >= 0) sizes[from[i]]--;
        move_row(x + i, columns, scale, from[i], to[i], sums);
    }
    return moved;
}

/* numerics/distance.h, one column after another for all rows. */
void wide_own_distances(const struct kmeans_filter *filter, const double *x, const int32_t *labels,
                        double *d2)
{
    for (int32_t i = 0; i < BLOCK_ROWS; i++)
        d2[i] = 0.0;
    for (int64_t j = 0; j < filter->columns; j++) {
        const double *centre = filter->exact + j;
        for (int32_t i = 0; i < BLOCK_ROWS; i++) {
            double difference = (x[j * BLOCK_ROWS + i] + filter->offset[j]) -
                                centre[(int64_t)labels[i] * filter->columns];
            d2[i] = d2[i] + difference * difference;
        }
    }
}

void wide_moments(const double *x, int32_t rows, double scale, struct block_moments *moments)
{
    *moments = (struct block_moments){0};
    for (int32_t i = 0; i < rows; i++) {
        int64_t r = quantise(x[i], scale);
        moments->sum += r;
        moments->squares += r * r;
        moments->nonzero += x[i] != 0.0;
        moments->vanished += x[i] != 0.0 && r == 0;
    }
}
