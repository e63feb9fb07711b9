/* Errors are returned, not thrown and not printed: a negative enum spot_status and a message in the
 * caller's struct spot_error. Only main() decides what a person gets to see. */
#ifndef SPOT_BASE_ERROR_H
#define SPOT_BASE_ERROR_H

#include "blackspot.h"

#ifdef __cplusplus
extern "C" {
#endif

/* Fills *err (which may be NULL) and returns code, so that `return spot_fail(...)` reads well. */
int spot_fail(struct spot_error *err, int code, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

/* The same for a fault in the matrix: the place, counted from 1 and 0 where there is none, is kept
 * in *err and begins the message. */
int spot_fail_at(struct spot_error *err, int code, int64_t row, int32_t column, const char *format,
                 ...) __attribute__((format(printf, 5, 6)));

/* Gives that place its names: the file, NULL where the rows are of no single one, the row counted
 * from the file's first, and the column's name. Other messages stay as they are. */
void spot_name_place(struct spot_error *err, const char *file, int64_t rows_before,
                     const char *const *names);

/* spot_fail for a failed allocation of `what`. */
int spot_fail_memory(struct spot_error *err, const char *what);

#ifdef __cplusplus
}
#endif

/* Runs a call that returns a status; on failure leaves through the function's one clean-up label.
 * The function has `int status` and a label `out`. */
#define SPOT_TRY(call)            \
    do {                          \
        status = (call);          \
        if (status < 0) goto out; \
    } while (0)

#endif
