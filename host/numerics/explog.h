/* exp and log in float64, the same bits everywhere: the mathematical library's differ from system
 * to system. fma() is written where it is meant, so vector versions (fallback/mixture_simd.h) give
 * these very bits. exp is within 1.1 ulp, log within 1 (tests/test_explog.c holds them to it).
 *
 * exp: x = n ln 2 + r with |r| <= ln 2 / 2, then e^r = 1 + r + r^2 P(r), P of degree 9 fitted on
 * Chebyshev points (relative error 1.6e-17). log: FreeBSD's msun e_log.c, with fused steps. */
#ifndef SPOT_NUMERICS_EXPLOG_H
#define SPOT_NUMERICS_EXPLOG_H

#include <string.h>

#include "numerics/portable.h"

/* Below this exp is 0: the results would be subnormal. */
#define EXP_LOWEST (-708.0)
#define EXP_HIGHEST 709.0

#define EXP_LOG2E 0x1.71547652b82fep+0
#define LOG_LN2_HIGH 0x1.62e42fefa39efp-1
#define LOG_LN2_LOW 0x1.abc9e3b39803fp-56

/* P(r), highest power first. */
#define EXP_TERMS 10
#define EXP_POLYNOMIAL                                                                            \
    0x1.af38d53857513p-26, 0x1.2891a8c1d838dp-22, 0x1.71de0d9c145d0p-19, 0x1.a019b8ef67c6cp-16,   \
        0x1.a01a01a7c8d47p-13, 0x1.6c16c17893833p-10, 0x1.11111111109adp-7, 0x1.5555555553d4fp-5, \
        0x1.5555555555556p-3, 0x1.0000000000001p-1

/* R(z) / z of log(1 + f) = f - f^2/2 + s (f^2/2 + R(s^2)), s = f / (2 + f), highest first. */
#define LOG_TERMS 7
#define LOG_POLYNOMIAL                                                                \
    1.479819860511658591e-01, 1.531383769920937332e-01, 1.818357216161805012e-01,     \
        2.222219843214978396e-01, 2.857142874366239149e-01, 3.999999999940941908e-01, \
        6.666666666666735130e-01

#ifndef __CUDACC__ /* device code knows no tables of the host */
static const double exp_terms[EXP_TERMS] = {EXP_POLYNOMIAL};
static const double log_terms[LOG_TERMS] = {LOG_POLYNOMIAL};
#endif

#define LOG_SQRT_HALF_BITS UINT64_C(0x3fe6a09e667f3bcd)

SPOT_INLINE uint64_t bits_of_double(double x)
{
    uint64_t bits;
    memcpy(&bits, &x, sizeof bits);
    return bits;
}

SPOT_INLINE double double_of_bits(uint64_t bits)
{
    double x;
    memcpy(&x, &bits, sizeof x);
    return x;
}

/* e^x for x <= 709; 0 below -708, -infinity included. */
SPOT_INLINE double spot_exp(double x)
{
    double y = x > EXP_LOWEST ? x : EXP_LOWEST;
    double n = rint(y * EXP_LOG2E);
    double r = fma(-n, LOG_LN2_LOW, fma(-n, LOG_LN2_HIGH, y));
    const double terms[EXP_TERMS] = {EXP_POLYNOMIAL};
    double p = terms[0];
    for (int i = 1; i < EXP_TERMS; i++)
        p = fma(p, r, terms[i]);
    p = fma(r * r, p, r) + 1.0;
    double power = double_of_bits((uint64_t)((int64_t)n + 1023) << 52);
    return x < EXP_LOWEST ? 0.0 : p * power;
}

/* The natural logarithm of a positive normal number. */
SPOT_INLINE double spot_log(double x)
{
    uint64_t shifted = bits_of_double(x) + (UINT64_C(0x3ff0000000000000) - LOG_SQRT_HALF_BITS);
    double e = (double)(int64_t)(shifted >> 52) - 1023.0;
    double f = double_of_bits((shifted & UINT64_C(0x000fffffffffffff)) + LOG_SQRT_HALF_BITS) - 1.0;
    double s = f / (2.0 + f);
    double z = s * s;
    const double terms[LOG_TERMS] = {LOG_POLYNOMIAL};
    double p = terms[0];
    for (int i = 1; i < LOG_TERMS; i++)
        p = fma(p, z, terms[i]);
    double half = 0.5 * f * f;
    double low = fma(e, LOG_LN2_LOW, s * fma(p, z, half));
    return fma(e, LOG_LN2_HIGH, f - (half - low));
}

#endif
