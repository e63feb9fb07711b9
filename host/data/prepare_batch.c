/* What is done with one batch: encoding, weights, ids, and keeping its columns until the encoder is
 * fitted. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "base/memory.h"
#include "data/prepare_internal.h"

void encoded_free(struct encoded *encoded)
{
    if (encoded == NULL) return;
    schema_part_free(encoded->checks);
    free(encoded->values);
    free(encoded->values64);
    free(encoded->kept);
    free(encoded);
}

int encode_batch(const struct intake *intake, const struct batch *batch, struct encoded **out,
                 struct spot_error *err)
{
    int status;
    struct encoded *encoded = *out = calloc(1, sizeof *encoded);
    if (encoded == NULL) return spot_fail_memory(err, "a batch");
    int32_t width = encoder_width(intake->encoder);
    if (intake->options->wide)
        encoded->values64 = spot_alloc(batch->rows, (size_t)width * sizeof *encoded->values64);
    else
        encoded->values = spot_alloc(batch->rows, (size_t)width * sizeof *encoded->values);
    encoded->kept = spot_alloc(batch->rows, 1);
    if ((encoded->values == NULL && encoded->values64 == NULL) || encoded->kept == NULL) {
        status = spot_fail_memory(err, "a batch");
        goto out;
    }
    const char *file = table_file_name(intake->reader, batch->file);
    status = intake->options->wide
                 ? encoder_encode64(intake->encoder, batch, file, encoded->values64, &encoded->rows,
                                    encoded->kept, err)
                 : encoder_encode(intake->encoder, batch, file, encoded->values, &encoded->rows,
                                  encoded->kept, err);
out:
    if (status < 0) {
        encoded_free(encoded);
        *out = NULL;
    }
    return status;
}

int copy_weights(const struct intake *intake, const struct batch *batch, const uint8_t *kept,
                 double *weights, struct spot_error *err)
{
    const double *values = batch->columns[intake->weight].values;
    int64_t count = 0;
    for (int64_t i = 0; i < batch->rows; i++) {
        if (!kept[i]) continue;
        if (!(values[i] >= 0.0) || isinf(values[i]))
            return spot_fail(err, SPOT_EDATA, "%s:%lld: %s: the weight is %s",
                             table_file_name(intake->reader, batch->file),
                             (long long)batch_line(batch, i), intake->specs[intake->weight].name,
                             isnan(values[i]) ? "missing" : "negative");
        weights[count++] = values[i];
    }
    return SPOT_OK;
}

void copy_carried(const struct intake *intake, const struct batch *batch, int32_t index,
                  const uint8_t *kept, double *values)
{
    const double *column = batch->columns[intake->carried[index]].values;
    int64_t count = 0;
    for (int64_t i = 0; i < batch->rows; i++)
        if (kept[i]) values[count++] = column[i];
}

/* ---- Ids ---- */

static int ids_reserve(struct id_list *ids, int64_t rows, int64_t bytes, struct spot_error *err)
{
    void *offsets = ids->offsets, *text = ids->bytes;
    int status =
        spot_grow(&offsets, &ids->offsets_capacity, ids->count + rows + 1, sizeof *ids->offsets);
    ids->offsets = offsets;
    if (status == SPOT_OK)
        status = spot_grow(&text, &ids->bytes_capacity, ids->bytes_count + bytes + 1, 1);
    ids->bytes = text;
    return status < 0 ? spot_fail_memory(err, "the ids") : SPOT_OK;
}

int ids_append(struct id_list *ids, const struct column *column, int64_t rows, const uint8_t *kept,
               struct spot_error *err)
{
    int status = ids_reserve(ids, rows, rows > 0 ? column->text_offsets[rows] : 0, err);
    if (status < 0) return status;
    ids->offsets[ids->count] = ids->bytes_count;
    for (int64_t i = 0; i < rows; i++) {
        if (!kept[i]) continue;
        int64_t from = column->text_offsets[i], length = column->text_offsets[i + 1] - from;
        memcpy(ids->bytes + ids->bytes_count, column->text_bytes + from, (size_t)length);
        ids->bytes_count += length;
        ids->offsets[++ids->count] = ids->bytes_count;
    }
    return SPOT_OK;
}

void ids_clear(struct id_list *ids)
{
    free(ids->offsets);
    free(ids->bytes);
    memset(ids, 0, sizeof *ids);
}

/* ---- Kept columns ---- */

/* Whether no value would change as an int16. */
static bool fits_int16(const struct column *column, int64_t rows)
{
    const struct column_facts *facts = &column->facts;
    const double *values = column->values;
    if (facts->known)
        return facts->whole && !(facts->minimum < -32767.0) && !(facts->maximum > 32767.0);
    int64_t odd = 0;
    for (int64_t i = 0; i < rows; i++) {
        double x = values[i] == values[i] ? values[i] : 0.0;
        double clipped = x > 32767.0 ? 32767.0 : x < -32767.0 ? -32767.0 : x;
        odd += (double)(int16_t)clipped != x || (x == 0.0 && signbit(x));
    }
    return odd == 0;
}

