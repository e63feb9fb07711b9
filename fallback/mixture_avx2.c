/* Gaussian mixtures on one block of rows with AVX2 and FMA: four rows to a vector. */
#include <immintrin.h>
#include <stdint.h>

#define ALWAYS_INLINE static inline __attribute__((always_inline))

typedef __m256d vector;
enum { LANES = 4, GROUP = 2, WIDTH = 2, REST = 2, PACKS = 0 };

ALWAYS_INLINE vector v_set(double x)
{
    return _mm256_set1_pd(x);
}

ALWAYS_INLINE vector v_load(const double *at)
{
    return _mm256_loadu_pd(at);
}

ALWAYS_INLINE vector v_load_float(const float *at)
{
    return _mm256_cvtps_pd(_mm_loadu_ps(at));
}

ALWAYS_INLINE void v_store(double *at, vector a)
{
    _mm256_storeu_pd(at, a);
}

ALWAYS_INLINE vector v_add(vector a, vector b)
{
    return _mm256_add_pd(a, b);
}

ALWAYS_INLINE vector v_subtract(vector a, vector b)
{
    return _mm256_sub_pd(a, b);
}

ALWAYS_INLINE vector v_multiply(vector a, vector b)
{
    return _mm256_mul_pd(a, b);
}

ALWAYS_INLINE vector v_divide(vector a, vector b)
{
    return _mm256_div_pd(a, b);
}

/* sum + a b and sum - a b, rounded once. */
ALWAYS_INLINE vector v_plus_product(vector sum, vector a, vector b)
{
    return _mm256_fmadd_pd(a, b, sum);
}

ALWAYS_INLINE vector v_minus_product(vector sum, vector a, vector b)
{
    return _mm256_fnmadd_pd(a, b, sum);
}

/* The second where one is NaN. */
ALWAYS_INLINE vector v_max(vector a, vector b)
{
    return _mm256_max_pd(a, b);
}

/* a, or 0 where x < limit. */
ALWAYS_INLINE vector v_zero_below(vector a, vector x, vector limit)
{
    return _mm256_and_pd(_mm256_cmp_pd(x, limit, _CMP_NLT_UQ), a);
}

ALWAYS_INLINE vector v_bits_add(vector a, uint64_t bits)
{
    return _mm256_castsi256_pd(
        _mm256_add_epi64(_mm256_castpd_si256(a), _mm256_set1_epi64x((int64_t)bits)));
}

ALWAYS_INLINE vector v_bits_and(vector a, uint64_t bits)
{
    return _mm256_castsi256_pd(
        _mm256_and_si256(_mm256_castpd_si256(a), _mm256_set1_epi64x((int64_t)bits)));
}

ALWAYS_INLINE vector v_bits_or(vector a, uint64_t bits)
{
    return _mm256_castsi256_pd(
        _mm256_or_si256(_mm256_castpd_si256(a), _mm256_set1_epi64x((int64_t)bits)));
}

ALWAYS_INLINE vector v_bits_left_52(vector a)
{
    return _mm256_castsi256_pd(_mm256_slli_epi64(_mm256_castpd_si256(a), 52));
}

ALWAYS_INLINE vector v_bits_right_52(vector a)
{
    return _mm256_castsi256_pd(_mm256_srli_epi64(_mm256_castpd_si256(a), 52));
}

/* Bit by lane: whether a is not below limit (NaN is not), whether a is not 0. */
ALWAYS_INLINE unsigned v_bits_not_below(vector a, vector limit)
{
    return (unsigned)_mm256_movemask_pd(_mm256_cmp_pd(a, limit, _CMP_NLT_UQ));
}

ALWAYS_INLINE unsigned v_bits_not_zero(vector a)
{
    return (unsigned)_mm256_movemask_pd(_mm256_cmp_pd(a, _mm256_setzero_pd(), _CMP_NEQ_UQ));
}

ALWAYS_INLINE unsigned v_bits_equal(vector a, vector b)
{
    return (unsigned)_mm256_movemask_pd(_mm256_cmp_pd(a, b, _CMP_EQ_OQ));
}

/* Lane by lane yes where a > b, else no. */
ALWAYS_INLINE vector v_where_above(vector a, vector b, vector yes, vector no)
{
    return _mm256_blendv_pd(no, yes, _mm256_cmp_pd(a, b, _CMP_GT_OQ));
}

/* Writes the lanes whose bit is set one after the other (and something behind them); v_unpack puts
 * them back, 0 in the other lanes. */
ALWAYS_INLINE void v_pack(double *at, unsigned bits, vector a)
{
    double lanes[LANES];
    v_store(lanes, a);
    for (int i = 0; i < LANES; i++) {
        *at = lanes[i];
        at += bits >> i & 1;
    }
}

ALWAYS_INLINE vector v_unpack(const double *at, unsigned bits)
{
    double lanes[LANES];
    for (int i = 0; i < LANES; i++) {
        lanes[i] = bits >> i & 1 ? *at : 0.0;
        at += bits >> i & 1;
    }
    return v_load(lanes);
}

/* The numbers first + lane of the lanes whose bit is set, likewise. */
ALWAYS_INLINE void pack_numbers(int32_t *at, unsigned bits, int32_t first)
{
    for (int i = 0; i < LANES; i++) {
        *at = first + i;
        at += bits >> i & 1;
    }
}

/* Eight doubles: row - centre. */
ALWAYS_INLINE void store_difference(double *at, __m256 row, const double *centre)
{
    v_store(at, v_subtract(_mm256_cvtps_pd(_mm256_castps256_ps128(row)), v_load(centre)));
    v_store(at + LANES,
            v_subtract(_mm256_cvtps_pd(_mm256_extractf128_ps(row, 1)), v_load(centre + LANES)));
}

static double add_lanes(const double *a)
{
    return (a[0] + a[1]) + (a[2] + a[3]);
}

#include "fallback/mixture_near.h"
#include "fallback/mixture_sums.h"

const struct mixture_kernels *mixture_kernels_avx2(void)
{
    static const struct mixture_kernels kernels = {
        .name = "avx2",
        .densities = densities,
        .near_densities = near_densities,
        .responsibilities = responsibilities,
        .add = add,
        .sums_room = sums_room,
        .collect = collect,
    };
    return &kernels;
}
