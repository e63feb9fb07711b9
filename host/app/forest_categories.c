#include "app/forest_categories.h"

#include <cjson/cJSON.h>
#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "base/memory.h"
#include "data/decimal.h"
#include "data/writer.h"

static int damaged(const char *path, const char *what, struct spot_error *err)
{
    return spot_fail(err, SPOT_EFORMAT, "%.200s: the names of its categories %s", path, what);
}

static int add_name(struct feature_categories *feature, const char *path, const char *name,
                    struct spot_error *err)
{
    const int32_t count = feature->names.count;
    int status = categories_add(&feature->names, name, 1);
    if (status == SPOT_ENOMEM) return spot_fail_memory(err, "the categories");
    if (status < 0 || feature->names.count == count)
        return damaged(path, status < 0 ? "are too many" : "come twice", err);
    return SPOT_OK;
}

static int add_number(struct feature_categories *feature, const char *path, double value,
                      struct spot_error *err)
{
    char name[32];
    format_double(value, name);
    feature->numbers = true;
    return add_name(feature, path, name, err);
}

/* ---- XGBoost -------------------------------------------------------------------------------- */

/* {"offsets": [0, 3, ...], "values": [114, 101, 100, ...]}: texts as bytes. */
static int add_texts(struct feature_categories *feature, const char *path, const cJSON *offsets,
                     const cJSON *values, struct spot_error *err)
{
    const cJSON *byte = values->child, *offset = offsets->child;
    char *name = spot_alloc((int64_t)cJSON_GetArraySize(values) + 1, 1);
    int status = name == NULL ? spot_fail_memory(err, "the categories") : SPOT_OK;
    for (; status == SPOT_OK && offset != NULL && offset->next != NULL; offset = offset->next) {
        double length = offset->next->valuedouble - offset->valuedouble, had = 0.0;
        for (; had < length && byte != NULL; had += 1.0, byte = byte->next)
            name[(int64_t)had] = (char)byte->valueint;
        name[(int64_t)had] = '\0';
        status = had < length || length < 0.0 ? damaged(path, "are cut short", err)
                                              : add_name(feature, path, name, err);
    }
    free(name);
    return status;
}

static int read_cats(const char *path, const cJSON *document, int32_t features,
                     struct feature_categories *out, struct spot_error *err)
{
    const cJSON *list = cJSON_GetObjectItemCaseSensitive(document, "enc"), *item;
    int32_t j = 0;
    int status = SPOT_OK;
    if (cJSON_GetArraySize(list) != features)
        return damaged(path, "are not those of its features", err);
    cJSON_ArrayForEach(item, list)
    {
        const cJSON *offsets = cJSON_GetObjectItemCaseSensitive(item, "offsets");
        const cJSON *values = cJSON_GetObjectItemCaseSensitive(item, "values"), *value;
        if (!cJSON_IsArray(values)) return damaged(path, "have no values", err);
        if (cJSON_IsArray(offsets)) {
            status = add_texts(&out[j], path, offsets, values, err);
        } else {
            cJSON_ArrayForEach(value, values)
            {
                if (status == SPOT_OK) status = add_number(&out[j], path, value->valuedouble, err);
            }
        }
        if (status < 0) return status;
        j++;
    }
    return SPOT_OK;
}

/* ---- LightGBM ------------------------------------------------------------------------------- */

/* Marks the features whose information is a list of categories, "1:0:2", and not a range, "[0:1]",
 * nor "none", as of those that were constant. Returns how many. */
static int32_t find_categorical(const spot_forest *forest, bool *marked)
{
    int32_t count = 0;
    const char *at = forest->feature_infos;
    for (int32_t j = 0; at != NULL && j < forest->forest.features; j++) {
        const size_t length = strcspn(at, " ");
        marked[j] = *at == '-' || (*at >= '0' && *at <= '9');
        count += marked[j];
        at += length + (at[length] == ' ');
    }
    return count;
}

static int add_value(struct feature_categories *feature, const char *path, const cJSON *value,
                     struct spot_error *err)
{
    if (cJSON_IsString(value)) return add_name(feature, path, value->valuestring, err);
    if (cJSON_IsBool(value))
        return add_name(feature, path, cJSON_IsTrue(value) ? "True" : "False", err);
    if (cJSON_IsNumber(value)) return add_number(feature, path, value->valuedouble, err);
    return damaged(path, "are neither texts nor numbers", err);
}

/* [["blue", "red"], [3, 7, 11]]: a list for each column that pandas calls categorical, in order.
 * *placed: whether the file says which these are. */
static int read_pandas(const char *path, const cJSON *document, const spot_forest *forest,
                       struct feature_categories *out, bool *placed, struct spot_error *err)
{
    const cJSON *list = document->child, *value;
    const int32_t features = forest->forest.features;
    int status = SPOT_OK;
    bool *marked = spot_alloc_zero(features, sizeof *marked);
    if (marked == NULL) return spot_fail_memory(err, "the categories");
    *placed = find_categorical(forest, marked) == cJSON_GetArraySize(document);
    for (int32_t j = 0; *placed && j < features && status == SPOT_OK; j++) {
        if (!marked[j]) continue;
        cJSON_ArrayForEach(value, list)
        {
            if (status == SPOT_OK) status = add_value(&out[j], path, value, err);
        }
        list = list->next;
    }
    free(marked);
    return status;
}

/* ---- Both ----------------------------------------------------------------------------------- */

int forest_categories_open(const char *path, const spot_forest *forest,
                           struct feature_categories **features, bool *placed,
                           struct spot_error *err)
{
    const int32_t count = forest->forest.features;
    *features = NULL;
    *placed = true;
    if (forest->categories == NULL) return SPOT_OK;
    cJSON *document = cJSON_Parse(forest->categories);
    if (document == NULL) return damaged(path, "are no JSON", err);
    int status = SPOT_OK;
    if (cJSON_GetArraySize(document) > 0) {
        *features = spot_alloc_zero(count, sizeof **features);
        status = *features == NULL ? spot_fail_memory(err, "the categories")
                 : cJSON_IsArray(document)
                     ? read_pandas(path, document, forest, *features, placed, err)
                     : read_cats(path, document, count, *features, err);
    }
    cJSON_Delete(document);
    if (status < 0) {
        forest_categories_close(forest, *features);
        *features = NULL;
    }
    return status;
}

void forest_categories_close(const spot_forest *forest, struct feature_categories *features)
{
    for (int32_t j = 0; features != NULL && j < forest->forest.features; j++)
        categories_clear(&features[j].names);
    free(features);
}

int32_t forest_category(const struct feature_categories *feature, const char *text)
{
    char usual[32];
    double value;
    const int32_t found = categories_find(&feature->names, text);
    if (found >= 0 || !feature->numbers ||
        decimal_parse(text, text + strlen(text), '.', &value) != DECIMAL_OK)
        return found;
    format_double(value, usual);
    return categories_find(&feature->names, usual);
}
