/* Lines of KEY=VALUE: the model's own first, then a block for each tree, which ends with the next
 * one or "end of trees". What follows is only kept where scoring needs it. Inner nodes of a tree
 * come first in our arrays, then its leaves, which LightGBM numbers ~0, ~1, ... */
#define _POSIX_C_SOURCE 200809L
#include "models/lightgbm_read.h"

#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "base/memory.h"
#include "data/decimal.h"
#include "data/document.h"

/* A tree's lists. */
enum tree_list {
    SPLIT_FEATURE,
    SPLIT_GAIN,
    THRESHOLD,
    DECISION_TYPE,
    LEFT_CHILD,
    RIGHT_CHILD,
    LEAF_VALUE,
    LEAF_COUNT,
    INTERNAL_COUNT,
    CAT_BOUNDARIES,
    CAT_THRESHOLD,
    LEAF_CONST,
    NUM_FEATURES,
    LEAF_FEATURES,
    LEAF_COEFF,
    TREE_LISTS,
};

static const char *const list_names[TREE_LISTS] = {
    "split_feature", "split_gain", "threshold",    "decision_type",  "left_child",
    "right_child",   "leaf_value", "leaf_count",   "internal_count", "cat_boundaries",
    "cat_threshold", "leaf_const", "num_features", "leaf_features",  "leaf_coeff"};

struct lightgbm_file {
    const char *path;
    FILE *file;
    char *line; /* without its end */
    size_t line_room;
    int64_t lines; /* read so far */
    bool again;    /* the line has been read, but is still to be used */

    struct forest forest; /* its arrays grow */
    int64_t trees, trees_capacity, nodes_capacity, words, words_capacity, linear, linear_capacity;
    struct reals lists[TREE_LISTS];
    int64_t leaves; /* of the tree being read */

    int64_t classes, trees_per_iteration, features;
    char *objective, *names, *infos, *encoder, *categories;
    bool average;
};

enum { MOST_WORDS = 1 << 28 };

static int fail(const struct lightgbm_file *in, struct spot_error *err, const char *what)
{
    return spot_fail(err, SPOT_EFORMAT, "%s:%lld: %s", in->path, (long long)in->lines, what);
}

static int fail_twice(const struct lightgbm_file *in, const char *key, struct spot_error *err)
{
    return spot_fail(err, SPOT_EFORMAT, "%s:%lld: %s is there twice", in->path,
                     (long long)in->lines, key);
}

/* ---- Lines ---------------------------------------------------------------------------------- */

/* *more is false at the end of the file. */
static int next_line(struct lightgbm_file *in, bool *more, struct spot_error *err)
{
    *more = true;
    if (in->again) {
        in->again = false;
        return SPOT_OK;
    }
    errno = 0;
    ssize_t length = getline(&in->line, &in->line_room, in->file);
    if (length < 0) {
        *more = false;
        if (feof(in->file)) return SPOT_OK;
        return spot_fail(err, errno == ENOMEM ? SPOT_ENOMEM : SPOT_EIO, "%s: cannot read: %s",
                         in->path, strerror(errno));
    }
    in->lines++;
    while (length > 0 && (in->line[length - 1] == '\n' || in->line[length - 1] == '\r'))
        in->line[--length] = '\0';
    return SPOT_OK;
}

/* The value where the line is KEY=VALUE, else NULL. */
static char *value_of(const struct lightgbm_file *in, const char *key)
{
    const size_t length = strlen(key);
    if (strncmp(in->line, key, length) != 0 || in->line[length] != '=') return NULL;
    return in->line + length + 1;
}

static int read_count(const struct lightgbm_file *in, const char *text, int64_t most,
                      int64_t *count, struct spot_error *err)
{
    char *end;
    *count = strtoll(text, &end, 10);
    if (end != text && *end == '\0' && *count >= 0 && *count <= most) return SPOT_OK;
    return spot_fail(err, SPOT_EFORMAT, "%s:%lld: '%.60s' is no count", in->path,
                     (long long)in->lines, text);
}

