/* Fixed-point images of the data, so that sums are integers (docs/exactness.md).
 *
 * A column's value x becomes q = rint((x - offset) * scale), |q| <= 2^column_bits; a weight w
 * becomes an integer of at most 62 bits; a squared distance becomes rint(d2 * distance_scale). All
 * scales are powers of two, fixed once from the whole data: the same for every device, batch and
 * thread. */
#ifndef SPOT_NUMERICS_QUANTISER_H
#define SPOT_NUMERICS_QUANTISER_H

#include "numerics/int128.h"

enum {
    QUANTISER_COLUMN_BITS = 48,   /* of a value, at most */
    QUANTISER_COLUMN_LEAST = 40,  /* and at least */
    QUANTISER_WEIGHT_BITS = 62,   /* of a weight, at most */
    QUANTISER_DISTANCE_BITS = 50, /* of a squared distance, at most */
};

struct quantiser {
    int32_t columns;
    int32_t column_bits;  /* QUANTISER_COLUMN_BITS, fewer where the weights need the room */
    int32_t spherical;    /* 1: rows have length one, and centres are given it */
    const double *offset; /* (columns) a value that can be subtracted exactly from the rows, or 0 */
    const double *scale;  /* (columns) a power of two */
    double weight_scale;  /* a power of two */
    double distance_scale; /* for float64 squared distances and float32 seeding distances */
};

SPOT_INLINE int64_t quantise(double shifted, double scale)
{
    return (int64_t)llrint(shifted * scale);
}

#endif
