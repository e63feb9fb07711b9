/* The CUDA backend's handles, shared by its files. Work goes to one stream of the backend in order;
 * whoever needs a result waits for the stream. */
#ifndef SPOT_KERNELS_HANDLES_H
#define SPOT_KERNELS_HANDLES_H

#include <cuda_runtime.h>

#include "backend/backend.h"
#include "kernels/kmeans_assign.h"
#include "kernels/launch.cuh"

struct backend {
    struct backend_host host;
    int device;
    struct cuda_limits limits;
    cudaStream_t stream;
    char description[256];
};

/* Rows as kernels see them: chunks of (columns, stride), one behind the other, so that neighbouring
 * rows of a column lie side by side. Those that have no room on the device are in pinned memory of
 * the host, which kernels can read (cuda_room.cu). */
struct cuda_rows {
    int64_t rows;
    int32_t columns;
    int32_t chunk_bits; /* 2^chunk_bits rows in every chunk but the last, at least CUDA_ROW_PADDING
                           and below 2^31 */
    int64_t resident;   /* rows on the device: all, or whole chunks */
    float *x;           /* of these, without offset */
    float *host_x;      /* of the others */
    double *offset;     /* (columns) */
    int64_t *weights;   /* (rows) of one original row, or NULL for 1 */
    int32_t *counts;    /* (rows) original rows each stands for, or NULL for 1 */
    int64_t original_rows; /* rows that draws walk over */
    int32_t *group_of_row; /* (original_rows) or NULL: each is a row of its own */
};

/* A pinned buffer through which rows reach the device, and where they arrive. */
struct cuda_stage {
    float *host, *device;
    cudaEvent_t free; /* the copy and the kernel that read from it are done */
};

/* Room on the device for a chunk that comes for a pass. */
struct cuda_slot {
    float *x;
    cudaEvent_t ready, used; /* it has come; what was to be done with it is done */
};

struct backend_data {
    struct backend *backend;
    struct cuda_rows rows;
    double *largest;  /* (columns), on the device */
    double most_mass; /* largest weight * count of a row, rounded up */
    int64_t stage_rows;
    struct cuda_stage stages[2]; /* while rows are put */
    struct cuda_slot slots[2];   /* where not all rows are resident */
    int turn;                    /* the slot that comes next */
    cudaStream_t copies;         /* fills slots */
};

#define CUDA_INLINE static __host__ __device__ inline

CUDA_INLINE int64_t cuda_padded(int64_t rows)
{
    return (rows + CUDA_ROW_PADDING - 1) / CUDA_ROW_PADDING * CUDA_ROW_PADDING;
}

CUDA_INLINE int64_t cuda_chunk(const struct cuda_rows &rows)
{
    return (int64_t)1 << rows.chunk_bits;
}

/* Rows of the chunk that begins at row `first`. */
CUDA_INLINE int64_t cuda_chunk_rows(const struct cuda_rows &rows, int64_t first)
{
    return rows.rows - first < cuda_chunk(rows) ? rows.rows - first : cuda_chunk(rows);
}

/* How many chunks there are. */
CUDA_INLINE int64_t cuda_chunks(const struct cuda_rows &rows)
{
    return (rows.rows + cuda_chunk(rows) - 1) >> rows.chunk_bits;
}

/* The first value of a row; those of the other columns follow at *stride. */
CUDA_INLINE float *cuda_row(const struct cuda_rows &rows, int64_t row, int64_t *stride)
{
    int64_t first = row >> rows.chunk_bits << rows.chunk_bits;
    *stride = cuda_padded(cuda_chunk_rows(rows, first));
    float *chunk = first < rows.resident ? rows.x + first * rows.columns
                                         : rows.host_x + (first - rows.resident) * rows.columns;
    return chunk + (row - first);
}

CUDA_INLINE int64_t cuda_weight(const struct cuda_rows &rows, int64_t row)
{
    return rows.weights != nullptr ? rows.weights[row] : 1;
}

/* What a row adds to any sum: weight times count. */
CUDA_INLINE struct int128 cuda_mass(const struct cuda_rows &rows, int64_t row)
{
    return int128_multiply(cuda_weight(rows, row), rows.counts != nullptr ? rows.counts[row] : 1);
}

/* ---- Memory and copies (cuda_backend.cu) ---------------------------------------------------- */

/* Device memory for `count` things; says what for, and how much is left, when there is none. */
int cuda_alloc_bytes(void **at, int64_t count, size_t size, const char *what,
                     struct spot_error *err);

template <class T> int cuda_alloc(T **at, int64_t count, const char *what, struct spot_error *err)
{
    return cuda_alloc_bytes((void **)at, count, sizeof **at, what, err);
}

/* Every call of the contract begins with it: threads have a current device of their own. */
int cuda_enter(const struct backend *backend, struct spot_error *err);

/* Host to device behind the work so far; `from` may be reused after the call. */
int cuda_put(const struct backend *backend, void *to, const void *from, size_t bytes,
             const char *doing, struct spot_error *err);
/* Device to host, after all work so far. Errors of kernels surface here. */
int cuda_get(const struct backend *backend, void *to, const void *from, size_t bytes,
             const char *doing, struct spot_error *err);
int cuda_wait(const struct backend *backend, const char *doing, struct spot_error *err);

/* Blocks of `threads` for so many items, at most a few for each multiprocessor. */
unsigned cuda_grid(const struct backend *backend, int64_t items, int threads);

/* ---- Room for rows (cuda_room.cu) ----------------------------------------------------------- */

/* Room for rows.rows rows: chunks and places. Close after a failure too. */
int cuda_rows_open(struct backend_data *data, int64_t batch_rows, struct spot_error *err);
void cuda_rows_close(struct backend_data *data);

/* The chunk that begins at row `first`, on the device once the backend's stream comes to it. When
 * the work on it has been put on that stream, cuda_chunk_used() says so. */
int cuda_chunk_ready(struct backend_data *data, int64_t first, const float **x,
                     struct spot_error *err);
int cuda_chunk_used(struct backend_data *data, int64_t first, struct spot_error *err);

/* ---- Rows (cuda_data.cu) -------------------------------------------------------------------- */

int cuda_data_open(struct backend *backend, int64_t rows, int32_t columns, const double *offset,
                   const float *largest, int64_t batch_rows, struct backend_data **data,
                   struct spot_error *err);
int cuda_data_put(struct backend_data *data, int64_t first, int64_t rows, const float *values,
                  const int64_t *weights, const int32_t *counts, struct spot_error *err);
int cuda_data_map(struct backend_data *data, int64_t rows, const int32_t *group_of_row, int scratch,
                  struct spot_error *err);
int cuda_data_moments(struct backend_data *data, const double *scale,
                      struct column_moments *moments, struct spot_error *err);
void cuda_data_close(struct backend_data *data);

extern const struct backend_kmeans cuda_kmeans;
extern const struct backend_mixture cuda_mixture;
extern const struct backend_trees cuda_trees;

#endif
