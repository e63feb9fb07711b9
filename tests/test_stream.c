/* Rows that exceed the memory allowed stream through temporary files, and nothing else changes. */
#define _GNU_SOURCE /* mkdtemp */
#include "base/scratch.h"
#include "fitting.h"

#include <stdbool.h>
#include <unistd.h>

enum { ROWS = 600000, COLUMNS = 4 };

enum { ROOM = 9 << 20 }; /* bytes beside what the process has already */

static float *values;   /* (ROWS, COLUMNS) blobs */
static float *coarse;   /* the same on a coarse grid: many equal rows */
static double *weights; /* (ROWS) */
static char folder[] = "/tmp/blackspot-stream-XXXXXX";
static int64_t windows, passes; /* that an engine told of */

static int make_rows(void)
{
    uint64_t state = 1;
    values = malloc((size_t)ROWS * COLUMNS * sizeof *values);
    coarse = malloc((size_t)ROWS * COLUMNS * sizeof *coarse);
    weights = malloc((size_t)ROWS * sizeof *weights);
    if (values == NULL || coarse == NULL || weights == NULL || mkdtemp(folder) == NULL) return 1;
    for (int64_t i = 0; i < ROWS; i++) {
        weights[i] = (double)(1 + i % 3);
        for (int64_t j = 0; j < COLUMNS; j++) {
            float x = (float)(5.0 * (double)(i % 7) * (double)(j % 2) + next_uniform(&state) +
                              next_uniform(&state) - next_uniform(&state));
            values[i * COLUMNS + j] = x;
            coarse[i * COLUMNS + j] = floorf(2.0f * x);
        }
    }
    return 0;
}

static int clean_up(void)
{
    free(values);
    free(coarse);
    free(weights);
    return rmdir(folder); /* fails unless it is empty */
}

static void count_windows(void *arg, int64_t from, int64_t to, int64_t total)
{
    (void)arg;
    CU_ASSERT(from >= 0 && from < to && to <= total);
    windows++;
    passes += from == 0;
}

/* room 0: no limit. */
static spot_engine *limited_engine(int64_t room, int threads)
{
    struct spot_error err;
    const struct spot_engine_options options = {.device = "cpu",
                                                .threads = threads,
                                                .memory = room > 0 ? resident_bytes(0) + room : 0,
                                                .scratch = folder,
                                                .streamed = count_windows};
    spot_engine *engine = NULL;
    windows = passes = 0;
    CU_ASSERT_EQUAL_FATAL(spot_engine_open(&options, &engine, &err), SPOT_OK);
    return engine;
}

/* ---- Rows that are read ---- */

/* What a reader reads of, and from which call on it misbehaves. */
struct source {
    const float *values;
    const double *weights; /* or NULL */
    int64_t calls, last_good;
    bool fails; /* else it brings other rows */
};

static int read_rows(void *arg, int64_t first, int64_t rows, float *out, double *out_weights,
                     struct spot_error *err)
{
    struct source *source = arg;
    const size_t cells = (size_t)(rows * COLUMNS);
    bool bad = ++source->calls > source->last_good;
    if (bad && source->fails) {
        if (err != NULL) snprintf(err->message, sizeof err->message, "the disk is gone");
        return SPOT_EIO;
    }
    CU_ASSERT(first >= 0 && rows > 0 && first + rows <= ROWS);
    if (out != NULL) memcpy(out, source->values + first * COLUMNS, cells * sizeof *out);
    if (out != NULL && bad) out[0] = 1e9f;
    CU_ASSERT(out_weights == NULL || source->weights != NULL);
    if (out_weights != NULL)
        memcpy(out_weights, source->weights + first, (size_t)rows * sizeof *out_weights);
    return SPOT_OK;
}

static struct spot_reader reader_of(struct source *source)
{
    return (struct spot_reader){
        .read = read_rows, .arg = source, .weighted = source->weights != NULL};
}

