/* The runs of a fit, of which the best is kept: one after another, or side by side where rows
 * stream, so that a pass over them serves several. That changes no bit: the runs know nothing of
 * each other, and are compared in their order. */
#define _POSIX_C_SOURCE 200809L
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/error.h"
#include "base/memory.h"
#include "models/kmeans_fit.h"
#include "numerics/direction.h"

/* Runs side by side, at most: each is a thread, though one that waits. */
enum { MOST_PARTS = 32 };

/* Copies a run into the model. */
static void keep_run(const struct kmeans_fit *run, spot_kmeans *model)
{
    size_t k = (size_t)run->options->k, cells = k * (size_t)run->matrix->columns;
    const struct quantiser *q = &run->data->statistics.quantiser;
    memcpy(model->centres, run->centres, cells * sizeof *model->centres);
    memcpy(model->sizes, run->partial.sizes, k * sizeof *model->sizes);
    for (size_t c = 0; c < k; c++)
        model->weights[c] = int128_to_double(run->partial.weights[c]) / q->weight_scale;
    model->result.inertia = int128_to_double(run->inertia) / q->distance_scale / q->weight_scale;
    if (q->spherical) model->result.inertia /= 2.0; /* |x - c|^2 = 2 (1 - cos) */
    model->result.iterations = run->iterations;
    model->result.converged = run->converged;
    model->result.best_run = run->run_index;
    model->result.near_ties =
        (double)run->near_ties / ((double)fit_data_rows(run->data) * run->iterations);
}

/* A run's labels, of original rows. */
static int keep_labels(const struct kmeans_fit *run, int32_t *labels, struct spot_error *err)
{
    int status = SPOT_OK;
    const struct compacted *merged = &run->data->compacted;
    int32_t *groups = NULL;
    if (merged->groups == 0) {
        SPOT_TRY(run->backend->labels(run->run, 0, run->matrix->rows, labels, err));
    } else {
        groups = spot_alloc(merged->groups, sizeof *groups);
        if (groups == NULL) return spot_fail_memory(err, "the labels of equal rows");
        SPOT_TRY(run->backend->labels(run->run, 0, merged->groups, groups, err));
        for (int64_t i = 0; i < run->matrix->rows; i++)
            labels[i] = groups[merged->group_of_row[i]];
    }
out:
    free(groups);
    return status;
}

static int keep_better(struct kmeans_fit *fit, const struct kmeans_fit *run, spot_kmeans *model,
                       struct spot_error *err)
{
    int32_t *labels = fit->options->labels;
    if (run->run_index > 0 && int128_compare(run->inertia, fit->best) >= 0) return SPOT_OK;
    fit->best = run->inertia;
    keep_run(run, model);
    fit->has_labels = labels != NULL;
    return labels == NULL ? SPOT_OK : keep_labels(run, labels, err);
}

static double now(void)
{
    struct timespec time;
    clock_gettime(CLOCK_MONOTONIC, &time);
    return (double)time.tv_sec + 1e-9 * (double)time.tv_nsec;
}

/* Initial centres for a run. */
static int start_run(struct kmeans_fit *run, struct spot_error *err)
{
    const double started = now();
    int status = kmeans_seed(run, err);
    for (int64_t c = 0; run->options->metric == SPOT_METRIC_COSINE && c < run->options->k; c++)
        make_unit(run->centres + c * run->matrix->columns, run->matrix->columns);
    run->init_seconds += now() - started;
    run->iterations = run->converged = 0;
    if (status < 0) return status;
    kmeans_keep(run, run->centres);
    run->stage = STAGE_ITERATING;
    return SPOT_OK;
}

static int make_run(struct kmeans_fit *run, struct spot_error *err)
{
    int status = SPOT_OK;
    if (run->stage == STAGE_START) SPOT_TRY(start_run(run, err));
    SPOT_TRY(kmeans_lloyd(run, err));
    engine_log(run->engine, SPOT_LOG_DEBUG, "run %d: %d iterations, %lld near ties",
               (int)run->run_index, (int)run->iterations, (long long)run->near_ties);
out:
    return status;
}

/* ---- Side by side --------------------------------------------------------------------------- */

