/* Contributions: against XGBoost's and LightGBM's (tests/reference/trees/make_contributions.py),
 * against Shapley's formula over all subsets of features, and their sum against the leaves'. */
#define _POSIX_C_SOURCE 200809L
#include "fallback/forest_walk.h"
#include "forest_cases.h"
#include "models/forest.h"

#define FOLDER SOURCE_DIR "/tests/reference/trees/"

static const struct {
    const char *folder, *suffix;
    double tolerance; /* XGBoost computes contributions in float32 */
} libraries[] = {{FOLDER "xgboost/", "json", 2e-7}, {FOLDER "lightgbm/", "txt", 1e-14}};

/* One case of a library, with its rows as the library sees them. */
struct explained {
    struct expected expected;
    spot_forest *forest;
    double *values; /* (count, outputs, COLUMNS + 1) */
};

static void open_case(int library, const cJSON *item, struct explained *explained)
{
    char path[512];
    struct expected *expected = &explained->expected;
    *expected = load_expected(libraries[library].folder, item);
    if (library == 1) {
        expected->rows64 = malloc((size_t)expected->count * COLUMNS * sizeof(double));
        CU_ASSERT_PTR_NOT_NULL_FATAL(expected->rows64);
        for (int64_t i = 0; i < expected->count; i++)
            memcpy(expected->rows64 + i * COLUMNS, expected->table + i * expected->width,
                   COLUMNS * sizeof(double));
    }
    snprintf(path, sizeof path, "%s%s.%s", libraries[library].folder, expected->name,
             libraries[library].suffix);
    explained->forest = load(path);
}

static void close_case(struct explained *explained)
{
    spot_forest_free(explained->forest);
    free(explained->expected.table);
    free(explained->expected.rows);
    free(explained->expected.rows64);
}

/* Calls `check` for every case of both libraries that can be explained; returns how many. */
static int each_case(void (*check)(int library, struct explained *explained))
{
    int cases = 0;
    for (int library = 0; library < 2; library++) {
        char path[512];
        long length = 0;
        snprintf(path, sizeof path, "%scases.json", libraries[library].folder);
        char *text = read_file(path, &length);
        CU_ASSERT_PTR_NOT_NULL_FATAL(text);
        cJSON *list = cJSON_Parse(text);
        const cJSON *item;
        cJSON_ArrayForEach(item, list)
        {
            struct explained explained = {0};
            open_case(library, item, &explained);
            const struct forest *forest = &explained.forest->forest;
            if (forest->linear_constant == NULL && forest->cover[0] > 0.0) {
                explained.values =
                    score(NULL, explained.forest, &explained.expected, SPOT_FOREST_CONTRIBUTIONS);
                check(library, &explained);
                free(explained.values);
                cases++;
            }
            close_case(&explained);
        }
        cJSON_Delete(list);
        free(text);
    }
    return cases;
}

/* ---- The libraries' own --------------------------------------------------------------------- */

static int compared;

static void compare_with_library(int library, struct explained *explained)
{
    char path[512];
    struct npy_file *file;
    struct spot_error err;
    int64_t rows;
    int32_t width;
    snprintf(path, sizeof path, FOLDER "contributions/%s.npy", explained->expected.name);
    if (access(path, R_OK) != 0) return;
    CU_ASSERT_EQUAL_FATAL(npy_open(path, &file, &rows, &width, &err), 0);
    CU_ASSERT_EQUAL_FATAL(width, explained->expected.outputs * (COLUMNS + 1));
    double *wanted = calloc((size_t)(rows * width), sizeof *wanted), worst = 0, largest = 1;
    CU_ASSERT_PTR_NOT_NULL_FATAL(wanted);
    CU_ASSERT_EQUAL(npy_read_float64(file, 0, rows, wanted, &err), 0);
    for (int64_t i = 0; i < rows * width; i++) {
        worst = fmax(worst, fabs(wanted[i] - explained->values[i]));
        largest = fmax(largest, fabs(wanted[i]));
    }
    if (!(worst <= libraries[library].tolerance * largest))
        printf("\n%s: %g of %g\n", path, worst, largest);
    CU_ASSERT(worst <= libraries[library].tolerance * largest);
    npy_close(file);
    free(wanted);
    compared++;
}

static void equal_to_the_libraries(void)
{
    compared = 0;
    each_case(compare_with_library);
    CU_ASSERT(compared >= 40);
}

/* ---- Shapley's formula ---------------------------------------------------------------------- */

