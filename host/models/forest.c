/* Forests through the public interface: memory, the checks that every reader ends with, and
 * scoring. */
#include "models/forest.h"

#include <math.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "backend/engine.h"
#include "base/error.h"
#include "base/memory.h"
#include "models/forest_device.h"
#include "models/lightgbm_read.h"
#include "models/xgboost_read.h"

/* ---- Memory --------------------------------------------------------------------------------- */

spot_forest *forest_new(enum forest_rules rules, int32_t features, int32_t outputs, int32_t trees,
                        int32_t iterations)
{
    spot_forest *model = calloc(1, sizeof *model);
    if (model == NULL) return NULL;
    struct forest *forest = &model->forest;
    forest->rules = rules;
    forest->features = features;
    forest->outputs = outputs;
    forest->trees = trees;
    forest->iterations = iterations;
    forest->first_node = spot_alloc_zero((int64_t)trees + 1, sizeof *forest->first_node);
    forest->tree_output = spot_alloc_zero(trees, sizeof *forest->tree_output);
    forest->iteration_trees =
        spot_alloc_zero((int64_t)iterations + 1, sizeof *forest->iteration_trees);
    model->base_margin = spot_alloc_zero(outputs, sizeof *model->base_margin);
    model->device = forest_device_new();
    if (forest->first_node == NULL || forest->tree_output == NULL ||
        forest->iteration_trees == NULL || model->base_margin == NULL || model->device == NULL) {
        spot_forest_free(model);
        return NULL;
    }
    return model;
}

int forest_arrays(struct forest *forest, int64_t nodes)
{
    forest->nodes = nodes;
    forest->left = spot_alloc_zero(nodes, sizeof *forest->left);
    forest->right = spot_alloc_zero(nodes, sizeof *forest->right);
    forest->feature = spot_alloc_zero(nodes, sizeof *forest->feature);
    forest->flags = spot_alloc_zero(nodes, sizeof *forest->flags);
    forest->threshold = spot_alloc_zero(nodes, sizeof *forest->threshold);
    forest->value = spot_alloc_zero(nodes, sizeof *forest->value);
    if (forest->left == NULL || forest->right == NULL || forest->feature == NULL ||
        forest->flags == NULL || forest->threshold == NULL || forest->value == NULL)
        return SPOT_ENOMEM;
    return SPOT_OK;
}

static int grow(void **array, int64_t capacity, int64_t needed, size_t size)
{
    return spot_grow(array, &capacity, needed, size);
}

int forest_grow(struct forest *forest, int64_t *capacity, int64_t needed)
{
    const int64_t had = *capacity;
    int64_t larger = had;
    if (needed < had) return SPOT_OK;
    needed++;
    if (spot_grow((void **)&forest->left, &larger, needed, sizeof *forest->left) < 0 ||
        grow((void **)&forest->right, had, needed, sizeof *forest->right) < 0 ||
        grow((void **)&forest->feature, had, needed, sizeof *forest->feature) < 0 ||
        grow((void **)&forest->flags, had, needed, sizeof *forest->flags) < 0 ||
        grow((void **)&forest->threshold, had, needed, sizeof *forest->threshold) < 0 ||
        grow((void **)&forest->value, had, needed, sizeof *forest->value) < 0 ||
        grow((void **)&forest->gain, had, needed, sizeof *forest->gain) < 0 ||
        grow((void **)&forest->cover, had, needed, sizeof *forest->cover) < 0 ||
        grow((void **)&forest->first_word, had, needed, sizeof *forest->first_word) < 0)
        return SPOT_ENOMEM;
    *capacity = larger;
    return SPOT_OK;
}

void forest_clear(struct forest *forest)
{
    free(forest->first_node);
    free(forest->tree_output);
    free(forest->tree_weight);
    free(forest->iteration_trees);
    free(forest->left);
    free(forest->right);
    free(forest->feature);
    free(forest->flags);
    free(forest->threshold);
    free(forest->value);
    free(forest->first_word);
    free(forest->category_bits);
    free(forest->vector);
    free(forest->leaf_vectors);
    free(forest->linear_constant);
    free(forest->linear_first);
    free(forest->linear_feature);
    free(forest->linear_coefficient);
    free(forest->gain);
    free(forest->cover);
}

