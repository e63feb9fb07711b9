/* Gaussian mixtures on one block of rows with AVX-512: eight rows to a vector. */
#include <immintrin.h>
#include <stdint.h>

#define ALWAYS_INLINE static inline __attribute__((always_inline))

typedef __m512d vector;
enum { LANES = 8, GROUP = 4, WIDTH = 3, REST = 3, PACKS = 1 };

ALWAYS_INLINE vector v_set(double x)
{
    return _mm512_set1_pd(x);
}

ALWAYS_INLINE vector v_load(const double *at)
{
    return _mm512_loadu_pd(at);
}

ALWAYS_INLINE vector v_load_float(const float *at)
{
    return _mm512_cvtps_pd(_mm256_loadu_ps(at));
}

ALWAYS_INLINE void v_store(double *at, vector a)
{
    _mm512_storeu_pd(at, a);
}

ALWAYS_INLINE vector v_add(vector a, vector b)
{
    return _mm512_add_pd(a, b);
}

ALWAYS_INLINE vector v_subtract(vector a, vector b)
{
    return _mm512_sub_pd(a, b);
}

ALWAYS_INLINE vector v_multiply(vector a, vector b)
{
    return _mm512_mul_pd(a, b);
}

ALWAYS_INLINE vector v_divide(vector a, vector b)
{
    return _mm512_div_pd(a, b);
}

/* sum + a b and sum - a b, rounded once. */
ALWAYS_INLINE vector v_plus_product(vector sum, vector a, vector b)
{
    return _mm512_fmadd_pd(a, b, sum);
}

ALWAYS_INLINE vector v_minus_product(vector sum, vector a, vector b)
{
    return _mm512_fnmadd_pd(a, b, sum);
}

/* The second where one is NaN. */
ALWAYS_INLINE vector v_max(vector a, vector b)
{
    return _mm512_max_pd(a, b);
}

/* a, or 0 where x < limit. */
ALWAYS_INLINE vector v_zero_below(vector a, vector x, vector limit)
{
    return _mm512_maskz_mov_pd(_mm512_cmp_pd_mask(x, limit, _CMP_NLT_UQ), a);
}

ALWAYS_INLINE vector v_bits_add(vector a, uint64_t bits)
{
    return _mm512_castsi512_pd(
        _mm512_add_epi64(_mm512_castpd_si512(a), _mm512_set1_epi64((int64_t)bits)));
}

ALWAYS_INLINE vector v_bits_and(vector a, uint64_t bits)
{
    return _mm512_castsi512_pd(
        _mm512_and_si512(_mm512_castpd_si512(a), _mm512_set1_epi64((int64_t)bits)));
}

ALWAYS_INLINE vector v_bits_or(vector a, uint64_t bits)
{
    return _mm512_castsi512_pd(
        _mm512_or_si512(_mm512_castpd_si512(a), _mm512_set1_epi64((int64_t)bits)));
}

ALWAYS_INLINE vector v_bits_left_52(vector a)
{
    return _mm512_castsi512_pd(_mm512_slli_epi64(_mm512_castpd_si512(a), 52));
}

ALWAYS_INLINE vector v_bits_right_52(vector a)
{
    return _mm512_castsi512_pd(_mm512_srli_epi64(_mm512_castpd_si512(a), 52));
}

/* Bit by lane: whether a is not below limit (NaN is not), whether a is not 0. */
ALWAYS_INLINE unsigned v_bits_not_below(vector a, vector limit)
{
    return _mm512_cmp_pd_mask(a, limit, _CMP_NLT_UQ);
}

ALWAYS_INLINE unsigned v_bits_not_zero(vector a)
{
    return _mm512_cmp_pd_mask(a, _mm512_setzero_pd(), _CMP_NEQ_UQ);
}

ALWAYS_INLINE unsigned v_bits_equal(vector a, vector b)
{
    return _mm512_cmp_pd_mask(a, b, _CMP_EQ_OQ);
}

/* Lane by lane yes where a > b, else no. */
ALWAYS_INLINE vector v_where_above(vector a, vector b, vector yes, vector no)
{
    return _mm512_mask_mov_pd(no, _mm512_cmp_pd_mask(a, b, _CMP_GT_OQ), yes);
}

/* Writes the lanes whose bit is set one after the other (and what is left of a vector behind them);
 * v_unpack puts them back, 0 in the other lanes. */
ALWAYS_INLINE void v_pack(double *at, unsigned bits, vector a)
{
    v_store(at, _mm512_maskz_compress_pd((__mmask8)bits, a));
}

ALWAYS_INLINE vector v_unpack(const double *at, unsigned bits)
{
    return _mm512_maskz_expand_pd((__mmask8)bits, v_load(at));
}

/* The numbers first + lane of the lanes whose bit is set, likewise. */
ALWAYS_INLINE void pack_numbers(int32_t *at, unsigned bits, int32_t first)
{
    const __m256i lanes = _mm256_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7);
    const __m256i numbers = _mm256_add_epi32(lanes, _mm256_set1_epi32(first));
    _mm256_storeu_si256((__m256i *)(void *)at,
                        _mm256_maskz_compress_epi32((__mmask8)bits, numbers));
}

/* Eight doubles: row - centre. */
ALWAYS_INLINE void store_difference(double *at, __m256 row, const double *centre)
{
    v_store(at, v_subtract(_mm512_cvtps_pd(row), v_load(centre)));
}

static double add_lanes(const double *a)
{
    return ((a[0] + a[1]) + (a[2] + a[3])) + ((a[4] + a[5]) + (a[6] + a[7]));
}

#include "fallback/mixture_near.h"
#include "fallback/mixture_sums.h"

const struct mixture_kernels *mixture_kernels_avx512(void)
{
    static const struct mixture_kernels kernels = {
        .name = "avx512",
        .densities = densities,
        .near_densities = near_densities,
        .responsibilities = responsibilities,
        .add = add,
        .sums_room = sums_room,
        .collect = collect,
    };
    return &kernels;
}
