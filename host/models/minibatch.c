#include "models/minibatch.h"

#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "base/memory.h"
#include "models/checks.h"
#include "numerics/minibatch.h"
#include "numerics/update.h"

int minibatch_open(struct minibatch *batch, spot_engine *engine, spot_kmeans *model,
                   int64_t capacity, struct spot_error *err)
{
    const int64_t k = model->result.k, columns = model->result.columns;
    *batch = (struct minibatch){.engine = engine,
                                .model = model,
                                .capacity = capacity,
                                .labels = spot_alloc(capacity, sizeof(int32_t)),
                                .distances = spot_alloc(capacity, sizeof(double)),
                                .sums = spot_alloc(k * columns, sizeof(struct int128)),
                                .gains = spot_alloc(k, sizeof(struct int128))};
    if (batch->labels != NULL && batch->distances != NULL && batch->sums != NULL &&
        batch->gains != NULL)
        return SPOT_OK;
    return spot_fail_memory(err, "a mini-batch");
}

void minibatch_close(struct minibatch *batch)
{
    free(batch->labels);
    free(batch->distances);
    free(batch->sums);
    free(batch->gains);
    memset(batch, 0, sizeof *batch);
}

static int assign(struct minibatch *batch, const struct statistics *statistics, int64_t rows,
                  const float *values, struct spot_error *err)
{
    const struct spot_kmeans_result *result = &batch->model->result;
    return batch->engine->tables->kmeans->assign(batch->engine->backend, result->k, result->columns,
                                                 result->centres, statistics->offset, rows, values,
                                                 batch->labels, batch->distances, err);
}

static void add_up(struct minibatch *batch, const struct quantiser *q, int64_t rows,
                   const float *values, const int64_t *weights)
{
    const int64_t k = batch->model->result.k, columns = q->columns;
    memset(batch->sums, 0, (size_t)(k * columns) * sizeof *batch->sums);
    memset(batch->gains, 0, (size_t)k * sizeof *batch->gains);
    for (int64_t i = 0; i < rows; i++) {
        const int64_t weight = weights == NULL ? 1 : weights[i], c = batch->labels[i];
        const float *x = values + i * columns;
        struct int128 *sums = batch->sums + c * columns;
        for (int64_t j = 0; j < columns; j++) {
            int64_t value = quantise((double)x[j] - q->offset[j], q->scale[j]);
            sums[j] = int128_add(sums[j], int128_multiply(weight, value));
        }
        batch->gains[c] = int128_add(batch->gains[c], int128_from(weight));
        batch->model->sizes[c]++;
    }
}

static void move_centres(struct minibatch *batch, const struct quantiser *q, double weight_scale)
{
    spot_kmeans *model = batch->model;
    const int64_t columns = q->columns;
    for (int64_t c = 0; c < model->result.k; c++) {
        if (int128_is_zero(batch->gains[c])) continue;
        const double weight = int128_to_double(batch->gains[c]) / weight_scale;
        for (int64_t j = 0; j < columns; j++) {
            const double mean = centre_from_sums(batch->sums[c * columns + j], batch->gains[c],
                                                 q->offset[j], q->scale[j]);
            double *centre = &model->centres[c * columns + j];
            *centre = minibatch_centre(*centre, model->weights[c], mean, weight);
        }
        model->weights[c] += weight;
    }
}

static double weighted_sum(const double *distances, int64_t rows, const int64_t *weights,
                           double weight_scale)
{
    double sum = 0.0;
    for (int64_t i = 0; i < rows; i++)
        sum += weights == NULL ? distances[i] : distances[i] * ((double)weights[i] / weight_scale);
    return sum;
}

int minibatch_step(struct minibatch *batch, const struct statistics *statistics, int64_t rows,
                   const float *values, const int64_t *weights, double *inertia,
                   struct spot_error *err)
{
    const struct quantiser *q = &statistics->quantiser;
    const double weight_scale = weights == NULL ? 1.0 : q->weight_scale;
    int status = assign(batch, statistics, rows, values, err);
    if (status < 0) return status;
    *inertia = weighted_sum(batch->distances, rows, weights, weight_scale);
    add_up(batch, q, rows, values, weights);
    move_centres(batch, q, weight_scale);
    return SPOT_OK;
}

int minibatch_measure(struct minibatch *batch, const struct statistics *statistics,
                      const struct spot_matrix *data, int64_t *sizes, double *inertia,
                      struct spot_error *err)
{
    *inertia = 0.0;
    for (int64_t first = 0; first < data->rows; first += batch->capacity) {
        const int64_t left = data->rows - first;
        const int64_t rows = left < batch->capacity ? left : batch->capacity;
        const int64_t *weights = statistics->weights == NULL ? NULL : statistics->weights + first;
        int status = assign(batch, statistics, rows, data->values + first * data->columns, err);
        if (status < 0) return status;
        *inertia +=
            weighted_sum(batch->distances, rows, weights, statistics->quantiser.weight_scale);
        for (int64_t i = 0; sizes != NULL && i < rows; i++)
            sizes[batch->labels[i]]++;
    }
    return SPOT_OK;
}

