/* `blackspot train kmeans`: raw files or a matrix in, a model file out. */
#define _GNU_SOURCE /* argp */
#include <stdlib.h>

#include "app/kmeans_settings.h"
#include "app/training.h"
#include "app/training_settings.h"
#include "base/error.h"

static const struct argp_option train_options[] = {
    {0, 0, 0, 0, "Data and results:", 1},
    {0, 0, 0, 0, "Training:", 2},
    {"k", OPTION_KEY(OPTION_K), "K", 0, "clusters", 2},
    {"init", OPTION_KEY(OPTION_INIT), "HOW", 0,
     "k-means++ (default), random, or a .npy or .csv file of k centres in the units of the matrix "
     "that 'blackspot prepare' writes (a .csv names the features in its header)",
     2},
    {"n-init", OPTION_KEY(OPTION_N_INIT), "N", 0,
     "runs, the best is kept (default: 1, for random 10)", 2},
    {"max-iter", OPTION_KEY(OPTION_MAX_ITER), "N", 0, "iterations of a run (default: 300)", 2},
    {"tol", OPTION_KEY(OPTION_TOL), "X", 0,
     "stop when the centres' squared shift is within X times the mean variance (default: 1e-4); 0: "
     "when no row moves",
     2},
    {0},
};

static int fit(struct training *job, struct kmeans_settings *settings, struct spot_error *err)
{
    struct session *session = job->session;
    struct spot_kmeans_options *options = &settings->options;
    const struct spot_matrix matrix = training_rows(job);
    double *centres = NULL; /* (k, columns) from a file */
    int status = SPOT_OK;
    if (settings->centres_path != NULL) {
        SPOT_TRY(kmeans_centres(session, settings->centres_path,
                                (const char *const *)job->model.features, matrix.columns,
                                &options->k, &centres, err));
        options->centres = centres;
    }
    double started = now_seconds();
    progress_stage(&session->progress);
    SPOT_TRY(spot_kmeans_fit(session->engine, &matrix, options, &job->model.kmeans, err));
    progress_clear(&session->progress);
    job->fit_seconds = now_seconds() - started;
    const struct spot_kmeans_result *found = spot_kmeans_result(job->model.kmeans);
    job->init_seconds = found->init_seconds;
    session_log(session, SPOT_LOG_INFO, "%s after %d iterations, inertia %.10g",
                found->converged ? "converged" : "not converged", found->iterations,
                found->inertia);
out:
    free(centres);
    return status;
}

/* What was found, for the result line and for --metrics. */
static void add_findings(cJSON *object, const struct training *job)
{
    const struct spot_kmeans_result *found = spot_kmeans_result(job->model.kmeans);
    cJSON_AddNumberToObject(object, "rows", (double)job->data.rows);
    cJSON_AddNumberToObject(object, "features", found->columns);
    cJSON_AddNumberToObject(object, "k", found->k);
    cJSON_AddNumberToObject(object, "iterations", found->iterations);
    cJSON_AddBoolToObject(object, "converged", found->converged);
    cJSON_AddNumberToObject(object, "inertia", found->inertia);
}

static int train(struct session *session, struct spot_error *err)
{
    struct training job = {.session = session};
    struct kmeans_settings settings = {0};
    int status;
    SPOT_TRY(training_check(session, err));
    SPOT_TRY(kmeans_settings(session, &settings, err));
    SPOT_TRY(session_engine(session, err));
    SPOT_TRY(training_read(&job, settings.weight_column, err));
    SPOT_TRY(fit(&job, &settings, err));
    SPOT_TRY(training_write(&job, add_findings, err));
    SPOT_TRY(training_show(&job, settings.options.k, err));
    SPOT_TRY(training_print(&job, add_findings, err));
out:
    kmeans_settings_clear(&settings);
    training_close(&job);
    return status;
}

const struct command command_train_kmeans = {
    .name = "train kmeans",
    .summary = "cluster rows with KMeans",
    .usage = "--input DATA --output MODEL --k K [OPTION...]",
    .about =
        "Finds k clusters with Lloyd's algorithm and scikit-learn's definitions. Without a "
        "configuration every column is a number and a feature; with one, the raw columns are "
        "validated and encoded first, and the encoding travels inside the model. A .npy written by "
        "'blackspot prepare' brings its encoder along. An option overrules --set, which overrules "
        "the configuration file.",
    .example = "blackspot train kmeans --config config/gb-2015.yaml --k 5 --output model.json\n"
               "blackspot train kmeans --input points.npy --k 5 --output model.json",
    .options = train_options,
    .shared = training_options,
    .run = train,
};
