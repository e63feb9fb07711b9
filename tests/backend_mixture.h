/* Mixtures for the suite of backends, and what plain C makes of them, straight from the definition:
 * libm's exp and log, nothing left out, nothing packed. */
#ifndef SPOT_TESTS_BACKEND_MIXTURE_H
#define SPOT_TESTS_BACKEND_MIXTURE_H

#include "backend_problem.h"
#include "numerics/philox.h"

static const double mixture_unit = 0.25; /* what a unit of weight is worth */

struct mixture {
    struct mixture_parameters parameters;
    double *weights, *factors;
};

static inline int64_t triangle_of(int64_t columns)
{
    return columns * (columns + 1) / 2;
}

/* Squares of a component in the contract's order; none for tied. */
static inline int64_t squares_of(enum mixture_covariance covariance, int64_t columns)
{
    if (covariance == MIXTURE_FULL) return triangle_of(columns);
    if (covariance == MIXTURE_TIED) return 0;
    return covariance == MIXTURE_DIAG ? columns : 1;
}

/* Components about the problem's centres, wide enough to overlap; scale: how narrow they are. */
static inline struct mixture mixture_make(const struct problem *p,
                                          enum mixture_covariance covariance, double scale)
{
    const int64_t d = p->columns, k = p->k;
    const int64_t each = covariance == MIXTURE_TIED ? triangle_of(d) : squares_of(covariance, d);
    const int64_t count = covariance == MIXTURE_TIED ? each : k * each;
    const double narrow = scale / sqrt((double)d);
    struct mixture m = {.weights = room(k, sizeof(double)), .factors = room(count, sizeof(double))};
    double sum = 0.0;
    for (int64_t c = 0; c < k; c++)
        sum += m.weights[c] = 0.1 + draw();
    for (int64_t c = 0; c < k; c++)
        m.weights[c] /= sum;
    for (int64_t t = 0; t < count; t++)
        m.factors[t] = narrow * (1.0 + draw());
    for (int64_t t = 0; covariance <= MIXTURE_TIED && t < count; t += each)
        for (int64_t i = 0; i < d; i++)
            for (int64_t j = 0; j < i; j++)
                m.factors[t + i * (i + 1) / 2 + j] = narrow * (draw() - 0.5);
    m.parameters = (struct mixture_parameters){.k = p->k,
                                               .columns = p->columns,
                                               .covariance = covariance,
                                               .weights = m.weights,
                                               .means = p->centres,
                                               .factors = m.factors};
    return m;
}

static inline void mixture_free(struct mixture *m)
{
    free(m->weights);
    free(m->factors);
}

/* A row of the problem less the mean of a component. */
static inline void row_about(const struct problem *p, const double *means, int64_t row, int64_t c,
                             double *z)
{
    for (int64_t j = 0; j < p->columns; j++)
        z[j] = (double)p->x[row * p->columns + j] + p->offset[j] - means[c * p->columns + j];
}

static inline double log_density(const struct mixture_parameters *m, int64_t c, const double *z)
{
    const int64_t d = m->columns;
    double sum = log(m->weights[c]) - 0.5 * (double)d * log(2 * acos(-1.0));
    for (int64_t i = 0; i < d; i++) {
        const double *factor = m->factors + i * (i + 1) / 2;
        double y = 0.0, diagonal;
        if (m->covariance == MIXTURE_FULL) factor += c * triangle_of(d);
        if (m->covariance <= MIXTURE_TIED) {
            for (int64_t j = 0; j <= i; j++)
                y += factor[j] * z[j];
            diagonal = factor[i];
        } else {
            diagonal = m->covariance == MIXTURE_DIAG ? m->factors[c * d + i] : m->factors[c];
            y = diagonal * z[i];
        }
        sum += log(diagonal) - 0.5 * y * y;
    }
    return sum;
}

/* Log densities of a row (k) become responsibilities; returns the logarithm of their sum. */
static inline double normalise(int64_t k, double *shares)
{
    double largest = -INFINITY, sum = 0.0;
    for (int64_t c = 0; c < k; c++)
        largest = fmax(largest, shares[c]);
    for (int64_t c = 0; c < k; c++)
        sum += shares[c] = exp(shares[c] - largest);
    for (int64_t c = 0; c < k; c++)
        shares[c] /= sum;
    return largest + log(sum);
}

/* ---- Sums ----------------------------------------------------------------------------------- */

static inline struct mixture_partial sums_room(const struct problem *p,
                                               enum mixture_covariance covariance)
{
    const int64_t k = p->k, d = p->columns;
    return (struct mixture_partial){.components = room(k, sizeof(double)),
                                    .means = room(k * d, sizeof(double)),
                                    .squares = room(k * squares_of(covariance, d), sizeof(double))};
}

static inline void sums_free(struct mixture_partial *sums)
{
    free(sums->components);
    free(sums->means);
    free(sums->squares);
}

