/* Models that learn from more rows, against stored values of scikit-learn
 * (tests/reference/make_minibatch_reference.py) and a plain float64 update written here; and
 * mini-batch fits: their quality, and that nothing but data and options changes a bit. */
#define _POSIX_C_SOURCE 200809L
#include <cjson/cJSON.h>
#include <unistd.h>

#include "fitting.h"
#include "models/kmeans.h"

static char path[] = "/tmp/minibatch_XXXXXX";
static spot_engine *engine;

/* ---- scikit-learn --------------------------------------------------------------------------- */

static double *numbers(const cJSON *object, const char *key, int64_t *count)
{
    const cJSON *list = cJSON_GetObjectItem(object, key), *item;
    *count = cJSON_GetArraySize(list);
    if (!cJSON_IsArray(list)) return NULL;
    double *values = calloc((size_t)*count + 1, sizeof *values);
    int64_t i = 0;
    cJSON_ArrayForEach(item, list) values[i++] = item->valuedouble;
    return values;
}

/* A model that has seen nothing. */
static spot_kmeans *new_model(const cJSON *item)
{
    int64_t cells;
    double *start = numbers(item, "start", &cells);
    int32_t k = (int32_t)cJSON_GetObjectItem(item, "k")->valuedouble;
    spot_kmeans *model = kmeans_new(k, (int32_t)(cells / k));
    memcpy(model->centres, start, (size_t)cells * sizeof *start);
    free(start);
    return model;
}

static void expect(int holds, const cJSON *item, const char *what)
{
    if (!holds) printf("\n  case %s: %s\n", cJSON_GetObjectItem(item, "name")->valuestring, what);
    CU_ASSERT(holds);
}

/* One call of partial_fit and what it leaves. */
static void check_step(const cJSON *item, const cJSON *step, spot_kmeans **model)
{
    int64_t cells, rows, k;
    spot_kmeans *updated = NULL;
    double *x = numbers(step, "rows", &cells), *weights = numbers(step, "weights", &rows);
    double *centres = numbers(step, "centres", &k), *counts = numbers(step, "counts", &k);
    const struct spot_kmeans_result *before = spot_kmeans_result(*model);
    float *values = malloc((size_t)cells * sizeof *values);
    for (int64_t i = 0; i < cells; i++)
        values[i] = (float)x[i];
    const struct spot_matrix data = {.values = values,
                                     .weights = weights,
                                     .rows = cells / before->columns,
                                     .columns = before->columns};
    CU_ASSERT_EQUAL_FATAL(spot_kmeans_update(engine, *model, &data, 0, &updated, NULL), SPOT_OK);
    const struct spot_kmeans_result *after = spot_kmeans_result(updated);
    CU_ASSERT_EQUAL(after->iterations, before->iterations + 1);
    CU_ASSERT_EQUAL(after->converged, 0);
    for (int32_t i = 0; i < after->k * after->columns; i++)
        expect(fabs(after->centres[i] - centres[i]) <= 1e-11 * (10 + fabs(centres[i])), item,
               "centres");
    int64_t seen = 0;
    for (int32_t c = 0; c < after->k; c++) {
        expect(fabs(after->weights[c] - counts[c]) <= 1e-12 * counts[c], item, "weights");
        seen += after->sizes[c] - before->sizes[c];
    }
    CU_ASSERT_EQUAL(seen, data.rows);
    const double inertia = cJSON_GetObjectItem(step, "inertia")->valuedouble;
    expect(fabs(after->inertia - inertia) <= 1e-9 * inertia + 1e-9, item, "inertia");
    spot_kmeans_free(*model);
    *model = updated;
    free(x);
    free(weights);
    free(centres);
    free(counts);
    free(values);
}

static void test_scikit_learn(void)
{
    static char text[1 << 18];
    FILE *file = fopen(SOURCE_DIR "/tests/reference/minibatch.json", "r");
    CU_ASSERT_PTR_NOT_NULL_FATAL(file);
    size_t length = fread(text, 1, sizeof text - 1, file);
    fclose(file);
    CU_ASSERT_FATAL(length < sizeof text - 1);
    cJSON *document = cJSON_Parse(text);
    const cJSON *item, *step;
    int cases = 0;
    cJSON_ArrayForEach(item, cJSON_GetObjectItem(document, "cases"))
    {
        spot_kmeans *model = new_model(item);
        cJSON_ArrayForEach(step, cJSON_GetObjectItem(item, "steps")) check_step(item, step, &model);
        spot_kmeans_free(model);
        cases++;
    }
    CU_ASSERT(cases >= 7);
    cJSON_Delete(document);
}

