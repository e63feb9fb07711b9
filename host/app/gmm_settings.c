#define _GNU_SOURCE /* argp */
#include "app/gmm_settings.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "app/encoder_file.h"
#include "base/error.h"
#include "base/memory.h"
#include "models/gmm.h"

static const char *const keys[] = {"k",         "covariance",    "init",    "n_init",
                                   "max_iter",  "tol",           "compact", "seed",
                                   "reg_covar", "sample_weight", NULL};
static const char *const compact_words[] = {"auto", "on", "off", NULL};
static const char *const methods[] = {"kmeans", "k-means++", "random_from_data", "random", NULL};

/* Values as the readers of options want them. */
struct raw_settings {
    int64_t n_init, max_iter, seed;
    int32_t compact, covariance; /* indices of the words */
    double tol, reg_covar;
    const char *k, *init;
};

static int from_config(const struct config *node, struct raw_settings *raw,
                       struct gmm_settings *settings, struct spot_error *err)
{
    int status;
    SPOT_TRY(config_known(node, keys, err));
    SPOT_TRY(config_text(node, "k", &raw->k, err));
    SPOT_TRY(config_choice(node, "covariance", gmm_covariance_names, &raw->covariance, err));
    SPOT_TRY(config_text(node, "init", &raw->init, err));
    SPOT_TRY(config_integer(node, "n_init", 1, 100000, &raw->n_init, err));
    SPOT_TRY(config_integer(node, "max_iter", 1, INT32_MAX, &raw->max_iter, err));
    SPOT_TRY(config_number(node, "tol", &raw->tol, err));
    SPOT_TRY(config_number(node, "reg_covar", &raw->reg_covar, err));
    SPOT_TRY(config_choice(node, "compact", compact_words, &raw->compact, err));
    SPOT_TRY(config_integer(node, "seed", 0, INT64_MAX, &raw->seed, err));
    SPOT_TRY(config_text(node, "sample_weight", &settings->weight_column, err));
    if (raw->tol < 0.0)
        status = config_fail(config_get(node, "tol"), err, "tol: %g is less than 0", raw->tol);
    else if (raw->reg_covar < 0.0)
        status = config_fail(config_get(node, "reg_covar"), err, "reg_covar: %g is less than 0",
                             raw->reg_covar);
out:
    return status;
}

static int from_options(const struct arguments *arguments, struct raw_settings *raw,
                        struct gmm_settings *settings, struct spot_error *err)
{
    int status;
    option_text(arguments, OPTION_K, &raw->k);
    SPOT_TRY(
        option_choice(arguments, OPTION_COVARIANCE, gmm_covariance_names, &raw->covariance, err));
    option_text(arguments, OPTION_INIT, &raw->init);
    SPOT_TRY(option_integer(arguments, OPTION_N_INIT, 1, 100000, &raw->n_init, err));
    SPOT_TRY(option_integer(arguments, OPTION_MAX_ITER, 1, INT32_MAX, &raw->max_iter, err));
    SPOT_TRY(option_number(arguments, OPTION_TOL, 0.0, &raw->tol, err));
    SPOT_TRY(option_number(arguments, OPTION_REG_COVAR, 0.0, &raw->reg_covar, err));
    SPOT_TRY(option_choice(arguments, OPTION_COMPACT, compact_words, &raw->compact, err));
    SPOT_TRY(option_integer(arguments, OPTION_SEED, 0, INT64_MAX, &raw->seed, err));
    option_text(arguments, OPTION_SAMPLE_WEIGHT, &settings->weight_column);
out:
    return status;
}

/* A whole number from 1 at *text, which moves behind it; 0 when there is none. */
static int32_t parse_count(const char **text)
{
    char *end;
    if (**text < '0' || **text > '9') return 0;
    errno = 0;
    long value = strtol(*text, &end, 10);
    *text = end;
    return errno != 0 || value < 1 || value > INT32_MAX ? 0 : (int32_t)value;
}

