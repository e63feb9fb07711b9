/* A mixture's way into a checkpoint and back: all its numbers, to the bit. */
#include <math.h>
#include <stdbool.h>

#include "base/error.h"
#include "base/memory.h"
#include "models/gmm_fit.h"

static const struct checkpoint_option gmm_option_words[] = {
    {"covariance", OPTION_WHOLE}, {"start", OPTION_HASH},    {"n_init", OPTION_WHOLE},
    {"max_iter", OPTION_WHOLE},   {"tol", OPTION_REAL},      {"reg_covar", OPTION_REAL},
    {"seed", OPTION_WHOLE},       {"compact", OPTION_WHOLE}, {NULL, OPTION_WHOLE},
};

/* Numbers of a mixture's parameters. */
static int64_t parameter_words(const struct gmm_parameters *p)
{
    return p->k + (int64_t)p->k * p->columns +
           gmm_covariance_count(p->covariance, p->k, p->columns) +
           gmm_factor_count(p->covariance, p->k, p->columns);
}

static void put_parameters(uint64_t **at, const struct gmm_parameters *p)
{
    words_put(at, p->weights, p->k);
    words_put(at, p->means, (int64_t)p->k * p->columns);
    words_put(at, p->covariances, gmm_covariance_count(p->covariance, p->k, p->columns));
    words_put(at, p->factors, gmm_factor_count(p->covariance, p->k, p->columns));
}

static bool get_numbers(const uint64_t **at, double *values, int64_t count)
{
    words_get(at, values, count);
    for (int64_t i = 0; i < count; i++)
        if (!isfinite(values[i])) return false;
    return true;
}

static bool get_parameters(const uint64_t **at, struct gmm_parameters *p)
{
    return get_numbers(at, p->weights, p->k) &&
           get_numbers(at, p->means, (int64_t)p->k * p->columns) &&
           get_numbers(at, p->covariances, gmm_covariance_count(p->covariance, p->k, p->columns)) &&
           get_numbers(at, p->factors, gmm_factor_count(p->covariance, p->k, p->columns));
}

/* The method, and what was given in its place. */
static uint64_t start_hash(const struct spot_gmm_options *options, int64_t columns)
{
    const int64_t k = options->k;
    uint64_t hash = (uint64_t)options->init;
    if (options->weights != NULL) hash = words_hash(hash + 1, options->weights, k);
    if (options->means != NULL) hash = words_hash(hash + 2, options->means, k * columns);
    if (options->precisions != NULL)
        hash = words_hash(hash + 3, options->precisions,
                          gmm_covariance_count(options->covariance, k, columns));
    if (options->warm_start == NULL) return hash;
    const struct gmm_parameters *p = &options->warm_start->parameters;
    hash = words_hash(hash + 4, &options->warm_start->result.lower_bound, 1);
    hash = words_hash(hash, p->weights, k);
    hash = words_hash(hash, p->means, k * columns);
    return words_hash(hash, p->factors, gmm_factor_count(p->covariance, k, columns));
}

static struct checkpoint_head head_of(const struct gmm_fit *fit)
{
    const struct spot_gmm_options *options = fit->options;
    return (struct checkpoint_head){
        .kind = CHECKPOINT_GMM,
        .k = options->k,
        .rows = fit->matrix->rows,
        .columns = fit->matrix->columns,
        .options = {(uint64_t)options->covariance, start_hash(options, fit->matrix->columns),
                    (uint64_t)fit->n_init, (uint64_t)options->max_iter, real_word(options->tol),
                    real_word(options->reg_covar), options->seed, fit->data->compacted.groups > 0},
    };
}

/* What a run that is done leaves, beside its parameters; and a later one that has begun, beside its
 * parameters and lower bound. */
enum { BEST_WORDS = 4, BEGUN_WORDS = 3 };

