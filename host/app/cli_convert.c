/* `blackspot convert MODEL OUT`: a model of trees in another format, with its encoder. */
#define _GNU_SOURCE /* argp */
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "app/encoder_file.h"
#include "app/session.h"
#include "base/error.h"
#include "base/memory.h"
#include "data/encoder.h"
#include "data/json.h"
#include "models/forest_write.h"

static const struct argp_option convert_options[] = {
    {"to", OPTION_KEY(OPTION_TO), "FORMAT", 0,
     "xgboost-json, xgboost-ubj or lightgbm (default: as OUT ends: .json, .ubj or .txt)", 1},
    {"encoder", OPTION_KEY(OPTION_ENCODER), "FILE", 0,
     "put this encoder into the model, so that it scores raw tables: the file that prepare writes "
     "beside a matrix, FEATURES.encoder.json",
     1},
    {0},
};

static const char *const formats[] = {"xgboost-json", "xgboost-ubj", "lightgbm", NULL};

static bool ends_in(const char *text, const char *end)
{
    const size_t length = strlen(text), tail = strlen(end);
    return length > tail && strcmp(text + length - tail, end) == 0;
}

static int choose_format(const struct arguments *arguments, int32_t *format, struct spot_error *err)
{
    static const char *const ends[] = {".json", ".ubj", ".txt"};
    *format = -1;
    if (ends_in(arguments->target, ".gz") || ends_in(arguments->target, ".zst"))
        return spot_fail(err, SPOT_EUSAGE,
                         "%.200s: models are not read compressed; leave .gz or .zst off",
                         arguments->target);
    int status = option_choice(arguments, OPTION_TO, formats, format, err);
    for (int32_t f = 0; f < 3 && *format < 0; f++)
        if (ends_in(arguments->target, ends[f])) *format = f;
    if (status < 0 || *format >= 0) return status;
    return spot_fail(err, SPOT_EUSAGE,
                     "which format? '%.200s' ends neither in .json, .ubj nor .txt; say --to "
                     "xgboost-json, xgboost-ubj or lightgbm",
                     arguments->target);
}

/* Names that the encoder gives take the place of none, and of LightGBM's Column_0, ... */
static int take_names(spot_forest *forest, const char *path, char **names, struct spot_error *err)
{
    const int32_t features = forest->forest.features;
    const bool none = forest->features == NULL || forest_names_are_default(forest);
    for (int32_t f = 0; !none && f < features; f++)
        if (strcmp(names[f], forest->features[f]) != 0)
            return spot_fail(err, SPOT_EUSAGE,
                             "%.200s: feature %d is %.100s, but the model's is %.100s", path, f,
                             names[f], forest->features[f]);
    for (int32_t f = 0; none && f < features; f++) {
        char **kept = forest->features;
        if (kept == NULL) kept = forest->features = calloc((size_t)features, sizeof *kept);
        if (kept == NULL) return spot_fail_memory(err, "the names of the features");
        free(kept[f]);
        kept[f] = spot_copy_text(names[f]);
        if (kept[f] == NULL) return spot_fail_memory(err, "the names of the features");
    }
    return SPOT_OK;
}

static int add_encoder(spot_forest *forest, const char *path, struct spot_error *err)
{
    cJSON *encoder = NULL;
    char **names = NULL, *text = NULL;
    int status;
    int32_t features = 0;
    SPOT_TRY(encoder_file_read(path, -1, &encoder, &names, err));
    if (encoder == NULL) {
        status = spot_fail(err, SPOT_EIO, "cannot read %.200s: there is no such file", path);
        goto out;
    }
    while (names[features] != NULL)
        features++;
    if (features != forest->forest.features) {
        status = spot_fail(err, SPOT_EFORMAT, "%.200s: the encoder has %d features, the model %d",
                           path, features, forest->forest.features);
        goto out;
    }
    SPOT_TRY(take_names(forest, path, names, err));
    text = json_print(encoder, false);
    if (text == NULL) {
        status = spot_fail_memory(err, "the encoder");
        goto out;
    }
    text[strlen(text) - 1] = '\0'; /* its line feed */
    free(forest->encoder);
    forest->encoder = text;
out:
    cJSON_Delete(encoder);
    names_free(names, features);
    return status;
}

/* In another library's format leaves are added in its own arithmetic. */
static int print_result(struct session *session, const spot_forest *forest, int32_t format,
                        struct spot_error *err)
{
    const struct spot_forest_info *info = spot_forest_info(forest);
    const bool to_lightgbm = format == SPOT_FOREST_LIGHTGBM_TEXT;
    cJSON *result = cJSON_CreateObject();
    if (result == NULL) return spot_fail_memory(err, "the result");
    cJSON_AddStringToObject(result, "command", session->command->name);
    cJSON_AddStringToObject(result, "model", session->arguments.argument);
    cJSON_AddStringToObject(result, "output", session->arguments.target);
    cJSON_AddStringToObject(result, "from", info->library);
    cJSON_AddStringToObject(result, "to", formats[format]);
    cJSON_AddStringToObject(result, "objective", info->objective);
    cJSON_AddNumberToObject(result, "trees", info->trees);
    cJSON_AddNumberToObject(result, "features", info->features);
    cJSON_AddBoolToObject(result, "encoder", forest->encoder != NULL);
    cJSON_AddBoolToObject(result, "same_bits",
                          (forest->forest.rules == FOREST_LIGHTGBM) == to_lightgbm);
    return session_result(session, result, err);
}

static int convert(struct session *session, struct spot_error *err)
{
    struct arguments *arguments = &session->arguments;
    spot_forest *forest = NULL;
    int32_t format = -1;
    int status;
    if (arguments->argument == NULL || arguments->target == NULL)
        return spot_fail(err, SPOT_EUSAGE,
                         "which model, and to which file? blackspot convert "
                         "MODEL OUT");
    arguments->value[OPTION_OUTPUT] = arguments->target;
    SPOT_TRY(choose_format(arguments, &format, err));
    SPOT_TRY(session_check_output(session, arguments->target, err));
    SPOT_TRY(spot_forest_load(arguments->argument, &forest, err));
    if (given(arguments, OPTION_ENCODER))
        SPOT_TRY(add_encoder(forest, arguments->value[OPTION_ENCODER], err));
    SPOT_TRY(spot_forest_save(forest, arguments->target, (enum spot_forest_format)format, err));
    status = print_result(session, forest, format, err);
out:
    spot_forest_free(forest);
    return status;
}

const struct command command_convert = {
    .name = "convert",
    .summary = "write a model of trees in another format",
    .usage = "MODEL OUT [--to FORMAT] [--encoder FILE]",
    .about = "Writes a model of XGBoost (JSON, UBJSON) or LightGBM (text) in one of these formats, "
             "with the names of its features and its encoder. In its own library's format it "
             "predicts the same bits. In the other's every row comes to the same leaves, whose "
             "values are added in that library's arithmetic. What a format cannot express is "
             "refused.",
    .example = "blackspot convert model.txt model.json --encoder features.encoder.json",
    .argument = "MODEL",
    .target = "OUT",
    .options = convert_options,
    .run = convert,
};
