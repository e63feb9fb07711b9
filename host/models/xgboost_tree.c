/* One tree of an XGBoost document: lists of numbers side by side, one for each property of the
 * nodes. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "base/memory.h"
#include "models/xgboost_read.h"

static const struct {
    const char *name;
    bool float32;
} fields[TREE_FIELDS] = {
    [LEFT_CHILDREN] = {"left_children", false},
    [RIGHT_CHILDREN] = {"right_children", false},
    [SPLIT_INDICES] = {"split_indices", false},
    [SPLIT_CONDITIONS] = {"split_conditions", true},
    [DEFAULT_LEFT] = {"default_left", false},
    [SPLIT_TYPE] = {"split_type", false},
    [BASE_WEIGHTS] = {"base_weights", true},
    [LEAF_WEIGHTS] = {"leaf_weights", true},
    [LOSS_CHANGES] = {"loss_changes", true},
    [SUM_HESSIAN] = {"sum_hessian", true},
    [CATEGORIES] = {"categories", false},
    [CATEGORIES_NODES] = {"categories_nodes", false},
    [CATEGORIES_SEGMENTS] = {"categories_segments", false},
    [CATEGORIES_SIZES] = {"categories_sizes", false},
};

/* Bits of a categorical split end here in XGBoost; all splits together may take a gigabyte. */
enum { MOST_CATEGORIES = 1 << 24, MOST_WORDS = 1 << 28 };

static int fail(const struct xgboost_document *in, struct spot_error *err, const char *what,
                int64_t node)
{
    return document_fail(in->document, err, "tree %lld, node %lld: %s", (long long)in->trees,
                         (long long)node, what);
}

/* ---- Reading -------------------------------------------------------------------------------- */

/* tree_param: numbers written as texts. */
static int read_parameters(struct xgboost_document *in, struct spot_error *err)
{
    int status;
    bool more;
    SPOT_TRY(document_expect(in->document, DOCUMENT_OBJECT, "tree_param", err));
    for (;;) {
        SPOT_TRY(document_key(in->document, &more, err));
        if (!more) break;
        const bool size = strcmp(document_text(in->document), "size_leaf_vector") == 0;
        if (!size && strcmp(document_text(in->document), "num_nodes") != 0) {
            SPOT_TRY(document_skip(in->document, err));
            continue;
        }
        SPOT_TRY(document_expect(in->document, DOCUMENT_TEXT, "a member of tree_param", err));
        const int64_t number = strtoll(document_text(in->document), NULL, 10);
        if (size)
            in->leaf_size = number == 0 ? 1 : number; /* 0 was written before 2.0 */
        else
            in->announced = number;
    }
out:
    return status;
}

static int read_fields(struct xgboost_document *in, struct spot_error *err)
{
    int status;
    bool more;
    uint32_t seen = 0;
    for (int f = 0; f < TREE_FIELDS; f++)
        in->fields[f].count = 0;
    in->leaf_size = 1;
    in->announced = -1;
    SPOT_TRY(document_expect(in->document, DOCUMENT_OBJECT, "a tree", err));
    for (;;) {
        SPOT_TRY(document_key(in->document, &more, err));
        if (!more) break;
        const char *key = document_text(in->document);
        int f = 0;
        while (f < TREE_FIELDS && strcmp(key, fields[f].name) != 0)
            f++;
        if (f == TREE_FIELDS) {
            SPOT_TRY(strcmp(key, "tree_param") == 0 ? read_parameters(in, err)
                                                    : document_skip(in->document, err));
            continue;
        }
        if ((seen >> f & 1u) != 0)
            return document_fail(in->document, err, "tree %lld has %s twice", (long long)in->trees,
                                 key);
        seen |= 1u << f;
        SPOT_TRY(document_reals(in->document, fields[f].float32, &in->fields[f], err));
    }
out:
    return status;
}

