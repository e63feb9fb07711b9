/* How a mini-batch moves a centre (Sculley, "Web-scale k-means clustering", WWW 2010), as
 * scikit-learn's MiniBatchKMeans.partial_fit does: a centre is the mean of all it has seen. */
#ifndef SPOT_NUMERICS_MINIBATCH_H
#define SPOT_NUMERICS_MINIBATCH_H

#include "numerics/portable.h"

/* seen: the weight the centre has seen before; mean and weight > 0 of the batch's rows. */
SPOT_INLINE double minibatch_centre(double centre, double seen, double mean, double weight)
{
    return seen > 0 ? centre + (mean - centre) * (weight / (seen + weight)) : mean;
}

#endif
