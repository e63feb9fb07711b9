/* Raw files to matrix. The first pass checks every batch and gathers the encoder's statistics, and
 * keeps the typed columns as long as they are small; then the encoder is fitted; then the kept
 * batches are encoded, or the text is read a second time. Both give the same bits. */
#define _GNU_SOURCE
#include "data/prepare.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/error.h"
#include "base/memory.h"
#include "data/npy.h"
#include "data/prepare_internal.h"

/* What work() found in a batch of the first pass. */
struct found {
    struct schema_part *checks;
    struct encoder_part *statistics;
    struct kept_batch *kept; /* NULL when the text will be read again */
};

struct preparing {
    struct intake intake;
    struct spot_pool *pool;
    struct prepared *out;
    struct schema_report *report;
    struct kept_batch **kept; /* (kept_count) in row order */
    int64_t kept_count, kept_capacity, kept_bytes, kept_limit;
    bool rereads;                              /* the kept batches grew too large and are gone */
    int64_t values_capacity, weights_capacity; /* while the matrix grows */
    int64_t carried_capacity[PREPARE_CARRIED];
    struct id_list ids;
};

static double now(void)
{
    struct timespec time;
    clock_gettime(CLOCK_MONOTONIC, &time);
    return (double)time.tv_sec + 1e-9 * (double)time.tv_nsec;
}

static int pass_progress(void *arg, int64_t rows, int64_t bytes, int64_t total)
{
    const struct prepare_options *options = ((struct preparing *)arg)->intake.options;
    return options->progress == NULL ? 0 : options->progress(options->arg, rows, bytes, total);
}

/* Bytes of a row of the matrix. */
static size_t row_bytes(const struct preparing *preparing)
{
    const bool wide = preparing->intake.options->wide;
    return (size_t)preparing->out->columns * (wide ? sizeof(double) : sizeof(float));
}

/* Room for the matrix. */
static int open_values(const struct preparing *preparing, int64_t rows, struct spot_error *err)
{
    struct prepared *out = preparing->out;
    void *values = spot_alloc(rows, row_bytes(preparing));
    if (preparing->intake.options->wide)
        out->values64 = values;
    else
        out->values = values;
    return values != NULL ? SPOT_OK : spot_fail_memory(err, "the matrix");
}

/* ---- First pass: check and observe ---- */

static void found_free(struct found *found)
{
    if (found == NULL) return;
    schema_part_free(found->checks);
    encoder_part_free(found->statistics);
    kept_batch_free(found->kept);
    free(found);
}

static int observe_work(void *arg, struct batch *batch, int worker, struct spot_error *err)
{
    struct preparing *preparing = arg;
    const struct intake *intake = &preparing->intake;
    (void)worker;
    struct found *found = batch->user = calloc(1, sizeof *found);
    if (found == NULL) return spot_fail_memory(err, "a batch");
    int status = schema_check(intake->schema, batch, &found->checks, err);
    schema_clear_outside(intake->schema, batch);
    if (status == SPOT_OK)
        status = encoder_observe(intake->encoder, batch, &found->statistics, err);
    if (status == SPOT_OK && !preparing->rereads)
        status =
            keep_columns(intake, batch, encoder_part_rows(found->statistics), &found->kept, err);
    return status;
}

static void observe_discard(void *arg, struct batch *batch)
{
    (void)arg;
    found_free(batch->user);
    batch->user = NULL;
}

static void forget_kept(struct preparing *preparing)
{
    for (int64_t i = 0; i < preparing->kept_count; i++)
        kept_batch_free(preparing->kept[i]);
    free(preparing->kept);
    preparing->kept = NULL;
    preparing->kept_count = preparing->kept_capacity = preparing->kept_bytes = 0;
}

/* Keeps the batch for the fitted encoder, or forgets all of them when they are too many. */
static int keep(struct preparing *preparing, struct kept_batch *kept, struct spot_error *err)
{
    void *list = preparing->kept;
    if (spot_grow(&list, &preparing->kept_capacity, preparing->kept_count + 1,
                  sizeof *preparing->kept) < 0) {
        kept_batch_free(kept);
        return spot_fail_memory(err, "a batch");
    }
    preparing->kept = list;
    preparing->kept[preparing->kept_count++] = kept;
    preparing->kept_bytes += kept->bytes;
    int64_t bytes = preparing->kept_bytes + encoder_values_bytes(preparing->intake.encoder);
    const bool bounded = preparing->intake.options->memory > 0;
    preparing->rereads =
        bytes > preparing->kept_limit + (bounded ? 0 : 16 * preparing->out->table_rows);
    if (preparing->rereads) forget_kept(preparing);
    return SPOT_OK;
}

