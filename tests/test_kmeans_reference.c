/* KMeans against stored values of scikit-learn (tests/reference/make_reference.py): iterations,
 * labels, centres and inertia from given centres, with weights, empty clusters, tol and ties. */
#include <cjson/cJSON.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/pool.h"
#include "blackspot.h"
#include "data/npy.h"
#include "suite.h"

#define FOLDER SOURCE_DIR "/tests/reference/kmeans/"

static cJSON *document;
static spot_engine *engine;

/* The array NAME_PART.npy as float64 with its shape, or NULL. The caller frees it. */
static double *load(const char *name, const char *part, int64_t *rows, int32_t *columns)
{
    char path[512];
    snprintf(path, sizeof path, FOLDER "%s_%s.npy", name, part);
    struct spot_error err = {0};
    struct npy_file *file = NULL;
    double *values = NULL;
    if (npy_open(path, &file, rows, columns, &err) == 0) {
        values = malloc((size_t)*rows * (size_t)*columns * sizeof *values);
        if (values && npy_read_float64(file, 0, *rows, values, &err) < 0) {
            free(values);
            values = NULL;
        }
    }
    if (values == NULL) fprintf(stderr, "%s: %s\n", path, err.message);
    npy_close(file);
    return values;
}

static float *to_float32(const double *values, int64_t count)
{
    float *narrow = malloc((size_t)count * sizeof *narrow);
    for (int64_t i = 0; narrow && i < count; i++)
        narrow[i] = (float)values[i];
    return narrow;
}

static double number(const cJSON *object, const char *key)
{
    return cJSON_GetNumberValue(cJSON_GetObjectItem(object, key));
}

/* Largest minus smallest value of a column of x: (rows, columns) row-major. */
static double range_of_column(const double *x, int64_t rows, int32_t columns, int32_t column)
{
    double low = INFINITY, high = -INFINITY;
    for (int64_t i = 0; i < rows; i++) {
        low = fmin(low, x[i * columns + column]);
        high = fmax(high, x[i * columns + column]);
    }
    return high - low;
}

static double widest_range(const double *x, int64_t rows, int32_t columns)
{
    double widest = 0;
    for (int32_t j = 0; j < columns; j++)
        widest = fmax(widest, range_of_column(x, rows, columns, j));
    return widest;
}

/* Says which case failed: CUnit only knows the line. */
static void expect(int holds, const char *name, const char *what)
{
    if (!holds) fprintf(stderr, "  case %s: %s differ\n", name, what);
    CU_ASSERT(holds);
}

static void compare_centres(const char *name, const spot_kmeans *model, const double *x,
                            int64_t rows)
{
    const struct spot_kmeans_result *result = spot_kmeans_result(model);
    int64_t k = 0;
    int32_t columns = 0;
    double *centres = load(name, "centres", &k, &columns); // (k, columns)
    CU_ASSERT_PTR_NOT_NULL_FATAL(centres);
    double worst = 0;
    for (int32_t j = 0; j < columns; j++) {
        double range = range_of_column(x, rows, columns, j);
        for (int64_t c = 0; c < k; c++) {
            double difference = fabs(centres[c * columns + j] - result->centres[c * columns + j]);
            worst = fmax(worst, difference / range);
        }
    }
    expect(worst <= 1e-9, name, "centres");
    free(centres);
}

static void compare_labels(const char *name, const spot_kmeans *model,
                           const struct spot_matrix *data)
{
    int64_t rows = 0;
    int32_t one = 0;
    double *expected = load(name, "labels", &rows, &one); // (rows)
    int32_t *labels = calloc((size_t)data->rows, sizeof *labels);
    CU_ASSERT_FATAL(expected != NULL && labels != NULL && rows == data->rows);
    struct spot_error err = {0};
    CU_ASSERT_EQUAL(spot_kmeans_assign(engine, model, data, labels, NULL, &err), 0);
    int64_t differences = 0;
    for (int64_t i = 0; i < rows; i++)
        differences += labels[i] != (int32_t)expected[i];
    expect(differences == 0, name, "labels");
    int64_t sizes = 0;
    for (int32_t c = 0; c < spot_kmeans_result(model)->k; c++)
        sizes += spot_kmeans_result(model)->sizes[c];
    expect(sizes == rows, name, "the sum of sizes and the rows");
    free(labels);
    free(expected);
}

static void compare(const cJSON *item, const spot_kmeans *model, const struct spot_matrix *data,
                    const double *x)
{
    const char *name = cJSON_GetStringValue(cJSON_GetObjectItem(item, "name"));
    const struct spot_kmeans_result *result = spot_kmeans_result(model);
    double inertia = number(item, "inertia");
    double widest = widest_range(x, data->rows, data->columns);
    expect(result->iterations == (int32_t)number(item, "iterations"), name, "iterations");
    expect(result->converged == cJSON_IsTrue(cJSON_GetObjectItem(item, "converged")), name,
           "converged");
    expect(fabs(result->inertia - inertia) <= 1e-9 * inertia + 1e-24 * widest * widest, name,
           "inertia");
    compare_centres(name, model, x, data->rows);
    compare_labels(name, model, data);
}

