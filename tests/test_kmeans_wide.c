/* Rows of float64 as a user meets them: on data that float32 cannot tell apart fits are those of
 * plain Lloyd (plain_lloyd.h), in memory, read, streamed, merged, in spatial order, on every
 * instruction set; where float32 holds the rows all results are the same. What is refused. */
#define _GNU_SOURCE /* mkdtemp */
#include "base/scratch.h"
#include "fitting.h"
#include "plain_lloyd.h"

#include <float.h>
#include <unistd.h>

enum { ROWS = 6000, MOST_COLUMNS = 24, ROOM = 9 << 20 };

static double x[ROWS * MOST_COLUMNS];
static float narrow[ROWS * MOST_COLUMNS];
static double weights[ROWS];
static char folder[] = "/tmp/blackspot-wide-XXXXXX";
static uint64_t state;

/* Columns in turn: far from zero, with an offset and without one; rounded by a hair; on a grid. */
static void draw_rows(int32_t columns)
{
    for (int64_t i = 0; i < ROWS; i++) {
        weights[i] = (double)(i % 4);
        for (int32_t j = 0; j < columns; j++) {
            const double u = next_uniform(&state), v = next_uniform(&state);
            const double kinds[] = {1e9 + 1e-3 * u, (i % 2 ? 1e5 : -1e5) + 1e-6 * v,
                                    1 + floor(4 * u) + 1e-12 * v, 1 + floor(5 * u) / 7};
            x[i * columns + j] = kinds[j % 4];
        }
    }
    for (int64_t i = ROWS / 2; i < ROWS; i += 3) /* equal rows, and some one unit apart */
        for (int32_t j = 0; j < columns; j++) {
            const double other = x[(i - ROWS / 2) * columns + j];
            x[i * columns + j] = i % 2 || j % 4 == 3 ? other : nextafter(other, INFINITY);
        }
}

static int read_rows(void *arg, int64_t first, int64_t rows, double *values, double *out_weights,
                     struct spot_error *err)
{
    const struct spot_matrix *data = arg;
    const size_t cells = (size_t)rows * (size_t)data->columns;
    (void)err;
    if (values != NULL) memcpy(values, data->values64 + first * data->columns, cells * 8);
    if (out_weights != NULL) memcpy(out_weights, data->weights + first, (size_t)rows * 8);
    return SPOT_OK;
}

/* ---- Against plain Lloyd --------------------------------------------------------------------- */

static void check_model(const struct plain_lloyd *plain, spot_engine *engine,
                        const struct spot_matrix *data, const spot_kmeans *model)
{
    const struct spot_kmeans_result *r = spot_kmeans_result(model);
    const size_t k = (size_t)r->k, cells = k * (size_t)r->columns;
    static int32_t labels[ROWS];
    static double distances[ROWS];
    CU_ASSERT_EQUAL(r->iterations, plain->iterations);
    CU_ASSERT_EQUAL(memcmp(r->centres, plain->centres, cells * sizeof *r->centres), 0);
    CU_ASSERT_EQUAL(memcmp(r->sizes, plain->sizes, k * sizeof *r->sizes), 0);
    CU_ASSERT(fabs(r->inertia - plain->inertia) <= plain->inertia_error);
    CU_ASSERT_EQUAL_FATAL(spot_kmeans_assign(engine, model, data, labels, distances, NULL),
                          SPOT_OK);
    CU_ASSERT_EQUAL(memcmp(labels, plain->labels, sizeof labels), 0);
    for (int64_t i = 0; i < ROWS; i += 7)
        CU_ASSERT(distances[i] == sqrt(plain_distance(plain, i, labels[i])));
}

