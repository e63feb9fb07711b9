/* XGBoost's JSON and UBJSON, spelled so that 1.0 and later read it (UBJSON: 1.6). LightGBM's trees
 * get their thresholds and missing values translated; what has no translation is refused. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "base/memory.h"
#include "data/document_write.h"
#include "models/forest_write.h"

enum { MOST_CATEGORIES = 1 << 24, NO_PARENT = 2147483647 };

/* A node in XGBoost's words. */
struct node {
    int64_t at; /* among the forest's nodes */
    int32_t left, right, parent, feature;
    bool default_left, categorical;
    float condition; /* of a leaf: its value */
    double gain, cover;
};

struct xgboost_writer {
    const spot_forest *model;
    const char *path;
    struct emitter out;
    struct node *nodes; /* (count) of the tree being written */
    int64_t count;
    double *column;     /* one of its lists */
    double *categories; /* grows */
    int64_t categories_capacity;
    int32_t tree;
    bool base_scores; /* several: came with XGBoost 3.1 */
};

static int refuse(const struct xgboost_writer *to, int64_t node, const char *why,
                  struct spot_error *err)
{
    return write_refuse(to->path, err, "tree %d, node %lld: %s", to->tree, (long long)node, why);
}

/* ---- Nodes ---------------------------------------------------------------------------------- */

static int translate_leaf(const struct xgboost_writer *to, int64_t node, int64_t at,
                          struct node *leaf, struct spot_error *err)
{
    const spot_forest *model = to->model;
    double value = model->forest.value[at];
    if (model->average && model->forest.iterations > 0) value /= model->forest.iterations;
    leaf->condition = (float)value;
    if (isfinite(value) && !isfinite(leaf->condition))
        return refuse(to, node, "a leaf too large for XGBoost, which keeps float32", err);
    return SPOT_OK;
}

/* LightGBM's x <= t; NaN where the node says, or to where 0 goes. A category that is listed goes
 * left there and right here. */
static int translate_split(const struct xgboost_writer *to, int64_t node, int64_t at,
                           struct node *split, struct spot_error *err)
{
    const struct forest *forest = &to->model->forest;
    const uint8_t flags = forest->flags[at];
    if (split->categorical) {
        split->left = forest->right[at];
        split->right = forest->left[at];
        split->default_left = true;
        return SPOT_OK;
    }
    const double threshold = forest->threshold[at];
    const bool zero_left = 0.0 <= threshold;
    split->condition = threshold_below(threshold);
    if ((flags & (NODE_MISSING_ZERO | NODE_MISSING_NAN)) == 0) split->default_left = zero_left;
    if ((flags & NODE_MISSING_ZERO) != 0 && split->default_left != zero_left)
        return refuse(to, node,
                      "zero is missing and goes the other way, which XGBoost cannot express; train "
                      "with zero_as_missing=false",
                      err);
    return SPOT_OK;
}

/* Children are numbered as in the forest. */
static int view_node(const struct xgboost_writer *to, int64_t node, struct node *seen,
                     struct spot_error *err)
{
    const struct forest *forest = &to->model->forest;
    const int64_t at = forest->first_node[to->tree] + node;
    *seen = (struct node){.at = at, .left = -1, .right = -1, .parent = NO_PARENT};
    if (forest->gain != NULL) seen->gain = forest->gain[at];
    if (forest->cover != NULL) seen->cover = forest->cover[at];
    if (forest->left[at] < 0) return translate_leaf(to, node, at, seen, err);
    seen->left = forest->left[at];
    seen->right = forest->right[at];
    seen->feature = forest->feature[at];
    seen->default_left = (forest->flags[at] & NODE_DEFAULT_LEFT) != 0;
    seen->categorical = (forest->flags[at] & NODE_CATEGORICAL) != 0;
    if (forest->rules == FOREST_LIGHTGBM) return translate_split(to, node, at, seen, err);
    if (!seen->categorical) seen->condition = (float)forest->threshold[at];
    return SPOT_OK;
}

