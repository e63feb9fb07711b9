/* Gaussian mixtures of float64 rows: EM written plainly in long double on data whose groups float32
 * cannot tell apart, all covariances, instruction sets, threads, batches, merging, memory limits;
 * scores of such rows; and the same rows as float32 and float64. */
#define _POSIX_C_SOURCE 200809L /* setenv */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "blackspot.h"
#include "models/random.h"
#include "numerics/philox.h"
#include "suite.h"

enum { ROWS = 600, COLUMNS = 2, K = 3, ITERATIONS = 4, CELLS = ROWS * COLUMNS };

/* Two columns far from 0: float32 steps are up to a fifth of the spread, float64's 1e-10 of it. */
static const double far[COLUMNS] = {1e3, -300};
static const double spread[COLUMNS] = {3e-4, 2e-4};
static double x[CELLS], weights[ROWS];

static double uniform(uint32_t i, uint32_t j)
{
    return philox_uniform(random_bits(5, RANDOM_SAMPLES, 0, j, i));
}

static void make_rows(void)
{
    for (uint32_t i = 0; i < ROWS; i++) {
        weights[i] = 1 + i % 3;
        for (uint32_t j = 0; j < COLUMNS; j++)
            x[i * COLUMNS + j] = far[j] + spread[j] * (4 * (i % K) * (j + 1) + 3 * uniform(i, j) +
                                                       uniform(i, 1 - j) + uniform(i, 5 + j));
    }
}

/* ---- EM in long double ----------------------------------------------------------------------- */

struct plain {
    enum spot_gmm_covariance covariance;
    const double *weights; /* (ROWS) or NULL */
    double share[K];
    double mean[K][COLUMNS]; /* less `far` */
    double square[K][3];     /* covariances: xx, xy, yy */
    double lower_bound;
};

/* log of weight times density. */
static long double log_density(const struct plain *p, int c, const double *row)
{
    const long double a = (long double)p->square[c][0], b = (long double)p->square[c][1];
    const long double d = (long double)p->square[c][2], determinant = a * d - b * b;
    const long double u = (long double)row[0] - (long double)far[0] - (long double)p->mean[c][0];
    const long double v = (long double)row[1] - (long double)far[1] - (long double)p->mean[c][1];
    const long double norm = (d * u * u - 2 * b * u * v + a * v * v) / determinant;
    return logl((long double)p->share[c]) - norm / 2 - logl(determinant) / 2 -
           logl(2 * 3.14159265358979323846264338327950288L);
}

/* Responsibilities of a row; its log-likelihood. */
static long double share_row(const struct plain *p, const double *row, long double *r)
{
    long double largest = -INFINITY, sum = 0;
    for (int c = 0; c < K; c++)
        largest = fmaxl(largest, r[c] = log_density(p, c, row));
    for (int c = 0; c < K; c++)
        sum += r[c] = expl(r[c] - largest);
    for (int c = 0; c < K; c++)
        r[c] /= sum;
    return largest + logl(sum);
}

static double weight_of(const struct plain *p, int i)
{
    return p->weights == NULL ? 1 : p->weights[i];
}

/* What covariances are, from each component's own; n (K) their weights. */
static void shape(struct plain *p, const long double *n, long double (*s)[3])
{
    long double tied[3] = {0}, total = n[0] + n[1] + n[2];
    for (int c = 0; c < K; c++)
        for (int t = 0; t < 3; t++)
            tied[t] += n[c] * s[c][t] / total;
    for (int c = 0; c < K; c++)
        for (int t = 0; t < 3; t++) {
            long double value = p->covariance == SPOT_GMM_TIED ? tied[t] : s[c][t];
            if (p->covariance == SPOT_GMM_SPHERICAL) value = (s[c][0] + s[c][2]) / 2;
            if (p->covariance >= SPOT_GMM_DIAG && t == 1) value = 0;
            p->square[c][t] = (double)value;
        }
}

static void plain_step(struct plain *p)
{
    long double n[K] = {0}, mean[K][COLUMNS] = {{0}}, s[K][3] = {{0}}, bound = 0, total = 0;
    static long double r[ROWS][K];
    for (int i = 0; i < ROWS; i++) {
        const long double w = (long double)weight_of(p, i);
        bound += w * share_row(p, x + i * COLUMNS, r[i]);
        total += w;
        for (int c = 0; c < K; c++) {
            n[c] += w * r[i][c];
            for (int j = 0; j < COLUMNS; j++)
                mean[c][j] += w * r[i][c] * ((long double)x[i * COLUMNS + j] - (long double)far[j]);
        }
    }
    for (int i = 0; i < ROWS; i++)
        for (int c = 0; c < K; c++) {
            const long double w = (long double)weight_of(p, i) * r[i][c] / n[c];
            const long double u =
                (long double)x[i * COLUMNS] - (long double)far[0] - mean[c][0] / n[c];
            const long double v =
                (long double)x[i * COLUMNS + 1] - (long double)far[1] - mean[c][1] / n[c];
            s[c][0] += w * u * u;
            s[c][1] += w * u * v;
            s[c][2] += w * v * v;
        }
    for (int c = 0; c < K; c++) {
        p->share[c] = (double)(n[c] / total);
        for (int j = 0; j < COLUMNS; j++)
            p->mean[c][j] = (double)(mean[c][j] / n[c]);
    }
    shape(p, n, s);
    p->lower_bound = (double)(bound / total);
}

