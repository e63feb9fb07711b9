/* EM for Gaussian mixtures, one pass an iteration: a block takes tiles of rows, finds their
 * responsibilities and uses them at once for the sums (mixture_tile.cuh), so that nothing of size
 * rows x components is ever stored. A task is a fixed range of rows, and the tasks' sums are added
 * in a fixed tree: neither the grid nor the batches change a bit. */
#include "kernels/cuda_mixture.h"
#include "kernels/mixture_tile.cuh"

namespace
{

/* MIXTURE_BLOCKS: on a multiprocessor, so that up to 128 registers are taken and none is spilled.
 */
enum { MIXTURE_BLOCKS = 4, FAN_IN = 32, MERGE_THREADS = 256 };

/* ---- Tasks ---------------------------------------------------------------------------------- */

__device__ void clear_sums(const cuda_mixture_pass &pass, double *sums)
{
    const int64_t count = pass.cut.slabs * (pass.cut.part - 1);
    for (int64_t t = threadIdx.x; t < count; t += MIXTURE_THREADS)
        sums[t] = 0.0;
}

/* The slabs' sums one after the other, and the threads' log-likelihoods in a tree, become the
 * task's part. */
__device__ void finish_task(const cuda_mixture_pass &pass, const double *sums, double likelihood,
                            double *part)
{
    __shared__ double totals[MIXTURE_THREADS];
    const int32_t thread = (int32_t)threadIdx.x;
    const int64_t count = pass.cut.part - 1;
    totals[thread] = likelihood;
    for (int32_t half = MIXTURE_THREADS / 2; half > 0; half /= 2) {
        __syncthreads(); /* the first one ends the sums, too */
        if (thread < half) totals[thread] += totals[thread + half];
    }
    if (thread == 0) part[0] = totals[0];
    if (pass.cut.shared == 0 || pass.mode == LIKELIHOOD_ONLY) return;
    for (int64_t t = thread; t < count; t += MIXTURE_THREADS) {
        double sum = sums[t];
        for (int32_t slab = 1; slab < pass.cut.slabs; slab++)
            sum += sums[slab * count + t];
        part[1 + t] = sum;
    }
}

template <int KIND>
__global__ __launch_bounds__(MIXTURE_THREADS,
                             MIXTURE_BLOCKS) void mixture_pass_kernel(cuda_mixture_pass pass)
{
    CUDA_DYNAMIC_SHARED(shared);
    workplace place = find_places(pass, (double *)shared);
    for (int64_t task = blockIdx.x; task < pass.cut.tasks; task += gridDim.x) {
        double *part = pass.parts + task * pass.cut.part, likelihood = 0.0;
        const int64_t start = task * pass.cut.task_rows, room = pass.rows.rows - start;
        const int64_t end = start + (room < pass.cut.task_rows ? room : pass.cut.task_rows);
        if (pass.cut.shared == 0) place.sums = part + 1;
        if (pass.mode != LIKELIHOOD_ONLY) clear_sums(pass, place.sums);
        for (int64_t first = start; first < end; first += place.tile) {
            load_tile(pass, first, place);
            __syncthreads(); /* sums and rows are there */
            likelihood += find_shares<KIND>(pass, first, place);
            __syncthreads();
            if (pass.mode == LIKELIHOOD_ONLY) continue;
            if (KIND == BY_TRIANGLES)
                add_triangles(pass, place);
            else
                add_columns<KIND == BY_SCALES>(pass, place);
            __syncthreads(); /* the rows have been used */
        }
        finish_task(pass, place.sums, likelihood, part);
        __syncthreads(); /* the sums have been read */
    }
}

/* ---- All tasks ------------------------------------------------------------------------------ */

/* Adds up to FAN_IN parts, `step` apart, to the first of them, one thread for each term. */
__global__ __launch_bounds__(MERGE_THREADS) void mixture_merge_kernel(double *parts, int64_t part,
                                                                      int64_t terms, int64_t tasks,
                                                                      int64_t step)
{
    const int64_t groups = (tasks + FAN_IN * step - 1) / (FAN_IN * step);
    int64_t i = (int64_t)blockIdx.x * MERGE_THREADS + threadIdx.x;
    for (; i < groups * terms; i += (int64_t)gridDim.x * MERGE_THREADS) {
        const int64_t first = i / terms * FAN_IN * step, term = i % terms;
        double sum = parts[first * part + term];
        for (int64_t t = first + step; t < tasks && t < first + FAN_IN * step; t += step)
            sum += parts[t * part + term];
        parts[first * part + term] = sum;
    }
}

/* ---- Scores --------------------------------------------------------------------------------- */

/* The lowest index among the largest densities. */
__device__ int32_t label_row(const cuda_mixture_model &model, const double *shares, int32_t stride)
{
    int32_t best = 0;
    for (int32_t c = 1; c < model.k; c++)
        if (shares[(int64_t)c * stride] > shares[(int64_t)best * stride]) best = c;
    return best;
}

template <int KIND>
__global__ __launch_bounds__(MIXTURE_THREADS,
                             MIXTURE_BLOCKS) void mixture_score_kernel(cuda_mixture_pass pass)
{
    CUDA_DYNAMIC_SHARED(shared);
    const workplace place = find_places(pass, (double *)shared);
    const int32_t thread = (int32_t)threadIdx.x, k = pass.model.k;
    const int64_t step = (int64_t)gridDim.x * place.tile;
    for (int64_t first = (int64_t)blockIdx.x * place.tile; first < pass.rows.rows; first += step) {
        const int64_t left = pass.rows.rows - first;
        const int32_t rows = left < place.tile ? (int32_t)left : place.tile;
        load_tile(pass, first, place);
        __syncthreads();
        find_densities<KIND>(pass.model, place);
        if (thread < rows) {
            double *shares = place.shares + thread;
            if (pass.labels != nullptr)
                pass.labels[first + thread] = label_row(pass.model, shares, place.stride);
            const double log_density = share_row(pass.model, shares, place.stride, 1.0);
            if (pass.log_likelihood != nullptr) pass.log_likelihood[first + thread] = log_density;
        }
        __syncthreads(); /* the responsibilities are there */
        if (pass.responsibilities == nullptr) continue;
        for (int64_t i = thread; i < (int64_t)rows * k; i += MIXTURE_THREADS)
            pass.responsibilities[first * k + i] = place.shares[i % k * place.stride + i / k];
    }
}

/* ---- Launches ------------------------------------------------------------------------------- */

typedef void pass_kernel(cuda_mixture_pass);

pass_kernel *kernel_of(enum cuda_mixture_kind kind, bool score)
{
    if (kind == BY_TRIANGLES)
        return score ? mixture_score_kernel<BY_TRIANGLES> : mixture_pass_kernel<BY_TRIANGLES>;
    if (kind == BY_SHARED_TRIANGLE)
        return score ? mixture_score_kernel<BY_SHARED_TRIANGLE>
                     : mixture_pass_kernel<BY_SHARED_TRIANGLE>;
    return score ? mixture_score_kernel<BY_SCALES> : mixture_pass_kernel<BY_SCALES>;
}

/* How much of the threads' time slabs leave in use, in percent. */
int64_t busy(int64_t jobs, int64_t slabs)
{
    return 100 * jobs * slabs / cuda_to(jobs * slabs, MIXTURE_THREADS);
}

/* So many slabs that threads are busy, as far as there is room for their sums. */
int32_t slabs_of(int64_t jobs, int64_t sums, int64_t room, int32_t tile)
{
    int32_t best = 1;
    for (int32_t slabs = 2; slabs * sums <= room && slabs <= tile / 4; slabs++) {
        if (busy(jobs, best) >= 90) break;
        if (busy(jobs, slabs) > busy(jobs, best)) best = slabs;
    }
    return best;
}

/* Puts an array where there is room for it. */
void put(int64_t count, int64_t room, int64_t *shared, int64_t *scratch, int64_t *at)
{
    int64_t *end = *shared + count <= room ? shared : scratch;
    *at = *end;
    *end += count;
}

} // namespace