static double leaf_of(const struct forest *forest, int32_t tree, int64_t node, int32_t output)
{
    if (forest->tree_output[tree] < 0)
        return forest->leaf_vectors[forest->vector[node] * forest->outputs + output];
    if (forest->tree_weight == NULL) return forest->value[node];
    return (double)((float)forest->value[node] * forest->tree_weight[tree]);
}

/* What a tree says when only the features of `known` (bits) are known: others follow the covers. */
static double expected_leaf(const struct forest *forest, int32_t tree, int64_t node, int32_t output,
                            const double *row, unsigned known)
{
    const int64_t root = forest->first_node[tree];
    if (forest->left[node] < 0) return leaf_of(forest, tree, node, output);
    const int64_t left = root + forest->left[node], right = root + forest->right[node];
    const int32_t feature = forest->feature[node];
    if ((known >> feature & 1u) != 0)
        return expected_leaf(forest, tree, goes_left(forest, node, row[feature]) ? left : right,
                             output, row, known);
    return (forest->cover[left] * expected_leaf(forest, tree, left, output, row, known) +
            forest->cover[right] * expected_leaf(forest, tree, right, output, row, known)) /
           forest->cover[node];
}

/* phi (COLUMNS + 1) of one row and output. */
static void by_definition(const struct forest *forest, int32_t trees, int32_t output,
                          const double *row, double *phi)
{
    enum { SUBSETS = 1 << COLUMNS };
    static const double weight[COLUMNS] = {1.0 / 6,  1.0 / 30, 1.0 / 60,
                                           1.0 / 60, 1.0 / 30, 1.0 / 6}; /* s! (5 - s)! / 6! */
    double game[SUBSETS] = {0};
    for (int32_t t = 0; t < trees; t++)
        for (unsigned known = 0; known < SUBSETS; known++)
            if (forest->tree_output[t] < 0 || forest->tree_output[t] == output)
                game[known] += expected_leaf(forest, t, forest->first_node[t], output, row, known);
    phi[COLUMNS] += game[0];
    for (unsigned feature = 0; feature < COLUMNS; feature++)
        for (unsigned known = 0; known < SUBSETS; known++)
            if ((known >> feature & 1u) == 0)
                phi[feature] +=
                    weight[__builtin_popcount(known)] * (game[known | 1u << feature] - game[known]);
}

static void compare_with_definition(int library, struct explained *explained)
{
    const spot_forest *model = explained->forest;
    const struct forest *forest = &model->forest;
    const int32_t outputs = forest->outputs;
    const int32_t iterations =
        model->best_iteration > 0 ? model->best_iteration : forest->iterations;
    double worst = 0, largest = 1;
    (void)library;
    for (int64_t i = 0; i < 6; i++)
        for (int32_t o = 0; o < outputs; o++) {
            const double *got = explained->values + (i * outputs + o) * (COLUMNS + 1);
            double phi[COLUMNS + 1] = {[COLUMNS] = model->base_margin[o]};
            by_definition(forest, forest->iteration_trees[iterations], o,
                          explained->expected.table + i * explained->expected.width, phi);
            for (int j = 0; j <= COLUMNS; j++) {
                worst = fmax(worst, fabs(phi[j] - got[j]));
                largest = fmax(largest, fabs(phi[j]));
            }
        }
    if (!(worst <= 1e-13 * largest))
        printf("\n%s: %g of %g\n", explained->expected.name, worst, largest);
    CU_ASSERT(worst <= 1e-13 * largest);
}

static void equal_to_the_definition(void)
{
    CU_ASSERT(each_case(compare_with_definition) >= 70);
}

/* ---- Sums ----------------------------------------------------------------------------------- */

/* Every row's values and bias add up to the base margin and its leaves, in float64. */
static void compare_sums(int library, struct explained *explained)
{
    const spot_forest *model = explained->forest;
    const struct forest *forest = &model->forest;
    const struct expected *expected = &explained->expected;
    const struct spot_forest_rows rows = {.values =
                                              expected->rows64 == NULL ? expected->rows : NULL,
                                          .values64 = expected->rows64,
                                          .rows = expected->count,
                                          .columns = COLUMNS};
    const int32_t iterations =
        model->best_iteration > 0 ? model->best_iteration : forest->iterations;
    (void)library;
    for (int64_t i = 0; i < expected->count; i++)
        for (int32_t o = 0; o < forest->outputs; o++) {
            double sum = model->base_margin[o], total = 0, values = 0;
            for (int32_t t = 0; t < forest->iteration_trees[iterations]; t++) {
                if (forest->tree_output[t] >= 0 && forest->tree_output[t] != o) continue;
                const double leaf = leaf_of(forest, t, forest_leaf(forest, t, &rows, i), o);
                sum += leaf;
                total += fabs(leaf);
            }
            for (int j = 0; j <= COLUMNS; j++)
                values += explained->values[(i * forest->outputs + o) * (COLUMNS + 1) + j];
            CU_ASSERT(fabs(values - sum) <= 1e-13 * (total + fabs(model->base_margin[o])));
        }
}

