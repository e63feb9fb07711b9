#define _GNU_SOURCE /* argp */
#include "app/evaluating.h"

#include <errno.h>
#include <float.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "app/encoder_file.h"
#include "app/evaluation_report.h"
#include "app/evaluation_views.h"
#include "app/result.h"
#include "app/side_table.h"
#include "base/error.h"
#include "base/memory.h"
#include "data/npy.h"
#include "data/writer.h"

/* ---- Options -------------------------------------------------------------------------------- */

int evaluating_check(const struct session *session, struct spot_error *err)
{
    static const enum option_id outputs[] = {OPTION_METRICS, OPTION_REPORT};
    const struct arguments *arguments = &session->arguments;
    int status = SPOT_OK;
    for (size_t i = 0; i < sizeof outputs / sizeof *outputs && status >= 0; i++) {
        const char *path = arguments->value[outputs[i]];
        if (path != NULL && strcmp(path, "-") == 0)
            return spot_fail(err, SPOT_EUSAGE,
                             "--%s: standard output carries the result line, which has every "
                             "measure; name a file",
                             option_name(outputs[i]));
        if (path != NULL) status = session_check_output(session, path, err);
    }
    if (status >= 0 && given(arguments, OPTION_METRICS) && given(arguments, OPTION_REPORT) &&
        strcmp(arguments->value[OPTION_METRICS], arguments->value[OPTION_REPORT]) == 0)
        status = spot_fail(err, SPOT_EUSAGE, "%.200s is asked for two outputs",
                           arguments->value[OPTION_METRICS]);
    if (status >= 0 && given(arguments, OPTION_PLOTS))
        status = session_check_folder(arguments->value[OPTION_PLOTS], err);
    return status;
}

int evaluating_refuse(const struct session *session, const enum option_id *options,
                      const char *reason, struct spot_error *err)
{
    for (; *options != OPTION_COUNT; options++)
        if (given(&session->arguments, *options))
            return spot_fail(err, SPOT_EUSAGE, "--%s is %s", option_name(*options), reason);
    return SPOT_OK;
}

/* ---- Rows ----------------------------------------------------------------------------------- */

int evaluating_add_number(double **values, int64_t *room, int64_t count, double value,
                          struct spot_error *err)
{
    if (spot_grow((void **)values, room, count + 1, sizeof **values) < 0)
        return spot_fail_memory(err, "the rows");
    (*values)[count] = value;
    return SPOT_OK;
}

int evaluating_name_row(int status, const char *file, int64_t line, const char *column,
                        struct spot_error *err)
{
    char reason[sizeof err->message];
    if (status != SPOT_EDATA || err == NULL) return status;
    snprintf(reason, sizeof reason, "%s", err->message);
    return spot_fail(err, status, "%.200s:%lld: column %.100s: %s", file, (long long)line, column,
                     reason);
}

int evaluating_add_label(struct label_column *labels, const struct batch *batch, int64_t row,
                         int32_t column, const char *name, const char *file, struct spot_error *err)
{
    const struct column *texts = &batch->columns[column];
    const int64_t begin = texts->text_offsets[row], end = texts->text_offsets[row + 1];
    const int status = label_column_add(labels, texts->text_bytes + begin, end - begin, err);
    if (status == SPOT_OK) return status;
    return evaluating_name_row(status, file, batch_line(batch, row), name, err);
}

static int take_labels(void *arg, const struct batch *batch, const char *file,
                       struct spot_error *err)
{
    struct evaluating *job = arg;
    const char *name = job->session->arguments.value[OPTION_LABEL];
    const bool weighted = given(&job->session->arguments, OPTION_SAMPLE_WEIGHT);
    int status = SPOT_OK;
    for (int64_t i = 0; i < batch->rows && status == SPOT_OK; i++) {
        if (job->regression)
            status = evaluating_add_number(&job->target, &job->target_room, job->target_count++,
                                           batch->columns[0].values[i], err);
        else
            status = evaluating_add_label(&job->truth, batch, i, 0, name, file, err);
        if (status == SPOT_OK && weighted)
            status = evaluating_add_number(&job->weights, &job->weights_room, job->weights_count++,
                                           batch->columns[1].values[i], err);
    }
    return status;
}

