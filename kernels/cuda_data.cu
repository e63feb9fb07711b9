/* Rows on the device: they arrive row by row through two pinned buffers, one being filled while the
 * other is copied, and are turned into columns there; and the moments of every column. */
#include <stdlib.h>
#include <string.h>

#include "kernels/handles.h"
#include "kernels/sums.cuh"
#include "numerics/quantiser.h"

namespace
{

/* DATA_BLOCKS: on a multiprocessor, so that registers suffice. */
enum { DATA_THREADS = 256, DATA_BLOCKS = 4, LEAST_STAGE_ROWS = 64 };

const int64_t stage_bytes = 16 << 20;

/* ---- Kernels -------------------------------------------------------------------------------- */

/* Turns `count` rows, the first of which has the number `first`, into columns. */
__global__ __launch_bounds__(DATA_THREADS,
                             DATA_BLOCKS) void columns_kernel(cuda_rows rows, const float *from,
                                                              int64_t first, int64_t count)
{
    int64_t step = (int64_t)gridDim.x * DATA_THREADS;
    for (int64_t i = (int64_t)blockIdx.x * DATA_THREADS + threadIdx.x; i < count; i += step) {
        int64_t stride;
        float *to = cuda_row(rows, first + i, &stride);
        for (int32_t j = 0; j < rows.columns; j++)
            to[j * stride] = from[i * rows.columns + j] - (float)rows.offset[j];
    }
}

/* Adds up a thread's part of one column. */
__device__ void add_column(const cuda_rows &rows, double scale, int32_t j, uint32_t (&limbs)[4][4])
{
    int128 sum = int128_from(0), squares = int128_from(0);
    int64_t nonzero = 0, vanished = 0, step = (int64_t)gridDim.x * DATA_THREADS;
    int64_t row = (int64_t)blockIdx.x * DATA_THREADS + threadIdx.x;
    for (; row < rows.rows; row += step) {
        int64_t stride, count = rows.counts != nullptr ? rows.counts[row] : 1;
        const float *at = cuda_row(rows, row, &stride);
        float x = at[j * stride];
        int64_t r = quantise((double)x, scale);
        sum = int128_add(sum, int128_multiply(r, count));
        squares = int128_add(squares, int128_multiply(r * r, count));
        nonzero += x != 0.0f ? count : 0;
        vanished += x != 0.0f && r == 0 ? count : 0;
    }
    add_to_limbs(limbs[0], 4, sum);
    add_to_limbs(limbs[1], 4, squares);
    add_to_limbs(limbs[2], 2, int128_from(nonzero));
    add_to_limbs(limbs[3], 2, int128_from(vanished));
}

/* Every block takes its share of the rows, column by column. */
__global__ __launch_bounds__(DATA_THREADS) void moments_kernel(cuda_rows rows, const double *scale,
                                                               column_moments *moments)
{
    __shared__ uint32_t limbs[4][4]; /* sum, squares, nonzero, vanished */
    int32_t thread = (int32_t)threadIdx.x;
    for (int32_t j = 0; j < rows.columns; j++) {
        if (thread < 16) limbs[thread / 4][thread % 4] = 0;
        __syncthreads();
        add_column(rows, scale[j], j, limbs);
        __syncthreads();
        if (thread == 0) {
            add_to_global(&moments[j].sum, read_limbs(limbs[0], 4));
            add_to_global(&moments[j].squares, read_limbs(limbs[1], 4));
            atomicAdd((unsigned long long *)&moments[j].nonzero, read_limbs(limbs[2], 2).low);
            atomicAdd((unsigned long long *)&moments[j].vanished, read_limbs(limbs[3], 2).low);
        }
        __syncthreads(); /* before the limbs are cleared */
    }
}

/* ---- Opening and closing -------------------------------------------------------------------- */

void close_stages(struct backend_data *data)
{
    for (struct cuda_stage &stage : data->stages) {
        (void)cudaFreeHost(stage.host);
        (void)cudaFree(stage.device);
        if (stage.free != nullptr) (void)cudaEventDestroy(stage.free);
        memset(&stage, 0, sizeof stage);
    }
}

/* Buffers for data->stage_rows rows. */
int make_stages(struct backend_data *data, struct spot_error *err)
{
    int status = SPOT_OK;
    const int64_t floats = data->stage_rows * data->rows.columns;
    for (struct cuda_stage &stage : data->stages) {
        CUDA_TRY(cudaMallocHost(&stage.host, (size_t)floats * sizeof(float)),
                 "pinning a buffer for rows");
        SPOT_TRY(cuda_alloc(&stage.device, floats, "rows that arrive", err));
        CUDA_TRY(cudaEventCreateWithFlags(&stage.free, cudaEventDisableTiming), "opening an event");
    }
out:
    return status;
}

/* Smaller buffers where there is no room for these. */
int open_stages(struct backend_data *data, struct spot_error *err)
{
    data->stage_rows = stage_bytes / ((int64_t)sizeof(float) * data->rows.columns);
    if (data->stage_rows > data->rows.rows) data->stage_rows = data->rows.rows;
    if (data->stage_rows < 1) data->stage_rows = 1;
    for (;;) {
        int status = make_stages(data, err);
        if (status == SPOT_OK) return status;
        close_stages(data);
        if (status != SPOT_ENOMEM || data->stage_rows <= LEAST_STAGE_ROWS) return status;
        data->stage_rows /= 2;
    }
}

/* ---- Putting rows --------------------------------------------------------------------------- */

struct copy_job {
    char *to;
    const char *from;
    size_t bytes;
};

const size_t copy_bytes = 1 << 20;

void copy_task(void *arg, int64_t task, int worker)
{
    const struct copy_job *job = (const struct copy_job *)arg;
    (void)worker;
    size_t first = (size_t)task * copy_bytes;
    size_t bytes = job->bytes - first < copy_bytes ? job->bytes - first : copy_bytes;
    memcpy(job->to + first, job->from + first, bytes);
}

/* Rows that fit into one buffer. */
int put_piece(struct backend_data *data, struct cuda_stage *stage, int64_t first, int64_t rows,
              const float *values, struct spot_error *err)
{
    int status = SPOT_OK;
    struct backend *backend = data->backend;
    size_t bytes = (size_t)(rows * data->rows.columns) * sizeof *values;
    struct copy_job job = {(char *)stage->host, (const char *)values, bytes};
    int64_t tasks = (int64_t)((bytes + copy_bytes - 1) / copy_bytes);
    CUDA_TRY(cudaEventSynchronize(stage->free), "waiting for a buffer");
    backend->host.parallel(backend->host.parallel_arg, tasks, copy_task, &job);
    CUDA_TRY(
        cudaMemcpyAsync(stage->device, stage->host, bytes, cudaMemcpyHostToDevice, backend->stream),
        "copying rows to the device");
    CUDA_LAUNCH(columns_kernel, cuda_grid(backend, rows, DATA_THREADS), DATA_THREADS, 0,
                backend->stream, data->rows, stage->device, first, rows);
    CUDA_TRY(cudaGetLastError(), "turning rows into columns");
    CUDA_TRY(cudaEventRecord(stage->free, backend->stream), "marking a buffer");
out:
    return status;
}

/* A per-row array that came with a batch; the device's is made when the first one arrives. */
template <class T>
int put_array(struct backend_data *data, T **array, int64_t first, int64_t rows, const T *values,
              struct spot_error *err)
{
    int status = SPOT_OK;
    if (values == NULL) return SPOT_OK;
    if (*array == nullptr) SPOT_TRY(cuda_alloc(array, data->rows.rows, "the rows' weights", err));
    SPOT_TRY(cuda_put(data->backend, *array + first, values, (size_t)rows * sizeof *values,
                      "copying weights to the device", err));
out:
    return status;
}

void note_mass(struct backend_data *data, int64_t rows, const int64_t *weights,
               const int32_t *counts)
{
    for (int64_t i = 0; i < rows; i++) {
        double mass = (weights != NULL ? (double)weights[i] : 1.0) *
                      (counts != NULL ? (double)counts[i] : 1.0) * 1.0001;
        if (mass > data->most_mass) data->most_mass = mass;
    }
}

} // namespace

