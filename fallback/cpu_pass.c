/* One pass of Lloyd's algorithm: the rows that are not settled get their nearest centre, and only
 * those whose label changed touch the sums. A row is settled while the centres have drifted less
 * than its limit (Hamerly 2010, with the error of float32 scores counted in; docs/exactness.md). A
 * block is skipped while all its rows are; where a row costs much, the few that are not are
 * gathered from many blocks. */
#include <math.h>
#include <string.h>

#include "fallback/cpu_order.h"

/* A block with more rows to look at than this is taken as it is. */
enum { GATHER_MOST = 32 };

void cpu_unsettle(struct kmeans_run *run)
{
    run->drift = 0.0;
    run->drift_above = 0.0f;
    run->filter.filter.drift = 0.0f;
    const float open = -1.0f;
    if (run->fresh) return; /* every row will be */
    cpu_rows_fill(&run->data->arrays, run->block_limits, 1, &open);
    if (run->row_limits != NULL)
        cpu_rows_fill(&run->data->arrays, run->row_limits, BLOCK_ROWS, &open);
}

void cpu_pack_centres(struct kmeans_run *run)
{
    double movement = filter_pack(&run->filter, run->data->largest);
    if (isinf(movement)) {
        cpu_unsettle(run);
        return;
    }
    run->drift = (run->drift + movement) * (1 + 1e-12);
    run->drift_above = nextafterf((float)run->drift, INFINITY);
    run->filter.filter.drift = nextafterf((float)run->drift, -INFINITY);
}

/* ---- Rows that move ------------------------------------------------------------------------- */

/* Empties the int64 sums into the thread's wide ones. */
static void empty_narrow(struct kmeans_worker *worker, int32_t k, int32_t columns)
{
    if (worker->load == 0) return;
    for (int32_t c = 0; c < k; c++) {
        int64_t *narrow = worker->sums + (int64_t)c * padded_columns(columns);
        struct int128 *wide = worker->wide.sums + (int64_t)c * columns;
        for (int32_t j = 0; j < columns; j++) {
            wide[j] = int128_add(wide[j], int128_from(narrow[j]));
            narrow[j] = 0;
        }
        worker->wide.weights[c] =
            int128_add(worker->wide.weights[c], int128_from(worker->weights[c]));
        worker->weights[c] = 0;
    }
    worker->load = 0;
}

/* Adds (sign 1) or takes out (-1) a row of a weight that int64 sums can hold. */
static void add_narrow(const struct kmeans_run *run, struct kmeans_worker *worker,
                       struct block_values row, int32_t cluster, int64_t weight)
{
    const struct quantiser *q = run->quantiser;
    int64_t *sums = worker->sums + (int64_t)cluster * padded_columns(q->columns);
    for (int32_t j = 0; j < q->columns; j++)
        sums[j] += weight * quantise(block_value(row, j), q->scale[j]);
    worker->weights[cluster] += weight;
}

/* The same for any weight, which stays positive here. */
static void add_wide(const struct kmeans_run *run, struct kmeans_worker *worker,
                     struct block_values row, int32_t cluster, struct int128 weight, bool out)
{
    const struct quantiser *q = run->quantiser;
    struct int128 *sums = worker->wide.sums + (int64_t)cluster * q->columns;
    for (int32_t j = 0; j < q->columns; j++) {
        int64_t value = quantise(block_value(row, j), q->scale[j]);
        struct int128 term = int128_times(weight, value < 0 ? -value : value);
        bool negative = (value < 0) != out;
        sums[j] = int128_add(sums[j], negative ? int128_negate(term) : term);
    }
    worker->wide.weights[cluster] =
        int128_add(worker->wide.weights[cluster], out ? int128_negate(weight) : weight);
}

