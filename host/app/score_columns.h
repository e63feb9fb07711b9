/* What a model gives each row, as columns of scores: KMeans a cluster and a distance, a mixture a
 * component, the components' shares and a log-likelihood. */
#ifndef SPOT_APP_SCORE_COLUMNS_H
#define SPOT_APP_SCORE_COLUMNS_H

#include "app/arguments.h"
#include "data/writer.h"
#include "models/model_file.h"

enum score_kind { SCORE_LABEL, SCORE_DISTANCE, SCORE_PROBA, SCORE_LOG_LIKELIHOOD, SCORE_BOTH };

struct score_columns {
    const struct model *model;
    enum score_kind kind;
    int32_t count;
    const char **names;           /* (count) */
    int *is_label;                /* (count) */
    struct score_column *columns; /* (count) of the batch made last */

    char *name_space;
    int32_t *labels; /* (label_room) of one batch */
    double *values;  /* (value_room) distances, log-likelihoods, or shares (k, rows) */
    double *shares;  /* (share_room) shares (rows, k) */
    int64_t label_room, value_room, share_room;
};

/* Chooses the columns by --output-kind; a .npy holds one column. The caller closes, also after a
 * failure. The model is borrowed. */
int score_columns_open(const struct arguments *arguments, const struct model *model,
                       struct score_columns *scores, struct spot_error *err);
void score_columns_close(struct score_columns *scores);

/* Scores a batch into scores->columns. */
int score_columns_make(struct score_columns *scores, spot_engine *engine,
                       const struct spot_matrix *rows, struct spot_error *err);

#endif
