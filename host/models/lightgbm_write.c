/* LightGBM's text, v4. Trees of XGBoost are numbered anew (inner nodes apart from leaves), their
 * base margin becomes a first tree of one leaf, DART's weights go into the leaves, and leaves that
 * are vectors become a tree for each output. */
#include <limits.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "base/memory.h"
#include "models/forest_write.h"

/* An inner node; children are numbers of splits, or ~number of a leaf. */
struct split {
    int64_t at; /* among the forest's nodes */
    int32_t left, right;
    bool only_missing; /* all but NaN go left */
    double rows;       /* of the leaves below */
};

/* A node of the source that waits for its number, and where to put it. */
struct waiting {
    int64_t node;
    int32_t split; /* the parent, or -1 */
    bool left;
};

struct lightgbm_writer {
    const spot_forest *model;
    const char *path;
    struct writer *writer;
    struct spot_error *err;
    int status;
    int32_t tree; /* of the source */
    struct split *splits;
    int64_t *leaves; /* among the forest's nodes */
    struct waiting *stack;
    int64_t splits_count, leaves_count, stack_count;
    int64_t splits_capacity, leaves_capacity, stack_capacity;
};

static int grow(struct lightgbm_writer *to, void **array, int64_t *capacity, int64_t needed,
                size_t size)
{
    return spot_grow(array, capacity, needed, size) < 0 ? spot_fail_memory(to->err, to->path)
                                                        : SPOT_OK;
}

/* ---- Numbering ------------------------------------------------------------------------------ */

static int wait(struct lightgbm_writer *to, int64_t node, int64_t split, bool left)
{
    int status =
        grow(to, (void **)&to->stack, &to->stack_capacity, to->stack_count + 1, sizeof *to->stack);
    if (status == SPOT_OK)
        to->stack[to->stack_count++] =
            (struct waiting){.node = node, .split = (int32_t)split, .left = left};
    return status;
}

static void put_child(struct lightgbm_writer *to, const struct waiting *of, int64_t number)
{
    if (of->split < 0) return;
    if (of->left)
        to->splits[of->split].left = (int32_t)number;
    else
        to->splits[of->split].right = (int32_t)number;
}

static int add_leaf(struct lightgbm_writer *to, const struct waiting *of, int64_t at)
{
    int status = grow(to, (void **)&to->leaves, &to->leaves_capacity, to->leaves_count + 1,
                      sizeof *to->leaves);
    if (status < 0) return status;
    put_child(to, of, ~to->leaves_count);
    to->leaves[to->leaves_count++] = at;
    return SPOT_OK;
}

static int add_split(struct lightgbm_writer *to, const struct waiting *of, int64_t at,
                     bool only_missing)
{
    int status = grow(to, (void **)&to->splits, &to->splits_capacity, to->splits_count + 1,
                      sizeof *to->splits);
    if (status < 0) return status;
    put_child(to, of, to->splits_count);
    to->splits[to->splits_count++] = (struct split){.at = at, .only_missing = only_missing};
    return SPOT_OK;
}

/* In LightGBM a missing category goes with the unlisted ones. Where XGBoost sends it with the
 * listed ones, a split of its own takes it there, and their branch is written twice. */
static int number_node(struct lightgbm_writer *to, const struct waiting *of)
{
    const struct forest *forest = &to->model->forest;
    const int64_t at = forest->first_node[to->tree] + of->node;
    const uint8_t flags = forest->flags[at];
    const int32_t left = forest->left[at], right = forest->right[at];
    int status;
    if (left < 0) return add_leaf(to, of, at);
    const bool categorical = (flags & NODE_CATEGORICAL) != 0;
    struct waiting place = *of;
    if (categorical && (flags & NODE_DEFAULT_LEFT) == 0) {
        SPOT_TRY(add_split(to, of, at, true));
        place = (struct waiting){.split = (int32_t)(to->splits_count - 1), .left = true};
        SPOT_TRY(wait(to, right, place.split, false));
    }
    SPOT_TRY(add_split(to, &place, at, false));
    const int64_t split = to->splits_count - 1;
    SPOT_TRY(wait(to, right, split, categorical));
    status = wait(to, left, split, !categorical);
out:
    return status;
}

