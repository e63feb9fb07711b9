/* Jobs that take turns: one runs at a time, meetings wait for all that have not ended, calls are
 * made on the caller's thread, and the first failure is the one that is told. */
#define _POSIX_C_SOURCE 200809L
#include "base/turns.h"

#include <pthread.h>
#include <stdio.h>
#include <string.h>

#include "base/error.h"
#include "suite.h"

enum { JOBS = 5 };

static struct turns *turns;
static pthread_t caller;
static int meetings, met[JOBS + 1]; /* how often so many met */
static int calls, inside;
static char trace[256];

static void note(const char *text)
{
    strncat(trace, text, sizeof trace - strlen(trace) - 1);
}

static void meet_all(void *const *requests, int32_t count)
{
    CU_ASSERT(pthread_equal(pthread_self(), caller));
    meetings++;
    met[count]++;
    for (int32_t i = 0; i < count; i++)
        ++*(int *)requests[i];
    for (int32_t i = 1; i < count; i++)
        CU_ASSERT((int *)requests[i - 1] < (int *)requests[i]); /* in the order of the jobs */
}

static void count_call(void *arg)
{
    CU_ASSERT(pthread_equal(pthread_self(), caller));
    calls += *(int *)arg;
}

static void forget(void)
{
    caller = pthread_self();
    meetings = calls = inside = 0;
    memset(met, 0, sizeof met);
    trace[0] = '\0';
}

/* Job i meets the others i times. */
static int meets(void *arg, int32_t job, struct spot_error *err)
{
    int *made = arg; /* (JOBS) */
    (void)err;
    CU_ASSERT(!pthread_equal(pthread_self(), caller));
    for (int i = 0; i < job; i++) {
        CU_ASSERT_EQUAL(inside++, 0);
        turns_call(turns, count_call, &(int){1});
        inside--;
        turns_meet(turns, &made[job], meet_all);
        CU_ASSERT_EQUAL(made[job], i + 1);
    }
    char name[2] = {(char)('a' + job), '\0'};
    note(name);
    return SPOT_OK;
}

static void test_meetings(void)
{
    int made[JOBS] = {0};
    struct spot_error err;
    forget();
    CU_ASSERT_EQUAL(turns_run(&turns, JOBS, meets, made, &err), SPOT_OK);
    CU_ASSERT_PTR_NULL(turns);
    CU_ASSERT_EQUAL(meetings, JOBS - 1);
    for (int count = 1; count < JOBS; count++)
        CU_ASSERT_EQUAL(met[count], 1);
    CU_ASSERT_EQUAL(calls, 10);
    CU_ASSERT_STRING_EQUAL(trace, "abcde");
}

/* Job 2 fails at once, job 1 afterwards; the rest see it and stop. */
static int fails(void *arg, int32_t job, struct spot_error *err)
{
    int *made = arg;
    if (job == 2) return spot_fail(err, SPOT_EDATA, "job %d", (int)job);
    for (int i = 0; i < 100 && !turns_failed(turns); i++)
        turns_meet(turns, &made[job], meet_all);
    CU_ASSERT(made[job] < 3);
    return job == 1 ? spot_fail(err, SPOT_EIO, "job %d", (int)job) : SPOT_OK;
}

static void test_failures(void)
{
    int made[JOBS] = {0};
    struct spot_error err = {0};
    forget();
    CU_ASSERT_EQUAL(turns_run(&turns, JOBS, fails, made, &err), SPOT_EDATA);
    CU_ASSERT_STRING_EQUAL(err.message, "job 2");
    CU_ASSERT_EQUAL(turns_run(&turns, JOBS, fails, made, NULL), SPOT_EDATA);
}

/* Without jobs everything happens at once. */
static void test_alone(void)
{
    int made = 0;
    forget();
    turns_meet(NULL, &made, meet_all);
    turns_call(NULL, count_call, &(int){3});
    CU_ASSERT_EQUAL(made, 1);
    CU_ASSERT_EQUAL(met[1], 1);
    CU_ASSERT_EQUAL(calls, 3);
    CU_ASSERT_FALSE(turns_failed(NULL));
}

int main(void)
{
    const struct suite_test tests[] = {
        {"meetings", test_meetings},
        {"failures", test_failures},
        {"alone", test_alone},
        {NULL, NULL},
    };
    return run_suite("turns", tests);
}
