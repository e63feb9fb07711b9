/* Rows and centres of length one, for the cosine: one rule for every device. */
#ifndef SPOT_NUMERICS_DIRECTION_H
#define SPOT_NUMERICS_DIRECTION_H

#include "numerics/portable.h"

/* A row's length, j ascending; its squares neither overflow nor vanish in float64. */
SPOT_INLINE double row_length(const float *x, int32_t columns)
{
    double square = 0.0;
    for (int32_t j = 0; j < columns; j++)
        square = square + (double)x[j] * (double)x[j];
    return sqrt(square);
}

/* What becomes of a value in a row of this length. */
SPOT_INLINE float unit_value(float x, double length)
{
    return (float)((double)x / length);
}

/* Gives a centre, or a row of float64, length one. Its largest magnitude is taken out first, so
 * that no square overflows or vanishes. Returns 0, leaving it alone, where it is the zero vector.
 */
SPOT_INLINE int make_unit(double *centre, int32_t columns)
{
    double largest = 0.0, square = 0.0;
    for (int32_t j = 0; j < columns; j++)
        if (fabs(centre[j]) > largest) largest = fabs(centre[j]);
    if (largest == 0.0) return 0;
    for (int32_t j = 0; j < columns; j++) {
        double part = centre[j] / largest;
        square = square + part * part;
    }
    for (int32_t j = 0; j < columns; j++)
        centre[j] = centre[j] / largest / sqrt(square);
    return 1;
}

#endif
