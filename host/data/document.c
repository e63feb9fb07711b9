#include "data/document.h"

#include <errno.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "base/memory.h"
#include "data/decimal.h"
#include "data/document_internal.h"

/* ---- The window ----------------------------------------------------------------------------- */

int64_t document_need(struct document *document, int64_t bytes)
{
    while (document->end - document->begin < bytes && !document->at_end) {
        if (document->begin > 0) {
            memmove(document->window, document->window + document->begin,
                    (size_t)(document->end - document->begin));
            document->before += document->begin;
            document->end -= document->begin;
            document->begin = 0;
        }
        size_t got = fread(document->window + document->end, 1,
                           (size_t)(DOCUMENT_WINDOW - document->end), document->file);
        document->end += (int64_t)got;
        document->failed = ferror(document->file) != 0;
        document->at_end = got == 0;
    }
    return document->end - document->begin;
}

/* UBJSON's keys have no quote: after the brace comes a length or a count. */
static bool looks_binary(struct document *document)
{
    if (document_need(document, 2) < 2 || document->window[0] != '{') return false;
    return strchr("iUIlL$#", document->window[1]) != NULL && document->window[1] != '\0';
}

int document_open(const char *path, struct document **out, struct spot_error *err)
{
    int status = SPOT_OK;
    *out = NULL;
    struct document *document = calloc(1, sizeof *document);
    if (document == NULL) return spot_fail_memory(err, path);
    snprintf(document->path, sizeof document->path, "%s", path);
    document->window = malloc(DOCUMENT_WINDOW);
    document->file = fopen(path, "rbe");
    if (document->window == NULL)
        status = spot_fail_memory(err, path);
    else if (document->file == NULL)
        status = spot_fail(err, SPOT_EIO, "%s: cannot open: %s", path, strerror(errno));
    if (status < 0) {
        document_close(document);
        return status;
    }
    setvbuf(document->file, NULL, _IONBF, 0);
    document->binary = looks_binary(document);
    *out = document;
    return SPOT_OK;
}

void document_close(struct document *document)
{
    if (document == NULL) return;
    if (document->file != NULL) fclose(document->file);
    free(document->window);
    free(document->text);
    free(document);
}

int document_fail(const struct document *document, struct spot_error *err, const char *format, ...)
{
    char reason[400];
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(reason, sizeof reason, format, arguments);
    va_end(arguments);
    if (document->failed)
        return spot_fail(err, SPOT_EIO, "%s: cannot read: %s", document->path, strerror(errno));
    if (document->binary)
        return spot_fail(err, SPOT_EFORMAT, "%s: byte %lld: %s", document->path,
                         (long long)(document->before + document->begin), reason);
    return spot_fail(err, SPOT_EFORMAT, "%s:%lld: %s", document->path,
                     (long long)document->lines + 1, reason);
}

int document_push(struct document *document, bool object, struct spot_error *err)
{
    if (document->depth == DOCUMENT_DEPTH)
        return document_fail(document, err, "nested more than %d deep", DOCUMENT_DEPTH);
    document->levels[document->depth++] =
        (struct document_level){.object = object, .empty = true, .left = -1};
    return SPOT_OK;
}

int document_room(struct document *document, int64_t length, struct spot_error *err)
{
    if (spot_grow((void **)&document->text, &document->text_capacity, length + 1, 1) < 0)
        return spot_fail_memory(err, document->path);
    return SPOT_OK;
}

int document_next(struct document *document, enum document_token *token, struct spot_error *err)
{
    return document->binary ? ubjson_next(document, token, err) : json_next(document, token, err);
}

const char *document_text(const struct document *document)
{
    return document->text;
}

int64_t document_text_length(const struct document *document)
{
    return document->text_length;
}

double document_number(const struct document *document)
{
    return document->number;
}

/* ---- What readers want ---------------------------------------------------------------------- */

