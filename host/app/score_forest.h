/* `blackspot score` with a model of XGBoost or LightGBM. */
#ifndef SPOT_APP_SCORE_FOREST_H
#define SPOT_APP_SCORE_FOREST_H

#include "app/session.h"

/* The whole command; the model at --model is a forest. */
int score_forest(struct session *session, struct spot_error *err);

/* --iterations A:B, or the model's default. Errors: SPOT_EUSAGE. */
int forest_iterations(const struct arguments *arguments, struct spot_forest_options *options,
                      struct spot_error *err);

#endif
