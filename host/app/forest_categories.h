/* The names of categories that a model's file keeps: XGBoost's `cats` (since 3.1) and LightGBM's
 * `pandas_categorical`. A category's number, which the splits know, is its place in the list. */
#ifndef SPOT_APP_FOREST_CATEGORIES_H
#define SPOT_APP_FOREST_CATEGORIES_H

#include <stdbool.h>

#include "data/categories.h"
#include "models/forest.h"

struct feature_categories {
    struct categories names; /* none where the feature is a number, or its categories are */
    bool numbers;            /* the names are numbers: 2.0 is 2 */
};

/* *features: (forest features), or NULL where the file has no names; the caller frees. *placed is
 * false where the file does not say to which features its names belong; none has names then. path:
 * of the model. Errors: SPOT_EFORMAT, SPOT_ENOMEM. */
int forest_categories_open(const char *path, const spot_forest *forest,
                           struct feature_categories **features, bool *placed,
                           struct spot_error *err);
void forest_categories_close(const spot_forest *forest, struct feature_categories *features);

/* The number of a category by its text, or -1. */
int32_t forest_category(const struct feature_categories *feature, const char *text);

#endif
