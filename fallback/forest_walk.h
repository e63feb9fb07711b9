/* One row through one tree, by the rules of the forest's library: the definition that every other
 * way to score is tested against. */
#ifndef SPOT_FALLBACK_FOREST_WALK_H
#define SPOT_FALLBACK_FOREST_WALK_H

#include <math.h>
#include <stdbool.h>

#include "backend/forest.h"
#include "blackspot.h"

/* Value of a row's column as the rules see it. */
static inline double forest_value(const struct spot_forest_rows *rows, int64_t row, int32_t column)
{
    const int64_t at = row * rows->columns + column;
    return rows->values != NULL ? (double)rows->values[at] : rows->values64[at];
}

static inline bool has_category(const struct forest *forest, int64_t node, int64_t category)
{
    const int64_t first = forest->first_word[node], words = forest->first_word[node + 1] - first;
    if (category / 32 >= words) return false;
    return (forest->category_bits[first + category / 32] >> (category % 32) & 1u) != 0;
}

/* XGBoost: a value that is negative or beyond 2^24 is in no list, and what is listed goes right. */
static inline bool goes_left_xgboost(const struct forest *forest, int64_t node, float x)
{
    const uint8_t flags = forest->flags[node];
    if (isnan(x)) return (flags & NODE_DEFAULT_LEFT) != 0;
    if ((flags & NODE_CATEGORICAL) == 0) return x < (float)forest->threshold[node];
    if (x < 0.0f || x >= 0x1p24f) return true;
    return !has_category(forest, node, (int64_t)x);
}

/* LightGBM: truncated; NaN, negative and unlisted values go right. */
static inline bool goes_left_lightgbm(const struct forest *forest, int64_t node, double x)
{
    const uint8_t flags = forest->flags[node];
    if ((flags & NODE_CATEGORICAL) != 0)
        return x > -1.0 && x <= 2147483647.0 && has_category(forest, node, (int64_t)x);
    if (isnan(x) && (flags & NODE_MISSING_NAN) == 0) x = 0.0;
    bool missing = isnan(x) || ((flags & NODE_MISSING_ZERO) != 0 && fabs(x) <= (double)1e-35f);
    if (missing) return (flags & NODE_DEFAULT_LEFT) != 0;
    return x <= forest->threshold[node];
}

static inline bool goes_left(const struct forest *forest, int64_t node, double x)
{
    return forest->rules == FOREST_XGBOOST ? goes_left_xgboost(forest, node, (float)x)
                                           : goes_left_lightgbm(forest, node, x);
}

/* The leaf that a row comes to: its number among all nodes. */
static inline int64_t forest_leaf(const struct forest *forest, int32_t tree,
                                  const struct spot_forest_rows *rows, int64_t row)
{
    const int64_t root = forest->first_node[tree];
    int64_t node = root;
    while (forest->left[node] >= 0) {
        double x = forest_value(rows, row, forest->feature[node]);
        node = root + (goes_left(forest, node, x) ? forest->left[node] : forest->right[node]);
    }
    return node;
}

/* A leaf's value for a row: linear leaves depend on it. */
static inline double leaf_value(const struct forest *forest, int64_t leaf,
                                const struct spot_forest_rows *rows, int64_t row)
{
    if (forest->linear_constant == NULL) return forest->value[leaf];
    double sum = forest->linear_constant[leaf];
    for (int64_t i = forest->linear_first[leaf]; i < forest->linear_first[leaf + 1]; i++) {
        double x = forest_value(rows, row, forest->linear_feature[i]);
        if (isnan(x)) return forest->value[leaf];
        if (fabs(x) <= (double)1e-35f) x = 0.0;
        sum += forest->linear_coefficient[i] * x;
    }
    return sum;
}

#endif
