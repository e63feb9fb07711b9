/* Runs of a fit whose rows stream share their passes: ten initialisations go over the rows as often
 * as one, and the best has the same bits as when they are made one after another in memory. Stopped
 * at any moment, all of them go on. */
#define _GNU_SOURCE /* mkdtemp */
#include "base/scratch.h"
#include "fitting.h"
#include "models/checkpoint.h"

#include <stdbool.h>
#include <unistd.h>

enum { ROWS = 300000, COLUMNS = 4, RUNS = 10 };

enum { ROOM = 12 << 20 }; /* bytes beside what the process has already */

static float *values;   /* (ROWS, COLUMNS) blobs that overlap */
static double *weights; /* (ROWS) */
static char folder[] = "/tmp/blackspot-runs-XXXXXX";

static int make_rows(void)
{
    uint64_t state = 3;
    values = malloc((size_t)ROWS * COLUMNS * sizeof *values);
    weights = malloc((size_t)ROWS * sizeof *weights);
    if (values == NULL || weights == NULL || mkdtemp(folder) == NULL) return 1;
    for (int64_t i = 0; i < ROWS; i++) {
        weights[i] = (double)(1 + i % 3);
        for (int64_t j = 0; j < COLUMNS; j++)
            values[i * COLUMNS + j] = (float)((double)(i % 7 * (j + 1) % 5) + next_uniform(&state) +
                                              3 * next_uniform(&state));
    }
    return 0;
}

static int clean_up(void)
{
    free(values);
    free(weights);
    return rmdir(folder); /* fails unless it is empty */
}

/* What an engine told of, and when it is to stop: at question `after`, -1: never. */
struct watch {
    int64_t passes, bytes, asked, after;
};

static void count_windows(void *arg, int64_t from, int64_t to, int64_t total)
{
    struct watch *watch = arg;
    CU_ASSERT(from >= 0 && from < to && to <= total);
    watch->passes += from == 0;
    watch->bytes += to - from;
}

static int stop_after(void *arg)
{
    struct watch *watch = arg;
    return watch->after >= 0 && watch->asked++ >= watch->after;
}

/* room 0: no limit. */
static spot_engine *watched_engine(int64_t room, int threads, struct watch *watch)
{
    struct spot_error err;
    const struct spot_engine_options options = {.device = "cpu",
                                                .threads = threads,
                                                .stopped = stop_after,
                                                .arg = watch,
                                                .memory = room > 0 ? resident_bytes(0) + room : 0,
                                                .scratch = folder,
                                                .streamed = count_windows};
    spot_engine *engine = NULL;
    *watch = (struct watch){.after = -1};
    CU_ASSERT_EQUAL_FATAL(spot_engine_open(&options, &engine, &err), SPOT_OK);
    return engine;
}

/* ---- KMeans --------------------------------------------------------------------------------- */

static struct spot_matrix plain_rows(void)
{
    return (struct spot_matrix){.values = values, .rows = ROWS, .columns = COLUMNS};
}

/* Passes of a fit that streams, which must be that of `resident`; *bytes: what they went over. */
static int64_t passes_of(const struct spot_matrix *data, const struct spot_kmeans_options *options,
                         int threads, const spot_kmeans *resident, int64_t *bytes)
{
    struct watch watch;
    spot_engine *engine = watched_engine(ROOM, threads, &watch);
    spot_kmeans *streamed = fit(engine, data, options);
    CU_ASSERT(resident == NULL || same_model(resident, streamed));
    spot_kmeans_free(streamed);
    spot_engine_close(engine);
    *bytes = watch.bytes;
    return watch.passes;
}

