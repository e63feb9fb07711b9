/* The rows of a matrix batch by batch, whether they are in memory or are read. */
#ifndef SPOT_MODELS_ROW_BATCHES_H
#define SPOT_MODELS_ROW_BATCHES_H

#include <stdbool.h>
#include <stddef.h>

#include "blackspot.h"

struct row_batches {
    const struct spot_matrix *matrix;
    int64_t most;      /* rows of a batch, at most */
    float *values;     /* (most, columns) of rows that are read, else NULL */
    double *values64;  /* the same where they are float64 */
    double *weights;   /* (most) of rows that are read and have weights, else NULL */
    int64_t next;      /* row */
    bool only_weights; /* set by who wants no values */
};

/* Whether the rows have weights; whether they are float64. */
bool rows_weighted(const struct spot_matrix *matrix);
bool rows_wide(const struct spot_matrix *matrix);

/* Number `at` of the values in memory, as they lie. */
static inline double rows_value(const struct spot_matrix *matrix, int64_t at)
{
    return matrix->values64 != NULL ? matrix->values64[at] : (double)matrix->values[at];
}

/* Bytes of a row's values. */
size_t rows_size(const struct spot_matrix *matrix);

/* Values (rows, columns) of the matrix's type as a matrix. */
struct spot_matrix rows_from(const struct spot_matrix *matrix, const void *values, int64_t rows);

/* Rows [first, first + rows) of a matrix in memory as one. */
struct spot_matrix rows_of(const struct spot_matrix *matrix, int64_t first, int64_t rows);

/* Reads rows, of either type: values are float or double as rows_wide() says, or NULL. */
int rows_read(const struct spot_matrix *matrix, int64_t first, int64_t rows, void *values,
              double *weights, struct spot_error *err);

/* batch_rows 0: all at once where they are in memory, else a few MB. Close after a failure too. */
int row_batches_open(struct row_batches *batches, const struct spot_matrix *matrix,
                     int64_t batch_rows, struct spot_error *err);
void row_batches_close(struct row_batches *batches);

/* The next batch as a matrix in memory, good until the next call; batch->rows 0 when there is none.
 * *first: its first row. */
int row_batches_next(struct row_batches *batches, int64_t *first, struct spot_matrix *batch,
                     struct spot_error *err);

#endif
