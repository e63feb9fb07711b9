/* Mixtures against expectation maximisation as the textbook writes it, in plain float64 (Dempster,
 * Laird and Rubin 1977): hundreds of small random problems, all four covariances, weights,
 * reg_covar, rows far from the origin, on every instruction set of this machine. */
#define _POSIX_C_SOURCE 200809L /* setenv */
#include <stdbool.h>

#include "fitting.h"
#include "models/gmm.h"

enum { MOST_ROWS = 220, MOST_COLUMNS = 7, MOST_K = 5, PROBLEMS = 240 };

struct problem {
    int rows, columns, k, steps;
    enum spot_gmm_covariance covariance;
    double reg_covar;
    float x[MOST_ROWS * MOST_COLUMNS];
    double w[MOST_ROWS];
    bool weighted;
    double weights[MOST_K], means[MOST_K * MOST_COLUMNS];
    double precisions[MOST_K * MOST_COLUMNS * MOST_COLUMNS]; /* as the covariance wants them */
};

/* The textbook's state: every component with a whole matrix. */
struct plain {
    double weights[MOST_K], means[MOST_K][MOST_COLUMNS];
    double covariance[MOST_K][MOST_COLUMNS][MOST_COLUMNS];
    double shares[MOST_ROWS][MOST_K];
    double lower_bound;
};

/* ---- Plain linear algebra ------------------------------------------------------------------- */

/* The inverse by elimination with pivots; returns the determinant. */
static double invert(int d, double from[MOST_COLUMNS][MOST_COLUMNS],
                     double to[MOST_COLUMNS][MOST_COLUMNS])
{
    double a[MOST_COLUMNS][2 * MOST_COLUMNS] = {{0}}, determinant = 1;
    for (int i = 0; i < d; i++) {
        for (int j = 0; j < d; j++)
            a[i][j] = from[i][j];
        a[i][d + i] = 1;
    }
    for (int c = 0; c < d; c++) {
        int pivot = c;
        for (int i = c + 1; i < d; i++)
            if (fabs(a[i][c]) > fabs(a[pivot][c])) pivot = i;
        for (int j = 0; j < 2 * d && pivot != c; j++) {
            double swap = a[c][j];
            a[c][j] = a[pivot][j];
            a[pivot][j] = swap;
        }
        determinant *= pivot == c ? a[c][c] : -a[c][c];
        for (int i = 0; i < d; i++) {
            if (i == c) continue;
            double factor = a[i][c] / a[c][c];
            for (int j = 0; j < 2 * d; j++)
                a[i][j] -= factor * a[c][j];
        }
    }
    for (int i = 0; i < d; i++)
        for (int j = 0; j < d; j++)
            to[i][j] = a[i][d + j] / a[i][i];
    return determinant;
}

/* ---- Plain EM ------------------------------------------------------------------------------- */

static double weight_of(const struct problem *p, int i)
{
    return p->weighted ? p->w[i] : 1;
}

/* Shares of every row; returns the mean log-likelihood. */
static double expectation(const struct problem *p, struct plain *m)
{
    static const double log_two_pi = 1.8378770664093454836;
    double sum = 0, total = 0, inverse[MOST_K][MOST_COLUMNS][MOST_COLUMNS], log_scale[MOST_K];
    for (int c = 0; c < p->k; c++)
        log_scale[c] =
            log(m->weights[c]) -
            0.5 * (p->columns * log_two_pi + log(invert(p->columns, m->covariance[c], inverse[c])));
    for (int i = 0; i < p->rows; i++) {
        double log_density[MOST_K], largest = -INFINITY, scale = 0;
        for (int c = 0; c < p->k; c++) {
            double square = 0;
            for (int a = 0; a < p->columns; a++)
                for (int b = 0; b < p->columns; b++)
                    square += ((double)p->x[i * p->columns + a] - m->means[c][a]) *
                              inverse[c][a][b] *
                              ((double)p->x[i * p->columns + b] - m->means[c][b]);
            log_density[c] = log_scale[c] - 0.5 * square;
            largest = fmax(largest, log_density[c]);
        }
        for (int c = 0; c < p->k; c++)
            scale += exp(log_density[c] - largest);
        for (int c = 0; c < p->k; c++)
            m->shares[i][c] = weight_of(p, i) * exp(log_density[c] - largest) / scale;
        sum += weight_of(p, i) * (largest + log(scale));
        total += weight_of(p, i);
    }
    return sum / total;
}