/* Lists of nodes have one length; those that old versions lack may be empty. */
static int check_lengths(struct xgboost_document *in, struct spot_error *err)
{
    const int64_t nodes = in->fields[LEFT_CHILDREN].count;
    static const enum tree_field needed[] = {RIGHT_CHILDREN, SPLIT_INDICES, SPLIT_CONDITIONS,
                                             DEFAULT_LEFT};
    static const enum tree_field optional[] = {SPLIT_TYPE, LOSS_CHANGES, SUM_HESSIAN};
    const char *wrong = NULL;
    if (nodes < 1 || nodes > INT32_MAX)
        return document_fail(in->document, err, "tree %lld has %lld nodes", (long long)in->trees,
                             (long long)nodes);
    if (in->announced >= 0 && in->announced != nodes)
        return document_fail(in->document, err, "tree %lld announces %lld nodes, but has %lld",
                             (long long)in->trees, (long long)in->announced, (long long)nodes);
    for (size_t i = 0; i < sizeof needed / sizeof *needed; i++)
        if (in->fields[needed[i]].count != nodes) wrong = fields[needed[i]].name;
    for (size_t i = 0; i < sizeof optional / sizeof *optional; i++)
        if (in->fields[optional[i]].count != nodes && in->fields[optional[i]].count != 0)
            wrong = fields[optional[i]].name;
    if (wrong == NULL) return SPOT_OK;
    return document_fail(in->document, err, "tree %lld: %s has not as many values as left_children",
                         (long long)in->trees, wrong);
}

/* ---- Nodes ---------------------------------------------------------------------------------- */

/* Room for the tree's nodes in the forest. */
static int reserve_nodes(struct xgboost_document *in, int64_t needed)
{
    int64_t vectors = in->nodes_capacity;
    if (forest_grow(&in->forest, &in->nodes_capacity, needed) < 0) return SPOT_ENOMEM;
    return spot_grow((void **)&in->forest.vector, &vectors, needed + 1, sizeof(int64_t));
}

static double field(const struct xgboost_document *in, enum tree_field field, int64_t node)
{
    return in->fields[field].count > node ? in->fields[field].values[node] : 0.0;
}

/* A number of a list that must be whole and in [least, most]. */
static int whole(const struct xgboost_document *in, enum tree_field which, int64_t node,
                 int32_t least, int32_t most, int32_t *value, struct spot_error *err)
{
    const double number = in->fields[which].values[node];
    if (number >= least && number <= most && number == floor(number)) {
        *value = (int32_t)number;
        return SPOT_OK;
    }
    return document_fail(in->document, err, "tree %lld, node %lld: %s is %g", (long long)in->trees,
                         (long long)node, fields[which].name, number);
}

/* The leaf's values: in leaf_weights since 3.2, before it among the weights of all nodes. */
static int read_vector(struct xgboost_document *in, int64_t node, int64_t at,
                       struct spot_error *err)
{
    struct forest *forest = &in->forest;
    const int64_t size = in->leaf_size;
    const bool own = in->fields[LEAF_WEIGHTS].count > 0;
    const struct reals *from = &in->fields[own ? LEAF_WEIGHTS : BASE_WEIGHTS];
    int32_t first = (int32_t)node;
    if (own) {
        int status = whole(in, RIGHT_CHILDREN, node, 0, INT32_MAX, &first, err);
        if (status < 0) return status;
    }
    if (from->count / size <= first) return fail(in, err, "a leaf without its values", node);
    if (spot_grow((void **)&forest->leaf_vectors, &in->vectors_capacity,
                  (forest->leaf_vectors_count + 1) * size, sizeof *forest->leaf_vectors) < 0)
        return spot_fail_memory(err, "the leaves");
    forest->vector[at] = forest->leaf_vectors_count++;
    memcpy(forest->leaf_vectors + forest->vector[at] * size, from->values + first * size,
           (size_t)size * sizeof *from->values);
    return SPOT_OK;
}

static int read_node(struct xgboost_document *in, int64_t node, int64_t at, struct spot_error *err)
{
    struct forest *forest = &in->forest;
    int status;
    int32_t type = 0, left_default = 0;
    forest->right[at] = -1;
    forest->feature[at] = 0;
    forest->flags[at] = 0;
    forest->threshold[at] = forest->value[at] = 0.0;
    forest->vector[at] = -1;
    forest->gain[at] = field(in, LOSS_CHANGES, node);
    forest->cover[at] = field(in, SUM_HESSIAN, node);
    SPOT_TRY(whole(in, LEFT_CHILDREN, node, -1, INT32_MAX, &forest->left[at], err));
    if (forest->left[at] == -1) {
        forest->value[at] = in->fields[SPLIT_CONDITIONS].values[node];
        return in->leaf_size > 1 ? read_vector(in, node, at, err) : SPOT_OK;
    }
    SPOT_TRY(whole(in, RIGHT_CHILDREN, node, 0, INT32_MAX, &forest->right[at], err));
    SPOT_TRY(whole(in, SPLIT_INDICES, node, 0, INT32_MAX, &forest->feature[at], err));
    SPOT_TRY(whole(in, DEFAULT_LEFT, node, 0, 1, &left_default, err));
    if (in->fields[SPLIT_TYPE].count > 0) SPOT_TRY(whole(in, SPLIT_TYPE, node, 0, 1, &type, err));
    if (left_default) forest->flags[at] |= NODE_DEFAULT_LEFT;
    if (type == 1)
        forest->flags[at] |= NODE_CATEGORICAL;
    else
        forest->threshold[at] = in->fields[SPLIT_CONDITIONS].values[node];
out:
    return status;
}

