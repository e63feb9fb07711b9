#define _GNU_SOURCE /* memmem */
#include "app/forest_model.h"

#include <stdio.h>
#include <string.h>

#include "base/error.h"
#include "models/lightgbm_read.h"

/* XGBoost's documents begin with their learner, as JSON or UBJSON; ours with their format. */
bool is_forest(const char *path)
{
    static const char learner[] = "learner";
    char head[4096];
    if (is_lightgbm(path)) return true;
    FILE *file = fopen(path, "rbe");
    if (file == NULL) return false;
    const size_t size = fread(head, 1, sizeof head, file);
    fclose(file);
    if (size >= 4 && memcmp(head, "binf", 4) == 0) return true; /* XGBoost's old binary format */
    if (size < 2 || head[0] != '{') return false;
    size_t key = 1;
    while (key < size && strchr(" \t\r\n", head[key]) != NULL)
        key++;
    if (size - key >= 8 && memcmp(head + key, "\"format\"", 8) == 0) return false;
    return memmem(head, size, learner, sizeof learner - 1) != NULL;
}

const char *forest_format(const char *path)
{
    char head[2] = {0};
    if (is_lightgbm(path)) return "LightGBM, text";
    FILE *file = fopen(path, "rbe");
    const bool read = file != NULL && fread(head, 1, sizeof head, file) == sizeof head;
    if (file != NULL) fclose(file);
    const bool json = read && head[1] != '\0' && strchr(" \t\r\n\"", head[1]) != NULL;
    return json ? "XGBoost, JSON" : "XGBoost, UBJSON";
}

/* The encoder as `prepare` writes it, or the part of it that models hold. */
static int open_encoder(struct forest_model *model, struct spot_error *err)
{
    struct model_encoder *opened = &model->encoder;
    cJSON *document = cJSON_Parse(model->forest->encoder);
    const cJSON *inner = cJSON_GetObjectItemCaseSensitive(document, "encoder");
    const cJSON *json = inner != NULL ? inner : document;
    int status;
    if (document == NULL) return spot_fail(err, SPOT_EFORMAT, "its encoder is no JSON");
    SPOT_TRY(schema_from_json(json, &opened->schema, err));
    SPOT_TRY(encoder_from_json(json, opened->schema, &opened->encoder, err));
    if (encoder_width(opened->encoder) != model->forest->forest.features)
        status = spot_fail(err, SPOT_EFORMAT,
                           "the encoder makes %d features, but the model has %d; convert the model "
                           "again with the encoder it was trained with",
                           encoder_width(opened->encoder), model->forest->forest.features);
out:
    cJSON_Delete(document);
    return status;
}

int forest_model_open(const char *path, struct forest_model *model, struct spot_error *err)
{
    *model = (struct forest_model){0};
    int status = spot_forest_load(path, &model->forest, err);
    if (status == SPOT_OK)
        status = forest_categories_open(path, model->forest, &model->categories,
                                        &model->categories_placed, err);
    if (status < 0 || model->forest->encoder == NULL) return status;
    status = open_encoder(model, err);
    if (status < 0) {
        char reason[sizeof err->message];
        snprintf(reason, sizeof reason, "%s", err->message);
        spot_fail(err, status, "%.200s: %s", path, reason);
    }
    return status;
}

void forest_model_close(struct forest_model *model)
{
    model_encoder_close(&model->encoder);
    forest_categories_close(model->forest, model->categories);
    spot_forest_free(model->forest);
    *model = (struct forest_model){0};
}