/* XGBoost takes the right child for the node behind the left one. */
static bool siblings_are_neighbours(const struct forest *forest, int32_t tree)
{
    if (forest->rules != FOREST_XGBOOST) return false;
    for (int64_t i = forest->first_node[tree]; i < forest->first_node[tree + 1]; i++)
        if (forest->left[i] >= 0 && forest->right[i] != forest->left[i] + 1) return false;
    return true;
}

/* The tree level by level, so that siblings are neighbours, unless they are already. A node waits
 * for its turn with its old number as feature. */
static int view_tree(struct xgboost_writer *to, struct spot_error *err)
{
    const struct forest *forest = &to->model->forest;
    const int64_t all = forest->first_node[to->tree + 1] - forest->first_node[to->tree];
    const bool keep = siblings_are_neighbours(forest, to->tree);
    int status = SPOT_OK;
    to->nodes[0].feature = 0;
    to->count = keep ? all : 1;
    for (int64_t i = 0; i < to->count; i++) {
        struct node *node = &to->nodes[i];
        SPOT_TRY(view_node(to, keep ? i : node->feature, node, err));
        if (node->left < 0 || keep) continue;
        to->nodes[to->count].feature = node->left;
        to->nodes[to->count + 1].feature = node->right;
        node->left = (int32_t)to->count++;
        node->right = (int32_t)to->count++;
    }
    for (int64_t i = 0; i < to->count; i++) {
        if (to->nodes[i].left < 0) continue;
        to->nodes[to->nodes[i].left].parent = (int32_t)i;
        to->nodes[to->nodes[i].right].parent = (int32_t)i;
    }
out:
    return status;
}

/* ---- Lists of a tree ------------------------------------------------------------------------ */

enum list {
    DEFAULT_LEFT,
    LEFT_CHILDREN,
    LOSS_CHANGES,
    PARENTS,
    RIGHT_CHILDREN,
    SPLIT_CONDITIONS,
    SPLIT_INDICES,
    SPLIT_TYPE,
    SUM_HESSIAN,
};

static double entry(const struct node *node, enum list list)
{
    switch (list) {
    case DEFAULT_LEFT:
        return node->default_left;
    case LEFT_CHILDREN:
        return node->left;
    case LOSS_CHANGES:
        return node->gain;
    case PARENTS:
        return node->parent;
    case RIGHT_CHILDREN:
        return node->right;
    case SPLIT_CONDITIONS:
        return (double)node->condition;
    case SPLIT_INDICES:
        return node->feature;
    case SPLIT_TYPE:
        return node->categorical;
    default:
        return node->cover;
    }
}

static void emit_list(struct xgboost_writer *to, const char *key, enum emitted type, enum list list)
{
    for (int64_t i = 0; i < to->count; i++)
        to->column[i] = entry(&to->nodes[i], list);
    emit_numbers(&to->out, key, type, to->count, to->column);
}

/* Values of a leaf that is a vector; zeros of an inner node. */
static void copy_vector(const struct xgboost_writer *to, const struct node *node, double *values)
{
    const struct forest *forest = &to->model->forest;
    const size_t bytes = (size_t)forest->outputs * sizeof *values;
    if (node->left < 0)
        memcpy(values, forest->leaf_vectors + forest->vector[node->at] * forest->outputs, bytes);
    else
        memset(values, 0, bytes);
}

/* Leaves that are vectors lie among the weights of all nodes, and since 3.2 in a list of their own,
 * with their place in it as right child. */
static void emit_vectors(struct xgboost_writer *to)
{
    const int64_t size = to->model->forest.outputs;
    int64_t leaves = 0;
    for (int64_t i = 0; i < to->count; i++)
        copy_vector(to, &to->nodes[i], to->column + i * size);
    emit_numbers(&to->out, "base_weights", EMIT_FLOAT32, to->count * size, to->column);
    for (int64_t i = 0; i < to->count; i++) {
        if (to->nodes[i].left >= 0) continue;
        copy_vector(to, &to->nodes[i], to->column + leaves * size);
        to->nodes[i].right = (int32_t)leaves++;
    }
    emit_numbers(&to->out, "leaf_weights", EMIT_FLOAT32, leaves * size, to->column);
}

static void emit_weights(struct xgboost_writer *to)
{
    for (int64_t i = 0; i < to->count; i++)
        to->column[i] = to->nodes[i].left < 0 ? (double)to->nodes[i].condition : 0.0;
    emit_numbers(&to->out, "base_weights", EMIT_FLOAT32, to->count, to->column);
}

