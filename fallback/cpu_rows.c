#include "fallback/cpu_rows.h"

#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "base/memory.h"
#include "base/scratch.h"
#include "fallback/cpu.h"

static const int64_t SMALLEST_WINDOW = 512 << 10, LARGEST_WINDOW = 64 << 20; /* bytes */

/* ---- Arrays ---------------------------------------------------------------------------------- */

static void set_window(struct cpu_rows *rows, size_t block_bytes)
{
    const int threads = rows->backend->host.threads;
    rows->window = rows->window_bytes / (int64_t)block_bytes;
    rows->share = (rows->window + threads - 1) / threads;
}

static int64_t with_runs(const struct cpu_rows *rows, int32_t runs, size_t run_bytes)
{
    return (int64_t)(rows->block_bytes + (size_t)(runs - 1) * run_bytes);
}

int cpu_rows_open(struct cpu_rows *rows, const struct backend *backend, int64_t blocks,
                  size_t block_bytes, struct spot_error *err)
{
    const int64_t limit = backend->host.memory;
    *rows = (struct cpu_rows){.backend = backend, .blocks = blocks};
    if (limit <= 0) return SPOT_OK;
    const int64_t room = limit - resident_bytes(0);
    if (blocks <= room / 4 * 3 / (int64_t)block_bytes) return SPOT_OK;
    int64_t bytes = room / 4;
    if (bytes > LARGEST_WINDOW) bytes = LARGEST_WINDOW;
    int64_t least = (int64_t)block_bytes * backend->host.threads;
    if (least < SMALLEST_WINDOW) least = SMALLEST_WINDOW;
    if (bytes < least)
        return spot_fail(err, SPOT_ENOMEM,
                         "%lld MB are allowed, where at least %lld MB are needed: %lld MB are in "
                         "use, and the rows that are worked on take the rest; allow more memory",
                         (long long)(limit >> 20),
                         (long long)((limit - room + 4 * least) >> 20) + 1,
                         (long long)((limit - room) >> 20));
    rows->window_bytes = bytes;
    rows->block_bytes = block_bytes;
    set_window(rows, block_bytes);
    return SPOT_OK;
}

int32_t cpu_rows_divide(struct cpu_rows *rows, int32_t wanted, size_t run_bytes)
{
    const int64_t least = rows->backend->host.threads * (TASK_BLOCKS + INT64_C(1));
    int32_t runs = rows->window > 0 ? wanted : 1;
    while (runs > 1 && rows->window_bytes / with_runs(rows, runs, run_bytes) < least)
        runs--;
    if (rows->window > 0) set_window(rows, (size_t)with_runs(rows, runs, run_bytes));
    return runs;
}

static void release(const struct cpu_rows *rows, const struct cpu_array *array)
{
    if (array->borrowed) return;
    if (rows->window > 0)
        scratch_close(array->base, rows->blocks, array->block_bytes);
    else if (rows->backend->host.memory > 0)
        free(array->base);
    else
        cpu_spares_give(rows->backend->spares, array->base, array->bytes);
}

void cpu_rows_close(struct cpu_rows *rows)
{
    for (int32_t i = 0; i < rows->count; i++)
        release(rows, &rows->arrays[i]);
    free(rows->arrays);
    memset(rows, 0, sizeof *rows);
}

static int add_array(struct cpu_rows *rows, struct cpu_array array, struct spot_error *err)
{
    struct cpu_array *grown =
        realloc(rows->arrays, ((size_t)rows->count + 1) * sizeof *rows->arrays);
    if (grown == NULL) return spot_fail_memory(err, "the list of arrays");
    rows->arrays = grown;
    rows->arrays[rows->count++] = array;
    return SPOT_OK;
}

