/* What of a mixture's parameters can be computed once before a pass. */
#include <float.h>
#include <stdlib.h>
#include <string.h>

#include "base/memory.h"
#include "fallback/cpu_mixture.h"
#include "numerics/explog.h"

static const double LOG_2PI = 1.8378770664093454836;

/* Rows of F that bound densities, a multiple of 8: a small part of the work. 0: all is little. */
static int32_t head_rows(enum mixture_covariance covariance, int32_t k, int32_t columns)
{
    if (covariance != MIXTURE_FULL || k < 3 || columns < 12) return 0;
    return columns < 64 ? 8 : columns / 32 * 8;
}

int mixture_space_open(struct mixture_space *space, int32_t k, int32_t columns,
                       enum mixture_covariance covariance)
{
    const int64_t cells = (int64_t)k * columns, stride = padded_columns(columns);
    const int32_t head = head_rows(covariance, k, columns);
    const int64_t rest = head == 0 ? 0 : (columns + 1) * (int64_t)padded_columns(columns - head);
    memset(space, 0, sizeof *space);
    space->rests = spot_alloc_zero(k * rest, sizeof(double));
    space->log_scales = spot_alloc(k, sizeof(double));
    space->cutoffs = spot_alloc(k, sizeof(double));
    space->means = spot_alloc(cells, sizeof(double));
    space->images = spot_alloc(cells, sizeof(double));
    space->centre = spot_alloc_zero(stride, sizeof(double));
    space->centred = spot_alloc_zero(k * stride, sizeof(double));
    if (space->log_scales == NULL || space->cutoffs == NULL || space->means == NULL ||
        space->images == NULL || space->rests == NULL || space->centre == NULL ||
        space->centred == NULL) {
        mixture_space_close(space);
        return SPOT_ENOMEM;
    }
    space->pack = (struct mixture_pack){.k = k,
                                        .columns = columns,
                                        .covariance = covariance,
                                        .log_scales = space->log_scales,
                                        .cutoffs = space->cutoffs,
                                        .means = space->means,
                                        .centre = space->centre,
                                        .centred = space->centred,
                                        .images = space->images,
                                        .rests = space->rests};
    return SPOT_OK;
}

void mixture_space_close(struct mixture_space *space)
{
    free(space->log_scales);
    free(space->cutoffs);
    free(space->means);
    free(space->images);
    free(space->rests);
    free(space->centre);
    free(space->centred);
    memset(space, 0, sizeof *space);
}

/* log |F| of component c: the sum of the logarithms of the diagonal. */
static double log_determinant(const struct mixture_parameters *p, int32_t c)
{
    int64_t d = p->columns, triangle = d * (d + 1) / 2;
    double sum = 0.0;
    if (p->covariance == MIXTURE_SPHERICAL) return (double)d * spot_log(p->factors[c]);
    if (p->covariance == MIXTURE_DIAG) {
        for (int64_t j = 0; j < d; j++)
            sum += spot_log(p->factors[c * d + j]);
        return sum;
    }
    const double *factor = p->factors + (p->covariance == MIXTURE_FULL ? c * triangle : 0);
    for (int64_t i = 0; i < d; i++)
        sum += spot_log(factor[i * (i + 1) / 2 + i]);
    return sum;
}

/* Rows are centred once for all components, so that F x - F mean has little to cancel. */
static void centre_means(struct mixture_space *space)
{
    const int64_t d = space->pack.columns, stride = padded_columns(space->pack.columns);
    const int32_t k = space->pack.k;
    for (int64_t j = 0; j < d; j++) {
        space->centre[j] = 0.0;
        for (int32_t c = 0; c < k; c++)
            space->centre[j] += space->means[c * d + j] / k;
        for (int32_t c = 0; c < k; c++)
            space->centred[c * stride + j] = space->means[c * d + j] - space->centre[j];
    }
}

/* image = F mean for a centred mean. */
static void fill_image(const struct mixture_parameters *p, int32_t c, const double *mean,
                       double *image)
{
    const int64_t d = p->columns;
    const double *factor = p->factors + (p->covariance == MIXTURE_FULL ? c * (d * (d + 1) / 2) : 0);
    for (int64_t i = 0; i < d; i++) {
        double y = 0.0;
        if (p->covariance == MIXTURE_DIAG) {
            y = p->factors[c * d + i] * mean[i];
        } else if (p->covariance == MIXTURE_SPHERICAL) {
            y = p->factors[c] * mean[i];
        } else {
            for (int64_t j = 0; j <= i; j++)
                y += *factor++ * mean[j];
        }
        image[i] = y;
    }
}

void mixture_pack_fill(struct mixture_space *space, const struct mixture_parameters *p,
                       const double *offset)
{
    int64_t d = p->columns;
    for (int32_t c = 0; c < p->k; c++)
        for (int64_t j = 0; j < d; j++)
            space->means[c * d + j] = p->means[c * d + j] - (offset == NULL ? 0.0 : offset[j]);
    centre_means(space);
    for (int32_t c = 0; c < p->k; c++)
        space->cutoffs[c] = EXP_LOWEST;
    space->pack.factors = p->factors;
    if (p->factors == NULL) return; /* sums about means, no densities */
    for (int32_t c = 0; c < p->k; c++)
        space->log_scales[c] =
            (p->weights[c] >= DBL_MIN ? spot_log(p->weights[c]) : MIXTURE_FLOOR) +
            log_determinant(p, c) - 0.5 * (double)d * LOG_2PI;
    for (int32_t c = 0; c < p->k; c++)
        fill_image(p, c, space->centred + c * padded_columns(p->columns), space->images + c * d);
}

/* The rows of F below its head, column by column, and of the image. */
static void fill_rest(struct mixture_space *space, int32_t c, int64_t head)
{
    const int64_t d = space->pack.columns, stride = padded_columns((int32_t)(d - head));
    const double *factor = space->pack.factors + c * (d * (d + 1) / 2);
    double *rest = space->rests + c * (d + 1) * stride;
    for (int64_t i = head; i < d; i++) {
        for (int64_t j = 0; j <= i; j++)
            rest[j * stride + i - head] = factor[i * (i + 1) / 2 + j];
        rest[d * stride + i - head] = space->images[c * d + i];
    }
}

void mixture_pack_cut(struct mixture_space *space, const struct mixture_parameters *p)
{
    for (int32_t c = 0; c < p->k; c++) {
        if (!(p->weights[c] >= DBL_MIN)) continue;
        double cutoff = spot_log(p->weights[c]) + MIXTURE_LOG_NEGLIGIBLE;
        if (cutoff > EXP_LOWEST) space->cutoffs[c] = cutoff;
    }
    space->pack.head = head_rows(p->covariance, p->k, p->columns);
    for (int32_t c = 0; c < p->k && space->pack.head > 0; c++)
        fill_rest(space, c, space->pack.head);
}
