/* Random forests, scored by blocks and row by row, against the definition (fallback/forest_walk.h):
 * all rules and kinds of nodes, rows on the thresholds and one unit beside them, odd values, ragged
 * numbers of rows, parts of the trees; and on the GPU that BLACKSPOT_CUDA_LIBRARY names. */
#define _GNU_SOURCE
#include "backend_devices.h"
#include "fallback/forest_walk.h"

enum { MOST_NODES = 40000, ROWS = 1500 };

/* In [0, 1); splitmix64, Steele et al. 2014. */
static double next_uniform(uint64_t *state)
{
    uint64_t z = (*state += 0x9e3779b97f4a7c15u);
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
    z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
    return (double)((z ^ (z >> 31)) >> 11) * 0x1p-53;
}

/* The device whose turn it is. */
static const struct device *device;

static void *zeros(int64_t count, size_t size)
{
    void *at = calloc((size_t)count + 1, size);
    CU_ASSERT_PTR_NOT_NULL_FATAL(at);
    return at;
}

/* How to draw a forest. */
struct recipe {
    enum forest_rules rules;
    int32_t features, outputs, trees, depth;
    int32_t levels;  /* different thresholds of a feature, at most */
    int categorical; /* one split in three */
    int vectors, linear, weights;
    double stop;   /* chance that a node is a leaf */
    double spread; /* thresholds lie within +-spread, evenly or not */
    int uneven;
};

static double threshold_of(const struct recipe *recipe, int32_t level)
{
    const double at = recipe->levels > 1 ? 2.0 * level / (recipe->levels - 1) - 1 : 0;
    return recipe->spread * (recipe->uneven ? at * at * at * at * at : at);
}

static uint8_t draw_flags(const struct recipe *recipe, uint64_t *state)
{
    uint8_t flags = next_uniform(state) < 0.5 ? NODE_DEFAULT_LEFT : 0;
    if (recipe->rules == FOREST_XGBOOST) return flags;
    const double missing = next_uniform(state);
    return flags | (missing < 0.4 ? NODE_MISSING_NAN : missing < 0.7 ? NODE_MISSING_ZERO : 0);
}

/* Draws the subtree at `node` of the tree that begins at `root`; returns the nodes used so far. */
static int64_t draw_node(const struct recipe *recipe, struct forest *forest, int64_t root,
                         int64_t node, int64_t used, int32_t left, int64_t *words, uint64_t *state)
{
    const int64_t at = root + node;
    forest->left[at] = -1;
    forest->value[at] = (double)(float)(next_uniform(state) - 0.5);
    forest->first_word[at] = *words;
    if (left == 0 || root + used + 2 >= MOST_NODES ||
        (node > 0 && next_uniform(state) < recipe->stop))
        return used;
    forest->feature[at] = (int32_t)(next_uniform(state) * recipe->features);
    forest->flags[at] = draw_flags(recipe, state);
    forest->threshold[at] = threshold_of(recipe, (int32_t)(next_uniform(state) * recipe->levels));
    if (recipe->rules == FOREST_XGBOOST) forest->threshold[at] = (float)forest->threshold[at];
    if (next_uniform(state) < 0.01) forest->threshold[at] = (double)INFINITY;
    if (next_uniform(state) < 0.01) forest->threshold[at] = (double)-INFINITY;
    if (recipe->categorical && next_uniform(state) < 0.3) forest->flags[at] |= NODE_CATEGORICAL;
    forest->left[at] = (int32_t)used;
    forest->right[at] = (int32_t)used + 1;
    used += 2;
    used = draw_node(recipe, forest, root, forest->left[at], used, left - 1, words, state);
    return draw_node(recipe, forest, root, forest->right[at], used, left - 1, words, state);
}

/* Every categorical node gets one or two words of bits. */
static void draw_categories(struct forest *forest, uint64_t *state)
{
    int64_t words = 0;
    forest->category_bits = zeros(MOST_NODES * 2, sizeof *forest->category_bits);
    for (int64_t node = 0; node < forest->nodes; node++) {
        forest->first_word[node] = words;
        if (forest->left[node] < 0 || (forest->flags[node] & NODE_CATEGORICAL) == 0) continue;
        for (int w = 0; w < 1 + (int)(node % 2); w++)
            forest->category_bits[words++] = (uint32_t)(next_uniform(state) * 4294967295.0);
    }
    forest->first_word[forest->nodes] = words;
}

