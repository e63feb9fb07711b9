/* Models of XGBoost against what XGBoost predicts (tests/reference/trees/make_xgboost.py): every
 * margin and leaf bit for bit, values to the rounding of expf; and documents that are damaged. */
#define _GNU_SOURCE /* memmem */
#include "forest_cases.h"
#include "models/forest.h"

#define FOLDER SOURCE_DIR "/tests/reference/trees/xgboost/"

static void compare(spot_engine *engine, const struct expected *expected, const char *suffix)
{
    char path[512];
    snprintf(path, sizeof path, FOLDER "%s.%s", expected->name, suffix);
    spot_forest *forest = load(path);
    const int32_t outputs = spot_forest_info(forest)->outputs;
    CU_ASSERT_EQUAL_FATAL(outputs, expected->outputs);
    double *margins = score(engine, forest, expected, SPOT_FOREST_MARGIN);
    double *values = score(engine, forest, expected, SPOT_FOREST_VALUE);
    double *leaves = score(engine, forest, expected, SPOT_FOREST_LEAF);
    const double worst[] = {difference(expected, margins, COLUMNS, outputs),
                            difference(expected, values, COLUMNS + outputs, outputs),
                            difference(expected, leaves, COLUMNS + 2 * outputs, expected->trees)};
    if (worst[0] != 0 || worst[1] > 3e-7 || worst[2] != 0)
        printf("\n%s: margins %g, values %g, leaves %g\n", path, worst[0], worst[1], worst[2]);
    CU_ASSERT(worst[0] == 0 && worst[1] <= 3e-7 && worst[2] == 0);
    free(margins);
    free(values);
    free(leaves);
    spot_forest_free(forest);
}

static void equals_xgboost(void)
{
    long length = 0;
    spot_engine *engine;
    struct spot_error err;
    char *text = read_file(FOLDER "cases.json", &length);
    CU_ASSERT_PTR_NOT_NULL_FATAL(text);
    CU_ASSERT_EQUAL_FATAL(spot_engine_open(NULL, &engine, &err), 0);
    cJSON *cases = cJSON_Parse(text);
    CU_ASSERT_FATAL(cJSON_GetArraySize(cases) > 50);
    const cJSON *item;
    cJSON_ArrayForEach(item, cases)
    {
        struct expected expected = load_expected(FOLDER, item);
        compare(NULL, &expected, "json");
        compare(engine, &expected, "json");
        if (cJSON_IsTrue(cJSON_GetObjectItem(item, "binary"))) compare(NULL, &expected, "ubj");
        free(expected.table);
        free(expected.rows);
    }
    cJSON_Delete(cases);
    spot_engine_close(engine);
    free(text);
}

static void info_tells_what_it_is(void)
{
    spot_forest *forest = load(FOLDER "3.2.0_names.json");
    const struct spot_forest_info *info = spot_forest_info(forest);
    CU_ASSERT_STRING_EQUAL(info->library, "xgboost");
    CU_ASSERT_STRING_EQUAL(info->objective, "reg:squarederror");
    CU_ASSERT_EQUAL(info->features, COLUMNS);
    CU_ASSERT_EQUAL(info->classes, 0);
    CU_ASSERT_EQUAL(info->trees, 2);
    CU_ASSERT(info->depth > 0 && info->depth <= 3);
    CU_ASSERT_EQUAL(info->nodes, 2 * info->leaves - info->trees);
    CU_ASSERT_STRING_EQUAL(info->feature_names[1], "Länge \"x\"");
    CU_ASSERT_STRING_EQUAL(info->feature_names[2], "a\\b");
    CU_ASSERT_STRING_EQUAL(info->feature_names[4], "\xf0\x9f\x9a\x97");
    spot_forest_free(forest);
    forest = load(FOLDER "3.2.0_early_stop.ubj");
    info = spot_forest_info(forest);
    CU_ASSERT(info->best_iteration > 0 && info->best_iteration < info->iterations);
    const float row[COLUMNS] = {0};
    const struct spot_forest_rows rows = {.values = row, .rows = 1, .columns = COLUMNS};
    const struct spot_forest_options beyond = {.first_iteration = info->best_iteration};
    struct spot_error err;
    double value;
    CU_ASSERT_EQUAL(spot_forest_score(NULL, forest, &rows, &beyond, &value, &err), SPOT_EUSAGE);
    CU_ASSERT_STRING_EQUAL(err.message,
                           "iterations from 1 on: the model uses 1 of its 3 iterations");
    spot_forest_free(forest);
}

