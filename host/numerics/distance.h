/* The one definition of nearness. Strides are in elements, so that row-major rows and column blocks
 * share it. Compiled without contraction: a * b + c is two roundings. */
#ifndef SPOT_NUMERICS_DISTANCE_H
#define SPOT_NUMERICS_DISTANCE_H

#include <math.h>

#include "numerics/portable.h"

/* sum_j (x_j - c_j)^2, j ascending, in float64. x is stored without its offset: x_j = x[j] + o_j,
 * which is exact (see quantiser.h). */
SPOT_INLINE double squared_distance(const float *x, int64_t stride, const double *offset,
                                    const double *c, int32_t columns)
{
    double sum = 0.0;
    for (int32_t j = 0; j < columns; j++) {
        double difference = ((double)x[j * stride] + offset[j]) - c[j];
        sum = sum + difference * difference;
    }
    return sum;
}

/* The same for a row of float64. */
SPOT_INLINE double squared_distance_float64(const double *x, int64_t stride, const double *offset,
                                            const double *c, int32_t columns)
{
    double sum = 0.0;
    for (int32_t j = 0; j < columns; j++) {
        double difference = (x[j * stride] + offset[j]) - c[j];
        sum = sum + difference * difference;
    }
    return sum;
}

/* The seeding distance between two rows: the data's type, j ascending, each square fused with its
 * addition. */
SPOT_INLINE float squared_distance_float32(const float *x, int64_t stride, const float *c,
                                           int32_t columns)
{
    float sum = 0.0f;
    for (int32_t j = 0; j < columns; j++) {
        float difference = x[j * stride] - c[j];
        sum = fmaf(difference, difference, sum);
    }
    return sum;
}

#endif