/* Moves a row from its old cluster (-1: none) to a new one. */
static void move_row(const struct kmeans_run *run, struct kmeans_worker *worker, int64_t row,
                     struct block_values values, int32_t from, int32_t to)
{
    int64_t weight = row_weight(run->rows, row), count = row_count(run->rows, row);
    worker->wide.moved += count;
    worker->sizes[to] += count;
    if (from >= 0) worker->sizes[from] -= count;
    if (weight > (count == 1 ? run->narrow_limit : run->narrow_limit / count)) {
        struct int128 total = int128_multiply(weight, count);
        add_wide(run, worker, values, to, total, false);
        if (from >= 0) add_wide(run, worker, values, from, total, true);
        return;
    }
    weight *= count;
    if (worker->load > run->load_limit - weight) empty_narrow(worker, run->k, run->rows->columns);
    worker->load += weight;
    add_narrow(run, worker, values, to, weight);
    if (from >= 0) add_narrow(run, worker, values, from, -weight);
}

/* Moves the rows of a block whose labels are new, where rows have weights or counts. */
static void move_weighted(const struct kmeans_run *run, struct kmeans_worker *worker, int64_t block,
                          const int32_t *old, const int32_t *labels)
{
    const struct block_values x = data_values(run->rows, block);
    for (int32_t i = 0; i < BLOCK_ROWS; i++)
        if (old[i] != labels[i])
            move_row(run, worker, block * BLOCK_ROWS + i, block_from(x, i), old[i], labels[i]);
}

/* The same where every row counts once, the usual case. */
static void move_plain(const struct kmeans_run *run, struct kmeans_worker *worker,
                       struct block_values block, const int32_t *old, const int32_t *labels)
{
    const int32_t columns = run->rows->columns;
    if (worker->load > run->load_limit - BLOCK_ROWS) empty_narrow(worker, run->k, columns);
    worker->load += BLOCK_ROWS;
    uint64_t moved = block.wide == NULL
                         ? run->kernels->move_rows(block.x, columns, run->scale, old, labels,
                                                   worker->sums, worker->sizes)
                         : wide_move_rows(block.wide, columns, run->scale, old, labels,
                                          worker->sums, worker->sizes);
    worker->wide.moved += __builtin_popcountll(moved);
}

/* ---- Rows to look at ------------------------------------------------------------------------ */

/* index: the numbers of the filter's centres, or NULL where it has all. */
static void pass_block(struct kmeans_run *run, struct kmeans_worker *worker, int64_t block,
                       const struct kmeans_filter *filter, const int32_t *index)
{
    const struct block_values x = data_values(run->rows, block);
    int32_t *old = run->labels + block * BLOCK_ROWS;
    int32_t rows = block_rows(run->rows, block);
    _Alignas(64) int32_t labels[BLOCK_ROWS];
    struct filter_limits limits;
    for (int32_t i = 0; run->fresh && i < BLOCK_ROWS; i++)
        old[i] = -1;
    worker->looked += rows;
    worker->wide.near_ties += filter_block(run->kernels, filter, x, rows, labels, &limits);
    for (int32_t i = 0; index != NULL && i < rows; i++)
        labels[i] = index[labels[i]];
    run->block_limits[block] = limits.least;
    if (run->row_limits != NULL)
        memcpy(run->row_limits + block * BLOCK_ROWS, limits.rows, sizeof limits.rows);
    for (int32_t i = rows; i < BLOCK_ROWS; i++)
        labels[i] = old[i]; /* filling never moves */
    if (memcmp(labels, old, sizeof labels) == 0) return;
    if (run->plain)
        move_plain(run, worker, x, old, labels);
    else
        move_weighted(run, worker, block, old, labels);
    memcpy(old, labels, sizeof labels);
}

/* What few gathered rows of float64 are, where that is asked for. */
static void gather_wide(const struct kmeans_run *run, struct kmeans_worker *worker, uint64_t rows)
{
    const struct backend_data *data = run->rows;
    for (; data->wide != NULL && rows != 0; rows &= rows - 1) {
        const int32_t at = __builtin_ctzll(rows);
        const int64_t row = worker->gathered_rows[at];
        const double *wide = data_wide(data, row / BLOCK_ROWS) + row % BLOCK_ROWS;
        for (int64_t j = 0; j < data->columns; j++)
            worker->gathered_wide[j * BLOCK_ROWS + at] = wide[j * BLOCK_ROWS];
    }
}

