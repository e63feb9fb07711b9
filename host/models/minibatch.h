/* Steps of mini-batch KMeans: rows go to their nearest centres, and each centre moves towards the
 * mean of its rows, the less the more it has seen. Sums are integers, so neither threads nor
 * devices change a bit. */
#ifndef SPOT_MODELS_MINIBATCH_H
#define SPOT_MODELS_MINIBATCH_H

#include "models/kmeans_fit.h"
#include "models/statistics.h"

struct minibatch {
    spot_engine *engine;
    spot_kmeans *model;   /* whose centres, weights and sizes the steps change */
    int64_t capacity;     /* rows that are worked on at a time */
    int32_t *labels;      /* (capacity) */
    double *distances;    /* (capacity) squared */
    struct int128 *sums;  /* (k, columns) */
    struct int128 *gains; /* (k) weight of the step's rows */
    void *values;         /* (capacity, columns) of rows that are read, of their type, else NULL */
    double *weights;      /* (capacity) of rows that have them, else NULL */
    int64_t *quantised;   /* (capacity) */
};

/* For rows like those of `data`, which may be read. */
int minibatch_open(struct minibatch *batch, spot_engine *engine, spot_kmeans *model,
                   const struct spot_matrix *data, struct spot_error *err);
void minibatch_close(struct minibatch *batch);

/* One step with all of these rows. statistics: of a matrix that has them in it. *inertia: of the
 * rows before the centres moved. */
int minibatch_step(struct minibatch *batch, const struct statistics *statistics,
                   const struct spot_matrix *rows, double *inertia, struct spot_error *err);

/* Nearest centres of all rows: the inertia, and how many rows each centre has, added to sizes
 * unless that is NULL. It is summed over `batch_rows` rows at a time. */
int minibatch_measure(struct minibatch *batch, const struct statistics *statistics,
                      const struct spot_matrix *data, int64_t batch_rows, int64_t *sizes,
                      double *inertia, struct spot_error *err);

/* Fits as options->mini_batch says (kmeans_minibatch.c); everything has been checked. Of *fit only
 * engine, options, matrix and n_init are looked at. */
int kmeans_minibatch(const struct kmeans_fit *fit, spot_kmeans *model, struct spot_error *err);

#endif
