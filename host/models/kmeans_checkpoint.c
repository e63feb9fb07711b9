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

/* What a run that is done leaves, beside its model's arrays; and one that has begun, beside its
 * centres. */
enum { BEST_WORDS = 7, BEGUN_WORDS = 3 };

static int64_t begun_words(const struct checkpoint_head *head)
{
    return BEGUN_WORDS + head->k * head->columns;
}

/* Of the current run and the best one; those of later runs that have begun follow. */
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

/* ---- Back ------------------------------------------------------------------------------------ */

int kmeans_keep_open(struct kmeans_fit *fit, struct spot_error *err)
{
    const int64_t cells = (int64_t)fit->options->k * fit->matrix->columns;
    if (fit->options->checkpoint == NULL) return SPOT_OK;
    fit->kept = spot_alloc(cells, sizeof *fit->kept);
    fit->before = spot_alloc(cells, sizeof *fit->before);
    if (fit->kept == NULL || fit->before == NULL) return spot_fail_memory(err, "the checkpoint");
    return SPOT_OK;
}

void kmeans_take_begun(struct kmeans_fit *fit, const struct kmeans_fit *whole)
{
    const int64_t index = fit->run_index - whole->begun_first;
    int64_t figures[BEGUN_WORDS];
    fit->stage = STAGE_START;
    if (index < 0 || index >= whole->begun_count) return;
    const uint64_t *at = whole->begun + index * begun_words(&whole->head);
    words_get(&at, figures, BEGUN_WORDS);
    words_get(&at, fit->centres, whole->head.k * whole->head.columns);
    fit->stage = (enum checkpoint_stage)figures[0];
    fit->iterations = (int32_t)figures[1];
    fit->converged = figures[2] != 0;
    kmeans_keep(fit, fit->centres);
}

/* Whether these can be runs that have begun. */
static bool begun_are_good(const struct kmeans_fit *fit)
{
    const int64_t words = begun_words(&fit->head);
    for (int32_t i = 0; i < fit->begun_count; i++) {
        const uint64_t *at = fit->begun + i * words;
        int64_t figures[BEGUN_WORDS];
        words_get(&at, figures, BEGUN_WORDS);
        if (figures[0] < STAGE_START || figures[0] > STAGE_ENDED || figures[1] < 0 ||
            figures[1] > fit->options->max_iter)
            return false;
        for (int64_t j = 0; j < words - BEGUN_WORDS; j++) {
            double value;
            words_get(&at, &value, 1);
            if (!isfinite(value)) return false;
        }
    }
    return true;
}

/* The words after those of the current run and the best one. */
static int get_begun(const uint64_t *at, struct kmeans_fit *fit, int64_t count,
                     struct spot_error *err)
{
    const int64_t words = begun_words(&fit->head);
    const spot_checkpoint *checkpoint = fit->options->checkpoint;
    if (count == 0) return SPOT_OK;
    if (count < 0 || count % words != 0 || count / words > fit->n_init - 1 - fit->run_index)
        return checkpoint_refuse(checkpoint, fit->head.k, err);
    fit->begun = spot_alloc(count, sizeof *fit->begun);
    if (fit->begun == NULL) return spot_fail_memory(err, "the checkpoint");
    words_get(&at, fit->begun, count);
    fit->begun_first = fit->run_index + 1;
    fit->begun_count = (int32_t)(count / words);
    return begun_are_good(fit) ? SPOT_OK : checkpoint_refuse(checkpoint, fit->head.k, err);
}

static int take_up(struct kmeans_fit *fit, const struct checkpoint_fit *found, spot_kmeans *model,
                   struct spot_error *err)
{
    const int64_t cells = (int64_t)fit->options->k * fit->matrix->columns;
    const struct checkpoint_head *head = &found->head;
    if (head->run > fit->n_init || head->iterations > fit->options->max_iter ||
        (head->run == fit->n_init && head->stage != STAGE_START) || head->count < words_of(head))
        return checkpoint_refuse(fit->options->checkpoint, head->k, err);
    const uint64_t *at = found->state;
    fit->run_index = (int32_t)head->run;
    fit->stage = (enum checkpoint_stage)head->stage;
    fit->iterations = (int32_t)head->iterations;
    fit->converged = head->converged != 0;
    if (fit->stage != STAGE_START) words_get(&at, fit->centres, cells);
    if (head->run > 0) get_best(&at, fit, model);
    if ((fit->stage != STAGE_START && !all_finite(fit->centres, cells)) ||
        !all_finite(model->centres, cells))
        return checkpoint_refuse(fit->options->checkpoint, head->k, err);
    if (fit->stage != STAGE_START) kmeans_keep(fit, fit->centres);
    return get_begun(at, fit, head->count - words_of(head), err);
}

