/* Compaction: equal rows of equal weight become one row with a multiplicity. 140,056 British
 * accidents have about 6,000 different rows of hour, weekday, month and severity. KMeans models
 * have the same bits with and without it, because every sum over rows is a sum of integers;
 * mixtures sum floats, so whether rows are merged depends on the data alone. */
#ifndef SPOT_DATA_COMPACT_H
#define SPOT_DATA_COMPACT_H

#include <stdbool.h>

#include "blackspot.h"

struct compacted {
    int64_t groups;
    float *values;         /* (groups, columns) row-major, in order of first appearance; or */
    double *values64;      /* ... of rows that are float64; one of the two is NULL */
    int64_t *weights;      /* (groups) of one original row, or NULL: 1 */
    int32_t *counts;       /* (groups) original rows */
    int32_t *group_of_row; /* (rows) */
    int64_t rows;
    bool scratch; /* group_of_row is an array of base/scratch.h */
};

struct compact_options {
    int64_t rows; /* that will come in all */
    int32_t columns;
    bool wide; /* the rows are float64 */
    bool weighted;
    bool force;         /* merge whether it pays or not */
    bool scratch;       /* keep group_of_row in a temporary file ... */
    const char *folder; /* ... in this folder */
};

/* Rows come in any batches, in order. compaction_add gives up, and says so in *gives_up, as soon as
 * the rows show that merging would not pay: more than a quarter of them different, or half of the
 * first 4096; with `force` only where the different rows fill compaction_groups(). That depends on
 * the data alone. values: float or double as options say. compaction_finish moves what was found
 * into *out, groups = 0 and everything NULL where it gave up. Errors: SPOT_ENOMEM, SPOT_EIO. */
struct compaction;
int compaction_open(const struct compact_options *options, struct compaction **compaction,
                    struct spot_error *err);
int compaction_add(struct compaction *compaction, int64_t rows, const void *values,
                   const int64_t *weights, bool *gives_up, struct spot_error *err);
void compaction_finish(struct compaction *compaction, struct compacted *out);
void compaction_close(struct compaction *compaction);

/* How many different rows are merged at most: as many as a table of 64 MB holds. */
int64_t compaction_groups(int32_t columns, bool wide);

/* All rows of a matrix in memory; weights (rows) may be NULL. */
int compact_rows(const struct spot_matrix *data, const int64_t *weights, int force,
                 struct compacted *out, struct spot_error *err);
void compacted_clear(struct compacted *compacted);

#endif