static const char *token_name(enum document_token token)
{
    static const char *const names[] = {"an object", "the end of an object",
                                        "an array",  "the end of an array",
                                        "a key",     "a text",
                                        "a number",  "true",
                                        "false",     "null",
                                        "the end"};
    return names[token];
}

int document_expect(struct document *document, enum document_token wanted, const char *what,
                    struct spot_error *err)
{
    enum document_token token;
    int status = document_next(document, &token, err);
    if (status < 0 || token == wanted) return status;
    return document_fail(document, err, "%s is %s where %s is due", what, token_name(token),
                         token_name(wanted));
}

int document_key(struct document *document, bool *more, struct spot_error *err)
{
    enum document_token token = DOCUMENT_NULL;
    int status = document_next(document, &token, err);
    *more = token == DOCUMENT_KEY;
    return status;
}

int document_more(struct document *document, bool *more, struct spot_error *err)
{
    return document->binary ? ubjson_more(document, more, err) : json_more(document, more, err);
}

int document_skip(struct document *document, struct spot_error *err)
{
    const int32_t depth = document->depth;
    enum document_token token = DOCUMENT_NULL;
    do {
        int status = document_next(document, &token, err);
        if (status < 0) return status;
    } while (document->depth > depth || token == DOCUMENT_KEY);
    return SPOT_OK;
}

/* Where its double lies exactly between two floats the digits say on which side the number is. A
 * double that is a float is nearer to it than to any other. */
double document_float32(double value, const char *text, const char *end)
{
    const float nearest = (float)value;
    uint64_t bits;
    memcpy(&bits, &value, sizeof bits);
    const bool tiny = value > -0x1p-125 && value < 0x1p-125;
    if ((double)nearest == value || (!tiny && (bits & 0xfffffff) != 0)) return (double)nearest;
    float rounded;
    if (decimal_parse_float32(text, end, &rounded)) return (double)rounded;
    return (double)nearest; /* NaN, Infinity */
}

int document_grow(struct document *document, struct reals *reals, int64_t more,
                  struct spot_error *err)
{
    if (spot_grow((void **)&reals->values, &reals->capacity, reals->count + more,
                  sizeof *reals->values) < 0)
        return spot_fail_memory(err, document->path);
    return SPOT_OK;
}

/* A number by itself: what the fast ways leave. */
static int one_number(struct document *document, enum document_token token, bool float32,
                      struct reals *reals, struct spot_error *err)
{
    double value = document->number;
    if (token == DOCUMENT_TRUE || token == DOCUMENT_FALSE)
        value = token == DOCUMENT_TRUE;
    else if (token != DOCUMENT_NUMBER)
        return document_fail(document, err, "a list of numbers holds %s", token_name(token));
    else if (float32 && document->binary)
        value = (double)(float)value;
    else if (float32)
        value = document_float32(value, document->text, document->text + document->text_length);
    int status = document_grow(document, reals, 1, err);
    if (status == SPOT_OK) reals->values[reals->count++] = value;
    return status;
}

int document_reals(struct document *document, bool float32, struct reals *reals,
                   struct spot_error *err)
{
    int status;
    reals->count = 0;
    SPOT_TRY(document_expect(document, DOCUMENT_ARRAY, "a list of numbers", err));
    for (;;) {
        enum document_token token = DOCUMENT_NULL;
        SPOT_TRY(document->binary ? ubjson_numbers(document, reals, err)
                                  : json_numbers(document, float32, reals, err));
        SPOT_TRY(document_next(document, &token, err));
        if (token == DOCUMENT_ARRAY_END) break;
        SPOT_TRY(one_number(document, token, float32, reals, err));
    }
out:
    return status;
}

int document_string(struct document *document, const char *what, char **text,
                    struct spot_error *err)
{
    *text = NULL;
    int status = document_expect(document, DOCUMENT_TEXT, what, err);
    if (status < 0) return status;
    *text = spot_copy_text(document->text);
    return *text == NULL ? spot_fail_memory(err, document->path) : SPOT_OK;
}
