/* A model of XGBoost as its document says it, before the parts are put together. */
#ifndef SPOT_MODELS_XGBOOST_READ_H
#define SPOT_MODELS_XGBOOST_READ_H

#include "data/document.h"
#include "models/forest.h"

/* What a tree's object holds, each a list of numbers. */
enum tree_field {
    LEFT_CHILDREN,
    RIGHT_CHILDREN,
    SPLIT_INDICES,
    SPLIT_CONDITIONS,
    DEFAULT_LEFT,
    SPLIT_TYPE,
    BASE_WEIGHTS,
    LEAF_WEIGHTS,
    LOSS_CHANGES,
    SUM_HESSIAN,
    CATEGORIES,
    CATEGORIES_NODES,
    CATEGORIES_SEGMENTS,
    CATEGORIES_SIZES,
    TREE_FIELDS,
};

/* Lists of texts. */
struct texts {
    char **items; /* (count) */
    int64_t count, capacity;
};

struct xgboost_document {
    struct document *document;
    struct forest forest; /* its node arrays grow */
    int64_t trees, trees_capacity, nodes_capacity, words_capacity, vectors_capacity;
    int64_t words;                    /* of category_bits in use */
    struct reals fields[TREE_FIELDS]; /* of the tree being read */
    int64_t leaf_size;                /* values of a leaf of the tree being read */
    int64_t announced;                /* its nodes as it says itself, or -1 */
    int64_t vector_size;              /* of all trees: 0 not known yet, 1 without vectors */

    struct reals tree_info, iteration_trees, tree_weights, base_score;
    int64_t parallel_trees, announced_trees, classes, targets, features, best_iteration;
    char *booster, *objective, *parameters, *encoder, *categories;
    struct texts names, types;
};

/* The tree object that comes next. */
int xgboost_read_tree(struct xgboost_document *in, struct spot_error *err);

/* The whole document at `path`, JSON or UBJSON, as a forest that is not checked yet. */
int xgboost_read(const char *path, spot_forest **forest, struct spot_error *err);

#endif
