/* A fitted encoder in a model file, and back with every value checked. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "base/memory.h"
#include "data/encoder_internal.h"
#include "data/json_read.h"
#include "data/schema_internal.h"

/* ---- Writing ---- */

static bool add_text(cJSON *list, const char *text)
{
    cJSON *item = cJSON_CreateString(text);
    bool good = cJSON_AddItemToArray(list, item) != 0;
    if (!good) cJSON_Delete(item);
    return good;
}

static bool add_columns(cJSON *object, const struct schema *schema, const struct feature *feature)
{
    cJSON *list = cJSON_AddArrayToObject(object, "columns");
    bool good = list != NULL;
    for (int32_t c = 0; good && c < feature->columns_count; c++)
        good = add_text(list, schema->specs[feature->columns[c]].name);
    return good;
}

static bool add_number(cJSON *object, const char *key, double value, double usual)
{
    return value == usual || cJSON_AddNumberToObject(object, key, value) != NULL;
}

static bool add_word(cJSON *object, const char *key, const char *const *words, int word)
{
    return word == 0 || cJSON_AddStringToObject(object, key, words[word]) != NULL;
}

/* Texts with a column or code of their own, the grouped ones, and how often all of them occur. */
static bool add_categories(cJSON *object, const struct feature *feature)
{
    cJSON *own = cJSON_AddArrayToObject(object, "categories");
    cJSON *rare = cJSON_AddArrayToObject(object, "grouped");
    cJSON *shares = cJSON_AddArrayToObject(object, "shares");
    bool good = own != NULL && rare != NULL && shares != NULL &&
                cJSON_AddBoolToObject(object, "other", feature->other) != NULL;
    for (int32_t i = 0; good && i < feature->categories.count; i++)
        good = add_text(feature->targets[i] < feature->kept ? own : rare,
                        feature->categories.texts[i]);
    for (int32_t i = 0; good && i <= feature->kept; i++) {
        cJSON *share = cJSON_CreateNumber(feature->shares[i]);
        good = cJSON_AddItemToArray(shares, share) != 0;
        if (!good) cJSON_Delete(share);
    }
    return good;
}

static bool add_feature(cJSON *list, const struct schema *schema, const struct feature *feature)
{
    cJSON *object = cJSON_CreateObject();
    if (!cJSON_AddItemToArray(list, object)) {
        cJSON_Delete(object);
        return false;
    }
    bool category = feature->encode != ENCODE_NONE;
    return cJSON_AddStringToObject(object, "name", feature->name) != NULL &&
           add_columns(object, schema, feature) &&
           add_word(object, "derive", derive_words, (int)feature->derive) &&
           add_number(object, "period", feature->period, 0.0) &&
           add_word(object, "impute", impute_words, (int)feature->impute) &&
           add_number(object, "fill", feature->fill, 0.0) &&
           (feature->fill_text == NULL ||
            cJSON_AddStringToObject(object, "fill_text", feature->fill_text) != NULL) &&
           (!feature->indicator || cJSON_AddTrueToObject(object, "indicator") != NULL) &&
           add_word(object, "scale", scale_words, (int)feature->scale) &&
           add_number(object, "centre", feature->centre, 0.0) &&
           add_number(object, "spread", feature->spread, 1.0) &&
           add_number(object, "offset", feature->offset, 0.0) &&
           add_word(object, "encode", encode_words, (int)feature->encode) &&
           add_word(object, "unknown", unknown_words, (int)feature->unknown) &&
           (!category || add_categories(object, feature));
}

cJSON *encoder_to_json(const struct encoder *encoder)
{
    cJSON *root = cJSON_CreateObject(), *columns = NULL, *features;
    bool *used = spot_alloc_zero(encoder->schema->count, sizeof *used);
    if (used != NULL) encoder_mark_used(encoder, used);
    if (used != NULL) columns = schema_columns_json(encoder->schema, used);
    free(used);
    bool good = root != NULL && columns != NULL;
    if (good) good = cJSON_AddItemToObject(root, "columns", columns) != 0;
    if (!good) cJSON_Delete(columns);
    features = good ? cJSON_AddArrayToObject(root, "features") : NULL;
    good = features != NULL;
    for (int32_t f = 0; good && f < encoder->count; f++)
        good = add_feature(features, encoder->schema, &encoder->features[f]);
    if (good) return root;
    cJSON_Delete(root);
    return NULL;
}

