#include "models/directions.h"

#include <stdatomic.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "base/memory.h"
#include "numerics/direction.h"

enum { TASK_ROWS = 4096 };

struct scaling {
    float *values; /* (rows, columns) */
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

static void scale_task(void *arg, int64_t task, int worker)
{
    struct scaling *scaling = arg;
    const int32_t columns = scaling->columns;
    const int64_t rows = scaling->rows, first = task * TASK_ROWS;
    const int64_t end = first + TASK_ROWS < rows ? first + TASK_ROWS : rows;
    (void)worker;
    for (int64_t i = first; i < end; i++) {
        float *x = scaling->values + i * columns;
        const double length = row_length(x, columns);
        if (!(length > 0.0) || isinf(length)) {
            refuse(scaling, i);
            return;
        }
        for (int32_t j = 0; j < columns; j++)
            x[j] = unit_value(x[j], length);
    }
}

static int explain(const float *x, int32_t columns, int64_t row, struct spot_error *err)
{
    for (int32_t j = 0; j < columns; j++)
        if (!isfinite(x[j]))
            return spot_fail_at(err, SPOT_EDATA, row + 1, j + 1,
                                "the value is %s; impute or drop it first",
                                isnan(x[j]) ? "NaN" : "infinite");
    return spot_fail_at(err, SPOT_EDATA, row + 1, 0,
                        "all zeros have no direction; drop such rows, or use the Euclidean metric");
}

static int read_directions(void *arg, int64_t first, int64_t rows, float *values, double *weights,
                           struct spot_error *err)
{
    const struct directions *directions = arg;
    const struct spot_matrix *source = directions->source;
    const int32_t columns = source->columns;
    if (source->reader != NULL) {
        int status = source->reader->read(source->reader->arg, first, rows, values, weights, err);
        if (status < 0) return status;
    } else {
        if (values != NULL)
            memcpy(values, source->values + first * columns,
                   (size_t)rows * (size_t)columns * sizeof *values);
        if (weights != NULL)
            memcpy(weights, source->weights + first, (size_t)rows * sizeof *weights);
    }
    if (values == NULL) return SPOT_OK;
    struct scaling scaling = {.values = values, .rows = rows, .columns = columns};
    atomic_init(&scaling.refused, rows);
    pool_run(directions->pool, (rows + TASK_ROWS - 1) / TASK_ROWS, scale_task, &scaling);
    const int64_t refused = atomic_load(&scaling.refused);
    if (refused == rows) return SPOT_OK;
    return explain(values + refused * columns, columns, first + refused, err);
}

void directions_of(const struct spot_matrix *source, struct spot_pool *pool,
                   struct directions *directions)
{
    const bool weighted =
        source->reader != NULL ? source->reader->weighted != 0 : source->weights != NULL;
    *directions = (struct directions){.source = source, .pool = pool};
    directions->reader =
        (struct spot_reader){.read = read_directions, .arg = directions, .weighted = weighted};
    directions->matrix = (struct spot_matrix){
        .rows = source->rows, .columns = source->columns, .reader = &directions->reader};
}

int unit_rows(const struct spot_matrix *data, struct spot_pool *pool, float **values,
              struct spot_error *err)
{
    struct directions directions;
    directions_of(data, pool, &directions);
    *values = spot_alloc(data->rows, (size_t)data->columns * sizeof(float));
    if (*values == NULL) return spot_fail_memory(err, "the rows at length one");
    int status = read_directions(&directions, 0, data->rows, *values, NULL, err);
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
