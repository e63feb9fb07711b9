/* JSON and UBJSON read token by token through a window on the file, so that a document of any size
 * needs little memory. Both give the same tokens. JSON may hold NaN, Infinity and -Infinity, as
 * XGBoost writes them. Errors name the line (JSON) or the byte (UBJSON). */
#ifndef SPOT_DATA_DOCUMENT_H
#define SPOT_DATA_DOCUMENT_H

#include <stdbool.h>
#include <stdint.h>

#include "blackspot.h"

enum document_token {
    DOCUMENT_OBJECT,
    DOCUMENT_OBJECT_END,
    DOCUMENT_ARRAY,
    DOCUMENT_ARRAY_END,
    DOCUMENT_KEY,
    DOCUMENT_TEXT,
    DOCUMENT_NUMBER,
    DOCUMENT_TRUE,
    DOCUMENT_FALSE,
    DOCUMENT_NULL,
    DOCUMENT_END,
};

struct document;

/* A growing list of numbers. */
struct reals {
    double *values; /* (count) */
    int64_t count, capacity;
};

/* Told apart by the first bytes. Errors: SPOT_EIO, SPOT_ENOMEM. */
int document_open(const char *path, struct document **document, struct spot_error *err);
void document_close(struct document *document);

/* SPOT_EFORMAT where the text is no such document, or is nested too deep. */
int document_next(struct document *document, enum document_token *token, struct spot_error *err);

/* Of the last key or text: without escapes, as UTF-8, ended by a zero byte; until the next call. */
const char *document_text(const struct document *document);
int64_t document_text_length(const struct document *document);
/* Of the last number. */
double document_number(const struct document *document);

/* ---- What readers of documents want --------------------------------------------------------- */

/* The next token, which must be `wanted`; `what` names it for people. */
int document_expect(struct document *document, enum document_token wanted, const char *what,
                    struct spot_error *err);
/* Inside an object: its next key, or *more = false at its end. */
int document_key(struct document *document, bool *more, struct spot_error *err);
/* Inside an array: whether another value comes; false passes the array's end. */
int document_more(struct document *document, bool *more, struct spot_error *err);
/* Passes over the value that comes next. */
int document_skip(struct document *document, struct spot_error *err);
/* The next value, an array of numbers (true is 1, false is 0), takes the place of what `reals`
 * holds. float32: each is rounded to float32 from its own digits, once. */
int document_reals(struct document *document, bool float32, struct reals *reals,
                   struct spot_error *err);
/* The next value as text, which the caller frees. */
int document_string(struct document *document, const char *what, char **text,
                    struct spot_error *err);
/* The next value as JSON text, which the caller frees. */
int document_json(struct document *document, char **text, struct spot_error *err);
/* SPOT_EFORMAT with the place in front. */
int document_fail(const struct document *document, struct spot_error *err, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

#endif
