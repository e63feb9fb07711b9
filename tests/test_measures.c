/* Silhouette, Davies-Bouldin and Calinski-Harabasz against stored values of scikit-learn and
 * against their definitions written out, the silhouette's sample, and data at the edge. */
#define _POSIX_C_SOURCE 200809L
#include <cjson/cJSON.h>

#include "data/npy.h"
#include "fitting.h"
#include "models/kmeans.h"
#include "models/random.h"

#define FOLDER SOURCE_DIR "/tests/reference/"

static spot_engine *engine;

/* ---- The definitions ------------------------------------------------------------------------ */

static double distance(const struct spot_matrix *data, int64_t a, int64_t b)
{
    double sum = 0;
    for (int32_t j = 0; j < data->columns; j++) {
        double x = data->values[a * data->columns + j], y = data->values[b * data->columns + j];
        sum += (x - y) * (x - y);
    }
    return sqrt(sum);
}

/* Of the rows listed, among themselves: (count) row numbers, (rows) labels. */
static double plain_silhouette(const struct spot_matrix *data, const int32_t *labels, int32_t k,
                               const int64_t *rows, int64_t count)
{
    double total = 0, *sums = malloc((size_t)k * sizeof *sums);
    int64_t *sizes = calloc((size_t)k, sizeof *sizes);
    for (int64_t i = 0; i < count; i++)
        sizes[labels[rows[i]]]++;
    for (int64_t i = 0; i < count; i++) {
        int32_t own = labels[rows[i]];
        if (sizes[own] == 1) continue;
        memset(sums, 0, (size_t)k * sizeof *sums);
        for (int64_t j = 0; j < count; j++)
            sums[labels[rows[j]]] += distance(data, rows[i], rows[j]);
        double a = sums[own] / (double)(sizes[own] - 1), b = INFINITY;
        for (int32_t c = 0; c < k; c++)
            if (c != own && sizes[c] > 0) b = fmin(b, sums[c] / (double)sizes[c]);
        if (fmax(a, b) > 0) total += (b - a) / fmax(a, b);
    }
    free(sums);
    free(sizes);
    return total / (double)count;
}

/* Davies-Bouldin and Calinski-Harabasz; every cluster has rows. */
static void plain_indices(const struct spot_matrix *data, const int32_t *labels, int32_t k,
                          double *bouldin, double *harabasz)
{
    int64_t n = data->rows, d = data->columns;
    double *means = calloc((size_t)((k + 1) * d), sizeof *means); /* the last one of all rows */
    double *spread = calloc((size_t)k, sizeof *spread), between = 0, within = 0;
    int64_t *sizes = calloc((size_t)k, sizeof *sizes);
    for (int64_t i = 0; i < n; i++) {
        sizes[labels[i]]++;
        for (int64_t j = 0; j < d; j++) {
            means[labels[i] * d + j] += data->values[i * d + j];
            means[k * d + j] += data->values[i * d + j] / (double)n;
        }
    }
    for (int64_t c = 0; c < k; c++)
        for (int64_t j = 0; j < d; j++) {
            means[c * d + j] /= (double)sizes[c];
            between += (double)sizes[c] * pow(means[c * d + j] - means[k * d + j], 2);
        }
    for (int64_t i = 0; i < n; i++) {
        double sum = 0;
        for (int64_t j = 0; j < d; j++)
            sum += pow(data->values[i * d + j] - means[labels[i] * d + j], 2);
        within += sum;
        spread[labels[i]] += sqrt(sum) / (double)sizes[labels[i]];
    }
    *bouldin = 0;
    for (int64_t a = 0; a < k; a++) {
        double worst = 0;
        for (int64_t b = 0; b < k; b++) {
            double apart = 0;
            for (int64_t j = 0; j < d; j++)
                apart += pow(means[a * d + j] - means[b * d + j], 2);
            if (b != a) worst = fmax(worst, (spread[a] + spread[b]) / sqrt(apart));
        }
        *bouldin += worst / k;
    }
    *harabasz = between * (double)(n - k) / (within * (k - 1));
    free(means);
    free(spread);
    free(sizes);
}

/* ---- Helpers -------------------------------------------------------------------------------- */

static int close_to(double a, double b)
{
    return fabs(a - b) <= 1e-9 * fmax(1.0, fabs(b));
}

static struct spot_kmeans_measures measure(spot_engine *on, const spot_kmeans *model,
                                           const struct spot_matrix *data, int64_t rows)
{
    const struct spot_measure_options options = {.seed = 7, .silhouette_rows = rows};
    struct spot_kmeans_measures measures;
    struct spot_error err = {0};
    int status = spot_kmeans_measure(on, model, data, &options, &measures, &err);
    if (status < 0) printf("\n%s\n", err.message);
    CU_ASSERT_EQUAL_FATAL(status, SPOT_OK);
    return measures;
}

