/* The encoder: against scikit-learn and pandas, exact sums and order statistics, every option, the
 * model's document and what is refused in it. */
#define _GNU_SOURCE
#include <cjson/cJSON.h>
#include <float.h>
#include <math.h>

#include "data/categories.h"
#include "data/derive.h"
#include "data/exact_sum.h"
#include "data/order.h"
#include "prepare_text.h"

#define FOLDER SOURCE_DIR "/tests/reference/encoder/"

static char *read_whole(const char *path)
{
    FILE *file = fopen(path, "rb");
    CU_ASSERT_PTR_NOT_NULL_FATAL(file);
    char *text = calloc(1, 1 << 20);
    CU_ASSERT(fread(text, 1, (1 << 20) - 1, file) > 0);
    fclose(file);
    return text;
}

/* ---- scikit-learn ---- */

static int prepare_reference(const struct prepare_wish *wish, struct prepared *out)
{
    char *config = read_whole(FOLDER "config.yaml");
    const char *paths[] = {FOLDER "table.csv"};
    struct spot_error err = {0, ""};
    int status = prepare_files(config, paths, 1, wish, out, &err);
    if (status < 0) printf("\n    %s\n", err.message);
    free(config);
    return status;
}

static void equals_scikit_learn(void)
{
    char *text = read_whole(FOLDER "expected.json");
    cJSON *expected = cJSON_Parse(text);
    struct prepared out;
    CU_ASSERT_EQUAL_FATAL(prepare_reference(NULL, &out), SPOT_OK);
    CU_ASSERT_EQUAL_FATAL(out.columns, cJSON_GetObjectItem(expected, "columns")->valueint);
    CU_ASSERT_EQUAL_FATAL(out.rows, 307);
    const cJSON *value = cJSON_GetObjectItem(expected, "values")->child;
    int wrong = 0;
    for (int64_t i = 0; i < out.rows * out.columns; i++, value = value->next) {
        double raw = value->valuedouble, tolerance = 6e-8 * fmax(1.0, fabs(raw));
        wrong += !(fabs((double)out.values[i] - raw) <= tolerance);
    }
    CU_ASSERT_EQUAL(wrong, 0);
    cJSON_Delete(expected);
    free(text);
    prepared_free(&out);
}

/* Means, deviations, medians, quartiles and ranges to 1e-12. */
static void fits_what_scikit_learn_fits(void)
{
    char *text = read_whole(FOLDER "expected.json");
    cJSON *expected = cJSON_Parse(text), *feature, *numbers;
    struct prepared out;
    CU_ASSERT_EQUAL_FATAL(prepare_reference(NULL, &out), SPOT_OK);
    cJSON *document = encoder_to_json(out.encoder);
    int compared = 0;
    cJSON_ArrayForEach(feature, cJSON_GetObjectItem(document, "features"))
    {
        const char *name = cJSON_GetObjectItem(feature, "name")->valuestring;
        numbers = cJSON_GetObjectItem(cJSON_GetObjectItem(expected, "fitted"), name);
        if (numbers == NULL) continue;
        const cJSON *centre = cJSON_GetObjectItem(feature, "centre");
        const cJSON *spread = cJSON_GetObjectItem(feature, "spread");
        double a = numbers->child->valuedouble, b = numbers->child->next->valuedouble;
        CU_ASSERT_DOUBLE_EQUAL(centre == NULL ? 0.0 : centre->valuedouble, a, 1e-12 * fabs(a));
        /* scikit-learn's own deviation of 1.5e9 +- 0.3 is right to 7 digits */
        double digits = strcmp(name, "large_standard") == 0 ? 1e-7 : 1e-12;
        CU_ASSERT_DOUBLE_EQUAL(spread == NULL ? 1.0 : spread->valuedouble, b, digits * fabs(b));
        compared++;
    }
    CU_ASSERT_EQUAL(compared, 7);
    cJSON_Delete(document);
    cJSON_Delete(expected);
    free(text);
    prepared_free(&out);
}

/* ---- Exact sums ---- */

static uint64_t random_state;

