#define _GNU_SOURCE /* argp */
#include "app/update.h"

#include <stdlib.h>
#include <string.h>

#include "app/score_input.h"
#include "app/training.h"
#include "base/error.h"
#include "base/memory.h"

/* What the model settles, and what an update has no use for. */
static int check_options(const struct session *session, struct spot_error *err)
{
    static const enum option_id settled[] = {
        OPTION_K,       OPTION_INIT,   OPTION_N_INIT,   OPTION_MAX_ITER,        OPTION_TOL,
        OPTION_COMPACT, OPTION_RESUME, OPTION_MEASURES, OPTION_CHECKPOINT_EVERY};
    for (size_t i = 0; i < sizeof settled / sizeof *settled; i++)
        if (given(&session->arguments, settled[i]))
            return spot_fail(err, SPOT_EUSAGE,
                             "--%s: does not go with --update, which moves the centres of a model",
                             option_name(settled[i]));
    return SPOT_OK;
}

static int read_model(struct training *job, struct model_encoder *encoder, struct spot_error *err)
{
    const char *path = job->session->arguments.value[OPTION_UPDATE];
    int status = model_read(path, &job->model, err);
    if (status < 0) return status;
    job->file_names = job->model.features;
    job->data.columns = job->model.columns;
    if (job->model.kmeans == NULL)
        return spot_fail(err, SPOT_EUSAGE,
                         "--update: %.200s is a mixture; 'train gmm --init' goes on from those",
                         path);
    return model_encoder_open(&job->model, path, encoder, err);
}

/* Keeps the rows of a batch, in a file where memory is limited. */
struct gathering {
    struct prepared *data;
    int64_t values_capacity, weights_capacity;
};

static int gather(void *arg, const struct scored_rows *rows, struct spot_error *err)
{
    struct gathering *gathering = arg;
    struct prepared *data = gathering->data;
    const bool wide = rows->values64 != NULL;
    const void *from = wide ? (const void *)rows->values64 : rows->values;
    if (data->file != NULL) {
        data->rows += rows->rows;
        return row_file_append(data->file, rows->rows, from, rows->weights, err);
    }
    const size_t bytes = (size_t)data->columns * (wide ? sizeof(double) : sizeof(float));
    void *values = wide ? (void *)data->values64 : data->values, *weights = data->weights;
    int status = spot_grow(&values, &gathering->values_capacity, data->rows + rows->rows, bytes);
    if (wide)
        data->values64 = values;
    else
        data->values = values;
    if (status >= 0 && rows->weights != NULL)
        status = spot_grow(&weights, &gathering->weights_capacity, data->rows + rows->rows,
                           sizeof *data->weights);
    data->weights = weights;
    if (status < 0) return spot_fail_memory(err, "the rows");
    memcpy((char *)values + (size_t)data->rows * bytes, from, (size_t)rows->rows * bytes);
    if (rows->weights != NULL)
        memcpy(data->weights + data->rows, rows->weights,
               (size_t)rows->rows * sizeof *data->weights);
    data->rows += rows->rows;
    return SPOT_OK;
}

static int read_rows(struct training *job, const struct model_encoder *encoder,
                     const char *weight_column, struct spot_error *err)
{
    struct session *session = job->session;
    struct gathering gathering = {.data = &job->data};
    const struct extra_columns extra = {.weight = weight_column};
    const double started = now_seconds();
    int status = SPOT_OK;
    if (session->memory > 0 && !training_needs_memory(job)) {
        status = row_file_make(session->scratch, job->data.columns, job->model.float64,
                               weight_column != NULL, &job->data.file, err);
        if (status < 0) return status;
        job->reader = row_file_reader(job->data.file);
    }
    status = score_input_each(session, &job->model, encoder, &extra, gather, &gathering, err);
    progress_clear(&session->progress);
    job->data.read_seconds = now_seconds() - started;
    if (status >= 0)
        session_log(session, SPOT_LOG_INFO, "read %lld rows of %d features",
                    (long long)job->data.rows, job->data.columns);
    return status;
}

static int update(struct training *job, int64_t batch_rows, struct spot_error *err)
{
    const struct spot_matrix rows = training_rows(job);
    const double started = now_seconds();
    spot_kmeans *updated = NULL;
    int status = spot_kmeans_update(job->session->engine, job->model.kmeans, &rows, batch_rows,
                                    &updated, err);
    if (status < 0) return status;
    spot_kmeans_free(job->model.kmeans);
    job->model.kmeans = updated;
    job->fit_seconds = now_seconds() - started;
    return SPOT_OK;
}

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

int update_kmeans(struct session *session, struct spot_error *err)
{
    struct training job = {.session = session};
    struct model_encoder encoder = {0};
    const char *weight_column = NULL;
    const struct config *node = config_get(session->config, "kmeans");
    int64_t batch_rows = 0;
    int status;
    SPOT_TRY(training_check(session, err));
    SPOT_TRY(session_require(session, OPTION_INPUT, "new.csv", err));
    SPOT_TRY(check_options(session, err));
    SPOT_TRY(config_text(node, "sample_weight", &weight_column, err));
    SPOT_TRY(config_integer(node, "mini_batch", 1, INT64_MAX, &batch_rows, err));
    option_text(&session->arguments, OPTION_SAMPLE_WEIGHT, &weight_column);
    SPOT_TRY(
        option_integer(&session->arguments, OPTION_MINI_BATCH, 1, INT64_MAX, &batch_rows, err));
    SPOT_TRY(read_model(&job, &encoder, err));
    SPOT_TRY(session_engine(session, err));
    SPOT_TRY(read_rows(&job, &encoder, weight_column, err));
    SPOT_TRY(update(&job, batch_rows, err));
    SPOT_TRY(training_write(&job, add_findings, err));
    SPOT_TRY(training_show(&job, err));
    SPOT_TRY(training_print(&job, add_findings, err));
out:
    model_encoder_close(&encoder);
    training_close(&job);
    return status;
}
