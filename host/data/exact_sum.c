/* See exact_sum.h. Rounding goes through the two highest 64-bit words of the sum and a sticky bit,
 * so it is correct to the last bit. */
#include "data/exact_sum.h"

#include <math.h>
#include <string.h>

#define CHUNK_BITS 32
#define CHUNK_MASK 0xffffffff

/* Passes carries upwards until every chunk but the last lies in [0, 2^32). */
static void carry(struct exact_sum *sum)
{
    for (int i = 0; i + 1 < EXACT_SUM_CHUNKS; i++) {
        int64_t low = sum->chunks[i] & CHUNK_MASK;
        sum->chunks[i + 1] += (sum->chunks[i] - low) / (INT64_C(1) << CHUNK_BITS);
        sum->chunks[i] = low;
    }
    sum->pending = 0;
}

void exact_sum_add(struct exact_sum *sum, double value)
{
    uint64_t bits;
    memcpy(&bits, &value, sizeof bits);
    int exponent = (int)(bits >> 52) & 0x7ff;
    uint64_t mantissa = bits & UINT64_C(0xfffffffffffff);
    if (exponent == 0)
        exponent = 1;
    else
        mantissa |= UINT64_C(1) << 52;
    int shift = exponent - 1; /* value = mantissa * 2^(shift - 1074) */
    int chunk = shift / CHUNK_BITS, within = shift % CHUNK_BITS;
    /* 53 bits moved by up to 31 lie in three chunks; the middle one takes what is above 32 bits */
    uint64_t low = (mantissa << within) & CHUNK_MASK;
    uint64_t high = (mantissa >> (CHUNK_BITS - within)); /* within 0: >> 32, the plain upper part */
    if ((int64_t)bits < 0) {
        sum->chunks[chunk] -= (int64_t)low;
        sum->chunks[chunk + 1] -= (int64_t)high;
    } else {
        sum->chunks[chunk] += (int64_t)low;
        sum->chunks[chunk + 1] += (int64_t)high;
    }
    if (++sum->pending == 1 << 9) carry(sum);
}

void exact_sum_add_product(struct exact_sum *sum, double a, double b)
{
    double product = a * b;
    exact_sum_add(sum, product);
    exact_sum_add(sum, fma(a, b, -product));
}

void exact_sum_merge(struct exact_sum *sum, const struct exact_sum *from)
{
    carry(sum);
    struct exact_sum other = *from;
    carry(&other);
    for (int i = 0; i < EXACT_SUM_CHUNKS; i++)
        sum->chunks[i] += other.chunks[i];
    carry(sum);
}

/* |sum| with every chunk in [0, 2^32); returns whether it was negative. */
static int magnitude(const struct exact_sum *sum, struct exact_sum *positive)
{
    *positive = *sum;
    carry(positive);
    int negative = positive->chunks[EXACT_SUM_CHUNKS - 1] < 0;
    if (negative) {
        for (int i = 0; i < EXACT_SUM_CHUNKS; i++)
            positive->chunks[i] = -positive->chunks[i];
        carry(positive);
    }
    return negative;
}

double exact_sum_value(const struct exact_sum *sum)
{
    struct exact_sum positive;
    int negative = magnitude(sum, &positive);
    int top = EXACT_SUM_CHUNKS - 1;
    while (top > 0 && positive.chunks[top] == 0)
        top--;
    /* 96 bits at least 65 of which count: the upper 64 and a sticky bit round once, to 53 */
    int64_t below = top >= 2 ? positive.chunks[top - 2] : 0;
    int64_t middle = top >= 1 ? positive.chunks[top - 1] : 0;
    uint64_t high = (uint64_t)positive.chunks[top];
    int zeros = high == 0 ? 32 : __builtin_clzll(high) - 32;
    int sticky = 0;
    for (int i = top - 3; i >= 0; i--)
        sticky |= positive.chunks[i] != 0;
    uint64_t word = (high << 32) | (uint64_t)middle;
    uint64_t rest = ((uint64_t)below << 32) | (uint64_t)sticky;
    if (zeros > 0 && zeros < 32) {
        word = (word << zeros) | (rest >> (64 - zeros));
        rest <<= zeros;
    }
    int exponent = 32 * (top - 1) - zeros * (zeros < 32) - 1074;
    if (exponent < -1074) { /* a subnormal or a small number: exact as it is */
        word >>= -1074 - exponent;
        exponent = -1074;
    } else {
        word |= rest != 0;
    }
    double value = ldexp((double)word, exponent);
    return negative ? -value : value;
}

/* A sum as three doubles, the higher ones holding the leading bits: 159 bits or all there are. */
static void split(const struct exact_sum *sum, double parts[3])
{
    struct exact_sum rest = *sum;
    for (int i = 0; i < 3; i++) {
        parts[i] = exact_sum_value(&rest);
        exact_sum_add(&rest, -parts[i]);
    }
}

void exact_moments(const struct exact_sum *sum, const struct exact_sum *squares, int64_t count,
                   double *mean, double *variance)
{
    double n = (double)count, first[3], second[3];
    split(sum, first);
    split(squares, second);
    *mean = first[0] / n;
    /* n * squares - sum^2, then one division */
    struct exact_sum spread;
    memset(&spread, 0, sizeof spread);
    for (int i = 0; i < 3; i++) {
        exact_sum_add_product(&spread, n, second[i]);
        for (int j = 0; j < 3; j++)
            exact_sum_add_product(&spread, -first[i], first[j]);
    }
    double numerator = exact_sum_value(&spread);
    *variance = numerator > 0.0 ? numerator / (n * n) : 0.0;
}
