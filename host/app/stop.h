/* Ctrl-C (SIGINT), SIGTERM and SIGHUP ask the program to stop in an orderly way; the second one
 * kills at once. A broken pipe is an error of the write, not a signal. */
#ifndef SPOT_APP_STOP_H
#define SPOT_APP_STOP_H

#include <signal.h>

void stop_install(void);

/* The signal that asked to stop, or 0. */
int stop_requested(void);

#endif
