#include "fallback/forest_nodes.h"

#include <stdlib.h>

#include "base/memory.h"
#include "numerics/threshold.h"

/* float32 rows: x <= t is x < this; NaN, which nothing is below, where every value is <= t. */
static float step_threshold(const struct forest *forest, int64_t node)
{
    const double t = forest->threshold[node];
    if (forest->rules == FOREST_XGBOOST) return (float)t;
    return threshold_above(t);
}

/* Numeric splits where NaN alone is missing, or is 0. LightGBM's at infinity would need a value
 * above it. */
static bool is_step(const struct forest *forest, int64_t node)
{
    if ((forest->flags[node] & NODE_CATEGORICAL) != 0) return false;
    if (forest->rules == FOREST_XGBOOST) return true;
    return (forest->flags[node] & NODE_MISSING_ZERO) == 0 && !isnan(step_threshold(forest, node));
}

/* Where NaN goes. */
static bool nan_goes_left(const struct forest *forest, int64_t node)
{
    if (forest->rules == FOREST_LIGHTGBM && (forest->flags[node] & NODE_MISSING_NAN) == 0)
        return 0.0 <= forest->threshold[node];
    return (forest->flags[node] & NODE_DEFAULT_LEFT) != 0;
}

static bool has_steps(const struct forest *forest, int32_t tree)
{
    const int64_t end = forest->first_node[tree + 1];
    if (end > (int64_t)1 << 30 || end - forest->first_node[tree] >= (int64_t)1 << 30) return false;
    for (int64_t node = forest->first_node[tree]; node < end; node++)
        if (forest->left[node] >= 0 && !is_step(forest, node)) return false;
    return true;
}

/* Lays a tree out level by level; queue (nodes of the tree). Returns the depth. */
static int32_t lay_out(const struct forest *forest, int32_t tree, int32_t *queue,
                       struct step_forest *steps)
{
    const int64_t root = forest->first_node[tree];
    int64_t count = 1, level_end = 1;
    int32_t depth = 0;
    queue[0] = 0;
    for (int64_t i = 0; i < count; i++) {
        const int64_t at = root + queue[i];
        struct step_node *node = &steps->nodes[root + i];
        if (i == level_end) {
            level_end = count;
            depth++;
        }
        *node = (struct step_node){.left = (uint32_t)(root + i), .flags = (uint32_t)queue[i] * 4};
        if (forest->left[at] < 0) continue;
        node->threshold = step_threshold(forest, at);
        if (steps->thresholds != NULL) steps->thresholds[root + i] = forest->threshold[at];
        node->feature = forest->feature[at];
        node->left = (uint32_t)(root + count);
        node->flags |= STEP_INNER;
        if (nan_goes_left(forest, at)) node->flags |= STEP_DEFAULT_LEFT;
        queue[count++] = forest->left[at];
        queue[count++] = forest->right[at];
    }
    return depth;
}

int step_forest_open(const struct forest *forest, struct step_forest *steps)
{
    int64_t largest = 0;
    for (int32_t t = 0; t < forest->trees; t++)
        if (forest->first_node[t + 1] - forest->first_node[t] > largest)
            largest = forest->first_node[t + 1] - forest->first_node[t];
    int32_t *queue = spot_alloc(largest, sizeof *queue);
    steps->nodes = spot_alloc(forest->nodes + 1, sizeof *steps->nodes);
    steps->trees = spot_alloc(forest->trees, sizeof *steps->trees);
    const bool wide = forest->rules == FOREST_LIGHTGBM;
    if (wide) steps->thresholds = spot_alloc_zero(forest->nodes + 1, sizeof *steps->thresholds);
    if (queue == NULL || steps->nodes == NULL || steps->trees == NULL ||
        (wide && steps->thresholds == NULL)) {
        free(queue);
        step_forest_close(steps);
        return SPOT_ENOMEM;
    }
    for (int32_t t = 0; t < forest->trees; t++) {
        steps->trees[t] = (struct step_tree){.root = -1};
        if (!has_steps(forest, t)) continue;
        steps->trees[t].root = forest->first_node[t];
        steps->trees[t].depth = lay_out(forest, t, queue, steps);
    }
    free(queue);
    return SPOT_OK;
}

void step_forest_close(struct step_forest *steps)
{
    free(steps->nodes);
    free(steps->trees);
    free(steps->thresholds);
    *steps = (struct step_forest){0};
}

/* Puts all walks at their roots; the number of steps to the deepest leaf. */
static int32_t begin_walks(const struct step_forest *steps, const struct step_walk walks[WALKS],
                           uint32_t at[WALKS])
{
    int32_t depth = 0;
    for (int w = 0; w < WALKS; w++) {
        const struct step_tree *tree = &steps->trees[walks[w].tree];
        at[w] = (uint32_t)tree->root;
        if (tree->depth > depth) depth = tree->depth;
    }
    return depth;
}

/* Where a step ends: on the left where bit 0 of `stays` is set, and always in a leaf. */
static inline uint32_t step_to(const struct step_node *node, uint32_t stays)
{
    return node->left + (~stays & node->flags & STEP_INNER);
}

/* Lopsided trees have few leaves as deep as the deepest: now and then it is seen whether any walk
 * goes on. */
enum { LOOK_AGAIN = 4 };

static bool any_inner(const struct step_forest *steps, const uint32_t at[WALKS])
{
    uint32_t inner = 0;
    for (int w = 0; w < WALKS; w++)
        inner |= steps->nodes[at[w]].flags & STEP_INNER;
    return inner != 0;
}

void step_leaves(const struct step_forest *steps, const struct step_walk walks[WALKS],
                 int32_t leaves[WALKS])
{
    uint32_t at[WALKS];
    const int32_t depth = begin_walks(steps, walks, at);
    for (int32_t level = 0; level < depth; level++) {
        if (level > LOOK_AGAIN && level % LOOK_AGAIN == 0 && !any_inner(steps, at)) break;
        for (int w = 0; w < WALKS; w++) {
            const struct step_node *node = &steps->nodes[at[w]];
            const float x = walks[w].row[node->feature];
            at[w] = step_to(node, isnan(x) ? node->flags >> 1 : x < node->threshold);
        }
    }
    for (int w = 0; w < WALKS; w++)
        leaves[w] = (int32_t)(steps->nodes[at[w]].flags >> 2);
}

void step_leaves64(const struct step_forest *steps, const struct step_walk walks[WALKS],
                   int32_t leaves[WALKS])
{
    uint32_t at[WALKS];
    const int32_t depth = begin_walks(steps, walks, at);
    for (int32_t level = 0; level < depth; level++) {
        if (level > LOOK_AGAIN && level % LOOK_AGAIN == 0 && !any_inner(steps, at)) break;
        for (int w = 0; w < WALKS; w++) {
            const struct step_node *node = &steps->nodes[at[w]];
            const double x = walks[w].row64[node->feature];
            at[w] = step_to(node, isnan(x) ? node->flags >> 1 : x <= steps->thresholds[at[w]]);
        }
    }
    for (int w = 0; w < WALKS; w++)
        leaves[w] = (int32_t)(steps->nodes[at[w]].flags >> 2);
}
