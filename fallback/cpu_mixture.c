/* EM for Gaussian mixtures on the CPU, one pass an iteration: the responsibilities of 64 rows are
 * used at once for the sums, so nothing of size rows x components is ever stored.
 *
 * A task sums the blocks of a fixed range of rows one after the other; the tasks' sums are then
 * added in a fixed binary tree. Ranges depend on the shape of the problem alone, so the bits do not
 * depend on threads, nor on the batches in which the rows came. */
#include "fallback/cpu_mixture.h"

#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "base/memory.h"
#include "fallback/cpu_kmeans.h"
#include "numerics/philox.h"

enum { SMALLEST_TASK = 32, FEWEST_TASKS = 64, TRY_AGAIN = 8 };
static const int64_t LARGEST_PARTS = 1 << 23; /* doubles in the sums of all tasks: 64 MB */

enum mixture_mode { BY_DENSITY, LIKELIHOOD_ONLY, BY_LABEL, BY_DRAW };

struct mixture_run {
    struct backend_data *data;
    const struct mixture_kernels *kernels;
    double weight_unit;
    struct mixture_space space;
    int64_t terms, room;        /* of a component: in plain order, and in the kernels' */
    int64_t task_blocks, tasks; /* blocks of a task, and how many tasks */
    int64_t part;               /* doubles of a task's sums: log-likelihood, (k, terms) */
    int64_t step;               /* tasks of a window: all, where rows do not stream */
    double *parts;              /* (step, part) of the current window's tasks */
    double *windows;            /* (levels, part) sums of 2^level windows each, where they are */
    int32_t levels;             /* of the tree above the windows */
    int64_t finished;           /* windows of the current pass; bit `level` of it: there is one */
    double *work, *density, *sums; /* (threads, ...) */

    /* of the current pass */
    enum mixture_mode mode;
    const int32_t *labels; /* (rows) or NULL */
    uint64_t seed;
    uint32_t draw;
};

/* ---- Opening --------------------------------------------------------------------------------- */

/* Tasks of 2048 rows; of more where their sums would take too much memory. */
static void cut_tasks(struct mixture_run *run)
{
    run->task_blocks = SMALLEST_TASK;
    for (;;) {
        run->tasks = (run->data->blocks + run->task_blocks - 1) / run->task_blocks;
        if (run->tasks <= FEWEST_TASKS || run->tasks <= LARGEST_PARTS / run->part) return;
        run->task_blocks *= 2;
    }
}

/* Windows are a power of two tasks, so that their sums are nodes of the tree; of fewer where these
 * sums would take more than the windows themselves. */
static void cut_windows(struct mixture_run *run)
{
    const struct cpu_rows *arrays = &run->data->arrays;
    run->step = cpu_rows_step(arrays, run->task_blocks);
    while (arrays->window > 0 && run->step > 64 && run->step * run->part > LARGEST_PARTS / 16)
        run->step /= 2;
    run->levels = 1;
    while ((run->tasks + run->step - 1) / run->step >> run->levels > 0)
        run->levels++;
}

/* What a run takes whatever the number of rows. */
static int64_t run_bytes(const struct mixture_run *run, int64_t k, int64_t threads)
{
    const double part = (double)run->part, work = (double)mixture_space(run->data->columns);
    const double each = work + (double)k * BLOCK_ROWS + (double)k * (double)run->room;
    const double bytes = 8 * (((double)run->step + run->levels) * part + (double)threads * each);
    return bytes < 0x1p62 ? (int64_t)bytes : INT64_MAX / 2;
}

static void run_close(struct mixture_run *run)
{
    if (run == NULL) return;
    mixture_space_close(&run->space);
    free(run->parts);
    free(run->windows);
    free(run->work);
    free(run->density);
    free(run->sums);
    free(run);
}

