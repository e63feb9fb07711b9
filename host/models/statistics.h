/* What a fit must know about all rows before it begins: ranges, the fixed-point scales they allow,
 * and the variance that tol is measured in. Parts merge by minimum, maximum and integer sums, so
 * nothing here depends on batches or threads. */
#ifndef SPOT_MODELS_STATISTICS_H
#define SPOT_MODELS_STATISTICS_H

#include <stdbool.h>

#include "backend/backend.h"
#include "base/pool.h"
#include "blackspot.h"
#include "numerics/quantiser.h"

struct statistics {
    int32_t columns;
    double *minimum, *maximum;  /* (columns) */
    double *offset, *scale;     /* (columns) of the quantiser */
    float *largest;             /* (columns) no |value - offset| is above it */
    bool weighted;              /* else every row counts once */
    struct int128 weight;       /* sum of the quantised weights */
    struct quantiser quantiser; /* points to offset and scale */
};

/* Passes over the matrix; centres (k, columns) may be NULL, else their range counts too.
 * Errors: SPOT_EDATA with row and column. */
int statistics_of(const struct spot_matrix *data, const double *centres, int32_t k,
                  struct spot_pool *pool, struct statistics *statistics, struct spot_error *err);

/* Says that the rows have length one, and so will the centres: scales for them. centres_given: some
 * that may lie anywhere were counted in. */
void make_spherical(struct statistics *statistics, bool centres_given);

/* The mean over the columns of the unweighted variance, from the moments of a data handle; scale
 * (columns) is what they were taken with. Refuses a column that an extreme value flattens. */
void moment_scales(const struct statistics *statistics, double *scale);
int mean_variance(const struct statistics *statistics, const struct column_moments *moments,
                  int64_t rows, double *variance, struct spot_error *err);

/* Sample weights (rows) as integers. */
void quantise_weights(const struct statistics *statistics, const double *weights, int64_t rows,
                      int64_t *quantised);

void statistics_clear(struct statistics *statistics);

/* Ranges alone, with the check that every value is finite: minimum, maximum (columns). */
int column_ranges(const struct spot_matrix *data, struct spot_pool *pool, double *minimum,
                  double *maximum, struct spot_error *err);

/* A value that can be taken off every value of a column exactly, in the rows' type: its minimum
 * where all lie within a factor of two (Sterbenz), else 0. */
double exact_offset(double minimum, double maximum);

#endif
