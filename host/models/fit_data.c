#include "models/fit_data.h"

#include <stdbool.h>
#include <stdlib.h>

#include "base/error.h"
#include "base/memory.h"
#include "base/scratch.h"
#include "models/row_batches.h"

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

/* ---- Weights ----------------------------------------------------------------------------------
 */

/* A batch's weights as integers, in an array that grows; NULL where there are none. */
struct weights {
    int64_t *quantised;
    int64_t capacity;
};

static int make_weights(const struct fit_data *data, const struct spot_matrix *batch,
                        struct weights *weights, struct spot_error *err)
{
    if (!data->statistics.weighted) return SPOT_OK;
    if (spot_grow((void **)&weights->quantised, &weights->capacity, batch->rows,
                  sizeof *weights->quantised) < 0)
        return spot_fail_memory(err, "the sample weights");
    quantise_weights(&data->statistics, batch->weights, batch->rows, weights->quantised);
    return SPOT_OK;
}

/* Rows to work on at a time; with a memory limit what is made of a batch has to be small. */
static int64_t batch_rows_of(const struct fit_data *data, int64_t wanted)
{
    const int64_t most = (INT64_C(1) << 20) / data->matrix->columns + 1;
    return data->engine->options.memory > 0 && (wanted <= 0 || wanted > most) ? most : wanted;
}

/* ---- Equal rows -------------------------------------------------------------------------------
 */

/* The table must fit beside everything else. */
static int check_memory(const struct fit_data *data, struct spot_error *err)
{
    const int64_t limit = data->engine->options.memory;
    const int64_t used = limit > 0 ? resident_bytes(limit) : 0;
    if (used <= limit) return SPOT_OK;
    return spot_fail(err, SPOT_ENOMEM,
                     "merging equal rows: %lld MB are in use where %lld MB are allowed; allow more "
                     "memory, or do without (compact off)",
                     (long long)(used >> 20), (long long)(limit >> 20));
}

static int merge_rows(struct fit_data *data, bool force, struct spot_error *err)
{
    int status;
    const spot_engine *engine = data->engine;
    const struct spot_matrix *matrix = data->matrix;
    const int64_t map_bytes = matrix->rows * (int64_t)sizeof(int32_t);
    const struct compact_options options = {.rows = matrix->rows,
                                            .columns = matrix->columns,
                                            .wide = rows_wide(matrix),
                                            .weighted = data->statistics.weighted,
                                            .force = force,
                                            .scratch = engine->options.memory > 0 &&
                                                       map_bytes > engine->options.memory / 16,
                                            .folder = engine->scratch};
    struct compaction *compaction = NULL;
    struct row_batches batches = {0};
    struct weights weights = {0};
    struct spot_matrix batch;
    int64_t first;
    bool gives_up = false;
    SPOT_TRY(compaction_open(&options, &compaction, err));
    SPOT_TRY(row_batches_open(&batches, matrix, batch_rows_of(data, 0), err));
    while (!gives_up) {
        SPOT_TRY(row_batches_next(&batches, &first, &batch, err));
        if (batch.rows == 0) break;
        SPOT_TRY(make_weights(data, &batch, &weights, err));
        const void *values = batch.values64 != NULL ? (const void *)batch.values64 : batch.values;
        SPOT_TRY(compaction_add(compaction, batch.rows, values, weights.quantised, &gives_up, err));
        SPOT_TRY(check_memory(data, err));
    }
    if (gives_up && force)
        engine_log(engine, SPOT_LOG_WARNING,
                   "equal rows are not merged: more than %lld are different",
                   (long long)compaction_groups(matrix->columns, options.wide));
    compaction_finish(compaction, &data->compacted);
out:
    compaction_close(compaction);
    row_batches_close(&batches);
    free(weights.quantised);
    return status;
}

/* ---- To the device ----------------------------------------------------------------------------
 */

