/* A KMeans fit's way into a checkpoint and back. Kept are the centres that the last step began
 * with: the step made again finds the labels they had then, so that the next one sees the same rows
 * move, and everything after it has the same bits. */
#include <math.h>
#include <stdbool.h>
#include <string.h>

#include "base/error.h"
#include "base/memory.h"
#include "models/kmeans_fit.h"

const struct checkpoint_option kmeans_option_words[] = {
    {"init", OPTION_WHOLE},       {"set of initial centres", OPTION_HASH},
    {"n_init", OPTION_WHOLE},     {"max_iter", OPTION_WHOLE},
    {"tol", OPTION_REAL},         {"seed", OPTION_WHOLE},
    {"mini_batch", OPTION_WHOLE}, {"metric", OPTION_WHOLE},
    {NULL, OPTION_WHOLE},
};

struct checkpoint_head kmeans_head(const struct kmeans_fit *fit)
{
    const struct spot_kmeans_options *options = fit->options;
    const int64_t cells = (int64_t)options->k * fit->matrix->columns;
    const bool given = options->init == SPOT_INIT_CENTRES;
    return (struct checkpoint_head){
        .kind = CHECKPOINT_KMEANS,
        .k = options->k,
        .rows = fit->matrix->rows,
        .columns = fit->matrix->columns,
        .options = {(uint64_t)options->init, given ? words_hash(1, options->centres, cells) : 0,
                    (uint64_t)fit->n_init, (uint64_t)options->max_iter, real_word(options->tol),
                    options->seed, (uint64_t)options->mini_batch, (uint64_t)options->metric},
    };
}

/* What a run that is done leaves, beside its model's arrays. */
enum { BEST_WORDS = 7 };

static int64_t words_of(const struct checkpoint_head *head)
{
    const int64_t cells = head->k * head->columns;
    int64_t count = head->stage == STAGE_START ? 0 : cells;
    return head->run == 0 ? count : count + cells + 2 * head->k + BEST_WORDS;
}

static void put_best(uint64_t **at, const struct kmeans_fit *fit, const spot_kmeans *model)
{
    const struct spot_kmeans_result *result = &model->result;
    const int64_t figures[BEST_WORDS - 2] = {(int64_t)fit->best.low, fit->best.high,
                                             result->iterations, result->converged,
                                             result->best_run};
    const double shares[2] = {result->inertia, result->near_ties};
    words_put(at, model->centres, (int64_t)result->k * result->columns);
    words_put(at, model->sizes, result->k);
    words_put(at, model->weights, result->k);
    words_put(at, figures, BEST_WORDS - 2);
    words_put(at, shares, 2);
}

static void get_best(const uint64_t **at, struct kmeans_fit *fit, spot_kmeans *model)
{
    struct spot_kmeans_result *result = &model->result;
    int64_t figures[BEST_WORDS - 2];
    double shares[2];
    words_get(at, model->centres, (int64_t)result->k * result->columns);
    words_get(at, model->sizes, result->k);
    words_get(at, model->weights, result->k);
    words_get(at, figures, BEST_WORDS - 2);
    words_get(at, shares, 2);
    fit->best = (struct int128){(uint64_t)figures[0], figures[1]};
    result->iterations = (int32_t)figures[2];
    result->converged = figures[3] != 0;
    result->best_run = (int32_t)figures[4];
    result->inertia = shares[0];
    result->near_ties = shares[1];
}

static bool all_finite(const double *values, int64_t count)
{
    for (int64_t i = 0; i < count; i++)
        if (!isfinite(values[i])) return false;
    return true;
}

int kmeans_resume(struct kmeans_fit *fit, spot_kmeans *model, struct spot_error *err)
{
    spot_checkpoint *checkpoint = fit->options->checkpoint;
    const struct checkpoint_fit *found;
    const int64_t cells = (int64_t)fit->options->k * fit->matrix->columns;
    if (checkpoint == NULL) return SPOT_OK;
    fit->kept = spot_alloc(cells, sizeof *fit->kept);
    fit->before = spot_alloc(cells, sizeof *fit->before);
    if (fit->kept == NULL || fit->before == NULL) return spot_fail_memory(err, "the checkpoint");
    fit->head = kmeans_head(fit);
    int status = checkpoint_rows(fit->matrix, engine_pool(fit->engine), &fit->head.values, err);
    if (status < 0) return status;
    status = checkpoint_find(checkpoint, &fit->head, kmeans_option_words, &found, err);
    if (status < 0 || found == NULL) return status;
    const struct checkpoint_head *head = &found->head;
    if (head->run > fit->n_init || head->iterations > fit->options->max_iter ||
        (head->run == fit->n_init && head->stage != STAGE_START) || head->count != words_of(head))
        return checkpoint_refuse(checkpoint, head->k, err);
    const uint64_t *at = found->state;
    fit->run_index = (int32_t)head->run;
    fit->stage = (enum checkpoint_stage)head->stage;
    fit->iterations = (int32_t)head->iterations;
    fit->converged = head->converged != 0;
    if (fit->stage != STAGE_START) words_get(&at, fit->centres, cells);
    if (head->run > 0) get_best(&at, fit, model);
    if ((fit->stage != STAGE_START && !all_finite(fit->centres, cells)) ||
        !all_finite(model->centres, cells))
        return checkpoint_refuse(checkpoint, head->k, err);
    checkpoint_log(fit->engine, head, fit->n_init);
    return SPOT_OK;
}

void kmeans_keep(struct kmeans_fit *fit, const double *centres)
{
    if (fit->kept == NULL) return;
    memcpy(fit->kept, centres, (size_t)(fit->head.k * fit->head.columns) * sizeof *centres);
    fit->kept_iterations = fit->iterations;
}

int kmeans_leave(struct kmeans_fit *fit, const spot_kmeans *model, struct spot_error *err)
{
    struct checkpoint_head *head = &fit->head;
    uint64_t *at;
    /* Nothing to leave: not yet compared with what is there, or before the first step. */
    if (head->k == 0 || (fit->run_index == 0 && fit->stage == STAGE_START)) return SPOT_OK;
    head->run = fit->run_index;
    head->stage = fit->stage;
    head->iterations = fit->stage == STAGE_START ? 0 : fit->kept_iterations;
    head->converged = fit->stage == STAGE_START ? 0 : fit->converged;
    head->count = words_of(head);
    int status = checkpoint_put(fit->options->checkpoint, head, &at, err);
    if (status < 0) return status;
    if (fit->stage != STAGE_START) words_put(&at, fit->kept, head->k * head->columns);
    if (fit->run_index > 0) put_best(&at, fit, model);
    return SPOT_OK;
}