static int observe_take(void *arg, struct batch *batch, struct spot_error *err)
{
    struct preparing *preparing = arg;
    struct found *found = batch->user;
    batch->user = NULL;
    const char *file = table_file_name(preparing->intake.reader, batch->file);
    int status = schema_report_add(preparing->report, batch, found->checks, file, err);
    if (status == SPOT_OK)
        status = encoder_add(preparing->intake.made_encoder, batch, found->statistics, err);
    preparing->out->table_rows += batch->rows;
    preparing->out->rows += encoder_part_rows(found->statistics);
    struct kept_batch *kept = found->kept;
    bool keeps = status == SPOT_OK && kept != NULL && !preparing->rereads;
    if (keeps) {
        found->kept = NULL;
        kept->batch = batch;
    } else {
        batch_free(batch);
    }
    found_free(found);
    return keeps ? keep(preparing, kept, err) : status;
}

static void warn_line(void *arg, const char *text)
{
    const struct prepare_options *options = arg;
    options->warn(options->arg, text);
}

/* The verdict on the whole table; the report goes out with it. */
static int judge(struct preparing *preparing, struct spot_error *err)
{
    const struct prepare_options *options = preparing->intake.options;
    int status = schema_report_verdict(preparing->report, preparing->pool, err);
    preparing->out->report = schema_report_json(preparing->report);
    if (preparing->out->report == NULL) return spot_fail_memory(err, "the report");
    if (options->warn != NULL)
        schema_report_warnings(preparing->report, warn_line, (void *)(uintptr_t)options);
    return status;
}

static int observe_table(struct preparing *preparing, struct spot_error *err)
{
    const struct intake *intake = &preparing->intake;
    struct table_visitor visitor = {observe_work, observe_take, observe_discard, pass_progress,
                                    preparing};
    int status = table_each(intake->reader, intake->specs, intake->specs_count, &visitor, err);
    if (status == SPOT_OK) status = judge(preparing, err);
    if (status < 0) return status;
    return encoder_fit(preparing->intake.made_encoder, preparing->pool, err);
}

/* ---- Second step: encode what was kept ---- */

struct slice {
    int64_t first;      /* row of the matrix */
    uint8_t *rows_kept; /* (rows of the batch) */
    int status;
    struct spot_error error;
};

struct slicing {
    struct preparing *preparing;
    struct slice *slices; /* (kept_count) */
};

static void encode_slice(void *arg, int64_t task, int worker)
{
    struct slicing *slicing = arg;
    struct preparing *preparing = slicing->preparing;
    struct slice *slice = &slicing->slices[task];
    struct kept_batch *kept = preparing->kept[task];
    struct prepared *out = preparing->out;
    const struct intake *intake = &preparing->intake;
    struct batch *batch = kept->batch;
    int64_t rows;
    int status;
    (void)worker;
    SPOT_TRY(restore_batch(kept, &slice->error));
    slice->rows_kept = spot_alloc(batch->rows, 1);
    if (slice->rows_kept == NULL) {
        status = spot_fail_memory(&slice->error, "a batch");
        goto out;
    }
    const char *file = table_file_name(intake->reader, batch->file);
    const int64_t at = slice->first * out->columns;
    if (out->values64 != NULL)
        SPOT_TRY(encoder_encode64(intake->encoder, batch, file, out->values64 + at, &rows,
                                  slice->rows_kept, &slice->error));
    else
        SPOT_TRY(encoder_encode(intake->encoder, batch, file, out->values + at, &rows,
                                slice->rows_kept, &slice->error));
    if (out->weights != NULL)
        SPOT_TRY(copy_weights(intake, batch, slice->rows_kept, out->weights + slice->first,
                              &slice->error));
    for (int32_t i = 0; i < intake->options->carried_count; i++)
        copy_carried(intake, batch, i, slice->rows_kept, out->carried[i] + slice->first);
    if (intake->id < 0) {
        batch_free(batch);
        kept->batch = NULL;
    }
out:
    slice->status = status;
}

