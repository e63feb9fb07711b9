/* KMeans through the public interface: checks, statistics, compaction, several runs of which the
 * best is kept, and scoring. */
#include "models/kmeans.h"

#include <math.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "base/memory.h"
#include "models/checks.h"
#include "models/directions.h"
#include "models/kmeans_fit.h"
#include "models/minibatch.h"
#include "models/row_batches.h"

struct spot_kmeans_options spot_kmeans_defaults(void)
{
    return (struct spot_kmeans_options){
        .init = SPOT_INIT_AUTO, .max_iter = 300, .tol = 1e-4, .compact = -1};
}

const char *const kmeans_metric_names[] = {"euclidean", "cosine", NULL};

spot_kmeans *kmeans_new(int32_t k, int32_t columns)
{
    spot_kmeans *model = calloc(1, sizeof *model);
    if (model == NULL) return NULL;
    model->centres = spot_alloc_zero((int64_t)k * columns, sizeof *model->centres);
    model->sizes = spot_alloc_zero(k, sizeof *model->sizes);
    model->weights = spot_alloc_zero(k, sizeof *model->weights);
    if (model->centres == NULL || model->sizes == NULL || model->weights == NULL) {
        spot_kmeans_free(model);
        return NULL;
    }
    model->result = (struct spot_kmeans_result){.k = k,
                                                .columns = columns,
                                                .centres = model->centres,
                                                .sizes = model->sizes,
                                                .weights = model->weights};
    return model;
}

void spot_kmeans_free(spot_kmeans *model)
{
    if (model == NULL) return;
    free(model->centres);
    free(model->sizes);
    free(model->weights);
    free(model);
}

const struct spot_kmeans_result *spot_kmeans_result(const spot_kmeans *model)
{
    return &model->result;
}

/* ---- Checks --------------------------------------------------------------------------------- */

static int check_centres(const struct spot_kmeans_options *options, int32_t columns,
                         struct spot_error *err)
{
    if (options->init != SPOT_INIT_CENTRES) return SPOT_OK;
    if (options->centres == NULL)
        return spot_fail(err, SPOT_EUSAGE, "init: centres are announced but not given");
    for (int64_t i = 0; i < (int64_t)options->k * columns; i++)
        if (!isfinite(options->centres[i]))
            return spot_fail(err, SPOT_EDATA,
                             "initial centre of cluster %lld: column %lld is not finite",
                             (long long)(i / columns), (long long)(i % columns + 1));
    return SPOT_OK;
}

static int check_options(const struct spot_kmeans_options *options, const struct spot_matrix *data,
                         struct spot_error *err)
{
    const struct shared_options shared = {
        .least = "a clustering has at least one cluster",
        .k = options->k,
        .n_init = options->n_init,
        .max_iter = options->max_iter,
        .tol = options->tol,
        .batch_rows = options->batch_rows,
        .compact = options->compact,
    };
    int status = check_shared_options(&shared, data, err);
    if (status < 0) return status;
    if (options->metric != SPOT_METRIC_EUCLIDEAN && options->metric != SPOT_METRIC_COSINE)
        return spot_fail(err, SPOT_EUSAGE, "metric: %d is no metric", (int)options->metric);
    if (options->mini_batch < 0)
        return spot_fail(err, SPOT_EUSAGE, "mini_batch = %lld: it is not negative",
                         (long long)options->mini_batch);
    if (options->mini_batch > 0 && options->metric != SPOT_METRIC_EUCLIDEAN)
        return spot_fail(err, SPOT_EUSAGE, "mini-batches know the Euclidean metric only");
    return check_centres(options, data->columns, err);
}

/* Runs to make: centres given need only one. */
static int32_t runs_of(const struct spot_kmeans_options *options)
{
    if (options->init == SPOT_INIT_CENTRES) return 1;
    if (options->n_init > 0) return options->n_init;
    return options->init == SPOT_INIT_RANDOM ? 10 : 1;
}

/* ---- Fit ------------------------------------------------------------------------------------ */