/* A gain may be infinite, and so may a threshold. */
static bool read_number(const char *text, const char *end, double *number)
{
    static const struct {
        const char *word;
        double number;
    } words[] = {{"inf", INFINITY}, {"-inf", -INFINITY}, {"nan", NAN}, {"-nan", NAN}};
    if (decimal_parse(text, end, '.', number) == DECIMAL_OK) return true;
    for (size_t w = 0; w < sizeof words / sizeof *words; w++)
        if (strlen(words[w].word) == (size_t)(end - text) &&
            memcmp(text, words[w].word, (size_t)(end - text)) == 0) {
            *number = words[w].number;
            return true;
        }
    return false;
}

/* A list of numbers between blanks. */
static int read_list(const struct lightgbm_file *in, const char *text, struct reals *list,
                     struct spot_error *err)
{
    for (list->count = 0;;) {
        while (*text == ' ')
            text++;
        if (*text == '\0') return SPOT_OK;
        const char *end = text;
        while (*end != ' ' && *end != '\0')
            end++;
        if (spot_grow((void **)&list->values, &list->capacity, list->count + 1,
                      sizeof *list->values) < 0)
            return spot_fail_memory(err, in->path);
        if (!read_number(text, end, &list->values[list->count]))
            return spot_fail(err, SPOT_EFORMAT, "%s:%lld: '%.*s' is no number", in->path,
                             (long long)in->lines, (int)(end - text > 60 ? 60 : end - text), text);
        list->count++;
        text = end;
    }
}

/* ---- The model's own lines ------------------------------------------------------------------ */

static int keep_text(char **to, const char *text, const char *path, struct spot_error *err)
{
    free(*to);
    *to = spot_copy_text(text);
    return *to == NULL ? spot_fail_memory(err, path) : SPOT_OK;
}

static int read_head_line(struct lightgbm_file *in, struct spot_error *err)
{
    const char *value;
    const struct {
        const char *key;
        bool there;
    } once[] = {{"num_class", in->classes != 0},
                {"num_tree_per_iteration", in->trees_per_iteration != 0},
                {"max_feature_idx", in->features != 0},
                {"objective", in->objective != NULL},
                {"feature_names", in->names != NULL},
                {"feature_infos", in->infos != NULL}};
    for (size_t i = 0; i < sizeof once / sizeof *once; i++)
        if (once[i].there && value_of(in, once[i].key) != NULL)
            return fail_twice(in, once[i].key, err);
    if (strcmp(in->line, "average_output") == 0) in->average = true;
    if ((value = value_of(in, "version")) != NULL && strcmp(value, "v3") != 0 &&
        strcmp(value, "v4") != 0)
        return fail(in, err, "this program reads versions v3 and v4 of LightGBM's text");
    if ((value = value_of(in, "num_class")) != NULL)
        return read_count(in, value, INT32_MAX, &in->classes, err);
    if ((value = value_of(in, "num_tree_per_iteration")) != NULL)
        return read_count(in, value, FOREST_MOST_OUTPUTS, &in->trees_per_iteration, err);
    if ((value = value_of(in, "max_feature_idx")) != NULL) {
        int status = read_count(in, value, INT32_MAX - 1, &in->features, err);
        in->features++;
        return status;
    }
    if ((value = value_of(in, "objective")) != NULL)
        return keep_text(&in->objective, value, in->path, err);
    if ((value = value_of(in, "feature_names")) != NULL)
        return keep_text(&in->names, value, in->path, err);
    if ((value = value_of(in, "feature_infos")) != NULL)
        return keep_text(&in->infos, value, in->path, err);
    return SPOT_OK;
}

static bool begins_tree(const struct lightgbm_file *in)
{
    return strncmp(in->line, "Tree=", 5) == 0;
}

