/* Rows for a forest, a batch at a time and in row order: a .csv through the model's encoder or by
 * the names of its features, or a .npy. What scores and what evaluates read their data here.
 *
 * With an encoder in the model a raw table is encoded as in training. Without one, columns are
 * found by the model's feature names; a model without names takes --features, or every column that
 * is not asked for beside the features, in the order of the header. An empty cell is a missing
 * value. Rows come as the model's library sees them: float32 for XGBoost, float64 for LightGBM,
 * never rounded in between. Memory holds a few batches, whatever the size of the files. */
#ifndef SPOT_APP_FOREST_INPUT_H
#define SPOT_APP_FOREST_INPUT_H

#include "app/forest_model.h"
#include "app/session.h"

/* A column to read beside the features: a label, a weight, a base margin, an id. It may be a
 * feature too. */
struct beside_column {
    const char *name; /* in the header */
    bool text;        /* kept as it is; else a number, NaN where the cell is empty */
};

/* Its cells of a batch. */
struct beside_values {
    const double *values;  /* (rows) of a number, or NULL */
    const int64_t *starts; /* (rows + 1) text i is bytes [starts[i], starts[i + 1]); or NULL */
    const char *bytes;
};

struct forest_batch {
    struct spot_forest_rows rows;       /* at least one */
    const struct beside_values *beside; /* (beside_count) in the order they were asked for */
    int64_t first;                      /* number of the first row, from 0 */
    const char *file;                   /* for messages */
    const struct batch *table;          /* NULL where the file is a .npy */
    const uint8_t *kept; /* (table->rows) 1 where the row is here, NULL: all are; see below */
};

/* Line of a row of the batch in its file, from 1; of a .npy its number, from 0. */
int64_t forest_batch_line(const struct forest_batch *batch, int64_t row);

struct forest_reading {
    const struct forest_model *model;
    const struct beside_column *beside; /* (beside_count); a .npy has none: SPOT_EUSAGE */
    int32_t beside_count;
};

/* On the calling thread, batch by batch in row order; what a batch points to lives as long as the
 * call. A negative return ends the reading and is returned. */
typedef int forest_visitor(void *arg, const struct forest_batch *batch, struct spot_error *err);

/* Reads --input (and --config, --set input.*, --features) of the session, whose engine is open.
 * Errors: SPOT_EUSAGE, SPOT_EIO, SPOT_EDATA naming file, line and column. */
int forest_input_each(struct session *session, const struct forest_reading *reading,
                      forest_visitor *visit, void *arg, struct spot_error *err);

#endif
