#define _GNU_SOURCE /* argp */
#include "app/score_forest.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "app/forest_input.h"
#include "app/result.h"
#include "base/error.h"
#include "base/memory.h"
#include "data/writer.h"
#include "models/forest_device.h"

enum { PART_CELLS = 1 << 21 };

static const char *const kinds[] = {"value", "margin", "label", "leaf", "contributions", NULL};

struct forest_scoring {
    struct session *session;
    struct forest_model model;
    struct spot_forest_options options;

    struct beside_column *beside; /* (beside_count) the base margins, then the id */
    int32_t beside_count, margins;
    bool has_id;

    int32_t width;                /* columns of scores */
    char **names;                 /* (width) */
    int *is_label;                /* (width) */
    struct score_column *columns; /* (width) of the rows scored last */
    struct score_writer *writer;

    double *scores;       /* (score_room) rows of scores, row-major */
    double *turned;       /* (turned_room) and column by column */
    int32_t *labels;      /* (label_room) instead of that, where they are whole numbers */
    double *base_margins; /* (base_room) */
    int64_t score_room, turned_room, label_room, base_room;

    int64_t rows;
    double score_seconds, write_seconds;
};

/* ---- What is asked for ---------------------------------------------------------------------- */

/* One end of a range: digits, or nothing. */
static bool read_end(const char **at, int32_t otherwise, int32_t *value)
{
    char *end;
    *value = otherwise;
    if (**at < '0' || **at > '9') return true;
    long long number = strtoll(*at, &end, 10);
    *at = end;
    *value = (int32_t)number;
    return number <= INT32_MAX;
}

int forest_iterations(const struct arguments *arguments, struct spot_forest_options *options,
                      struct spot_error *err)
{
    const char *text = arguments->value[OPTION_ITERATIONS], *at = text;
    int32_t begin, end;
    if (text == NULL) return SPOT_OK;
    bool good = read_end(&at, 0, &begin) && *at++ == ':' && read_end(&at, -1, &end) && *at == '\0';
    if (!good || (end >= 0 && end <= begin))
        return spot_fail(err, SPOT_EUSAGE,
                         "--iterations: '%.60s' is no range such as 0:100, :50 or 50: (from, and "
                         "up to but without)",
                         text);
    options->first_iteration = begin;
    options->iterations = end < 0 ? 0 : end - begin;
    return SPOT_OK;
}

static int choose_output(struct forest_scoring *job, struct spot_error *err)
{
    static const enum spot_forest_output outputs[] = {SPOT_FOREST_VALUE, SPOT_FOREST_MARGIN,
                                                      SPOT_FOREST_LABEL, SPOT_FOREST_LEAF,
                                                      SPOT_FOREST_CONTRIBUTIONS};
    const struct arguments *arguments = &job->session->arguments;
    int32_t choice = 0;
    int status;
    SPOT_TRY(option_choice(arguments, OPTION_OUTPUT_KIND, kinds, &choice, err));
    job->options.output = outputs[choice];
    SPOT_TRY(forest_iterations(arguments, &job->options, err));
    /* no rows: what is wrong with the request itself */
    const struct spot_forest_rows none = {.columns = job->model.forest->forest.features};
    SPOT_TRY(spot_forest_score(NULL, job->model.forest, &none, &job->options, NULL, err));
    const int64_t width = spot_forest_width(job->model.forest, &job->options);
    if (width > INT32_MAX || width < 1)
        status =
            spot_fail(err, SPOT_EUSAGE, "%lld columns of scores for each row", (long long)width);
    job->width = (int32_t)width;
out:
    return status;
}