static void run_case(const cJSON *item, int32_t compact, int64_t batch_rows)
{
    const char *name = cJSON_GetStringValue(cJSON_GetObjectItem(item, "name"));
    struct spot_matrix data = {0};
    struct spot_error err = {0};
    int64_t k = 0, weights = 0;
    int32_t columns = 0;
    double *start = load(name, "start", &k, &columns);                  // (k, columns)
    double *x = load(name, "rows", &data.rows, &data.columns);          // (rows, columns)
    float *values = x ? to_float32(x, data.rows * data.columns) : NULL; // (rows, columns)
    double *weight = NULL;                                              // (rows)
    if (cJSON_IsTrue(cJSON_GetObjectItem(item, "weighted")))
        weight = load(name, "weights", &weights, &columns);
    CU_ASSERT_FATAL(start != NULL && values != NULL);
    data.values = values;
    data.weights = weight;

    struct spot_kmeans_options options = spot_kmeans_defaults();
    options.k = (int32_t)k;
    options.init = SPOT_INIT_CENTRES;
    options.centres = start;
    options.tol = number(item, "tol");
    options.max_iter = (int32_t)number(item, "max_iter");
    options.compact = compact;
    options.batch_rows = batch_rows;
    spot_kmeans *model = NULL;
    int status = spot_kmeans_fit(engine, &data, &options, &model, &err);
    if (status < 0) fprintf(stderr, "  case %s: %s\n", name, err.message);
    CU_ASSERT_EQUAL_FATAL(status, 0);
    compare(item, model, &data, x);

    spot_kmeans_free(model);
    free(weight);
    free(values);
    free(x);
    free(start);
}

static void run_cases(int32_t compact, int64_t batch_rows)
{
    const cJSON *item = NULL;
    int count = 0;
    cJSON_ArrayForEach(item, cJSON_GetObjectItem(document, "cases"))
    {
        run_case(item, compact, batch_rows);
        count++;
    }
    CU_ASSERT(count >= 20);
}

static void test_given_centres(void)
{
    run_cases(-1, 0);
}

static void test_compacted(void)
{
    run_cases(1, 0);
}

static void test_in_small_batches(void)
{
    run_cases(0, 37);
}

static int ascending(const void *a, const void *b)
{
    int64_t x = *(const int64_t *)a, y = *(const int64_t *)b;
    return (x > y) - (x < y);
}

/* Where the groups are far apart the best of ten starts is scikit-learn's best of fifty. */
static void check_n_init(enum spot_kmeans_init init, int32_t n_init)
{
    const cJSON *item = cJSON_GetObjectItem(document, "n_init");
    struct spot_matrix data = {0};
    struct spot_error err = {0};
    double *x = load("n_init", "rows", &data.rows, &data.columns);
    float *values = x ? to_float32(x, data.rows * data.columns) : NULL;
    CU_ASSERT_PTR_NOT_NULL_FATAL(values);
    data.values = values;
    struct spot_kmeans_options options = spot_kmeans_defaults();
    options.k = (int32_t)number(item, "k");
    options.init = init;
    options.n_init = n_init;
    options.tol = 0;
    spot_kmeans *model = NULL;
    CU_ASSERT_EQUAL_FATAL(spot_kmeans_fit(engine, &data, &options, &model, &err), 0);

    const struct spot_kmeans_result *result = spot_kmeans_result(model);
    double inertia = number(item, "inertia");
    CU_ASSERT(fabs(result->inertia - inertia) <= 1e-9 * inertia);
    CU_ASSERT(result->best_run >= 0 && result->best_run < n_init);
    int64_t sizes[16];
    memcpy(sizes, result->sizes, (size_t)options.k * sizeof *sizes);
    qsort(sizes, (size_t)options.k, sizeof *sizes, ascending);
    const cJSON *expected = cJSON_GetObjectItem(item, "sizes");
    for (int32_t c = 0; c < options.k; c++)
        CU_ASSERT_EQUAL(sizes[c], (int64_t)cJSON_GetArrayItem(expected, c)->valuedouble);
    spot_kmeans_free(model);
    free(values);
    free(x);
}

static void test_best_of_many_starts(void)
{
    check_n_init(SPOT_INIT_KMEANSPP, 10);
    check_n_init(SPOT_INIT_RANDOM, 60);
}

static cJSON *read_document(const char *path)
{
    static char text[65536];
    FILE *file = fopen(path, "rb");
    size_t length = file ? fread(text, 1, sizeof text - 1, file) : 0;
    if (file) fclose(file);
    text[length] = '\0';
    return cJSON_Parse(text);
}

int main(void)
{
    static const struct suite_test tests[] = {
        {"from given centres", test_given_centres},
        {"with equal rows merged", test_compacted},
        {"in batches of 37 rows", test_in_small_batches},
        {"the best of many starts", test_best_of_many_starts},
        {NULL, NULL},
    };
    struct spot_engine_options options = {.device = "cpu", .threads = 2};
    struct spot_error err = {0};
    document = read_document(FOLDER "cases.json");
    if (document == NULL || spot_engine_open(&options, &engine, &err) < 0) {
        fprintf(stderr, "%s: %s\n", FOLDER, document ? err.message : "no cases.json");
        return 1;
    }
    int failures = run_suite("kmeans_reference", tests);
    spot_engine_close(engine);
    cJSON_Delete(document);
    return failures;
}
