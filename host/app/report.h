/* The table of clusters a person can read: size and share, when its rows happen, and how they are
 * mixed.
 *
 *   cluster    rows    share  hour         weekday  month    severity 1  severity 2  severity 3
 *         0  35,014  25.0 %  06:00-10:00  Tue-Thu  Jan-Jun       1.2 %      13.9 %      84.9 %
 *       all ...
 */
#ifndef SPOT_APP_REPORT_H
#define SPOT_APP_REPORT_H

#include <stdint.h>
#include <stdio.h>

#include "blackspot.h"

enum profile_kind {
    PROFILE_HOUR,    /* 0 <= value < 24: the shortest span of hours that holds half of the rows */
    PROFILE_WEEKDAY, /* Monday 0: the same of days */
    PROFILE_MONTH,   /* January 1: the same of months */
    PROFILE_MEAN,    /* the mean */
    PROFILE_MIX,     /* the share of each value, a column each; the most frequent six */
};

/* Something to tell about each cluster. NaN is missing and left out. */
struct profile_column {
    const char *title;
    const double *values;     /* (rows) */
    const char *const *names; /* PROFILE_MIX: (names_count) what the values 0, 1, ... are called, or
                                 NULL: the numbers themselves */
    int32_t names_count;
    enum profile_kind kind;
};

/* Prints the table, a line for each cluster and one for all rows, and a note on how to read it.
 * labels: (rows) 0 <= label < k. Errors: SPOT_ENOMEM, SPOT_EIO. */
int report_clusters(FILE *out, int32_t k, int64_t rows, const int32_t *labels,
                    const struct profile_column *columns, int32_t columns_count,
                    struct spot_error *err);

#endif
