/* Spherical KMeans against a plain float64 one, its bits for every way of computing them, zero rows
 * and means, scoring, files and measures. */
#define _POSIX_C_SOURCE 200809L
#include <unistd.h>

#include "fitting.h"

static spot_engine *engine;

static struct spot_kmeans_options cosine_options(int32_t k)
{
    struct spot_kmeans_options options = spot_kmeans_defaults();
    options.k = k;
    options.metric = SPOT_METRIC_COSINE;
    options.tol = 0;
    return options;
}

/* Rows of very different lengths around `k` directions: (rows, columns). */
static float *make_rows(int64_t rows, int32_t columns, int32_t k, double spread, uint64_t seed)
{
    float *values = malloc((size_t)(rows * columns) * sizeof *values);
    for (int64_t i = 0; i < rows; i++) {
        uint64_t kind = (uint64_t)(i % k) + 1000;
        double length = pow(10, 6 * next_uniform(&seed) - 3);
        for (int32_t j = 0; j < columns; j++) {
            double x = next_uniform(&kind) - 0.5 + spread * (next_uniform(&seed) - 0.5);
            values[i * columns + j] = (float)(length * x);
        }
    }
    return values;
}

/* ---- A plain spherical KMeans --------------------------------------------------------------- */

struct plain {
    double *centres, inertia; /* (k, columns) */
    int32_t *labels;
};

static void unit(const double *from, double *to, int32_t columns)
{
    double square = 0;
    for (int32_t j = 0; j < columns; j++)
        square += from[j] * from[j];
    for (int32_t j = 0; j < columns; j++)
        to[j] = from[j] / sqrt(square);
}

/* The centre of the largest cosine for every row; returns how many moved. */
static int64_t plain_assign(struct plain *plain, const double *x, const double *weights, int64_t n,
                            int32_t d, int32_t k)
{
    int64_t moved = 0;
    plain->inertia = 0;
    for (int64_t i = 0; i < n; i++) {
        double best = -2;
        int32_t label = 0;
        for (int32_t c = 0; c < k; c++) {
            double cosine = 0;
            for (int32_t j = 0; j < d; j++)
                cosine += x[i * d + j] * plain->centres[c * d + j];
            if (cosine > best) {
                best = cosine;
                label = c;
            }
        }
        moved += label != plain->labels[i];
        plain->labels[i] = label;
        plain->inertia += (weights != NULL ? weights[i] : 1) * (1 - best);
    }
    return moved;
}

static void plain_update(struct plain *plain, const double *x, const double *weights, int64_t n,
                         int32_t d, int32_t k)
{
    double *sums = calloc((size_t)(k * d), sizeof *sums);
    for (int64_t i = 0; i < n; i++)
        for (int32_t j = 0; j < d; j++)
            sums[plain->labels[i] * d + j] += (weights != NULL ? weights[i] : 1) * x[i * d + j];
    for (int32_t c = 0; c < k; c++)
        unit(sums + c * d, plain->centres + c * d, d);
    free(sums);
}

/* From given centres until no row moves. */
static struct plain plain_fit(const struct spot_matrix *data, const double *centres, int32_t k)
{
    int64_t n = data->rows;
    int32_t d = data->columns;
    double *x = malloc((size_t)(n * d) * sizeof *x);
    struct plain plain = {malloc((size_t)(k * d) * sizeof(double)), 0,
                          malloc((size_t)n * sizeof(int32_t))};
    for (int64_t i = 0; i < n * d; i++)
        x[i] = data->values[i];
    for (int64_t i = 0; i < n; i++) {
        unit(x + i * d, x + i * d, d);
        plain.labels[i] = -1;
    }
    for (int32_t c = 0; c < k; c++)
        unit(centres + c * d, plain.centres + c * d, d);
    while (plain_assign(&plain, x, data->weights, n, d, k) > 0)
        plain_update(&plain, x, data->weights, n, d, k);
    free(x);
    return plain;
}