/* Puts rows of either type. */
static int put(struct fit_data *data, int64_t first, const struct spot_matrix *rows,
               const int64_t *weights, const int32_t *counts, struct spot_error *err)
{
    const struct backend_core *core = data->engine->tables->core;
    if (rows->values64 != NULL)
        return core->data_put64(data->handle, first, rows->rows, rows->values64, weights, counts,
                                err);
    return core->data_put(data->handle, first, rows->rows, rows->values, weights, counts, err);
}

static int put_groups(struct fit_data *data, struct spot_error *err)
{
    int status;
    const struct backend_core *core = data->engine->tables->core;
    const struct compacted *merged = &data->compacted;
    const struct spot_matrix groups = {.values = merged->values,
                                       .rows = merged->groups,
                                       .columns = data->matrix->columns,
                                       .values64 = merged->values64};
    SPOT_TRY(put(data, 0, &groups, merged->weights, merged->counts, err));
    status = core->data_map(data->handle, merged->rows, merged->group_of_row, merged->scratch, err);
out:
    return status;
}

/* Rows that are read again must be those that the statistics were taken of. */
static int check_same(const struct fit_data *data, const struct spot_matrix *batch, double *ranges,
                      struct spot_error *err)
{
    const int32_t columns = batch->columns;
    const struct statistics *s = &data->statistics;
    int status = column_ranges(batch, engine_pool(data->engine), ranges, ranges + columns, err);
    for (int32_t j = 0; j < columns && status == SPOT_OK; j++)
        if (ranges[j] < s->minimum[j] || ranges[columns + j] > s->maximum[j])
            status = spot_fail(err, SPOT_EDATA, "the rows changed while they were read; try again");
    return status;
}

static int put_matrix(struct fit_data *data, int64_t batch_rows, struct spot_error *err)
{
    int status;
    const struct spot_matrix *matrix = data->matrix;
    const bool read = matrix->reader != NULL;
    struct row_batches batches = {0};
    struct weights weights = {0};
    struct spot_matrix batch;
    int64_t first;
    double *ranges = spot_alloc(2 * (int64_t)matrix->columns, sizeof *ranges);
    if (ranges == NULL) return spot_fail_memory(err, "the columns' ranges");
    SPOT_TRY(row_batches_open(&batches, matrix, batch_rows_of(data, batch_rows), err));
    for (;;) {
        SPOT_TRY(row_batches_next(&batches, &first, &batch, err));
        if (batch.rows == 0) break;
        if (read) SPOT_TRY(check_same(data, &batch, ranges, err));
        SPOT_TRY(make_weights(data, &batch, &weights, err));
        SPOT_TRY(put(data, first, &batch, weights.quantised, NULL, err));
    }
out:
    row_batches_close(&batches);
    free(weights.quantised);
    free(ranges);
    return status;
}

int fit_data_open(struct fit_data *data, spot_engine *engine, const struct spot_matrix *matrix,
                  const struct fit_data_options *options, struct spot_error *err)
{
    int status;
    *data = (struct fit_data){.engine = engine, .matrix = matrix};
    const struct statistics *s = &data->statistics;
    SPOT_TRY(statistics_of(matrix, options->centres, options->k, engine_pool(engine),
                           &data->statistics, err));
    if (options->spherical) make_spherical(&data->statistics, options->centres != NULL);
    if (options->compact != 0) SPOT_TRY(merge_rows(data, options->compact == 1, err));
    const struct backend_core *core = engine->tables->core;
    SPOT_TRY((rows_wide(matrix) ? core->data_open64 : core->data_open)(
        engine->backend, fit_data_rows(data), matrix->columns, s->offset, s->largest,
        options->batch_rows, &data->handle, err));
    status = data->compacted.groups > 0 ? put_groups(data, err)
                                        : put_matrix(data, options->batch_rows, err);
out:
    return status;
}

void fit_data_close(struct fit_data *data)
{
    data->engine->tables->core->data_close(data->handle);
    compacted_clear(&data->compacted);
    statistics_clear(&data->statistics);
}
