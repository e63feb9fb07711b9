/* UBJSON (draft 12) as XGBoost writes it: big-endian, with typed and counted arrays. */
#include <string.h>

#include "base/error.h"
#include "data/document_internal.h"

static int cut_short(const struct document *document, struct spot_error *err)
{
    return document_fail(document, err, "the document is cut short");
}

static int read_marker(struct document *document, char *marker, struct spot_error *err)
{
    do {
        if (document_need(document, 1) < 1) return cut_short(document, err);
        *marker = document->window[document->begin++];
    } while (*marker == 'N'); /* no operation */
    return SPOT_OK;
}

static int size_of(char type)
{
    switch (type) {
    case 'i':
    case 'U':
        return 1;
    case 'I':
        return 2;
    case 'l':
    case 'd':
        return 4;
    case 'L':
    case 'D':
        return 8;
    default:
        return 0;
    }
}

/* The big-endian number of a type that size_of knows. */
static double decode(char type, const char *window)
{
    const unsigned char *at = (const unsigned char *)window;
    const int size = size_of(type);
    uint64_t bits = 0;
    for (int i = 0; i < size; i++)
        bits = bits << 8 | at[i];
    const uint32_t low = (uint32_t)bits;
    float single;
    double wide;
    switch (type) {
    case 'U':
        return (double)bits;
    case 'd':
        memcpy(&single, &low, sizeof single);
        return (double)single;
    case 'D':
        memcpy(&wide, &bits, sizeof wide);
        return wide;
    default:
        return (double)((int64_t)(bits << (64 - 8 * size)) >> (64 - 8 * size));
    }
}

static int read_number(struct document *document, char type, double *number, struct spot_error *err)
{
    const int size = size_of(type);
    if (size == 0 && type > ' ' && type < 0x7f)
        return document_fail(document, err, "'%c' is no type of number", type);
    if (size == 0)
        return document_fail(document, err, "byte 0x%02x is no type of number",
                             (unsigned)(unsigned char)type);
    if (document_need(document, size) < size) return cut_short(document, err);
    *number = decode(type, document->window + document->begin);
    document->begin += size;
    return SPOT_OK;
}

/* A length or count: a marker and an integer. */
static int read_length(struct document *document, int64_t *length, struct spot_error *err)
{
    char marker = '\0';
    double number = 0.0;
    int status = read_marker(document, &marker, err);
    if (status < 0) return status;
    if (marker == 'd' || marker == 'D')
        return document_fail(document, err, "a length is a fraction");
    status = read_number(document, marker, &number, err);
    if (status < 0) return status;
    if (number < 0 || number > 0x1p53)
        return document_fail(document, err, "%.0f is no length", number);
    *length = (int64_t)number;
    return SPOT_OK;
}

/* Grows with what is really there, not with what is announced. */
static int read_text(struct document *document, struct spot_error *err)
{
    int64_t length;
    int status = read_length(document, &length, err);
    document->text_length = 0;
    while (status == SPOT_OK && document->text_length < length) {
        int64_t part = length - document->text_length;
        if (part > DOCUMENT_WINDOW / 2) part = DOCUMENT_WINDOW / 2;
        if (document_need(document, part) < part) return cut_short(document, err);
        status = document_room(document, document->text_length + part, err);
        if (status < 0) break;
        memcpy(document->text + document->text_length, document->window + document->begin,
               (size_t)part);
        document->begin += part;
        document->text_length += part;
    }
    if (status == SPOT_OK) status = document_room(document, document->text_length, err);
    if (status == SPOT_OK) document->text[document->text_length] = '\0';
    return status;
}

