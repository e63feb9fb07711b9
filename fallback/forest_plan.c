/* Lowers a forest: which trees can be sliced, the thresholds of each feature, and each tree filled
 * up to a complete one. */
#include "fallback/forest_plan.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "base/memory.h"
#include "fallback/cpu_detect.h"
#include "fallback/forest_walk.h"

/* ---- Thresholds ----------------------------------------------------------------------------- */

/* A numeric split; sorted, they give the columns of ranks. */
struct split {
    double threshold;
    int32_t feature;
    enum rank_missing missing;
};

/* Where a forest is on its way to a plan. */
struct lowering {
    const struct forest *forest;
    struct forest_plan *plan;
    struct split *splits; /* (splits_count) ascending and different */
    int64_t splits_count;
    uint8_t *depth; /* (trees) 0: not sliced */
    int64_t columns_capacity, groups_capacity;
};

static enum rank_missing missing_of(const struct forest *forest, int64_t node)
{
    const uint8_t flags = forest->flags[node];
    if ((flags & NODE_CATEGORICAL) != 0) return MISSING_CATEGORY;
    if (forest->rules == FOREST_XGBOOST || (flags & NODE_MISSING_NAN) != 0) return MISSING_NAN;
    return (flags & NODE_MISSING_ZERO) != 0 ? MISSING_ZERO : MISSING_NOTHING;
}

static struct split split_of(const struct forest *forest, int64_t node)
{
    return (struct split){forest->threshold[node], forest->feature[node], missing_of(forest, node)};
}

static int by_column(const void *a, const void *b)
{
    const struct split *x = a, *y = b;
    if (x->feature != y->feature) return x->feature < y->feature ? -1 : 1;
    if (x->missing != y->missing) return x->missing < y->missing ? -1 : 1;
    return (x->threshold > y->threshold) - (x->threshold < y->threshold);
}

static int collect_splits(struct lowering *in, struct spot_error *err)
{
    const struct forest *forest = in->forest;
    int64_t count = 0, kept = 0;
    in->splits = spot_alloc(forest->nodes, sizeof *in->splits);
    if (in->splits == NULL) return spot_fail_memory(err, "the thresholds");
    for (int32_t t = 0; t < forest->trees; t++)
        for (int64_t node = forest->first_node[t]; node < forest->first_node[t + 1]; node++)
            if (in->depth[t] > 0 && forest->left[node] >= 0 &&
                (forest->flags[node] & NODE_CATEGORICAL) == 0)
                in->splits[count++] = split_of(forest, node);
    qsort(in->splits, (size_t)count, sizeof *in->splits, by_column);
    for (int64_t i = 0; i < count; i++)
        if (kept == 0 || by_column(&in->splits[kept - 1], &in->splits[i]) != 0)
            in->splits[kept++] = in->splits[i];
    in->splits_count = kept;
    return SPOT_OK;
}

/* ---- Columns -------------------------------------------------------------------------------- */

static struct rank_column *add_column(struct lowering *in, int32_t feature,
                                      enum rank_missing missing, struct spot_error *err)
{
    struct forest_plan *plan = in->plan;
    if (spot_grow((void **)&plan->columns, &in->columns_capacity, plan->columns_count + 1,
                  sizeof *plan->columns) < 0) {
        spot_fail_memory(err, "the columns of ranks");
        return NULL;
    }
    struct rank_column *column = &plan->columns[plan->columns_count++];
    *column = (struct rank_column){.feature = feature, .missing = missing, .slot = plan->slots};
    plan->slots += missing == MISSING_CATEGORY ? 1 : 2;
    return column;
}

/* As the kernels compute it. */
static int32_t bucket_of(const struct rank_column *column, float x)
{
    const float at = (x - column->origin) * column->scale;
    if (!(at > 0.0f)) return 0;
    return at < (float)(FOREST_BUCKETS - 1) ? (int32_t)at : FOREST_BUCKETS - 1;
}

/* Buckets pay where thresholds are spread evenly enough; quantiles of most data are. */
enum { MOST_STEPS = 3 };

