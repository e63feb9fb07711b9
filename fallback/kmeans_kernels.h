/* What an instruction set brings to KMeans: the inner loops over one block of rows. The portable
 * reference fills the table, AVX2 and AVX-512 override it. Every entry gives the same bits on every
 * instruction set, except filter(), whose scores only have to stay within the error bound. */
#ifndef SPOT_FALLBACK_KMEANS_KERNELS_H
#define SPOT_FALLBACK_KMEANS_KERNELS_H

#include <stdbool.h>
#include <stdint.h>

#include "numerics/int128.h"

/* Rows of a block. A block is stored column by column: x[j * BLOCK_ROWS + i] is row i, column j,
 * its offset taken off; the last block is filled up with copies of its last row. 64-byte aligned.
 */
enum { BLOCK_ROWS = 64 };

/* For limits: half of a gap over a distance, less the error of approximate reciprocal roots; and
 * less the rounding of the sum. */
#define ROOM_FACTOR (0.5f * (1.0f - 0x1p-10f))
#define LIMIT_FACTOR (1.0f - 0x1p-22f)

/* For boxes: more than the rounding of their distances in float32. */
#define NEAR_FACTOR (1.0f + 1e-5f)

/* Columns of a row of sums, filled up to whole vectors. */
static inline int32_t padded_columns(int32_t columns)
{
    return (columns + 7) / 8 * 8;
}

/* The centres of one pass, packed for the filter. */
struct kmeans_filter {
    int32_t k, columns;
    int wide;              /* 1: the rows are float64, and x is these rounded */
    const double *exact;   /* (k, columns) the centres themselves, row-major */
    const double *offset;  /* (columns) */
    const float *centres;  /* (tiles, columns, tile) without offset, rounded; 0 past k */
    const float *halves;   /* (tiles * tile) half their squared norm; FLT_MAX past k */
    const uint16_t *split; /* the same centres as pairs of bfloat16, see SPLIT_CENTRES, or NULL */
    float margin;          /* twice the bound of a score's error */
    float reserve;         /* what a gap must keep, at least three margins */
    float spread;          /* bound of the error of 2 score + |x|^2 */
    float drift;           /* how far centres have moved since the fit began, at most */
};

/* Centres for tiles of matrix multiplication: (k / SPLIT_CENTRES rounded up, 2, columns /
 * SPLIT_COLUMNS rounded up, SPLIT_CENTRES, SPLIT_COLUMNS), 0 past the last. Of each pair the first
 * is the bfloat16 nearest to a coordinate, the second the one nearest to what that leaves. */
enum { SPLIT_CENTRES = 16, SPLIT_COLUMNS = 32 };

/* How long rows stay settled: while the mean of any two centres' ways, since the fit began, is
 * below a row's limit, the row neither changes its label nor comes within the margin
 * (docs/exactness.md). */
struct filter_limits {
    _Alignas(64) float rows[BLOCK_ROWS];
    float least; /* of all */
};

/* A sum of products that would not fit 64 bits, from the sums of its halves: the terms' lowest
 * POTENTIAL_LOW_BITS and the rest. */
enum { POTENTIAL_LOW_BITS = 25 };

static inline void add_potential(struct int128 *sum, int64_t low, int64_t high)
{
    *sum = int128_add(*sum, int128_from(low));
    *sum = int128_add(*sum, int128_multiply(high, INT64_C(1) << POTENTIAL_LOW_BITS));
}

/* Integer moments of one column of a block: r = rint(scale * x), |r| <= 2^28. */
struct block_moments {
    int64_t sum, squares;      /* of r and r^2 */
    int32_t nonzero, vanished; /* rows with x != 0, and of those the ones with r = 0 */
};

/* Some of the centres, column by column. The arrays have room for 16 more, rounded up to 16. */
struct centre_list {
    int32_t count;
    int64_t stride; /* of a column */
    int32_t *index; /* (stride) their numbers, ascending */
    float *halves;  /* (stride) as in kmeans_filter */
    float *values;  /* (columns, stride) without offset */
};

struct kmeans_kernels {
    const char *name;
    int32_t tile; /* centres to a tile of the packed layout */

