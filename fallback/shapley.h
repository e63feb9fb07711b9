/* Exact Shapley values of a forest's leaves, path-dependent (missing features follow the covers),
 * in float64, for 32 rows at a time.
 *
 * On the path to a leaf of value v let f run over its distinct features; z_f is the share of the
 * cover that the splits on f let through, o_f is 1 where the row passes all of them, else 0. Then
 *   phi_f = v (o_f - z_f) integral over t in [0, 1] of the product over g != f of
 *           (t o_g + (1 - t) z_g),
 * a polynomial in t, which Gauss and Legendre's rule with half as many points as the path has
 * features integrates exactly; every term is positive, so nothing cancels. For a fixed t the sum
 * over leaves is one walk down the tree (the product) and up again (the sums below each edge), as
 * in Linear TreeSHAP (Yu, Xu, Bifet, Read 2022), whose division of polynomials this replaces.
 *
 * A feature that comes again on a path has its earlier factor taken back: per edge and point two
 * factors of the product and two of the sum, chosen by whether the row passes this edge and the
 * earlier one. They depend on the tree alone. */
#ifndef SPOT_FALLBACK_SHAPLEY_H
#define SPOT_FALLBACK_SHAPLEY_H

#include <stdbool.h>

#include "backend/backend.h"

enum { SHAPLEY_LANES = 32 };

/* A node and the edge that leads to it, in preorder: the left child is the next node. */
struct shapley_node {
    int64_t node;    /* of the forest */
    double value;    /* of a leaf */
    double share;    /* cover of this node by its parent's */
    int32_t depth;   /* edges from the root */
    int32_t feature; /* that the parent splits, whose edge this is */
    int32_t before;  /* depth of the edge above that splits the same feature, or 0 */
    bool left, leaf;
};

/* Of an edge at one point t. */
struct shapley_point {
    double passes, fails; /* factors of the product where the row passes this edge; where only
                             those before it. Where not even those: the share */
    double gains, loses;  /* of the sum below it, with the point's weight; where not even those: 0
                           */
};

struct shapley_tree {
    struct shapley_node *nodes;   /* (count) */
    struct shapley_point *points; /* (count, points_count) */
    int32_t count, points_count, depth;
    int32_t output;
    double mean; /* sum of the leaves weighted by the covers */
};

/* Builds a tree's tables for one output (of vector leaves one of their values). SPOT_EUSAGE where
 * the file has no covers, SPOT_ENOMEM. The caller clears, also after a failure. */
int shapley_tree_open(const struct forest *forest, int32_t tree, int32_t output,
                      struct shapley_tree *out, struct spot_error *err);
void shapley_tree_clear(struct shapley_tree *tree);

/* What one walk needs, each row of SHAPLEY_LANES doubles. */
struct shapley_room {
    double *products; /* (depth + 1, points, lanes) */
    double *sums;     /* (depth + 1, points, lanes) */
    double *goes;     /* (depth + 1, lanes) 1 where the row goes left, else 0 */
    double *passes;   /* (depth + 1, lanes) 1 where the row passes the edge and those before it */
    int32_t *path;    /* (depth + 1) */
};

/* Adds a tree's values to those of 32 rows: phi (features, lanes) of its output; values (features,
 * lanes) as the rules see them. */
typedef void shapley_walk_lanes(const struct forest *forest, const struct shapley_tree *tree,
                                const struct shapley_room *room, const double *values, double *phi);

shapley_walk_lanes shapley_walk_ref, shapley_walk_avx2, shapley_walk_avx512;

/* The table's `contributions` (backend.h). */
int shapley_contributions(const struct forest *forest, const struct backend_host *host,
                          const struct spot_forest_rows *rows, int32_t first, int32_t trees,
                          double *out, struct spot_error *err);

#endif
