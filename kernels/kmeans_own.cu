/* Distances of rows to the centres of their own labels, by the definition: their integer sum, and
 * the rows farthest away. The farthest are found one after the other, each pass looking for the
 * first one behind the last found in a total order; they are wanted for empty clusters alone. */
#include <stdlib.h>

#include "kernels/cuda_kmeans.h"
#include "kernels/sums.cuh"
#include "numerics/distance.h"

namespace
{

enum { OWN_THREADS = 256, FAR_BLOCKS = 256 };

struct labelled_rows {
    cuda_rows rows;
    const uint8_t *labels8;
    const int32_t *labels32;
    const double *centres; /* (k, columns) */
};

__device__ double own_distance(const labelled_rows &from, int64_t row)
{
    int64_t stride;
    const float *x = cuda_row(from.rows, row, &stride);
    int32_t label = cuda_label(from.labels8, from.labels32, row);
    return squared_distance(x, stride, from.rows.offset,
                            from.centres + (int64_t)label * from.rows.columns, from.rows.columns);
}

__device__ int64_t first_row()
{
    return (int64_t)blockIdx.x * OWN_THREADS + threadIdx.x;
}

__device__ int64_t row_step()
{
    return (int64_t)gridDim.x * OWN_THREADS;
}

__global__ __launch_bounds__(OWN_THREADS) void inertia_kernel(labelled_rows from, double scale,
                                                              int128 *total)
{
    __shared__ uint32_t limbs[4];
    if (threadIdx.x < 4) limbs[threadIdx.x] = 0;
    __syncthreads();
    int128 sum = int128_from(0);
    for (int64_t row = first_row(); row < from.rows.rows; row += row_step()) {
        int64_t term = quantise(own_distance(from, row), scale);
        sum = int128_add(sum, int128_times(cuda_mass(from.rows, row), term));
    }
    add_to_limbs(limbs, 4, sum);
    __syncthreads();
    if (threadIdx.x == 0) add_to_global(total, read_limbs(limbs, 4));
}

__global__ __launch_bounds__(OWN_THREADS) void distances_kernel(labelled_rows from,
                                                                double *distances)
{
    for (int64_t row = first_row(); row < from.rows.rows; row += row_step())
        distances[row] = own_distance(from, row);
}

/* ---- The farthest --------------------------------------------------------------------------- */

/* Whether row a comes before row b when their distances are equal. */
__device__ bool row_before(const cuda_rows &rows, int64_t a, int64_t b)
{
    int64_t stride_a, stride_b;
    const float *x = cuda_row(rows, a, &stride_a), *y = cuda_row(rows, b, &stride_b);
    for (int32_t j = 0; j < rows.columns; j++)
        if (x[j * stride_a] != y[j * stride_b]) return x[j * stride_a] < y[j * stride_b];
    if (cuda_weight(rows, a) != cuda_weight(rows, b))
        return cuda_weight(rows, a) < cuda_weight(rows, b);
    return a < b;
}

/* The total order; row -1 is none, and behind all. */
__device__ bool farther(const cuda_rows &rows, kmeans_far a, kmeans_far b)
{
    if (a.row < 0 || b.row < 0) return b.row < 0 && a.row >= 0;
    if (a.distance != b.distance) return a.distance > b.distance;
    return row_before(rows, a.row, b.row);
}

/* The first of a block's candidates, for thread 0. */
__device__ kmeans_far first_of_block(const cuda_rows &rows, kmeans_far mine,
                                     kmeans_far (&all)[OWN_THREADS])
{
    all[threadIdx.x] = mine;
    for (uint32_t half = OWN_THREADS / 2; half > 0; half /= 2) {
        __syncthreads();
        if (threadIdx.x < half && farther(rows, all[threadIdx.x + half], all[threadIdx.x]))
            all[threadIdx.x] = all[threadIdx.x + half];
    }
    return threadIdx.x == 0 ? all[0] : mine;
}

/* A candidate of each block: the first row behind *after (row -1: behind none). */
__global__ __launch_bounds__(OWN_THREADS) void farthest_kernel(labelled_rows from,
                                                               const kmeans_far *after,
                                                               kmeans_far *candidates)
{
    __shared__ kmeans_far all[OWN_THREADS];
    kmeans_far best = {0.0, -1}, last = *after;
    for (int64_t row = first_row(); row < from.rows.rows; row += row_step()) {
        if (cuda_weight(from.rows, row) == 0) continue;
        kmeans_far candidate = {own_distance(from, row), row};
        if (last.row >= 0 && !farther(from.rows, last, candidate)) continue;
        if (farther(from.rows, candidate, best)) best = candidate;
    }
    best = first_of_block(from.rows, best, all);
    if (threadIdx.x == 0) candidates[blockIdx.x] = best;
}

/* The first of all blocks' candidates becomes *found. */
__global__ __launch_bounds__(OWN_THREADS) void first_kernel(cuda_rows rows,
                                                            const kmeans_far *candidates,
                                                            uint32_t count, kmeans_far *found)
{
    __shared__ kmeans_far all[OWN_THREADS];
    kmeans_far mine = {0.0, -1};
    for (uint32_t i = threadIdx.x; i < count; i += OWN_THREADS)
        if (farther(rows, candidates[i], mine)) mine = candidates[i];
    mine = first_of_block(rows, mine, all);
    if (threadIdx.x == 0) *found = mine;
}

struct labelled_rows labelled(const struct kmeans_run *run, const double *centres)
{
    struct labelled_rows from = {run->data->rows, run->labels8, run->labels32, centres};
    return from;
}

} // namespace