/* The first error in row order, or the ids put together. */
static int finish_slices(struct slicing *slicing, struct spot_error *err)
{
    struct preparing *preparing = slicing->preparing;
    const struct intake *intake = &preparing->intake;
    for (int64_t i = 0; i < preparing->kept_count; i++) {
        struct slice *slice = &slicing->slices[i];
        if (slice->status < 0) {
            if (err != NULL) *err = slice->error;
            return slice->status;
        }
        if (intake->id < 0) continue;
        struct kept_batch *kept = preparing->kept[i];
        int status = ids_append(&preparing->ids, &kept->batch->columns[intake->id],
                                kept->batch->rows, slice->rows_kept, err);
        if (status < 0) return status;
        kept_batch_free(kept);
        preparing->kept[i] = NULL;
    }
    return SPOT_OK;
}

static int encode_kept(struct preparing *preparing, struct spot_error *err)
{
    struct prepared *out = preparing->out;
    struct slicing slicing = {preparing,
                              spot_alloc_zero(preparing->kept_count, sizeof *slicing.slices)};
    int opened = open_values(preparing, out->rows, err);
    if (preparing->intake.weight >= 0) out->weights = spot_alloc(out->rows, sizeof *out->weights);
    bool carries = true;
    for (int32_t i = 0; i < preparing->intake.options->carried_count; i++) {
        out->carried[i] = spot_alloc(out->rows, sizeof *out->carried[i]);
        carries = carries && out->carried[i] != NULL;
    }
    if (slicing.slices == NULL || opened < 0 || !carries ||
        (preparing->intake.weight >= 0 && out->weights == NULL)) {
        free(slicing.slices);
        return spot_fail_memory(err, "the matrix");
    }
    int64_t first = 0;
    for (int64_t i = 0; i < preparing->kept_count; i++) {
        slicing.slices[i].first = first;
        first += preparing->kept[i]->rows;
    }
    pool_run(preparing->pool, preparing->kept_count, encode_slice, &slicing);
    int status = finish_slices(&slicing, err);
    for (int64_t i = 0; i < preparing->kept_count; i++)
        free(slicing.slices[i].rows_kept);
    free(slicing.slices);
    return status;
}

/* ---- Or read again, or read once with a model's encoder ---- */

static int encode_work(void *arg, struct batch *batch, int worker, struct spot_error *err)
{
    struct preparing *preparing = arg;
    const struct intake *intake = &preparing->intake;
    struct encoded *encoded = NULL;
    struct schema_part *checks = NULL;
    (void)worker;
    int status = SPOT_OK;
    if (preparing->report != NULL) status = schema_check(intake->schema, batch, &checks, err);
    if (status == SPOT_OK && preparing->report != NULL)
        status = schema_refuse_cells(intake->schema, batch,
                                     table_file_name(intake->reader, batch->file), err);
    schema_clear_outside(intake->schema, batch);
    if (status == SPOT_OK) status = encode_batch(intake, batch, &encoded, err);
    if (encoded != NULL)
        encoded->checks = checks;
    else
        schema_part_free(checks);
    batch->user = encoded;
    return status;
}

static void encode_discard(void *arg, struct batch *batch)
{
    (void)arg;
    encoded_free(batch->user);
    batch->user = NULL;
}

static const void *encoded_values(const struct encoded *encoded)
{
    return encoded->values64 != NULL ? (const void *)encoded->values64 : encoded->values;
}

/* Appends an encoded batch to the file that takes the matrix's place. */
static int spool_encoded(struct preparing *preparing, const struct batch *batch,
                         const struct encoded *encoded, struct spot_error *err)
{
    int status = SPOT_OK;
    double *weights = NULL;
    if (preparing->intake.weight >= 0) {
        weights = spot_alloc(encoded->rows, sizeof *weights);
        if (weights == NULL) return spot_fail_memory(err, "the sample weights");
        status = copy_weights(&preparing->intake, batch, encoded->kept, weights, err);
    }
    if (status == SPOT_OK)
        status = row_file_append(preparing->out->file, encoded->rows, encoded_values(encoded),
                                 weights, err);
    preparing->out->rows += encoded->rows;
    free(weights);
    return status;
}