    /* 64 rows (BLOCK_ROWS, columns) row-major become a block; offset (columns) is taken off, which
     * the caller makes sure is exact. */
    void (*load)(const float *values, int32_t columns, const float *offset, float *x);

    /* Whether a value of a block is NaN or of a larger magnitude than its column's limit; limits
     * (columns) are finite and not negative. */
    bool (*beyond)(const float *x, int32_t columns, const float *limits);

    /* Whether filter() wants `split` of a filter of that shape; NULL: never. */
    bool (*splits)(int32_t k, int32_t columns);

    /* For each row the lowest index among the smallest score_c = halves_c - sum_j x_j c_j, in
     * float32 with any order and contraction. Bit i of the result is set where the second smallest
     * score is not above the smallest by more than the margin: those rows are decided again.
     * The reference is the definition of float32 rows; of wide ones it decides none.
     * limits may be NULL. */
    uint64_t (*filter)(const struct kmeans_filter *filter, const float *x, int32_t *labels,
                       struct filter_limits *limits);

    /* Scores of `count` centres from `first` on, a multiple of the tile, for the one row x
     * (columns, stride BLOCK_ROWS), within the same margin. NULL: the definition is as quick. */
    void (*scores)(const struct kmeans_filter *filter, const float *x, int32_t first, int32_t count,
                   float *scores);

    /* The bits of the rows whose limit is not above the drift; NaN is not. */
    uint64_t (*unsettled)(const float *limits, float drift);

    /* Takes every row whose labels differ out of the sums of its cluster `from` (-1: it has none)
     * and puts it into those of `to`: rint(scale_j * x_j) in column j. scale (padded_columns),
     * sums (k, padded_columns); the padding stays 0. sizes (k) counts the rows. Returns the bits
     * of those rows. The caller makes sure that no sum overflows int64 and no rounded value
     * exceeds 2^50. */
    uint64_t (*move_rows)(const float *x, int32_t columns, const double *scale, const int32_t *from,
                          const int32_t *to, int64_t *sums, int64_t *sizes);

    /* d2[p * BLOCK_ROWS + i] = squared_distance_float32(row i, point p) for `count` points;
     * points (count, columns), without offset. */
    void (*distances)(const float *x, int32_t columns, const float *points, int32_t count,
                      float *d2);

    /* nearest[i] becomes the least of itself and these distances to `count` points; 64-byte
     * aligned. */
    void (*approach)(const float *x, int32_t columns, const float *points, int32_t count,
                     float *nearest);

    /* Adds the potential of a block if point p were taken: sums[p] += sum_i mass_i *
     * rint(scale * min(nearest[i], d2[p * BLOCK_ROWS + i])). mass (BLOCK_ROWS), each below 2^32, or
     * NULL for 1. The caller makes sure that no rounded term exceeds 2^50. */
    void (*potentials)(const float *nearest, const float *d2, int32_t count, double scale,
                       const int64_t *mass, struct int128 *sums);

    /* Of `from` those centres that may be nearest or second nearest to a row in the box (2,
     * columns), its least and its largest values: not farther from all of it than `slack` more, in
     * squares, than two others can be. work (2, stride). */
    void (*near_box)(const float *box, int32_t columns, float slack, const struct centre_list *from,
                     struct centre_list *near, float *work);

    /* Moments of the first `rows` of the 64 values x of one column. */
    void (*moments)(const float *x, int32_t rows, double scale, struct block_moments *moments);

    /* d2[i] = squared_distance of row i to its own centre, by the float64 definition. */
    void (*own_distances)(const struct kmeans_filter *filter, const float *x, const int32_t *labels,
                          double *d2);

    /* sum_i rint(scale * values[i]) over the 64 values; no rounded one exceeds 2^50. */
    int64_t (*sum_rounded)(const double *values, double scale);
};

/* Each variant; the caller asks cpu_detect.h before it uses one. */
const struct kmeans_kernels *kmeans_kernels_ref(void);
const struct kmeans_kernels *kmeans_kernels_avx2(void);
const struct kmeans_kernels *kmeans_kernels_avx512(void);
const struct kmeans_kernels *kmeans_kernels_amx(void);

#endif