static void free_texts(char **texts, int32_t count)
{
    for (int32_t i = 0; texts != NULL && i < count; i++)
        free(texts[i]);
    free(texts);
}

void spot_forest_free(spot_forest *model)
{
    if (model == NULL) return;
    cpu_backend()->trees->plan_close(model->plan);
    forest_device_free(model->device);
    free_texts(model->features, model->forest.features);
    free_texts(model->feature_types, model->forest.features);
    forest_clear(&model->forest);
    free(model->objective);
    free(model->objective_parameters);
    free(model->base_margin);
    free(model->base_score);
    free(model->encoder);
    free(model->categories);
    free(model->feature_infos);
    free(model);
}

const struct spot_forest_info *spot_forest_info(const spot_forest *model)
{
    return &model->info;
}

/* ---- Checks --------------------------------------------------------------------------------- */

/* A tree being checked. */
struct checked_tree {
    const struct forest *forest;
    const char *path;
    int32_t tree;
    int64_t root, nodes;
    int64_t *stack; /* (nodes) to visit */
    int32_t *depth; /* (nodes) of each node reached, 0: not reached; the root's is 1 */
};

static int refuse_node(const struct checked_tree *tree, int64_t node, const char *why,
                       struct spot_error *err)
{
    return spot_fail(err, SPOT_EFORMAT, "%.300s: tree %d, node %lld: %s", tree->path, tree->tree,
                     (long long)node, why);
}

static int check_leaf(const struct checked_tree *tree, int64_t node, struct spot_error *err)
{
    const struct forest *forest = tree->forest;
    const int64_t at = tree->root + node;
    if (forest->tree_output[tree->tree] < 0 && (forest->vector == NULL || forest->vector[at] < 0 ||
                                                forest->vector[at] >= forest->leaf_vectors_count))
        return refuse_node(tree, node, "a leaf without its vector", err);
    if (forest->linear_first == NULL) return SPOT_OK;
    for (int64_t i = forest->linear_first[at]; i < forest->linear_first[at + 1]; i++)
        if (forest->linear_feature[i] < 0 || forest->linear_feature[i] >= forest->features)
            return refuse_node(tree, node, "a linear leaf of a feature that is not there", err);
    return SPOT_OK;
}

static int check_split(const struct checked_tree *tree, int64_t node, struct spot_error *err)
{
    const struct forest *forest = tree->forest;
    const int64_t at = tree->root + node;
    if (forest->left[at] >= tree->nodes || forest->right[at] < 0 ||
        forest->right[at] >= tree->nodes)
        return refuse_node(tree, node, "a child that is not in the tree", err);
    if (tree->depth[forest->left[at]] != 0 || tree->depth[forest->right[at]] != 0 ||
        forest->left[at] == forest->right[at])
        return refuse_node(tree, node, "a child that has another parent too", err);
    if (forest->feature[at] < 0 || forest->feature[at] >= forest->features)
        return refuse_node(tree, node, "a split of a feature that is not there", err);
    if ((forest->flags[at] & NODE_CATEGORICAL) != 0) {
        if (forest->first_word == NULL)
            return refuse_node(tree, node, "a categorical split without categories", err);
    } else if (isnan(forest->threshold[at])) {
        return refuse_node(tree, node, "its threshold is not a number", err);
    }
    return SPOT_OK;
}

/* Walks the tree; nodes that the root does not reach are those that pruning left behind. */
static int check_tree(struct checked_tree *tree, struct spot_forest_info *info,
                      struct spot_error *err)
{
    const struct forest *forest = tree->forest;
    int status = SPOT_OK;
    int64_t count = 1;
    if (tree->nodes < 1)
        return spot_fail(err, SPOT_EFORMAT, "%.300s: tree %d has no nodes", tree->path, tree->tree);
    memset(tree->depth, 0, (size_t)tree->nodes * sizeof *tree->depth);
    tree->stack[0] = 0;
    tree->depth[0] = 1;
    while (count > 0) {
        const int64_t node = tree->stack[--count], at = tree->root + node;
        if (forest->left[at] < 0) {
            SPOT_TRY(check_leaf(tree, node, err));
            info->leaves++;
            if (tree->depth[node] - 1 > info->depth) info->depth = tree->depth[node] - 1;
            continue;
        }
        SPOT_TRY(check_split(tree, node, err));
        tree->depth[forest->left[at]] = tree->depth[forest->right[at]] = tree->depth[node] + 1;
        tree->stack[count++] = forest->left[at];
        tree->stack[count++] = forest->right[at];
    }
out:
    return status;
}

