/* One KMeans run on the CPU: per-row state, running sums, and each thread's part of them. */
#ifndef SPOT_FALLBACK_CPU_KMEANS_H
#define SPOT_FALLBACK_CPU_KMEANS_H

#include <stdbool.h>

#include "fallback/cpu.h"
#include "fallback/filter.h"

struct near_centres;
struct row_order;

/* What one thread adds up during a pass. The int64 sums are emptied into the wide ones before they
 * could overflow. */
struct kmeans_worker {
    int64_t *sums;              /* (k, padded_columns) */
    int64_t *weights;           /* (k), where rows have weights or counts */
    int64_t *sizes;             /* (k) */
    struct kmeans_partial wide; /* this thread's totals of the pass */
    float *gathered;            /* (columns, BLOCK_ROWS) rows to look at, from many blocks */
    double *gathered_wide;      /* the same of rows that are float64, else NULL */
    int64_t gathered_rows[BLOCK_ROWS];
    int32_t gathered_count;
    int64_t load; /* weight added since the int64 sums were emptied */
    struct int128 inertia;
    struct kmeans_far *far; /* (far_count) farthest rows so far, best first */
    int32_t far_found;
    struct near_centres *near; /* (2) of a task and of a block, or NULL */
    int64_t looked;            /* rows given to the filter in this pass */
};

/* k-means++ between two centres. A centre taken stays pending until the next pass over the rows. */
struct kmeans_seeding {
    float *nearest; /* (blocks * BLOCK_ROWS) d2 to the nearest centre taken and not pending */
    bool fresh;     /* `nearest` is not yet written: infinite everywhere */
    int64_t *terms; /* (rows) rint(distance_scale * nearest) where rows were merged, or NULL */
    struct int128 *prefix; /* (pick tasks) potentials of TASK_ROWS original rows each */
    int32_t capacity;      /* candidates there is room for */
    int32_t tried;         /* candidates of the last try */
    float *points;         /* (1 + capacity, columns) the pending centre, then the candidates */
    int64_t *rows;         /* (capacity) the candidates' rows */
    struct int128 *sums;   /* (tasks, capacity) potentials if a candidate were taken */
    float *d2;             /* (threads, 1 + capacity, BLOCK_ROWS) */
    bool seeded, pending;  /* a centre has been taken; the last one is pending */
};

struct kmeans_run {
    struct backend_data *data;
    const struct backend_data *rows; /* what passes walk: data, or its copy in `order` */
    struct row_order *order;         /* or NULL */
    struct near_centres *centres;    /* all of them, when there is an order */
    double work_done;                /* of the passes so far, a row and centre and column each */
    int64_t looked;                  /* rows that the last pass looked at */
    const struct quantiser *quantiser;
    const struct kmeans_kernels *kernels;
    int32_t k;
    bool plain;                    /* every row counts once */
    bool fresh;                    /* no pass since start(): labels and limits are not written */
    double *scale;                 /* (padded_columns) of the quantiser */
    struct filter_space filter;    /* filter.exact are the current centres */
    double drift;                  /* the mean of any two centres' ways so far, at most */
    float drift_above;             /* the same, rounded up */
    float *block_limits;           /* (blocks) the rows are settled while the drift is below */
    float *row_limits;             /* (blocks * BLOCK_ROWS) the same for single rows, or NULL */
    int32_t *labels;               /* (blocks * BLOCK_ROWS) of `rows`, -1 before the first pass;
                                      with the limits from start() on */
    struct kmeans_partial totals;  /* always the sums of the labels */
    struct kmeans_worker *workers; /* (threads) */
    int threads;
    int64_t load_limit;   /* weight an int64 sum may hold */
    int64_t narrow_limit; /* a row's, at most: k such rows at least between two emptyings */

    struct kmeans_seeding seeding;
};

/* From this much work for a row, k (columns + 5), a limit for each row pays: 4 bytes more to read,
 * but only few rows to compute. Measured at 3 to 128 columns. */
enum { ROW_LIMITS_WORK = 200 };

void cpu_partial_clear(struct kmeans_partial *partial, int32_t k, int32_t columns);
/* Every row has to be looked at again. */
void cpu_unsettle(struct kmeans_run *run);
/* After filter.exact has changed. */
void cpu_pack_centres(struct kmeans_run *run);
void cpu_pass(struct kmeans_run *run);
/* Puts the rows in spatial order where that is likely to pay. */
void cpu_order(struct kmeans_run *run);
void cpu_order_close(struct kmeans_run *run);
void seeding_close(struct cpu_rows *arrays, struct kmeans_seeding *seeding);
int cpu_farthest(struct kmeans_run *run, const double *centres, int32_t count,
                 struct kmeans_far *far, int32_t *found, struct spot_error *err);
int cpu_seed_begin(struct kmeans_run *run, struct spot_error *err);
int cpu_seed_try(struct kmeans_run *run, int32_t count, const int64_t *rows, struct int128 *totals,
                 struct spot_error *err);
int cpu_seed_take(struct kmeans_run *run, int64_t row, struct spot_error *err);
int cpu_seed_pick(struct kmeans_run *run, int32_t count, const struct int128 *targets,
                  int64_t *rows, struct spot_error *err);
int cpu_seed_points(struct kmeans_run *run, int32_t count, const float *points,
                    struct int128 *total, struct spot_error *err);
int cpu_seed_rows(struct kmeans_run *run, int32_t count, const int64_t *rows, float *values,
                  int64_t *distances, struct spot_error *err);
int cpu_kmeans_assign64(struct backend *backend, int32_t k, int32_t columns, const double *centres,
                        const double *offset, int64_t rows, const double *values, int32_t *labels,
                        double *distances, struct spot_error *err);
int cpu_kmeans_assign(struct backend *backend, int32_t k, int32_t columns, const double *centres,
                      const double *offset, int64_t rows, const float *values, int32_t *labels,
                      double *distances, struct spot_error *err);

/* The values of a row without offset, in float32: (columns). */
void data_row(const struct backend_data *data, int64_t row, float *values);

#endif
