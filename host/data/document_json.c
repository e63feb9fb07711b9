/* JSON (RFC 8259) with NaN and Infinity, token by token. */
#include <math.h>
#include <string.h>

#include "base/error.h"
#include "data/decimal.h"
#include "data/document_internal.h"

/* The next byte that is no blank, without passing it; 0 at the end. */
static char peek(struct document *document)
{
    while (document->begin < document->end || document_need(document, 1) > 0) {
        const char c = document->window[document->begin];
        if (c != ' ' && c != '\n' && c != '\r' && c != '\t') return c;
        document->lines += c == '\n';
        document->begin++;
    }
    return '\0';
}

/* ---- Texts ---------------------------------------------------------------------------------- */

static int hex_digit(char c)
{
    if (c >= '0' && c <= '9') return c - '0';
    if (c >= 'a' && c <= 'f') return c - 'a' + 10;
    if (c >= 'A' && c <= 'F') return c - 'A' + 10;
    return -1;
}

/* The four digits after \u. */
static int read_code(struct document *document, uint32_t *code, struct spot_error *err)
{
    *code = 0;
    if (document_need(document, 4) < 4) return document_fail(document, err, "a text does not end");
    for (int i = 0; i < 4; i++) {
        int digit = hex_digit(document->window[document->begin++]);
        if (digit < 0) return document_fail(document, err, "\\u needs four hexadecimal digits");
        *code = *code << 4 | (uint32_t)digit;
    }
    return SPOT_OK;
}

static int put_utf8(struct document *document, uint32_t code, struct spot_error *err)
{
    int status = document_room(document, document->text_length + 4, err);
    if (status < 0) return status;
    const int bytes = code < 0x80 ? 1 : code < 0x800 ? 2 : code < 0x10000 ? 3 : 4;
    static const uint32_t heads[] = {0, 0, 0xc0, 0xe0, 0xf0};
    for (int i = bytes - 1; i >= 0; i--) {
        uint32_t part = i == 0 ? (bytes == 1 ? code : heads[bytes] | code) : 0x80 | (code & 0x3f);
        document->text[document->text_length + i] = (char)part;
        code >>= 6;
    }
    document->text_length += bytes;
    return SPOT_OK;
}

/* What follows a backslash. Half a surrogate pair becomes U+FFFD. */
static int read_escape(struct document *document, struct spot_error *err)
{
    static const char names[] = "\"\\/bfnrt", values[] = "\"\\/\b\f\n\r\t";
    if (document_need(document, 1) < 1) return document_fail(document, err, "a text does not end");
    const char c = document->window[document->begin++];
    if (c != 'u') {
        const char *name = c == '\0' ? NULL : strchr(names, c);
        if (name == NULL) return document_fail(document, err, "a text holds an unknown escape");
        return put_utf8(document, (uint32_t)values[name - names], err);
    }
    uint32_t code, low;
    int status = read_code(document, &code, err);
    if (status < 0 || code < 0xd800 || code > 0xdfff)
        return status < 0 ? status : put_utf8(document, code, err);
    if (code > 0xdbff || document_need(document, 2) < 2 ||
        memcmp(document->window + document->begin, "\\u", 2) != 0)
        return put_utf8(document, 0xfffd, err);
    document->begin += 2;
    status = read_code(document, &low, err);
    if (status < 0) return status;
    const bool pair = low >= 0xdc00 && low <= 0xdfff;
    return put_utf8(document, pair ? 0x10000 + ((code - 0xd800) << 10) + low - 0xdc00 : 0xfffd,
                    err);
}

/* From behind the quote on. */
static int read_text(struct document *document, struct spot_error *err)
{
    int status = SPOT_OK;
    document->text_length = 0;
    while (status == SPOT_OK) {
        if (document_need(document, 1) < 1)
            return document_fail(document, err, "a text does not end");
        const char *at = document->window + document->begin;
        const int64_t there = document->end - document->begin;
        int64_t plain = 0;
        while (plain < there && at[plain] != '"' && at[plain] != '\\' &&
               (unsigned char)at[plain] >= 0x20)
            plain++;
        SPOT_TRY(document_room(document, document->text_length + plain, err));
        memcpy(document->text + document->text_length, at, (size_t)plain);
        document->text_length += plain;
        document->begin += plain;
        if (plain == there) continue;
        const char c = document->window[document->begin++];
        if (c == '"') break;
        if (c != '\\') return document_fail(document, err, "a text holds a control character");
        status = read_escape(document, err);
    }
    document->text[document->text_length] = '\0';
out:
    return status;
}