static void draw_extras(const struct recipe *recipe, struct forest *forest, uint64_t *state)
{
    if (recipe->vectors) {
        forest->vector = zeros(MOST_NODES, sizeof *forest->vector);
        forest->leaf_vectors = zeros(MOST_NODES * recipe->outputs, sizeof(double));
        forest->leaf_vectors_count = forest->nodes;
        for (int64_t node = 0; node < forest->nodes; node++)
            forest->vector[node] = node;
        for (int64_t i = 0; i < forest->nodes * recipe->outputs; i++)
            forest->leaf_vectors[i] = (double)(float)next_uniform(state);
    }
    if (recipe->linear) {
        forest->linear_constant = zeros(MOST_NODES, sizeof(double));
        forest->linear_first = zeros(MOST_NODES + 1, sizeof *forest->linear_first);
        forest->linear_feature = zeros(MOST_NODES, sizeof *forest->linear_feature);
        forest->linear_coefficient = zeros(MOST_NODES, sizeof(double));
        for (int64_t node = 0; node < forest->nodes; node++) {
            forest->linear_constant[node] = next_uniform(state);
            forest->linear_first[node + 1] = node + 1;
            forest->linear_feature[node] = (int32_t)(next_uniform(state) * recipe->features);
            forest->linear_coefficient[node] = next_uniform(state);
        }
    }
    if (recipe->weights) {
        forest->tree_weight = zeros(recipe->trees, sizeof *forest->tree_weight);
        for (int32_t t = 0; t < recipe->trees; t++)
            forest->tree_weight[t] = (float)next_uniform(state);
    }
}

static struct forest draw_forest(const struct recipe *recipe, uint64_t seed)
{
    uint64_t state = seed;
    int64_t words = 0;
    struct forest forest = {.rules = recipe->rules,
                            .features = recipe->features,
                            .outputs = recipe->outputs,
                            .trees = recipe->trees,
                            .iterations = recipe->trees};
    forest.first_node = zeros(recipe->trees + 1, sizeof *forest.first_node);
    forest.tree_output = zeros(recipe->trees, sizeof *forest.tree_output);
    forest.left = zeros(MOST_NODES, sizeof *forest.left);
    forest.right = zeros(MOST_NODES, sizeof *forest.right);
    forest.feature = zeros(MOST_NODES, sizeof *forest.feature);
    forest.flags = zeros(MOST_NODES, sizeof *forest.flags);
    forest.threshold = zeros(MOST_NODES, sizeof *forest.threshold);
    forest.value = zeros(MOST_NODES, sizeof *forest.value);
    forest.first_word = zeros(MOST_NODES + 1, sizeof *forest.first_word);
    for (int32_t t = 0; t < recipe->trees; t++) {
        const int32_t depth = t % 5 == 4 ? 0 : recipe->depth - t % 2;
        const int64_t root = forest.first_node[t];
        forest.first_node[t + 1] =
            root + draw_node(recipe, &forest, root, 0, 1, depth, &words, &state);
        forest.tree_output[t] = recipe->vectors ? -1 : t % recipe->outputs;
    }
    forest.nodes = forest.first_node[recipe->trees];
    draw_categories(&forest, &state);
    draw_extras(recipe, &forest, &state);
    return forest;
}

static void clear_forest(struct forest *forest)
{
    free(forest->first_node);
    free(forest->tree_output);
    free(forest->tree_weight);
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
}

/* ---- Rows ----------------------------------------------------------------------------------- */

static double draw_value(const struct recipe *recipe, uint64_t *state)
{
    static const double odd[] = {0.0,    -0.0,  1e-35,      -1e-35, 1e-42,  -1e-42, 1e-36,
                                 -2e-35, 1e300, -1e300,     3e9,    -1.0,   -0.5,   31.0,
                                 32.0,   63.5,  16777216.0, 1e-300, 9.9e-36};
    const double kind = next_uniform(state);
    if (kind < 0.05) return (double)NAN;
    if (kind < 0.08) return (double)(kind < 0.065 ? INFINITY : -INFINITY);
    if (kind < 0.2) return odd[(size_t)(next_uniform(state) * 19)];
    if (kind < 0.35 && recipe->categorical) return floor(70 * next_uniform(state)) - 2;
    const double t = threshold_of(recipe, (int32_t)(next_uniform(state) * recipe->levels));
    const double beside = next_uniform(state);
    if (beside < 0.2) return t;
    if (beside < 0.3) return (double)nextafterf((float)t, INFINITY);
    if (beside < 0.4) return (double)nextafterf((float)t, -INFINITY);
    if (beside < 0.5) return nextafter(t, (double)INFINITY);
    if (beside < 0.6) return nextafter(t, (double)-INFINITY);
    return recipe->spread * (3 * next_uniform(state) - 1.5);
}