static int number_tree(struct lightgbm_writer *to)
{
    const struct forest *forest = &to->model->forest;
    const int64_t nodes = forest->first_node[to->tree + 1] - forest->first_node[to->tree];
    int status;
    SPOT_TRY(wait(to, 0, -1, false));
    while (to->stack_count > 0) {
        const struct waiting next = to->stack[--to->stack_count];
        SPOT_TRY(number_node(to, &next));
        if (to->splits_count > 8 * nodes || to->splits_count > INT32_MAX / 4)
            return write_refuse(to->path, to->err,
                                "tree %d: missing categories go with the listed ones, which would "
                                "need too many nodes in LightGBM",
                                to->tree);
    }
out:
    return status;
}

/* LightGBM's own trees keep their numbers: inner nodes are first with us, then the leaves. */
static int keep_numbers(struct lightgbm_writer *to)
{
    const struct forest *forest = &to->model->forest;
    const int64_t root = forest->first_node[to->tree];
    const int64_t nodes = forest->first_node[to->tree + 1] - root;
    const int64_t splits = nodes / 2;
    const struct waiting nowhere = {.split = -1};
    int status = SPOT_OK;
    for (int64_t i = 0; i < nodes; i++) {
        const int64_t at = root + i;
        SPOT_TRY(i < splits ? add_split(to, &nowhere, at, false) : add_leaf(to, &nowhere, at));
        if (i >= splits) continue;
        const int64_t left = forest->left[at], right = forest->right[at];
        to->splits[i].left = (int32_t)(left < splits ? left : ~(left - splits));
        to->splits[i].right = (int32_t)(right < splits ? right : ~(right - splits));
    }
out:
    return status;
}

/* ---- Lines ---------------------------------------------------------------------------------- */

static void put_text(struct lightgbm_writer *to, const char *text)
{
    if (to->status == SPOT_OK) to->status = writer_put(to->writer, text, strlen(text), to->err);
}

static void put_number(struct lightgbm_writer *to, double value)
{
    char text[40];
    format_double(value, text);
    put_text(to, text);
}

static void put_line(struct lightgbm_writer *to, const char *key, int64_t value)
{
    char text[80];
    snprintf(text, sizeof text, "%s=%lld\n", key, (long long)value);
    put_text(to, text);
}

enum list {
    SPLIT_FEATURE,
    SPLIT_GAIN,
    THRESHOLD,
    DECISION_TYPE,
    LEFT_CHILD,
    RIGHT_CHILD,
    INTERNAL_COUNT,
    LISTS_OF_SPLITS,
};

static bool is_set(const struct lightgbm_writer *to, const struct split *split)
{
    return !split->only_missing && (to->model->forest.flags[split->at] & NODE_CATEGORICAL) != 0;
}

/* Bit 0 categorical, bit 1 the default is left, then 1: zero is missing, 2: NaN is. */
static int decision_type(const struct lightgbm_writer *to, const struct split *split)
{
    const uint8_t flags = to->model->forest.flags[split->at];
    const bool xgboost = to->model->forest.rules == FOREST_XGBOOST;
    if (split->only_missing) return 2 << 2;
    int type = is_set(to, split) ? 1 : 0;
    if ((flags & NODE_DEFAULT_LEFT) != 0 && !(xgboost && type == 1)) type |= 2;
    if ((flags & NODE_MISSING_ZERO) != 0) type |= 1 << 2;
    if ((flags & NODE_MISSING_NAN) != 0 || xgboost) type |= 2 << 2;
    return type;
}

static double threshold(const struct lightgbm_writer *to, const struct split *split, int64_t sets)
{
    const struct forest *forest = &to->model->forest;
    if (split->only_missing) return INFINITY;
    if (is_set(to, split)) return (double)sets;
    if (forest->rules == FOREST_LIGHTGBM) return forest->threshold[split->at];
    return threshold_up_to((float)forest->threshold[split->at]);
}

