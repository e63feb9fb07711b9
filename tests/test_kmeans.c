/* KMeans against a plain float64 Lloyd written here, and the promise that its bits depend on
 * nothing but data and options. */
#define _POSIX_C_SOURCE 200809L
#include <pthread.h>

#include "fitting.h"

static uint64_t state;

static double uniform(void)
{
    return next_uniform(&state);
}

/* (n, d) rows around k centres; step > 0 rounds to a lattice, which makes ties and equal rows. */
static float *make_rows(int64_t n, int32_t d, int32_t k, double step, uint64_t seed)
{
    float *x = malloc((size_t)n * (size_t)d * sizeof *x);
    state = seed;
    for (int64_t i = 0; i < n; i++)
        for (int32_t j = 0; j < d; j++) {
            double value = 10.0 * (double)((i * 7 + j * 3) % k) + 6 * (uniform() + uniform() - 1);
            x[i * d + j] = (float)(step > 0 ? step * rint(value / step) : value);
        }
    return x;
}

/* ---- The reference -------------------------------------------------------------------------- */

static int32_t nearest(const float *x, const double *centres, int32_t k, int32_t d, double *best)
{
    int32_t label = 0;
    *best = INFINITY;
    for (int32_t c = 0; c < k; c++) {
        double sum = 0;
        for (int32_t j = 0; j < d; j++) {
            double difference = (double)x[j] - centres[c * d + j];
            sum += difference * difference;
        }
        if (sum < *best) {
            *best = sum;
            label = c;
        }
    }
    return label;
}

struct reference {
    double centres[64 * 16];
    int32_t *labels;
    double inertia;
    int iterations;
};

/* Lloyd to stable labels; no cluster may run empty. */
static void lloyd(const struct spot_matrix *data, const double *start, int32_t k,
                  struct reference *out)
{
    int32_t d = data->columns;
    memcpy(out->centres, start, (size_t)(k * d) * sizeof *start);
    out->labels = malloc((size_t)data->rows * sizeof *out->labels);
    memset(out->labels, -1, (size_t)data->rows * sizeof *out->labels);
    for (out->iterations = 1;; out->iterations++) {
        double sums[64 * 16] = {0}, weights[64] = {0}, distance;
        int64_t moved = 0;
        out->inertia = 0;
        for (int64_t i = 0; i < data->rows; i++) {
            const float *x = data->values + i * d;
            int32_t label = nearest(x, out->centres, k, d, &distance);
            double w = data->weights == NULL ? 1 : data->weights[i];
            moved += label != out->labels[i];
            out->labels[i] = label;
            out->inertia += w * distance;
            weights[label] += w;
            for (int32_t j = 0; j < d; j++)
                sums[label * d + j] += w * (double)x[j];
        }
        if (moved == 0) return;
        for (int32_t c = 0; c < k; c++)
            for (int32_t j = 0; j < d; j++)
                out->centres[c * d + j] = sums[c * d + j] / weights[c];
    }
}

