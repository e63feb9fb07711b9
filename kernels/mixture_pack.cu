/* A mixture's parameters as the kernels want them: rows and means less one centre, so that F x - F
 * mean has little to cancel, and triangles in blocks of 8 rows. Computed on the host, once a pass.
 */
#include <float.h>
#include <stdlib.h>
#include <string.h>

#include "kernels/cuda_mixture.h"
#include "numerics/explog.h"

namespace
{

const double log_2pi = 1.8378770664093454836;

/* log 2^-120: shares below this times the component's weight count as 0. */
const double log_negligible = -83.177661667193436;

/* Where the arrays of a model lie in the pack, in doubles; all begin at multiples of 4. */
struct layout {
    int64_t centre, log_scales, cutoffs, means, images, triangles, scales, end;
};

bool has_triangles(enum mixture_covariance covariance)
{
    return covariance == MIXTURE_FULL || covariance == MIXTURE_TIED;
}

struct layout layout_of(int64_t k, int64_t columns, enum mixture_covariance covariance)
{
    const int64_t components = cuda_to(k, MIXTURE_GROUP), row = cuda_to(columns, MIXTURE_GROUP);
    const int64_t triangles = covariance == MIXTURE_FULL ? k : covariance == MIXTURE_TIED ? 1 : 0;
    struct layout at;
    at.centre = 0;
    at.log_scales = at.centre + row;
    at.cutoffs = at.log_scales + components;
    at.means = at.cutoffs + components;
    at.images = at.means + k * row;
    at.triangles = at.images + k * cuda_to(columns, MIXTURE_HEIGHT);
    at.scales = at.triangles + triangles * cuda_triangle(columns);
    at.end = at.scales + (covariance == MIXTURE_FULL ? 0 : 2 * components * columns);
    return at;
}

struct cuda_mixture_model model_at(const struct cuda_mixture_pack *pack)
{
    const struct layout at = layout_of(pack->k, pack->columns, pack->covariance);
    struct cuda_mixture_model model = {};
    model.k = pack->k;
    model.columns = pack->columns;
    model.kind = pack->covariance == MIXTURE_FULL   ? BY_TRIANGLES
                 : pack->covariance == MIXTURE_TIED ? BY_SHARED_TRIANGLE
                                                    : BY_SCALES;
    model.centre = pack->there + at.centre;
    model.log_scales = pack->there + at.log_scales;
    model.cutoffs = pack->there + at.cutoffs;
    model.means = pack->there + at.means;
    model.images = pack->there + at.images;
    model.triangles = pack->there + at.triangles;
    model.scales = (const struct cuda_mixture_scale *)(pack->there + at.scales);
    return model;
}

/* ---- Filling -------------------------------------------------------------------------------- */

/* The middle of the means, and the means less it; both without the rows' offset. */
void fill_means(const struct cuda_mixture_pack *pack, const double *means, double *centre,
                double *centred)
{
    const int64_t d = pack->columns, row = cuda_to(d, MIXTURE_GROUP);
    for (int64_t j = 0; j < d; j++) {
        for (int64_t c = 0; c < pack->k; c++)
            centre[j] += (means[c * d + j] - pack->offset[j]) / pack->k;
        for (int64_t c = 0; c < pack->k; c++)
            centred[c * row + j] = means[c * d + j] - pack->offset[j] - centre[j];
    }
}

/* A triangle in blocks of 8 rows, column by column, and its image of a mean. */
void fill_triangle(int64_t d, const double *factor, double *blocks)
{
    for (int64_t i = 0; i < d; i++)
        for (int64_t j = 0; j <= i; j++)
            blocks[cuda_triangle_at(i / MIXTURE_HEIGHT) + j * MIXTURE_HEIGHT + i % MIXTURE_HEIGHT] =
                factor[i * (i + 1) / 2 + j];
}

void fill_image(int64_t d, const double *factor, const double *mean, double *image)
{
    for (int64_t i = 0; i < d; i++)
        for (int64_t j = 0; j <= i; j++)
            image[i] += *factor++ * mean[j];
}

void fill_triangles(const struct cuda_mixture_pack *pack, const struct layout &at,
                    const double *factors)
{
    const int64_t d = pack->columns, row = cuda_to(d, MIXTURE_GROUP), triangle = d * (d + 1) / 2;
    const bool full = pack->covariance == MIXTURE_FULL;
    for (int64_t c = 0; c < pack->k; c++)
        fill_image(d, factors + (full ? c * triangle : 0), pack->here + at.means + c * row,
                   pack->here + at.images + c * cuda_to(d, MIXTURE_HEIGHT));
    for (int64_t c = 0; c < (full ? pack->k : 1); c++)
        fill_triangle(d, factors + c * triangle, pack->here + at.triangles + c * cuda_triangle(d));
}

/* Diagonal, spherical, and tied behind its triangle: four components beside each other. */
void fill_scales(const struct cuda_mixture_pack *pack, const struct layout &at,
                 const double *factors)
{
    const int64_t d = pack->columns, row = cuda_to(d, MIXTURE_GROUP);
    for (int64_t c = 0; c < pack->k; c++)
        for (int64_t j = 0; j < d; j++) {
            double *to = pack->here + at.scales +
                         2 * ((c / MIXTURE_GROUP * d + j) * MIXTURE_GROUP + c % MIXTURE_GROUP);
            if (pack->covariance == MIXTURE_TIED) {
                to[0] = 1.0;
                to[1] = pack->here[at.images + c * cuda_to(d, MIXTURE_HEIGHT) + j];
                continue;
            }
            to[0] = pack->covariance == MIXTURE_DIAG ? factors[c * d + j] : factors[c];
            to[1] = to[0] * pack->here[at.means + c * row + j];
        }
}

/* log |F| of component c: the sum of the logarithms of the diagonal. */
double log_determinant(const struct cuda_mixture_pack *pack, const double *factors, int64_t c)
{
    const int64_t d = pack->columns;
    double sum = 0.0;
    if (pack->covariance == MIXTURE_SPHERICAL) return (double)d * spot_log(factors[c]);
    if (pack->covariance == MIXTURE_FULL) factors += c * (d * (d + 1) / 2);
    for (int64_t i = 0; i < d; i++)
        sum += spot_log(has_triangles(pack->covariance) ? factors[i * (i + 1) / 2 + i]
                                                        : factors[c * d + i]);
    return sum;
}

void fill_densities(const struct cuda_mixture_pack *pack, const struct layout &at,
                    const struct mixture_parameters *parameters, bool cut)
{
    double *log_scales = pack->here + at.log_scales, *cutoffs = pack->here + at.cutoffs;
    for (int64_t c = 0; c < pack->k; c++) {
        const double weight = parameters->weights[c];
        const double log_weight = weight >= DBL_MIN ? spot_log(weight) : CUDA_MIXTURE_FLOOR;
        log_scales[c] = log_weight + log_determinant(pack, parameters->factors, c) -
                        0.5 * (double)pack->columns * log_2pi;
        cutoffs[c] = EXP_LOWEST;
        if (cut && weight >= DBL_MIN && log_weight + log_negligible > EXP_LOWEST)
            cutoffs[c] = log_weight + log_negligible;
    }
    if (has_triangles(pack->covariance)) fill_triangles(pack, at, parameters->factors);
    if (pack->covariance != MIXTURE_FULL) fill_scales(pack, at, parameters->factors);
}

} // namespace

