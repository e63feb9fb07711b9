/* Arrays that need not fit in memory. Each is a temporary file without a name, mapped shared: code
 * uses it as any array, the system writes it out and reads it back, and its user says which parts
 * may leave memory. The disk gives the space back when the array is closed or the program ends,
 * however it does. */
#ifndef SPOT_BASE_SCRATCH_H
#define SPOT_BASE_SCRATCH_H

#include <stddef.h>
#include <stdint.h>

#include "base/error.h"

/* count * size bytes, zero, page-aligned, their space on the disk reserved; folder NULL: $TMPDIR or
 * /tmp. `what` is named in errors: SPOT_EIO (no such folder, the disk is full), SPOT_ENOMEM. */
int scratch_open(const char *folder, int64_t count, size_t size, const char *what, void **array,
                 struct spot_error *err);
/* The same count and size; NULL is allowed. */
void scratch_close(void *array, int64_t count, size_t size);

/* Bytes [from, to) will be used soon: reading them begins, in the background. */
void scratch_ahead(void *array, int64_t from, int64_t to);
/* They will not be: their pages leave resident memory, those that only begin or end there as well.
 * Whoever touches them finds what was there. */
void scratch_done(void *array, int64_t from, int64_t to);

/* A temporary file without a name in `folder`, close-on-exec. */
int scratch_file(const char *folder, int *fd, struct spot_error *err);

/* Resident memory of this process in bytes, or 0 where the system does not tell. When that is above
 * `enough`, freed memory is given back to the system first. */
int64_t resident_bytes(int64_t enough);

#endif