static int run_open(struct backend_data *data, int32_t k, enum mixture_covariance covariance,
                    double weight_unit, struct mixture_run **out, struct spot_error *err)
{
    *out = NULL;
    struct mixture_run *run = calloc(1, sizeof *run);
    if (run == NULL) return spot_fail_memory(err, "the mixture");
    int64_t threads = data->backend->host.threads;
    run->data = data;
    run->kernels = data->backend->mixture_kernels;
    run->weight_unit = weight_unit;
    run->terms = mixture_terms(covariance, data->columns);
    run->room = run->kernels->sums_room(covariance, data->columns);
    run->part = 1 + k * run->terms;
    cut_tasks(run);
    cut_windows(run);
    int status = cpu_check_memory(data->backend, run_bytes(run, k, threads), "the components", err);
    if (status < 0) {
        free(run);
        return status;
    }
    run->parts = spot_alloc(run->step, (size_t)run->part * sizeof(double));
    run->windows = spot_alloc(run->levels, (size_t)run->part * sizeof(double));
    run->work = spot_alloc(threads, (size_t)mixture_space(data->columns) * sizeof(double));
    run->density = spot_alloc(threads, (size_t)k * BLOCK_ROWS * sizeof(double));
    run->sums = spot_alloc(threads, (size_t)k * (size_t)run->room * sizeof(double));
    if (mixture_space_open(&run->space, k, data->columns, covariance) < 0 || run->parts == NULL ||
        run->windows == NULL || run->work == NULL || run->density == NULL || run->sums == NULL) {
        run_close(run);
        return spot_fail_memory(err, "the mixture's sums");
    }
    *out = run;
    return SPOT_OK;
}

/* ---- One task -------------------------------------------------------------------------------- */

/* Rows that only fill up a block weigh nothing. */
static void block_weights(const struct mixture_run *run, int64_t block, double *weights)
{
    const struct backend_data *data = run->data;
    const int32_t rows = block_rows(data, block);
    for (int32_t i = 0; i < BLOCK_ROWS; i++) {
        int64_t row = block * BLOCK_ROWS + i;
        weights[i] = i >= rows ? 0.0
                               : (double)row_weight(data, row) * (double)row_count(data, row) *
                                     run->weight_unit;
    }
}

static void by_label(const struct mixture_run *run, int64_t block, const double *weights,
                     double *responsibilities)
{
    const int32_t rows = block_rows(run->data, block);
    memset(responsibilities, 0, (size_t)run->space.pack.k * BLOCK_ROWS * sizeof *responsibilities);
    for (int32_t i = 0; i < rows; i++) {
        int32_t c = run->labels == NULL ? 0 : run->labels[block * BLOCK_ROWS + i];
        responsibilities[(int64_t)c * BLOCK_ROWS + i] = weights[i];
    }
}

static void by_draw(const struct mixture_run *run, int64_t block, const double *weights,
                    double *responsibilities)
{
    const int32_t k = run->space.pack.k;
    for (int32_t i = 0; i < BLOCK_ROWS; i++) {
        uint64_t row = (uint64_t)(block * BLOCK_ROWS + i);
        double sum = 0.0;
        for (int32_t c = 0; c < k; c++) {
            uint64_t bits = philox_bits(run->seed, (uint32_t)row, (uint32_t)(row >> 32),
                                        (uint32_t)c, run->draw);
            double u = philox_uniform(bits);
            responsibilities[(int64_t)c * BLOCK_ROWS + i] = u;
            sum += u;
        }
        for (int32_t c = 0; c < k; c++)
            responsibilities[(int64_t)c * BLOCK_ROWS + i] *= weights[i] / sum;
    }
}

/* What a thread uses for a task. */
struct workplace {
    double *work, *density, *sums;
    int32_t wait; /* blocks until near components are looked for again: the task's rows decide */
    bool ready;   /* the block lies in `work` as add() wants it */
};

/* Log densities: near components alone, if that is the quicker way. */
static void find_densities(const struct mixture_run *run, struct block_values x,
                           struct workplace *place)
{
    const struct mixture_pack *pack = &run->space.pack;
    const struct mixture_kernels *kernels = run->kernels;
    place->ready = false;
    if (pack->head > 0 && kernels->near_densities != NULL && --place->wait < 0) {
        place->ready = kernels->near_densities(pack, x, place->work, place->density);
        if (place->ready) return;
        place->wait = TRY_AGAIN;
    }
    kernels->densities(pack, x, place->work, place->density);
}