static void check_plain(int64_t rows, int32_t columns, int32_t k, int weighted)
{
    float *values = make_rows(rows, columns, k, 0.9, (uint64_t)(rows + columns));
    double *weights = malloc((size_t)rows * sizeof *weights), *centres;
    uint64_t state = 5;
    for (int64_t i = 0; i < rows; i++)
        weights[i] = floor(6 * next_uniform(&state)) / 2;
    centres = malloc((size_t)(k * columns) * sizeof *centres);
    for (int32_t i = 0; i < k * columns; i++) /* moved a little, and of other lengths */
        centres[i] = values[i] + 1e-4 * next_uniform(&state);
    const struct spot_matrix data = {
        .values = values, .weights = weighted ? weights : NULL, .rows = rows, .columns = columns};
    struct spot_kmeans_options options = cosine_options(k);
    options.init = SPOT_INIT_CENTRES;
    options.centres = centres;
    spot_kmeans *model = fit(engine, &data, &options);
    const struct spot_kmeans_result *found = spot_kmeans_result(model);
    struct plain plain = plain_fit(&data, centres, k);
    int32_t *labels = malloc((size_t)rows * sizeof *labels);
    double *distances = malloc((size_t)rows * sizeof *distances), sum = 0;
    CU_ASSERT_EQUAL(spot_kmeans_assign(engine, model, &data, labels, distances, NULL), SPOT_OK);
    CU_ASSERT_EQUAL(memcmp(labels, plain.labels, (size_t)rows * sizeof *labels), 0);
    for (int32_t i = 0; i < k * columns; i++)
        CU_ASSERT(fabs(found->centres[i] - plain.centres[i]) < 1e-7);
    CU_ASSERT(fabs(found->inertia / plain.inertia - 1) < 1e-6);
    for (int64_t i = 0; i < rows; i++)
        sum += (weighted ? weights[i] : 1) * distances[i];
    CU_ASSERT(fabs(sum / found->inertia - 1) < 1e-9);
    for (int32_t c = 0; c < k; c++) {
        double square = 0;
        for (int32_t j = 0; j < columns; j++)
            square += found->centres[c * columns + j] * found->centres[c * columns + j];
        CU_ASSERT(fabs(square - 1) < 1e-15 * (columns + 4));
    }
    CU_ASSERT_EQUAL(found->metric, SPOT_METRIC_COSINE);
    CU_ASSERT_EQUAL(found->converged, 1);
    spot_kmeans_free(model);
    free(plain.centres);
    free(plain.labels);
    free(labels);
    free(distances);
    free(centres);
    free(weights);
    free(values);
}

static void test_plain(void)
{
    check_plain(500, 2, 3, 0);
    check_plain(2000, 5, 8, 0);
    check_plain(3000, 17, 20, 1);
    check_plain(300, 64, 4, 1);
}

/* ---- The same bits -------------------------------------------------------------------------- */

static int read_rows(void *arg, int64_t first, int64_t rows, float *values, double *weights,
                     struct spot_error *err)
{
    const struct spot_matrix *data = arg;
    const size_t columns = (size_t)data->columns;
    (void)err;
    if (values != NULL)
        memcpy(values, data->values + (size_t)first * columns,
               (size_t)rows * columns * sizeof *values);
    if (weights != NULL) memcpy(weights, data->weights + first, (size_t)rows * sizeof *weights);
    return SPOT_OK;
}