/* ---- Rows of any kind ----------------------------------------------------------------------- */

enum { ROWS = 6000, COLUMNS = 3, GROUPS = 5, K = 5 };

static float rows[ROWS * COLUMNS];
static double weights[ROWS];

static void make_rows(uint64_t seed, double spread)
{
    for (int i = 0; i < ROWS; i++) {
        for (int j = 0; j < COLUMNS; j++)
            rows[i * COLUMNS + j] =
                (float)(20.0 * ((i % GROUPS * (j + 2)) % GROUPS) +
                        spread * (next_uniform(&seed) + next_uniform(&seed) - 1));
        weights[i] = next_uniform(&seed) < 0.2 ? 0 : 3 * next_uniform(&seed);
    }
}

static struct spot_matrix all_rows(void)
{
    return (struct spot_matrix){.values = rows, .rows = ROWS, .columns = COLUMNS};
}

/* The update rule in plain float64, batch after batch. */
static void plain_update(const struct spot_matrix *data, int64_t batch, double *centres,
                         double *seen)
{
    for (int64_t first = 0; first < data->rows; first += batch) {
        double sums[K * COLUMNS] = {0}, gains[K] = {0};
        for (int64_t i = first; i < first + batch && i < data->rows; i++) {
            double least = INFINITY, w = data->weights == NULL ? 1 : data->weights[i];
            int nearest = 0;
            for (int c = 0; c < K; c++) {
                double d2 = 0;
                for (int j = 0; j < COLUMNS; j++)
                    d2 += pow((double)rows[i * COLUMNS + j] - centres[c * COLUMNS + j], 2);
                if (d2 < least) {
                    least = d2;
                    nearest = c;
                }
            }
            gains[nearest] += w;
            for (int j = 0; j < COLUMNS; j++)
                sums[nearest * COLUMNS + j] += w * (double)rows[i * COLUMNS + j];
        }
        for (int c = 0; c < K; c++) {
            for (int j = 0; j < COLUMNS && gains[c] > 0; j++)
                centres[c * COLUMNS + j] =
                    (centres[c * COLUMNS + j] * seen[c] + sums[c * COLUMNS + j]) /
                    (seen[c] + gains[c]);
            seen[c] += gains[c];
        }
    }
}

static spot_kmeans *start_model(void)
{
    const struct spot_matrix half = {.values = rows, .rows = ROWS / 2, .columns = COLUMNS};
    struct spot_kmeans_options options = spot_kmeans_defaults();
    options.k = K;
    options.max_iter = 2;
    return fit(engine, &half, &options);
}

static void check_update(const double *row_weights, int64_t batch)
{
    spot_kmeans *start = start_model(), *updated = NULL;
    struct spot_matrix data = all_rows();
    double centres[K * COLUMNS], seen[K];
    data.weights = row_weights;
    memcpy(centres, start->centres, sizeof centres);
    memcpy(seen, start->weights, sizeof seen);
    plain_update(&data, batch == 0 ? ROWS : batch, centres, seen);
    CU_ASSERT_EQUAL_FATAL(spot_kmeans_update(engine, start, &data, batch, &updated, NULL), SPOT_OK);
    for (int i = 0; i < K * COLUMNS; i++)
        CU_ASSERT(fabs(updated->centres[i] - centres[i]) <= 1e-10);
    for (int c = 0; c < K; c++)
        CU_ASSERT(fabs(updated->weights[c] - seen[c]) <= 1e-9 * seen[c]);
    spot_kmeans_free(start);
    spot_kmeans_free(updated);
}

static void test_plain_update(void)
{
    make_rows(3, 30);
    const int64_t batches[] = {0, 1, 100, 999, ROWS, 10 * ROWS};
    for (size_t i = 0; i < sizeof batches / sizeof *batches; i++) {
        check_update(NULL, batches[i]);
        check_update(weights, batches[i]);
    }
}

static void test_update_on_other_threads(void)
{
    make_rows(3, 30);
    spot_kmeans *start = start_model(), *first = NULL;
    struct spot_matrix data = all_rows();
    data.weights = weights;
    CU_ASSERT_EQUAL_FATAL(spot_kmeans_update(engine, start, &data, 700, &first, NULL), SPOT_OK);
    const char *const variants[] = {"ref", "avx2", "avx512"};
    for (int threads = 1; threads <= 3; threads++) {
        spot_engine *other = open_engine(threads, variants[threads - 1]);
        spot_kmeans *again = NULL;
        if (other == NULL) continue;
        CU_ASSERT_EQUAL_FATAL(spot_kmeans_update(other, start, &data, 700, &again, NULL), SPOT_OK);
        CU_ASSERT(same_model(first, again));
        CU_ASSERT(memcmp(first->weights, again->weights, K * sizeof(double)) == 0);
        spot_kmeans_free(again);
        spot_engine_close(other);
    }
    spot_kmeans_free(start);
    spot_kmeans_free(first);
}