/* The rows gathered so far, as if they were a block. */
static void pass_gathered(struct kmeans_run *run, struct kmeans_worker *worker)
{
    const int32_t count = worker->gathered_count;
    const struct block_values gathered = {worker->gathered, worker->gathered_wide};
    const struct kmeans_filter *filter = &run->filter.filter;
    uint64_t moved = 0;
    _Alignas(64) int32_t labels[BLOCK_ROWS];
    int32_t old[BLOCK_ROWS] = {0};
    struct filter_limits limits;
    if (count == 0) return;
    worker->looked += count;
    const uint64_t ties = filter_look(run->kernels, filter, gathered.x, count, labels, &limits);
    gather_wide(run, worker, ties);
    worker->wide.near_ties += filter_decide(run->kernels, filter, gathered, ties, labels);
    for (int32_t i = 0; i < count; i++) {
        old[i] = run->labels[worker->gathered_rows[i]];
        run->labels[worker->gathered_rows[i]] = labels[i];
        run->row_limits[worker->gathered_rows[i]] = limits.rows[i];
        moved |= (uint64_t)(labels[i] != old[i]) << i;
    }
    for (int32_t i = count; i < BLOCK_ROWS; i++)
        labels[i] = old[i];
    gather_wide(run, worker, moved & ~ties);
    if (moved != 0) move_plain(run, worker, gathered, old, labels);
    worker->gathered_count = 0;
}

/* Gathers the rows of a block that are not settled, or takes it whole if they are many. */
static void pass_rows(struct kmeans_run *run, struct kmeans_worker *worker, int64_t block)
{
    const struct backend_data *data = run->rows;
    uint64_t open = run->kernels->unsettled(run->row_limits + block * BLOCK_ROWS, run->drift_above);
    if (block_rows(data, block) < BLOCK_ROWS) open &= ((uint64_t)1 << block_rows(data, block)) - 1;
    const int32_t count = __builtin_popcountll(open);
    if (count > GATHER_MOST) {
        pass_block(run, worker, block, &run->filter.filter, NULL);
        return;
    }
    if (worker->gathered_count + count > BLOCK_ROWS) pass_gathered(run, worker);
    const float *x = data_block(data, block);
    for (; open != 0; open &= open - 1) {
        const int32_t i = __builtin_ctzll(open), at = worker->gathered_count++;
        worker->gathered_rows[at] = block * BLOCK_ROWS + i;
        for (int64_t j = 0; j < data->columns; j++)
            worker->gathered[j * BLOCK_ROWS + at] = x[j * BLOCK_ROWS + i];
    }
}

static bool settled(const struct kmeans_run *run, int64_t block)
{
    return !run->fresh && run->block_limits[block] > run->drift_above;
}

static int64_t task_end(const struct kmeans_run *run, int64_t task)
{
    int64_t blocks = run->rows->blocks;
    return (task + 1) * TASK_BLOCKS < blocks ? (task + 1) * TASK_BLOCKS : blocks;
}

static void pass_task(void *arg, int64_t task, int worker_index)
{
    struct kmeans_run *run = arg;
    struct kmeans_worker *worker = &run->workers[worker_index];
    const int64_t first = task * TASK_BLOCKS;
    for (int64_t b = first; b < task_end(run, task); b++) {
        if (b > first) cpu_rows_passed(&run->data->arrays, first, b - 1);
        if (settled(run, b)) continue;
        if (run->row_limits != NULL && !run->fresh)
            pass_rows(run, worker, b);
        else
            pass_block(run, worker, b, &run->filter.filter, NULL);
    }
}

