/* The encoder: against scikit-learn and pandas, every option, offsets, and a model's document that
 * repeats it. */
#define _GNU_SOURCE
#include <cjson/cJSON.h>
#include <math.h>

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
    struct spot_error err = {0};
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

int main(void)
{
    const struct suite_test tests[] = {
        {"equals scikit-learn", equals_scikit_learn},
        {"fits what scikit-learn fits", fits_what_scikit_learn_fits},
        {"derives from times", derives_from_times},
        {"circles and differences", circles_and_differences},
        {"drops rows", drops_rows},
        {"encodes categories", encodes_categories},
        {"takes numbers without configuration", takes_numbers_without_configuration},
        {"takes an offset off", takes_an_offset_off},
        {"repeats itself from JSON", repeats_itself_from_json},
        {NULL, NULL},
    };
    return run_suite("encoder", tests);
}
