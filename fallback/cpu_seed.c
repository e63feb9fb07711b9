/* Distances and draws of k-means++ on the CPU, one pass over the rows for each centre: it brings
 * the distances up to the centre taken last and measures all candidates for the next one. The
 * potentials of every task's rows are kept, so a draw looks only at the rows of one task.
 * Potentials are integers, so their sums do not depend on the order. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "base/memory.h"
#include "fallback/cpu_kmeans.h"

/* Equal rows were merged: draws walk other rows than the handle's. */
static bool is_merged(const struct backend_data *data)
{
    return data->group_of_row != NULL || data->counts != NULL;
}

static int64_t original_rows(const struct backend_data *data)
{
    return data->group_of_row != NULL ? data->map_rows : data->rows;
}

static int64_t handle_row(const struct backend_data *data, int64_t original)
{
    return data->group_of_row != NULL ? data->group_of_row[original] : original;
}

static int64_t pick_tasks(const struct backend_data *data)
{
    return (original_rows(data) + TASK_ROWS - 1) / TASK_ROWS;
}

static int64_t task_end(const struct backend_data *data, int64_t task)
{
    return (task + 1) * TASK_BLOCKS < data->blocks ? (task + 1) * TASK_BLOCKS : data->blocks;
}

void seeding_close(struct cpu_rows *arrays, struct kmeans_seeding *seeding)
{
    cpu_rows_free(arrays, seeding->nearest);
    cpu_rows_free(arrays, seeding->terms);
    free(seeding->prefix);
    free(seeding->points);
    free(seeding->sums);
    free(seeding->rows);
    free(seeding->d2);
    memset(seeding, 0, sizeof *seeding);
}

int cpu_seed_begin(struct kmeans_run *run, struct spot_error *err)
{
    struct backend_data *data = run->data;
    struct kmeans_seeding *s = &run->seeding;
    int status = SPOT_OK;
    if (s->nearest == NULL)
        SPOT_TRY(cpu_rows_alloc(&data->arrays, BLOCK_ROWS * sizeof *s->nearest,
                                "the seeding distances", &s->nearest, err));
    if (s->terms == NULL && is_merged(data))
        SPOT_TRY(cpu_rows_alloc(&data->arrays, BLOCK_ROWS * sizeof *s->terms,
                                "the seeding distances", &s->terms, err));
    if (s->prefix == NULL) s->prefix = spot_alloc(pick_tasks(data), sizeof *s->prefix);
    if (s->prefix == NULL) return spot_fail_memory(err, "the seeding distances");
    s->fresh = true;
    s->seeded = s->pending = false;
    s->tried = 0;
out:
    return status;
}

/* ---- Distances ------------------------------------------------------------------------------ */

/* Room for `count` candidates; a pending centre is kept. */
static int reserve(struct kmeans_run *run, int32_t count, struct spot_error *err)
{
    struct kmeans_seeding *s = &run->seeding;
    const int64_t columns = run->data->columns;
    if (count <= s->capacity) return SPOT_OK;
    float *points = spot_alloc((count + 1) * columns, sizeof *points);
    if (points == NULL) return spot_fail_memory(err, "the seeding candidates");
    if (s->pending) memcpy(points, s->points, (size_t)columns * sizeof *points);
    free(s->points);
    free(s->sums);
    free(s->rows);
    free(s->d2);
    s->points = points;
    s->capacity = 0;
    s->sums = spot_alloc(count * run->data->tasks, sizeof *s->sums);
    s->rows = spot_alloc(count, sizeof *s->rows);
    s->d2 = spot_alloc((int64_t)run->threads * (count + 1), BLOCK_ROWS * sizeof *s->d2);
    if (s->sums == NULL || s->rows == NULL || s->d2 == NULL)
        return spot_fail_memory(err, "the seeding candidates");
    s->capacity = count;
    return SPOT_OK;
}