/* ---- Numbers and words ---------------------------------------------------------------------- */

enum { LONGEST_NUMBER = 4096 };

static bool in_number(char c)
{
    return (c >= '0' && c <= '9') || c == '-' || c == '+' || c == '.' || c == 'e' || c == 'E';
}

/* The bytes of a number or a word, copied to text. */
static int read_word(struct document *document, struct spot_error *err)
{
    const int64_t there = document_need(document, LONGEST_NUMBER);
    const char *at = document->window + document->begin;
    int64_t length = 0;
    while (length < there && (in_number(at[length]) || (at[length] >= 'A' && at[length] <= 'Z') ||
                              (at[length] >= 'a' && at[length] <= 'z')))
        length++;
    if (length == 0) return document_fail(document, err, "a value is due");
    if (length >= LONGEST_NUMBER) return document_fail(document, err, "a number is too long");
    int status = document_room(document, length, err);
    if (status < 0) return status;
    memcpy(document->text, at, (size_t)length);
    document->text[length] = '\0';
    document->text_length = length;
    document->begin += length;
    return SPOT_OK;
}

/* JSON's numbers have no plus sign, no zero in front of a digit, and digits around the point. */
static bool is_json_number(const char *text)
{
    text += *text == '-';
    if (text[0] < '0' || text[0] > '9') return false;
    if (text[0] == '0' && text[1] >= '0' && text[1] <= '9') return false;
    const char *point = strchr(text, '.');
    return point == NULL || (point[1] >= '0' && point[1] <= '9');
}

static int read_value(struct document *document, enum document_token *token, struct spot_error *err)
{
    static const struct {
        const char *word;
        enum document_token token;
        double number;
    } words[] = {
        {"true", DOCUMENT_TRUE, 1},
        {"false", DOCUMENT_FALSE, 0},
        {"null", DOCUMENT_NULL, 0},
        {"NaN", DOCUMENT_NUMBER, NAN},
        {"Infinity", DOCUMENT_NUMBER, INFINITY},
        {"-Infinity", DOCUMENT_NUMBER, -INFINITY},
    };
    int status = read_word(document, err);
    if (status < 0) return status;
    const char *text = document->text, *end = text + document->text_length;
    *token = DOCUMENT_NUMBER;
    if (is_json_number(text)) {
        enum decimal_result result = decimal_parse(text, end, '.', &document->number);
        if (result == DECIMAL_OK) return SPOT_OK;
        if (result == DECIMAL_RANGE)
            return document_fail(document, err, "the number %.40s is too large", text);
    }
    for (size_t w = 0; w < sizeof words / sizeof *words; w++)
        if (strcmp(text, words[w].word) == 0) {
            *token = words[w].token;
            document->number = words[w].number;
            return SPOT_OK;
        }
    return document_fail(document, err, "'%.40s' is no value", text);
}

/* The end of the JSON number at `at`, or NULL where there is none before `end`. */
static const char *number_end(const char *at, const char *end)
{
    at += at < end && *at == '-';
    const char *digits = at;
    while (at < end && (unsigned char)(*at - '0') < 10)
        at++;
    if (at == digits || (*digits == '0' && at > digits + 1)) return NULL;
    if (at < end && *at == '.') {
        digits = ++at;
        while (at < end && (unsigned char)(*at - '0') < 10)
            at++;
        if (at == digits) return NULL;
    }
    if (at < end && (*at == 'e' || *at == 'E')) {
        at++;
        at += at < end && (*at == '-' || *at == '+');
        digits = at;
        while (at < end && (unsigned char)(*at - '0') < 10)
            at++;
        if (at == digits) return NULL;
    }
    return at < end ? at : NULL;
}

