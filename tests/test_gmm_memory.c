/* Every allocation of a mixture's fit, scoring and model file fails once: each time the
 * call ends with SPOT_ENOMEM (or did without), its out-parameter is NULL, and nothing is leaked.
 * Sampling allocates nothing. */
#define _GNU_SOURCE
#include <unistd.h>

#include "fitting.h"
#include "surviving.h"

enum { ROWS = 400, COLUMNS = 3, K = 3 };

static float values[ROWS * COLUMNS];
static double weights[ROWS];
static spot_engine *engine;
static spot_gmm *kept;
static char path[64];

static const struct spot_matrix data = {
    .values = values, .weights = weights, .rows = ROWS, .columns = COLUMNS};

static void make_data(void)
{
    uint64_t state = 5;
    for (int t = 0; t < ROWS * COLUMNS; t++)
        values[t] = (float)rint(4 * next_uniform(&state)) + (float)(t / COLUMNS % K * 9);
    for (int i = 0; i < ROWS; i++)
        weights[i] = 1 + i % 2;
}

static struct spot_gmm_options few_steps(enum spot_gmm_covariance covariance)
{
    struct spot_gmm_options options = spot_gmm_defaults();
    options.k = K;
    options.covariance = covariance;
    options.max_iter = 2;
    return options;
}

/* ---- What is tried -------------------------------------------------------------------------- */

static int fit_mixture(const struct spot_gmm_options *options, struct spot_error *err)
{
    spot_gmm *model;
    int status = spot_gmm_fit(engine, &data, options, &model, err);
    CU_ASSERT((status == SPOT_OK) == (model != NULL));
    spot_gmm_free(model);
    return status;
}

static int fit_full(struct spot_error *err)
{
    struct spot_gmm_options options = few_steps(SPOT_GMM_FULL);
    options.compact = 1;
    return fit_mixture(&options, err);
}

static int fit_tied(struct spot_error *err)
{
    struct spot_gmm_options options = few_steps(SPOT_GMM_TIED);
    options.init = SPOT_GMM_INIT_ROWS;
    options.compact = 0;
    options.n_init = 2;
    return fit_mixture(&options, err);
}

static int fit_diag(struct spot_error *err)
{
    struct spot_gmm_options options = few_steps(SPOT_GMM_DIAG);
    options.init = SPOT_GMM_INIT_RANDOM;
    options.compact = 0;
    options.batch_rows = 100;
    return fit_mixture(&options, err);
}

static int fit_spherical(struct spot_error *err)
{
    static const double precisions[K] = {1, 2, 3};
    struct spot_gmm_options options = few_steps(SPOT_GMM_SPHERICAL);
    options.init = SPOT_GMM_INIT_KMEANSPP;
    options.precisions = precisions;
    return fit_mixture(&options, err);
}

static int fit_from_precisions(struct spot_error *err)
{
    static double precisions[K * COLUMNS * COLUMNS];
    for (int t = 0; t < K * COLUMNS * COLUMNS; t++)
        precisions[t] = t % (COLUMNS * COLUMNS) % (COLUMNS + 1) == 0;
    struct spot_gmm_options options = few_steps(SPOT_GMM_FULL);
    options.init = SPOT_GMM_INIT_ROWS;
    options.precisions = precisions;
    return fit_mixture(&options, err);
}

static int go_on(struct spot_error *err)
{
    struct spot_gmm_options options = few_steps(SPOT_GMM_FULL);
    options.warm_start = kept;
    return fit_mixture(&options, err);
}

static int score(struct spot_error *err)
{
    static int32_t labels[ROWS];
    static double responsibilities[ROWS * K], log_likelihood[ROWS];
    return spot_gmm_score(engine, kept, &data, labels, responsibilities, log_likelihood, err);
}

static int save(struct spot_error *err)
{
    return spot_gmm_save(kept, path, err);
}

static int load(struct spot_error *err)
{
    spot_gmm *model;
    int status = spot_gmm_load(path, &model, err);
    CU_ASSERT((status == SPOT_OK) == (model != NULL));
    spot_gmm_free(model);
    return status;
}

static void every_call(void)
{
    const struct spot_gmm_options options = few_steps(SPOT_GMM_FULL);
    struct spot_error err;
    make_data();
    snprintf(path, sizeof path, "/tmp/test_gmm_memory_%ld.json", (long)getpid());
    engine = open_engine(1, NULL);
    CU_ASSERT_EQUAL_FATAL(spot_gmm_fit(engine, &data, &options, &kept, &err), SPOT_OK);
    survives("full covariances, merged rows", fit_full);
    survives("a tied covariance, two runs", fit_tied);
    survives("diagonal covariances, batches", fit_diag);
    survives("spherical covariances", fit_spherical);
    survives("precisions given", fit_from_precisions);
    survives("a warm start", go_on);
    survives("score", score);
    survives("save", save);
    survives("load", load);
    spot_gmm_free(kept);
    spot_engine_close(engine);
    unlink(path);
}

int main(void)
{
    const struct suite_test tests[] = {
        {"every allocation of every call", every_call},
        {NULL, NULL},
    };
    return run_suite("gmm_memory", tests);
}