int cpu_rows_alloc(struct cpu_rows *rows, size_t block_bytes, const char *what, void *out,
                   struct spot_error *err)
{
    int status = SPOT_OK;
    void *base = NULL;
    size_t bytes = 0;
    *(void **)out = NULL;
    if (rows->window > 0)
        SPOT_TRY(
            scratch_open(rows->backend->host.scratch, rows->blocks, block_bytes, what, &base, err));
    else if (__builtin_mul_overflow((size_t)rows->blocks, block_bytes, &bytes) ||
             (base = cpu_spares_take(rows->backend->spares, &bytes)) == NULL)
        return spot_fail_memory(err, what);
    const struct cpu_array array = {.base = base, .block_bytes = block_bytes, .bytes = bytes};
    status = add_array(rows, array, err);
    if (status < 0)
        release(rows, &array);
    else
        *(void **)out = base;
out:
    return status;
}

int cpu_rows_borrow(struct cpu_rows *rows, size_t block_bytes, const void *array,
                    struct spot_error *err)
{
    const struct cpu_array borrowed = {
        .base = (char *)(uintptr_t)array, .block_bytes = block_bytes, .borrowed = true};
    return add_array(rows, borrowed, err);
}

void cpu_rows_free(struct cpu_rows *rows, void *array)
{
    for (int32_t i = 0; array != NULL && i < rows->count; i++) {
        if (rows->arrays[i].base != array) continue;
        release(rows, &rows->arrays[i]);
        rows->arrays[i] = rows->arrays[--rows->count];
        return;
    }
}

/* ---- Windows --------------------------------------------------------------------------------- */

int64_t cpu_rows_step(const struct cpu_rows *rows, int64_t task_blocks)
{
    const int64_t tasks = (rows->blocks + task_blocks - 1) / task_blocks;
    int64_t step = 1;
    if (rows->window == 0) return tasks;
    while (2 * step * task_blocks <= rows->window || step < rows->backend->host.threads)
        step *= 2;
    return step;
}

void cpu_rows_done(const struct cpu_rows *rows, int64_t first, int64_t end)
{
    if (rows->window == 0) return;
    for (int32_t i = 0; i < rows->count; i++) {
        const int64_t bytes = (int64_t)rows->arrays[i].block_bytes;
        scratch_done(rows->arrays[i].base, first * bytes, end * bytes);
    }
}

/* Passes over the same rows that go from window to window together. */
struct joint {
    struct cpu_rows *rows;
    const struct row_pass *const *passes; /* (count) */
    int32_t count;
};

static bool is_wanted(const struct joint *joint, int64_t first, int64_t end)
{
    for (int32_t i = 0; i < joint->count; i++) {
        const struct row_pass *pass = joint->passes[i];
        if (pass->wanted == NULL || pass->wanted(pass->arg, first, end)) return true;
    }
    return false;
}

static void read_ahead(const struct joint *joint, int64_t first, int64_t end)
{
    const struct cpu_rows *rows = joint->rows;
    if (end > rows->blocks) end = rows->blocks;
    if (first >= end || !is_wanted(joint, first, end)) return;
    for (int32_t i = 0; i < rows->count; i++) {
        const int64_t bytes = (int64_t)rows->arrays[i].block_bytes;
        scratch_ahead(rows->arrays[i].base, first * bytes, end * bytes);
    }
}

/* Tells the host how far the passes are. */
static void tell(const struct cpu_rows *rows, int64_t first, int64_t end)
{
    const struct backend_host *host = &rows->backend->host;
    int64_t bytes = 0;
    if (host->streamed == NULL) return;
    for (int32_t i = 0; i < rows->count; i++)
        bytes += (int64_t)rows->arrays[i].block_bytes;
    host->streamed(host->arg, first * bytes, end * bytes, rows->blocks * bytes);
}

/* A window's tasks are numbered from the pass's first. */
struct window {
    const struct row_pass *pass;
    int64_t first;
};

static void window_task(void *arg, int64_t task, int worker)
{
    const struct window *window = arg;
    window->pass->task(window->pass->arg, window->first + task, worker);
}

/* Most tasks of a pass between two calls of its finish(). */
static int64_t step_of(const struct cpu_rows *rows, const struct row_pass *pass)
{
    const int64_t step = cpu_rows_step(rows, pass->task_blocks);
    return pass->most_tasks > 0 && pass->most_tasks < step ? pass->most_tasks : step;
}

