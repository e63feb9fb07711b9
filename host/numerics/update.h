/* Lloyd's centre update and its stop rule, written once for all devices. */
#ifndef SPOT_NUMERICS_UPDATE_H
#define SPOT_NUMERICS_UPDATE_H

#include "numerics/quantiser.h"

/* The weighted mean of a cluster in one column, from its integer sums; weight > 0. */
SPOT_INLINE double centre_from_sums(struct int128 sum, struct int128 weight, double offset,
                                    double scale)
{
    return offset + int128_to_double(sum) / int128_to_double(weight) / scale;
}

/* New centres from the sums; a cluster without weight keeps its centre. Returns the squared
 * Frobenius norm of the movement. centres (k, columns) is read and replaced;
 * sums (k, columns), weights (k). */
SPOT_INLINE double update_centres(const struct quantiser *q, int32_t k, const struct int128 *sums,
                                  const struct int128 *weights, double *centres)
{
    double shift = 0.0;
    for (int32_t c = 0; c < k; c++) {
        if (int128_is_zero(weights[c])) continue;
        for (int32_t j = 0; j < q->columns; j++) {
            int64_t at = (int64_t)c * q->columns + j;
            double centre = centre_from_sums(sums[at], weights[c], q->offset[j], q->scale[j]);
            double difference = centre - centres[at];
            shift = shift + difference * difference;
            centres[at] = centre;
        }
    }
    return shift;
}

#endif
