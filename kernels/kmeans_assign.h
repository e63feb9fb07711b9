/* One pass of Lloyd's algorithm over a batch of rows on the device: every row to its nearest
 * centre, sums brought up to date for the rows that moved. All pointers are device memory. Nothing
 * here waits for the device: errors of a kernel surface at the next wait. */
#ifndef SPOT_KERNELS_KMEANS_ASSIGN_H
#define SPOT_KERNELS_KMEANS_ASSIGN_H

#include <cuda_runtime.h>
#include <stddef.h>
#include <stdint.h>

#include "blackspot.h"
#include "numerics/int128.h"

/* Most columns of the kernel that holds rows in registers, and rows to which arrays are padded. */
enum { CUDA_SMALL_COLUMNS = 16, CUDA_ROW_PADDING = 4 };

/* What a pass counts. */
struct cuda_kmeans_counters {
    unsigned long long moved; /* original rows whose label changed */
    unsigned long long near;  /* rows that the float64 definition had to decide */
};

/* The centres as the filter wants them. */
struct cuda_kmeans_filter {
    float *packed; /* (k, cuda_kmeans_stride(columns)): -(c - offset), then half the squared norm */
    float *margin; /* (1) scores no further apart are decided by the definition */
};

/* A batch of rows and its state. Arrays over rows have room for a multiple of CUDA_ROW_PADDING. */
struct cuda_kmeans_rows {
    int64_t rows;           /* below 2^31 */
    int64_t stride;         /* room for rows, a multiple of CUDA_ROW_PADDING */
    const float *x;         /* (columns, stride) offset taken off */
    const int64_t *weights; /* (rows) of one original row, or NULL for 1 */
    const int32_t *counts;  /* (rows) original rows that each one stands for, or NULL for 1 */
    uint8_t *labels8;       /* (stride) while k <= 256, else NULL */
    int32_t *labels32;      /* (stride) when labels8 is NULL */
    int32_t fresh;          /* the rows have no labels yet */
};

struct cuda_kmeans_pass {
    struct cuda_kmeans_rows batch;
    struct cuda_kmeans_filter filter;
    int32_t k, columns;
    const double *centres; /* (k, columns) */
    const double *offset;  /* (columns) */
    const double *scale;   /* (columns) of the quantiser */
    int32_t wide;          /* a block's sums of weight * count * value may leave 63 bits */
    struct int128 *sums;   /* (k, columns + 2): of weight * count * value, then of weight * count,
                              then of count; NULL: only labels are wanted */
    int32_t *near;         /* (near_capacity) scratch: rows to be decided */
    int32_t near_capacity; /* may be small: when it overflows all rows are looked at again */
    struct cuda_kmeans_counters *counters; /* near starts at 0, moved is added to */
    const int32_t *ended; /* where it is not 0 there is nothing left to do; NULL: there is */
};

/* The card, asked once. */
struct cuda_limits {
    int32_t processors;
    size_t shared; /* most dynamic shared memory of a block */
};

int cuda_limits_of(int device, struct cuda_limits *limits, struct spot_error *err);

/* Floats to a packed centre. */
int32_t cuda_kmeans_stride(int32_t columns);

/* Whether the kernel for few columns can take k clusters in so many; cuda_kmeans_assign() takes the
 * one in tiles otherwise. */
int cuda_kmeans_fits(const struct cuda_limits *limits, int32_t k, int32_t columns);

/* Packs centres (k, columns) for the filter and finds the margin. largest (columns): no stored
 * |x| of the column is above it. */
int cuda_kmeans_pack(const double *centres, const double *offset, const double *largest, int32_t k,
                     int32_t columns, struct cuda_kmeans_filter filter, cudaStream_t stream,
                     struct spot_error *err);

/* How many rows a block adds up at most in either kernel: what `wide` is decided by. */
int64_t cuda_kmeans_block_rows(const struct cuda_limits *limits, int64_t rows);

int cuda_kmeans_assign(const struct cuda_kmeans_pass *pass, const struct cuda_limits *limits,
                       cudaStream_t stream, struct spot_error *err);

/* The same for any number of columns and clusters: a product of tiles in shared memory. */
int cuda_kmeans_assign_tiled(const struct cuda_kmeans_pass *pass, const struct cuda_limits *limits,
                             cudaStream_t stream, struct spot_error *err);

#endif
