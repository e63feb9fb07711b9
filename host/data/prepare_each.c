/* Scoring a table that need not fit in memory: each batch is encoded on any thread and visited in
 * row order. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "base/memory.h"
#include "data/npy.h"
#include "data/prepare_internal.h"

enum { NPY_BYTES = 8 << 20 }; /* of a .npy at a time */

struct visiting {
    struct intake intake;
    int (*visit)(void *arg, const struct scored_rows *rows, struct spot_error *err);
    void *arg;
    int64_t rows; /* visited so far */
    int64_t left_out, bad_rows;
    struct id_list ids;
    double *weights; /* (weights_capacity) of a batch */
    int64_t weights_capacity;
};

static int visit_work(void *arg, struct batch *batch, int worker, struct spot_error *err)
{
    const struct intake *intake = &((struct visiting *)arg)->intake;
    struct encoded *encoded = NULL;
    (void)worker;
    int status = schema_refuse_cells(intake->schema, batch,
                                     table_file_name(intake->reader, batch->file), err);
    schema_clear_outside(intake->schema, batch);
    if (status == SPOT_OK) status = encode_batch(intake, batch, &encoded, err);
    batch->user = encoded;
    return status;
}

static void visit_discard(void *arg, struct batch *batch)
{
    (void)arg;
    encoded_free(batch->user);
    batch->user = NULL;
}

static int take_weights(struct visiting *visiting, const struct batch *batch,
                        const struct encoded *encoded, struct spot_error *err)
{
    void *weights = visiting->weights;
    int status = spot_grow(&weights, &visiting->weights_capacity, encoded->rows + 1,
                           sizeof *visiting->weights);
    visiting->weights = weights;
    if (status < 0) return spot_fail_memory(err, "the sample weights");
    return copy_weights(&visiting->intake, batch, encoded->kept, visiting->weights, err);
}

static int visit_take(void *arg, struct batch *batch, struct spot_error *err)
{
    struct visiting *visiting = arg;
    struct encoded *encoded = batch->user;
    int32_t id = visiting->intake.id;
    int status = SPOT_OK;
    batch->user = NULL;
    visiting->ids.count = visiting->ids.bytes_count = 0;
    if (id >= 0)
        status = ids_append(&visiting->ids, &batch->columns[id], batch->rows, encoded->kept, err);
    if (status == SPOT_OK && visiting->intake.weight >= 0)
        status = take_weights(visiting, batch, encoded, err);
    struct scored_rows rows = {.values = encoded->values,
                               .values64 = encoded->values64,
                               .rows = encoded->rows,
                               .weights = visiting->weights,
                               .id_offsets = id >= 0 ? visiting->ids.offsets : NULL,
                               .id_bytes = id >= 0 ? visiting->ids.bytes : NULL};
    if (status == SPOT_OK && rows.rows > 0) status = visiting->visit(visiting->arg, &rows, err);
    visiting->rows += rows.rows;
    visiting->left_out += batch->rows - rows.rows;
    visiting->bad_rows += batch->bad_rows;
    encoded_free(encoded);
    batch_free(batch);
    return status;
}

static int visit_progress(void *arg, int64_t rows, int64_t bytes, int64_t total)
{
    const struct prepare_options *options = ((struct visiting *)arg)->intake.options;
    return options->progress == NULL ? 0 : options->progress(options->arg, rows, bytes, total);
}

/* Rows without a score are no secret. */
static void warn_of(const struct visiting *visiting, int64_t rows, const char *what)
{
    const struct prepare_options *options = visiting->intake.options;
    char line[120];
    if (rows == 0 || options->warn == NULL) return;
    snprintf(line, sizeof line, "%lld %s were left out", (long long)rows, what);
    options->warn(options->arg, line);
}

/* Where labels stand in another file, a row left out would shift all that follow. */
static int check_left_out(const struct visiting *visiting, struct spot_error *err)
{
    const int64_t rows = visiting->left_out + visiting->bad_rows;
    if (rows > 0 && visiting->intake.options->every_row)
        return spot_fail(err, SPOT_EDATA,
                         "%.200s: %lld rows have missing values or could not be read; with labels "
                         "in another file every row must be there",
                         table_file_name(visiting->intake.reader, 0), (long long)rows);
    warn_of(visiting, visiting->left_out, "rows with missing values");
    warn_of(visiting, visiting->bad_rows, "rows that could not be read");
    return SPOT_OK;
}

static int visit_text(struct visiting *visiting, struct spot_pool *pool, struct spot_error *err)
{
    struct intake *intake = &visiting->intake;
    int status = intake_open(intake, pool, false, err);
    if (status < 0) return status;
    /* no model's encoder: the numbers as they are, which need no fit */
    if (intake->made_encoder != NULL) status = encoder_fit(intake->made_encoder, pool, err);
    if (status < 0) return status;
    struct table_visitor visitor = {visit_work, visit_take, visit_discard, visit_progress,
                                    visiting};
    status = table_each(intake->reader, intake->specs, intake->specs_count, &visitor, err);
    return status < 0 ? status : check_left_out(visiting, err);
}

static int visit_npy(struct visiting *visiting, struct spot_error *err)
{
    struct npy_file *file = NULL;
    void *values = NULL;
    const bool wide = visiting->intake.options->wide;
    int64_t rows;
    int32_t columns;
    int status;
    SPOT_TRY(npy_open(visiting->intake.paths[0], &file, &rows, &columns, err));
    const int64_t row = (int64_t)columns * (int64_t)(wide ? sizeof(double) : sizeof(float));
    int64_t step = NPY_BYTES / (row + 1) + 1;
    if (step > rows) step = rows;
    values = spot_alloc(step, (size_t)row);
    if (values == NULL) {
        status = spot_fail_memory(err, "a batch");
        goto out;
    }
    for (int64_t first = 0; first < rows; first += step) {
        int64_t count = rows - first < step ? rows - first : step;
        struct scored_rows part = {.rows = count};
        if (wide)
            SPOT_TRY(npy_read_float64(file, first, count, values, err));
        else
            SPOT_TRY(npy_read_float32(file, first, count, values, err));
        if (wide)
            part.values64 = values;
        else
            part.values = values;
        SPOT_TRY(visiting->visit(visiting->arg, &part, err));
        if (visit_progress(visiting, first + count, (first + count) * row, rows * row) != 0) {
            status = spot_fail(err, SPOT_ESTOPPED, "stopped while reading");
            goto out;
        }
    }
out:
    free(values);
    npy_close(file);
    return status;
}

int prepare_each(const struct prepare_options *options, struct spot_pool *pool,
                 int (*visit)(void *arg, const struct scored_rows *rows, struct spot_error *err),
                 void *arg, struct spot_error *err)
{
    struct visiting visiting = {.intake.options = options, .visit = visit, .arg = arg};
    bool npy = false;
    int status = intake_paths(&visiting.intake, err);
    if (status == SPOT_OK) status = intake_is_npy(&visiting.intake, &npy, err);
    if (status == SPOT_OK)
        status = npy ? visit_npy(&visiting, err) : visit_text(&visiting, pool, err);
    ids_clear(&visiting.ids);
    free(visiting.weights);
    intake_close(&visiting.intake);
    return status;
}