static int read_head(struct lightgbm_file *in, struct spot_error *err)
{
    int status;
    bool more;
    SPOT_TRY(next_line(in, &more, err));
    if (!more || strcmp(in->line, "tree") != 0)
        return fail(in, err, "no model of LightGBM: it begins with the line 'tree'");
    for (;;) {
        SPOT_TRY(next_line(in, &more, err));
        if (!more) return fail(in, err, "the file is cut short: there is no 'end of trees'");
        if (begins_tree(in) || strcmp(in->line, "end of trees") == 0) break;
        SPOT_TRY(read_head_line(in, err));
    }
    in->again = true;
    if (in->trees_per_iteration < 1 || in->features < 1)
        return fail(in, err, "num_tree_per_iteration or max_feature_idx is missing");
out:
    return status;
}

/* ---- A tree --------------------------------------------------------------------------------- */

static int read_tree_lines(struct lightgbm_file *in, struct spot_error *err)
{
    int status;
    bool more;
    in->leaves = 0;
    uint32_t seen = 0;
    for (int l = 0; l < TREE_LISTS; l++)
        in->lists[l].count = 0;
    for (;;) {
        SPOT_TRY(next_line(in, &more, err));
        if (!more) return fail(in, err, "the file is cut short: there is no 'end of trees'");
        if (begins_tree(in) || strcmp(in->line, "end of trees") == 0) break;
        const char *value = value_of(in, "num_leaves");
        if (value != NULL && in->leaves != 0) return fail_twice(in, "num_leaves", err);
        if (value != NULL) SPOT_TRY(read_count(in, value, INT32_MAX / 2, &in->leaves, err));
        for (int l = 0; l < TREE_LISTS; l++) {
            if ((value = value_of(in, list_names[l])) == NULL) continue;
            if ((seen >> l & 1u) != 0) return fail_twice(in, list_names[l], err);
            seen |= 1u << l;
            SPOT_TRY(read_list(in, value, &in->lists[l], err));
        }
    }
    in->again = true;
out:
    return status;
}

static int check_lengths(const struct lightgbm_file *in, struct spot_error *err)
{
    static const enum tree_list of_splits[] = {SPLIT_FEATURE, THRESHOLD, DECISION_TYPE, LEFT_CHILD,
                                               RIGHT_CHILD};
    const int64_t splits = in->leaves - 1;
    if (in->leaves < 1) return fail(in, err, "a tree without num_leaves");
    if (in->lists[LEAF_VALUE].count != in->leaves)
        return fail(in, err, "the tree above has not as many leaf_value as num_leaves");
    for (size_t i = 0; splits > 0 && i < sizeof of_splits / sizeof *of_splits; i++)
        if (in->lists[of_splits[i]].count != splits)
            return spot_fail(err, SPOT_EFORMAT,
                             "%s:%lld: the tree above has %lld leaves, but %lld values of %s",
                             in->path, (long long)in->lines, (long long)in->leaves,
                             (long long)in->lists[of_splits[i]].count, list_names[of_splits[i]]);
    if (in->lists[LEAF_CONST].count != 0 &&
        (in->lists[LEAF_CONST].count != in->leaves || in->lists[NUM_FEATURES].count != in->leaves))
        return fail(in, err, "the tree above has not as many linear leaves as num_leaves");
    return SPOT_OK;
}

static int grow(void **array, int64_t capacity, int64_t needed, size_t size)
{
    return spot_grow(array, &capacity, needed, size);
}

static int reserve_nodes(struct lightgbm_file *in, int64_t needed)
{
    struct forest *forest = &in->forest;
    const int64_t had = in->nodes_capacity;
    if (forest_grow(forest, &in->nodes_capacity, needed) < 0 ||
        grow((void **)&forest->linear_first, had, needed + 1, sizeof *forest->linear_first) < 0 ||
        grow((void **)&forest->linear_constant, had, needed + 1, sizeof *forest->linear_constant) <
            0)
        return SPOT_ENOMEM;
    return SPOT_OK;
}

