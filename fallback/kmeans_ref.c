/* KMeans on one block of rows, in plain C: the truth that every other variant is tested against.
 * The filter is the float64 definition itself, so it never has to ask for a second look. */
#include "fallback/kmeans_kernels.h"

#include <math.h>
#include <stddef.h>

#include "fallback/near_box.h"
#include "numerics/distance.h"
#include "numerics/quantiser.h"

static void load_ref(const float *values, int32_t columns, const float *offset, float *x)
{
    for (int32_t j = 0; j < columns; j++)
        for (int32_t i = 0; i < BLOCK_ROWS; i++)
            x[j * BLOCK_ROWS + i] = values[(int64_t)i * columns + j] - offset[j];
}

static bool beyond_ref(const float *x, int32_t columns, const float *limits)
{
    for (int32_t j = 0; j < columns; j++)
        for (int32_t i = 0; i < BLOCK_ROWS; i++)
            if (!(fabsf(x[j * BLOCK_ROWS + i]) <= limits[j])) return true;
    return false;
}

/* Every row is looked at again. */
static void forget_limits(struct filter_limits *limits)
{
    for (int32_t i = 0; i < BLOCK_ROWS; i++)
        limits->rows[i] = -1.0f;
    limits->least = -1.0f;
}

static uint64_t filter_ref(const struct kmeans_filter *filter, const float *x, int32_t *labels,
                           struct filter_limits *limits)
{
    if (limits != NULL) forget_limits(limits);
    if (filter->wide) return UINT64_MAX;
    for (int32_t i = 0; i < BLOCK_ROWS; i++) {
        double nearest = INFINITY;
        labels[i] = 0;
        for (int32_t c = 0; c < filter->k; c++) {
            const double *centre = filter->exact + (int64_t)c * filter->columns;
            double d2 =
                squared_distance(x + i, BLOCK_ROWS, filter->offset, centre, filter->columns);
            if (d2 < nearest) {
                nearest = d2;
                labels[i] = c;
            }
        }
    }
    return 0;
}

static uint64_t unsettled_ref(const float *limits, float drift)
{
    uint64_t bits = 0;
    for (int32_t i = 0; i < BLOCK_ROWS; i++)
        bits |= (uint64_t) !(limits[i] > drift) << i;
    return bits;
}

static uint64_t move_rows_ref(const float *x, int32_t columns, const double *scale,
                              const int32_t *from, const int32_t *to, int64_t *sums, int64_t *sizes)
{
    uint64_t moved = 0;
    const int64_t stride = padded_columns(columns);
    for (int32_t i = 0; i < BLOCK_ROWS; i++) {
        if (from[i] == to[i]) continue;
        moved |= (uint64_t)1 << i;
        sizes[to[i]]++;
        if (from[i] >= 0) sizes[from[i]]--;
        for (int32_t j = 0; j < columns; j++) {
            int64_t value = quantise((double)x[j * BLOCK_ROWS + i], scale[j]);
            sums[to[i] * stride + j] += value;
            if (from[i] >= 0) sums[from[i] * stride + j] -= value;
        }
    }
    return moved;
}

static void distances_ref(const float *x, int32_t columns, const float *points, int32_t count,
                          float *d2)
{
    for (int32_t p = 0; p < count; p++)
        for (int32_t i = 0; i < BLOCK_ROWS; i++)
            d2[p * BLOCK_ROWS + i] =
                squared_distance_float32(x + i, BLOCK_ROWS, points + (int64_t)p * columns, columns);
}

static void approach_ref(const float *x, int32_t columns, const float *points, int32_t count,
                         float *nearest)
{
    for (int32_t p = 0; p < count; p++)
        for (int32_t i = 0; i < BLOCK_ROWS; i++) {
            const float d2 =
                squared_distance_float32(x + i, BLOCK_ROWS, points + (int64_t)p * columns, columns);
            nearest[i] = d2 < nearest[i] ? d2 : nearest[i];
        }
}

static void potentials_ref(const float *nearest, const float *d2, int32_t count, double scale,
                           const int64_t *mass, struct int128 *sums)
{
    for (int32_t p = 0; p < count; p++, d2 += BLOCK_ROWS)
        for (int32_t i = 0; i < BLOCK_ROWS; i++) {
            float smaller = d2[i] < nearest[i] ? d2[i] : nearest[i];
            int64_t term = quantise((double)smaller, scale);
            sums[p] = int128_add(sums[p], int128_multiply(mass == NULL ? 1 : mass[i], term));
        }
}

static void moments_ref(const float *x, int32_t rows, double scale, struct block_moments *moments)
{
    *moments = (struct block_moments){0};
    for (int32_t i = 0; i < rows; i++) {
        int64_t r = quantise((double)x[i], scale);
        moments->sum += r;
        moments->squares += r * r;
        moments->nonzero += x[i] != 0.0f;
        moments->vanished += x[i] != 0.0f && r == 0;
    }
}

static void own_distances_ref(const struct kmeans_filter *filter, const float *x,
                              const int32_t *labels, double *d2)
{
    for (int32_t i = 0; i < BLOCK_ROWS; i++) {
        const double *centre = filter->exact + (int64_t)labels[i] * filter->columns;
        d2[i] = squared_distance(x + i, BLOCK_ROWS, filter->offset, centre, filter->columns);
    }
}

static int64_t sum_rounded_ref(const double *values, double scale)
{
    int64_t sum = 0;
    for (int32_t i = 0; i < BLOCK_ROWS; i++)
        sum += quantise(values[i], scale);
    return sum;
}

static void near_box_ref(const float *box, int32_t columns, float slack,
                         const struct centre_list *from, struct centre_list *near, float *work)
{
    near_box(box, columns, slack, from, near, work);
}

const struct kmeans_kernels *kmeans_kernels_ref(void)
{
    static const struct kmeans_kernels kernels = {
        .name = "ref",
        .tile = 1,
        .load = load_ref,
        .beyond = beyond_ref,
        .filter = filter_ref,
        .unsettled = unsettled_ref,
        .move_rows = move_rows_ref,
        .distances = distances_ref,
        .approach = approach_ref,
        .potentials = potentials_ref,
        .near_box = near_box_ref,
        .moments = moments_ref,
        .own_distances = own_distances_ref,
        .sum_rounded = sum_rounded_ref,
    };
    return &kernels;
}
