#define _POSIX_C_SOURCE 200809L
#include "app/result.h"

#include <errno.h>
#include <math.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "data/json.h"
#include "data/writer.h"

int result_print(cJSON *result, struct spot_error *err)
{
    char *line = result != NULL ? json_print(result, false) : NULL;
    cJSON_Delete(result);
    if (line == NULL) return spot_fail_memory(err, "the result");
    bool written = fputs(line, stdout) >= 0 && fflush(stdout) == 0;
    int reason = errno;
    free(line);
    if (!written)
        return spot_fail(err, SPOT_EIO, "cannot write to standard output: %s", strerror(reason));
    return SPOT_OK;
}

int result_write(cJSON *document, const char *path, struct spot_error *err)
{
    struct writer *writer = NULL;
    char *text = document != NULL ? json_print(document, true) : NULL;
    cJSON_Delete(document);
    if (text == NULL) return spot_fail_memory(err, path);
    int status = writer_open(path, &writer, err);
    if (status >= 0) status = writer_put(writer, text, strlen(text), err);
    free(text);
    if (status >= 0) return writer_commit(writer, err);
    writer_abandon(writer);
    return status;
}

void result_seconds(cJSON *seconds, const char *name, double value)
{
    cJSON_AddNumberToObject(seconds, name, round(value * 1e6) / 1e6);
}