/* Responsibilities of a block by the pass's rule; returns its log-likelihood. */
static double find_responsibilities(const struct mixture_run *run, int64_t block,
                                    const double *weights, struct workplace *place)
{
    const struct mixture_pack *pack = &run->space.pack;
    _Alignas(64) double log_likelihood[BLOCK_ROWS];
    switch (run->mode) {
    case BY_LABEL:
        by_label(run, block, weights, place->density);
        return 0.0;
    case BY_DRAW:
        by_draw(run, block, weights, place->density);
        return 0.0;
    default:
        find_densities(run, data_values(run->data, block), place);
        return run->kernels->responsibilities(pack, weights, place->density, log_likelihood);
    }
}

/* The block that comes next is on its way while this one is worked on. */
static void fetch_block(const struct backend_data *data, int64_t block)
{
    const int64_t cells = (int64_t)data->columns * BLOCK_ROWS;
    if (data->wide != NULL) {
        for (int64_t i = 0; i < cells; i += 8)
            __builtin_prefetch(data_wide(data, block) + i);
        return;
    }
    for (int64_t i = 0; i < cells; i += 16)
        __builtin_prefetch(data_block(data, block) + i);
}

static void pass_task(void *arg, int64_t task, int worker)
{
    const struct mixture_run *run = arg;
    const struct backend_data *data = run->data;
    const struct mixture_pack *pack = &run->space.pack;
    const bool plain = data->weights == NULL && data->counts == NULL;
    struct workplace place = {.work = run->work + worker * mixture_space(data->columns),
                              .density = run->density + (int64_t)worker * pack->k * BLOCK_ROWS,
                              .sums = run->sums + worker * pack->k * run->room};
    double *part = run->parts + task % run->step * run->part;
    const struct block_values nothing = {NULL, NULL};
    _Alignas(64) double weights[BLOCK_ROWS];
    const int64_t first = task * run->task_blocks;
    const int64_t end =
        first + run->task_blocks < data->blocks ? first + run->task_blocks : data->blocks;

    memset(place.sums, 0, (size_t)(pack->k * run->room) * sizeof(double));
    part[0] = 0.0;
    for (int64_t b = first; b < end; b++) {
        if (b == first || !plain || b == data->blocks - 1) block_weights(run, b, weights);
        if (b + 1 < end) fetch_block(data, b + 1);
        part[0] += find_responsibilities(run, b, weights, &place);
        if (run->mode != LIKELIHOOD_ONLY)
            run->kernels->add(pack, place.ready ? nothing : data_values(data, b), place.density,
                              place.work, place.sums);
        cpu_rows_passed(&data->arrays, first, b);
    }
    for (int32_t c = 0; c < pack->k && run->mode != LIKELIHOOD_ONLY; c++)
        run->kernels->collect(pack->covariance, pack->columns, place.sums + c * run->room,
                              part + 1 + c * run->terms);
}

/* ---- All tasks ------------------------------------------------------------------------------- */

static int64_t terms_of_pass(const struct mixture_run *run)
{
    return run->mode == LIKELIHOOD_ONLY ? 1 : run->part;
}

/* Adds the parts of a window's tasks in a binary tree; the sum ends up in the first. */
static void merge_parts(struct mixture_run *run, int64_t tasks)
{
    const int64_t terms = terms_of_pass(run);
    for (int64_t stride = 1; stride < tasks; stride *= 2)
        for (int64_t t = 0; t + stride < tasks; t += 2 * stride) {
            double *to = run->parts + t * run->part;
            const double *from = run->parts + (t + stride) * run->part;
            for (int64_t i = 0; i < terms; i++)
                to[i] += from[i];
        }
}

/* sum = earlier + sum */
static void add_before(double *sum, const double *earlier, int64_t terms)
{
    for (int64_t i = 0; i < terms; i++)
        sum[i] = earlier[i] + sum[i];
}

/* The upper levels of the same tree: a window's sum joins those before it as in binary counting. */
static void finish_window(void *arg, int64_t first, int64_t tasks)
{
    struct mixture_run *run = arg;
    const int64_t terms = terms_of_pass(run);
    int level = 0;
    (void)first;
    merge_parts(run, tasks);
    for (; run->finished >> level & 1; level++)
        add_before(run->parts, run->windows + level * run->part, terms);
    memcpy(run->windows + level * run->part, run->parts, (size_t)terms * sizeof *run->parts);
    run->finished++;
}

