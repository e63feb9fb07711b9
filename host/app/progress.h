/* The progress line on a terminal, redrawn at most twenty times a second; silent elsewhere. */
#ifndef SPOT_APP_PROGRESS_H
#define SPOT_APP_PROGRESS_H

#include <stdbool.h>
#include <stdint.h>

#include "blackspot.h"

struct progress {
    bool enabled;
    bool drawn;     /* a line is on the terminal now */
    double started; /* of this stage */
    double redraw;  /* not before this moment */
    /* of a training */
    double share;              /* of its iterations */
    char note[80];             /* how far it is */
    int64_t passes;            /* over rows in temporary files */
    double pass_started, rate; /* bytes a second of the current pass */
};

/* Seconds of a clock that never goes back. */
double now_seconds(void);

/* enabled only when standard error is a terminal that can redraw a line. */
void progress_open(struct progress *progress, bool quiet);

/* A new stage: its speed is counted from now. */
void progress_stage(struct progress *progress);

/* bytes of total (0: unknown). */
void progress_reading(struct progress *progress, int64_t rows, int64_t bytes, int64_t total);
void progress_training(struct progress *progress, const struct spot_kmeans_progress *at);
void progress_mixture(struct progress *progress, const struct spot_gmm_progress *at);

/* A pass over rows in temporary files: its number and speed join the line of the training. */
void progress_streamed(struct progress *progress, int64_t from, int64_t to, int64_t total);

/* Takes the line off the terminal, before anything else is printed. */
void progress_clear(struct progress *progress);

#endif
