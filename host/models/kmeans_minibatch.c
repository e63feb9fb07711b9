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
#include "models/row_batches.h"

enum { SAMPLE_BATCHES = 3, NO_IMPROVEMENT = 10, MEASURED_ROWS = 65536 };

/* Weights are looked up through sums of whole strides of rows: so many strides at most where rows
 * are read. */
enum { STRIDE = 64, STRIDES = 1 << 16 };

/* A row to read, and its place in the batch. */
struct drawn_row {
    int64_t row, place;
};

struct drawing {
    const struct spot_matrix *data;
    const struct statistics *statistics;
    uint64_t seed;
    int64_t batch;           /* rows of a step */
    int64_t stride;          /* rows */
    struct int128 *prefix;   /* (strides + 1) weights before each stride of rows; NULL: 1 each */
    double *weights;         /* (stride) of one stride */
    int64_t *quantised;      /* (stride) */
    int64_t held;            /* the stride they are of, or -1 */
    struct drawn_row *drawn; /* (rows) */
    char *values;            /* (rows, columns) of them, of the data's type */
};

/* ---- Drawing --------------------------------------------------------------------------------- */

/* The weights of a stride of rows; *count: of them. */
static int hold(struct drawing *drawing, int64_t stride, int64_t *count, struct spot_error *err)
{
    const int64_t first = stride * drawing->stride, left = drawing->data->rows - first;
    *count = left < drawing->stride ? left : drawing->stride;
    if (stride == drawing->held) return SPOT_OK;
    drawing->held = -1;
    int status = rows_read(drawing->data, first, *count, NULL, drawing->weights, err);
    if (status < 0) return status;
    quantise_weights(drawing->statistics, drawing->weights, *count, drawing->quantised);
    drawing->held = stride;
    return SPOT_OK;
}

static int sum_strides(struct drawing *drawing, int64_t strides, struct spot_error *err)
{
    int status = SPOT_OK;
    struct int128 sum = int128_from(0);
    for (int64_t s = 0; s < strides; s++) {
        int64_t count;
        SPOT_TRY(hold(drawing, s, &count, err));
        drawing->prefix[s] = sum;
        for (int64_t i = 0; i < count; i++)
            sum = int128_add(sum, int128_from(drawing->quantised[i]));
    }
    drawing->prefix[strides] = sum;
out:
    return status;
}

static int open_drawing(struct drawing *drawing, int64_t rows, struct spot_error *err)
{
    const struct spot_matrix *data = drawing->data;
    const bool weighted = drawing->statistics->weighted;
    drawing->stride = STRIDE;
    while (data->reader != NULL && data->rows / drawing->stride >= STRIDES)
        drawing->stride *= 2;
    drawing->held = -1;
    const int64_t strides = (data->rows + drawing->stride - 1) / drawing->stride;
    drawing->drawn = spot_alloc(rows, sizeof *drawing->drawn);
    drawing->values = spot_alloc(rows, rows_size(data));
    if (weighted) {
        drawing->prefix = spot_alloc(strides + 1, sizeof *drawing->prefix);
        drawing->weights = spot_alloc(drawing->stride, sizeof *drawing->weights);
        drawing->quantised = spot_alloc(drawing->stride, sizeof *drawing->quantised);
    }
    if (drawing->values == NULL || drawing->drawn == NULL ||
        (weighted &&
         (drawing->prefix == NULL || drawing->weights == NULL || drawing->quantised == NULL)))
        return spot_fail_memory(err, "a mini-batch");
    return weighted ? sum_strides(drawing, strides, err) : SPOT_OK;
}

static void close_drawing(struct drawing *drawing)
{
    free(drawing->prefix);
    free(drawing->weights);
    free(drawing->quantised);
    free(drawing->drawn);
    free(drawing->values);
}

/* The first row whose inclusive prefix sum of weights is above target. */
static int row_at(struct drawing *drawing, struct int128 target, int64_t *row,
                  struct spot_error *err)
{
    int64_t low = 0, high = (drawing->data->rows - 1) / drawing->stride, count;
    while (low < high) { /* the last stride that begins at or below the target */
        int64_t middle = low + (high - low + 1) / 2;
        if (int128_compare(drawing->prefix[middle], target) <= 0)
            low = middle;
        else
            high = middle - 1;
    }
    int status = hold(drawing, low, &count, err);
    if (status < 0) return status;
    struct int128 sum = drawing->prefix[low];
    int64_t i = 0;
    for (; i < count - 1; i++) {
        sum = int128_add(sum, int128_from(drawing->quantised[i]));
        if (int128_compare(sum, target) > 0) break;
    }
    *row = low * drawing->stride + i;
    return SPOT_OK;
}

