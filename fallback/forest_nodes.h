/* Trees as nodes of 16 bytes, for rows that are scored one by one: the children of a node lie side
 * by side, so that a step is one comparison without a branch, and eight walks go on at the same
 * time. */
#ifndef SPOT_FALLBACK_FOREST_NODES_H
#define SPOT_FALLBACK_FOREST_NODES_H

#include "fallback/forest_walk.h"

enum { WALKS = 8 }; /* at the same time */

enum { STEP_INNER = 1, STEP_DEFAULT_LEFT = 2 };

struct step_node {
    float threshold; /* x < threshold goes left */
    int32_t feature;
    uint32_t left;  /* of a leaf the node itself */
    uint32_t flags; /* enum above, then the node's number in its tree times 4 */
};

struct step_tree {
    int64_t root;  /* among all step nodes, or -1: the tree has splits that are no such step */
    int32_t depth; /* steps to the deepest leaf */
};

struct step_forest {
    struct step_node *nodes;
    struct step_tree *trees; /* (trees) */
    double
        *thresholds; /* (nodes) LightGBM's, for float64 rows: x <= threshold goes left; or NULL */
};

/* SPOT_ENOMEM with nothing kept. */
int step_forest_open(const struct forest *forest, struct step_forest *steps);
void step_forest_close(struct step_forest *steps);

/* One of the walks: a row's values, float32 or float64, and the tree. */
struct step_walk {
    const float *row;
    const double *row64;
    int32_t tree;
};

/* The leaf of each walk: its number within its tree. All trees have a root. The second is for
 * float64 rows of a forest that has thresholds for them. */
void step_leaves(const struct step_forest *steps, const struct step_walk walks[WALKS],
                 int32_t leaves[WALKS]);
void step_leaves64(const struct step_forest *steps, const struct step_walk walks[WALKS],
                   int32_t leaves[WALKS]);

#endif
