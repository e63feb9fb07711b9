/* The large arrays beside a set of rows, and the passes over them. Where memory is limited and the
 * arrays exceed it they are temporary files (base/scratch.h), and a pass goes window by window: the
 * next one is read ahead, finished ones leave memory. Tasks see pointers and blocks either way, in
 * the same cut, so results do not depend on it. Passes of runs that are made side by side go over
 * the windows together. This is the only place that knows windows. */
#ifndef SPOT_FALLBACK_CPU_ROWS_H
#define SPOT_FALLBACK_CPU_ROWS_H

#include <stdbool.h>

#include "backend/backend.h"

/* An array in step with the rows. */
struct cpu_array {
    char *base;
    size_t block_bytes; /* for each block of rows */
    size_t bytes;       /* of all, or more, where it lies in plain memory */
    bool borrowed;
};

struct cpu_rows {
    const struct backend *backend;
    int64_t blocks;
    int64_t window; /* blocks that are in memory at a time; 0: all, in plain memory */
    int64_t share;  /* of each thread in a window */
    int64_t window_bytes;
    size_t block_bytes; /* of all arrays, at most, with one run's */
    struct cpu_array *arrays;
    int32_t count;
};

/* block_bytes: what all arrays of a block may take together. Decides whether the rows stream; with
 * too little memory for that SPOT_ENOMEM says how much is needed. */
int cpu_rows_open(struct cpu_rows *rows, const struct backend *backend, int64_t blocks,
                  size_t block_bytes, struct spot_error *err);
void cpu_rows_close(struct cpu_rows *rows);

/* Makes room in the windows for the arrays of several runs, `run_bytes` a block each, of which one
 * run's are counted already: as many as `wanted`, or fewer, or 1 where rows do not stream. */
int32_t cpu_rows_divide(struct cpu_rows *rows, int32_t wanted, size_t run_bytes);

/* One array, uninitialised; `what` is named in errors. cpu_rows_free accepts NULL. */
int cpu_rows_alloc(struct cpu_rows *rows, size_t block_bytes, const char *what, void *array,
                   struct spot_error *err);
void cpu_rows_free(struct cpu_rows *rows, void *array);
/* The same for an array of the caller's that outlives the rows; it is a scratch array where the
 * rows stream. */
int cpu_rows_borrow(struct cpu_rows *rows, size_t block_bytes, const void *array,
                    struct spot_error *err);

/* Work on all rows, cut into tasks of `task_blocks` blocks. */
struct row_pass {
    int64_t task_blocks;
    int64_t most_tasks; /* of a window, a power of two; 0: as many as memory allows */
    double work;        /* scalar operations, about; see cpu_parallel */
    backend_task *task;
    /* Called between windows, on the calling thread, when tasks [first, first + count) are done. Or
     * NULL. */
    void (*finish)(void *arg, int64_t first, int64_t count);
    /* Whether blocks [first, end) will be looked at, so that reading ahead pays. NULL: yes. */
    bool (*wanted)(const void *arg, int64_t first, int64_t end);
    void *arg;
};
void cpu_rows_pass(struct cpu_rows *rows, const struct row_pass *pass);

/* Most tasks between two calls of finish(). */
int64_t cpu_rows_step(const struct cpu_rows *rows, int64_t task_blocks);

/* Blocks [first, end) are done with, outside a pass. */
void cpu_rows_done(const struct cpu_rows *rows, int64_t first, int64_t end);

/* A task that may be longer than a window tells after each block, so that those before it leave
 * memory in time; first: the task's first block. */
static inline void cpu_rows_passed(const struct cpu_rows *rows, int64_t first, int64_t block)
{
    if (rows->share > 0 && (block + 1 - first) % rows->share == 0)
        cpu_rows_done(rows, block + 1 - rows->share, block + 1);
}

/* Sets `words` words a block of an array to the word given, of 32 bits and the array's type. */
void cpu_rows_fill(struct cpu_rows *rows, void *array, int32_t words, const void *word);

#endif
