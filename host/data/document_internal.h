/* A document being read, shared by document.c and the two formats. */
#ifndef SPOT_DATA_DOCUMENT_INTERNAL_H
#define SPOT_DATA_DOCUMENT_INTERNAL_H

#include <stdio.h>

#include "data/document.h"

enum { DOCUMENT_DEPTH = 64, DOCUMENT_WINDOW = 1 << 18 };

/* An object or array that is open. */
struct document_level {
    bool object;
    bool empty;   /* JSON: no comma is due: nothing was read yet, or it has been passed */
    bool value;   /* JSON: a key has been read, its value comes next */
    char type;    /* UBJSON: of all its values, or 0 */
    int64_t left; /* UBJSON: values to come, or -1: until the end marker */
};

struct document {
    char path[300];
    FILE *file;
    bool binary; /* UBJSON */
    char *window;
    int64_t begin, end; /* what of the window is still to be read */
    int64_t before;     /* bytes of the file before the window */
    int64_t lines;      /* line feeds read, of JSON */
    bool at_end;        /* the file has no more */
    bool failed;        /* reading it failed */

    struct document_level levels[DOCUMENT_DEPTH];
    int32_t depth;
    bool done; /* the one value of the document has been read */

    char *text; /* of the last key or text; of a number, its digits */
    int64_t text_length, text_capacity;
    double number;
};

/* Makes `bytes` (at most DOCUMENT_WINDOW) available at window + begin; fewer are only at the end.
 */
int64_t document_need(struct document *document, int64_t bytes);
int document_push(struct document *document, bool object, struct spot_error *err);
/* Room for `length` bytes and a zero in text. */
int document_room(struct document *document, int64_t length, struct spot_error *err);

/* The decimal number `text`, whose double is `value`, in float32, rounded once. */
double document_float32(double value, const char *text, const char *end);
/* Room for `more` numbers. */
int document_grow(struct document *document, struct reals *reals, int64_t more,
                  struct spot_error *err);

/* document_more in each format. */
int json_more(struct document *document, bool *more, struct spot_error *err);
int ubjson_more(struct document *document, bool *more, struct spot_error *err);

/* Numbers of the array that is open as far as they come one after the other; what stands in
 * between is left to the next call of json_next or ubjson_next. */
int json_numbers(struct document *document, bool float32, struct reals *reals,
                 struct spot_error *err);
int ubjson_numbers(struct document *document, struct reals *reals, struct spot_error *err);

int json_next(struct document *document, enum document_token *token, struct spot_error *err);
int ubjson_next(struct document *document, enum document_token *token, struct spot_error *err);

#endif
