#define _POSIX_C_SOURCE 200809L
#include "app/stop.h"

#include <stddef.h>
#include <unistd.h>

/* A signal handler can reach nothing but a global. */
static volatile sig_atomic_t stop_signal;

/* A signal that comes just before a read of a silent pipe interrupts nothing; so the alarm rings
 * every second from then on, and ends that read. */
static void ring_again(int number)
{
    (void)number;
    alarm(1);
}

static void request_stop(int number)
{
    stop_signal = number;
    alarm(1);
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
    struct sigaction ring = {.sa_handler = ring_again};
    sigemptyset(&ring.sa_mask);
    sigaction(SIGALRM, &ring, NULL);
    struct sigaction ignore = {.sa_handler = SIG_IGN};
    sigemptyset(&ignore.sa_mask);
    sigaction(SIGPIPE, &ignore, NULL);
    sigaction(SIGXFSZ, &ignore, NULL); /* a file that may not grow is an error like a full disk */
}

int stop_requested(void)
{
    return stop_signal;
}
