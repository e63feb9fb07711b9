/* The M step of EM and the factors of covariances: Cholesky, and inverses of triangles. Small work
 * of order k columns^3, done once an iteration in a fixed order. */
#include <float.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/error.h"
#include "base/memory.h"
#include "models/gmm.h"

static int64_t triangle_size(int64_t columns)
{
    return columns * (columns + 1) / 2;
}

/* ---- Factors --------------------------------------------------------------------------------- */

/* The Cholesky factor of a symmetric matrix (d, d), of which the lower triangle is read; l (d, d)
 * is written on and below its diagonal. Returns -1 where a pivot drowns in rounding: the matrix is
 * singular, or not positive definite, or not finite. */
static int cholesky(const double *matrix, int64_t d, double *l)
{
    for (int64_t j = 0; j < d; j++) {
        double pivot = matrix[j * d + j];
        for (int64_t t = 0; t < j; t++)
            pivot -= l[j * d + t] * l[j * d + t];
        if (!(pivot > DBL_EPSILON * matrix[j * d + j]) || !(pivot >= DBL_MIN) || isinf(pivot))
            return -1;
        l[j * d + j] = sqrt(pivot);
        for (int64_t i = j + 1; i < d; i++) {
            double sum = matrix[i * d + j];
            for (int64_t t = 0; t < j; t++)
                sum -= l[i * d + t] * l[j * d + t];
            l[i * d + j] = sum / l[j * d + j];
        }
    }
    return 0;
}

/* factor (triangle) = L^-1, row by row, by forward substitution on the unit vectors. */
static void invert_triangle(const double *l, int64_t d, double *factor)
{
    for (int64_t i = 0; i < d; i++) {
        double *row = factor + triangle_size(i);
        for (int64_t j = 0; j < i; j++) {
            double sum = 0.0;
            for (int64_t t = j; t < i; t++)
                sum -= l[i * d + t] * factor[triangle_size(t) + j];
            row[j] = sum / l[i * d + i];
        }
        row[i] = 1.0 / l[i * d + i];
    }
}

static int refuse_singular(int32_t c, double reg_covar, struct spot_error *err)
{
    char which[40] = "the covariance";
    if (c >= 0) snprintf(which, sizeof which, "the covariance of component %d", (int)c);
    return spot_fail(err, SPOT_EDATA,
                     "%s is singular to working precision: too few different rows, or columns that "
                     "repeat each other; raise reg_covar (now %g), lower k or choose a simpler "
                     "covariance",
                     which, reg_covar);
}

static int factorise_matrices(struct gmm_parameters *p, double reg_covar, struct spot_error *err)
{
    int status = SPOT_OK;
    const int64_t d = p->columns;
    const int32_t count = p->covariance == SPOT_GMM_TIED ? 1 : p->k;
    double *l = spot_alloc(d * d, sizeof *l);
    if (l == NULL) return spot_fail_memory(err, "a covariance");
    for (int32_t c = 0; c < count && status == SPOT_OK; c++) {
        if (cholesky(p->covariances + c * d * d, d, l) < 0)
            status = refuse_singular(count == 1 && p->k > 1 ? -1 : c, reg_covar, err);
        else
            invert_triangle(l, d, p->factors + c * triangle_size(d));
    }
    free(l);
    return status;
}

int gmm_factorise(struct gmm_parameters *p, double reg_covar, struct spot_error *err)
{
    if (p->covariance == SPOT_GMM_FULL || p->covariance == SPOT_GMM_TIED)
        return factorise_matrices(p, reg_covar, err);
    const int64_t count = gmm_factor_count(p->covariance, p->k, p->columns);
    for (int64_t i = 0; i < count; i++) {
        if (!(p->covariances[i] >= DBL_MIN) || isinf(p->covariances[i]))
            return refuse_singular((int32_t)(i * p->k / count), reg_covar, err);
        p->factors[i] = 1.0 / sqrt(p->covariances[i]);
    }
    return SPOT_OK;
}

/* F with F^T F = precision: the Cholesky factor of the matrix turned upside down, turned back. */
static int factor_of_precision(const double *precision, int64_t d, double *turned, double *l,
                               double *factor)
{
    for (int64_t i = 0; i < d; i++)
        for (int64_t j = 0; j < d; j++) {
            double a = precision[i * d + j], b = precision[j * d + i];
            if (!(fabs(a - b) <= 1e-8 * (fabs(a) + fabs(b)))) return -1;
            turned[(d - 1 - i) * d + (d - 1 - j)] = a;
        }
    if (cholesky(turned, d, l) < 0) return -1;
    for (int64_t i = 0; i < d; i++)
        for (int64_t j = 0; j <= i; j++)
            factor[triangle_size(i) + j] = l[(d - 1 - j) * d + (d - 1 - i)];
    return 0;
}

static int refuse_precision(int32_t c, struct spot_error *err)
{
    return spot_fail(err, SPOT_EDATA,
                     "precisions: that of component %d is not positive definite and symmetric",
                     (int)c);
}