static double entry(const struct lightgbm_writer *to, enum list list, int64_t i, int64_t sets)
{
    const struct forest *forest = &to->model->forest;
    const struct split *split = &to->splits[i];
    switch (list) {
    case SPLIT_FEATURE:
        return forest->feature[split->at];
    case SPLIT_GAIN:
        return forest->gain != NULL && !split->only_missing ? forest->gain[split->at] : 0.0;
    case THRESHOLD:
        return threshold(to, split, sets);
    case DECISION_TYPE:
        return decision_type(to, split);
    case LEFT_CHILD:
        return split->left;
    case RIGHT_CHILD:
        return split->right;
    default:
        return split->rows;
    }
}

static void put_list(struct lightgbm_writer *to, const char *key, enum list list)
{
    int64_t sets = 0;
    put_text(to, key);
    for (int64_t i = 0; i < to->splits_count && to->status == SPOT_OK; i++) {
        if (i > 0) put_text(to, " ");
        put_number(to, entry(to, list, i, sets));
        sets += is_set(to, &to->splits[i]);
    }
    put_text(to, "\n");
}

/* ---- Rows below a node ---------------------------------------------------------------------- */

static double leaf_rows(const struct lightgbm_writer *to, int64_t leaf)
{
    const double cover =
        to->model->forest.cover != NULL ? rint(to->model->forest.cover[to->leaves[leaf]]) : 1.0;
    return cover >= 1.0 && cover <= INT_MAX ? cover : cover > INT_MAX ? INT_MAX : 1.0;
}

/* Sums over the leaves below, so that parts add up to the whole, whatever was rounded. Children
 * come after their parents, but for LightGBM's own trees, whose counts are kept. */
static void count_rows(struct lightgbm_writer *to)
{
    const struct forest *forest = &to->model->forest;
    for (int64_t i = to->splits_count - 1; i >= 0; i--) {
        struct split *split = &to->splits[i];
        if (forest->rules == FOREST_LIGHTGBM) {
            split->rows = forest->cover != NULL ? forest->cover[split->at] : 0.0;
            continue;
        }
        const int32_t children[] = {split->left, split->right};
        for (int c = 0; c < 2; c++)
            split->rows += children[c] >= 0 ? to->splits[children[c]].rows
                                            : leaf_rows(to, ~(int64_t)children[c]);
        if (split->rows > INT_MAX) split->rows = INT_MAX;
    }
}

/* ---- Leaves and categories ------------------------------------------------------------------ */

static double leaf_value(const struct lightgbm_writer *to, int64_t at, int32_t output)
{
    const struct forest *forest = &to->model->forest;
    double value = forest->value[at];
    if (forest->tree_output[to->tree] < 0)
        value = forest->leaf_vectors[forest->vector[at] * forest->outputs + output];
    if (forest->tree_weight == NULL) return value;
    return (double)((float)value * forest->tree_weight[to->tree]);
}

static void put_sets(struct lightgbm_writer *to)
{
    const struct forest *forest = &to->model->forest;
    int64_t end = 0;
    put_text(to, "cat_boundaries=0");
    for (int64_t i = 0; i < to->splits_count; i++) {
        if (!is_set(to, &to->splits[i])) continue;
        end += forest->first_word[to->splits[i].at + 1] - forest->first_word[to->splits[i].at];
        put_text(to, " ");
        put_number(to, (double)end);
    }
    put_text(to, "\ncat_threshold=");
    end = 0;
    for (int64_t i = 0; i < to->splits_count; i++) {
        if (!is_set(to, &to->splits[i])) continue;
        const int64_t at = to->splits[i].at;
        for (int64_t word = forest->first_word[at]; word < forest->first_word[at + 1]; word++) {
            if (end++ > 0) put_text(to, " ");
            put_number(to, (double)forest->category_bits[word]);
        }
    }
    put_text(to, "\n");
}

