/* Lloyd's algorithm on the CPU. A pass gives every row its nearest centre and brings the integer
 * sums up to date: only rows whose label changed are taken out of one cluster and put into another,
 * so late passes read the data and write almost nothing. */
#include "fallback/cpu_kmeans.h"

#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "base/memory.h"
#include "fallback/cpu_order.h"
#include "numerics/update.h"

static int partial_open(struct kmeans_partial *partial, int32_t k, int32_t columns)
{
    partial->sums = spot_alloc_zero((int64_t)k * columns, sizeof *partial->sums);
    partial->weights = spot_alloc_zero(k, sizeof *partial->weights);
    partial->sizes = spot_alloc_zero(k, sizeof *partial->sizes);
    partial->moved = partial->near_ties = 0;
    if (partial->sums == NULL || partial->weights == NULL || partial->sizes == NULL)
        return SPOT_ENOMEM;
    return SPOT_OK;
}

static void partial_close(struct kmeans_partial *partial)
{
    free(partial->sums);
    free(partial->weights);
    free(partial->sizes);
}

static int worker_open(struct kmeans_worker *worker, int32_t k, int32_t columns, bool wide)
{
    worker->sums = spot_alloc_zero((int64_t)k * padded_columns(columns), sizeof *worker->sums);
    worker->weights = spot_alloc_zero(k, sizeof *worker->weights);
    worker->sizes = spot_alloc_zero(k, sizeof *worker->sizes);
    worker->far = spot_alloc(k, sizeof *worker->far);
    worker->gathered = spot_alloc_zero((int64_t)columns, BLOCK_ROWS * sizeof *worker->gathered);
    if (wide) worker->gathered_wide = spot_alloc_zero(columns, BLOCK_ROWS * sizeof(double));
    if ((wide && worker->gathered_wide == NULL) || partial_open(&worker->wide, k, columns) < 0 ||
        worker->sums == NULL || worker->weights == NULL || worker->sizes == NULL ||
        worker->far == NULL || worker->gathered == NULL)
        return SPOT_ENOMEM;
    return SPOT_OK;
}

static void worker_close(struct kmeans_worker *worker)
{
    free(worker->sums);
    free(worker->weights);
    free(worker->sizes);
    free(worker->far);
    free(worker->gathered);
    free(worker->gathered_wide);
    partial_close(&worker->wide);
}

static void run_close(struct kmeans_run *run)
{
    if (run == NULL) return;
    if (run->order != NULL) cpu_order_close(run);
    for (int i = 0; run->workers != NULL && i < run->threads; i++)
        worker_close(&run->workers[i]);
    free(run->workers);
    partial_close(&run->totals);
    filter_close(&run->filter);
    free(run->scale);
    if (run->data != NULL) {
        struct cpu_rows *arrays = &run->data->arrays;
        cpu_rows_free(arrays, run->labels);
        cpu_rows_free(arrays, run->block_limits);
        cpu_rows_free(arrays, run->row_limits);
        seeding_close(arrays, &run->seeding);
    }
    free(run);
}

/* What a run takes whatever the number of rows: each thread's sums, the totals, the filter. */
static int64_t run_bytes(const struct kmeans_run *run)
{
    const double k = run->k, columns = run->data->columns, wide = sizeof(struct int128);
    const double worker = k * (columns + 8) * 8 + k * (16 + sizeof(struct kmeans_far)) +
                          columns * BLOCK_ROWS * (run->data->wide == NULL ? 4 : 12) +
                          k * (columns + 1) * wide;
    const double bytes = run->threads * worker + k * (columns + 1) * (wide + 24);
    return bytes < 0x1p62 ? (int64_t)bytes : INT64_MAX / 2;
}

