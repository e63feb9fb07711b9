/* A forest that the program works with: the model of XGBoost or LightGBM, and the encoder that it
 * may carry. */
#ifndef SPOT_APP_FOREST_MODEL_H
#define SPOT_APP_FOREST_MODEL_H

#include <stdbool.h>

#include "app/forest_categories.h"
#include "app/model_encoder.h"
#include "models/forest.h"

struct forest_model {
    spot_forest *forest;
    struct model_encoder encoder;          /* closed when the model carries none */
    struct feature_categories *categories; /* (features) or NULL: it names none */
    bool categories_placed;                /* false: it names some, but not of which features */
};

/* Whether a file is a model of XGBoost or LightGBM by its content; false also for what cannot be
 * read, which the reader of the other models then explains. */
bool is_forest(const char *path);

/* What a forest's file is, in words: "XGBoost, JSON". */
const char *forest_format(const char *path);

/* The caller closes, also after a failure. Errors: as spot_forest_load; SPOT_EFORMAT when the
 * encoder does not fit the model. */
int forest_model_open(const char *path, struct forest_model *model, struct spot_error *err);
void forest_model_close(struct forest_model *model);

#endif
