/* Distances and draws of k-means++ on the CPU. Potentials are integers, so their sums do not depend
 * on the order; draws walk the prefix sums of the original rows. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "base/memory.h"
#include "fallback/cpu_kmeans.h"

/* A product of weight and term that int64 can hold when added up over a block. */
enum { NARROW_WEIGHT = 1 << 6 };

static void parallel(struct kmeans_run *run, int64_t tasks, backend_task *task, void *arg)
{
    const struct backend_host *host = &run->data->backend->host;
    host->parallel(host->parallel_arg, tasks, task, arg);
}

static int64_t original_rows(const struct backend_data *data)
{
    return data->group_of_row == NULL ? data->rows : data->map_rows;
}

int cpu_seed_begin(struct kmeans_run *run, struct spot_error *err)
{
    const struct backend_data *data = run->data;
    int64_t padded = data->blocks * BLOCK_ROWS;
    int64_t tasks = (original_rows(data) + TASK_ROWS - 1) / TASK_ROWS;
    if (run->nearest == NULL) run->nearest = spot_alloc(padded, sizeof *run->nearest);
    if (run->prefix == NULL) run->prefix = spot_alloc(tasks, sizeof *run->prefix);
    if (run->nearest == NULL || run->prefix == NULL)
        return spot_fail_memory(err, "the seeding distances");
    for (int64_t i = 0; i < padded; i++)
        run->nearest[i] = INFINITY;
    run->seeded = false;
    return SPOT_OK;
}

/* ---- Distances --------------------------------------------------------------------------------
 */

struct attempt {
    struct kmeans_run *run;
    int32_t count;
    float *points;         /* (count, columns) */
    struct int128 *totals; /* (threads, count) */
};

/* Potential of a block, weights counted; nearest (BLOCK_ROWS) is what it would become. */
static struct int128 weighted_potential(const struct kmeans_run *run, int64_t block,
                                        const float *nearest)
{
    struct int128 sum = int128_from(0);
    int32_t rows = block_rows(run->data, block);
    for (int32_t i = 0; i < rows; i++) {
        int64_t row = block * BLOCK_ROWS + i;
        int64_t term = quantise((double)nearest[i], run->quantiser->distance_scale);
        struct int128 weight =
            int128_multiply(row_weight(run->data, row), row_count(run->data, row));
        sum = int128_add(sum, int128_times(weight, term));
    }
    return sum;
}

static void try_task(void *arg, int64_t task, int worker)
{
    const struct attempt *attempt = arg;
    const struct kmeans_run *run = attempt->run;
    const struct backend_data *data = run->data;
    bool weighted = data->weights != NULL || data->counts != NULL;
    struct int128 *totals = attempt->totals + (int64_t)worker * attempt->count;
    int64_t end = (task + 1) * TASK_BLOCKS < data->blocks ? (task + 1) * TASK_BLOCKS : data->blocks;
    _Alignas(64) float nearest[BLOCK_ROWS];
    for (int64_t b = task * TASK_BLOCKS; b < end; b++) {
        for (int32_t p = 0; p < attempt->count; p++) {
            int64_t plain = run->kernels->potential(
                data_block(data, b), data->columns, block_rows(data, b),
                attempt->points + (int64_t)p * data->columns, run->quantiser->distance_scale,
                run->nearest + b * BLOCK_ROWS, nearest);
            struct int128 sum = weighted ? weighted_potential(run, b, nearest) : int128_from(plain);
            totals[p] = int128_add(totals[p], sum);
        }
    }
}

