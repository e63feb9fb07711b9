/* Lloyd's algorithm on the device: the table of KMeans. Labels, sums and centres stay there; steps
 * follow each other on the stream, and the host looks only now and then how far they have come. */
#include "kernels/cuda_kmeans.h"

#include <stdlib.h>
#include <string.h>

#include "numerics/quantiser.h"

namespace
{

enum { NARROW_LABELS = 256, MOST_STEPS_AHEAD = 16, ROW_THREADS = 128, SCORED_AT_ONCE = 1 << 20 };

int64_t sum_entries(const struct kmeans_run *run)
{
    return (int64_t)run->k * (run->data->rows.columns + 2);
}

void run_close(struct kmeans_run *run)
{
    if (run == NULL) return;
    if (cuda_enter(run->data->backend, NULL) == SPOT_OK) {
        (void)cudaStreamSynchronize(run->data->backend->stream);
        (void)cudaFree(run->scale);
        (void)cudaFree(run->centres);
        (void)cudaFree(run->others);
        (void)cudaFree(run->filter.packed);
        (void)cudaFree(run->filter.margin);
        (void)cudaFree(run->sums);
        (void)cudaFree(run->labels8);
        (void)cudaFree(run->labels32);
        (void)cudaFree(run->near);
        (void)cudaFree(run->counters);
        (void)cudaFree(run->state);
        (void)cudaFree(run->total);
        (void)cudaFree(run->row);
        (void)cudaFree(run->row_weight);
        cuda_seeding_close(&run->seeding);
    }
    free(run->sums_here);
    free(run);
}

/* What labels alone need. */
int open_labels(struct kmeans_run *run, struct spot_error *err)
{
    int status = SPOT_OK;
    const struct cuda_rows *rows = &run->data->rows;
    int64_t cells = (int64_t)run->k * rows->columns, padded = cuda_padded(rows->rows);
    int64_t chunk = cuda_chunk_rows(*rows, 0);
    /* A sixteenth of the rows; where more are near ties, all are looked at again. */
    int64_t capacity = chunk / 16 > 1 << 16 ? chunk / 16 : chunk < 1 << 16 ? chunk : 1 << 16;
    SPOT_TRY(cuda_alloc(&run->centres, cells, "the centres", err));
    SPOT_TRY(cuda_alloc(&run->filter.packed, (int64_t)run->k * cuda_kmeans_stride(rows->columns),
                        "the centres", err));
    SPOT_TRY(cuda_alloc(&run->filter.margin, 1, "the margin", err));
    if (run->k <= NARROW_LABELS)
        SPOT_TRY(cuda_alloc(&run->labels8, padded, "the labels", err));
    else
        SPOT_TRY(cuda_alloc(&run->labels32, padded, "the labels", err));
    SPOT_TRY(cuda_alloc(&run->near, capacity, "the near ties", err));
    SPOT_TRY(cuda_alloc(&run->counters, cuda_chunks(*rows) + 1, "the counters", err));
    SPOT_TRY(cuda_alloc(&run->state, 1, "the state", err));
    CUDA_TRY(cudaMemsetAsync(run->counters, 0,
                             (size_t)(cuda_chunks(*rows) + 1) * sizeof *run->counters,
                             run->data->backend->stream),
             "KMeans: clearing the counters");
    CUDA_TRY(cudaMemsetAsync(run->state, 0, sizeof *run->state, run->data->backend->stream),
             "KMeans: clearing the state");
    run->near_capacity = (int32_t)capacity;
out:
    return status;
}

/* What training needs besides. */
int open_sums(struct kmeans_run *run, const struct quantiser *quantiser, struct spot_error *err)
{
    int status = SPOT_OK;
    struct backend *backend = run->data->backend;
    const struct cuda_rows *rows = &run->data->rows;
    double block_mass =
        (double)cuda_kmeans_block_rows(&backend->limits, rows->rows) * run->data->most_mass;
    run->wide = !(block_mass < (double)((int64_t)1 << (62 - quantiser->column_bits)));
    run->distance_scale = quantiser->distance_scale;
    run->spherical = quantiser->spherical;
    SPOT_TRY(cuda_alloc(&run->scale, rows->columns, "the scales", err));
    SPOT_TRY(cuda_alloc(&run->others, (int64_t)run->k * rows->columns, "the centres", err));
    SPOT_TRY(cuda_alloc(&run->sums, sum_entries(run), "the sums", err));
    SPOT_TRY(cuda_alloc(&run->total, 1, "a sum", err));
    SPOT_TRY(cuda_alloc(&run->row, rows->columns, "a row", err));
    SPOT_TRY(cuda_alloc(&run->row_weight, 1, "a row's weight", err));
    SPOT_TRY(cuda_put(backend, run->scale, quantiser->scale,
                      (size_t)rows->columns * sizeof *quantiser->scale,
                      "KMeans: copying the scales", err));
    run->sums_here = (struct int128 *)calloc((size_t)sum_entries(run), sizeof *run->sums_here);
    if (run->sums_here == NULL) status = spot_fail_memory(err, "the sums");
out:
    return status;
}

/* quantiser NULL: for labels alone. */
int run_open(struct backend_data *data, int32_t k, const struct quantiser *quantiser,
             struct kmeans_run **out, struct spot_error *err)
{
    int status = SPOT_OK;
    *out = NULL;
    struct kmeans_run *run = (struct kmeans_run *)calloc(1, sizeof *run);
    if (run == NULL) return spot_fail_memory(err, "the KMeans run");
    run->data = data;
    run->k = k;
    run->fresh = 1;
    SPOT_TRY(cuda_enter(data->backend, err));
    SPOT_TRY(open_labels(run, err));
    if (quantiser != NULL) SPOT_TRY(open_sums(run, quantiser, err));
out:
    if (status < 0) {
        run_close(run);
        run = NULL;
    }
    *out = run;
    return status;
}

/* ---- Centres -------------------------------------------------------------------------------- */

int pack_centres(struct kmeans_run *run, struct spot_error *err)
{
    const struct backend_data *data = run->data;
    return cuda_kmeans_pack(run->centres, data->rows.offset, data->largest, run->k,
                            data->rows.columns, run->filter, data->backend->stream, err);
}

int move_centres(struct kmeans_run *run, const double *centres, struct spot_error *err)
{
    int status = SPOT_OK;
    size_t cells = (size_t)run->k * (size_t)run->data->rows.columns;
    SPOT_TRY(cuda_enter(run->data->backend, err));
    SPOT_TRY(cuda_put(run->data->backend, run->centres, centres, cells * sizeof *centres,
                      "KMeans: copying centres", err));
    SPOT_TRY(pack_centres(run, err));
out:
    return status;
}

int start(struct kmeans_run *run, const double *centres, struct spot_error *err)
{
    int status = SPOT_OK;
    cudaStream_t stream = run->data->backend->stream;
    SPOT_TRY(move_centres(run, centres, err));
    if (run->sums != nullptr)
        CUDA_TRY(
            cudaMemsetAsync(run->sums, 0, (size_t)sum_entries(run) * sizeof *run->sums, stream),
            "KMeans: clearing the sums");
    CUDA_TRY(cudaMemsetAsync(run->state, 0, sizeof *run->state, stream),
             "KMeans: clearing the state");
    run->fresh = 1;
out:
    return status;
}

int copy_centres(struct kmeans_run *run, double *centres, struct spot_error *err)
{
    int status = SPOT_OK;
    size_t cells = (size_t)run->k * (size_t)run->data->rows.columns;
    SPOT_TRY(cuda_enter(run->data->backend, err));
    SPOT_TRY(cuda_get(run->data->backend, centres, run->centres, cells * sizeof *centres,
                      "KMeans: reading centres", err));
out:
    return status;
}

/* ---- Passes --------------------------------------------------------------------------------- */

/* The pass over the chunk x that begins at a row. */
struct cuda_kmeans_pass chunk_pass(const struct kmeans_run *run, int64_t first, const float *x)
{
    const struct cuda_rows *rows = &run->data->rows;
    struct cuda_kmeans_pass pass = {};
    pass.batch.rows = cuda_chunk_rows(*rows, first);
    pass.batch.stride = cuda_padded(pass.batch.rows);
    pass.batch.x = x;
    pass.batch.weights = rows->weights != nullptr ? rows->weights + first : nullptr;
    pass.batch.counts = rows->counts != nullptr ? rows->counts + first : nullptr;
    pass.batch.labels8 = run->labels8 != nullptr ? run->labels8 + first : nullptr;
    pass.batch.labels32 = run->labels32 != nullptr ? run->labels32 + first : nullptr;
    pass.batch.fresh = run->fresh;
    pass.filter = run->filter;
    pass.k = run->k;
    pass.columns = rows->columns;
    pass.centres = run->centres;
    pass.offset = rows->offset;
    pass.scale = run->scale;
    pass.wide = run->wide;
    pass.sums = run->sums;
    pass.near = run->near;
    pass.near_capacity = run->near_capacity;
    pass.counters = run->counters + (first >> rows->chunk_bits);
    pass.ended = &run->state->kind;
    return pass;
}

/* Every row to its nearest centre; then the update, if one is wanted. */
int enqueue_pass(struct kmeans_run *run, double tolerance, int32_t update, struct spot_error *err)
{
    int status = SPOT_OK;
    struct backend *backend = run->data->backend;
    for (int64_t first = 0; first < run->data->rows.rows; first += cuda_chunk(run->data->rows)) {
        const float *x;
        SPOT_TRY(cuda_chunk_ready(run->data, first, &x, err));
        struct cuda_kmeans_pass pass = chunk_pass(run, first, x);
        SPOT_TRY(cuda_kmeans_assign(&pass, &backend->limits, backend->stream, err));
        SPOT_TRY(cuda_chunk_used(run->data, first, err));
    }
    run->fresh = 0;
    SPOT_TRY(cuda_kmeans_update(run, tolerance, update, err));
    if (update != 0) SPOT_TRY(pack_centres(run, err));
out:
    return status;
}

/* Begins a call: nothing has ended yet. */
int reset_state(struct kmeans_run *run, struct spot_error *err)
{
    return cuda_status(
        cudaMemsetAsync(run->state, 0, sizeof *run->state, run->data->backend->stream),
        "KMeans: clearing the state", err);
}

int pass(struct kmeans_run *run, struct spot_error *err)
{
    int status = SPOT_OK;
    SPOT_TRY(cuda_enter(run->data->backend, err));
    SPOT_TRY(reset_state(run, err));
    SPOT_TRY(enqueue_pass(run, 0.0, 0, err));
    SPOT_TRY(cuda_wait(run->data->backend, "KMeans: assigning rows", err));
out:
    return status;
}

int read_state(struct kmeans_run *run, struct cuda_kmeans_state *state, struct spot_error *err)
{
    return cuda_get(run->data->backend, state, run->state, sizeof *state, "KMeans: a step", err);
}

/* Steps are put on the stream ahead of their results, ever more of them; those behind an end do
 * nothing. */
int run_steps(struct kmeans_run *run, int32_t max_steps, double tolerance,
              struct kmeans_event *event, struct spot_error *err)
{
    int status = SPOT_OK;
    const struct backend_host *host = &run->data->backend->host;
    struct cuda_kmeans_state state = {};
    int32_t ahead = 1;
    bool stopped = false;
    memset(event, 0, sizeof *event);
    SPOT_TRY(cuda_enter(run->data->backend, err));
    SPOT_TRY(reset_state(run, err));
    while (state.kind == KMEANS_STEPS && state.steps < max_steps && !stopped) {
        stopped = host->stopped != NULL && host->stopped(host->arg) != 0;
        if (stopped) break;
        if (ahead > max_steps - state.steps) ahead = max_steps - state.steps;
        for (int32_t i = 0; i < ahead; i++)
            SPOT_TRY(enqueue_pass(run, tolerance, 1, err));
        SPOT_TRY(read_state(run, &state, err));
        ahead = 2 * ahead < MOST_STEPS_AHEAD ? 2 * ahead : (int32_t)MOST_STEPS_AHEAD;
    }
    event->kind = stopped ? KMEANS_STOPPED : (enum kmeans_event_kind)state.kind;
    event->steps = state.steps;
    event->moved = (int64_t)state.moved;
    event->near_ties = (int64_t)state.near_all;
    event->shift = state.shift;
out:
    return status;
}

/* ---- Results -------------------------------------------------------------------------------- */

int copy_partial(struct kmeans_run *run, struct kmeans_partial *partial, struct spot_error *err)
{
    int status = SPOT_OK;
    struct cuda_kmeans_state state;
    int32_t columns = run->data->rows.columns;
    SPOT_TRY(cuda_enter(run->data->backend, err));
    SPOT_TRY(cuda_get(run->data->backend, run->sums_here, run->sums,
                      (size_t)sum_entries(run) * sizeof *run->sums, "KMeans: reading the sums",
                      err));
    SPOT_TRY(read_state(run, &state, err));
    for (int32_t c = 0; c < run->k; c++) {
        const struct int128 *sums = run->sums_here + (int64_t)c * (columns + 2);
        memcpy(partial->sums + (int64_t)c * columns, sums, (size_t)columns * sizeof *sums);
        partial->weights[c] = sums[columns];
        partial->sizes[c] = (int64_t)sums[columns + 1].low;
    }
    partial->moved = (int64_t)state.moved;
    partial->near_ties = (int64_t)state.near;
out:
    return status;
}

int copy_labels(struct kmeans_run *run, int64_t first, int64_t rows, int32_t *labels,
                struct spot_error *err)
{
    int status = SPOT_OK;
    const struct backend *backend = run->data->backend;
    SPOT_TRY(cuda_enter(backend, err));
    if (run->labels8 == nullptr) {
        SPOT_TRY(cuda_get(backend, labels, run->labels32 + first, (size_t)rows * sizeof *labels,
                          "KMeans: reading labels", err));
        goto out;
    }
    /* The bytes come into the front of the caller's array and are widened from the back. */
    SPOT_TRY(cuda_get(backend, labels, run->labels8 + first, (size_t)rows, "KMeans: reading labels",
                      err));
    for (int64_t i = rows - 1; i >= 0; i--) {
        uint8_t narrow;
        memcpy(&narrow, (const char *)labels + i, 1);
        labels[i] = narrow;
    }
out:
    return status;
}

__global__ __launch_bounds__(ROW_THREADS) void row_kernel(cuda_rows rows, int64_t row,
                                                          float *values, int64_t *weight)
{
    int64_t stride;
    const float *x = cuda_row(rows, row, &stride);
    for (int32_t j = (int32_t)threadIdx.x; j < rows.columns; j += ROW_THREADS)
        values[j] = x[j * stride];
    if (threadIdx.x == 0) *weight = cuda_weight(rows, row);
}

int copy_row(struct kmeans_run *run, int64_t row, float *values, int64_t *weight, int32_t *label,
             struct spot_error *err)
{
    int status = SPOT_OK;
    const struct backend *backend = run->data->backend;
    SPOT_TRY(cuda_enter(backend, err));
    CUDA_LAUNCH(row_kernel, 1, ROW_THREADS, 0, backend->stream, run->data->rows, row, run->row,
                run->row_weight);
    CUDA_TRY(cudaGetLastError(), "KMeans: reading a row");
    SPOT_TRY(cuda_get(backend, values, run->row, (size_t)run->data->rows.columns * sizeof *values,
                      "KMeans: reading a row", err));
    SPOT_TRY(
        cuda_get(backend, weight, run->row_weight, sizeof *weight, "KMeans: reading a row", err));
    *label = -1;
    if (run->fresh == 0) SPOT_TRY(copy_labels(run, row, 1, label, err));
out:
    return status;
}

/* ---- Scoring -------------------------------------------------------------------------------- */

/* Largest |x| of every column; NaN is above all. Non-negative numbers compare as their bits do. */
__global__ __launch_bounds__(ROW_THREADS) void largest_kernel(cuda_rows rows,
                                                              unsigned long long *largest)
{
    int64_t step = (int64_t)gridDim.x * ROW_THREADS;
    for (int32_t j = 0; j < rows.columns; j++) {
        unsigned long long most = 0;
        for (int64_t row = (int64_t)blockIdx.x * ROW_THREADS + threadIdx.x; row < rows.rows;
             row += step) {
            int64_t stride;
            const float *x = cuda_row(rows, row, &stride);
            unsigned long long bits =
                (unsigned long long)__double_as_longlong(fabs((double)x[j * stride]));
            most = bits > most ? bits : most;
        }
        for (int32_t lanes = 32 / 2; lanes > 0; lanes /= 2) {
            unsigned long long other = __shfl_xor_sync(CUDA_WHOLE_WARP, most, lanes);
            most = other > most ? other : most;
        }
        if (threadIdx.x % 32 == 0) atomicMax(&largest[j], most);
    }
}

/* Some of the rows to score, as a handle of their own. */
int assign_some(struct backend *backend, int32_t k, int32_t columns, const double *centres,
                const double *offset, const float *zeros, int64_t rows, const float *values,
                int32_t *labels, double *distances, struct spot_error *err)
{
    int status = SPOT_OK;
    struct backend_data *data = NULL;
    struct kmeans_run *run = NULL;
    SPOT_TRY(cuda_data_open(backend, rows, columns, offset, zeros, 0, &data, err));
    SPOT_TRY(cuda_data_put(data, 0, rows, values, NULL, NULL, err));
    CUDA_LAUNCH(largest_kernel, cuda_grid(backend, rows, ROW_THREADS), ROW_THREADS, 0,
                backend->stream, data->rows, (unsigned long long *)data->largest);
    CUDA_TRY(cudaGetLastError(), "scoring: the columns' ranges");
    SPOT_TRY(run_open(data, k, NULL, &run, err));
    SPOT_TRY(start(run, centres, err));
    SPOT_TRY(pass(run, err));
    if (labels != NULL) SPOT_TRY(copy_labels(run, 0, rows, labels, err));
    if (distances != NULL) SPOT_TRY(cuda_kmeans_distances(run, distances, err));
out:
    run_close(run);
    cuda_data_close(data);
    return status;
}

int assign(struct backend *backend, int32_t k, int32_t columns, const double *centres,
           const double *offset, int64_t rows, const float *values, int32_t *labels,
           double *distances, struct spot_error *err)
{
    int status = SPOT_OK;
    float *zeros = (float *)calloc((size_t)columns, sizeof *zeros);
    if (zeros == NULL) return spot_fail_memory(err, "the rows to score");
    for (int64_t first = 0, some; first < rows && status == SPOT_OK; first += some) {
        some = rows - first < SCORED_AT_ONCE ? rows - first : (int64_t)SCORED_AT_ONCE;
        status = assign_some(backend, k, columns, centres, offset, zeros, some,
                             values + first * columns, labels == NULL ? NULL : labels + first,
                             distances == NULL ? NULL : distances + first, err);
    }
    free(zeros);
    return status;
}

} // namespace

const struct backend_kmeans cuda_kmeans = {
    .open = run_open,
    .close = run_close,
    .start = start,
    .move = move_centres,
    .centres = copy_centres,
    .pass = pass,
    .partial = copy_partial,
    .run = run_steps,
    .inertia = cuda_kmeans_inertia,
    .farthest = cuda_kmeans_farthest,
    .labels = copy_labels,
    .row = copy_row,
    .seed_begin = cuda_seed_begin,
    .seed_try = cuda_seed_try,
    .seed_take = cuda_seed_take,
    .seed_pick = cuda_seed_pick,
    .seed_points = cuda_seed_points,
    .seed_rows = cuda_seed_rows,
    .assign = assign,
    .row64 = NULL,
    .assign64 = NULL,
    .assign_looks = 0,
};
