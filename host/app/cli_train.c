/* `blackspot train kmeans`: raw files or a matrix in, a model file out. */
#define _GNU_SOURCE /* argp */
#include <stdlib.h>

#include "app/encoder_file.h"
#include "app/kmeans_settings.h"
#include "app/model_encoder.h"
#include "app/result.h"
#include "app/session.h"
#include "app/views.h"
#include "base/error.h"
#include "base/memory.h"

static const struct argp_option train_options[] = {
    {0, 0, 0, 0, "Data and results:", 1},
    {"input", OPTION_KEY(OPTION_INPUT), "DATA", 0,
     "a .csv (also .gz, .zst, - for standard input), repeated for several of one shape, or one "
     ".npy; default: the configuration's input.files",
     1},
    {"config", OPTION_KEY(OPTION_CONFIG), "FILE", 0,
     "YAML: input, columns, checks, features, kmeans, engine, seed", 1},
    {"set", OPTION_KEY(OPTION_SET), "KEY=VALUE", 0,
     "overrides the configuration, as in --set kmeans.k=5; may be repeated", 1},
    {"output", OPTION_KEY(OPTION_OUTPUT), "MODEL", 0, "the model file to write (JSON)", 1},
    {"metrics", OPTION_KEY(OPTION_METRICS), "FILE", 0,
     "also write rows, k, iterations and inertia as JSON, the same bytes in every run", 1},
    {"table", OPTION_KEY(OPTION_TABLE), 0, 0, "print a table of the clusters on standard error", 1},
    {"plots", OPTION_KEY(OPTION_PLOTS), "DIR", 0,
     "draw clusters.svg and clusters.png into this folder", 1},
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
    {"sample-weight", OPTION_KEY(OPTION_SAMPLE_WEIGHT), "COLUMN", 0,
     "how much each row counts; the column is no feature then", 2},
    {"compact", OPTION_KEY(OPTION_COMPACT), "auto|on|off", 0,
     "merge equal rows (default: auto, when it pays); changes no bit of the model", 2},
    {0},
};

/* All that one training holds. */
struct training {
    struct session *session;
    struct kmeans_settings settings;
    struct prepared data;
    char **file_names; /* (data.columns) from the encoder's file beside a .npy, or NULL */
    double *centres;   /* (k, columns) initial centres from a file, or NULL */
    struct model model;
    double fit_seconds, write_seconds;
};

/* The encoder goes into the model: the one just fitted, or the one beside the matrix. */
static int adopt_encoder(struct training *job, struct spot_error *err)
{
    struct model *model = &job->model;
    const struct text_list *inputs = &job->session->arguments.inputs;
    model->columns = job->data.columns;
    model->features = job->data.names;
    if (job->data.encoder != NULL) {
        model->encoder = encoder_to_json(job->data.encoder);
        return model->encoder != NULL ? SPOT_OK : spot_fail_memory(err, "the encoder");
    }
    if (inputs->count != 1) return SPOT_OK;
    char *path = encoder_file_path(inputs->items[0]);
    if (path == NULL) return spot_fail_memory(err, "a path");
    int status = encoder_file_read(path, job->data.columns, &model->encoder, &job->file_names, err);
    if (model->encoder != NULL) {
        session_log(job->session, SPOT_LOG_INFO, "the encoder is %s", path);
        model->features = job->file_names;
    }
    free(path);
    return status;
}

/* The coordinates that `map` of the configuration names, where they are no features. */
static int map_columns(const struct config *config, const char **names, int32_t *count,
                       struct spot_error *err)
{
    static const char *const keys[] = {"longitude", "latitude", NULL};
    const struct config *map = config_get(config, "map");
    int status = SPOT_OK;
    if (map == NULL) return SPOT_OK;
    SPOT_TRY(config_known(map, keys, err));
    for (int i = 0; i < 2; i++) {
        names[i] = NULL;
        SPOT_TRY(config_text(map, keys[i], &names[i], err));
        if (names[i] == NULL) return config_fail(map, err, "map: %s is missing", keys[i]);
    }
    *count = 2;
out:
    return status;
}

static int read_data(struct training *job, struct spot_error *err)
{
    struct session *session = job->session;
    struct prepare_options reading;
    int status;
    SPOT_TRY(session_reading(session, &reading, err));
    reading.weight_column = job->settings.weight_column;
    const char *coordinates[2];
    if (given(&session->arguments, OPTION_PLOTS))
        SPOT_TRY(map_columns(session->config, coordinates, &reading.carried_count, err));
    reading.carried = coordinates;
    status = prepare_table(&reading, engine_pool(session->engine), &job->data, err);
    progress_clear(&session->progress);
    if (status < 0) return status;
    session_log(session, SPOT_LOG_INFO, "read %lld rows of %d features", (long long)job->data.rows,
                job->data.columns);
    if (job->data.table_rows > job->data.rows)
        session_log(session, SPOT_LOG_INFO, "%lld rows with missing values were left out",
                    (long long)(job->data.table_rows - job->data.rows));
    SPOT_TRY(adopt_encoder(job, err));
out:
    return status;
}