static int set_buckets(struct rank_column *column, struct spot_error *err)
{
    int32_t count = column->count, most = 0;
    while (count > 0 && isnan(column->thresholds[count - 1]))
        count--; /* of x <= inf */
    column->steps = 8;
    if (count < 2) return SPOT_OK;
    const float last = column->thresholds[count - 1];
    column->origin = column->thresholds[0];
    column->scale = (float)FOREST_BUCKETS / (last - column->origin);
    if (!isfinite(column->scale) || !isfinite(column->origin) || column->scale == 0.0f)
        return SPOT_OK;
    int32_t buckets[FOREST_BUCKETS + 1] = {0}; /* thresholds of each, then up to each */
    for (int32_t i = 0; i < count; i++) {
        const int32_t here = ++buckets[bucket_of(column, column->thresholds[i]) + 1];
        if (here > most) most = here;
    }
    if (most >= 1 << MOST_STEPS) return SPOT_OK;
    for (column->steps = 0; most >= 1 << column->steps;)
        column->steps++;
    column->below = spot_alloc_zero(FOREST_BUCKETS + 3, sizeof *column->below);
    if (column->below == NULL) return spot_fail_memory(err, "the thresholds");
    for (int32_t b = 1; b < FOREST_BUCKETS; b++) {
        buckets[b] += buckets[b - 1];
        column->below[b] = (uint8_t)buckets[b];
    }
    return SPOT_OK;
}

enum { PADDED_THRESHOLDS = 256 + 8 };

static int set_thresholds(const struct lowering *in, struct rank_column *column,
                          const struct split *splits, int32_t count, struct spot_error *err)
{
    const bool xgboost = in->forest->rules == FOREST_XGBOOST;
    column->count = count;
    /* A search by buckets may look a few places past the last threshold. */
    column->thresholds = spot_alloc(PADDED_THRESHOLDS, sizeof *column->thresholds);
    if (!xgboost) column->thresholds64 = spot_alloc(count, sizeof *column->thresholds64);
    if (column->thresholds == NULL || (!xgboost && column->thresholds64 == NULL))
        return spot_fail_memory(err, "the thresholds");
    for (int32_t i = 0; i < PADDED_THRESHOLDS; i++)
        column->thresholds[i] = NAN;
    for (int32_t i = 0; i < count; i++) {
        const double t = splits[i].threshold;
        column->thresholds[i] = xgboost ? (float)t : forest_above(t);
        if (!xgboost) column->thresholds64[i] = t;
    }
    return set_buckets(column, err);
}

/* A column for each run of splits of one feature; too many thresholds make no column. */
static int make_columns(struct lowering *in, struct spot_error *err)
{
    int status = SPOT_OK;
    for (int64_t first = 0, end; status == SPOT_OK && first < in->splits_count; first = end) {
        const struct split *split = &in->splits[first];
        for (end = first + 1; end < in->splits_count; end++)
            if (in->splits[end].feature != split->feature ||
                in->splits[end].missing != split->missing)
                break;
        if (end - first > FOREST_MOST_THRESHOLDS) continue;
        struct rank_column *column = add_column(in, split->feature, split->missing, err);
        if (column == NULL) return SPOT_ENOMEM;
        status = set_thresholds(in, column, split, (int32_t)(end - first), err);
    }
    return status;
}

/* Numeric columns come first, in the order of the splits. */
static const struct rank_column *column_of(const struct lowering *in, int32_t columns,
                                           const struct split *split)
{
    int32_t low = 0, high = columns - 1;
    while (low <= high) {
        const int32_t middle = low + (high - low) / 2;
        const struct rank_column *column = &in->plan->columns[middle];
        const struct split of = {split->threshold, column->feature, column->missing};
        const int order = by_column(&of, split);
        if (order == 0) return column;
        if (order < 0)
            low = middle + 1;
        else
            high = middle - 1;
    }
    return NULL;
}

/* The place of a threshold in its column. */
static uint32_t place_of(const struct lowering *in, const struct rank_column *column, double t)
{
    int32_t low = 0, high = column->count - 1;
    while (low < high) {
        const int32_t middle = (low + high) / 2;
        const double there = in->forest->rules == FOREST_XGBOOST
                                 ? (double)column->thresholds[middle]
                                 : column->thresholds64[middle];
        if (there < t)
            low = middle + 1;
        else
            high = middle;
    }
    return (uint32_t)low;
}

/* ---- Trees ---------------------------------------------------------------------------------- */

