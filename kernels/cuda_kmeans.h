/* A KMeans run on the device, shared by the files of its table. */
#ifndef SPOT_KERNELS_CUDA_KMEANS_H
#define SPOT_KERNELS_CUDA_KMEANS_H

#include "kernels/handles.h"

/* Where a run is; kernels write it, the host reads it now and then. */
struct cuda_kmeans_state {
    int32_t kind;  /* enum kmeans_event_kind; other than KMEANS_STEPS: nothing is done any more */
    int32_t steps; /* passes of this call */
    unsigned long long moved, near; /* of the last pass */
    unsigned long long near_all;    /* of all passes of this call */
    double shift;                   /* of the last update */
};

/* A draw: the first row of a part of the original rows whose prefix sum is above the target. */
struct cuda_draw {
    int64_t part;
    struct int128 target; /* what the parts before it add up to is taken off */
};

/* Of k-means++; opened when first needed. */
struct cuda_seeding {
    float *nearest;                 /* (rows) distance to the nearest centre taken */
    int32_t seeded;                 /* a centre was taken */
    int64_t parts;                  /* parts of the original rows */
    struct int128 *potentials;      /* (parts) */
    struct int128 *potentials_here; /* the same on the host */
    int32_t capacity;
    float *points;           /* (capacity, columns) candidates */
    int64_t *rows;           /* (capacity) their numbers, or rows drawn */
    struct int128 *sums;     /* (capacity) their potentials */
    struct cuda_draw *draws; /* (capacity) */
};

struct kmeans_run {
    struct backend_data *data;
    int32_t k;
    int32_t spherical; /* centres are given length one */
    double distance_scale;
    int32_t wide; /* as in cuda_kmeans_pass */
    int32_t fresh;
    double *scale;   /* (columns) of the quantiser */
    double *centres; /* (k, columns) */
    double *others;  /* (k, columns) centres that farthest() is asked about */
    struct cuda_kmeans_filter filter;
    struct int128 *sums; /* (k, columns + 2) */
    uint8_t *labels8;    /* (padded rows) while k <= 256 */
    int32_t *labels32;   /* else */
    int32_t *near;
    int32_t near_capacity;
    struct cuda_kmeans_counters *counters; /* (chunks) */
    struct cuda_kmeans_state *state;
    struct int128 *sums_here; /* the sums on the host */
    struct int128 *total;     /* one number that kernels add up */
    float *row;               /* (columns) values of one row */
    int64_t *row_weight;      /* its weight */
    struct cuda_seeding seeding;
};

CUDA_INLINE int32_t cuda_label(const uint8_t *labels8, const int32_t *labels32, int64_t row)
{
    return labels8 != nullptr ? labels8[row] : labels32[row];
}

/* The update of centres and the end of a pass (kmeans_update.cu). update 0: counts alone. */
int cuda_kmeans_update(struct kmeans_run *run, double tolerance, int32_t update,
                       struct spot_error *err);

/* Sums and searches over distances to the rows' own centres (kmeans_own.cu). */
int cuda_kmeans_inertia(struct kmeans_run *run, struct int128 *inertia, struct spot_error *err);
int cuda_kmeans_farthest(struct kmeans_run *run, const double *centres, int32_t count,
                         struct kmeans_far *far, int32_t *found, struct spot_error *err);

/* Distances (rows) of all rows to the centres of their labels. */
int cuda_kmeans_distances(struct kmeans_run *run, double *distances, struct spot_error *err);

/* Seeding (kmeans_seed.cu). */
void cuda_seeding_close(struct cuda_seeding *seeding);
int cuda_seed_begin(struct kmeans_run *run, struct spot_error *err);
int cuda_seed_try(struct kmeans_run *run, int32_t count, const int64_t *rows, struct int128 *totals,
                  struct spot_error *err);
int cuda_seed_take(struct kmeans_run *run, int64_t row, struct spot_error *err);
int cuda_seed_pick(struct kmeans_run *run, int32_t count, const struct int128 *targets,
                   int64_t *rows, struct spot_error *err);
int cuda_seed_points(struct kmeans_run *run, int32_t count, const float *points,
                     struct int128 *total, struct spot_error *err);
int cuda_seed_rows(struct kmeans_run *run, int32_t count, const int64_t *rows, float *values,
                   int64_t *distances, struct spot_error *err);

#endif
