/* Models of XGBoost against what XGBoost predicts (tests/reference/trees/make_xgboost.py): every
 * margin and leaf bit for bit, values to the rounding of expf; and documents that are damaged. */
#define _POSIX_C_SOURCE 200809L
#include "forest_cases.h"

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
        {"\"left_children\":[1,", "\"left_children\":[1,1,", "not as many values"},
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