/* What each row of a block weighs; false where that is too much for the kernels. */
static bool block_mass(const struct backend_data *data, int64_t block, int64_t *mass)
{
    int32_t rows = block_rows(data, block);
    memset(mass, 0, BLOCK_ROWS * sizeof *mass);
    bool narrow = true;
    for (int32_t i = 0; i < rows; i++) {
        int64_t weight = row_weight(data, block * BLOCK_ROWS + i);
        int64_t count = row_count(data, block * BLOCK_ROWS + i);
        narrow = narrow && weight <= UINT32_MAX / count;
        mass[i] = narrow ? weight * count : 0;
    }
    return narrow;
}

static struct int128 wide_potential(const struct kmeans_run *run, int64_t block,
                                    const float *nearest, const float *d2)
{
    struct int128 sum = int128_from(0);
    int32_t rows = block_rows(run->data, block);
    for (int32_t i = 0; i < rows; i++) {
        int64_t row = block * BLOCK_ROWS + i;
        double smaller = (double)(d2[i] < nearest[i] ? d2[i] : nearest[i]);
        struct int128 weight =
            int128_multiply(row_weight(run->data, row), row_count(run->data, row));
        int64_t term = quantise(smaller, run->quantiser->distance_scale);
        sum = int128_add(sum, int128_times(weight, term));
    }
    return sum;
}

/* Adds a block's potentials if one of `count` points, d2 (count, BLOCK_ROWS) away, were taken. */
static void add_potentials(const struct kmeans_run *run, int64_t block, const float *d2,
                           int32_t count, struct int128 *sums)
{
    const struct backend_data *data = run->data;
    const float *nearest = run->seeding.nearest + block * BLOCK_ROWS;
    _Alignas(64) int64_t mass[BLOCK_ROWS];
    bool plain = data->weights == NULL && data->counts == NULL;
    if (plain || block_mass(data, block, mass)) {
        run->kernels->potentials(nearest, d2, count, run->quantiser->distance_scale,
                                 plain ? NULL : mass, sums);
        return;
    }
    for (int32_t p = 0; p < count; p++)
        sums[p] =
            int128_add(sums[p], wide_potential(run, block, nearest, d2 + (int64_t)p * BLOCK_ROWS));
}

static void approach(float *nearest, const float *d2)
{
    for (int32_t i = 0; i < BLOCK_ROWS; i++)
        nearest[i] = d2[i] < nearest[i] ? d2[i] : nearest[i];
}

/* A block's distances, infinite before the first centre. Filling is on a centre from the start, so
 * it never has a potential. */
static float *nearest_of(const struct kmeans_run *run, int64_t block)
{
    const struct kmeans_seeding *s = &run->seeding;
    const int32_t rows = block_rows(run->data, block);
    float *nearest = s->nearest + block * BLOCK_ROWS;
    for (int32_t i = 0; s->fresh && i < BLOCK_ROWS; i++)
        nearest[i] = i < rows ? INFINITY : 0.0f;
    return nearest;
}

/* The centre taken last comes first among the points, where it is still pending. */
static void try_task(void *arg, int64_t task, int worker)
{
    struct kmeans_run *run = arg;
    struct kmeans_seeding *s = &run->seeding;
    const struct backend_data *data = run->data;
    const int32_t first = s->pending ? 0 : 1;
    const float *points = s->points + (int64_t)first * data->columns;
    float *d2 = s->d2 + (int64_t)worker * (s->capacity + 1) * BLOCK_ROWS;
    struct int128 *sums = s->sums + task * s->capacity;
    for (int32_t p = 0; p < s->tried; p++)
        sums[p] = int128_from(0);
    for (int64_t b = task * TASK_BLOCKS; b < task_end(data, task); b++) {
        float *nearest = nearest_of(run, b);
        run->kernels->distances(data_block(data, b), data->columns, points, s->tried + 1 - first,
                                d2);
        if (s->pending) approach(nearest, d2);
        add_potentials(run, b, d2 + (1 - first) * BLOCK_ROWS, s->tried, sums);
        cpu_rows_passed(&data->arrays, task * TASK_BLOCKS, b);
    }
}