/* Depth of the tree below a node, or one more than `most`. */
static int32_t depth_below(const struct forest *forest, int64_t root, int64_t node, int32_t most)
{
    if (forest->left[root + node] < 0) return 0;
    if (most == 0) return 1;
    const int32_t left = depth_below(forest, root, forest->left[root + node], most - 1);
    const int32_t right = depth_below(forest, root, forest->right[root + node], most - 1);
    return 1 + (left > right ? left : right);
}

static void choose_trees(struct lowering *in)
{
    const struct forest *forest = in->forest;
    for (int32_t t = 0; t < forest->trees; t++) {
        const int32_t depth = depth_below(forest, forest->first_node[t], 0, FOREST_MOST_DEPTH);
        const bool plain = forest->tree_output[t] >= 0 && forest->linear_constant == NULL;
        in->depth[t] = plain && depth <= FOREST_MOST_DEPTH ? (uint8_t)(depth > 0 ? depth : 1) : 0;
    }
}

/* Trees with a split that has no column are not sliced after all. */
static void drop_trees(struct lowering *in)
{
    const struct forest *forest = in->forest;
    for (int32_t t = 0; t < forest->trees; t++)
        for (int64_t node = forest->first_node[t]; node < forest->first_node[t + 1]; node++) {
            if (in->depth[t] == 0 || forest->left[node] < 0 ||
                (forest->flags[node] & NODE_CATEGORICAL) != 0)
                continue;
            const struct split split = split_of(forest, node);
            if (column_of(in, in->plan->columns_count, &split) == NULL) in->depth[t] = 0;
        }
}

static int make_groups(struct lowering *in, struct spot_error *err)
{
    struct forest_plan *plan = in->plan;
    const struct forest *forest = in->forest;
    int64_t nodes = 0, leaves = 0;
    for (int32_t t = 0; t < forest->trees;) {
        if (spot_grow((void **)&plan->groups, &in->groups_capacity, plan->groups_count + 1,
                      sizeof *plan->groups) < 0)
            return spot_fail_memory(err, "the trees");
        struct sliced_group *group = &plan->groups[plan->groups_count++];
        *group = (struct sliced_group){.first = t, .nodes = nodes, .leaves = leaves};
        const bool sliced = in->depth[t] > 0;
        do {
            if (in->depth[t] > group->depth) group->depth = in->depth[t];
            t++;
        } while (t < forest->trees && t - group->first < FOREST_GROUP &&
                 (in->depth[t] > 0) == sliced);
        group->trees = t - group->first;
        if (!sliced) continue;
        nodes += (((int64_t)1 << group->depth) - 1) * FOREST_GROUP;
        leaves += (int64_t)FOREST_GROUP << group->depth;
    }
    plan->nodes = spot_alloc_zero(nodes, sizeof *plan->nodes);
    plan->leaf_nodes = spot_alloc_zero(leaves, sizeof *plan->leaf_nodes);
    if (forest->rules == FOREST_XGBOOST)
        plan->leaves32 = spot_alloc_zero(leaves, sizeof *plan->leaves32);
    else
        plan->leaves64 = spot_alloc_zero(leaves, sizeof *plan->leaves64);
    if (plan->nodes == NULL || plan->leaf_nodes == NULL ||
        (plan->leaves32 == NULL && plan->leaves64 == NULL))
        return spot_fail_memory(err, "the trees");
    for (int64_t i = 0; i < nodes; i++)
        plan->nodes[i].threshold = UINT32_MAX; /* nothing goes right where a tree has no node */
    return SPOT_OK;
}

/* A tree on its way into its group. */
struct filling {
    struct lowering *in;
    const struct sliced_group *group;
    int32_t tree, numeric; /* numeric columns */
    int64_t root;
};

static void fill_leaf(const struct filling *to, int64_t node, int64_t place)
{
    const struct forest *forest = to->in->forest;
    struct forest_plan *plan = to->in->plan;
    const int64_t lane = to->tree - to->group->first;
    const int64_t at = to->group->leaves + (lane << to->group->depth) + place;
    plan->leaf_nodes[at] = (int32_t)node;
    if (plan->leaves64 != NULL) {
        plan->leaves64[at] = forest->value[to->root + node];
        return;
    }
    plan->leaves32[at] = (float)forest->value[to->root + node];
    if (forest->tree_weight != NULL) plan->leaves32[at] *= forest->tree_weight[to->tree];
}

