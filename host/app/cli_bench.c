/* `blackspot bench kmeans` and `bench read`: how fast this machine does what the program is made
 * of. Rows for KMeans are blobs from a counter-based generator, so that every run has the same. */
#define _GNU_SOURCE /* argp */
#include <stdlib.h>

#include "app/result.h"
#include "app/session.h"
#include "base/error.h"
#include "base/memory.h"

/* ---- kmeans -------------------------------------------------------------------------------- */

static const struct argp_option kmeans_options[] = {
    {0, 0, 0, 0, "What is measured:", 1},
    {"rows", OPTION_KEY(OPTION_ROWS), "N", 0, "rows (default: 1000000)", 1},
    {"columns", OPTION_KEY(OPTION_COLUMNS), "D", 0, "columns (default: 4)", 1},
    {"k", OPTION_KEY(OPTION_K), "K", 0, "clusters (default: 5)", 1},
    {"iterations", OPTION_KEY(OPTION_ITERATIONS), "N", 0,
     "iterations of one run (default: 10); fewer when the clusters settle before", 1},
    {0},
};

struct kmeans_bench {
    int64_t rows, columns, k, iterations;
    float *values;   /* (rows, columns) */
    double *centres; /* (k, columns) to start from: the first rows */
    double *moments; /* (iterations) when each iteration ended */
    int32_t done;
};

/* The finaliser of SplitMix64 (Steele, Lea and Flood 2014) on a counter: 64 mixed bits. */
static uint64_t mix(uint64_t counter)
{
    uint64_t z = counter * 0x9e3779b97f4a7c15u;
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
    z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
    return z ^ (z >> 31);
}

/* Four uniforms added: nearly a normal deviate of variance 1/3, between -2 and 2. */
static double bell(uint64_t bits)
{
    double sum = 0.0;
    for (int i = 0; i < 4; i++)
        sum += (double)((bits >> (16 * i)) & 0xffffu) / 65536.0;
    return sum - 2.0;
}

/* Every row draws its blob; blobs' centres lie between -10 and 10, and they overlap, so that rows
 * keep moving for a while. */
static void make_blobs(const struct kmeans_bench *bench, uint64_t seed)
{
    uint64_t key = mix(seed + 1), d = (uint64_t)bench->columns, k = (uint64_t)bench->k;
    for (uint64_t i = 0; i < (uint64_t)bench->rows; i++) {
        uint64_t blob = mix(mix(key) + i) % k;
        for (uint64_t j = 0; j < d; j++) {
            uint64_t place = mix(key ^ (blob * d + j + 1));
            double centre = 20.0 * (double)(place >> 11) * 0x1p-53 - 10.0;
            bench->values[i * d + j] = (float)(centre + 5.0 * bell(mix(~key ^ (i * d + j + 1))));
        }
    }
    for (uint64_t cell = 0; cell < k * d; cell++)
        bench->centres[cell] = (double)bench->values[cell];
}

static void note_iteration(void *arg, const struct spot_kmeans_progress *at)
{
    struct kmeans_bench *bench = arg;
    if (at->iteration < 1 || at->iteration > bench->iterations) return;
    bench->moments[at->iteration - 1] = now_seconds();
    bench->done = at->iteration;
}