/* Weights that a centre has seen are in the file where they are not its sizes. */
static void test_model_file(void)
{
    make_rows(3, 30);
    struct spot_matrix data = all_rows();
    spot_kmeans *start = start_model(), *read = NULL, *updated = NULL, *again = NULL;
    CU_ASSERT_EQUAL(spot_kmeans_save(start, path, NULL), SPOT_OK);
    CU_ASSERT_EQUAL_FATAL(spot_kmeans_load(path, &read, NULL), SPOT_OK);
    CU_ASSERT(memcmp(start->weights, read->weights, K * sizeof(double)) == 0);
    for (int round = 0; round < 2; round++) {
        data.weights = round == 0 ? NULL : weights;
        CU_ASSERT_EQUAL_FATAL(spot_kmeans_update(engine, start, &data, 0, &updated, NULL), SPOT_OK);
        CU_ASSERT_EQUAL_FATAL(spot_kmeans_update(engine, read, &data, 0, &again, NULL), SPOT_OK);
        CU_ASSERT(same_model(updated, again));
        spot_kmeans_free(start);
        spot_kmeans_free(read);
        spot_kmeans_free(again);
        start = updated;
        CU_ASSERT_EQUAL(spot_kmeans_save(start, path, NULL), SPOT_OK);
        CU_ASSERT_EQUAL_FATAL(spot_kmeans_load(path, &read, NULL), SPOT_OK);
        CU_ASSERT(memcmp(start->weights, read->weights, K * sizeof(double)) == 0);
        CU_ASSERT((read->weights[0] == (double)read->sizes[0]) == (round == 0));
    }
    spot_kmeans_free(start);
    spot_kmeans_free(read);
}

static void refuses_file(const char *from, const char *to, const char *words)
{
    static char text[1 << 16], changed[1 << 16];
    FILE *file = fopen(path, "r");
    text[fread(text, 1, sizeof text - 1, file)] = '\0';
    fclose(file);
    char *at = strstr(text, from);
    CU_ASSERT_PTR_NOT_NULL_FATAL(at);
    snprintf(changed, sizeof changed, "%.*s%s%s", (int)(at - text), text, to, at + strlen(from));
    file = fopen(path, "w");
    fputs(changed, file);
    fclose(file);
    struct spot_error err = {0};
    spot_kmeans *model;
    CU_ASSERT_EQUAL(spot_kmeans_load(path, &model, &err), SPOT_EFORMAT);
    CU_ASSERT_PTR_NOT_NULL(strstr(err.message, words));
    file = fopen(path, "w");
    fputs(text, file);
    fclose(file);
}

static void test_refused_files(void)
{
    make_rows(3, 30);
    struct spot_matrix data = all_rows();
    data.weights = weights;
    spot_kmeans *start = start_model(), *updated = NULL;
    CU_ASSERT_EQUAL_FATAL(spot_kmeans_update(engine, start, &data, 0, &updated, NULL), SPOT_OK);
    CU_ASSERT_EQUAL(spot_kmeans_save(updated, path, NULL), SPOT_OK);
    refuses_file("\"weights\": [", "\"weights\": [-", "kmeans.weights[0] is not a weight");
    refuses_file("\"weights\": [", "\"weights\": [1, ", "kmeans.weights is not a list of k = 5");
    refuses_file("\"weights\": [", "\"weights\": 7, \"w\": [", "kmeans.weights is not a list");
    spot_kmeans_free(start);
    spot_kmeans_free(updated);
}

