/* JSON or UBJSON going out: the same calls for both, in the spelling of XGBoost (numbers as 5E-1,
 * typed arrays). The first failure is kept in `status` and ends what follows. */
#ifndef SPOT_DATA_DOCUMENT_WRITE_H
#define SPOT_DATA_DOCUMENT_WRITE_H

#include <stdbool.h>
#include <stdint.h>

#include "blackspot.h"
#include "data/writer.h"

struct emitter {
    struct writer *writer;
    bool binary; /* UBJSON */
    bool comma;  /* JSON: one is due before the next value */
    int status;
    struct spot_error *err;
};

/* How a list's numbers are written. In JSON integers are integers, reals have an exponent, and
 * truths are true and false. */
enum emitted {
    EMIT_INT8 = 'i',
    EMIT_UINT8 = 'U',
    EMIT_INT32 = 'l',
    EMIT_INT64 = 'L',
    EMIT_FLOAT32 = 'd',
    EMIT_FLOAT64 = 'D',
    EMIT_TRUTH = 'T',  /* UBJSON: as UINT8 */
    EMIT_SINGLE = '#', /* UBJSON: each number with its own marker, int32 */
    EMIT_SINGLE_FLOAT = '$',
};

/* key NULL: in an array, or the document itself. */
void emit_object(struct emitter *emitter, const char *key);
void emit_object_end(struct emitter *emitter);
void emit_array(struct emitter *emitter, const char *key, int64_t count);
void emit_array_end(struct emitter *emitter);
void emit_text(struct emitter *emitter, const char *key, const char *text);
/* A number written as a text, as XGBoost keeps its parameters. */
void emit_count(struct emitter *emitter, const char *key, int64_t count);
void emit_integer(struct emitter *emitter, const char *key, int64_t value);
/* values: (count) */
void emit_numbers(struct emitter *emitter, const char *key, enum emitted type, int64_t count,
                  const double *values);

/* JSON text that document_json kept: as a value, and the members of an object as members of the
 * one that is open. UBJSON gets the types that XGBoost gives its containers of categories. */
int emit_json(struct emitter *emitter, const char *key, const char *text);
int emit_json_members(struct emitter *emitter, const char *text);

/* The shortest decimal that reads back to the same float32, as "-1.25E-2"; "NaN", "Infinity",
 * "-Infinity". buffer has at least 32 bytes; returns the length. No locale is asked. */
int format_float32(float value, char *buffer);

#endif