/* Entry i of a list, which must be whole and in [least, most]. */
static int whole(const struct lightgbm_file *in, enum tree_list which, int64_t i, int64_t least,
                 int64_t most, int64_t *value, struct spot_error *err)
{
    const struct reals *list = &in->lists[which];
    if (i < list->count && list->values[i] >= (double)least && list->values[i] <= (double)most &&
        list->values[i] == floor(list->values[i])) {
        *value = (int64_t)list->values[i];
        return SPOT_OK;
    }
    return spot_fail(err, SPOT_EFORMAT, "%s:%lld: the tree above: entry %lld of %s is out of range",
                     in->path, (long long)in->lines, (long long)i, list_names[which]);
}

static double listed(const struct lightgbm_file *in, enum tree_list which, int64_t i)
{
    return i < in->lists[which].count ? in->lists[which].values[i] : 0.0;
}

/* A child's number among our nodes: inner nodes first, then the leaves. */
static int read_child(const struct lightgbm_file *in, enum tree_list which, int64_t i,
                      int32_t *child, struct spot_error *err)
{
    int64_t number = 0;
    int status = whole(in, which, i, -in->leaves, in->leaves - 2, &number, err);
    *child = (int32_t)(number >= 0 ? number : in->leaves - 1 + ~number);
    return status;
}

/* The words of a categorical split. */
static int copy_words(struct lightgbm_file *in, int64_t entry, struct spot_error *err)
{
    int status;
    int64_t begin = 0, end = 0, word = 0;
    const int64_t words = in->lists[CAT_THRESHOLD].count;
    SPOT_TRY(whole(in, CAT_BOUNDARIES, entry, 0, words, &begin, err));
    SPOT_TRY(whole(in, CAT_BOUNDARIES, entry + 1, begin, words, &end, err));
    if (in->words + end - begin > MOST_WORDS) return fail(in, err, "too many categories");
    if (spot_grow((void **)&in->forest.category_bits, &in->words_capacity,
                  in->words + end - begin + 1, sizeof *in->forest.category_bits) < 0)
        return spot_fail_memory(err, in->path);
    for (; begin < end; begin++) {
        SPOT_TRY(whole(in, CAT_THRESHOLD, begin, 0, UINT32_MAX, &word, err));
        in->forest.category_bits[in->words++] = (uint32_t)word;
    }
out:
    return status;
}

/* LightGBM takes values up to 1e-35f for 0, which moves thresholds within that to its end. */
static double beyond_zero(double threshold)
{
    const double zero = (double)1e-35f;
    if (threshold >= 0.0 && threshold < zero) return zero;
    return threshold < 0.0 && threshold >= -zero ? nextafter(-zero, -1.0) : threshold;
}

static int read_split(struct lightgbm_file *in, int64_t i, int64_t at, struct spot_error *err)
{
    struct forest *forest = &in->forest;
    int status;
    int64_t type = 0, feature = 0, entry = 0;
    SPOT_TRY(whole(in, DECISION_TYPE, i, 0, 255, &type, err));
    SPOT_TRY(whole(in, SPLIT_FEATURE, i, 0, in->features - 1, &feature, err));
    SPOT_TRY(read_child(in, LEFT_CHILD, i, &forest->left[at], err));
    SPOT_TRY(read_child(in, RIGHT_CHILD, i, &forest->right[at], err));
    forest->feature[at] = (int32_t)feature;
    forest->threshold[at] = beyond_zero(in->lists[THRESHOLD].values[i]);
    forest->gain[at] = listed(in, SPLIT_GAIN, i);
    forest->cover[at] = listed(in, INTERNAL_COUNT, i);
    if ((type & 2) != 0) forest->flags[at] |= NODE_DEFAULT_LEFT;
    if ((type >> 2 & 3) == 1) forest->flags[at] |= NODE_MISSING_ZERO;
    if ((type >> 2 & 3) == 2) forest->flags[at] |= NODE_MISSING_NAN;
    if ((type & 1) == 0) return SPOT_OK;
    forest->flags[at] |= NODE_CATEGORICAL;
    SPOT_TRY(whole(in, THRESHOLD, i, 0, in->lists[CAT_BOUNDARIES].count - 2, &entry, err));
    status = copy_words(in, entry, err);
out:
    return status;
}