/* The same for rows in spatial order: of all centres those near the task's rows, and of those the
 * ones near each block's. */
static void pass_ordered_task(void *arg, int64_t task, int worker_index)
{
    struct kmeans_run *run = arg;
    struct kmeans_worker *worker = &run->workers[worker_index];
    struct near_centres *near_task = &worker->near[0], *near_block = &worker->near[1];
    const int64_t box = 2 * (int64_t)run->rows->columns;
    near_task->list.count = 0;
    for (int64_t b = task * TASK_BLOCKS; b < task_end(run, task); b++) {
        if (settled(run, b)) continue;
        if (near_task->list.count == 0)
            near_centres_of_box(run, run->order->task_boxes + task * box, run->centres, near_task);
        near_centres_of_box(run, run->order->block_boxes + b * box, near_task, near_block);
        struct kmeans_filter few = near_centres_filter(&run->filter, near_block);
        pass_block(run, worker, b, &few, near_block->list.index);
    }
}

void cpu_partial_clear(struct kmeans_partial *partial, int32_t k, int32_t columns)
{
    memset(partial->sums, 0, (size_t)k * (size_t)columns * sizeof *partial->sums);
    memset(partial->weights, 0, (size_t)k * sizeof *partial->weights);
    memset(partial->sizes, 0, (size_t)k * sizeof *partial->sizes);
    partial->moved = partial->near_ties = 0;
}

/* Adds a thread's part to the totals and clears it. */
static void merge_worker(struct kmeans_run *run, struct kmeans_worker *worker)
{
    struct kmeans_partial *totals = &run->totals, *part = &worker->wide;
    int32_t columns = run->rows->columns;
    run->looked += worker->looked;
    worker->looked = 0;
    if (part->moved > 0) {
        empty_narrow(worker, run->k, columns);
        for (int64_t i = 0; i < (int64_t)run->k * columns; i++)
            totals->sums[i] = int128_add(totals->sums[i], part->sums[i]);
        for (int32_t c = 0; c < run->k; c++) {
            struct int128 weight = run->plain ? int128_from(worker->sizes[c]) : part->weights[c];
            totals->weights[c] = int128_add(totals->weights[c], weight);
            totals->sizes[c] += worker->sizes[c];
            worker->sizes[c] = 0;
        }
    }
    totals->moved += part->moved;
    totals->near_ties += part->near_ties;
    if (part->moved > 0) cpu_partial_clear(part, run->k, columns);
    part->near_ties = 0;
}

/* Rows that are gathered still leave before their window does. */
static void finish_gathered(void *arg, int64_t first, int64_t count)
{
    struct kmeans_run *run = arg;
    (void)first;
    (void)count;
    for (int i = 0; i < run->threads; i++)
        pass_gathered(run, &run->workers[i]);
}

/* Reading ahead pays unless most blocks are settled. */
static bool wants_window(const void *arg, int64_t first, int64_t end)
{
    const struct kmeans_run *run = arg;
    int64_t open = 0;
    for (int64_t b = first; b < end; b++)
        open += !settled(run, b);
    return 4 * open > end - first;
}

void cpu_pass(struct kmeans_run *run)
{
    cpu_order(run);
    const struct backend_data *rows = run->rows;
    double work = (double)rows->rows * ((double)run->k * (rows->columns + 5) + rows->columns);
    run->totals.moved = run->totals.near_ties = run->looked = 0;
    if (run->order != NULL) near_centres_all(&run->filter, run->centres);
    cpu_rows_pass(&run->data->arrays,
                  &(struct row_pass){.task_blocks = TASK_BLOCKS,
                                     .work = work,
                                     .task = run->order != NULL ? pass_ordered_task : pass_task,
                                     .finish = finish_gathered,
                                     .wanted = wants_window,
                                     .arg = run});
    run->fresh = false;
    for (int i = 0; i < run->threads; i++)
        merge_worker(run, &run->workers[i]);
}
