/* Scoring rows of float64 on the CPU: each thread turns one block at a time into columns in its
 * cache, where the rows get the labels of the definition. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "base/memory.h"
#include "fallback/cpu_kmeans.h"

struct scoring {
    struct backend *backend;
    const struct kmeans_filter *filter;
    const double *offset;
    int64_t rows;
    const double *values; /* (rows, columns) row-major */
    int32_t *labels;      /* (rows) or NULL */
    double *distances;    /* (rows) or NULL */
    float *blocks;        /* (threads, columns, BLOCK_ROWS) */
    double *wide_blocks;  /* (threads, columns, BLOCK_ROWS) */
    float *peaks;         /* (threads, columns, BLOCK_ROWS) largest magnitude at each place */
};

static int64_t block_size(const struct scoring *scoring)
{
    return (int64_t)scoring->filter->columns * BLOCK_ROWS;
}

static void fill_block(const struct scoring *scoring, int64_t first, int32_t rows, float *x,
                       double *wide)
{
    const int64_t columns = scoring->filter->columns;
    const double *values = scoring->values + first * columns;
    for (int64_t j = 0; j < columns; j++)
        for (int32_t i = 0; i < BLOCK_ROWS; i++) {
            const int64_t at = j * BLOCK_ROWS + i;
            wide[at] = values[(i < rows ? i : rows - 1) * columns + j] - scoring->offset[j];
            x[at] = (float)wide[at];
        }
}

/* A thread's block, filled with these rows. */
static struct block_values load_block(const struct scoring *scoring, int64_t first, int32_t rows,
                                      int worker)
{
    float *x = scoring->blocks + worker * block_size(scoring);
    double *wide = scoring->wide_blocks + worker * block_size(scoring);
    fill_block(scoring, first, rows, x, wide);
    return (struct block_values){x, wide};
}

static int64_t task_end(const struct scoring *scoring, int64_t task)
{
    int64_t end = (task + 1) * TASK_ROWS;
    return end < scoring->rows ? end : scoring->rows;
}

static int32_t rows_from(int64_t first, int64_t end)
{
    return end - first < BLOCK_ROWS ? (int32_t)(end - first) : BLOCK_ROWS;
}

static void scoring_task(void *arg, int64_t task, int worker)
{
    const struct scoring *scoring = arg;
    const struct kmeans_kernels *kernels = scoring->backend->kernels;
    _Alignas(64) int32_t labels[BLOCK_ROWS];
    _Alignas(64) double d2[BLOCK_ROWS];
    int64_t end = task_end(scoring, task);
    for (int64_t first = task * TASK_ROWS; first < end; first += BLOCK_ROWS) {
        int32_t rows = rows_from(first, end);
        const struct block_values x = load_block(scoring, first, rows, worker);
        filter_block(kernels, scoring->filter, x, rows, labels, NULL);
        if (scoring->labels != NULL)
            memcpy(scoring->labels + first, labels, (size_t)rows * sizeof *labels);
        if (scoring->distances == NULL) continue;
        for (int32_t i = rows; i < BLOCK_ROWS; i++)
            labels[i] = 0;
        own_distances(kernels, scoring->filter, x, labels, d2);
        memcpy(scoring->distances + first, d2, (size_t)rows * sizeof *d2);
    }
}

static void peaks_task(void *arg, int64_t task, int worker)
{
    const struct scoring *scoring = arg;
    const int64_t size = block_size(scoring), end = task_end(scoring, task);
    float *peaks = scoring->peaks + worker * size;
    for (int64_t first = task * TASK_ROWS; first < end; first += BLOCK_ROWS) {
        const struct block_values x = load_block(scoring, first, rows_from(first, end), worker);
        for (int64_t i = 0; i < size; i++) {
            float magnitude = fabsf(x.x[i]);
            peaks[i] = magnitude > peaks[i] ? magnitude : peaks[i];
        }
    }
}

/* Largest magnitude of each column without its offset, as the blocks have it; rows may lie half
 * a unit in the last place above. */
static void find_largest(struct scoring *scoring, int64_t tasks, float *largest)
{
    const int64_t size = block_size(scoring), threads = scoring->backend->host.threads;
    memset(scoring->peaks, 0, (size_t)(threads * size) * sizeof *scoring->peaks);
    cpu_parallel(scoring->backend, tasks, (double)scoring->rows * 8 * scoring->filter->columns,
                 peaks_task, scoring);
    for (int32_t j = 0; j < scoring->filter->columns; j++) {
        largest[j] = 0;
        for (int64_t t = 0; t < threads; t++)
            for (int32_t i = 0; i < BLOCK_ROWS; i++) {
                float peak = scoring->peaks[t * size + j * BLOCK_ROWS + i];
                if (peak > largest[j]) largest[j] = peak;
            }
        largest[j] = nextafterf(largest[j], INFINITY);
    }
}

static int assign_rows(struct scoring *scoring, int32_t k, int32_t columns, const double *centres,
                       struct spot_error *err)
{
    int status = SPOT_OK;
    struct backend *backend = scoring->backend;
    struct filter_space space;
    const int64_t rows = scoring->rows, tasks = (rows + TASK_ROWS - 1) / TASK_ROWS;
    const int64_t blocks = backend->host.threads * (int64_t)columns;
    if (filter_open(&space, k, columns, scoring->offset, backend->kernels, true) < 0)
        return spot_fail_memory(err, "the centres");
    scoring->filter = &space.filter;
    float *largest = spot_alloc(columns, sizeof *largest);
    scoring->blocks = spot_alloc(blocks, BLOCK_ROWS * sizeof(float));
    scoring->peaks = spot_alloc(blocks, BLOCK_ROWS * sizeof(float));
    scoring->wide_blocks = spot_alloc(blocks, BLOCK_ROWS * sizeof(double));
    if (largest == NULL || scoring->blocks == NULL || scoring->peaks == NULL ||
        scoring->wide_blocks == NULL) {
        status = spot_fail_memory(err, "the rows to score");
        goto out;
    }
    find_largest(scoring, tasks, largest);
    memcpy(space.exact, centres, (size_t)k * (size_t)columns * sizeof *centres);
    filter_pack(&space, largest);
    double work = (double)rows * ((double)k * (columns + 5) + 8 * columns);
    cpu_parallel(backend, tasks, work, scoring_task, scoring);
out:
    free(largest);
    free(scoring->blocks);
    free(scoring->wide_blocks);
    free(scoring->peaks);
    scoring->filter = NULL;
    filter_close(&space);
    scoring->filter = NULL;
    return status;
}

int cpu_kmeans_assign64(struct backend *backend, int32_t k, int32_t columns, const double *centres,
                        const double *offset, int64_t rows, const double *values, int32_t *labels,
                        double *distances, struct spot_error *err)
{
    struct scoring scoring = {.backend = backend,
                              .offset = offset,
                              .rows = rows,
                              .values = values,
                              .labels = labels,
                              .distances = distances};
    return assign_rows(&scoring, k, columns, centres, err);
}