/* A label that came as a number of a .npy. */
static int add_number_label(struct evaluating *job, double value, struct spot_error *err)
{
    char text[32];
    if (job->regression)
        return evaluating_add_number(&job->target, &job->target_room, job->target_count++, value,
                                     err);
    return label_column_add(&job->truth, text, isfinite(value) ? format_double(value, text) : 0,
                            err);
}

/* The labels as a .npy of one column. */
static int read_npy_labels(struct evaluating *job, const char *path, struct spot_error *err)
{
    enum { STEP = 65536 };
    struct npy_file *file = NULL;
    double *values = NULL;
    int64_t rows;
    int32_t columns;
    int status;
    if (given(&job->session->arguments, OPTION_SAMPLE_WEIGHT))
        return spot_fail(err, SPOT_EUSAGE, "--sample-weight: a .npy of labels has no weights");
    SPOT_TRY(npy_open(path, &file, &rows, &columns, err));
    if (columns != 1) {
        status = spot_fail(err, SPOT_EDATA, "%.200s has %d columns; labels are one", path, columns);
        goto out;
    }
    values = spot_alloc(STEP, sizeof *values);
    if (values == NULL) status = spot_fail_memory(err, "the labels");
    for (int64_t first = 0; first < rows && status == SPOT_OK; first += STEP) {
        const int64_t count = rows - first < STEP ? rows - first : STEP;
        status = npy_read_float64(file, first, count, values, err);
        for (int64_t i = 0; i < count && status == SPOT_OK; i++) {
            status = add_number_label(job, values[i], err);
            if (status == SPOT_EDATA)
                status = spot_fail(err, status, "%.200s: row %lld: no label; every row needs one",
                                   path, (long long)(first + i + 1));
        }
    }
out:
    free(values);
    npy_close(file);
    return status;
}

int evaluating_read_labels(struct evaluating *job, struct spot_error *err)
{
    const struct arguments *arguments = &job->session->arguments;
    if (is_npy(arguments->value[OPTION_LABELS]))
        return read_npy_labels(job, arguments->value[OPTION_LABELS], err);
    const int status = session_require(job->session, OPTION_LABEL, "severity", err);
    if (status < 0) return status;
    const struct side_column columns[] = {
        {arguments->value[OPTION_LABEL], !job->regression},
        {arguments->value[OPTION_SAMPLE_WEIGHT], false},
    };
    const struct side_table table = {.path = arguments->value[OPTION_LABELS],
                                     .columns = columns,
                                     .columns_count =
                                         given(arguments, OPTION_SAMPLE_WEIGHT) ? 2 : 1};
    return side_table_each(job->session, &table, take_labels, job, err);
}

/* ---- Classes -------------------------------------------------------------------------------- */

/* The column of the labels, for messages; a .npy has no name for it. */
static const char *label_name(const struct evaluating *job)
{
    const char *name = job->session->arguments.value[OPTION_LABEL];
    return name != NULL ? name : "0";
}

/* Classes that the scores have, by their numbers or by as many labels. */
static int classes_of_scores(struct evaluating *job, int32_t wanted, struct spot_error *err)
{
    int status;
    struct class_list *classes = &job->classes;
    const char *label = label_name(job);
    bool numbered = true;
    SPOT_TRY(classes_of_numbers(wanted, classes, err));
    for (int32_t t = 0; t < job->truth.texts.count; t++)
        numbered = numbered && classes_find(classes, job->truth.texts.texts[t]) >= 0;
    if (numbered) return SPOT_OK;
    classes_clear(classes);
    SPOT_TRY(classes_of_labels(&job->truth, NULL, classes, err));
    if (classes->count != wanted)
        status = spot_fail(err, SPOT_EDATA,
                           "column %.100s has %d different labels, but the scores are of %d "
                           "classes; name them in their order: --classes A,B,...",
                           label, (int)classes->count, (int)wanted);
out:
    return status;
}

