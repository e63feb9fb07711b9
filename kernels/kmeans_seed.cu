/* Distances and draws of k-means++ on the device. Distances are float32, j ascending, fused;
 * potentials are integers, so that their sums have no order. A draw adds up the potentials of the
 * original rows in parts, finds its part on the host, where there are few, and its row in a block
 * of threads each of which walks a few neighbouring rows. */
#include <stdlib.h>

#include "kernels/cuda_kmeans.h"
#include "kernels/sums.cuh"
#include "numerics/distance.h"

namespace
{

enum {
    SEED_THREADS = 256,
    TRY_AT_ONCE = 8, /* candidates for which a row is read once */
    ROWS_OF_THREAD = 16,
    PART_ROWS = SEED_THREADS * ROWS_OF_THREAD,
};

/* ---- Distances ------------------------------------------------------------------------------ */

__global__ __launch_bounds__(SEED_THREADS) void forget_kernel(float *nearest, int64_t rows)
{
    int64_t step = (int64_t)gridDim.x * SEED_THREADS;
    for (int64_t row = (int64_t)blockIdx.x * SEED_THREADS + threadIdx.x; row < rows; row += step)
        nearest[row] = INFINITY;
}

/* points (count, columns): the values of the rows named. */
__global__ __launch_bounds__(SEED_THREADS) void gather_kernel(cuda_rows rows, const int64_t *which,
                                                              int32_t count, float *points)
{
    int64_t step = (int64_t)gridDim.x * SEED_THREADS, cells = (int64_t)count * rows.columns;
    for (int64_t i = (int64_t)blockIdx.x * SEED_THREADS + threadIdx.x; i < cells; i += step) {
        int64_t stride;
        const float *x = cuda_row(rows, which[i / rows.columns], &stride);
        points[i] = x[i % rows.columns * stride];
    }
}

/* Squared distances of a row to `count` points; those past the last are as if it came again. */
__device__ void measure(const cuda_rows &rows, int64_t row, const float *points, int32_t count,
                        float (&d2)[TRY_AT_ONCE])
{
    int64_t stride;
    const float *x = cuda_row(rows, row, &stride);
#pragma unroll
    for (int32_t p = 0; p < TRY_AT_ONCE; p++)
        d2[p] = 0.0f;
    for (int32_t j = 0; j < rows.columns; j++) {
        float value = x[j * stride];
#pragma unroll
        for (int32_t p = 0; p < TRY_AT_ONCE; p++) {
            int32_t at = p < count ? p : count - 1;
            float difference = value - points[(int64_t)at * rows.columns + j];
            d2[p] = fmaf(difference, difference, d2[p]);
        }
    }
}

/* Adds to sums (count) the potentials if one of up to TRY_AT_ONCE points were taken. */
__global__ __launch_bounds__(SEED_THREADS) void try_kernel(cuda_rows rows, const float *nearest,
                                                           const float *points, int32_t count,
                                                           double scale, int128 *sums)
{
    __shared__ uint32_t limbs[TRY_AT_ONCE][4];
    int32_t thread = (int32_t)threadIdx.x;
    if (thread < TRY_AT_ONCE * 4) limbs[thread / 4][thread % 4] = 0;
    __syncthreads();
    int128 mine[TRY_AT_ONCE];
#pragma unroll
    for (int32_t p = 0; p < TRY_AT_ONCE; p++)
        mine[p] = int128_from(0);
    int64_t step = (int64_t)gridDim.x * SEED_THREADS;
    int64_t row = (int64_t)blockIdx.x * SEED_THREADS + thread;
    for (; row < rows.rows; row += step) {
        float d2[TRY_AT_ONCE], before = nearest[row];
        int128 mass = cuda_mass(rows, row);
        measure(rows, row, points, count, d2);
#pragma unroll
        for (int32_t p = 0; p < TRY_AT_ONCE; p++) {
            int64_t term = quantise((double)(d2[p] < before ? d2[p] : before), scale);
            mine[p] = int128_add(mine[p], int128_times(mass, term));
        }
    }
#pragma unroll
    for (int32_t p = 0; p < TRY_AT_ONCE; p++)
        add_to_limbs(limbs[p], 4, mine[p]);
    __syncthreads();
    if (thread < count) add_to_global(&sums[thread], read_limbs(limbs[thread], 4));
}

/* Brings the distances up to a row that became a centre. */
__global__ __launch_bounds__(SEED_THREADS) void take_kernel(cuda_rows rows, int64_t centre,
                                                            float *nearest)
{
    int64_t step = (int64_t)gridDim.x * SEED_THREADS, centre_stride;
    const float *c = cuda_row(rows, centre, &centre_stride);
    int64_t row = (int64_t)blockIdx.x * SEED_THREADS + threadIdx.x;
    for (; row < rows.rows; row += step) {
        int64_t stride;
        const float *x = cuda_row(rows, row, &stride);
        float d2 = 0.0f;
        for (int32_t j = 0; j < rows.columns; j++) {
            float difference = x[j * stride] - c[j * centre_stride];
            d2 = fmaf(difference, difference, d2);
        }
        if (d2 < nearest[row]) nearest[row] = d2;
    }
}

/* Brings the distances up to `count` points. */
__global__ __launch_bounds__(SEED_THREADS) void take_points_kernel(cuda_rows rows,
                                                                   const float *points,
                                                                   int32_t count, float *nearest)
{
    int64_t step = (int64_t)gridDim.x * SEED_THREADS;
    int64_t row = (int64_t)blockIdx.x * SEED_THREADS + threadIdx.x;
    for (; row < rows.rows; row += step) {
        float d2[TRY_AT_ONCE], least = nearest[row];
        for (int32_t first = 0; first < count; first += TRY_AT_ONCE) {
            int32_t some = count - first < TRY_AT_ONCE ? count - first : (int32_t)TRY_AT_ONCE;
            measure(rows, row, points + (int64_t)first * rows.columns, some, d2);
#pragma unroll
            for (int32_t p = 0; p < TRY_AT_ONCE; p++)
                least = d2[p] < least ? d2[p] : least;
        }
        nearest[row] = least;
    }
}

/* Original rows become the rows of the handle that they are part of; their rounded distances. */
__global__ __launch_bounds__(SEED_THREADS) void rows_kernel(cuda_rows rows, const float *nearest,
                                                            double scale, int32_t count,
                                                            int64_t *which, int64_t *distances)
{
    int64_t step = (int64_t)gridDim.x * SEED_THREADS;
    for (int64_t i = (int64_t)blockIdx.x * SEED_THREADS + threadIdx.x; i < count; i += step) {
        if (rows.group_of_row != nullptr) which[i] = rows.group_of_row[which[i]];
        distances[i] = quantise((double)nearest[which[i]], scale);
    }
}

/* ---- Draws ---------------------------------------------------------------------------------- */

struct potentials {
    cuda_rows rows;
    const float *nearest; /* (rows) or NULL: no centre was taken, the weights count */
    double scale;
};

/* What one original row adds to the prefix sums. */
__device__ int128 potential(const potentials &of, int64_t original)
{
    int64_t row = of.rows.group_of_row != nullptr ? of.rows.group_of_row[original] : original;
    int64_t weight = cuda_weight(of.rows, row);
    if (of.nearest == nullptr) return int128_from(weight);
    return int128_multiply(weight, quantise((double)of.nearest[row], of.scale));
}

/* The sum over a part of the original rows, a block for one part after the other. */
__global__ __launch_bounds__(SEED_THREADS) void parts_kernel(potentials of, int64_t parts,
                                                             int128 *sums)
{
    __shared__ uint32_t limbs[4];
    for (int64_t part = blockIdx.x; part < parts; part += gridDim.x) {
        if (threadIdx.x < 4) limbs[threadIdx.x] = 0;
        __syncthreads();
        int128 mine = int128_from(0);
        int64_t end = (part + 1) * PART_ROWS;
        if (end > of.rows.original_rows) end = of.rows.original_rows;
        for (int64_t row = part * PART_ROWS + threadIdx.x; row < end; row += SEED_THREADS)
            mine = int128_add(mine, potential(of, row));
        add_to_limbs(limbs, 4, mine);
        __syncthreads();
        if (threadIdx.x == 0) sums[part] = read_limbs(limbs, 4);
        __syncthreads(); /* before the limbs are cleared */
    }
}

/* A block for each draw. Where no prefix sum is above the target the last row is drawn. */
__global__ __launch_bounds__(SEED_THREADS) void draw_kernel(potentials of, const cuda_draw *draws,
                                                            int64_t *rows)
{
    __shared__ int128 sums[SEED_THREADS];
    cuda_draw draw = draws[blockIdx.x];
    int64_t begin = draw.part * PART_ROWS + (int64_t)threadIdx.x * ROWS_OF_THREAD;
    int64_t end = begin + ROWS_OF_THREAD;
    int64_t last = (draw.part + 1) * PART_ROWS;
    if (last > of.rows.original_rows) last = of.rows.original_rows;
    int128 mine = int128_from(0);
    for (int64_t row = begin; row < end && row < last; row++)
        mine = int128_add(mine, potential(of, row));
    sums[threadIdx.x] = mine;
    __syncthreads();

    int128 before = int128_from(0);
    for (uint32_t t = 0; t < threadIdx.x; t++)
        before = int128_add(before, sums[t]);
    int128 after = int128_add(before, mine);
    if (threadIdx.x == SEED_THREADS - 1 && int128_compare(after, draw.target) <= 0)
        rows[blockIdx.x] = last - 1;
    if (int128_compare(before, draw.target) > 0 || int128_compare(after, draw.target) <= 0) return;
    int64_t row = begin;
    for (; row < last - 1; row++) {
        before = int128_add(before, potential(of, row));
        if (int128_compare(before, draw.target) > 0) break;
    }
    rows[blockIdx.x] = row;
}

/* ---- Room ----------------------------------------------------------------------------------- */

void free_candidates(struct cuda_seeding *s)
{
    (void)cudaFree(s->points);
    (void)cudaFree(s->rows);
    (void)cudaFree(s->sums);
    (void)cudaFree(s->draws);
    s->points = nullptr;
    s->rows = nullptr;
    s->sums = nullptr;
    s->draws = nullptr;
    s->capacity = 0;
}

int reserve(struct kmeans_run *run, int32_t count, struct spot_error *err)
{
    int status = SPOT_OK;
    struct cuda_seeding *s = &run->seeding;
    if (count <= s->capacity) return SPOT_OK;
    free_candidates(s);
    SPOT_TRY(cuda_alloc(&s->points, (int64_t)count * run->data->rows.columns,
                        "the seeding candidates", err));
    SPOT_TRY(cuda_alloc(&s->rows, count, "the seeding candidates", err));
    SPOT_TRY(cuda_alloc(&s->sums, count, "the seeding candidates", err));
    SPOT_TRY(cuda_alloc(&s->draws, count, "the seeding draws", err));
    s->capacity = count;
out:
    return status;
}

int open_seeding(struct kmeans_run *run, struct spot_error *err)
{
    int status = SPOT_OK;
    struct cuda_seeding *s = &run->seeding;
    if (s->potentials_here != NULL) return SPOT_OK;
    s->parts = (run->data->rows.original_rows + PART_ROWS - 1) / PART_ROWS;
    SPOT_TRY(cuda_alloc(&s->nearest, run->data->rows.rows, "the seeding distances", err));
    SPOT_TRY(cuda_alloc(&s->potentials, s->parts, "the seeding potentials", err));
    s->potentials_here = (struct int128 *)calloc((size_t)s->parts, sizeof *s->potentials_here);
    if (s->potentials_here == NULL) status = spot_fail_memory(err, "the seeding potentials");
out:
    if (status < 0) cuda_seeding_close(s);
    return status;
}

} // namespace