static void test_read_rows(void)
{
    struct spot_kmeans_options options = spot_kmeans_defaults();
    options.k = 5;
    options.max_iter = 5;
    for (int shape = 0; shape < 4; shape++) {
        struct spot_matrix data = {.values = shape & 2 ? coarse : values,
                                   .weights = shape & 1 ? weights : NULL,
                                   .rows = ROWS,
                                   .columns = COLUMNS};
        struct source source = {data.values, data.weights, 0, INT64_MAX, false};
        const struct spot_reader reader = reader_of(&source);
        const struct spot_matrix read = {.rows = ROWS, .columns = COLUMNS, .reader = &reader};
        spot_engine *engine = limited_engine(0, 2);
        spot_kmeans *resident = fit(engine, &data, &options);
        spot_kmeans *from_reader = fit(engine, &read, &options);
        CU_ASSERT(same_model(resident, from_reader));
        int32_t *labels = malloc(2 * (size_t)ROWS * sizeof *labels);
        CU_ASSERT_EQUAL(spot_kmeans_assign(engine, resident, &data, labels, NULL, NULL), SPOT_OK);
        CU_ASSERT_EQUAL(spot_kmeans_assign(engine, resident, &read, labels + ROWS, NULL, NULL),
                        SPOT_OK);
        CU_ASSERT_EQUAL(memcmp(labels, labels + ROWS, (size_t)ROWS * sizeof *labels), 0);
        free(labels);
        spot_kmeans_free(from_reader);
        spot_engine_close(engine);
        engine = limited_engine(ROOM + (4 << 20), 2);
        from_reader = fit(engine, &read, &options);
        CU_ASSERT(same_model(resident, from_reader));
        spot_kmeans_free(from_reader);
        spot_kmeans_free(resident);
        spot_engine_close(engine);
    }
}

static void test_bad_readers(void)
{
    struct spot_kmeans_options options = spot_kmeans_defaults();
    options.k = 3;
    options.max_iter = 2;
    options.compact = 0;
    for (int fails = 0; fails < 2; fails++)
        for (int64_t good = 0; good < 6; good++) {
            struct spot_error err = {0};
            struct source source = {values, NULL, 0, good, fails != 0};
            const struct spot_reader reader = reader_of(&source);
            const struct spot_matrix read = {.rows = ROWS, .columns = COLUMNS, .reader = &reader};
            spot_engine *engine = limited_engine(0, 1);
            spot_kmeans *model;
            int status = spot_kmeans_fit(engine, &read, &options, &model, &err);
            if (fails) {
                CU_ASSERT_EQUAL(status, SPOT_EIO);
                CU_ASSERT_STRING_EQUAL(err.message, "the disk is gone");
            } else if (good >= 3) { /* calls of the first pass */
                CU_ASSERT_EQUAL(status, SPOT_EDATA);
                CU_ASSERT_PTR_NOT_NULL(strstr(err.message, "changed"));
            }
            spot_kmeans_free(model);
            spot_engine_close(engine);
        }
}

/* ---- The same bits ---- */

static void fits_the_same(const struct spot_matrix *data, const struct spot_kmeans_options *options)
{
    spot_engine *engine = limited_engine(0, 2);
    spot_kmeans *resident = fit(engine, data, options);
    CU_ASSERT_EQUAL(windows, 0);
    spot_engine_close(engine);
    for (int threads = 1; threads <= 3; threads += 2) {
        engine = limited_engine(ROOM, threads);
        spot_kmeans *streamed = fit(engine, data, options);
        CU_ASSERT(same_model(resident, streamed));
        CU_ASSERT(passes > 3 && windows > 4 * passes);
        spot_kmeans_free(streamed);
        spot_engine_close(engine);
    }
    spot_kmeans_free(resident);
}

static void test_kmeans_streams(void)
{
    const struct spot_matrix plain = {.values = values, .rows = ROWS, .columns = COLUMNS};
    const struct spot_matrix weighted = {
        .values = values, .weights = weights, .rows = ROWS, .columns = COLUMNS};
    struct spot_kmeans_options options = spot_kmeans_defaults();
    options.k = 7;
    options.max_iter = 12;
    fits_the_same(&plain, &options);
    options.n_init = 2;
    options.init = SPOT_INIT_RANDOM;
    fits_the_same(&weighted, &options);
    options.k = 60; /* limits for each row */
    options.n_init = 1;
    fits_the_same(&plain, &options);
}

