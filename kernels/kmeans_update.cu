/* The end of a step on the device: counts what the pass did, moves the centres by the rule of
 * numerics/update.h and decides whether the run goes on, so that steps follow each other without
 * the host. One block: there are few centres, and the shift is a sum in a fixed order. */
#include "kernels/cuda_kmeans.h"
#include "numerics/update.h"

namespace
{

enum { UPDATE_THREADS = 256 };

struct update_work {
    int32_t k, columns, chunks, update, spherical;
    const double *offset, *scale; /* (columns) */
    const int128 *sums;           /* (k, columns + 2) */
    double *centres;              /* (k, columns) */
    double tolerance;
};

/* One thread adds up the chunks' counts and clears them for the next pass. */
__device__ void take_counts(cuda_kmeans_counters *counters, int32_t chunks,
                            cuda_kmeans_state *state)
{
    state->moved = state->near = 0;
    for (int32_t i = 0; i < chunks; i++) {
        state->moved += counters[i].moved;
        state->near += counters[i].near;
        counters[i].moved = counters[i].near = 0;
    }
    state->near_all += state->near;
    state->steps++;
}

/* What a centre's mean is divided by: 1, or its length where centres are given length one. */
__device__ double divisor(const update_work &work, const int128 *sums)
{
    quantiser q = {};
    if (work.spherical == 0) return 1.0;
    q.columns = work.columns;
    q.offset = work.offset;
    q.scale = work.scale;
    return mean_length(&q, sums, sums[work.columns]);
}

/* Moves all centres and returns the shift to thread 0: squares come from all threads, and are added
 * up by one in the order of update_centres(). */
__device__ double move_centres(const update_work &work, double (&squares)[UPDATE_THREADS])
{
    int32_t thread = (int32_t)threadIdx.x;
    int64_t cells = (int64_t)work.k * work.columns;
    double shift = 0.0;
    for (int64_t first = 0; first < cells; first += UPDATE_THREADS) {
        int64_t at = first + thread;
        if (at < cells) {
            int64_t c = at / work.columns, j = at % work.columns;
            const int128 *sums = work.sums + c * (work.columns + 2);
            double length = divisor(work, sums), centre = work.centres[at];
            if (length != 0.0) /* else the centre keeps its place */
                centre =
                    centre_from_sums(sums[j], sums[work.columns], work.offset[j], work.scale[j]) /
                    length;
            double difference = centre - work.centres[at];
            squares[thread] = difference * difference;
            work.centres[at] = centre;
        }
        __syncthreads();
        int64_t count = cells - first;
        if (count > UPDATE_THREADS) count = UPDATE_THREADS;
        for (int64_t i = 0; thread == 0 && i < count; i++)
            shift = shift + squares[i];
        __syncthreads(); /* before the next squares */
    }
    return shift;
}

__global__ __launch_bounds__(UPDATE_THREADS) void kmeans_update_kernel(
    update_work work, cuda_kmeans_counters *counters, cuda_kmeans_state *state)
{
    __shared__ double squares[UPDATE_THREADS];
    __shared__ int32_t ended, empty;
    int32_t thread = (int32_t)threadIdx.x;
    if (thread == 0) {
        ended = state->kind != KMEANS_STEPS;
        empty = 0;
    }
    __syncthreads();
    if (ended != 0) return;
    for (int32_t c = thread; work.update != 0 && c < work.k; c += UPDATE_THREADS)
        if (int128_is_zero(work.sums[(int64_t)c * (work.columns + 2) + work.columns]))
            atomicOr(&empty, 1);
    if (thread == 0) take_counts(counters, work.chunks, state);
    __syncthreads();
    if (work.update == 0) return;
    if (empty != 0) {
        if (thread == 0) state->kind = KMEANS_EMPTY;
        return;
    }
    double shift = move_centres(work, squares);
    if (thread > 0) return;
    state->shift = shift;
    if (state->moved == 0)
        state->kind = KMEANS_STABLE;
    else if (shift <= work.tolerance)
        state->kind = KMEANS_SHIFT;
}

} // namespace

int cuda_kmeans_update(struct kmeans_run *run, double tolerance, int32_t update,
                       struct spot_error *err)
{
    int status = SPOT_OK;
    const struct cuda_rows *rows = &run->data->rows;
    struct update_work work = {run->k,     rows->columns,  (int32_t)cuda_chunks(*rows),
                               update,     run->spherical, rows->offset,
                               run->scale, run->sums,      run->centres,
                               tolerance};
    CUDA_LAUNCH(kmeans_update_kernel, 1, UPDATE_THREADS, 0, run->data->backend->stream, work,
                run->counters, run->state);
    CUDA_TRY(cudaGetLastError(), "KMeans: moving the centres");
out:
    return status;
}
