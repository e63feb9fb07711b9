/* Writers of forests, and what they share: how one library's nodes read in the other's words. */
#ifndef SPOT_MODELS_FOREST_WRITE_H
#define SPOT_MODELS_FOREST_WRITE_H

#include <stdbool.h>

#include "data/writer.h"
#include "models/forest.h"

/* XGBoost's JSON, or UBJSON where `binary`. SPOT_EUSAGE: the forest has what XGBoost cannot say. */
int xgboost_write(const spot_forest *model, const char *path, bool binary, struct writer *writer,
                  struct spot_error *err);

/* LightGBM's text, v4. SPOT_EUSAGE: the forest has what LightGBM cannot say. */
int lightgbm_write(const spot_forest *model, const char *path, struct writer *writer,
                   struct spot_error *err);

/* SPOT_EUSAGE: "cannot write PATH: WHY". */
int write_refuse(const char *path, struct spot_error *err, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

/* The t of x < t in float32 that is x <= threshold for every float32 x but infinity. */
float threshold_below(double threshold);
/* The t of x <= t in float64 that is (float)x < threshold for every float64 x; NaN where there is
 * none, which is -infinity. */
double threshold_up_to(float threshold);

/* The most trees that any output has: a round has one of each. Trees of vectors count for all. */
int32_t forest_rounds(const spot_forest *model, int32_t trees);
/* Names as LightGBM gives them where it was told none: Column_0, Column_1, ... */
bool forest_names_are_default(const spot_forest *model);

#endif
