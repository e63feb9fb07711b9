/* Gaussian mixtures through the public interface: checks, several runs of EM of which the best is
 * kept, and scoring. */
#include "models/gmm.h"

#include <math.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "base/memory.h"
#include "models/checks.h"
#include "models/gmm_fit.h"
#include "models/row_batches.h"

struct spot_gmm_options spot_gmm_defaults(void)
{
    return (struct spot_gmm_options){.covariance = SPOT_GMM_FULL,
                                     .init = SPOT_GMM_INIT_KMEANS,
                                     .max_iter = 100,
                                     .tol = 1e-3,
                                     .reg_covar = 1e-6,
                                     .compact = -1};
}

const struct spot_gmm_result *spot_gmm_result(const spot_gmm *model)
{
    return &model->result;
}

/* ---- Checks ---------------------------------------------------------------------------------- */

static int check_finite(const double *values, int64_t count, const char *what,
                        struct spot_error *err)
{
    for (int64_t i = 0; values != NULL && i < count; i++)
        if (!isfinite(values[i]))
            return spot_fail(err, SPOT_EDATA, "initial %s: number %lld is not finite", what,
                             (long long)i);
    return SPOT_OK;
}

static int check_weights(const double *weights, int32_t k, struct spot_error *err)
{
    double sum = 0.0;
    for (int32_t c = 0; weights != NULL && c < k; c++) {
        if (weights[c] < 0)
            return spot_fail(err, SPOT_EDATA, "initial weights: that of component %d is %g", (int)c,
                             weights[c]);
        sum += weights[c];
    }
    if (weights != NULL && fabs(sum - 1.0) > 1e-6)
        return spot_fail(err, SPOT_EDATA, "initial weights: their sum is %.9g and not 1", sum);
    return SPOT_OK;
}

static int check_start(const struct spot_gmm_options *options, int32_t columns,
                       struct spot_error *err)
{
    int status = SPOT_OK;
    const int64_t k = options->k;
    const spot_gmm *warm = options->warm_start;
    if ((int)options->init < SPOT_GMM_INIT_KMEANS || (int)options->init > SPOT_GMM_INIT_RANDOM)
        return spot_fail(err, SPOT_EUSAGE, "init: %d is no initialisation", (int)options->init);
    if (warm != NULL && (warm->result.k != options->k || warm->result.columns != columns ||
                         warm->result.covariance != options->covariance))
        return spot_fail(err, SPOT_EUSAGE,
                         "warm start: the model has k = %d, %d columns and covariance %s",
                         (int)warm->result.k, (int)warm->result.columns,
                         gmm_covariance_names[warm->result.covariance]);
    SPOT_TRY(check_finite(options->weights, k, "weights", err));
    SPOT_TRY(check_weights(options->weights, options->k, err));
    SPOT_TRY(check_finite(options->means, k * columns, "means", err));
    SPOT_TRY(check_finite(options->precisions,
                          gmm_covariance_count(options->covariance, k, columns), "precisions",
                          err));
out:
    return status;
}

static int check_options(const struct spot_gmm_options *options, const struct spot_matrix *data,
                         struct spot_error *err)
{
    const struct shared_options shared = {
        .least = "a mixture has at least one component",
        .k = options->k,
        .n_init = options->n_init,
        .max_iter = options->max_iter,
        .tol = options->tol,
        .batch_rows = options->batch_rows,
        .compact = options->compact,
    };
    int status = check_shared_options(&shared, data, err);
    if (status < 0) return status;
    if ((int)options->covariance < SPOT_GMM_FULL || (int)options->covariance > SPOT_GMM_SPHERICAL)
        return spot_fail(err, SPOT_EUSAGE, "covariance: %d is no covariance type",
                         (int)options->covariance);
    if (!(options->reg_covar >= 0) || isinf(options->reg_covar))
        return spot_fail(err, SPOT_EUSAGE, "reg_covar = %g: it is finite and not negative",
                         options->reg_covar);
    return check_start(options, data->columns, err);
}

