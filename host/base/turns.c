/* The thread of turns_run and those of the jobs hand one turn to each other; whoever has it touches
 * everything without a lock. */
#define _POSIX_C_SOURCE 200809L
#include "base/turns.h"

#include <pthread.h>
#include <signal.h>
#include <stdlib.h>

#include "base/error.h"

enum state { READY, MEETING, CALLING, ENDED };

enum { NOBODY = -1 }; /* no job: the thread of turns_run */

struct seat {
    struct turns *turns;
    int32_t index;
    pthread_t thread;
    bool started;
    enum state state;
    void *request;
    turns_together *together;
    void (*call)(void *arg);
    void *call_arg;
};

struct turns {
    pthread_mutex_t lock;
    pthread_cond_t change;
    int32_t turn; /* whose it is: a job's, or NOBODY; guarded by the lock */
    int32_t count;
    struct seat *seats; /* (count) */
    void **requests;    /* (count) */
    turns_job *job;
    void *arg;
    int status; /* of the first failure */
    struct spot_error failure;
};

/* ---- The turn ------------------------------------------------------------------------------- */

static void wait_for(struct turns *turns, int32_t whose)
{
    pthread_mutex_lock(&turns->lock);
    while (turns->turn != whose)
        pthread_cond_wait(&turns->change, &turns->lock);
    pthread_mutex_unlock(&turns->lock);
}

static void give_to(struct turns *turns, int32_t whose)
{
    pthread_mutex_lock(&turns->lock);
    turns->turn = whose;
    pthread_cond_broadcast(&turns->change);
    pthread_mutex_unlock(&turns->lock);
}

/* From a job: the turn goes away and comes back. */
static void pause_job(struct seat *seat, enum state state)
{
    seat->state = state;
    give_to(seat->turns, NOBODY);
    wait_for(seat->turns, seat->index);
}

/* ---- Jobs ----------------------------------------------------------------------------------- */

static void run_job(struct turns *turns, int32_t index)
{
    struct spot_error err = {0};
    int status = turns->job(turns->arg, index, &err);
    if (status >= 0 || turns->status < 0) return;
    turns->status = status;
    turns->failure = err;
}

static void *job_thread(void *arg)
{
    struct seat *seat = arg;
    wait_for(seat->turns, seat->index);
    run_job(seat->turns, seat->index);
    seat->state = ENDED;
    give_to(seat->turns, NOBODY);
    return NULL;
}

/* The job that has the turn, or NULL where the thread of turns_run makes one itself. */
static struct seat *seat_of(struct turns *turns)
{
    return turns == NULL || turns->turn == NOBODY ? NULL : &turns->seats[turns->turn];
}

void turns_meet(struct turns *turns, void *request, turns_together *together)
{
    struct seat *seat = seat_of(turns);
    if (seat == NULL) {
        together(&request, 1);
        return;
    }
    seat->request = request;
    seat->together = together;
    pause_job(seat, MEETING);
}

void turns_call(struct turns *turns, void (*call)(void *arg), void *arg)
{
    struct seat *seat = seat_of(turns);
    if (seat == NULL) {
        call(arg);
        return;
    }
    seat->call = call;
    seat->call_arg = arg;
    pause_job(seat, CALLING);
}

bool turns_failed(const struct turns *turns)
{
    return turns != NULL && turns->status < 0;
}

/* ---- The thread of turns_run ---------------------------------------------------------------- */

/* Lets a job run until it waits for the others or has ended. */
static void let_run(struct turns *turns, struct seat *seat)
{
    do {
        seat->state = READY;
        give_to(turns, seat->index);
        wait_for(turns, NOBODY);
        if (seat->state == CALLING) seat->call(seat->call_arg);
    } while (seat->state == CALLING);
}

/* All jobs until their next meeting, and the meeting; false when all have ended. */
static bool make_round(struct turns *turns)
{
    int32_t waiting = 0;
    turns_together *together = NULL;
    for (int32_t i = 0; i < turns->count; i++) {
        struct seat *seat = &turns->seats[i];
        if (seat->state != ENDED) let_run(turns, seat);
        if (seat->state == ENDED) continue;
        turns->requests[waiting++] = seat->request;
        together = seat->together;
    }
    if (waiting > 0) together(turns->requests, waiting);
    return waiting > 0;
}

/* Threads leave signals to that of turns_run. */
static void start_threads(struct turns *turns)
{
    sigset_t all, before;
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    for (int32_t i = 0; i < turns->count; i++) {
        struct seat *seat = &turns->seats[i];
        *seat = (struct seat){.turns = turns, .index = i};
        seat->started = pthread_create(&seat->thread, NULL, job_thread, seat) == 0;
        if (!seat->started) seat->state = ENDED;
    }
    pthread_sigmask(SIG_SETMASK, &before, NULL);
}

int turns_run(struct turns **out, int32_t count, turns_job *job, void *arg, struct spot_error *err)
{
    struct turns turns = {.turn = NOBODY, .count = count, .job = job, .arg = arg};
    turns.seats = calloc((size_t)count, sizeof *turns.seats);
    turns.requests = calloc((size_t)count, sizeof *turns.requests);
    if (turns.seats == NULL || turns.requests == NULL) {
        free(turns.seats);
        free(turns.requests);
        return spot_fail_memory(err, "the runs made side by side");
    }
    pthread_mutex_init(&turns.lock, NULL);
    pthread_cond_init(&turns.change, NULL);
    *out = &turns;
    start_threads(&turns);
    while (make_round(&turns))
        continue;
    for (int32_t i = 0; i < count; i++)
        if (turns.seats[i].started)
            pthread_join(turns.seats[i].thread, NULL);
        else if (turns.status == SPOT_OK)
            run_job(&turns, i); /* there was no thread for it: after the others */
    *out = NULL;
    pthread_cond_destroy(&turns.change);
    pthread_mutex_destroy(&turns.lock);
    free(turns.seats);
    free(turns.requests);
    if (turns.status < 0 && err != NULL) *err = turns.failure;
    return turns.status;
}