static void check_against_lloyd(spot_engine *engine, const struct spot_matrix *data, int32_t k)
{
    double range = 0; /* of the values */
    for (int64_t i = 0; i < data->rows * data->columns; i++)
        range = fmax(range, fabs((double)data->values[i] - (double)data->values[0]));
    double start[64 * 16];
    for (int32_t c = 0; c < k; c++)
        for (int32_t j = 0; j < data->columns; j++)
            start[c * data->columns + j] =
                (double)data->values[(c * 31 % data->rows) * data->columns + j] +
                0.01 * sqrt(2.0 + c + j);
    struct reference expected;
    lloyd(data, start, k, &expected);
    struct spot_kmeans_options options = spot_kmeans_defaults();
    options.k = k;
    options.init = SPOT_INIT_CENTRES;
    options.centres = start;
    options.tol = 0;
    options.max_iter = 1000;
    spot_kmeans *model = fit(engine, data, &options);
    const struct spot_kmeans_result *result = spot_kmeans_result(model);
    CU_ASSERT_EQUAL(result->iterations, expected.iterations);
    CU_ASSERT_EQUAL(result->converged, 1);
    CU_ASSERT(fabs(result->inertia - expected.inertia) <= 1e-9 * expected.inertia);
    for (int32_t i = 0; i < k * data->columns; i++)
        CU_ASSERT(fabs(result->centres[i] - expected.centres[i]) <= 1e-9 * range);

    int32_t *labels = malloc((size_t)data->rows * sizeof *labels);
    double *distances = malloc((size_t)data->rows * sizeof *distances);
    CU_ASSERT_EQUAL(spot_kmeans_assign(engine, model, data, labels, distances, NULL), SPOT_OK);
    int wrong = 0;
    for (int64_t i = 0; i < data->rows; i++) {
        double d2;
        nearest(data->values + i * data->columns, result->centres, k, data->columns, &d2);
        wrong += labels[i] != expected.labels[i] || distances[i] != sqrt(d2);
    }
    CU_ASSERT_EQUAL(wrong, 0);
    free(labels);
    free(distances);
    free(expected.labels);
    spot_kmeans_free(model);
}

static void equals_plain_lloyd(void)
{
    const char *variants[] = {"ref", "avx2", "avx512"};
    const int64_t rows[] = {40, 64, 65, 1000, 5000};
    for (int v = 0; v < 3; v++) {
        spot_engine *engine = open_engine(2, variants[v]);
        if (engine == NULL) continue;
        for (int r = 0; r < 5; r++)
            for (int32_t d = 1; d <= 16; d += 5) {
                float *x = make_rows(rows[r], d, 5, 0, 17 + (uint64_t)d);
                struct spot_matrix data = {.values = x, .rows = rows[r], .columns = d};
                check_against_lloyd(engine, &data, 5);
                double *w = malloc((size_t)rows[r] * sizeof *w);
                for (int64_t i = 0; i < rows[r]; i++)
                    w[i] = 0.5 + uniform();
                data.weights = w;
                check_against_lloyd(engine, &data, 3);
                free(w);
                free(x);
            }
        spot_engine_close(engine);
    }
}

/* ---- Same bits ------------------------------------------------------------------------------ */

static void bits_do_not_depend_on_the_machine(void)
{
    const int64_t n = 20000;
    const int32_t d = 3;
    const char *variants[] = {"ref", "avx2", "avx512"};
    for (int weighted = 0; weighted < 2; weighted++) {
        float *x = make_rows(n, d, 4, 1.0, 5);
        double *w = malloc((size_t)n * sizeof *w);
        for (int64_t i = 0; i < n; i++)
            w[i] = 0.1 * (double)(1 + i % 3);
        const struct spot_matrix data = {
            .values = x, .weights = weighted ? w : NULL, .rows = n, .columns = d};
        struct spot_kmeans_options options = spot_kmeans_defaults();
        options.k = 6;
        options.n_init = 3;
        options.seed = 42;
        spot_engine *engine = open_engine(1, "ref");
        options.compact = 0;
        spot_kmeans *first = fit(engine, &data, &options);
        spot_engine_close(engine);
        const int threads[] = {1, 2, 7};
        for (int v = 0; v < 9; v++) {
            engine = open_engine(threads[v % 3], variants[v / 3]);
            if (engine == NULL) continue;
            for (int compact = 0; compact < 2; compact++)
                for (options.batch_rows = 0; options.batch_rows < 3000; options.batch_rows += 999) {
                    options.compact = compact;
                    spot_kmeans *model = fit(engine, &data, &options);
                    CU_ASSERT(same_model(first, model));
                    spot_kmeans_free(model);
                }
            spot_engine_close(engine);
        }
        spot_kmeans_free(first);
        free(x);
        free(w);
    }
}

