/* The bytes of a table: from a file, a pipe or standard input, decompressed when they are gzip or
 * zstd by content. Files are read with pread, never mapped, so that what has been read does not
 * count as resident memory. */
#ifndef SPOT_DATA_SOURCE_H
#define SPOT_DATA_SOURCE_H

#include <stdbool.h>
#include <stdint.h>

#include "blackspot.h"

struct source;

/* Opens a path, or standard input for "-". What cannot be read twice (a pipe) is first copied to an
 * unlinked file in spool_dir (NULL: $TMPDIR or /tmp) when rewindable.
 * Errors: SPOT_EIO naming the path, SPOT_ENOMEM. */
int source_open(const char *path, const char *spool_dir, bool rewindable, struct source **source,
                struct spot_error *err);
void source_close(struct source *source);

/* Whether the path may be closed and opened again to read the same. */
bool source_reopens(const struct source *source);

/* Size of a plain file, whose bytes any thread may read with source_read_at; -1 when the bytes
 * come in sequence from source_read. */
int64_t source_plain_size(const struct source *source);

/* Exactly `count` bytes of a plain file. */
int source_read_at(const struct source *source, int64_t offset, char *buffer, int64_t count,
                   struct spot_error *err);

/* The next bytes of the text; *got is less than count only at its end. After an error *got bytes
 * are good. */
int source_read(struct source *source, char *buffer, int64_t count, int64_t *got,
                struct spot_error *err);

/* The first bytes of the text, as many as `count` or all there are, without consuming them; owned
 * by the source. Only before source_read. */
int source_peek(struct source *source, int64_t count, const char **bytes, int64_t *got,
                struct spot_error *err);

/* Back to the first byte; SPOT_EUSAGE when that is not possible. */
int source_rewind(struct source *source, struct spot_error *err);

/* Bytes taken from the file or pipe so far by source_read, and in all (0: unknown). */
int64_t source_consumed(const struct source *source);
int64_t source_total(const struct source *source);

#endif