/* The type and count that may follow the bracket. */
static int open_level(struct document *document, bool object, struct spot_error *err)
{
    int status = document_push(document, object, err);
    if (status < 0) return status;
    struct document_level *level = &document->levels[document->depth - 1];
    if (document_need(document, 1) < 1) return cut_short(document, err);
    if (document->window[document->begin] == '$') {
        if (document_need(document, 3) < 3) return cut_short(document, err);
        level->type = document->window[document->begin + 1];
        if (document->window[document->begin + 2] != '#')
            return document_fail(document, err, "a type without a count");
        document->begin += 2;
    }
    if (document->window[document->begin] != '#') return SPOT_OK;
    document->begin++;
    return read_length(document, &level->left, err);
}

static int read_value(struct document *document, char marker, enum document_token *token,
                      struct spot_error *err)
{
    switch (marker) {
    case '{':
        *token = DOCUMENT_OBJECT;
        return open_level(document, true, err);
    case '[':
        *token = DOCUMENT_ARRAY;
        return open_level(document, false, err);
    case 'S':
        *token = DOCUMENT_TEXT;
        return read_text(document, err);
    case 'Z':
        *token = DOCUMENT_NULL;
        return SPOT_OK;
    case 'T':
    case 'F':
        *token = marker == 'T' ? DOCUMENT_TRUE : DOCUMENT_FALSE;
        return SPOT_OK;
    default:
        *token = DOCUMENT_NUMBER;
        return read_number(document, marker, &document->number, err);
    }
}

/* Arrays of one type and a known length, a window at a time. */
int ubjson_numbers(struct document *document, struct reals *reals, struct spot_error *err)
{
    struct document_level *level = &document->levels[document->depth - 1];
    const int size = size_of(level->type);
    while (size > 0 && level->left > 0) {
        int64_t count = DOCUMENT_WINDOW / 2 / size;
        if (count > level->left) count = level->left;
        const int64_t there = document_need(document, count * size) / size;
        if (there < count) count = there;
        if (count == 0) return cut_short(document, err);
        int status = document_grow(document, reals, count, err);
        if (status < 0) return status;
        const char *at = document->window + document->begin;
        for (int64_t i = 0; i < count; i++)
            reals->values[reals->count++] = decode(level->type, at + i * size);
        document->begin += count * size;
        level->left -= count;
    }
    return SPOT_OK;
}

/* Whether the level ends here; passes its end marker. */
static int at_end(struct document *document, const struct document_level *level, bool *ended,
                  struct spot_error *err)
{
    *ended = level->left == 0;
    if (level->left >= 0) return SPOT_OK;
    char marker;
    int status = read_marker(document, &marker, err);
    if (status < 0) return status;
    *ended = marker == (level->object ? '}' : ']');
    if (!*ended) document->begin--;
    return SPOT_OK;
}

int ubjson_more(struct document *document, bool *more, struct spot_error *err)
{
    bool ended;
    int status = at_end(document, &document->levels[document->depth - 1], &ended, err);
    *more = !ended;
    document->depth -= status == SPOT_OK && ended;
    return status;
}

int ubjson_next(struct document *document, enum document_token *token, struct spot_error *err)
{
    int status;
    char marker = '\0';
    struct document_level *level =
        document->depth > 0 ? &document->levels[document->depth - 1] : NULL;
    if (level == NULL && document->done) {
        if (document_need(document, 1) > 0)
            return document_fail(document, err, "more than one value");
        *token = DOCUMENT_END;
        return SPOT_OK;
    }
    if (level != NULL && !level->value) {
        bool ended;
        SPOT_TRY(at_end(document, level, &ended, err));
        if (ended) {
            document->depth--;
            *token = level->object ? DOCUMENT_OBJECT_END : DOCUMENT_ARRAY_END;
            return SPOT_OK;
        }
        if (level->left > 0) level->left--;
        if (level->object) {
            level->value = true;
            *token = DOCUMENT_KEY;
            return read_text(document, err);
        }
    }
    document->done = true;
    if (level != NULL) level->value = false;
    if (level != NULL && level->type != 0) return read_value(document, level->type, token, err);
    SPOT_TRY(read_marker(document, &marker, err));
    return read_value(document, marker, token, err);
out:
    return status;
}
