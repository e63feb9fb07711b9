/* Values out of a JSON document that may have been written by anyone: every one is looked for,
 * typed and limited, and an error names its place, "encoder.features[2].scale". */
#ifndef SPOT_DATA_JSON_READ_H
#define SPOT_DATA_JSON_READ_H

#include <cjson/cJSON.h>
#include <stdbool.h>
#include <stdint.h>

#include "blackspot.h"

/* Where the reader is, for messages. */
struct json_place {
    char text[120];
};

/* SPOT_EFORMAT with the place, and the key where it is not NULL, in front. */
int json_fail(const struct json_place *place, const char *key, struct spot_error *err,
              const char *format, ...) __attribute__((format(printf, 4, 5)));

/* Members of an object. `optional`: an absent one leaves *value as it is. */
int json_text(const cJSON *object, const char *key, bool optional, const char **value,
              const struct json_place *place, struct spot_error *err);
int json_number(const cJSON *object, const char *key, bool optional, double *value,
                const struct json_place *place, struct spot_error *err);
int json_bool(const cJSON *object, const char *key, bool optional, bool *value,
              const struct json_place *place, struct spot_error *err);
int json_choice(const cJSON *object, const char *key, bool optional, const char *const *words,
                int32_t *value, const struct json_place *place, struct spot_error *err);
/* An array of at most `limit` members; *array is NULL and *count 0 when it is optional and absent.
 */
int json_array(const cJSON *object, const char *key, bool optional, int32_t limit,
               const cJSON **array, int32_t *count, const struct json_place *place,
               struct spot_error *err);

#endif