/* Of the current run and the best one; those of later runs that have begun follow. */
static int64_t words_of(const struct checkpoint_head *head, const struct gmm_parameters *p)
{
    int64_t count = head->stage == STAGE_START ? 0 : parameter_words(p) + 1;
    return head->run == 0 ? count : count + parameter_words(p) + BEST_WORDS;
}

static int64_t begun_words(const struct gmm_fit *fit)
{
    return BEGUN_WORDS + parameter_words(&fit->current) + 1;
}

static bool get_best(const uint64_t **at, spot_gmm *model)
{
    struct spot_gmm_result *best = &model->result;
    int64_t figures[BEST_WORDS - 1];
    if (!get_parameters(at, &model->parameters)) return false;
    words_get(at, &best->lower_bound, 1);
    words_get(at, figures, BEST_WORDS - 1);
    best->iterations = (int32_t)figures[0];
    best->converged = figures[1] != 0;
    best->best_run = (int32_t)figures[2];
    return true;
}

/* ---- Back ------------------------------------------------------------------------------------ */

/* A later run's words; false where no run has such. */
static bool get_run(const uint64_t *at, struct gmm_fit *run)
{
    int64_t figures[BEGUN_WORDS];
    words_get(&at, figures, BEGUN_WORDS);
    const bool good = figures[0] >= STAGE_START && figures[0] <= STAGE_ITERATING &&
                      figures[1] >= 0 && figures[1] <= run->options->max_iter &&
                      get_parameters(&at, &run->current);
    run->stage = good ? (enum checkpoint_stage)figures[0] : STAGE_START;
    run->iterations = (int32_t)figures[1];
    run->converged = figures[2] != 0;
    if (good) words_get(&at, &run->lower_bound, 1);
    return good;
}

void gmm_take_begun(struct gmm_fit *fit, const struct gmm_fit *whole)
{
    const int64_t index = fit->run_index - whole->begun_first;
    fit->stage = STAGE_START;
    if (index < 0 || index >= whole->begun_count) return;
    (void)get_run(whole->begun + index * begun_words(whole), fit);
}

/* The words after those of the current run and the best one, for which there is room in fit->begun.
 * Work space: fit->current. */
static bool get_begun(const uint64_t *at, struct gmm_fit *fit, int64_t count)
{
    const int64_t words = begun_words(fit);
    if (count == 0) return true;
    if (count < 0 || count % words != 0 || count / words > fit->n_init - 1 - fit->run_index)
        return false;
    words_get(&at, fit->begun, count);
    fit->begun_first = fit->run_index + 1;
    fit->begun_count = (int32_t)(count / words);
    for (int32_t i = 0; i < fit->begun_count; i++)
        if (!get_run(fit->begun + i * words, fit)) return false;
    return true;
}

static bool take_up(struct gmm_fit *fit, const struct checkpoint_fit *found)
{
    const struct checkpoint_head *head = &found->head;
    const int64_t words = words_of(head, &fit->current);
    if (head->run > fit->n_init || head->iterations > fit->options->max_iter ||
        (head->run == fit->n_init && head->stage != STAGE_START) || head->count < words)
        return false;
    fit->run_index = (int32_t)head->run;
    if (!get_begun(found->state + words, fit, head->count - words)) return false;
    const uint64_t *at = found->state;
    fit->stage = (enum checkpoint_stage)head->stage;
    fit->iterations = (int32_t)head->iterations;
    fit->converged = head->converged != 0;
    if (head->stage != STAGE_START) {
        if (!get_parameters(&at, &fit->current)) return false;
        words_get(&at, &fit->lower_bound, 1);
    }
    return head->run == 0 || get_best(&at, fit->model);
}

