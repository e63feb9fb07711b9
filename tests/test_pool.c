/* The pool runs every task once, whatever the number of threads and tasks. */
#include <stdatomic.h>
#include <string.h>

#include "base/pool.h"
#include "suite.h"

struct tally {
    atomic_int ran[1000];
    atomic_int worker_out_of_range;
    int threads;
};

static void count_task(void *arg, int64_t task, int worker)
{
    struct tally *tally = arg;
    atomic_fetch_add(&tally->ran[task], 1);
    if (worker < 0 || worker >= tally->threads) atomic_fetch_add(&tally->worker_out_of_range, 1);
}

static void runs_each_task_once(void)
{
    static struct tally tally;
    const int threads[] = {1, 2, 3, 7}, tasks[] = {0, 1, 2, 999};
    for (int i = 0; i < 4; i++) {
        struct spot_pool *pool;
        CU_ASSERT_EQUAL_FATAL(pool_open(threads[i], &pool, NULL), SPOT_OK);
        for (int j = 0; j < 4; j++) {
            memset(&tally, 0, sizeof tally);
            tally.threads = threads[i];
            pool_run(pool, tasks[j], count_task, &tally);
            int wrong = 0;
            for (int t = 0; t < 1000; t++)
                wrong += tally.ran[t] != (t < tasks[j] ? 1 : 0);
            CU_ASSERT_EQUAL(wrong, 0);
            CU_ASSERT_EQUAL(tally.worker_out_of_range, 0);
        }
        pool_close(pool);
    }
    pool_close(NULL);
}

static void refuses_a_wrong_number_of_threads(void)
{
    struct spot_pool *pool;
    struct spot_error err;
    CU_ASSERT_EQUAL(pool_open(-1, &pool, &err), SPOT_EUSAGE);
    CU_ASSERT_PTR_NULL(pool);
    CU_ASSERT_PTR_NOT_NULL(strstr(err.message, "-1"));
}

int main(void)
{
    const struct suite_test tests[] = {
        {"runs each task once", runs_each_task_once},
        {"refuses a wrong number of threads", refuses_a_wrong_number_of_threads},
        {NULL, NULL},
    };
    return run_suite("pool", tests);
}