/* Large enough for several threads, with many iterations in which few rows move: the reference
 * looks at every row in each, the fast ones skip blocks (first shape) or rows (second). */
static void skipped_rows_change_no_bit(void)
{
    const int64_t rows[] = {50001, 20000};
    const int32_t columns[] = {2, 9}, clusters[] = {9, 24};
    const char *variants[] = {"avx2", "avx512"};
    for (int shape = 0; shape < 2; shape++) {
        float *x = make_rows(rows[shape], columns[shape], 7, 0, 11);
        const struct spot_matrix data = {
            .values = x, .rows = rows[shape], .columns = columns[shape]};
        struct spot_kmeans_options options = spot_kmeans_defaults();
        options.k = clusters[shape];
        options.max_iter = 25;
        options.tol = 0;
        spot_engine *engine = open_engine(1, "ref");
        spot_kmeans *first = fit(engine, &data, &options);
        spot_engine_close(engine);
        for (int v = 0; v < 2; v++)
            for (int threads = 1; threads < 5; threads += 2) {
                engine = open_engine(threads, variants[v]);
                if (engine == NULL) continue;
                spot_kmeans *model = fit(engine, &data, &options);
                CU_ASSERT(same_model(first, model));
                spot_kmeans_free(model);
                spot_engine_close(engine);
            }
        spot_kmeans_free(first);
        free(x);
    }
}

static void order_of_rows_does_not_matter(void)
{
    const int64_t n = 5000;
    float *x = make_rows(n, 2, 5, 0, 3), *y = malloc((size_t)(2 * n) * sizeof *y);
    for (int64_t i = 0; i < n; i++)
        memcpy(y + 2 * i, x + 2 * (i * 3001 % n), 2 * sizeof *x);
    const double centres[] = {0, 0, 10, 30, 20, 20, 40, 10, 1000, 1000};
    struct spot_kmeans_options options = spot_kmeans_defaults();
    options.k = 5;
    options.init = SPOT_INIT_CENTRES;
    options.centres = centres;
    spot_engine *engine = open_engine(2, NULL);
    spot_kmeans *a =
        fit(engine, &(struct spot_matrix){.values = x, .rows = n, .columns = 2}, &options);
    spot_kmeans *b =
        fit(engine, &(struct spot_matrix){.values = y, .rows = n, .columns = 2}, &options);
    CU_ASSERT(same_model(a, b));
    spot_kmeans_free(a);
    spot_kmeans_free(b);
    spot_engine_close(engine);
    free(x);
    free(y);
}

/* ---- Empty clusters, ties, extremes --------------------------------------------------------- */

static void empty_clusters_take_the_farthest_rows(void)
{
    /* Both centres given lie on the left group; the far one gets no row. */
    const float x[] = {0, 1, 2, 3, 100};
    const double centres[] = {1.5, -500};
    struct spot_kmeans_options options = spot_kmeans_defaults();
    options.k = 2;
    options.init = SPOT_INIT_CENTRES;
    options.centres = centres;
    for (int compact = 0; compact < 2; compact++) {
        spot_engine *engine = open_engine(1, NULL);
        options.compact = compact;
        spot_kmeans *model =
            fit(engine, &(struct spot_matrix){.values = x, .rows = 5, .columns = 1}, &options);
        const struct spot_kmeans_result *result = spot_kmeans_result(model);
        CU_ASSERT_EQUAL(result->centres[0], 1.5);
        CU_ASSERT_EQUAL(result->centres[1], 100);
        CU_ASSERT_EQUAL(result->sizes[0], 4);
        CU_ASSERT_EQUAL(result->inertia, 5);
        spot_kmeans_free(model);
        spot_engine_close(engine);
    }
}

/* Two clusters are empty, and the two farthest rows, equal ones, are all that a third has: that one
 * is left with its centre and takes no row of the fourth in exchange. */