static int choose_classes(struct evaluating *job, struct spot_error *err)
{
    const struct arguments *arguments = &job->session->arguments;
    const int32_t wanted = job->width == 0 ? 0 : job->width == 1 ? 2 : job->width;
    const bool labelled = job->predicted.rows > 0;
    int status;
    if (given(arguments, OPTION_CLASSES)) {
        SPOT_TRY(classes_of_option(arguments->value[OPTION_CLASSES], &job->classes, err));
        if (wanted > 0 && job->classes.count != wanted)
            return spot_fail(err, SPOT_EUSAGE,
                             "--classes names %d classes, but the scores are of %d",
                             (int)job->classes.count, (int)wanted);
    } else if (wanted > 0) {
        SPOT_TRY(classes_of_scores(job, wanted, err));
    } else {
        SPOT_TRY(
            classes_of_labels(&job->truth, labelled ? &job->predicted : NULL, &job->classes, err));
    }
    if (job->classes.count < 2)
        return spot_fail(err, SPOT_EDATA,
                         "the only label is %.100s; name all classes: --classes A,B,...",
                         job->classes.count == 1 ? job->classes.names[0] : "missing");
    SPOT_TRY(label_column_number(&job->truth, &job->classes, label_name(job), err));
    if (labelled)
        SPOT_TRY(label_column_number(&job->predicted, &job->classes,
                                     arguments->value[OPTION_PREDICTED], err));
    if (job->classes.count == 2 && job->width > 0)
        session_log(job->session, SPOT_LOG_INFO, "the scores are those of class %s",
                    job->classes.names[1]);
out:
    return status;
}

/* Of two columns for two classes the second one stays. */
static void keep_second_score(struct evaluating *job)
{
    if (job->regression || job->width != 2) return;
    for (int64_t i = 0; i < job->rows; i++)
        job->scores[i] = job->scores[2 * i + 1];
    job->width = 1;
}

/* ---- Judging -------------------------------------------------------------------------------- */

static int evaluating_stopped(void *arg)
{
    return session_stopped(arg);
}

static int check_rows(const struct evaluating *job, struct spot_error *err)
{
    const int64_t labels = job->regression ? job->target_count : job->truth.rows;
    const bool paired =
        labels == job->rows && (job->weights == NULL || job->weights_count == job->rows);
    if (paired && job->rows == 0) return spot_fail(err, SPOT_EDATA, "there are no rows to judge");
    if (paired) return SPOT_OK;
    return spot_fail(err, SPOT_EDATA, "%lld rows of data, but %lld labels; each row needs its own",
                     (long long)job->rows, (long long)labels);
}

/* Options that would change nothing. */
static int check_meaning(const struct evaluating *job, struct spot_error *err)
{
    static const enum option_id of_scores[] = {OPTION_THRESHOLD, OPTION_COUNT};
    static const enum option_id of_classes[] = {OPTION_THRESHOLD, OPTION_CLASSES, OPTION_COUNT};
    if (job->regression)
        return evaluating_refuse(job->session, of_classes, "not for a regression", err);
    if (given(&job->session->arguments, OPTION_PREDICTED))
        return evaluating_refuse(job->session, of_scores,
                                 "for scores; --predicted names the classes", err);
    return SPOT_OK;
}

static int judge(struct evaluating *job, struct spot_error *err)
{
    int status;
    const struct arguments *arguments = &job->session->arguments;
    double threshold = NAN;
    int64_t bootstrap = 0;
    SPOT_TRY(option_number(arguments, OPTION_THRESHOLD, -DBL_MAX, &threshold, err));
    SPOT_TRY(option_integer(arguments, OPTION_BOOTSTRAP, 0, 1000000, &bootstrap, err));
    SPOT_TRY(check_meaning(job, err));
    SPOT_TRY(check_rows(job, err));
    keep_second_score(job);
    if (!job->regression) SPOT_TRY(choose_classes(job, err));
    const struct predictions predictions = {
        .rows = job->rows,
        .classes = job->classes.count,
        .truth = job->truth.codes,
        .labels = job->predicted.codes,
        .scores = job->width > 0 ? job->scores : NULL,
        .target = job->target,
        .weights = job->weights,
        .threshold = threshold,
    };
    const struct evaluation_options options = {
        .pool = engine_pool(job->session->engine),
        .bootstrap = (int32_t)bootstrap,
        .seed = (uint64_t)job->session->seed,
        .curves = given(arguments, OPTION_PLOTS) && job->width > 0 && !job->regression,
        .stopped = evaluating_stopped,
        .arg = job->session,
    };
    const double started = now_seconds();
    status = evaluate_predictions(&predictions, &options, &job->evaluation, err);
    job->evaluate_seconds = now_seconds() - started;
out:
    return status;
}

