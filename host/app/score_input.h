/* Rows to score, a batch at a time: raw files through the model's encoder, a matrix from a .npy, or
 * a .csv whose columns are the features themselves. */
#ifndef SPOT_APP_SCORE_INPUT_H
#define SPOT_APP_SCORE_INPUT_H

#include "app/model_encoder.h"
#include "app/session.h"

typedef int rows_visitor(void *arg, const struct scored_rows *rows, struct spot_error *err);

/* Columns to read beside the features; NULL: none. */
struct extra_columns {
    const char *id, *weight;
};

/* Calls visit() in row order. encoder: closed when the model has none. */
int score_input_each(struct session *session, const struct model *model,
                     const struct model_encoder *encoder, const struct extra_columns *extra,
                     rows_visitor *visit, void *arg, struct spot_error *err);

#endif
