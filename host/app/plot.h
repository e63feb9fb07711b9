/* Pictures of a clustering: sizes, an hour by weekday heat map of each cluster, and a map of the
 * rows where there are coordinates. SVG or PNG by the name's ending; the same input gives the same
 * bytes. */
#ifndef SPOT_APP_PLOT_H
#define SPOT_APP_PLOT_H

#include <stdint.h>

#include "blackspot.h"

/* What is drawn, borrowed for the call. Arrays are NULL where there is nothing of the kind; NaN is
 * missing. */
struct cluster_picture {
    const char *title; /* NULL: only the numbers of rows and clusters are told */
    int64_t rows;
    int32_t k;
    const int32_t *labels;     /* (rows) 0 <= label < k */
    const char *const *titles; /* (k) or NULL: "cluster 0", ... */
    const double *hours;       /* (rows) 0 <= hour < 24, a fraction is cut off */
    const double *weekdays;    /* (rows) Monday 0; drawn with hours only */
    const double *longitudes;  /* (rows) degrees east, or any unit of length */
    const double *latitudes;   /* (rows) degrees north, or the same unit */
};

/* Writes the picture through a temporary file. Errors: SPOT_EUSAGE (another ending), SPOT_EIO,
 * SPOT_ENOMEM. */
int plot_clusters(const char *path, const struct cluster_picture *picture, struct spot_error *err);

#endif