/* One problem on every engine, and by every way that rows take. */
static void check_problem(int32_t columns, int32_t k, int weighted)
{
    static const char *const variants[] = {"ref", "avx2", "avx512", NULL};
    static double centres[200 * MOST_COLUMNS];
    state = (uint64_t)(columns * 1000 + k);
    draw_rows(columns);
    const struct spot_matrix data = {
        .values64 = x, .weights = weighted ? weights : NULL, .rows = ROWS, .columns = columns};
    const struct spot_reader reader = {
        .arg = (void *)(uintptr_t)&data, .weighted = weighted, .read64 = read_rows};
    const struct spot_matrix read = {.rows = ROWS, .columns = columns, .reader = &reader};
    for (int32_t c = 0; c < k; c++) /* now and then the same one twice */
        memcpy(centres + c * columns, x + (c % 9 == 8 ? c - 1 : c * 29) * columns,
               (size_t)columns * sizeof *centres);
    struct plain_lloyd plain = plain_fit(&data, k, centres, 12, 0);
    struct spot_kmeans_options options = spot_kmeans_defaults();
    options.k = k;
    options.init = SPOT_INIT_CENTRES;
    options.centres = centres;
    options.max_iter = 12;
    options.tol = 0;
    for (int v = 0; v < 6; v++) {
        spot_engine *engine = open_engine(1 + v % 4, variants[v % 4]);
        if (engine == NULL) continue;
        options.compact = v % 3 - 1;
        options.batch_rows = v % 2 ? 777 : 0;
        const struct spot_matrix *rows = v % 2 ? &read : &data;
        spot_kmeans *model = fit(engine, rows, &options);
        check_model(&plain, engine, rows, model);
        spot_kmeans_free(model);
        spot_engine_close(engine);
    }
    plain_free(&plain);
}

static void fits_are_plain_lloyds(void)
{
    check_problem(1, 3, 0);
    check_problem(2, 90, 0); /* in spatial order */
    check_problem(3, 70, 1);
    check_problem(5, 21, 0); /* limits for each row */
    check_problem(8, 9, 1);
    check_problem(24, 40, 0); /* tiles of matrix multiplication, where there are any */
}

/* Ordering pays only after a while: many steps of many clusters. */
static void a_long_fit_is_the_same_everywhere(void)
{
    static const char *const variants[] = {"ref", "avx2", "avx512"};
    state = 3;
    for (int64_t t = 0; t < ROWS * 2; t++) /* steps of float32 are a 60th of the range */
        x[t] = (t % 3 ? 2e6 : -1e6) + 4 * next_uniform(&state);
    const struct spot_matrix data = {.values64 = x, .rows = ROWS, .columns = 2};
    struct spot_kmeans_options options = spot_kmeans_defaults();
    options.k = 80;
    options.max_iter = 60;
    options.tol = 0;
    spot_kmeans *first = NULL;
    for (int v = 0; v < 3; v++) {
        spot_engine *engine = open_engine(3 - v, variants[v]);
        if (engine == NULL) continue;
        spot_kmeans *model = fit(engine, &data, &options);
        CU_ASSERT(first == NULL || same_model(first, model));
        if (first == NULL)
            first = model;
        else
            spot_kmeans_free(model);
        spot_engine_close(engine);
    }
    spot_kmeans_free(first);
}

/* ---- Streaming ------------------------------------------------------------------------------- */

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
enum { LIMITED = 0 }; /* what a sanitizer keeps for itself cannot be limited */
#else
enum { LIMITED = 1 };
#endif

enum { MANY = 150000, NARROW = 4 };
static int64_t windows; /* that an engine told of */

/* Any rows of a table that is nowhere. */
static int make_rows(void *arg, int64_t first, int64_t rows, double *values, double *out_weights,
                     struct spot_error *err)
{
    (void)arg;
    (void)err;
    for (int64_t i = 0; values != NULL && i < rows; i++) {
        uint64_t seed = (uint64_t)(first + i) * 977;
        for (int64_t j = 0; j < NARROW; j++)
            values[i * NARROW + j] = (double)((first + i) % 5) * 1e-3 + 1e-3 * next_uniform(&seed) +
                                     (j % 2 == 0             ? 1e6
                                      : (first + i) % 2 == 0 ? 1e4
                                                             : -1e4);
    }
    for (int64_t i = 0; out_weights != NULL && i < rows; i++)
        out_weights[i] = 1;
    return SPOT_OK;
}

static void count_windows(void *arg, int64_t from, int64_t to, int64_t total)
{
    (void)arg;
    CU_ASSERT(from >= 0 && from < to && to <= total);
    windows++;
}

