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

static const struct spot_matrix data = {
    .values = values, .weights = weights, .rows = ROWS, .columns = COLUMNS};

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

static int fit_mini_batches(struct spot_error *err)
{
    struct spot_kmeans_options options = spot_kmeans_defaults();
    options.k = 5;
    options.mini_batch = 100;
    options.max_iter = 2;
    options.checkpoint = spot_checkpoint_new();
    spot_kmeans *model;
    int status = options.checkpoint == NULL ? SPOT_ENOMEM
                                            : spot_kmeans_fit(engine, &data, &options, &model, err);
    if (options.checkpoint != NULL) {
        CU_ASSERT((status == SPOT_OK) == (model != NULL));
        CU_ASSERT(status != SPOT_OK || spot_checkpoint_fits(options.checkpoint) == 1);
        spot_kmeans_free(status == SPOT_OK ? model : NULL);
    }
    spot_checkpoint_free(options.checkpoint);
    return status;
}

static spot_kmeans *kept;
static spot_checkpoint *checkpoint;

static int update(struct spot_error *err)
{
    spot_kmeans *model;
    int status = spot_kmeans_update(engine, kept, &data, 400, &model, err);
    CU_ASSERT((status == SPOT_OK) == (model != NULL));
    spot_kmeans_free(model);
    return status;
}

/* Found in the checkpoint, and put there again. */
static int go_on(struct spot_error *err)
{
    struct spot_kmeans_options options = spot_kmeans_defaults();
    options.k = 5;
    options.checkpoint = checkpoint;
    spot_kmeans *model;
    int status = spot_kmeans_fit(engine, &data, &options, &model, err);
    CU_ASSERT((status == SPOT_OK) == (model != NULL));
    CU_ASSERT_EQUAL(spot_checkpoint_fits(checkpoint), 1);
    spot_kmeans_free(model);
    return status;
}

static int save_checkpoint(struct spot_error *err)
{
    return spot_checkpoint_save(checkpoint, path, err);
}

static int load_checkpoint(struct spot_error *err)
{
    spot_checkpoint *read;
    int status = spot_checkpoint_load(path, &read, err);
    CU_ASSERT((status == SPOT_OK) == (read != NULL));
    spot_checkpoint_free(read);
    return status;
}

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
    survives("fit of mini-batches", fit_mini_batches);
    survives("update", update);
    checkpoint = options.checkpoint = spot_checkpoint_new();
    spot_kmeans_free(fit(engine, &data, &options));
    survives("fit from a checkpoint", go_on);
    survives("save a checkpoint", save_checkpoint);
    survives("load a checkpoint", load_checkpoint);
    spot_checkpoint_free(checkpoint);
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
