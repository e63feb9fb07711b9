/* How AVX-512 ranks the scores of rows: 16 rows to a vector. For kmeans_avx512.c and kmeans_amx.c.
 */
#ifndef SPOT_FALLBACK_RANKING_AVX512_H
#define SPOT_FALLBACK_RANKING_AVX512_H

#include <immintrin.h>
#include <math.h>

#include "fallback/kmeans_kernels.h"

#define ALWAYS_INLINE static inline __attribute__((always_inline))

enum { LANES = 16, VECTORS = BLOCK_ROWS / LANES, SPLIT_MOST_COLUMNS = 512 };

/* The ranking so far of 16 rows. */
struct ranking {
    __m512 best, second;
    __m512i label;
};

ALWAYS_INLINE struct ranking empty_ranking(void)
{
    const __m512 infinity = _mm512_set1_ps(INFINITY);
    return (struct ranking){infinity, infinity, _mm512_setzero_si512()};
}

/* Centres come in ascending order, so a strict < keeps the lowest index among equals. */
ALWAYS_INLINE void rank(struct ranking *ranking, __m512 score, __m512i centre)
{
    __mmask16 closer = _mm512_cmp_ps_mask(score, ranking->best, _CMP_LT_OQ);
    __m512 worse = _mm512_max_ps(score, ranking->best);
    ranking->second = _mm512_min_ps(worse, ranking->second);
    ranking->best = _mm512_min_ps(score, ranking->best);
    ranking->label = _mm512_mask_mov_epi32(ranking->label, closer, centre);
}

/* Stores the labels of 16 rows; returns the bits of those too close to call, NaN among them. */
ALWAYS_INLINE uint64_t decide(const struct ranking *ranking, float margin, int32_t *labels)
{
    __m512 gap = _mm512_sub_ps(ranking->second, ranking->best);
    _mm512_storeu_si512(labels, ranking->label);
    return _mm512_cmp_ps_mask(gap, _mm512_set1_ps(margin), _CMP_NGT_UQ);
}

/* Limits of 16 rows: the drift so far and (second - best - reserve) / (2 l), with l at least the
 * distance to the second centre. */
ALWAYS_INLINE __m512 limits_of(const struct kmeans_filter *filter, const struct ranking *ranking,
                               __m512 norm)
{
    __m512 gap = _mm512_sub_ps(_mm512_sub_ps(ranking->second, ranking->best),
                               _mm512_set1_ps(filter->reserve));
    __m512 square = _mm512_fmadd_ps(_mm512_set1_ps(2.0f), ranking->second,
                                    _mm512_add_ps(norm, _mm512_set1_ps(filter->spread)));
    __m512 room =
        _mm512_mul_ps(_mm512_mul_ps(gap, _mm512_set1_ps(ROOM_FACTOR)), _mm512_rsqrt14_ps(square));
    return _mm512_mul_ps(_mm512_add_ps(room, _mm512_set1_ps(filter->drift)),
                         _mm512_set1_ps(LIMIT_FACTOR));
}

ALWAYS_INLINE __m512 squared_norms(const float *x, int32_t columns)
{
    __m512 norm = _mm512_setzero_ps();
    for (int32_t j = 0; j < columns; j++, x += BLOCK_ROWS)
        norm = _mm512_fmadd_ps(_mm512_load_ps(x), _mm512_load_ps(x), norm);
    return norm;
}

/* kmeans_amx.c: filter() where the centres are split. */
uint64_t filter_split(const struct kmeans_filter *filter, const float *x, int32_t *labels,
                      struct filter_limits *limits);

#endif
