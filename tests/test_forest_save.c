/* Forests written and read again: every case of both libraries in all three formats. In its own
 * library's format a forest gives the same bits, in the other's every row comes to the same leaves.
 * tests/reference/trees/compare_written.py lets the libraries themselves read what is written. */
#define _POSIX_C_SOURCE 200809L
#include <float.h>

#include "data/decimal.h"
#include "data/document_write.h"
#include "forest_cases.h"
#include "models/forest_write.h"

#define FOLDER SOURCE_DIR "/tests/reference/trees/"

static const char *const suffixes[] = {"json", "ubj", "txt"};

/* What XGBoost or LightGBM has no words for. */
static const struct {
    const char *name, *message;
    bool to_lightgbm;
} refused[] = {
    {"3.2.0_hinge", "no objective with the link of 'binary:hinge'", true},
    {"3.2.0_names", "feature 1 is called 'L\xc3\xa4nge \"x\"'", true},
    {"3.2.0_cats", "names (cats) are XGBoost's own", true},
    {"3.3.5_binary", "sigmoid has no slope, which is 1.5", false},
    {"4.7.0_binary", "sigmoid has no slope, which is 1.5", false},
    {"3.3.5_linear", "no linear leaves", false},
    {"4.7.0_linear", "no linear leaves", false},
    {"3.3.5_zero_as_missing", "tree 0, node 0: zero is missing", false},
    {"4.7.0_zero_as_missing", "zero is missing", false},
    {"4.7.0_categories_zero", "zero is missing", false},
    {"4.7.0_cross_entropy_lambda", "the link of 'cross_entropy_lambda'", false},
    {"4.7.0_sqrt", "the link of 'regression sqrt'", false},
    {"4.7.0_pandas", "names (pandas_categorical) are LightGBM's own", false},
};

static const char *refusal(const char *name, bool to_lightgbm)
{
    for (size_t i = 0; i < sizeof refused / sizeof *refused; i++)
        if (strcmp(refused[i].name, name) == 0 && refused[i].to_lightgbm == to_lightgbm)
            return refused[i].message;
    return NULL;
}

/* Rows on which both libraries agree about what a value is: float32, and nothing but 0 within
 * 1e-35 of it, nor beyond all floats. */
static void plain_rows(struct expected *expected)
{
    for (int64_t i = 0; i < expected->count * COLUMNS; i++) {
        float *x = &expected->rows[i];
        if (isinf(*x)) *x = NAN;
        if (fabsf(*x) <= 1e-35f || (*x > -1.0f && *x < 0.0f && i % COLUMNS < 2)) *x = 0.0f;
    }
}

static double worst_difference(const double *a, const double *b, int64_t count)
{
    double worst = 0.0;
    for (int64_t i = 0; i < count; i++)
        if (a[i] != b[i]) worst = fmax(worst, fabs(a[i] - b[i]) / fmax(1.0, fabs(a[i])));
    return worst;
}

/* An average has been divided already where XGBoost reads it. */
static bool is_averaged(const spot_forest *a, const spot_forest *b)
{
    return a->average != b->average;
}

static void compare(const spot_forest *forest, const char *path, const struct expected *expected,
                    bool same_library)
{
    spot_forest *again = load(path);
    const int64_t cells = expected->count * spot_forest_info(forest)->outputs;
    double *values = score(NULL, forest, expected, SPOT_FOREST_VALUE);
    double *margins = score(NULL, forest, expected, SPOT_FOREST_MARGIN);
    double *values_again = score(NULL, again, expected, SPOT_FOREST_VALUE);
    double *margins_again = score(NULL, again, expected, SPOT_FOREST_MARGIN);
    const double most = same_library ? 0.0 : 2e-6;
    double worst = worst_difference(values, values_again, cells);
    if (!is_averaged(forest, again))
        worst = fmax(worst, worst_difference(margins, margins_again, cells));
    if (worst > most) printf("\n%s: %g\n", path, worst);
    CU_ASSERT(worst <= most);
    if (same_library) {
        double *leaves = score(NULL, forest, expected, SPOT_FOREST_LEAF);
        double *leaves_again = score(NULL, again, expected, SPOT_FOREST_LEAF);
        CU_ASSERT_EQUAL(worst_difference(leaves, leaves_again, expected->count * expected->trees),
                        0.0);
        free(leaves);
        free(leaves_again);
        CU_ASSERT_EQUAL(spot_forest_info(forest)->classes, spot_forest_info(again)->classes);
        CU_ASSERT_EQUAL(spot_forest_info(forest)->best_iteration,
                        spot_forest_info(again)->best_iteration);
        CU_ASSERT_STRING_EQUAL(spot_forest_info(forest)->objective,
                               spot_forest_info(again)->objective);
    }
    free(values);
    free(margins);
    free(values_again);
    free(margins_again);
    spot_forest_free(again);
}