static void a_cluster_that_gives_its_last_row_away_takes_none(void)
{
    const float x[] = {14, 14, 1, 2, 3};
    const double centres[] = {500, 600, 20, 2}, expected[] = {14, 14, 20, 2};
    struct spot_kmeans_options options = spot_kmeans_defaults();
    options.k = 4;
    options.init = SPOT_INIT_CENTRES;
    options.centres = centres;
    options.max_iter = 1;
    spot_engine *engine = open_engine(1, NULL);
    for (options.compact = 0; options.compact < 2; options.compact++) {
        spot_kmeans *model =
            fit(engine, &(struct spot_matrix){.values = x, .rows = 5, .columns = 1}, &options);
        for (int c = 0; c < 4; c++)
            CU_ASSERT_EQUAL(spot_kmeans_result(model)->centres[c], expected[c]);
        spot_kmeans_free(model);
    }
    spot_engine_close(engine);
}

static char last_log[512];

static void keep_log(void *arg, enum spot_log_level level, const char *text)
{
    (void)arg;
    if (level == SPOT_LOG_WARNING) snprintf(last_log, sizeof last_log, "%s", text);
}

static void fewer_different_rows_than_clusters_warns(void)
{
    const float x[] = {1, 1, 2, 2, 2, 2};
    struct spot_kmeans_options options = spot_kmeans_defaults();
    options.k = 4;
    spot_engine *engine;
    const struct spot_engine_options engine_options = {.log = keep_log};
    CU_ASSERT_EQUAL_FATAL(spot_engine_open(&engine_options, &engine, NULL), SPOT_OK);
    for (int init = SPOT_INIT_KMEANSPP; init <= SPOT_INIT_RANDOM; init++) {
        options.init = (enum spot_kmeans_init)init;
        last_log[0] = '\0';
        spot_kmeans *model =
            fit(engine, &(struct spot_matrix){.values = x, .rows = 6, .columns = 1}, &options);
        CU_ASSERT_EQUAL(spot_kmeans_result(model)->inertia, 0);
        CU_ASSERT_PTR_NOT_NULL(strstr(last_log, "only 2 of 4 clusters"));
        spot_kmeans_free(model);
    }
    spot_engine_close(engine);
}

static void ties_go_to_the_lowest_index(void)
{
    const float rows[] = {0, 2, 4, 1.9999999f}, two[] = {0, 0, 4, 4};
    const double ends[] = {4, 0};
    int32_t labels[4];
    struct spot_kmeans_options options = spot_kmeans_defaults();
    options.k = 2;
    options.init = SPOT_INIT_CENTRES;
    options.centres = ends;
    spot_engine *engine = open_engine(1, NULL);
    spot_kmeans *model =
        fit(engine, &(struct spot_matrix){.values = two, .rows = 4, .columns = 1}, &options);
    CU_ASSERT_EQUAL(
        spot_kmeans_assign(engine, model,
                           &(struct spot_matrix){.values = rows, .rows = 4, .columns = 1}, labels,
                           NULL, NULL),
        SPOT_OK);
    CU_ASSERT(labels[0] == 1 && labels[1] == 0 && labels[2] == 0 && labels[3] == 1);
    spot_kmeans_free(model);
    spot_engine_close(engine);
}