/* Runs to make: a start that nothing random is part of needs only one. */
static int32_t runs_of(const struct spot_gmm_options *options)
{
    bool given = options->weights != NULL && options->means != NULL && options->precisions != NULL;
    return given || options->warm_start != NULL || options->n_init == 0 ? 1 : options->n_init;
}

/* ---- Opening --------------------------------------------------------------------------------- */

static int open_constants(struct gmm_fit *fit, struct spot_error *err)
{
    const int64_t k = fit->options->k, d = fit->matrix->columns;
    const bool tied = fit->options->covariance == SPOT_GMM_TIED;
    const int64_t squares = tied ? gmm_factor_count(SPOT_GMM_TIED, k, d) : 0;
    fit->constants.centre = spot_alloc_zero(d, sizeof(double));
    fit->constants.scatter = spot_alloc_zero(squares, sizeof(double));
    if (fit->constants.centre == NULL || fit->constants.scatter == NULL)
        return spot_fail_memory(err, "the components");
    return SPOT_OK;
}

static int open_fit(struct gmm_fit *fit, struct spot_error *err)
{
    int status = SPOT_OK;
    const struct statistics *statistics = &fit->data->statistics;
    const struct fit_data_options opening = {.centres = fit->options->means,
                                             .k = fit->options->k,
                                             .compact = fit->options->compact,
                                             .batch_rows = fit->options->batch_rows};
    SPOT_TRY(open_constants(fit, err));
    SPOT_TRY(fit_data_open(fit->data, fit->engine, fit->matrix, &opening, err));
    const double unit = 1.0 / statistics->quantiser.weight_scale;
    fit->constants.weight = int128_to_double(statistics->weight) * unit;
    fit->constants.rows = (double)fit->matrix->rows;
    fit->constants.reg_covar = fit->options->reg_covar;
    SPOT_TRY(gmm_run_open(fit, err));
    if (fit->options->covariance == SPOT_GMM_TIED) SPOT_TRY(gmm_measure_scatter(fit, err));
out:
    return status;
}

static void close_fit(struct gmm_fit *fit)
{
    gmm_parts_close(fit);
    gmm_run_close(fit);
    fit_data_close(fit->data);
    free(fit->constants.centre);
    free(fit->constants.scatter);
    free(fit->begun);
}

/* ---- Fit ------------------------------------------------------------------------------------- */

/* The final parameters' likelihood, which takes one more look at the rows. */
static int judge(struct gmm_fit *fit, spot_gmm *model, struct spot_error *err)
{
    struct spot_gmm_result *result = &model->result;
    const struct mixture_parameters parameters = gmm_view(&model->parameters);
    double sum = 0.0, n = fit->constants.weight;
    int status = fit->backend->log_likelihood(fit->run, &parameters, &sum, err);
    if (status < 0) return status;
    double p = gmm_free_parameters(result->covariance, result->k, result->columns);
    result->log_likelihood = sum / n;
    result->bic = -2.0 * sum + p * log(n);
    result->aic = -2.0 * sum + 2.0 * p;
    if (!result->converged)
        engine_log(fit->engine, SPOT_LOG_WARNING,
                   "EM did not converge in %d iterations; raise max_iter or tol",
                   (int)result->iterations);
    return SPOT_OK;
}