static void write_case(const struct expected *expected, const char *library, const char *suffix)
{
    const bool from_lightgbm = strcmp(library, "lightgbm") == 0;
    char path[512];
    struct spot_error err = {0};
    snprintf(path, sizeof path, FOLDER "%s/%s.%s", library, expected->name, suffix);
    spot_forest *forest = load(path);
    for (int format = 0; format < 3; format++) {
        const bool same = from_lightgbm == (format == SPOT_FOREST_LIGHTGBM_TEXT);
        const char *message = same ? NULL : refusal(expected->name, !from_lightgbm);
        snprintf(path, sizeof path, "%s/again.%s", scratch, suffixes[format]);
        int status = spot_forest_save(forest, path, (enum spot_forest_format)format, &err);
        if (status != (message != NULL ? SPOT_EUSAGE : SPOT_OK))
            printf("\n%s to %s: %s\n", expected->name, suffixes[format], err.message);
        if (message != NULL) {
            CU_ASSERT_EQUAL(status, SPOT_EUSAGE);
            CU_ASSERT_PTR_NOT_NULL(strstr(err.message, message));
            CU_ASSERT_NOT_EQUAL(access(path, F_OK), 0);
            continue;
        }
        CU_ASSERT_EQUAL_FATAL(status, SPOT_OK);
        compare(forest, path, expected, same);
        remove(path);
    }
    spot_forest_free(forest);
}

static void each_case(const char *library, const char *suffix)
{
    char folder[300], listing[400];
    long length = 0;
    snprintf(folder, sizeof folder, FOLDER "%s/", library);
    snprintf(listing, sizeof listing, "%scases.json", folder);
    char *text = read_file(listing, &length);
    CU_ASSERT_PTR_NOT_NULL_FATAL(text);
    cJSON *cases = cJSON_Parse(text);
    CU_ASSERT_FATAL(cJSON_GetArraySize(cases) > 20);
    const cJSON *item;
    cJSON_ArrayForEach(item, cases)
    {
        struct expected expected = load_expected(folder, item);
        plain_rows(&expected);
        if (strcmp(suffix, "ubj") != 0 || cJSON_IsTrue(cJSON_GetObjectItem(item, "binary")))
            write_case(&expected, library, suffix);
        free(expected.table);
        free(expected.rows);
    }
    cJSON_Delete(cases);
    free(text);
}

static void xgboost_json(void)
{
    each_case("xgboost", "json");
}

static void xgboost_ubjson(void)
{
    each_case("xgboost", "ubj");
}

static void lightgbm_text(void)
{
    each_case("lightgbm", "txt");
}

/* ---- Thresholds and numbers ----------------------------------------------------------------- */

static float random_float(uint64_t *state)
{
    float x;
    *state = *state * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
    const uint32_t bits = (uint32_t)(*state >> 32);
    memcpy(&x, &bits, sizeof x);
    return x;
}

/* Around t, x <= threshold_up_to(t) is (float)x < t for every double, and x < threshold_below(d) is
 * x <= d for every float32. */
