#define _POSIX_C_SOURCE 200809L
#include "app/progress.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

enum { BAR = 24 };

double now_seconds(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

void progress_open(struct progress *progress, bool quiet)
{
    const char *terminal = getenv("TERM");
    *progress = (struct progress){0};
    progress->enabled =
        !quiet && isatty(STDERR_FILENO) != 0 && terminal != NULL && strcmp(terminal, "dumb") != 0;
    progress_stage(progress);
}

void progress_stage(struct progress *progress)
{
    progress->started = now_seconds();
    progress->redraw = progress->started + 0.1; /* a short stage draws nothing */
}

static bool due(struct progress *progress)
{
    if (!progress->enabled) return false;
    double now = now_seconds();
    if (now < progress->redraw) return false;
    progress->redraw = now + 0.05;
    return true;
}

/* "[#######.................]  29 %" for a share of 0 to 1. */
static void draw_bar(double share)
{
    char bar[BAR + 1];
    share = share < 0.0 ? 0.0 : share > 1.0 ? 1.0 : share;
    int filled = (int)(share * BAR);
    memset(bar, '.', BAR);
    memset(bar, '#', (size_t)filled);
    bar[BAR] = '\0';
    fprintf(stderr, "[%s] %3.0f %%  ", bar, 100.0 * share);
}

void progress_reading(struct progress *progress, int64_t rows, int64_t bytes, int64_t total)
{
    if (!due(progress)) return;
    double seconds = now_seconds() - progress->started;
    fputs("\r\033[Kreading   ", stderr);
    if (total > 0) draw_bar((double)bytes / (double)total);
    fprintf(stderr, "%lld rows  %.0f MB/s", (long long)rows, 1e-6 * (double)bytes / seconds);
    fflush(stderr);
    progress->drawn = true;
}

void progress_training(struct progress *progress, const struct spot_kmeans_progress *at)
{
    if (!due(progress)) return;
    fputs("\r\033[Ktraining  ", stderr);
    draw_bar(((double)at->run + (double)at->iteration / (double)at->max_iter) / (double)at->runs);
    fprintf(stderr, "run %d/%d  iteration %d  moved %lld", at->run + 1, at->runs, at->iteration,
            (long long)at->moved);
    fflush(stderr);
    progress->drawn = true;
}

void progress_mixture(struct progress *progress, const struct spot_gmm_progress *at)
{
    if (!due(progress)) return;
    fputs("\r\033[Ktraining  ", stderr);
    draw_bar(((double)at->run + (double)at->iteration / (double)at->max_iter) / (double)at->runs);
    fprintf(stderr, "run %d/%d  iteration %d  log-likelihood %.8g", at->run + 1, at->runs,
            at->iteration, at->lower_bound);
    fflush(stderr);
    progress->drawn = true;
}

void progress_clear(struct progress *progress)
{
    if (!progress->drawn) return;
    fputs("\r\033[K", stderr);
    fflush(stderr);
    progress->drawn = false;
}
