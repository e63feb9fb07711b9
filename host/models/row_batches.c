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

int row_batches_open(struct row_batches *batches, const struct spot_matrix *matrix,
                     int64_t batch_rows, struct spot_error *err)
{
    const int64_t rows = matrix->rows, columns = matrix->columns;
    *batches = (struct row_batches){.matrix = matrix, .most = batch_rows};
    if (batch_rows <= 0 || batch_rows > rows) batches->most = rows;
    if (matrix->reader == NULL) return SPOT_OK;
    const int64_t fitting = BATCH_BYTES / (columns * (int64_t)sizeof(float)) + 1;
    if (batches->most > fitting) batches->most = fitting;
    batches->values = spot_alloc(batches->most, (size_t)columns * sizeof(float));
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
    const struct spot_reader *reader = matrix->reader;
    const int64_t left = matrix->rows - batches->next, at = batches->next;
    const int64_t rows = left < batches->most ? left : batches->most;
    *first = at;
    *batch = (struct spot_matrix){.rows = rows, .columns = matrix->columns};
    batches->next += rows;
    if (rows == 0) return SPOT_OK;
    if (reader == NULL) {
        batch->values = matrix->values + at * matrix->columns;
        batch->weights = matrix->weights == NULL ? NULL : matrix->weights + at;
        return SPOT_OK;
    }
    batch->values = batches->only_weights ? NULL : batches->values;
    batch->weights = batches->weights;
    return reader->read(reader->arg, at, rows, batches->only_weights ? NULL : batches->values,
                        batches->weights, err);
}
