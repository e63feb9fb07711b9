/* Files that appear whole or not at all: written beside the target under a temporary name, flushed
 * to the disk, renamed. A path of "-" is standard output. Names ending in .gz or .zst are
 * compressed. */
#ifndef SPOT_DATA_WRITER_H
#define SPOT_DATA_WRITER_H

#include <stddef.h>
#include <stdint.h>

#include "blackspot.h"

struct writer;

/* Opens PATH for writing; what is there now stays until writer_commit. The new file takes over the
 * permissions of the old one, and a symbolic link is followed. "-" and "/dev/stdout" are standard
 * output; devices and named pipes are written as they are. The caller ends with writer_commit or
 * writer_abandon, also when it was interrupted. Errors: SPOT_EIO, SPOT_ENOMEM. */
int writer_open(const char *path, struct writer **writer, struct spot_error *err);

/* Adds bytes. A failure is remembered: every later call repeats it. */
int writer_put(struct writer *writer, const void *bytes, size_t count, struct spot_error *err);

/* Adds formatted text; numbers with a fraction go through format_double, which knows no locale. */
int writer_printf(struct writer *writer, struct spot_error *err, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

/* Replaces the first bytes of an uncompressed file that is not a pipe, for a header that is known
 * at the end. At least `count` bytes have been put. */
int writer_rewrite_start(struct writer *writer, const void *bytes, size_t count,
                         struct spot_error *err);

/* Finishes, renames and closes: after SPOT_OK the file is there and complete. After a failure
 * nothing is there and the writer is closed too. */
int writer_commit(struct writer *writer, struct spot_error *err);

/* Closes without a result and removes the temporary file; NULL is allowed. */
void writer_abandon(struct writer *writer);

/* The shortest decimal text that reads back to the same bits ("0.1", "1e-05", "3.0" as "3"), and of
 * those the nearest; Python's repr without ".0". buffer has at least 32 bytes and gets a final NUL;
 * returns the length. Infinity and NaN are "inf", "-inf" and "nan". No locale is asked. */
int format_double(double value, char *buffer);

/* A .npy file of `columns` > 0 columns, or one-dimensional when columns is 0. type: "<f4" "<f8"
 * "<i4". The rows are then put with writer_put as they are; rows must be known beforehand. */
int npy_write_header(struct writer *writer, const char *type, int64_t rows, int32_t columns,
                     struct spot_error *err);

/* One row per scored record, in the format its name asks for: .csv and "-", .jsonl (both also .gz,
 * .zst), .npy (columns of labels as int32 or of anything else as float64, without ids; a single
 * column has one dimension). Ids are quoted as RFC 4180 says, or escaped as JSON says; NaN and
 * infinity are null in JSON lines. */
struct score_column {
    const int32_t *labels; /* (rows) one of the two */
    const double *values;  /* (rows) */
};
struct score_writer;
/* rows: known in advance, or -1. names, is_label: (columns) of what every put will bring, as
 * "cluster" 1, "distance" 0; id_name: heading of the ids, or NULL without ids.
 * Errors: SPOT_EUSAGE (a name that says no format, a .npy file with ids or with labels beside
 * numbers). */
int score_writer_open(const char *path, const char *id_name, const char *const *names,
                      const int *is_label, int32_t columns, int64_t rows,
                      struct score_writer **writer, struct spot_error *err);
/* id i is bytes [id_offsets[i], id_offsets[i+1]) of id_bytes; both NULL without ids. */
int score_writer_put(struct score_writer *writer, int64_t rows, const int64_t *id_offsets,
                     const char *id_bytes, const struct score_column *columns,
                     struct spot_error *err);
/* As writer_commit and writer_abandon. */
int score_writer_commit(struct score_writer *writer, struct spot_error *err);
void score_writer_abandon(struct score_writer *writer);

#endif
