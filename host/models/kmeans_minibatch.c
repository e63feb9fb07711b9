/* Mini-batch KMeans (Sculley 2010): steps over rows drawn by weight, from the centres of a KMeans
 * fit to a sample, until ten steps in turn have not lowered the smoothed inertia (scikit-learn's
 * rule).
 */
#include <math.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "base/memory.h"
#include "models/minibatch.h"
#include "models/random.h"

enum { STRIDE = 64, SAMPLE_BATCHES = 3, NO_IMPROVEMENT = 10, MEASURED_ROWS = 65536 };

struct drawing {
    const struct spot_matrix *data;
    const struct statistics *statistics;
    uint64_t seed;
    struct int128 *prefix; /* (strides + 1) weights before each stride of rows; NULL: 1 each */
    float *values;         /* (rows, columns) drawn */
};

/* ---- Drawing --------------------------------------------------------------------------------- */

static int open_drawing(struct drawing *drawing, int64_t rows, struct spot_error *err)
{
    const struct spot_matrix *data = drawing->data;
    const int64_t *weights = drawing->statistics->weights;
    const int64_t strides = (data->rows + STRIDE - 1) / STRIDE;
    drawing->values = spot_alloc(rows, (size_t)data->columns * sizeof *drawing->values);
    if (weights != NULL) drawing->prefix = spot_alloc(strides + 1, sizeof *drawing->prefix);
    if (drawing->values == NULL || (weights != NULL && drawing->prefix == NULL))
        return spot_fail_memory(err, "a mini-batch");
    if (weights == NULL) return SPOT_OK;
    struct int128 sum = int128_from(0);
    for (int64_t i = 0; i < data->rows; i++) {
        if (i % STRIDE == 0) drawing->prefix[i / STRIDE] = sum;
        sum = int128_add(sum, int128_from(weights[i]));
    }
    drawing->prefix[strides] = sum;
    return SPOT_OK;
}

/* The first row whose inclusive prefix sum of weights is above target. */
static int64_t row_at(const struct drawing *drawing, struct int128 target)
{
    int64_t low = 0, high = (drawing->data->rows - 1) / STRIDE;
    while (low < high) { /* the last stride that begins at or below the target */
        int64_t middle = low + (high - low + 1) / 2;
        if (int128_compare(drawing->prefix[middle], target) <= 0)
            low = middle;
        else
            high = middle - 1;
    }
    struct int128 sum = drawing->prefix[low];
    for (int64_t i = low * STRIDE;; i++) {
        sum = int128_add(sum, int128_from(drawing->statistics->weights[i]));
        if (int128_compare(sum, target) > 0) return i;
    }
}

/* Copies `rows` rows, each drawn by weight, into drawing->values. */
static void draw(struct drawing *drawing, uint32_t step, int64_t rows)
{
    const struct spot_matrix *data = drawing->data;
    const size_t bytes = (size_t)data->columns * sizeof *data->values;
    for (int64_t i = 0; i < rows; i++) {
        const uint64_t bits =
            random_bits(drawing->seed, RANDOM_BATCHES, (uint32_t)(i >> 32), step, (uint32_t)i);
        const struct int128 target = int128_scale(drawing->statistics->weight, bits);
        const int64_t row = drawing->prefix == NULL ? (int64_t)target.low : row_at(drawing, target);
        memcpy(drawing->values + i * data->columns, data->values + row * data->columns, bytes);
    }
}

/* ---- The start ------------------------------------------------------------------------------- */

static int64_t sample_rows(const struct spot_matrix *data, int64_t batch, int64_t k)
{
    int64_t rows = SAMPLE_BATCHES * (batch > k ? batch : k);
    return rows < data->rows ? rows : data->rows;
}