static int fit(struct training *job, struct spot_error *err)
{
    struct session *session = job->session;
    struct spot_kmeans_options *options = &job->settings.options;
    const struct spot_matrix matrix = {.values = job->data.values,
                                       .weights = job->data.weights,
                                       .rows = job->data.rows,
                                       .columns = job->data.columns};
    int status;
    if (job->settings.centres_path != NULL) {
        SPOT_TRY(kmeans_centres(session, job->settings.centres_path,
                                (const char *const *)job->model.features, matrix.columns,
                                &options->k, &job->centres, err));
        options->centres = job->centres;
    }
    double started = now_seconds();
    progress_stage(&session->progress);
    SPOT_TRY(spot_kmeans_fit(session->engine, &matrix, options, &job->model.kmeans, err));
    progress_clear(&session->progress);
    job->fit_seconds = now_seconds() - started;
    const struct spot_kmeans_result *found = spot_kmeans_result(job->model.kmeans);
    session_log(session, SPOT_LOG_INFO, "%s after %d iterations, inertia %.10g",
                found->converged ? "converged" : "not converged", found->iterations,
                found->inertia);
out:
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

static int write_results(struct training *job, struct spot_error *err)
{
    const struct arguments *arguments = &job->session->arguments;
    double started = now_seconds();
    int status;
    if (session_stopped(job->session)) return SPOT_ESTOPPED;
    SPOT_TRY(model_write(arguments->value[OPTION_OUTPUT], &job->model, err));
    if (given(arguments, OPTION_METRICS)) {
        cJSON *metrics = cJSON_CreateObject();
        if (metrics != NULL) add_findings(metrics, job);
        SPOT_TRY(result_write(metrics, arguments->value[OPTION_METRICS], err));
    }
    job->write_seconds = now_seconds() - started;
out:
    return status;
}

/* The table and the pictures, for whom they were asked. */
static int show(struct training *job, struct spot_error *err)
{
    const struct arguments *arguments = &job->session->arguments;
    const struct prepared *data = &job->data;
    if (!given(arguments, OPTION_TABLE) && !given(arguments, OPTION_PLOTS)) return SPOT_OK;
    int status;
    const struct spot_matrix matrix = {
        .values = data->values, .rows = data->rows, .columns = data->columns};
    struct model_encoder encoder = {0};
    int32_t *labels = spot_alloc(data->rows, sizeof *labels);
    if (labels == NULL) return spot_fail_memory(err, "the labels");
    SPOT_TRY(model_encoder_open(&job->model, arguments->value[OPTION_OUTPUT], &encoder, err));
    SPOT_TRY(
        spot_kmeans_assign(job->session->engine, job->model.kmeans, &matrix, labels, NULL, err));
    const struct clustered clustered = {.values = data->values,
                                        .rows = data->rows,
                                        .columns = data->columns,
                                        .k = spot_kmeans_result(job->model.kmeans)->k,
                                        .names = (const char *const *)job->model.features,
                                        .encoder = encoder.encoder,
                                        .labels = labels,
                                        .longitudes = data->carried[0],
                                        .latitudes = data->carried[1]};
    if (given(arguments, OPTION_TABLE)) SPOT_TRY(views_table(&clustered, stderr, err));
    if (given(arguments, OPTION_PLOTS))
        SPOT_TRY(views_plots(&clustered, arguments->value[OPTION_PLOTS], err));
out:
    model_encoder_close(&encoder);
    free(labels);
    return status;
}

static int print_result(const struct training *job, struct spot_error *err)
{
    cJSON *result = cJSON_CreateObject();
    if (result == NULL) return spot_fail_memory(err, "the result");
    cJSON_AddStringToObject(result, "command", job->session->command->name);
    cJSON_AddStringToObject(result, "model", job->session->arguments.value[OPTION_OUTPUT]);
    add_findings(result, job);
    cJSON_AddStringToObject(result, "device", spot_engine_device(job->session->engine));
    cJSON *seconds = cJSON_AddObjectToObject(result, "seconds");
    result_seconds(seconds, "read", job->data.read_seconds);
    result_seconds(seconds, "prepare", job->data.encode_seconds);
    double init_seconds = spot_kmeans_result(job->model.kmeans)->init_seconds;
    result_seconds(seconds, "init", init_seconds);
    result_seconds(seconds, "fit", job->fit_seconds - init_seconds);
    result_seconds(seconds, "write", job->write_seconds);
    result_seconds(seconds, "total", now_seconds() - job->session->started);
    return result_print(result, err);
}

static int check_outputs(const struct session *session, struct spot_error *err)
{
    static const enum option_id outputs[] = {OPTION_OUTPUT, OPTION_METRICS};
    int status = session_require(session, OPTION_OUTPUT, "model.json", err);
    for (size_t i = 0; i < sizeof outputs / sizeof *outputs && status >= 0; i++)
        if (given(&session->arguments, outputs[i]))
            status = session_check_output(session, session->arguments.value[outputs[i]], err);
    return status;
}

static int train(struct session *session, struct spot_error *err)
{
    struct training job = {.session = session};
    int status;
    SPOT_TRY(check_outputs(session, err));
    SPOT_TRY(kmeans_settings(session, &job.settings, err));
    SPOT_TRY(session_engine(session, err));
    SPOT_TRY(read_data(&job, err));
    SPOT_TRY(fit(&job, err));
    SPOT_TRY(write_results(&job, err));
    SPOT_TRY(show(&job, err));
    SPOT_TRY(print_result(&job, err));
out:
    names_free(job.file_names, job.data.columns);
    free(job.centres);
    kmeans_settings_clear(&job.settings);
    cJSON_Delete(job.model.encoder);
    spot_kmeans_free(job.model.kmeans);
    prepared_free(&job.data);
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
    .run = train,
};