/* One pass's tasks of blocks [first, end). */
static void work_on(const struct cpu_rows *rows, const struct row_pass *pass, int64_t first,
                    int64_t end)
{
    const struct backend_host *host = &rows->backend->host;
    const int64_t tasks = (end + pass->task_blocks - 1) / pass->task_blocks;
    const int64_t step = step_of(rows, pass);
    for (int64_t task = first / pass->task_blocks; task < tasks; task += step) {
        const int64_t count = tasks - task < step ? tasks - task : step;
        struct window window = {pass, task};
        host->parallel(host->parallel_arg, count, window_task, &window);
        if (pass->finish != NULL) pass->finish(pass->arg, task, count);
    }
}

/* Tasks and steps are powers of two, so the longest step is a whole number of every other. */
static void pass_by_windows(const struct joint *joint)
{
    const struct cpu_rows *rows = joint->rows;
    int64_t blocks = 0;
    for (int32_t i = 0; i < joint->count; i++) {
        const int64_t step = step_of(rows, joint->passes[i]) * joint->passes[i]->task_blocks;
        if (step > blocks) blocks = step;
    }
    read_ahead(joint, 0, blocks);
    for (int64_t first = 0; first < rows->blocks; first += blocks) {
        const int64_t end = first + blocks < rows->blocks ? first + blocks : rows->blocks;
        read_ahead(joint, end, end + blocks);
        for (int32_t i = 0; i < joint->count; i++)
            work_on(rows, joint->passes[i], first, end);
        cpu_rows_done(rows, first, end);
        tell(rows, first, end);
    }
}

/* What a run asks for. */
struct request {
    struct cpu_rows *rows;
    const struct row_pass *pass;
    bool made;
};

/* Makes the passes of up to so many runs at once. */
enum { MOST_TOGETHER = 64 };

static void make_requests(void *const *requests, int32_t count)
{
    for (int32_t first = 0; first < count; first++) {
        const struct row_pass *passes[MOST_TOGETHER];
        struct joint joint = {((struct request *)requests[first])->rows, passes, 0};
        for (int32_t i = first; i < count && joint.count < MOST_TOGETHER; i++) {
            struct request *request = requests[i];
            if (request->made || request->rows != joint.rows) continue;
            passes[joint.count++] = request->pass;
            request->made = true;
        }
        if (joint.count > 0) pass_by_windows(&joint);
    }
}

void cpu_rows_pass(struct cpu_rows *rows, const struct row_pass *pass)
{
    const struct backend_host *host = &rows->backend->host;
    if (rows->window > 0) {
        struct request request = {rows, pass, false};
        void *requests[] = {&request};
        if (host->together != NULL)
            host->together(host->arg, &request, make_requests);
        else
            make_requests(requests, 1);
        return;
    }
    const int64_t tasks = (rows->blocks + pass->task_blocks - 1) / pass->task_blocks;
    cpu_parallel(rows->backend, tasks, pass->work, pass->task, pass->arg);
    if (pass->finish != NULL) pass->finish(pass->arg, 0, tasks);
}

/* ---- Filling --------------------------------------------------------------------------------- */

struct fill {
    char *array; /* (blocks, words) of 4 bytes */
    int64_t blocks;
    int32_t words;
    const void *word;
};

static void fill_task(void *arg, int64_t task, int worker)
{
    const struct fill *fill = arg;
    (void)worker;
    int64_t end = (task + 1) * TASK_BLOCKS < fill->blocks ? (task + 1) * TASK_BLOCKS : fill->blocks;
    for (int64_t i = task * TASK_BLOCKS * fill->words; i < end * fill->words; i++)
        memcpy(fill->array + 4 * i, fill->word, 4);
}

void cpu_rows_fill(struct cpu_rows *rows, void *array, int32_t words, const void *word)
{
    struct fill fill = {array, rows->blocks, words, word};
    cpu_rows_pass(rows, &(struct row_pass){.task_blocks = TASK_BLOCKS,
                                           .work = (double)rows->blocks * words,
                                           .task = fill_task,
                                           .arg = &fill});
}
