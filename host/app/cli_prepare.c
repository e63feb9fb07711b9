/* `blackspot prepare`: raw files in, validated and encoded matrix out, its encoder beside it. */
#define _GNU_SOURCE /* argp */
#include <stdlib.h>
#include <string.h>

#include "app/encoder_file.h"
#include "app/result.h"
#include "app/session.h"
#include "base/error.h"
#include "data/writer.h"

static const struct argp_option prepare_options[] = {
    {0, 0, 0, 0, "Data and results:", 1},
    {"input", OPTION_KEY(OPTION_INPUT), "FILE", 0,
     "a .csv (also .gz, .zst, - for standard input), repeated for several of one shape; default: "
     "the configuration's input.files",
     1},
    {"config", OPTION_KEY(OPTION_CONFIG), "FILE", 0,
     "YAML: input, columns, checks, features, precision, kmeans, engine, seed", 1},
    {"set", OPTION_KEY(OPTION_SET), "KEY=VALUE", 0,
     "overrides the configuration, as in --set input.delimiter=';'; may be repeated", 1},
    {"output", OPTION_KEY(OPTION_OUTPUT), "FEATURES.npy", 0,
     "the float32 matrix to write; FEATURES.encoder.json comes beside it", 1},
    {"float64", OPTION_KEY(OPTION_FLOAT64), 0, 0, "write a float64 matrix", 1},
    {"report", OPTION_KEY(OPTION_REPORT), "FILE", 0,
     "also write every check with its counts and first offending rows as JSON, even when the data "
     "is refused",
     1},
    {0},
};

static int write_matrix(const char *path, const struct prepared *data, struct spot_error *err)
{
    struct writer *writer = NULL;
    int status;
    const bool wide = data->values64 != NULL;
    const void *values = wide ? (const void *)data->values64 : data->values;
    const size_t cells = (size_t)data->rows * (size_t)data->columns;
    SPOT_TRY(writer_open(path, &writer, err));
    SPOT_TRY(npy_write_header(writer, wide ? "<f8" : "<f4", data->rows, data->columns, err));
    SPOT_TRY(writer_put(writer, values, cells * (wide ? 8 : 4), err));
    return writer_commit(writer, err);
out:
    writer_abandon(writer);
    return status;
}

static int write_encoder(const char *matrix, const struct prepared *data, struct spot_error *err)
{
    char *path = encoder_file_path(matrix);
    cJSON *encoder = encoder_to_json(data->encoder);
    int status = path == NULL || encoder == NULL
                     ? spot_fail_memory(err, "the encoder")
                     : encoder_file_write(path, encoder, (const char *const *)data->names,
                                          data->columns, err);
    cJSON_Delete(encoder);
    free(path);
    return status;
}

/* The report comes first and in any case; the matrix comes last. */
static int write_results(struct session *session, struct prepared *data, int status,
                         struct spot_error *err)
{
    const struct arguments *arguments = &session->arguments;
    const char *output = arguments->value[OPTION_OUTPUT];
    if (given(arguments, OPTION_REPORT) && data->report != NULL) {
        struct spot_error report_err;
        int written = result_write(data->report, arguments->value[OPTION_REPORT], &report_err);
        data->report = NULL;
        if (written < 0 && status >= 0) {
            *err = report_err;
            status = written;
        }
    }
    if (status < 0) return status;
    if (session_stopped(session)) return SPOT_ESTOPPED;
    if (data->encoder != NULL) status = write_encoder(output, data, err);
    return status < 0 ? status : write_matrix(output, data, err);
}

static int print_result(struct session *session, const struct prepared *data, double write_seconds,
                        struct spot_error *err)
{
    cJSON *result = cJSON_CreateObject();
    if (result == NULL) return spot_fail_memory(err, "the result");
    cJSON_AddStringToObject(result, "command", session->command->name);
    cJSON_AddStringToObject(result, "output", session->arguments.value[OPTION_OUTPUT]);
    cJSON_AddNumberToObject(result, "rows", (double)data->rows);
    cJSON_AddNumberToObject(result, "features", data->columns);
    cJSON *seconds = cJSON_AddObjectToObject(result, "seconds");
    result_seconds(seconds, "read", data->read_seconds);
    result_seconds(seconds, "prepare", data->encode_seconds);
    result_seconds(seconds, "write", write_seconds);
    result_seconds(seconds, "total", now_seconds() - session->started);
    return result_print(result, err);
}

static int check_outputs(const struct session *session, struct spot_error *err)
{
    const struct arguments *arguments = &session->arguments;
    const char *report = arguments->value[OPTION_REPORT];
    char *encoder = NULL;
    int status;
    SPOT_TRY(session_require(session, OPTION_OUTPUT, "features.npy", err));
    if (!is_npy(arguments->value[OPTION_OUTPUT]))
        return spot_fail(err, SPOT_EUSAGE, "--output: '%.200s' does not end in .npy",
                         arguments->value[OPTION_OUTPUT]);
    SPOT_TRY(session_check_output(session, arguments->value[OPTION_OUTPUT], err));
    encoder = encoder_file_path(arguments->value[OPTION_OUTPUT]);
    if (encoder == NULL) return spot_fail_memory(err, "a path");
    SPOT_TRY(session_check_output(session, encoder, err));
    if (report == NULL) goto out;
    SPOT_TRY(session_check_output(session, report, err));
    if (strcmp(report, encoder) == 0)
        status = spot_fail(err, SPOT_EUSAGE, "%.200s is asked for two outputs", report);
out:
    free(encoder);
    return status;
}

static int prepare(struct session *session, struct spot_error *err)
{
    struct prepared data = {0};
    struct prepare_options reading;
    int status;
    SPOT_TRY(check_outputs(session, err));
    SPOT_TRY(session_reading(session, &reading, err));
    SPOT_TRY(session_precision(session, &reading.wide, err));
    SPOT_TRY(session_engine(session, err));
    status = prepare_table(&reading, engine_pool(session->engine), &data, err);
    progress_clear(&session->progress);
    double started = now_seconds();
    SPOT_TRY(write_results(session, &data, status, err));
    SPOT_TRY(print_result(session, &data, now_seconds() - started, err));
out:
    prepared_free(&data);
    return status;
}

const struct command command_prepare = {
    .name = "prepare",
    .summary = "validate and encode raw files into a matrix",
    .usage = "--config C --output FEATURES.npy [OPTION...]",
    .about =
        "Reads raw files, checks them against the configuration's columns and checks, encodes the "
        "features and writes them as a matrix of float32 or, if asked, float64. When a check of "
        "severity 'error' fails, "
        "nothing but the report is written and the exit code is 3.",
    .example = "blackspot prepare --config config/gb-2015.yaml --output features.npy --report "
               "report.json",
    .options = prepare_options,
    .run = prepare,
};
