/* Typed members of JSON objects, with the place of what is wrong. */
#include "data/json_read.h"

#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "base/error.h"

int json_fail(const struct json_place *place, const char *key, struct spot_error *err,
              const char *format, ...)
{
    char message[400];
    va_list args;
    va_start(args, format);
    vsnprintf(message, sizeof message, format, args);
    va_end(args);
    return spot_fail(err, SPOT_EFORMAT, "%s%s%s: %s", place->text, key == NULL ? "" : ".",
                     key == NULL ? "" : key, message);
}

/* The member; NULL with SPOT_OK when it may be absent and is. */
static int get(const cJSON *object, const char *key, bool optional, const cJSON **member,
               const struct json_place *place, struct spot_error *err)
{
    *member = NULL;
    if (!cJSON_IsObject(object)) return json_fail(place, NULL, err, "is not an object");
    *member = cJSON_GetObjectItemCaseSensitive(object, key);
    if (*member == NULL && !optional) return json_fail(place, key, err, "is not there");
    return SPOT_OK;
}

int json_text(const cJSON *object, const char *key, bool optional, const char **value,
              const struct json_place *place, struct spot_error *err)
{
    const cJSON *member;
    int status = get(object, key, optional, &member, place, err);
    if (status < 0 || member == NULL) return status;
    if (!cJSON_IsString(member)) return json_fail(place, key, err, "is not a text");
    *value = member->valuestring;
    return SPOT_OK;
}

int json_number(const cJSON *object, const char *key, bool optional, double *value,
                const struct json_place *place, struct spot_error *err)
{
    const cJSON *member;
    int status = get(object, key, optional, &member, place, err);
    if (status < 0 || member == NULL) return status;
    if (!cJSON_IsNumber(member) || !isfinite(member->valuedouble))
        return json_fail(place, key, err, "is not a finite number");
    *value = member->valuedouble;
    return SPOT_OK;
}

int json_bool(const cJSON *object, const char *key, bool optional, bool *value,
              const struct json_place *place, struct spot_error *err)
{
    const cJSON *member;
    int status = get(object, key, optional, &member, place, err);
    if (status < 0 || member == NULL) return status;
    if (!cJSON_IsBool(member)) return json_fail(place, key, err, "is neither true nor false");
    *value = cJSON_IsTrue(member) != 0;
    return SPOT_OK;
}

int json_choice(const cJSON *object, const char *key, bool optional, const char *const *words,
                int32_t *value, const struct json_place *place, struct spot_error *err)
{
    const char *text = NULL;
    int status = json_text(object, key, optional, &text, place, err);
    if (status < 0 || text == NULL) return status;
    for (int32_t i = 0; words[i] != NULL; i++) {
        if (strcmp(words[i], text) != 0) continue;
        *value = i;
        return SPOT_OK;
    }
    return json_fail(place, key, err, "%.60s is not known", text);
}

int json_array(const cJSON *object, const char *key, bool optional, int32_t limit,
               const cJSON **array, int32_t *count, const struct json_place *place,
               struct spot_error *err)
{
    *array = NULL;
    *count = 0;
    const cJSON *member;
    int status = get(object, key, optional, &member, place, err);
    if (status < 0 || member == NULL) return status;
    if (!cJSON_IsArray(member)) return json_fail(place, key, err, "is not an array");
    int found = cJSON_GetArraySize(member);
    if (found < 0 || found > limit)
        return json_fail(place, key, err, "has %d members, at most %d are read", found, limit);
    *array = member;
    *count = found;
    return SPOT_OK;
}