/* The pass: brings the distances up to a pending centre and measures the candidates. */
static void try_points(struct kmeans_run *run)
{
    const struct backend_data *data = run->data;
    double work = (double)data->rows * (run->seeding.tried + 1) * (3 * data->columns + 16);
    cpu_rows_pass(
        &run->data->arrays,
        &(struct row_pass){.task_blocks = TASK_BLOCKS, .work = work, .task = try_task, .arg = run});
    run->seeding.pending = run->seeding.fresh = false;
}

int cpu_seed_try(struct kmeans_run *run, int32_t count, const int64_t *rows, struct int128 *totals,
                 struct spot_error *err)
{
    struct kmeans_seeding *s = &run->seeding;
    const int64_t columns = run->data->columns;
    int status = reserve(run, count, err);
    if (status < 0) return status;
    s->tried = count;
    for (int32_t p = 0; p < count; p++) {
        s->rows[p] = rows[p];
        data_row(run->data, rows[p], s->points + (p + 1) * columns);
    }
    cpu_rows_done(&run->data->arrays, 0, run->data->blocks);
    try_points(run);
    for (int32_t p = 0; p < count; p++) {
        totals[p] = int128_from(0);
        for (int64_t task = 0; task < run->data->tasks; task++)
            totals[p] = int128_add(totals[p], s->sums[task * s->capacity + p]);
    }
    return SPOT_OK;
}

int cpu_seed_take(struct kmeans_run *run, int64_t row, struct spot_error *err)
{
    struct kmeans_seeding *s = &run->seeding;
    const int64_t columns = run->data->columns;
    int32_t p = 0;
    while (p < s->tried && s->rows[p] != row)
        p++;
    if (p == s->tried) {
        struct int128 total;
        int status = cpu_seed_try(run, 1, &row, &total, err);
        if (status < 0) return status;
        p = 0;
    }
    memcpy(s->points, s->points + (p + 1) * columns, (size_t)columns * sizeof *s->points);
    for (int64_t task = 0; !is_merged(run->data) && task < run->data->tasks; task++)
        s->prefix[task] = s->sums[task * s->capacity + p];
    s->tried = 0;
    s->seeded = s->pending = true;
    return SPOT_OK;
}

/* ---- Many centres at once ------------------------------------------------------------------- */

struct taking {
    struct kmeans_run *run;
    int32_t count;
    const float *points; /* (count, columns) */
};

static void take_task(void *arg, int64_t task, int worker)
{
    const struct taking *taking = arg;
    struct kmeans_run *run = taking->run;
    const struct backend_data *data = run->data;
    struct int128 sum = int128_from(0);
    (void)worker;
    for (int64_t b = task * TASK_BLOCKS; b < task_end(data, task); b++) {
        float *nearest = nearest_of(run, b);
        run->kernels->approach(data_block(data, b), data->columns, taking->points, taking->count,
                               nearest);
        add_potentials(run, b, nearest, 1, &sum);
        cpu_rows_passed(&data->arrays, task * TASK_BLOCKS, b);
    }
    run->seeding.prefix[task] = sum; /* there are no fewer pick tasks than tasks */
}

/* Makes `count` points centres; the potential that is left. */
static struct int128 take_points(struct kmeans_run *run, int32_t count, const float *points)
{
    struct backend_data *data = run->data;
    struct taking taking = {run, count, points};
    double work = (double)data->rows * ((double)count * (3 * data->columns + 1) + 8);
    cpu_rows_pass(&data->arrays,
                  &(struct row_pass){
                      .task_blocks = TASK_BLOCKS, .work = work, .task = take_task, .arg = &taking});
    run->seeding.fresh = false;
    struct int128 total = int128_from(0);
    for (int64_t task = 0; task < data->tasks; task++)
        total = int128_add(total, run->seeding.prefix[task]);
    return total;
}

/* Brings all distances up to a pending centre. */
static void settle(struct kmeans_run *run)
{
    if (run->seeding.pending) (void)take_points(run, 1, run->seeding.points);
    run->seeding.pending = false;
}