/* The categories of a node, appended; *count is how many there are by then. */
static int list_categories(struct xgboost_writer *to, int64_t node, int64_t at, int64_t *count,
                           struct spot_error *err)
{
    const struct forest *forest = &to->model->forest;
    const int64_t begin = forest->first_word[at], end = forest->first_word[at + 1];
    for (int64_t word = begin; word < end; word++)
        for (int64_t bit = 0; bit < 32; bit++) {
            const int64_t category = (word - begin) * 32 + bit;
            if ((forest->category_bits[word] >> bit & 1u) == 0) continue;
            if (category >= MOST_CATEGORIES)
                return refuse(to, node, "a category beyond 2^24, where XGBoost's end", err);
            if (spot_grow((void **)&to->categories, &to->categories_capacity, *count + 1,
                          sizeof *to->categories) < 0)
                return spot_fail_memory(err, to->path);
            to->categories[(*count)++] = (double)category;
        }
    return SPOT_OK;
}

static int emit_categories(struct xgboost_writer *to, struct spot_error *err)
{
    const int64_t nodes = to->count;
    int status = SPOT_OK;
    int64_t count = 0, splits = 0;
    double *of = spot_alloc_zero(nodes * 3, sizeof *of), *first = of + nodes, *size = first + nodes;
    if (of == NULL) return spot_fail_memory(err, to->path);
    for (int64_t i = 0; i < nodes; i++) {
        if (!to->nodes[i].categorical) continue;
        of[splits] = (double)i;
        first[splits] = (double)count;
        SPOT_TRY(list_categories(to, i, to->nodes[i].at, &count, err));
        size[splits] = (double)count - first[splits];
        splits++;
    }
    emit_numbers(&to->out, "categories", EMIT_INT32, count, to->categories);
    emit_numbers(&to->out, "categories_nodes", EMIT_INT32, splits, of);
    emit_numbers(&to->out, "categories_segments", EMIT_INT64, splits, first);
    emit_numbers(&to->out, "categories_sizes", EMIT_INT64, splits, size);
out:
    free(of);
    return status;
}

static int emit_tree(struct xgboost_writer *to, struct spot_error *err)
{
    const struct forest *forest = &to->model->forest;
    struct emitter *out = &to->out;
    int status;
    SPOT_TRY(view_tree(to, err));
    const int64_t count = to->count;
    emit_object(out, NULL);
    if (forest->tree_output[to->tree] < 0)
        emit_vectors(to);
    else
        emit_weights(to);
    SPOT_TRY(emit_categories(to, err));
    emit_list(to, "default_left", EMIT_TRUTH, DEFAULT_LEFT);
    emit_integer(out, "id", to->tree);
    emit_list(to, "left_children", EMIT_INT32, LEFT_CHILDREN);
    emit_list(to, "loss_changes", EMIT_FLOAT32, LOSS_CHANGES);
    emit_list(to, "parents", EMIT_INT32, PARENTS);
    emit_list(to, "right_children", EMIT_INT32, RIGHT_CHILDREN);
    emit_list(to, "split_conditions", EMIT_FLOAT32, SPLIT_CONDITIONS);
    emit_list(to, "split_indices", EMIT_INT32, SPLIT_INDICES);
    emit_list(to, "split_type", EMIT_UINT8, SPLIT_TYPE);
    emit_list(to, "sum_hessian", EMIT_FLOAT32, SUM_HESSIAN);
    if (!out->binary) { /* for XGBoost 1.0 */
        memset(to->column, 0, (size_t)count * sizeof *to->column);
        emit_numbers(out, "leaf_child_counts", EMIT_INT32, count, to->column);
    }
    emit_object(out, "tree_param");
    emit_text(out, "num_deleted", "0");
    emit_count(out, "num_feature", forest->features);
    emit_count(out, "num_nodes", count);
    emit_count(out, "size_leaf_vector", forest->tree_output[to->tree] < 0 ? forest->outputs : 1);
    emit_object_end(out);
    emit_object_end(out);
    status = out->status;
out:
    return status;
}