/* tol is relative to the mean of the columns' variances. */
static int measure_tolerance(struct kmeans_fit *fit, struct spot_error *err)
{
    int status = SPOT_OK;
    int32_t columns = fit->matrix->columns;
    double variance = 0.0;
    double *scale = spot_alloc(columns, sizeof *scale);
    struct column_moments *moments = spot_alloc(columns, sizeof *moments);
    if (scale == NULL || moments == NULL) {
        status = spot_fail_memory(err, "the columns' variances");
        goto out;
    }
    moment_scales(&fit->data->statistics, scale);
    SPOT_TRY(fit->engine->tables->core->data_moments(fit->data->handle, scale, moments, err));
    SPOT_TRY(mean_variance(&fit->data->statistics, moments, fit->matrix->rows, &variance, err));
    fit->tolerance = fit->options->tol * variance;
out:
    free(scale);
    free(moments);
    return status;
}

int kmeans_fit_open(struct kmeans_fit *fit, struct spot_error *err)
{
    int status = SPOT_OK;
    int32_t k = fit->options->k, columns = fit->matrix->columns;
    int64_t cells = (int64_t)k * columns;
    fit->centres = spot_alloc(cells, sizeof *fit->centres);
    fit->partial.sums = spot_alloc(cells, sizeof *fit->partial.sums);
    fit->partial.weights = spot_alloc(k, sizeof *fit->partial.weights);
    fit->partial.sizes = spot_alloc(k, sizeof *fit->partial.sizes);
    fit->far = spot_alloc(k, sizeof *fit->far);
    fit->row = spot_alloc(columns, sizeof *fit->row);
    fit->shifted = spot_alloc(columns, sizeof *fit->shifted);
    if (fit->centres == NULL || fit->partial.sums == NULL || fit->partial.weights == NULL ||
        fit->partial.sizes == NULL || fit->far == NULL || fit->row == NULL || fit->shifted == NULL)
        return spot_fail_memory(err, "the clusters");
    if (!fit->is_sample && fit->whole == NULL) SPOT_TRY(measure_tolerance(fit, err));
    SPOT_TRY(
        fit->backend->open(fit->data->handle, k, &fit->data->statistics.quantiser, &fit->run, err));
out:
    return status;
}

void kmeans_fit_close(struct kmeans_fit *fit)
{
    kmeans_parts_close(fit);
    fit->backend->close(fit->run);
    free(fit->centres);
    free(fit->partial.sums);
    free(fit->partial.weights);
    free(fit->partial.sizes);
    free(fit->far);
    free(fit->row);
    free(fit->shifted);
    free(fit->kept);
    free(fit->before);
    free(fit->begun);
}

int kmeans_shifted_row(struct kmeans_fit *fit, int64_t row, double *values, int64_t *weight,
                       int32_t *label, struct spot_error *err)
{
    if (rows_wide(fit->matrix))
        return fit->backend->row64(fit->run, row, values, weight, label, err);
    int status = fit->backend->row(fit->run, row, fit->row, weight, label, err);
    for (int32_t j = 0; status == SPOT_OK && j < fit->matrix->columns; j++)
        values[j] = (double)fit->row[j];
    return status;
}

int kmeans_row(struct kmeans_fit *fit, int64_t row, double *values, struct spot_error *err)
{
    int64_t weight;
    int32_t label;
    int status = kmeans_shifted_row(fit, row, values, &weight, &label, err);
    for (int32_t j = 0; status == SPOT_OK && j < fit->matrix->columns; j++)
        values[j] += fit->data->statistics.offset[j];
    return status;
}

static void warn_of_empty_clusters(const struct kmeans_fit *fit, const spot_kmeans *model)
{
    int32_t used = 0;
    for (int32_t c = 0; c < model->result.k; c++)
        used += model->sizes[c] > 0;
    if (used < model->result.k)
        engine_log(fit->engine, SPOT_LOG_WARNING,
                   "only %d of %d clusters have rows; the data may have fewer different rows than "
                   "k",
                   (int)used, (int)model->result.k);
}

