/* The contract between the engine and what computes: tables of functions, one table for each family
 * of models. fallback/ fills them for the CPU; libblackspot_cuda.so brings them for NVIDIA GPUs.
 *
 * A table is whole or absent (NULL), so a backend may know KMeans before it knows trees. Three
 * ideas keep the contract narrow:
 *
 *   - a data handle owns the rows and their per-row state, resident or streamed;
 *   - every pass yields a mergeable partial of integers: threads, batches, several devices and
 * other machines all go the same way, begin, partial, merge, finish;
 *   - run() may stay on the device for many steps and comes back with an event.
 *
 * Functions return 0 or a negative spot_status with the reason in *err. Handles are used by one
 * thread at a time. close functions accept NULL and half-opened handles. */
#ifndef SPOT_BACKEND_BACKEND_H
#define SPOT_BACKEND_BACKEND_H

#include <stddef.h>
#include <stdint.h>

#include "backend/forest.h"
#include "blackspot.h"
#include "numerics/quantiser.h"

#define SPOT_BACKEND_VERSION 1u

/* ---- What the engine lends a backend -------------------------------------------------------- */

typedef void backend_task(void *arg, int64_t task, int worker);
typedef void backend_together(void *const *requests, int32_t count);

struct backend_host {
    int threads;
    /* Runs tasks 0..tasks-1 on the program's threads and returns when all are done. */
    void (*parallel)(void *arg, int64_t tasks, backend_task *task, void *task_arg);
    void *parallel_arg;
    int (*stopped)(void *arg);                                           /* may be NULL */
    void (*log)(void *arg, enum spot_log_level level, const char *text); /* may be NULL */
    /* Told of a pass over rows that stream: bytes [from, to) of `total` are done. May be NULL. */
    void (*streamed)(void *arg, int64_t from, int64_t to, int64_t total);
    /* Where runs are made side by side (data_runs), a pass over rows that stream waits here for
     * those of the other runs; then `together` makes all that were requested, each request being
     * what one call brought. Alone: at once. May be NULL. */
    void (*together)(void *arg, void *request, backend_together *together);
    void *arg;
    int64_t memory;      /* resident memory the process may take, in bytes; 0: as much as it likes.
                            What must be rows' memory beyond that goes to temporary files */
    const char *scratch; /* the folder for those; NULL: $TMPDIR or /tmp. Outlives the backend */
};

/* ---- core: devices and rows ----------------------------------------------------------------- */

struct backend;
struct backend_data;

struct backend_device {
    char name[96];    /* "avx512", "NVIDIA H100 PCIe" */
    char id[64];      /* what --device takes: "cpu", "cuda:0" */
    char detail[160]; /* capability, driver and runtime versions, for people */
    int64_t memory;   /* bytes in all, 0 when it is the host's */
    int64_t memory_free;
    int usable; /* 0: `detail` says why not */
};

/* Integer moments of a column over original rows, of r = rint(scale * (x - offset)), |r| <= 2^28.
 * Merge by adding everything. */
struct column_moments {
    struct int128 sum, squares; /* of r and of r^2 */
    int64_t nonzero;            /* rows with x - offset != 0 */
    int64_t vanished;           /* of those, rows with r = 0 */
};

enum { MOMENT_BITS = 28 };

struct backend_core {
    uint32_t version; /* SPOT_BACKEND_VERSION; another one is refused aloud */
    const char *name; /* "cpu", "cuda" */

    /* Fills up to `capacity` devices; *count is how many there are. */
    int (*devices)(struct backend_device *devices, int32_t capacity, int32_t *count,
                   struct spot_error *err);
    /* id as in backend_device, or NULL for the best. host is copied. */
    int (*open)(const char *id, const struct backend_host *host, struct backend **backend,
                struct spot_error *err);
    void (*close)(struct backend *backend);
    /* One line for results: "cpu (avx512, 2 threads)". Owned by the backend. */
    const char *(*describe)(const struct backend *backend);