/* ---- The booster ---------------------------------------------------------------------------- */

static void emit_tree_info(struct xgboost_writer *to)
{
    const struct forest *forest = &to->model->forest;
    for (int32_t i = 0; i <= forest->iterations; i++)
        to->column[i] = forest->iteration_trees[i];
    emit_numbers(&to->out, "iteration_indptr", EMIT_SINGLE, forest->iterations + 1, to->column);
    for (int32_t t = 0; t < forest->trees; t++)
        to->column[t] = forest->tree_output[t] < 0 ? 0 : forest->tree_output[t];
    emit_numbers(&to->out, "tree_info", EMIT_SINGLE, forest->trees, to->column);
}

static int64_t parallel_trees(const struct forest *forest)
{
    if (forest->iterations == 0) return 1;
    const int64_t together = forest->iteration_trees[1] - forest->iteration_trees[0];
    const int64_t parallel =
        forest->trees > 0 && forest->tree_output[0] < 0 ? together : together / forest->outputs;
    return parallel > 0 ? parallel : 1;
}

/* LightGBM writes [] for a table of pandas without categories. */
static bool names_categories(const spot_forest *model)
{
    return model->categories != NULL && strcmp(model->categories, "[]") != 0;
}

static int emit_model(struct xgboost_writer *to, struct spot_error *err)
{
    const struct forest *forest = &to->model->forest;
    struct emitter *out = &to->out;
    int status = SPOT_OK;
    emit_object(out, "model");
    if (names_categories(to->model)) SPOT_TRY(emit_json(out, "cats", to->model->categories));
    emit_object(out, "gbtree_model_param");
    emit_count(out, "num_parallel_tree", parallel_trees(forest));
    emit_count(out, "num_trees", forest->trees);
    emit_text(out, "size_leaf_vector", "0");
    emit_object_end(out);
    emit_tree_info(to);
    emit_array(out, "trees", forest->trees);
    for (to->tree = 0; to->tree < forest->trees; to->tree++)
        SPOT_TRY(emit_tree(to, err));
    emit_array_end(out);
    emit_object_end(out);
out:
    return status;
}

static int emit_booster(struct xgboost_writer *to, struct spot_error *err)
{
    const struct forest *forest = &to->model->forest;
    struct emitter *out = &to->out;
    int status;
    const bool dart = forest->tree_weight != NULL;
    emit_object(out, "gradient_booster");
    if (dart) emit_object(out, "gbtree");
    SPOT_TRY(emit_model(to, err));
    emit_text(out, "name", "gbtree");
    if (dart) {
        emit_object_end(out);
        emit_text(out, "name", "dart");
        for (int32_t t = 0; t < forest->trees; t++)
            to->column[t] = (double)forest->tree_weight[t];
        emit_numbers(out, "weight_drop", EMIT_SINGLE_FLOAT, forest->trees, to->column);
    }
    emit_object_end(out);
out:
    return status;
}

/* ---- The learner ---------------------------------------------------------------------------- */

/* What stands for LightGBM's objectives, whose names may be followed by parameters. */
static const struct {
    const char *lightgbm, *xgboost;
} objectives[] = {
    {"binary", "binary:logistic"},    {"multiclassova", "binary:logistic"},
    {"multiclass", "multi:softprob"}, {"cross_entropy", "reg:logistic"},
    {"poisson", "count:poisson"},     {"gamma", "reg:gamma"},
    {"tweedie", "reg:tweedie"},       {"lambdarank", "rank:pairwise"},
    {"rank_xendcg", "rank:pairwise"},
};

/* What each objective wants to find beside its name. */
static const struct {
    const char *objective, *parameters;
} wanted[] = {
    {"binary:hinge", "{}"},
    {"count:poisson", "{\"poisson_regression_param\":{\"max_delta_step\":\"0.7\"}}"},
    {"reg:tweedie", "{\"tweedie_regression_param\":{\"tweedie_variance_power\":\"1.5\"}}"},
    {"rank:pairwise", "{\"lambdarank_param\":{\"lambdarank_pair_method\":\"topk\"},"
                      "\"lambda_rank_param\":{\"num_pairsample\":\"1\"}}"},
};

