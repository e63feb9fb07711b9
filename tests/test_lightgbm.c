/* Models of LightGBM against what LightGBM predicts (tests/reference/trees/make_lightgbm.py): every
 * margin, value and leaf of float64 rows; and files that are damaged. */
#define _POSIX_C_SOURCE 200809L
#include "forest_cases.h"

#define FOLDER SOURCE_DIR "/tests/reference/trees/lightgbm/"

static void compare(spot_engine *engine, const struct expected *expected)
{
    char path[512];
    snprintf(path, sizeof path, FOLDER "%s.txt", expected->name);
    spot_forest *forest = load(path);
    const int32_t outputs = spot_forest_info(forest)->outputs;
    CU_ASSERT_EQUAL_FATAL(outputs, expected->outputs);
    double *margins = score(engine, forest, expected, SPOT_FOREST_MARGIN);
    double *values = score(engine, forest, expected, SPOT_FOREST_VALUE);
    double *leaves = score(engine, forest, expected, SPOT_FOREST_LEAF);
    const double worst[] = {difference(expected, margins, COLUMNS, outputs),
                            difference(expected, values, COLUMNS + outputs, outputs),
                            difference(expected, leaves, COLUMNS + 2 * outputs, expected->trees)};
    if (worst[0] != 0 || worst[1] > 1e-15 || worst[2] != 0)
        printf("\n%s: margins %g, values %g, leaves %g\n", path, worst[0], worst[1], worst[2]);
    CU_ASSERT(worst[0] == 0 && worst[1] <= 1e-15 && worst[2] == 0);
    free(margins);
    free(values);
    free(leaves);
    spot_forest_free(forest);
}

static void equals_lightgbm(void)
{
    long length = 0;
    spot_engine *engine;
    struct spot_error err;
    char *text = read_file(FOLDER "cases.json", &length);
    CU_ASSERT_PTR_NOT_NULL_FATAL(text);
    CU_ASSERT_EQUAL_FATAL(spot_engine_open(NULL, &engine, &err), 0);
    cJSON *cases = cJSON_Parse(text);
    CU_ASSERT_FATAL(cJSON_GetArraySize(cases) > 20);
    const cJSON *item;
    cJSON_ArrayForEach(item, cases)
    {
        struct expected expected = load_expected(FOLDER, item);
        expected.rows64 = malloc((size_t)expected.count * COLUMNS * sizeof(double));
        CU_ASSERT_PTR_NOT_NULL_FATAL(expected.rows64);
        for (int64_t i = 0; i < expected.count; i++)
            memcpy(expected.rows64 + i * COLUMNS, expected.table + i * expected.width,
                   COLUMNS * sizeof(double));
        compare(NULL, &expected);
        compare(engine, &expected);
        free(expected.table);
        free(expected.rows);
        free(expected.rows64);
    }
    cJSON_Delete(cases);
    spot_engine_close(engine);
    free(text);
}

static void info_tells_what_it_is(void)
{
    spot_forest *forest = load(FOLDER "4.7.0_multiclass.txt");
    const struct spot_forest_info *info = spot_forest_info(forest);
    CU_ASSERT_STRING_EQUAL(info->library, "lightgbm");
    CU_ASSERT_STRING_EQUAL(info->objective, "multiclass num_class:3");
    CU_ASSERT_EQUAL(info->classes, 3);
    CU_ASSERT_EQUAL(info->outputs, 3);
    CU_ASSERT_EQUAL(info->iterations, 3);
    CU_ASSERT_EQUAL(info->trees, 9);
    CU_ASSERT_STRING_EQUAL(info->feature_names[5], "Column_5");
    spot_forest_free(forest);
}