/* ---- Outputs -------------------------------------------------------------------------------- */

static void print_report(FILE *out, const void *arg)
{
    report_text(out, arg);
}

static int write_outputs(struct evaluating *job, const struct evaluated *evaluated,
                         struct spot_error *err)
{
    int status = SPOT_OK;
    const struct arguments *arguments = &job->session->arguments;
    const double started = now_seconds();
    if (session_stopped(job->session)) return SPOT_ESTOPPED;
    if (given(arguments, OPTION_METRICS))
        SPOT_TRY(result_write(report_document(evaluated), arguments->value[OPTION_METRICS], err));
    if (given(arguments, OPTION_REPORT))
        SPOT_TRY(report_file(arguments->value[OPTION_REPORT], print_report, evaluated, err));
    if (given(arguments, OPTION_TABLE)) report_text(stderr, evaluated);
    if (given(arguments, OPTION_PLOTS))
        SPOT_TRY(evaluation_plots(job, arguments->value[OPTION_PLOTS], err));
    job->write_seconds = now_seconds() - started;
out:
    return status;
}

static void add_confusion(cJSON *result, const struct evaluating *job)
{
    enum { SHOWN = 32 };
    const struct evaluation *evaluation = &job->evaluation;
    if (evaluation->classes == 0 || evaluation->classes > SHOWN) return;
    cJSON *classes = cJSON_AddArrayToObject(result, "classes");
    for (int32_t c = 0; c < evaluation->classes; c++)
        cJSON_AddItemToArray(classes, cJSON_CreateString(job->classes.names[c]));
    cJSON *confusion = cJSON_AddArrayToObject(result, "confusion");
    for (int32_t t = 0; t < evaluation->classes; t++)
        cJSON_AddItemToArray(
            confusion,
            cJSON_CreateDoubleArray(evaluation->confusion + (int64_t)t * evaluation->classes,
                                    evaluation->classes));
}

static cJSON *make_result(const struct evaluating *job, const struct evaluated *evaluated)
{
    const struct arguments *arguments = &job->session->arguments;
    const enum option_id subject =
        given(arguments, OPTION_MODEL) ? OPTION_MODEL : OPTION_PREDICTIONS;
    cJSON *result = cJSON_CreateObject();
    if (result == NULL) return NULL;
    cJSON_AddStringToObject(result, "command", job->session->command->name);
    cJSON_AddStringToObject(result, option_name(subject), arguments->value[subject]);
    cJSON_AddNumberToObject(result, "rows", (double)job->rows);
    cJSON *metrics = cJSON_AddObjectToObject(result, "metrics");
    report_measures(metrics, evaluated, true);
    cJSON *undefined = report_undefined(evaluated);
    if (undefined != NULL) cJSON_AddItemToObject(result, "undefined", undefined);
    add_confusion(result, job);
    cJSON *seconds = cJSON_AddObjectToObject(result, "seconds");
    result_seconds(seconds, "read", job->read_seconds);
    if (subject == OPTION_MODEL) result_seconds(seconds, "score", job->score_seconds);
    result_seconds(seconds, "evaluate", job->evaluate_seconds);
    result_seconds(seconds, "write", job->write_seconds);
    result_seconds(seconds, "total", now_seconds() - job->session->started);
    return result;
}

int evaluating_finish(struct evaluating *job, struct spot_error *err)
{
    int status;
    progress_clear(&job->session->progress);
    SPOT_TRY(judge(job, err));
    const struct evaluated evaluated = {.evaluation = &job->evaluation,
                                        .classes = (const char *const *)job->classes.names,
                                        .rows = job->rows};
    SPOT_TRY(write_outputs(job, &evaluated, err));
    status = session_result(job->session, make_result(job, &evaluated), err);
out:
    return status;
}

void evaluating_close(struct evaluating *job)
{
    label_column_clear(&job->truth);
    label_column_clear(&job->predicted);
    classes_clear(&job->classes);
    evaluation_clear(&job->evaluation);
    free(job->target);
    free(job->scores);
    free(job->weights);
    for (int32_t j = 0; job->feature_names != NULL && j < job->features; j++)
        free(job->feature_names[j]);
    free(job->feature_names);
    free(job->importance);
}