/* The coefficients of leaf i; *used counts those of the leaves before. */
static int read_linear(struct lightgbm_file *in, int64_t i, int64_t at, int64_t *used,
                       struct spot_error *err)
{
    struct forest *forest = &in->forest;
    int status = SPOT_OK;
    int64_t count = 0, feature = 0, capacity = in->linear_capacity;
    forest->linear_constant[at] = forest->value[at];
    if (in->lists[LEAF_CONST].count == 0) return SPOT_OK;
    forest->linear_constant[at] = in->lists[LEAF_CONST].values[i];
    SPOT_TRY(whole(in, NUM_FEATURES, i, 0, in->lists[LEAF_COEFF].count, &count, err));
    if (*used + count > in->lists[LEAF_COEFF].count)
        return fail(in, err, "the tree above has fewer leaf_coeff than num_features say");
    if (spot_grow((void **)&forest->linear_coefficient, &capacity, in->linear + count + 1,
                  sizeof *forest->linear_coefficient) < 0 ||
        grow((void **)&forest->linear_feature, in->linear_capacity, in->linear + count + 1,
             sizeof *forest->linear_feature) < 0)
        return spot_fail_memory(err, in->path);
    in->linear_capacity = capacity;
    for (; count > 0; count--, (*used)++, in->linear++) {
        SPOT_TRY(whole(in, LEAF_FEATURES, *used, 0, in->features - 1, &feature, err));
        forest->linear_feature[in->linear] = (int32_t)feature;
        forest->linear_coefficient[in->linear] = in->lists[LEAF_COEFF].values[*used];
    }
out:
    return status;
}

static int read_tree(struct lightgbm_file *in, struct spot_error *err)
{
    struct forest *forest = &in->forest;
    int status;
    int64_t used = 0;
    SPOT_TRY(read_tree_lines(in, err));
    SPOT_TRY(check_lengths(in, err));
    const int64_t root = forest->nodes, splits = in->leaves - 1, nodes = 2 * in->leaves - 1;
    if (in->trees == INT32_MAX ||
        spot_grow((void **)&forest->first_node, &in->trees_capacity, in->trees + 2,
                  sizeof *forest->first_node) < 0 ||
        reserve_nodes(in, root + nodes) < 0) {
        status = spot_fail_memory(err, in->path);
        goto out;
    }
    for (int64_t i = 0; i < nodes; i++) {
        const int64_t at = root + i;
        forest->left[at] = forest->right[at] = -1;
        forest->feature[at] = 0;
        forest->flags[at] = 0;
        forest->threshold[at] = forest->gain[at] = forest->linear_constant[at] = 0.0;
        forest->first_word[at] = in->words;
        forest->linear_first[at] = in->linear;
        forest->value[at] = i < splits ? 0.0 : in->lists[LEAF_VALUE].values[i - splits];
        forest->cover[at] = i < splits ? 0.0 : listed(in, LEAF_COUNT, i - splits);
        SPOT_TRY(i < splits ? read_split(in, i, at, err)
                            : read_linear(in, i - splits, at, &used, err));
    }
    forest->nodes = root + nodes;
    forest->first_word[forest->nodes] = in->words;
    forest->linear_first[forest->nodes] = in->linear;
    forest->first_node[in->trees] = root;
    forest->first_node[++in->trees] = forest->nodes;
out:
    return status;
}