void cuda_data_close(struct backend_data *data)
{
    if (data == NULL) return;
    if (cuda_enter(data->backend, NULL) == SPOT_OK) {
        (void)cudaStreamSynchronize(data->backend->stream);
        close_stages(data);
        cuda_rows_close(data);
        (void)cudaFree(data->rows.offset);
        (void)cudaFree(data->rows.weights);
        (void)cudaFree(data->rows.counts);
        (void)cudaFree(data->rows.group_of_row);
        (void)cudaFree(data->largest);
    }
    free(data);
}

int cuda_data_open(struct backend *backend, int64_t rows, int32_t columns, const double *offset,
                   const float *largest, int64_t batch_rows, struct backend_data **out,
                   struct spot_error *err)
{
    int status = SPOT_OK;
    double *wide = NULL;
    *out = NULL;
    struct backend_data *data = (struct backend_data *)calloc(1, sizeof *data);
    if (data == NULL) return spot_fail_memory(err, "the data handle");
    data->backend = backend;
    data->rows.rows = data->rows.original_rows = rows;
    data->rows.columns = columns;
    data->most_mass = 1.0;
    SPOT_TRY(cuda_enter(backend, err));
    wide = (double *)malloc((size_t)columns * sizeof *wide);
    if (wide == NULL) {
        status = spot_fail_memory(err, "the rows");
        goto out;
    }
    for (int32_t j = 0; j < columns; j++)
        wide[j] = (double)largest[j];
    SPOT_TRY(cuda_rows_open(data, batch_rows, err));
    SPOT_TRY(cuda_alloc(&data->rows.offset, columns, "the columns' offsets", err));
    SPOT_TRY(cuda_alloc(&data->largest, columns, "the columns' ranges", err));
    SPOT_TRY(cuda_put(backend, data->rows.offset, offset, (size_t)columns * sizeof *offset,
                      "copying the columns' offsets", err));
    SPOT_TRY(cuda_put(backend, data->largest, wide, (size_t)columns * sizeof *wide,
                      "copying the columns' ranges", err));
    SPOT_TRY(cuda_wait(backend, "copying the columns' ranges", err));
out:
    free(wide);
    if (status < 0) {
        cuda_data_close(data);
        data = NULL;
    }
    *out = data;
    return status;
}