/* Labels of one assignment equal the definition for data that strains float32. */
static void labels_are_right_at_the_limits(void)
{
    const double offsets[] = {0, 1e6, -3e7, 1e-38, 1e15};
    const double spreads[] = {1, 1e-1, 4, 1e-40, 1e8};
    const int64_t n = 3000;
    const char *variants[] = {"ref", "avx2", "avx512"};
    for (int v = 0; v < 3; v++) {
        spot_engine *engine = open_engine(2, variants[v]);
        if (engine == NULL) continue;
        for (int o = 0; o < 5; o++) {
            float *x = make_rows(n, 3, 4, 0, 9);
            for (int64_t i = 0; i < 3 * n; i++)
                x[i] = (float)(offsets[o] + spreads[o] * (double)x[i]);
            const struct spot_matrix data = {.values = x, .rows = n, .columns = 3};
            struct spot_kmeans_options options = spot_kmeans_defaults();
            options.k = 7;
            spot_kmeans *model = fit(engine, &data, &options);
            const struct spot_kmeans_result *result = spot_kmeans_result(model);
            int32_t *labels = malloc((size_t)n * sizeof *labels);
            CU_ASSERT_EQUAL(spot_kmeans_assign(engine, model, &data, labels, NULL, NULL), SPOT_OK);
            int wrong = 0;
            int64_t sizes[7] = {0};
            double inertia = 0;
            for (int64_t i = 0; i < n; i++) {
                double d2;
                wrong += labels[i] != nearest(x + 3 * i, result->centres, 7, 3, &d2);
                sizes[labels[i]]++;
                inertia += d2;
            }
            CU_ASSERT_EQUAL(wrong, 0);
            CU_ASSERT_EQUAL(memcmp(sizes, result->sizes, sizeof sizes), 0);
            CU_ASSERT(fabs(inertia - result->inertia) <= 1e-9 * inertia);
            free(labels);
            free(x);
            spot_kmeans_free(model);
        }
        spot_engine_close(engine);
    }
}

static void weights_span_twelve_decades(void)
{
    const int64_t n = 2000;
    float *x = make_rows(n, 2, 3, 0, 21);
    double *w = malloc((size_t)n * sizeof *w);
    for (int64_t i = 0; i < n; i++)
        w[i] = pow(10, (double)(i % 13) - 6);
    const struct spot_matrix data = {.values = x, .weights = w, .rows = n, .columns = 2};
    spot_engine *engine = open_engine(2, NULL);
    check_against_lloyd(engine, &data, 3);
    spot_engine_close(engine);
    free(w);
    free(x);
}

/* Many equal rows of huge and of awkward weights: products of weight, count and value fill 128
 * bits, and merging equal rows must not change them. */
static void merged_rows_of_heavy_weights(void)
{
    const int64_t n = 40000;
    float *x = malloc((size_t)(2 * n) * sizeof *x);
    double *w = malloc((size_t)n * sizeof *w);
    for (int64_t i = 0; i < n; i++) {
        x[2 * i] = (float)(i % 5) - 1.7f;
        x[2 * i + 1] = (float)(i % 3) * 1e2f;
        w[i] = i % 2 == 0 ? 1e9 / 3 : 1e-3 / 7;
    }
    const struct spot_matrix data = {.values = x, .weights = w, .rows = n, .columns = 2};
    struct spot_kmeans_options options = spot_kmeans_defaults();
    options.k = 4;
    spot_engine *engine = open_engine(2, NULL);
    options.compact = 0;
    spot_kmeans *plain = fit(engine, &data, &options);
    options.compact = 1;
    spot_kmeans *merged = fit(engine, &data, &options);
    CU_ASSERT(same_model(plain, merged));
    spot_kmeans_free(plain);
    spot_kmeans_free(merged);
    check_against_lloyd(engine, &data, 3);
    spot_engine_close(engine);
    free(x);
    free(w);
}

/* ---- Refusals ------------------------------------------------------------------------------- */

static void refuses(const struct spot_matrix *data, const struct spot_kmeans_options *options,
                    int code, const char *words)
{
    spot_engine *engine = open_engine(1, NULL);
    spot_kmeans *model;
    struct spot_error err = {0};
    CU_ASSERT_EQUAL(spot_kmeans_fit(engine, data, options, &model, &err), code);
    CU_ASSERT_PTR_NULL(model);
    if (strstr(err.message, words) == NULL) printf("\n%s\n", err.message);
    CU_ASSERT_PTR_NOT_NULL(strstr(err.message, words));
    spot_engine_close(engine);
}