/* Ten runs against one that makes as many iterations. */
static void shares(const struct spot_matrix *data, enum spot_kmeans_init init, int threads)
{
    struct watch watch;
    struct spot_kmeans_options options = spot_kmeans_defaults();
    int64_t one_bytes, all_bytes;
    options.k = 9;
    options.init = init;
    options.tol = 0;
    options.max_iter = 8;
    options.n_init = 1;
    int64_t one = passes_of(data, &options, threads, NULL, &one_bytes);
    options.n_init = RUNS;
    spot_engine *engine = watched_engine(0, 2, &watch);
    spot_kmeans *resident = fit(engine, data, &options);
    CU_ASSERT_EQUAL(watch.passes, 0);
    spot_engine_close(engine);
    int64_t all = passes_of(data, &options, threads, resident, &all_bytes);
    CU_ASSERT(one > options.max_iter);
    CU_ASSERT(all <= one + 4); /* a run with empty clusters makes a pass more for each step */
    /* Labels and limits of ten runs lie beside the rows. */
    CU_ASSERT(all_bytes < 8 * one_bytes);
    spot_kmeans_free(resident);
}

static void test_shared_passes(void)
{
    const struct spot_matrix plain = plain_rows();
    const struct spot_matrix weighted = {
        .values = values, .weights = weights, .rows = ROWS, .columns = COLUMNS};
    shares(&plain, SPOT_INIT_KMEANSPP, 2);
    shares(&plain, SPOT_INIT_RANDOM, 1);
    shares(&plain, SPOT_INIT_KMEANS_PARALLEL, 3);
    shares(&plain, SPOT_INIT_CORESET, 2);
    shares(&weighted, SPOT_INIT_KMEANSPP, 2);
    shares(&weighted, SPOT_INIT_KMEANS_PARALLEL, 1);
}

/* The labels handed out are those of the run that was kept. */
static void test_labels(void)
{
    const struct spot_matrix data = plain_rows();
    struct watch watch;
    struct spot_kmeans_options options = spot_kmeans_defaults();
    int32_t *labels = malloc(2 * (size_t)ROWS * sizeof *labels);
    CU_ASSERT_PTR_NOT_NULL_FATAL(labels);
    options.k = 9;
    options.max_iter = 5;
    options.n_init = 5;
    options.labels = labels;
    spot_engine *engine = watched_engine(ROOM, 2, &watch);
    spot_kmeans *model = fit(engine, &data, &options);
    CU_ASSERT(watch.passes > 5);
    CU_ASSERT_EQUAL(spot_kmeans_assign(engine, model, &data, labels + ROWS, NULL, NULL), SPOT_OK);
    CU_ASSERT_EQUAL(memcmp(labels, labels + ROWS, (size_t)ROWS * sizeof *labels), 0);
    spot_kmeans_free(model);
    spot_engine_close(engine);
    free(labels);
}

/* ---- Mixtures ------------------------------------------------------------------------------- */

static int same_mixture(const spot_gmm *a, const spot_gmm *b)
{
    const struct spot_gmm_result *x = spot_gmm_result(a), *y = spot_gmm_result(b);
    const size_t cells = (size_t)x->k * COLUMNS;
    return x->best_run == y->best_run && x->iterations == y->iterations &&
           memcmp(&x->lower_bound, &y->lower_bound, sizeof(double)) == 0 &&
           memcmp(&x->log_likelihood, &y->log_likelihood, sizeof(double)) == 0 &&
           memcmp(x->means, y->means, cells * sizeof(double)) == 0;
}

static spot_gmm *mix(spot_engine *engine, const struct spot_gmm_options *options)
{
    const struct spot_matrix data = plain_rows();
    spot_gmm *model = NULL;
    struct spot_error err = {0};
    int status = spot_gmm_fit(engine, &data, options, &model, &err);
    if (status < 0) printf("\n%s\n", err.message);
    CU_ASSERT_EQUAL_FATAL(status, SPOT_OK);
    return model;
}

