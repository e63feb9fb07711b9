#include "models/fit_data.h"

#include <stdbool.h>
#include <string.h>

#include "base/error.h"

int64_t fit_data_rows(const struct fit_data *data)
{
    return data->compacted.groups > 0 ? data->compacted.groups : data->matrix->rows;
}

int64_t fit_data_row(const struct fit_data *data, int64_t original)
{
    return data->compacted.groups > 0 ? data->compacted.group_of_row[original] : original;
}

int64_t fit_data_copies(const struct fit_data *data, int64_t row)
{
    return data->compacted.groups > 0 ? data->compacted.counts[row] : 1;
}

static int put_rows(struct fit_data *data, int64_t batch_rows, struct spot_error *err)
{
    int status = SPOT_OK;
    const struct backend_core *core = data->engine->tables->core;
    const struct compacted *merged = &data->compacted;
    const bool compact = merged->groups > 0;
    const int64_t rows = fit_data_rows(data);
    const int32_t columns = data->matrix->columns;
    const float *values = compact ? merged->values : data->matrix->values;
    const int64_t *weights = compact ? merged->weights : data->statistics.weights;
    const int64_t batch = batch_rows > 0 ? batch_rows : rows;
    SPOT_TRY(core->data_open(data->engine->backend, rows, columns, data->statistics.offset,
                             data->statistics.largest, batch, &data->handle, err));
    for (int64_t first = 0; first < rows; first += batch) {
        int64_t count = rows - first < batch ? rows - first : batch;
        SPOT_TRY(core->data_put(data->handle, first, count, values + first * columns,
                                weights == NULL ? NULL : weights + first,
                                compact ? merged->counts + first : NULL, err));
    }
    if (compact)
        SPOT_TRY(core->data_map(data->handle, data->matrix->rows, merged->group_of_row, 0, err));
out:
    return status;
}

int fit_data_open(struct fit_data *data, spot_engine *engine, const struct spot_matrix *matrix,
                  const struct fit_data_options *options, struct spot_error *err)
{
    int status = SPOT_OK;
    *data = (struct fit_data){.engine = engine, .matrix = matrix};
    SPOT_TRY(statistics_of(matrix, options->centres, options->k, engine_pool(engine),
                           &data->statistics, err));
    if (options->compact != 0)
        SPOT_TRY(compact_rows(matrix, data->statistics.weights, options->compact == 1,
                              &data->compacted, err));
    SPOT_TRY(put_rows(data, options->batch_rows, err));
out:
    return status;
}

void fit_data_close(struct fit_data *data)
{
    data->engine->tables->core->data_close(data->handle);
    compacted_clear(&data->compacted);
    statistics_clear(&data->statistics);
}