/* How many runs share passes from now on; 1: each makes its own. */
static int32_t runs_together(const struct kmeans_fit *fit, int32_t wanted)
{
    const struct backend_core *core = fit->engine->tables->core;
    /* k-means|| weighs its candidates as if they were centres, ten for each. */
    const int64_t times = fit->options->init == SPOT_INIT_KMEANS_PARALLEL ? 11 : 1;
    const int64_t cells = times * fit->options->k * (fit->matrix->columns + 8);
    /* What a backend adds up, for each thread, and the host's own copies; and potentials of each
     * task's rows, of a few candidates. */
    const int64_t bytes =
        cells * (24 * fit->engine->host.threads + 80) + fit->matrix->rows / 4096 * 16 * 16;
    if (core->data_runs == NULL || fit->is_sample || fit->engine->turns != NULL) return 1;
    return core->data_runs(fit->data->handle, wanted < MOST_PARTS ? wanted : MOST_PARTS, bytes);
}

static int part_open(struct kmeans_fit *part, struct kmeans_fit *fit, int32_t index,
                     struct spot_error *err)
{
    *part = (struct kmeans_fit){.engine = fit->engine,
                                .backend = fit->backend,
                                .options = fit->options,
                                .matrix = fit->matrix,
                                .data = fit->data,
                                .tolerance = fit->tolerance,
                                .n_init = fit->n_init,
                                .run_index = fit->run_index + index,
                                .head = fit->head,
                                .whole = fit};
    int status = kmeans_fit_open(part, err);
    if (status == SPOT_OK) status = kmeans_keep_open(part, err);
    if (status < 0) return status;
    if (index > 0) {
        kmeans_take_begun(part, fit);
        return SPOT_OK;
    }
    const size_t cells = (size_t)fit->options->k * (size_t)fit->matrix->columns;
    if (fit->stage == STAGE_START) return SPOT_OK;
    memcpy(part->centres, fit->centres, cells * sizeof *part->centres);
    part->stage = fit->stage;
    part->iterations = fit->iterations;
    part->converged = fit->converged;
    kmeans_keep(part, part->centres);
    return SPOT_OK;
}

void kmeans_parts_close(struct kmeans_fit *fit)
{
    for (int32_t i = 0; i < fit->parts_count; i++)
        kmeans_fit_close(&fit->parts[i]);
    free(fit->parts);
    fit->parts = NULL;
    fit->parts_count = 0;
}

/* A run that has ended gives its per-row state back, unless its labels may be wanted. */
static int part_job(void *arg, int32_t job, struct spot_error *err)
{
    struct kmeans_fit *part = &((struct kmeans_fit *)arg)[job];
    int status = make_run(part, err);
    if (part->options->labels != NULL) return status;
    part->backend->close(part->run);
    part->run = NULL;
    return status;
}

static int make_parts(struct kmeans_fit *fit, int32_t count, spot_kmeans *model,
                      struct spot_error *err)
{
    int status = SPOT_OK;
    double seconds = 0.0;
    fit->parts = calloc((size_t)count, sizeof *fit->parts);
    if (fit->parts == NULL) return spot_fail_memory(err, "the runs made side by side");
    while (fit->parts_count < count) {
        const int32_t index = fit->parts_count++;
        SPOT_TRY(part_open(&fit->parts[index], fit, index, err));
    }
    SPOT_TRY(turns_run(&fit->engine->turns, count, part_job, fit->parts, err));
    for (int32_t i = 0; i < count; i++) {
        SPOT_TRY(keep_better(fit, &fit->parts[i], model, err));
        if (fit->parts[i].init_seconds > seconds) seconds = fit->parts[i].init_seconds;
    }
    fit->init_seconds += seconds; /* they were seeded at the same time */
    kmeans_parts_close(fit);
out:
    return status;
}

/* ---- All runs ------------------------------------------------------------------------------- */

int kmeans_fit_runs(struct kmeans_fit *fit, spot_kmeans *model, struct spot_error *err)
{
    int status = SPOT_OK;
    const int32_t together = runs_together(fit, fit->n_init - fit->run_index);
    fit->model = model;
    while (fit->run_index < fit->n_init) {
        const int32_t left = fit->n_init - fit->run_index;
        const int32_t count = together < left ? together : left;
        if (together > 1) {
            SPOT_TRY(make_parts(fit, count, model, err));
        } else {
            SPOT_TRY(make_run(fit, err));
            SPOT_TRY(keep_better(fit, fit, model, err));
        }
        fit->run_index += count;
        kmeans_take_begun(fit, fit);
    }
    model->result.init_seconds = fit->init_seconds;
out:
    return status;
}