void cuda_seeding_close(struct cuda_seeding *seeding)
{
    free_candidates(seeding);
    (void)cudaFree(seeding->nearest);
    (void)cudaFree(seeding->potentials);
    free(seeding->potentials_here);
    *seeding = cuda_seeding();
}

int cuda_seed_begin(struct kmeans_run *run, struct spot_error *err)
{
    int status = SPOT_OK;
    const struct backend *backend = run->data->backend;
    int64_t rows = run->data->rows.rows;
    SPOT_TRY(cuda_enter(backend, err));
    SPOT_TRY(open_seeding(run, err));
    run->seeding.seeded = 0;
    CUDA_LAUNCH(forget_kernel, cuda_grid(backend, rows, SEED_THREADS), SEED_THREADS, 0,
                backend->stream, run->seeding.nearest, rows);
    CUDA_TRY(cudaGetLastError(), "seeding: forgetting the centres");
out:
    return status;
}

int cuda_seed_try(struct kmeans_run *run, int32_t count, const int64_t *rows, struct int128 *totals,
                  struct spot_error *err)
{
    int status = SPOT_OK;
    struct cuda_seeding *s = &run->seeding;
    const struct backend *backend = run->data->backend;
    const struct cuda_rows *data = &run->data->rows;
    SPOT_TRY(cuda_enter(backend, err));
    SPOT_TRY(reserve(run, count, err));
    SPOT_TRY(cuda_put(backend, s->rows, rows, (size_t)count * sizeof *rows,
                      "seeding: copying candidates", err));
    CUDA_TRY(cudaMemsetAsync(s->sums, 0, (size_t)count * sizeof *s->sums, backend->stream),
             "seeding: clearing potentials");
    CUDA_LAUNCH(gather_kernel, cuda_grid(backend, (int64_t)count * data->columns, SEED_THREADS),
                SEED_THREADS, 0, backend->stream, *data, s->rows, count, s->points);
    CUDA_TRY(cudaGetLastError(), "seeding: gathering candidates");
    for (int32_t first = 0; first < count; first += TRY_AT_ONCE) {
        int32_t some = count - first < TRY_AT_ONCE ? count - first : (int32_t)TRY_AT_ONCE;
        CUDA_LAUNCH(try_kernel, cuda_grid(backend, data->rows, SEED_THREADS), SEED_THREADS, 0,
                    backend->stream, *data, s->nearest, s->points + (int64_t)first * data->columns,
                    some, run->distance_scale, s->sums + first);
        CUDA_TRY(cudaGetLastError(), "seeding: measuring candidates");
    }
    SPOT_TRY(cuda_get(backend, totals, s->sums, (size_t)count * sizeof *totals,
                      "seeding: measuring candidates", err));
out:
    return status;
}

