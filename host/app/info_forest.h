/* `blackspot info` with a model of XGBoost or LightGBM. */
#ifndef SPOT_APP_INFO_FOREST_H
#define SPOT_APP_INFO_FOREST_H

#include "app/session.h"

/* The whole command; the model that is named is a forest. */
int info_forest(struct session *session, struct spot_error *err);

#endif