/* ---- Updating a model ------------------------------------------------------------------------ */

static spot_kmeans *copy_model(const spot_kmeans *model)
{
    const struct spot_kmeans_result *result = &model->result;
    const size_t k = (size_t)result->k, cells = k * (size_t)result->columns;
    spot_kmeans *copy = kmeans_new(result->k, result->columns);
    if (copy == NULL) return NULL;
    memcpy(copy->centres, model->centres, cells * sizeof *copy->centres);
    memcpy(copy->sizes, model->sizes, k * sizeof *copy->sizes);
    memcpy(copy->weights, model->weights, k * sizeof *copy->weights);
    copy->seed = model->seed;
    copy->result.iterations = result->iterations;
    return copy;
}

/* A mini-batch of its own statistics. */
static int learn(struct minibatch *batch, const struct spot_matrix *rows, struct spot_error *err)
{
    int status;
    struct statistics statistics = {0};
    double inertia;
    spot_kmeans *model = batch->model;
    SPOT_TRY(statistics_of(rows, model->centres, model->result.k, engine_pool(batch->engine),
                           &statistics, err));
    SPOT_TRY(keep_weights(&statistics, rows, err));
    SPOT_TRY(minibatch_step(batch, &statistics, rows->rows, rows->values, statistics.weights,
                            &inertia, err));
    if (model->result.iterations < INT32_MAX) model->result.iterations++;
out:
    statistics_clear(&statistics);
    return status;
}

/* Whether a row of these counts at all. */
static int has_weight(const struct spot_matrix *rows)
{
    for (int64_t i = 0; i < rows->rows; i++)
        if (rows->weights == NULL || rows->weights[i] > 0) return 1;
    return 0;
}

static int learn_all(struct minibatch *batch, const struct spot_matrix *data,
                     struct spot_error *err)
{
    const struct spot_engine_options *host = &batch->engine->options;
    for (int64_t first = 0; first < data->rows; first += batch->capacity) {
        const int64_t left = data->rows - first;
        const struct spot_matrix rows = {.values = data->values + first * data->columns,
                                         .weights =
                                             data->weights == NULL ? NULL : data->weights + first,
                                         .rows = left < batch->capacity ? left : batch->capacity,
                                         .columns = data->columns};
        if (host->stopped != NULL && host->stopped(host->arg) != 0)
            return spot_fail(err, SPOT_ESTOPPED, "stopped at row %lld", (long long)first);
        if (!has_weight(&rows)) continue;
        int status = learn(batch, &rows, err);
        if (status < 0) return status;
    }
    return SPOT_OK;
}

int spot_kmeans_update(spot_engine *engine, const spot_kmeans *model,
                       const struct spot_matrix *data, int64_t batch_rows, spot_kmeans **out,
                       struct spot_error *err)
{
    int status;
    struct minibatch batch = {0};
    struct statistics statistics = {0};
    spot_kmeans *updated = NULL;
    *out = NULL;
    if (data->columns != model->result.columns)
        return spot_fail(err, SPOT_EDATA, "the data has %d columns where the model has %d",
                         (int)data->columns, (int)model->result.columns);
    if (model->result.metric != SPOT_METRIC_EUCLIDEAN)
        return spot_fail(err, SPOT_EUSAGE, "only a model of the Euclidean metric can be updated");
    if (batch_rows < 0)
        return spot_fail(err, SPOT_EUSAGE, "mini-batch: %lld rows", (long long)batch_rows);
    SPOT_TRY(check_matrix(data, err));
    if (data->reader != NULL)
        return spot_fail(err, SPOT_EUSAGE, "an update needs rows in memory, not a reader");
    if (data->values64 != NULL)
        return spot_fail(err, SPOT_EUSAGE, "an update needs rows of float32");
    SPOT_TRY(statistics_of(data, model->centres, model->result.k, engine_pool(engine), &statistics,
                           err));
    SPOT_TRY(keep_weights(&statistics, data, err));
    updated = copy_model(model);
    if (updated == NULL) {
        status = spot_fail_memory(err, "the model");
        goto out;
    }
    if (batch_rows == 0 || batch_rows > data->rows) batch_rows = data->rows;
    SPOT_TRY(minibatch_open(&batch, engine, updated, batch_rows, err));
    SPOT_TRY(learn_all(&batch, data, err));
    SPOT_TRY(minibatch_measure(&batch, &statistics, data, NULL, &updated->result.inertia, err));
out:
    minibatch_close(&batch);
    statistics_clear(&statistics);
    if (status < 0) {
        spot_kmeans_free(updated);
        updated = NULL;
    }
    *out = updated;
    return status;
}
