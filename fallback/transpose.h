/* Eight rows out of a block of columns, for the variants that have 256-bit vectors. */
#ifndef SPOT_FALLBACK_TRANSPOSE_H
#define SPOT_FALLBACK_TRANSPOSE_H

#include <immintrin.h>

#include "fallback/kmeans_kernels.h"

/* rows[i] becomes the first 8 of `columns` columns of row i of x, 0 past the last column. */
static inline __attribute__((always_inline)) void load_rows(const float *x, int32_t columns,
                                                            __m256 rows[8])
{
    __m256 c[8], pairs[8], fours[8];
    for (int j = 0; j < 8; j++)
        c[j] = j < columns ? _mm256_loadu_ps(x + j * BLOCK_ROWS) : _mm256_setzero_ps();
    for (int j = 0; j < 8; j += 2) {
        pairs[j] = _mm256_unpacklo_ps(c[j], c[j + 1]);
        pairs[j + 1] = _mm256_unpackhi_ps(c[j], c[j + 1]);
    }
    for (int j = 0; j < 8; j += 4)
        for (int h = 0; h < 2; h++) {
            fours[j + 2 * h] = _mm256_shuffle_ps(pairs[j + h], pairs[j + 2 + h], 0x44);
            fours[j + 2 * h + 1] = _mm256_shuffle_ps(pairs[j + h], pairs[j + 2 + h], 0xee);
        }
    for (int i = 0; i < 4; i++) {
        rows[i] = _mm256_permute2f128_ps(fours[i], fours[4 + i], 0x20);
        rows[4 + i] = _mm256_permute2f128_ps(fours[i], fours[4 + i], 0x31);
    }
}

#endif