/* Means, weights and whole covariances, then what the type of covariance leaves of them. */
static void maximisation(const struct problem *p, struct plain *m)
{
    const int d = p->columns;
    double total = 0, tied[MOST_COLUMNS][MOST_COLUMNS] = {{0}};
    for (int i = 0; i < p->rows; i++)
        total += weight_of(p, i);
    for (int c = 0; c < p->k; c++) {
        double share = 0, mean[MOST_COLUMNS] = {0}, s[MOST_COLUMNS][MOST_COLUMNS] = {{0}};
        for (int i = 0; i < p->rows; i++) {
            share += m->shares[i][c];
            for (int a = 0; a < d; a++)
                mean[a] += m->shares[i][c] * (double)p->x[i * d + a];
        }
        for (int a = 0; a < d; a++)
            m->means[c][a] = mean[a] / share;
        for (int i = 0; i < p->rows; i++)
            for (int a = 0; a < d; a++)
                for (int b = 0; b < d; b++)
                    s[a][b] += m->shares[i][c] * ((double)p->x[i * d + a] - m->means[c][a]) *
                               ((double)p->x[i * d + b] - m->means[c][b]);
        double mean_variance = 0;
        for (int a = 0; a < d; a++)
            mean_variance += s[a][a] / share / d;
        for (int a = 0; a < d; a++)
            for (int b = 0; b < d; b++) {
                double value = s[a][b] / share;
                tied[a][b] += s[a][b] / total;
                if (a != b && p->covariance >= SPOT_GMM_DIAG) value = 0;
                if (a == b && p->covariance == SPOT_GMM_SPHERICAL) value = mean_variance;
                m->covariance[c][a][b] = value + (a == b ? p->reg_covar : 0);
            }
        m->weights[c] = share / total;
    }
    for (int c = 0; c < p->k && p->covariance == SPOT_GMM_TIED; c++)
        for (int a = 0; a < d; a++)
            for (int b = 0; b < d; b++)
                m->covariance[c][a][b] = tied[a][b] + (a == b ? p->reg_covar : 0);
}

/* Element (a, b) of component c among numbers laid out as the covariance wants them. */
static double element(const struct problem *p, const double *numbers, int c, int a, int b)
{
    const int d = p->columns;
    switch (p->covariance) {
    case SPOT_GMM_FULL:
        return numbers[(c * d + a) * d + b];
    case SPOT_GMM_TIED:
        return numbers[a * d + b];
    case SPOT_GMM_DIAG:
        return a == b ? numbers[c * d + a] : 0;
    default:
        return a == b ? numbers[c] : 0;
    }
}

static void plain_em(const struct problem *p, struct plain *m)
{
    for (int c = 0; c < p->k; c++) {
        double precision[MOST_COLUMNS][MOST_COLUMNS];
        m->weights[c] = p->weights[c];
        for (int a = 0; a < p->columns; a++) {
            m->means[c][a] = p->means[c * p->columns + a];
            for (int b = 0; b < p->columns; b++)
                precision[a][b] = element(p, p->precisions, c, a, b);
        }
        invert(p->columns, precision, m->covariance[c]);
    }
    for (int step = 0; step < p->steps; step++) {
        m->lower_bound = expectation(p, m);
        maximisation(p, m);
    }
}

/* ---- Random problems ------------------------------------------------------------------------ */

static int below(uint64_t *state, int limit)
{
    return (int)(next_uniform(state) * limit);
}

static void make_precisions(struct problem *p)
{
    const int d = p->columns;
    for (int c = 0; c < p->k; c++)
        for (int a = 0; a < d; a++)
            for (int b = 0; b < d; b++) {
                double value = a == b ? 0.2 + 0.1 * c : 0.02;
                if (p->covariance == SPOT_GMM_FULL) p->precisions[(c * d + a) * d + b] = value;
                if (p->covariance == SPOT_GMM_TIED && c == 0) p->precisions[a * d + b] = value;
                if (p->covariance == SPOT_GMM_DIAG && a == b) p->precisions[c * d + a] = value;
                if (p->covariance == SPOT_GMM_SPHERICAL && a == b) p->precisions[c] = value;
            }
}