/* ---- Iterations, labels, base margins ------------------------------------------------------- */

static void iterations_add_up(void)
{
    spot_forest *forest = load(FOLDER "3.2.0_softprob.json");
    const float row[COLUMNS] = {0.5f, -1.0f, 2.0f, NAN, 0.0f, 1.0f};
    const struct spot_forest_rows rows = {.values = row, .rows = 1, .columns = COLUMNS};
    struct spot_forest_options options = {.output = SPOT_FOREST_MARGIN};
    struct spot_error err;
    double all[3], part[3], rest[3], label;
    CU_ASSERT_EQUAL(spot_forest_score(NULL, forest, &rows, &options, all, &err), 0);
    options.iterations = 2;
    CU_ASSERT_EQUAL(spot_forest_score(NULL, forest, &rows, &options, part, &err), 0);
    options.first_iteration = 2;
    options.base_margin = part;
    CU_ASSERT_EQUAL(spot_forest_score(NULL, forest, &rows, &options, rest, &err), 0);
    CU_ASSERT(memcmp(all, rest, sizeof all) == 0);

    options = (struct spot_forest_options){.output = SPOT_FOREST_LABEL};
    CU_ASSERT_EQUAL(spot_forest_width(forest, &options), 1);
    CU_ASSERT_EQUAL(spot_forest_score(NULL, forest, &rows, &options, &label, &err), 0);
    for (int c = 0; c < 3; c++)
        CU_ASSERT(all[c] <= all[(int)label]);

    options.first_iteration = 5;
    CU_ASSERT_EQUAL(spot_forest_score(NULL, forest, &rows, &options, all, &err), SPOT_EUSAGE);
    CU_ASSERT_PTR_NOT_NULL(strstr(err.message, "iterations"));
    spot_forest_free(forest);
}

static void bad_requests(void)
{
    spot_forest *forest = load(FOLDER "3.2.0_squared.json");
    const float row[COLUMNS] = {0};
    struct spot_forest_rows rows = {.values = row, .rows = 1, .columns = 5};
    struct spot_forest_options options = {.output = SPOT_FOREST_VALUE};
    struct spot_error err;
    double out[COLUMNS];
    CU_ASSERT_EQUAL(spot_forest_score(NULL, forest, &rows, &options, out, &err), SPOT_EDATA);
    CU_ASSERT_PTR_NOT_NULL(strstr(err.message, "5 columns where the model has 6 features"));
    rows.columns = COLUMNS;
    options.output = SPOT_FOREST_LABEL;
    CU_ASSERT_EQUAL(spot_forest_score(NULL, forest, &rows, &options, out, &err), SPOT_EUSAGE);
    CU_ASSERT_PTR_NOT_NULL(strstr(err.message, "regressor"));
    rows.rows = 0;
    options.output = SPOT_FOREST_VALUE;
    CU_ASSERT_EQUAL(spot_forest_score(NULL, forest, &rows, &options, out, &err), 0);
    spot_forest_free(forest);
}

/* ---- Damaged documents ---------------------------------------------------------------------- */

