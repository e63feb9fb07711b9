/* Rows drawn from a mixture: a component by its weight, normal numbers by Box and Muller (1958),
 * correlated by the covariance's Cholesky factor. Row i depends on the model, the seed and i. */
#include <math.h>

#include "base/error.h"
#include "data/derive.h"
#include "models/gmm.h"
#include "models/random.h"
#include "numerics/explog.h"
#include "numerics/philox.h"

/* A uniform number in (0, 1) for (row, what). */
static double uniform(uint64_t seed, int64_t row, uint32_t what)
{
    return philox_uniform(
        random_bits(seed, RANDOM_SAMPLES, (uint32_t)((uint64_t)row >> 32), what, (uint32_t)row));
}

static int32_t draw_component(const struct gmm_parameters *p, double u)
{
    double below = 0.0;
    for (int32_t c = 0; c < p->k - 1; c++) {
        below += p->weights[c];
        if (u < below) return c;
    }
    return p->k - 1;
}

/* Normal numbers number 2 t and 2 t + 1 of a row. */
static void draw_normals(uint64_t seed, int64_t row, int32_t columns, double *normal)
{
    for (int32_t j = 0; j < columns; j += 2) {
        double sine, cosine;
        double radius = sqrt(-2.0 * spot_log(uniform(seed, row, 1 + (uint32_t)j)));
        turn_sine_cosine(uniform(seed, row, 2 + (uint32_t)j), &sine, &cosine);
        normal[j] = radius * cosine;
        if (j + 1 < columns) normal[j + 1] = radius * sine;
    }
}

/* Solves F z = normal in place, so that z has the covariance (F^T F)^-1. */
static void correlate(const struct gmm_parameters *p, int32_t c, double *z)
{
    const int64_t d = p->columns;
    if (p->covariance == SPOT_GMM_DIAG || p->covariance == SPOT_GMM_SPHERICAL) {
        for (int64_t j = 0; j < d; j++)
            z[j] /= p->factors[p->covariance == SPOT_GMM_DIAG ? c * d + j : c];
        return;
    }
    const double *factor =
        p->factors + (p->covariance == SPOT_GMM_FULL ? c * (d * (d + 1) / 2) : 0);
    for (int64_t i = 0; i < d; i++) {
        double sum = z[i];
        for (int64_t j = 0; j < i; j++)
            sum -= factor[j] * z[j];
        z[i] = sum / factor[i];
        factor += i + 1;
    }
}

void gmm_sample_rows(const spot_gmm *model, uint64_t seed, int64_t first, int64_t rows,
                     double *values, int32_t *labels)
{
    const struct gmm_parameters *p = &model->parameters;
    const int64_t d = p->columns;
    for (int64_t i = 0; i < rows; i++) {
        double *row = values + i * d;
        int32_t c = draw_component(p, uniform(seed, first + i, 0));
        draw_normals(seed, first + i, p->columns, row);
        correlate(p, c, row);
        for (int64_t j = 0; j < d; j++)
            row[j] += p->means[c * d + j];
        if (labels != NULL) labels[i] = c;
    }
}

int spot_gmm_sample(const spot_gmm *model, uint64_t seed, int64_t rows, double *values,
                    int32_t *labels, struct spot_error *err)
{
    if (rows < 0) return spot_fail(err, SPOT_EUSAGE, "%lld rows: 0 or more", (long long)rows);
    gmm_sample_rows(model, seed, 0, rows, values, labels);
    return SPOT_OK;
}