static void put_linear(struct lightgbm_writer *to)
{
    const struct forest *forest = &to->model->forest;
    put_text(to, "leaf_const=");
    for (int64_t i = 0; i < to->leaves_count; i++) {
        if (i > 0) put_text(to, " ");
        put_number(to, forest->linear_constant[to->leaves[i]]);
    }
    for (int what = 0; what < 3; what++) {
        put_text(to, what == 0   ? "\nnum_features="
                     : what == 1 ? "\nleaf_features="
                                 : "\nleaf_coeff=");
        for (int64_t i = 0; i < to->leaves_count; i++) {
            const int64_t at = to->leaves[i], begin = forest->linear_first[at];
            const int64_t count = forest->linear_first[at + 1] - begin;
            if (what == 0) {
                put_number(to, (double)count);
            } else
                for (int64_t j = begin; j < begin + count; j++) {
                    put_number(to, what == 1 ? forest->linear_feature[j]
                                             : forest->linear_coefficient[j]);
                    put_text(to, " ");
                }
            put_text(to, " ");
        }
    }
    put_text(to, "\n");
}

/* ---- Trees ---------------------------------------------------------------------------------- */

static void put_tree_lines(struct lightgbm_writer *to, int32_t output)
{
    const struct forest *forest = &to->model->forest;
    static const char *const keys[LISTS_OF_SPLITS] = {
        "split_feature=", "split_gain=",  "threshold=",     "decision_type=",
        "left_child=",    "right_child=", "internal_count="};
    int64_t sets = 0;
    for (int64_t i = 0; i < to->splits_count; i++)
        sets += is_set(to, &to->splits[i]);
    put_line(to, "num_leaves", to->leaves_count);
    put_line(to, "num_cat", sets);
    for (int list = 0; list < LISTS_OF_SPLITS; list++)
        put_list(to, keys[list], (enum list)list);
    put_text(to, "leaf_value=");
    for (int64_t i = 0; i < to->leaves_count && to->status == SPOT_OK; i++) {
        if (i > 0) put_text(to, " ");
        put_number(to, leaf_value(to, to->leaves[i], output));
    }
    put_text(to, "\nleaf_count=");
    for (int64_t i = 0; i < to->leaves_count && to->status == SPOT_OK; i++) {
        if (i > 0) put_text(to, " ");
        put_number(to, leaf_rows(to, i));
    }
    put_text(to, "\n");
    if (sets > 0) put_sets(to);
    put_line(to, "is_linear", forest->linear_constant != NULL);
    if (forest->linear_constant != NULL) put_linear(to);
}

static int put_tree(struct lightgbm_writer *to, int64_t number, int32_t output)
{
    to->splits_count = to->leaves_count = to->stack_count = 0;
    int status = to->model->forest.rules == FOREST_LIGHTGBM ? keep_numbers(to) : number_tree(to);
    if (status < 0) return status;
    count_rows(to);
    put_line(to, "Tree", number);
    put_tree_lines(to, output);
    put_text(to, "shrinkage=1\n\n\n");
    return to->status;
}

static void put_constant(struct lightgbm_writer *to, int64_t number, double value)
{
    put_line(to, "Tree", number);
    put_text(to, "num_leaves=1\nnum_cat=0\nsplit_feature=\nsplit_gain=\nthreshold=\n"
                 "decision_type=\nleft_child=\nright_child=\ninternal_count=\nleaf_value=");
    put_number(to, value);
    put_text(to, "\nleaf_count=1\nis_linear=0\nshrinkage=1\n\n\n");
}

/* How many of the forest's trees are used: all, or those up to the best iteration. */
static int32_t trees_used(const spot_forest *model)
{
    if (model->best_iteration == 0) return model->forest.trees;
    return model->forest.iteration_trees[model->best_iteration];
}

/* Trees come round by round, one of each output; an output that has fewer gets a tree of nothing.
 * next: (outputs) where the search for the next tree of the output goes on. */
static int put_trees(struct lightgbm_writer *to, int64_t number, int32_t *next)
{
    const struct forest *forest = &to->model->forest;
    const int32_t trees = trees_used(to->model), rounds = forest_rounds(to->model, trees);
    for (int32_t round = 0; round < rounds; round++)
        for (int32_t o = 0; o < forest->outputs; o++) {
            int32_t t = next[o];
            while (t < trees && forest->tree_output[t] >= 0 && forest->tree_output[t] != o)
                t++;
            next[o] = t + 1;
            to->tree = t;
            if (t >= trees) {
                next[o] = trees;
                put_constant(to, number++, 0.0);
                continue;
            }
            int status = put_tree(to, number++, o);
            if (status < 0) return status;
        }
    return to->status;
}

