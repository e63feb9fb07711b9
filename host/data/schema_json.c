/* The columns of a schema in a model file: how scoring reads its table. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "base/memory.h"
#include "data/json_read.h"
#include "data/schema_internal.h"

enum { TEXTS_LIMIT = 10000 };

static bool add_texts(cJSON *object, const char *key, const char *const *texts, int count)
{
    if (count == 0) return true;
    cJSON *list = cJSON_AddArrayToObject(object, key);
    bool good = list != NULL;
    for (int i = 0; good && i < count; i++) {
        cJSON *item = cJSON_CreateString(texts[i]);
        good = cJSON_AddItemToArray(list, item) != 0;
        if (!good) cJSON_Delete(item);
    }
    return good;
}

static bool add_range(cJSON *object, const struct column_rule *rule)
{
    const double range[] = {rule->low, rule->high};
    if (!rule->clears) return true;
    cJSON *list = cJSON_CreateDoubleArray(range, 2);
    bool good = cJSON_AddItemToObject(object, "range", list) != 0;
    if (!good) cJSON_Delete(list);
    return good;
}

static bool add_column(cJSON *list, const struct column_spec *spec, const struct column_rule *rule)
{
    char decimal[2] = {spec->decimal, '\0'};
    cJSON *object = cJSON_CreateObject();
    if (!cJSON_AddItemToArray(list, object)) {
        cJSON_Delete(object);
        return false;
    }
    const char *type = column_type_words[spec->type];
    return cJSON_AddStringToObject(object, "name", spec->name) != NULL &&
           cJSON_AddStringToObject(object, "type", type) != NULL &&
           cJSON_AddStringToObject(object, "from", spec->source) != NULL &&
           (spec->second == NULL ||
            cJSON_AddStringToObject(object, "second", spec->second) != NULL) &&
           add_texts(object, "formats", spec->formats, spec->formats_count) &&
           add_texts(object, "missing", spec->missing, spec->missing_count) &&
           (spec->decimal == '.' || cJSON_AddStringToObject(object, "decimal", decimal) != NULL) &&
           (!spec->optional || cJSON_AddTrueToObject(object, "optional") != NULL) &&
           add_range(object, rule);
}

cJSON *schema_columns_json(const struct schema *schema, const bool *wanted)
{
    cJSON *list = cJSON_CreateArray();
    bool good = list != NULL;
    for (int32_t i = 0; good && i < schema->count; i++)
        if (wanted == NULL || wanted[i])
            good = add_column(list, &schema->specs[i], &schema->rules[i]);
    if (good) return list;
    cJSON_Delete(list);
    return NULL;
}

cJSON *schema_to_json(const struct schema *schema)
{
    return schema_columns_json(schema, NULL);
}

static int read_texts(const cJSON *object, const char *key, const char *const **texts, int *count,
                      const struct json_place *place, struct spot_error *err)
{
    const cJSON *array, *item;
    int32_t found;
    int status = json_array(object, key, true, TEXTS_LIMIT, &array, &found, place, err);
    if (status < 0 || array == NULL) return status;
    char **copies = calloc((size_t)found + 1, sizeof *copies);
    if (copies == NULL) return spot_fail_memory(err, "the schema");
    *texts = (const char *const *)copies;
    cJSON_ArrayForEach(item, array)
    {
        if (!cJSON_IsString(item)) return json_fail(place, key, err, "holds what is not a text");
        copies[*count] = spot_copy_text(item->valuestring);
        if (copies[*count] == NULL) return spot_fail_memory(err, "the schema");
        ++*count;
    }
    return SPOT_OK;
}

static int read_source(const cJSON *object, struct column_spec *spec,
                       const struct json_place *place, struct spot_error *err)
{
    const char *from = NULL, *second = NULL;
    int status = json_text(object, "from", false, &from, place, err);
    if (status == SPOT_OK) status = json_text(object, "second", true, &second, place, err);
    if (status < 0) return status;
    if (second != NULL && spec->type != COLUMN_TIMESTAMP)
        return json_fail(place, "second", err, "goes with a timestamp");
    free((void *)(uintptr_t)spec->source);
    spec->source = spot_copy_text(from);
    if (second != NULL) spec->second = spot_copy_text(second);
    if (spec->source == NULL || (second != NULL && spec->second == NULL))
        return spot_fail_memory(err, "the schema");
    return SPOT_OK;
}

/* Values outside of a range are missing. */
static int read_range(const cJSON *object, enum column_type type, struct column_rule *rule,
                      const struct json_place *place, struct spot_error *err)
{
    const cJSON *range;
    int32_t count;
    int status = json_array(object, "range", true, 2, &range, &count, place, err);
    if (status < 0 || range == NULL) return status;
    if (type == COLUMN_CATEGORY || type == COLUMN_TEXT)
        return json_fail(place, "range", err, "goes with numbers and timestamps");
    const cJSON *low = range->child, *high = low != NULL ? low->next : NULL;
    if (!cJSON_IsNumber(low) || !cJSON_IsNumber(high) || !(low->valuedouble <= high->valuedouble))
        return json_fail(place, "range", err, "is not two numbers, the lower first");
    *rule =
        (struct column_rule){.clears = true, .low = low->valuedouble, .high = high->valuedouble};
    return SPOT_OK;
}