static int start(struct drawing *drawing, const struct kmeans_fit *fit, int64_t rows,
                 spot_kmeans *model, struct spot_error *err)
{
    const struct spot_kmeans_options *options = fit->options;
    const size_t bytes = (size_t)options->k * (size_t)drawing->data->columns * sizeof(double);
    if (options->init == SPOT_INIT_CENTRES) {
        memcpy(model->centres, options->centres, bytes);
        return SPOT_OK;
    }
    spot_kmeans *first = NULL;
    struct spot_kmeans_options sampling = *options;
    sampling.mini_batch = 0;
    sampling.n_init = fit->n_init;
    sampling.batch_rows = 0;
    sampling.progress = NULL;
    sampling.checkpoint = NULL;
    draw(drawing, 0, rows);
    const struct spot_matrix sample = {
        .values = drawing->values, .rows = rows, .columns = drawing->data->columns};
    int status = spot_kmeans_fit(fit->engine, &sample, &sampling, &first, err);
    if (status < 0) return status;
    memcpy(model->centres, first->centres, bytes);
    model->result.init_seconds = first->result.init_seconds;
    spot_kmeans_free(first);
    return SPOT_OK;
}

/* ---- Steps ----------------------------------------------------------------------------------- */

/* scikit-learn's: the inertia of a row, smoothed over about as many steps as the data has batches.
 */
struct trend {
    double smoothing, inertia, least;
    int32_t without; /* steps in turn without a new least one */
};

/* Whether it is time to end. The first step's inertia is that of the start. */
static bool settled(struct trend *trend, int32_t step, double inertia)
{
    if (step == 1) return false;
    trend->inertia =
        step == 2 ? inertia : trend->inertia * (1 - trend->smoothing) + inertia * trend->smoothing;
    if (step == 2 || trend->inertia < trend->least) {
        trend->least = trend->inertia;
        trend->without = 0;
    } else {
        trend->without++;
    }
    return trend->without >= NO_IMPROVEMENT;
}

static int report(const struct kmeans_fit *fit, int32_t step, int32_t steps, struct spot_error *err)
{
    const struct spot_kmeans_options *options = fit->options;
    const struct spot_engine_options *host = &fit->engine->options;
    if (options->progress != NULL) {
        const struct spot_kmeans_progress progress = {
            .runs = 1, .iteration = step, .max_iter = steps};
        options->progress(options->progress_arg, &progress);
    }
    if (host->stopped != NULL && host->stopped(host->arg) != 0)
        return spot_fail(err, SPOT_ESTOPPED, "stopped after %d mini-batches", (int)step);
    return SPOT_OK;
}

static int make_steps(struct minibatch *batch, struct drawing *drawing,
                      const struct kmeans_fit *fit, struct trend *trend, struct spot_error *err)
{
    int status = SPOT_OK;
    struct spot_kmeans_result *result = &batch->model->result;
    const double n = (double)drawing->data->rows, rows = (double)batch->capacity;
    const double most = floor(fit->options->max_iter * n / rows);
    const int32_t steps = most < INT32_MAX ? (int32_t)most : INT32_MAX;
    trend->smoothing = fmin(2 * rows / (n + 1), 1.0);
    while (result->iterations < steps && !result->converged) {
        double inertia;
        const int32_t step = ++result->iterations;
        draw(drawing, (uint32_t)step, batch->capacity);
        SPOT_TRY(minibatch_step(batch, drawing->statistics, batch->capacity, drawing->values, NULL,
                                &inertia, err));
        result->converged = settled(trend, step, inertia / rows);
        SPOT_TRY(report(fit, step, steps, err));
    }
out:
    return status;
}

/* ---- Checkpoints ----------------------------------------------------------------------------- */

enum { TREND_WORDS = 3 };

static int64_t words_of(const struct checkpoint_head *head)
{
    return head->k * (head->columns + 1) + TREND_WORDS;
}

/* *head and, if the checkpoint has this fit, the model and the trend after its last step. */
static int resume(const struct kmeans_fit *fit, struct checkpoint_head *head, spot_kmeans *model,
                  struct trend *trend, struct spot_error *err)
{
    const struct checkpoint_fit *found;
    int64_t without;
    *head = kmeans_head(fit);
    int status = checkpoint_rows(fit->matrix, engine_pool(fit->engine), &head->values, err);
    if (status < 0) return status;
    status = checkpoint_find(fit->options->checkpoint, head, kmeans_option_words, &found, err);
    if (status < 0 || found == NULL) return status;
    const uint64_t *at = found->state;
    if (found->head.run != 0 || found->head.iterations == 0 ||
        found->head.stage != STAGE_ITERATING || found->head.count != words_of(head))
        return checkpoint_refuse(fit->options->checkpoint, head->k, err);
    words_get(&at, model->centres, head->k * head->columns);
    words_get(&at, model->weights, head->k);
    words_get(&at, &trend->inertia, 1);
    words_get(&at, &trend->least, 1);
    words_get(&at, &without, 1);
    for (int64_t i = 0; i < head->k * head->columns; i++)
        if (!isfinite(model->centres[i]))
            return checkpoint_refuse(fit->options->checkpoint, head->k, err);
    trend->without = (int32_t)without;
    model->result.iterations = (int32_t)found->head.iterations;
    model->result.converged = found->head.converged != 0;
    checkpoint_log(fit->engine, &found->head, 1);
    return SPOT_OK;
}