/* What is found in those rows: a model, its measures, a mixture's log-likelihood. */
struct findings {
    spot_kmeans *model;
    struct spot_kmeans_measures measures;
    double log_likelihood;
};

static struct findings find(int64_t room, const struct spot_matrix *data)
{
    const struct spot_engine_options bounds = {.device = "cpu",
                                               .threads = 2,
                                               .memory = room > 0 ? resident_bytes(0) + room : 0,
                                               .scratch = folder,
                                               .streamed = count_windows};
    struct spot_kmeans_options options = spot_kmeans_defaults();
    struct spot_gmm_options mixed = spot_gmm_defaults();
    const struct spot_measure_options few = {.silhouette_rows = 300};
    struct findings found = {0};
    spot_engine *engine = NULL;
    spot_gmm *mixture = NULL;
    options.k = 6;
    options.n_init = 2;
    options.max_iter = 4;
    mixed.k = 3;
    mixed.max_iter = 2;
    mixed.covariance = SPOT_GMM_DIAG;
    mixed.init = SPOT_GMM_INIT_RANDOM;
    CU_ASSERT_EQUAL_FATAL(spot_engine_open(&bounds, &engine, NULL), SPOT_OK);
    found.model = fit(engine, data, &options);
    CU_ASSERT_EQUAL(spot_kmeans_measure(engine, found.model, data, &few, &found.measures, NULL),
                    SPOT_OK);
    CU_ASSERT_EQUAL(spot_gmm_fit(engine, data, &mixed, &mixture, NULL), SPOT_OK);
    if (mixture != NULL) found.log_likelihood = spot_gmm_result(mixture)->log_likelihood;
    spot_gmm_free(mixture);
    spot_engine_close(engine);
    return found;
}

static void rows_that_stream_are_the_same(void)
{
    const struct spot_reader reader = {.read64 = make_rows};
    const struct spot_matrix data = {.rows = MANY, .columns = NARROW, .reader = &reader};
    const struct findings streamed = find(LIMITED ? ROOM : 0, &data);
    CU_ASSERT(windows > 1 || !LIMITED);
    const struct findings resident = find(0, &data);
    CU_ASSERT(same_model(streamed.model, resident.model));
    CU_ASSERT(streamed.measures.silhouette == resident.measures.silhouette);
    CU_ASSERT(streamed.measures.davies_bouldin == resident.measures.davies_bouldin);
    CU_ASSERT(streamed.log_likelihood == resident.log_likelihood);
    spot_kmeans_free(streamed.model);
    spot_kmeans_free(resident.model);
}

/* ---- Where float32 holds the rows ------------------------------------------------------------ */

static void same_measures(spot_engine *engine, const spot_kmeans *model,
                          const struct spot_matrix *one, const struct spot_matrix *other)
{
    struct spot_kmeans_measures a, b;
    const struct spot_measure_options options = {.silhouette_rows = 500};
    CU_ASSERT_EQUAL(spot_kmeans_measure(engine, model, one, &options, &a, NULL), SPOT_OK);
    CU_ASSERT_EQUAL(spot_kmeans_measure(engine, model, other, &options, &b, NULL), SPOT_OK);
    CU_ASSERT(a.silhouette == b.silhouette && a.davies_bouldin == b.davies_bouldin &&
              a.calinski_harabasz == b.calinski_harabasz && a.clusters == b.clusters);
}

