#include "models/minibatch.h"

#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "base/memory.h"
#include "models/checks.h"
#include "models/row_batches.h"
#include "numerics/minibatch.h"
#include "numerics/update.h"

/* Rows that are worked on at a time; changes no bit. */
enum { CAPACITY = 16384 };

int minibatch_open(struct minibatch *batch, spot_engine *engine, spot_kmeans *model,
                   const struct spot_matrix *data, struct spot_error *err)
{
    const int64_t k = model->result.k, columns = model->result.columns;
    const int64_t capacity = data->rows < CAPACITY ? data->rows : CAPACITY;
    const bool weighted = rows_weighted(data);
    *batch = (struct minibatch){.engine = engine,
                                .model = model,
                                .capacity = capacity,
                                .labels = spot_alloc(capacity, sizeof(int32_t)),
                                .distances = spot_alloc(capacity, sizeof(double)),
                                .sums = spot_alloc(k * columns, sizeof(struct int128)),
                                .gains = spot_alloc(k, sizeof(struct int128))};
    if (data->reader != NULL) batch->values = spot_alloc(capacity, rows_size(data));
    if (weighted) batch->weights = spot_alloc(capacity, sizeof *batch->weights);
    if (weighted) batch->quantised = spot_alloc(capacity, sizeof *batch->quantised);
    if (batch->labels == NULL || batch->distances == NULL || batch->sums == NULL ||
        batch->gains == NULL || (data->reader != NULL && batch->values == NULL) ||
        (weighted && (batch->weights == NULL || batch->quantised == NULL)))
        return spot_fail_memory(err, "a mini-batch");
    return SPOT_OK;
}

void minibatch_close(struct minibatch *batch)
{
    free(batch->labels);
    free(batch->distances);
    free(batch->sums);
    free(batch->gains);
    free(batch->values);
    free(batch->weights);
    free(batch->quantised);
    memset(batch, 0, sizeof *batch);
}

/* Some rows in memory, with their labels and distances in the batch. */
struct part {
    struct spot_matrix rows; /* without weights */
    const int64_t *weights;  /* (rows) or NULL: 1 */
};

/* Part [first, first + rows) of the data, at most `capacity` rows, and its nearest centres. */
static int look_at(struct minibatch *batch, const struct statistics *statistics,
                   const struct spot_matrix *data, int64_t first, int64_t rows, struct part *part,
                   struct spot_error *err)
{
    int status = SPOT_OK;
    const bool weighted = rows_weighted(data), read = data->reader != NULL;
    *part = (struct part){read ? rows_from(data, batch->values, rows) : rows_of(data, first, rows),
                          weighted ? batch->quantised : NULL};
    if (read || weighted)
        SPOT_TRY(rows_read(data, first, rows, read ? batch->values : NULL,
                           weighted ? batch->weights : NULL, err));
    if (weighted) quantise_weights(statistics, batch->weights, rows, batch->quantised);
    status = kmeans_assign_batch(batch->engine, batch->model, statistics->offset, &part->rows,
                                 batch->labels, batch->distances, err);
out:
    return status;
}

static void add_up(struct minibatch *batch, const struct quantiser *q, const struct part *part)
{
    const int64_t columns = q->columns;
    for (int64_t i = 0; i < part->rows.rows; i++) {
        const int64_t weight = part->weights == NULL ? 1 : part->weights[i], c = batch->labels[i];
        struct int128 *sums = batch->sums + c * columns;
        for (int64_t j = 0; j < columns; j++) {
            const double x = rows_value(&part->rows, i * columns + j);
            int64_t value = quantise(x - q->offset[j], q->scale[j]);
            sums[j] = int128_add(sums[j], int128_multiply(weight, value));
        }
        batch->gains[c] = int128_add(batch->gains[c], int128_from(weight));
        batch->model->sizes[c]++;
    }
}

