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
};

static void load_block(const struct scoring *scoring, int64_t first, int32_t rows, float *x)
{
    int32_t columns = scoring->filter->columns;
    for (int32_t i = 0; i < BLOCK_ROWS; i++) {
        const float *row = scoring->values + (first + (i < rows ? i : rows - 1)) * columns;
        for (int32_t j = 0; j < columns; j++)
            x[j * BLOCK_ROWS + i] = (float)((double)row[j] - scoring->offset[j]);
    }
}

static void scoring_task(void *arg, int64_t task, int worker)
{
    const struct scoring *scoring = arg;
    const struct kmeans_kernels *kernels = scoring->backend->kernels;
    float *x = scoring->blocks + (int64_t)worker * scoring->filter->columns * BLOCK_ROWS;
    _Alignas(64) int32_t labels[BLOCK_ROWS];
    _Alignas(64) double d2[BLOCK_ROWS];
    int64_t end = (task + 1) * TASK_ROWS < scoring->rows ? (task + 1) * TASK_ROWS : scoring->rows;
    for (int64_t first = task * TASK_ROWS; first < end; first += BLOCK_ROWS) {
        int32_t rows = end - first < BLOCK_ROWS ? (int32_t)(end - first) : BLOCK_ROWS;
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

/* Largest magnitude of each column without its offset, rounded as the blocks are. */
static void find_largest(const struct scoring *scoring, int32_t columns, float *largest)
{
    memset(largest, 0, (size_t)columns * sizeof *largest);
    for (int64_t i = 0; i < scoring->rows; i++)
        for (int32_t j = 0; j < columns; j++) {
            float x = fabsf((float)((double)scoring->values[i * columns + j] - scoring->offset[j]));
            if (x > largest[j]) largest[j] = x;
        }
}

int cpu_kmeans_assign(struct backend *backend, int32_t k, int32_t columns, const double *centres,
                      const double *offset, int64_t rows, const float *values, int32_t *labels,
                      double *distances, struct spot_error *err)
{
    int status = SPOT_OK;
    struct filter_space space;
    struct scoring scoring = {backend, &space.filter, offset,    rows,
                              values,  labels,        distances, NULL};
    if (filter_open(&space, k, columns, offset, backend->kernels->tile) < 0)
        return spot_fail_memory(err, "the centres");
    float *largest = spot_alloc(columns, sizeof *largest);
    scoring.blocks =
        spot_alloc((int64_t)backend->host.threads * columns, BLOCK_ROWS * sizeof(float));
    if (largest == NULL || scoring.blocks == NULL) {
        status = spot_fail_memory(err, "the rows to score");
        goto out;
    }
    find_largest(&scoring, columns, largest);
    memcpy(space.exact, centres, (size_t)k * (size_t)columns * sizeof *centres);
    filter_pack(&space, largest);
    double work = (double)rows * ((double)k * (columns + 5) + 8 * columns);
    cpu_parallel(backend, (rows + TASK_ROWS - 1) / TASK_ROWS, work, scoring_task, &scoring);
out:
    free(largest);
    free(scoring.blocks);
    filter_close(&space);
    return status;
}
