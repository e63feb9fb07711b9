/* The runs of EM, of which the best is kept: one after another, or side by side where rows stream,
 * as those of KMeans (kmeans_runs.c). */
#define _POSIX_C_SOURCE 200809L /* clock_gettime */
#include <math.h>
#include <stdlib.h>
#include <time.h>

#include "base/error.h"
#include "base/memory.h"
#include "models/gmm_fit.h"

/* Runs side by side, at most. */
enum { MOST_PARTS = 32 };

/* ---- One run -------------------------------------------------------------------------------- */

int gmm_run_open(struct gmm_fit *run, struct spot_error *err)
{
    const struct spot_gmm_options *options = run->options;
    const int64_t k = options->k, d = run->matrix->columns;
    const bool tied = options->covariance == SPOT_GMM_TIED;
    run->partial.components = spot_alloc(k, sizeof(double));
    run->partial.means = spot_alloc(k * d, sizeof(double));
    run->partial.squares =
        spot_alloc(tied ? 0 : gmm_factor_count(options->covariance, k, d), sizeof(double));
    if (run->partial.components == NULL || run->partial.means == NULL ||
        run->partial.squares == NULL ||
        gmm_parameters_open(&run->current, options->k, run->matrix->columns, options->covariance) <
            0)
        return spot_fail_memory(err, "the components");
    return run->backend->open(run->data->handle, options->k,
                              (enum mixture_covariance)options->covariance,
                              1.0 / run->data->statistics.quantiser.weight_scale, &run->run, err);
}

void gmm_run_close(struct gmm_fit *run)
{
    run->backend->close(run->run);
    gmm_parameters_close(&run->current);
    free(run->partial.components);
    free(run->partial.means);
    free(run->partial.squares);
}

struct news {
    const struct spot_gmm_options *options;
    const struct spot_gmm_progress *progress;
};

static void tell(void *arg)
{
    const struct news *news = arg;
    news->options->progress(news->options->progress_arg, news->progress);
}

static int report(const struct gmm_fit *run, struct spot_error *err)
{
    const struct spot_gmm_options *options = run->options;
    if (options->progress != NULL) {
        const struct spot_gmm_progress progress = {.run = run->run_index,
                                                   .runs = run->n_init,
                                                   .iteration = run->iterations,
                                                   .max_iter = options->max_iter,
                                                   .lower_bound = run->lower_bound};
        struct news news = {options, &progress};
        engine_call(run->engine, tell, &news);
    }
    if (engine_is_stopped(run->engine))
        return spot_fail(err, SPOT_ESTOPPED, "stopped after %d iterations", (int)run->iterations);
    return SPOT_OK;
}

/* EM from run->current to the end. */
static int iterate(struct gmm_fit *run, struct spot_error *err)
{
    int status = SPOT_OK;
    const struct spot_gmm_options *options = run->options;
    while (run->iterations < options->max_iter && !run->converged) {
        const struct mixture_parameters parameters = gmm_view(&run->current);
        SPOT_TRY(run->backend->pass(run->run, &parameters, &run->partial, err));
        SPOT_TRY(gmm_update(&run->current, &run->partial, &run->constants, err));
        double before = run->lower_bound;
        run->lower_bound = run->partial.log_likelihood / run->constants.weight;
        run->converged = fabs(run->lower_bound - before) < options->tol;
        run->iterations++;
        SPOT_TRY(report(run, err));
        SPOT_TRY(gmm_leave_in_time(run, err));
    }
out:
    return status;
}

static double now(void)
{
    struct timespec time;
    clock_gettime(CLOCK_MONOTONIC, &time);
    return (double)time.tv_sec + 1e-9 * (double)time.tv_nsec;
}

static int start_run(struct gmm_fit *run, struct spot_error *err)
{
    const spot_gmm *warm = run->options->warm_start;
    const double started = now();
    int status = gmm_start(run, err);
    run->init_seconds += now() - started;
    run->lower_bound = warm != NULL ? warm->result.lower_bound : -INFINITY;
    run->iterations = run->converged = 0;
    if (status >= 0) run->stage = STAGE_ITERATING;
    return status;
}