/* Appends an encoded batch to the matrix. */
static int append_encoded(struct preparing *preparing, const struct batch *batch,
                          const struct encoded *encoded, struct spot_error *err)
{
    struct prepared *out = preparing->out;
    const struct intake *intake = &preparing->intake;
    if (out->file != NULL) return spool_encoded(preparing, batch, encoded, err);
    const bool wide = intake->options->wide;
    void *values = wide ? (void *)out->values64 : out->values, *weights = out->weights;
    const size_t row = row_bytes(preparing);
    int status = spot_grow(&values, &preparing->values_capacity, out->rows + encoded->rows, row);
    if (wide)
        out->values64 = values;
    else
        out->values = values;
    if (status == SPOT_OK && intake->weight >= 0)
        status = spot_grow(&weights, &preparing->weights_capacity, out->rows + encoded->rows,
                           sizeof *out->weights);
    out->weights = weights;
    for (int32_t i = 0; i < intake->options->carried_count && status == SPOT_OK; i++) {
        void *carried = out->carried[i];
        status = spot_grow(&carried, &preparing->carried_capacity[i], out->rows + encoded->rows,
                           sizeof(double));
        out->carried[i] = carried;
        if (status == SPOT_OK)
            copy_carried(intake, batch, i, encoded->kept, out->carried[i] + out->rows);
    }
    if (status < 0) return spot_fail_memory(err, "the matrix");
    if (encoded->rows > 0)
        memcpy((char *)values + (size_t)out->rows * row, encoded_values(encoded),
               (size_t)encoded->rows * row);
    if (intake->weight >= 0)
        status = copy_weights(intake, batch, encoded->kept, out->weights + out->rows, err);
    if (status == SPOT_OK && intake->id >= 0)
        status = ids_append(&preparing->ids, &batch->columns[intake->id], batch->rows,
                            encoded->kept, err);
    out->rows += encoded->rows;
    return status;
}

static int encode_take(void *arg, struct batch *batch, struct spot_error *err)
{
    struct preparing *preparing = arg;
    struct encoded *encoded = batch->user;
    batch->user = NULL;
    int status = SPOT_OK;
    if (encoded->checks != NULL)
        status = schema_report_add(preparing->report, batch, encoded->checks,
                                   table_file_name(preparing->intake.reader, batch->file), err);
    if (status == SPOT_OK) status = append_encoded(preparing, batch, encoded, err);
    encoded_free(encoded);
    batch_free(batch);
    return status;
}

/* expected: rows of the matrix when they are known, so that it is allocated once. */
static int encode_table(struct preparing *preparing, int64_t expected, struct spot_error *err)
{
    const struct intake *intake = &preparing->intake;
    struct prepared *out = preparing->out;
    struct table_visitor visitor = {encode_work, encode_take, encode_discard, pass_progress,
                                    preparing};
    const struct prepare_options *options = intake->options;
    out->rows = 0;
    if (options->memory > 0) {
        int status = row_file_make(options->scratch, out->columns, options->wide,
                                   intake->weight >= 0, &out->file, err);
        if (status < 0) return status;
    } else if (expected > 0) {
        int status = open_values(preparing, expected, err);
        if (status < 0) return status;
        preparing->values_capacity = expected;
    }
    return table_each(intake->reader, intake->specs, intake->specs_count, &visitor, err);
}

/* ---- The whole ---- */

static int copy_names(struct prepared *out, const char *const *names, struct spot_error *err)
{
    out->names = spot_alloc_zero(out->columns, sizeof *out->names);
    if (out->names == NULL) return spot_fail_memory(err, "the names");
    for (int32_t j = 0; j < out->columns; j++) {
        char number[16];
        snprintf(number, sizeof number, "x%d", j);
        out->names[j] = spot_copy_text(names == NULL ? number : names[j]);
        if (out->names[j] == NULL) return spot_fail_memory(err, "the names");
    }
    return SPOT_OK;
}

static int prepare_npy(const struct preparing *preparing, struct spot_error *err)
{
    const char *path = preparing->intake.paths[0];
    const bool wide = preparing->intake.options->wide;
    struct prepared *out = preparing->out;
    struct npy_file *file = NULL;
    double start = now();
    int status;
    if (preparing->intake.options->memory > 0) {
        SPOT_TRY(row_file_open(path, wide, &out->file, &out->rows, &out->columns, err));
        return copy_names(out, NULL, err);
    }
    SPOT_TRY(npy_open(path, &file, &out->rows, &out->columns, err));
    SPOT_TRY(open_values(preparing, out->rows, err));
    if (wide)
        SPOT_TRY(npy_read_float64(file, 0, out->rows, out->values64, err));
    else
        SPOT_TRY(npy_read_float32(file, 0, out->rows, out->values, err));
    SPOT_TRY(copy_names(out, NULL, err));
    out->bytes_read = out->rows * (int64_t)row_bytes(preparing);
    out->read_seconds = now() - start;
out:
    npy_close(file);
    return status;
}