int cpu_seed_try(struct kmeans_run *run, int32_t count, const int64_t *rows, struct int128 *totals,
                 struct spot_error *err)
{
    int status = SPOT_OK;
    int32_t columns = run->data->columns;
    struct attempt attempt = {run, count, NULL, NULL};
    attempt.points = spot_alloc((int64_t)count * columns, sizeof *attempt.points);
    attempt.totals = spot_alloc_zero((int64_t)count * run->threads, sizeof *attempt.totals);
    if (attempt.points == NULL || attempt.totals == NULL) {
        status = spot_fail_memory(err, "the seeding candidates");
        goto out;
    }
    for (int32_t p = 0; p < count; p++)
        data_row(run->data, rows[p], attempt.points + (int64_t)p * columns);
    parallel(run, run->data->tasks, try_task, &attempt);
    for (int32_t p = 0; p < count; p++) {
        totals[p] = int128_from(0);
        for (int t = 0; t < run->threads; t++)
            totals[p] = int128_add(totals[p], attempt.totals[(int64_t)t * count + p]);
    }
out:
    free(attempt.points);
    free(attempt.totals);
    return status;
}

static void take_task(void *arg, int64_t task, int worker)
{
    const struct attempt *attempt = arg;
    struct kmeans_run *run = attempt->run;
    const struct backend_data *data = run->data;
    (void)worker;
    int64_t end = (task + 1) * TASK_BLOCKS < data->blocks ? (task + 1) * TASK_BLOCKS : data->blocks;
    for (int64_t b = task * TASK_BLOCKS; b < end; b++)
        run->kernels->potential(data_block(data, b), data->columns, 0, attempt->points,
                                run->quantiser->distance_scale, run->nearest + b * BLOCK_ROWS,
                                run->nearest + b * BLOCK_ROWS);
}

int cpu_seed_take(struct kmeans_run *run, int64_t row, struct spot_error *err)
{
    float *point = spot_alloc(run->data->columns, sizeof *point);
    if (point == NULL) return spot_fail_memory(err, "the seeding centre");
    data_row(run->data, row, point);
    struct attempt attempt = {run, 1, point, NULL};
    parallel(run, run->data->tasks, take_task, &attempt);
    free(point);
    run->seeded = true;
    return SPOT_OK;
}

/* ---- Draws ------------------------------------------------------------------------------------
 */

/* What one original row adds to the prefix sums. */
static struct int128 row_potential(const struct kmeans_run *run, int64_t original)
{
    const struct backend_data *data = run->data;
    int64_t row = data->group_of_row == NULL ? original : data->group_of_row[original];
    int64_t weight = row_weight(data, row);
    if (!run->seeded) return int128_from(weight);
    int64_t term = quantise((double)run->nearest[row], run->quantiser->distance_scale);
    if (weight <= NARROW_WEIGHT) return int128_from(weight * term);
    return int128_multiply(weight, term);
}

static void prefix_task(void *arg, int64_t task, int worker)
{
    struct kmeans_run *run = arg;
    (void)worker;
    int64_t rows = original_rows(run->data);
    int64_t end = (task + 1) * TASK_ROWS < rows ? (task + 1) * TASK_ROWS : rows;
    struct int128 sum = int128_from(0);
    for (int64_t row = task * TASK_ROWS; row < end; row++)
        sum = int128_add(sum, row_potential(run, row));
    run->prefix[task] = sum;
}

int cpu_seed_pick(struct kmeans_run *run, int32_t count, const struct int128 *targets,
                  int64_t *rows, struct spot_error *err)
{
    (void)err;
    int64_t total_rows = original_rows(run->data);
    int64_t tasks = (total_rows + TASK_ROWS - 1) / TASK_ROWS;
    parallel(run, tasks, prefix_task, run);
    struct int128 before = int128_from(0); /* sum of the tasks before `task` */
    int64_t task = 0;
    for (int32_t p = 0; p < count; p++) {
        for (; task < tasks - 1; task++) {
            struct int128 after = int128_add(before, run->prefix[task]);
            if (int128_compare(after, targets[p]) > 0) break;
            before = after;
        }
        struct int128 sum = before;
        int64_t row = task * TASK_ROWS;
        for (; row < total_rows - 1; row++) {
            sum = int128_add(sum, row_potential(run, row));
            if (int128_compare(sum, targets[p]) > 0) break;
        }
        rows[p] = row;
    }
    return SPOT_OK;
}