static void sum_to_the_margin(void)
{
    each_case(compare_sums);
}

/* ---- A deep tree ---------------------------------------------------------------------------- */

enum { DEEP = 40 };

/* A chain of 40 splits on 40 features, each tested twice: products far beyond any table of subsets,
 * covers down to one row. */
static spot_forest *make_chain(void)
{
    const int32_t splits = 2 * DEEP;
    spot_forest *model = forest_new(FOREST_LIGHTGBM, DEEP, 1, 1, 1);
    CU_ASSERT_PTR_NOT_NULL_FATAL(model);
    struct forest *forest = &model->forest;
    CU_ASSERT_EQUAL_FATAL(forest_arrays(forest, 2 * splits + 1), 0);
    forest->cover = calloc((size_t)forest->nodes, sizeof(double));
    model->objective = calloc(1, 1);
    CU_ASSERT_FATAL(forest->cover != NULL && model->objective != NULL);
    forest->first_node[1] = forest->nodes;
    forest->iteration_trees[1] = 1;
    for (int32_t i = 0; i <= splits; i++) {
        const int32_t leaf = splits + i;
        forest->left[leaf] = forest->right[leaf] = -1;
        forest->value[leaf] = (i * 37 % 11) - 5.0;
        forest->cover[leaf] = 1.0 + i % 3;
    }
    for (int32_t i = splits - 1; i >= 0; i--) {
        forest->left[i] = i + 1;
        forest->right[i] = i + 1 < splits ? splits + i + 1 : splits;
        if (i + 1 == splits) forest->left[i] = 2 * splits;
        forest->feature[i] = i % DEEP;
        forest->threshold[i] = i < DEEP ? 0.8 : 0.5;
        forest->cover[i] = forest->cover[forest->left[i]] + forest->cover[forest->right[i]];
    }
    struct spot_error err = {0};
    CU_ASSERT_EQUAL_FATAL(forest_ready(model, "chain", &err), 0);
    return model;
}

static void deep_and_again_on_the_path(void)
{
    spot_forest *model = make_chain();
    double row[DEEP], out[DEEP + 1], sum = 0, total = 0;
    struct spot_error err = {0};
    const struct spot_forest_rows rows = {.values64 = row, .rows = 1, .columns = DEEP};
    struct spot_forest_options options = {.output = SPOT_FOREST_CONTRIBUTIONS};
    for (int shift = 0; shift < 8; shift++) {
        double margin;
        for (int j = 0; j < DEEP; j++)
            row[j] = j == 5 * shift ? 0.9 : (j * 7 + shift) % 40 / 60.0;
        options.output = SPOT_FOREST_MARGIN;
        CU_ASSERT_EQUAL(spot_forest_score(NULL, model, &rows, &options, &margin, &err), 0);
        options.output = SPOT_FOREST_CONTRIBUTIONS;
        CU_ASSERT_EQUAL(spot_forest_score(NULL, model, &rows, &options, out, &err), 0);
        sum = total = 0;
        for (int j = 0; j <= DEEP; j++) {
            sum += out[j];
            total += fabs(out[j]);
        }
        CU_ASSERT(fabs(sum - margin) <= 1e-12 * total);
    }
    spot_forest_free(model);
}

/* ---- Ways to compute it --------------------------------------------------------------------- */

/* A row alone, all rows, threads and instruction sets: the same bits. */
static void same_bits_every_way(void)
{
    static const char *const sets[] = {"ref", "avx2", "avx512"};
    struct spot_error err = {0};
    struct explained explained = {0};
    cJSON *item = cJSON_Parse("{\"name\": \"3.2.0_softprob\", \"outputs\": 3, \"trees\": 12}");
    open_case(0, item, &explained);
    const struct spot_forest_options options = {.output = SPOT_FOREST_CONTRIBUTIONS};
    const int64_t width = spot_forest_width(explained.forest, &options);
    CU_ASSERT_EQUAL(width, 3 * (COLUMNS + 1));
    const size_t bytes = (size_t)(explained.expected.count * width) * sizeof(double);
    double *values = score(NULL, explained.forest, &explained.expected, options.output);
    for (int s = 0; s < 3; s++) {
        spot_engine *engine;
        const struct spot_engine_options threads = {.threads = 1 + s};
        setenv("BLACKSPOT_CPU", sets[s], 1);
        if (spot_engine_open(&threads, &engine, &err) == SPOT_OK) {
            double *again = score(engine, explained.forest, &explained.expected, options.output);
            CU_ASSERT(memcmp(values, again, bytes) == 0);
            free(again);
            spot_engine_close(engine);
        }
        unsetenv("BLACKSPOT_CPU");
    }
    for (int64_t i = 0; i < explained.expected.count; i += 37) {
        const struct spot_forest_rows one = {
            .values = explained.expected.rows + i * COLUMNS, .rows = 1, .columns = COLUMNS};
        double alone[3 * (COLUMNS + 1)];
        CU_ASSERT_EQUAL(spot_forest_score(NULL, explained.forest, &one, &options, alone, &err), 0);
        for (int64_t j = 0; j < width; j++)
            CU_ASSERT(values[i * width + j] == alone[j]);
    }
    free(values);
    close_case(&explained);
    cJSON_Delete(item);
}

