/* Lowers a forest: which trees are sliced, and how each is laid out for it. */
#include "fallback/forest_plan.h"

#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "base/memory.h"
#include "fallback/cpu_detect.h"
#include "fallback/forest_columns.h"

/* What is known of a tree. */
struct shape {
    int32_t depth, leaves; /* as far as they matter: up to one more than is sliced */
};

/* Where a forest is on its way to a plan. */
struct lowering {
    const struct forest *forest;
    struct forest_plan *plan;
    struct shape *shapes; /* (trees) leaves 0: not sliced */
    uint8_t *wanted;      /* (nodes) splits of sliced trees */
};

/* ---- Which trees ---------------------------------------------------------------------------- */

/* Nodes of a tree from the root on, parents before children, as far as there are `most`. */
static int32_t list_nodes(const struct forest *forest, int32_t tree, int32_t most, int32_t *list)
{
    const int64_t root = forest->first_node[tree];
    int32_t count = 1;
    list[0] = 0;
    for (int32_t i = 0; i < count && count + 2 <= most; i++) {
        if (forest->left[root + list[i]] < 0) continue;
        list[count++] = forest->left[root + list[i]];
        list[count++] = forest->right[root + list[i]];
    }
    return count;
}

/* Depth of the tree below a node, or one more than `most`. */
static int32_t depth_below(const struct forest *forest, int64_t root, int64_t node, int32_t most)
{
    if (forest->left[root + node] < 0) return 0;
    if (most == 0) return 1;
    const int32_t left = depth_below(forest, root, forest->left[root + node], most - 1);
    const int32_t right = depth_below(forest, root, forest->right[root + node], most - 1);
    return 1 + (left > right ? left : right);
}

enum { MOST_NODES = 2 * FOREST_MOST_LEAVES - 1 };

static void choose_trees(struct lowering *in)
{
    const struct forest *forest = in->forest;
    int32_t list[MOST_NODES + 2];
    for (int32_t t = 0; t < forest->trees; t++) {
        const int32_t count = list_nodes(forest, t, MOST_NODES + 2, list);
        if (count > MOST_NODES) continue;
        const int64_t root = forest->first_node[t];
        in->shapes[t] =
            (struct shape){depth_below(forest, root, 0, FOREST_MOST_DEPTH), (count + 1) / 2};
        for (int32_t i = 0; i < count; i++)
            in->wanted[root + list[i]] = forest->left[root + list[i]] >= 0;
    }
}

/* Trees with a split that has no column are not sliced after all. */
static void drop_trees(struct lowering *in)
{
    for (int32_t t = 0; t < in->forest->trees; t++)
        for (int64_t node = in->forest->first_node[t]; node < in->forest->first_node[t + 1]; node++)
            if (in->wanted[node] && !forest_columns_have(in->plan, node)) in->shapes[t].leaves = 0;
}

/* A split of a tree of any shape costs so many times one that fills a complete tree up: measured,
 * see docs/trees.md. */
static const double cost_of_shape = 1.6;

static void choose_kind(const struct shape *shape, struct sliced_tree *tree)
{
    const int32_t depth = shape->depth > 0 ? shape->depth : 1;
    const int32_t filled = depth > FOREST_MOST_DEPTH ? INT32_MAX : (1 << depth) - 1;
    if (shape->leaves == 0) return;
    tree->kind = filled <= cost_of_shape * (shape->leaves - 1) ? SLICED_COMPLETE : SLICED_ANY;
    tree->depth = depth;
    tree->splits = tree->kind == SLICED_COMPLETE ? filled : shape->leaves - 1;
}

static int make_trees(struct lowering *in, struct spot_error *err)
{
    struct forest_plan *plan = in->plan;
    const int32_t trees = in->forest->trees;
    int64_t nodes = 0, leaves = 0;
    plan->trees = spot_alloc_zero(trees, sizeof *plan->trees);
    if (plan->trees == NULL) return spot_fail_memory(err, "the trees");
    for (int32_t t = 0; t < trees; t++) {
        plan->trees[t] = (struct sliced_tree){.nodes = nodes, .leaves = leaves};
        choose_kind(&in->shapes[t], &plan->trees[t]);
        nodes += plan->trees[t].splits;
        if (plan->trees[t].splits > plan->most_splits) plan->most_splits = plan->trees[t].splits;
        leaves += plan->trees[t].kind == SLICED_NOT ? 0 : plan->trees[t].splits + 1;
    }
    plan->nodes = spot_alloc_zero(nodes, sizeof *plan->nodes);
    plan->leaf_nodes = spot_alloc_zero(leaves, sizeof *plan->leaf_nodes);
    plan->reached = spot_alloc_zero(leaves, sizeof *plan->reached);
    if (in->forest->rules == FOREST_XGBOOST)
        plan->leaves32 = spot_alloc_zero(leaves, sizeof *plan->leaves32);
    else
        plan->leaves64 = spot_alloc_zero(leaves, sizeof *plan->leaves64);
    if (plan->nodes == NULL || plan->leaf_nodes == NULL || plan->reached == NULL ||
        (plan->leaves32 == NULL && plan->leaves64 == NULL))
        return spot_fail_memory(err, "the trees");
    return SPOT_OK;
}

/* ---- Filling -------------------------------------------------------------------------------- */

