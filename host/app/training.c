#define _GNU_SOURCE /* argp */
#include "app/training.h"

#include <math.h>
#include <stdlib.h>

#include "app/encoder_file.h"
#include "app/model_encoder.h"
#include "app/result.h"
#include "app/views.h"
#include "base/error.h"
#include "base/memory.h"

int training_check(const struct session *session, struct spot_error *err)
{
    static const enum option_id outputs[] = {OPTION_OUTPUT, OPTION_METRICS};
    int status = session_require(session, OPTION_OUTPUT, "model.json", err);
    for (size_t i = 0; i < sizeof outputs / sizeof *outputs && status >= 0; i++)
        if (given(&session->arguments, outputs[i]))
            status = session_check_output(session, session->arguments.value[outputs[i]], err);
    if (status >= 0 && given(&session->arguments, OPTION_PLOTS))
        status = session_check_folder(session->arguments.value[OPTION_PLOTS], err);
    return status;
}

/* The .npy that was read, which has no encoder in it: the option, or the one file configured. */
static char *matrix_path(const struct session *session)
{
    const struct text_list *inputs = &session->arguments.inputs;
    if (inputs->count > 0) return spot_copy_text(inputs->items[0]);
    const struct config *files = config_get(config_get(session->config, "input"), "files");
    return config_path(files->kind == CONFIG_LIST ? files->items[0] : files);
}

