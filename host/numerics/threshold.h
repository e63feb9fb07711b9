/* A float64 threshold for float32 values. */
#ifndef SPOT_NUMERICS_THRESHOLD_H
#define SPOT_NUMERICS_THRESHOLD_H

#include <math.h>

/* For a float32 x, x <= t is x < this; NaN for t = inf, which no value is above. */
static inline float threshold_above(double t)
{
    float nearest = (float)t;
    if ((double)nearest > t) nearest = nextafterf(nearest, -INFINITY);
    return nearest == INFINITY ? NAN : nextafterf(nearest, INFINITY);
}

#endif
