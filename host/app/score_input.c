#define _GNU_SOURCE /* argp */
#include "app/score_input.h"

#include <stdlib.h>
#include <string.h>

#include "app/encoder_file.h"
#include "app/plain_table.h"
#include "base/error.h"
#include "base/memory.h"
#include "data/npy.h"

enum { BATCH_ROWS = 65536, BATCH_BYTES = 16 << 20 };

/* ---- A matrix as `prepare` writes it ------------------------------------------------------- */

static int npy_each(struct session *session, const struct model *model, const char *path,
                    rows_visitor *visit, void *arg, struct spot_error *err)
{
    struct npy_file *file = NULL;
    void *values = NULL;
    const bool wide = model->float64;
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
    const int64_t row_bytes = (int64_t)columns * (int64_t)(wide ? sizeof(double) : sizeof(float));
    const int64_t most = BATCH_BYTES / row_bytes + 1;
    if (batch > most) batch = most;
    if (batch > rows) batch = rows;
    values = spot_alloc(batch, (size_t)row_bytes);
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
        if (wide)
            SPOT_TRY(npy_read_float64(file, first, count, values, err));
        else
            SPOT_TRY(npy_read_float32(file, first, count, values, err));
        const struct scored_rows read = {
            .values = wide ? NULL : values, .values64 = wide ? values : NULL, .rows = count};
        status = visit(arg, &read, err);
        if (status < 0) {
            spot_name_place(err, path, first, (const char *const *)model->features);
            goto out;
        }
        progress_reading(&session->progress, first + count, (first + count) * row_bytes,
                         rows * row_bytes);
    }
out:
    free(values);
    npy_close(file);
    return status;
}

/* ---- A table whose columns are the features ------------------------------------------------ */

struct plain_rows {
    int32_t columns;
    bool has_ids, has_weights;
    rows_visitor *visit;
    void *arg;
    bool wide;
    void *values; /* (capacity) float or, if wide, double */
    int64_t capacity;
};

static int visit_plain(void *arg, const struct batch *batch, struct spot_error *err)
{
    struct plain_rows *plain = arg;
    int64_t cells;
    if (__builtin_mul_overflow(batch->rows, (int64_t)plain->columns, &cells) ||
        spot_grow(&plain->values, &plain->capacity, cells,
                  plain->wide ? sizeof(double) : sizeof(float)) < 0)
        return spot_fail_memory(err, "a batch of rows");
    float *narrow = plain->wide ? NULL : plain->values;
    double *wide = plain->wide ? plain->values : NULL;
    for (int64_t i = 0; i < batch->rows; i++)
        for (int32_t j = 0; j < plain->columns; j++) {
            const double value = batch->columns[j].values[i];
            if (wide != NULL)
                wide[i * plain->columns + j] = value;
            else
                narrow[i * plain->columns + j] = (float)value;
        }
    struct scored_rows rows = {.values = narrow, .values64 = wide, .rows = batch->rows};
    const struct column *beside = &batch->columns[plain->columns];
    if (plain->has_weights) rows.weights = (beside++)->values;
    if (plain->has_ids) {
        rows.id_offsets = beside->text_offsets;
        rows.id_bytes = beside->text_bytes;
    }
    return plain->visit(plain->arg, &rows, err);
}

static int plain_each(struct session *session, const struct model *model,
                      const struct extra_columns *extra, rows_visitor *visit, void *arg,
                      struct spot_error *err)
{
    const struct text_list *inputs = &session->arguments.inputs;
    struct plain_rows plain = {.columns = model->columns,
                               .wide = model->float64,
                               .has_ids = extra->id != NULL,
                               .has_weights = extra->weight != NULL,
                               .visit = visit,
                               .arg = arg};
    const char **names = spot_alloc(model->columns + 1, sizeof *names);
    if (names == NULL) return spot_fail_memory(err, "the names");
    memcpy(names, model->features, (size_t)model->columns * sizeof *names);
    names[model->columns] = extra->weight;
    const struct plain_table table = {.files = inputs->items,
                                      .files_count = inputs->count,
                                      .names = names,
                                      .columns = model->columns + plain.has_weights,
                                      .id_column = extra->id};
    int status = plain_table_each(session, &table, visit_plain, &plain, err);
    free(names);
    free(plain.values);
    return status;
}

int score_input_each(struct session *session, const struct model *model,
                     const struct model_encoder *encoder, const struct extra_columns *extra,
                     rows_visitor *visit, void *arg, struct spot_error *err)
{
    struct prepare_options reading;
    int status = session_reading(session, &reading, err);
    if (status < 0) return status;
    if (reading.inputs_count == 1 && is_npy(reading.inputs[0])) {
        if (extra->id != NULL)
            return spot_fail(err, SPOT_EUSAGE, "--id: a .npy has no column of ids");
        if (extra->weight != NULL)
            return spot_fail(err, SPOT_EUSAGE, "--sample-weight: a .npy has no column of weights");
        return npy_each(session, model, reading.inputs[0], visit, arg, err);
    }
    if (encoder->encoder == NULL) return plain_each(session, model, extra, visit, arg, err);
    reading.schema = encoder->schema;
    reading.encoder = encoder->encoder;
    reading.wide = model->float64;
    reading.every_row = given(&session->arguments, OPTION_LABELS);
    reading.id_column = extra->id;
    reading.weight_column = extra->weight;
    return prepare_each(&reading, engine_pool(session->engine), visit, arg, err);
}
