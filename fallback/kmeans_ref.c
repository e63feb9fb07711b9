/* KMeans on one block of rows, in plain C: the truth that every other variant is tested against.
 * The filter is the float64 definition itself, so it never has to ask for a second look. */
#include "fallback/kmeans_kernels.h"

#include "numerics/distance.h"
#include "numerics/quantiser.h"

static uint64_t filter_ref(const struct kmeans_filter *filter, const float *x, int32_t *labels)
{
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

static int64_t potential_ref(const float *x, int32_t columns, int32_t rows, const float *point,
                             double scale, const float *nearest, float *nearest_out)
{
    int64_t sum = 0;
    for (int32_t i = 0; i < BLOCK_ROWS; i++) {
        float d2 = squared_distance_float32(x + i, BLOCK_ROWS, point, columns);
        nearest_out[i] = d2 < nearest[i] ? d2 : nearest[i];
        if (i < rows) sum += quantise((double)nearest_out[i], scale);
    }
    return sum;
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

const struct kmeans_kernels *kmeans_kernels_ref(void)
{
    static const struct kmeans_kernels kernels = {
        .name = "ref",
        .tile = 1,
        .filter = filter_ref,
        .potential = potential_ref,
        .moments = moments_ref,
        .own_distances = own_distances_ref,
    };
    return &kernels;
}
