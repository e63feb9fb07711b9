/* How far apart two float32 scores must be for the float64 definition to agree with them; the proof
 * is in docs/exactness.md. */
#ifndef SPOT_NUMERICS_MARGIN_H
#define SPOT_NUMERICS_MARGIN_H

#include "numerics/portable.h"

/* For scores h_c - sum_j x_j c_j of centres and rows without their offset, in any order, fused or
 * not. half: the largest h_c; product: sum_j max|x_j| max|c_j|; distance: the largest squared
 * distance, sum_j (max|x_j| + max|c_j|)^2. wide: 1 where the rows were rounded to float32 for the
 * scores, and the definition sees them in float64; else 0. Infinite where a score might overflow.
 */
SPOT_INLINE float score_margin_of(int32_t columns, int wide, double half, double product,
                                  double distance)
{
    const double u32 = 0x1p-24, u64 = 0x1p-53, steps = (double)columns + 3 + wide;
    if (!(half + product <= 0x1p+126) || steps * u32 > 0.5) return INFINITY;
    const double slack = 1.01 / (1 - steps * u32);
    double score = steps * u32 * (half + product) + steps * 0x1p-149;
    double definition = steps * u64 * distance / 2;
    return nextafterf((float)(2 * (score + definition) * slack), INFINITY);
}

/* The same for products of bfloat16 pairs (fallback/kmeans_amx.c). Each factor is off by 2^-16 of
 * itself, and the product of the trailing parts, 2^-16 of the whole, is left out; sums of small
 * products, 2^-7 of the others together, come first; and what is denormal counts as 0. */
SPOT_INLINE float split_margin(int32_t columns, int wide, double half, double product,
                               double distance)
{
    const double rounded = (3 * 0x1p-16 * 1.01 + (columns / 32.0 + 2) * 0x1p-24) * product;
    const double denormal = columns * 0x1p-124 * (2 + distance);
    float margin = score_margin_of(columns, wide, half, product, distance);
    return nextafterf((float)(margin + 2 * (rounded + denormal)), INFINITY);
}

/* score_margin_of rows that are float32. */
SPOT_INLINE float score_margin(int32_t columns, double half, double product, double distance)
{
    return score_margin_of(columns, 0, half, product, distance);
}

#endif