/* ---- Against the library --------------------------------------------------------------------- */

/* A start that all share: precisions of the shape, means beside the groups. */
struct start {
    struct spot_gmm_options options;
    double weights[K], means[K * COLUMNS], precisions[K * 4];
};

static void make_start(enum spot_gmm_covariance covariance, struct start *start, struct plain *p)
{
    *p = (struct plain){.covariance = covariance};
    start->options = spot_gmm_defaults();
    start->options.k = K;
    start->options.covariance = covariance;
    start->options.max_iter = ITERATIONS;
    start->options.tol = 0;
    start->options.reg_covar = 0;
    for (int c = 0; c < K; c++) {
        p->share[c] = start->weights[c] = (c + 1) / 6.0;
        for (int j = 0; j < COLUMNS; j++) {
            start->means[c * COLUMNS + j] = far[j] + spread[j] * (4 * c * (j + 1) + 2);
            p->mean[c][j] = start->means[c * COLUMNS + j] - far[j];
        }
        const double one = 2 * spread[0] * spread[0], other = 3 * spread[1] * spread[1];
        p->square[c][0] = one;
        p->square[c][2] = covariance == SPOT_GMM_SPHERICAL ? one : other;
        double *precision = start->precisions;
        if (covariance == SPOT_GMM_SPHERICAL) {
            precision[c] = 1 / one;
        } else if (covariance == SPOT_GMM_DIAG) {
            precision[2 * c] = 1 / one;
            precision[2 * c + 1] = 1 / other;
        } else {
            precision += covariance == SPOT_GMM_FULL ? 4 * c : 0;
            precision[0] = 1 / one;
            precision[3] = 1 / other;
            precision[1] = precision[2] = 0;
        }
    }
    start->options.weights = start->weights;
    start->options.means = start->means;
    start->options.precisions = start->precisions;
}

static spot_engine *open_engine(int threads, const char *instructions, int64_t memory)
{
    spot_engine *opened = NULL;
    const struct spot_engine_options options = {
        .device = "cpu", .threads = threads, .memory = memory};
    if (instructions != NULL) setenv("BLACKSPOT_CPU", instructions, 1);
    spot_engine_open(&options, &opened, NULL);
    unsetenv("BLACKSPOT_CPU");
    return opened;
}

static spot_gmm *fit(spot_engine *engine, const struct spot_matrix *data,
                     const struct spot_gmm_options *options)
{
    spot_gmm *model = NULL;
    struct spot_error err = {0};
    if (spot_gmm_fit(engine, data, options, &model, &err) < 0) printf("\n%s\n", err.message);
    CU_ASSERT_PTR_NOT_NULL_FATAL(model);
    return model;
}

static int close_to(double a, double b, double scale)
{
    return fabs(a - b) <= 1e-9 * scale;
}

/* An element of component c's covariance: 0 xx, 1 xy, 2 yy. */
static double covariance_of(const struct spot_gmm_result *r, int c, int t)
{
    switch (r->covariance) {
    case SPOT_GMM_FULL:
        return r->covariances[4 * c + (t == 2 ? 3 : t)];
    case SPOT_GMM_TIED:
        return r->covariances[t == 2 ? 3 : t];
    case SPOT_GMM_DIAG:
        return t == 1 ? 0 : r->covariances[2 * c + t / 2];
    default:
        return t == 1 ? 0 : r->covariances[c];
    }
}

static void check_model(const struct plain *p, const spot_gmm *model)
{
    const struct spot_gmm_result *r = spot_gmm_result(model);
    CU_ASSERT_EQUAL(r->iterations, ITERATIONS);
    CU_ASSERT(close_to(r->lower_bound, p->lower_bound, fabs(p->lower_bound)));
    for (int c = 0; c < K; c++) {
        CU_ASSERT(close_to(r->weights[c], p->share[c], 1));
        for (int j = 0; j < COLUMNS; j++)
            CU_ASSERT(close_to(r->means[c * COLUMNS + j], far[j] + p->mean[c][j], spread[j]));
        for (int t = 0; t < 3; t++)
            CU_ASSERT(fabs(covariance_of(r, c, t) - p->square[c][t]) <=
                      1e-8 * sqrt(p->square[c][0] * p->square[c][2]));
    }
}