static const char *objective_name(const spot_forest *model)
{
    if (model->forest.rules == FOREST_XGBOOST) return model->objective;
    for (size_t i = 0; i < sizeof objectives / sizeof *objectives; i++) {
        const size_t length = strlen(objectives[i].lightgbm);
        if (strncmp(model->objective, objectives[i].lightgbm, length) == 0 &&
            (model->objective[length] == '\0' || model->objective[length] == ' '))
            return objectives[i].xgboost;
    }
    return "reg:squarederror";
}

static int emit_objective(struct xgboost_writer *to)
{
    char several[80];
    const spot_forest *model = to->model;
    const char *name = objective_name(model), *parameters = model->objective_parameters;
    for (size_t i = 0; parameters == NULL && i < sizeof wanted / sizeof *wanted; i++)
        if (strcmp(wanted[i].objective, name) == 0) parameters = wanted[i].parameters;
    if (parameters == NULL && model->link == LINK_SOFTMAX) {
        snprintf(several, sizeof several, "{\"softmax_multiclass_param\":{\"num_class\":\"%d\"}}",
                 model->forest.outputs);
        parameters = several;
    }
    if (parameters == NULL) parameters = "{\"reg_loss_param\":{\"scale_pos_weight\":\"1\"}}";
    emit_object(&to->out, "objective");
    emit_text(&to->out, "name", name);
    int status = emit_json_members(&to->out, parameters);
    emit_object_end(&to->out);
    return status;
}

/* One number for all outputs where that is enough: lists came with XGBoost 3.1. */
static int emit_base_score(struct xgboost_writer *to, struct spot_error *err)
{
    const spot_forest *model = to->model;
    const int32_t outputs = model->forest.outputs;
    const double none = model->link == LINK_SIGMOID ? 0.5 : model->link == LINK_EXP ? 1.0 : 0.0;
    bool list = false;
    int64_t length = 0;
    char *text = spot_alloc((int64_t)outputs + 1, 32);
    if (text == NULL) return spot_fail_memory(err, to->path);
    for (int32_t o = 1; model->base_score != NULL && o < outputs; o++)
        list = list || model->base_score[o] != model->base_score[0];
    for (int32_t o = 0; o < (list ? outputs : 1); o++) {
        if (list) text[length++] = o == 0 ? '[' : ',';
        const double score = model->base_score != NULL ? model->base_score[o] : none;
        length += format_float32((float)score, text + length);
    }
    snprintf(text + length, 2, list ? "]" : "");
    to->base_scores = list;
    emit_text(&to->out, "base_score", text);
    free(text);
    return SPOT_OK;
}

static int emit_parameters(struct xgboost_writer *to, struct spot_error *err)
{
    const spot_forest *model = to->model;
    const int32_t outputs = model->forest.outputs;
    const bool classes = model->link == LINK_SOFTMAX;
    emit_object(&to->out, "learner_model_param");
    int status = emit_base_score(to, err);
    emit_text(&to->out, "boost_from_average", "1");
    emit_count(&to->out, "num_class", classes ? outputs : 0);
    emit_count(&to->out, "num_feature", model->forest.features);
    emit_count(&to->out, "num_target", classes ? 1 : outputs);
    emit_object_end(&to->out);
    return status;
}

static void emit_attributes(struct xgboost_writer *to)
{
    emit_object(&to->out, "attributes");
    if (to->model->best_iteration > 0)
        emit_count(&to->out, "best_iteration", to->model->best_iteration - 1);
    if (to->model->encoder != NULL) emit_text(&to->out, "blackspot_encoder", to->model->encoder);
    emit_object_end(&to->out);
}

static bool is_split_by_category(const struct forest *forest, int32_t feature)
{
    for (int64_t i = 0; i < forest->nodes; i++)
        if (forest->left[i] >= 0 && forest->feature[i] == feature &&
            (forest->flags[i] & NODE_CATEGORICAL) != 0)
            return true;
    return false;
}

