/* Jobs that take turns: each has a thread of its own, so that it reads as if it were alone, but
 * only one runs at a time. Where all of them wait for the same kind of thing, a pass over rows that
 * stream, that is done for all of them at once. */
#ifndef SPOT_BASE_TURNS_H
#define SPOT_BASE_TURNS_H

#include <stdbool.h>
#include <stdint.h>

#include "blackspot.h"

struct turns;

/* `job` counts from 0. */
typedef int turns_job(void *arg, int32_t job, struct spot_error *err);

/* Runs jobs 0 .. count-1 in turns, always in the same order. *turns is set while they run, so that
 * jobs find it. Returns when all have ended: SPOT_OK, or the failure that came first; from then on
 * turns_failed tells the others that they may stop. Errors of its own: SPOT_ENOMEM. */
int turns_run(struct turns **turns, int32_t count, turns_job *job, void *arg,
              struct spot_error *err);

/* In a job, or with turns NULL: waits until every job that has not ended is here, then the thread
 * of turns_run calls `together` with all requests, in the order of the jobs. NULL: at once, with
 * this one. */
typedef void turns_together(void *const *requests, int32_t count);
void turns_meet(struct turns *turns, void *request, turns_together *together);

/* The same for a call that only this job wants; the others do not run meanwhile. */
void turns_call(struct turns *turns, void (*call)(void *arg), void *arg);

/* Whether a job has failed. */
bool turns_failed(const struct turns *turns);

#endif