static int run_open(struct backend_data *data, int32_t k, const struct quantiser *quantiser,
                    struct kmeans_run **out, struct spot_error *err)
{
    *out = NULL;
    struct kmeans_run *run = calloc(1, sizeof *run);
    if (run == NULL) return spot_fail_memory(err, "the KMeans run");
    run->data = data;
    run->rows = data;
    run->looked = data->rows;
    run->quantiser = quantiser;
    run->kernels = data->backend->kernels;
    run->k = k;
    run->plain = data->weights == NULL && data->counts == NULL;
    run->threads = data->backend->host.threads;
    run->load_limit = (int64_t)1 << (62 - quantiser->column_bits);
    run->narrow_limit = run->load_limit / k;
    int status = cpu_check_memory(data->backend, run_bytes(run), "the clusters", err);
    if (status < 0) {
        free(run);
        return status;
    }
    run->workers = calloc((size_t)run->threads, sizeof *run->workers);
    run->scale = spot_alloc_zero(padded_columns(data->columns), sizeof *run->scale);
    const bool wide = data->wide != NULL;
    int failed = run->workers == NULL || run->scale == NULL;
    failed = failed || partial_open(&run->totals, k, data->columns) < 0;
    failed =
        failed || filter_open(&run->filter, k, data->columns, data->offset, run->kernels, wide) < 0;
    for (int i = 0; !failed && i < run->threads; i++)
        failed = worker_open(&run->workers[i], k, data->columns, wide) < 0;
    if (failed) {
        run_close(run);
        return spot_fail_memory(err, "the labels and sums");
    }
    memcpy(run->scale, quantiser->scale, (size_t)data->columns * sizeof *run->scale);
    *out = run;
    return SPOT_OK;
}

static int move_centres(struct kmeans_run *run, const double *centres, struct spot_error *err)
{
    (void)err;
    size_t count = (size_t)run->k * (size_t)run->data->columns;
    memcpy(run->filter.exact, centres, count * sizeof *centres);
    cpu_pack_centres(run);
    return SPOT_OK;
}

/* The arrays of a run, when the first one starts. */
static int open_labels(struct kmeans_run *run, struct spot_error *err)
{
    int status = SPOT_OK;
    struct cpu_rows *arrays = &run->data->arrays;
    const bool by_row = run->plain && (int64_t)run->k * (run->data->columns + 5) >= ROW_LIMITS_WORK;
    if (run->labels != NULL) return SPOT_OK;
    if (by_row)
        SPOT_TRY(cpu_rows_alloc(arrays, BLOCK_ROWS * sizeof(float), "the rows' limits",
                                &run->row_limits, err));
    SPOT_TRY(cpu_rows_alloc(arrays, sizeof(float), "the blocks' limits", &run->block_limits, err));
    SPOT_TRY(
        cpu_rows_alloc(arrays, BLOCK_ROWS * sizeof *run->labels, "the labels", &run->labels, err));
out:
    return status;
}

static int start(struct kmeans_run *run, const double *centres, struct spot_error *err)
{
    struct cpu_rows *arrays = &run->data->arrays;
    if (arrays->window > 0) seeding_close(arrays, &run->seeding); /* nothing to stream beside */
    int status = open_labels(run, err);
    if (status < 0) return status;
    run->fresh = true;
    run->looked = run->rows->rows;
    cpu_partial_clear(&run->totals, run->k, run->data->columns);
    status = move_centres(run, centres, err);
    cpu_unsettle(run);
    return status;
}

static int copy_centres(struct kmeans_run *run, double *centres, struct spot_error *err)
{
    (void)err;
    size_t count = (size_t)run->k * (size_t)run->data->columns;
    memcpy(centres, run->filter.exact, count * sizeof *centres);
    return SPOT_OK;
}

/* ---- Passes --------------------------------------------------------------------------------- */

static int pass(struct kmeans_run *run, struct spot_error *err)
{
    (void)err;
    cpu_pass(run);
    return SPOT_OK;
}

static int copy_partial(struct kmeans_run *run, struct kmeans_partial *partial,
                        struct spot_error *err)
{
    (void)err;
    const struct kmeans_partial *totals = &run->totals;
    size_t k = (size_t)run->k, cells = k * (size_t)run->data->columns;
    memcpy(partial->sums, totals->sums, cells * sizeof *totals->sums);
    memcpy(partial->weights, totals->weights, k * sizeof *totals->weights);
    memcpy(partial->sizes, totals->sizes, k * sizeof *totals->sizes);
    partial->moved = totals->moved;
    partial->near_ties = totals->near_ties;
    return SPOT_OK;
}

