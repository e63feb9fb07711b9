#define _POSIX_C_SOURCE 200809L
#include "app/stop.h"

#include <stddef.h>

/* A signal handler can reach nothing but a global. */
static volatile sig_atomic_t stop_signal;

static void request_stop(int number)
{
    stop_signal = number;
}

void stop_install(void)
{
    /* SA_RESETHAND: the second signal finds the default action. Without SA_RESTART a read from a
     * terminal or a pipe ends as well. */
    struct sigaction action = {.sa_handler = request_stop, .sa_flags = (int)SA_RESETHAND};
    sigemptyset(&action.sa_mask);
    const int numbers[] = {SIGINT, SIGTERM, SIGHUP};
    for (size_t i = 0; i < sizeof numbers / sizeof *numbers; i++) {
        struct sigaction before;
        /* nohup and a shell's background jobs ignore some of them; leave those ignored. */
        if (sigaction(numbers[i], NULL, &before) == 0 && before.sa_handler != SIG_IGN)
            sigaction(numbers[i], &action, NULL);
    }
    struct sigaction ignore = {.sa_handler = SIG_IGN};
    sigemptyset(&ignore.sa_mask);
    sigaction(SIGPIPE, &ignore, NULL);
}

int stop_requested(void)
{
    return stop_signal;
}