static void iterations_and_base_margins(void)
{
    spot_forest *forest = load(FOLDER "xgboost/3.2.0_squared.json");
    const float row[COLUMNS] = {0.5f, -1.0f, 2.0f, NAN, 0.0f, 1.0f};
    const struct spot_forest_rows rows = {.values = row, .rows = 1, .columns = COLUMNS};
    struct spot_forest_options options = {.output = SPOT_FOREST_CONTRIBUTIONS, .iterations = 2};
    struct spot_error err;
    double all[COLUMNS + 1], part[COLUMNS + 1], rest[COLUMNS + 1], none = 0;
    CU_ASSERT_EQUAL(spot_forest_score(NULL, forest, &rows, &options, part, &err), 0);
    options = (struct spot_forest_options){
        .output = SPOT_FOREST_CONTRIBUTIONS, .first_iteration = 2, .base_margin = &none};
    CU_ASSERT_EQUAL(spot_forest_score(NULL, forest, &rows, &options, rest, &err), 0);
    options = (struct spot_forest_options){.output = SPOT_FOREST_CONTRIBUTIONS};
    CU_ASSERT_EQUAL(spot_forest_score(NULL, forest, &rows, &options, all, &err), 0);
    for (int j = 0; j <= COLUMNS; j++)
        CU_ASSERT(fabs(all[j] - part[j] - rest[j]) < 1e-14);
    spot_forest_free(forest);
}

/* ---- Refusals ------------------------------------------------------------------------------- */

static void refused_with_the_reason(void)
{
    struct spot_error err = {0};
    const float row[COLUMNS] = {0};
    double out[3 * (COLUMNS + 1)];
    const struct spot_forest_rows rows = {.values = row, .rows = 1, .columns = COLUMNS};
    const struct spot_forest_options options = {.output = SPOT_FOREST_CONTRIBUTIONS};
    spot_forest *forest = load(FOLDER "lightgbm/4.7.0_linear.txt");
    CU_ASSERT_EQUAL(spot_forest_score(NULL, forest, &rows, &options, out, &err), SPOT_EUSAGE);
    CU_ASSERT_PTR_NOT_NULL(strstr(err.message, "linear trees"));
    spot_forest_free(forest);
    forest = load(FOLDER "xgboost/3.2.0_squared.json");
    forest->forest.cover[0] = 0.0;
    CU_ASSERT_EQUAL(spot_forest_score(NULL, forest, &rows, &options, out, &err), SPOT_EUSAGE);
    CU_ASSERT_PTR_NOT_NULL(strstr(err.message, "sum_hessian"));
    forest->forest.cover[0] = NAN;
    CU_ASSERT_EQUAL(spot_forest_score(NULL, forest, &rows, &options, out, &err), SPOT_EUSAGE);
    free(forest->forest.cover);
    forest->forest.cover = NULL;
    CU_ASSERT_EQUAL(spot_forest_score(NULL, forest, &rows, &options, out, &err), SPOT_EUSAGE);
    CU_ASSERT_PTR_NOT_NULL(strstr(err.message, "tree 0, node 0 has none"));
    spot_forest_free(forest);
}

int main(void)
{
    static const struct suite_test tests[] = {
        {"equal to the libraries", equal_to_the_libraries},
        {"equal to the definition", equal_to_the_definition},
        {"sum to the margin", sum_to_the_margin},
        {"deep, and again on the path", deep_and_again_on_the_path},
        {"the same bits every way", same_bits_every_way},
        {"iterations and base margins", iterations_and_base_margins},
        {"refused with the reason", refused_with_the_reason},
        {NULL, NULL},
    };
    return run_suite("contributions", tests);
}
