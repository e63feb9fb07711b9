/* What the kernels that give rows their labels share: near ties go into a list, rows whose label
 * changed into the sums, both without a wait between blocks. */
#ifndef SPOT_KERNELS_KMEANS_ROWS_CUH
#define SPOT_KERNELS_KMEANS_ROWS_CUH

#include "kernels/kmeans_assign.h"
#include "kernels/launch.cuh"
#include "kernels/sums.cuh"
#include "numerics/quantiser.h"

namespace
{

enum { WARP = 32 };

__device__ bool has_ended(const cuda_kmeans_pass &pass)
{
    return pass.ended != nullptr && *pass.ended != 0;
}

/* ---- Sums of the rows that moved ------------------------------------------------------------ */

/* Block-private sums in shared memory, or straight to the global ones where limbs is 0. */
struct accumulator {
    uint32_t *block; /* (k, columns + 2, limbs) */
    int32_t limbs;
};

__device__ void add_term(const cuda_kmeans_pass &pass, accumulator to, int32_t cluster,
                         int32_t entry, int128 term)
{
    int64_t at = (int64_t)cluster * (pass.columns + 2) + entry;
    if (to.limbs > 0)
        add_to_limbs(to.block + at * to.limbs, to.limbs, term);
    else
        add_to_global(pass.sums + at, term);
}

/* Takes a term from the old cluster, if there was one, and gives it to the new one. */
__device__ void move_term(const cuda_kmeans_pass &pass, accumulator to, int32_t old, int32_t label,
                          int32_t entry, int128 term)
{
    add_term(pass, to, label, entry, term);
    if (old >= 0) add_term(pass, to, old, entry, int128_negate(term));
}

__device__ int64_t row_weight(const cuda_kmeans_rows &batch, int64_t row)
{
    return batch.weights != nullptr ? batch.weights[row] : 1;
}

__device__ int64_t row_count(const cuda_kmeans_rows &batch, int64_t row)
{
    return batch.counts != nullptr ? batch.counts[row] : 1;
}

/* One of the columns + 2 terms that a row adds to its cluster. */
__device__ int128 term_of(const cuda_kmeans_pass &pass, int64_t row, int32_t entry)
{
    const cuda_kmeans_rows &batch = pass.batch;
    int64_t weight = row_weight(batch, row), count = row_count(batch, row);
    if (entry > pass.columns) return int128_from(count);
    if (entry == pass.columns) return int128_multiply(weight, count);
    int64_t q = quantise((double)batch.x[entry * batch.stride + row], pass.scale[entry]);
    if (!pass.wide) return int128_from(weight * count * q);
    int128 size = int128_times(int128_multiply(weight, count), q < 0 ? -q : q);
    return q < 0 ? int128_negate(size) : size;
}

/* ---- Labels --------------------------------------------------------------------------------- */

__device__ int32_t old_label(const cuda_kmeans_rows &batch, int64_t row)
{
    if (batch.fresh) return -1;
    return batch.labels8 != nullptr ? batch.labels8[row] : batch.labels32[row];
}

__device__ void set_label(const cuda_kmeans_rows &batch, int64_t row, int32_t label)
{
    if (batch.labels8 != nullptr)
        batch.labels8[row] = (uint8_t)label;
    else
        batch.labels32[row] = label;
}

/* Gives a row its label. Returns how many original rows moved. Lanes of a warp may share the row,
 * each taking every `step`-th term. The row is read again: it is in a cache, and registers are
 * dearer. */
__device__ int64_t relabel(const cuda_kmeans_pass &pass, accumulator to, int64_t row, int32_t old,
                           int32_t label, int32_t lane = 0, int32_t step = 1)
{
    if (old == label) return 0;
    if (lane == 0) set_label(pass.batch, row, label);
    if (pass.sums != nullptr) {
#pragma unroll 1
        for (int32_t e = lane; e < pass.columns + 2; e += step)
            move_term(pass, to, old, label, e, term_of(pass, row, e));
    }
    return lane == 0 ? row_count(pass.batch, row) : 0;
}

/* Adds up a warp's counts; one atomic for the warp. Every lane calls it. */
__device__ void count_moved(cuda_kmeans_counters *counters, int64_t moved)
{
    long long sum = moved;
    for (uint32_t step = WARP / 2; step > 0; step /= 2)
        sum += __shfl_down_sync(CUDA_WHOLE_WARP, sum, step);
    if (threadIdx.x % WARP == 0 && sum != 0) atomicAdd(&counters->moved, (unsigned long long)sum);
}

/* ---- Near ties ------------------------------------------------------------------------------ */

/* Not below the margin, NaN included: then the definition has to decide. */
__device__ bool within(float above, float best, float margin)
{
    return !(above - best > margin);
}

/* Puts the rows first + r, for the bits r of `near`, on the list. Every lane of a warp calls it. */
__device__ void list_near(const cuda_kmeans_pass &pass, int64_t first, uint32_t near)
{
    if (!__any_sync(CUDA_WHOLE_WARP, near != 0)) return;
    uint32_t lane = threadIdx.x % WARP;
    int32_t count = __popc(near), end = count;
    for (uint32_t step = 1; step < WARP; step *= 2) {
        int32_t below = __shfl_up_sync(CUDA_WHOLE_WARP, end, step);
        if (lane >= step) end += below;
    }
    unsigned long long start = 0;
    if (lane == WARP - 1) start = atomicAdd(&pass.counters->near, (unsigned long long)end);
    start = __shfl_sync(CUDA_WHOLE_WARP, start, WARP - 1);

    int64_t slot = (int64_t)start + end - count;
    for (; near != 0; near &= near - 1, slot++) {
        int32_t r = __ffs((int)near) - 1;
        if (slot < pass.near_capacity) pass.near[slot] = (int32_t)(first + r);
    }
}

/* The filter's score once more: the same operations in the same order, hence the same bits. */
__device__ float score_again(const cuda_kmeans_pass &pass, const float *centre, int64_t row)
{
    const cuda_kmeans_rows &batch = pass.batch;
    float score = centre[pass.columns];
    for (int32_t j = 0; j < pass.columns; j++)
        score = fmaf(centre[j], batch.x[j * batch.stride + row], score);
    return score;
}

} // namespace

#endif
