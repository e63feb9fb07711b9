/* One KMeans run on the CPU: per-row state, running sums, and each thread's part of them. */
#ifndef SPOT_FALLBACK_CPU_KMEANS_H
#define SPOT_FALLBACK_CPU_KMEANS_H

#include <stdbool.h>

#include "fallback/cpu.h"
#include "fallback/filter.h"

/* What one thread adds up during a pass. The int64 sums are emptied into the wide ones before they
 * could overflow. */
struct kmeans_worker {
    int64_t *sums;              /* (k, columns) */
    int64_t *weights;           /* (k) */
    int64_t *sizes;             /* (k) */
    struct kmeans_partial wide; /* this thread's totals of the pass */
    int64_t load;               /* weight added since the int64 sums were emptied */
    struct int128 inertia;
    struct kmeans_far *far; /* (far_count) farthest rows so far, best first */
    int32_t far_found;
};

struct kmeans_run {
    struct backend_data *data;
    const struct quantiser *quantiser;
    const struct kmeans_kernels *kernels;
    int32_t k;
    struct filter_space filter;    /* filter.exact are the current centres */
    int32_t *labels;               /* (blocks * BLOCK_ROWS), -1 before the first pass */
    struct kmeans_partial totals;  /* always the sums of the labels */
    struct kmeans_worker *workers; /* (threads) */
    int threads;
    int64_t load_limit; /* weight an int64 sum may hold */

    float *nearest;        /* (blocks * BLOCK_ROWS) seeding: d2 to the nearest centre taken */
    int64_t *terms;        /* (rows) seeding: rint(distance_scale * nearest), 1 at the start */
    struct int128 *prefix; /* (pick tasks) seeding: potentials of TASK_ROWS original rows */
    bool seeded;           /* a centre has been taken */
};

int cpu_farthest(struct kmeans_run *run, const double *centres, int32_t count,
                 struct kmeans_far *far, int32_t *found, struct spot_error *err);
int cpu_seed_begin(struct kmeans_run *run, struct spot_error *err);
int cpu_seed_try(struct kmeans_run *run, int32_t count, const int64_t *rows, struct int128 *totals,
                 struct spot_error *err);
int cpu_seed_take(struct kmeans_run *run, int64_t row, struct spot_error *err);
int cpu_seed_pick(struct kmeans_run *run, int32_t count, const struct int128 *targets,
                  int64_t *rows, struct spot_error *err);
int cpu_kmeans_assign(struct backend *backend, int32_t k, int32_t columns, const double *centres,
                      const double *offset, int64_t rows, const float *values, int32_t *labels,
                      double *distances, struct spot_error *err);

/* The values of a row without offset: (columns). */
void data_row(const struct backend_data *data, int64_t row, float *values);

#endif
