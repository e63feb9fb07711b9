#include "fallback/cpu_rows.h"

#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "base/memory.h"
#include "base/scratch.h"
#include "fallback/cpu.h"

static const int64_t SMALLEST_WINDOW = 512 << 10, LARGEST_WINDOW = 64 << 20; /* bytes */

/* ---- Arrays ---------------------------------------------------------------------------------- */

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
    rows->window = bytes / (int64_t)block_bytes;
    rows->share = (rows->window + backend->host.threads - 1) / backend->host.threads;
    return SPOT_OK;
}

static void release(const struct cpu_rows *rows, const struct cpu_array *array)
{
    if (array->borrowed) return;
    if (rows->window == 0)
        free(array->base);
    else
        scratch_close(array->base, rows->blocks, array->block_bytes);
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
    *(void **)out = NULL;
    if (rows->window > 0)
        SPOT_TRY(
            scratch_open(rows->backend->host.scratch, rows->blocks, block_bytes, what, &base, err));
    else if ((base = spot_alloc(rows->blocks, block_bytes)) == NULL)
        return spot_fail_memory(err, what);
    const struct cpu_array array = {.base = base, .block_bytes = block_bytes};
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

static void read_ahead(const struct cpu_rows *rows, const struct row_pass *pass, int64_t first,
                       int64_t end)
{
    if (end > rows->blocks) end = rows->blocks;
    if (first >= end || (pass->wanted != NULL && !pass->wanted(pass->arg, first, end))) return;
    for (int32_t i = 0; i < rows->count; i++) {
        const int64_t bytes = (int64_t)rows->arrays[i].block_bytes;
        scratch_ahead(rows->arrays[i].base, first * bytes, end * bytes);
    }
}

/* Tells the host how far the pass is. */
static void tell(const struct cpu_rows *rows, int64_t first, int64_t end)
{
    const struct backend_host *host = &rows->backend->host;
    int64_t bytes = 0;
    if (host->streamed == NULL) return;
    if (end > rows->blocks) end = rows->blocks;
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

static void pass_by_windows(struct cpu_rows *rows, const struct row_pass *pass)
{
    const struct backend_host *host = &rows->backend->host;
    const int64_t blocks = pass->task_blocks, tasks = (rows->blocks + blocks - 1) / blocks;
    int64_t step = cpu_rows_step(rows, blocks);
    if (pass->most_tasks > 0 && pass->most_tasks < step) step = pass->most_tasks;
    read_ahead(rows, pass, 0, step * blocks);
    for (int64_t first = 0; first < tasks; first += step) {
        const int64_t count = tasks - first < step ? tasks - first : step;
        struct window window = {pass, first};
        read_ahead(rows, pass, (first + step) * blocks, (first + 2 * step) * blocks);
        host->parallel(host->parallel_arg, count, window_task, &window);
        if (pass->finish != NULL) pass->finish(pass->arg, first, count);
        const int64_t end = (first + count) * blocks;
        cpu_rows_done(rows, first * blocks, end < rows->blocks ? end : rows->blocks);
        tell(rows, first * blocks, end);
    }
}

void cpu_rows_pass(struct cpu_rows *rows, const struct row_pass *pass)
{
    if (rows->window > 0) {
        pass_by_windows(rows, pass);
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
