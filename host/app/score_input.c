#define _GNU_SOURCE /* argp */
#include "app/score_input.h"

#include <math.h>
#include <stdlib.h>

#include "app/encoder_file.h"
#include "base/error.h"
#include "base/memory.h"
#include "data/npy.h"
#include "data/table.h"

enum { BATCH_ROWS = 65536 };

/* ---- A matrix as `prepare` writes it ------------------------------------------------------- */

static int npy_each(struct session *session, const struct model *model, const char *path,
                    rows_visitor *visit, void *arg, struct spot_error *err)
{
    struct npy_file *file = NULL;
    float *values = NULL;
    int64_t rows;
    int32_t columns;
    int status;
    SPOT_TRY(npy_open(path, &file, &rows, &columns, err));
    if (columns != model->columns) {
        status = spot_fail(err, SPOT_EDATA, "%.200s has %d columns, but the model has %d features",
                           path, columns, model->columns);
        goto out;
    }
    int64_t batch = session->batch_rows > 0 ? session->batch_rows : BATCH_ROWS;
    if (batch > rows) batch = rows;
    values = spot_alloc(batch, (size_t)columns * sizeof *values);
    if (values == NULL) {
        status = spot_fail_memory(err, "a batch of rows");
        goto out;
    }
    for (int64_t first = 0; first < rows; first += batch) {
        int64_t count = rows - first < batch ? rows - first : batch;
        if (session_stopped(session)) {
            status = SPOT_ESTOPPED;
            goto out;
        }
        SPOT_TRY(npy_read_float32(file, first, count, values, err));
        const struct scored_rows read = {.values = values, .rows = count, .first_row = first};
        SPOT_TRY(visit(arg, &read, err));
        int64_t row_bytes = (int64_t)sizeof *values * columns;
        progress_reading(&session->progress, first + count, (first + count) * row_bytes,
                         rows * row_bytes);
    }
out:
    free(values);
    npy_close(file);
    return status;
}

/* ---- A table whose columns are the features ------------------------------------------------ */

struct plain_table {
    struct session *session;
    const struct model *model;
    const struct column_spec *specs; /* (columns, and one more for ids) */
    struct table_reader *reader;
    bool has_ids;
    rows_visitor *visit;
    void *arg;
    float *values; /* (capacity) */
    int64_t capacity;
};

static int refuse_missing(const struct plain_table *table, const struct batch *batch, int64_t row,
                          int32_t column, struct spot_error *err)
{
    return spot_fail(err, SPOT_EDATA,
                     "%.200s:%lld: column %s has no number that float32 can hold, and the model "
                     "carries no encoder that would replace it",
                     table_file_name(table->reader, batch->file), (long long)batch_line(batch, row),
                     table->specs[column].name);
}

static int take_plain(void *arg, struct batch *batch, struct spot_error *err)
{
    struct plain_table *table = arg;
    int32_t columns = table->model->columns;
    const struct column *ids = table->has_ids ? &batch->columns[columns] : NULL;
    int64_t cells;
    int status = SPOT_OK;
    if (__builtin_mul_overflow(batch->rows, (int64_t)columns, &cells) ||
        spot_grow((void **)&table->values, &table->capacity, cells, sizeof *table->values) < 0)
        status = spot_fail_memory(err, "a batch of rows");
    for (int64_t i = 0; status == SPOT_OK && i < batch->rows; i++)
        for (int32_t j = 0; j < columns && status == SPOT_OK; j++) {
            float value = (float)batch->columns[j].values[i];
            table->values[i * columns + j] = value;
            if (!isfinite(value)) status = refuse_missing(table, batch, i, j, err);
        }
    const struct scored_rows rows = {.values = table->values,
                                     .rows = batch->rows,
                                     .first_row = batch->first_row,
                                     .id_offsets = ids != NULL ? ids->text_offsets : NULL,
                                     .id_bytes = ids != NULL ? ids->text_bytes : NULL};
    if (status == SPOT_OK && batch->rows > 0) status = table->visit(table->arg, &rows, err);
    batch_free(batch);
    return status;
}

/* The features' columns as numbers, and behind them the ids. */
static struct column_spec *plain_specs(const struct model *model, const char *id_column)
{
    struct column_spec *specs = spot_alloc_zero((int64_t)model->columns + 1, sizeof *specs);
    for (int32_t j = 0; specs != NULL && j < model->columns; j++)
        specs[j] = (struct column_spec){.name = model->features[j],
                                        .source = model->features[j],
                                        .type = COLUMN_NUMBER,
                                        .decimal = '.'};
    if (specs != NULL && id_column != NULL)
        specs[model->columns] = (struct column_spec){
            .name = id_column, .source = id_column, .type = COLUMN_TEXT, .decimal = '.'};
    return specs;
}

static int plain_each(struct session *session, const struct model *model,
                      const struct prepare_options *reading, const char *id_column,
                      rows_visitor *visit, void *arg, struct spot_error *err)
{
    int status;
    struct plain_table table = {.session = session,
                                .model = model,
                                .has_ids = id_column != NULL,
                                .visit = visit,
                                .arg = arg};
    const struct table_options options = {.files = reading->inputs,
                                          .files_count = reading->inputs_count,
                                          .spool_dir = reading->spool_dir};
    const struct table_visitor visitor = {
        .take = take_plain, .progress = reading->progress, .arg = &table};
    struct column_spec *specs = plain_specs(model, id_column);
    if (specs == NULL) return spot_fail_memory(err, "the columns");
    table.specs = specs;
    SPOT_TRY(table_open(&options, engine_pool(session->engine), &table.reader, err));
    status = table_each(table.reader, specs, model->columns + (id_column != NULL), &visitor, err);
out:
    table_close(table.reader);
    free(table.values);
    free(specs);
    return status;
}

int score_input_each(struct session *session, const struct model *model,
                     const struct model_encoder *encoder, const char *id_column,
                     rows_visitor *visit, void *arg, struct spot_error *err)
{
    struct prepare_options reading;
    int status = session_reading(session, &reading, err);
    if (status < 0) return status;
    if (reading.inputs_count == 1 && is_npy(reading.inputs[0])) {
        if (id_column != NULL)
            return spot_fail(err, SPOT_EUSAGE, "--id: a .npy has no column of ids");
        return npy_each(session, model, reading.inputs[0], visit, arg, err);
    }
    if (encoder->encoder == NULL)
        return plain_each(session, model, &reading, id_column, visit, arg, err);
    reading.schema = encoder->schema;
    reading.encoder = encoder->encoder;
    reading.id_column = id_column;
    return prepare_each(&reading, engine_pool(session->engine), visit, arg, err);
}