/* Equal directions of different lengths become equal rows, so there is something to merge. */
static void test_same_bits(void)
{
    enum { ROWS = 6000, COLUMNS = 4 };
    float *values = make_rows(ROWS, COLUMNS, 7, 0.9, 11);
    double *weights = malloc(ROWS * sizeof *weights);
    for (int i = 0; i < ROWS; i++) {
        weights[i] = 1 + i % 3;
        for (int j = 0; j < COLUMNS && i >= 900; j++)
            values[i * COLUMNS + j] = values[i % 900 * COLUMNS + j] * (float)(1 << i % 3);
    }
    const struct spot_matrix data = {
        .values = values, .weights = weights, .rows = ROWS, .columns = COLUMNS};
    static const char *const variants[] = {"ref", "avx2", "avx512", NULL};
    struct spot_kmeans_options options = cosine_options(9);
    options.n_init = 3;
    options.compact = 0;
    options.tol = 1e-4;
    spot_kmeans *first = fit(engine, &data, &options);
    for (int i = 0; i < 8; i++) {
        spot_engine *other = open_engine(1 + i % 4, variants[i % 4]);
        if (other == NULL) continue;
        options.compact = i % 2;
        options.batch_rows = i < 4 ? 0 : 777;
        spot_kmeans *again = fit(other, &data, &options);
        CU_ASSERT(same_model(first, again));
        spot_kmeans_free(again);
        spot_engine_close(other);
    }
    /* Rows that are read when they are needed. */
    const struct spot_reader reader = {.read = read_rows, .arg = (void *)(uintptr_t)&data, 1};
    const struct spot_matrix streamed = {.rows = ROWS, .columns = COLUMNS, .reader = &reader};
    spot_kmeans *from_reader = fit(engine, &streamed, &options);
    CU_ASSERT(same_model(first, from_reader));
    static double distances[2][ROWS];
    CU_ASSERT_EQUAL(spot_kmeans_assign(engine, first, &data, NULL, distances[0], NULL), SPOT_OK);
    CU_ASSERT_EQUAL(spot_kmeans_assign(engine, first, &streamed, NULL, distances[1], NULL),
                    SPOT_OK);
    CU_ASSERT_EQUAL(memcmp(distances[0], distances[1], sizeof distances[0]), 0);
    spot_kmeans_free(from_reader);
    spot_kmeans_free(first);

    /* A length that is a power of two more or less changes nothing at all. */
    options = cosine_options(5);
    first = fit(engine, &data, &options);
    for (int i = 0; i < ROWS * COLUMNS; i++)
        values[i] *= i / COLUMNS % 2 ? 1024 : 0.25f;
    spot_kmeans *again = fit(engine, &data, &options);
    CU_ASSERT(same_model(first, again));
    spot_kmeans_free(first);
    spot_kmeans_free(again);
    free(values);
    free(weights);
}

/* Rows in a narrow cone around an axis: the centres leave the box that the rows lie in. */
static void test_narrow_cone(void)
{
    enum { ROWS = 400 };
    float *values = malloc(ROWS * 3 * sizeof *values);
    for (int i = 0; i < ROWS; i++) {
        double angle = 0.001 + i * 2 * 3.14159265358979 / ROWS, tilt = i % 2 ? 1e-3 : -1e-3;
        values[3 * i] = (float)(1e6 * (1 + tilt));
        values[3 * i + 1] = (float)(1e4 * cos(angle));
        values[3 * i + 2] = (float)(1e4 * sin(angle));
    }
    const struct spot_matrix data = {.values = values, .rows = ROWS, .columns = 3};
    struct spot_kmeans_options options = cosine_options(1);
    spot_kmeans *model = fit(engine, &data, &options);
    const struct spot_kmeans_result *found = spot_kmeans_result(model);
    CU_ASSERT(fabs(found->centres[0] - 1) < 1e-8);
    CU_ASSERT(fabs(found->inertia / (ROWS * (1 - 1 / sqrt(1.0001))) - 1) < 1e-3);
    spot_kmeans_free(model);
    free(values);
}

/* ---- Without a direction -------------------------------------------------------------------- */

static void refuse(const struct spot_matrix *data, const struct spot_kmeans_options *options,
                   int code, const char *words)
{
    spot_kmeans *model = NULL;
    struct spot_error err = {0};
    CU_ASSERT_EQUAL(spot_kmeans_fit(engine, data, options, &model, &err), code);
    CU_ASSERT_PTR_NULL(model);
    CU_ASSERT_PTR_NOT_NULL(strstr(err.message, words));
    if (strstr(err.message, words) == NULL) printf("\n%s\n", err.message);
}