static void test_mixtures(void)
{
    struct watch watch;
    struct spot_gmm_options options = spot_gmm_defaults();
    options.k = 4;
    options.max_iter = 4;
    options.tol = 0;
    options.covariance = SPOT_GMM_DIAG;
    for (int init = SPOT_GMM_INIT_KMEANS; init <= SPOT_GMM_INIT_ROWS; init++) {
        options.init = (enum spot_gmm_init)init;
        options.n_init = 6;
        spot_engine *engine = watched_engine(0, 2, &watch);
        spot_gmm *resident = mix(engine, &options);
        spot_engine_close(engine);
        engine = watched_engine(ROOM, 3, &watch);
        spot_gmm *streamed = mix(engine, &options);
        CU_ASSERT(same_mixture(resident, streamed));
        const int64_t all = watch.passes;
        spot_engine_close(engine);
        options.n_init = 1;
        engine = watched_engine(ROOM, 2, &watch);
        spot_gmm_free(mix(engine, &options));
        CU_ASSERT(watch.passes > 4);
        /* KMeans takes as long as it takes; the slowest of six decides. */
        if (init != SPOT_GMM_INIT_KMEANS) CU_ASSERT(all <= watch.passes + 2);
        CU_ASSERT(all < 4 * watch.passes);
        spot_engine_close(engine);
        spot_gmm_free(resident);
        spot_gmm_free(streamed);
    }
}

/* Every run goes on, in memory or not. */
static void test_mixtures_stop(void)
{
    const struct spot_matrix data = plain_rows();
    struct watch watch;
    struct spot_gmm_options options = spot_gmm_defaults();
    options.k = 3;
    options.max_iter = 4;
    options.tol = 0;
    options.n_init = 3;
    options.init = SPOT_GMM_INIT_ROWS;
    options.covariance = SPOT_GMM_SPHERICAL;
    spot_engine *engine = watched_engine(0, 2, &watch);
    spot_gmm *resident = mix(engine, &options), *model;
    spot_engine_close(engine);
    int status = SPOT_ESTOPPED, stop = 0;
    for (; status == SPOT_ESTOPPED; stop += 3) {
        options.checkpoint = spot_checkpoint_new();
        engine = watched_engine(ROOM, 2, &watch);
        watch.after = stop;
        status = spot_gmm_fit(engine, &data, &options, &model, NULL);
        spot_gmm_free(model);
        spot_engine_close(engine);
        if (stop == 6) CU_ASSERT(options.checkpoint->fits[0].head.count > 3 * 3 * COLUMNS);
        engine = watched_engine(stop % 2 == 0 ? 0 : ROOM, 2, &watch);
        model = mix(engine, &options);
        CU_ASSERT(same_mixture(resident, model));
        spot_gmm_free(model);
        spot_engine_close(engine);
        spot_checkpoint_free(options.checkpoint);
    }
    CU_ASSERT(stop > 9);
    spot_gmm_free(resident);
}

/* ---- Measures ------------------------------------------------------------------------------- */

static int read_rows(void *arg, int64_t first, int64_t rows, float *out, double *out_weights,
                     struct spot_error *err);

static int same_measures(const struct spot_kmeans_measures *a, const struct spot_kmeans_measures *b)
{
    return a->clusters == b->clusters && a->silhouette_rows == b->silhouette_rows &&
           memcmp(&a->silhouette, &b->silhouette, sizeof(double)) == 0 &&
           memcmp(&a->davies_bouldin, &b->davies_bouldin, sizeof(double)) == 0 &&
           memcmp(&a->calinski_harabasz, &b->calinski_harabasz, sizeof(double)) == 0;
}