int kmeans_resume(struct kmeans_fit *fit, spot_kmeans *model, struct spot_error *err)
{
    spot_checkpoint *checkpoint = fit->options->checkpoint;
    const struct checkpoint_fit *found;
    int status = SPOT_OK;
    fit->model = model;
    if (checkpoint == NULL) return SPOT_OK;
    SPOT_TRY(kmeans_keep_open(fit, err));
    fit->head = kmeans_head(fit);
    SPOT_TRY(checkpoint_rows(fit->matrix, engine_pool(fit->engine), &fit->head.values, err));
    SPOT_TRY(checkpoint_find(checkpoint, &fit->head, kmeans_option_words, &found, err));
    if (found == NULL) return SPOT_OK;
    SPOT_TRY(take_up(fit, found, model, err));
    checkpoint_log(fit->engine, &found->head, fit->n_init);
out:
    if (status < 0) fit->head.k = 0;
    return status;
}

/* ---- There ----------------------------------------------------------------------------------- */

void kmeans_keep(struct kmeans_fit *fit, const double *centres)
{
    if (fit->kept == NULL) return;
    memcpy(fit->kept, centres, (size_t)(fit->head.k * fit->head.columns) * sizeof *centres);
    fit->kept_iterations = fit->iterations;
}

/* The run itself, where runs are not made side by side. */
static const struct kmeans_fit *current_run(const struct kmeans_fit *fit)
{
    return fit->parts_count > 0 ? &fit->parts[0] : fit;
}

/* How many runs after the current one may have begun. */
static int32_t later_runs(const struct kmeans_fit *fit)
{
    const int32_t taken = fit->begun_first + fit->begun_count - 1 - fit->run_index;
    int32_t later = fit->parts_count > 1 ? fit->parts_count - 1 : 0;
    while (later > 0 && fit->parts[later].stage == STAGE_START)
        later--;
    return taken > later && fit->begun_count > 0 ? taken : later;
}

/* Run `later` after the current one. */
static void put_begun(uint64_t **at, const struct kmeans_fit *fit, int32_t later)
{
    const int64_t cells = fit->head.k * fit->head.columns;
    const int64_t index = fit->run_index + later - fit->begun_first;
    if (later >= fit->parts_count) { /* taken from a checkpoint, and not yet its turn */
        words_put(at, fit->begun + index * begun_words(&fit->head), BEGUN_WORDS + cells);
        return;
    }
    const struct kmeans_fit *run = &fit->parts[later];
    const bool begun = run->stage != STAGE_START;
    const int64_t figures[BEGUN_WORDS] = {run->stage, begun ? run->kept_iterations : 0,
                                          begun ? run->converged : 0};
    words_put(at, figures, BEGUN_WORDS);
    if (begun) words_put(at, run->kept, cells);
    for (int64_t i = 0; i < cells && !begun; i++)
        words_put(at, &(double){0.0}, 1);
}

int kmeans_leave(struct kmeans_fit *fit, struct spot_error *err)
{
    const struct kmeans_fit *run = current_run(fit);
    struct checkpoint_head *head = &fit->head;
    uint64_t *at;
    /* Nothing to leave: not yet compared with what is there, or before the first step. */
    if (head->k == 0) return SPOT_OK;
    const int32_t later = later_runs(fit);
    if (fit->run_index == 0 && run->stage == STAGE_START && later == 0) return SPOT_OK;
    head->run = fit->run_index;
    head->stage = run->stage;
    head->iterations = run->stage == STAGE_START ? 0 : run->kept_iterations;
    head->converged = run->stage == STAGE_START ? 0 : run->converged;
    head->count = words_of(head) + later * begun_words(head);
    int status = checkpoint_put(fit->options->checkpoint, head, &at, err);
    if (status < 0) return status;
    if (run->stage != STAGE_START) words_put(&at, run->kept, head->k * head->columns);
    if (fit->run_index > 0) put_best(&at, fit, fit->model);
    for (int32_t i = 1; i <= later; i++)
        put_begun(&at, fit, i);
    return SPOT_OK;
}

int kmeans_leave_in_time(struct kmeans_fit *part, struct spot_error *err)
{
    struct kmeans_fit *fit = part->whole != NULL ? part->whole : part;
    if (!checkpoint_is_due(fit->options->checkpoint)) return SPOT_OK;
    int status = kmeans_leave(fit, err);
    if (status == SPOT_OK) checkpoint_write(fit->options->checkpoint, fit->engine);
    return status;
}