static void test_refused_updates(void)
{
    make_rows(3, 30);
    spot_kmeans *start = start_model(), *updated = start;
    struct spot_matrix data = all_rows();
    struct spot_error err = {0};
    data.columns = 2;
    CU_ASSERT_EQUAL(spot_kmeans_update(engine, start, &data, 0, &updated, &err), SPOT_EDATA);
    CU_ASSERT_PTR_NOT_NULL(strstr(err.message, "2 columns where the model has 3"));
    CU_ASSERT_PTR_NULL(updated);
    data = all_rows();
    CU_ASSERT_EQUAL(spot_kmeans_update(engine, start, &data, -1, &updated, &err), SPOT_EUSAGE);
    rows[3000 * COLUMNS + 1] = NAN; /* in a later batch, named by its row in the whole */
    CU_ASSERT_EQUAL(spot_kmeans_update(engine, start, &data, 100, &updated, &err), SPOT_EDATA);
    CU_ASSERT_PTR_NOT_NULL(strstr(err.message, "row 3001, column 2"));
    rows[3000 * COLUMNS + 1] = 0;
    data.weights = weights;
    weights[4000] = -1;
    CU_ASSERT_EQUAL(spot_kmeans_update(engine, start, &data, 100, &updated, &err), SPOT_EDATA);
    CU_ASSERT_PTR_NOT_NULL(strstr(err.message, "row 4001"));
    memset(weights, 0, sizeof weights);
    CU_ASSERT_EQUAL(spot_kmeans_update(engine, start, &data, 100, &updated, &err), SPOT_EDATA);
    weights[5000] = 1; /* batches that weigh nothing teach nothing */
    CU_ASSERT_EQUAL(spot_kmeans_update(engine, start, &data, 100, &updated, &err), SPOT_OK);
    CU_ASSERT_EQUAL(updated->result.iterations, start->result.iterations + 1);
    spot_kmeans_free(updated);
    data.rows = 0;
    CU_ASSERT_EQUAL(spot_kmeans_update(engine, start, &data, 0, &updated, &err), SPOT_EDATA);
    CU_ASSERT_PTR_NULL(updated);
    spot_kmeans_free(start);
}

/* ---- Fits ----------------------------------------------------------------------------------- */

static struct spot_kmeans_options minibatch_options(int64_t batch)
{
    struct spot_kmeans_options options = spot_kmeans_defaults();
    options.k = K;
    options.mini_batch = batch;
    return options;
}

/* Nearly as good as Lloyd's, and the result belongs to the final centres. */
static void test_fit(void)
{
    for (int spread = 5; spread < 60; spread *= 3) {
        make_rows(9, spread);
        struct spot_matrix data = all_rows();
        for (int weighted = 0; weighted < 2; weighted++) {
            data.weights = weighted ? weights : NULL;
            struct spot_kmeans_options lloyd = minibatch_options(0), few = minibatch_options(400);
            spot_kmeans *best = fit(engine, &data, &lloyd), *model = fit(engine, &data, &few);
            const struct spot_kmeans_result *result = spot_kmeans_result(model);
            CU_ASSERT(result->inertia < 1.05 * spot_kmeans_result(best)->inertia);
            CU_ASSERT_EQUAL(result->converged, 1);
            CU_ASSERT(result->iterations > 10);
            double inertia = 0, seen = 0;
            int32_t labels[ROWS];
            double distances[ROWS];
            int64_t sizes[K] = {0};
            CU_ASSERT_EQUAL(spot_kmeans_assign(engine, model, &data, labels, distances, NULL),
                            SPOT_OK);
            for (int i = 0; i < ROWS; i++) {
                inertia += distances[i] * distances[i] * (weighted ? weights[i] : 1);
                sizes[labels[i]]++;
            }
            CU_ASSERT(fabs(inertia - result->inertia) <= 1e-9 * inertia);
            CU_ASSERT(memcmp(sizes, result->sizes, sizeof sizes) == 0);
            for (int c = 0; c < K; c++)
                seen += result->weights[c];
            CU_ASSERT_EQUAL(seen, 400.0 * result->iterations);
            spot_kmeans_free(best);
            spot_kmeans_free(model);
        }
    }
}

static void test_fit_on_other_threads(void)
{
    make_rows(9, 20);
    struct spot_matrix data = all_rows();
    data.weights = weights;
    struct spot_kmeans_options options = minibatch_options(256);
    spot_kmeans *first = fit(engine, &data, &options);
    const char *const variants[] = {"ref", "avx2", "avx512"};
    for (int threads = 1; threads <= 3; threads++) {
        spot_engine *other = open_engine(threads, variants[threads - 1]);
        if (other == NULL) continue;
        options.batch_rows = 100 * threads;
        spot_kmeans *again = fit(other, &data, &options);
        CU_ASSERT(same_model(first, again));
        spot_kmeans_free(again);
        spot_engine_close(other);
    }
    options.seed = 1;
    spot_kmeans *another = fit(engine, &data, &options);
    CU_ASSERT_FALSE(same_model(first, another));
    spot_kmeans_free(another);
    spot_kmeans_free(first);
}