static bool fits_float32(const struct column *column, int64_t rows)
{
    const double *values = column->values;
    if (column->facts.known) return column->facts.float32;
    int64_t odd = 0;
    for (int64_t i = 0; i < rows; i++)
        odd += (double)(float)values[i] != values[i] && values[i] == values[i];
    return odd == 0;
}

/* The lowest int16 stands for NaN. */
static int16_t *to_int16(const double *values, int64_t rows)
{
    int16_t *narrow = spot_alloc(rows, sizeof *narrow);
    for (int64_t i = 0; i < rows && narrow != NULL; i++) {
        double x = values[i] == values[i] ? values[i] : (double)INT16_MIN;
        narrow[i] = (int16_t)x;
    }
    return narrow;
}

static float *to_float32(const double *values, int64_t rows)
{
    float *narrow = spot_alloc(rows, sizeof *narrow);
    for (int64_t i = 0; i < rows && narrow != NULL; i++)
        narrow[i] = (float)values[i];
    return narrow;
}

/* A column in the narrowest type; returns its bytes. */
static int64_t narrow_column(struct kept_batch *kept, struct column *column, int64_t rows,
                             int32_t index)
{
    const struct dictionary *words = &column->dictionary;
    if (column->codes != NULL)
        return rows * 4 + (words->count > 0 ? words->offsets[words->count - 1] + 64 : 0);
    if (column->text_offsets != NULL) return (rows + 1) * 8 + column->text_offsets[rows];
    if (column->values == NULL) return 0;
    if (fits_int16(column, rows)) {
        kept->size[index] = 2;
        kept->narrow[index] = to_int16(column->values, rows);
    } else if (fits_float32(column, rows)) {
        kept->size[index] = 4;
        kept->narrow[index] = to_float32(column->values, rows);
    }
    if (kept->narrow[index] == NULL) return rows * 8; /* also where there is no memory */
    free(column->values);
    column->values = NULL;
    return rows * kept->size[index];
}

static void drop_column(struct column *column)
{
    free(column->values);
    free(column->codes);
    free(column->dictionary.bytes);
    free(column->dictionary.offsets);
    free(column->text_offsets);
    free(column->text_bytes);
    memset(column, 0, sizeof *column);
}

int keep_columns(const struct intake *intake, struct batch *batch, int64_t rows,
                 struct kept_batch **out, struct spot_error *err)
{
    struct kept_batch *kept = *out = calloc(1, sizeof *kept);
    if (kept == NULL) return spot_fail_memory(err, "a batch");
    kept->columns_count = batch->columns_count;
    kept->rows = rows;
    kept->narrow = spot_alloc_zero(batch->columns_count, sizeof *kept->narrow);
    kept->size = spot_alloc_zero(batch->columns_count, 1);
    if (kept->narrow == NULL || kept->size == NULL) {
        kept_batch_free(kept);
        *out = NULL;
        return spot_fail_memory(err, "a batch");
    }
    for (int32_t i = 0; i < batch->columns_count; i++) {
        if (intake->used[i])
            kept->bytes += narrow_column(kept, &batch->columns[i], batch->rows, i);
        else
            drop_column(&batch->columns[i]);
    }
    kept->bytes += (int64_t)(sizeof *kept + sizeof *batch) + batch->columns_count * 96 +
                   (batch->lines != NULL ? batch->rows * 8 : 0);
    return SPOT_OK;
}

int restore_batch(struct kept_batch *kept, struct spot_error *err)
{
    int64_t rows = kept->batch->rows;
    for (int32_t c = 0; c < kept->columns_count; c++) {
        if (kept->narrow[c] == NULL) continue;
        double *values = spot_alloc(rows, sizeof *values);
        if (values == NULL) return spot_fail_memory(err, "a batch");
        const int16_t *small = kept->narrow[c];
        const float *single = kept->narrow[c];
        if (kept->size[c] == 2)
            for (int64_t i = 0; i < rows; i++)
                values[i] = small[i] == INT16_MIN ? NAN : (double)small[i];
        else
            for (int64_t i = 0; i < rows; i++)
                values[i] = (double)single[i];
        kept->batch->columns[c].values = values;
        free(kept->narrow[c]);
        kept->narrow[c] = NULL;
    }
    return SPOT_OK;
}

void kept_batch_free(struct kept_batch *kept)
{
    if (kept == NULL) return;
    for (int32_t i = 0; kept->narrow != NULL && i < kept->columns_count; i++)
        free(kept->narrow[i]);
    free(kept->narrow);
    free(kept->size);
    batch_free(kept->batch);
    free(kept);
}