int json_numbers(struct document *document, bool float32, struct reals *reals,
                 struct spot_error *err)
{
    enum { MOST_LETTERS = 64 };
    struct document_level *level = &document->levels[document->depth - 1];
    for (;;) {
        if (document_need(document, MOST_LETTERS) < MOST_LETTERS) return SPOT_OK;
        const char *at = document->window + document->begin, *limit = at + MOST_LETTERS;
        if (!level->empty && *at++ != ',') return SPOT_OK;
        const char *end = number_end(at, limit);
        double value = 0.0;
        if (end == NULL || (*end != ',' && *end != ']') ||
            decimal_parse(at, end, '.', &value) != DECIMAL_OK)
            return SPOT_OK;
        if (float32) value = document_float32(value, at, end);
        if (reals->count == reals->capacity) {
            int status = document_grow(document, reals, 1, err);
            if (status < 0) return status;
        }
        reals->values[reals->count++] = value;
        document->begin = end - document->window;
        level->empty = false;
    }
}

/* ---- Tokens --------------------------------------------------------------------------------- */

static int close_level(struct document *document, char c, enum document_token *token,
                       struct spot_error *err)
{
    struct document_level *level =
        document->depth > 0 ? &document->levels[document->depth - 1] : NULL;
    if (level == NULL || level->object != (c == '}') || level->value)
        return document_fail(document, err, "'%c' closes nothing", c);
    document->begin++;
    document->depth--;
    *token = c == '}' ? DOCUMENT_OBJECT_END : DOCUMENT_ARRAY_END;
    return SPOT_OK;
}

static int read_key(struct document *document, struct document_level *level,
                    enum document_token *token, struct spot_error *err)
{
    if (peek(document) != '"') return document_fail(document, err, "a key in quotes is due");
    document->begin++;
    int status = read_text(document, err);
    if (status < 0) return status;
    if (peek(document) != ':') return document_fail(document, err, "':' is due after a key");
    document->begin++;
    level->value = true;
    *token = DOCUMENT_KEY;
    return SPOT_OK;
}

/* Passes the comma between two members; *closed where the level ends instead. */
static int separate(struct document *document, struct document_level *level, bool *closed,
                    struct spot_error *err)
{
    const char c = peek(document);
    *closed = c == '}' || c == ']';
    if (*closed || level->empty || level->value) return SPOT_OK;
    if (c != ',')
        return document_fail(document, err,
                             c == '\0' ? "the document is cut short"
                                       : "',' is due between two values");
    document->begin++;
    if (peek(document) == '}' || peek(document) == ']')
        return document_fail(document, err, "a value is due after ','");
    return SPOT_OK;
}

int json_more(struct document *document, bool *more, struct spot_error *err)
{
    struct document_level *level = &document->levels[document->depth - 1];
    enum document_token token;
    bool closed;
    int status = separate(document, level, &closed, err);
    if (status < 0) return status;
    *more = !closed;
    level->empty = true;
    return closed ? close_level(document, document->window[document->begin], &token, err) : SPOT_OK;
}

int json_next(struct document *document, enum document_token *token, struct spot_error *err)
{
    int status = SPOT_OK;
    struct document_level *level =
        document->depth > 0 ? &document->levels[document->depth - 1] : NULL;
    bool closed = false;
    if (level == NULL && document->done) {
        if (peek(document) != '\0') return document_fail(document, err, "more than one value");
        *token = DOCUMENT_END;
        return SPOT_OK;
    }
    if (level != NULL) {
        SPOT_TRY(separate(document, level, &closed, err));
        if (closed) return close_level(document, document->window[document->begin], token, err);
        level->empty = false;
        if (level->object && !level->value) return read_key(document, level, token, err);
        level->value = false;
    }
    document->done = true;
    switch (peek(document)) {
    case '\0':
        return document_fail(document, err, "the document is cut short");
    case '{':
    case '[':
        *token = document->window[document->begin] == '{' ? DOCUMENT_OBJECT : DOCUMENT_ARRAY;
        document->begin++;
        return document_push(document, *token == DOCUMENT_OBJECT, err);
    case '"':
        document->begin++;
        *token = DOCUMENT_TEXT;
        return read_text(document, err);
    default:
        return read_value(document, token, err);
    }
out:
    return status;
}
