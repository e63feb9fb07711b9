/* An ensemble of decision trees as importers read it and backends score it: plain arrays, node by
 * node, with its library's own arithmetic. Nothing is lowered or rounded here. */
#ifndef SPOT_BACKEND_FOREST_H
#define SPOT_BACKEND_FOREST_H

#include <stddef.h>
#include <stdint.h>

/* Whose rules hold (docs/formats.md). */
enum forest_rules {
    /* float32 values; x < threshold goes left; NaN goes where the node says; a listed category goes
     * right. Leaves are float32 and are added in float32, tree by tree, to the base margin. */
    FOREST_XGBOOST,
    /* float64 values; x <= threshold goes left; what counts as missing is the node's own; a listed
     * category goes left. Leaves are added in float64, tree by tree. */
    FOREST_LIGHTGBM,
};

enum forest_node_flags {
    NODE_DEFAULT_LEFT = 1, /* where missing values go */
    NODE_CATEGORICAL = 2,
    NODE_MISSING_ZERO = 4, /* LightGBM: |x| <= 1e-35f and NaN are missing */
    NODE_MISSING_NAN = 8,  /* LightGBM: NaN is missing; without either flag NaN is 0 */
};

/* Nodes of all trees one after the other; left and right are numbers within the tree, its root is
 * 0. A node with left < 0 is a leaf. Arrays that no tree needs are NULL. */
struct forest {
    enum forest_rules rules;
    int32_t features, outputs;
    int32_t trees, iterations;
    int64_t nodes;

    int64_t *first_node;  /* (trees + 1) of each tree, then their number */
    int32_t *tree_output; /* (trees) the output that its leaves are added to; -1: vector leaves */
    float *tree_weight;   /* (trees) XGBoost's DART: each leaf times this, in float32; or NULL */
    int32_t *iteration_trees; /* (iterations + 1) the first tree of each iteration, then all */

    int32_t *left, *right; /* (nodes) */
    int32_t *feature;      /* (nodes) of an inner node */
    uint8_t *flags;        /* (nodes) enum forest_node_flags */
    double *threshold;     /* (nodes) of a numeric split; a float32 value in XGBoost's */
    double *value;         /* (nodes) of a leaf; a float32 value in XGBoost's */

    /* Categorical splits: a set of bits for each, in 32-bit words. */
    int64_t *first_word; /* (nodes + 1) into category_bits, or NULL: no such split */
    uint32_t *category_bits;

    /* Vector leaves: outputs values for each leaf. */
    int64_t *vector; /* (nodes) the row of leaf_vectors, or NULL */
    double *leaf_vectors;
    int64_t leaf_vectors_count;

    /* Linear leaves (LightGBM): constant + sum coefficient * x; `value` where one of them is NaN.
     */
    double *linear_constant; /* (nodes) or NULL */
    int64_t *linear_first;   /* (nodes + 1) into the next two */
    int32_t *linear_feature;
    double *linear_coefficient;

    /* What training left, for importance and contributions; NULL where the file has none. */
    double *gain;  /* (nodes) loss reduction of a split */
    double *cover; /* (nodes) sum of hessians (XGBoost), or rows (LightGBM) */
};

#endif
