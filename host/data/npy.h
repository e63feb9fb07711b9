/* NumPy's .npy files, versions 1 to 3: float16, float32, float64, integer and boolean arrays of one
 * or two dimensions, little and big endian, C and Fortran order, read as float32 or float64 rows.
 * The file is read at its place, not mapped, so memory is the caller's buffer; several threads may
 * read one npy_file at a time. */
#ifndef SPOT_DATA_NPY_H
#define SPOT_DATA_NPY_H

#include "base/pool.h"
#include "blackspot.h"

struct npy_file;

/* Opens and checks the header against the file's size. *rows and *columns: a one-dimensional array
 * is one column. The caller closes. Errors: SPOT_EIO, SPOT_EFORMAT with what is wrong and the
 * remedy (object arrays, three dimensions, complex numbers, a truncated file). */
int npy_open(const char *path, struct npy_file **file, int64_t *rows, int32_t *columns,
             struct spot_error *err);
void npy_close(struct npy_file *file);

/* Rows [first, first + count) as row-major float32 or float64. SPOT_EDATA when a double or an
 * integer has no float32 near it (overflow to infinity); rounding to the nearest float32 is the
 * rule. */
int npy_read_float32(struct npy_file *file, int64_t first, int64_t count, float *values,
                     struct spot_error *err);
int npy_read_float64(struct npy_file *file, int64_t first, int64_t count, double *values,
                     struct spot_error *err);

/* What npy_write_header (data/writer.h) writes: a header of fixed size, so that it can be replaced
 * when the number of rows is known at last. columns 0: a one-dimensional array. */
enum { NPY_HEADER_BYTES = 128 };
void npy_make_header(const char *type, int64_t rows, int32_t columns,
                     char header[NPY_HEADER_BYTES]);

#endif
