/* Reading for a build without the table reader and the encoder: one .npy, nothing else. Every name
 * here is weak and gives way to theirs. */
#include <stdio.h>
#include <stdlib.h>

#include "app/plot.h"
#include "base/error.h"
#include "base/memory.h"
#include "data/npy.h"
#include "data/prepare.h"

#pragma GCC diagnostic ignored "-Wunused-parameter"
#define WEAK __attribute__((weak))

static int only_matrices(struct spot_error *err)
{
    return spot_fail(err, SPOT_EFAILED, "this build reads .npy alone");
}

WEAK int prepare_table(const struct prepare_options *options, struct spot_pool *pool,
                       struct prepared *out, struct spot_error *err)
{
    struct npy_file *file = NULL;
    int status;
    *out = (struct prepared){0};
    if (options->inputs_count != 1) return only_matrices(err);
    SPOT_TRY(npy_open(options->inputs[0], &file, &out->rows, &out->columns, err));
    out->values = spot_alloc(out->rows * out->columns, sizeof *out->values);
    out->names = calloc((size_t)out->columns, sizeof *out->names);
    if (out->values == NULL || out->names == NULL) {
        status = spot_fail_memory(err, "the matrix");
        goto out;
    }
    for (int32_t j = 0; j < out->columns; j++) {
        char name[16];
        snprintf(name, sizeof name, "x%d", j);
        out->names[j] = spot_copy_text(name);
    }
    status = npy_read_float32(file, 0, out->rows, out->values, err);
out:
    npy_close(file);
    if (status < 0) prepared_free(out);
    return status;
}

WEAK void prepared_free(struct prepared *prepared)
{
    for (int32_t j = 0; prepared->names != NULL && j < prepared->columns; j++)
        free(prepared->names[j]);
    free(prepared->names);
    free(prepared->values);
    *prepared = (struct prepared){0};
}

WEAK int prepare_each(const struct prepare_options *options, struct spot_pool *pool,
                      int (*visit)(void *arg, const struct scored_rows *rows,
                                   struct spot_error *err),
                      void *arg, struct spot_error *err)
{
    return only_matrices(err);
}

WEAK int64_t batch_line(const struct batch *batch, int64_t row)
{
    return batch->first_line + row;
}
WEAK void batch_free(struct batch *batch) {}
WEAK int table_open(const struct table_options *options, struct spot_pool *pool,
                    struct table_reader **reader, struct spot_error *err)
{
    return only_matrices(err);
}
WEAK void table_close(struct table_reader *reader) {}
WEAK const char *table_file_name(const struct table_reader *reader, int32_t file)
{
    return "";
}
WEAK int table_each(struct table_reader *reader, const struct column_spec *specs,
                    int32_t specs_count, const struct table_visitor *visitor,
                    struct spot_error *err)
{
    return only_matrices(err);
}
WEAK void schema_free(struct schema *schema) {}
WEAK int schema_from_json(const cJSON *json, struct schema **schema, struct spot_error *err)
{
    return only_matrices(err);
}
WEAK void encoder_free(struct encoder *encoder) {}
WEAK int32_t encoder_width(const struct encoder *encoder)
{
    return 0;
}
WEAK double encoder_raw(const struct encoder *encoder, int32_t column, double value)
{
    return value;
}
WEAK cJSON *encoder_to_json(const struct encoder *encoder)
{
    return NULL;
}
WEAK int encoder_from_json(const cJSON *json, const struct schema *schema, struct encoder **encoder,
                           struct spot_error *err)
{
    return only_matrices(err);
}
