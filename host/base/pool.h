/* The one thread pool of the program. A call hands out numbered tasks to the workers and the
 * calling thread, and returns when all are done. Threads start with the first call that has work
 * for them, so a small job never pays for them. */
#ifndef SPOT_BASE_POOL_H
#define SPOT_BASE_POOL_H

#include <stdint.h>

#include "blackspot.h"

struct spot_pool;

/* A task: `task` counts from 0, `worker` is below pool_threads() and unique among the tasks that
 * run at the same moment, so it may index work space. Errors are left in `arg`. */
typedef void spot_task(void *arg, int64_t task, int worker);

/* threads 0: as many as the process may use (its affinity mask, a cgroup's quota). */
int pool_open(int threads, struct spot_pool **pool, struct spot_error *err);

/* NULL is allowed. */
void pool_close(struct spot_pool *pool);

int pool_threads(const struct spot_pool *pool);

/* Runs tasks 0 .. tasks-1, each once, in any order. Not reentrant: a task must not call it. */
void pool_run(struct spot_pool *pool, int64_t tasks, spot_task *task, void *arg);

#endif
