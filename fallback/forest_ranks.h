/* Ranks one by one, for what vectors do not do: included by the kernels of each instruction set. */
#ifndef SPOT_FALLBACK_FOREST_RANKS_H
#define SPOT_FALLBACK_FOREST_RANKS_H

#include "fallback/forest_plan.h"
#include "fallback/forest_walk.h"

/* Rows past the last one, up to a whole block, repeat it. */
static inline int64_t rows_to_rank(const struct spot_forest_rows *rows)
{
    return (rows->rows + FOREST_BLOCK - 1) / FOREST_BLOCK * FOREST_BLOCK;
}

static inline double value_to_rank(const struct spot_forest_rows *rows, int64_t row,
                                   int32_t feature)
{
    return forest_value(rows, row < rows->rows ? row : rows->rows - 1, feature);
}

/* ---- Numbers -------------------------------------------------------------------------------- */

static inline int32_t rank_float(const struct rank_column *column, float x)
{
    const struct rank_search *search = &column->search;
    int32_t rank = 0;
    if (search->buckets > 0) {
        const float at = (x - (float)search->origin) * (float)search->scale;
        const float last = (float)(search->buckets - 1);
        const int32_t bucket = (int32_t)(at > 0.0f ? at < last ? at : last : 0.0f);
        rank = search->below != NULL ? search->below[bucket] : search->below_many[bucket];
    }
    for (int32_t step = (1 << search->steps) / 2; step > 0; step /= 2)
        rank += column->thresholds[rank + step - 1] <= x ? step : 0;
    return rank;
}

static inline int32_t rank_double(const struct rank_column *column, double x)
{
    const struct rank_search *search = &column->search64;
    int32_t rank = 0;
    if (search->buckets > 0) {
        const double at = (x - search->origin) * search->scale;
        const double last = search->buckets - 1;
        const int32_t bucket = (int32_t)(at > 0.0 ? at < last ? at : last : 0.0);
        rank = search->below != NULL ? search->below[bucket] : search->below_many[bucket];
    }
    for (int32_t step = (1 << search->steps) / 2; step > 0; step /= 2)
        rank += column->thresholds64[rank + step - 1] < x ? step : 0;
    return rank;
}

/* A rank's part in each slot of one side. */
static inline void store_rank(const struct rank_column *column, int left, int32_t rank, int8_t *to)
{
    to += (int64_t)column->slot[left] * FOREST_SET;
    for (int32_t s = 0; column->slot[left] >= 0 && s < column->slots; s++, to += FOREST_SET) {
        const int32_t part = rank - s * SLOT_THRESHOLDS;
        *to = (int8_t)((part < 0                 ? 0
                        : part < SLOT_THRESHOLDS ? part
                                                 : SLOT_THRESHOLDS) +
                       SLOT_LOWEST);
    }
}

static inline void rank_column(const struct rank_column *column,
                               const struct spot_forest_rows *rows, int8_t *ranks)
{
    const bool wide = rows->values64 != NULL && column->thresholds64 != NULL;
    for (int64_t i = 0; i < rows_to_rank(rows); i++) {
        double x = value_to_rank(rows, i, column->feature);
        bool missing = isnan(x);
        if (column->missing != MISSING_NAN) {
            if (missing) x = 0.0;
            missing = column->missing == MISSING_ZERO && fabs(x) <= (double)1e-35f;
        }
        const int32_t rank = wide ? rank_double(column, x) : rank_float(column, (float)x);
        store_rank(column, 0, missing ? column->count : rank, ranks + i);
        store_rank(column, 1, missing ? 0 : rank, ranks + i);
    }
}

/* ---- Categories ----------------------------------------------------------------------------- */

/* Categories that no list holds. */
enum { CATEGORY_OUTSIDE = -1, CATEGORY_MISSING = -2 };

static inline int32_t category_of_value(const struct forest *forest, double x)
{
    if (forest->rules == FOREST_LIGHTGBM)
        return x > -1.0 && x <= 2147483647.0 ? (int32_t)x : CATEGORY_OUTSIDE;
    const float narrow = (float)x;
    if (isnan(narrow)) return CATEGORY_MISSING;
    return narrow >= 0.0f && narrow < 0x1p24f ? (int32_t)narrow : CATEGORY_OUTSIDE;
}

/* 1 where a categorical split sends a row right: XGBoost's listed ones, LightGBM's others. */
static inline void rank_category(const struct forest *forest, int64_t node,
                                 const int32_t *categories, int64_t rows, int8_t *to)
{
    const uint32_t *bits = forest->category_bits + forest->first_word[node];
    const int64_t words = forest->first_word[node + 1] - forest->first_word[node];
    const bool xgboost = forest->rules == FOREST_XGBOOST;
    const bool missing = xgboost && (forest->flags[node] & NODE_DEFAULT_LEFT) == 0;
    for (int64_t i = 0; i < rows; i++) {
        const int32_t category = categories[i];
        const bool listed = category >= 0 && category / 32 < words &&
                            (bits[category / 32] >> (category % 32) & 1u) != 0;
        to[i] = category == CATEGORY_MISSING ? missing : listed == xgboost;
    }
}

static inline void rank_categories(const struct forest_plan *plan,
                                   const struct spot_forest_rows *rows, int8_t *ranks)
{
    const int64_t count = rows_to_rank(rows);
    int32_t categories[FOREST_SET], feature = -1;
    for (int32_t c = 0; c < plan->categories_count; c++) {
        const struct category_column *column = &plan->categories[c];
        for (int64_t i = 0; column->feature != feature && i < count; i++)
            categories[i] =
                category_of_value(plan->forest, value_to_rank(rows, i, column->feature));
        feature = column->feature;
        rank_category(plan->forest, column->node, categories, count,
                      ranks + (int64_t)column->slot * FOREST_SET);
    }
}

#endif
