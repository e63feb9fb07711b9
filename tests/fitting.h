/* What the suites of KMeans share: random numbers, engines of each variant, a fit that succeeds,
 * and when two models have the same bits. */
#ifndef SPOT_TESTS_FITTING_H
#define SPOT_TESTS_FITTING_H

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "blackspot.h"
#include "suite.h"

/* In [0, 1); splitmix64, Steele et al. 2014. */
static inline double next_uniform(uint64_t *state)
{
    uint64_t z = (*state += 0x9e3779b97f4a7c15u);
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
    z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
    return (double)((z ^ (z >> 31)) >> 11) * 0x1p-53;
}

/* variant: NULL, "ref", "avx2" or "avx512"; returns NULL where the processor lacks it. */
static inline spot_engine *open_engine(int threads, const char *variant)
{
    const struct spot_engine_options options = {.device = "cpu", .threads = threads};
    spot_engine *engine;
    struct spot_error err;
    if (variant != NULL) setenv("BLACKSPOT_CPU", variant, 1);
    int status = spot_engine_open(&options, &engine, &err);
    unsetenv("BLACKSPOT_CPU");
    if (status == SPOT_EDEVICE) return NULL;
    CU_ASSERT_EQUAL_FATAL(status, SPOT_OK);
    return engine;
}

static inline spot_kmeans *fit(spot_engine *engine, const struct spot_matrix *data,
                               const struct spot_kmeans_options *options)
{
    spot_kmeans *model;
    struct spot_error err = {0};
    int status = spot_kmeans_fit(engine, data, options, &model, &err);
    if (status < 0) printf("\n%s\n", err.message);
    CU_ASSERT_EQUAL_FATAL(status, SPOT_OK);
    return model;
}

static inline int same_model(const spot_kmeans *a, const spot_kmeans *b)
{
    const struct spot_kmeans_result *x = spot_kmeans_result(a), *y = spot_kmeans_result(b);
    size_t cells = (size_t)x->k * (size_t)x->columns;
    return x->k == y->k && x->columns == y->columns && x->inertia == y->inertia &&
           x->iterations == y->iterations && x->converged == y->converged &&
           x->best_run == y->best_run &&
           memcmp(x->centres, y->centres, cells * sizeof *x->centres) == 0 &&
           memcmp(x->sizes, y->sizes, (size_t)x->k * sizeof *x->sizes) == 0;
}

#endif