/* The encoder goes into the model: the one just fitted, or the one beside the matrix. */
static int adopt_encoder(struct training *job, struct spot_error *err)
{
    struct model *model = &job->model;
    model->columns = job->data.columns;
    model->features = job->data.names;
    if (job->data.encoder != NULL) {
        model->encoder = encoder_to_json(job->data.encoder);
        return model->encoder != NULL ? SPOT_OK : spot_fail_memory(err, "the encoder");
    }
    char *matrix = matrix_path(job->session);
    char *path = matrix != NULL ? encoder_file_path(matrix) : NULL;
    free(matrix);
    if (path == NULL) return spot_fail_memory(err, "a path");
    int status = encoder_file_read(path, job->data.columns, &model->encoder, &job->file_names, err);
    if (model->encoder != NULL) {
        session_log(job->session, SPOT_LOG_INFO, "the encoder is %s", path);
        model->features = job->file_names;
        struct model_encoder opened;
        status = model_encoder_open(model, path, &opened, err); /* a model that can be read again */
        model_encoder_close(&opened);
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

/* What looks at rows one by one needs them in memory; so does what is drawn. */
bool training_needs_memory(const struct training *job)
{
    const struct arguments *arguments = &job->session->arguments;
    return given(arguments, OPTION_TABLE) || given(arguments, OPTION_PLOTS);
}

/* A matrix from which the encoder beside it took offsets off has lost its rows' directions. */
static int check_directions(const struct training *job, struct spot_error *err)
{
    struct model_encoder opened;
    if (job->data.encoder != NULL || job->model.encoder == NULL) return SPOT_OK;
    int status = model_encoder_open(&job->model, "the encoder", &opened, err);
    if (status < 0) return status;
    const double *offsets = encoder_offsets(opened.encoder);
    for (int32_t j = 0; j < job->model.columns && status == SPOT_OK; j++)
        if (offsets[j] != 0.0)
            status = spot_fail(err, SPOT_EUSAGE,
                               "--metric: cosine needs rows as they are, but an offset of %g has "
                               "been taken off %s; train on the raw files instead of the matrix",
                               offsets[j], job->model.features[j]);
    model_encoder_close(&opened);
    return status;
}

int training_read(struct training *job, const char *weight_column, bool directions,
                  struct spot_error *err)
{
    struct session *session = job->session;
    struct prepare_options reading;
    int status;
    SPOT_TRY(session_reading(session, &reading, err));
    reading.weight_column = weight_column;
    reading.keep_zero = directions;
    SPOT_TRY(session_precision(session, &reading.wide, err));
    job->model.float64 = reading.wide;
    const char *coordinates[2];
    SPOT_TRY(map_columns(session->config, coordinates, &reading.carried_count, err));
    reading.carried = coordinates;
    if (!given(&session->arguments, OPTION_PLOTS)) reading.carried_count = 0;
    if (!training_needs_memory(job)) {
        reading.memory = session->memory;
        reading.scratch = session->scratch;
    }
    status = prepare_table(&reading, engine_pool(session->engine), &job->data, err);
    progress_clear(&session->progress);
    if (status < 0) return status;
    if (job->data.file != NULL) job->reader = row_file_reader(job->data.file);
    session_log(session, SPOT_LOG_INFO, "read %lld rows of %d features", (long long)job->data.rows,
                job->data.columns);
    if (job->data.table_rows > job->data.rows)
        session_log(session, SPOT_LOG_INFO, "%lld rows with missing values were left out",
                    (long long)(job->data.table_rows - job->data.rows));
    if (job->data.rows == 0 && job->data.table_rows > 0)
        return spot_fail(err, SPOT_EDATA, "all %lld rows have missing values and were left out",
                         (long long)job->data.table_rows);
    SPOT_TRY(adopt_encoder(job, err));
    if (directions) SPOT_TRY(check_directions(job, err));
out:
    return status;
}

struct spot_matrix training_rows(const struct training *job)
{
    return (struct spot_matrix){.values = job->data.values,
                                .values64 = job->data.values64,
                                .weights = job->data.weights,
                                .rows = job->data.rows,
                                .columns = job->data.columns,
                                .reader = job->data.file != NULL ? &job->reader : NULL};
}

int training_check_range(const struct training *job, int32_t lowest_k, int32_t highest_k,
                         const char *init_path, struct spot_error *err)
{
    if (lowest_k == highest_k) return SPOT_OK;
    if (init_path != NULL)
        return spot_fail(err, SPOT_EUSAGE, "--init: a file fixes k; give one number or none");
    if (highest_k > job->data.rows)
        return spot_fail(err, SPOT_EDATA, "k = %d is more than the %lld rows; choose a smaller k",
                         (int)highest_k, (long long)job->data.rows);
    return SPOT_OK;
}

void training_log_choice(const struct training *job)
{
    const struct candidates *candidates = &job->candidates;
    char rule[64];
    if (candidates->count < 2) return;
    const struct candidate *best = &candidates->items[candidates->best];
    candidates_rule(candidates, rule, sizeof rule);
    if (isnan(best->values[candidates->rule]))
        session_log(job->session, SPOT_LOG_WARNING,
                    "no k has a defined %s; the smallest, %d, is kept",
                    candidates->measures[candidates->rule].title, (int)best->k);
    else
        session_log(job->session, SPOT_LOG_INFO, "k %d is suggested: the %s, %.10g", (int)best->k,
                    rule, best->values[candidates->rule]);
}

void training_name_place(const struct training *job, struct spot_error *err)
{
    char *matrix = job->data.encoder == NULL ? matrix_path(job->session) : NULL;
    spot_name_place(err, matrix, 0, (const char *const *)job->model.features);
    free(matrix);
}

int training_write(struct training *job, training_findings *findings, struct spot_error *err)
{
    const struct arguments *arguments = &job->session->arguments;
    double started = now_seconds();
    int status;
    if (session_stopped(job->session)) return SPOT_ESTOPPED;
    SPOT_TRY(model_write(arguments->value[OPTION_OUTPUT], &job->model, err));
    if (given(arguments, OPTION_METRICS)) {
        cJSON *metrics = cJSON_CreateObject();
        if (metrics != NULL) findings(metrics, job);
        SPOT_TRY(result_write(metrics, arguments->value[OPTION_METRICS], err));
    }
    job->write_seconds = now_seconds() - started;
out:
    return status;
}

/* The cluster or component of each row. */
static int label_rows(const struct training *job, int32_t *labels, struct spot_error *err)
{
    const struct spot_matrix rows = training_rows(job);
    spot_engine *engine = job->session->engine;
    if (job->model.gmm != NULL)
        return spot_gmm_score(engine, job->model.gmm, &rows, labels, NULL, NULL, err);
    return spot_kmeans_assign(engine, job->model.kmeans, &rows, labels, NULL, err);
}

int training_show(const struct training *job, struct spot_error *err)
{
    const struct arguments *arguments = &job->session->arguments;
    const struct prepared *data = &job->data;
    if (!given(arguments, OPTION_TABLE) && !given(arguments, OPTION_PLOTS)) return SPOT_OK;
    int status;
    struct model_encoder encoder = {0};
    int32_t *labels = spot_alloc(data->rows, sizeof *labels);
    if (labels == NULL) return spot_fail_memory(err, "the labels");
    SPOT_TRY(model_encoder_open(&job->model, arguments->value[OPTION_OUTPUT], &encoder, err));
    SPOT_TRY(label_rows(job, labels, err));
    const struct clustered clustered = {.values = data->values,
                                        .values64 = data->values64,
                                        .rows = data->rows,
                                        .columns = data->columns,
                                        .k = model_k(&job->model),
                                        .names = (const char *const *)job->model.features,
                                        .encoder = encoder.encoder,
                                        .labels = labels,
                                        .longitudes = data->carried[0],
                                        .latitudes = data->carried[1]};
    if (given(arguments, OPTION_TABLE) && (job->candidates.count > 1 || job->measured))
        SPOT_TRY(candidates_print(&job->candidates, stderr, err));
    if (given(arguments, OPTION_TABLE)) SPOT_TRY(views_table(&clustered, stderr, err));
    if (given(arguments, OPTION_PLOTS))
        SPOT_TRY(views_plots(&clustered, arguments->value[OPTION_PLOTS], err));
out:
    model_encoder_close(&encoder);
    free(labels);
    return status;
}

int training_print(const struct training *job, training_findings *findings, struct spot_error *err)
{
    cJSON *result = cJSON_CreateObject();
    if (result == NULL) return spot_fail_memory(err, "the result");
    cJSON_AddStringToObject(result, "command", job->session->command->name);
    cJSON_AddStringToObject(result, "model", job->session->arguments.value[OPTION_OUTPUT]);
    findings(result, job);
    cJSON_AddStringToObject(result, "device", spot_engine_device(job->session->engine));
    cJSON *seconds = cJSON_AddObjectToObject(result, "seconds");
    result_seconds(seconds, "read", job->data.read_seconds);
    result_seconds(seconds, "prepare", job->data.encode_seconds);
    result_seconds(seconds, "init", job->init_seconds);
    result_seconds(seconds, "fit", job->fit_seconds - job->init_seconds);
    if (job->measured) result_seconds(seconds, "measure", job->measure_seconds);
    result_seconds(seconds, "write", job->write_seconds);
    result_seconds(seconds, "total", now_seconds() - job->session->started);
    return session_result(job->session, result, err);
}

void training_close(struct training *job)
{
    names_free(job->file_names, job->data.columns);
    cJSON_Delete(job->model.encoder);
    candidates_clear(&job->candidates);
    spot_kmeans_free(job->model.kmeans);
    spot_gmm_free(job->model.gmm);
    prepared_free(&job->data);
}