struct cuda_mixture_cut cuda_mixture_cut_of(int64_t rows, int32_t k, int32_t columns,
                                            enum mixture_covariance covariance)
{
    /* Doubles in shared memory: for rows, for rows and sums, and for the parts of all tasks. */
    const int64_t rows_room = 4608, block_room = 7168, parts_room = 8 << 20;
    const int64_t most_tasks = 8192, fewest_tasks = 128, d = columns;
    const int64_t groups = (d + MIXTURE_GROUP - 1) / MIXTURE_GROUP;
    int64_t depth = cuda_to(d, MIXTURE_GROUP), jobs = k * groups;
    struct cuda_mixture_cut cut = {};
    cut.tile_bits = 7;
    cut.terms = 1 + 2 * d;
    if (covariance == MIXTURE_TIED) depth += cuda_to(d, MIXTURE_HEIGHT);
    if (covariance == MIXTURE_TIED) cut.terms = 1 + d;
    if (covariance == MIXTURE_FULL) cut.terms = 1 + d + d * (d + 1) / 2;
    if (covariance == MIXTURE_FULL) jobs = k * (groups * (groups + 1) / 2);
    while (cut.tile_bits > 5 && depth * ((1 << cut.tile_bits) + 1) > rows_room)
        cut.tile_bits--;
    const int32_t tile = 1 << cut.tile_bits;
    const int64_t sums = k * cut.terms, room = block_room - depth * (tile + 1);
    cut.part = 1 + sums;
    cut.shared = sums <= room ? 1 : 0;
    cut.slabs = slabs_of(jobs, sums, room, tile);
    cut.task_rows = tile;
    for (;;) {
        cut.tasks = (rows + cut.task_rows - 1) / cut.task_rows;
        if (cut.tasks <= fewest_tasks) break;
        if (cut.tasks <= most_tasks && cut.tasks <= parts_room / cut.part) break;
        cut.task_rows *= 2;
    }
    return cut;
}

