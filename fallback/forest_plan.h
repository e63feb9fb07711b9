/* A forest lowered for scoring by sets of 256 rows (docs/trees.md). A value becomes its rank among
 * the thresholds of its feature, in bytes; then a split is the comparison of a byte with a constant
 * for 64 rows at once, and its outcome 64 bits. Ranks are exact, so the outcomes are those of the
 * definition (forest_walk.h). */
#ifndef SPOT_FALLBACK_FOREST_PLAN_H
#define SPOT_FALLBACK_FOREST_PLAN_H

#include <stdbool.h>

#include "backend/backend.h"
#include "fallback/forest_nodes.h"

enum {
    FOREST_BLOCK = 64, /* rows of a mask */
    FOREST_BLOCKS = 4, /* of a set */
    FOREST_SET = FOREST_BLOCK * FOREST_BLOCKS,
    FOREST_MOST_DEPTH = 8,     /* of complete trees */
    FOREST_MOST_LEAVES = 2048, /* of trees that are sliced */
    FOREST_MOST_BITS = 11,
    FOREST_BYTE_LEAVES = 256, /* whose numbers are bytes */
    FOREST_MOST_SLOTS = 1 << 12,
    SLOT_THRESHOLDS = 255,
    SLOT_LOWEST = -128, /* rank 0 as a byte with a sign */
};

/* What counts as missing in a column of ranks. */
enum rank_missing {
    MISSING_NAN,     /* NaN */
    MISSING_ZERO,    /* NaN and |x| <= 1e-35f */
    MISSING_NOTHING, /* NaN is 0 */
};

/* Where the search for a rank begins: bucket (x - origin) * scale, held within the buckets, which
 * never goes down as x goes up, has `below` thresholds in the buckets before it, and so few of its
 * own that `steps` halvings find the rank. Without buckets all thresholds are searched. */
struct rank_search {
    double origin, scale; /* float32 values where thresholds are */
    int32_t buckets;      /* 0: none */
    int32_t steps;
    uint8_t *below;      /* (buckets + 3) up to 255 thresholds, or */
    int32_t *below_many; /* (buckets) more of them */
};

/* The ranks of one feature with one kind of missing values: how many of the thresholds are not
 * above x. A slot is a byte for each row and holds the part of the rank that lies within 255
 * thresholds: slot s has rank - 255 s - 128, held within a byte; so a node compares a byte, however
 * many thresholds there are. A missing value has rank 0 in the slots of nodes that send it left and
 * `count` in those of the others. */
struct rank_column {
    int32_t feature;
    enum rank_missing missing;
    int32_t count;        /* thresholds */
    float *thresholds;    /* ascending, then NaN as far as a search looks: x >= t counts */
    double *thresholds64; /* the same for float64 rows: x > t counts; or NULL */
    struct rank_search search, search64;
    int32_t slots;   /* for each side */
    int32_t slot[2]; /* the first one of missing to the right and to the left, or -1: no node */
};

/* The slot of a categorical split: 1 where the row goes right. */
struct category_column {
    int64_t node;
    int32_t feature, slot;
};

/* A split. In a complete tree node 0 is the root and the children of node p are 2 p + 1 and 2 p +
 * 2; in any other one parents come before children. */
struct sliced_node {
    uint32_t column;    /* bytes from the begin of the ranks */
    uint32_t threshold; /* rank > threshold goes right; the byte four times */
    uint32_t reached;   /* which rows reach it, in bytes within sliced_work.reached */
};

enum sliced_kind {
    SLICED_NOT,      /* row by row */
    SLICED_COMPLETE, /* filled up to a complete tree */
    SLICED_ANY,      /* of any shape */
};

struct sliced_tree {
    enum sliced_kind kind;
    int32_t depth;         /* of complete trees */
    int32_t splits;        /* that are compared; leaves are one more */
    int64_t nodes, leaves; /* the first ones */
};

struct forest_kernels;

struct forest_plan {
    const struct forest *forest;
    const struct forest_kernels *kernels; /* NULL: row by row */
    struct step_forest steps;             /* for rows one by one */
    struct rank_column *columns;
    struct category_column *categories; /* ascending features */
    int32_t columns_count, categories_count, slots;
    struct sliced_tree *trees; /* (trees) */
    int32_t most_splits;       /* of a sliced tree */
    struct sliced_node *nodes;
    float *leaves32;     /* XGBoost, DART's weights multiplied in */
    double *leaves64;    /* LightGBM */
    int32_t *leaf_nodes; /* number of each leaf within its tree */
    uint32_t *reached;   /* of leaves of trees of any shape: as for nodes */
};

/* What finding the leaves of a tree needs room for: masks of rows. */
struct sliced_work {
    uint64_t (*right)[FOREST_BLOCKS]; /* (most_splits + 1) of each node: rows that would go right */
    uint64_t (*reached)[FOREST_BLOCKS]; /* (2 most_splits + 1) of a node's left and right child; the
                                           root's, all rows, follow those of a tree's last node */
    _Alignas(32) uint64_t bits[FOREST_MOST_BITS][FOREST_BLOCKS]; /* of each row's leaf */
};

/* Inner loops over one set, for each instruction set. */
struct forest_kernels {
    const char *name;
    /* Ranks of `rows` <= 256 rows: ranks (slots, 256), whole blocks of them. values or values64
     * begin at the first row. */
    void (*rank)(const struct forest_plan *plan, const struct spot_forest_rows *rows,
                 int8_t *ranks);
    /* For each row of the first blocks of a set its leaf in a tree: places (2, 256), the low bytes
     * and, of trees with more than 256 leaves, the high ones. */
    void (*leaves)(const struct forest_plan *plan, const struct sliced_tree *tree,
                   const int8_t *ranks, int32_t blocks, struct sliced_work *work, uint8_t *places);
    /* Adds the leaves of a tree to the sums of `blocks`. */
    void (*add32)(const float *leaves, int32_t count, int32_t blocks, const uint8_t *places,
                  float *sums);
    void (*add64)(const double *leaves, int32_t count, int32_t blocks, const uint8_t *places,
                  double *sums);
};

const struct forest_kernels *forest_kernels_avx2(void);
const struct forest_kernels *forest_kernels_avx512(void);

int forest_plan_open(const struct forest *forest, struct forest_plan **plan,
                     struct spot_error *err);
void forest_plan_close(struct forest_plan *plan);

#endif