static int check_sizes(const spot_forest *model, const char *path, struct spot_error *err)
{
    const struct forest *forest = &model->forest;
    for (int32_t i = 0; i <= forest->iterations; i++) {
        const int32_t before = i == 0 ? 0 : forest->iteration_trees[i - 1];
        const int32_t end = i == forest->iterations ? forest->trees : 0;
        if (forest->iteration_trees[i] < before || forest->iteration_trees[i] > forest->trees ||
            forest->iteration_trees[i] < end)
            return spot_fail(err, SPOT_EFORMAT, "%.300s: iteration %d does not begin at a tree",
                             path, i);
    }
    for (int32_t t = 0; t < forest->trees; t++)
        if (forest->tree_output[t] < -1 || forest->tree_output[t] >= forest->outputs)
            return spot_fail(err, SPOT_EFORMAT, "%.300s: tree %d is of output %d of %d", path, t,
                             forest->tree_output[t], forest->outputs);
    for (int32_t o = 0; o < forest->outputs; o++)
        if (!isfinite(model->base_margin[o]))
            return spot_fail(err, SPOT_EFORMAT, "%.300s: the base score is not a number", path);
    return SPOT_OK;
}

static int check_trees(const struct forest *forest, const char *path, struct spot_forest_info *info,
                       struct spot_error *err)
{
    int status = SPOT_OK;
    int64_t largest = 1;
    for (int32_t t = 0; t < forest->trees; t++) {
        int64_t nodes = forest->first_node[t + 1] - forest->first_node[t];
        if (nodes > INT32_MAX)
            return spot_fail(err, SPOT_EFORMAT, "%.300s: tree %d has %lld nodes", path, t,
                             (long long)nodes);
        if (nodes > largest) largest = nodes;
    }
    struct checked_tree tree = {.forest = forest, .path = path};
    tree.stack = spot_alloc(largest + 1, sizeof *tree.stack);
    tree.depth = spot_alloc(largest, sizeof *tree.depth);
    if (tree.stack == NULL || tree.depth == NULL) status = spot_fail_memory(err, path);
    for (tree.tree = 0; status == SPOT_OK && tree.tree < forest->trees; tree.tree++) {
        tree.root = forest->first_node[tree.tree];
        tree.nodes = forest->first_node[tree.tree + 1] - tree.root;
        status = check_tree(&tree, info, err);
    }
    free(tree.stack);
    free(tree.depth);
    return status;
}

int forest_ready(spot_forest *model, const char *path, struct spot_error *err)
{
    int status;
    const struct forest *forest = &model->forest;
    model->info = (struct spot_forest_info){
        .library = forest->rules == FOREST_XGBOOST ? "xgboost" : "lightgbm",
        .objective = model->objective,
        .trees = forest->trees,
        .iterations = forest->iterations,
        .features = forest->features,
        .outputs = forest->outputs,
        .classes = model->classes,
        .best_iteration = model->best_iteration,
        .nodes = forest->nodes,
        .feature_names = (const char *const *)model->features,
    };
    SPOT_TRY(check_sizes(model, path, err));
    SPOT_TRY(check_trees(forest, path, &model->info, err));
    SPOT_TRY(cpu_backend()->trees->plan(NULL, forest, &model->plan, err));
out:
    return status;
}

int spot_forest_load(const char *path, spot_forest **out, struct spot_error *err)
{
    int status = is_lightgbm(path) ? lightgbm_read(path, out, err) : xgboost_read(path, out, err);
    if (status == SPOT_OK) status = forest_ready(*out, path, err);
    if (status < 0) {
        spot_forest_free(*out);
        *out = NULL;
    }
    return status;
}

/* ---- Scoring -------------------------------------------------------------------------------- */

