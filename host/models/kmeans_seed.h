/* The ways to initial centres, shared by their files. */
#ifndef SPOT_MODELS_KMEANS_SEED_H
#define SPOT_MODELS_KMEANS_SEED_H

#include "models/kmeans_fit.h"

/* Draws `count` original rows by potential, ascending; total is the sum of all. targets (count) is
 * work space. */
int kmeans_draw_rows(struct kmeans_fit *fit, struct int128 total, uint32_t step, int32_t count,
                     struct int128 *targets, int64_t *rows, struct spot_error *err);

/* Greedy k-means++ over all rows. */
int kmeans_seed_plusplus(struct kmeans_fit *fit, struct spot_error *err);

/* Centres of a small weighted sample of the rows, drawn in two ways (kmeans_sample.c). */
int kmeans_seed_coreset(struct kmeans_fit *fit, struct spot_error *err);
int kmeans_seed_parallel(struct kmeans_fit *fit, struct spot_error *err);

/* Whether a coreset is a small part of that many rows, and whether it is the default. */
bool kmeans_coreset_fits(int64_t rows, int32_t k);
bool kmeans_coreset_pays(int64_t rows, int32_t k);

#endif