/* ---- Putting it together -------------------------------------------------------------------- */

/* "binary sigmoid:1": what stands behind the colon of a word, or 1. */
static double parameter_of(const char *objective, const char *name)
{
    const char *at = strstr(objective, name);
    double value;
    if (at == NULL) return 1.0;
    at += strlen(name);
    return decimal_parse(at, at + strcspn(at, " "), '.', &value) == DECIMAL_OK ? value : 1.0;
}

static bool is_objective(const char *objective, const char *name)
{
    const size_t length = strlen(name);
    return strncmp(objective, name, length) == 0 &&
           (objective[length] == '\0' || objective[length] == ' ');
}

static void set_link(spot_forest *model, const char *objective)
{
    const int32_t outputs = model->forest.outputs;
    model->link_parameter = 1.0;
    if (is_objective(objective, "binary") || is_objective(objective, "multiclassova")) {
        model->link = LINK_SIGMOID;
        model->link_parameter = parameter_of(objective, "sigmoid:");
        model->classes = outputs > 1 ? outputs : 2;
    } else if (is_objective(objective, "multiclass")) {
        model->link = LINK_SOFTMAX;
        model->classes = outputs;
    } else if (is_objective(objective, "cross_entropy")) {
        model->link = LINK_SIGMOID;
    } else if (is_objective(objective, "cross_entropy_lambda")) {
        model->link = LINK_LOG1P_EXP;
    } else if (is_objective(objective, "poisson") || is_objective(objective, "gamma") ||
               is_objective(objective, "tweedie")) {
        model->link = LINK_EXP;
    } else if (is_objective(objective, "regression") && strstr(objective, " sqrt") != NULL) {
        model->link = LINK_SIGNED_SQUARE;
    }
}

/* Names between single blanks. */
static int64_t count_names(const char *names)
{
    int64_t count = names[0] != '\0';
    for (const char *at = names; *at != '\0'; at++)
        count += *at == ' ' && at[1] != '\0';
    return count;
}

static int set_names(const struct lightgbm_file *in, spot_forest *model, struct spot_error *err)
{
    if (in->names == NULL) return SPOT_OK;
    if (count_names(in->names) != in->features)
        return fail(in, err, "feature_names has another number of names than max_feature_idx says");
    model->features = spot_alloc_zero(in->features, sizeof *model->features);
    if (model->features == NULL) return spot_fail_memory(err, "the names");
    const char *at = in->names;
    for (int64_t f = 0; f < in->features; f++) {
        const size_t length = strcspn(at, " ");
        if (length == 0) return fail(in, err, "feature_names has a name without letters");
        model->features[f] = strndup(at, length);
        if (model->features[f] == NULL) return spot_fail_memory(err, "the names");
        at += length + (at[length] == ' ');
    }
    return SPOT_OK;
}

/* Moves what was read into the model. */
static void set_trees(struct lightgbm_file *in, spot_forest *model)
{
    struct forest *forest = &model->forest, *read = &in->forest;
    const int32_t together = (int32_t)in->trees_per_iteration;
    struct forest kept = *forest;
    *forest = *read;
    *read = (struct forest){0};
    forest->rules = kept.rules;
    forest->features = kept.features;
    forest->outputs = kept.outputs;
    forest->trees = kept.trees;
    forest->iterations = kept.iterations;
    forest->tree_output = kept.tree_output;
    forest->iteration_trees = kept.iteration_trees;
    if (forest->first_node == NULL)
        forest->first_node = kept.first_node;
    else
        free(kept.first_node);
    for (int32_t t = 0; t < forest->trees; t++)
        forest->tree_output[t] = t % together;
    for (int32_t i = 0; i <= forest->iterations; i++)
        forest->iteration_trees[i] = i * together;
    if (in->words == 0) {
        free(forest->first_word);
        forest->first_word = NULL;
    }
    if (in->linear == 0 && in->lists[LEAF_CONST].values == NULL) {
        free(forest->linear_first);
        free(forest->linear_constant);
        forest->linear_first = NULL;
        forest->linear_constant = NULL;
    }
}