/* Rows that weigh nothing are never drawn. */
static void test_fit_draws_by_weight(void)
{
    make_rows(9, 5);
    struct spot_matrix data = all_rows();
    data.weights = weights;
    for (int i = 0; i < ROWS; i++)
        weights[i] = i % GROUPS == 0 ? 0 : 1;
    struct spot_kmeans_options options = minibatch_options(300);
    options.k = GROUPS - 1;
    spot_kmeans *model = fit(engine, &data, &options);
    for (int c = 0; c < GROUPS - 1; c++) /* near the middle of a group that counts */
        CU_ASSERT(fabs(remainder(model->centres[c * COLUMNS], 20)) < 1 &&
                  fabs(model->centres[c * COLUMNS]) > 10);
    spot_kmeans_free(model);
}

static int count_steps(void *arg)
{
    int *left = arg;
    return --*left < 0;
}

static void steps_counted(void *arg, const struct spot_kmeans_progress *progress)
{
    int *steps = arg;
    CU_ASSERT_EQUAL(progress->iteration, ++*steps);
    CU_ASSERT_EQUAL(progress->max_iter, 2 * ROWS / 500);
}

/* max_iter are times through the data; given centres start at once; more rows than there are. */
static void test_fit_options(void)
{
    make_rows(9, 60);
    struct spot_matrix data = all_rows();
    int steps = 0;
    double centres[K * COLUMNS];
    for (int i = 0; i < K * COLUMNS; i++)
        centres[i] = rows[i];
    struct spot_kmeans_options options = minibatch_options(500);
    options.max_iter = 2;
    options.init = SPOT_INIT_CENTRES;
    options.centres = centres;
    options.progress = steps_counted;
    options.progress_arg = &steps;
    spot_kmeans *model = fit(engine, &data, &options);
    CU_ASSERT_EQUAL(spot_kmeans_result(model)->iterations, steps);
    CU_ASSERT(steps > 0 && steps <= 24);
    spot_kmeans_free(model);
    options.progress = NULL;
    options.mini_batch = 100 * ROWS;
    model = fit(engine, &data, &options);
    CU_ASSERT_EQUAL(spot_kmeans_result(model)->iterations, 2);
    CU_ASSERT_EQUAL(spot_kmeans_result(model)->converged, 0);
    spot_kmeans_free(model);

    struct spot_error err = {0};
    options.mini_batch = -5;
    CU_ASSERT_EQUAL(spot_kmeans_fit(engine, &data, &options, &model, &err), SPOT_EUSAGE);
    CU_ASSERT_PTR_NOT_NULL(strstr(err.message, "mini_batch = -5"));

    int left = 3;
    const struct spot_engine_options stopping = {
        .device = "cpu", .threads = 1, .stopped = count_steps, .arg = &left};
    spot_engine *stopped = NULL;
    CU_ASSERT_EQUAL_FATAL(spot_engine_open(&stopping, &stopped, NULL), SPOT_OK);
    options.mini_batch = 10;
    CU_ASSERT_EQUAL(spot_kmeans_fit(stopped, &data, &options, &model, &err), SPOT_ESTOPPED);
    CU_ASSERT_PTR_NULL(model);
    left = 2;
    spot_kmeans *start = start_model(), *updated = NULL;
    CU_ASSERT_EQUAL(spot_kmeans_update(stopped, start, &data, 10, &updated, &err), SPOT_ESTOPPED);
    CU_ASSERT_PTR_NULL(updated);
    spot_kmeans_free(start);
    spot_engine_close(stopped);
}

int main(void)
{
    static const struct suite_test tests[] = {
        {"partial_fit of scikit-learn", test_scikit_learn},
        {"updates against plain float64", test_plain_update},
        {"updates on other threads and processors", test_update_on_other_threads},
        {"weights in the model file", test_model_file},
        {"files that are refused", test_refused_files},
        {"updates that are refused", test_refused_updates},
        {"fits", test_fit},
        {"fits on other threads and processors", test_fit_on_other_threads},
        {"draws by weight", test_fit_draws_by_weight},
        {"options of fits, and stops", test_fit_options},
        {NULL, NULL},
    };
    int file = mkstemp(path);
    if (file < 0) return 1;
    close(file);
    const struct spot_engine_options options = {.device = "cpu", .threads = 2};
    if (spot_engine_open(&options, &engine, NULL) < 0) return 1;
    int failed = run_suite("minibatch", tests);
    spot_engine_close(engine);
    unlink(path);
    return failed;
}
