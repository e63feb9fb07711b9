/* Scoring with a mixture on the CPU: rows come as they are and are turned into one block at a time
 * in each thread's cache. */
#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "base/memory.h"
#include "fallback/cpu_mixture.h"

struct scoring {
    const struct mixture_kernels *kernels;
    const struct mixture_pack *pack;
    int64_t rows;
    const float *values;      /* (rows, columns) row-major, or NULL: */
    const double *wide;       /* the same in float64 */
    int32_t *labels;          /* (rows) or NULL */
    double *responsibilities; /* (rows, k) or NULL */
    double *log_likelihood;   /* (rows) or NULL */
    float *blocks;            /* (threads, columns, BLOCK_ROWS), or NULL: */
    double *wide_blocks;      /* the same in float64 */
    double *work, *density;   /* (threads, ...) */
};

/* A thread's block, filled with these rows. */
static struct block_values load_block(const struct scoring *scoring, int64_t first, int32_t rows,
                                      int worker)
{
    const int64_t columns = scoring->pack->columns, size = columns * BLOCK_ROWS;
    const struct block_values block = {
        scoring->blocks == NULL ? NULL : scoring->blocks + worker * size,
        scoring->wide_blocks == NULL ? NULL : scoring->wide_blocks + worker * size};
    for (int64_t i = 0; i < BLOCK_ROWS; i++) {
        const int64_t row = (first + (i < rows ? i : rows - 1)) * columns;
        for (int64_t j = 0; block.wide == NULL && j < columns; j++)
            scoring->blocks[worker * size + j * BLOCK_ROWS + i] = scoring->values[row + j];
        for (int64_t j = 0; block.wide != NULL && j < columns; j++)
            scoring->wide_blocks[worker * size + j * BLOCK_ROWS + i] = scoring->wide[row + j];
    }
    return block;
}

static void label_block(int32_t k, const double *density, int32_t rows, int32_t *labels)
{
    for (int32_t i = 0; i < rows; i++) {
        int32_t best = 0;
        for (int32_t c = 1; c < k; c++)
            if (density[(int64_t)c * BLOCK_ROWS + i] > density[(int64_t)best * BLOCK_ROWS + i])
                best = c;
        labels[i] = best;
    }
}

static void score_block(const struct scoring *scoring, int64_t first, int32_t rows, double *density)
{
    const int32_t k = scoring->pack->k;
    _Alignas(64) double weights[BLOCK_ROWS], log_likelihood[BLOCK_ROWS];
    if (scoring->labels != NULL) label_block(k, density, rows, scoring->labels + first);
    if (scoring->responsibilities == NULL && scoring->log_likelihood == NULL) return;
    for (int32_t i = 0; i < BLOCK_ROWS; i++)
        weights[i] = 1.0;
    scoring->kernels->responsibilities(scoring->pack, weights, density, log_likelihood);
    if (scoring->log_likelihood != NULL)
        memcpy(scoring->log_likelihood + first, log_likelihood,
               (size_t)rows * sizeof *log_likelihood);
    if (scoring->responsibilities == NULL) return;
    for (int32_t i = 0; i < rows; i++)
        for (int32_t c = 0; c < k; c++)
            scoring->responsibilities[(first + i) * k + c] = density[(int64_t)c * BLOCK_ROWS + i];
}

static void scoring_task(void *arg, int64_t task, int worker)
{
    const struct scoring *scoring = arg;
    const struct mixture_pack *pack = scoring->pack;
    double *work = scoring->work + worker * mixture_space(pack->columns);
    double *density = scoring->density + (int64_t)worker * pack->k * BLOCK_ROWS;
    int64_t end = (task + 1) * TASK_ROWS < scoring->rows ? (task + 1) * TASK_ROWS : scoring->rows;
    for (int64_t first = task * TASK_ROWS; first < end; first += BLOCK_ROWS) {
        int32_t rows = end - first < BLOCK_ROWS ? (int32_t)(end - first) : BLOCK_ROWS;
        const struct block_values x = load_block(scoring, first, rows, worker);
        scoring->kernels->densities(pack, x, work, density);
        score_block(scoring, first, rows, density);
    }
}

static int score_rows(struct scoring *scoring, struct backend *backend,
                      const struct mixture_parameters *parameters, struct spot_error *err)
{
    int status = SPOT_OK;
    const int32_t k = parameters->k, columns = parameters->columns;
    const int64_t rows = scoring->rows, threads = backend->host.threads;
    struct mixture_space space;
    if (mixture_space_open(&space, k, columns, parameters->covariance) < 0)
        return spot_fail_memory(err, "the mixture");
    scoring->kernels = backend->mixture_kernels;
    scoring->pack = &space.pack;
    if (scoring->wide != NULL)
        scoring->wide_blocks = spot_alloc(threads * columns, BLOCK_ROWS * sizeof(double));
    else
        scoring->blocks = spot_alloc(threads * columns, BLOCK_ROWS * sizeof(float));
    scoring->work = spot_alloc(threads, (size_t)mixture_space(columns) * sizeof(double));
    scoring->density = spot_alloc(threads * k, BLOCK_ROWS * sizeof(double));
    if ((scoring->blocks == NULL && scoring->wide_blocks == NULL) || scoring->work == NULL ||
        scoring->density == NULL) {
        status = spot_fail_memory(err, "the rows to score");
        goto out;
    }
    mixture_pack_fill(&space, parameters, NULL);
    cpu_parallel(backend, (rows + TASK_ROWS - 1) / TASK_ROWS,
                 (double)rows * mixture_work(&space.pack), scoring_task, scoring);
out:
    free(scoring->blocks);
    free(scoring->wide_blocks);
    free(scoring->work);
    free(scoring->density);
    scoring->pack = NULL;
    mixture_space_close(&space);
    return status;
}

int cpu_mixture_score(struct backend *backend, const struct mixture_parameters *parameters,
                      int64_t rows, const float *values, int32_t *labels, double *responsibilities,
                      double *log_likelihood, struct spot_error *err)
{
    struct scoring scoring = {.rows = rows,
                              .values = values,
                              .labels = labels,
                              .responsibilities = responsibilities,
                              .log_likelihood = log_likelihood};
    return score_rows(&scoring, backend, parameters, err);
}

int cpu_mixture_score64(struct backend *backend, const struct mixture_parameters *parameters,
                        int64_t rows, const double *values, int32_t *labels,
                        double *responsibilities, double *log_likelihood, struct spot_error *err)
{
    struct scoring scoring = {.rows = rows,
                              .wide = values,
                              .labels = labels,
                              .responsibilities = responsibilities,
                              .log_likelihood = log_likelihood};
    return score_rows(&scoring, backend, parameters, err);
}