/* Of rows that are read: many that differ, few that do, and few in all; both metrics. */
static void test_measures(void)
{
    struct watch watch;
    spot_engine *engine = watched_engine(0, 2, &watch);
    struct spot_kmeans_options options = spot_kmeans_defaults();
    const struct spot_measure_options measuring = {.seed = 5, .silhouette_rows = 700};
    options.k = 6;
    options.max_iter = 3;
    for (int shape = 0; shape < 6; shape++) {
        const bool coarse = shape / 2 == 1;
        float *rows = malloc((size_t)ROWS * COLUMNS * sizeof *rows);
        for (int64_t t = 0; t < ROWS * COLUMNS; t++)
            rows[t] = coarse ? 1 + rintf(values[t]) : values[t];
        const struct spot_reader reader = {.read = read_rows, .arg = rows};
        const struct spot_matrix data = {
            .values = rows, .rows = shape / 2 == 2 ? 600 : ROWS, .columns = COLUMNS};
        const struct spot_matrix read = {.rows = data.rows, .columns = COLUMNS, .reader = &reader};
        struct spot_kmeans_measures resident, streamed;
        options.metric = shape % 2 == 0 ? SPOT_METRIC_EUCLIDEAN : SPOT_METRIC_COSINE;
        spot_kmeans *model = fit(engine, &data, &options);
        CU_ASSERT_EQUAL(spot_kmeans_measure(engine, model, &data, &measuring, &resident, NULL),
                        SPOT_OK);
        spot_engine *limited = watched_engine(ROOM, 3, &watch);
        CU_ASSERT_EQUAL(spot_kmeans_measure(limited, model, &read, &measuring, &streamed, NULL),
                        SPOT_OK);
        spot_engine_close(limited);
        CU_ASSERT(same_measures(&resident, &streamed));
        CU_ASSERT(resident.clusters == 6 && fabs(resident.silhouette) < 1);
        spot_kmeans_free(model);
        free(rows);
    }
    spot_engine_close(engine);
}

/* ---- Mini-batches --------------------------------------------------------------------------- */

static int read_rows(void *arg, int64_t first, int64_t rows, float *out, double *out_weights,
                     struct spot_error *err)
{
    const float *from = arg != NULL ? arg : values;
    (void)err;
    if (out != NULL) memcpy(out, from + first * COLUMNS, (size_t)rows * COLUMNS * sizeof *out);
    if (out_weights != NULL)
        memcpy(out_weights, weights + first, (size_t)rows * sizeof *out_weights);
    return SPOT_OK;
}

/* Steps and updates from rows that are read. */
static void test_mini_batches(void)
{
    struct watch watch;
    spot_engine *engine = watched_engine(0, 2, &watch);
    struct spot_kmeans_options options = spot_kmeans_defaults();
    options.k = 6;
    options.mini_batch = 1000;
    options.max_iter = 1;
    for (int weighted = 0; weighted < 2; weighted++) {
        const struct spot_reader reader = {.read = read_rows, .weighted = weighted};
        const struct spot_matrix read = {.rows = ROWS, .columns = COLUMNS, .reader = &reader};
        struct spot_matrix data = plain_rows();
        data.weights = weighted ? weights : NULL;
        spot_kmeans *resident = fit(engine, &data, &options), *streamed;
        streamed = fit(engine, &read, &options);
        CU_ASSERT(same_model(resident, streamed));
        spot_kmeans_free(streamed);
        for (int64_t batch = 0; batch < 2 * ROWS; batch += 70001) {
            spot_kmeans *once = NULL, *again = NULL;
            CU_ASSERT_EQUAL_FATAL(spot_kmeans_update(engine, resident, &data, batch, &once, NULL),
                                  SPOT_OK);
            CU_ASSERT_EQUAL_FATAL(spot_kmeans_update(engine, resident, &read, batch, &again, NULL),
                                  SPOT_OK);
            CU_ASSERT(same_model(once, again));
            spot_kmeans_free(once);
            spot_kmeans_free(again);
        }
        spot_kmeans_free(resident);
    }
    spot_engine_close(engine);
}

/* ---- Stopped -------------------------------------------------------------------------------- */

/* Stops a fit that streams at question `after` and goes on with it; false when it was done before.
 */