int gmm_take_precisions(struct gmm_parameters *p, const double *precisions, struct spot_error *err)
{
    int status = SPOT_OK;
    const int64_t d = p->columns, count = gmm_factor_count(p->covariance, p->k, d);
    if (p->covariance == SPOT_GMM_DIAG || p->covariance == SPOT_GMM_SPHERICAL) {
        for (int64_t i = 0; i < count; i++) {
            if (!(precisions[i] >= DBL_MIN) || isinf(precisions[i]))
                return refuse_precision((int32_t)(i * p->k / count), err);
            p->factors[i] = sqrt(precisions[i]);
        }
        return SPOT_OK;
    }
    const int32_t matrices = p->covariance == SPOT_GMM_TIED ? 1 : p->k;
    double *space = spot_alloc(2 * d * d, sizeof *space);
    if (space == NULL) return spot_fail_memory(err, "a precision");
    for (int32_t c = 0; c < matrices && status == SPOT_OK; c++)
        if (factor_of_precision(precisions + c * d * d, d, space, space + d * d,
                                p->factors + c * triangle_size(d)) < 0)
            status = refuse_precision(c, err);
    free(space);
    return status;
}

/* ---- The M step ------------------------------------------------------------------------------ */

/* A component's weight in the data; the addend, scikit-learn's, keeps it above 0. */
static double component_weight(const struct mixture_partial *partial,
                               const struct gmm_constants *constants, int32_t c)
{
    return partial->components[c] + 10 * DBL_EPSILON * constants->weight / constants->rows;
}

/* A variance from sums about the old mean: s / n - shift^2, never below 0, plus reg_covar. */
static double variance(double square, double n, double shift_squared, double reg_covar)
{
    return fmax(square / n - shift_squared, 0.0) + reg_covar;
}

static void update_full(struct gmm_parameters *p, const double *squares, const double *shift,
                        int32_t c, double n, double reg_covar)
{
    const int64_t d = p->columns;
    double *covariance = p->covariances + c * d * d;
    const double *sums = squares + c * triangle_size(d);
    for (int64_t i = 0; i < d; i++) {
        for (int64_t j = 0; j < i; j++) {
            double value = sums[triangle_size(i) + j] / n - shift[i] * shift[j];
            covariance[i * d + j] = covariance[j * d + i] = value;
        }
        covariance[i * d + i] =
            variance(sums[triangle_size(i) + i], n, shift[i] * shift[i], reg_covar);
    }
}

static void update_component(struct gmm_parameters *p, const double *squares, const double *shift,
                             int32_t c, double n, double reg_covar)
{
    const int64_t d = p->columns;
    double norm = 0.0;
    switch (p->covariance) {
    case SPOT_GMM_FULL:
        update_full(p, squares, shift, c, n, reg_covar);
        break;
    case SPOT_GMM_DIAG:
        for (int64_t j = 0; j < d; j++)
            p->covariances[c * d + j] =
                variance(squares[c * d + j], n, shift[j] * shift[j], reg_covar);
        break;
    case SPOT_GMM_SPHERICAL:
        for (int64_t j = 0; j < d; j++)
            norm += shift[j] * shift[j];
        p->covariances[c] = variance(squares[c] / (double)d, n, norm / (double)d, reg_covar);
        break;
    case SPOT_GMM_TIED:
        break;
    }
}

/* What the components share: the scatter of the data without that of the means. */
static void update_tied(struct gmm_parameters *p, const struct mixture_partial *partial,
                        const struct gmm_constants *constants)
{
    const int64_t d = p->columns;
    double total = 0.0;
    for (int32_t c = 0; c < p->k; c++)
        total += component_weight(partial, constants, c);
    for (int64_t i = 0; i < d; i++)
        for (int64_t j = 0; j <= i; j++) {
            double sum = constants->scatter[triangle_size(i) + j];
            for (int32_t c = 0; c < p->k; c++) {
                const double *mean = p->means + c * d;
                sum -= component_weight(partial, constants, c) * (mean[i] - constants->centre[i]) *
                       (mean[j] - constants->centre[j]);
            }
            double value = i == j ? variance(sum, total, 0.0, constants->reg_covar) : sum / total;
            p->covariances[i * d + j] = p->covariances[j * d + i] = value;
        }
}

int gmm_update(struct gmm_parameters *p, const struct mixture_partial *partial,
               const struct gmm_constants *constants, struct spot_error *err)
{
    const int64_t d = p->columns;
    double total = 0.0;
    double *shift = spot_alloc(d, sizeof *shift);
    if (shift == NULL) return spot_fail_memory(err, "the means");
    for (int32_t c = 0; c < p->k; c++) {
        const double n = component_weight(partial, constants, c);
        for (int64_t j = 0; j < d; j++) {
            shift[j] = partial->means[c * d + j] / n;
            p->means[c * d + j] += shift[j];
        }
        update_component(p, partial->squares, shift, c, n, constants->reg_covar);
        p->weights[c] = n;
        total += n;
    }
    for (int32_t c = 0; c < p->k; c++)
        p->weights[c] /= total;
    free(shift);
    if (p->covariance == SPOT_GMM_TIED) update_tied(p, partial, constants);
    return gmm_factorise(p, constants->reg_covar, err);
}