static int read_column(const cJSON *object, struct schema *schema, const struct json_place *place,
                       struct spot_error *err)
{
    const char *name = NULL, *decimal = ".";
    int32_t type = 0;
    bool optional = false;
    int status;
    SPOT_TRY(json_text(object, "name", false, &name, place, err));
    if (schema_find(schema, name) >= 0)
        return json_fail(place, "name", err, "%.60s is there twice", name);
    SPOT_TRY(json_choice(object, "type", false, column_type_words, &type, place, err));
    SPOT_TRY(json_text(object, "decimal", true, &decimal, place, err));
    if (strcmp(decimal, ".") != 0 && strcmp(decimal, ",") != 0)
        return json_fail(place, "decimal", err, "is neither . nor ,");
    SPOT_TRY(json_bool(object, "optional", true, &optional, place, err));
    SPOT_TRY(schema_add_column(schema, name, (enum column_type)type, err));
    struct column_spec *spec = &schema->specs[schema->count - 1];
    spec->decimal = *decimal;
    spec->optional = optional;
    struct column_rule *rule = &schema->rules[schema->count - 1];
    SPOT_TRY(read_range(object, spec->type, rule, place, err));
    SPOT_TRY(read_source(object, spec, place, err));
    SPOT_TRY(read_texts(object, "formats", &spec->formats, &spec->formats_count, place, err));
    SPOT_TRY(read_texts(object, "missing", &spec->missing, &spec->missing_count, place, err));
    if ((spec->type == COLUMN_TIMESTAMP) != (spec->formats_count > 0))
        return json_fail(place, "formats", err, "goes with a timestamp, and only there");
out:
    return status;
}

int schema_from_json(const cJSON *json, struct schema **out, struct spot_error *err)
{
    *out = NULL;
    struct json_place place = {"encoder"};
    const cJSON *array, *item;
    int32_t count, index = 0;
    int status = json_array(json, "columns", false, COLUMNS_LIMIT, &array, &count, &place, err);
    if (status < 0) return status;
    struct schema *schema = schema_new();
    if (schema == NULL) return spot_fail_memory(err, "the schema");
    if (schema_add_reading_checks(schema, err) < 0) status = SPOT_ENOMEM;
    for (item = array->child; item != NULL && status == SPOT_OK; item = item->next, index++) {
        snprintf(place.text, sizeof place.text, "encoder.columns[%d]", index);
        status = read_column(item, schema, &place, err);
    }
    if (status < 0)
        schema_free(schema);
    else
        *out = schema;
    return status;
}