int cuda_seed_take(struct kmeans_run *run, int64_t row, struct spot_error *err)
{
    int status = SPOT_OK;
    const struct backend *backend = run->data->backend;
    SPOT_TRY(cuda_enter(backend, err));
    CUDA_LAUNCH(take_kernel, cuda_grid(backend, run->data->rows.rows, SEED_THREADS), SEED_THREADS,
                0, backend->stream, run->data->rows, row, run->seeding.nearest);
    CUDA_TRY(cudaGetLastError(), "seeding: taking a centre");
    run->seeding.seeded = 1;
out:
    return status;
}

/* The part in which the prefix sum comes above the target; the last one where it never does. */
static struct cuda_draw find_part(const struct cuda_seeding *s, struct int128 target)
{
    struct cuda_draw draw = {0, target};
    for (; draw.part < s->parts - 1; draw.part++) {
        struct int128 sum = s->potentials_here[draw.part];
        if (int128_compare(sum, draw.target) > 0) break;
        draw.target = int128_subtract(draw.target, sum);
    }
    return draw;
}

/* The potentials of all parts, on the host. */
static int add_up_parts(struct kmeans_run *run, const struct potentials *of, struct spot_error *err)
{
    int status = SPOT_OK;
    struct cuda_seeding *s = &run->seeding;
    const struct backend *backend = run->data->backend;
    unsigned blocks = cuda_grid(backend, s->parts, 1);
    CUDA_LAUNCH(parts_kernel, blocks, SEED_THREADS, 0, backend->stream, *of, s->parts,
                s->potentials);
    CUDA_TRY(cudaGetLastError(), "seeding: adding up potentials");
    SPOT_TRY(cuda_get(backend, s->potentials_here, s->potentials,
                      (size_t)s->parts * sizeof *s->potentials, "seeding: adding up potentials",
                      err));
out:
    return status;
}

