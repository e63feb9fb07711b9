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

/* A model of this shape with zeroed arrays, or NULL. */
spot_kmeans *kmeans_new(int32_t k, int32_t columns);

#endif