static int make_run(struct gmm_fit *run, struct spot_error *err)
{
    int status = SPOT_OK;
    if (run->stage == STAGE_START) SPOT_TRY(start_run(run, err));
    SPOT_TRY(iterate(run, err));
    engine_log(run->engine, SPOT_LOG_DEBUG, "run %d: %d iterations, lower bound %.12g",
               (int)run->run_index, (int)run->iterations, run->lower_bound);
out:
    return status;
}

static void keep_better(const struct gmm_fit *run, spot_gmm *model)
{
    struct spot_gmm_result *best = &model->result;
    if (run->run_index > 0 && !(run->lower_bound > best->lower_bound)) return;
    gmm_parameters_copy(&model->parameters, &run->current);
    best->lower_bound = run->lower_bound;
    best->iterations = run->iterations;
    best->converged = run->converged;
    best->best_run = run->run_index;
}

/* ---- Side by side --------------------------------------------------------------------------- */

/* How many runs share passes from now on. */
static int32_t runs_together(const struct gmm_fit *fit, int32_t wanted)
{
    const struct backend_core *core = fit->engine->tables->core;
    const int64_t k = fit->options->k, d = fit->matrix->columns;
    const int64_t numbers = gmm_factor_count(fit->options->covariance, k, d) + k * (d + 1);
    if (core->data_runs == NULL) return 1;
    return core->data_runs(fit->data->handle, wanted < MOST_PARTS ? wanted : MOST_PARTS,
                           numbers * 8 * (72 + 2 * fit->engine->host.threads));
}

static int part_open(struct gmm_fit *part, struct gmm_fit *fit, int32_t index,
                     struct spot_error *err)
{
    *part = (struct gmm_fit){.engine = fit->engine,
                             .backend = fit->backend,
                             .options = fit->options,
                             .matrix = fit->matrix,
                             .data = fit->data,
                             .constants = fit->constants,
                             .n_init = fit->n_init,
                             .run_index = fit->run_index + index,
                             .head = fit->head,
                             .whole = fit};
    int status = gmm_run_open(part, err);
    if (status < 0) return status;
    if (index > 0) {
        gmm_take_begun(part, fit);
    } else if (fit->stage != STAGE_START) {
        gmm_parameters_copy(&part->current, &fit->current);
        part->stage = fit->stage;
        part->iterations = fit->iterations;
        part->converged = fit->converged;
        part->lower_bound = fit->lower_bound;
    }
    return SPOT_OK;
}

void gmm_parts_close(struct gmm_fit *fit)
{
    for (int32_t i = 0; i < fit->parts_count; i++)
        gmm_run_close(&fit->parts[i]);
    free(fit->parts);
    fit->parts = NULL;
    fit->parts_count = 0;
}

static int part_job(void *arg, int32_t job, struct spot_error *err)
{
    return make_run(&((struct gmm_fit *)arg)[job], err);
}

static int make_parts(struct gmm_fit *fit, int32_t count, struct spot_error *err)
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
        keep_better(&fit->parts[i], fit->model);
        seconds = fmax(seconds, fit->parts[i].init_seconds);
    }
    fit->init_seconds += seconds; /* they were started at the same time */
    gmm_parts_close(fit);
out:
    return status;
}

/* ---- All runs ------------------------------------------------------------------------------- */

int gmm_fit_runs(struct gmm_fit *fit, struct spot_error *err)
{
    int status = SPOT_OK;
    const int32_t together = runs_together(fit, fit->n_init - fit->run_index);
    while (fit->run_index < fit->n_init) {
        const int32_t left = fit->n_init - fit->run_index;
        const int32_t count = together < left ? together : left;
        if (together > 1) {
            SPOT_TRY(make_parts(fit, count, err));
        } else {
            SPOT_TRY(make_run(fit, err));
            keep_better(fit, fit->model);
        }
        fit->run_index += count;
        gmm_take_begun(fit, fit);
    }
    fit->model->result.init_seconds = fit->init_seconds;
    runs_together(fit, 1);
out:
    return status;
}
