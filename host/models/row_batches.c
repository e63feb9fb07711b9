#include "models/row_batches.h"

#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "base/memory.h"

static const int64_t BATCH_BYTES = 4 << 20;

bool rows_weighted(const struct spot_matrix *matrix)
{
    return matrix->reader != NULL ? matrix->reader->weighted != 0 : matrix->weights != NULL;
}

bool rows_wide(const struct spot_matrix *matrix)
{
    return matrix->reader != NULL ? matrix->reader->read64 != NULL : matrix->values64 != NULL;
}

size_t rows_size(const struct spot_matrix *matrix)
{
    return (size_t)matrix->columns * (rows_wide(matrix) ? sizeof(double) : sizeof(float));
}

struct spot_matrix rows_from(const struct spot_matrix *matrix, const void *values, int64_t rows)
{
    const bool wide = rows_wide(matrix);
    return (struct spot_matrix){.values = wide ? NULL : values,
                                .rows = rows,
                                .columns = matrix->columns,
                                .values64 = wide ? values : NULL};
}

struct spot_matrix rows_of(const struct spot_matrix *matrix, int64_t first, int64_t rows)
{
    struct spot_matrix part = {.rows = rows, .columns = matrix->columns};
    if (matrix->values != NULL) part.values = matrix->values + first * matrix->columns;
    if (matrix->values64 != NULL) part.values64 = matrix->values64 + first * matrix->columns;
    if (matrix->weights != NULL) part.weights = matrix->weights + first;
    return part;
}

int rows_read(const struct spot_matrix *matrix, int64_t first, int64_t rows, void *values,
              double *weights, struct spot_error *err)
{
    const struct spot_reader *reader = matrix->reader;
    if (reader != NULL && reader->read64 != NULL)
        return reader->read64(reader->arg, first, rows, values, weights, err);
    if (reader != NULL) return reader->read(reader->arg, first, rows, values, weights, err);
    const struct spot_matrix part = rows_of(matrix, first, rows);
    const size_t cells = (size_t)rows * (size_t)matrix->columns;
    if (values != NULL && part.values64 != NULL)
        memcpy(values, part.values64, cells * sizeof *part.values64);
    else if (values != NULL)
        memcpy(values, part.values, cells * sizeof *part.values);
    if (weights != NULL) memcpy(weights, part.weights, (size_t)rows * sizeof *weights);
    return SPOT_OK;
}

int row_batches_open(struct row_batches *batches, const struct spot_matrix *matrix,
                     int64_t batch_rows, struct spot_error *err)
{
    const int64_t rows = matrix->rows;
    *batches = (struct row_batches){.matrix = matrix, .most = batch_rows};
    if (batch_rows <= 0 || batch_rows > rows) batches->most = rows;
    if (matrix->reader == NULL) return SPOT_OK;
    const size_t row_bytes = rows_size(matrix);
    const int64_t fitting = BATCH_BYTES / (int64_t)row_bytes + 1;
    if (batches->most > fitting) batches->most = fitting;
    batches->values = spot_alloc(batches->most, row_bytes);
    if (rows_weighted(matrix)) batches->weights = spot_alloc(batches->most, sizeof(double));
    if (batches->values == NULL || (rows_weighted(matrix) && batches->weights == NULL))
        return spot_fail_memory(err, "a batch of rows");
    return SPOT_OK;
}

void row_batches_close(struct row_batches *batches)
{
    free(batches->values);
    free(batches->weights);
    memset(batches, 0, sizeof *batches);
}

int row_batches_next(struct row_batches *batches, int64_t *first, struct spot_matrix *batch,
                     struct spot_error *err)
{
    const struct spot_matrix *matrix = batches->matrix;
    const int64_t left = matrix->rows - batches->next, at = batches->next;
    const int64_t rows = left < batches->most ? left : batches->most;
    *first = at;
    *batch = (struct spot_matrix){.rows = rows, .columns = matrix->columns};
    batches->next += rows;
    if (rows == 0) return SPOT_OK;
    if (matrix->reader == NULL) {
        *batch = rows_of(matrix, at, rows);
        return SPOT_OK;
    }
    void *values = batches->only_weights ? NULL : batches->values;
    *batch = rows_from(matrix, values, rows);
    batch->weights = batches->weights;
    return rows_read(matrix, at, rows, values, batches->weights, err);
}