static void fill_leaf(const struct lowering *in, int32_t t, int64_t node, int64_t place)
{
    const struct forest *forest = in->forest;
    struct forest_plan *plan = in->plan;
    const int64_t from = forest->first_node[t] + node, to = plan->trees[t].leaves + place;
    plan->leaf_nodes[to] = (int32_t)node;
    if (plan->leaves64 != NULL) {
        plan->leaves64[to] = forest->value[from];
        return;
    }
    plan->leaves32[to] = (float)forest->value[from];
    if (forest->tree_weight != NULL) plan->leaves32[to] *= forest->tree_weight[t];
}

static void fill_split(const struct lowering *in, int64_t node, struct sliced_node *to)
{
    const struct rank_place place = forest_columns_place(in->plan, node);
    to->column = (uint32_t)place.slot * FOREST_SET;
    to->threshold = (uint8_t)place.threshold * UINT32_C(0x01010101);
}

/* Puts the tree below `node` at position p of the complete tree, `left` levels above its leaves.
 * Nothing goes right at a node that the tree does not have. */
static void fill_complete(const struct lowering *in, int32_t t, int64_t node, int64_t p,
                          int32_t left)
{
    const struct forest *forest = in->forest;
    const int64_t at = forest->first_node[t] + node;
    const bool leaf = forest->left[at] < 0;
    if (left == 0) {
        fill_leaf(in, t, node, p - in->plan->trees[t].splits);
        return;
    }
    struct sliced_node *to = &in->plan->nodes[in->plan->trees[t].nodes + p];
    if (leaf)
        to->threshold = 0x7f7f7f7f;
    else
        fill_split(in, at, to);
    fill_complete(in, t, leaf ? node : forest->left[at], 2 * p + 1, left - 1);
    if (!leaf) fill_complete(in, t, forest->right[at], 2 * p + 2, left - 1);
}

/* Splits and leaves in the order of the list: level by level, so that it is known for long which
 * rows reach a node when their outcomes are needed. */
static void fill_any(const struct lowering *in, int32_t t)
{
    const struct forest *forest = in->forest;
    const struct sliced_tree *tree = &in->plan->trees[t];
    const int64_t root = forest->first_node[t];
    int32_t list[MOST_NODES + 2], splits = 0, leaves = 0;
    const int32_t count = list_nodes(forest, t, MOST_NODES + 2, list);
    for (int32_t i = 0; i < count; i++) { /* 1 and 2 are children of the first split, and so on */
        const uint32_t reached = (uint32_t)((i == 0 ? 2 * tree->splits : i - 1) *
                                            (FOREST_BLOCKS * (int)sizeof(uint64_t)));
        if (forest->left[root + list[i]] >= 0) {
            struct sliced_node *to = &in->plan->nodes[tree->nodes + splits++];
            fill_split(in, root + list[i], to);
            to->reached = reached;
        } else {
            in->plan->reached[tree->leaves + leaves] = reached;
            fill_leaf(in, t, list[i], leaves++);
        }
    }
}

static void fill_trees(struct lowering *in)
{
    for (int32_t t = 0; t < in->forest->trees; t++) {
        const struct sliced_tree *tree = &in->plan->trees[t];
        if (tree->kind == SLICED_COMPLETE)
            fill_complete(in, t, 0, 0, tree->depth);
        else if (tree->kind == SLICED_ANY)
            fill_any(in, t);
    }
}

/* ---- The plan ------------------------------------------------------------------------------- */

static const struct forest_kernels *best_kernels(void)
{
    const char *forced = getenv("BLACKSPOT_CPU");
    if (forced != NULL && strcmp(forced, "ref") == 0) return NULL;
    const bool avx512 = forced == NULL || strcmp(forced, "avx512") == 0;
    if (avx512 && cpu_has_avx512()) return forest_kernels_avx512();
    return cpu_has_avx2() ? forest_kernels_avx2() : NULL;
}

static int lower(struct lowering *in, struct spot_error *err)
{
    int status;
    choose_trees(in);
    SPOT_TRY(forest_columns_make(in->plan, in->wanted, err));
    drop_trees(in);
    SPOT_TRY(make_trees(in, err));
    fill_trees(in);
    forest_columns_sort_categories(in->plan);
out:
    return status;
}

int forest_plan_open(const struct forest *forest, struct forest_plan **out, struct spot_error *err)
{
    struct lowering in = {.forest = forest};
    int status = SPOT_OK;
    *out = NULL;
    struct forest_plan *plan = calloc(1, sizeof *plan);
    if (plan == NULL) return spot_fail_memory(err, "the plan of the trees");
    plan->forest = forest;
    plan->kernels = best_kernels();
    in.plan = plan;
    in.shapes = spot_alloc_zero(forest->trees, sizeof *in.shapes);
    in.wanted = spot_alloc_zero(forest->nodes, sizeof *in.wanted);
    if (in.shapes == NULL || in.wanted == NULL || step_forest_open(forest, &plan->steps) < 0)
        status = spot_fail_memory(err, "the plan of the trees");
    else if (plan->kernels != NULL)
        status = lower(&in, err);
    free(in.shapes);
    free(in.wanted);
    if (status < 0) {
        forest_plan_close(plan);
        plan = NULL;
    }
    *out = plan;
    return status;
}

void forest_plan_close(struct forest_plan *plan)
{
    if (plan == NULL) return;
    forest_columns_free(plan);
    free(plan->trees);
    free(plan->nodes);
    free(plan->leaves32);
    free(plan->leaves64);
    free(plan->leaf_nodes);
    free(plan->reached);
    step_forest_close(&plan->steps);
    free(plan);
}