int cuda_mixture_plan(const struct backend *backend, struct cuda_mixture_pass *pass, bool score,
                      struct cuda_mixture_grid *grid, struct spot_error *err)
{
    int status = SPOT_OK, resident = 0;
    const struct cuda_mixture_model *model = &pass->model;
    pass_kernel *kernel = kernel_of(model->kind, score);
    /* Three blocks on a large multiprocessor; what the cut counts on fits anywhere. */
    size_t most = backend->limits.shared / 3 > 60 << 10 ? backend->limits.shared / 3 : 60 << 10;
    if (most > backend->limits.shared) most = backend->limits.shared;
    const int64_t room = (int64_t)(most / sizeof(double)) - MIXTURE_THREADS;
    const int64_t stride = (1 << pass->cut.tile_bits) + 1;
    int64_t shared = score || pass->cut.shared == 0 ? 0 : pass->cut.slabs * (pass->cut.part - 1);
    int64_t scratch = MIXTURE_IN_SCRATCH, blocks = pass->cut.tasks;
    put(cuda_to(model->columns, MIXTURE_GROUP) * stride, room, &shared, &scratch,
        &pass->places.rows);
    if (model->kind == BY_SHARED_TRIANGLE)
        put(cuda_to(model->columns, MIXTURE_HEIGHT) * stride, room, &shared, &scratch,
            &pass->places.images);
    put(model->k * stride, room, &shared, &scratch, &pass->places.shares);
    grid->shared = (size_t)shared * sizeof(double);
    grid->scratch_room = scratch - MIXTURE_IN_SCRATCH;
    CUDA_TRY(cudaFuncSetAttribute(kernel, cudaFuncAttributeMaxDynamicSharedMemorySize,
                                  (int)grid->shared),
             "mixtures: asking for shared memory");
    CUDA_TRY(cudaOccupancyMaxActiveBlocksPerMultiprocessor(&resident, kernel, MIXTURE_THREADS,
                                                           grid->shared),
             "mixtures: asking for the occupancy");
    if (resident < 1) resident = 1;
    if (score) blocks = (pass->rows.rows + stride - 2) / (stride - 1);
    if (blocks > (int64_t)resident * backend->limits.processors)
        blocks = (int64_t)resident * backend->limits.processors;
    grid->blocks = blocks > 0 ? (unsigned)blocks : 1;
out:
    return status;
}

int cuda_mixture_sum(const struct backend *backend, const struct cuda_mixture_pass *pass,
                     const struct cuda_mixture_grid *grid, struct spot_error *err)
{
    int status = SPOT_OK;
    const struct cuda_mixture_cut *cut = &pass->cut;
    const int64_t terms = pass->mode == LIKELIHOOD_ONLY ? 1 : cut->part;
    CUDA_LAUNCH(kernel_of(pass->model.kind, false), grid->blocks, MIXTURE_THREADS, grid->shared,
                backend->stream, *pass);
    CUDA_TRY(cudaGetLastError(), "mixtures: a pass");
    for (int64_t step = 1; step < cut->tasks; step *= FAN_IN) {
        const int64_t groups = (cut->tasks + FAN_IN * step - 1) / (FAN_IN * step);
        CUDA_LAUNCH(mixture_merge_kernel, cuda_grid(backend, groups * terms, MERGE_THREADS),
                    MERGE_THREADS, 0, backend->stream, pass->parts, cut->part, terms, cut->tasks,
                    step);
        CUDA_TRY(cudaGetLastError(), "mixtures: adding up the parts");
    }
out:
    return status;
}

int cuda_mixture_score(const struct backend *backend, const struct cuda_mixture_pass *pass,
                       const struct cuda_mixture_grid *grid, struct spot_error *err)
{
    int status = SPOT_OK;
    CUDA_LAUNCH(kernel_of(pass->model.kind, true), grid->blocks, MIXTURE_THREADS, grid->shared,
                backend->stream, *pass);
    CUDA_TRY(cudaGetLastError(), "mixtures: scoring rows");
out:
    return status;
}