static void refuses_bad_options_and_data(void)
{
    float x[] = {1, 2, 3, 4, 5, 6};
    struct spot_matrix data = {.values = x, .rows = 3, .columns = 2};
    struct spot_kmeans_options options = spot_kmeans_defaults();
    refuses(&data, &options, SPOT_EUSAGE, "k = 0");
    options.k = 4;
    refuses(&data, &options, SPOT_EDATA, "more than the 3 rows");
    options.k = 2;
    options.max_iter = 0;
    refuses(&data, &options, SPOT_EUSAGE, "max_iter = 0");
    options.max_iter = 10;
    options.tol = NAN;
    refuses(&data, &options, SPOT_EUSAGE, "tol = ");
    options.tol = 0;
    options.n_init = -1;
    refuses(&data, &options, SPOT_EUSAGE, "n_init = -1");
    options.n_init = 0;
    options.batch_rows = -5;
    refuses(&data, &options, SPOT_EUSAGE, "batch_rows = -5");
    options.batch_rows = 0;
    options.compact = 7;
    refuses(&data, &options, SPOT_EUSAGE, "compact = 7");
    options.compact = -1;
    options.init = SPOT_INIT_CENTRES;
    refuses(&data, &options, SPOT_EUSAGE, "not given");
    const double centres[] = {1, 2, 3, INFINITY};
    options.centres = centres;
    refuses(&data, &options, SPOT_EDATA, "cluster 1: column 2");
    const double far[] = {1, 2, 3, 1e300};
    options.centres = far;
    refuses(&data, &options, SPOT_EDATA, "too far");
    options.init = SPOT_INIT_KMEANSPP;
    options.centres = NULL;
    x[3] = NAN;
    refuses(&data, &options, SPOT_EDATA, "row 2, column 2: the value is NaN");
    x[3] = -INFINITY;
    refuses(&data, &options, SPOT_EDATA, "row 2, column 2: the value is infinite");
    x[3] = 1e30f;
    refuses(&data, &options, SPOT_EDATA, "column 2: values as large");
    x[3] = 4;
    double w[] = {1, -1, 1};
    data.weights = w;
    refuses(&data, &options, SPOT_EDATA, "row 2: sample weight -1");
    w[0] = w[1] = w[2] = 0;
    refuses(&data, &options, SPOT_EDATA, "every sample weight is zero");
    data.weights = NULL;
    data.rows = 0;
    refuses(&data, &options, SPOT_EDATA, "no rows");
    data.columns = 0;
    refuses(&data, &options, SPOT_EDATA, "no columns");
}

static void refuses_a_flattened_column(void)
{
    const int64_t n = 5000;
    float *x = make_rows(n, 1, 3, 0, 2);
    x[77] = 1e12f;
    struct spot_kmeans_options options = spot_kmeans_defaults();
    options.k = 2;
    refuses(&(struct spot_matrix){.values = x, .rows = n, .columns = 1}, &options, SPOT_EDATA,
            "flattens");
    free(x);
}

/* Lets *arg questions pass. */
static int stop_after(void *arg)
{
    int *left = arg;
    return (*left)-- <= 0;
}

/* At whatever question the answer is yes, among the initial centres or the iterations. */
static void stops_when_asked(void)
{
    const float x[] = {0, 1, 2, 3};
    int left, stops = 0, status = SPOT_ESTOPPED;
    const struct spot_engine_options engine_options = {.stopped = stop_after, .arg = &left};
    spot_engine *engine;
    struct spot_kmeans_options options = spot_kmeans_defaults();
    options.k = 3;
    CU_ASSERT_EQUAL_FATAL(spot_engine_open(&engine_options, &engine, NULL), SPOT_OK);
    for (; status == SPOT_ESTOPPED; stops++) {
        spot_kmeans *model;
        left = stops;
        status =
            spot_kmeans_fit(engine, &(struct spot_matrix){.values = x, .rows = 4, .columns = 1},
                            &options, &model, NULL);
        CU_ASSERT((model == NULL) == (status == SPOT_ESTOPPED));
        spot_kmeans_free(model);
    }
    CU_ASSERT_EQUAL(status, SPOT_OK);
    CU_ASSERT(stops > 3); /* two centres and an iteration at least */
    spot_engine_close(engine);
}