/* The definition, one row and one tree after the other. */
static void walk(const struct forest *forest, const struct spot_forest_rows *rows, int32_t first,
                 int32_t trees, double *margins, int32_t *leaves)
{
    for (int64_t i = 0; i < rows->rows; i++)
        for (int32_t t = first; t < first + trees; t++) {
            const int64_t leaf = forest_leaf(forest, t, rows, i);
            leaves[i * trees + t - first] = (int32_t)(leaf - forest->first_node[t]);
            for (int32_t o = 0; o < forest->outputs; o++) {
                double *sum = &margins[i * forest->outputs + o];
                if (forest->tree_output[t] != o && forest->tree_output[t] != -1) continue;
                double value =
                    forest->vector != NULL
                        ? forest->leaf_vectors[forest->vector[leaf] * forest->outputs + o]
                        : leaf_value(forest, leaf, rows, i);
                if (forest->rules == FOREST_LIGHTGBM) {
                    *sum += value;
                    continue;
                }
                float part = (float)value;
                if (forest->tree_weight != NULL) part *= forest->tree_weight[t];
                *sum = (double)((float)*sum + part);
            }
        }
}

static void compare(const struct forest_plan *plan, const struct forest *forest, bool threads,
                    const struct spot_forest_rows *rows, int32_t first, int32_t trees)
{
    const struct backend_host host = {
        .threads = pool_threads(pool), .parallel = on_pool, .parallel_arg = pool};
    const size_t cells = (size_t)(rows->rows * forest->outputs);
    const size_t places = (size_t)(rows->rows * trees);
    double *want = zeros((int64_t)cells, sizeof *want), *got = zeros((int64_t)cells, sizeof *got);
    int32_t *leaves = zeros((int64_t)places, sizeof *leaves);
    int32_t *found = zeros((int64_t)places, sizeof *found);
    for (size_t i = 0; i < cells; i++)
        want[i] = (double)(float)(i % 7) / 3;
    for (size_t i = 0; forest->rules == FOREST_XGBOOST && i < cells; i++)
        want[i] = (double)(float)want[i];
    memcpy(got, want, cells * sizeof *got);
    walk(forest, rows, first, trees, want, leaves);
    /* Margins and leaves, or one of them, begin in `got` and go on from there. */
    const struct backend_trees *table = device->tables->trees;
    ok(table->score(plan, threads ? &host : NULL, rows, first, trees / 2, got, NULL, &error));
    ok(table->score(plan, threads ? &host : NULL, rows, first, trees, NULL, found, &error));
    CU_ASSERT(memcmp(leaves, found, places * sizeof *leaves) == 0);
    memset(found, 0, places * sizeof *found);
    ok(table->score(plan, threads ? &host : NULL, rows, first + trees / 2, trees - trees / 2, got,
                    found, &error));
    CU_ASSERT(memcmp(want, got, cells * sizeof *want) == 0);
    for (int64_t i = 0; i < rows->rows; i++)
        CU_ASSERT(memcmp(leaves + i * trees + trees / 2, found + i * (trees - trees / 2),
                         (size_t)(trees - trees / 2) * sizeof *found) == 0);
    free(want);
    free(got);
    free(leaves);
    free(found);
}

static void compare_all(const struct recipe *recipe, const struct forest *forest,
                        const struct forest_plan *plan, uint64_t seed)
{
    static const int64_t counts[] = {1, 7, 8, 63, 64, 65, ROWS};
    const int32_t columns = recipe->features + 2, trees = recipe->trees;
    const int64_t most = columns > 1000 ? 65 : ROWS, cells = most * columns;
    double *wide = zeros(cells, sizeof *wide);
    float *narrow = zeros(cells, sizeof *narrow);
    uint64_t state = seed + 1;
    for (int64_t i = 0; i < cells; i++)
        narrow[i] = (float)(wide[i] = draw_value(recipe, &state));
    for (size_t c = 0; c < sizeof counts / sizeof *counts && counts[c] <= most; c++) {
        struct spot_forest_rows rows = {.values = narrow, .rows = counts[c], .columns = columns};
        compare(plan, forest, c % 2 == 1, &rows, 0, trees);
        rows = (struct spot_forest_rows){.values64 = wide, .rows = counts[c], .columns = columns};
        compare(plan, forest, true, &rows, 0, trees);
        compare(plan, forest, false, &rows, trees / 3, trees / 2);
    }
    free(wide);
    free(narrow);
}

/* A backend may leave linear leaves to the CPU. */
static void check_recipe(const struct recipe *recipe, uint64_t seed)
{
    struct forest forest = draw_forest(recipe, seed);
    struct forest_plan *plan = NULL;
    const bool cpu = device->tables->core->name[1] == 'p';
    if (cpu) setenv("BLACKSPOT_CPU", device->name, 1); /* forests choose their way when planned */
    const int status = device->tables->trees->plan(device->backend, &forest, &plan, &error);
    unsetenv("BLACKSPOT_CPU");
    if (!cpu && recipe->linear) {
        CU_ASSERT_EQUAL(status, SPOT_EUSAGE);
    } else {
        ok(status);
        compare_all(recipe, &forest, plan, seed);
    }
    device->tables->trees->plan_close(plan);
    clear_forest(&forest);
}