static void refused_with_place_and_reason(void)
{
    static const struct {
        const char *from, *to, *message;
    } cases[] = {
        {"version=v4", "version=v2", "v3 and v4"},
        {"num_tree_per_iteration=1", "num_tree_per_iteration=0", "num_tree_per_iteration"},
        {"num_tree_per_iteration=1", "num_tree_per_iteration=4", "the last iteration"},
        {"max_feature_idx=5", "max_feature_idx=x", "'x' is no count"},
        {"max_feature_idx=5", "max_feature_idx=7", "feature_names"},
        {"max_feature_idx=5", "max_feature_idx=0", "split_feature"},
        {"num_leaves=12", "num_leaves=11", "leaf_value"},
        {"num_leaves=12", "num_leaves=2000000000", "is no count"},
        {"num_leaves=12", "number=12", "without num_leaves"},
        {"left_child=", "left_child=99 ", "values of left_child"},
        {"left_child=2", "left_child=77", "left_child is out of range"},
        {"left_child=2", "left_child=1", "another parent"},
        {"threshold=", "threshold=x ", "'x' is no number"},
        {"threshold=", "thresholds=", "0 values of threshold"},
        {"threshold=", "threshold=1\nthreshold=", "threshold is there twice"},
        {"num_leaves=12", "num_leaves=12\nnum_leaves=12", "num_leaves is there twice"},
        {"objective=", "objective=binary\nobjective=", "objective is there twice"},
        {"num_tree_per_iteration=1", "num_tree_per_iteration=2147483647", "is no count"},
        {"version=v4", "version=v2", "reads versions v3 and v4"},
        {"left_child=2", "left_child=0", "another parent"},
        {"left_child=2", "left_child=2147483648", "left_child is out of range"},
        {"decision_type=", "decision_type=1 ", "decision_type"},
        {"end of trees", "the end", "cut short"},
    };
    long length = 0;
    struct spot_error err;
    char *model = read_file(FOLDER "4.7.0_regression.txt", &length);
    CU_ASSERT_PTR_NOT_NULL_FATAL(model);
    for (size_t c = 0; c < sizeof cases / sizeof *cases; c++) {
        int status = load_changed(model, cases[c].from, cases[c].to, &err);
        if (status != SPOT_EFORMAT || strstr(err.message, cases[c].message) == NULL)
            printf("\n%s: %d %s\n", cases[c].to, status, err.message);
        CU_ASSERT_EQUAL(status, SPOT_EFORMAT);
        CU_ASSERT_PTR_NOT_NULL(strstr(err.message, cases[c].message));
    }
    CU_ASSERT_EQUAL(load_changed(model, "split_gain=", "split_gain=inf ", &err), SPOT_OK);
    CU_ASSERT_EQUAL(load_changed(model, "threshold=-", "threshold=nan -", &err), SPOT_EFORMAT);
    free(model);
}

/* Up to the line that ends the trees, every beginning is refused. */
static void cut_short_everywhere(void)
{
    long length = 0;
    struct spot_error err;
    char *model = read_file(FOLDER "4.7.0_categories.txt", &length);
    CU_ASSERT_PTR_NOT_NULL_FATAL(model);
    const long end = strstr(model, "end of trees") - model;
    for (long kept = 0; kept < end; kept += kept < 200 ? 1 : 97)
        CU_ASSERT_EQUAL(load_text(model, (size_t)kept, &err), SPOT_EFORMAT);
    free(model);
}

static void changed_bytes(void)
{
    static const char *const paths[] = {FOLDER "4.7.0_categories.txt", FOLDER "4.7.0_linear.txt"};
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
            CU_ASSERT(status == 0 || status == SPOT_EFORMAT);
            model[at] = kept;
        }
        free(model);
    }
}

int main(void)
{
    const struct suite_test tests[] = {
        {"equals LightGBM", equals_lightgbm},
        {"info tells what it is", info_tells_what_it_is},
        {"refused with place and reason", refused_with_place_and_reason},
        {"cut short everywhere", cut_short_everywhere},
        {"changed bytes", changed_bytes},
        {NULL, NULL},
    };
    if (mkdtemp(scratch) == NULL) return 1;
    int failed = run_suite("lightgbm", tests);
    rmdir(scratch);
    return failed;
}