static void test_refused(void)
{
    enum { ROWS = 10000 };
    float *values = make_rows(ROWS, 2, 3, 0.5, 3);
    const struct spot_matrix data = {.values = values, .rows = ROWS, .columns = 2};
    struct spot_kmeans_options options = cosine_options(3);
    spot_kmeans *model = fit(engine, &data, &options);
    double distances[2];
    static const float zero[] = {1, 2, -0.0f, 0};
    const struct spot_matrix two = {.values = zero, .rows = 2, .columns = 2};
    struct spot_error err = {0};
    CU_ASSERT_EQUAL(spot_kmeans_assign(engine, model, &two, NULL, distances, &err), SPOT_EDATA);
    CU_ASSERT_PTR_NOT_NULL(strstr(err.message, "row 2: all zeros have no direction; drop"));
    struct spot_kmeans_measures measures;
    CU_ASSERT_EQUAL(spot_kmeans_measure(engine, model, &two, NULL, &measures, &err), SPOT_EDATA);
    CU_ASSERT_PTR_NOT_NULL(strstr(err.message, "row 2: all zeros"));
    const struct spot_matrix none = {.values = zero, .rows = 0, .columns = 2};
    CU_ASSERT_EQUAL(spot_kmeans_assign(engine, model, &none, NULL, distances, &err), SPOT_OK);
    spot_kmeans_free(model);

    values[2 * 9000] = values[2 * 9000 + 1] = 0;
    values[2 * 7000] = values[2 * 7000 + 1] = 0;
    refuse(&data, &options, SPOT_EDATA, "row 7001: all zeros have no direction; drop");
    values[2 * 5000 + 1] = NAN;
    refuse(&data, &options, SPOT_EDATA, "row 5001, column 2: the value is NaN");
    values[2 * 4000] = -INFINITY;
    refuse(&data, &options, SPOT_EDATA, "row 4001, column 1: the value is infinite");
    options.metric = (enum spot_metric)7;
    refuse(&data, &options, SPOT_EUSAGE, "metric: 7 is no metric");
    static const double centres[] = {1, 0, 0, 0};
    options = cosine_options(2);
    options.init = SPOT_INIT_CENTRES;
    options.centres = centres;
    const struct spot_matrix one = {.values = values, .rows = 2, .columns = 2};
    refuse(&one, &options, SPOT_EDATA, "initial centre of cluster 1: all zeros have no direction");
    free(values);
}

/* Opposite rows cancel out: the centre stays where it was, and nothing is NaN. */
static void test_zero_mean(void)
{
    static const float values[] = {3, 4, -3, -4, 6, 8, -0.3f, -0.4f};
    static const double centres[] = {5, 0};
    const struct spot_matrix data = {.values = values, .rows = 4, .columns = 2};
    struct spot_kmeans_options options = cosine_options(1);
    options.init = SPOT_INIT_CENTRES;
    options.centres = centres;
    spot_kmeans *model = fit(engine, &data, &options);
    const struct spot_kmeans_result *found = spot_kmeans_result(model);
    CU_ASSERT(found->centres[0] == 1 && found->centres[1] == 0);
    CU_ASSERT(fabs(found->inertia - 4) < 1e-6);
    spot_kmeans_free(model);
}

/* Extreme lengths, and more clusters than directions. */
static void test_extremes(void)
{
    static const float values[] = {1e-45f, 0, 3e38f, 3e38f, 0, -2e-40f, 1e30f, 1e30f};
    static const double centres[] = {1e-200, 1e-200, 1e300, 0};
    const struct spot_matrix data = {.values = values, .rows = 4, .columns = 2};
    struct spot_kmeans_options options = cosine_options(3);
    spot_kmeans *model = fit(engine, &data, &options);
    CU_ASSERT(fabs(spot_kmeans_result(model)->inertia) < 1e-12);
    spot_kmeans_free(model);
    options = cosine_options(4);
    model = fit(engine, &data, &options);
    for (int i = 0; i < 8; i++)
        CU_ASSERT(isfinite(spot_kmeans_result(model)->centres[i]));
    spot_kmeans_free(model);
    options = cosine_options(2);
    options.init = SPOT_INIT_CENTRES;
    options.centres = centres;
    options.max_iter = 1;
    model = fit(engine, &data, &options);
    CU_ASSERT(isfinite(spot_kmeans_result(model)->inertia));
    spot_kmeans_free(model);
}