/* Goes on with a sum in the order of the rows. */
static double add_distances(const struct minibatch *batch, const struct part *part,
                            double weight_scale, double sum)
{
    for (int64_t i = 0; i < part->rows.rows; i++)
        sum += part->weights == NULL
                   ? batch->distances[i]
                   : batch->distances[i] * ((double)part->weights[i] / weight_scale);
    return sum;
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

int minibatch_step(struct minibatch *batch, const struct statistics *statistics,
                   const struct spot_matrix *rows, double *inertia, struct spot_error *err)
{
    const struct quantiser *q = &statistics->quantiser;
    const int64_t k = batch->model->result.k, columns = q->columns;
    const double weight_scale = rows_weighted(rows) ? q->weight_scale : 1.0;
    memset(batch->sums, 0, (size_t)(k * columns) * sizeof *batch->sums);
    memset(batch->gains, 0, (size_t)k * sizeof *batch->gains);
    *inertia = 0.0;
    for (int64_t first = 0; first < rows->rows; first += batch->capacity) {
        const int64_t left = rows->rows - first;
        struct part part;
        int status = look_at(batch, statistics, rows, first,
                             left < batch->capacity ? left : batch->capacity, &part, err);
        if (status < 0) return status;
        *inertia = add_distances(batch, &part, weight_scale, *inertia);
        add_up(batch, q, &part);
    }
    move_centres(batch, q, weight_scale);
    return SPOT_OK;
}

int minibatch_measure(struct minibatch *batch, const struct statistics *statistics,
                      const struct spot_matrix *data, int64_t batch_rows, int64_t *sizes,
                      double *inertia, struct spot_error *err)
{
    double sum = 0.0; /* of the current batch */
    *inertia = 0.0;
    for (int64_t first = 0, rows; first < data->rows; first += rows) {
        const int64_t batch_left = batch_rows - first % batch_rows, left = data->rows - first;
        struct part part;
        rows = left < batch_left ? left : batch_left;
        if (rows > batch->capacity) rows = batch->capacity;
        int status = look_at(batch, statistics, data, first, rows, &part, err);
        if (status < 0) return status;
        sum = add_distances(batch, &part, statistics->quantiser.weight_scale, sum);
        for (int64_t i = 0; sizes != NULL && i < rows; i++)
            sizes[batch->labels[i]]++;
        if (rows == batch_left || rows == left) {
            *inertia += sum;
            sum = 0.0;
        }
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

/* Some rows of a matrix that is read, as a matrix. */
struct slice {
    const struct spot_matrix *data;
    int64_t first;
    struct spot_reader reader;
};

static int read_slice(void *arg, int64_t first, int64_t rows, float *values, double *weights,
                      struct spot_error *err)
{
    const struct slice *slice = arg;
    return rows_read(slice->data, slice->first + first, rows, values, weights, err);
}

static int read_slice64(void *arg, int64_t first, int64_t rows, double *values, double *weights,
                        struct spot_error *err)
{
    const struct slice *slice = arg;
    return rows_read(slice->data, slice->first + first, rows, values, weights, err);
}

static struct spot_matrix slice_of(struct slice *slice, int64_t rows)
{
    const struct spot_matrix *data = slice->data;
    if (data->reader == NULL) return rows_of(data, slice->first, rows);
    const bool wide = rows_wide(data);
    slice->reader = (struct spot_reader){.read = wide ? NULL : read_slice,
                                         .arg = slice,
                                         .weighted = data->reader->weighted,
                                         .read64 = wide ? read_slice64 : NULL};
    return (struct spot_matrix){.rows = rows, .columns = data->columns, .reader = &slice->reader};
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
    SPOT_TRY(minibatch_step(batch, &statistics, rows, &inertia, err));
    if (model->result.iterations < INT32_MAX) model->result.iterations++;
out:
    statistics_clear(&statistics);
    return status;
}

/* Whether a row of these counts at all. */
static int has_weight(struct minibatch *batch, const struct spot_matrix *rows, bool *has,
                      struct spot_error *err)
{
    *has = !rows_weighted(rows);
    for (int64_t first = 0; !*has && first < rows->rows; first += batch->capacity) {
        const int64_t left = rows->rows - first;
        const int64_t count = left < batch->capacity ? left : batch->capacity;
        int status = rows_read(rows, first, count, NULL, batch->weights, err);
        if (status < 0) return status;
        for (int64_t i = 0; i < count; i++)
            *has = *has || batch->weights[i] > 0;
    }
    return SPOT_OK;
}

static int learn_all(struct minibatch *batch, const struct spot_matrix *data, int64_t batch_rows,
                     struct spot_error *err)
{
    int status = SPOT_OK;
    for (int64_t first = 0; first < data->rows; first += batch_rows) {
        const int64_t left = data->rows - first;
        struct slice slice = {.data = data, .first = first};
        const struct spot_matrix rows = slice_of(&slice, left < batch_rows ? left : batch_rows);
        bool counts;
        if (engine_is_stopped(batch->engine))
            return spot_fail(err, SPOT_ESTOPPED, "stopped at row %lld", (long long)first);
        SPOT_TRY(has_weight(batch, &rows, &counts, err));
        if (counts) SPOT_TRY(learn(batch, &rows, err));
    }
out:
    return status;
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
    const struct engine_job job = {data->rows, data->columns, model->result.k, 1, 0, 1};
    if (rows_wide(data)) SPOT_TRY(engine_choose(engine, &job, err));
    SPOT_TRY(statistics_of(data, model->centres, model->result.k, engine_pool(engine), &statistics,
                           err));
    updated = copy_model(model);
    if (updated == NULL) {
        status = spot_fail_memory(err, "the model");
        goto out;
    }
    if (batch_rows == 0 || batch_rows > data->rows) batch_rows = data->rows;
    SPOT_TRY(minibatch_open(&batch, engine, updated, data, err));
    SPOT_TRY(learn_all(&batch, data, batch_rows, err));
    SPOT_TRY(minibatch_measure(&batch, &statistics, data, batch_rows, NULL,
                               &updated->result.inertia, err));
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
