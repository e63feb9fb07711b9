/* Nearest centres for few columns, limited by memory bandwidth: a thread holds two or four rows in
 * registers and walks the centres in shared memory; no n x k matrix exists. Scores are float32; a
 * row whose two smallest are within the margin goes into a list, and a second kernel decides it by
 * the definition in numerics/distance.h. The result therefore has no rounding of the filter in it.
 */
#include "kernels/kmeans_assign.h"

#include "kernels/kmeans_rows.cuh"
#include "numerics/distance.h"
#include "numerics/margin.h"

namespace
{

enum { ASSIGN_THREADS = 256, DECIDE_THREADS = 128, PACK_THREADS = 256 };

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

/* ---- The filter ----------------------------------------------------------------------------- */

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
    if (has_ended(pass)) return;
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
    if (has_ended(pass)) return;
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

/* Packs one centre and returns half its squared norm. */
__device__ double pack_centre(const double *centre, const double *offset, int32_t columns,
                              int32_t packed_stride, float *packed)
{
    double half = 0.0;
    for (int32_t j = 0; j < columns; j++) {
        double value = centre[j] - offset[j];
        packed[j] = (float)-value;
        half += 0.5 * value * value;
    }
    packed[columns] = (float)half;
    for (int32_t j = columns + 1; j < packed_stride; j++)
        packed[j] = 0.0f;
    return half;
}

/* Packs the centres, all in one block, since there are few; then finds the margin from the largest
 * coordinates: first every thread for its columns. */
__global__ __launch_bounds__(PACK_THREADS) void kmeans_pack_kernel(
    const double *centres, const double *offset, const double *largest, int32_t k, int32_t columns,
    int32_t packed_stride, cuda_kmeans_filter filter)
{
    __shared__ double halves[PACK_THREADS], products[PACK_THREADS], distances[PACK_THREADS];
    int32_t thread = (int32_t)threadIdx.x;
    double half = 0.0, product = 0.0, distance = 0.0;
    for (int32_t c = thread; c < k; c += PACK_THREADS)
        half = fmax(half, pack_centre(centres + (int64_t)c * columns, offset, columns,
                                      packed_stride, filter.packed + (int64_t)c * packed_stride));
    for (int32_t j = thread; j < columns; j += PACK_THREADS) {
        double reach = 0.0;
        for (int32_t c = 0; c < k; c++)
            reach = fmax(reach, fabs(centres[(int64_t)c * columns + j] - offset[j]));
        product += largest[j] * reach;
        distance += (largest[j] + reach) * (largest[j] + reach);
    }
    halves[thread] = half;
    products[thread] = product;
    distances[thread] = distance;
    __syncthreads();
    if (thread > 0) return;
    for (int32_t t = 1; t < PACK_THREADS; t++) {
        half = fmax(half, halves[t]);
        product += products[t];
        distance += distances[t];
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
    int32_t limbs = pass->sums == nullptr ? 0 : pass->wide ? 4 : 2;
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

int64_t cuda_kmeans_block_rows(const struct cuda_limits *limits, int64_t rows)
{
    const int64_t largest_tile = 4 * ASSIGN_THREADS;
    return rows / limits->processors + 2 * largest_tile;
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
    int status = SPOT_OK;
    if (pass->batch.rows == 0) return SPOT_OK;
    if (!cuda_kmeans_fits(limits, pass->k, pass->columns))
        return cuda_kmeans_assign_tiled(pass, limits, stream, err);
    SPOT_TRY(launch_columns<1>(pass, limits, stream, err));
    CUDA_LAUNCH(kmeans_decide_kernel, (unsigned)(2 * limits->processors), DECIDE_THREADS, 0, stream,
                *pass, cuda_kmeans_stride(pass->columns));
    CUDA_TRY(cudaGetLastError(), "KMeans: deciding near ties");
out:
    return status;
}
