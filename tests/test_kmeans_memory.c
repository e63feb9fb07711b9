/* Every allocation of a fit, a scoring and a model file fails once, the libraries' among them: each
 * time the call ends with SPOT_ENOMEM (or the system's words for it, or did without), its
 * out-parameter is NULL, and nothing is leaked. */
#define _GNU_SOURCE
#include <unistd.h>

#include "fitting.h"
#include "surviving.h"

enum { ROWS = 900, COLUMNS = 3 };

static float values[ROWS * COLUMNS];
static double weights[ROWS];
static spot_engine *engine;
static char path[64];

static void make_data(void)
{
    uint64_t state = 5;
    for (int t = 0; t < ROWS * COLUMNS; t++)
        values[t] = (float)rint(4 * next_uniform(&state));
    for (int i = 0; i < ROWS; i++)
        weights[i] = 1 + i % 2;
}

static const struct spot_matrix data = {values, weights, ROWS, COLUMNS};

/* ---- What is tried -------------------------------------------------------------------------- */

static int open_and_close(struct spot_error *err)
{
    spot_engine *other;
    int status =
        spot_engine_open(&(struct spot_engine_options){.device = "cpu", .threads = 1}, &other, err);
    CU_ASSERT((status == SPOT_OK) == (other != NULL));
    spot_engine_close(other);
    return status;
}

static int fit_with(enum spot_kmeans_init init, int32_t compact, struct spot_error *err)
{
    struct spot_kmeans_options options = spot_kmeans_defaults();
    options.k = 5;
    options.init = init;
    options.compact = compact;
    options.n_init = 2;
    spot_kmeans *model;
    int status = spot_kmeans_fit(engine, &data, &options, &model, err);
    CU_ASSERT((status == SPOT_OK) == (model != NULL));
    spot_kmeans_free(model);
    return status;
}

static int fit_merged(struct spot_error *err)
{
    return fit_with(SPOT_INIT_KMEANSPP, 1, err);
}

static int fit_plain(struct spot_error *err)
{
    return fit_with(SPOT_INIT_KMEANSPP, 0, err);
}

static int fit_random(struct spot_error *err)
{
    return fit_with(SPOT_INIT_RANDOM, -1, err);
}

static spot_kmeans *kept;

static int assign(struct spot_error *err)
{
    static int32_t labels[ROWS];
    static double distances[ROWS];
    return spot_kmeans_assign(engine, kept, &data, labels, distances, err);
}

static int save(struct spot_error *err)
{
    return spot_kmeans_save(kept, path, err);
}

static int load(struct spot_error *err)
{
    spot_kmeans *model;
    int status = spot_kmeans_load(path, &model, err);
    CU_ASSERT((status == SPOT_OK) == (model != NULL));
    spot_kmeans_free(model);
    return status;
}

static void every_call(void)
{
    make_data();
    snprintf(path, sizeof path, "/tmp/test_kmeans_memory_%ld.json", (long)getpid());
    engine = open_engine(1, NULL);
    struct spot_kmeans_options options = spot_kmeans_defaults();
    options.k = 5;
    kept = fit(engine, &data, &options);
    survives("engine", open_and_close);
    survives("fit of merged rows", fit_merged);
    survives("fit of plain rows", fit_plain);
    survives("fit from random rows", fit_random);
    survives("assign", assign);
    survives("save", save);
    survives("load", load);
    spot_kmeans_free(kept);
    spot_engine_close(engine);
    unlink(path);
}

int main(void)
{
    const struct suite_test tests[] = {
        {"every allocation of every call", every_call},
        {NULL, NULL},
    };
    return run_suite("kmeans_memory", tests);
}
