/* A tree lowered for Shapley values: its nodes in preorder and, for each edge and point of the
 * quadrature, the factors that do not depend on the row (shapley.h). */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "base/memory.h"
#include "fallback/shapley.h"

/* ---- Gauss and Legendre's rule on [0, 1] ---------------------------------------------------- */

/* Legendre's polynomial of this degree at x, and its derivative. */
static double legendre(int32_t degree, double x, double *slope)
{
    double before = 1.0, value = x;
    for (int32_t k = 2; k <= degree; k++) {
        const double next = ((2 * k - 1) * x * value - (k - 1) * before) / k;
        before = value;
        value = next;
    }
    *slope = degree * (x * value - before) / (x * x - 1.0);
    return value;
}

/* points, weights: (count), exact for polynomials of degree 2 count - 1. */
static void gauss_legendre(int32_t count, double *points, double *weights)
{
    const double pi = 3.14159265358979323846;
    for (int32_t i = 0; i < count; i++) {
        double x = cos(pi * (i + 0.75) / (count + 0.5)), slope = 1.0;
        for (int step = 0; step < 8; step++)
            x -= legendre(count, x, &slope) / slope;
        legendre(count, x, &slope);
        points[i] = (1.0 + x) / 2.0;
        weights[i] = 1.0 / ((1.0 - x * x) * slope * slope);
    }
}

/* ---- Nodes ---------------------------------------------------------------------------------- */

/* A node on the way, and where its parent lies among those that are done. */
struct waiting {
    int64_t node;
    int32_t parent;
    bool left;
};

struct lowering {
    const struct forest *forest;
    int64_t root;
    int32_t tree, output;
    struct shapley_tree *out;
    struct waiting *stack; /* (nodes + 1) */
    int32_t *path;         /* (nodes) of the node being done, by depth */
    int32_t *distinct;     /* (nodes) features on the path to each depth */
    double *reached;       /* (nodes) share of the cover at each depth */
    int32_t most;          /* distinct features on any path */
};

static double leaf_of(const struct lowering *in, int64_t node)
{
    const struct forest *forest = in->forest;
    if (forest->tree_output[in->tree] < 0)
        return forest->leaf_vectors[forest->vector[node] * forest->outputs + in->output];
    if (forest->tree_weight == NULL) return forest->value[node];
    return (double)((float)forest->value[node] * forest->tree_weight[in->tree]);
}

/* A split that nothing has reached shares evenly. */
static double share_of(const struct lowering *in, int64_t node, int64_t parent)
{
    const double *cover = in->forest->cover;
    return cover[parent] > 0.0 ? cover[node] / cover[parent] : 0.5;
}

static int check_cover(const struct lowering *in, int64_t at, struct spot_error *err)
{
    const double *cover = in->forest->cover;
    const bool inner = in->forest->left[at] >= 0;
    if (cover != NULL && cover[at] >= 0.0 && isfinite(cover[at]) &&
        (cover[at] > 0.0 || at != in->root || !inner))
        return SPOT_OK;
    if (cover == NULL && !inner && at == in->root) return SPOT_OK;
    return spot_fail(err, SPOT_EUSAGE,
                     "contributions need the cover of every node (XGBoost's sum_hessian, "
                     "LightGBM's internal_count and leaf_count); tree %d, node %lld has none",
                     in->tree, (long long)(at - in->root));
}

static void lower_edge(struct lowering *in, struct shapley_node *node, const struct waiting *from)
{
    const struct shapley_node *parent = &in->out->nodes[from->parent];
    node->depth = parent->depth + 1;
    node->feature = in->forest->feature[parent->node];
    node->share = share_of(in, node->node, parent->node);
    node->left = from->left;
    for (int32_t d = parent->depth; d > 0 && node->before == 0; d--)
        if (in->out->nodes[in->path[d]].feature == node->feature) node->before = d;
    in->distinct[node->depth] = in->distinct[parent->depth] + (node->before == 0);
    in->reached[node->depth] = in->reached[parent->depth] * node->share;
}

