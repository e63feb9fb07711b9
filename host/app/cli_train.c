/* `blackspot train kmeans`: raw files or a matrix in, a model file out; of several numbers of
 * clusters the one of the highest silhouette. */
#define _GNU_SOURCE /* argp */
#include <math.h>
#include <stdlib.h>

#include "app/kmeans_settings.h"
#include "app/resume.h"
#include "app/training.h"
#include "app/training_settings.h"
#include "app/update.h"
#include "base/error.h"
#include "models/kmeans.h"

static const struct argp_option train_options[] = {
    {0, 0, 0, 0, "Data and results:", 1},
    {0, 0, 0, 0, "Training:", 2},
    {"k", OPTION_KEY(OPTION_K), "K", 0,
     "clusters; a range such as 2..12 measures each number and takes that of the highest "
     "silhouette",
     2},
    {"metric", OPTION_KEY(OPTION_METRIC), "METRIC", 0,
     "euclidean (default), or cosine: the angle between a row and a centre, whatever their lengths",
     2},
    {"measures", OPTION_KEY(OPTION_MEASURES), 0, 0,
     "measure silhouette (of at most 10,000 rows drawn by --seed), Davies-Bouldin and "
     "Calinski-Harabasz of one k too",
     2},
    {"init", OPTION_KEY(OPTION_INIT), "HOW", 0,
     "auto (default: coreset where rows times k are 4,000,000 or more, else k-means++), k-means++, "
     "k-means||, coreset (centres of a weighted sample), random, or a .npy or .csv file of k "
     "centres in the units of the matrix "
     "that 'blackspot prepare' writes (a .csv names the features in its header)",
     2},
    {"n-init", OPTION_KEY(OPTION_N_INIT), "N", 0,
     "runs, the best is kept (default: 1, for random 10)", 2},
    {"max-iter", OPTION_KEY(OPTION_MAX_ITER), "N", 0, "iterations of a run (default: 300)", 2},
    {"tol", OPTION_KEY(OPTION_TOL), "X", 0,
     "stop when the centres' squared shift is within X times the mean variance (default: 1e-4); 0: "
     "when no row moves",
     2},
    {"mini-batch", OPTION_KEY(OPTION_MINI_BATCH), "ROWS", 0,
     "steps over this many rows, drawn by weight, instead of iterations over all; with --update, "
     "the rows of a step, in their order (default: all)",
     2},
    {"update", OPTION_KEY(OPTION_UPDATE), "MODEL", 0,
     "move the centres of this model by the rows of DATA, encoded as it says, and write the result "
     "to --output",
     2},
    {0},
};

static const struct measure measures[] = {{"inertia", "inertia"},
                                          {"silhouette", "silhouette"},
                                          {"davies_bouldin", "Davies-Bouldin"},
                                          {"calinski_harabasz", "Calinski-Harabasz"},
                                          {NULL, NULL}};
enum { MEASURE_SILHOUETTE = 1 };

/* What was found for one k: a line of the log, and the measures where they are wanted. */
static int judge(struct training *job, const struct kmeans_settings *settings,
                 const spot_kmeans *model, struct candidate *measured, struct spot_error *err)
{
    const struct spot_kmeans_result *found = spot_kmeans_result(model);
    const struct spot_measure_options options = {.seed = settings->options.seed};
    const struct spot_matrix rows = training_rows(job);
    struct spot_kmeans_measures out = {0};
    char text[160] = "", k[24] = "";
    *measured = (struct candidate){found->k, {found->inertia, NAN, NAN, NAN}};
    if (settings->measures) {
        int status = spot_kmeans_measure(job->session->engine, model, &rows, &options, &out, err);
        if (status < 0) return status;
        measured->values[1] = out.silhouette;
        measured->values[2] = out.davies_bouldin;
        measured->values[3] = out.calinski_harabasz;
        snprintf(text, sizeof text,
                 ", silhouette %.6g (of %lld rows), Davies-Bouldin %.6g, Calinski-Harabasz %.6g",
                 out.silhouette, (long long)out.silhouette_rows, out.davies_bouldin,
                 out.calinski_harabasz);
    }
    if (settings->lowest_k != settings->highest_k) snprintf(k, sizeof k, "k %d: ", (int)found->k);
    session_log(job->session, SPOT_LOG_INFO, "%s%s after %d iterations, inertia %.10g%s", k,
                found->converged ? "converged" : "not converged", (int)found->iterations,
                found->inertia, text);
    return SPOT_OK;
}

