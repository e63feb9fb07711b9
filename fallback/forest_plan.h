/* A forest lowered for scoring by blocks of 64 rows (docs/trees.md). A value becomes its rank among
 * the thresholds of its feature, one byte; then a split is the comparison of a byte with a constant
 * for 64 rows at once, and its outcome 64 bits. Ranks are exact, so the outcomes are those of the
 * definition (forest_walk.h). */
#ifndef SPOT_FALLBACK_FOREST_PLAN_H
#define SPOT_FALLBACK_FOREST_PLAN_H

#include <stdbool.h>

#include "backend/backend.h"
#include "fallback/forest_nodes.h"

enum {
    FOREST_ROWS = 64,      /* of a block */
    FOREST_GROUP = 8,      /* trees whose outcomes are worked on together */
    FOREST_MOST_DEPTH = 8, /* of trees that are sliced */
    FOREST_MOST_THRESHOLDS = 255,
    FOREST_BUCKETS = 1024, /* of a column\'s range */
};

/* What counts as missing in a column of ranks. */
enum rank_missing {
    MISSING_NAN,      /* NaN */
    MISSING_ZERO,     /* NaN and |x| <= 1e-35f */
    MISSING_NOTHING,  /* NaN is 0 */
    MISSING_CATEGORY, /* no rank: 1 where the category goes right */
};

/* The ranks of one feature. A missing value has rank 0 in the first slot and `count` in the second,
 * so that nodes which send it left look at the first and others at the second. */
struct rank_column {
    int32_t feature;
    enum rank_missing missing;
    int64_t node;         /* of a category: whose split it is */
    int32_t count;        /* thresholds */
    float *thresholds;    /* (256) ascending, then NaN: x >= t counts */
    double *thresholds64; /* (count) the same for float64 rows: x > t counts; or NULL */
    int32_t slot;         /* of missing to the left; the other one follows */

    /* Where a search begins: bucket (x - origin) * scale, held within [0, 1023], which never goes
     * down as x goes up, has `below` thresholds in the buckets before it, and so few of its own
     * that `steps` halvings find the rank. */
    float origin, scale;
    int32_t steps;
    uint8_t *below; /* (FOREST_BUCKETS + 3) or NULL: search all thresholds */
};

/* Eight trees, each filled up to a complete one of the group's depth. Node 0 is the root, the
 * children of node p are 2 p + 1 and 2 p + 2. */
struct sliced_node {
    uint32_t column;    /* bytes from the begin of the ranks */
    uint32_t threshold; /* rank > threshold goes right; the byte four times */
};

struct sliced_group {
    int32_t first, trees; /* trees of the forest */
    int32_t depth;        /* 0: not sliced, row by row */
    int64_t nodes;        /* first of (2^depth - 1, FOREST_GROUP) sliced nodes */
    int64_t leaves;       /* first of (FOREST_GROUP, 2^depth) leaves */
};

struct forest_kernels;

struct forest_plan {
    const struct forest *forest;
    const struct forest_kernels *kernels; /* NULL: row by row */
    struct step_forest steps;             /* for rows one by one */
    struct rank_column *columns;
    int32_t columns_count, slots;
    struct sliced_group *groups;
    int32_t groups_count;
    struct sliced_node *nodes;
    float *leaves32;     /* XGBoost, DART's weights multiplied in */
    double *leaves64;    /* LightGBM */
    int32_t *leaf_nodes; /* number of each leaf within its tree */
};

/* Inner loops over one block, for each instruction set. */
struct forest_kernels {
    const char *name;
    /* Ranks of `rows` <= 64 rows: ranks (slots, 64). values or values64 begin at the first row. */
    void (*rank)(const struct forest_plan *plan, const struct spot_forest_rows *rows,
                 uint8_t *ranks);
    /* For each row of a block the leaf in each tree of a group: places (FOREST_GROUP, 64) in the
     * complete tree. work (2^depth - 1, FOREST_GROUP). */
    void (*leaves)(const struct forest_plan *plan, const struct sliced_group *group,
                   const uint8_t *ranks, uint64_t *work, uint8_t *places);
    /* Adds the leaves of one tree to 64 sums. */
    void (*add32)(const float *leaves, int32_t depth, const uint8_t *places, float *sums);
    void (*add64)(const double *leaves, const uint8_t *places, double *sums);
};

const struct forest_kernels *forest_kernels_avx512(void);

int forest_plan_open(const struct forest *forest, struct forest_plan **plan,
                     struct spot_error *err);
void forest_plan_close(struct forest_plan *plan);

#endif