static void refused_with_place_and_reason(void)
{
    static const struct {
        const char *from, *to, *message;
    } cases[] = {
        {"\"left_children\":[1,", "\"left_children\":[0,", "tree 0, node 0: a child"},
        {"\"left_children\":[1,", "\"left_children\":[99,", "a child that is not in the tree"},
        {"\"left_children\":[1,", "\"left_children\":[2,", "a child"},
        {"\"left_children\":[1,", "\"left_children\":[1.5,", "left_children is 1.5"},
        {"\"left_children\":[1,", "\"left_children\":[-2,", "left_children is -2"},
        {"\"right_children\":[", "\"right_children\":[1,", "not as many values"},
        {"\"left_children\":[1,", "\"left_children\":[\"1\",", "a list of numbers holds a text"},
        {"\"left_children\":[", "\"left_children\":[[", "a list of numbers holds an array"},
        {"\"left_children\":[", "\"right_children\":[", "right_children twice"},
        {"\"split_indices\":[", "\"split_indices\":[77", "split of a feature"},
        {"\"split_conditions\":[", "\"split_conditions\":[NaN,", "split_conditions"},
        {"\"default_left\":[", "\"default_left\":[2", "default_left"},
        {"\"tree_info\":[0,", "\"tree_info\":[7,", "output 7 of 1"},
        {"\"tree_info\":[0,", "\"tree_info\":[", "tree_info has 5"},
        {"\"iteration_indptr\":[0,1,", "\"iteration_indptr\":[0,9,", "iteration"},
        {"\"name\":\"gbtree\"", "\"name\":\"gblinear\"", "linear model (gblinear)"},
        {"\"num_class\":\"0\",\"num_feature\":\"6\"", "\"num_class\":\"0\",\"num_feature\":\"six\"",
         "num_feature is 'six'"},
        {"\"num_class\":\"0\",\"num_feature\":\"6\"", "\"num_class\":\"0\",\"num_feature\":\"1\"",
         "feature that is not there"},
        {"\"base_score\":\"[", "\"base_score\":\"[x", "base_score is '[x"},
        {"\"name\":\"gbtree\"", "\"name\":\"gbtree\",\"name\":\"gbtree\"", "name is there twice"},
        {"\"num_class\":", "\"num_class\":\"0\",\"num_class\":", "num_class is there twice"},
        {"\"num_class\":\"0\"", "\"num_class\":\"2147483647\"", "more than any model's"},
        {"\"num_trees\":\"", "\"num_trees\":\"1", "num_trees announces 16 trees"},
        {"\"num_nodes\":\"", "\"num_nodes\":\"2147483648", "tree 0 announces 2147483648"},
        {"\"left_children\":[1,", "\"left_children\":[2147483648,", "left_children is 2.14748e+09"},
        {"\"default_left\":[", "\"default_left\":[null,", "a list of numbers holds null"},
        {"\"trees\":[", "\"trees\":{\"a\":[", "trees is an object where an array is due"},
        {"\"learner\":", "\"leaner\":", "no model of XGBoost"},
        {"\"learner\":", "\"learner\" ", "':' is due after a key"},
        {"{\"learner\":", "[\"learner\":", "where an object is due"},
        {"\"size_leaf_vector\":\"1\"", "\"size_leaf_vector\":\"3\"", "leaf"},
    };
    long length = 0;
    struct spot_error err;
    char *model = read_file(FOLDER "3.2.0_logistic.json", &length);
    CU_ASSERT_PTR_NOT_NULL_FATAL(model);
    for (size_t c = 0; c < sizeof cases / sizeof *cases; c++) {
        int status = load_changed(model, cases[c].from, cases[c].to, &err);
        if (status != SPOT_EFORMAT || strstr(err.message, cases[c].message) == NULL)
            printf("\n%s: %d %s\n", cases[c].to, status, err.message);
        CU_ASSERT_EQUAL(status, SPOT_EFORMAT);
        CU_ASSERT_PTR_NOT_NULL(strstr(err.message, cases[c].message));
        CU_ASSERT_PTR_NOT_NULL(strstr(err.message, scratch));
    }
    free(model);
}

/* The model with the first bytes of `from` replaced; lengths in front of keys stay right. */
static int load_patched(const char *from, size_t length, size_t offset, const char *to,
                        size_t count, struct spot_error *err)
{
    long size = 0;
    char *model = read_file(FOLDER "3.2.0_logistic.ubj", &size);
    CU_ASSERT_PTR_NOT_NULL_FATAL(model);
    char *at = memmem(model, (size_t)size, from, length);
    CU_ASSERT_PTR_NOT_NULL_FATAL(at);
    memcpy(at + offset, to, count);
    int status = load_text(model, (size_t)size, err);
    free(model);
    return status;
}

