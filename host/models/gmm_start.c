/* The start of EM: clusters of KMeans, rows as means, random responsibilities, an earlier model, or
 * what the caller gave. The rules are scikit-learn's, but draws are Philox numbers, and an empty
 * cluster keeps its centre. */
#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "base/memory.h"
#include "models/gmm_fit.h"
#include "models/kmeans_fit.h"
#include "models/random.h"

/* Another key for every run, the caller's for the first. */
static uint64_t run_seed(const struct gmm_fit *fit)
{
    return fit->options->seed + (uint64_t)fit->run_index * UINT64_C(0x9e3779b97f4a7c15);
}

/* ---- The whole data -------------------------------------------------------------------------- */

/* Sums of one component that takes every row, about fit->constants.centre. */
static int sum_everything(struct gmm_fit *fit, struct mixture_run *run,
                          struct mixture_partial *whole, struct spot_error *err)
{
    return fit->backend->labelled(run, fit->constants.centre, NULL, whole, err);
}

/* Two passes: the mean, then the scatter about it. */
int gmm_measure_scatter(struct gmm_fit *fit, struct spot_error *err)
{
    int status = SPOT_OK;
    const int64_t d = fit->matrix->columns;
    struct mixture_run *run = NULL;
    double weight = 0.0;
    struct mixture_partial whole = {.components = &weight,
                                    .means = spot_alloc(d, sizeof(double)),
                                    .squares = fit->constants.scatter};
    if (whole.means == NULL) return spot_fail_memory(err, "the data's scatter");
    for (int64_t j = 0; j < d; j++)
        fit->constants.centre[j] =
            0.5 * (fit->data->statistics.minimum[j] + fit->data->statistics.maximum[j]);
    SPOT_TRY(fit->backend->open(fit->data->handle, 1, MIXTURE_FULL,
                                1.0 / fit->data->statistics.quantiser.weight_scale, &run, err));
    SPOT_TRY(sum_everything(fit, run, &whole, err));
    for (int64_t j = 0; j < d; j++)
        fit->constants.centre[j] += whole.means[j] / weight;
    SPOT_TRY(sum_everything(fit, run, &whole, err));
out:
    fit->backend->close(run);
    free(whole.means);
    return status;
}

/* ---- From clusters --------------------------------------------------------------------------- */

/* KMeans runs on the rows that are there already, and its labels stay where they are. */
static int start_from_clusters(struct gmm_fit *fit, struct spot_error *err)
{
    int status = SPOT_OK;
    struct spot_kmeans_options options = spot_kmeans_defaults();
    options.k = fit->options->k;
    options.seed = run_seed(fit);
    struct kmeans_fit clusters = {.engine = fit->engine,
                                  .backend = fit->engine->tables->kmeans,
                                  .options = &options,
                                  .matrix = fit->matrix,
                                  .data = fit->data,
                                  .n_init = 1};
    spot_kmeans *model = kmeans_new(options.k, fit->matrix->columns);
    if (model == NULL) return spot_fail_memory(err, "the initial clusters");
    SPOT_TRY(kmeans_fit_open(&clusters, err));
    SPOT_TRY(kmeans_fit_runs(&clusters, model, err));
    memcpy(fit->current.means, model->centres,
           (size_t)fit->current.k * (size_t)fit->current.columns * sizeof(double));
    SPOT_TRY(
        fit->backend->labelled(fit->run, fit->current.means, clusters.run, &fit->partial, err));
    SPOT_TRY(gmm_update(&fit->current, &fit->partial, &fit->constants, err));
out:
    kmeans_fit_close(&clusters);
    spot_kmeans_free(model);
    return status;
}

/* ---- From rows ------------------------------------------------------------------------------- */