static void mixes_the_same(const struct spot_matrix *data, const struct spot_gmm_options *options)
{
    spot_gmm *resident = NULL, *streamed = NULL;
    struct spot_error err;
    spot_engine *engine = limited_engine(0, 2);
    CU_ASSERT_EQUAL_FATAL(spot_gmm_fit(engine, data, options, &resident, &err), SPOT_OK);
    spot_engine_close(engine);
    engine = limited_engine(ROOM, 2);
    int status = spot_gmm_fit(engine, data, options, &streamed, &err);
    if (status < 0) printf("\n%s\n", err.message);
    CU_ASSERT_EQUAL_FATAL(status, SPOT_OK);
    CU_ASSERT(passes > 3 && windows > 4 * passes);
    spot_engine_close(engine);
    const struct spot_gmm_result *a = spot_gmm_result(resident), *b = spot_gmm_result(streamed);
    CU_ASSERT_EQUAL(memcmp(&a->lower_bound, &b->lower_bound, sizeof(double)), 0);
    CU_ASSERT_EQUAL(memcmp(&a->log_likelihood, &b->log_likelihood, sizeof(double)), 0);
    CU_ASSERT_EQUAL(memcmp(a->means, b->means, (size_t)(a->k * COLUMNS) * sizeof(double)), 0);
    CU_ASSERT_EQUAL(a->iterations, b->iterations);
    spot_gmm_free(resident);
    spot_gmm_free(streamed);
}

static void test_mixtures_stream(void)
{
    const struct spot_matrix plain = {.values = values, .rows = ROWS, .columns = COLUMNS};
    const struct spot_matrix weighted = {
        .values = values, .weights = weights, .rows = ROWS, .columns = COLUMNS};
    struct spot_gmm_options options = spot_gmm_defaults();
    options.k = 3;
    options.max_iter = 3;
    mixes_the_same(&plain, &options);
    options.covariance = SPOT_GMM_DIAG;
    mixes_the_same(&weighted, &options);
    options.covariance = SPOT_GMM_TIED;
    options.init = SPOT_GMM_INIT_RANDOM;
    mixes_the_same(&plain, &options);
}

static void test_no_folder(void)
{
    struct spot_error err = {0};
    const struct spot_engine_options engine_options = {.memory = resident_bytes(0) + ROOM,
                                                       .scratch = "/nowhere/at/all"};
    const struct spot_matrix data = {.values = values, .rows = ROWS, .columns = COLUMNS};
    struct spot_kmeans_options options = spot_kmeans_defaults();
    spot_engine *engine;
    spot_kmeans *model;
    options.k = 2;
    CU_ASSERT_EQUAL_FATAL(spot_engine_open(&engine_options, &engine, &err), SPOT_OK);
    CU_ASSERT_EQUAL(spot_kmeans_fit(engine, &data, &options, &model, &err), SPOT_EIO);
    CU_ASSERT_PTR_NOT_NULL(strstr(err.message, "/nowhere/at/all"));
    spot_engine_close(engine);
}

static void test_too_little_memory(void)
{
    struct spot_error err = {0};
    const struct spot_engine_options engine_options = {.memory = 1 << 20, .scratch = folder};
    const struct spot_matrix data = {.values = values, .rows = ROWS, .columns = COLUMNS};
    struct spot_kmeans_options options = spot_kmeans_defaults();
    spot_engine *engine;
    spot_kmeans *model;
    options.k = 2;
    CU_ASSERT_EQUAL_FATAL(spot_engine_open(&engine_options, &engine, &err), SPOT_OK);
    CU_ASSERT_EQUAL(spot_kmeans_fit(engine, &data, &options, &model, &err), SPOT_ENOMEM);
    CU_ASSERT_PTR_NOT_NULL(strstr(err.message, "allowed"));
    spot_engine_close(engine);
}

int main(void)
{
    const struct suite_test tests[] = {
        {"KMeans gives the same bits", test_kmeans_streams},
        {"mixtures give the same bits", test_mixtures_stream},
        {"rows that are read", test_read_rows},
        {"readers that fail", test_bad_readers},
        {"a folder that is not there", test_no_folder},
        {"too little memory", test_too_little_memory},
        {NULL, NULL},
    };
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
    puts("what a sanitizer keeps for itself cannot be limited: nothing is tested here");
    return 0;
#endif
    if (make_rows() != 0) return 1;
    int failed = run_suite("stream", tests);
    return clean_up() != 0 || failed != 0;
}