int cuda_kmeans_inertia(struct kmeans_run *run, struct int128 *inertia, struct spot_error *err)
{
    int status = SPOT_OK;
    struct backend *backend = run->data->backend;
    SPOT_TRY(cuda_enter(backend, err));
    CUDA_TRY(cudaMemsetAsync(run->total, 0, sizeof *run->total, backend->stream),
             "KMeans: clearing the inertia");
    CUDA_LAUNCH(inertia_kernel, cuda_grid(backend, run->data->rows.rows, OWN_THREADS), OWN_THREADS,
                0, backend->stream, labelled(run, run->centres), run->distance_scale, run->total);
    CUDA_TRY(cudaGetLastError(), "KMeans: adding up the inertia");
    SPOT_TRY(cuda_get(backend, inertia, run->total, sizeof *inertia,
                      "KMeans: adding up the inertia", err));
out:
    return status;
}

int cuda_kmeans_distances(struct kmeans_run *run, double *distances, struct spot_error *err)
{
    int status = SPOT_OK;
    struct backend *backend = run->data->backend;
    int64_t rows = run->data->rows.rows;
    double *there = nullptr;
    SPOT_TRY(cuda_alloc(&there, rows, "the rows' distances", err));
    CUDA_LAUNCH(distances_kernel, cuda_grid(backend, rows, OWN_THREADS), OWN_THREADS, 0,
                backend->stream, labelled(run, run->centres), there);
    CUDA_TRY(cudaGetLastError(), "KMeans: measuring distances");
    SPOT_TRY(cuda_get(backend, distances, there, (size_t)rows * sizeof *distances,
                      "KMeans: measuring distances", err));
out:
    (void)cudaFree(there);
    return status;
}

/* Room on the device: what was found (count + 1, from "none" on), then the blocks' candidates. */
static int find_farthest(struct kmeans_run *run, int32_t count, struct kmeans_far *found,
                         struct spot_error *err)
{
    int status = SPOT_OK;
    struct backend *backend = run->data->backend;
    struct kmeans_far *candidates = found + count + 1;
    const struct kmeans_far none = {0.0, -1};
    unsigned blocks = cuda_grid(backend, run->data->rows.rows, OWN_THREADS);
    if (blocks > FAR_BLOCKS) blocks = FAR_BLOCKS;
    SPOT_TRY(cuda_put(backend, found, &none, sizeof none, "KMeans: farthest rows", err));
    for (int32_t i = 0; i < count; i++) {
        CUDA_LAUNCH(farthest_kernel, blocks, OWN_THREADS, 0, backend->stream,
                    labelled(run, run->others), found + i, candidates);
        CUDA_TRY(cudaGetLastError(), "KMeans: looking for the farthest rows");
        CUDA_LAUNCH(first_kernel, 1, OWN_THREADS, 0, backend->stream, run->data->rows, candidates,
                    blocks, found + i + 1);
        CUDA_TRY(cudaGetLastError(), "KMeans: comparing the farthest rows");
    }
out:
    return status;
}

int cuda_kmeans_farthest(struct kmeans_run *run, const double *centres, int32_t count,
                         struct kmeans_far *far, int32_t *found, struct spot_error *err)
{
    int status = SPOT_OK;
    struct backend *backend = run->data->backend;
    struct kmeans_far *there = nullptr;
    size_t bytes = (size_t)run->k * (size_t)run->data->rows.columns * sizeof *centres;
    *found = 0;
    if ((int64_t)count > run->data->rows.rows) count = (int32_t)run->data->rows.rows;
    SPOT_TRY(cuda_enter(backend, err));
    SPOT_TRY(cuda_put(backend, run->others, centres, bytes, "KMeans: copying centres", err));
    SPOT_TRY(cuda_alloc(&there, (int64_t)count + 1 + FAR_BLOCKS, "the farthest rows", err));
    SPOT_TRY(find_farthest(run, count, there, err));
    SPOT_TRY(cuda_get(backend, far, there + 1, (size_t)count * sizeof *far,
                      "KMeans: looking for the farthest rows", err));
    while (*found < count && far[*found].row >= 0)
        (*found)++;
out:
    (void)cudaFree(there);
    return status;
}