static void thresholds_are_exact(void)
{
    static const float edges[] = {0.0f,    -0.0f,    1.0f,     1e-45f,  -1e-45f,
                                  FLT_MAX, -FLT_MAX, INFINITY, FLT_MIN, 1.5f};
    uint64_t state = 1;
    for (int trial = 0; trial < 20000; trial++) {
        const float t = trial < 10 ? edges[trial] : random_float(&state);
        if (isnan(t) || t == -INFINITY) continue;
        const double bound = threshold_up_to(t);
        double x = bound;
        for (int step = 0; step < 3; step++, x = nextafter(x, -INFINITY))
            CU_ASSERT((float)x < t);
        x = nextafter(bound, INFINITY);
        for (int step = 0; step < 3 && isfinite(x); step++, x = nextafter(x, INFINITY))
            CU_ASSERT(!((float)x < t));

        const double d = bound + (double)(trial % 3) * 1e-9 * bound;
        if (!isfinite(d)) continue;
        float y = (float)d;
        y = nextafterf(nextafterf(y, -INFINITY), -INFINITY);
        for (int step = 0; step < 5 && isfinite(y); step++, y = nextafterf(y, INFINITY))
            CU_ASSERT_EQUAL(y < threshold_below(d), (double)y <= d);
    }
    CU_ASSERT(isnan(threshold_up_to(-INFINITY)));
    CU_ASSERT_EQUAL(threshold_below(INFINITY), INFINITY);
    CU_ASSERT_EQUAL(threshold_below(1e308), INFINITY);
}

static void numbers_read_back(void)
{
    static const struct {
        float value;
        const char *text;
    } known[] = {
        {0.5f, "5E-1"},
        {0.0f, "0E0"},
        {-0.0f, "-0E0"},
        {1.0f, "1E0"},
        {0.1f, "1E-1"},
        {123.25f, "1.2325E2"},
        {1e10f, "1E10"},
        {1e-45f, "1E-45"},
        {FLT_MAX, "3.4028235E38"},
        {NAN, "NaN"},
        {-INFINITY, "-Infinity"},
        {-3.0f, "-3E0"},
        {16777216.0f, "1.6777216E7"},
        {0.3f, "3E-1"},
        {1e-5f, "1E-5"},
        {999999940.0f, "9.9999994E8"},
    };
    char text[40];
    uint64_t state = 7;
    for (size_t i = 0; i < sizeof known / sizeof *known; i++) {
        CU_ASSERT_EQUAL(format_float32(known[i].value, text), (int)strlen(known[i].text));
        if (strcmp(text, known[i].text) != 0) printf("\n%s, not %s\n", text, known[i].text);
        CU_ASSERT_STRING_EQUAL(text, known[i].text);
    }
    for (int trial = 0; trial < 100000; trial++) {
        float x = random_float(&state), back = 0.0f;
        if (trial % 2 == 0) x = (float)((double)(int32_t)(state >> 33) * 0x1p-24);
        if (!isfinite(x)) continue;
        const int length = format_float32(x, text);
        CU_ASSERT(length == (int)strlen(text) && length <= 15);
        CU_ASSERT(decimal_parse_float32(text, text + length, &back));
        if (back != x) printf("\n%a: %s\n", (double)x, text);
        CU_ASSERT(back == x);
    }
}

/* ---- What goes along ------------------------------------------------------------------------ */