static bool has_empty_cluster(const struct kmeans_run *run)
{
    for (int32_t c = 0; c < run->k; c++)
        if (int128_is_zero(run->totals.weights[c])) return true;
    return false;
}

/* One step: pass, then update unless a cluster is empty. */
static enum kmeans_event_kind step(struct kmeans_run *run, double tolerance,
                                   struct kmeans_event *event)
{
    cpu_pass(run);
    event->steps++;
    event->moved = run->totals.moved;
    event->near_ties += run->totals.near_ties;
    if (has_empty_cluster(run)) return KMEANS_EMPTY;
    event->shift = update_centres(run->quantiser, run->k, run->totals.sums, run->totals.weights,
                                  run->filter.exact);
    cpu_pack_centres(run);
    if (event->moved == 0) return KMEANS_STABLE;
    return event->shift <= tolerance ? KMEANS_SHIFT : KMEANS_STEPS;
}

static int run_steps(struct kmeans_run *run, int32_t max_steps, double tolerance,
                     struct kmeans_event *event, struct spot_error *err)
{
    (void)err;
    const struct backend_host *host = &run->data->backend->host;
    *event = (struct kmeans_event){.kind = KMEANS_STEPS};
    while (event->steps < max_steps && event->kind == KMEANS_STEPS) {
        if (host->stopped != NULL && host->stopped(host->arg) != 0) {
            event->kind = KMEANS_STOPPED;
            break;
        }
        event->kind = step(run, tolerance, event);
    }
    return SPOT_OK;
}

/* ---- After the passes ----------------------------------------------------------------------- */

/* A block's part where rows have weights or counts. */
static struct int128 weighted_inertia(const struct kmeans_run *run, int64_t block, const double *d2)
{
    struct int128 sum = int128_from(0);
    int32_t rows = block_rows(run->rows, block);
    for (int32_t i = 0; i < rows; i++) {
        int64_t row = block * BLOCK_ROWS + i;
        int64_t term = quantise(d2[i], run->quantiser->distance_scale);
        struct int128 weight =
            int128_multiply(row_weight(run->rows, row), row_count(run->rows, row));
        sum = int128_add(sum, int128_times(weight, term));
    }
    return sum;
}

static void inertia_task(void *arg, int64_t task, int worker_index)
{
    struct kmeans_run *run = arg;
    struct kmeans_worker *worker = &run->workers[worker_index];
    const struct backend_data *data = run->rows;
    int64_t end = (task + 1) * TASK_BLOCKS < data->blocks ? (task + 1) * TASK_BLOCKS : data->blocks;
    _Alignas(64) double d2[BLOCK_ROWS];
    for (int64_t b = task * TASK_BLOCKS; b < end; b++) {
        int32_t rows = block_rows(data, b);
        for (int32_t i = rows; i < BLOCK_ROWS; i++)
            run->labels[b * BLOCK_ROWS + i] = 0;
        own_distances(run->kernels, &run->filter.filter, data_values(data, b),
                      run->labels + b * BLOCK_ROWS, d2);
        for (int32_t i = rows; i < BLOCK_ROWS; i++)
            d2[i] = 0.0;
        struct int128 part =
            run->plain ? int128_from(run->kernels->sum_rounded(d2, run->quantiser->distance_scale))
                       : weighted_inertia(run, b, d2);
        worker->inertia = int128_add(worker->inertia, part);
    }
}

static int inertia(struct kmeans_run *run, struct int128 *total, struct spot_error *err)
{
    (void)err;
    for (int i = 0; i < run->threads; i++)
        run->workers[i].inertia = int128_from(0);
    cpu_rows_pass(&run->data->arrays,
                  &(struct row_pass){.task_blocks = TASK_BLOCKS,
                                     .work = (double)run->data->rows * run->data->columns * 16,
                                     .task = inertia_task,
                                     .arg = run});
    *total = int128_from(0);
    for (int i = 0; i < run->threads; i++)
        *total = int128_add(*total, run->workers[i].inertia);
    return SPOT_OK;
}

struct label_copy {
    const struct kmeans_run *run;
    int64_t first, end; /* rows wanted */
    int32_t *labels;    /* (end - first) */
};

