/* A value of a document as JSON text, for what is kept without being understood. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "base/memory.h"
#include "data/document_internal.h"
#include "data/writer.h"

struct copy {
    struct document *document;
    char *bytes;
    int64_t length, capacity;
    bool comma; /* one is due before the next value */
};

static int put(struct copy *copy, const char *bytes, int64_t count, struct spot_error *err)
{
    if (spot_grow((void **)&copy->bytes, &copy->capacity, copy->length + count + 1, 1) < 0)
        return spot_fail_memory(err, copy->document->path);
    memcpy(copy->bytes + copy->length, bytes, (size_t)count);
    copy->length += count;
    copy->bytes[copy->length] = '\0';
    return SPOT_OK;
}

static int put_quoted(struct copy *copy, struct spot_error *err)
{
    const char *text = document_text(copy->document);
    int status;
    SPOT_TRY(put(copy, "\"", 1, err));
    for (int64_t i = 0; i < document_text_length(copy->document); i++) {
        char code[8] = {text[i]};
        if ((unsigned char)text[i] < 0x20)
            snprintf(code, sizeof code, "\\u%04x", (unsigned)text[i]);
        else if (text[i] == '"' || text[i] == '\\')
            snprintf(code, sizeof code, "\\%c", text[i]);
        SPOT_TRY(put(copy, code, (int64_t)strlen(code), err));
    }
    status = put(copy, "\"", 1, err);
out:
    return status;
}

static int put_scalar(struct copy *copy, enum document_token token, struct spot_error *err)
{
    char number[32];
    const double value = document_number(copy->document);
    switch (token) {
    case DOCUMENT_TRUE:
        return put(copy, "true", 4, err);
    case DOCUMENT_FALSE:
        return put(copy, "false", 5, err);
    case DOCUMENT_NUMBER:
        if (isfinite(value)) return put(copy, number, format_double(value, number), err);
        return document_fail(copy->document, err, "a number that is not finite");
    default:
        return put(copy, "null", 4, err);
    }
}

static int copy_token(struct copy *copy, enum document_token token, struct spot_error *err)
{
    int status;
    const bool ends = token == DOCUMENT_OBJECT_END || token == DOCUMENT_ARRAY_END;
    if (copy->comma && !ends) SPOT_TRY(put(copy, ",", 1, err));
    copy->comma = true;
    switch (token) {
    case DOCUMENT_OBJECT:
    case DOCUMENT_ARRAY:
        copy->comma = false;
        return put(copy, token == DOCUMENT_OBJECT ? "{" : "[", 1, err);
    case DOCUMENT_OBJECT_END:
    case DOCUMENT_ARRAY_END:
        return put(copy, token == DOCUMENT_OBJECT_END ? "}" : "]", 1, err);
    case DOCUMENT_KEY:
        copy->comma = false;
        SPOT_TRY(put_quoted(copy, err));
        return put(copy, ":", 1, err);
    case DOCUMENT_TEXT:
        return put_quoted(copy, err);
    default:
        return put_scalar(copy, token, err);
    }
out:
    return status;
}

int document_json(struct document *document, char **text, struct spot_error *err)
{
    struct copy copy = {.document = document};
    const int32_t depth = document->depth;
    enum document_token token = DOCUMENT_NULL;
    int status;
    do {
        SPOT_TRY(document_next(document, &token, err));
        SPOT_TRY(copy_token(&copy, token, err));
    } while (document->depth > depth || token == DOCUMENT_KEY);
out:
    if (status < 0) free(copy.bytes);
    *text = status < 0 ? NULL : copy.bytes;
    return status;
}