static spot_kmeans *model_of(const double *centres, int32_t k, int32_t columns)
{
    spot_kmeans *model = kmeans_new(k, columns);
    CU_ASSERT_PTR_NOT_NULL_FATAL(model);
    memcpy(model->centres, centres, (size_t)k * (size_t)columns * sizeof *centres);
    return model;
}

/* `kinds` different rows, drawn again and again: (rows, columns) around four middles. */
static float *make_rows(int64_t rows, int32_t columns, int64_t kinds)
{
    float *values = malloc((size_t)(rows * columns) * sizeof *values);
    for (int64_t i = 0; i < rows; i++) {
        uint64_t state = 100 + (uint64_t)(i % kinds);
        double middle = floor(4 * next_uniform(&state));
        for (int32_t j = 0; j < columns; j++)
            values[i * columns + j] = (float)(5 * middle * (j % 2) + 8 * next_uniform(&state));
    }
    return values;
}

static spot_kmeans *cluster(const struct spot_matrix *data, int32_t k)
{
    struct spot_kmeans_options options = spot_kmeans_defaults();
    options.k = k;
    return fit(engine, data, &options);
}

/* ---- Tests ---------------------------------------------------------------------------------- */

static double *load(const char *name, const char *part, int64_t *rows, int32_t *columns)
{
    char path[512];
    struct npy_file *file;
    snprintf(path, sizeof path, FOLDER "kmeans/%s_%s.npy", name, part);
    CU_ASSERT_EQUAL_FATAL(npy_open(path, &file, rows, columns, NULL), 0);
    double *values = malloc((size_t)*rows * (size_t)*columns * sizeof *values);
    CU_ASSERT_EQUAL_FATAL(npy_read_float64(file, 0, *rows, values, NULL), 0);
    npy_close(file);
    return values;
}

static void check_case(const cJSON *item)
{
    const char *name = cJSON_GetStringValue(cJSON_GetObjectItem(item, "name"));
    int64_t rows, centre_rows;
    int32_t columns;
    double *wide = load(name, "rows", &rows, &columns);
    double *centres = load(name, "centres", &centre_rows, &columns);
    float *values = malloc((size_t)(rows * columns) * sizeof *values);
    for (int64_t i = 0; i < rows * columns; i++)
        values[i] = (float)wide[i];
    const struct spot_matrix data = {.values = values, .rows = rows, .columns = columns};
    spot_kmeans *model = model_of(centres, (int32_t)centre_rows, columns);
    struct spot_kmeans_measures found = measure(engine, model, &data, 0);
    CU_ASSERT_EQUAL(found.clusters,
                    (int)cJSON_GetNumberValue(cJSON_GetObjectItem(item, "clusters")));
    const cJSON *silhouette = cJSON_GetObjectItem(item, "silhouette");
    if (silhouette == NULL) {
        CU_ASSERT(isnan(found.silhouette) && isnan(found.davies_bouldin) &&
                  isnan(found.calinski_harabasz) && found.silhouette_rows == 0);
    } else {
        const double wanted[] = {
            cJSON_GetNumberValue(silhouette),
            cJSON_GetNumberValue(cJSON_GetObjectItem(item, "davies_bouldin")),
            cJSON_GetNumberValue(cJSON_GetObjectItem(item, "calinski_harabasz"))};
        int fine = fabs(found.silhouette - wanted[0]) < 1e-7 &&
                   fabs(found.davies_bouldin / wanted[1] - 1) < 1e-7 &&
                   fabs(found.calinski_harabasz / wanted[2] - 1) < 1e-7;
        if (!fine)
            fprintf(stderr, "  case %s: %.12g %.12g %.12g instead of %.12g %.12g %.12g\n", name,
                    found.silhouette, found.davies_bouldin, found.calinski_harabasz, wanted[0],
                    wanted[1], wanted[2]);
        CU_ASSERT(fine);
        CU_ASSERT_EQUAL(found.silhouette_rows, rows);
    }
    spot_kmeans_free(model);
    free(values);
    free(wide);
    free(centres);
}

static void test_scikit_learn(void)
{
    FILE *file = fopen(FOLDER "measures/cases.json", "rb");
    CU_ASSERT_PTR_NOT_NULL_FATAL(file);
    static char text[65536];
    text[fread(text, 1, sizeof text - 1, file)] = '\0';
    fclose(file);
    cJSON *document = cJSON_Parse(text);
    const cJSON *cases = cJSON_GetObjectItem(document, "cases"), *item;
    CU_ASSERT(cJSON_GetArraySize(cases) >= 10);
    cJSON_ArrayForEach(item, cases) check_case(item);
    cJSON_Delete(document);
}