int spot_gmm_fit(spot_engine *engine, const struct spot_matrix *data,
                 const struct spot_gmm_options *options, spot_gmm **out, struct spot_error *err)
{
    int status = SPOT_OK;
    *out = NULL;
    spot_gmm *model = NULL;
    const struct engine_job job = {data->rows, data->columns,  options->k, runs_of(options),
                                   1,          rows_wide(data)};
    int chosen = engine_choose(engine, &job, err);
    if (chosen < 0) return chosen;
    if (engine->tables->mixture == NULL)
        return spot_fail(err, SPOT_EDEVICE, "this device knows no Gaussian mixtures; use the cpu");
    struct fit_data rows = {.engine = engine};
    struct gmm_fit fit = {.engine = engine,
                          .backend = engine->tables->mixture,
                          .options = options,
                          .matrix = data,
                          .data = &rows,
                          .n_init = runs_of(options)};
    SPOT_TRY(check_matrix(data, err));
    SPOT_TRY(check_options(options, data, err));
    model = gmm_new(options->k, data->columns, options->covariance);
    if (model == NULL) {
        status = spot_fail_memory(err, "the model");
        goto out;
    }
    fit.model = model;
    SPOT_TRY(open_fit(&fit, err));
    SPOT_TRY(gmm_resume(&fit, err));
    SPOT_TRY(gmm_fit_runs(&fit, err));
    SPOT_TRY(judge(&fit, model, err));
out:
    if (status == SPOT_ESTOPPED || status == SPOT_OK) {
        int left = gmm_leave(&fit, err);
        if (left < 0) status = left;
    }
    close_fit(&fit);
    if (status < 0) {
        spot_gmm_free(model);
        model = NULL;
    }
    *out = model;
    return status;
}

/* ---- Scoring --------------------------------------------------------------------------------- */

/* Scores of a batch in memory. */
static int score_batch(spot_engine *engine, const struct mixture_parameters *parameters,
                       const struct spot_matrix *rows, int32_t *labels, double *responsibilities,
                       double *log_likelihood, struct spot_error *err)
{
    const struct backend_mixture *mixture = engine->tables->mixture;
    if (rows->values64 != NULL)
        return mixture->score64(engine->backend, parameters, rows->rows, rows->values64, labels,
                                responsibilities, log_likelihood, err);
    return mixture->score(engine->backend, parameters, rows->rows, rows->values, labels,
                          responsibilities, log_likelihood, err);
}

int spot_gmm_score(spot_engine *engine, const spot_gmm *model, const struct spot_matrix *data,
                   int32_t *labels, double *responsibilities, double *log_likelihood,
                   struct spot_error *err)
{
    int status = SPOT_OK;
    const int32_t columns = model->result.columns;
    double *ranges = NULL; /* (2, columns): minimum, maximum */
    struct row_batches batches = {0};
    struct spot_matrix batch;
    int64_t first;
    const struct engine_job job = {data->rows, columns, model->result.k, 0, 1, rows_wide(data)};
    int chosen = engine_choose(engine, &job, err);
    if (chosen < 0) return chosen;
    if (engine->tables->mixture == NULL)
        return spot_fail(err, SPOT_EDEVICE, "this device knows no Gaussian mixtures; use the cpu");
    if (data->columns != columns)
        return spot_fail(err, SPOT_EDATA, "the data has %d columns where the model has %d",
                         (int)data->columns, (int)columns);
    if (data->rows == 0) return SPOT_OK;
    SPOT_TRY(check_matrix(data, err));
    ranges = spot_alloc(2 * (int64_t)columns, sizeof *ranges);
    if (ranges == NULL) {
        status = spot_fail_memory(err, "the columns' ranges");
        goto out;
    }
    SPOT_TRY(column_ranges(data, engine_pool(engine), ranges, ranges + columns, err));
    const struct mixture_parameters parameters = gmm_view(&model->parameters);
    SPOT_TRY(row_batches_open(&batches, data, 0, err));
    for (;;) {
        SPOT_TRY(row_batches_next(&batches, &first, &batch, err));
        if (batch.rows == 0) break;
        SPOT_TRY(
            score_batch(engine, &parameters, &batch, labels == NULL ? NULL : labels + first,
                        responsibilities == NULL ? NULL : responsibilities + first * parameters.k,
                        log_likelihood == NULL ? NULL : log_likelihood + first, err));
    }
out:
    row_batches_close(&batches);
    free(ranges);
    return status;
}
