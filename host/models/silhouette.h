/* The mean silhouette (Rousseeuw 1987) of rows with known clusters: every distance in float64,
 * sums in an order that the rows alone decide. */
#ifndef SPOT_MODELS_SILHOUETTE_H
#define SPOT_MODELS_SILHOUETTE_H

#include <stdbool.h>

#include "base/pool.h"
#include "blackspot.h"

struct silhouette_rows {
    const float *values;    /* (rows, columns) row-major, or NULL: */
    const double *values64; /* the same in float64 */
    const int32_t *labels;  /* (rows) 0 <= label < k */
    const int32_t *counts;  /* (rows) how many equal rows each one stands for, or NULL: 1 */
    int64_t rows;
    int32_t columns, k;
    bool cosine; /* rows of length one, and distances 1 - cos = |x - y|^2 / 2 */
};

/* Between a row's silhouettes s = (b - a) / max(a, b), a the mean distance to the others of its
 * cluster and b the smallest mean distance to the rows of another one; 0 for a row alone in its
 * cluster. *mean is NaN where fewer than two clusters have rows, or where each row has its own.
 * stopped may be NULL. Errors: SPOT_ENOMEM, SPOT_ESTOPPED. */
int silhouette_mean(const struct silhouette_rows *rows, struct spot_pool *pool,
                    int (*stopped)(void *arg), void *arg, double *mean, struct spot_error *err);

#endif