/* The trees that the options ask for. */
struct tree_range {
    int32_t first, trees, iterations;
};

static int choose_trees(const spot_forest *model, const struct spot_forest_options *options,
                        struct tree_range *range, struct spot_error *err)
{
    const struct forest *forest = &model->forest;
    const int32_t begin = options->first_iteration;
    const int32_t most = model->best_iteration > 0 ? model->best_iteration : forest->iterations;
    if (begin < 0 || options->iterations < 0 ||
        (options->iterations > 0 && (int64_t)begin + options->iterations > forest->iterations))
        return spot_fail(err, SPOT_EUSAGE,
                         "iterations from %d on, %d of them: the model has %d iterations", begin,
                         options->iterations, forest->iterations);
    if (options->iterations == 0 && begin > 0 && begin >= most)
        return spot_fail(err, SPOT_EUSAGE,
                         "iterations from %d on: the model uses %d of its %d iterations", begin,
                         most, forest->iterations);
    const int32_t end = options->iterations == 0 ? most : begin + options->iterations;
    range->first = forest->iteration_trees[begin];
    range->trees = forest->iteration_trees[end] - range->first;
    range->iterations = end - begin;
    return SPOT_OK;
}

int64_t spot_forest_width(const spot_forest *model, const struct spot_forest_options *options)
{
    struct tree_range range = {0};
    switch (options->output) {
    case SPOT_FOREST_LABEL:
        return 1;
    case SPOT_FOREST_LEAF:
        choose_trees(model, options, &range, NULL);
        return range.trees;
    case SPOT_FOREST_CONTRIBUTIONS:
        return model->forest.outputs * ((int64_t)model->forest.features + 1);
    default:
        return model->forest.outputs;
    }
}

static void start_margins(const spot_forest *model, const double *base, int64_t rows,
                          double *margins)
{
    const int32_t outputs = model->forest.outputs;
    for (int64_t i = 0; i < rows; i++)
        for (int32_t o = 0; o < outputs; o++)
            margins[i * outputs + o] = base != NULL ? base[i * outputs + o] : model->base_margin[o];
}

static void average(const spot_forest *model, const struct tree_range *range, int64_t count,
                    double *margins)
{
    for (int64_t i = 0; model->average && range->iterations > 0 && i < count; i++)
        margins[i] /= range->iterations;
}

static void label_rows(const spot_forest *model, const double *margins, int64_t rows, double *out)
{
    const int32_t outputs = model->forest.outputs;
    for (int64_t i = 0; i < rows; i++, margins += outputs) {
        int32_t label = 0;
        for (int32_t o = 1; o < outputs; o++)
            if (margins[o] > margins[label]) label = o;
        out[i] = outputs > 1 ? label : margins[0] > 0.0;
    }
}

/* Margins, and what is made of them. margins (rows, outputs) may be `out`. */
static int score_margins(spot_engine *engine, const spot_forest *model,
                         const struct spot_forest_rows *rows,
                         const struct spot_forest_options *options, const struct tree_range *range,
                         double *margins, double *out, struct spot_error *err)
{
    const int64_t cells = rows->rows * model->forest.outputs;
    start_margins(model, options->base_margin, rows->rows, margins);
    int status =
        forest_device_score(engine, model, rows, range->first, range->trees, margins, NULL, err);
    if (status < 0) return status;
    if (options->output == SPOT_FOREST_LABEL) {
        label_rows(model, margins, rows->rows, out);
    } else if (options->output == SPOT_FOREST_VALUE) {
        average(model, range, cells, margins);
        forest_link_values(model, rows->rows, margins);
    }
    return SPOT_OK;
}

/* LightGBM counts leaves by themselves; with us they follow the inner nodes. */
static int32_t leaf_base(const struct forest *forest, int32_t tree)
{
    if (forest->rules == FOREST_XGBOOST) return 0;
    return (int32_t)((forest->first_node[tree + 1] - forest->first_node[tree] - 1) / 2);
}

