/* Exact sums of float64: the sum of any numbers in any order is the same bits.
 *
 * A small superaccumulator after Neal, "Fast exact summation using small and large
 * superaccumulators" (2015): 64-bit chunks that overlap by 32 bits cover every exponent of a
 * double, so that 2^11 numbers may be added before the carries are passed on. */
#ifndef SPOT_DATA_EXACT_SUM_H
#define SPOT_DATA_EXACT_SUM_H

#include <stdint.h>

enum { EXACT_SUM_CHUNKS = 67 }; /* of 32 bits: 2^-1074 .. 2^1024 and room for the sum */

struct exact_sum {
    int64_t chunks[EXACT_SUM_CHUNKS]; /* value = sum chunks[i] * 2^(32 i - 1074) */
    int32_t pending;                  /* additions since the last carry */
};

/* An accumulator of zeros is an empty sum. Values are finite. */
void exact_sum_add(struct exact_sum *sum, double value);

/* Adds a * b without rounding; |a * b| < 2^1000. A part of the product below 2^-1074 is rounded,
 * the same way whatever the order. */
void exact_sum_add_product(struct exact_sum *sum, double a, double b);

void exact_sum_merge(struct exact_sum *sum, const struct exact_sum *from);

/* The sum, rounded to nearest. */
double exact_sum_value(const struct exact_sum *sum);

/* Mean and population variance of `count` > 0 numbers from the sums of them and of their squares,
 * as if computed without rounding until the end. */
void exact_moments(const struct exact_sum *sum, const struct exact_sum *squares, int64_t count,
                   double *mean, double *variance);

#endif