    /* A handle for `rows` rows. offset: (columns) taken off every value, exactly. largest:
     * (columns) no |value - offset| is above it. batch_rows 0: the backend decides; its results
     * never depend on it. */
    int (*data_open)(struct backend *backend, int64_t rows, int32_t columns, const double *offset,
                     const float *largest, int64_t batch_rows, struct backend_data **data,
                     struct spot_error *err);
    /* Rows [first, first + rows): values (rows, columns) row-major host memory; weights (rows)
     * integers >= 0 or NULL for 1; counts (rows): how many original rows each one stands for, or
     * NULL for 1. Every row is put once, in order. The arrays may be reused after the call. */
    int (*data_put)(struct backend_data *data, int64_t first, int64_t rows, const float *values,
                    const int64_t *weights, const int32_t *counts, struct spot_error *err);
    /* When equal rows were merged: group_of_row (rows) maps original rows to rows of the handle,
     * for draws that walk the original order. Borrowed until data_close. scratch: it is an array of
     * base/scratch.h, so that finished parts of it may leave memory. */
    int (*data_map)(struct backend_data *data, int64_t rows, const int32_t *group_of_row,
                    int scratch, struct spot_error *err);
    /* Moments of every column: scale (columns) in, moments (columns) out. */
    int (*data_moments)(struct backend_data *data, const double *scale,
                        struct column_moments *moments, struct spot_error *err);
    /* Into how many of `wanted` runs, 1 at least, the memory for rows that stream is divided from
     * now on: so many are best made side by side, since each pass over the rows then serves all of
     * them (backend_host.together). run_bytes: what one takes beside the rows. Asked while no run
     * has per-row state; 1 where the rows are in memory. May be NULL: always 1. */
    int32_t (*data_runs)(struct backend_data *data, int32_t wanted, int64_t run_bytes);
    void (*data_close)(struct backend_data *data);

    /* The same for rows of float64: a handle that they are put into by data_put64. offset is exact
     * in float64, and largest is rounded upwards. NULL: this backend keeps float32 alone. */
    int (*data_open64)(struct backend *backend, int64_t rows, int32_t columns, const double *offset,
                       const float *largest, int64_t batch_rows, struct backend_data **data,
                       struct spot_error *err);
    int (*data_put64)(struct backend_data *data, int64_t first, int64_t rows, const double *values,
                      const int64_t *weights, const int32_t *counts, struct spot_error *err);
};

/* ---- kmeans --------------------------------------------------------------------------------- */

struct kmeans_run;

/* What one pass over any set of rows adds up. Merge by adding everything. */
struct kmeans_partial {
    struct int128 *sums;    /* (k, columns) of weight * quantised value */
    struct int128 *weights; /* (k) of weight */
    int64_t *sizes;         /* (k) original rows */
    int64_t moved;          /* original rows whose label changed in the last pass */
    int64_t near_ties;      /* rows decided by the float64 definition in the last pass */
};

enum kmeans_event_kind {
    KMEANS_STEPS,   /* max_steps done */
    KMEANS_STABLE,  /* no row moved */
    KMEANS_SHIFT,   /* the centres' movement is within the tolerance */
    KMEANS_EMPTY,   /* after a pass a cluster has no weight; its centres are not updated yet */
    KMEANS_STOPPED, /* the host asked to stop */
};

struct kmeans_event {
    enum kmeans_event_kind kind;
    int32_t steps;     /* passes made */
    int64_t moved;     /* of the last pass */
    int64_t near_ties; /* of all passes of this call */
    double shift;      /* of the last update */
};

/* A row far from its centre, for the relocation of empty clusters. */
struct kmeans_far {
    double distance; /* squared, by the definition */
    int64_t row;     /* of the handle */
};

struct backend_kmeans {
    /* Per-row state for k clusters beside the data; the quantiser is borrowed until close. */
    int (*open)(struct backend_data *data, int32_t k, const struct quantiser *quantiser,
                struct kmeans_run **run, struct spot_error *err);
    void (*close)(struct kmeans_run *run);

    /* Centres (k, columns). start also forgets labels and sums; move keeps them. */
    int (*start)(struct kmeans_run *run, const double *centres, struct spot_error *err);
    int (*move)(struct kmeans_run *run, const double *centres, struct spot_error *err);
    int (*centres)(struct kmeans_run *run, double *centres, struct spot_error *err);

    /* One pass: every row to its nearest centre, sums brought up to date. */
    int (*pass)(struct kmeans_run *run, struct spot_error *err);
    /* Copies what has been added up since start; caller's arrays of the shapes above. */
    int (*partial)(struct kmeans_run *run, struct kmeans_partial *partial, struct spot_error *err);
    /* Passes and updates (numerics/update.h) until an event. tolerance: on the squared shift. A
     * backend that stays on its device may make a few passes more before it sees a stop. */
    int (*run)(struct kmeans_run *run, int32_t max_steps, double tolerance,
               struct kmeans_event *event, struct spot_error *err);

    /* sum of weight * rint(distance_scale * d2) under the current labels and centres. */
    int (*inertia)(struct kmeans_run *run, struct int128 *inertia, struct spot_error *err);
    /* The `count` rows farthest from the centres (k, columns) of their labels, weight > 0 only:
     * larger distance first, then the lexicographically smaller row, the smaller weight, the
     * smaller number. *found may be fewer. */
    int (*farthest)(struct kmeans_run *run, const double *centres, int32_t count,
                    struct kmeans_far *far, int32_t *found, struct spot_error *err);
    /* Labels of rows [first, first + rows) of the handle. */
    int (*labels)(struct kmeans_run *run, int64_t first, int64_t rows, int32_t *labels,
                  struct spot_error *err);
    /* Row values without offset, weight and label (-1 before start) of one row of the handle. */
    int (*row)(struct kmeans_run *run, int64_t row, float *values, int64_t *weight, int32_t *label,
               struct spot_error *err);