/* ---- Reading ---- */

static int read_columns(const cJSON *object, const struct schema *schema, struct feature *feature,
                        const struct json_place *place, struct spot_error *err)
{
    const cJSON *array, *item;
    int32_t count;
    int status = json_array(object, "columns", false, 3, &array, &count, place, err);
    if (status < 0) return status;
    if (count == 0) return json_fail(place, "columns", err, "is empty");
    cJSON_ArrayForEach(item, array)
    {
        const char *name = cJSON_IsString(item) ? item->valuestring : "";
        int32_t column = schema_find(schema, name);
        if (column < 0)
            return json_fail(place, "columns", err, "%.60s is none of encoder.columns", name);
        feature->columns[feature->columns_count++] = column;
    }
    return SPOT_OK;
}

/* Texts of an array, each once, with `count` for their number. */
static int read_texts(const cJSON *array, const char *key, int64_t count,
                      struct categories *categories, const struct json_place *place,
                      struct spot_error *err)
{
    const cJSON *item;
    cJSON_ArrayForEach(item, array)
    {
        if (!cJSON_IsString(item)) return json_fail(place, key, err, "holds what is no text");
        if (categories_find(categories, item->valuestring) >= 0)
            return json_fail(place, key, err, "%.60s is there twice", item->valuestring);
        if (categories_add(categories, item->valuestring, count) < 0)
            return spot_fail_memory(err, "the categories");
    }
    return SPOT_OK;
}

/* The grouped ones are told from the others by a count of 0: no share is below `rare` then. */
static int read_categories(const cJSON *object, struct feature *feature,
                           const struct json_place *place, struct spot_error *err)
{
    const cJSON *own, *grouped, *shares, *item;
    int32_t own_count, grouped_count, shares_count, at = 0;
    bool other = false;
    int status;
    SPOT_TRY(json_array(object, "categories", false, CATEGORIES_LIMIT / 2, &own, &own_count, place,
                        err));
    SPOT_TRY(json_array(object, "grouped", false, CATEGORIES_LIMIT / 2, &grouped, &grouped_count,
                        place, err));
    SPOT_TRY(
        json_array(object, "shares", false, CATEGORIES_LIMIT, &shares, &shares_count, place, err));
    SPOT_TRY(json_bool(object, "other", false, &other, place, err));
    if (shares_count != own_count + 1)
        return json_fail(place, "shares", err, "has %d members for %d categories", shares_count,
                         own_count);
    if (!other && (grouped_count > 0 || feature->unknown == UNKNOWN_OTHER || own_count == 0))
        return json_fail(place, "other", err, "must be true");
    SPOT_TRY(read_texts(own, "categories", 2, &feature->categories, place, err));
    SPOT_TRY(read_texts(grouped, "grouped", 0, &feature->categories, place, err));
    feature->rare = 1e-9;
    SPOT_TRY(encoder_group_categories(feature, err));
    feature->other = other;
    cJSON_ArrayForEach(item, shares)
    {
        if (!cJSON_IsNumber(item) || !(item->valuedouble >= 0.0 && item->valuedouble <= 1.0))
            return json_fail(place, "shares", err, "holds what is no share");
        feature->shares[at++] = item->valuedouble;
    }
out:
    return status;
}

