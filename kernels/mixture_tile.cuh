/* What a block does with a tile of rows of a mixture: it loads them, finds log densities, turns
 * them into responsibilities and adds up sums. Densities are products of triangles (full), of one
 * triangle before all components (tied) or of scales (diagonal), rows on lanes and several outputs
 * in registers; sums are tiles of 4 x 4 columns, each owned by one thread, which adds up its rows
 * in their order. */
#ifndef SPOT_KERNELS_MIXTURE_TILE_CUH
#define SPOT_KERNELS_MIXTURE_TILE_CUH

#include "kernels/cuda_mixture.h"
#include "numerics/explog.h"
#include "numerics/philox.h"

namespace
{

/* A block's arrays. Those over rows have a stride of a tile and one more: lanes that read the same
 * row of several columns meet different banks. */
struct workplace {
    int32_t tile, stride;
    double *sums; /* (slabs, k, terms) */
    double *rows, *images, *shares;
};

__device__ workplace find_places(const cuda_mixture_pass &pass, double *shared)
{
    double *scratch = pass.scratch + blockIdx.x * pass.scratch_room - MIXTURE_IN_SCRATCH;
    const cuda_mixture_places &at = pass.places;
    workplace place;
    place.tile = 1 << pass.cut.tile_bits;
    place.stride = place.tile + 1;
    place.sums = shared;
    place.rows = (at.rows < MIXTURE_IN_SCRATCH ? shared : scratch) + at.rows;
    place.images = (at.images < MIXTURE_IN_SCRATCH ? shared : scratch) + at.images;
    place.shares = (at.shares < MIXTURE_IN_SCRATCH ? shared : scratch) + at.shares;
    return place;
}

/* ---- Rows ----------------------------------------------------------------------------------- */

/* The rows from `first` on less the centre; zeros beyond the last row and column. */
__device__ void load_tile(const cuda_mixture_pass &pass, int64_t first, const workplace &place)
{
    const int32_t columns = pass.model.columns, row = (int32_t)threadIdx.x & (place.tile - 1);
    const bool inside = first + row < pass.rows.rows;
    const float *from = nullptr;
    int64_t step = 1;
    if (inside && pass.row_major != nullptr) from = pass.row_major + (first + row) * columns;
    if (inside && pass.row_major == nullptr) from = cuda_row(pass.rows, first + row, &step);
    int32_t j = (int32_t)threadIdx.x >> pass.cut.tile_bits;
    for (; j < cuda_to(columns, MIXTURE_GROUP); j += MIXTURE_THREADS >> pass.cut.tile_bits)
        place.rows[(int64_t)j * place.stride + row] =
            inside && j < columns ? (double)from[j * step] - pass.model.centre[j] : 0.0;
}

__device__ double mass_of(const cuda_mixture_pass &pass, int64_t row)
{
    double count = pass.rows.counts != nullptr ? (double)pass.rows.counts[row] : 1.0;
    return (double)cuda_weight(pass.rows, row) * count * pass.weight_unit;
}

/* ---- Densities ------------------------------------------------------------------------------ */

/* The comparison is false for NaN. */
__device__ double floored(double log_density)
{
    return log_density > CUDA_MIXTURE_FLOOR ? log_density : CUDA_MIXTURE_FLOOR;
}

/* y = F x - image for 8 rows of F, of which `height` columns are not all 0, and two rows x. */
__device__ void multiply_block(const double *triangle, const double *image, int32_t height,
                               const double *x, int32_t stride, int32_t half,
                               double (&y)[MIXTURE_HEIGHT][2])
{
#pragma unroll
    for (int32_t i = 0; i < MIXTURE_HEIGHT; i++)
        y[i][0] = y[i][1] = image != nullptr ? -image[i] : 0.0;
#pragma unroll 2
    for (int32_t j = 0; j < height; j++, x += stride, triangle += MIXTURE_HEIGHT) {
        const double one = x[0], other = x[half];
#pragma unroll
        for (int32_t i = 0; i < MIXTURE_HEIGHT; i += 2) {
            const cuda_mixture_scale two = *(const cuda_mixture_scale *)(triangle + i);
            y[i][0] = fma(two.factor, one, y[i][0]);
            y[i][1] = fma(two.factor, other, y[i][1]);
            y[i + 1][0] = fma(two.image, one, y[i + 1][0]);
            y[i + 1][1] = fma(two.image, other, y[i + 1][1]);
        }
    }
}

__device__ int32_t height_of(int32_t block, int32_t columns)
{
    int32_t end = (block + 1) * MIXTURE_HEIGHT;
    return end < columns ? end : columns;
}

/* Full covariances: a thread takes a component and two rows. */
__device__ void densities_by_triangles(const cuda_mixture_model &model, const workplace &place)
{
    const int32_t half = place.tile / 2, columns = model.columns;
    const int64_t padded = cuda_to(columns, MIXTURE_HEIGHT), triangle = cuda_triangle(columns);
    for (int32_t item = (int32_t)threadIdx.x; item < model.k * half; item += MIXTURE_THREADS) {
        const int32_t c = item / half, row = item & (half - 1);
        double y[MIXTURE_HEIGHT][2], norm[2] = {0.0, 0.0};
        for (int32_t b = 0; b * MIXTURE_HEIGHT < columns; b++) {
            multiply_block(model.triangles + c * triangle + cuda_triangle_at(b),
                           model.images + c * padded + b * MIXTURE_HEIGHT, height_of(b, columns),
                           place.rows + row, place.stride, half, y);
#pragma unroll
            for (int32_t i = 0; i < MIXTURE_HEIGHT; i++) {
                norm[0] = fma(y[i][0], y[i][0], norm[0]);
                norm[1] = fma(y[i][1], y[i][1], norm[1]);
            }
        }
        double *to = place.shares + (int64_t)c * place.stride + row;
        to[0] = floored(model.log_scales[c] - 0.5 * norm[0]);
        to[half] = floored(model.log_scales[c] - 0.5 * norm[1]);
    }
}

/* A tied covariance: the rows times F, once for all components. */
__device__ void transform_tile(const cuda_mixture_model &model, const workplace &place)
{
    const int32_t half = place.tile / 2, columns = model.columns;
    const int32_t blocks = (columns + MIXTURE_HEIGHT - 1) / MIXTURE_HEIGHT;
    for (int32_t item = (int32_t)threadIdx.x; item < blocks * half; item += MIXTURE_THREADS) {
        const int32_t b = item / half, row = item & (half - 1);
        double y[MIXTURE_HEIGHT][2];
        multiply_block(model.triangles + cuda_triangle_at(b), nullptr, height_of(b, columns),
                       place.rows + row, place.stride, half, y);
        double *to = place.images + (int64_t)b * MIXTURE_HEIGHT * place.stride + row;
#pragma unroll
        for (int32_t i = 0; i < MIXTURE_HEIGHT; i++, to += place.stride) {
            to[0] = y[i][0];
            to[half] = y[i][1];
        }
    }
}

/* Diagonal ones, and tied ones behind their triangle: a thread takes four components and two rows
 * of `from`. */
__device__ void densities_by_scales(const cuda_mixture_model &model, const workplace &place,
                                    const double *from)
{
    const int32_t half = place.tile / 2, columns = model.columns;
    const int32_t groups = (model.k + MIXTURE_GROUP - 1) / MIXTURE_GROUP;
    for (int32_t item = (int32_t)threadIdx.x; item < groups * half; item += MIXTURE_THREADS) {
        const int32_t first = item / half * MIXTURE_GROUP, row = item & (half - 1);
        const cuda_mixture_scale *scale = model.scales + (int64_t)first * columns;
        const double *x = from + row;
        double norm[MIXTURE_GROUP][2] = {};
        for (int32_t j = 0; j < columns; j++, x += place.stride, scale += MIXTURE_GROUP) {
            const double one = x[0], other = x[half];
#pragma unroll
            for (int32_t c = 0; c < MIXTURE_GROUP; c++) {
                const cuda_mixture_scale s = scale[c];
                const double y = fma(s.factor, one, -s.image), z = fma(s.factor, other, -s.image);
                norm[c][0] = fma(y, y, norm[c][0]);
                norm[c][1] = fma(z, z, norm[c][1]);
            }
        }
        for (int32_t c = 0; c < MIXTURE_GROUP && first + c < model.k; c++) {
            double *to = place.shares + (int64_t)(first + c) * place.stride + row;
            to[0] = floored(model.log_scales[first + c] - 0.5 * norm[c][0]);
            to[half] = floored(model.log_scales[first + c] - 0.5 * norm[c][1]);
        }
    }
}

/* Log densities of the tile's rows; every thread sees them when it comes back. */
template <int KIND>
__device__ void find_densities(const cuda_mixture_model &model, const workplace &place)
{
    if (KIND == BY_TRIANGLES) densities_by_triangles(model, place);
    if (KIND == BY_SHARED_TRIANGLE) {
        transform_tile(model, place);
        __syncthreads();
        densities_by_scales(model, place, place.images);
    }
    if (KIND == BY_SCALES) densities_by_scales(model, place, place.rows);
    __syncthreads();
}

/* ---- Responsibilities ----------------------------------------------------------------------- */

/* Log densities of a row (k, stride) become weight times responsibility. Returns the logarithm of
 * the row's density. */
__device__ double share_row(const cuda_mixture_model &model, double *shares, int32_t stride,
                            double weight)
{
    double largest = shares[0], sum = 0.0;
    for (int32_t c = 1; c < model.k; c++)
        largest = fmax(largest, shares[(int64_t)c * stride]);
    for (int32_t c = 0; c < model.k; c++) {
        const double less = shares[(int64_t)c * stride] - largest;
        const double share = less < model.cutoffs[c] ? 0.0 : spot_exp(less);
        shares[(int64_t)c * stride] = share;
        sum += share;
    }
    const double unit = weight / sum;
    for (int32_t c = 0; c < model.k; c++)
        shares[(int64_t)c * stride] *= unit;
    return largest + spot_log(sum);
}

__device__ void share_by_label(const cuda_mixture_pass &pass, int64_t row, double weight,
                               double *shares, int32_t stride)
{
    int32_t label = 0;
    const bool inside = row < pass.rows.rows;
    if (inside && pass.labels8 != nullptr) label = pass.labels8[row];
    if (inside && pass.labels32 != nullptr) label = pass.labels32[row];
    for (int32_t c = 0; c < pass.model.k; c++)
        shares[(int64_t)c * stride] = c == label ? weight : 0.0;
}

__device__ void share_by_draw(const cuda_mixture_pass &pass, int64_t row, double weight,
                              double *shares, int32_t stride)
{
    const uint32_t low = (uint32_t)row, high = (uint32_t)((uint64_t)row >> 32);
    double sum = 0.0;
    for (int32_t c = 0; c < pass.model.k; c++) {
        const double u = philox_uniform(philox_bits(pass.seed, low, high, (uint32_t)c, pass.draw));
        shares[(int64_t)c * stride] = u;
        sum += u;
    }
    const double unit = weight / sum;
    for (int32_t c = 0; c < pass.model.k; c++)
        shares[(int64_t)c * stride] *= unit;
}

/* The shares of the tile by the pass's rule. Returns what the thread's row adds to the
 * log-likelihood. */
template <int KIND>
__device__ double find_shares(const cuda_mixture_pass &pass, int64_t first, const workplace &place)
{
    const int32_t thread = (int32_t)threadIdx.x, stride = place.stride;
    const bool densities = pass.mode == BY_DENSITY || pass.mode == LIKELIHOOD_ONLY;
    if (densities) find_densities<KIND>(pass.model, place);
    if (thread >= place.tile) return 0.0;
    const int64_t row = first + thread;
    const double weight = row < pass.rows.rows ? mass_of(pass, row) : 0.0;
    double *shares = place.shares + thread;
    if (densities) return weight * share_row(pass.model, shares, stride, weight);
    if (pass.mode == BY_LABEL)
        share_by_label(pass, row, weight, shares, stride);
    else
        share_by_draw(pass, row, weight, shares, stride);
    return 0.0;
}

/* ---- Sums ----------------------------------------------------------------------------------- */

/* The job of a thread: a component, columns, and a part of the tile's rows. */
struct sum_job {
    int32_t c, from, to; /* rows [from, to) of the tile */
    int32_t which;       /* of the component's jobs */
    double *sums;        /* (terms) of the component in the slab */
};

__device__ sum_job find_job(const cuda_mixture_pass &pass, const workplace &place, int32_t item,
                            int32_t each)
{
    const int32_t jobs = pass.model.k * each, slab = item / jobs, rest = item % jobs;
    sum_job job;
    job.c = rest / each;
    job.which = rest % each;
    job.from = slab * place.tile / pass.cut.slabs;
    job.to = (slab + 1) * place.tile / pass.cut.slabs;
    job.sums = place.sums + ((int64_t)slab * pass.model.k + job.c) * pass.cut.terms;
    return job;
}

/* The means of four columns. */
__device__ void load_means(const cuda_mixture_model &model, int32_t c, int32_t group,
                           double (&mean)[MIXTURE_GROUP])
{
    const int64_t padded = cuda_to(model.columns, MIXTURE_GROUP);
#pragma unroll
    for (int32_t i = 0; i < MIXTURE_GROUP; i++)
        mean[i] = model.means[c * padded + group * MIXTURE_GROUP + i];
}

/* Adds a tile's 4 x 4 squares, and where it is the first of its columns their sums, to those of the
 * task. */
__device__ void keep_squares(const sum_job &job, int32_t columns, int32_t a, int32_t b,
                             double weight, const double (&first)[MIXTURE_GROUP],
                             const double (&squares)[MIXTURE_GROUP][MIXTURE_GROUP])
{
    if (a == 0) job.sums[0] += weight;
#pragma unroll
    for (int32_t i = 0; i < MIXTURE_GROUP; i++) {
        const int64_t row = a * MIXTURE_GROUP + i;
        if (row >= columns) return;
        if (b == 0) job.sums[1 + row] += first[i];
        double *to = job.sums + 1 + columns + row * (row + 1) / 2;
#pragma unroll
        for (int32_t j = 0; j < MIXTURE_GROUP; j++)
            if (b * MIXTURE_GROUP + j <= row) to[b * MIXTURE_GROUP + j] += squares[i][j];
    }
}

/* Full covariances: w, w z and w z z^T, in tiles of 4 x 4 on and below the diagonal. */
__device__ void add_triangles(const cuda_mixture_pass &pass, const workplace &place)
{
    const cuda_mixture_model &model = pass.model;
    const int32_t groups = (model.columns + MIXTURE_GROUP - 1) / MIXTURE_GROUP;
    const int32_t each = groups * (groups + 1) / 2, items = model.k * each * pass.cut.slabs;
    for (int32_t item = (int32_t)threadIdx.x; item < items; item += MIXTURE_THREADS) {
        const sum_job job = find_job(pass, place, item, each);
        int32_t a = 0, b = job.which;
        while (b > a)
            b -= ++a;
        const double *share = place.shares + (int64_t)job.c * place.stride;
        const double *x = place.rows + (int64_t)a * MIXTURE_GROUP * place.stride;
        const double *y = place.rows + (int64_t)b * MIXTURE_GROUP * place.stride;
        double mean[MIXTURE_GROUP], other[MIXTURE_GROUP], weight = 0.0;
        double first[MIXTURE_GROUP] = {}, squares[MIXTURE_GROUP][MIXTURE_GROUP] = {};
        load_means(model, job.c, a, mean);
        load_means(model, job.c, b, other);
        for (int32_t row = job.from; row < job.to; row++) {
            const double w = share[row];
            if (w == 0.0) continue; /* it would add zeros */
            double wz[MIXTURE_GROUP];
            weight += w;
#pragma unroll
            for (int32_t i = 0; i < MIXTURE_GROUP; i++) {
                wz[i] = w * (x[i * place.stride + row] - mean[i]);
                first[i] += wz[i];
            }
#pragma unroll
            for (int32_t j = 0; j < MIXTURE_GROUP; j++) {
                const double z = y[j * place.stride + row] - other[j];
#pragma unroll
                for (int32_t i = 0; i < MIXTURE_GROUP; i++)
                    squares[i][j] = fma(wz[i], z, squares[i][j]);
            }
        }
        keep_squares(job, model.columns, a, b, weight, first, squares);
    }
}

/* The others: w, w z and, unless tied, w z^2, four columns at a time. */
template <bool SQUARES>
__device__ void add_columns(const cuda_mixture_pass &pass, const workplace &place)
{
    const cuda_mixture_model &model = pass.model;
    const int32_t columns = model.columns, each = (columns + MIXTURE_GROUP - 1) / MIXTURE_GROUP;
    const int32_t items = model.k * each * pass.cut.slabs;
    for (int32_t item = (int32_t)threadIdx.x; item < items; item += MIXTURE_THREADS) {
        const sum_job job = find_job(pass, place, item, each);
        const int32_t at = job.which * MIXTURE_GROUP;
        const double *share = place.shares + (int64_t)job.c * place.stride;
        const double *x = place.rows + (int64_t)at * place.stride;
        double mean[MIXTURE_GROUP], weight = 0.0;
        double first[MIXTURE_GROUP] = {}, second[MIXTURE_GROUP] = {};
        load_means(model, job.c, job.which, mean);
        for (int32_t row = job.from; row < job.to; row++) {
            const double w = share[row];
            weight += w;
#pragma unroll
            for (int32_t i = 0; i < MIXTURE_GROUP; i++) {
                const double z = x[i * place.stride + row] - mean[i], wz = w * z;
                first[i] += wz;
                if (SQUARES) second[i] = fma(wz, z, second[i]);
            }
        }
        if (at == 0) job.sums[0] += weight;
#pragma unroll
        for (int32_t i = 0; i < MIXTURE_GROUP; i++) {
            if (at + i >= columns) break;
            job.sums[1 + at + i] += first[i];
            if (SQUARES) job.sums[1 + columns + at + i] += second[i];
        }
    }
}

} // namespace

#endif
