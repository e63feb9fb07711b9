/* Workers sleep on a condition variable between calls and take tasks from one atomic counter, so
 * uneven tasks balance themselves. */
#define _GNU_SOURCE
#include "base/pool.h"

#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/error.h"

struct worker {
    struct spot_pool *pool;
    pthread_t thread;
    int index;
};

struct spot_pool {
    int threads;
    int started; /* workers that run, the caller not counted */
    struct worker *workers;
    pthread_mutex_t lock;
    pthread_cond_t work, done;
    uint64_t round; /* counts calls, so that a worker knows a new one */
    int busy;       /* workers that have not finished the current round */
    bool closing;
    spot_task *task;
    void *arg;
    int64_t tasks;
    atomic_int_least64_t next;
};

/* The CPU quota of a container (cgroup v2), rounded up, or `limit` where there is none. */
static int cgroup_limit(int limit)
{
    FILE *file = fopen("/sys/fs/cgroup/cpu.max", "re");
    if (file == NULL) return limit;
    double quota, period;
    if (fscanf(file, "%lf %lf", &quota, &period) == 2 && quota > 0 && period > 0) {
        double cpus = quota / period;
        if (cpus < limit) limit = cpus <= 1 ? 1 : (int)(cpus + 0.999);
    }
    fclose(file);
    return limit;
}

static int available_cpus(void)
{
    cpu_set_t set;
    int cpus = 0;
    if (sched_getaffinity(0, sizeof set, &set) == 0) cpus = CPU_COUNT(&set);
    if (cpus < 1) cpus = (int)sysconf(_SC_NPROCESSORS_ONLN);
    return cgroup_limit(cpus < 1 ? 1 : cpus);
}

int pool_open(int threads, struct spot_pool **out, struct spot_error *err)
{
    *out = NULL;
    if (threads < 0 || threads > 4096)
        return spot_fail(err, SPOT_EUSAGE, "threads: %d is not between 0 (all) and 4096", threads);
    struct spot_pool *pool = calloc(1, sizeof *pool);
    if (pool == NULL) return spot_fail_memory(err, "the thread pool");
    pool->threads = threads == 0 ? available_cpus() : threads;
    pool->workers = calloc((size_t)pool->threads, sizeof *pool->workers);
    if (pool->workers == NULL) {
        free(pool);
        return spot_fail_memory(err, "the thread pool");
    }
    pthread_mutex_init(&pool->lock, NULL);
    pthread_cond_init(&pool->work, NULL);
    pthread_cond_init(&pool->done, NULL);
    *out = pool;
    return SPOT_OK;
}

static void take_tasks(struct spot_pool *pool, int worker)
{
    for (;;) {
        int64_t task = atomic_fetch_add_explicit(&pool->next, 1, memory_order_relaxed);
        if (task >= pool->tasks) return;
        pool->task(pool->arg, task, worker);
    }
}

static void *work(void *arg)
{
    struct worker *worker = arg;
    struct spot_pool *pool = worker->pool;
    uint64_t seen = 0;
    pthread_mutex_lock(&pool->lock);
    for (;;) {
        while (pool->round == seen && !pool->closing)
            pthread_cond_wait(&pool->work, &pool->lock);
        if (pool->closing) break;
        seen = pool->round;
        pthread_mutex_unlock(&pool->lock);
        take_tasks(pool, worker->index);
        pthread_mutex_lock(&pool->lock);
        if (--pool->busy == 0) pthread_cond_signal(&pool->done);
    }
    pthread_mutex_unlock(&pool->lock);
    return NULL;
}

/* Starts the workers; one that cannot be started is done without. They leave signals to the
 * caller's threads, so that a signal interrupts what the caller waits for. */
static void start_workers(struct spot_pool *pool)
{
    sigset_t all, before;
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    while (pool->started < pool->threads - 1) {
        struct worker *worker = &pool->workers[pool->started];
        worker->pool = pool;
        worker->index = pool->started + 1;
        if (pthread_create(&worker->thread, NULL, work, worker) != 0) {
            pool->threads = pool->started + 1;
            break;
        }
        pool->started++;
    }
    pthread_sigmask(SIG_SETMASK, &before, NULL);
}

void pool_run(struct spot_pool *pool, int64_t tasks, spot_task *task, void *arg)
{
    if (tasks <= 1 || pool->threads == 1) {
        for (int64_t i = 0; i < tasks; i++)
            task(arg, i, 0);
        return;
    }
    pthread_mutex_lock(&pool->lock);
    pool->task = task;
    pool->arg = arg;
    pool->tasks = tasks;
    atomic_store_explicit(&pool->next, 0, memory_order_relaxed);
    start_workers(pool);
    pool->busy = pool->started;
    pool->round++;
    pthread_cond_broadcast(&pool->work);
    pthread_mutex_unlock(&pool->lock);

    take_tasks(pool, 0);

    pthread_mutex_lock(&pool->lock);
    while (pool->busy > 0)
        pthread_cond_wait(&pool->done, &pool->lock);
    pthread_mutex_unlock(&pool->lock);
}

int pool_threads(const struct spot_pool *pool)
{
    return pool->threads;
}

void pool_close(struct spot_pool *pool)
{
    if (pool == NULL) return;
    pthread_mutex_lock(&pool->lock);
    pool->closing = true;
    pthread_cond_broadcast(&pool->work);
    pthread_mutex_unlock(&pool->lock);
    for (int i = 0; i < pool->started; i++)
        pthread_join(pool->workers[i].thread, NULL);
    pthread_cond_destroy(&pool->done);
    pthread_cond_destroy(&pool->work);
    pthread_mutex_destroy(&pool->lock);
    free(pool->workers);
    free(pool);
}