static int ascending(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

/* Median milliseconds of an iteration, the first one (cold) left out. moments is used up. */
static double iteration_ms(struct kmeans_bench *bench)
{
    int32_t steps = bench->done - 1;
    if (steps < 1) return 0.0;
    for (int32_t i = 0; i < steps; i++)
        bench->moments[i] = bench->moments[i + 1] - bench->moments[i];
    qsort(bench->moments, (size_t)steps, sizeof *bench->moments, ascending);
    return 1e3 * bench->moments[steps / 2];
}

static int kmeans_bench_open(struct session *session, struct kmeans_bench *bench,
                             struct spot_error *err)
{
    const struct arguments *arguments = &session->arguments;
    int status;
    int64_t cells;
    *bench = (struct kmeans_bench){.rows = 1000000, .columns = 4, .k = 5, .iterations = 10};
    SPOT_TRY(option_integer(arguments, OPTION_ROWS, 1, INT32_MAX, &bench->rows, err));
    SPOT_TRY(option_integer(arguments, OPTION_COLUMNS, 1, 1 << 20, &bench->columns, err));
    SPOT_TRY(option_integer(arguments, OPTION_K, 1, bench->rows, &bench->k, err));
    SPOT_TRY(option_integer(arguments, OPTION_ITERATIONS, 1, 100000, &bench->iterations, err));
    if (!__builtin_mul_overflow(bench->rows, bench->columns, &cells)) {
        bench->values = spot_alloc(cells, sizeof *bench->values);
        bench->centres = spot_alloc(bench->k * bench->columns, sizeof *bench->centres);
        bench->moments = spot_alloc_zero(bench->iterations, sizeof *bench->moments);
    }
    if (bench->values == NULL || bench->centres == NULL || bench->moments == NULL)
        return spot_fail_memory(err, "the rows of the benchmark");
    make_blobs(bench, (uint64_t)session->seed);
out:
    return status;
}

static int print_kmeans(struct session *session, struct kmeans_bench *bench,
                        const struct spot_kmeans_result *found, double fit_seconds,
                        struct spot_error *err)
{
    cJSON *result = cJSON_CreateObject();
    if (result == NULL) return spot_fail_memory(err, "the result");
    cJSON_AddStringToObject(result, "command", session->command->name);
    cJSON_AddNumberToObject(result, "rows", (double)bench->rows);
    cJSON_AddNumberToObject(result, "features", (double)bench->columns);
    cJSON_AddNumberToObject(result, "k", (double)bench->k);
    cJSON_AddNumberToObject(result, "iterations", found->iterations);
    cJSON_AddBoolToObject(result, "converged", found->converged);
    cJSON_AddNumberToObject(result, "inertia", found->inertia);
    cJSON_AddNumberToObject(result, "near_ties", found->near_ties);
    cJSON_AddNumberToObject(result, "iteration_ms", iteration_ms(bench));
    cJSON_AddStringToObject(result, "device", spot_engine_device(session->engine));
    cJSON *seconds = cJSON_AddObjectToObject(result, "seconds");
    result_seconds(seconds, "fit", fit_seconds);
    result_seconds(seconds, "total", now_seconds() - session->started);
    return result_print(result, err);
}

static int bench_kmeans(struct session *session, struct spot_error *err)
{
    struct kmeans_bench bench = {0};
    spot_kmeans *model = NULL;
    int status;
    SPOT_TRY(kmeans_bench_open(session, &bench, err));
    SPOT_TRY(session_engine(session, err));
    struct spot_kmeans_options options = spot_kmeans_defaults();
    options.k = (int32_t)bench.k;
    options.init = SPOT_INIT_CENTRES;
    options.centres = bench.centres;
    options.max_iter = (int32_t)bench.iterations;
    options.tol = 0.0;
    options.compact = 0;
    options.batch_rows = session->batch_rows;
    options.progress = note_iteration;
    options.progress_arg = &bench;
    const struct spot_matrix matrix = {
        .values = bench.values, .rows = bench.rows, .columns = (int32_t)bench.columns};
    double started = now_seconds();
    SPOT_TRY(spot_kmeans_fit(session->engine, &matrix, &options, &model, err));
    double seconds = now_seconds() - started;
    SPOT_TRY(print_kmeans(session, &bench, spot_kmeans_result(model), seconds, err));
out:
    spot_kmeans_free(model);
    free(bench.values);
    free(bench.centres);
    free(bench.moments);
    return status;
}

const struct command command_bench_kmeans = {
    .name = "bench kmeans",
    .summary = "time KMeans on rows made here",
    .usage = "[--rows N] [--columns D] [--k K] [--iterations N] [OPTION...]",
    .about =
        "Makes the same blobs in every run, fits KMeans from their first rows, and prints the "
        "seconds of the whole fit and the median milliseconds of an iteration after the first.",
    .example = "blackspot bench kmeans --rows 1000000 --columns 4 --k 5",
    .options = kmeans_options,
    .run = bench_kmeans,
};

/* ---- read ---------------------------------------------------------------------------------- */

static const struct argp_option read_options[] = {
    {0, 0, 0, 0, "What is measured:", 1},
    {"input", OPTION_KEY(OPTION_INPUT), "DATA", 0, "the file to read; may be repeated", 1},
    {"config", OPTION_KEY(OPTION_CONFIG), "FILE", 0, "as for train", 1},
    {"set", OPTION_KEY(OPTION_SET), "KEY=VALUE", 0, "overrides the configuration", 1},
    {"repeat", OPTION_KEY(OPTION_REPEAT), "N", 0, "times to read it (default: 5)", 1},
    {0},
};

static int print_read(struct session *session, int64_t rows, int64_t columns, int64_t bytes,
                      double best, struct spot_error *err)
{
    cJSON *result = cJSON_CreateObject();
    if (result == NULL) return spot_fail_memory(err, "the result");
    cJSON_AddStringToObject(result, "command", session->command->name);
    cJSON_AddNumberToObject(result, "rows", (double)rows);
    cJSON_AddNumberToObject(result, "features", (double)columns);
    cJSON_AddNumberToObject(result, "bytes", (double)bytes);
    cJSON_AddNumberToObject(result, "mb_per_second", 1e-6 * (double)bytes / best);
    cJSON_AddStringToObject(result, "device", spot_engine_device(session->engine));
    cJSON *seconds = cJSON_AddObjectToObject(result, "seconds");
    result_seconds(seconds, "best", best);
    result_seconds(seconds, "total", now_seconds() - session->started);
    return result_print(result, err);
}

static int bench_read(struct session *session, struct spot_error *err)
{
    struct prepare_options reading;
    struct prepared data = {0};
    int64_t repeat = 5, rows = 0, columns = 0, bytes = 0;
    double best = 0.0;
    int status;
    SPOT_TRY(option_integer(&session->arguments, OPTION_REPEAT, 1, 100000, &repeat, err));
    SPOT_TRY(session_reading(session, &reading, err));
    SPOT_TRY(session_engine(session, err));
    for (int64_t i = 0; i < repeat; i++) {
        double started = now_seconds();
        SPOT_TRY(prepare_table(&reading, engine_pool(session->engine), &data, err));
        double seconds = now_seconds() - started;
        if (i == 0 || seconds < best) best = seconds;
        rows = data.rows;
        columns = data.columns;
        bytes = data.bytes_read;
        prepared_free(&data);
        data = (struct prepared){0};
    }
    SPOT_TRY(print_read(session, rows, columns, bytes, best, err));
out:
    prepared_free(&data);
    return status;
}

const struct command command_bench_read = {
    .name = "bench read",
    .summary = "time reading files into a matrix",
    .usage = "--input DATA [--config C] [--repeat N] [OPTION...]",
    .about = "Reads, validates and encodes the input several times and prints the best time.",
    .example = "blackspot bench read --input data/gb-2015/Accidents_2015.csv.gz --config "
               "config/gb-2015.yaml",
    .options = read_options,
    .run = bench_read,
};