int cuda_data_put(struct backend_data *data, int64_t first, int64_t rows, const float *values,
                  const int64_t *weights, const int32_t *counts, struct spot_error *err)
{
    int status = SPOT_OK, turn = 0;
    if (rows == 0) return SPOT_OK;
    SPOT_TRY(cuda_enter(data->backend, err));
    if (data->stages[0].host == NULL) SPOT_TRY(open_stages(data, err));
    SPOT_TRY(put_array(data, &data->rows.weights, first, rows, weights, err));
    SPOT_TRY(put_array(data, &data->rows.counts, first, rows, counts, err));
    if (weights != NULL || counts != NULL) note_mass(data, rows, weights, counts);
    for (int64_t done = 0, count; done < rows; done += count, turn ^= 1) {
        count = rows - done < data->stage_rows ? rows - done : data->stage_rows;
        SPOT_TRY(put_piece(data, &data->stages[turn], first + done, count,
                           values + done * data->rows.columns, err));
    }
    if (first + rows < data->rows.rows) goto out;
    SPOT_TRY(cuda_wait(data->backend, "copying rows to the device", err));
    close_stages(data);
out:
    return status;
}

int cuda_data_map(struct backend_data *data, int64_t rows, const int32_t *group_of_row, int scratch,
                  struct spot_error *err)
{
    int status = SPOT_OK;
    (void)scratch; /* copied */
    SPOT_TRY(cuda_enter(data->backend, err));
    (void)cudaFree(data->rows.group_of_row);
    SPOT_TRY(cuda_alloc(&data->rows.group_of_row, rows, "the map of equal rows", err));
    SPOT_TRY(cuda_put(data->backend, data->rows.group_of_row, group_of_row,
                      (size_t)rows * sizeof *group_of_row, "copying the map of equal rows", err));
    data->rows.original_rows = rows;
out:
    return status;
}

int cuda_data_moments(struct backend_data *data, const double *scale,
                      struct column_moments *moments, struct spot_error *err)
{
    int status = SPOT_OK;
    struct backend *backend = data->backend;
    int32_t columns = data->rows.columns;
    double *scale_there = nullptr;
    struct column_moments *moments_there = nullptr;
    size_t bytes = (size_t)columns * sizeof *moments;
    SPOT_TRY(cuda_enter(backend, err));
    SPOT_TRY(cuda_alloc(&scale_there, columns, "the columns' scales", err));
    SPOT_TRY(cuda_alloc(&moments_there, columns, "the columns' moments", err));
    SPOT_TRY(cuda_put(backend, scale_there, scale, (size_t)columns * sizeof *scale,
                      "copying the columns' scales", err));
    CUDA_TRY(cudaMemsetAsync(moments_there, 0, bytes, backend->stream), "clearing the moments");
    CUDA_LAUNCH(moments_kernel, cuda_grid(backend, data->rows.rows, DATA_THREADS), DATA_THREADS, 0,
                backend->stream, data->rows, scale_there, moments_there);
    CUDA_TRY(cudaGetLastError(), "adding up the moments");
    SPOT_TRY(cuda_get(backend, moments, moments_there, bytes, "adding up the moments", err));
out:
    (void)cudaFree(scale_there);
    (void)cudaFree(moments_there);
    return status;
}