static int leave(const struct kmeans_fit *fit, struct checkpoint_head *head,
                 const spot_kmeans *model, const struct trend *trend, struct spot_error *err)
{
    const int64_t without = trend->without;
    uint64_t *at;
    head->stage = STAGE_ITERATING;
    head->iterations = model->result.iterations;
    head->converged = model->result.converged;
    head->count = words_of(head);
    int status = checkpoint_put(fit->options->checkpoint, head, &at, err);
    if (status < 0) return status;
    words_put(&at, model->centres, head->k * head->columns);
    words_put(&at, model->weights, head->k);
    words_put(&at, &trend->inertia, 1);
    words_put(&at, &trend->least, 1);
    words_put(&at, &without, 1);
    return SPOT_OK;
}

/* ---- All of it ------------------------------------------------------------------------------- */

static int fit_steps(struct drawing *drawing, const struct kmeans_fit *fit, spot_kmeans *model,
                     struct spot_error *err)
{
    int status = SPOT_OK;
    const struct spot_matrix *data = fit->matrix;
    const int64_t asked = fit->options->mini_batch;
    const int64_t rows = asked < data->rows ? asked : data->rows;
    const int64_t sample = sample_rows(data, rows, fit->options->k);
    const bool checkpoint = fit->options->checkpoint != NULL;
    struct checkpoint_head head;
    struct minibatch batch = {0};
    struct trend trend = {0};
    SPOT_TRY(open_drawing(drawing, sample > rows ? sample : rows, err));
    SPOT_TRY(minibatch_open(&batch, fit->engine, model, rows, err));
    if (checkpoint) SPOT_TRY(resume(fit, &head, model, &trend, err));
    if (model->result.iterations == 0) SPOT_TRY(start(drawing, fit, sample, model, err));
    status = make_steps(&batch, drawing, fit, &trend, err);
    if (checkpoint && (status == SPOT_OK || status == SPOT_ESTOPPED)) {
        int left = leave(fit, &head, model, &trend, err);
        if (left < 0) status = left;
    }
out:
    minibatch_close(&batch);
    return status;
}

int kmeans_minibatch(const struct kmeans_fit *fit, spot_kmeans *model, struct spot_error *err)
{
    int status;
    struct statistics statistics = {0};
    if (fit->matrix->reader != NULL)
        return spot_fail(err, SPOT_EUSAGE, "mini-batches need rows in memory, not a reader");
    if (fit->matrix->values64 != NULL)
        return spot_fail(err, SPOT_EUSAGE, "mini-batches need rows of float32");
    struct minibatch whole = {0};
    struct drawing drawing = {
        .data = fit->matrix, .statistics = &statistics, .seed = fit->options->seed};
    SPOT_TRY(statistics_of(fit->matrix, fit->options->centres, fit->options->k,
                           engine_pool(fit->engine), &statistics, err));
    SPOT_TRY(keep_weights(&statistics, fit->matrix, err));
    SPOT_TRY(fit_steps(&drawing, fit, model, err));
    memset(model->sizes, 0, (size_t)model->result.k * sizeof *model->sizes);
    SPOT_TRY(minibatch_open(&whole, fit->engine, model, MEASURED_ROWS, err));
    SPOT_TRY(minibatch_measure(&whole, &statistics, fit->matrix, model->sizes,
                               &model->result.inertia, err));
out:
    minibatch_close(&whole);
    statistics_clear(&statistics);
    free(drawing.prefix);
    free(drawing.values);
    return status;
}