/* Draws k rows as KMeans does, into fit->current.means. */
static int draw_means(struct gmm_fit *fit, struct spot_error *err)
{
    int status = SPOT_OK;
    const struct spot_kmeans_options options = {
        .k = fit->options->k,
        .init = fit->options->init == SPOT_GMM_INIT_ROWS ? SPOT_INIT_RANDOM : SPOT_INIT_KMEANSPP,
        .seed = run_seed(fit)};
    struct kmeans_fit seeding = {.engine = fit->engine,
                                 .backend = fit->engine->tables->kmeans,
                                 .options = &options,
                                 .matrix = fit->matrix,
                                 .data = fit->data,
                                 .n_init = 1,
                                 .centres = fit->current.means,
                                 .row = spot_alloc(fit->matrix->columns, sizeof(float))};
    if (seeding.row == NULL) return spot_fail_memory(err, "the initial rows");
    SPOT_TRY(seeding.backend->open(fit->data->handle, options.k, &fit->data->statistics.quantiser,
                                   &seeding.run, err));
    SPOT_TRY(kmeans_seed(&seeding, err));
out:
    seeding.backend->close(seeding.run);
    free(seeding.row);
    return status;
}

/* Each row drawn is alone in its component: no scatter but reg_covar. What all components share,
 * when they share one, is the scatter of the data. */
static int start_from_rows(struct gmm_fit *fit, struct spot_error *err)
{
    const int64_t k = fit->options->k, d = fit->matrix->columns;
    struct mixture_partial *partial = &fit->partial;
    int status = draw_means(fit, err);
    if (status < 0) return status;
    for (int64_t c = 0; c < k; c++)
        partial->components[c] = fit->constants.weight / (double)k;
    memset(partial->means, 0, (size_t)(k * d) * sizeof(double));
    if (fit->options->covariance != SPOT_GMM_TIED) {
        memset(partial->squares, 0,
               (size_t)gmm_factor_count(fit->options->covariance, k, d) * sizeof(double));
        return gmm_update(&fit->current, partial, &fit->constants, err);
    }
    for (int64_t c = 0; c < k; c++)
        fit->current.weights[c] = 1.0 / (double)k;
    for (int64_t i = 0; i < d; i++)
        for (int64_t j = 0; j <= i; j++) {
            double value = fit->constants.scatter[i * (i + 1) / 2 + j] / fit->constants.weight;
            if (i == j) value += fit->constants.reg_covar;
            fit->current.covariances[i * d + j] = fit->current.covariances[j * d + i] = value;
        }
    return gmm_factorise(&fit->current, fit->constants.reg_covar, err);
}

/* ---- From chance ----------------------------------------------------------------------------- */

static int start_from_chance(struct gmm_fit *fit, struct spot_error *err)
{
    const int64_t k = fit->options->k, d = fit->matrix->columns;
    for (int64_t c = 0; c < k; c++)
        for (int64_t j = 0; j < d; j++)
            fit->current.means[c * d + j] =
                0.5 * (fit->data->statistics.minimum[j] + fit->data->statistics.maximum[j]);
    int status = fit->backend->drawn(fit->run, fit->current.means, run_seed(fit),
                                     (uint32_t)RANDOM_RESPONSIBILITIES, &fit->partial, err);
    if (status < 0) return status;
    return gmm_update(&fit->current, &fit->partial, &fit->constants, err);
}

/* ---- All starts ------------------------------------------------------------------------------ */

static int start_by_method(struct gmm_fit *fit, struct spot_error *err)
{
    switch (fit->options->init) {
    case SPOT_GMM_INIT_KMEANS:
        return start_from_clusters(fit, err);
    case SPOT_GMM_INIT_RANDOM:
        return start_from_chance(fit, err);
    default:
        return start_from_rows(fit, err);
    }
}

int gmm_start(struct gmm_fit *fit, struct spot_error *err)
{
    int status = SPOT_OK;
    const struct spot_gmm_options *options = fit->options;
    struct gmm_parameters *current = &fit->current;
    const size_t k = (size_t)current->k, cells = k * (size_t)current->columns;
    if (options->warm_start != NULL) {
        gmm_parameters_copy(current, &options->warm_start->parameters);
        return SPOT_OK;
    }
    if (options->weights == NULL || options->means == NULL || options->precisions == NULL)
        SPOT_TRY(start_by_method(fit, err));
    if (options->weights != NULL) memcpy(current->weights, options->weights, k * sizeof(double));
    if (options->means != NULL) memcpy(current->means, options->means, cells * sizeof(double));
    if (options->precisions != NULL)
        SPOT_TRY(gmm_take_precisions(current, options->precisions, err));
out:
    return status;
}