/* Whether the matrix would take too much of a limited memory. */
static bool exceeds_memory(const struct preparing *preparing)
{
    const struct prepared *out = preparing->out;
    const int64_t limit = preparing->intake.options->memory;
    const int64_t row = (int64_t)row_bytes(preparing) + 8;
    return limit > 0 && out->rows > limit / 8 / row;
}

/* Trains: observes, fits, encodes. Or scores: encodes. */
static int prepare_text(struct preparing *preparing, struct spot_error *err)
{
    struct intake *intake = &preparing->intake;
    struct prepared *out = preparing->out;
    bool fits = intake->options->encoder == NULL;
    double start = now();
    int status;
    SPOT_TRY(intake_open(intake, preparing->pool, fits, err));
    SPOT_TRY(schema_report_open(intake->schema, &preparing->report, err));
    if (fits) SPOT_TRY(observe_table(preparing, err));
    out->bytes_read = table_bytes(intake->reader);
    out->read_seconds = now() - start;
    start = now();
    out->columns = encoder_width(intake->encoder);
    if (!preparing->rereads && exceeds_memory(preparing)) {
        forget_kept(preparing);
        preparing->rereads = true;
    }
    if (fits && !preparing->rereads) {
        SPOT_TRY(encode_kept(preparing, err));
    } else {
        if (fits) {
            schema_report_free(preparing->report);
            preparing->report = NULL;
        }
        SPOT_TRY(encode_table(preparing, out->rows, err));
    }
    if (!fits) SPOT_TRY(judge(preparing, err));
    SPOT_TRY(copy_names(out, encoder_names(intake->encoder), err));
    out->encode_seconds = now() - start;
    if (!fits) out->bytes_read = table_bytes(intake->reader);
    out->id_offsets = preparing->ids.offsets;
    out->id_bytes = preparing->ids.bytes;
    memset(&preparing->ids, 0, sizeof preparing->ids);
    out->schema = intake->made_schema;
    out->encoder = intake->made_encoder;
    intake->made_schema = NULL;
    intake->made_encoder = NULL;
out:
    return status;
}

int prepare_table_within(const struct prepare_options *options, struct spot_pool *pool,
                         int64_t kept_bytes, struct prepared *out, struct spot_error *err)
{
    struct preparing preparing = {
        .intake.options = options, .pool = pool, .out = out, .kept_limit = kept_bytes};
    bool npy = false;
    int status;
    memset(out, 0, sizeof *out);
    SPOT_TRY(intake_paths(&preparing.intake, err));
    SPOT_TRY(intake_is_npy(&preparing.intake, &npy, err));
    status = npy ? prepare_npy(&preparing, err) : prepare_text(&preparing, err);
out:
    forget_kept(&preparing);
    ids_clear(&preparing.ids);
    schema_report_free(preparing.report);
    intake_close(&preparing.intake);
    if (status < 0) {
        cJSON *report = status == SPOT_EDATA ? out->report : NULL;
        if (report != NULL) out->report = NULL;
        prepared_free(out);
        out->report = report;
    }
    return status;
}

int prepare_table(const struct prepare_options *options, struct spot_pool *pool,
                  struct prepared *out, struct spot_error *err)
{
    const int64_t share = options->memory / 8;
    const int64_t kept = share > 0 && share < KEPT_BYTES ? share : KEPT_BYTES;
    return prepare_table_within(options, pool, kept, out, err);
}

void prepared_free(struct prepared *prepared)
{
    for (int32_t j = 0; prepared->names != NULL && j < prepared->columns; j++)
        free(prepared->names[j]);
    free(prepared->names);
    free(prepared->values);
    free(prepared->values64);
    row_file_close(prepared->file);
    free(prepared->weights);
    for (int32_t i = 0; i < PREPARE_CARRIED; i++)
        free(prepared->carried[i]);
    free(prepared->id_offsets);
    free(prepared->id_bytes);
    encoder_free(prepared->encoder);
    schema_free(prepared->schema);
    cJSON_Delete(prepared->report);
    memset(prepared, 0, sizeof *prepared);
}
