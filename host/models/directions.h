/* Rows and centres scaled to length one, for the metric cosine. */
#ifndef SPOT_MODELS_DIRECTIONS_H
#define SPOT_MODELS_DIRECTIONS_H

#include "base/pool.h"
#include "blackspot.h"

/* A matrix whose rows are those of another one at length one: they are scaled when they are read.
 * Reading fails with SPOT_EDATA at a row of zeros, NaN or Inf, and names it. */
struct directions {
    const struct spot_matrix *source;
    struct spot_pool *pool;
    struct spot_reader reader;
    struct spot_matrix matrix; /* of `reader` */
};

/* Borrows the source, and `directions` itself as long as the matrix is used. */
void directions_of(const struct spot_matrix *source, struct spot_pool *pool,
                   struct directions *directions);

/* The same in memory: (rows, columns) of the rows' type; the caller frees *values.
 * Errors: as above, SPOT_ENOMEM. */
int unit_rows(const struct spot_matrix *data, struct spot_pool *pool, void **values,
              struct spot_error *err);

/* Copies of centres (k, columns) at length one; the caller frees *unit.
 * Errors: SPOT_EDATA (a centre of zeros), SPOT_ENOMEM. */
int unit_centres(const double *centres, int32_t k, int32_t columns, double **unit,
                 struct spot_error *err);

#endif
