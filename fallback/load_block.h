/* Rows, one after the other, into a block of columns, for the variants that have vectors. */
#ifndef SPOT_FALLBACK_LOAD_BLOCK_H
#define SPOT_FALLBACK_LOAD_BLOCK_H

#include <immintrin.h>

#include "fallback/kmeans_kernels.h"

/* As many rows as a vector has lanes from `rows` on, each `stride` long, and 4 columns. */
typedef void load_four_function(const float *rows, int64_t stride, const float *offset, float *x);

/* Rows that will be needed soon. */
static inline __attribute__((always_inline)) void prefetch_rows(const float *rows, int64_t values)
{
    for (int64_t j = 0; j < values; j += 16)
        _mm_prefetch((const char *)(rows + j), _MM_HINT_T0);
}

/* columns is a literal below 4. */
static inline __attribute__((always_inline)) void load_few(const float *values, int32_t columns,
                                                           const float *offset, float *x)
{
    prefetch_rows(values + (int64_t)BLOCK_ROWS * columns, (int64_t)BLOCK_ROWS * columns);
    for (int32_t j = 0; j < columns; j++)
        for (int32_t i = 0; i < BLOCK_ROWS; i++)
            x[j * BLOCK_ROWS + i] = values[i * columns + j] - offset[j];
}

/* lanes and load_four are literals. The last four columns may overlap those before. */
static inline __attribute__((always_inline)) void load_block(const float *values, int32_t columns,
                                                             const float *offset, float *x,
                                                             int lanes,
                                                             load_four_function *load_four)
{
    switch (columns) {
    case 1:
        load_few(values, 1, offset, x);
        return;
    case 2:
        load_few(values, 2, offset, x);
        return;
    case 3:
        load_few(values, 3, offset, x);
        return;
    default:
        break;
    }
    for (int i = 0; i < BLOCK_ROWS; i += lanes) {
        const float *rows = values + (int64_t)i * columns;
        prefetch_rows(rows + (int64_t)BLOCK_ROWS * columns, (int64_t)lanes * columns);
        for (int32_t next = 0; next < columns; next += 4) {
            const int32_t j = next < columns - 4 ? next : columns - 4;
            load_four(rows + j, columns, offset + j, x + (int64_t)j * BLOCK_ROWS + i);
        }
    }
}

#endif
