/* Rows that stay in a file and are read when they are needed: those of a .npy, or rows written one
 * batch after another to a temporary file without a name. */
#ifndef SPOT_DATA_ROW_FILE_H
#define SPOT_DATA_ROW_FILE_H

#include <stdbool.h>

#include "blackspot.h"

struct row_file;

/* A .npy, read as float32 or, if `wide`, as float64; errors as in npy_open. The caller closes. */
int row_file_open(const char *path, bool wide, struct row_file **file, int64_t *rows,
                  int32_t *columns, struct spot_error *err);

/* An empty temporary file in `folder` (NULL: $TMPDIR or /tmp), and rows for it: values (rows,
 * columns) row-major, float or if `wide` double, weights (rows) where it is weighted. Errors:
 * SPOT_EIO, SPOT_ENOMEM. */
int row_file_make(const char *folder, int32_t columns, bool wide, bool weighted,
                  struct row_file **file, struct spot_error *err);
int row_file_append(struct row_file *file, int64_t rows, const void *values, const double *weights,
                    struct spot_error *err);

/* For fits; borrows the file. */
struct spot_reader row_file_reader(struct row_file *file);

void row_file_close(struct row_file *file);

#endif
