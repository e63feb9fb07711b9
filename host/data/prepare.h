/* Raw files to matrix: reads, validates, fits the encoder, encodes. One pass over the text when the
 * typed columns fit beside the matrix, else two. */
#ifndef SPOT_DATA_PREPARE_H
#define SPOT_DATA_PREPARE_H

#include "data/encoder.h"
#include "data/row_file.h"

enum { PREPARE_CARRIED = 2 };

struct prepare_options {
    const char *const *inputs; /* .csv (.gz, .zst, "-") all of one shape, or exactly one .npy */
    int inputs_count;          /* 0: the configuration's input.files, relative to the config file */
    const struct config *config;   /* NULL: every column is a number and a feature */
    const struct encoder *encoder; /* scoring: the model's fitted encoder; NULL: fit one */
    const struct schema *schema;   /* scoring: the model's schema */
    bool wide;                     /* the matrix is float64 */
    bool every_row;                /* prepare_each: leaving a row out is an error */
    bool keep_zero;                /* a fitted encoder takes no offset off (encoder_keep_zero) */
    const char *weight_column;     /* sample weights, not a feature; NULL: none */
    const char *const *carried;    /* (carried_count) columns of numbers kept as they are beside the
                                      rows,    for pictures */
    int32_t carried_count;         /* at most PREPARE_CARRIED */
    const char *id_column;         /* kept as text beside the rows; NULL: none */
    const char *spool_dir;         /* where standard input is kept if it must be read twice */
    int64_t memory;      /* bytes; not 0: the rows stay in a file unless they are far fewer. Only
                            without carried columns and ids */
    const char *scratch; /* folder of that file; NULL: $TMPDIR or /tmp */
    /* rows so far, bytes so far, bytes in all (0: unknown), seconds; not 0: stop. May be NULL */
    int (*progress)(void *arg, int64_t rows, int64_t bytes, int64_t total);
    void (*warn)(void *arg, const char *text); /* may be NULL */
    void *arg;
};

struct prepared {
    float *values;         /* (rows, columns) row-major, NULL where they are float64 or in `file` */
    double *values64;      /* the same where they are float64 */
    struct row_file *file; /* rows and weights, or NULL */
    double *weights;       /* (rows) or NULL */
    double *carried[PREPARE_CARRIED]; /* each (rows), NaN is missing; NULL past carried_count */
    int64_t rows;                     /* of the matrix */
    int64_t table_rows; /* of the table: with those that impute: drop_row leaves out */
    int32_t columns;
    char **names;        /* (columns) */
    int64_t *id_offsets; /* (rows + 1) into id_bytes, or NULL */
    char *id_bytes;
    struct schema *schema;   /* NULL for .npy */
    struct encoder *encoder; /* fitted; NULL for .npy */
    cJSON *report;           /* every check with counts and first offending rows; NULL for .npy */
    int64_t bytes_read;      /* of the files' text */
    double read_seconds, encode_seconds;
};

/* On SPOT_EDATA from a check, out->report is filled (everything else is empty), so that the caller
 * can write it. Everything in *out belongs to the caller: prepared_free. */
int prepare_table(const struct prepare_options *options, struct spot_pool *pool,
                  struct prepared *out, struct spot_error *err);
void prepared_free(struct prepared *prepared);

/* For scoring tables larger than memory: reads and encodes batch by batch with the model's encoder
 * and calls visit() in row order with the rows and their ids (NULL unless id_column). */
struct scored_rows {
    const float *values;    /* (rows, columns) row-major, or NULL: */
    const double *values64; /* the same in float64, if options say so */
    int64_t rows;
    const double *weights;     /* (rows) or NULL */
    const int64_t *id_offsets; /* (rows + 1) or NULL */
    const char *id_bytes;
};
int prepare_each(const struct prepare_options *options, struct spot_pool *pool,
                 int (*visit)(void *arg, const struct scored_rows *rows, struct spot_error *err),
                 void *arg, struct spot_error *err);

#endif
