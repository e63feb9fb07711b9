/* Nearest centres for few columns, limited by memory bandwidth: a thread holds two or four rows in
 * registers and walks the centres in shared memory; no n x k matrix exists. Scores are float32; a
 * row whose two smallest are within the margin goes into a list, and a second kernel decides it by
 * the definition in numerics/distance.h. The result therefore has no rounding of the filter in it.
 */
#include "kernels/kmeans_assign.h"

#include "kernels/launch.cuh"
#include "kernels/sums.cuh"
#include "numerics/distance.h"
#include "numerics/margin.h"
#include "numerics/quantiser.h"

namespace
{

enum { WARP = 32, ASSIGN_THREADS = 256, DECIDE_THREADS = 128, PACK_THREADS = 256 };

/* Rows of a thread, and blocks that share a multiprocessor: as many as its registers hold without
 * spilling. */
template <int D> constexpr int rows_of_thread = D <= 8 ? 4 : 2;
template <int D> [[maybe_unused]] constexpr int blocks_of_processor = D <= 3 ? 4 : D <= 7 ? 3 : 2;
template <int D> constexpr int packed_floats = (D + 1 + 3) / 4 * 4;

template <int D> struct alignas(16) packed_centre {
    float value[packed_floats<D>]; /* D negated coordinates, half the squared norm, padding */
};

template <class T, int N> struct alignas(N * sizeof(T)) pack {
    T value[N];
};

/* The best and second best score of N rows. */
template <int N> struct nearest {
    float best[N], second[N];
    int32_t label[N];
};

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

__device__ int32_t old_label(const cuda_kmeans_rows &batch, int64_t row)
{
    if (batch.fresh) return -1;
    return batch.labels8 != nullptr ? batch.labels8[row] : batch.labels32[row];
}

/* Gives a row its label. Returns how many original rows moved. The row is read again: it is in a
 * cache, and registers are dearer. */
__device__ int64_t relabel(const cuda_kmeans_pass &pass, accumulator to, int64_t row, int32_t old,
                           int32_t label)
{
    const cuda_kmeans_rows &batch = pass.batch;
    if (old == label) return 0;
    if (batch.labels8 != nullptr)
        batch.labels8[row] = (uint8_t)label;
    else
        batch.labels32[row] = label;

    int64_t weight = batch.weights != nullptr ? batch.weights[row] : 1;
    int64_t count = batch.counts != nullptr ? batch.counts[row] : 1;
#pragma unroll 1
    for (int32_t j = 0; j < pass.columns; j++) {
        int64_t q = quantise((double)batch.x[j * batch.stride + row], pass.scale[j]);
        int128 term = pass.wide ? int128_multiply(weight, q) : int128_from(weight * q);
        move_term(pass, to, old, label, j, term);
    }
    move_term(pass, to, old, label, pass.columns, int128_from(weight));
    move_term(pass, to, old, label, pass.columns + 1, int128_from(count));
    return count;
}

/* Adds up a warp's counts; one atomic for the warp. Every lane calls it. */
__device__ void count_moved(cuda_kmeans_counters *counters, int64_t moved)
{
    long long sum = moved;
    for (uint32_t step = WARP / 2; step > 0; step /= 2)
        sum += __shfl_down_sync(CUDA_WHOLE_WARP, sum, step);
    if (threadIdx.x % WARP == 0 && sum != 0) atomicAdd(&counters->moved, (unsigned long long)sum);
}

/* ---- The filter ----------------------------------------------------------------------------- */

/* Not below the margin, NaN included: then the definition has to decide. */
__device__ bool within(float above, float best, float margin)
{
    return !(above - best > margin);
}

template <int D, int N>
__device__ nearest<N> filter_rows(const packed_centre<D> *centres, int32_t k,
                                  const pack<float, N> (&x)[D])
{
    nearest<N> found;
    for (int32_t r = 0; r < N; r++) {
        found.best[r] = found.second[r] = INFINITY;
        found.label[r] = 0;
    }
    for (int32_t c = 0; c < k; c++) {
        packed_centre<D> centre = centres[c];
#pragma unroll
        for (int32_t r = 0; r < N; r++) {
            float score = centre.value[D];
#pragma unroll
            for (int32_t j = 0; j < D; j++)
                score = fmaf(centre.value[j], x[j].value[r], score);
            found.second[r] = fminf(found.second[r], fmaxf(score, found.best[r]));
            if (score < found.best[r]) {
                found.best[r] = score;
                found.label[r] = c;
            }
        }
    }
    return found;
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

/* The labels of N rows before this pass. */
template <int N>
__device__ void old_labels(const cuda_kmeans_rows &batch, int64_t first, int32_t (&old)[N])
{
    if (batch.fresh) {
        for (int32_t r = 0; r < N; r++)
            old[r] = -1;
    } else if (batch.labels8 != nullptr) {
        pack<uint8_t, N> narrow = *(const pack<uint8_t, N> *)(batch.labels8 + first);
        for (int32_t r = 0; r < N; r++)
            old[r] = narrow.value[r];
    } else {
        pack<int32_t, N> wide = *(const pack<int32_t, N> *)(batch.labels32 + first);
        for (int32_t r = 0; r < N; r++)
            old[r] = wide.value[r];
    }
}

/* The rows of one thread from `first` on. Lanes past the end come along for the warp's sake. */
template <int D>
__device__ int64_t assign_rows(const cuda_kmeans_pass &pass, const packed_centre<D> *centres,
                               accumulator to, float margin, int64_t first)
{
    constexpr int N = rows_of_thread<D>;
    const cuda_kmeans_rows &batch = pass.batch;
    int32_t mine = (int32_t)(batch.rows - first < N ? batch.rows - first : N);
    uint32_t near = 0;
    int64_t moved = 0;
    if (mine > 0) {
        pack<float, N> x[D];
#pragma unroll
        for (int32_t j = 0; j < D; j++)
            x[j] = *(const pack<float, N> *)(batch.x + j * batch.stride + first);
        int32_t old[N];
        old_labels<N>(batch, first, old);
        nearest<N> found = filter_rows<D, N>(centres, pass.k, x);
#pragma unroll
        for (int32_t r = 0; r < N; r++) {
            if (r >= mine) continue;
            if (within(found.second[r], found.best[r], margin))
                near |= 1u << r;
            else
                moved += relabel(pass, to, first + r, old[r], found.label[r]);
        }
    }
    list_near(pass, first, near);
    return moved;
}

template <int D>
__global__ __launch_bounds__(ASSIGN_THREADS, blocks_of_processor<D>) void kmeans_assign_kernel(
    cuda_kmeans_pass pass, int32_t limbs)
{
    CUDA_DYNAMIC_SHARED(shared);
    packed_centre<D> *centres = (packed_centre<D> *)shared;
    accumulator to = {(uint32_t *)(centres + pass.k), limbs};
    int32_t entries = pass.k * (pass.columns + 2);
    int32_t thread = (int32_t)threadIdx.x;

    const packed_centre<D> *packed = (const packed_centre<D> *)pass.filter.packed;
    for (int32_t c = thread; c < pass.k; c += ASSIGN_THREADS)
        centres[c] = packed[c];
    for (int32_t e = thread; e < entries * limbs; e += ASSIGN_THREADS)
        to.block[e] = 0;
    float margin = *pass.filter.margin;
    __syncthreads();

    constexpr int64_t tile = rows_of_thread<D> * ASSIGN_THREADS;
    int64_t moved = 0;
    for (int64_t base = blockIdx.x * tile; base < pass.batch.rows; base += gridDim.x * tile) {
        int64_t first = base + thread * rows_of_thread<D>;
        moved += assign_rows<D>(pass, centres, to, margin, first);
    }
    count_moved(pass.counters, moved);

    if (limbs == 0) return;
    __syncthreads();
    for (int32_t e = thread; e < entries; e += ASSIGN_THREADS)
        add_to_global(pass.sums + e, read_limbs(to.block + e * limbs, limbs));
}

/* ---- The definition ------------------------------------------------------------------------- */

/* The filter's score once more: the same operations in the same order, hence the same bits. */
__device__ float score_again(const cuda_kmeans_pass &pass, const float *centre, int64_t row)
{
    const cuda_kmeans_rows &batch = pass.batch;
    float score = centre[pass.columns];
    for (int32_t j = 0; j < pass.columns; j++)
        score = fmaf(centre[j], batch.x[j * batch.stride + row], score);
    return score;
}

/* The label by the definition, asked only of the centres within the margin (float64 is slow on most
 * cards); -1 when the filter was sure. */
__device__ int32_t decide_row(const cuda_kmeans_pass &pass, int32_t packed_stride, int64_t row)
{
    float margin = *pass.filter.margin, best = INFINITY, second = INFINITY;
    for (int32_t c = 0; c < pass.k; c++) {
        float score = score_again(pass, pass.filter.packed + (int64_t)c * packed_stride, row);
        second = fminf(second, fmaxf(score, best));
        best = score < best ? score : best;
    }
    if (!within(second, best, margin)) return -1;

    double smallest = INFINITY;
    int32_t label = 0;
    for (int32_t c = 0; c < pass.k; c++) {
        float score = score_again(pass, pass.filter.packed + (int64_t)c * packed_stride, row);
        if (!within(score, best, margin)) continue;
        const double *centre = pass.centres + (int64_t)c * pass.columns;
        double d2 = squared_distance(pass.batch.x + row, pass.batch.stride, pass.offset, centre,
                                     pass.columns);
        if (d2 < smallest) {
            smallest = d2;
            label = c;
        }
    }
    return label;
}

/* Rows on the list, or all rows when it was too short for them. */
__global__ __launch_bounds__(DECIDE_THREADS) void kmeans_decide_kernel(cuda_kmeans_pass pass,
                                                                       int32_t packed_stride)
{
    int64_t near = (int64_t)pass.counters->near;
    bool listed = near <= pass.near_capacity;
    int64_t rows = listed ? near : pass.batch.rows, moved = 0;
    int64_t step = (int64_t)gridDim.x * DECIDE_THREADS;
    for (int64_t i = (int64_t)blockIdx.x * DECIDE_THREADS + threadIdx.x; i < rows; i += step) {
        int64_t row = listed ? pass.near[i] : i;
        int32_t label = decide_row(pass, packed_stride, row);
        accumulator global = {nullptr, 0};
        if (label >= 0) moved += relabel(pass, global, row, old_label(pass.batch, row), label);
    }
    count_moved(pass.counters, moved);
}

/* ---- Centres for the filter ----------------------------------------------------------------- */

/* One block: a thread packs every PACK_THREADS-th centre, then the first thread finds the margin
 * from the largest coordinates. */
__global__ __launch_bounds__(PACK_THREADS) void kmeans_pack_kernel(
    const double *centres, const double *offset, const double *largest, int32_t k, int32_t columns,
    int32_t packed_stride, cuda_kmeans_filter filter)
{
    __shared__ double reach[CUDA_SMALL_COLUMNS], halves[PACK_THREADS];
    int32_t thread = (int32_t)threadIdx.x;
    halves[thread] = 0.0;
    for (int32_t c = thread; c < k; c += PACK_THREADS) {
        float *packed = filter.packed + (int64_t)c * packed_stride;
        double half = 0.0;
        for (int32_t j = 0; j < columns; j++) {
            double value = centres[(int64_t)c * columns + j] - offset[j];
            packed[j] = (float)-value;
            half += 0.5 * value * value;
        }
        packed[columns] = (float)half;
        for (int32_t j = columns + 1; j < packed_stride; j++)
            packed[j] = 0.0f;
        halves[thread] = fmax(halves[thread], half);
    }
    if (thread < columns) {
        reach[thread] = 0.0;
        for (int32_t c = 0; c < k; c++)
            reach[thread] =
                fmax(reach[thread], fabs(centres[(int64_t)c * columns + thread] - offset[thread]));
    }
    __syncthreads();
    if (thread > 0) return;
    double half = 0.0, product = 0.0, distance = 0.0;
    for (int32_t t = 0; t < PACK_THREADS; t++)
        half = fmax(half, halves[t]);
    for (int32_t j = 0; j < columns; j++) {
        product += largest[j] * reach[j];
        distance += (largest[j] + reach[j]) * (largest[j] + reach[j]);
    }
    *filter.margin = score_margin(columns, half, product, distance);
}

/* ---- Launchers ------------------------------------------------------------------------------ */

size_t centres_bytes(int32_t k, int32_t columns)
{
    return (size_t)k * (size_t)cuda_kmeans_stride(columns) * sizeof(float);
}

/* Limbs of the block-private sums, 0 when shared memory has no room for them. */
int32_t sum_limbs(const struct cuda_kmeans_pass *pass, const struct cuda_limits *limits)
{
    int32_t limbs = pass->wide ? 4 : 2;
    size_t entries = (size_t)pass->k * ((size_t)pass->columns + 2);
    size_t bytes =
        centres_bytes(pass->k, pass->columns) + entries * (size_t)limbs * sizeof(uint32_t);
    return bytes <= limits->shared ? limbs : 0;
}

template <int D>
int launch_assign(const struct cuda_kmeans_pass *pass, const struct cuda_limits *limits,
                  cudaStream_t stream, struct spot_error *err)
{
    int status = SPOT_OK, resident = 0;
    int32_t limbs = sum_limbs(pass, limits);
    size_t entries = (size_t)pass->k * ((size_t)pass->columns + 2);
    size_t shared = centres_bytes(pass->k, D) + entries * (size_t)limbs * sizeof(uint32_t);
    int64_t tile = rows_of_thread<D> * ASSIGN_THREADS, blocks;
    CUDA_TRY(cudaFuncSetAttribute(kmeans_assign_kernel<D>,
                                  cudaFuncAttributeMaxDynamicSharedMemorySize, (int)shared),
             "KMeans: asking for shared memory");
    CUDA_TRY(cudaOccupancyMaxActiveBlocksPerMultiprocessor(&resident, kmeans_assign_kernel<D>,
                                                           ASSIGN_THREADS, shared),
             "KMeans: asking for the occupancy");
    blocks = (pass->batch.rows + tile - 1) / tile;
    if (blocks > (int64_t)resident * limits->processors)
        blocks = (int64_t)resident * limits->processors;
    CUDA_LAUNCH(kmeans_assign_kernel<D>, (unsigned)blocks, ASSIGN_THREADS, shared, stream, *pass,
                limbs);
    CUDA_TRY(cudaGetLastError(), "KMeans: assigning rows");
out:
    return status;
}

/* The instance for so many columns. */
template <int D>
int launch_columns(const struct cuda_kmeans_pass *pass, const struct cuda_limits *limits,
                   cudaStream_t stream, struct spot_error *err)
{
    if (pass->columns == D) return launch_assign<D>(pass, limits, stream, err);
    if constexpr (D < CUDA_SMALL_COLUMNS)
        return launch_columns<D + 1>(pass, limits, stream, err);
    else
        return spot_fail(err, SPOT_EUSAGE, "KMeans: %d columns, this kernel takes 1 to %d",
                         pass->columns, D);
}

} // namespace

int cuda_limits_of(int device, struct cuda_limits *limits, struct spot_error *err)
{
    int status = SPOT_OK, processors = 0, shared = 0;
    CUDA_TRY(cudaDeviceGetAttribute(&processors, cudaDevAttrMultiProcessorCount, device),
             "asking for the number of multiprocessors");
    CUDA_TRY(cudaDeviceGetAttribute(&shared, cudaDevAttrMaxSharedMemoryPerBlockOptin, device),
             "asking for the size of shared memory");
    limits->processors = processors;
    limits->shared = (size_t)shared;
out:
    return status;
}

int32_t cuda_kmeans_stride(int32_t columns)
{
    return (columns + 1 + 3) / 4 * 4;
}

int cuda_kmeans_fits(const struct cuda_limits *limits, int32_t k, int32_t columns)
{
    return columns >= 1 && columns <= CUDA_SMALL_COLUMNS && k >= 1 && k <= 1 << 20 &&
           centres_bytes(k, columns) <= limits->shared;
}

int cuda_kmeans_pack(const double *centres, const double *offset, const double *largest, int32_t k,
                     int32_t columns, struct cuda_kmeans_filter filter, cudaStream_t stream,
                     struct spot_error *err)
{
    int status = SPOT_OK;
    CUDA_LAUNCH(kmeans_pack_kernel, 1, PACK_THREADS, 0, stream, centres, offset, largest, k,
                columns, cuda_kmeans_stride(columns), filter);
    CUDA_TRY(cudaGetLastError(), "KMeans: packing the centres");
out:
    return status;
}

int cuda_kmeans_assign(const struct cuda_kmeans_pass *pass, const struct cuda_limits *limits,
                       cudaStream_t stream, struct spot_error *err)
{
    if (!cuda_kmeans_fits(limits, pass->k, pass->columns))
        return spot_fail(err, SPOT_EUSAGE, "KMeans: %d clusters in %d columns are too many here",
                         pass->k, pass->columns);
    if (pass->batch.rows == 0) return SPOT_OK;
    int status;
    SPOT_TRY(launch_columns<1>(pass, limits, stream, err));
    CUDA_LAUNCH(kmeans_decide_kernel, (unsigned)(2 * limits->processors), DECIDE_THREADS, 0, stream,
                *pass, cuda_kmeans_stride(pass->columns));
    CUDA_TRY(cudaGetLastError(), "KMeans: deciding near ties");
out:
    return status;
}