    /* Seeding. The potential of a row is weight * rint(distance_scale * d2), d2 the float32 squared
     * distance to the nearest centre taken so far. seed_begin forgets the centres taken. */
    int (*seed_begin)(struct kmeans_run *run, struct spot_error *err);
    /* Potentials the data would have if candidate row c were taken: totals (count). */
    int (*seed_try)(struct kmeans_run *run, int32_t count, const int64_t *rows,
                    struct int128 *totals, struct spot_error *err);
    /* Takes a row as centre. */
    int (*seed_take)(struct kmeans_run *run, int64_t row, struct spot_error *err);
    /* For each target in [0, total potential), ascending: the first original row, in original
     * order, whose inclusive prefix sum of potentials is above it; rows: numbers of original rows.
     * Before the first seed_take a row's potential is its weight. */
    int (*seed_pick)(struct kmeans_run *run, int32_t count, const struct int128 *targets,
                     int64_t *rows, struct spot_error *err);

    /* Takes points (count, columns), without offset, as centres all at once; *total: the potential
     * that is left. */
    int (*seed_points)(struct kmeans_run *run, int32_t count, const float *points,
                       struct int128 *total, struct spot_error *err);
    /* What original rows are: values (count, columns) without offset, and distances (count),
     * rint(distance_scale * d2) of each after seed_take or seed_points. Either may be NULL. */
    int (*seed_rows)(struct kmeans_run *run, int32_t count, const int64_t *rows, float *values,
                     int64_t *distances, struct spot_error *err);

    /* Scoring, without a handle: labels and squared distances (either may be NULL) of rows in host
     * memory, offset (columns) as in data_open. */
    int (*assign)(struct backend *backend, int32_t k, int32_t columns, const double *centres,
                  const double *offset, int64_t rows, const float *values, int32_t *labels,
                  double *distances, struct spot_error *err);

    /* Rows of float64, of a backend that has data_open64: row and assign, exact. Of such a handle
     * row, seed_rows and all of seeding see the nearest float32. */
    int (*row64)(struct kmeans_run *run, int64_t row, double *values, int64_t *weight,
                 int32_t *label, struct spot_error *err);
    int (*assign64)(struct backend *backend, int32_t k, int32_t columns, const double *centres,
                    const double *offset, int64_t rows, const double *values, int32_t *labels,
                    double *distances, struct spot_error *err);
    /* 1: assign's rows need not have been looked at before. Its offset may be NULL, and a value
     * that is not finite is SPOT_EDATA. */
    int assign_looks;
};

/* ---- mixture -------------------------------------------------------------------------------- */

enum mixture_covariance { MIXTURE_FULL, MIXTURE_TIED, MIXTURE_DIAG, MIXTURE_SPHERICAL };

struct mixture_run;

/* A mixture as densities need it. F is lower triangular with F^T F = precision; triangles hold row
 * by row what lies on and below the diagonal, columns (columns + 1) / 2 numbers. */
struct mixture_parameters {
    int32_t k, columns;
    enum mixture_covariance covariance;
    const double *weights; /* (k) >= 0 */
    const double *means;   /* (k, columns) */
    const double
        *factors; /* full (k, triangle), tied (triangle), diag (k, columns), spherical (k) */
};

/* Sums of one pass, w the row's weight, r its responsibility, z = x - mean of the parameters that
 * the pass was made with. Taken over fixed blocks of rows that merge in a fixed tree: the same bits
 * for any number of threads, and 1e-9 between instruction sets. */
struct mixture_partial {
    double log_likelihood; /* sum of w * log sum_c weight_c N(x | c) */
    double *components;    /* (k) w r */
    double *means;         /* (k, columns) w r z */
    double *squares;       /* full (k, triangle) w r z z^T, diag (k, columns) w r z^2, spherical (k)
                              w r |z|^2; tied: not written, its total does not change */
};

struct backend_mixture {
    /* weight_unit: what one unit of a row's integer weight is worth. */
    int (*open)(struct backend_data *data, int32_t k, enum mixture_covariance covariance,
                double weight_unit, struct mixture_run **run, struct spot_error *err);
    void (*close)(struct mixture_run *run);