/* ---- Files and measures --------------------------------------------------------------------- */

static void test_file(void)
{
    float *values = make_rows(500, 3, 4, 0.5, 9);
    const struct spot_matrix data = {.values = values, .rows = 500, .columns = 3};
    struct spot_kmeans_options options = cosine_options(4);
    spot_kmeans *model = fit(engine, &data, &options), *again = NULL;
    char path[] = "/tmp/test_cosine_XXXXXX";
    close(mkstemp(path));
    CU_ASSERT_EQUAL_FATAL(spot_kmeans_save(model, path, NULL), SPOT_OK);
    CU_ASSERT_EQUAL_FATAL(spot_kmeans_load(path, &again, NULL), SPOT_OK);
    CU_ASSERT_EQUAL(spot_kmeans_result(again)->metric, SPOT_METRIC_COSINE);
    double a[500], b[500];
    CU_ASSERT_EQUAL(spot_kmeans_assign(engine, model, &data, NULL, a, NULL), SPOT_OK);
    CU_ASSERT_EQUAL(spot_kmeans_assign(engine, again, &data, NULL, b, NULL), SPOT_OK);
    CU_ASSERT_EQUAL(memcmp(a, b, sizeof a), 0);
    unlink(path);
    spot_kmeans_free(model);
    spot_kmeans_free(again);
    free(values);
}

/* The silhouette takes 1 - cos for a distance. */
static void test_measures(void)
{
    enum { ROWS = 300 };
    float *values = make_rows(ROWS, 3, 3, 0.6, 21);
    const struct spot_matrix data = {.values = values, .rows = ROWS, .columns = 3};
    struct spot_kmeans_options options = cosine_options(3);
    spot_kmeans *model = fit(engine, &data, &options);
    int32_t labels[ROWS];
    struct spot_kmeans_measures measures;
    CU_ASSERT_EQUAL(spot_kmeans_assign(engine, model, &data, labels, NULL, NULL), SPOT_OK);
    CU_ASSERT_EQUAL(spot_kmeans_measure(engine, model, &data, NULL, &measures, NULL), SPOT_OK);
    double total = 0, rows[ROWS][3];
    for (int i = 0; i < ROWS; i++) {
        for (int j = 0; j < 3; j++)
            rows[i][j] = values[3 * i + j];
        unit(rows[i], rows[i], 3);
    }
    for (int i = 0; i < ROWS; i++) {
        double sums[3] = {0}, b = INFINITY;
        int sizes[3] = {0};
        for (int j = 0; j < ROWS; j++) {
            sizes[labels[j]]++;
            sums[labels[j]] +=
                1 - (rows[i][0] * rows[j][0] + rows[i][1] * rows[j][1] + rows[i][2] * rows[j][2]);
        }
        double a = sums[labels[i]] / (sizes[labels[i]] - 1);
        for (int c = 0; c < 3; c++)
            if (c != labels[i]) b = fmin(b, sums[c] / sizes[c]);
        total += (b - a) / fmax(a, b);
    }
    CU_ASSERT(fabs(measures.silhouette - total / ROWS) < 1e-6);
    spot_kmeans_free(model);
    free(values);
}

int main(void)
{
    static const struct suite_test tests[] = {
        {"a plain spherical KMeans", test_plain},
        {"the same bits", test_same_bits},
        {"a narrow cone", test_narrow_cone},
        {"rows and centres without a direction", test_refused},
        {"a mean of zero", test_zero_mean},
        {"extreme lengths", test_extremes},
        {"the model's file", test_file},
        {"measures", test_measures},
        {NULL, NULL},
    };
    const struct spot_engine_options options = {.device = "cpu", .threads = 2};
    if (spot_engine_open(&options, &engine, NULL) < 0) return 1;
    int failed = run_suite("cosine", tests);
    spot_engine_close(engine);
    return failed;
}