/* The sum of all windows, the incomplete nodes of the tree from right to left. */
static void merge_windows(struct mixture_run *run)
{
    const int64_t terms = terms_of_pass(run);
    int level = __builtin_ctzll((unsigned long long)run->finished);
    memcpy(run->parts, run->windows + level * run->part, (size_t)terms * sizeof *run->parts);
    for (level++; level < run->levels; level++)
        if (run->finished >> level & 1)
            add_before(run->parts, run->windows + level * run->part, terms);
}

static void copy_partial(const struct mixture_run *run, struct mixture_partial *partial)
{
    const int64_t k = run->space.pack.k, d = run->data->columns, squares = run->terms - 1 - d;
    partial->log_likelihood = run->parts[0];
    for (int64_t c = 0; c < k; c++) {
        const double *plain = run->parts + 1 + c * run->terms;
        partial->components[c] = plain[0];
        memcpy(partial->means + c * d, plain + 1, (size_t)d * sizeof *plain);
        if (squares > 0)
            memcpy(partial->squares + c * squares, plain + 1 + d, (size_t)squares * sizeof *plain);
    }
}

static void run_pass(struct mixture_run *run, enum mixture_mode mode,
                     const struct mixture_parameters *parameters)
{
    const struct mixture_pack *pack = &run->space.pack;
    const double work = (double)run->data->rows * mixture_work(pack);
    mixture_pack_fill(&run->space, parameters, run->data->offset);
    if (parameters->weights != NULL) mixture_pack_cut(&run->space, parameters);
    run->mode = mode;
    run->finished = 0;
    cpu_rows_pass(&run->data->arrays, &(struct row_pass){.task_blocks = run->task_blocks,
                                                         .most_tasks = run->step,
                                                         .work = work,
                                                         .task = pass_task,
                                                         .finish = finish_window,
                                                         .arg = run});
    merge_windows(run);
}

static int em_pass(struct mixture_run *run, const struct mixture_parameters *parameters,
                   struct mixture_partial *partial, struct spot_error *err)
{
    (void)err;
    run_pass(run, BY_DENSITY, parameters);
    copy_partial(run, partial);
    return SPOT_OK;
}

static int likelihood_pass(struct mixture_run *run, const struct mixture_parameters *parameters,
                           double *sum, struct spot_error *err)
{
    (void)err;
    run_pass(run, LIKELIHOOD_ONLY, parameters);
    *sum = run->parts[0];
    return SPOT_OK;
}

/* A pass that takes no densities, only sums about means. */
static void run_sums(struct mixture_run *run, enum mixture_mode mode, const double *means,
                     struct mixture_partial *partial)
{
    const struct mixture_pack *pack = &run->space.pack;
    const struct mixture_parameters about = {
        .k = pack->k, .columns = pack->columns, .covariance = pack->covariance, .means = means};
    run_pass(run, mode, &about);
    copy_partial(run, partial);
}

static int labelled_pass(struct mixture_run *run, const double *means, struct kmeans_run *clusters,
                         struct mixture_partial *partial, struct spot_error *err)
{
    int32_t *by_row = NULL; /* (rows) where the clusters' own order is another */
    run->labels = clusters == NULL ? NULL : clusters->labels;
    if (clusters != NULL && clusters->order != NULL) {
        by_row = spot_alloc(run->data->rows, sizeof *by_row);
        if (by_row == NULL) return spot_fail_memory(err, "the labels");
        cpu_kmeans.labels(clusters, 0, run->data->rows, by_row, err);
        run->labels = by_row;
    }
    run_sums(run, BY_LABEL, means, partial);
    free(by_row);
    return SPOT_OK;
}

static int drawn_pass(struct mixture_run *run, const double *means, uint64_t seed, uint32_t draw,
                      struct mixture_partial *partial, struct spot_error *err)
{
    (void)err;
    run->seed = seed;
    run->draw = draw;
    run_sums(run, BY_DRAW, means, partial);
    return SPOT_OK;
}

const struct backend_mixture cpu_mixture = {
    .open = run_open,
    .close = run_close,
    .pass = em_pass,
    .log_likelihood = likelihood_pass,
    .labelled = labelled_pass,
    .drawn = drawn_pass,
    .score = cpu_mixture_score,
    .score64 = cpu_mixture_score64,
};