static int lower_nodes(struct lowering *in, struct spot_error *err)
{
    const struct forest *forest = in->forest;
    struct shapley_tree *out = in->out;
    int64_t waits = 1;
    in->stack[0] = (struct waiting){.node = in->root, .parent = -1};
    in->distinct[0] = 0;
    in->reached[0] = 1.0;
    while (waits > 0) {
        const struct waiting from = in->stack[--waits];
        const int64_t at = from.node;
        struct shapley_node *node = &out->nodes[out->count];
        *node = (struct shapley_node){.node = at, .leaf = forest->left[at] < 0, .share = 1.0};
        int status = check_cover(in, at, err);
        if (status < 0) return status;
        if (from.parent >= 0) lower_edge(in, node, &from);
        if (node->depth > out->depth) out->depth = node->depth;
        in->path[node->depth] = out->count;
        if (node->leaf) {
            node->value = leaf_of(in, at);
            out->mean += node->value * in->reached[node->depth];
            if (in->distinct[node->depth] > in->most) in->most = in->distinct[node->depth];
        } else {
            in->stack[waits++] = (struct waiting){in->root + forest->right[at], out->count, false};
            in->stack[waits++] = (struct waiting){in->root + forest->left[at], out->count, true};
        }
        out->count++;
    }
    return SPOT_OK;
}

/* ---- Factors -------------------------------------------------------------------------------- */

static void lower_point(struct shapley_point *point, double t, double weight, double z,
                        const double *z_before)
{
    const double s = 1.0 - t, passes = t + s * z;
    const double before = z_before == NULL ? 1.0 : t + s * *z_before;
    const double back = z_before == NULL ? 0.0 : (1.0 - *z_before) * weight / before;
    point->passes = passes / before;
    point->fails = s * z / before;
    point->gains = (1.0 - z) * weight / passes - back;
    point->loses = -weight / s - back;
}

/* reached: by depth, the share that all splits of the edge's feature let through. */
static void lower_points(struct lowering *in, const double *points, const double *weights)
{
    struct shapley_tree *out = in->out;
    for (int32_t n = 1; n < out->count; n++) {
        const struct shapley_node *node = &out->nodes[n];
        const double *before = node->before == 0 ? NULL : &in->reached[node->before];
        const double z = (before == NULL ? 1.0 : *before) * node->share;
        struct shapley_point *point = out->points + (int64_t)n * out->points_count;
        in->reached[node->depth] = z;
        for (int32_t p = 0; p < out->points_count; p++)
            lower_point(&point[p], points[p], weights[p], z, before);
    }
}

int shapley_tree_open(const struct forest *forest, int32_t tree, int32_t output,
                      struct shapley_tree *out, struct spot_error *err)
{
    const int64_t root = forest->first_node[tree], nodes = forest->first_node[tree + 1] - root;
    struct lowering in = {
        .forest = forest, .root = root, .tree = tree, .output = output, .out = out};
    double *rule = NULL;
    int status;
    *out = (struct shapley_tree){.output = output};
    in.stack = spot_alloc(nodes + 1, sizeof *in.stack);
    in.path = spot_alloc(nodes, sizeof *in.path);
    in.distinct = spot_alloc(nodes, sizeof *in.distinct);
    in.reached = spot_alloc(nodes, sizeof *in.reached);
    out->nodes = spot_alloc(nodes, sizeof *out->nodes);
    if (in.stack == NULL || in.path == NULL || in.distinct == NULL || in.reached == NULL ||
        out->nodes == NULL) {
        status = spot_fail_memory(err, "contributions");
        goto out;
    }
    SPOT_TRY(lower_nodes(&in, err));
    out->points_count = in.most < 2 ? 1 : (in.most + 1) / 2;
    rule = spot_alloc(2 * (int64_t)out->points_count, sizeof *rule);
    out->points = spot_alloc((int64_t)out->count * out->points_count, sizeof *out->points);
    if (rule == NULL || out->points == NULL) {
        status = spot_fail_memory(err, "contributions");
        goto out;
    }
    gauss_legendre(out->points_count, rule, rule + out->points_count);
    lower_points(&in, rule, rule + out->points_count);
out:
    free(in.stack);
    free(in.path);
    free(in.distinct);
    free(in.reached);
    free(rule);
    return status;
}

void shapley_tree_clear(struct shapley_tree *tree)
{
    free(tree->nodes);
    free(tree->points);
    *tree = (struct shapley_tree){0};
}