    /* One pass of EM: responsibilities under the parameters, used at once for the sums. */
    int (*pass)(struct mixture_run *run, const struct mixture_parameters *parameters,
                struct mixture_partial *partial, struct spot_error *err);
    /* The log-likelihood alone. */
    int (*log_likelihood)(struct mixture_run *run, const struct mixture_parameters *parameters,
                          double *sum, struct spot_error *err);

    /* Sums about means (k, columns) of responsibilities that come from elsewhere: 1 for the label
     * of a row (those of a KMeans run on the same handle, NULL: all 0), or drawn, normalised Philox
     * numbers with key `seed` and counters (row, component, draw). partial->log_likelihood becomes
     * 0. */
    int (*labelled)(struct mixture_run *run, const double *means, struct kmeans_run *clusters,
                    struct mixture_partial *partial, struct spot_error *err);
    int (*drawn)(struct mixture_run *run, const double *means, uint64_t seed, uint32_t draw,
                 struct mixture_partial *partial, struct spot_error *err);

    /* Scoring, without a handle, of rows in host memory. Any output may be NULL: labels (rows), the
     * lowest index among the largest densities; responsibilities (rows, k); log_likelihood (rows).
     */
    int (*score)(struct backend *backend, const struct mixture_parameters *parameters, int64_t rows,
                 const float *values, int32_t *labels, double *responsibilities,
                 double *log_likelihood, struct spot_error *err);
    /* The same for rows of float64, of a backend that has data_open64. */
    int (*score64)(struct backend *backend, const struct mixture_parameters *parameters,
                   int64_t rows, const double *values, int32_t *labels, double *responsibilities,
                   double *log_likelihood, struct spot_error *err);
};

/* ---- trees ---------------------------------------------------------------------------------- */

struct forest_plan;
struct trees_run;

struct backend_trees {
    /* Lowers a forest, which is borrowed until plan_close, to what the device scores best. The CPU
     * needs no backend for it: NULL. A plan may outlive the backend. Errors: SPOT_EUSAGE (a kind of
     * forest that the device leaves to the CPU), SPOT_ENOMEM. */
    int (*plan)(struct backend *backend, const struct forest *forest, struct forest_plan **plan,
                struct spot_error *err);
    void (*plan_close)(struct forest_plan *plan);
    /* Adds the leaves of trees [first, first + trees) to margins (rows, outputs), in tree order and
     * in the forest's own arithmetic: margins hold float32 values where the rules are XGBoost's.
     * leaves (rows, trees): the number of each leaf within its tree. Either may be NULL. On the
     * CPU reentrant: on the calling thread alone where host is NULL, else on the host's threads. On
     * a GPU a plan takes one call at a time. */
    int (*score)(const struct forest_plan *plan, const struct backend_host *host,
                 const struct spot_forest_rows *rows, int32_t first, int32_t trees, double *margins,
                 int32_t *leaves, struct spot_error *err);
    /* Adds to out (rows, outputs, features + 1) what each feature gave to the margins by these
     * trees, exact Shapley values along the covers in float64, and behind the features the mean.
     * No linear leaves. Reentrant, as score. NULL: the CPU does it. Errors: SPOT_EUSAGE (no
     * covers), SPOT_ENOMEM. */
    int (*contributions)(const struct forest *forest, const struct backend_host *host,
                         const struct spot_forest_rows *rows, int32_t first, int32_t trees,
                         double *out, struct spot_error *err);
    /* Training: binned columns beside the data, node numbers and margins per row. */
    int (*open)(struct backend_data *data, const uint16_t *bins_per_column, struct trees_run **run,
                struct spot_error *err);
    void (*close)(struct trees_run *run);
    int (*gradients)(struct trees_run *run, const int64_t *gradients, const int64_t *hessians,
                     struct spot_error *err);
    /* Integer histograms (nodes, bins, 2) of the nodes named; adds by integers. */
    int (*histograms)(struct trees_run *run, const int32_t *nodes, int32_t count,
                      struct int128 *histograms, struct spot_error *err);
    int (*split)(struct trees_run *run, const int32_t *nodes, const int32_t *columns,
                 const uint16_t *bins, int32_t count, struct spot_error *err);
};

/* ---- The plugin ----------------------------------------------------------------------------- */

struct backend_tables {
    uint32_t version; /* first, so that a mismatch can always be read */
    const struct backend_core *core;
    const struct backend_kmeans *kmeans;   /* or NULL */
    const struct backend_mixture *mixture; /* or NULL */
    const struct backend_trees *trees;     /* or NULL */
};

/* The CPU's tables, linked in. */
const struct backend_tables *cpu_backend(void);

/* The one symbol a plugin exports. */
#define SPOT_BACKEND_ENTRY "spot_backend_entry"
typedef const struct backend_tables *backend_entry(uint32_t engine_version);

#endif