static void binary_refused_with_place_and_reason(void)
{
    static const struct {
        const char *key;
        size_t offset; /* behind the key: "[$l#L", eight bytes of length, values */
        const char *to;
        size_t count;
        const char *message;
    } cases[] = {
        {"left_children", 5, "\0\0\0\0\x80\0\0\0", 8, "the document is cut short"},
        {"left_children", 5, "\x80\0\0\0\0\0\0\0", 8, "is no length"},
        {"left_children", 4, "d", 1, "a length is a fraction"},
        {"left_children", 2, "S", 1, "byte 0x00 is no type of number"},
        {"left_children", 2, "{", 1, "a list of numbers holds an object"},
        {"left_children", 2, "?", 1, "'?' is no type of number"},
        {"left_children", 3, "!", 1, "a type without a count"},
        {"left_children", 13, "\0\0\0\0", 4, "tree 0, node 0: a child"},
        {"left_children", 13, "\0\0\0\x63", 4, "a child that is not in the tree"},
        {"left_children", 13, "\0\0\0\2", 4, "tree 0, node 0: a child"},
        {"left_children", 13, "\x80\0\0\0", 4, "left_children is -2.14748e+09"},
        {"split_conditions", 13, "\x7f\xc0\0\0", 4, "its threshold is not a number"},
        {"split_indices", 13, "\x7f\xff\xff\xff", 4, "a split of a feature that is not there"},
        {"default_left", 13, "\7", 1, "default_left is 7"},
        {"num_nodesSL", 8, "9", 1, "nodes, but has"},
    };
    struct spot_error err;
    for (size_t c = 0; c < sizeof cases / sizeof *cases; c++) {
        const size_t length = strlen(cases[c].key);
        const char *key = cases[c].key;
        int status =
            load_patched(key, length, length + cases[c].offset, cases[c].to, cases[c].count, &err);
        if (status != SPOT_EFORMAT || strstr(err.message, cases[c].message) == NULL)
            printf("\n%s, case %d: %d %s\n", key, (int)c, status, err.message);
        CU_ASSERT_EQUAL(status, SPOT_EFORMAT);
        CU_ASSERT_PTR_NOT_NULL(strstr(err.message, cases[c].message));
    }
    CU_ASSERT_EQUAL(load_patched("split_indices", 13, 0, "left_children", 13, &err), SPOT_EFORMAT);
    CU_ASSERT_PTR_NOT_NULL(strstr(err.message, "left_children twice"));
    CU_ASSERT_PTR_NOT_NULL(strstr(err.message, ": byte "));
    char deep[200] = "{L\0\0\0\0\0\0\0\1a";
    memset(deep + 11, '[', sizeof deep - 11);
    CU_ASSERT_EQUAL(load_text(deep, sizeof deep, &err), SPOT_EFORMAT);
    CU_ASSERT_PTR_NOT_NULL(strstr(err.message, "nested"));
}

/* XGBoost's own format of before 1.0, with its two beginnings, and bytes that are nothing. */
static void old_format_refused_by_name(void)
{
    static const char *const heads[] = {"binf\0\0\0\x3f\6", "bs64\tAAAA", "\0\0\0\x3f\6\0\0\0",
                                        "\x80\2\x95\x12\0\0\0\0"};
    struct spot_error err;
    for (size_t h = 0; h < sizeof heads / sizeof *heads; h++) {
        CU_ASSERT_EQUAL(load_text(heads[h], 8, &err), SPOT_EFORMAT);
        CU_ASSERT_PTR_NOT_NULL(strstr(err.message, "save_model('model.json')"));
    }
}

static void categories_keep_their_names(void)
{
    spot_forest *forest = load(FOLDER "3.2.0_cats.json");
    CU_ASSERT_PTR_NOT_NULL_FATAL(forest->categories);
    CU_ASSERT_PTR_NOT_NULL(strstr(forest->categories, "\"feature_segments\":[0,45,50,"));
    spot_forest *binary = load(FOLDER "3.2.0_cats.ubj");
    CU_ASSERT_STRING_EQUAL(forest->categories, binary->categories);
    spot_forest_free(binary);
    spot_forest_free(forest);
    forest = load(FOLDER "3.2.0_categories.json");
    CU_ASSERT_PTR_NULL(forest->categories);
    spot_forest_free(forest);
}