static void make_problem(struct problem *p, int number)
{
    uint64_t state = (uint64_t)number * 977 + 5;
    p->k = 1 + below(&state, MOST_K);
    p->columns = 1 + below(&state, MOST_COLUMNS);
    p->rows = 8 * (p->columns + p->k) + below(&state, 100);
    p->steps = 1 + below(&state, 8);
    p->covariance = (enum spot_gmm_covariance)(number % 4);
    p->reg_covar = number % 3 == 0 ? 1e-6 : 0.01 * (1 + number % 5);
    p->weighted = number % 5 == 0;
    const double shift = number % 7 == 0 ? 1000 : 0;
    double middles[MOST_K * MOST_COLUMNS];
    for (int t = 0; t < p->k * p->columns; t++)
        middles[t] = 8 * next_uniform(&state) + shift;
    for (int i = 0; i < p->rows; i++) {
        p->w[i] = below(&state, 4);
        for (int j = 0; j < p->columns; j++)
            p->x[i * p->columns + j] =
                (float)(middles[i % p->k * p->columns + j] + next_uniform(&state) +
                        next_uniform(&state) + 2 * next_uniform(&state) - 2);
    }
    double sum = 0;
    for (int c = 0; c < p->k; c++)
        sum += p->weights[c] = 1 + next_uniform(&state);
    for (int c = 0; c < p->k; c++)
        p->weights[c] /= sum;
    for (int t = 0; t < p->k * p->columns; t++)
        p->means[t] = middles[t] + next_uniform(&state) - 0.5;
    make_precisions(p);
}

/* ---- Comparison ----------------------------------------------------------------------------- */

static void near(double found, double plain, double scale, int number, const char *what)
{
    const double apart = fabs(found - plain) / scale;
    if (!(apart < 1e-8)) printf("\nproblem %d: %s: %.17g, not %.17g\n", number, what, found, plain);
    CU_ASSERT(apart < 1e-8);
}

static void compare(const struct problem *p, struct plain *m, const struct spot_gmm_result *r,
                    int number)
{
    const double judged = expectation(p, m);
    near(r->lower_bound, m->lower_bound, fmax(1, fabs(m->lower_bound)), number, "lower bound");
    near(r->log_likelihood, judged, fmax(1, fabs(judged)), number, "log-likelihood");
    for (int c = 0; c < p->k; c++) {
        near(r->weights[c], m->weights[c], 1, number, "weight");
        for (int a = 0; a < p->columns; a++) {
            near(r->means[c * p->columns + a], m->means[c][a], 10, number, "mean");
            for (int b = 0; b < p->columns; b++)
                near(element(p, r->covariances, c, a, b), m->covariance[c][a][b],
                     10 * sqrt(m->covariance[c][a][a] * m->covariance[c][b][b]), number,
                     "covariance");
        }
    }
}

static void check_all(const char *instructions)
{
    static struct problem p;
    static struct plain m;
    spot_engine *engine = open_engine(2, instructions);
    if (engine == NULL) return;
    for (int number = 0; number < PROBLEMS; number++) {
        make_problem(&p, number);
        plain_em(&p, &m);
        const struct spot_matrix data = {.values = p.x,
                                         .weights = p.weighted ? p.w : NULL,
                                         .rows = p.rows,
                                         .columns = p.columns};
        struct spot_gmm_options options = spot_gmm_defaults();
        options.k = p.k;
        options.covariance = p.covariance;
        options.reg_covar = p.reg_covar;
        options.max_iter = p.steps;
        options.tol = 0;
        options.weights = p.weights;
        options.means = p.means;
        options.precisions = p.precisions;
        spot_gmm *model = NULL;
        struct spot_error err = {0};
        int status = spot_gmm_fit(engine, &data, &options, &model, &err);
        if (status < 0) printf("\nproblem %d: %s\n", number, err.message);
        CU_ASSERT_EQUAL_FATAL(status, SPOT_OK);
        compare(&p, &m, spot_gmm_result(model), number);
        spot_gmm_free(model);
    }
    spot_engine_close(engine);
}

static void plain_c(void)
{
    check_all("ref");
}

static void avx2(void)
{
    check_all("avx2");
}

static void avx512(void)
{
    check_all("avx512");
}

int main(void)
{
    const struct suite_test tests[] = {
        {"textbook EM, plain C", plain_c},
        {"textbook EM, AVX2", avx2},
        {"textbook EM, AVX-512", avx512},
        {NULL, NULL},
    };
    return run_suite("gmm_plain", tests);
}