/* Fits every k and keeps the highest silhouette, the first of equals. */
static int choose(struct training *job, struct kmeans_settings *settings, struct spot_error *err)
{
    const struct spot_matrix rows = training_rows(job);
    job->candidates =
        (struct candidates){.measures = measures, .rule = MEASURE_SILHOUETTE, .highest = true};
    job->measured = settings->measures;
    for (int32_t k = settings->lowest_k; k <= settings->highest_k; k++) {
        spot_kmeans *model = NULL;
        struct candidate measured;
        bool better = false;
        double started = now_seconds();
        settings->options.k = k;
        int status = spot_kmeans_fit(job->session->engine, &rows, &settings->options, &model, err);
        job->fit_seconds += now_seconds() - started;
        progress_clear(&job->session->progress);
        if (status < 0) training_name_place(job, err);
        if (status < 0) return status;
        job->init_seconds += spot_kmeans_result(model)->init_seconds;
        started = now_seconds();
        status = judge(job, settings, model, &measured, err);
        job->measure_seconds += now_seconds() - started;
        if (status == SPOT_OK) status = candidates_add(&job->candidates, &measured, &better, err);
        spot_kmeans_free(better ? job->model.kmeans : model);
        if (better) job->model.kmeans = model;
        if (status < 0) return status;
    }
    training_log_choice(job);
    return SPOT_OK;
}

static int fit(struct training *job, struct kmeans_settings *settings, struct spot_error *err)
{
    double *centres = NULL; /* (k, columns) from a file */
    int status;
    SPOT_TRY(training_check_range(job, settings->lowest_k, settings->highest_k,
                                  settings->centres_path, err));
    if (settings->centres_path != NULL) {
        SPOT_TRY(kmeans_centres(job->session, settings->centres_path,
                                (const char *const *)job->model.features, job->data.columns,
                                &settings->lowest_k, &centres, err));
        settings->highest_k = settings->lowest_k;
        settings->options.centres = centres;
    }
    progress_stage(&job->session->progress);
    status = choose(job, settings, err);
out:
    free(centres);
    return status;
}

/* What was found, for the result line and for --metrics. */
static void add_findings(cJSON *object, const struct training *job)
{
    const struct spot_kmeans_result *found = spot_kmeans_result(job->model.kmeans);
    const double *values = job->candidates.items[job->candidates.best].values;
    cJSON_AddNumberToObject(object, "rows", (double)job->data.rows);
    cJSON_AddNumberToObject(object, "features", found->columns);
    candidates_json(&job->candidates, object);
    cJSON_AddNumberToObject(object, "k", found->k);
    cJSON_AddStringToObject(object, "metric", kmeans_metric_names[found->metric]);
    cJSON_AddNumberToObject(object, "iterations", found->iterations);
    cJSON_AddBoolToObject(object, "converged", found->converged);
    cJSON_AddNumberToObject(object, "inertia", found->inertia);
    for (int32_t m = MEASURE_SILHOUETTE; job->measured && measures[m].key != NULL; m++)
        cJSON_AddNumberToObject(object, measures[m].key, values[m]);
}

static int train(struct session *session, struct spot_error *err)
{
    struct training job = {.session = session};
    struct kmeans_settings settings = {0};
    int status;
    if (given(&session->arguments, OPTION_UPDATE)) return update_kmeans(session, err);
    SPOT_TRY(training_check(session, err));
    SPOT_TRY(kmeans_settings(session, &settings, err));
    SPOT_TRY(resume_open(&job, settings.lowest_k, settings.highest_k, err));
    settings.options.checkpoint = job.checkpoint;
    SPOT_TRY(session_engine(session, err));
    SPOT_TRY(training_read(&job, settings.weight_column,
                           settings.options.metric == SPOT_METRIC_COSINE, err));
    SPOT_TRY(fit(&job, &settings, err));
    SPOT_TRY(training_write(&job, add_findings, err));
    SPOT_TRY(training_show(&job, err));
    SPOT_TRY(training_print(&job, add_findings, err));
out:
    status = resume_close(&job, status);
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
        "the configuration file. A training that is stopped goes on with --resume; --update lets a "
        "model learn from more rows.",
    .example = "blackspot train kmeans --config config/gb-2015.yaml --k 5 --output model.json\n"
               "blackspot train kmeans --input points.npy --k 5 --output model.json\n"
               "blackspot train kmeans --update model.json --input new.csv --output newer.json",
    .options = train_options,
    .shared = training_options,
    .run = train,
};