/* --base-margin: a column for each output, separated by commas. */
static int choose_margins(struct forest_scoring *job, struct spot_error *err)
{
    const char *text = job->session->arguments.value[OPTION_BASE_MARGIN];
    const int32_t outputs = job->model.forest->forest.outputs;
    int32_t given = text != NULL;
    for (const char *at = text; given > 0 && *at != '\0'; at++)
        given += *at == ',';
    if (given > 0 && given != outputs)
        return spot_fail(err, SPOT_EUSAGE,
                         "--base-margin names %d columns, but each row has %d margins", given,
                         outputs);
    job->beside = spot_alloc_zero((int64_t)given + 1, sizeof *job->beside);
    if (job->beside == NULL) return spot_fail_memory(err, "the columns");
    for (; job->margins < given; job->margins++) {
        const size_t length = strcspn(text, ",");
        job->beside[job->margins].name = strndup(text, length);
        if (job->beside[job->margins].name == NULL) return spot_fail_memory(err, "the columns");
        text += length + 1;
    }
    job->beside_count = given;
    return SPOT_OK;
}

static void choose_id(struct forest_scoring *job)
{
    const char *id = job->session->arguments.value[OPTION_ID];
    job->has_id = id != NULL;
    if (id != NULL)
        job->beside[job->beside_count++] = (struct beside_column){.name = id, .text = true};
}

/* ---- Columns of scores ---------------------------------------------------------------------- */

static bool is_probability(const spot_forest *forest)
{
    return forest->classes > 0 && (forest->link == LINK_SIGMOID || forest->link == LINK_SOFTMAX);
}

/* One column is called by its kind, several are numbered; contributions are called by the features,
 * with the number of the output behind where there are several. */
static char *column_name(const struct forest_scoring *job, int32_t i)
{
    const spot_forest *forest = job->model.forest;
    const int32_t group = forest->forest.features + 1, feature = i % group;
    const enum spot_forest_output output = job->options.output;
    const char *word = output == SPOT_FOREST_MARGIN  ? "margin"
                       : output == SPOT_FOREST_LABEL ? "label"
                       : output == SPOT_FOREST_LEAF  ? "leaf"
                       : is_probability(forest)      ? "proba"
                                                     : "value";
    char *name = NULL;
    int length;
    if (output != SPOT_FOREST_CONTRIBUTIONS)
        length = asprintf(&name, job->width > 1 ? "%s_%d" : "%s", word, (int)i);
    else if (feature == group - 1 || forest->features != NULL)
        length =
            asprintf(&name, forest->forest.outputs > 1 ? "%s:%d" : "%s",
                     feature == group - 1 ? "bias" : forest->features[feature], (int)(i / group));
    else
        length = asprintf(&name, forest->forest.outputs > 1 ? "x%d:%d" : "x%d", (int)feature,
                          (int)(i / group));
    return length < 0 ? NULL : name;
}

static int name_columns(struct forest_scoring *job, struct spot_error *err)
{
    const enum spot_forest_output output = job->options.output;
    for (int32_t i = 0; i < job->width; i++) {
        job->names[i] = column_name(job, i);
        if (job->names[i] == NULL) return spot_fail_memory(err, "the names");
        job->is_label[i] = output == SPOT_FOREST_LABEL || output == SPOT_FOREST_LEAF;
    }
    return SPOT_OK;
}

static int open_columns(struct forest_scoring *job, struct spot_error *err)
{
    const struct arguments *arguments = &job->session->arguments;
    job->names = spot_alloc_zero(job->width, sizeof *job->names);
    job->is_label = spot_alloc_zero(job->width, sizeof *job->is_label);
    job->columns = spot_alloc_zero(job->width, sizeof *job->columns);
    if (job->names == NULL || job->is_label == NULL || job->columns == NULL)
        return spot_fail_memory(err, "the columns of scores");
    int status = name_columns(job, err);
    if (status < 0) return status;
    return score_writer_open(arguments->value[OPTION_OUTPUT], arguments->value[OPTION_ID],
                             (const char *const *)job->names, job->is_label, job->width, -1,
                             &job->writer, err);
}