static bool stops_and_goes_on(struct spot_kmeans_options *options, int64_t after, int64_t room,
                              const spot_kmeans *resident)
{
    const struct spot_matrix data = plain_rows();
    struct watch watch;
    struct spot_error err = {0};
    spot_kmeans *model;
    spot_engine *engine = watched_engine(ROOM, 2, &watch);
    options->checkpoint = spot_checkpoint_new();
    watch.after = after;
    int status = spot_kmeans_fit(engine, &data, options, &model, &err);
    spot_kmeans_free(model);
    spot_engine_close(engine);
    CU_ASSERT(status == SPOT_OK || status == SPOT_ESTOPPED);
    engine = watched_engine(room, 1, &watch);
    model = fit(engine, &data, options);
    CU_ASSERT(same_model(resident, model));
    spot_kmeans_free(model);
    spot_engine_close(engine);
    spot_checkpoint_free(options->checkpoint);
    options->checkpoint = NULL;
    return status == SPOT_ESTOPPED;
}

static void test_stops(void)
{
    const struct spot_matrix data = plain_rows();
    struct watch watch;
    struct spot_kmeans_options options = spot_kmeans_defaults();
    options.k = 5;
    options.max_iter = 6;
    options.n_init = 4;
    options.init = SPOT_INIT_RANDOM;
    spot_engine *engine = watched_engine(0, 2, &watch);
    spot_kmeans *resident = fit(engine, &data, &options);
    spot_engine_close(engine);
    int64_t stop = 0;
    while (stops_and_goes_on(&options, stop, stop % 2 == 0 ? ROOM : 0, resident))
        stop += 3;
    CU_ASSERT(stop > 12);
    spot_kmeans_free(resident);
}

/* Stopped twice: what the second part has not come to is not forgotten. */
static void test_stops_twice(void)
{
    const struct spot_matrix data = plain_rows();
    struct watch watch;
    struct spot_kmeans_options options = spot_kmeans_defaults();
    spot_kmeans *model;
    options.k = 5;
    options.max_iter = 40;
    options.tol = 0;
    options.n_init = 3;
    spot_engine *engine = watched_engine(0, 2, &watch);
    spot_kmeans *resident = fit(engine, &data, &options);
    options.checkpoint = spot_checkpoint_new();
    spot_engine_close(engine);
    engine = watched_engine(ROOM, 2, &watch);
    watch.after = 20;
    CU_ASSERT_EQUAL(spot_kmeans_fit(engine, &data, &options, &model, NULL), SPOT_ESTOPPED);
    spot_engine_close(engine);
    engine = watched_engine(0, 2, &watch);
    watch.after = 3; /* in the first run, made alone */
    CU_ASSERT_EQUAL(spot_kmeans_fit(engine, &data, &options, &model, NULL), SPOT_ESTOPPED);
    CU_ASSERT_EQUAL(spot_checkpoint_at(options.checkpoint, 0).run, 0);
    const int64_t cells = (int64_t)options.k * COLUMNS;
    CU_ASSERT_EQUAL(options.checkpoint->fits[0].head.count, cells + 2 * (3 + cells));
    watch.after = -1;
    model = fit(engine, &data, &options);
    CU_ASSERT(same_model(resident, model));
    spot_kmeans_free(model);
    spot_kmeans_free(resident);
    spot_engine_close(engine);
    spot_checkpoint_free(options.checkpoint);
}

int main(void)
{
    const struct suite_test tests[] = {
        {"ten runs, the passes of one", test_shared_passes},
        {"labels", test_labels},
        {"mixtures", test_mixtures},
        {"mixtures, stopped", test_mixtures_stop},
        {"measures", test_measures},
        {"mini-batches", test_mini_batches},
        {"stopped at any moment", test_stops},
        {"stopped twice", test_stops_twice},
        {NULL, NULL},
    };
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
    puts("what a sanitizer keeps for itself cannot be limited: nothing is tested here");
    return 0;
#endif
    if (make_rows() != 0) return 1;
    int failed = run_suite("stream_runs", tests);
    return clean_up() != 0 || failed != 0;
}