/* Shapes around the panels' width, rows in one task and in many, equal rows merged or not. */
static void test_definitions(void)
{
    static const struct {
        int64_t rows, kinds;
        int32_t columns, k;
    } cases[] = {{9, 9, 1, 2},      {63, 63, 3, 4},     {700, 700, 2, 7},
                 {4500, 300, 3, 5}, {5000, 5000, 5, 3}, {600, 20, 4, 6}};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        float *values = make_rows(cases[i].rows, cases[i].columns, cases[i].kinds);
        const struct spot_matrix data = {
            .values = values, .rows = cases[i].rows, .columns = cases[i].columns};
        spot_kmeans *model = cluster(&data, cases[i].k);
        int32_t *labels = malloc((size_t)data.rows * sizeof *labels);
        int64_t *all = malloc((size_t)data.rows * sizeof *all);
        for (int64_t row = 0; row < data.rows; row++)
            all[row] = row;
        CU_ASSERT_EQUAL(spot_kmeans_assign(engine, model, &data, labels, NULL, NULL), 0);
        struct spot_kmeans_measures found = measure(engine, model, &data, 0);
        double bouldin, harabasz;
        plain_indices(&data, labels, cases[i].k, &bouldin, &harabasz);
        CU_ASSERT(close_to(found.silhouette,
                           plain_silhouette(&data, labels, cases[i].k, all, data.rows)));
        CU_ASSERT(close_to(found.davies_bouldin, bouldin));
        CU_ASSERT(close_to(found.calinski_harabasz, harabasz));
        CU_ASSERT_EQUAL(found.clusters, cases[i].k);
        CU_ASSERT_EQUAL(found.silhouette_rows, data.rows);
        spot_kmeans_free(model);
        free(labels);
        free(all);
        free(values);
    }
}

struct keyed {
    uint64_t key;
    int64_t row;
};

static int by_key(const void *a, const void *b)
{
    const struct keyed *x = a, *y = b;
    return (x->key > y->key) - (x->key < y->key);
}

/* The sample is the rows of the smallest random numbers, merged or not. */
static void check_sample(int64_t kinds)
{
    enum { ROWS = 3000, SAMPLE = 257 };
    float *values = make_rows(ROWS, 3, kinds);
    const struct spot_matrix data = {.values = values, .rows = ROWS, .columns = 3};
    spot_kmeans *model = cluster(&data, 4);
    int32_t labels[ROWS];
    struct keyed keys[ROWS];
    int64_t rows[SAMPLE];
    CU_ASSERT_EQUAL(spot_kmeans_assign(engine, model, &data, labels, NULL, NULL), 0);
    for (uint32_t i = 0; i < ROWS; i++)
        keys[i] = (struct keyed){random_bits(7, RANDOM_MEASURES, 0, 0, i), i};
    qsort(keys, ROWS, sizeof *keys, by_key);
    for (int i = 0; i < SAMPLE; i++)
        rows[i] = keys[i].row;
    struct spot_kmeans_measures found = measure(engine, model, &data, SAMPLE);
    struct spot_kmeans_measures whole = measure(engine, model, &data, ROWS);
    CU_ASSERT(close_to(found.silhouette, plain_silhouette(&data, labels, 4, rows, SAMPLE)));
    CU_ASSERT_EQUAL(found.silhouette_rows, SAMPLE);
    CU_ASSERT_EQUAL(whole.silhouette_rows, ROWS);
    CU_ASSERT_NOT_EQUAL(found.silhouette, whole.silhouette);
    CU_ASSERT(fabs(found.silhouette - whole.silhouette) < 0.1);
    CU_ASSERT_EQUAL(found.davies_bouldin, whole.davies_bouldin);
    CU_ASSERT_EQUAL(found.calinski_harabasz, whole.calinski_harabasz);
    struct spot_kmeans_measures one = measure(engine, model, &data, 1);
    CU_ASSERT(isnan(one.silhouette) && one.silhouette_rows == 1);
    spot_kmeans_free(model);
    free(values);
}

static void test_sample(void)
{
    check_sample(3000);
    check_sample(400);
}

static void test_threads(void)
{
    float *values = make_rows(20000, 5, 20000);
    const struct spot_matrix data = {.values = values, .rows = 20000, .columns = 5};
    spot_kmeans *model = cluster(&data, 6);
    struct spot_kmeans_measures first = measure(engine, model, &data, 1500);
    static const char *const variants[] = {NULL, "ref", "avx2", "avx512"};
    for (int threads = 1; threads <= 4; threads++) {
        spot_engine *other = open_engine(threads, variants[threads - 1]);
        if (other == NULL) continue;
        struct spot_kmeans_measures again = measure(other, model, &data, 1500);
        CU_ASSERT_EQUAL(first.silhouette, again.silhouette);
        CU_ASSERT_EQUAL(first.davies_bouldin, again.davies_bouldin);
        CU_ASSERT_EQUAL(first.calinski_harabasz, again.calinski_harabasz);
        spot_engine_close(other);
    }
    spot_kmeans_free(model);
    free(values);
}

