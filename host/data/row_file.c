#define _GNU_SOURCE
#include "data/row_file.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/error.h"
#include "base/scratch.h"
#include "data/npy.h"

struct row_file {
    struct npy_file *npy; /* or NULL: the two below */
    int values, weights;  /* file descriptors, weights -1 where there are none */
    int32_t columns;
    bool wide;    /* the values are float64 */
    int64_t rows; /* appended */
};

int row_file_open(const char *path, bool wide, struct row_file **out, int64_t *rows,
                  int32_t *columns, struct spot_error *err)
{
    struct row_file *file = *out = calloc(1, sizeof *file);
    if (file == NULL) return spot_fail_memory(err, path);
    file->values = file->weights = -1;
    file->wide = wide;
    int status = npy_open(path, &file->npy, rows, columns, err);
    if (status == SPOT_OK) return SPOT_OK;
    row_file_close(file);
    *out = NULL;
    return status;
}

int row_file_make(const char *folder, int32_t columns, bool wide, bool weighted,
                  struct row_file **out, struct spot_error *err)
{
    struct row_file *file = *out = calloc(1, sizeof *file);
    if (file == NULL) return spot_fail_memory(err, "a temporary file");
    file->values = file->weights = -1;
    file->columns = columns;
    file->wide = wide;
    int status = scratch_file(folder, &file->values, err);
    if (status == SPOT_OK && weighted) status = scratch_file(folder, &file->weights, err);
    if (status == SPOT_OK) return SPOT_OK;
    row_file_close(file);
    *out = NULL;
    return status;
}

void row_file_close(struct row_file *file)
{
    if (file == NULL) return;
    npy_close(file->npy);
    if (file->values >= 0) close(file->values);
    if (file->weights >= 0) close(file->weights);
    free(file);
}

static int write_at(int fd, const void *bytes, int64_t count, int64_t offset,
                    struct spot_error *err)
{
    const char *next = bytes;
    while (count > 0) {
        ssize_t done = pwrite(fd, next, (size_t)count, (off_t)offset);
        if (done < 0 && errno == EINTR) continue;
        if (done < 0)
            return spot_fail(err, SPOT_EIO,
                             "cannot write the rows to a temporary file: %s; free some space, "
                             "allow more memory or choose another folder for the output",
                             strerror(errno));
        next += done;
        offset += done;
        count -= done;
    }
    return SPOT_OK;
}

static int read_at(int fd, void *bytes, int64_t count, int64_t offset, struct spot_error *err)
{
    char *next = bytes;
    while (count > 0) {
        ssize_t done = pread(fd, next, (size_t)count, (off_t)offset);
        if (done < 0 && errno == EINTR) continue;
        if (done <= 0)
            return spot_fail(err, SPOT_EIO, "cannot read the rows from their temporary file: %s",
                             done < 0 ? strerror(errno) : "it is too short");
        next += done;
        offset += done;
        count -= done;
    }
    return SPOT_OK;
}

static int64_t row_bytes(const struct row_file *file)
{
    return (int64_t)(file->wide ? sizeof(double) : sizeof(float)) * file->columns;
}

int row_file_append(struct row_file *file, int64_t rows, const void *values, const double *weights,
                    struct spot_error *err)
{
    const int64_t size = row_bytes(file);
    int status = write_at(file->values, values, rows * size, file->rows * size, err);
    if (status == SPOT_OK && file->weights >= 0)
        status = write_at(file->weights, weights, rows * 8, file->rows * 8, err);
    if (status == SPOT_OK) file->rows += rows;
    return status;
}

/* From the temporary file. */
static int read_made(const struct row_file *file, int64_t first, int64_t rows, void *values,
                     double *weights, struct spot_error *err)
{
    int status = SPOT_OK;
    const int64_t size = row_bytes(file);
    if (values != NULL) status = read_at(file->values, values, rows * size, first * size, err);
    if (status == SPOT_OK && weights != NULL)
        status = read_at(file->weights, weights, rows * 8, first * 8, err);
    return status;
}

static int read_rows(void *arg, int64_t first, int64_t rows, float *values, double *weights,
                     struct spot_error *err)
{
    struct row_file *file = arg;
    if (file->npy == NULL) return read_made(file, first, rows, values, weights, err);
    return values == NULL ? SPOT_OK : npy_read_float32(file->npy, first, rows, values, err);
}

static int read_rows64(void *arg, int64_t first, int64_t rows, double *values, double *weights,
                       struct spot_error *err)
{
    struct row_file *file = arg;
    if (file->npy == NULL) return read_made(file, first, rows, values, weights, err);
    return values == NULL ? SPOT_OK : npy_read_float64(file->npy, first, rows, values, err);
}

struct spot_reader row_file_reader(struct row_file *file)
{
    return (struct spot_reader){.read = file->wide ? NULL : read_rows,
                                .arg = file,
                                .weighted = file->weights >= 0,
                                .read64 = file->wide ? read_rows64 : NULL};
}
