/* Scoring on the CPU: rows come as they are, are turned into one block at a time in each thread's
 * cache, and get the label of the definition. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "base/memory.h"
#include "fallback/cpu_kmeans.h"

struct scoring {
    const struct backend *backend;
    const struct kmeans_filter *filter;
    const double *offset;
    int64_t rows;
    const float *values; /* (rows, columns) row-major */
    int32_t *labels;     /* (rows) or NULL */
    double *distances;   /* (rows) or NULL */
    float *blocks;       /* (threads, columns, BLOCK_ROWS) */
    float *peaks;        /* (threads, columns, BLOCK_ROWS) largest magnitude at each place */
};

static int64_t block_size(const struct scoring *scoring)
{
    return (int64_t)scoring->filter->columns * BLOCK_ROWS;
}

static void load_block(const struct scoring *scoring, int64_t first, int32_t rows, float *x)
{
    const int64_t columns = scoring->filter->columns;
    const float *values = scoring->values + first * columns;
    for (int64_t j = 0; j < columns; j++) {
        const float offset = (float)scoring->offset[j]; /* a float32 value, as is any difference */
        for (int32_t i = 0; i < rows; i++)
            x[j * BLOCK_ROWS + i] = values[i * columns + j] - offset;
        for (int32_t i = rows; i < BLOCK_ROWS; i++)
            x[j * BLOCK_ROWS + i] = x[j * BLOCK_ROWS + rows - 1];
    }
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
    float *x = scoring->blocks + worker * block_size(scoring);
    _Alignas(64) int32_t labels[BLOCK_ROWS];
    _Alignas(64) double d2[BLOCK_ROWS];
    int64_t end = task_end(scoring, task);
    for (int64_t first = task * TASK_ROWS; first < end; first += BLOCK_ROWS) {
        int32_t rows = rows_from(first, end);
        load_block(scoring, first, rows, x);
        filter_block(kernels, scoring->filter, x, rows, labels, NULL);
        if (scoring->labels != NULL)
            memcpy(scoring->labels + first, labels, (size_t)rows * sizeof *labels);
        if (scoring->distances == NULL) continue;
        for (int32_t i = rows; i < BLOCK_ROWS; i++)
            labels[i] = 0;
        kernels->own_distances(scoring->filter, x, labels, d2);
        memcpy(scoring->distances + first, d2, (size_t)rows * sizeof *d2);
    }
}

static void peaks_task(void *arg, int64_t task, int worker)
{
    const struct scoring *scoring = arg;
    const int64_t size = block_size(scoring), end = task_end(scoring, task);
    float *x = scoring->blocks + worker * size, *peaks = scoring->peaks + worker * size;
    for (int64_t first = task * TASK_ROWS; first < end; first += BLOCK_ROWS) {
        load_block(scoring, first, rows_from(first, end), x);
        for (int64_t i = 0; i < size; i++) {
            float magnitude = fabsf(x[i]);
            peaks[i] = magnitude > peaks[i] ? magnitude : peaks[i];
        }
    }
}

/* Largest magnitude of each column without its offset, as the blocks have it. */
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
    }
}

int cpu_kmeans_assign(struct backend *backend, int32_t k, int32_t columns, const double *centres,
                      const double *offset, int64_t rows, const float *values, int32_t *labels,
                      double *distances, struct spot_error *err)
{
    int status = SPOT_OK;
    struct filter_space space;
    struct scoring scoring = {.backend = backend,
                              .filter = &space.filter,
                              .offset = offset,
                              .rows = rows,
                              .values = values,
                              .labels = labels,
                              .distances = distances};
    const int64_t tasks = (rows + TASK_ROWS - 1) / TASK_ROWS;
    const int64_t threads = backend->host.threads;
    if (filter_open(&space, k, columns, offset, backend->kernels->tile) < 0)
        return spot_fail_memory(err, "the centres");
    float *largest = spot_alloc(columns, sizeof *largest);
    scoring.blocks = spot_alloc(threads * columns, BLOCK_ROWS * sizeof(float));
    scoring.peaks = spot_alloc(threads * columns, BLOCK_ROWS * sizeof(float));
    if (largest == NULL || scoring.blocks == NULL || scoring.peaks == NULL) {
        status = spot_fail_memory(err, "the rows to score");
        goto out;
    }
    find_largest(&scoring, tasks, largest);
    memcpy(space.exact, centres, (size_t)k * (size_t)columns * sizeof *centres);
    filter_pack(&space, largest);
    double work = (double)rows * ((double)k * (columns + 5) + 8 * columns);
    cpu_parallel(backend, tasks, work, scoring_task, &scoring);
out:
    free(largest);
    free(scoring.blocks);
    free(scoring.peaks);
    filter_close(&space);
    return status;
}