int cpu_seed_points(struct kmeans_run *run, int32_t count, const float *points,
                    struct int128 *total, struct spot_error *err)
{
    (void)err;
    settle(run);
    *total = take_points(run, count, points);
    run->seeding.tried = 0;
    run->seeding.seeded = true;
    return SPOT_OK;
}

int cpu_seed_rows(struct kmeans_run *run, int32_t count, const int64_t *rows, float *values,
                  int64_t *distances, struct spot_error *err)
{
    (void)err;
    const struct backend_data *data = run->data;
    if (distances != NULL) settle(run);
    for (int32_t i = 0; i < count; i++) {
        const int64_t row = handle_row(data, rows[i]);
        if (values != NULL) data_row(data, row, values + (int64_t)i * data->columns);
        if (distances != NULL)
            distances[i] =
                quantise((double)run->seeding.nearest[row], run->quantiser->distance_scale);
        /* Rows from everywhere leave a page each in memory. */
        if (i % BLOCK_ROWS == BLOCK_ROWS - 1 || i == count - 1)
            cpu_rows_done(&data->arrays, 0, data->blocks);
    }
    return SPOT_OK;
}

/* ---- Draws ---------------------------------------------------------------------------------- */

/* What one original row adds to the prefix sums. */
static struct int128 row_potential(const struct kmeans_run *run, int64_t original)
{
    const struct kmeans_seeding *s = &run->seeding;
    int64_t row = handle_row(run->data, original), weight = row_weight(run->data, row);
    if (!s->seeded) return int128_from(weight);
    int64_t term = s->terms != NULL
                       ? s->terms[row]
                       : quantise((double)s->nearest[row], run->quantiser->distance_scale);
    return int128_multiply(weight, term);
}

/* Sum over original rows [begin, end), all of one block of original rows. */
static struct int128 span_potential(const struct kmeans_run *run, int64_t begin, int64_t end)
{
    const struct backend_data *data = run->data;
    const struct kmeans_seeding *s = &run->seeding;
    struct int128 sum = int128_from(0);
    if (s->seeded && !is_merged(data)) {
        add_potentials(run, begin / BLOCK_ROWS, s->nearest + begin, 1, &sum);
        return sum;
    }
    if (s->seeded && data->weights == NULL) {
        int64_t terms = 0; /* 64 terms of 50 bits */
        for (int64_t row = begin; row < end; row++)
            terms += s->terms[handle_row(data, row)];
        return int128_from(terms);
    }
    for (int64_t row = begin; row < end; row++)
        sum = int128_add(sum, row_potential(run, row));
    return sum;
}

static int64_t span_end(int64_t begin, int64_t end)
{
    return begin + BLOCK_ROWS < end ? begin + BLOCK_ROWS : end;
}

static int64_t pick_end(const struct backend_data *data, int64_t task)
{
    int64_t rows = original_rows(data);
    return (task + 1) * TASK_ROWS < rows ? (task + 1) * TASK_ROWS : rows;
}

static void prefix_task(void *arg, int64_t task, int worker)
{
    struct kmeans_run *run = arg;
    (void)worker;
    struct int128 sum = int128_from(0);
    int64_t end = pick_end(run->data, task);
    for (int64_t row = task * TASK_ROWS; row < end; row += BLOCK_ROWS)
        sum = int128_add(sum, span_potential(run, row, span_end(row, end)));
    run->seeding.prefix[task] = sum;
}

static void terms_task(void *arg, int64_t task, int worker)
{
    struct kmeans_run *run = arg;
    struct kmeans_seeding *s = &run->seeding;
    (void)worker;
    for (int64_t row = task * TASK_ROWS; row < task_end(run->data, task) * BLOCK_ROWS; row++)
        s->terms[row] = quantise((double)s->nearest[row], run->quantiser->distance_scale);
}

/* The potentials of merged rows, once for all the original rows that they stand for. */
static void round_terms(struct kmeans_run *run)
{
    cpu_rows_pass(&run->data->arrays, &(struct row_pass){.task_blocks = TASK_BLOCKS,
                                                         .work = 4.0 * (double)run->data->rows,
                                                         .task = terms_task,
                                                         .arg = run});
}

