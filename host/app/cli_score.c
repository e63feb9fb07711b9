/* `blackspot score`: a model and rows in, scores out, a batch at a time: clusters and distances
 * here, what trees predict in score_forest.c. */
#define _GNU_SOURCE /* argp */
#include <stdlib.h>
#include <string.h>

#include "app/forest_model.h"
#include "app/result.h"
#include "app/score_columns.h"
#include "app/score_forest.h"
#include "app/score_input.h"
#include "base/error.h"
#include "data/writer.h"

static const struct argp_option score_options[] = {
    {0, 0, 0, 0, "Data and results:", 1},
    {"model", OPTION_KEY(OPTION_MODEL), "MODEL", 0,
     "the model file: KMeans or mixture of this program, or trees of XGBoost (JSON, UBJSON) or "
     "LightGBM (text), told apart by its content",
     1},
    {"input", OPTION_KEY(OPTION_INPUT), "DATA", 0,
     "raw files as the model was trained on (.csv, .gz, .zst, - for standard input), repeated for "
     "several; or one .npy as 'blackspot prepare' writes it",
     1},
    {"config", OPTION_KEY(OPTION_CONFIG), "FILE", 0,
     "YAML whose `input` says how the files are read: encoding, delimiter, on_bad_row", 1},
    {"set", OPTION_KEY(OPTION_SET), "KEY=VALUE", 0,
     "overrides the configuration, as in --set input.encoding=latin1; may be repeated", 1},
    {"output", OPTION_KEY(OPTION_OUTPUT), "SCORES", 0,
     ".csv or .jsonl (also .gz, .zst) or .npy; - is CSV on standard output, the result then goes "
     "to the log",
     1},
    {"id", OPTION_KEY(OPTION_ID), "COLUMN", 0, "a column of the input to carry through", 1},
    {"output-kind", OPTION_KEY(OPTION_OUTPUT_KIND), "KIND", 0,
     "of KMeans label, distance (to the nearest centre, in the matrix's units; 1 - cos for a model "
     "with the metric cosine) or both (default); "
     "of a mixture label, proba (a column for each component), log_likelihood or both (label and "
     "log-likelihood, default); for .npy label is the default; of trees value (default), margin, "
     "label, leaf or contributions (what each feature gave to the margin, exact Shapley values, "
     "and the bias: they add up to the margin)",
     1},
    {0, 0, 0, 0, "Trees:", 2},
    {"iterations", OPTION_KEY(OPTION_ITERATIONS), "A:B", 0,
     "only these iterations, from A up to but without B (default: all, or up to the best after "
     "early stopping)",
     2},
    {"features", OPTION_KEY(OPTION_FEATURES), "A,B,...", 0,
     "the table's columns in the order of the model's features (default: by the model's names, or "
     "every column where it has none)",
     2},
    {"base-margin", OPTION_KEY(OPTION_BASE_MARGIN), "COLUMN", 0,
     "a column of margins that the trees are added to; with several outputs one for each, "
     "separated by commas",
     2},
    {0},
};

/* What one scoring holds. */
struct scoring {
    struct session *session;
    struct model model;
    struct model_encoder encoder;
    struct score_columns scores;
    struct score_writer *writer;
    int64_t rows;
    double score_seconds, write_seconds;
};

static int open_writer(struct scoring *job, struct spot_error *err)
{
    const struct arguments *arguments = &job->session->arguments;
    struct score_columns *scores = &job->scores;
    int status = score_columns_open(arguments, &job->model, scores, err);
    if (status < 0) return status;
    return score_writer_open(arguments->value[OPTION_OUTPUT], arguments->value[OPTION_ID],
                             scores->names, scores->is_label, scores->count, -1, &job->writer, err);
}