static int by_row(const void *a, const void *b)
{
    const struct drawn_row *x = a, *y = b;
    return (x->row > y->row) - (x->row < y->row);
}

/* Fetches `rows` rows, each drawn by weight, into drawing->values. */
static int draw(struct drawing *drawing, uint32_t step, int64_t rows, struct spot_error *err)
{
    int status = SPOT_OK;
    const struct spot_matrix *data = drawing->data;
    for (int64_t i = 0; i < rows; i++) {
        const uint64_t bits =
            random_bits(drawing->seed, RANDOM_BATCHES, (uint32_t)(i >> 32), step, (uint32_t)i);
        const struct int128 target = int128_scale(drawing->statistics->weight, bits);
        drawing->drawn[i] = (struct drawn_row){(int64_t)target.low, i};
        if (drawing->prefix != NULL) SPOT_TRY(row_at(drawing, target, &drawing->drawn[i].row, err));
    }
    /* A file is read from its beginning to its end. */
    if (data->reader != NULL) qsort(drawing->drawn, (size_t)rows, sizeof *drawing->drawn, by_row);
    for (int64_t i = 0; i < rows; i++)
        SPOT_TRY(rows_read(data, drawing->drawn[i].row, 1,
                           drawing->values + (size_t)drawing->drawn[i].place * rows_size(data),
                           NULL, err));
out:
    return status;
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
    sampling.labels = NULL;
    int status = draw(drawing, 0, rows, err);
    if (status < 0) return status;
    const struct spot_matrix sample = rows_from(drawing->data, drawing->values, rows);
    status = spot_kmeans_fit(fit->engine, &sample, &sampling, &first, err);
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
    if (options->progress != NULL) {
        const struct spot_kmeans_progress progress = {
            .runs = 1, .iteration = step, .max_iter = steps};
        options->progress(options->progress_arg, &progress);
    }
    if (engine_is_stopped(fit->engine))
        return spot_fail(err, SPOT_ESTOPPED, "stopped after %d mini-batches", (int)step);
    return SPOT_OK;
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

/* ---- All steps ------------------------------------------------------------------------------- */

static int make_steps(struct minibatch *batch, struct drawing *drawing,
                      const struct kmeans_fit *fit, struct checkpoint_head *head,
                      struct trend *trend, struct spot_error *err)
{
    int status = SPOT_OK;
    struct spot_kmeans_result *result = &batch->model->result;
    const double n = (double)drawing->data->rows, rows = (double)drawing->batch;
    const double most = floor(fit->options->max_iter * n / rows);
    const int32_t steps = most < INT32_MAX ? (int32_t)most : INT32_MAX;
    const struct spot_matrix drawn = rows_from(drawing->data, drawing->values, drawing->batch);
    trend->smoothing = fmin(2 * rows / (n + 1), 1.0);
    while (result->iterations < steps && !result->converged) {
        double inertia;
        const int32_t step = ++result->iterations;
        SPOT_TRY(draw(drawing, (uint32_t)step, drawing->batch, err));
        SPOT_TRY(minibatch_step(batch, drawing->statistics, &drawn, &inertia, err));
        result->converged = settled(trend, step, inertia / rows);
        SPOT_TRY(report(fit, step, steps, err));
        if (!checkpoint_is_due(fit->options->checkpoint)) continue;
        SPOT_TRY(leave(fit, head, batch->model, trend, err));
        checkpoint_write(fit->options->checkpoint, fit->engine);
    }
out:
    return status;
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
    drawing->batch = rows;
    SPOT_TRY(open_drawing(drawing, sample > rows ? sample : rows, err));
    SPOT_TRY(minibatch_open(&batch, fit->engine, model, data, err));
    if (checkpoint) SPOT_TRY(resume(fit, &head, model, &trend, err));
    if (model->result.iterations == 0) SPOT_TRY(start(drawing, fit, sample, model, err));
    status = make_steps(&batch, drawing, fit, &head, &trend, err);
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
    struct minibatch whole = {0};
    struct drawing drawing = {
        .data = fit->matrix, .statistics = &statistics, .seed = fit->options->seed};
    SPOT_TRY(statistics_of(fit->matrix, fit->options->centres, fit->options->k,
                           engine_pool(fit->engine), &statistics, err));
    SPOT_TRY(fit_steps(&drawing, fit, model, err));
    memset(model->sizes, 0, (size_t)model->result.k * sizeof *model->sizes);
    SPOT_TRY(minibatch_open(&whole, fit->engine, model, fit->matrix, err));
    SPOT_TRY(minibatch_measure(&whole, &statistics, fit->matrix, MEASURED_ROWS, model->sizes,
                               &model->result.inertia, err));
out:
    minibatch_close(&whole);
    statistics_clear(&statistics);
    close_drawing(&drawing);
    return status;
}
