#include "models/directions.h"

#include <stdatomic.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "base/memory.h"
#include "models/row_batches.h"
#include "numerics/direction.h"

enum { TASK_ROWS = 4096 };

struct scaling {
    float *values;    /* (rows, columns), or NULL: */
    double *values64; /* the same in float64 */
    int64_t rows;
    int32_t columns;
    _Atomic int64_t refused; /* the first row that has no direction, else `rows` */
};

static void refuse(struct scaling *scaling, int64_t row)
{
    int64_t first = atomic_load(&scaling->refused);
    while (row < first && !atomic_compare_exchange_weak(&scaling->refused, &first, row))
        continue;
}

static bool is_finite(const double *x, int32_t columns)
{
    for (int32_t j = 0; j < columns; j++)
        if (!isfinite(x[j])) return false;
    return true;
}

/* Gives row i length one, float64 as centres are given it; false where it has no direction. */
static bool scale_row(const struct scaling *scaling, int64_t i)
{
    const int32_t columns = scaling->columns;
    if (scaling->values64 != NULL) {
        double *wide = scaling->values64 + i * columns;
        return is_finite(wide, columns) && make_unit(wide, columns) != 0;
    }
    float *x = scaling->values + i * columns;
    const double length = row_length(x, columns);
    if (!(length > 0.0) || isinf(length)) return false;
    for (int32_t j = 0; j < columns; j++)
        x[j] = unit_value(x[j], length);
    return true;
}

static void scale_task(void *arg, int64_t task, int worker)
{
    struct scaling *scaling = arg;
    const int64_t rows = scaling->rows, first = task * TASK_ROWS;
    const int64_t end = first + TASK_ROWS < rows ? first + TASK_ROWS : rows;
    (void)worker;
    for (int64_t i = first; i < end; i++)
        if (!scale_row(scaling, i)) {
            refuse(scaling, i);
            return;
        }
}

static int explain(const struct scaling *scaling, int64_t at, int64_t row, struct spot_error *err)
{
    const int32_t columns = scaling->columns;
    for (int64_t j = 0; j < columns; j++) {
        const double x = scaling->values64 != NULL ? scaling->values64[at * columns + j]
                                                   : (double)scaling->values[at * columns + j];
        if (!isfinite(x))
            return spot_fail_at(err, SPOT_EDATA, row + 1, (int32_t)j + 1,
                                "the value is %s; impute or drop it first",
                                isnan(x) ? "NaN" : "infinite");
    }
    return spot_fail_at(err, SPOT_EDATA, row + 1, 0,
                        "all zeros have no direction; drop such rows, or use the Euclidean metric");
}

/* Scales rows that have been read; first: the number of the first of them. */
static int scale_rows(const struct directions *directions, int64_t first, struct scaling *scaling,
                      struct spot_error *err)
{
    const int64_t rows = scaling->rows;
    scaling->columns = directions->source->columns;
    atomic_init(&scaling->refused, rows);
    pool_run(directions->pool, (rows + TASK_ROWS - 1) / TASK_ROWS, scale_task, scaling);
    const int64_t refused = atomic_load(&scaling->refused);
    return refused == rows ? SPOT_OK : explain(scaling, refused, first + refused, err);
}

static int read_directions(void *arg, int64_t first, int64_t rows, float *values, double *weights,
                           struct spot_error *err)
{
    const struct directions *directions = arg;
    struct scaling scaling = {.values = values, .rows = rows};
    int status = rows_read(directions->source, first, rows, values, weights, err);
    if (status < 0 || values == NULL) return status;
    return scale_rows(directions, first, &scaling, err);
}

static int read_directions64(void *arg, int64_t first, int64_t rows, double *values,
                             double *weights, struct spot_error *err)
{
    const struct directions *directions = arg;
    struct scaling scaling = {.values64 = values, .rows = rows};
    int status = rows_read(directions->source, first, rows, values, weights, err);
    if (status < 0 || values == NULL) return status;
    return scale_rows(directions, first, &scaling, err);
}

void directions_of(const struct spot_matrix *source, struct spot_pool *pool,
                   struct directions *directions)
{
    *directions = (struct directions){.source = source, .pool = pool};
    directions->reader = (struct spot_reader){.arg = directions, .weighted = rows_weighted(source)};
    if (rows_wide(source))
        directions->reader.read64 = read_directions64;
    else
        directions->reader.read = read_directions;
    directions->matrix = (struct spot_matrix){
        .rows = source->rows, .columns = source->columns, .reader = &directions->reader};
}

int unit_rows(const struct spot_matrix *data, struct spot_pool *pool, void **values,
              struct spot_error *err)
{
    struct directions directions;
    directions_of(data, pool, &directions);
    *values = spot_alloc(data->rows, rows_size(data));
    if (*values == NULL) return spot_fail_memory(err, "the rows at length one");
    int status = rows_read(&directions.matrix, 0, data->rows, *values, NULL, err);
    if (status == SPOT_OK) return SPOT_OK;
    free(*values);
    *values = NULL;
    return status;
}

int unit_centres(const double *centres, int32_t k, int32_t columns, double **unit,
                 struct spot_error *err)
{
    *unit = spot_alloc((int64_t)k * columns, sizeof **unit);
    if (*unit == NULL) return spot_fail_memory(err, "the centres at length one");
    memcpy(*unit, centres, (size_t)k * (size_t)columns * sizeof **unit);
    for (int32_t c = 0; c < k; c++)
        if (!make_unit(*unit + (int64_t)c * columns, columns)) {
            free(*unit);
            *unit = NULL;
            return spot_fail(err, SPOT_EDATA,
                             "initial centre of cluster %d: all zeros have no direction", (int)c);
        }
    return SPOT_OK;
}
