/* `blackspot train gmm`: raw files or a matrix in, a Gaussian mixture out; of several numbers of
 * components the one of the lowest BIC. */
#define _GNU_SOURCE /* argp */
#include <stdlib.h>

#include "app/gmm_settings.h"
#include "app/kmeans_settings.h"
#include "app/resume.h"
#include "app/training.h"
#include "app/training_settings.h"
#include "base/error.h"
#include "models/gmm.h"

static const struct argp_option train_options[] = {
    {0, 0, 0, 0, "Data and results:", 1},
    {0, 0, 0, 0, "Training:", 2},
    {"k", OPTION_KEY(OPTION_K), "K", 0,
     "components; a range such as 1..10 takes the number of the lowest BIC", 2},
    {"covariance", OPTION_KEY(OPTION_COVARIANCE), "TYPE", 0,
     "full (default), tied, diag or spherical", 2},
    {"init", OPTION_KEY(OPTION_INIT), "HOW", 0,
     "kmeans (default), k-means++, random_from_data, random, a .npy or .csv file of k means, or a "
     "model (.json) to go on from",
     2},
    {"n-init", OPTION_KEY(OPTION_N_INIT), "N", 0, "runs, the best is kept (default: 1)", 2},
    {"max-iter", OPTION_KEY(OPTION_MAX_ITER), "N", 0, "iterations of a run (default: 100)", 2},
    {"tol", OPTION_KEY(OPTION_TOL), "X", 0,
     "stop when the mean log-likelihood changes by less than X (default: 1e-3)", 2},
    {"reg-covar", OPTION_KEY(OPTION_REG_COVAR), "X", 0,
     "added to the diagonals of the covariances (default: 1e-6)", 2},
    {0},
};

/* The start that files bring. */
struct start {
    double *means; /* (k, columns), or NULL */
    spot_gmm *model;
};

static int read_start(struct training *job, struct gmm_settings *settings, struct start *start,
                      struct spot_error *err)
{
    int status = SPOT_OK;
    int32_t k = settings->lowest_k;
    if (settings->start_path == NULL) return SPOT_OK;
    if (!settings->start_is_model) {
        SPOT_TRY(kmeans_centres(job->session, settings->start_path,
                                (const char *const *)job->model.features, job->data.columns, &k,
                                &start->means, err));
    } else {
        SPOT_TRY(spot_gmm_load(settings->start_path, &start->model, err));
        if (k == 0) k = spot_gmm_result(start->model)->k;
    }
    settings->lowest_k = settings->highest_k = k;
    settings->options.means = start->means;
    settings->options.warm_start = start->model;
out:
    return status;
}

static const struct measure measures[] = {
    {"log_likelihood", "log-likelihood"}, {"bic", "BIC"}, {"aic", "AIC"}, {NULL, NULL}};
enum { MEASURE_BIC = 1 };

/* Fits every number of components and keeps the lowest BIC, the first of equals. */
static int choose(struct training *job, struct gmm_settings *settings, struct spot_error *err)
{
    const struct spot_matrix rows = training_rows(job);
    job->candidates = (struct candidates){.measures = measures, .rule = MEASURE_BIC};
    for (int32_t k = settings->lowest_k; k <= settings->highest_k; k++) {
        spot_gmm *model = NULL;
        settings->options.k = k;
        int status = spot_gmm_fit(job->session->engine, &rows, &settings->options, &model, err);
        if (status < 0) training_name_place(job, err);
        if (status < 0) return status;
        const struct spot_gmm_result *found = spot_gmm_result(model);
        job->init_seconds += found->init_seconds;
        progress_clear(&job->session->progress);
        session_log(job->session, SPOT_LOG_INFO,
                    "k %d: %s after %d iterations, log-likelihood %.8g, BIC %.10g, AIC %.10g",
                    (int)k, found->converged ? "converged" : "not converged",
                    (int)found->iterations, found->log_likelihood, found->bic, found->aic);
        const struct candidate measured = {k, {found->log_likelihood, found->bic, found->aic}};
        bool better = false;
        status = candidates_add(&job->candidates, &measured, &better, err);
        spot_gmm_free(better ? job->model.gmm : model);
        if (better) job->model.gmm = model;
        if (status < 0) return status;
    }
    training_log_choice(job);
    return SPOT_OK;
}

static int fit(struct training *job, struct gmm_settings *settings, struct spot_error *err)
{
    struct start start = {0};
    int status;
    SPOT_TRY(training_check_range(job, settings->lowest_k, settings->highest_k,
                                  settings->start_path, err));
    SPOT_TRY(read_start(job, settings, &start, err));
    double started = now_seconds();
    progress_stage(&job->session->progress);
    SPOT_TRY(choose(job, settings, err));
    job->fit_seconds = now_seconds() - started;
out:
    free(start.means);
    spot_gmm_free(start.model);
    return status;
}

/* What was found, for the result line and for --metrics. */
static void add_findings(cJSON *object, const struct training *job)
{
    const struct spot_gmm_result *found = spot_gmm_result(job->model.gmm);
    cJSON_AddNumberToObject(object, "rows", (double)job->data.rows);
    cJSON_AddNumberToObject(object, "features", found->columns);
    candidates_json(&job->candidates, object);
    cJSON_AddNumberToObject(object, "k", found->k);
    cJSON_AddStringToObject(object, "covariance", gmm_covariance_names[found->covariance]);
    cJSON_AddNumberToObject(object, "iterations", found->iterations);
    cJSON_AddBoolToObject(object, "converged", found->converged);
    cJSON_AddNumberToObject(object, "log_likelihood", found->log_likelihood);
    cJSON_AddNumberToObject(object, "bic", found->bic);
    cJSON_AddNumberToObject(object, "aic", found->aic);
}

static int train(struct session *session, struct spot_error *err)
{
    struct training job = {.session = session};
    struct gmm_settings settings = {0};
    int status;
    SPOT_TRY(training_check(session, err));
    SPOT_TRY(gmm_settings(session, &settings, err));
    SPOT_TRY(resume_open(&job, settings.lowest_k, settings.highest_k, err));
    settings.options.checkpoint = job.checkpoint;
    SPOT_TRY(session_engine(session, err));
    SPOT_TRY(training_read(&job, settings.weight_column, false, err));
    SPOT_TRY(fit(&job, &settings, err));
    SPOT_TRY(training_write(&job, add_findings, err));
    SPOT_TRY(training_show(&job, err));
    SPOT_TRY(training_print(&job, add_findings, err));
out:
    status = resume_close(&job, status);
    gmm_settings_clear(&settings);
    training_close(&job);
    return status;
}

const struct command command_train_gmm = {
    .name = "train gmm",
    .summary = "fit a Gaussian mixture",
    .usage = "--input DATA --output MODEL --k K [OPTION...]",
    .about =
        "Fits k Gaussian components by expectation maximisation with scikit-learn's definitions. "
        "'blackspot score' then gives each row its component, the components' shares, or its "
        "log-likelihood, which is low for rows unlike the others. Data, configuration and encoder "
        "are as for 'train kmeans'.",
    .example =
        "blackspot train gmm --config config/gb-2015.yaml --k 1..10 --output mixture.json\n"
        "blackspot train gmm --input points.npy --k 5 --covariance diag --output mixture.json",
    .options = train_options,
    .shared = training_options,
    .run = train,
};