static void *fit_in_a_thread(void *arg)
{
    const struct spot_matrix *data = arg;
    struct spot_kmeans_options options = spot_kmeans_defaults();
    options.k = 6;
    options.n_init = 2;
    spot_engine *engine;
    spot_kmeans *model = NULL;
    if (spot_engine_open(&(struct spot_engine_options){.threads = 2}, &engine, NULL) == SPOT_OK)
        spot_kmeans_fit(engine, data, &options, &model, NULL);
    spot_engine_close(engine);
    return model;
}

static void engines_work_side_by_side(void)
{
    enum { ENGINES = 3 };
    float *x = make_rows(20000, 2, 6, 0, 77);
    struct spot_matrix data = {.values = x, .rows = 20000, .columns = 2};
    pthread_t threads[ENGINES];
    void *models[ENGINES];
    for (int i = 0; i < ENGINES; i++)
        CU_ASSERT_EQUAL_FATAL(pthread_create(&threads[i], NULL, fit_in_a_thread, &data), 0);
    for (int i = 0; i < ENGINES; i++)
        pthread_join(threads[i], &models[i]);
    for (int i = 0; i < ENGINES; i++) {
        CU_ASSERT_PTR_NOT_NULL_FATAL(models[i]);
        CU_ASSERT(same_model(models[0], models[i]));
    }
    for (int i = 0; i < ENGINES; i++)
        spot_kmeans_free(models[i]);
    free(x);
}

static void refuses_unknown_devices(void)
{
    spot_engine *engine;
    struct spot_error err;
    CU_ASSERT_EQUAL(spot_engine_open(&(struct spot_engine_options){.device = "tpu"}, &engine, &err),
                    SPOT_EUSAGE);
    CU_ASSERT_PTR_NOT_NULL(strstr(err.message, "tpu"));
    CU_ASSERT_EQUAL(
        spot_engine_open(&(struct spot_engine_options){.device = "cuda:0"}, &engine, &err),
        SPOT_EDEVICE);
    setenv("BLACKSPOT_CPU", "sse", 1);
    CU_ASSERT_EQUAL(spot_engine_open(NULL, &engine, &err), SPOT_EUSAGE);
    unsetenv("BLACKSPOT_CPU");
    CU_ASSERT_PTR_NULL(engine);
}

int main(void)
{
    const struct suite_test tests[] = {
        {"equals plain Lloyd", equals_plain_lloyd},
        {"bits do not depend on the machine", bits_do_not_depend_on_the_machine},
        {"skipped rows change no bit", skipped_rows_change_no_bit},
        {"order of rows does not matter", order_of_rows_does_not_matter},
        {"empty clusters take the farthest rows", empty_clusters_take_the_farthest_rows},
        {"a cluster that gives its last row away takes none",
         a_cluster_that_gives_its_last_row_away_takes_none},
        {"fewer different rows than clusters warns", fewer_different_rows_than_clusters_warns},
        {"ties go to the lowest index", ties_go_to_the_lowest_index},
        {"labels are right at the limits", labels_are_right_at_the_limits},
        {"weights span twelve decades", weights_span_twelve_decades},
        {"merged rows of heavy weights", merged_rows_of_heavy_weights},
        {"refuses bad options and data", refuses_bad_options_and_data},
        {"refuses a flattened column", refuses_a_flattened_column},
        {"stops when asked", stops_when_asked},
        {"engines work side by side", engines_work_side_by_side},
        {"refuses unknown devices", refuses_unknown_devices},
        {NULL, NULL},
    };
    return run_suite("kmeans", tests);
}