/* Adds a row of weight w about a mean. `size`: the same sums of magnitudes. */
static inline void sums_add(enum mixture_covariance covariance, int64_t d, int64_t c, double w,
                            const double *z, struct mixture_partial *sums,
                            struct mixture_partial *size)
{
    double *squares = sums->squares + c * squares_of(covariance, d);
    double *large = size->squares + c * squares_of(covariance, d);
    sums->components[c] += w;
    size->components[c] += w;
    for (int64_t i = 0; i < d; i++) {
        sums->means[c * d + i] += w * z[i];
        size->means[c * d + i] += w * fabs(z[i]);
        for (int64_t j = 0; covariance == MIXTURE_FULL && j <= i; j++) {
            *squares++ += w * z[i] * z[j];
            *large++ += w * fabs(z[i] * z[j]);
        }
        if (covariance != MIXTURE_DIAG && covariance != MIXTURE_SPHERICAL) continue;
        squares[covariance == MIXTURE_DIAG ? i : 0] += w * z[i] * z[i];
        large[covariance == MIXTURE_DIAG ? i : 0] += w * z[i] * z[i];
    }
}

static inline bool close_to(const double *found, const double *expected, const double *size,
                            int64_t count)
{
    for (int64_t i = 0; i < count; i++)
        if (!(fabs(found[i] - expected[i]) <= 1e-9 * size[i] + 1e-290)) return false;
    return true;
}

static inline bool sums_close(const struct problem *p, enum mixture_covariance covariance,
                              const struct mixture_partial *found,
                              const struct mixture_partial *expected,
                              const struct mixture_partial *size)
{
    const int64_t k = p->k, d = p->columns;
    return close_to(&found->log_likelihood, &expected->log_likelihood, &size->log_likelihood, 1) &&
           close_to(found->components, expected->components, size->components, k) &&
           close_to(found->means, expected->means, size->means, k * d) &&
           close_to(found->squares, expected->squares, size->squares,
                    k * squares_of(covariance, d));
}

static inline bool sums_same(const struct problem *p, enum mixture_covariance covariance,
                             const struct mixture_partial *a, const struct mixture_partial *b)
{
    const size_t k = (size_t)p->k, d = (size_t)p->columns;
    const size_t squares = (size_t)squares_of(covariance, p->columns);
    return a->log_likelihood == b->log_likelihood &&
           memcmp(a->components, b->components, k * sizeof(double)) == 0 &&
           memcmp(a->means, b->means, k * d * sizeof(double)) == 0 &&
           memcmp(a->squares, b->squares, k * squares * sizeof(double)) == 0;
}

static inline void sums_clear(const struct problem *p, enum mixture_covariance covariance,
                              struct mixture_partial *sums)
{
    const size_t k = (size_t)p->k, d = (size_t)p->columns;
    sums->log_likelihood = 0.0;
    memset(sums->components, 0, k * sizeof(double));
    memset(sums->means, 0, k * d * sizeof(double));
    memset(sums->squares, 0, k * (size_t)squares_of(covariance, p->columns) * sizeof(double));
}

/* How a row's responsibilities come about. */
enum share_rule { BY_DENSITY, BY_LABEL, BY_DRAW };

enum { DRAW_SEED = 77, DRAW_NUMBER = 5 };

/* Responsibilities (k) of a row by the rule. Returns the logarithm of its density, or 0. */
static inline double expected_shares(const struct problem *p, const struct mixture *m,
                                     enum share_rule rule, int64_t row, int32_t label,
                                     double *shares, double *z)
{
    double sum = 0.0;
    for (int64_t c = 0; c < p->k; c++) {
        shares[c] = c == label ? 1.0 : 0.0;
        if (rule == BY_DRAW)
            sum += shares[c] =
                philox_uniform(philox_bits(DRAW_SEED, (uint32_t)row, 0, (uint32_t)c, DRAW_NUMBER));
        if (rule != BY_DENSITY) continue;
        row_about(p, m->parameters.means, row, c, z);
        shares[c] = log_density(&m->parameters, c, z);
    }
    for (int64_t c = 0; rule == BY_DRAW && c < p->k; c++)
        shares[c] /= sum;
    return rule == BY_DENSITY ? normalise(p->k, shares) : 0.0;
}

/* One pass over all rows; labels (rows) or NULL for 0. */
static inline void expected_sums(const struct problem *p, const struct mixture *m,
                                 enum share_rule rule, const int32_t *labels,
                                 struct mixture_partial *sums, struct mixture_partial *size)
{
    double *z = room(p->columns, sizeof *z), *shares = room(p->k, sizeof *shares);
    sums_clear(p, m->parameters.covariance, sums);
    sums_clear(p, m->parameters.covariance, size);
    for (int64_t i = 0; i < p->rows; i++) {
        const double w = (double)weight_of(p, i) * (double)count_of(p, i) * mixture_unit;
        const double log_sum =
            expected_shares(p, m, rule, i, labels == NULL ? 0 : labels[i], shares, z);
        sums->log_likelihood += w * log_sum;
        size->log_likelihood += w * fabs(log_sum);
        for (int64_t c = 0; c < p->k; c++) {
            row_about(p, m->parameters.means, i, c, z);
            sums_add(m->parameters.covariance, p->columns, c, w * shares[c], z, sums, size);
        }
    }
    free(z);
    free(shares);
}

#endif