static int fill_split(const struct filling *to, int64_t node, struct sliced_node *sliced,
                      struct spot_error *err)
{
    struct lowering *in = to->in;
    const struct forest *forest = in->forest;
    const int64_t at = to->root + node;
    if ((forest->flags[at] & NODE_CATEGORICAL) != 0) {
        struct rank_column *column = add_column(in, forest->feature[at], MISSING_CATEGORY, err);
        if (column == NULL) return SPOT_ENOMEM;
        column->node = at;
        *sliced = (struct sliced_node){(uint32_t)column->slot * FOREST_ROWS, 0};
        return SPOT_OK;
    }
    const struct split split = split_of(forest, at);
    const struct rank_column *column = column_of(in, to->numeric, &split);
    const int32_t left = (forest->flags[at] & NODE_DEFAULT_LEFT) != 0;
    sliced->column = (uint32_t)(column->slot + 1 - left) * FOREST_ROWS;
    sliced->threshold = place_of(in, column, split.threshold) * UINT32_C(0x01010101);
    return SPOT_OK;
}

/* Puts the tree below `node` at position p of the complete tree, `left` levels above its leaves. */
static int fill_node(const struct filling *to, int64_t node, int64_t p, int32_t left,
                     struct spot_error *err)
{
    const struct forest *forest = to->in->forest;
    const int64_t at = to->root + node;
    int status = SPOT_OK;
    if (left == 0) {
        fill_leaf(to, node, p - (((int64_t)1 << to->group->depth) - 1));
        return SPOT_OK;
    }
    if (forest->left[at] < 0) return fill_node(to, node, 2 * p + 1, left - 1, err);
    struct sliced_node *sliced =
        &to->in->plan->nodes[to->group->nodes + p * FOREST_GROUP + to->tree - to->group->first];
    SPOT_TRY(fill_split(to, node, sliced, err));
    SPOT_TRY(fill_node(to, forest->left[at], 2 * p + 1, left - 1, err));
    SPOT_TRY(fill_node(to, forest->right[at], 2 * p + 2, left - 1, err));
out:
    return status;
}

static int fill_groups(struct lowering *in, struct spot_error *err)
{
    struct forest_plan *plan = in->plan;
    struct filling to = {.in = in, .numeric = plan->columns_count};
    int status = SPOT_OK;
    for (int32_t g = 0; g < plan->groups_count; g++) {
        to.group = &plan->groups[g];
        if (to.group->depth == 0) continue;
        for (int32_t t = 0; t < to.group->trees; t++) {
            to.tree = to.group->first + t;
            to.root = in->forest->first_node[to.tree];
            SPOT_TRY(fill_node(&to, 0, 0, to.group->depth, err));
        }
    }
out:
    return status;
}

/* ---- The plan ------------------------------------------------------------------------------- */

static const struct forest_kernels *best_kernels(void)
{
    const char *forced = getenv("BLACKSPOT_CPU");
    if (forced != NULL && strcmp(forced, "avx512") != 0) return NULL;
    return cpu_has_avx512() ? forest_kernels_avx512() : NULL;
}

static int lower(struct lowering *in, struct spot_error *err)
{
    int status;
    choose_trees(in);
    SPOT_TRY(collect_splits(in, err));
    SPOT_TRY(make_columns(in, err));
    drop_trees(in);
    SPOT_TRY(make_groups(in, err));
    SPOT_TRY(fill_groups(in, err));
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
    in.depth = spot_alloc_zero(forest->trees, sizeof *in.depth);
    if (in.depth == NULL)
        status = spot_fail_memory(err, "the plan of the trees");
    else if (step_forest_open(forest, &plan->steps) < 0)
        status = spot_fail_memory(err, "the plan of the trees");
    else if (plan->kernels != NULL)
        status = lower(&in, err);
    else
        status = make_groups(&in, err); /* no tree is sliced */
    free(in.splits);
    free(in.depth);
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
    for (int32_t c = 0; c < plan->columns_count; c++) {
        free(plan->columns[c].thresholds);
        free(plan->columns[c].thresholds64);
        free(plan->columns[c].below);
    }
    free(plan->columns);
    free(plan->groups);
    free(plan->nodes);
    free(plan->leaves32);
    free(plan->leaves64);
    free(plan->leaf_nodes);
    step_forest_close(&plan->steps);
    free(plan);
}