/* A fit to rows and from centres that are as the metric wants them. */
static int fit_rows(spot_engine *engine, const struct spot_matrix *data,
                    const struct spot_kmeans_options *options, spot_kmeans **out,
                    struct spot_error *err)
{
    int status = SPOT_OK;
    *out = NULL;
    spot_kmeans *model = NULL;
    struct fit_data rows = {.engine = engine};
    const struct fit_data_options opening = {.centres = options->centres,
                                             .k = options->k,
                                             .spherical = options->metric == SPOT_METRIC_COSINE,
                                             .compact = options->compact,
                                             .batch_rows = options->batch_rows};
    struct kmeans_fit fit = {.engine = engine,
                             .backend = engine->tables->kmeans,
                             .options = options,
                             .matrix = data,
                             .data = &rows,
                             .n_init = runs_of(options)};
    const struct engine_job job = {data->rows, data->columns,  options->k, fit.n_init,
                                   0,          rows_wide(data)};
    SPOT_TRY(engine_choose(engine, &job, err));
    fit.backend = engine->tables->kmeans;
    model = kmeans_new(options->k, data->columns);
    if (model == NULL) {
        status = spot_fail_memory(err, "the model");
        goto out;
    }
    model->result.metric = options->metric;
    if (options->mini_batch > 0) {
        SPOT_TRY(kmeans_minibatch(&fit, model, err));
    } else {
        SPOT_TRY(fit_data_open(&rows, engine, data, &opening, err));
        SPOT_TRY(kmeans_fit_open(&fit, err));
        SPOT_TRY(kmeans_resume(&fit, model, err));
        SPOT_TRY(kmeans_fit_runs(&fit, model, err));
        warn_of_empty_clusters(&fit, model);
    }
    /* Mini-batches, and a run kept that was made before the fit was resumed. */
    if (options->labels != NULL && !fit.has_labels)
        SPOT_TRY(kmeans_assign_rows(engine, model, data, options->labels, NULL, err));
out:
    if (status == SPOT_ESTOPPED || status == SPOT_OK) {
        int left = kmeans_leave(&fit, err);
        if (left < 0) status = left;
    }
    kmeans_fit_close(&fit);
    fit_data_close(&rows);
    if (status < 0) {
        spot_kmeans_free(model);
        model = NULL;
    }
    *out = model;
    return status;
}

static int fit_directions(spot_engine *engine, const struct spot_matrix *data,
                          const struct spot_kmeans_options *options, spot_kmeans **model,
                          struct spot_error *err)
{
    int status = SPOT_OK;
    double *centres = NULL;
    struct directions unit;
    struct spot_kmeans_options own = *options;
    directions_of(data, engine_pool(engine), &unit);
    if (options->init == SPOT_INIT_CENTRES)
        SPOT_TRY(unit_centres(options->centres, options->k, data->columns, &centres, err));
    own.centres = centres;
    status = fit_rows(engine, &unit.matrix, &own, model, err);
out:
    free(centres);
    return status;
}

int spot_kmeans_fit(spot_engine *engine, const struct spot_matrix *data,
                    const struct spot_kmeans_options *options, spot_kmeans **model,
                    struct spot_error *err)
{
    int status;
    *model = NULL;
    SPOT_TRY(check_matrix(data, err));
    SPOT_TRY(check_options(options, data, err));
    status = (options->metric == SPOT_METRIC_COSINE ? fit_directions
                                                    : fit_rows)(engine, data, options, model, err);
out:
    return status;
}

/* ---- Scoring -------------------------------------------------------------------------------- */

int kmeans_check_columns(const spot_kmeans *model, const struct spot_matrix *data,
                         struct spot_error *err)
{
    if (data->columns == model->result.columns) return SPOT_OK;
    return spot_fail(err, SPOT_EDATA, "the data has %d columns where the model has %d",
                     (int)data->columns, (int)model->result.columns);
}

/* Squares of larger numbers overflow. */
static const double LARGEST_VALUE = 0x1p500;

