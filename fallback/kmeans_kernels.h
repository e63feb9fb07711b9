/* What an instruction set brings to KMeans: the inner loops over one block of rows. The portable
 * reference fills the table, AVX2 and AVX-512 override it. Every entry gives the same bits on every
 * instruction set, except filter(), whose scores only have to stay within the error bound. */
#ifndef SPOT_FALLBACK_KMEANS_KERNELS_H
#define SPOT_FALLBACK_KMEANS_KERNELS_H

#include <stdint.h>

/* Rows of a block. A block is stored column by column: x[j * BLOCK_ROWS + i] is row i, column j,
 * its offset taken off; the last block is filled up with copies of its last row. 64-byte aligned.
 */
enum { BLOCK_ROWS = 64 };

/* The centres of one pass, packed for the filter. */
struct kmeans_filter {
    int32_t k, columns;
    const double *exact;  /* (k, columns) the centres themselves, row-major */
    const double *offset; /* (columns) */
    const float *centres; /* (tiles, columns, tile) without offset, rounded; 0 past k */
    const float *halves;  /* (tiles * tile) half their squared norm; FLT_MAX past k */
    float margin;         /* twice the bound of a score's error */
};

/* Integer moments of one column of a block: r = rint(scale * x), |r| <= 2^28. */
struct block_moments {
    int64_t sum, squares;      /* of r and r^2 */
    int32_t nonzero, vanished; /* rows with x != 0, and of those the ones with r = 0 */
};

struct kmeans_kernels {
    const char *name;
    int32_t tile; /* centres to a tile of the packed layout */

    /* For each row the lowest index among the smallest score_c = halves_c - sum_j x_j c_j, in
     * float32 with any order and contraction. Bit i of the result is set where the second smallest
     * score is not above the smallest by more than the margin: those rows are decided again. */
    uint64_t (*filter)(const struct kmeans_filter *filter, const float *x, int32_t *labels);

    /* nearest_out[i] = min(nearest[i], squared_distance_float32(row i, point)); returns
     * sum_i rint(scale * nearest_out[i]) over the first `rows` rows. point (columns), without
     * offset. The caller makes sure that no sum overflows int64 and no term exceeds 2^50. */
    int64_t (*potential)(const float *x, int32_t columns, int32_t rows, const float *point,
                         double scale, const float *nearest, float *nearest_out);

    /* Moments of the first `rows` of the 64 values x of one column. */
    void (*moments)(const float *x, int32_t rows, double scale, struct block_moments *moments);

    /* d2[i] = squared_distance of row i to its own centre, by the float64 definition. */
    void (*own_distances)(const struct kmeans_filter *filter, const float *x, const int32_t *labels,
                          double *d2);
};

/* Each variant; the caller asks cpu_detect.h before it uses one. */
const struct kmeans_kernels *kmeans_kernels_ref(void);
const struct kmeans_kernels *kmeans_kernels_avx2(void);
const struct kmeans_kernels *kmeans_kernels_avx512(void);

#endif