static uint64_t random_bits(void)
{
    random_state += UINT64_C(0x9e3779b97f4a7c15);
    uint64_t z = random_state;
    z = (z ^ (z >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
    z = (z ^ (z >> 27)) * UINT64_C(0x94d049bb133111eb);
    return z ^ (z >> 31);
}

/* A number with any sign and an exponent within +-limit. */
static double random_double(int limit)
{
    double mantissa = 1.0 + (double)(random_bits() >> 12) * 0x1p-52;
    int exponent = (int)(random_bits() % (uint64_t)(2 * limit + 1)) - limit;
    return ldexp((random_bits() & 1) != 0 ? mantissa : -mantissa, exponent);
}

static void sums_exactly(void)
{
    struct exact_sum sum = {{0}, 0};
    CU_ASSERT_EQUAL(exact_sum_value(&sum), 0.0);
    double terms[] = {1e300, 1.0, 0x1p-1074, -1e300, 0x1p-1074, 3e-310, -1.0};
    for (int i = 0; i < 7; i++)
        exact_sum_add(&sum, terms[i]);
    CU_ASSERT_EQUAL(exact_sum_value(&sum), 3e-310 + 0x1p-1073);

    struct exact_sum half = {{0}, 0}; /* 1 + 2^-53 is a tie, and goes up with anything more */
    exact_sum_add(&half, 1.0);
    exact_sum_add(&half, 0x1p-53);
    CU_ASSERT_EQUAL(exact_sum_value(&half), 1.0);
    exact_sum_add(&half, 0x1p-1000);
    CU_ASSERT_EQUAL(exact_sum_value(&half), 1.0 + DBL_EPSILON);
    exact_sum_add(&half, -0x1p-999);
    CU_ASSERT_EQUAL(exact_sum_value(&half), 1.0);

    struct exact_sum largest = {{0}, 0};
    exact_sum_add(&largest, -DBL_MAX);
    CU_ASSERT_EQUAL(exact_sum_value(&largest), -DBL_MAX);
    struct exact_sum million = {{0}, 0};
    for (int i = 0; i < 1000000; i++)
        exact_sum_add(&million, 0.1);
    CU_ASSERT_EQUAL(exact_sum_value(&million), 100000.00000000000555); /* 1e6 * the double 0.1 */
}

/* Any order, any split into parts: the same bits; and near enough to a long double sum. */
static void sums_in_any_order(void)
{
    enum { COUNT = 20000 };
    double *values = malloc(COUNT * sizeof *values);
    long double reference = 0.0L;
    struct exact_sum forward = {{0}, 0}, backward = {{0}, 0}, parts[3] = {{{0}, 0}};
    random_state = 1;
    for (int i = 0; i < COUNT; i++)
        values[i] = random_double(40);
    for (int i = 0; i < COUNT; i++) {
        exact_sum_add(&forward, values[i]);
        exact_sum_add(&backward, values[COUNT - 1 - i]);
        exact_sum_add(&parts[i % 3], values[i]);
        reference += (long double)values[i];
    }
    exact_sum_merge(&parts[0], &parts[1]);
    exact_sum_merge(&parts[2], &parts[0]);
    CU_ASSERT_EQUAL(exact_sum_value(&forward), exact_sum_value(&backward));
    CU_ASSERT_EQUAL(exact_sum_value(&forward), exact_sum_value(&parts[2]));
    CU_ASSERT(fabs(exact_sum_value(&forward) - (double)reference) <= 1e-3);
    for (int i = 0; i < COUNT; i++)
        exact_sum_add(&forward, -values[COUNT - 1 - i]);
    CU_ASSERT_EQUAL(exact_sum_value(&forward), 0.0);
    free(values);
}

static void finds_variances_that_cancel(void)
{
    struct exact_sum sum = {{0}, 0}, squares = {{0}, 0};
    const double values[] = {1e9 + 1, 1e9 + 2, 1e9 + 3, 1e9 + 4};
    double mean, variance;
    for (int i = 0; i < 4; i++) {
        exact_sum_add(&sum, values[i]);
        exact_sum_add_product(&squares, values[i], values[i]);
    }
    exact_moments(&sum, &squares, 4, &mean, &variance);
    CU_ASSERT_EQUAL(mean, 1e9 + 2.5);
    CU_ASSERT_EQUAL(variance, 1.25);
}

/* ---- Order statistics ---- */

static int compare_doubles(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

static void selects_order_statistics(void)
{
    enum { COUNT = 999 };
    double values[COUNT], sorted[COUNT];
    random_state = 7;
    for (int count = 1; count <= COUNT; count = count * 2 + 1) {
        for (int i = 0; i < count; i++)
            sorted[i] = values[i] = i % 3 == 0 ? (double)(i % 5) - 2.0 : random_double(900);
        qsort(sorted, (size_t)count, sizeof *sorted, compare_doubles);
        double place = 0.25 * (count - 1), low = sorted[(int)place];
        double high = sorted[(int)place + (count > 1 ? 1 : 0)], t = place - floor(place);
        double quartile = t >= 0.5 ? high - (high - low) * (1 - t) : low + (high - low) * t;
        CU_ASSERT_EQUAL(order_quantile(values, count, 0.25), quartile);
        CU_ASSERT_EQUAL(order_quantile(values, count, 0.0), sorted[0]);
        CU_ASSERT_EQUAL(order_quantile(values, count, 1.0), sorted[count - 1]);
        CU_ASSERT_EQUAL(order_median(values, count),
                        count % 2 == 1 ? sorted[count / 2]
                                       : (sorted[count / 2 - 1] + sorted[count / 2]) / 2.0);
    }
    double even[] = {4.0, -1.0, 3.0, -0.0};
    CU_ASSERT_EQUAL(order_median(even, 4), 1.5);
    double modes[] = {3.0, 2.0, 2.0, 3.0, -5.0, 0.0, -0.0};
    CU_ASSERT_EQUAL(order_mode(modes, 7), 0.0);
    CU_ASSERT_EQUAL(order_mode(modes, 1), -5.0); /* sorted by now */
    double same[] = {2.5, 2.5, 2.5};
    CU_ASSERT_EQUAL(order_mode(same, 3), 2.5);
    CU_ASSERT_EQUAL(order_quantile(same, 3, 0.3), 2.5);
}

/* ---- Circles ---- */

/* The distance of a double to a real number in units of the last place. */
static double ulps(double found, long double real)
{
    double near = (double)real;
    if (near == 0.0) return found == 0.0 ? 0.0 : 1e9;
    double unit = nextafter(fabs(near), INFINITY) - fabs(near);
    return (double)fabsl(((long double)found - real) / unit);
}

static void turns_to_one_ulp(void)
{
    double worst = 0.0, sine, cosine;
    for (int i = -5000; i <= 20000; i++) {
        double turns = i / 7919.0;
        long double angle = 6.283185307179586476925286766559L * (turns - floorl(turns));
        turn_sine_cosine(turns, &sine, &cosine);
        if (fabsl(sinl(angle)) > 0.1L) worst = fmax(worst, ulps(sine, sinl(angle)));
        if (fabsl(cosl(angle)) > 0.1L) worst = fmax(worst, ulps(cosine, cosl(angle)));
    }
    if (worst >= 0.9) printf("\n    %g ulp\n", worst);
    CU_ASSERT(worst < 0.9);
    const double quarters[4][2] = {{0, 1}, {1, 0}, {0, -1}, {-1, 0}};
    for (int i = 0; i < 8; i++) {
        turn_sine_cosine(i / 4.0 - 1.0, &sine, &cosine);
        CU_ASSERT_EQUAL(sine, quarters[i % 4][0]);
        CU_ASSERT_EQUAL(cosine, quarters[i % 4][1]);
        CU_ASSERT_FALSE(signbit(sine) && sine == 0.0);
    }
    turn_sine_cosine(1.0 / 12, &sine, &cosine);
    CU_ASSERT_EQUAL(sine, 0.5);
    turn_sine_cosine(1e300, &sine, &cosine);
    CU_ASSERT(sine == 0.0 && cosine == 1.0);
}

/* ---- Options ---- */

static void derives_from_times(void)
{
    makes("columns: {t: timestamp}\n"
          "features: [{column: t, derive: hour}, {column: t, derive: minute_of_day},\n"
          "  {column: t, derive: dayofweek}, {column: t, derive: month},\n"
          "  {column: t, derive: day_of_year}, {column: t, derive: is_weekend}]\n",
          "t\n2016-12-31 23:59:59\n1970-01-01 00:00:00\n1899-03-01 12:34\n2000-02-29\n",
          "hour minute_of_day dayofweek month day_of_year is_weekend",
          "23 1439 5 12 366 1; 0 0 3 1 1 0; 12 754 2 3 60 0; 0 0 1 2 60 0");
    makes("columns: {y: integer, m: integer, d: integer}\n"
          "features: [{column: [y, m, d], derive: dayofweek, impute: constant, value: 9}]\n",
          "y,m,d\n2016,2,29\n2015,2,29\n2015,13,1\n2015,1,\n2000,2,29\n1900,2,29\n", "dayofweek",
          "0; 9; 9; 9; 1; 9");
}

static void circles_and_differences(void)
{
    makes("columns: {h: {type: integer, missing: [99]}, b: number}\n"
          "features: [{column: h, cyclic: 24, impute: constant, value: 6, indicator: true},\n"
          "  {column: b, minus: h, impute: constant, value: -1}]\n",
          "h,b\n0,1.5\n18,2\n99,3\n12,\n", "h_sin h_cos h_missing b_minus_h",
          "0 1 0 1.5; -1 0 0 -16; 1 0 1 -1; 0 -1 0 -1");
}

static void drops_rows(void)
{
    makes("columns: {a: number, b: category, c: number}\n"
          "features: [{column: a, impute: drop_row, scale: minmax},\n"
          "  {column: b, encode: ordinal, impute: drop_row}, c]\n",
          "a,b,c\n1,x,1\n,y,2\n3,,3\n5,z,4\n2,x,5\n", "a b c", "0 0 1; 1 1 4; 0.25 0 5");
    makes("columns: {a: number}\nfeatures: [{column: a, impute: drop_row}]\n", "a\n\"\"\n\"\"\n",
          "a", "");
}

static void encodes_categories(void)
{
    const char *csv = "w\nwet\ndry\nwet\nice\nwet\ndry\n";
    makes("columns: {w: category}\nfeatures: [{column: w, encode: one_hot}]", csv,
          "w=dry w=ice w=wet", "0 0 1; 1 0 0; 0 0 1; 0 1 0; 0 0 1; 1 0 0");
    makes("columns: {w: category}\nfeatures: [{column: w, encode: one_hot, rare: 0.2}]", csv,
          "w=dry w=wet w=(other)", "0 1 0; 1 0 0; 0 1 0; 0 0 1; 0 1 0; 1 0 0");
    makes("columns: {w: category}\nfeatures: [{column: w, encode: ordinal, rare: 0.2}]", csv, "w",
          "1; 0; 1; 2; 1; 0");
    makes("columns: {w: category}\nfeatures: [{column: w, encode: frequency, rare: 0.4}]", csv, "w",
          "0.5; 0.5; 0.5; 0.5; 0.5; 0.5");
    makes("columns: {w: category, b: boolean}\n"
          "features: [{column: w, encode: frequency, indicator: true, impute: most_frequent}, b]",
          "w,b\nx,yes\n,no\ny,TRUE\ny,0\nx,f\n", "w w_missing b",
          "0.600000024 0 1; 0.600000024 1 0; 0.400000006 0 1; 0.400000006 0 0; 0.600000024 0 0");
}

static void takes_numbers_without_configuration(void)
{
    makes(NULL, "a,b\n1,2.5\n-3,1e3\n", "a b", "1 2.5; -3 1000");
    makes("columns: {b: number, t: text, c: category, k: boolean}", "b,t,c,k\n1,x,y,true\n", "b k",
          "1 1");
    makes("features: [b]", "a,b\nx,1\ny,2\n", "b", "1; 2");
    makes("input: {decimal: \",\", delimiter: ;}\nfeatures: [b]", "a;b\nx;1,5\ny;2\n", "b",
          "1.5; 2");
}

/* ---- Offsets ---- */

/* Longitudes of New York keep their last digits beside a dyadic offset; what is float32 already
 * stays untouched. */
static void takes_an_offset_off(void)
{
    struct prepared out;
    const char *csv = "lon,year\n-73.866501,2015\n-73.917274,2016\n-74.000013,2017\n";
    CU_ASSERT_EQUAL_FATAL(prepare_text(NULL, csv, NULL, &out, NULL), SPOT_OK);
    const double *offsets = encoder_offsets(out.encoder);
    CU_ASSERT_EQUAL(offsets[1], 0.0);
    CU_ASSERT(offsets[0] < -73.8 && offsets[0] > -74.1);
    CU_ASSERT_EQUAL(offsets[0] * 128.0, rint(offsets[0] * 128.0));
    double back = encoder_raw(out.encoder, 0, (double)out.values[2]);
    CU_ASSERT(fabs(back + 73.917274) < 4e-9); /* as a float32: 1e-6 */
    CU_ASSERT_EQUAL(encoder_raw(out.encoder, 1, 2016.0), 2016.0);
    prepared_free(&out);
    CU_ASSERT_EQUAL_FATAL(prepare_text(NULL, "x\n123456789.1\n123456789.1\n", NULL, &out, NULL),
                          SPOT_OK);
    back = encoder_raw(out.encoder, 0, (double)out.values[0]);
    CU_ASSERT(fabs(back - 123456789.1) < 1e-7);
    prepared_free(&out);
    CU_ASSERT_EQUAL_FATAL(prepare_text("features: [{column: x, scale: standard}]",
                                       "x\n10\n20\n30\n", NULL, &out, NULL),
                          SPOT_OK);
    CU_ASSERT_DOUBLE_EQUAL(encoder_raw(out.encoder, 0, (double)out.values[2]), 30.0, 1e-6);
    prepared_free(&out);
}

/* ---- What is refused ---- */

static void refuses_wrong_features(void)
{
    const char *csv = "a,b,t,w,z\n1,2,2015-01-01,x,q\n";
    const char *columns = "columns: {a: number, b: number, t: timestamp, w: category, z: text}\n";
    const char *const wrong[][2] = {
        {"features: [{column: aa}]", "c.yaml:2: there is no column aa among"},
        {"features: [{column: nothing}]", "c.yaml:2: there is no column nothing among"},
        {"features: []", "c.yaml:2: features: expected a list"},
        {"features: {a: 1}", "features: expected a list"},
        {"features: [{derive: hour}]", "a feature needs a column"},
        {"features: [[a]]", "expected `key: value` entries"},
        {"features: [{column: {x: 1}}]", "column: a name, or three"},
        {"features: [{column: [a, b]}]", "column: a name, or three"},
        {"features: [{column: [a, [b], a], derive: month}]", "column: expected a name"},
        {"features: [{column: [a, b, a]}]", "a date of three columns needs derive"},
        {"features: [{column: [a, b, a], derive: hour}]", "a date of three columns needs derive"},
        {"features: [{column: [a, b, t], derive: month}]", "t is a timestamp"},
        {"features: [{column: [a, b, a], derive: month, minus: b}]", "minus: does not go with"},
        {"features: [{column: a, scal: none}]", "unknown key scal: did you mean scale?"},
        {"features: [{column: a, scale: big}]", "scale: big is none of none, standard"},
        {"features: [{column: a, derive: hour}]", "derive: hour needs a timestamp, and a is not"},
        {"features: [t]", "t is a timestamp: it needs derive"},
        {"features: [w]", "w is a category: it needs encode"},
        {"features: [z]", "z is a text, which is never a feature"},
        {"features: [{column: a, encode: one_hot}]", "encode goes with categories, and a is not"},
        {"features: [{column: w, encode: one_hot, scale: standard}]", "scale: goes with numbers"},
        {"features: [{column: w, encode: one_hot, impute: mean}]", "a category has no mean"},
        {"features: [{column: w, encode: one_hot, cyclic: 5}]", "cyclic: goes with numbers"},
        {"features: [{column: w, minus: a, encode: one_hot}]", "w is a category"},
        {"features: [{column: a, rare: 0.1}]", "rare and unknown go with encode"},
        {"features: [{column: w, encode: one_hot, rare: 2}]", "rare: a share between 0 and 1"},
        {"features: [{column: a, cyclic: true}]", "cyclic: the period is not known"},
        {"features: [{column: a, cyclic: -3}]", "cyclic: a period is above 0"},
        {"features: [{column: a, cyclic: 3, scale: minmax}]", "lies between -1 and 1 already"},
        {"features: [{column: t, derive: is_weekend, cyclic: true}]", "the period is not known"},
        {"features: [{column: t, minus: t, derive: hour}]", "derive: goes with one time"},
        {"features: [{column: t, minus: a}]", "a timestamp and a number have no difference"},
        {"features: [{column: a, impute: constant}]", "impute: constant and value: go together"},
        {"features: [{column: a, value: 1}]", "impute: constant and value: go together"},
        {"features: [{column: a, impute: drop_row, indicator: true}]", "would always be 0"},
        {"features: [a, a]", "the feature of line 2 is called a too"},
        {"features: [{column: t, derive: hour, cyclic: true}, {column: a, name: hour_sin}]",
         "two features are called hour_sin"},
    };
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
        char config[400];
        snprintf(config, sizeof config, "%s%s\n", columns, wrong[i][0]);
        refuses(config, csv, SPOT_EUSAGE, wrong[i][1]);
    }
    refuses("columns: {w: category}", "w\nx\n", SPOT_EUSAGE, "no column is a number");
    refuses("columns: {alpha: number}\nfeatures:\n  - alhpa\n", "alpha\n1\n", SPOT_EUSAGE,
            "c.yaml:3: there is no column alhpa: did you mean alpha?");
}

static void refuses_wrong_values(void)
{
    refuses("columns: {a: number}", "a\n1\n\"\"\n3\n", SPOT_EDATA,
            ".csv:3: a: missing cannot be used");
    refuses("columns: {w: category, b: number}\nfeatures: [{column: w, encode: ordinal}]",
            "w,b\nx,1\n,2\n", SPOT_EDATA, ".csv:3: w: missing cannot be used");
    refuses("columns: {a: number}", "a\n1\n1e39\n", SPOT_EDATA,
            ".csv:3: a: 1e+39 is too large for float32: scale");
    refuses("columns: {a: {type: number, missing: [-1]}}\nfeatures: [{column: a, impute: mean}]",
            "a\n-1\n-1\n", SPOT_EDATA, "a: every value is missing, so there is no mean");
    refuses("columns: {a: {type: number, missing: [-1]}}\nfeatures: [{column: a, scale: robust}]",
            "a\n-1\n-1\n", SPOT_EDATA, "a: there is no value to scale by");
    refuses("columns: {a: number}\nfeatures: [{column: a, scale: standard}]", "a\n1e200\n1\n",
            SPOT_EDATA, "a: a value of 1e+200 cannot be averaged");
    refuses("columns: {a: number}\nfeatures: [{column: a, scale: minmax}]", "a\n1e308\n-1e308\n",
            SPOT_EDATA, "a: the values are too far apart");
    refuses("columns: {a: number}\nfeatures: [{column: a, impute: constant, value: 1e39}]",
            "a\n1\n\"\"\n", SPOT_EDATA, "a: the value that stands for a missing one is too large");
    refuses("columns: {w: category}\n"
            "features: [{column: w, encode: one_hot, impute: most_frequent}]",
            "w\n\"\"\n\"\"\n", SPOT_EDATA, "w: every value is missing");
}

static void refuses_too_many_categories(void)
{
    char *csv = malloc(5001 * 8);
    size_t used = (size_t)sprintf(csv, "w\n");
    for (int i = 0; i < 5000; i++)
        used += (size_t)sprintf(csv + used, "c%d\n", i);
    refuses("columns: {w: category}\nfeatures: [{column: w, encode: one_hot}]", csv, SPOT_EDATA,
            "w would become 5000 columns");
    free(csv);
}

static void counts_categories(void)
{
    struct categories categories = {0};
    char text[16];
    CU_ASSERT_EQUAL(categories_find(&categories, "x"), -1);
    for (int i = 0; i < 3000; i++) {
        snprintf(text, sizeof text, "%d", i % 1000);
        CU_ASSERT_EQUAL(categories_add(&categories, text, 2), SPOT_OK);
    }
    CU_ASSERT_EQUAL(categories.count, 1000);
    CU_ASSERT_EQUAL(categories_sort(&categories), SPOT_OK);
    CU_ASSERT_STRING_EQUAL(categories.texts[2], "10");
    CU_ASSERT_EQUAL(categories_find(&categories, "10"), 2);
    CU_ASSERT_EQUAL(categories.counts[2], 6);
    CU_ASSERT_EQUAL(categories_find(&categories, "1000"), -1);
    categories_clear(&categories);
}

/* ---- The model's document ---- */

static void repeats_itself_from_json(void)
{
    struct prepared out, again;
    struct schema *schema;
    struct encoder *encoder;
    CU_ASSERT_EQUAL_FATAL(prepare_reference(NULL, &out), SPOT_OK);
    cJSON *document = encoder_to_json(out.encoder);
    char *text = cJSON_Print(document);
    cJSON *read = cJSON_Parse(text);
    CU_ASSERT_EQUAL_FATAL(schema_from_json(read, &schema, NULL), SPOT_OK);
    CU_ASSERT_EQUAL_FATAL(encoder_from_json(read, schema, &encoder, NULL), SPOT_OK);
    struct prepare_wish wish = {.encoder = encoder, .schema = schema};
    const char *paths[] = {FOLDER "table.csv"};
    CU_ASSERT_EQUAL_FATAL(prepare_files(NULL, paths, 1, &wish, &again, NULL), SPOT_OK);
    CU_ASSERT_EQUAL_FATAL(again.columns, out.columns);
    CU_ASSERT_EQUAL_FATAL(again.rows, out.rows);
    size_t size = (size_t)out.rows * (size_t)out.columns * sizeof(float);
    CU_ASSERT_EQUAL(memcmp(again.values, out.values, size), 0);
    for (int32_t j = 0; j < out.columns; j++)
        CU_ASSERT_STRING_EQUAL(again.names[j], out.names[j]);
    cJSON *second = encoder_to_json(encoder);
    CU_ASSERT(cJSON_Compare(document, second, 1));
    cJSON_Delete(second);
    cJSON_Delete(read);
    cJSON_Delete(document);
    free(text);
    encoder_free(encoder);
    schema_free(schema);
    prepared_free(&again);
    prepared_free(&out);
}

static struct encoder *train(const char *config, const char *csv, struct schema **schema)
{
    struct prepared out;
    struct encoder *encoder = NULL;
    CU_ASSERT_EQUAL_FATAL(prepare_text(config, csv, NULL, &out, NULL), SPOT_OK);
    cJSON *document = encoder_to_json(out.encoder);
    prepared_free(&out);
    CU_ASSERT_EQUAL_FATAL(schema_from_json(document, schema, NULL), SPOT_OK);
    CU_ASSERT_EQUAL_FATAL(encoder_from_json(document, *schema, &encoder, NULL), SPOT_OK);
    cJSON_Delete(document);
    return encoder;
}

/* Categories that training has not seen, grouped ones among them. */
static void meets_unknown_categories(void)
{
    const char *csv = "w,x\na,1\na,1\na,1\nb,1\nb,1\nc,1\n";
    const char *const policies[] = {"error", "ignore", "other"};
    const char *const encodings[] = {"one_hot", "ordinal", "frequency"};
    for (int p = 0; p < 3; p++)
        for (int e = 0; e < 3; e++) {
            char config[200];
            struct schema *schema;
            struct prepared out;
            struct spot_error err = {0, ""};
            snprintf(config, sizeof config,
                     "columns: {w: category, x: number}\n"
                     "features: [{column: w, encode: %s, rare: 0.2, unknown: %s}]",
                     encodings[e], policies[p]);
            struct encoder *encoder = train(config, csv, &schema);
            struct prepare_wish wish = {.encoder = encoder, .schema = schema};
            int status = prepare_text(NULL, "y,w\n7,c\n7,zebra\n", &wish, &out, &err);
            CU_ASSERT_EQUAL(status, p == 0 ? SPOT_EDATA : SPOT_OK);
            if (p == 0) CU_ASSERT_PTR_NOT_NULL(strstr(err.message, ":3: w: zebra is no category"));
            if (p > 0 && e == 0) { /* columns a, b, other */
                CU_ASSERT_EQUAL_FATAL(out.columns, 3);
                CU_ASSERT(out.values[2] == 1.0f && out.values[3] == 0.0f);
                CU_ASSERT_EQUAL(out.values[5], p == 2 ? 1.0f : 0.0f);
            }
            if (p > 0 && e == 1) {
                CU_ASSERT_EQUAL(out.values[0], 2.0f);
                CU_ASSERT_EQUAL(out.values[1], p == 2 ? 2.0f : -1.0f);
            }
            if (p > 0 && e == 2) {
                CU_ASSERT_EQUAL(out.values[0], (float)(1.0 / 6.0));
                CU_ASSERT_EQUAL(out.values[1], p == 2 ? (float)(1.0 / 6.0) : 0.0f);
            }
            prepared_free(&out);
            encoder_free(encoder);
            schema_free(schema);
        }
}

/* Opens a document that may be hostile; the status and the message. */
static int open_document(const char *text, struct spot_error *err)
{
    struct schema *schema = NULL;
    struct encoder *encoder = NULL;
    cJSON *document = cJSON_Parse(text);
    CU_ASSERT_PTR_NOT_NULL_FATAL(document);
    int status = schema_from_json(document, &schema, err);
    if (status == SPOT_OK) status = encoder_from_json(document, schema, &encoder, err);
    CU_ASSERT((status == SPOT_OK) == (encoder != NULL));
    encoder_free(encoder);
    schema_free(schema);
    cJSON_Delete(document);
    return status;
}

static void refuses_hostile_documents(void)
{
    struct spot_error err = {0, ""};
    const char *good = "{\"columns\":[{\"name\":\"a\",\"type\":\"number\",\"from\":\"A\"}],"
                       "\"features\":[{\"name\":\"a\",\"columns\":[\"a\"]}]}";
    CU_ASSERT_EQUAL(open_document(good, &err), SPOT_OK);
#define COLUMNS(more) "{\"columns\":[" more "],\"features\":[]}"
#define FEATURES(more)                                                                            \
    "{\"columns\":[{\"name\":\"a\",\"type\":\"number\",\"from\":\"a\"},{\"name\":\"w\",\"type\":" \
    "\"category\",\"from\":\"w\"}],\"features\":[" more "]}"
#define CATEGORY(more) \
    FEATURES("{\"name\":\"w\",\"columns\":[\"w\"],\"encode\":\"one_hot\"," more "}")
    const char *const wrong[][2] = {
        {"[]", "encoder: is not an object"},
        {"{}", "encoder.columns: is not there"},
        {"{\"columns\":5}", "encoder.columns: is not an array"},
        {COLUMNS("5"), "encoder.columns[0]: is not an object"},
        {COLUMNS("{\"name\":1}"), "encoder.columns[0].name: is not a text"},
        {COLUMNS("{\"name\":\"a\",\"type\":\"x\"}"), "encoder.columns[0].type: x is not known"},
        {COLUMNS("{\"name\":\"a\",\"type\":\"number\"}"), "encoder.columns[0].from: is not there"},
        {COLUMNS("{\"name\":\"a\",\"type\":\"number\",\"from\":\"a\",\"decimal\":\"x\"}"),
         "decimal: is neither . nor ,"},
        {COLUMNS("{\"name\":\"a\",\"type\":\"number\",\"from\":\"a\",\"optional\":1}"),
         "optional: is neither true nor false"},
        {COLUMNS("{\"name\":\"a\",\"type\":\"number\",\"from\":\"a\",\"second\":\"b\"}"),
         "second: goes with a timestamp"},
        {COLUMNS("{\"name\":\"a\",\"type\":\"timestamp\",\"from\":\"a\"}"),
         "formats: goes with a timestamp, and only there"},
        {COLUMNS("{\"name\":\"a\",\"type\":\"timestamp\",\"from\":\"a\",\"formats\":[1]}"),
         "formats: holds what is not a text"},
        {COLUMNS("{\"name\":\"a\",\"type\":\"number\",\"from\":\"a\"},"
                 "{\"name\":\"a\",\"type\":\"number\",\"from\":\"b\"}"),
         "encoder.columns[1].name: a is there twice"},
        {COLUMNS("{\"name\":\"a\",\"type\":\"number\",\"from\":\"a\"}"), "features: is empty"},
        {FEATURES("3"), "encoder.features[0]: is not an object"},
        {FEATURES("{\"name\":\"a\",\"columns\":[]}"), "columns: is empty"},
        {FEATURES("{\"name\":\"a\",\"columns\":[\"a\",\"a\",\"a\",\"a\"]}"), "has 4 members"},
        {FEATURES("{\"name\":\"a\",\"columns\":[\"q\"]}"), "q is none of encoder.columns"},
        {FEATURES("{\"name\":\"a\",\"columns\":[7]}"), "is none of encoder.columns"},
        {FEATURES("{\"name\":\"a\",\"columns\":[\"w\"]}"), "encoder.features[0]: w is a category"},
        {FEATURES("{\"name\":\"a\",\"columns\":[\"a\"],\"derive\":\"hour\"}"), "needs a timestamp"},
        {FEATURES("{\"name\":\"a\",\"columns\":[\"a\"],\"scale\":\"odd\"}"), "odd is not known"},
        {FEATURES("{\"name\":\"a\",\"columns\":[\"a\"],\"spread\":0}"), "spread: is not above 0"},
        {FEATURES("{\"name\":\"a\",\"columns\":[\"a\"],\"period\":-1}"), "period: is below 0"},
        {FEATURES("{\"name\":\"a\",\"columns\":[\"a\"],\"centre\":1e999}"), "not a finite number"},
        {FEATURES("{\"name\":\"a\",\"columns\":[\"a\"],\"fill\":\"1\"}"), "not a finite number"},
        {FEATURES("{\"name\":\"a\",\"columns\":[\"a\"]},{\"name\":\"a\",\"columns\":[\"a\"]}"),
         "encoder.features: two features are called a"},
        {CATEGORY("\"period\":3"), "period: does not go with encode"},
        {CATEGORY("\"other\":false"), "categories: is not there"},
        {CATEGORY("\"categories\":[\"x\"],\"grouped\":[],\"shares\":[1],\"other\":false"),
         "shares: has 1 members for 1 categories"},
        {CATEGORY("\"categories\":[\"x\"],\"grouped\":[],\"shares\":[1,2],\"other\":false"),
         "shares: holds what is no share"},
        {CATEGORY("\"categories\":[\"x\",\"x\"],\"grouped\":[],\"shares\":[1,0,0],\"other\":false"),
         "categories: x is there twice"},
        {CATEGORY("\"categories\":[\"x\"],\"grouped\":[\"x\"],\"shares\":[1,0],\"other\":true"),
         "grouped: x is there twice"},
        {CATEGORY("\"categories\":[\"x\"],\"grouped\":[\"y\"],\"shares\":[1,0],\"other\":false"),
         "other: must be true"},
        {CATEGORY("\"categories\":[],\"grouped\":[],\"shares\":[0],\"other\":false"),
         "other: must be true"},
        {CATEGORY("\"categories\":[1],\"grouped\":[],\"shares\":[0,0],\"other\":false"),
         "categories: holds what is no text"},
    };
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
        CU_ASSERT_EQUAL(open_document(wrong[i][0], &err), SPOT_EFORMAT);
        if (strstr(err.message, wrong[i][1]) == NULL)
            printf("\n    \"%s\"\n      lacks \"%s\"\n", err.message, wrong[i][1]);
        CU_ASSERT_PTR_NOT_NULL(strstr(err.message, wrong[i][1]));
    }
}

int main(void)
{
    const struct suite_test tests[] = {
        {"equals scikit-learn", equals_scikit_learn},
        {"fits what scikit-learn fits", fits_what_scikit_learn_fits},
        {"sums exactly", sums_exactly},
        {"sums in any order", sums_in_any_order},
        {"finds variances that cancel", finds_variances_that_cancel},
        {"selects order statistics", selects_order_statistics},
        {"turns to one ulp", turns_to_one_ulp},
        {"derives from times", derives_from_times},
        {"circles and differences", circles_and_differences},
        {"drops rows", drops_rows},
        {"encodes categories", encodes_categories},
        {"takes numbers without configuration", takes_numbers_without_configuration},
        {"takes an offset off", takes_an_offset_off},
        {"refuses wrong features", refuses_wrong_features},
        {"refuses wrong values", refuses_wrong_values},
        {"refuses too many categories", refuses_too_many_categories},
        {"counts categories", counts_categories},
        {"repeats itself from JSON", repeats_itself_from_json},
        {"meets unknown categories", meets_unknown_categories},
        {"refuses hostile documents", refuses_hostile_documents},
        {NULL, NULL},
    };
    return run_suite("encoder", tests);
}