static void encoder_and_names_travel(void)
{
    static const char encoder[] = "{\"columns\":[{\"name\":\"L\xc3\xa4nge \\\"x\\\"\"}]}";
    struct spot_error err = {0};
    spot_forest *forest = load(FOLDER "xgboost/3.2.0_logistic.json");
    char path[64], name[16];
    forest->encoder = strdup(encoder);
    forest->features = calloc(COLUMNS, sizeof *forest->features);
    CU_ASSERT_FATAL(forest->encoder != NULL && forest->features != NULL);
    for (int f = 0; f < COLUMNS; f++) {
        snprintf(name, sizeof name,
                 "Gr\xc3\xb6\xc3\x9f"
                 "e%d",
                 f);
        forest->features[f] = strdup(name);
    }
    for (int format = 0; format < 3; format++) {
        snprintf(path, sizeof path, "%s/named.%s", scratch, suffixes[format]);
        CU_ASSERT_EQUAL_FATAL(spot_forest_save(forest, path, (enum spot_forest_format)format, &err),
                              SPOT_OK);
        spot_forest *again = load(path);
        CU_ASSERT_STRING_EQUAL(again->encoder, encoder);
        CU_ASSERT_STRING_EQUAL(again->features[5], "Gr\xc3\xb6\xc3\x9f"
                                                   "e5");
        spot_forest_free(again);
        remove(path);
    }
    free(forest->features[2]);
    forest->features[2] = strdup("a b");
    snprintf(path, sizeof path, "%s/named.txt", scratch);
    CU_ASSERT_EQUAL(spot_forest_save(forest, path, SPOT_FOREST_LIGHTGBM_TEXT, &err), SPOT_EUSAGE);
    CU_ASSERT_PTR_NOT_NULL(strstr(err.message, "feature 2 is called 'a b'"));
    CU_ASSERT_NOT_EQUAL(access(path, F_OK), 0);
    spot_forest_free(forest);
}

static void refusals_of_parts(void)
{
    struct spot_error err = {0};
    char path[64];
    snprintf(path, sizeof path, "%s/refused", scratch);
    spot_forest *forest = load(FOLDER "lightgbm/4.7.0_regression.txt");
    free(forest->features[1]);
    forest->features[1] = strdup("age<18");
    CU_ASSERT_EQUAL(spot_forest_save(forest, path, SPOT_FOREST_XGBOOST_JSON, &err), SPOT_EUSAGE);
    CU_ASSERT_PTR_NOT_NULL(strstr(err.message, "'age<18'"));
    for (int64_t i = 0; i < forest->forest.nodes; i++)
        if (forest->forest.left[i] < 0) forest->forest.value[i] = 1e300;
    free(forest->features[1]);
    forest->features[1] = strdup("age");
    CU_ASSERT_EQUAL(spot_forest_save(forest, path, SPOT_FOREST_XGBOOST_JSON, &err), SPOT_EUSAGE);
    CU_ASSERT_PTR_NOT_NULL(strstr(err.message, "a leaf too large"));
    spot_forest_free(forest);

    forest = load(FOLDER "lightgbm/4.7.0_constant.txt");
    free(forest->features[1]);
    forest->features[1] = strdup("a b");
    CU_ASSERT_EQUAL(spot_forest_save(forest, path, SPOT_FOREST_LIGHTGBM_TEXT, &err), SPOT_EUSAGE);
    CU_ASSERT_PTR_NOT_NULL(strstr(err.message, "feature 1 is called 'a b'"));
    spot_forest_free(forest);

    forest = load(FOLDER "xgboost/3.2.0_squared.json");
    forest->forest.threshold[0] = -INFINITY;
    CU_ASSERT_EQUAL(spot_forest_save(forest, path, SPOT_FOREST_LIGHTGBM_TEXT, &err), SPOT_EUSAGE);
    CU_ASSERT_PTR_NOT_NULL(strstr(err.message, "nothing is below -infinity"));
    CU_ASSERT_EQUAL(spot_forest_save(forest, "/nowhere/model.json", SPOT_FOREST_XGBOOST_JSON, &err),
                    SPOT_EIO);
    CU_ASSERT_NOT_EQUAL(access(path, F_OK), 0);
    spot_forest_free(forest);
}

int main(void)
{
    const struct suite_test tests[] = {
        {"XGBoost JSON", xgboost_json},
        {"XGBoost UBJSON", xgboost_ubjson},
        {"LightGBM text", lightgbm_text},
        {"thresholds are exact", thresholds_are_exact},
        {"numbers read back", numbers_read_back},
        {"encoder and names travel", encoder_and_names_travel},
        {"refusals of parts", refusals_of_parts},
        {NULL, NULL},
    };
    if (mkdtemp(scratch) == NULL) return 1;
    int failed = run_suite("forest_save", tests);
    rmdir(scratch);
    return failed;
}
