/* LightGBM's text format, versions v3 and v4. */
#ifndef SPOT_MODELS_LIGHTGBM_READ_H
#define SPOT_MODELS_LIGHTGBM_READ_H

#include <stdbool.h>

#include "models/forest.h"

/* Whether a file begins as LightGBM's do. */
bool is_lightgbm(const char *path);

/* The whole file as a forest that is not checked yet. */
int lightgbm_read(const char *path, spot_forest **forest, struct spot_error *err);

#endif