static int check_squares(const double *minimum, const double *maximum, int32_t columns,
                         struct spot_error *err)
{
    for (int32_t j = 0; j < columns; j++)
        if (maximum[j] > LARGEST_VALUE || minimum[j] < -LARGEST_VALUE)
            return spot_fail_at(err, SPOT_EDATA, 0, j + 1,
                                "values as large as %g have no squares in float64; divide the "
                                "column by a constant",
                                fmax(fabs(minimum[j]), fabs(maximum[j])));
    return SPOT_OK;
}

/* A look at all rows: what each column can take off exactly, and that every value is finite. */
static int find_offsets(spot_engine *engine, const struct spot_matrix *data, double **offset,
                        struct spot_error *err)
{
    int status;
    const int32_t columns = data->columns;
    double *ranges = spot_alloc(3 * (int64_t)columns, sizeof *ranges); /* (3, columns) */
    *offset = ranges;
    if (ranges == NULL) return spot_fail_memory(err, "the columns' ranges");
    double *minimum = ranges + columns, *maximum = minimum + columns;
    SPOT_TRY(column_ranges(data, engine_pool(engine), minimum, maximum, err));
    SPOT_TRY(check_squares(minimum, maximum, columns, err));
    for (int32_t j = 0; j < columns; j++)
        (*offset)[j] = exact_offset(minimum[j], maximum[j]);
out:
    return status;
}

int kmeans_assign_batch(spot_engine *engine, const spot_kmeans *model, const double *offset,
                        const struct spot_matrix *rows, int32_t *labels, double *squares,
                        struct spot_error *err)
{
    const struct backend_kmeans *kmeans = engine->tables->kmeans;
    const int32_t k = model->result.k, columns = model->result.columns;
    if (rows->values64 != NULL)
        return kmeans->assign64(engine->backend, k, columns, model->centres, offset, rows->rows,
                                rows->values64, labels, squares, err);
    return kmeans->assign(engine->backend, k, columns, model->centres, offset, rows->rows,
                          rows->values, labels, squares, err);
}

int kmeans_assign_rows(spot_engine *engine, const spot_kmeans *model,
                       const struct spot_matrix *data, int32_t *labels, double *squares,
                       struct spot_error *err)
{
    int status = SPOT_OK;
    bool looks = false; /* the backend looks at the rows itself */
    double *offset = NULL;
    struct row_batches batches = {0};
    struct spot_matrix batch;
    int64_t first;
    const struct engine_job job = {data->rows, data->columns, model->result.k, 1, 0, 1};
    if (rows_wide(data)) SPOT_TRY(engine_choose(engine, &job, err));
    looks = engine->tables->kmeans->assign_looks && !rows_wide(data);
    if (!looks) SPOT_TRY(find_offsets(engine, data, &offset, err));
    SPOT_TRY(row_batches_open(&batches, data, 0, err));
    for (;;) {
        SPOT_TRY(row_batches_next(&batches, &first, &batch, err));
        if (batch.rows == 0) break;
        SPOT_TRY(kmeans_assign_batch(engine, model, offset, &batch,
                                     labels == NULL ? NULL : labels + first,
                                     squares == NULL ? NULL : squares + first, err));
    }
out:
    row_batches_close(&batches);
    free(offset);
    offset = NULL;
    /* Where the value is. */
    if (status == SPOT_EDATA && looks) (void)find_offsets(engine, data, &offset, err);
    free(offset);
    return status;
}

int spot_kmeans_assign(spot_engine *engine, const spot_kmeans *model,
                       const struct spot_matrix *data, int32_t *labels, double *distances,
                       struct spot_error *err)
{
    int status;
    const bool cosine = model->result.metric == SPOT_METRIC_COSINE;
    struct directions unit;
    SPOT_TRY(kmeans_check_columns(model, data, err));
    if (data->rows == 0) return SPOT_OK;
    SPOT_TRY(check_matrix(data, err));
    directions_of(data, engine_pool(engine), &unit);
    SPOT_TRY(
        kmeans_assign_rows(engine, model, cosine ? &unit.matrix : data, labels, distances, err));
    for (int64_t i = 0; distances != NULL && i < data->rows; i++)
        distances[i] = cosine ? distances[i] / 2.0 : sqrt(distances[i]);
out:
    return status;
}
