/* What a person gets to see of a clustering: the table of clusters (--table) and the pictures
 * (--plots), made from the features whose names tell what they are: hour, dayofweek, month,
 * longitude, latitude, and any other as a mean or a mix of values. */
#ifndef SPOT_APP_VIEWS_H
#define SPOT_APP_VIEWS_H

#include <stdio.h>

#include "app/report.h"
#include "data/encoder.h"

/* A clustered matrix, borrowed. */
struct clustered {
    const float *values;    /* (rows, columns) row-major, or NULL: */
    const double *values64; /* the same in float64 */
    int64_t rows;
    int32_t columns, k;
    const char *const *names;      /* (columns) */
    const struct encoder *encoder; /* takes values back to raw units, or NULL */
    const int32_t *labels;         /* (rows) */
    const double *longitudes;      /* (rows) beside the features, NaN is missing; or NULL */
    const double *latitudes;
};

/* Prints the table on `out`. */
int views_table(const struct clustered *clustered, FILE *out, struct spot_error *err);

/* Writes clusters.svg and clusters.png into a folder, which is made when it is not there. */
int views_plots(const struct clustered *clustered, const char *folder, struct spot_error *err);

#endif