static void cut_short_everywhere(void)
{
    cut_short(FOLDER "3.2.0_logistic.json");
    cut_short(FOLDER "3.2.0_logistic.ubj");
    cut_short(FOLDER "3.2.0_vector_leaves.ubj");
}

/* One byte changed: any outcome but a crash, and what loads can be scored. */
static void changed_bytes(void)
{
    static const char *const paths[] = {FOLDER "3.2.0_categories.ubj",
                                        FOLDER "3.2.0_categories.json"};
    struct spot_error err;
    uint64_t state = 1;
    for (int p = 0; p < 2; p++) {
        long length = 0;
        char *model = read_file(paths[p], &length);
        CU_ASSERT_PTR_NOT_NULL_FATAL(model);
        for (int trial = 0; trial < 300; trial++) {
            state = state * UINT64_C(6364136223846793005) + 1;
            const size_t at = (size_t)((state >> 33) % (uint64_t)length);
            const char kept = model[at];
            model[at] = (char)(state >> 20);
            int status = load_text(model, (size_t)length, &err);
            CU_ASSERT(status == 0 || status == SPOT_EFORMAT || status == SPOT_EDATA);
            model[at] = kept;
        }
        free(model);
    }
}

static void odd_documents(void)
{
    static const char *const texts[] = {"",
                                        " ",
                                        "{",
                                        "}",
                                        "[]",
                                        "{}",
                                        "{}{}",
                                        "null",
                                        "{\"a\"}",
                                        "{\"a\":}",
                                        "{1:2}",
                                        "{\"a\":1,}",
                                        "[1,]",
                                        "[,1]",
                                        "\"\\u12\"",
                                        "\"\\q\"",
                                        "{\"a\":01}",
                                        "{\"a\":1.}",
                                        "{\"a\":+1}",
                                        "{\"a\":1e}",
                                        "{\"a\":1e999}",
                                        "{\"a\":nan}",
                                        "{\"a\":\"\n\"}",
                                        "{\"learner\":1}",
                                        "\x7b\x4c",
                                        "{$i#",
                                        "{#L",
                                        "binf",
                                        "tree\n"};
    struct spot_error err;
    for (size_t t = 0; t < sizeof texts / sizeof *texts; t++)
        CU_ASSERT_EQUAL(load_text(texts[t], strlen(texts[t]), &err), SPOT_EFORMAT);
    char deep[4000];
    memset(deep, '[', sizeof deep);
    memcpy(deep, "{\"a\":", 5);
    CU_ASSERT_EQUAL(load_text(deep, sizeof deep, &err), SPOT_EFORMAT);
    CU_ASSERT_PTR_NOT_NULL(strstr(err.message, "nested"));
    spot_forest *forest;
    CU_ASSERT_EQUAL(spot_forest_load("/nowhere/model.json", &forest, &err), SPOT_EIO);
    CU_ASSERT_PTR_NULL(forest);
    CU_ASSERT_EQUAL(spot_forest_load("/tmp", &forest, &err), SPOT_EIO);
}

int main(void)
{
    const struct suite_test tests[] = {
        {"equals XGBoost", equals_xgboost},
        {"info tells what it is", info_tells_what_it_is},
        {"iterations add up", iterations_add_up},
        {"bad requests", bad_requests},
        {"refused with place and reason", refused_with_place_and_reason},
        {"binary refused with place and reason", binary_refused_with_place_and_reason},
        {"old format refused by name", old_format_refused_by_name},
        {"categories keep their names", categories_keep_their_names},
        {"cut short everywhere", cut_short_everywhere},
        {"changed bytes", changed_bytes},
        {"odd documents", odd_documents},
        {NULL, NULL},
    };
    if (mkdtemp(scratch) == NULL) return 1;
    int failed = run_suite("xgboost", tests);
    rmdir(scratch);
    return failed;
}