static void float32_rows_are_the_same(void)
{
    enum { COLUMNS = 3 };
    spot_engine *engine = open_engine(2, NULL);
    state = 9;
    for (int64_t t = 0; t < ROWS * COLUMNS; t++) {
        narrow[t] = (float)(10 * next_uniform(&state) + (double)(t % 7));
        x[t] = (double)narrow[t];
    }
    const struct spot_matrix one = {
        .values = narrow, .weights = weights, .rows = ROWS, .columns = COLUMNS};
    const struct spot_matrix other = {
        .values64 = x, .weights = weights, .rows = ROWS, .columns = COLUMNS};
    struct spot_kmeans_options options = spot_kmeans_defaults();
    options.k = 6;
    options.n_init = 2;
    for (int init = SPOT_INIT_KMEANSPP; init <= SPOT_INIT_CORESET; init++) {
        if (init == SPOT_INIT_CENTRES) continue;
        options.init = (enum spot_kmeans_init)init;
        options.mini_batch = init == SPOT_INIT_RANDOM ? 300 : 0;
        spot_kmeans *a = fit(engine, &one, &options), *b = fit(engine, &other, &options);
        CU_ASSERT(same_model(a, b));
        same_measures(engine, a, &one, &other);
        spot_kmeans *c = NULL, *d = NULL;
        CU_ASSERT_EQUAL(spot_kmeans_update(engine, a, &one, 1000, &c, NULL), SPOT_OK);
        CU_ASSERT_EQUAL(spot_kmeans_update(engine, b, &other, 1000, &d, NULL), SPOT_OK);
        CU_ASSERT(same_model(c, d));
        spot_kmeans_free(a);
        spot_kmeans_free(b);
        spot_kmeans_free(c);
        spot_kmeans_free(d);
    }
    spot_engine_close(engine);
}

/* ---- Directions ------------------------------------------------------------------------------ */

/* Two bundles of directions 1e-9 apart. */
static void directions_keep_their_digits(void)
{
    spot_engine *engine = open_engine(2, NULL);
    static int32_t labels[ROWS];
    static double distances[ROWS];
    state = 4;
    for (int64_t i = 0; i < ROWS; i++) {
        const double length = exp(600 * next_uniform(&state) - 300);
        x[2 * i] = length;
        x[2 * i + 1] = length * ((i % 2 ? 1e-9 : 0) + 1e-11 * next_uniform(&state));
    }
    const struct spot_matrix data = {.values64 = x, .rows = ROWS, .columns = 2};
    const double centres[] = {1, 0, 1, 1e-9};
    struct spot_kmeans_options options = spot_kmeans_defaults();
    options.k = 2;
    options.metric = SPOT_METRIC_COSINE;
    options.init = SPOT_INIT_CENTRES;
    options.centres = centres;
    spot_kmeans *model = fit(engine, &data, &options);
    CU_ASSERT_EQUAL(spot_kmeans_assign(engine, model, &data, labels, distances, NULL), SPOT_OK);
    for (int64_t i = 0; i < ROWS; i++) {
        CU_ASSERT_EQUAL(labels[i], i % 2);
        CU_ASSERT(distances[i] >= 0 && distances[i] < 1e-21);
    }
    struct spot_kmeans_measures measures;
    CU_ASSERT_EQUAL(spot_kmeans_measure(engine, model, &data, NULL, &measures, NULL), SPOT_OK);
    CU_ASSERT(measures.silhouette > 0.9);
    spot_kmeans_free(model);
    spot_engine_close(engine);
}

/* ---- Checkpoints ----------------------------------------------------------------------------- */

static int stops(void *arg)
{
    int *left = arg;
    return (*left)-- <= 0;
}

static void a_stopped_fit_goes_on(void)
{
    int left = 1 << 30;
    const struct spot_engine_options options_of_engine = {
        .device = "cpu", .threads = 1, .stopped = stops, .arg = &left};
    spot_engine *engine = NULL;
    CU_ASSERT_EQUAL_FATAL(spot_engine_open(&options_of_engine, &engine, NULL), SPOT_OK);
    state = 11;
    draw_rows(3);
    struct spot_matrix data = {.values64 = x, .rows = ROWS, .columns = 3};
    struct spot_kmeans_options options = spot_kmeans_defaults();
    options.k = 8;
    options.tol = 0;
    spot_kmeans *whole = fit(engine, &data, &options), *rest = NULL;
    options.checkpoint = spot_checkpoint_new();
    left = 8; /* seven initial centres, one step */
    CU_ASSERT_EQUAL(spot_kmeans_fit(engine, &data, &options, &rest, NULL), SPOT_ESTOPPED);
    left = 1 << 30;
    x[ROWS] = nextafter(x[ROWS], INFINITY); /* these are other rows */
    CU_ASSERT_EQUAL(spot_kmeans_fit(engine, &data, &options, &rest, NULL), SPOT_EUSAGE);
    x[ROWS] = nextafter(x[ROWS], -INFINITY);
    rest = fit(engine, &data, &options);
    CU_ASSERT(same_model(whole, rest));
    spot_kmeans_free(whole);
    spot_kmeans_free(rest);
    spot_checkpoint_free(options.checkpoint);
    spot_engine_close(engine);
}