static int put_all_trees(struct lightgbm_writer *to)
{
    const int32_t outputs = to->model->forest.outputs;
    bool base = false;
    int64_t number = 0;
    for (int32_t o = 0; o < outputs; o++)
        base = base || to->model->base_margin[o] != 0.0;
    for (int32_t o = 0; base && o < outputs; o++)
        put_constant(to, number++, to->model->base_margin[o]);
    int32_t *next = spot_alloc_zero(outputs, sizeof *next);
    if (next == NULL) return spot_fail_memory(to->err, to->path);
    int status = put_trees(to, number, next);
    free(next);
    return status;
}

/* ---- The model's own lines ------------------------------------------------------------------ */

/* LightGBM's objective with the same link; NULL: it has none. */
static const char *objective_name(const spot_forest *model, char *room, size_t size)
{
    const char *name = model->objective;
    const int32_t outputs = model->forest.outputs;
    const bool one = outputs == 1;
    switch (model->link) {
    case LINK_SIGMOID:
        if (one) return model->classes > 0 ? "binary sigmoid:1" : "cross_entropy";
        snprintf(room, size, "multiclassova num_class:%d sigmoid:1", outputs);
        return room;
    case LINK_SOFTMAX:
        snprintf(room, size, "multiclass num_class:%d", outputs);
        return room;
    case LINK_EXP:
        if (!one) return NULL;
        if (strcmp(name, "reg:gamma") == 0) return "gamma";
        return strcmp(name, "reg:tweedie") == 0 ? "tweedie" : "poisson";
    case LINK_IDENTITY:
        if (!one) return ""; /* as of an objective that the user wrote */
        if (strncmp(name, "rank:", 5) == 0) return "lambdarank";
        return strcmp(name, "reg:absoluteerror") == 0 ? "regression_l1" : "regression";
    default:
        return NULL;
    }
}

static void put_names(struct lightgbm_writer *to)
{
    const spot_forest *model = to->model;
    char name[24];
    put_text(to, "feature_names");
    for (int32_t f = 0; f < model->forest.features; f++) {
        snprintf(name, sizeof name, "Column_%d", f);
        put_text(to, f == 0 ? "=" : " ");
        put_text(to, model->features != NULL ? model->features[f] : name);
    }
    put_text(to, "\n");
}

/* The categories that splits of the feature list, as 3:5:17; false: there is no such split. */
static int put_categories(struct lightgbm_writer *to, int32_t feature, bool *any, bool *used)
{
    const struct forest *forest = &to->model->forest;
    int64_t words = 0;
    uint32_t *all = NULL;
    for (int64_t i = 0; i < forest->nodes; i++) {
        if (forest->left[i] < 0 || forest->feature[i] != feature) continue;
        *used = true;
        if ((forest->flags[i] & NODE_CATEGORICAL) == 0) continue;
        const int64_t first = forest->first_word[i], count = forest->first_word[i + 1] - first;
        const int64_t had = words;
        int status = grow(to, (void **)&all, &words, count + 1, sizeof *all);
        if (status < 0) {
            free(all);
            return status;
        }
        for (int64_t w = had; w < words; w++)
            all[w] = 0;
        for (int64_t w = 0; w < count; w++)
            all[w] |= forest->category_bits[first + w];
    }
    for (int64_t c = 0; c < words * 32 && to->status == SPOT_OK; c++) {
        if ((all[c / 32] >> c % 32 & 1u) == 0) continue;
        if (*any) put_text(to, ":");
        put_number(to, (double)c);
        *any = true;
    }
    free(all);
    return SPOT_OK;
}

