/* `blackspot sample`: rows drawn from a Gaussian mixture, a batch at a time. */
#define _GNU_SOURCE /* argp */
#include <stdio.h>
#include <stdlib.h>

#include "app/encoder_file.h"
#include "app/result.h"
#include "app/session.h"
#include "base/error.h"
#include "base/memory.h"
#include "data/writer.h"
#include "models/gmm.h"
#include "models/model_file.h"

enum { BATCH_CELLS = 1 << 20, NAME_ROOM = 24 };

static const struct argp_option sample_options[] = {
    {0, 0, 0, 0, "Model and rows:", 1},
    {"model", OPTION_KEY(OPTION_MODEL), "MODEL", 0, "a model file of a Gaussian mixture", 1},
    {"rows", OPTION_KEY(OPTION_ROWS), "N", 0, "how many", 1},
    {"output", OPTION_KEY(OPTION_OUTPUT), "ROWS", 0,
     ".csv or .jsonl (also .gz, .zst), a column for each feature and the component; .npy, the "
     "features alone in float64; - is CSV on standard output, the result then goes to the log",
     1},
    {0},
};

/* What one drawing holds. */
struct sampling {
    struct session *session;
    struct model model;
    int64_t rows, batch;
    double *values;  /* (batch, columns) */
    double *turned;  /* (columns, batch) */
    int32_t *labels; /* (batch) */
    const char **names;
    char *name_space;
    int *is_label;
    struct score_column *columns;
    struct score_writer *scores; /* one of the two, the other NULL */
    struct writer *matrix;
};

static int make_room(struct sampling *job, struct spot_error *err)
{
    const int64_t d = job->model.columns;
    job->batch = BATCH_CELLS / d > 0 ? BATCH_CELLS / d : 1;
    if (job->batch > job->rows) job->batch = job->rows;
    job->values = spot_alloc(job->batch, (size_t)d * sizeof(double));
    job->turned = spot_alloc(job->batch, (size_t)d * sizeof(double));
    job->labels = spot_alloc(job->batch, sizeof(int32_t));
    job->names = spot_alloc_zero(d + 1, sizeof *job->names);
    job->name_space = spot_alloc(d, NAME_ROOM);
    job->is_label = spot_alloc_zero(d + 1, sizeof *job->is_label);
    job->columns = spot_alloc_zero(d + 1, sizeof *job->columns);
    if (job->values == NULL || job->turned == NULL || job->labels == NULL || job->names == NULL ||
        job->name_space == NULL || job->is_label == NULL || job->columns == NULL)
        return spot_fail_memory(err, "a batch of rows");
    return SPOT_OK;
}

static int open_output(struct sampling *job, struct spot_error *err)
{
    const char *path = job->session->arguments.value[OPTION_OUTPUT];
    const int32_t d = job->model.columns;
    int status;
    if (is_npy(path)) {
        SPOT_TRY(writer_open(path, &job->matrix, err));
        return npy_write_header(job->matrix, "<f8", job->rows, d, err);
    }
    for (int32_t j = 0; j < d; j++) {
        char *name = job->name_space + (int64_t)j * NAME_ROOM;
        snprintf(name, NAME_ROOM, "x%d", (int)j);
        job->names[j] = job->model.features != NULL ? job->model.features[j] : name;
        job->columns[j].values = job->turned + j * job->batch;
    }
    job->names[d] = "component";
    job->is_label[d] = 1;
    job->columns[d].labels = job->labels;
    status = score_writer_open(path, NULL, job->names, job->is_label, d + 1, job->rows,
                               &job->scores, err);
out:
    return status;
}

static int put_batch(struct sampling *job, int64_t rows, struct spot_error *err)
{
    const int64_t d = job->model.columns;
    if (job->matrix != NULL)
        return writer_put(job->matrix, job->values, (size_t)(rows * d) * sizeof(double), err);
    for (int64_t j = 0; j < d; j++)
        for (int64_t i = 0; i < rows; i++)
            job->turned[j * job->batch + i] = job->values[i * d + j];
    return score_writer_put(job->scores, rows, NULL, NULL, job->columns, err);
}

