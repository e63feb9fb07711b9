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

/* The length of that mean in all columns, j ascending. sums (columns). */
SPOT_INLINE double mean_length(const struct quantiser *q, const struct int128 *sums,
                               struct int128 weight)
{
    double square = 0.0;
    for (int32_t j = 0; j < q->columns; j++) {
        double mean = centre_from_sums(sums[j], weight, q->offset[j], q->scale[j]);
        square = square + mean * mean;
    }
    return sqrt(square);
}

/* New centres from the sums; a cluster without weight keeps its centre. Spherical ones are given
 * length one (Dhillon and Modha 2001), and keep their place where the mean is the zero vector.
 * Returns the squared Frobenius norm of the movement. centres (k, columns) is read and replaced;
 * sums (k, columns), weights (k). */
SPOT_INLINE double update_centres(const struct quantiser *q, int32_t k, const struct int128 *sums,
                                  const struct int128 *weights, double *centres)
{
    double shift = 0.0;
    for (int32_t c = 0; c < k; c++) {
        if (int128_is_zero(weights[c])) continue;
        double length =
            q->spherical ? mean_length(q, sums + (int64_t)c * q->columns, weights[c]) : 1.0;
        if (length == 0.0) continue;
        for (int32_t j = 0; j < q->columns; j++) {
            int64_t at = (int64_t)c * q->columns + j;
            double centre =
                centre_from_sums(sums[at], weights[c], q->offset[j], q->scale[j]) / length;
            double difference = centre - centres[at];
            shift = shift + difference * difference;
            centres[at] = centre;
        }
    }
    return shift;
}

#endif