/* Brings the distances of one task's rows up to the pending centre. That the next pass does so
 * again changes nothing. */
static void approach_task(struct kmeans_run *run, int64_t task)
{
    const struct backend_data *data = run->data;
    for (int64_t b = task * TASK_BLOCKS; b < task_end(data, task); b++)
        run->kernels->approach(data_block(data, b), data->columns, run->seeding.points, 1,
                               run->seeding.nearest + b * BLOCK_ROWS);
}

/* How far a walk over the prefix sums has come: `before` is the sum of all rows before `row`. */
struct walk {
    int64_t task, row;
    struct int128 before;
};

/* Goes on to the row of the walk's task where the prefix sum comes above the target; to its last
 * row where it never does. The walk stops at that row's span, so that a target that is not smaller
 * can follow. */
static int64_t find_row(const struct kmeans_run *run, struct walk *walk, struct int128 target)
{
    int64_t end = pick_end(run->data, walk->task);
    while (walk->row + BLOCK_ROWS < end) {
        struct int128 span = span_potential(run, walk->row, walk->row + BLOCK_ROWS);
        struct int128 after = int128_add(walk->before, span);
        if (int128_compare(after, target) > 0) break;
        walk->before = after;
        walk->row += BLOCK_ROWS;
    }
    struct int128 before = walk->before;
    int64_t row = walk->row;
    for (; row < end - 1; row++) {
        before = int128_add(before, row_potential(run, row));
        if (int128_compare(before, target) > 0) break;
    }
    return row;
}

/* Enters the task where the prefix sum comes above the target, the last one where it never does;
 * `begins` is the sum of the tasks before the walk's and goes on with it. */
static void find_task(struct kmeans_run *run, struct walk *walk, struct int128 *begins,
                      struct int128 target)
{
    const int64_t last = pick_tasks(run->data) - 1;
    int64_t task = walk->task < 0 ? 0 : walk->task;
    for (; task < last; task++) {
        struct int128 after = int128_add(*begins, run->seeding.prefix[task]);
        if (int128_compare(after, target) > 0) break;
        *begins = after;
    }
    if (task == walk->task) return;
    *walk = (struct walk){task, task * TASK_ROWS, *begins};
    if (run->seeding.pending) approach_task(run, task);
}

/* Makes the prefix sums of all tasks current. */
static void prepare_draws(struct kmeans_run *run)
{
    struct kmeans_seeding *s = &run->seeding;
    if (s->seeded && !is_merged(run->data)) return; /* kept by cpu_seed_take */
    if (s->pending) try_points(run);
    if (s->seeded) round_terms(run);
    cpu_rows_pass(run->data->group_of_row != NULL ? &run->data->originals : &run->data->arrays,
                  &(struct row_pass){.task_blocks = TASK_BLOCKS,
                                     .work = 16.0 * (double)original_rows(run->data),
                                     .task = prefix_task,
                                     .arg = run});
}

int cpu_seed_pick(struct kmeans_run *run, int32_t count, const struct int128 *targets,
                  int64_t *rows, struct spot_error *err)
{
    (void)err;
    const struct kmeans_seeding *s = &run->seeding;
    if (!s->seeded && run->data->weights == NULL) {
        for (int32_t p = 0; p < count; p++)
            rows[p] = (int64_t)targets[p].low;
        return SPOT_OK;
    }
    prepare_draws(run);
    struct walk walk = {-1, 0, int128_from(0)};
    struct int128 begins = int128_from(0);
    for (int32_t p = 0; p < count; p++) {
        find_task(run, &walk, &begins, targets[p]);
        rows[p] = find_row(run, &walk, targets[p]);
        if (p % BLOCK_ROWS == BLOCK_ROWS - 1 || p == count - 1)
            cpu_rows_done(&run->data->arrays, 0, run->data->blocks);
    }
    return SPOT_OK;
}