static int draw(struct sampling *job, struct spot_error *err)
{
    const uint64_t seed = (uint64_t)job->session->seed;
    for (int64_t first = 0; first < job->rows; first += job->batch) {
        int64_t rows = job->rows - first < job->batch ? job->rows - first : job->batch;
        if (session_stopped(job->session)) return session_outcome(job->session, SPOT_ESTOPPED, err);
        gmm_sample_rows(job->model.gmm, seed, first, rows, job->values, job->labels);
        int status = put_batch(job, rows, err);
        if (status < 0) return status;
    }
    return SPOT_OK;
}

/* The writers are closed by this, whatever happens. */
static int commit(struct sampling *job, struct spot_error *err)
{
    struct score_writer *scores = job->scores;
    struct writer *matrix = job->matrix;
    job->scores = NULL;
    job->matrix = NULL;
    return scores != NULL ? score_writer_commit(scores, err) : writer_commit(matrix, err);
}

static cJSON *make_result(const struct sampling *job)
{
    const struct session *session = job->session;
    cJSON *result = cJSON_CreateObject();
    if (result == NULL) return NULL;
    cJSON_AddStringToObject(result, "command", session->command->name);
    cJSON_AddStringToObject(result, "model", session->arguments.value[OPTION_MODEL]);
    cJSON_AddStringToObject(result, "output", session->arguments.value[OPTION_OUTPUT]);
    cJSON_AddNumberToObject(result, "rows", (double)job->rows);
    cJSON_AddNumberToObject(result, "features", job->model.columns);
    cJSON_AddNumberToObject(result, "k", model_k(&job->model));
    cJSON *seconds = cJSON_AddObjectToObject(result, "seconds");
    result_seconds(seconds, "total", now_seconds() - session->started);
    return result;
}

static int check(struct sampling *job, struct spot_error *err)
{
    struct session *session = job->session;
    const struct arguments *arguments = &session->arguments;
    int status;
    SPOT_TRY(session_require(session, OPTION_MODEL, "mixture.json", err));
    SPOT_TRY(session_require(session, OPTION_ROWS, "1000", err));
    SPOT_TRY(session_require(session, OPTION_OUTPUT, "rows.csv", err));
    SPOT_TRY(option_integer(arguments, OPTION_ROWS, 1, INT64_C(1) << 48, &job->rows, err));
    SPOT_TRY(session_check_output(session, arguments->value[OPTION_OUTPUT], err));
    SPOT_TRY(model_read(arguments->value[OPTION_MODEL], &job->model, err));
    if (job->model.gmm == NULL)
        status = spot_fail(err, SPOT_EUSAGE,
                           "%.200s is a %s model; rows are drawn from Gaussian mixtures alone",
                           arguments->value[OPTION_MODEL], model_kind(&job->model));
out:
    return status;
}

static int sample(struct session *session, struct spot_error *err)
{
    struct sampling job = {.session = session};
    int status;
    SPOT_TRY(check(&job, err));
    SPOT_TRY(make_room(&job, err));
    SPOT_TRY(open_output(&job, err));
    SPOT_TRY(draw(&job, err));
    SPOT_TRY(commit(&job, err));
    SPOT_TRY(session_result(session, make_result(&job), err));
out:
    score_writer_abandon(job.scores);
    writer_abandon(job.matrix);
    model_clear(&job.model);
    free(job.values);
    free(job.turned);
    free(job.labels);
    free(job.names);
    free(job.name_space);
    free(job.is_label);
    free(job.columns);
    return status;
}

const struct command command_sample = {
    .name = "sample",
    .summary = "draw rows from a Gaussian mixture",
    .usage = "--model MODEL --rows N --output ROWS [OPTION...]",
    .about = "Draws rows from a mixture: a component by its weight, then a point of it. Row i "
             "depends on the model, --seed and i alone, so more rows begin with the same ones. "
             "Values are the model's features: encoded ones, where the model has an encoder.",
    .example = "blackspot sample --model mixture.json --rows 1000 --seed 7 --output rows.csv",
    .options = sample_options,
    .run = sample,
};