static void test_edges(void)
{
    static const float values[] = {0, 0, 10, 10, 10, 30, 31};
    const struct spot_matrix data = {.values = values, .rows = 7, .columns = 1};
    static const double centres[] = {0, 10, 30.5, 500};

    /* One cluster, or none but one with rows. */
    spot_kmeans *model = model_of(centres + 1, 1, 1);
    struct spot_kmeans_measures found = measure(engine, model, &data, 0);
    CU_ASSERT(found.clusters == 1 && isnan(found.silhouette) && isnan(found.davies_bouldin) &&
              isnan(found.calinski_harabasz) && found.silhouette_rows == 0);
    spot_kmeans_free(model);

    /* Equal rows have distance 0, and the empty cluster at 500 does not count. */
    model = model_of(centres, 4, 1);
    found = measure(engine, model, &data, 0);
    const double last = (1 - 1 / 20.0) + (1 - 1 / 21.0); /* rows 30 and 31 */
    CU_ASSERT_EQUAL(found.clusters, 3);
    CU_ASSERT(close_to(found.silhouette, (2 + 3 + last) / 7));
    CU_ASSERT(close_to(found.davies_bouldin, (0.5 / 30.5 + 2 * 0.5 / 20.5) / 3));
    spot_kmeans_free(model);

    /* A row alone in its cluster has silhouette 0. */
    const struct spot_matrix few = {.values = values + 4, .rows = 3, .columns = 1};
    model = model_of(centres + 1, 2, 1);
    found = measure(engine, model, &few, 0);
    CU_ASSERT(close_to(found.silhouette, ((1 - 1 / 20.0) + (1 - 1 / 21.0)) / 3));
    spot_kmeans_free(model);

    /* A cluster for each row. */
    static const double each[] = {10, 30, 31};
    model = model_of(each, 3, 1);
    found = measure(engine, model, &few, 0);
    CU_ASSERT(found.clusters == 3 && isnan(found.silhouette) && isnan(found.davies_bouldin));
    spot_kmeans_free(model);

    /* No scatter within the clusters. */
    model = model_of(centres, 2, 1);
    const struct spot_matrix equal = {.values = values, .rows = 5, .columns = 1};
    found = measure(engine, model, &equal, 0);
    CU_ASSERT(found.silhouette == 1 && found.davies_bouldin == 0 && found.calinski_harabasz == 1);
    spot_kmeans_free(model);
}

static int refused(const spot_kmeans *model, const struct spot_matrix *data,
                   const struct spot_measure_options *options, const char *words)
{
    struct spot_kmeans_measures measures;
    struct spot_error err = {0};
    int status = spot_kmeans_measure(engine, model, data, options, &measures, &err);
    if (status < 0 && strstr(err.message, words) == NULL) printf("\n%s\n", err.message);
    CU_ASSERT_PTR_NOT_NULL(strstr(err.message, words));
    return status;
}

static void test_refused(void)
{
    float *values = make_rows(2000, 2, 30);
    struct spot_matrix data = {.values = values, .rows = 2000, .columns = 2};
    spot_kmeans *model = cluster(&data, 3);
    static const struct spot_measure_options negative = {.silhouette_rows = -1};
    CU_ASSERT_EQUAL(refused(model, &data, &negative, "silhouette_rows = -1"), SPOT_EUSAGE);
    values[2 * 1234 + 1] = NAN;
    CU_ASSERT_EQUAL(refused(model, &data, NULL, "row 1235, column 2"), SPOT_EDATA);
    data.rows = 0;
    CU_ASSERT_EQUAL(refused(model, &data, NULL, "no rows"), SPOT_EDATA);
    data.columns = 1;
    CU_ASSERT_EQUAL(refused(model, &data, NULL, "1 columns where the model has 2"), SPOT_EDATA);
    spot_kmeans_free(model);
    free(values);
}

int main(void)
{
    static const struct suite_test tests[] = {
        {"stored values of scikit-learn", test_scikit_learn},
        {"the definitions written out", test_definitions},
        {"the silhouette of a sample", test_sample},
        {"the same bits for threads and instruction sets", test_threads},
        {"one cluster, single rows, equal rows, empty clusters", test_edges},
        {"what is refused", test_refused},
        {NULL, NULL},
    };
    const struct spot_engine_options options = {.device = "cpu", .threads = 2};
    if (spot_engine_open(&options, &engine, NULL) < 0) return 1;
    int failed = run_suite("measures", tests);
    spot_engine_close(engine);
    return failed;
}
