/* Compaction: equal rows of equal weight become one row with a multiplicity. 140,056 British
 * accidents have about 6,000 different rows of hour, weekday, month and severity. Models have the
 * same bits with and without it, because every sum over rows is a sum of integers. */
#ifndef SPOT_DATA_COMPACT_H
#define SPOT_DATA_COMPACT_H

#include "blackspot.h"

struct compacted {
    int64_t groups;
    float *values;         /* (groups, columns) row-major, in order of first appearance */
    int64_t *weights;      /* (groups) of one original row, or NULL: 1 */
    int32_t *counts;       /* (groups) original rows */
    int32_t *group_of_row; /* (rows) */
};

/* Merges equal rows; weights (rows) may be NULL. With `force` 0 it gives up, leaving groups = 0 and
 * everything NULL, as soon as the rows show that it would not pay: more than a quarter of them
 * different, or half of the first 4096. Whether it does depends on the data alone.
 * Errors: SPOT_ENOMEM. */
int compact_rows(const struct spot_matrix *data, const int64_t *weights, int force,
                 struct compacted *out, struct spot_error *err);
void compacted_clear(struct compacted *compacted);

#endif