/* Room for `rows` rows; the arrays grow with the largest part. */
static int make_room(struct forest_scoring *job, int64_t rows, struct spot_error *err)
{
    const int64_t cells = rows * job->width;
    if (spot_grow((void **)&job->scores, &job->score_room, cells, sizeof *job->scores) < 0 ||
        spot_grow((void **)&job->base_margins, &job->base_room, rows * job->margins,
                  sizeof *job->base_margins) < 0 ||
        (job->is_label[0]
             ? spot_grow((void **)&job->labels, &job->label_room, cells, sizeof *job->labels)
             : spot_grow((void **)&job->turned, &job->turned_room, cells, sizeof *job->turned)) < 0)
        return spot_fail_memory(err, "a batch of scores");
    return SPOT_OK;
}

/* Rows of scores (rows, width) to columns. */
static void turn_scores(struct forest_scoring *job, int64_t rows)
{
    for (int32_t c = 0; c < job->width; c++) {
        const double *from = job->scores + c;
        struct score_column *column = &job->columns[c];
        if (job->is_label[c]) {
            int32_t *labels = job->labels + c * rows;
            for (int64_t i = 0; i < rows; i++)
                labels[i] = (int32_t)from[i * job->width];
            column->labels = labels;
        } else {
            double *values = job->turned + c * rows;
            for (int64_t i = 0; i < rows; i++)
                values[i] = from[i * job->width];
            column->values = values;
        }
    }
}

/* ---- Rows ----------------------------------------------------------------------------------- */

/* The base margins of rows [first, first + rows) of a batch, row by row. */
static int take_margins(struct forest_scoring *job, const struct forest_batch *batch, int64_t first,
                        int64_t rows, struct spot_error *err)
{
    for (int32_t o = 0; o < job->margins; o++)
        for (int64_t i = 0; i < rows; i++) {
            const double margin = batch->beside[o].values[first + i];
            job->base_margins[i * job->margins + o] = margin;
            if (margin != margin)
                return spot_fail(err, SPOT_EDATA, "%.200s:%lld: column %.100s: no base margin",
                                 batch->file, (long long)forest_batch_line(batch, first + i),
                                 job->beside[o].name);
        }
    job->options.base_margin = job->margins > 0 ? job->base_margins : NULL;
    return SPOT_OK;
}

static int score_part(struct forest_scoring *job, const struct forest_batch *batch, int64_t first,
                      int64_t count, struct spot_error *err)
{
    int status;
    const double started = now_seconds();
    struct spot_forest_rows rows = batch->rows;
    rows.rows = count;
    if (rows.values != NULL) rows.values += first * rows.columns;
    if (rows.values64 != NULL) rows.values64 += first * rows.columns;
    SPOT_TRY(make_room(job, count, err));
    SPOT_TRY(take_margins(job, batch, first, count, err));
    SPOT_TRY(spot_forest_score(job->session->engine, job->model.forest, &rows, &job->options,
                               job->scores, err));
    turn_scores(job, count);
    const double scored = now_seconds();
    const struct beside_values *id = job->has_id ? &batch->beside[job->beside_count - 1] : NULL;
    SPOT_TRY(score_writer_put(job->writer, count, id != NULL ? id->starts + first : NULL,
                              id != NULL ? id->bytes : NULL, job->columns, err));
    job->rows += count;
    job->score_seconds += scored - started;
    job->write_seconds += now_seconds() - scored;
out:
    return status;
}

/* A part of the rows at a time where a row has many scores. */
static int score_batch(void *arg, const struct forest_batch *batch, struct spot_error *err)
{
    struct forest_scoring *job = arg;
    const int64_t most = job->width < PART_CELLS ? PART_CELLS / job->width : 1;
    int status = SPOT_OK;
    for (int64_t first = 0; first < batch->rows.rows && status == SPOT_OK; first += most) {
        const int64_t left = batch->rows.rows - first;
        if (session_stopped(job->session)) return SPOT_ESTOPPED;
        status = score_part(job, batch, first, left < most ? left : most, err);
    }
    return status;
}