static void close_reading(struct lightgbm_file *in)
{
    if (in->file != NULL) fclose(in->file);
    free(in->line);
    forest_clear(&in->forest);
    for (int l = 0; l < TREE_LISTS; l++)
        free(in->lists[l].values);
    free(in->objective);
    free(in->names);
    free(in->infos);
    free(in->encoder);
    free(in->categories);
}

/* Behind the trees: our encoder, and what Python keeps of pandas' categories. */
static int read_tail(struct lightgbm_file *in, struct spot_error *err)
{
    static const char encoder[] = "blackspot_encoder:", categories[] = "pandas_categorical:";
    int status;
    bool more;
    for (;;) {
        SPOT_TRY(next_line(in, &more, err));
        if (!more) break;
        if (strncmp(in->line, encoder, sizeof encoder - 1) == 0)
            SPOT_TRY(keep_text(&in->encoder, in->line + sizeof encoder - 1, in->path, err));
        if (strncmp(in->line, categories, sizeof categories - 1) == 0 &&
            strcmp(in->line + sizeof categories - 1, "null") != 0)
            SPOT_TRY(keep_text(&in->categories, in->line + sizeof categories - 1, in->path, err));
    }
out:
    return status;
}

static int read_file(struct lightgbm_file *in, struct spot_error *err)
{
    int status;
    bool more;
    in->file = fopen(in->path, "re");
    if (in->file == NULL)
        return spot_fail(err, SPOT_EIO, "%s: cannot open: %s", in->path, strerror(errno));
    SPOT_TRY(read_head(in, err));
    for (;;) {
        SPOT_TRY(next_line(in, &more, err)); /* a tree's first line, or the end */
        if (!begins_tree(in)) break;
        SPOT_TRY(read_tree(in, err));
    }
    if (in->trees % in->trees_per_iteration != 0)
        return fail(in, err, "the last iteration has fewer trees than num_tree_per_iteration");
    status = read_tail(in, err);
out:
    return status;
}

int lightgbm_read(const char *path, spot_forest **out, struct spot_error *err)
{
    struct lightgbm_file in = {.path = path};
    spot_forest *model = NULL;
    int status;
    SPOT_TRY(read_file(&in, err));
    model = forest_new(FOREST_LIGHTGBM, (int32_t)in.features, (int32_t)in.trees_per_iteration,
                       (int32_t)in.trees, (int32_t)(in.trees / in.trees_per_iteration));
    if (model == NULL) {
        status = spot_fail_memory(err, path);
        goto out;
    }
    SPOT_TRY(set_names(&in, model, err));
    set_trees(&in, model);
    model->objective = in.objective != NULL ? in.objective : spot_copy_text("");
    model->encoder = in.encoder;
    model->categories = in.categories;
    in.objective = in.encoder = in.categories = NULL;
    if (in.infos != NULL && count_names(in.infos) == in.features) {
        model->feature_infos = in.infos;
        in.infos = NULL;
    }
    if (model->objective == NULL) {
        status = spot_fail_memory(err, path);
        goto out;
    }
    set_link(model, model->objective);
    model->average = in.average;
out:
    close_reading(&in);
    if (status < 0) {
        spot_forest_free(model);
        model = NULL;
    }
    *out = model;
    return status;
}

bool is_lightgbm(const char *path)
{
    char head[5] = {0};
    FILE *file = fopen(path, "rbe");
    if (file == NULL) return false;
    const bool yes = fread(head, 1, 5, file) == 5 && memcmp(head, "tree", 4) == 0 &&
                     (head[4] == '\n' || head[4] == '\r');
    fclose(file);
    return yes;
}