int gmm_resume(struct gmm_fit *fit, struct spot_error *err)
{
    const struct checkpoint_fit *found;
    if (fit->options->checkpoint == NULL) return SPOT_OK;
    fit->head = head_of(fit);
    int status = checkpoint_rows(fit->matrix, engine_pool(fit->engine), &fit->head.values, err);
    if (status < 0) return status;
    status = checkpoint_find(fit->options->checkpoint, &fit->head, gmm_option_words, &found, err);
    if (status < 0 || found == NULL) return status;
    fit->begun = spot_alloc(found->head.count + 1, sizeof *fit->begun);
    if (fit->begun == NULL) return spot_fail_memory(err, "the checkpoint");
    if (!take_up(fit, found))
        return checkpoint_refuse(fit->options->checkpoint, found->head.k, err);
    checkpoint_log(fit->engine, &found->head, fit->n_init);
    return SPOT_OK;
}

/* ---- There ----------------------------------------------------------------------------------- */

/* How many runs after the current one have begun. */
static int32_t later_runs(const struct gmm_fit *fit)
{
    const int32_t taken = fit->begun_first + fit->begun_count - 1 - fit->run_index;
    int32_t later = fit->parts_count > 1 ? fit->parts_count - 1 : 0;
    while (later > 0 && fit->parts[later].stage == STAGE_START)
        later--;
    return fit->begun_count > 0 && taken > later ? taken : later;
}

/* Run `later` after the current one. */
static void put_begun(uint64_t **at, const struct gmm_fit *fit, int32_t later)
{
    const int64_t words = begun_words(fit);
    if (later >= fit->parts_count) { /* taken from a checkpoint, and not yet its turn */
        words_put(at, fit->begun + (fit->run_index + later - fit->begun_first) * words, words);
        return;
    }
    const struct gmm_fit *run = &fit->parts[later];
    const bool begun = run->stage != STAGE_START;
    const int64_t figures[BEGUN_WORDS] = {run->stage, begun ? run->iterations : 0,
                                          begun ? run->converged : 0};
    const double zero = 0.0;
    words_put(at, figures, BEGUN_WORDS);
    if (begun) {
        put_parameters(at, &run->current);
        words_put(at, &run->lower_bound, 1);
    }
    for (int64_t i = BEGUN_WORDS; i < words && !begun; i++)
        words_put(at, &zero, 1);
}

int gmm_leave(struct gmm_fit *fit, struct spot_error *err)
{
    const struct gmm_fit *run = fit->parts_count > 0 ? &fit->parts[0] : fit;
    struct checkpoint_head *head = &fit->head;
    uint64_t *at;
    /* Nothing to leave: not yet compared with what is there, or before the start of a run. */
    if (head->k == 0) return SPOT_OK;
    const struct spot_gmm_result *best = &fit->model->result;
    const int32_t later = later_runs(fit);
    if (fit->run_index == 0 && run->stage == STAGE_START && later == 0) return SPOT_OK;
    const bool running = run->stage != STAGE_START;
    head->run = fit->run_index;
    head->stage = run->stage;
    head->iterations = running ? run->iterations : 0;
    head->converged = running ? run->converged : 0;
    head->count = words_of(head, &fit->current) + later * begun_words(fit);
    int status = checkpoint_put(fit->options->checkpoint, head, &at, err);
    if (status < 0) return status;
    if (running) {
        put_parameters(&at, &run->current);
        words_put(&at, &run->lower_bound, 1);
    }
    if (fit->run_index > 0) {
        const int64_t figures[BEST_WORDS - 1] = {best->iterations, best->converged, best->best_run};
        put_parameters(&at, &fit->model->parameters);
        words_put(&at, &best->lower_bound, 1);
        words_put(&at, figures, BEST_WORDS - 1);
    }
    for (int32_t i = 1; i <= later; i++)
        put_begun(&at, fit, i);
    return SPOT_OK;
}

int gmm_leave_in_time(struct gmm_fit *part, struct spot_error *err)
{
    struct gmm_fit *fit = part->whole != NULL ? part->whole : part;
    if (!checkpoint_is_due(fit->options->checkpoint)) return SPOT_OK;
    int status = gmm_leave(fit, err);
    if (status == SPOT_OK) checkpoint_write(fit->options->checkpoint, fit->engine);
    return status;
}
