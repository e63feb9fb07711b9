/* How far apart two float32 scores must be for the float64 definition to agree with them.
 *
 * With u = 2^-24, c' = c - offset and d columns, the score h - sum_j x_j c'_j is evaluated as a
 * chain of d fused multiply-adds that starts from h = |c'|^2 / 2. Rounding h costs u H, rounding c'
 * costs u P, the chain d u (H + P), each to first order, where H is the largest h and
 * P = sum_j max|x_j| max|c'_j|: together less than (d + 3) u (H + P). Two scores differ by twice
 * that. The definition rounds too: its relative error is below (d + 3) 2^-53, and a score is half a
 * squared distance. The last term covers what is lost below float32's smallest normal number. Where
 * a score might overflow nothing is known, and the definition decides every row. */
#ifndef SPOT_KERNELS_KMEANS_MARGIN_H
#define SPOT_KERNELS_KMEANS_MARGIN_H

#include "numerics/portable.h"

/* half: H, product: P, distance: the largest squared distance, sum_j (max|x_j| + max|c'_j|)^2. */
SPOT_INLINE float kmeans_margin(int32_t columns, double half, double product, double distance)
{
    if (half + product > 0x1p+126) return INFINITY;
    double steps = columns + 3.0;
    double scores = 2.0 * steps * 0x1p-24 * (half + product);
    double definition = steps * 0x1p-53 * distance;
    double tiny = 0x1p-140 * (1.0 + distance);
    return nextafterf((float)(scores + definition + tiny), INFINITY);
}

#endif