/* ---- The command ---------------------------------------------------------------------------- */

static int finish(struct forest_scoring *job, struct spot_error *err)
{
    if (session_stopped(job->session)) return SPOT_ESTOPPED;
    const double started = now_seconds();
    struct score_writer *writer = job->writer;
    job->writer = NULL; /* commit closes it, whatever happens */
    int status = score_writer_commit(writer, err);
    job->write_seconds += now_seconds() - started;
    return status;
}

/* The GPU where one was asked for and scores such forests; contributions are the CPU's. */
static const char *device_of(const struct forest_scoring *job)
{
    const spot_engine *engine = job->session->engine;
    const bool gpu = job->options.output != SPOT_FOREST_CONTRIBUTIONS &&
                     forest_device_used(engine, job->model.forest);
    return gpu ? spot_engine_device(engine) : "cpu";
}

static cJSON *make_result(const struct forest_scoring *job, double read_seconds)
{
    const struct session *session = job->session;
    const struct spot_forest_info *info = spot_forest_info(job->model.forest);
    cJSON *result = cJSON_CreateObject();
    if (result == NULL) return NULL;
    cJSON_AddStringToObject(result, "command", session->command->name);
    cJSON_AddStringToObject(result, "model", session->arguments.value[OPTION_MODEL]);
    cJSON_AddStringToObject(result, "output", session->arguments.value[OPTION_OUTPUT]);
    cJSON_AddStringToObject(result, "output_kind", kinds[job->options.output]);
    cJSON_AddNumberToObject(result, "rows", (double)job->rows);
    cJSON_AddNumberToObject(result, "columns", job->width);
    cJSON_AddNumberToObject(result, "features", info->features);
    cJSON_AddStringToObject(result, "library", info->library);
    cJSON_AddStringToObject(result, "objective", info->objective);
    cJSON_AddNumberToObject(result, "trees", info->trees);
    cJSON_AddNumberToObject(result, "outputs", info->outputs);
    cJSON_AddStringToObject(result, "device", device_of(job));
    cJSON *seconds = cJSON_AddObjectToObject(result, "seconds");
    result_seconds(seconds, "read", read_seconds);
    result_seconds(seconds, "score", job->score_seconds);
    result_seconds(seconds, "write", job->write_seconds);
    result_seconds(seconds, "total", now_seconds() - session->started);
    return result;
}

static void close_job(struct forest_scoring *job)
{
    score_writer_abandon(job->writer);
    for (int32_t i = 0; i < job->margins; i++)
        free((char *)(uintptr_t)job->beside[i].name);
    for (int32_t i = 0; job->names != NULL && i < job->width; i++)
        free(job->names[i]);
    free(job->beside);
    free(job->names);
    free(job->is_label);
    free(job->columns);
    free(job->scores);
    free(job->turned);
    free(job->labels);
    free(job->base_margins);
    forest_model_close(&job->model);
}

int score_forest(struct session *session, struct spot_error *err)
{
    struct forest_scoring job = {.session = session};
    int status;
    SPOT_TRY(forest_model_open(session->arguments.value[OPTION_MODEL], &job.model, err));
    SPOT_TRY(choose_output(&job, err));
    SPOT_TRY(choose_margins(&job, err));
    choose_id(&job);
    SPOT_TRY(session_engine(session, err));
    SPOT_TRY(open_columns(&job, err));
    const double started = now_seconds();
    const struct forest_reading reading = {
        .model = &job.model, .beside = job.beside, .beside_count = job.beside_count};
    SPOT_TRY(forest_input_each(session, &reading, score_batch, &job, err));
    const double read = now_seconds() - started - job.score_seconds - job.write_seconds;
    progress_clear(&session->progress);
    SPOT_TRY(finish(&job, err));
    SPOT_TRY(session_result(session, make_result(&job, read), err));
out:
    close_job(&job);
    return status;
}