/* ---- Opening and closing -------------------------------------------------------------------- */

void cuda_mixture_pack_close(struct cuda_mixture_pack *pack)
{
    (void)cudaFreeHost(pack->here);
    (void)cudaFree(pack->there);
    free(pack->offset);
    memset(pack, 0, sizeof *pack);
}

int cuda_mixture_pack_open(const struct backend_data *data, int32_t k, int32_t columns,
                           enum mixture_covariance covariance, struct cuda_mixture_pack *pack,
                           struct spot_error *err)
{
    int status = SPOT_OK;
    memset(pack, 0, sizeof *pack);
    pack->k = k;
    pack->columns = columns;
    pack->covariance = covariance;
    pack->room = layout_of(k, columns, covariance).end;
    pack->offset = (double *)calloc((size_t)columns, sizeof *pack->offset);
    if (pack->offset == NULL) return spot_fail_memory(err, "the components");
    CUDA_TRY(cudaMallocHost(&pack->here, (size_t)pack->room * sizeof(double)),
             "pinning a buffer for the components");
    SPOT_TRY(cuda_alloc(&pack->there, pack->room, "the components", err));
    if (data != NULL)
        SPOT_TRY(cuda_get(data->backend, pack->offset, data->rows.offset,
                          (size_t)columns * sizeof *pack->offset, "reading the columns' offsets",
                          err));
out:
    if (status < 0) cuda_mixture_pack_close(pack);
    return status;
}

int cuda_mixture_pack_fill(const struct backend *backend, struct cuda_mixture_pack *pack,
                           const struct mixture_parameters *parameters, bool cut,
                           struct cuda_mixture_model *model, struct spot_error *err)
{
    const struct layout at = layout_of(pack->k, pack->columns, pack->covariance);
    const size_t bytes = (size_t)pack->room * sizeof(double);
    memset(pack->here, 0, bytes);
    fill_means(pack, parameters->means, pack->here + at.centre, pack->here + at.means);
    if (parameters->factors != NULL) fill_densities(pack, at, parameters, cut);
    *model = model_at(pack);
    return cuda_status(
        cudaMemcpyAsync(pack->there, pack->here, bytes, cudaMemcpyHostToDevice, backend->stream),
        "copying the components", err);
}