static int score_leaves(spot_engine *engine, const spot_forest *model,
                        const struct spot_forest_rows *rows, const struct tree_range *range,
                        int32_t *leaves, double *out, struct spot_error *err)
{
    int status =
        forest_device_score(engine, model, rows, range->first, range->trees, NULL, leaves, err);
    for (int64_t i = 0; status == SPOT_OK && i < rows->rows * range->trees; i++)
        out[i] = leaves[i] - leaf_base(&model->forest, range->first + (int32_t)(i % range->trees));
    return status;
}

/* Labels and leaves need room beside `out`: a part of the rows at a time, one row's on the stack.
 */
enum { PART_CELLS = 1 << 20, STACK_CELLS = 128 };

static int score_parts(spot_engine *engine, const spot_forest *model,
                       const struct spot_forest_rows *rows,
                       const struct spot_forest_options *options, const struct tree_range *range,
                       double *out, struct spot_error *err)
{
    int status = SPOT_OK;
    const bool leaves = options->output == SPOT_FOREST_LEAF;
    const int64_t width = leaves ? range->trees : model->forest.outputs;
    const int64_t most = width > PART_CELLS || width < 1 ? 1 : PART_CELLS / width;
    const int64_t step = rows->rows < most ? rows->rows : most;
    double on_stack[STACK_CELLS];
    double *room = step * width <= STACK_CELLS ? on_stack : spot_alloc(step * width, sizeof *room);
    if (room == NULL) return spot_fail_memory(err, "the rows' leaves");
    for (int64_t first = 0; status == SPOT_OK && first < rows->rows; first += step) {
        struct spot_forest_rows part = *rows;
        struct spot_forest_options with = *options;
        part.rows = rows->rows - first < step ? rows->rows - first : step;
        if (part.values != NULL) part.values += first * rows->columns;
        if (part.values64 != NULL) part.values64 += first * rows->columns;
        if (with.base_margin != NULL) with.base_margin += first * model->forest.outputs;
        double *to = out + first * (leaves ? width : 1);
        status = leaves ? score_leaves(engine, model, &part, range, (int32_t *)room, to, err)
                        : score_margins(engine, model, &part, &with, range, room, to, err);
    }
    if (room != on_stack) free(room);
    return status;
}

/* The bias begins as the base margin. */
static int score_contributions(const struct backend_host *host, const spot_forest *model,
                               const struct spot_forest_rows *rows,
                               const struct spot_forest_options *options,
                               const struct tree_range *range, double *out, struct spot_error *err)
{
    const struct forest *forest = &model->forest;
    const int64_t slots = rows->rows * forest->outputs, width = (int64_t)forest->features + 1;
    const double *base = options->base_margin;
    if (forest->linear_constant != NULL)
        return spot_fail(err, SPOT_EUSAGE,
                         "contributions of linear trees are not defined: their leaves depend on "
                         "features beside the splits");
    for (int64_t i = 0; i < slots; i++) {
        memset(out + i * width, 0, (size_t)(width - 1) * sizeof *out);
        out[(i + 1) * width - 1] = base != NULL ? base[i] : model->base_margin[i % forest->outputs];
    }
    return cpu_backend()->trees->contributions(forest, host, rows, range->first, range->trees, out,
                                               err);
}

int spot_forest_score(spot_engine *engine, const spot_forest *model,
                      const struct spot_forest_rows *rows,
                      const struct spot_forest_options *options, double *out,
                      struct spot_error *err)
{
    struct tree_range range;
    int status = choose_trees(model, options, &range, err);
    if (status < 0) return status;
    if (rows->columns < model->forest.features)
        return spot_fail(err, SPOT_EDATA, "the data has %d columns where the model has %d features",
                         rows->columns, model->forest.features);
    if (options->output == SPOT_FOREST_LABEL && model->classes == 0)
        return spot_fail(err, SPOT_EUSAGE,
                         "a label was asked for, but the model with objective %.60s is a regressor",
                         model->objective);
    const struct backend_host *host = engine != NULL ? engine_host(engine) : NULL;
    if (options->output == SPOT_FOREST_CONTRIBUTIONS)
        return score_contributions(host, model, rows, options, &range, out, err);
    if (options->output == SPOT_FOREST_LABEL || options->output == SPOT_FOREST_LEAF)
        return score_parts(engine, model, rows, options, &range, out, err);
    return score_margins(engine, model, rows, options, &range, out, out, err);
}
