/* Lloyd's iterations, led from the host: the backend makes steps until something happens, and what
 * happens, an empty cluster above all, is decided here, once for all devices. */
#include <math.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "base/memory.h"
#include "models/kmeans_fit.h"
#include "numerics/update.h"

/* Takes one original row out of its cluster and makes it the whole of an empty one, in a copy of
 * the sums: the running sums keep belonging to the labels. */
static int relocate(struct kmeans_fit *fit, int32_t empty, int64_t row, struct spot_error *err)
{
    const struct quantiser *q = &fit->data->statistics.quantiser;
    struct kmeans_partial *partial = &fit->partial;
    int64_t weight;
    int32_t from;
    int status = kmeans_shifted_row(fit, row, fit->shifted, &weight, &from, err);
    if (status < 0) return status;
    for (int32_t j = 0; j < q->columns; j++) {
        struct int128 value = int128_multiply(weight, quantise(fit->shifted[j], q->scale[j]));
        struct int128 *source = &partial->sums[(int64_t)from * q->columns + j];
        *source = int128_subtract(*source, value);
        partial->sums[(int64_t)empty * q->columns + j] = value;
    }
    partial->weights[from] = int128_subtract(partial->weights[from], int128_from(weight));
    partial->weights[empty] = int128_from(weight);
    return SPOT_OK;
}

/* Gives every empty cluster, in turn, the row farthest from its own centre; a row that stands for
 * several equal ones can serve as often. Clusters for which no row is off its centre stay empty,
 * and so does, for this step, one that gave its last row away. */
static int fill_empty_clusters(struct kmeans_fit *fit, struct spot_error *err)
{
    int32_t k = fit->options->k, found = 0, next = 0, wanted = 0;
    int64_t uses = 0;
    int status = SPOT_OK;
    int32_t *empty = spot_alloc(k, sizeof *empty); /* (wanted) */
    if (empty == NULL) return spot_fail_memory(err, "the empty clusters");
    SPOT_TRY(fit->backend->partial(fit->run, &fit->partial, err));
    for (int32_t c = 0; c < k; c++)
        if (int128_is_zero(fit->partial.weights[c])) empty[wanted++] = c;
    SPOT_TRY(fit->backend->farthest(fit->run, fit->centres, wanted, fit->far, &found, err));
    for (int32_t e = 0; e < wanted && next < found; e++) {
        const struct kmeans_far *far = &fit->far[next];
        if (far->distance == 0) break;
        SPOT_TRY(relocate(fit, empty[e], far->row, err));
        if (++uses == fit_data_copies(fit->data, far->row)) {
            next++;
            uses = 0;
        }
    }
out:
    free(empty);
    return status;
}

/* The update of a step that met empty clusters. */
static int update_with_empty(struct kmeans_fit *fit, struct kmeans_event *event,
                             struct spot_error *err)
{
    int status = SPOT_OK;
    SPOT_TRY(fit->backend->centres(fit->run, fit->centres, err));
    SPOT_TRY(fill_empty_clusters(fit, err));
    event->shift = update_centres(&fit->data->statistics.quantiser, fit->options->k,
                                  fit->partial.sums, fit->partial.weights, fit->centres);
    SPOT_TRY(fit->backend->move(fit->run, fit->centres, err));
    if (event->moved == 0)
        event->kind = KMEANS_STABLE;
    else
        event->kind = event->shift <= fit->tolerance ? KMEANS_SHIFT : KMEANS_STEPS;
out:
    return status;
}

struct news {
    const struct spot_kmeans_options *options;
    const struct spot_kmeans_progress *progress;
};

static void tell(void *arg)
{
    const struct news *news = arg;
    news->options->progress(news->options->progress_arg, news->progress);
}

static void report(const struct kmeans_fit *fit, const struct kmeans_event *event)
{
    const struct spot_kmeans_options *options = fit->options;
    if (options->progress == NULL) return;
    const struct spot_kmeans_progress progress = {
        .run = fit->run_index,
        .runs = fit->n_init,
        .iteration = fit->iterations,
        .max_iter = options->max_iter,
        .moved = event->moved,
        .shift = event->shift,
    };
    struct news news = {options, &progress};
    engine_call(fit->engine, tell, &news);
}

/* Steps until something happens. One at a time where somebody looks; for a checkpoint the centres
 * before the last step are kept. */
static int make_steps(struct kmeans_fit *fit, struct kmeans_event *event, struct spot_error *err)
{
    int status = SPOT_OK;
    const struct spot_kmeans_options *options = fit->options;
    const bool one = options->progress != NULL || options->checkpoint != NULL;
    const int32_t steps = one ? 1 : options->max_iter - fit->iterations;
    if (fit->before != NULL) SPOT_TRY(fit->backend->centres(fit->run, fit->before, err));
    SPOT_TRY(fit->backend->run(fit->run, steps, fit->tolerance, event, err));
    if (event->kind == KMEANS_STOPPED)
        return spot_fail(err, SPOT_ESTOPPED, "stopped in iteration %d",
                         (int)(fit->iterations + event->steps));
    kmeans_keep(fit, fit->before);
    fit->iterations += event->steps;
    fit->near_ties += event->near_ties;
out:
    return status;
}

/* Iterations until an end. *settled: the last pass was made with the final centres. */
static int iterate(struct kmeans_fit *fit, bool *settled, struct spot_error *err)
{
    int status = SPOT_OK;
    const struct spot_kmeans_options *options = fit->options;
    while (fit->iterations < options->max_iter) {
        struct kmeans_event event;
        SPOT_TRY(make_steps(fit, &event, err));
        bool relocated = event.kind == KMEANS_EMPTY;
        if (relocated) SPOT_TRY(update_with_empty(fit, &event, err));
        report(fit, &event);
        if (event.kind == KMEANS_STEPS) {
            SPOT_TRY(kmeans_leave_in_time(fit, err));
            continue;
        }
        fit->converged = 1;
        *settled = event.kind == KMEANS_STABLE && !relocated;
        break;
    }
out:
    return status;
}

int kmeans_lloyd(struct kmeans_fit *fit, struct spot_error *err)
{
    int status = SPOT_OK;
    bool settled = false;
    fit->near_ties = 0;
    SPOT_TRY(fit->backend->start(fit->run, fit->centres, err));
    kmeans_keep(fit, fit->centres);
    if (fit->stage == STAGE_ITERATING) SPOT_TRY(iterate(fit, &settled, err));
    /* Labels and inertia belong to the final centres. */
    SPOT_TRY(fit->backend->centres(fit->run, fit->centres, err));
    kmeans_keep(fit, fit->centres);
    fit->stage = STAGE_ENDED;
    if (!settled) SPOT_TRY(fit->backend->pass(fit->run, err));
    SPOT_TRY(fit->backend->partial(fit->run, &fit->partial, err));
    SPOT_TRY(fit->backend->inertia(fit->run, &fit->inertia, err));
out:
    return status;
}