static void emit_features(struct xgboost_writer *to)
{
    const spot_forest *model = to->model;
    const int32_t features = model->forest.features;
    const bool named = model->features != NULL &&
                       (model->forest.rules == FOREST_XGBOOST || !forest_names_are_default(model));
    const bool translated = model->forest.rules == FOREST_LIGHTGBM;
    const bool typed =
        model->feature_types != NULL || (translated && model->forest.first_word != NULL);
    emit_array(&to->out, "feature_names", named ? features : 0);
    for (int32_t f = 0; named && f < features; f++)
        emit_text(&to->out, NULL, model->features[f]);
    emit_array_end(&to->out);
    emit_array(&to->out, "feature_types", typed ? features : 0);
    for (int32_t f = 0; typed && f < features; f++)
        emit_text(&to->out, NULL,
                  model->feature_types != NULL              ? model->feature_types[f]
                  : is_split_by_category(&model->forest, f) ? "c"
                                                            : "float");
    emit_array_end(&to->out);
}

/* ---- What cannot be said -------------------------------------------------------------------- */

static int check_names(const struct xgboost_writer *to, struct spot_error *err)
{
    const spot_forest *model = to->model;
    for (int32_t f = 0; model->features != NULL && f < model->forest.features; f++)
        if (strpbrk(model->features[f], "[]<") != NULL)
            return write_refuse(to->path, err,
                                "feature %d is called '%.60s', but XGBoost allows no [, ] and < in "
                                "names",
                                f, model->features[f]);
    return SPOT_OK;
}

static int check(const struct xgboost_writer *to, struct spot_error *err)
{
    const spot_forest *model = to->model;
    if (model->forest.rules == FOREST_XGBOOST) return check_names(to, err);
    if (model->forest.linear_constant != NULL)
        return write_refuse(to->path, err, "XGBoost has no linear leaves");
    if (model->link == LINK_LOG1P_EXP || model->link == LINK_SIGNED_SQUARE)
        return write_refuse(to->path, err, "XGBoost has no objective with the link of '%.60s'",
                            model->objective);
    if (model->link == LINK_SIGMOID && model->link_parameter != 1.0)
        return write_refuse(to->path, err, "XGBoost's sigmoid has no slope, which is %g in '%.60s'",
                            model->link_parameter, model->objective);
    if (names_categories(model))
        return write_refuse(to->path, err,
                            "the categories' names (pandas_categorical) are LightGBM's own; train "
                            "with their codes");
    return check_names(to, err);
}

/* Room for the largest tree, and for a number of each tree. */
static int open_rooms(struct xgboost_writer *to, struct spot_error *err)
{
    const struct forest *forest = &to->model->forest;
    int64_t largest = 1;
    for (int32_t t = 0; t < forest->trees; t++)
        if (forest->first_node[t + 1] - forest->first_node[t] > largest)
            largest = forest->first_node[t + 1] - forest->first_node[t];
    const int64_t numbers = largest * (forest->vector != NULL ? forest->outputs : 1);
    const int64_t most = forest->trees > forest->iterations ? forest->trees : forest->iterations;
    to->nodes = spot_alloc(largest, sizeof *to->nodes);
    to->column = spot_alloc(numbers > most + 1 ? numbers : most + 1, sizeof *to->column);
    return to->nodes == NULL || to->column == NULL ? spot_fail_memory(err, to->path) : SPOT_OK;
}

int xgboost_write(const spot_forest *model, const char *path, bool binary, struct writer *writer,
                  struct spot_error *err)
{
    struct xgboost_writer to = {.model = model, .path = path};
    struct emitter *out = &to.out;
    int status;
    to.out = (struct emitter){.writer = writer, .binary = binary, .err = err};
    SPOT_TRY(check(&to, err));
    SPOT_TRY(open_rooms(&to, err));
    emit_object(out, NULL);
    emit_object(out, "learner");
    emit_attributes(&to);
    emit_features(&to);
    SPOT_TRY(emit_booster(&to, err));
    SPOT_TRY(emit_parameters(&to, err));
    SPOT_TRY(emit_objective(&to));
    emit_object_end(out);
    const bool recent = to.base_scores || model->forest.vector != NULL;
    const double version[] = {recent ? 3 : 2, recent ? 2 : 1, 0};
    emit_numbers(out, "version", EMIT_SINGLE, 3, version);
    emit_object_end(out);
    status = out->status;
out:
    free(to.nodes);
    free(to.column);
    free(to.categories);
    return status;
}
