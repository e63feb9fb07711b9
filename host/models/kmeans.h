/* KMeans in the engine: what spot_kmeans is made of, and the steps of a fit. */
#ifndef SPOT_MODELS_KMEANS_H
#define SPOT_MODELS_KMEANS_H

#include "backend/engine.h"

struct spot_kmeans {
    struct spot_kmeans_result result; /* its pointers are the arrays below */
    double *centres;                  /* (k, columns) */
    int64_t *sizes;                   /* (k) */
    double *weights;                  /* (k) */
    uint64_t seed;
};

/* "euclidean", "cosine", by enum spot_metric; NULL-terminated. */
extern const char *const kmeans_metric_names[];

/* The data has the model's columns, or SPOT_EDATA. */
int kmeans_check_columns(const spot_kmeans *model, const struct spot_matrix *data,
                         struct spot_error *err);

/* Labels and squared distances, as spot_kmeans_assign, of at least one row, at length one where the
 * metric is cosine. */
int kmeans_assign_rows(spot_engine *engine, const spot_kmeans *model,
                       const struct spot_matrix *rows, int32_t *labels, double *squares,
                       struct spot_error *err);

/* The same of rows in memory that have been looked at; offset (columns) can be taken off them
 * exactly. Labels and squares (rows), either may be NULL. */
int kmeans_assign_batch(spot_engine *engine, const spot_kmeans *model, const double *offset,
                        const struct spot_matrix *rows, int32_t *labels, double *squares,
                        struct spot_error *err);

/* A model of this shape with zeroed arrays, or NULL. */
spot_kmeans *kmeans_new(int32_t k, int32_t columns);

#endif