/* As the file had them: they also say which unused features are categorical. */
static int put_infos(struct lightgbm_writer *to)
{
    put_text(to, "feature_infos");
    if (to->model->feature_infos != NULL) {
        put_text(to, "=");
        put_text(to, to->model->feature_infos);
        put_text(to, "\n\n");
        return to->status;
    }
    for (int32_t f = 0; f < to->model->forest.features; f++) {
        bool any = false, used = false;
        put_text(to, f == 0 ? "=" : " ");
        int status = put_categories(to, f, &any, &used);
        if (status < 0) return status;
        if (!any) put_text(to, used ? "[-inf:inf]" : "none");
    }
    put_text(to, "\n\n");
    return to->status;
}

static int put_head(struct lightgbm_writer *to)
{
    const spot_forest *model = to->model;
    const int32_t outputs = model->forest.outputs;
    char room[80];
    const char *objective = model->forest.rules == FOREST_LIGHTGBM
                                ? model->objective
                                : objective_name(model, room, sizeof room);
    put_text(to, "tree\nversion=v4\n");
    put_line(to, "num_class", outputs);
    put_line(to, "num_tree_per_iteration", outputs);
    put_text(to, "label_index=0\n");
    put_line(to, "max_feature_idx", (int64_t)model->forest.features - 1);
    if (objective[0] != '\0') {
        put_text(to, "objective=");
        put_text(to, objective);
        put_text(to, "\n");
    }
    if (model->average) put_text(to, "average_output\n");
    put_names(to);
    return put_infos(to);
}

static int put_tail(struct lightgbm_writer *to)
{
    const spot_forest *model = to->model;
    put_text(to, "end of trees\n\nfeature_importances:\n\nparameters:\nend of parameters\n\n");
    if (model->encoder != NULL) {
        put_text(to, "blackspot_encoder:");
        put_text(to, model->encoder);
        put_text(to, "\n");
    }
    put_text(to, "\npandas_categorical:");
    put_text(to, model->categories != NULL ? model->categories : "null");
    put_text(to, "\n");
    return to->status;
}

/* ---- What cannot be said -------------------------------------------------------------------- */

/* LightGBM itself opens more names than it trains with: only blanks part them in the file. */
static int check_names(const struct lightgbm_writer *to)
{
    static const char blanks[] = " \t\r\n\v\f", marks[] = "\",:[]{}";
    const spot_forest *model = to->model;
    const bool translated = model->forest.rules != FOREST_LIGHTGBM;
    for (int32_t f = 0; model->features != NULL && f < model->forest.features; f++) {
        const char *name = model->features[f];
        if (name[0] == '\0' || strpbrk(name, blanks) != NULL ||
            (translated && strpbrk(name, marks) != NULL))
            return write_refuse(to->path, to->err,
                                "feature %d is called '%.60s', but LightGBM allows no blanks%s "
                                "in names",
                                f, name, translated ? " and no \",:[]{}" : "");
    }
    return SPOT_OK;
}

static int check(const struct lightgbm_writer *to)
{
    char room[80];
    const spot_forest *model = to->model;
    const struct forest *forest = &model->forest;
    if (forest->rules == FOREST_LIGHTGBM) return check_names(to);
    if (objective_name(model, room, sizeof room) == NULL)
        return write_refuse(to->path, to->err,
                            "LightGBM has no objective with the link of '%.60s' for %d outputs",
                            model->objective, forest->outputs);
    if (model->categories != NULL)
        return write_refuse(to->path, to->err,
                            "the categories' names (cats) are XGBoost's own; train with their "
                            "codes");
    for (int64_t i = 0; i < forest->nodes; i++)
        if (forest->left[i] >= 0 && (forest->flags[i] & NODE_CATEGORICAL) == 0 &&
            forest->threshold[i] == -INFINITY)
            return write_refuse(to->path, to->err,
                                "node %lld: nothing is below -infinity, which LightGBM cannot "
                                "express",
                                (long long)i);
    return check_names(to);
}

int lightgbm_write(const spot_forest *model, const char *path, struct writer *writer,
                   struct spot_error *err)
{
    struct lightgbm_writer to = {.model = model, .path = path, .writer = writer, .err = err};
    int status;
    SPOT_TRY(check(&to));
    SPOT_TRY(put_head(&to));
    SPOT_TRY(put_all_trees(&to));
    status = put_tail(&to);
out:
    free(to.splits);
    free(to.leaves);
    free(to.stack);
    return status;
}
