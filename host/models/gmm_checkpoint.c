/* A mixture's way into a checkpoint and back: all its numbers, to the bit. */
#include <math.h>
#include <stdbool.h>

#include "base/error.h"
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
                    real_word(options->reg_covar), options->seed, fit->data.compacted.groups > 0},
    };
}

/* What a run that is done leaves, beside its parameters. */
enum { BEST_WORDS = 4 };

static int64_t words_of(const struct checkpoint_head *head, const struct gmm_parameters *p)
{
    int64_t count = head->stage == STAGE_START ? 0 : parameter_words(p) + 1;
    return head->run == 0 ? count : count + parameter_words(p) + BEST_WORDS;
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

int gmm_resume(struct gmm_fit *fit, spot_gmm *model, struct spot_error *err)
{
    const struct checkpoint_fit *found;
    if (fit->options->checkpoint == NULL) return SPOT_OK;
    fit->head = head_of(fit);
    int status = checkpoint_rows(fit->matrix, engine_pool(fit->engine), &fit->head.values, err);
    if (status < 0) return status;
    status = checkpoint_find(fit->options->checkpoint, &fit->head, gmm_option_words, &found, err);
    if (status < 0 || found == NULL) return status;
    const struct checkpoint_head *head = &found->head;
    const uint64_t *at = found->state;
    bool good = head->run <= fit->n_init && head->iterations <= fit->options->max_iter &&
                (head->run < fit->n_init || head->stage == STAGE_START) &&
                head->count == words_of(head, &fit->current);
    fit->run_index = (int32_t)head->run;
    fit->stage = (enum checkpoint_stage)head->stage;
    fit->iterations = (int32_t)head->iterations;
    fit->converged = head->converged != 0;
    if (good && head->stage != STAGE_START) {
        good = get_parameters(&at, &fit->current);
        words_get(&at, &fit->lower_bound, 1);
    }
    if (good && head->run > 0) good = get_best(&at, model);
    if (!good) return checkpoint_refuse(fit->options->checkpoint, head->k, err);
    checkpoint_log(fit->engine, head, fit->n_init);
    return SPOT_OK;
}

int gmm_leave(struct gmm_fit *fit, const spot_gmm *model, struct spot_error *err)
{
    const struct spot_gmm_result *best = &model->result;
    struct checkpoint_head *head = &fit->head;
    uint64_t *at;
    /* Nothing to leave: not yet compared with what is there, or before the start of a run. */
    if (head->k == 0 || (fit->run_index == 0 && fit->stage == STAGE_START)) return SPOT_OK;
    const bool running = fit->stage != STAGE_START;
    head->run = fit->run_index;
    head->stage = fit->stage;
    head->iterations = running ? fit->iterations : 0;
    head->converged = running ? fit->converged : 0;
    head->count = words_of(head, &fit->current);
    int status = checkpoint_put(fit->options->checkpoint, head, &at, err);
    if (status < 0) return status;
    if (running) {
        put_parameters(&at, &fit->current);
        words_put(&at, &fit->lower_bound, 1);
    }
    if (fit->run_index > 0) {
        const int64_t figures[BEST_WORDS - 1] = {best->iterations, best->converged, best->best_run};
        put_parameters(&at, &model->parameters);
        words_put(&at, &best->lower_bound, 1);
        words_put(&at, figures, BEST_WORDS - 1);
    }
    return SPOT_OK;
}

int gmm_leave_in_time(struct gmm_fit *fit, const spot_gmm *model, struct spot_error *err)
{
    if (!checkpoint_is_due(fit->options->checkpoint)) return SPOT_OK;
    int status = gmm_leave(fit, model, err);
    if (status == SPOT_OK) checkpoint_write(fit->options->checkpoint, fit->engine);
    return status;
}
