/* The thresholds of a forest as columns of ranks: made once when a forest is lowered. */
#ifndef SPOT_FALLBACK_FOREST_COLUMNS_H
#define SPOT_FALLBACK_FOREST_COLUMNS_H

#include "fallback/forest_plan.h"

/* Makes columns and slots for the splits that are `wanted` (nodes), as far as there is room. */
int forest_columns_make(struct forest_plan *plan, const uint8_t *wanted, struct spot_error *err);

bool forest_columns_have(const struct forest_plan *plan, int64_t node);

/* Where the outcome of a split is read: its slot's first byte, and the byte to compare with. */
struct rank_place {
    int32_t slot;
    int8_t threshold;
};

struct rank_place forest_columns_place(const struct forest_plan *plan, int64_t node);

/* Once all places are known: categories in the order of features, as kernels want them. */
void forest_columns_sort_categories(struct forest_plan *plan);

void forest_columns_free(struct forest_plan *plan);

#endif