static int score_rows(void *arg, const struct scored_rows *rows, struct spot_error *err)
{
    struct scoring *job = arg;
    const struct spot_matrix matrix = {.values = rows->values,
                                       .values64 = rows->values64,
                                       .rows = rows->rows,
                                       .columns = job->model.columns};
    int status;
    double started = now_seconds();
    SPOT_TRY(score_columns_make(&job->scores, job->session->engine, &matrix, err));
    double scored = now_seconds();
    SPOT_TRY(score_writer_put(job->writer, rows->rows, rows->id_offsets, rows->id_bytes,
                              job->scores.columns, err));
    job->rows += rows->rows;
    job->score_seconds += scored - started;
    job->write_seconds += now_seconds() - scored;
out:
    return status;
}

static int finish(struct scoring *job, struct spot_error *err)
{
    if (session_stopped(job->session)) return SPOT_ESTOPPED;
    double started = now_seconds();
    struct score_writer *writer = job->writer;
    job->writer = NULL; /* commit closes it, whatever happens */
    int status = score_writer_commit(writer, err);
    job->write_seconds += now_seconds() - started;
    return status;
}

static cJSON *make_result(const struct scoring *job, double read_seconds)
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
    cJSON_AddStringToObject(result, "device", spot_engine_device(session->engine));
    cJSON *seconds = cJSON_AddObjectToObject(result, "seconds");
    result_seconds(seconds, "read", read_seconds);
    result_seconds(seconds, "score", job->score_seconds);
    result_seconds(seconds, "write", job->write_seconds);
    result_seconds(seconds, "total", now_seconds() - session->started);
    return result;
}

/* What means something for trees alone. */
static int refuse_tree_options(const struct arguments *arguments, struct spot_error *err)
{
    static const enum option_id options[] = {OPTION_ITERATIONS, OPTION_FEATURES,
                                             OPTION_BASE_MARGIN};
    for (size_t i = 0; i < sizeof options / sizeof *options; i++)
        if (given(arguments, options[i]))
            return spot_fail(err, SPOT_EUSAGE, "--%s is for models of trees",
                             option_name(options[i]));
    return SPOT_OK;
}

static int score(struct session *session, struct spot_error *err)
{
    const struct arguments *arguments = &session->arguments;
    struct scoring job = {.session = session};
    int status;
    SPOT_TRY(session_require(session, OPTION_MODEL, "model.json", err));
    SPOT_TRY(session_require(session, OPTION_INPUT, "accidents.csv", err));
    SPOT_TRY(session_require(session, OPTION_OUTPUT, "scores.csv", err));
    SPOT_TRY(session_check_output(session, arguments->value[OPTION_OUTPUT], err));
    if (is_forest(arguments->value[OPTION_MODEL])) return score_forest(session, err);
    SPOT_TRY(refuse_tree_options(arguments, err));
    SPOT_TRY(model_read(arguments->value[OPTION_MODEL], &job.model, err));
    SPOT_TRY(model_encoder_open(&job.model, arguments->value[OPTION_MODEL], &job.encoder, err));
    SPOT_TRY(session_engine(session, err));
    SPOT_TRY(open_writer(&job, err));
    double started = now_seconds();
    const struct extra_columns extra = {.id = arguments->value[OPTION_ID]};
    SPOT_TRY(score_input_each(session, &job.model, &job.encoder, &extra, score_rows, &job, err));
    double read = now_seconds() - started - job.score_seconds - job.write_seconds;
    progress_clear(&session->progress);
    SPOT_TRY(finish(&job, err));
    SPOT_TRY(session_result(session, make_result(&job, read), err));
out:
    score_writer_abandon(job.writer);
    score_columns_close(&job.scores);
    model_encoder_close(&job.encoder);
    model_clear(&job.model);
    return status;
}

const struct command command_score = {
    .name = "score",
    .summary = "give each row its cluster, component or prediction",
    .usage = "--model MODEL --input DATA --output SCORES [OPTION...]",
    .about = "Reads rows, encodes them as in training, and writes each row's cluster and its "
             "distance to that cluster's centre, or of a mixture the component and the "
             "log-likelihood, which is low for unusual rows, or what trees predict for it. Columns "
             "of a raw file may come in any "
             "order, and "
             "others beside them. Memory does not grow with the file.",
    .example = "blackspot score --model model.json --input Accidents_2015.csv.gz "
               "--id Accident_Index --output scores.csv.gz",
    .options = score_options,
    .run = score,
};