static void check_scores(const struct plain *p, spot_engine *engine, const spot_gmm *model,
                         const struct spot_matrix *data)
{
    static int32_t labels[ROWS];
    static double shares[ROWS * K], logs[ROWS];
    CU_ASSERT_EQUAL_FATAL(spot_gmm_score(engine, model, data, labels, shares, logs, NULL), SPOT_OK);
    for (int i = 0; i < ROWS; i++) {
        long double r[K];
        const double expected = (double)share_row(p, x + i * COLUMNS, r);
        CU_ASSERT(fabs(logs[i] - expected) <= 1e-6);
        CU_ASSERT(labels[i] == i % K);
        CU_ASSERT(fabs(shares[i * K + labels[i]] - (double)r[labels[i]]) <= 1e-6);
    }
}

static void fits_are_those_of_plain_em(void)
{
    static const char *const variants[] = {"ref", "avx2", "avx512"};
    for (int covariance = SPOT_GMM_FULL; covariance <= SPOT_GMM_SPHERICAL; covariance++)
        for (int weighted = 0; weighted < 2; weighted++) {
            struct start start;
            struct plain p;
            make_start((enum spot_gmm_covariance)covariance, &start, &p);
            p.weights = weighted ? weights : NULL;
            for (int i = 0; i < ITERATIONS; i++)
                plain_step(&p);
            const struct spot_matrix data = {
                .values64 = x, .weights = p.weights, .rows = ROWS, .columns = COLUMNS};
            for (int v = 0; v < 3; v++) {
                spot_engine *engine = open_engine(1 + v, variants[v], 0);
                if (engine == NULL) continue;
                start.options.batch_rows = v * 77;
                spot_gmm *model = fit(engine, &data, &start.options);
                check_model(&p, model);
                check_scores(&p, engine, model, &data);
                spot_gmm_free(model);
                spot_engine_close(engine);
            }
        }
}

/* Float32 sees one row here; the groups are found all the same. */
static void every_start_finds_the_groups(void)
{
    spot_engine *engine = open_engine(2, NULL, 0);
    const struct spot_matrix data = {.values64 = x, .rows = ROWS, .columns = COLUMNS};
    static int32_t labels[ROWS];
    for (int init = SPOT_GMM_INIT_KMEANS; init <= SPOT_GMM_INIT_KMEANSPP; init++) {
        struct spot_gmm_options options = spot_gmm_defaults();
        options.k = K;
        options.init = (enum spot_gmm_init)init;
        options.reg_covar = 1e-10;
        options.covariance = SPOT_GMM_DIAG;
        spot_gmm *model = fit(engine, &data, &options);
        CU_ASSERT_EQUAL_FATAL(spot_gmm_score(engine, model, &data, labels, NULL, NULL, NULL),
                              SPOT_OK);
        for (int i = K; i < ROWS; i++)
            CU_ASSERT_EQUAL(labels[i], labels[i % K]);
        CU_ASSERT(labels[0] != labels[1] && labels[1] != labels[2] && labels[0] != labels[2]);
        spot_gmm_free(model);
    }
    spot_engine_close(engine);
}

static int same_numbers(const double *a, const double *b, int count)
{
    for (int i = 0; i < count; i++)
        if (a[i] != b[i]) return 0;
    return 1;
}

/* Numbers that float32 holds: the same bits either way, merged or not. */
static void float32_rows_are_the_same(void)
{
    static float narrow[CELLS];
    static double wide[CELLS];
    spot_engine *engine = open_engine(2, NULL, 0);
    for (int compact = 0; compact < 2; compact++) {
        for (uint32_t t = 0; t < CELLS; t++) {
            narrow[t] = (float)(compact ? floor(8 * uniform(t, 9)) : uniform(t, 9));
            wide[t] = (double)narrow[t];
        }
        struct spot_gmm_options options = spot_gmm_defaults();
        options.k = K;
        options.compact = compact;
        spot_gmm *a =
            fit(engine, &(struct spot_matrix){.values = narrow, .rows = ROWS, .columns = COLUMNS},
                &options);
        spot_gmm *b =
            fit(engine, &(struct spot_matrix){.values64 = wide, .rows = ROWS, .columns = COLUMNS},
                &options);
        const struct spot_gmm_result *r = spot_gmm_result(a), *s = spot_gmm_result(b);
        CU_ASSERT(r->log_likelihood == s->log_likelihood);
        CU_ASSERT(same_numbers(r->means, s->means, K * COLUMNS));
        CU_ASSERT(same_numbers(r->covariances, s->covariances, K * 4));
        spot_gmm_free(a);
        spot_gmm_free(b);
    }
    spot_engine_close(engine);
}

int main(void)
{
    static const struct suite_test tests[] = {
        {"fits are those of plain EM", fits_are_those_of_plain_em},
        {"every start finds the groups", every_start_finds_the_groups},
        {"rows that float32 holds are the same", float32_rows_are_the_same},
        {NULL, NULL},
    };
    make_rows();
    return run_suite("gmm_wide", tests);
}