/* ---- What is refused ------------------------------------------------------------------------- */

static void refuses(const struct spot_matrix *data, const char *words)
{
    spot_engine *engine = open_engine(1, NULL);
    struct spot_kmeans_options options = spot_kmeans_defaults();
    struct spot_error err = {0};
    spot_kmeans *model = NULL;
    options.k = 1;
    CU_ASSERT_EQUAL(spot_kmeans_fit(engine, data, &options, &model, &err), SPOT_EDATA);
    CU_ASSERT_PTR_NULL(model);
    CU_ASSERT_PTR_NOT_NULL(strstr(err.message, words));
    spot_engine_close(engine);
}

static void says_what_it_cannot_do(void)
{
    double values[] = {1, 2, 3, 4};
    const float singles[] = {1, 2, 3, 4};
    struct spot_matrix data = {.values64 = values, .rows = 4, .columns = 1};
    values[3] = 1e300;
    refuses(&data, "column 1: values as large as 1e+300; divide the column by a constant");
    values[3] = -DBL_MAX;
    values[2] = DBL_MAX;
    refuses(&data, "divide the column by a constant");
    values[2] = NAN;
    refuses(&data, "row 3, column 1: the value is NaN");
    values[2] = -INFINITY;
    refuses(&data, "row 3, column 1: the value is infinite");
    for (int i = 0; i < 4; i++)
        values[i] = i * 1e-200;
    refuses(&data, "multiply the column by a constant");
    data.values = singles;
    refuses(&data, "more than one of values, values64 and a reader");
    const struct spot_reader reader = {.weighted = 0};
    refuses(&(struct spot_matrix){.rows = 4, .columns = 1, .reader = &reader},
            "one of read and read64");
}

static void scores_what_has_squares(void)
{
    spot_engine *engine = open_engine(2, NULL);
    double values[] = {0, 1, 1e100, -1e100, 1e-320, 1e152};
    struct spot_matrix data = {.values64 = values, .rows = 2, .columns = 1};
    const double centres[] = {0, 1};
    struct spot_kmeans_options options = spot_kmeans_defaults();
    struct spot_error err = {0};
    int32_t labels[6];
    double distances[6];
    options.k = 2;
    options.init = SPOT_INIT_CENTRES;
    options.centres = centres;
    spot_kmeans *model = fit(engine, &data, &options);
    data.rows = 5;
    CU_ASSERT_EQUAL(spot_kmeans_assign(engine, model, &data, labels, distances, NULL), SPOT_OK);
    CU_ASSERT(labels[0] == 0 && labels[1] == 1 && labels[4] == 0);
    CU_ASSERT(labels[2] == 0 && distances[2] == 1e100); /* both are as far, in float64 */
    CU_ASSERT(labels[3] == 0 && distances[3] == 1e100);
    data.rows = 6;
    CU_ASSERT_EQUAL(spot_kmeans_assign(engine, model, &data, labels, distances, &err), SPOT_EDATA);
    CU_ASSERT_PTR_NOT_NULL(strstr(err.message, "have no squares in float64"));
    spot_kmeans_free(model);
    spot_engine_close(engine);
}

int main(void)
{
    static const struct suite_test tests[] = {
        {"fits are plain Lloyd's", fits_are_plain_lloyds},
        {"a long fit is the same everywhere", a_long_fit_is_the_same_everywhere},
        {"rows that stream are the same", rows_that_stream_are_the_same},
        {"rows that float32 holds are the same", float32_rows_are_the_same},
        {"directions keep their digits", directions_keep_their_digits},
        {"a stopped fit goes on", a_stopped_fit_goes_on},
        {"says what it cannot do", says_what_it_cannot_do},
        {"scores what has squares", scores_what_has_squares},
        {NULL, NULL},
    };
    if (mkdtemp(folder) == NULL) return 1;
    int failures = run_suite("kmeans_wide", tests);
    return rmdir(folder) != 0 || failures != 0;
}