/* ---- Categories ----------------------------------------------------------------------------- */

/* Sets the bits of entry `entry` of categories_nodes. */
static int set_bits(struct xgboost_document *in, int64_t entry, struct spot_error *err)
{
    struct forest *forest = &in->forest;
    const struct reals *listed = &in->fields[CATEGORIES];
    int status;
    int32_t first = 0, count = 0, highest = -1, category = 0;
    SPOT_TRY(whole(in, CATEGORIES_SEGMENTS, entry, 0, INT32_MAX, &first, err));
    SPOT_TRY(whole(in, CATEGORIES_SIZES, entry, 0, INT32_MAX, &count, err));
    if ((int64_t)first + count > listed->count)
        return fail(in, err, "a list of categories is past their end", entry);
    for (int64_t i = first; i < (int64_t)first + count; i++) {
        SPOT_TRY(whole(in, CATEGORIES, i, 0, MOST_CATEGORIES - 1, &category, err));
        if (category > highest) highest = category;
    }
    const int64_t words = ((int64_t)highest + 32) / 32;
    if (in->words + words > MOST_WORDS) return fail(in, err, "too many categories", entry);
    if (spot_grow((void **)&forest->category_bits, &in->words_capacity, in->words + words + 1,
                  sizeof *forest->category_bits) < 0)
        return spot_fail_memory(err, "the categories");
    memset(forest->category_bits + in->words, 0, (size_t)words * sizeof *forest->category_bits);
    for (int64_t i = first; i < (int64_t)first + count; i++) {
        const uint32_t bit = (uint32_t)listed->values[i];
        forest->category_bits[in->words + bit / 32] |= 1u << bit % 32;
    }
    in->words += words;
out:
    return status;
}

/* The lists come in the order of their nodes. */
static int read_categories(struct xgboost_document *in, int64_t root, int64_t nodes,
                           struct spot_error *err)
{
    struct forest *forest = &in->forest;
    const struct reals *of_nodes = &in->fields[CATEGORIES_NODES];
    int64_t entry = 0;
    if (in->fields[CATEGORIES_SEGMENTS].count != of_nodes->count ||
        in->fields[CATEGORIES_SIZES].count != of_nodes->count)
        return fail(in, err, "lists of categories of different lengths", 0);
    for (int64_t node = 0; node < nodes; node++) {
        forest->first_word[root + node] = in->words;
        const bool categorical = (forest->flags[root + node] & NODE_CATEGORICAL) != 0;
        const bool here = entry < of_nodes->count && of_nodes->values[entry] == (double)node;
        if (categorical && !here)
            return fail(in, err, "a categorical split without categories", node);
        if (!here) continue;
        int status = set_bits(in, entry++, err);
        if (status < 0) return status;
    }
    forest->first_word[root + nodes] = in->words;
    if (entry != of_nodes->count)
        return fail(in, err, "categories of a node that is not there or out of order", entry);
    return SPOT_OK;
}

/* ---- A tree --------------------------------------------------------------------------------- */

int xgboost_read_tree(struct xgboost_document *in, struct spot_error *err)
{
    struct forest *forest = &in->forest;
    int status;
    SPOT_TRY(read_fields(in, err));
    SPOT_TRY(check_lengths(in, err));
    const int64_t nodes = in->fields[LEFT_CHILDREN].count, root = forest->nodes;
    if (in->leaf_size < 1 || in->leaf_size > INT32_MAX ||
        (in->vector_size != 0 && in->vector_size != in->leaf_size))
        return fail(in, err, "leaves of another size than the trees before", 0);
    in->vector_size = in->leaf_size;
    if (in->trees == INT32_MAX ||
        spot_grow((void **)&forest->first_node, &in->trees_capacity, in->trees + 2,
                  sizeof *forest->first_node) < 0 ||
        reserve_nodes(in, root + nodes) < 0) {
        status = spot_fail_memory(err, "the trees");
        goto out;
    }
    for (int64_t node = 0; node < nodes; node++)
        SPOT_TRY(read_node(in, node, root + node, err));
    SPOT_TRY(read_categories(in, root, nodes, err));
    forest->first_node[in->trees] = root;
    forest->nodes = root + nodes;
    forest->first_node[++in->trees] = forest->nodes;
out:
    return status;
}
