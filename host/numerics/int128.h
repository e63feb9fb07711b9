/* Sums of 128 bits in two int64 limbs, two's complement. Integer addition has no order, so threads,
 * batches and devices cannot change a bit of a sum. */
#ifndef SPOT_NUMERICS_INT128_H
#define SPOT_NUMERICS_INT128_H

#include "numerics/portable.h"

struct int128 {
    uint64_t low;
    int64_t high;
};

SPOT_INLINE struct int128 int128_from(int64_t value)
{
    struct int128 wide = {(uint64_t)value, value < 0 ? -1 : 0};
    return wide;
}

SPOT_INLINE struct int128 int128_add(struct int128 a, struct int128 b)
{
    struct int128 sum;
    sum.low = a.low + b.low;
    sum.high = (int64_t)((uint64_t)a.high + (uint64_t)b.high + (sum.low < a.low ? 1u : 0u));
    return sum;
}

SPOT_INLINE struct int128 int128_negate(struct int128 a)
{
    struct int128 negative;
    negative.low = ~a.low + 1u;
    negative.high = (int64_t)(~(uint64_t)a.high + (negative.low == 0 ? 1u : 0u));
    return negative;
}

SPOT_INLINE struct int128 int128_subtract(struct int128 a, struct int128 b)
{
    return int128_add(a, int128_negate(b));
}

/* The full product of two 64-bit numbers without sign, from four 32-bit products. */
SPOT_INLINE struct int128 int128_multiply_unsigned(uint64_t a, uint64_t b)
{
    uint64_t a0 = a & 0xffffffffu, a1 = a >> 32;
    uint64_t b0 = b & 0xffffffffu, b1 = b >> 32;
    uint64_t p00 = a0 * b0, p01 = a0 * b1, p10 = a1 * b0, p11 = a1 * b1;
    uint64_t middle = (p00 >> 32) + (p01 & 0xffffffffu) + (p10 & 0xffffffffu);
    struct int128 product;
    product.low = (p00 & 0xffffffffu) | (middle << 32);
    product.high = (int64_t)(p11 + (p01 >> 32) + (p10 >> 32) + (middle >> 32));
    return product;
}

SPOT_INLINE struct int128 int128_multiply(int64_t a, int64_t b)
{
    uint64_t ua = a < 0 ? 0u - (uint64_t)a : (uint64_t)a;
    uint64_t ub = b < 0 ? 0u - (uint64_t)b : (uint64_t)b;
    struct int128 product = int128_multiply_unsigned(ua, ub);
    return (a < 0) != (b < 0) ? int128_negate(product) : product;
}

/* a * b for a, b >= 0 whose product is below 2^127. */
SPOT_INLINE struct int128 int128_times(struct int128 a, int64_t b)
{
    struct int128 product = int128_multiply_unsigned(a.low, (uint64_t)b);
    product.high = (int64_t)((uint64_t)product.high + (uint64_t)a.high * (uint64_t)b);
    return product;
}

/* -1, 0, 1 as a is below, equal to or above b. */
SPOT_INLINE int int128_compare(struct int128 a, struct int128 b)
{
    if (a.high != b.high) return a.high < b.high ? -1 : 1;
    if (a.low != b.low) return a.low < b.low ? -1 : 1;
    return 0;
}

SPOT_INLINE int int128_is_zero(struct int128 a)
{
    return a.low == 0 && a.high == 0;
}

/* The nearest double, ties to even: the top 64 bits, the last of which says whether there are more,
 * are rounded once. */
SPOT_INLINE double int128_to_double(struct int128 a)
{
    int negative = a.high < 0;
    struct int128 magnitude = negative ? int128_negate(a) : a;
    uint64_t high = (uint64_t)magnitude.high, low = magnitude.low;
    double value = (double)low;
    if (high != 0) {
        int shift = leading_zeros(high);
        uint64_t top = high << shift | low >> 1 >> (63 - shift);
        uint64_t more = low << shift != 0 ? 1 : 0;
        value = (double)(top | more) * 2 * (double)((uint64_t)1 << (63 - shift));
    }
    return negative ? -value : value;
}

/* floor(a * fraction / 2^64) for 0 <= a < 2^127: where a uniform 64-bit draw falls in a sum. */
SPOT_INLINE struct int128 int128_scale(struct int128 a, uint64_t fraction)
{
    struct int128 low = int128_multiply_unsigned(a.low, fraction);
    struct int128 high = int128_multiply_unsigned((uint64_t)a.high, fraction);
    struct int128 carried = {(uint64_t)low.high, 0};
    return int128_add(high, carried);
}

#endif
