/* Nearest centres for many columns or clusters, limited by float32 arithmetic: a block multiplies a
 * tile of rows by a tile of centres in shared memory, a thread holding 8 rows x 1 to 8 centres in
 * registers, and keeps only the two best scores of each row; no n x k matrix exists. Scores are the
 * chains of fused multiply-adds of kmeans_assign.cu, near ties go the same way. After the layout of
 * Volkov and Demmel, Benchmarking GPUs to Tune Dense Linear Algebra, 2008. */
#include "kernels/kmeans_assign.h"

#include "kernels/kmeans_rows.cuh"
#include "numerics/distance.h"

namespace
{

enum {
    SIDE = 16, /* threads along either side of a tile */
    TILED_THREADS = SIDE * SIDE,
    ROWS_EACH = 8, /* rows of a thread */
    TILE_ROWS = SIDE * ROWS_EACH,
    TILE_DEPTH = 8, /* columns in shared memory at a time */
    PADDING = 4,    /* keeps the stores of the two halves of a centre on different banks */
    DECIDE_THREADS = 128,
    DECIDE_WARPS = DECIDE_THREADS / WARP,
};

/* C: centres of a thread. Those of a lane lie in groups of up to four, SIDE groups beside each
 * other, so that lanes read different banks. */
template <int C> struct tile {
    static constexpr int centres = SIDE * C, group = C < 4 ? C : 4;
    float x[TILE_DEPTH][TILE_ROWS];
    float centre[TILE_DEPTH][centres + PADDING];
};

template <int N> struct alignas(N * sizeof(float)) floats {
    float value[N];
};

/* The place in its tile of centre n of a thread. */
template <int C> __device__ int32_t place(int32_t lane, int32_t n)
{
    constexpr int group = tile<C>::group;
    return n / group * (SIDE * group) + lane * group + n % group;
}

/* Rows whose label changed, until the whole block adds them up. */
struct moved_rows {
    int32_t count;
    int32_t row[TILE_ROWS], old[TILE_ROWS], label[TILE_ROWS]; /* row: within the tile */
};

/* The two best scores of a thread's rows. */
struct best_two {
    float best[ROWS_EACH], second[ROWS_EACH];
    int32_t label[ROWS_EACH];
};

/* ---- Loading -------------------------------------------------------------------------------- */

/* Columns [depth, depth + TILE_DEPTH) of the rows from `first` on; zeros outside. */
__device__ void load_rows(const cuda_kmeans_pass &pass, int64_t first, int32_t depth,
                          float (&x)[TILE_DEPTH][TILE_ROWS])
{
    constexpr int quads = TILE_ROWS / 4;
    int32_t quad = (int32_t)threadIdx.x % quads, level = (int32_t)threadIdx.x / quads;
    int64_t row = first + quad * 4;
    floats<4> four = {{0.0f, 0.0f, 0.0f, 0.0f}};
    if (depth + level < pass.columns && row < pass.batch.rows)
        four = *(const floats<4> *)(pass.batch.x + (depth + level) * pass.batch.stride + row);
    *(floats<4> *)&x[level][quad * 4] = four;
}

/* The same columns of the centres from `first` on. What is packed behind the last column meets
 * zeros of the rows. */
template <int C>
__device__ void load_centres(const cuda_kmeans_pass &pass, int32_t packed_stride, int32_t first,
                             int32_t depth, tile<C> *to)
{
    int32_t at = (int32_t)threadIdx.x / 2, level = (int32_t)threadIdx.x % 2 * 4;
    if (at >= tile<C>::centres) return;
    int32_t c = first + at, j = depth + level;
    floats<4> four = {{0.0f, 0.0f, 0.0f, 0.0f}};
    if (c < pass.k && j < pass.columns)
        four = *(const floats<4> *)(pass.filter.packed + (int64_t)c * packed_stride + j);
#pragma unroll
    for (int32_t i = 0; i < 4; i++)
        to->centre[level + i][at] = four.value[i];
}

/* ---- Scores --------------------------------------------------------------------------------- */

template <int C>
__device__ void multiply(const tile<C> &from, int32_t side, int32_t lane,
                         float (&score)[ROWS_EACH][C])
{
    constexpr int group = tile<C>::group;
#pragma unroll 2 /* more would spill */
    for (int32_t depth = 0; depth < TILE_DEPTH; depth++) {
        float x[ROWS_EACH], centre[C];
#pragma unroll
        for (int32_t r = 0; r < ROWS_EACH; r += 4)
            *(floats<4> *)&x[r] = *(const floats<4> *)&from.x[depth][side * ROWS_EACH + r];
#pragma unroll
        for (int32_t n = 0; n < C; n += group)
            *(floats<group> *)&centre[n] =
                *(const floats<group> *)&from.centre[depth][place<C>(lane, n)];
#pragma unroll
        for (int32_t r = 0; r < ROWS_EACH; r++)
#pragma unroll
            for (int32_t n = 0; n < C; n++)
                score[r][n] = fmaf(centre[n], x[r], score[r][n]);
    }
}

/* Scores of a thread's rows and of its centres in the tile from `first` on. */
template <int C>
__device__ void score_tile(const cuda_kmeans_pass &pass, int32_t packed_stride, int64_t base,
                           int32_t first, tile<C> *shared, float (&score)[ROWS_EACH][C])
{
    int32_t side = (int32_t)threadIdx.x / SIDE, lane = (int32_t)threadIdx.x % SIDE;
#pragma unroll
    for (int32_t n = 0; n < C; n++) {
        int32_t c = first + place<C>(lane, n);
        float half = INFINITY;
        if (c < pass.k) half = pass.filter.packed[(int64_t)c * packed_stride + pass.columns];
#pragma unroll
        for (int32_t r = 0; r < ROWS_EACH; r++)
            score[r][n] = half;
    }
    for (int32_t depth = 0; depth < pass.columns; depth += TILE_DEPTH) {
        __syncthreads(); /* the tiles before have been read */
        load_rows(pass, base, depth, shared->x);
        load_centres<C>(pass, packed_stride, first, depth, shared);
        __syncthreads();
        multiply<C>(*shared, side, lane, score);
    }
}

template <int C>
__device__ void keep_best(int32_t first, const float (&score)[ROWS_EACH][C], best_two *found)
{
    int32_t lane = (int32_t)threadIdx.x % SIDE;
#pragma unroll
    for (int32_t n = 0; n < C; n++)
#pragma unroll
        for (int32_t r = 0; r < ROWS_EACH; r++) {
            float s = score[r][n];
            found->second[r] = fminf(found->second[r], fmaxf(s, found->best[r]));
            if (s < found->best[r]) {
                found->best[r] = s;
                found->label[r] = first + place<C>(lane, n);
            }
        }
}

/* Joins what the lanes of a side found for the same rows. */
__device__ void join_lanes(best_two *found)
{
#pragma unroll
    for (int32_t r = 0; r < ROWS_EACH; r++)
#pragma unroll
        for (int32_t step = SIDE / 2; step > 0; step /= 2) {
            float best = __shfl_xor_sync(CUDA_WHOLE_WARP, found->best[r], step);
            float second = __shfl_xor_sync(CUDA_WHOLE_WARP, found->second[r], step);
            int32_t label = __shfl_xor_sync(CUDA_WHOLE_WARP, found->label[r], step);
            found->second[r] = fminf(fminf(found->second[r], second), fmaxf(found->best[r], best));
            if (best < found->best[r]) {
                found->best[r] = best;
                found->label[r] = label;
            }
        }
}

/* ---- What becomes of the rows --------------------------------------------------------------- */

/* Lane r of a side takes row r: on the list of near ties, or into `moved`. */
__device__ void sort_out(const cuda_kmeans_pass &pass, int64_t base, float margin,
                         const best_two &found, moved_rows *moved)
{
    int32_t side = (int32_t)threadIdx.x / SIDE, lane = (int32_t)threadIdx.x % SIDE;
    float best = INFINITY, second = INFINITY;
    int32_t label = 0, at = side * ROWS_EACH + lane;
#pragma unroll
    for (int32_t r = 0; r < ROWS_EACH; r++)
        if (lane == r) best = found.best[r], second = found.second[r], label = found.label[r];
    int64_t row = base + at;
    bool mine = lane < ROWS_EACH && row < pass.batch.rows;
    bool near = mine && within(second, best, margin);
    list_near(pass, row, near ? 1u : 0u);
    if (!mine || near) return;
    int32_t old = old_label(pass.batch, row);
    if (old == label) return;
    set_label(pass.batch, row, label);
    int32_t slot = atomicAdd(&moved->count, 1);
    moved->row[slot] = at;
    moved->old[slot] = old;
    moved->label[slot] = label;
}

/* Neighbouring threads take neighbouring rows. Returns how many original rows this thread saw. */
__device__ int64_t add_moved(const cuda_kmeans_pass &pass, accumulator to, int64_t base,
                             const moved_rows &moved)
{
    int64_t seen = 0;
    int32_t first = pass.sums != nullptr ? 0 : pass.columns + 1;
    int32_t terms = moved.count * (pass.columns + 2 - first);
    for (int32_t t = (int32_t)threadIdx.x; t < terms; t += TILED_THREADS) {
        int32_t i = t % moved.count, entry = first + t / moved.count;
        int64_t row = base + moved.row[i];
        if (entry == pass.columns + 1) seen += row_count(pass.batch, row);
        if (pass.sums != nullptr)
            move_term(pass, to, moved.old[i], moved.label[i], entry, term_of(pass, row, entry));
    }
    return seen;
}

/* One tile of rows against all centres. */
template <int C>
__device__ int64_t assign_tile(const cuda_kmeans_pass &pass, int32_t packed_stride, accumulator to,
                               float margin, int64_t base, tile<C> *shared, moved_rows *moved)
{
    best_two found;
#pragma unroll
    for (int32_t r = 0; r < ROWS_EACH; r++) {
        found.best[r] = found.second[r] = INFINITY;
        found.label[r] = 0;
    }
    for (int32_t first = 0; first < pass.k; first += tile<C>::centres) {
        float score[ROWS_EACH][C];
        score_tile<C>(pass, packed_stride, base, first, shared, score);
        keep_best<C>(first, score, &found);
    }
    join_lanes(&found);
    sort_out(pass, base, margin, found, moved);
    __syncthreads();
    int64_t seen = add_moved(pass, to, base, *moved);
    __syncthreads();
    if (threadIdx.x == 0) moved->count = 0;
    return seen;
}

template <int C>
__global__ __launch_bounds__(TILED_THREADS, 2) void kmeans_tiled_kernel(cuda_kmeans_pass pass,
                                                                        int32_t packed_stride,
                                                                        int32_t limbs)
{
    CUDA_DYNAMIC_SHARED(shared);
    if (has_ended(pass)) return;
    tile<C> *tiles = (tile<C> *)shared;
    moved_rows *moved = (moved_rows *)(tiles + 1);
    accumulator to = {(uint32_t *)(moved + 1), limbs};
    int32_t entries = pass.k * (pass.columns + 2), thread = (int32_t)threadIdx.x;
    for (int32_t e = thread; e < entries * limbs; e += TILED_THREADS)
        to.block[e] = 0;
    if (thread == 0) moved->count = 0;
    float margin = *pass.filter.margin;
    __syncthreads();

    int64_t count = 0;
    for (int64_t base = (int64_t)blockIdx.x * TILE_ROWS; base < pass.batch.rows;
         base += (int64_t)gridDim.x * TILE_ROWS)
        count += assign_tile<C>(pass, packed_stride, to, margin, base, tiles, moved);
    count_moved(pass.counters, count);

    if (limbs == 0) return;
    __syncthreads();
    for (int32_t e = thread; e < entries; e += TILED_THREADS)
        add_to_global(pass.sums + e, read_limbs(to.block + e * limbs, limbs));
}

/* ---- The definition ------------------------------------------------------------------------- */

/* The smallest of a warp's distances, the lowest label among equals; the same for every lane. */
__device__ int32_t smallest_of_warp(double distance, int32_t label)
{
    for (int32_t step = WARP / 2; step > 0; step /= 2) {
        double other = __shfl_xor_sync(CUDA_WHOLE_WARP, distance, step);
        int32_t its = __shfl_xor_sync(CUDA_WHOLE_WARP, label, step);
        if (other < distance || (other == distance && its < label)) {
            distance = other;
            label = its;
        }
    }
    return label;
}

/* The label by the definition, asked only of the centres within the margin; -1 when the filter was
 * sure. A lane takes every 32nd centre. */
__device__ int32_t decide_by_warp(const cuda_kmeans_pass &pass, int32_t packed_stride, int64_t row)
{
    int32_t lane = (int32_t)threadIdx.x % WARP;
    float margin = *pass.filter.margin, best = INFINITY, second = INFINITY;
    for (int32_t c = lane; c < pass.k; c += WARP) {
        float score = score_again(pass, pass.filter.packed + (int64_t)c * packed_stride, row);
        second = fminf(second, fmaxf(score, best));
        best = score < best ? score : best;
    }
    for (int32_t step = WARP / 2; step > 0; step /= 2) {
        float other = __shfl_xor_sync(CUDA_WHOLE_WARP, best, step);
        float its = __shfl_xor_sync(CUDA_WHOLE_WARP, second, step);
        second = fminf(fminf(second, its), fmaxf(best, other));
        best = fminf(best, other);
    }
    if (!within(second, best, margin)) return -1;

    double smallest = INFINITY;
    int32_t label = 0; /* where every distance overflows the first centre is the answer */
    for (int32_t c = lane; c < pass.k; c += WARP) {
        float score = score_again(pass, pass.filter.packed + (int64_t)c * packed_stride, row);
        if (!within(score, best, margin)) continue;
        double d2 = squared_distance(pass.batch.x + row, pass.batch.stride, pass.offset,
                                     pass.centres + (int64_t)c * pass.columns, pass.columns);
        if (d2 < smallest) {
            smallest = d2;
            label = c;
        }
    }
    return smallest_of_warp(smallest, label);
}

/* Rows on the list, or all rows when it was too short for them; a warp takes one at a time. */
__global__ __launch_bounds__(DECIDE_THREADS) void kmeans_decide_tiled_kernel(cuda_kmeans_pass pass,
                                                                             int32_t packed_stride)
{
    if (has_ended(pass)) return;
    int64_t near = (int64_t)pass.counters->near;
    bool listed = near <= pass.near_capacity;
    int64_t rows = listed ? near : pass.batch.rows, moved = 0;
    int64_t warp = (int64_t)blockIdx.x * DECIDE_WARPS + threadIdx.x / WARP;
    for (int64_t i = warp; i < rows; i += (int64_t)gridDim.x * DECIDE_WARPS) {
        int64_t row = listed ? pass.near[i] : i;
        int32_t label = decide_by_warp(pass, packed_stride, row);
        int32_t old = old_label(pass.batch, row);
        __syncwarp(); /* every lane knows the old label before one of them changes it */
        accumulator global = {nullptr, 0};
        if (label >= 0)
            moved += relabel(pass, global, row, old, label, (int32_t)threadIdx.x % WARP, WARP);
    }
    count_moved(pass.counters, moved);
}

/* ---- Launchers ------------------------------------------------------------------------------ */

template <int C>
int launch_tiled(const struct cuda_kmeans_pass *pass, const struct cuda_limits *limits,
                 cudaStream_t stream, struct spot_error *err)
{
    int status = SPOT_OK, resident = 0;
    int32_t limbs = pass->sums == nullptr ? 0 : pass->wide ? 4 : 2;
    size_t entries = (size_t)pass->k * ((size_t)pass->columns + 2);
    size_t shared = sizeof(tile<C>) + sizeof(moved_rows);
    int64_t blocks = (pass->batch.rows + TILE_ROWS - 1) / TILE_ROWS;
    /* Sums in shared memory where two blocks still have room. */
    if (shared + entries * (size_t)limbs * sizeof(uint32_t) <= limits->shared / 2)
        shared += entries * (size_t)limbs * sizeof(uint32_t);
    else
        limbs = 0;
    CUDA_TRY(cudaFuncSetAttribute(kmeans_tiled_kernel<C>,
                                  cudaFuncAttributeMaxDynamicSharedMemorySize, (int)shared),
             "KMeans: asking for shared memory");
    CUDA_TRY(cudaOccupancyMaxActiveBlocksPerMultiprocessor(&resident, kmeans_tiled_kernel<C>,
                                                           TILED_THREADS, shared),
             "KMeans: asking for the occupancy");
    if (blocks > (int64_t)resident * limits->processors)
        blocks = (int64_t)resident * limits->processors;
    CUDA_LAUNCH(kmeans_tiled_kernel<C>, (unsigned)blocks, TILED_THREADS, shared, stream, *pass,
                cuda_kmeans_stride(pass->columns), limbs);
    CUDA_TRY(cudaGetLastError(), "KMeans: assigning rows in tiles");
out:
    return status;
}

} // namespace

int cuda_kmeans_assign_tiled(const struct cuda_kmeans_pass *pass, const struct cuda_limits *limits,
                             cudaStream_t stream, struct spot_error *err)
{
    int status = SPOT_OK;
    if (pass->batch.rows == 0) return SPOT_OK;
    if (pass->k <= 1 * SIDE)
        SPOT_TRY(launch_tiled<1>(pass, limits, stream, err));
    else if (pass->k <= 2 * SIDE)
        SPOT_TRY(launch_tiled<2>(pass, limits, stream, err));
    else if (pass->k <= 4 * SIDE)
        SPOT_TRY(launch_tiled<4>(pass, limits, stream, err));
    else
        SPOT_TRY(launch_tiled<8>(pass, limits, stream, err));
    CUDA_LAUNCH(kmeans_decide_tiled_kernel, (unsigned)(4 * limits->processors), DECIDE_THREADS, 0,
                stream, *pass, cuda_kmeans_stride(pass->columns));
    CUDA_TRY(cudaGetLastError(), "KMeans: deciding near ties");
out:
    return status;
}