/* "5", or "1..10": the one of the lowest BIC. */
static int parse_k(const char *text, struct gmm_settings *settings, struct spot_error *err)
{
    const char *at = text;
    settings->lowest_k = settings->highest_k = parse_count(&at);
    if (settings->lowest_k > 0 && strncmp(at, "..", 2) == 0) {
        at += 2;
        settings->highest_k = parse_count(&at);
    }
    if (settings->lowest_k > 0 && settings->highest_k >= settings->lowest_k && *at == '\0')
        return SPOT_OK;
    return spot_fail(err, SPOT_EUSAGE,
                     "k: '%.60s' is neither a number of components, such as 5, nor a range to "
                     "choose from, such as 1..10",
                     text);
}

static bool ends_in(const char *text, const char *end)
{
    size_t length = strlen(text), tail = strlen(end);
    return length >= tail && strcmp(text + length - tail, end) == 0;
}

/* A method's name, or a file by its suffix. node: where a configuration says so, else NULL. */
static int choose_init(const char *init, const struct config *node, struct gmm_settings *settings,
                       struct spot_error *err)
{
    const char *option = node != NULL ? "gmm.init" : "--init";
    if (init == NULL) return SPOT_OK;
    for (int i = 0; methods[i] != NULL; i++)
        if (strcmp(init, methods[i]) == 0) {
            settings->options.init = (enum spot_gmm_init)i;
            return SPOT_OK;
        }
    settings->start_is_model = ends_in(init, ".json");
    if (settings->start_is_model || is_npy(init) || strstr(init, ".csv") != NULL) {
        settings->start_path = node != NULL ? config_path(node) : spot_copy_text(init);
        return settings->start_path != NULL ? SPOT_OK : spot_fail_memory(err, "a path");
    }
    const char *nearest = nearest_word(init, methods);
    if (nearest != NULL)
        return spot_fail(err, SPOT_EUSAGE, "%s: unknown method '%.100s'; did you mean '%s'?",
                         option, init, nearest);
    return spot_fail(err, SPOT_EUSAGE,
                     "%s: '%.100s' is neither kmeans, k-means++, random_from_data nor random, nor "
                     "a .npy or .csv file of means, nor a model (.json)",
                     option, init);
}

static void training_progress(void *arg, const struct spot_gmm_progress *at)
{
    progress_mixture(arg, at);
}

int gmm_settings(struct session *session, struct gmm_settings *settings, struct spot_error *err)
{
    int status;
    *settings = (struct gmm_settings){.options = spot_gmm_defaults()};
    struct spot_gmm_options *options = &settings->options;
    struct raw_settings raw = {.max_iter = options->max_iter,
                               .tol = options->tol,
                               .reg_covar = options->reg_covar,
                               .seed = session->seed};
    SPOT_TRY(from_config(config_get(session->config, "gmm"), &raw, settings, err));
    SPOT_TRY(from_options(&session->arguments, &raw, settings, err));
    const struct config *init = config_get(config_get(session->config, "gmm"), "init");
    if (given(&session->arguments, OPTION_INIT)) init = NULL;
    SPOT_TRY(choose_init(raw.init, init, settings, err));
    if (raw.k != NULL) SPOT_TRY(parse_k(raw.k, settings, err));
    if (raw.k == NULL && settings->start_path == NULL)
        return spot_fail(err, SPOT_EUSAGE,
                         "how many components? Give --k, such as --k 5 or --k 1..10");
    options->covariance = (enum spot_gmm_covariance)raw.covariance;
    options->n_init = (int32_t)raw.n_init;
    options->max_iter = (int32_t)raw.max_iter;
    options->tol = raw.tol;
    options->reg_covar = raw.reg_covar;
    options->compact = raw.compact == 0 ? -1 : raw.compact == 1;
    options->seed = (uint64_t)raw.seed;
    options->batch_rows = session->batch_rows;
    if (session->progress.enabled) options->progress = training_progress;
    options->progress_arg = &session->progress;
out:
    return status;
}

void gmm_settings_clear(struct gmm_settings *settings)
{
    free(settings->start_path);
    settings->start_path = NULL;
}
