/* The rows farthest from their centres, for empty clusters: each thread keeps its best few in
 * order, then the lists are merged. The order is total, so the result does not depend on the
 * threads. */
#include <string.h>

#include "fallback/cpu_order.h"

/* Whether row a of the handle comes before row b when their distances are equal. */
static bool row_before(const struct backend_data *data, int64_t a, int64_t b)
{
    const struct block_values x = block_from(data_values(data, a / BLOCK_ROWS), a % BLOCK_ROWS);
    const struct block_values y = block_from(data_values(data, b / BLOCK_ROWS), b % BLOCK_ROWS);
    for (int32_t j = 0; j < data->columns; j++)
        if (block_value(x, j) != block_value(y, j)) return block_value(x, j) < block_value(y, j);
    if (row_weight(data, a) != row_weight(data, b))
        return row_weight(data, a) < row_weight(data, b);
    return a < b;
}

static bool farther(const struct backend_data *data, struct kmeans_far a, struct kmeans_far b)
{
    if (a.distance != b.distance) return a.distance > b.distance;
    return row_before(data, a.row, b.row);
}

/* Inserts into a list of at most `capacity`, best first. */
static void insert(const struct backend_data *data, struct kmeans_far *list, int32_t *found,
                   int32_t capacity, struct kmeans_far candidate)
{
    int32_t at = *found;
    if (at == capacity) {
        if (!farther(data, candidate, list[at - 1])) return;
        at--;
    } else {
        (*found)++;
    }
    while (at > 0 && farther(data, candidate, list[at - 1])) {
        list[at] = list[at - 1];
        at--;
    }
    list[at] = candidate;
}

struct search {
    struct kmeans_run *run;
    struct kmeans_filter filter; /* the run's, with other centres */
    int32_t count;
};

static void search_task(void *arg, int64_t task, int worker_index)
{
    const struct search *search = arg;
    struct kmeans_run *run = search->run;
    struct kmeans_worker *worker = &run->workers[worker_index];
    const struct backend_data *data = run->rows;
    int64_t end = (task + 1) * TASK_BLOCKS < data->blocks ? (task + 1) * TASK_BLOCKS : data->blocks;
    _Alignas(64) double d2[BLOCK_ROWS];
    for (int64_t b = task * TASK_BLOCKS; b < end; b++) {
        int32_t *labels = run->labels + b * BLOCK_ROWS;
        int32_t rows = block_rows(data, b);
        for (int32_t i = rows; i < BLOCK_ROWS; i++)
            labels[i] = 0;
        own_distances(run->kernels, &search->filter, data_values(data, b), labels, d2);
        for (int32_t i = 0; i < rows; i++) {
            struct kmeans_far candidate = {d2[i], b * BLOCK_ROWS + i};
            if (row_weight(data, candidate.row) > 0)
                insert(data, worker->far, &worker->far_found, search->count, candidate);
        }
    }
}

int cpu_farthest(struct kmeans_run *run, const double *centres, int32_t count,
                 struct kmeans_far *far, int32_t *found, struct spot_error *err)
{
    (void)err;
    struct search search = {run, run->filter.filter, count};
    search.filter.exact = centres;
    for (int i = 0; i < run->threads; i++)
        run->workers[i].far_found = 0;
    cpu_rows_pass(&run->data->arrays,
                  &(struct row_pass){.task_blocks = TASK_BLOCKS,
                                     .work = (double)run->data->rows * run->data->columns * 16,
                                     .task = search_task,
                                     .arg = &search});
    *found = 0;
    for (int i = 0; i < run->threads; i++)
        for (int32_t f = 0; f < run->workers[i].far_found; f++)
            insert(run->rows, far, found, count, run->workers[i].far[f]);
    for (int32_t f = 0; run->order != NULL && f < *found; f++)
        far[f].row = run->order->row_at[far[f].row];
    return SPOT_OK;
}
