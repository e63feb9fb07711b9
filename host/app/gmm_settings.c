#define _GNU_SOURCE /* argp */
#include "app/gmm_settings.h"

#include <stdlib.h>
#include <string.h>

#include "app/encoder_file.h"
#include "app/training_settings.h"
#include "base/error.h"
#include "base/memory.h"
#include "models/gmm.h"

static const char *const keys[] = {"k",         "covariance",    "init",    "n_init",
                                   "max_iter",  "tol",           "compact", "seed",
                                   "reg_covar", "sample_weight", NULL};
static const char *const methods[] = {"kmeans", "k-means++", "random_from_data", "random", NULL};

/* Values as the readers of options want them. */
struct raw_settings {
    int32_t covariance; /* index of gmm_covariance_names */
    double reg_covar;
};

static int from_config(const struct config *node, struct raw_settings *raw, struct spot_error *err)
{
    int status;
    SPOT_TRY(config_known(node, keys, err));
    SPOT_TRY(config_choice(node, "covariance", gmm_covariance_names, &raw->covariance, err));
    SPOT_TRY(config_number(node, "reg_covar", &raw->reg_covar, err));
    if (raw->reg_covar < 0.0)
        status = config_fail(config_get(node, "reg_covar"), err, "reg_covar: %g is less than 0",
                             raw->reg_covar);
out:
    return status;
}

static int from_options(const struct arguments *arguments, struct raw_settings *raw,
                        struct spot_error *err)
{
    int status;
    SPOT_TRY(
        option_choice(arguments, OPTION_COVARIANCE, gmm_covariance_names, &raw->covariance, err));
    SPOT_TRY(option_number(arguments, OPTION_REG_COVAR, 0.0, &raw->reg_covar, err));
out:
    return status;
}

static bool ends_in(const char *text, const char *end)
{
    size_t length = strlen(text), tail = strlen(end);
    return length >= tail && strcmp(text + length - tail, end) == 0;
}

/* A method's name, or a file by its suffix. */
static int choose_init(const struct training_settings *shared, struct gmm_settings *settings,
                       struct spot_error *err)
{
    if (shared->init == NULL) return SPOT_OK;
    for (int i = 0; methods[i] != NULL; i++)
        if (strcmp(shared->init, methods[i]) == 0) {
            settings->options.init = (enum spot_gmm_init)i;
            return SPOT_OK;
        }
    settings->start_is_model = ends_in(shared->init, ".json");
    if (!settings->start_is_model && !is_npy(shared->init) && strstr(shared->init, ".csv") == NULL)
        return init_unknown(shared, "gmm", methods,
                            "neither kmeans, k-means++, random_from_data nor random, nor a .npy or "
                            ".csv file of means, nor a model (.json)",
                            err);
    settings->start_path = init_path(shared);
    return settings->start_path != NULL ? SPOT_OK : spot_fail_memory(err, "a path");
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
    struct training_settings shared = {.max_iter = options->max_iter, .tol = options->tol};
    struct raw_settings raw = {.reg_covar = options->reg_covar};
    SPOT_TRY(from_config(config_get(session->config, "gmm"), &raw, err));
    SPOT_TRY(from_options(&session->arguments, &raw, err));
    SPOT_TRY(training_settings(session, "gmm", &shared, err));
    SPOT_TRY(choose_init(&shared, settings, err));
    if (shared.lowest_k == 0 && settings->start_path == NULL)
        return spot_fail(err, SPOT_EUSAGE,
                         "how many components? Give --k, such as --k 5 or --k 1..10");
    settings->lowest_k = shared.lowest_k;
    settings->highest_k = shared.highest_k;
    settings->weight_column = shared.weight_column;
    options->covariance = (enum spot_gmm_covariance)raw.covariance;
    options->n_init = shared.n_init;
    options->max_iter = shared.max_iter;
    options->tol = shared.tol;
    options->reg_covar = raw.reg_covar;
    options->compact = shared.compact;
    options->seed = shared.seed;
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
