/* One tree down and up for 32 rows: the body that every instruction set compiles. Plain loops over
 * lanes, each lane on its own, so the bits are the same whatever the width of the registers. */
#ifndef SPOT_FALLBACK_SHAPLEY_WALK_H
#define SPOT_FALLBACK_SHAPLEY_WALK_H

#include "fallback/forest_walk.h"
#include "fallback/shapley.h"

/* Where the rows go at an inner node: goes[l] is 1 for left. */
static inline void shapley_split(const struct forest *forest, int64_t node,
                                 const double *restrict x, double *restrict goes)
{
    const uint8_t flags = forest->flags[node];
    const double threshold = forest->threshold[node];
    if ((flags & (NODE_CATEGORICAL | NODE_MISSING_ZERO)) != 0) {
        for (int l = 0; l < SHAPLEY_LANES; l++)
            goes[l] = goes_left(forest, node, x[l]) ? 1.0 : 0.0;
        return;
    }
    const double missing = goes_left(forest, node, NAN) ? 1.0 : 0.0;
    if (forest->rules == FOREST_XGBOOST)
        for (int l = 0; l < SHAPLEY_LANES; l++)
            goes[l] = x[l] != x[l] ? missing : x[l] < threshold ? 1.0 : 0.0;
    else
        for (int l = 0; l < SHAPLEY_LANES; l++)
            goes[l] = x[l] != x[l] ? missing : x[l] <= threshold ? 1.0 : 0.0;
}

/* Down an edge whose feature is new on the path; value is a leaf's, or 1. */
static inline void shapley_enter_new(const struct shapley_point *point, int32_t points,
                                     double value, const double *restrict passes,
                                     const double *restrict parent, double *restrict product)
{
    for (int32_t p = 0; p < points; p++, parent += SHAPLEY_LANES, product += SHAPLEY_LANES) {
        const double yes = point[p].passes, no = point[p].fails;
        for (int l = 0; l < SHAPLEY_LANES; l++)
            product[l] = parent[l] * (passes[l] > 0.0 ? yes : no) * value;
    }
}

static inline void shapley_enter_again(const struct shapley_point *point, int32_t points,
                                       double share, double value, const double *restrict passes,
                                       const double *restrict passed, const double *restrict parent,
                                       double *restrict product)
{
    for (int32_t p = 0; p < points; p++, parent += SHAPLEY_LANES, product += SHAPLEY_LANES) {
        const double yes = point[p].passes, no = point[p].fails;
        for (int l = 0; l < SHAPLEY_LANES; l++) {
            const double fails = passed[l] > 0.0 ? no : share;
            product[l] = parent[l] * (passes[l] > 0.0 ? yes : fails) * value;
        }
    }
}

/* Up again: what the sum below the edge gives its feature and adds to the parent's sum, which the
 * left child, the first, begins. */
static inline void shapley_gather(const struct shapley_point *point, int32_t points, bool first,
                                  const double *restrict passes, const double *restrict passed,
                                  const double *restrict sum, double *restrict parent,
                                  double *restrict phi)
{
    for (int32_t p = 0; p < points; p++, sum += SHAPLEY_LANES, parent += SHAPLEY_LANES) {
        const double yes = point[p].gains, no = point[p].loses;
        for (int l = 0; l < SHAPLEY_LANES; l++) {
            const double fails = passed[l] > 0.0 ? no : 0.0;
            phi[l] += (passes[l] > 0.0 ? yes : fails) * sum[l];
            parent[l] = first ? sum[l] : parent[l] + sum[l];
        }
    }
}

static inline void shapley_gather_new(const struct shapley_point *point, int32_t points, bool first,
                                      const double *restrict passes, const double *restrict sum,
                                      double *restrict parent, double *restrict phi)
{
    for (int32_t p = 0; p < points; p++, sum += SHAPLEY_LANES, parent += SHAPLEY_LANES) {
        const double yes = point[p].gains, no = point[p].loses;
        for (int l = 0; l < SHAPLEY_LANES; l++) {
            phi[l] += (passes[l] > 0.0 ? yes : no) * sum[l];
            parent[l] = first ? sum[l] : parent[l] + sum[l];
        }
    }
}

static inline void shapley_enter(const struct shapley_tree *tree, const struct shapley_room *room,
                                 int32_t n)
{
    const struct shapley_node *node = &tree->nodes[n];
    const struct shapley_point *point = tree->points + (int64_t)n * tree->points_count;
    const int64_t d = node->depth, level = (int64_t)tree->points_count * SHAPLEY_LANES;
    const double *goes = room->goes + (d - 1) * SHAPLEY_LANES;
    double *passes = room->passes + d * SHAPLEY_LANES;
    const double *passed = room->passes + node->before * SHAPLEY_LANES;
    for (int l = 0; l < SHAPLEY_LANES; l++)
        passes[l] = (node->left ? goes[l] : 1.0 - goes[l]) * passed[l];
    const double *parent = room->products + (d - 1) * level;
    double *product = (node->leaf ? room->sums : room->products) + d * level;
    const double value = node->leaf ? node->value : 1.0;
    if (node->before == 0)
        shapley_enter_new(point, tree->points_count, value, passes, parent, product);
    else
        shapley_enter_again(point, tree->points_count, node->share, value, passes, passed, parent,
                            product);
}

static inline void shapley_leave(const struct shapley_tree *tree, const struct shapley_room *room,
                                 int32_t n, double *phi)
{
    const struct shapley_node *node = &tree->nodes[n];
    const struct shapley_point *point = tree->points + (int64_t)n * tree->points_count;
    const int64_t d = node->depth, level = (int64_t)tree->points_count * SHAPLEY_LANES;
    const double *passes = room->passes + d * SHAPLEY_LANES;
    const double *passed = room->passes + node->before * SHAPLEY_LANES;
    const double *sum = room->sums + d * level;
    double *parent = room->sums + (d - 1) * level;
    double *gained = phi + (int64_t)node->feature * SHAPLEY_LANES;
    if (node->before == 0)
        shapley_gather_new(point, tree->points_count, node->left, passes, sum, parent, gained);
    else
        shapley_gather(point, tree->points_count, node->left, passes, passed, sum, parent, gained);
}

static inline void shapley_walk(const struct forest *forest, const struct shapley_tree *tree,
                                const struct shapley_room *room, const double *values, double *phi)
{
    const int64_t level = (int64_t)tree->points_count * SHAPLEY_LANES;
    for (int64_t i = 0; i < level; i++)
        room->products[i] = 1.0;
    for (int l = 0; l < SHAPLEY_LANES; l++)
        room->passes[l] = 1.0;
    for (int32_t n = 0; n < tree->count; n++) {
        const struct shapley_node *node = &tree->nodes[n];
        const int64_t d = node->depth;
        if (n > 0) shapley_enter(tree, room, n);
        room->path[d] = n;
        if (!node->leaf) {
            const int64_t column = forest->feature[node->node];
            shapley_split(forest, node->node, values + column * SHAPLEY_LANES,
                          room->goes + d * SHAPLEY_LANES);
            continue;
        }
        const int64_t next = n + 1 < tree->count ? tree->nodes[n + 1].depth : 1;
        for (int64_t e = d; e >= next && e > 0; e--)
            shapley_leave(tree, room, room->path[e], phi);
    }
}

#endif