static void copy_labels_task(void *arg, int64_t task, int worker)
{
    const struct label_copy *copy = arg;
    const struct kmeans_run *run = copy->run;
    int64_t begin = task * TASK_ROWS, end = begin + TASK_ROWS;
    (void)worker;
    if (run->order == NULL) {
        if (begin < copy->first) begin = copy->first;
        if (end > copy->end) end = copy->end;
        if (begin < end)
            memcpy(copy->labels + (begin - copy->first), run->labels + begin,
                   (size_t)(end - begin) * sizeof *copy->labels);
        return;
    }
    if (end > run->rows->rows) end = run->rows->rows;
    for (int64_t place = begin; place < end; place++) {
        const int64_t row = run->order->row_at[place];
        if (row >= copy->first && row < copy->end)
            copy->labels[row - copy->first] = run->labels[place];
    }
}

/* The rows' values stay where they are. */
static bool labels_alone(const void *arg, int64_t first, int64_t end)
{
    (void)arg;
    (void)first;
    (void)end;
    return false;
}

static int copy_labels(struct kmeans_run *run, int64_t first, int64_t rows, int32_t *labels,
                       struct spot_error *err)
{
    (void)err;
    struct label_copy copy = {run, first, first + rows, labels};
    if (rows == run->rows->rows) {
        cpu_rows_pass(&run->data->arrays, &(struct row_pass){.task_blocks = TASK_BLOCKS,
                                                             .work = (double)rows,
                                                             .task = copy_labels_task,
                                                             .wanted = labels_alone,
                                                             .arg = &copy});
        return SPOT_OK;
    }
    const bool ordered = run->order != NULL;
    const int64_t end = ordered ? run->rows->tasks : (first + rows - 1) / TASK_ROWS + 1;
    for (int64_t task = ordered ? 0 : first / TASK_ROWS; task < end; task++)
        copy_labels_task(&copy, task, 0);
    cpu_rows_done(&run->data->arrays, first / BLOCK_ROWS, (first + rows) / BLOCK_ROWS);
    return SPOT_OK;
}

void data_row(const struct backend_data *data, int64_t row, float *values)
{
    const float *x = data_block(data, row / BLOCK_ROWS) + row % BLOCK_ROWS;
    for (int32_t j = 0; j < data->columns; j++)
        values[j] = x[j * BLOCK_ROWS];
}

static int copy_row64(struct kmeans_run *run, int64_t row, double *values, int64_t *weight,
                      int32_t *label, struct spot_error *err)
{
    const struct block_values x =
        block_from(data_values(run->data, row / BLOCK_ROWS), row % BLOCK_ROWS);
    for (int32_t j = 0; j < run->data->columns; j++)
        values[j] = block_value(x, j);
    cpu_rows_done(&run->data->arrays, 0, run->data->blocks); /* a row brings its neighbours */
    *weight = row_weight(run->data, row);
    *label = -1;
    return run->labels == NULL || run->fresh ? SPOT_OK : copy_labels(run, row, 1, label, err);
}

static int copy_row(struct kmeans_run *run, int64_t row, float *values, int64_t *weight,
                    int32_t *label, struct spot_error *err)
{
    data_row(run->data, row, values);
    cpu_rows_done(&run->data->arrays, 0, run->data->blocks); /* a row brings its neighbours */
    *weight = row_weight(run->data, row);
    *label = -1;
    return run->labels == NULL || run->fresh ? SPOT_OK : copy_labels(run, row, 1, label, err);
}

const struct backend_kmeans cpu_kmeans = {
    .open = run_open,
    .close = run_close,
    .start = start,
    .move = move_centres,
    .centres = copy_centres,
    .pass = pass,
    .partial = copy_partial,
    .run = run_steps,
    .inertia = inertia,
    .farthest = cpu_farthest,
    .labels = copy_labels,
    .row = copy_row,
    .seed_begin = cpu_seed_begin,
    .seed_try = cpu_seed_try,
    .seed_take = cpu_seed_take,
    .seed_pick = cpu_seed_pick,
    .seed_points = cpu_seed_points,
    .seed_rows = cpu_seed_rows,
    .assign = cpu_kmeans_assign,
    .row64 = copy_row64,
    .assign64 = cpu_kmeans_assign64,
    .assign_looks = 1,
};
