/* The encoder: from typed columns to the matrix a model sees. It is fitted once on the training
 * table (in one pass of mergeable parts), travels inside the model, and repeats the same float64
 * arithmetic when scoring.
 *
 *   features:
 *     - {column: when, derive: hour}
 *     - {column: when, derive: hour, cyclic: true}        # two features, hour_sin and hour_cos
 *     - {column: severity, scale: standard, impute: median, indicator: true}
 *     - {column: weather, encode: one_hot, rare: 0.01, unknown: other}
 *     - {column: end, minus: start, name: duration}       # seconds
 *
 * Without `features` every number, integer, boolean column of the schema is a feature as it is. */
#ifndef SPOT_DATA_ENCODER_H
#define SPOT_DATA_ENCODER_H

#include <cjson/cJSON.h>

#include "data/schema.h"

struct encoder;
struct encoder_part; /* statistics of one batch: exact, mergeable, independent of batches */

/* An unfitted encoder from the `features` of a configuration; the schema must outlive it.
 * weight: index of a column that is no feature of its own accord, or -1. */
int encoder_make(const struct config *root, const struct schema *schema, int32_t weight,
                 struct encoder **encoder, struct spot_error *err);
void encoder_free(struct encoder *encoder);

/* Before the fit: zero stays zero, no offset is taken off a column before float32. For models of
 * directions, and for float64. */
void encoder_keep_zero(struct encoder *encoder);

/* Fitting: observe on any thread, add in row order, fit once (the features on all threads). */
int encoder_observe(const struct encoder *encoder, const struct batch *batch,
                    struct encoder_part **part, struct spot_error *err);
int encoder_add(struct encoder *encoder, const struct batch *batch, const struct encoder_part *part,
                struct spot_error *err);
int encoder_fit(struct encoder *encoder, struct spot_pool *pool, struct spot_error *err);
void encoder_part_free(struct encoder_part *part);

/* Rows of the batch that `impute: drop_row` leaves. */
int64_t encoder_part_rows(const struct encoder_part *part);

/* Memory held for quantiles while fitting, in bytes. */
int64_t encoder_values_bytes(const struct encoder *encoder);

/* Sets used[i] where a feature is made of column i of the schema. */
void encoder_mark_used(const struct encoder *encoder, bool *used);

/* Columns of the matrix and their names, after the fit. Owned by the encoder. */
int32_t encoder_width(const struct encoder *encoder);
const char *const *encoder_names(const struct encoder *encoder);

/* Encodes a batch: matrix (rows kept, width) row-major has room for batch->rows rows.
 * rows_kept: how many were written (impute: drop_row leaves rows out).
 * kept: (batch->rows) 1 where the row was written, may be NULL. Thread-safe on a fitted encoder.
 * Errors: SPOT_EDATA naming line and column: a missing value without impute, an unknown category
 * under policy `error`. */
int encoder_encode(const struct encoder *encoder, const struct batch *batch, const char *file,
                   float *matrix, int64_t *rows_kept, uint8_t *kept, struct spot_error *err);

/* The same in float64, for an encoder that keeps zero. */
int encoder_encode64(const struct encoder *encoder, const struct batch *batch, const char *file,
                     double *matrix, int64_t *rows_kept, uint8_t *kept, struct spot_error *err);

/* The dyadic offset taken off each column before float32, zero where there is none: (width). */
const double *encoder_offsets(const struct encoder *encoder);

/* A value of column j of the matrix in the units of the raw table (offset, scale undone). */
double encoder_raw(const struct encoder *encoder, int32_t column, double value);

/* For the model file (it includes the schema's columns), and back. */
cJSON *encoder_to_json(const struct encoder *encoder);
int encoder_from_json(const cJSON *json, const struct schema *schema, struct encoder **encoder,
                      struct spot_error *err);

#endif