/* What `with` says, on top of a usual forest. */
static void check_device(struct recipe with)
{
    if (with.features == 0) with.features = 6;
    if (with.outputs == 0) with.outputs = 1;
    if (with.trees == 0) with.trees = 21;
    if (with.depth == 0) with.depth = 6;
    if (with.levels == 0) with.levels = 40;
    if (with.stop == 0) with.stop = 0.15;
    if (with.spread == 0) with.spread = 40;
    with.rules = FOREST_XGBOOST;
    check_recipe(&with, 11);
    with.rules = FOREST_LIGHTGBM;
    with.weights = 0;
    check_recipe(&with, 12);
}

static void check(struct recipe with)
{
    for (int d = 0; d < device_count; d++) {
        device = &devices[d];
        check_device(with);
    }
}

static void depths(void)
{
    for (int32_t depth = 1; depth <= 12; depth++)
        check((struct recipe){.depth = depth, .trees = 14, .stop = depth > 6 ? 0.3 : 0.1});
}

static void thresholds(void)
{
    static const int32_t levels[] = {1, 2, 15, 16, 17, 200, 255, 256, 300, 1000};
    for (size_t i = 0; i < sizeof levels / sizeof *levels; i++) {
        check((struct recipe){.levels = levels[i], .features = 1, .trees = 60});
        check((struct recipe){.levels = levels[i], .features = 2, .trees = 60, .uneven = 1});
        check((struct recipe){.levels = levels[i], .features = 2, .spread = 1e-40});
        check((struct recipe){.levels = levels[i], .features = 2, .spread = 3e38});
    }
}

/* Around 256 leaves, whose numbers are bytes, and 2,048, where trees are sliced no longer; deep and
 * lopsided ones; and more categorical splits than there are slots for. */
static void shapes(void)
{
    check((struct recipe){.depth = 8, .trees = 4, .stop = 1e-9});
    check((struct recipe){.depth = 9, .trees = 4, .stop = 1e-9});
    check((struct recipe){.depth = 11, .trees = 2, .stop = 1e-9});
    check((struct recipe){.depth = 12, .trees = 2, .stop = 1e-9});
    check((struct recipe){.depth = 8, .trees = 12, .stop = 0.05});
    check((struct recipe){.depth = 40, .trees = 40, .stop = 0.5, .levels = 3000, .features = 2});
    check((struct recipe){.depth = 25, .trees = 10, .stop = 0.4, .categorical = 1});
    check((struct recipe){.depth = 10, .trees = 8, .stop = 0.2, .outputs = 3, .vectors = 1});
    check((struct recipe){.depth = 10, .trees = 8, .stop = 0.2, .linear = 1});
    check((struct recipe){.depth = 8, .trees = 70, .stop = 1e-9, .categorical = 1});
    check((struct recipe){.depth = 16, .trees = 1, .stop = 1e-9});
}

static void kinds_of_trees(void)
{
    check((struct recipe){.categorical = 1});
    check((struct recipe){.categorical = 1, .depth = 10});
    check((struct recipe){.outputs = 5, .trees = 33});
    check((struct recipe){.outputs = 3, .vectors = 1});
    check((struct recipe){.linear = 1});
    check((struct recipe){.weights = 1});
    check((struct recipe){.weights = 1, .depth = 9});
    check((struct recipe){.outputs = 700, .trees = 9, .depth = 2});
    check((struct recipe){.trees = 1, .depth = 2});
}

/* Columns that fit no fast memory. */
static void many_columns(void)
{
    check((struct recipe){.features = 100, .trees = 9});
    check((struct recipe){.features = 16500, .trees = 6, .depth = 4});
}

static void does_everything_once(void)
{
    check((struct recipe){.categorical = 1, .outputs = 2, .trees = 7, .depth = 4});
}

int main(int argc, char **argv)
{
    struct suite_test tests[] = {
        {"devices open", open_devices},
        {"does everything once", does_everything_once},
        {"depths", depths},
        {"thresholds", thresholds},
        {"shapes", shapes},
        {"kinds of trees", kinds_of_trees},
        {"many columns", many_columns},
        {"devices close", close_devices},
        {NULL, NULL},
    };
    choose_test(tests, sizeof tests / sizeof *tests, argc > 1 ? argv[1] : NULL);
    return run_suite("forest_score", tests);
}