static int read_words(const cJSON *object, struct feature *feature, const struct json_place *place,
                      struct spot_error *err)
{
    int32_t derive = 0, impute = 0, scale = 0, encode = 0, unknown = 0;
    int status;
    SPOT_TRY(json_choice(object, "derive", true, derive_words, &derive, place, err));
    SPOT_TRY(json_choice(object, "impute", true, impute_words, &impute, place, err));
    SPOT_TRY(json_choice(object, "scale", true, scale_words, &scale, place, err));
    SPOT_TRY(json_choice(object, "encode", true, encode_words, &encode, place, err));
    SPOT_TRY(json_choice(object, "unknown", true, unknown_words, &unknown, place, err));
    feature->derive = (enum derive)derive;
    feature->impute = (enum impute)impute;
    feature->scale = (enum scale)scale;
    feature->encode = (enum encode)encode;
    feature->unknown = (enum unknown)unknown;
out:
    return status;
}

static int read_feature(const cJSON *object, struct encoder *encoder,
                        const struct json_place *place, struct spot_error *err)
{
    const char *name = NULL, *fill_text = NULL;
    struct spot_error reason;
    int status;
    struct feature *feature = encoder_add_feature(encoder);
    if (feature == NULL) return spot_fail_memory(err, "the encoder");
    SPOT_TRY(json_text(object, "name", false, &name, place, err));
    SPOT_TRY(json_text(object, "fill_text", true, &fill_text, place, err));
    feature->name = spot_copy_text(name);
    if (fill_text != NULL) feature->fill_text = spot_copy_text(fill_text);
    if (feature->name == NULL || (fill_text != NULL && feature->fill_text == NULL))
        return spot_fail_memory(err, "the encoder");
    SPOT_TRY(read_columns(object, encoder->schema, feature, place, err));
    SPOT_TRY(read_words(object, feature, place, err));
    SPOT_TRY(json_number(object, "period", true, &feature->period, place, err));
    SPOT_TRY(json_number(object, "fill", true, &feature->fill, place, err));
    SPOT_TRY(json_bool(object, "indicator", true, &feature->indicator, place, err));
    SPOT_TRY(json_number(object, "centre", true, &feature->centre, place, err));
    SPOT_TRY(json_number(object, "spread", true, &feature->spread, place, err));
    SPOT_TRY(json_number(object, "offset", true, &feature->offset, place, err));
    if (feature->period < 0.0) return json_fail(place, "period", err, "is below 0");
    if (!(feature->spread > 0.0)) return json_fail(place, "spread", err, "is not above 0");
    if (feature->period > 0.0 && feature->encode != ENCODE_NONE)
        return json_fail(place, "period", err, "does not go with encode");
    if (encoder_check_columns(encoder, feature, &reason) < 0)
        return json_fail(place, NULL, err, "%s", reason.message);
    if (feature->encode != ENCODE_NONE) SPOT_TRY(read_categories(object, feature, place, err));
    if (feature->encode == ENCODE_ONE_HOT && feature->kept > ONE_HOT_LIMIT)
        return json_fail(place, "categories", err, "are more than %d", ONE_HOT_LIMIT);
out:
    return status;
}

int encoder_from_json(const cJSON *json, const struct schema *schema, struct encoder **out,
                      struct spot_error *err)
{
    *out = NULL;
    struct json_place place = {"encoder"};
    const cJSON *array;
    int32_t count, index = 0;
    int status = json_array(json, "features", false, WIDTH_LIMIT, &array, &count, &place, err);
    if (status < 0) return status;
    if (count == 0) return json_fail(&place, "features", err, "is empty");
    struct encoder *encoder = encoder_new(schema);
    if (encoder == NULL) return spot_fail_memory(err, "the encoder");
    for (const cJSON *item = array->child; item != NULL && status == SPOT_OK; item = item->next) {
        snprintf(place.text, sizeof place.text, "encoder.features[%d]", index++);
        status = read_feature(item, encoder, &place, err);
    }
    if (status == SPOT_OK) {
        struct spot_error reason;
        status = encoder_layout(encoder, &reason);
        if (status < 0) {
            snprintf(place.text, sizeof place.text, "encoder.features");
            status = json_fail(&place, NULL, err, "%s", reason.message);
        }
    }
    if (status < 0)
        encoder_free(encoder);
    else
        *out = encoder;
    return status;
}