int cuda_seed_points(struct kmeans_run *run, int32_t count, const float *points,
                     struct int128 *total, struct spot_error *err)
{
    int status = SPOT_OK;
    struct cuda_seeding *s = &run->seeding;
    const struct backend *backend = run->data->backend;
    const struct cuda_rows *data = &run->data->rows;
    struct potentials of = {*data, s->nearest, run->distance_scale};
    SPOT_TRY(cuda_enter(backend, err));
    SPOT_TRY(reserve(run, count, err));
    SPOT_TRY(cuda_put(backend, s->points, points,
                      (size_t)count * (size_t)data->columns * sizeof *points,
                      "seeding: copying centres", err));
    CUDA_LAUNCH(take_points_kernel, cuda_grid(backend, data->rows, SEED_THREADS), SEED_THREADS, 0,
                backend->stream, *data, s->points, count, s->nearest);
    CUDA_TRY(cudaGetLastError(), "seeding: taking centres");
    s->seeded = 1;
    SPOT_TRY(add_up_parts(run, &of, err));
    *total = int128_from(0);
    for (int64_t part = 0; part < s->parts; part++)
        *total = int128_add(*total, s->potentials_here[part]);
out:
    return status;
}

int cuda_seed_rows(struct kmeans_run *run, int32_t count, const int64_t *rows, float *values,
                   int64_t *distances, struct spot_error *err)
{
    int status = SPOT_OK;
    struct cuda_seeding *s = &run->seeding;
    const struct backend *backend = run->data->backend;
    const struct cuda_rows *data = &run->data->rows;
    const size_t cells = (size_t)count * (size_t)data->columns;
    int64_t *rounded;
    if (count == 0) return SPOT_OK;
    SPOT_TRY(cuda_enter(backend, err));
    SPOT_TRY(reserve(run, count, err));
    rounded = (int64_t *)s->sums;
    SPOT_TRY(cuda_put(backend, s->rows, rows, (size_t)count * sizeof *rows, "seeding: copying rows",
                      err));
    CUDA_LAUNCH(rows_kernel, cuda_grid(backend, count, SEED_THREADS), SEED_THREADS, 0,
                backend->stream, *data, s->nearest, run->distance_scale, count, s->rows, rounded);
    CUDA_TRY(cudaGetLastError(), "seeding: finding rows");
    CUDA_LAUNCH(gather_kernel, cuda_grid(backend, (int64_t)cells, SEED_THREADS), SEED_THREADS, 0,
                backend->stream, *data, s->rows, count, s->points);
    CUDA_TRY(cudaGetLastError(), "seeding: gathering rows");
    if (distances != NULL)
        SPOT_TRY(cuda_get(backend, distances, rounded, (size_t)count * sizeof *distances,
                          "seeding: distances of rows", err));
    if (values != NULL)
        SPOT_TRY(cuda_get(backend, values, s->points, cells * sizeof *values,
                          "seeding: gathering rows", err));
out:
    return status;
}

