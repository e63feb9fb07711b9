#define _POSIX_C_SOURCE 200809L
#include "app/encoder_file.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "app/result.h"
#include "base/error.h"
#include "base/memory.h"

enum { VERSION = 1, FILE_LIMIT = 64 << 20 };

int is_npy(const char *path)
{
    size_t length = strlen(path);
    return length > 4 && strcmp(path + length - 4, ".npy") == 0;
}

char *encoder_file_path(const char *matrix)
{
    static const char suffix[] = ".encoder.json";
    size_t stem = strlen(matrix) - (is_npy(matrix) ? 4 : 0);
    char *path = malloc(stem + sizeof suffix);
    if (path == NULL) return NULL;
    memcpy(path, matrix, stem);
    memcpy(path + stem, suffix, sizeof suffix);
    return path;
}

int encoder_file_write(const char *path, const cJSON *encoder, const char *const *names,
                       int32_t columns, struct spot_error *err)
{
    cJSON *document = cJSON_CreateObject();
    cJSON *features = cJSON_CreateStringArray(names, columns);
    cJSON *copy = cJSON_Duplicate(encoder, 1);
    if (document == NULL || features == NULL || copy == NULL) {
        cJSON_Delete(document);
        cJSON_Delete(features);
        cJSON_Delete(copy);
        return spot_fail_memory(err, "the encoder");
    }
    cJSON_AddStringToObject(document, "format", "blackspot-encoder");
    cJSON_AddNumberToObject(document, "version", VERSION);
    cJSON_AddItemToObject(document, "features", features);
    cJSON_AddItemToObject(document, "encoder", copy);
    return result_write(document, path, err);
}

void names_free(char **names, int32_t columns)
{
    for (int32_t j = 0; names != NULL && j < columns; j++)
        free(names[j]);
    free(names);
}

/* The whole file as text, or NULL with *missing when there is none. */
static int read_text(const char *path, char **text, struct spot_error *err)
{
    *text = NULL;
    FILE *file = fopen(path, "rb");
    if (file == NULL && errno == ENOENT) return SPOT_OK;
    if (file == NULL)
        return spot_fail(err, SPOT_EIO, "cannot read %.200s: %s", path, strerror(errno));
    int64_t capacity = 0, used = 0;
    int status = SPOT_OK;
    char *bytes = NULL;
    for (;;) {
        if (spot_grow((void **)&bytes, &capacity, used + 65536, 1) < 0 || used > FILE_LIMIT) {
            status = spot_fail(err, SPOT_EFORMAT, "%.200s is too large for an encoder", path);
            break;
        }
        size_t count = fread(bytes + used, 1, 65535, file);
        used += (int64_t)count;
        bytes[used] = '\0';
        if (count == 0) break;
    }
    if (status == SPOT_OK && ferror(file))
        status = spot_fail(err, SPOT_EIO, "cannot read %.200s: %s", path, strerror(errno));
    fclose(file);
    if (status < 0) {
        free(bytes);
        return status;
    }
    *text = bytes;
    return SPOT_OK;
}

static int read_names(const cJSON *features, int32_t columns, const char *path, char ***names,
                      struct spot_error *err)
{
    int32_t count = cJSON_IsArray(features) ? cJSON_GetArraySize(features) : -1, j = 0;
    const cJSON *feature;
    if (count < 0) return spot_fail(err, SPOT_EFORMAT, "%.200s: features is no list", path);
    if (count != columns)
        return spot_fail(err, SPOT_EFORMAT,
                         "%.200s describes %d features, but the matrix beside it has %d columns; "
                         "write both again with 'blackspot prepare', or remove it",
                         path, count, columns);
    *names = calloc((size_t)columns + 1, sizeof **names);
    if (*names == NULL) return spot_fail_memory(err, "the names of the features");
    cJSON_ArrayForEach(feature, features)
    {
        if (!cJSON_IsString(feature))
            return spot_fail(err, SPOT_EFORMAT, "%.200s: features[%d] is no text", path, j);
        (*names)[j] = spot_copy_text(feature->valuestring);
        if ((*names)[j++] == NULL) return spot_fail_memory(err, "the names of the features");
    }
    return SPOT_OK;
}

int encoder_file_read(const char *path, int32_t columns, cJSON **encoder, char ***names,
                      struct spot_error *err)
{
    int status;
    char *text = NULL;
    cJSON *document = NULL;
    *encoder = NULL;
    *names = NULL;
    SPOT_TRY(read_text(path, &text, err));
    if (text == NULL) return SPOT_OK;

    errno = 0; /* the parser does not say why it gave up; the allocator does */
    document = cJSON_Parse(text);
    if (document == NULL && errno == ENOMEM) {
        status = spot_fail_memory(err, path);
        goto out;
    }
    const cJSON *format = cJSON_GetObjectItemCaseSensitive(document, "format");
    const cJSON *version = cJSON_GetObjectItemCaseSensitive(document, "version");
    if (!cJSON_IsString(format) || strcmp(format->valuestring, "blackspot-encoder") != 0 ||
        !cJSON_IsNumber(version) || version->valueint != VERSION ||
        !cJSON_IsObject(cJSON_GetObjectItemCaseSensitive(document, "encoder"))) {
        status = spot_fail(err, SPOT_EFORMAT,
                           "%.200s is no encoder of this version of blackspot; write it again with "
                           "'blackspot prepare', or remove it",
                           path);
        goto out;
    }
    const cJSON *features = cJSON_GetObjectItemCaseSensitive(document, "features");
    if (columns < 0) columns = cJSON_GetArraySize(features);
    SPOT_TRY(read_names(features, columns, path, names, err));
    *encoder = cJSON_DetachItemFromObjectCaseSensitive(document, "encoder");
out:
    if (status < 0) {
        names_free(*names, columns);
        *names = NULL;
    }
    cJSON_Delete(document);
    free(text);
    return status;
}
