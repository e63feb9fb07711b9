/* The steps of prepare_table and prepare_each; shared by the prepare*.c files and their test. */
#ifndef SPOT_DATA_PREPARE_INTERNAL_H
#define SPOT_DATA_PREPARE_INTERNAL_H

#include "data/prepare.h"

/* Typed columns may stay in memory beside the matrix up to this, and 16 bytes a row. */
#define KEPT_BYTES (INT64_C(36) << 20)

/* prepare_table with another limit than KEPT_BYTES. */
int prepare_table_within(const struct prepare_options *options, struct spot_pool *pool,
                         int64_t kept_bytes, struct prepared *out, struct spot_error *err);

/* An opened table: its reader, what to read of it, and what is made of it. */
struct intake {
    const struct prepare_options *options;
    struct table_reader *reader;
    char **paths; /* (paths_count) */
    int32_t paths_count;
    struct schema *made_schema; /* from the configuration; NULL where the options bring one */
    struct encoder *made_encoder;
    const struct schema *schema;
    const struct encoder *encoder;
    struct column_spec *specs; /* (specs_count) the schema's, then what else is asked for */
    int32_t specs_count;
    int32_t weight, id;               /* index of a spec, or -1 */
    int32_t carried[PREPARE_CARRIED]; /* indices of specs; options->carried_count of them */
    bool *used;                       /* (specs_count) needed once the checks are made */
};

/* The inputs' paths: the options', else the configuration's relative to its file. */
int intake_paths(struct intake *intake, struct spot_error *err);
/* Whether the input is one .npy; an error when it is one among others. */
int intake_is_npy(const struct intake *intake, bool *npy, struct spot_error *err);
/* What the configuration's `input` says of the text: delimiter, encoding, bad rows; and the decimal
 * point, or comma. */
int intake_table_options(const struct config *root, struct table_options *table, char *decimal,
                         struct spot_error *err);
int intake_open(struct intake *intake, struct spot_pool *pool, bool rewindable,
                struct spot_error *err);
void intake_close(struct intake *intake);

/* A batch encoded: what the visitor's work() leaves in batch->user. */
struct encoded {
    struct schema_part *checks;
    float *values;    /* (rows, width), or NULL: */
    double *values64; /* the same in float64 */
    uint8_t *kept;    /* (rows of the batch) 1 where the row is in values */
    int64_t rows;
};
int encode_batch(const struct intake *intake, const struct batch *batch, struct encoded **out,
                 struct spot_error *err);
void encoded_free(struct encoded *encoded);

/* Weights (kept rows) of a batch; refuses missing and negative ones. */
int copy_weights(const struct intake *intake, const struct batch *batch, const uint8_t *kept,
                 double *weights, struct spot_error *err);

/* A carried column (kept rows) of a batch. */
void copy_carried(const struct intake *intake, const struct batch *batch, int32_t index,
                  const uint8_t *kept, double *values);

/* Growing texts of ids. */
struct id_list {
    int64_t *offsets; /* (count + 1) */
    int64_t count, offsets_capacity;
    char *bytes;
    int64_t bytes_count, bytes_capacity;
};
int ids_append(struct id_list *ids, const struct column *column, int64_t rows, const uint8_t *kept,
               struct spot_error *err);
void ids_clear(struct id_list *ids);

/* ---- Typed columns that wait for the fit ---- */

/* A batch with the columns that the encoder needs, each in the narrowest type that loses nothing.
 */
struct kept_batch {
    struct batch *batch;   /* owned from take() on; its numbers are in `narrow` */
    int32_t columns_count; /* */
    void **narrow;         /* (columns_count) int16_t or float, NULL: as they were */
    uint8_t *size;         /* (columns_count) bytes of a narrow value: 2 or 4 */
    int64_t rows;          /* that impute: drop_row leaves */
    int64_t bytes;
};
/* Moves the numbers out of the batch, which stays the caller's, and drops what is not needed. */
int keep_columns(const struct intake *intake, struct batch *batch, int64_t rows,
                 struct kept_batch **out, struct spot_error *err);
/* Gives the numbers of the columns back their type; then the batch is as it was read. */
int restore_batch(struct kept_batch *kept, struct spot_error *err);
void kept_batch_free(struct kept_batch *kept);

#endif