static int draw_rows(struct kmeans_run *run, int32_t count, const struct int128 *targets,
                     int64_t *rows, struct cuda_draw *draws, struct spot_error *err)
{
    int status = SPOT_OK;
    struct cuda_seeding *s = &run->seeding;
    const struct backend *backend = run->data->backend;
    struct potentials of = {run->data->rows, s->seeded != 0 ? s->nearest : nullptr,
                            run->distance_scale};
    SPOT_TRY(add_up_parts(run, &of, err));
    for (int32_t p = 0; p < count; p++)
        draws[p] = find_part(s, targets[p]);
    SPOT_TRY(cuda_put(backend, s->draws, draws, (size_t)count * sizeof *draws,
                      "seeding: copying draws", err));
    CUDA_LAUNCH(draw_kernel, (unsigned)count, SEED_THREADS, 0, backend->stream, of, s->draws,
                s->rows);
    CUDA_TRY(cudaGetLastError(), "seeding: drawing rows");
    SPOT_TRY(cuda_get(backend, rows, s->rows, (size_t)count * sizeof *rows, "seeding: drawing rows",
                      err));
out:
    return status;
}

int cuda_seed_pick(struct kmeans_run *run, int32_t count, const struct int128 *targets,
                   int64_t *rows, struct spot_error *err)
{
    int status = SPOT_OK;
    struct cuda_draw *draws = NULL;
    if (count == 0) return SPOT_OK;
    if (run->seeding.seeded == 0 && run->data->rows.weights == nullptr) {
        for (int32_t p = 0; p < count; p++)
            rows[p] = (int64_t)targets[p].low;
        return SPOT_OK;
    }
    SPOT_TRY(cuda_enter(run->data->backend, err));
    SPOT_TRY(reserve(run, count, err));
    draws = (struct cuda_draw *)malloc((size_t)count * sizeof *draws);
    if (draws == NULL) {
        status = spot_fail_memory(err, "the seeding draws");
        goto out;
    }
    SPOT_TRY(draw_rows(run, count, targets, rows, draws, err));
out:
    free(draws);
    return status;
}
