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

static void draw_training(struct progress *progress)
{
    if (!due(progress)) return;
    fputs("\r\033[Ktraining  ", stderr);
    draw_bar(progress->share);
    fputs(progress->note, stderr);
    if (progress->passes > 0)
        fprintf(stderr, "  pass %lld  %.0f MB/s", (long long)progress->passes,
                1e-6 * progress->rate);
    fflush(stderr);
    progress->drawn = true;
}

static double share_of(int32_t run, int32_t runs, int32_t iteration, int32_t most)
{
    return ((double)run + (double)iteration / (double)most) / (double)runs;
}

void progress_training(struct progress *progress, const struct spot_kmeans_progress *at)
{
    progress->share = share_of(at->run, at->runs, at->iteration, at->max_iter);
    snprintf(progress->note, sizeof progress->note, "run %d/%d  iteration %d  moved %lld",
             at->run + 1, at->runs, at->iteration, (long long)at->moved);
    draw_training(progress);
}

void progress_mixture(struct progress *progress, const struct spot_gmm_progress *at)
{
    progress->share = share_of(at->run, at->runs, at->iteration, at->max_iter);
    snprintf(progress->note, sizeof progress->note, "run %d/%d  iteration %d  log-likelihood %.8g",
             at->run + 1, at->runs, at->iteration, at->lower_bound);
    draw_training(progress);
}

void progress_streamed(struct progress *progress, int64_t from, int64_t to, int64_t total)
{
    const double now = progress->enabled ? now_seconds() : 0.0;
    (void)total;
    if (from == 0) {
        progress->passes++;
        progress->pass_started = now;
    }
    if (now > progress->pass_started) progress->rate = (double)to / (now - progress->pass_started);
    draw_training(progress);
}

void progress_clear(struct progress *progress)
{
    if (!progress->drawn) return;
    fputs("\r\033[K", stderr);
    fflush(stderr);
    progress->drawn = false;
}
