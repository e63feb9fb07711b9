/* The CPU backend's handles, shared by its files. */
#ifndef SPOT_FALLBACK_CPU_H
#define SPOT_FALLBACK_CPU_H

#include "backend/backend.h"
#include "fallback/cpu_rows.h"
#include "fallback/cpu_spares.h"
#include "fallback/kmeans_wide.h"

/* Blocks that one task works through: 4096 rows. */
enum { TASK_BLOCKS = 64, TASK_ROWS = TASK_BLOCKS * BLOCK_ROWS };

struct mixture_kernels;

struct backend {
    struct backend_host host;
    const struct kmeans_kernels *kernels;
    const struct mixture_kernels *mixture_kernels;
    struct cpu_spares *spares; /* owned; none are kept where memory is limited */
    char description[96];
};

/* Moments of whole blocks, a part for each thread. */
struct block_sums {
    double *scale;                /* (columns) */
    struct column_moments *parts; /* (threads, columns) */
    int64_t *rows;                /* (threads) that are in them */
};

struct backend_data {
    struct backend *backend;
    int64_t rows, blocks, tasks;
    int32_t columns;
    struct cpu_rows arrays;      /* owns the arrays of rows below, and those of runs */
    double *offset;              /* (columns) */
    float *offset_single;        /* (columns) the same, where the rows are float32 */
    float *values;               /* (blocks, columns, BLOCK_ROWS) without offset */
    double *wide;                /* the same of rows that are float64, `values` being these rounded;
                                    else NULL */
    float *largest;              /* (columns) largest |value| */
    int64_t *weights;            /* (rows) of one original row, or NULL: 1 */
    int32_t *counts;             /* (rows) original rows each stands for, or NULL: 1 */
    int64_t map_rows;            /* original rows, when a map was given */
    const int32_t *group_of_row; /* (map_rows) borrowed, or NULL */
    struct cpu_rows originals;   /* for passes over the original rows, when there is a map */
    struct block_sums sums;      /* moments, added up while the rows are put */
};

/* Runs the tasks on all threads, or on this one alone where the work, in scalar operations, is so
 * little that waking another thread would cost more than it saves. */
void cpu_parallel(const struct backend *backend, int64_t tasks, double work, backend_task *task,
                  void *arg);

/* A line for the host's log. */
void cpu_log(const struct backend *backend, enum spot_log_level level, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

/* Where memory is limited: SPOT_ENOMEM with the numbers when `bytes` more for `what` exceed it. */
int cpu_check_memory(const struct backend *backend, int64_t bytes, const char *what,
                     struct spot_error *err);

int cpu_data_open(struct backend *backend, int64_t rows, int32_t columns, const double *offset,
                  const float *largest, int64_t batch_rows, struct backend_data **data,
                  struct spot_error *err);
int cpu_data_open64(struct backend *backend, int64_t rows, int32_t columns, const double *offset,
                    const float *largest, int64_t batch_rows, struct backend_data **data,
                    struct spot_error *err);
int cpu_data_put64(struct backend_data *data, int64_t first, int64_t rows, const double *values,
                   const int64_t *weights, const int32_t *counts, struct spot_error *err);
int cpu_data_put(struct backend_data *data, int64_t first, int64_t rows, const float *values,
                 const int64_t *weights, const int32_t *counts, struct spot_error *err);
int cpu_data_map(struct backend_data *data, int64_t rows, const int32_t *group_of_row, int scratch,
                 struct spot_error *err);
int cpu_data_moments(struct backend_data *data, const double *scale, struct column_moments *moments,
                     struct spot_error *err);
int32_t cpu_data_runs(struct backend_data *data, int32_t wanted, int64_t run_bytes);
void cpu_data_close(struct backend_data *data);

static inline float *data_block(const struct backend_data *data, int64_t block)
{
    return data->values + block * data->columns * BLOCK_ROWS;
}

/* NULL where the rows are float32. */
static inline double *data_wide(const struct backend_data *data, int64_t block)
{
    return data->wide == NULL ? NULL : data->wide + block * data->columns * BLOCK_ROWS;
}

static inline struct block_values data_values(const struct backend_data *data, int64_t block)
{
    return (struct block_values){data_block(data, block), data_wide(data, block)};
}

static inline int64_t row_weight(const struct backend_data *data, int64_t row)
{
    return data->weights == NULL ? 1 : data->weights[row];
}

static inline int64_t row_count(const struct backend_data *data, int64_t row)
{
    return data->counts == NULL ? 1 : data->counts[row];
}

/* Rows of a block that are data and not filling. */
static inline int32_t block_rows(const struct backend_data *data, int64_t block)
{
    int64_t left = data->rows - block * BLOCK_ROWS;
    return left < BLOCK_ROWS ? (int32_t)left : BLOCK_ROWS;
}

/* The table of KMeans: cpu_kmeans.c, with seeding in cpu_seed.c and scoring in cpu_assign.c. */
extern const struct backend_kmeans cpu_kmeans;

/* The table of mixtures: cpu_mixture.c, with scoring in cpu_mixture_score.c. */
extern const struct backend_mixture cpu_mixture;

/* The table of trees: cpu_trees.c. */
extern const struct backend_trees cpu_trees;

#endif
