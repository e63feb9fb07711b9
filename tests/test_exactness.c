/* docs/exactness.md held to its word on data made to break it: near ties as close as the float32
 * bound, duplicated centres, offsets, denormals, weights over many decades, very many columns and
 * ranges near the limit. Labels and distances must be the definition's, bit for bit; centres and
 * inertia must agree with sums in long double; and no bit may differ between the instruction sets,
 * numbers of threads, or with equal rows merged. */
#define _POSIX_C_SOURCE 200809L
#include "fitting.h"

struct problem {
    struct spot_matrix data;
    int32_t k;
    float *x;        /* (rows, columns) */
    double *weights; /* (rows) or NULL */
    double *centres; /* (k, columns) */
};

static uint64_t state;

/* In [-1, 1). */
static double uniform(void)
{
    return 2 * next_uniform(&state) - 1;
}

static struct problem new_problem(int64_t rows, int32_t columns, int32_t k, int weighted)
{
    struct problem p = {.k = k};
    p.x = malloc((size_t)rows * (size_t)columns * sizeof *p.x);
    p.centres = malloc((size_t)k * (size_t)columns * sizeof *p.centres);
    if (weighted) p.weights = malloc((size_t)rows * sizeof *p.weights);
    p.data =
        (struct spot_matrix){.values = p.x, .weights = p.weights, .rows = rows, .columns = columns};
    state = (uint64_t)rows * 1000003u + (uint64_t)columns * 1009u + (uint64_t)k;
    return p;
}

static void free_problem(struct problem *p)
{
    free(p->x);
    free(p->weights);
    free(p->centres);
}

/* ---- The definition ------------------------------------------------------------------------- */

static int32_t nearest(const struct problem *p, const double *centres, int64_t row, double *d2)
{
    const int32_t d = p->data.columns;
    int32_t label = 0;
    *d2 = INFINITY;
    for (int32_t c = 0; c < p->k; c++) {
        double sum = 0;
        for (int32_t j = 0; j < d; j++) {
            double difference = (double)p->x[row * d + j] - centres[(int64_t)c * d + j];
            sum += difference * difference;
        }
        if (sum < *d2) {
            *d2 = sum;
            label = c;
        }
    }
    return label;
}

static double weight_of(const struct problem *p, int64_t row)
{
    return p->weights == NULL ? 1 : p->weights[row];
}

/* Centres after one iteration from the given ones, for clusters that are not empty. */
static void check_centres(const struct problem *p, const int32_t *labels,
                          const struct spot_kmeans_result *result)
{
    const int32_t d = p->data.columns;
    int wrong = 0;
    for (int32_t j = 0; j < d; j++) {
        double largest = 0, lowest = INFINITY, highest = -INFINITY;
        for (int64_t i = 0; i < p->data.rows; i++) {
            double x = (double)p->x[i * d + j];
            largest = fmax(largest, fabs(x));
            lowest = fmin(lowest, x);
            highest = fmax(highest, x);
        }
        /* From the lowest value on: valgrind computes long double as double. */
        long double *sums = calloc((size_t)p->k * 2, sizeof *sums);
        for (int64_t i = 0; i < p->data.rows; i++) {
            long double w = (long double)weight_of(p, i), x = (long double)p->x[i * d + j];
            sums[2 * labels[i]] += w * (x - (long double)lowest);
            sums[2 * labels[i] + 1] += w;
        }
        double allowed = 2e-12 * (highest - lowest) + 0x1p-51 * largest;
        for (int32_t c = 0; c < p->k; c++) {
            if (sums[2 * c + 1] == 0) continue;
            double mean = (double)((long double)lowest + sums[2 * c] / sums[2 * c + 1]);
            wrong += !(fabs(mean - result->centres[(int64_t)c * d + j]) <= allowed);
        }
        free(sums);
    }
    CU_ASSERT_EQUAL(wrong, 0);
}

static void check_inertia(const struct problem *p, const struct spot_kmeans_result *result)
{
    long double inertia = 0, weight = 0;
    double farthest = 0;
    for (int64_t i = 0; i < p->data.rows; i++) {
        double d2;
        nearest(p, result->centres, i, &d2);
        inertia += (long double)weight_of(p, i) * (long double)d2;
        weight += (long double)weight_of(p, i);
        farthest = fmax(farthest, d2);
    }
    /* A term is rounded to 2^-38 of the largest distance at worst; the ranges allow more. */
    double allowed = 1e-12 * (double)inertia + (double)weight * farthest * 0x1p-34;
    CU_ASSERT(fabs((double)inertia - result->inertia) <= allowed);
}

/* ---- The checks ----------------------------------------------------------------------------- */

static int count_wrong(spot_engine *engine, const struct problem *p, const spot_kmeans *model)
{
    const struct spot_kmeans_result *result = spot_kmeans_result(model);
    const int64_t n = p->data.rows;
    int32_t *labels = malloc((size_t)n * sizeof *labels);
    double *distances = malloc((size_t)n * sizeof *distances);
    int wrong = 0;
    CU_ASSERT_EQUAL(spot_kmeans_assign(engine, model, &p->data, labels, distances, NULL), SPOT_OK);
    for (int64_t i = 0; i < n; i++) {
        double d2;
        wrong += nearest(p, result->centres, i, &d2) != labels[i] || sqrt(d2) != distances[i];
    }
    free(labels);
    free(distances);
    return wrong;
}

static struct spot_kmeans_options options_of(const struct problem *p, int32_t max_iter)
{
    struct spot_kmeans_options options = spot_kmeans_defaults();
    options.k = p->k;
    options.init = SPOT_INIT_CENTRES;
    options.centres = p->centres;
    options.tol = 0;
    options.max_iter = max_iter;
    return options;
}

/* One iteration against long double. */
static void check_one_iteration(const struct problem *p)
{
    const struct spot_kmeans_options options = options_of(p, 1);
    spot_engine *engine = open_engine(2, NULL);
    spot_kmeans *model = fit(engine, &p->data, &options);
    int32_t *labels = malloc((size_t)p->data.rows * sizeof *labels);
    double *weights = calloc((size_t)p->k, sizeof *weights);
    int empty = 0;
    double d2;
    for (int64_t i = 0; i < p->data.rows; i++)
        weights[labels[i] = nearest(p, p->centres, i, &d2)] += weight_of(p, i);
    for (int32_t c = 0; c < p->k; c++)
        empty += weights[c] == 0;
    /* Rows that move to empty clusters are another test's matter. */
    if (empty == 0) check_centres(p, labels, spot_kmeans_result(model));
    check_inertia(p, spot_kmeans_result(model));
    free(weights);
    free(labels);
    spot_kmeans_free(model);
    spot_engine_close(engine);
}

static void same_everywhere(const struct problem *p, struct spot_kmeans_options options)
{
    static const char *const variants[] = {"ref", "avx2", "avx512"};
    spot_kmeans *first = NULL;
    for (int v = 0; v < 3; v++)
        for (int threads = 1; threads <= 3; threads += 2) {
            spot_engine *engine = open_engine(threads, variants[v]);
            if (engine == NULL) continue;
            options.compact = threads == 1 ? v % 2 : 1 - v % 2;
            options.batch_rows = threads == 1 ? 0 : 37;
            spot_kmeans *model = fit(engine, &p->data, &options);
            CU_ASSERT_EQUAL(count_wrong(engine, p, model), 0);
            if (first == NULL) first = model;
            CU_ASSERT(same_model(first, model));
            if (model != first) spot_kmeans_free(model);
            spot_engine_close(engine);
        }
    spot_kmeans_free(first);
}

static void check(struct problem *p)
{
    check_one_iteration(p);
    same_everywhere(p, options_of(p, 3));
    struct spot_kmeans_options seeded = options_of(p, 2);
    seeded.init = SPOT_INIT_KMEANSPP;
    seeded.centres = NULL;
    same_everywhere(p, seeded);
    free_problem(p);
}

/* ---- The data ------------------------------------------------------------------------------- */

/* Rows on the plane between two centres, pushed off it by about what float32 can tell. */
static void fill_between(struct problem *p)
{
    const int32_t d = p->data.columns;
    for (int64_t i = 0; i < p->data.rows; i++) {
        const double *a = p->centres + (i % p->k) * d;
        const double *b = p->centres + (int64_t)(uniform() * 0.49 * p->k + 0.5 * p->k) * d;
        double push = ldexp(uniform(), -(int)(i % 40) - 10);
        for (int32_t j = 0; j < d; j++)
            p->x[i * d + j] = (float)((a[j] + b[j]) / 2 + push * (b[j] - a[j]));
    }
}

static void near_ties(void)
{
    static const int32_t columns[] = {1, 2, 3, 8, 9, 17, 40};
    for (int c = 0; c < 7; c++)
        for (int mixed = 0; mixed < 2; mixed++) {
            struct problem p = new_problem(1500, columns[c], 13, 0);
            for (int32_t t = 0; t < 13 * columns[c]; t++)
                p.centres[t] = ldexp(uniform(), mixed ? t % columns[c] * 7 % 41 - 20 : 3);
            fill_between(&p);
            check(&p);
        }
}

static void duplicated_centres(void)
{
    struct problem p = new_problem(2000, 3, 12, 0);
    for (int32_t t = 0; t < 36; t++)
        p.centres[t] = t < 18 ? uniform() : p.centres[t - 18] + (t % 2 ? 0 : uniform() * 1e-9);
    fill_between(&p);
    check(&p);
}

/* offset + spread * [-1, 1), on a lattice of 1/64 of the spread where equal rows are wanted. */
static void check_range(int64_t rows, int32_t columns, int32_t k, double offset, double spread,
                        int weighted)
{
    struct problem p = new_problem(rows, columns, k, weighted);
    for (int64_t t = 0; t < rows * columns; t++)
        p.x[t] = (float)(offset + spread * (t % 3 == 0 ? rint(64 * uniform()) / 64 : uniform()));
    for (int64_t t = 0; t < k * columns; t++)
        p.centres[t] = offset + spread * uniform();
    for (int64_t i = 0; i < rows && weighted; i++)
        p.weights[i] = i % 11 == 0 ? 0 : pow(10, 6 * uniform());
    check(&p);
}

static void offsets_and_scales(void)
{
    static const double offsets[] = {0, 1e6, -3e7, 1e15, 0x1p59, -0x1p60, 1e-38, 0};
    static const double spreads[] = {1e-3, 0.25, 4, 1e8, 0x1p50, 0x1p58, 1e-40, 1e-44};
    for (int i = 0; i < 8; i++) {
        check_range(700, 4, 5, offsets[i], spreads[i], 0);
        check_range(700, 11, 3, offsets[i], spreads[i], 1);
    }
}

static void odd_shapes(void)
{
    check_range(1, 3, 1, 5, 1, 0);
    check_range(2, 1, 2, 0, 1, 1);
    check_range(65, 2, 65, 0, 1, 0);
    check_range(300, 2, 257, -2, 1, 0);
    check_range(40, 20011, 3, 0, 1, 0);
    check_range(100, 3, 4, 7, 0, 0); /* all rows equal */
}

/* Scaled weights of up to 62 bits, times values, times rows. */
static void heavy_weights(void)
{
    struct problem p = new_problem(5000, 2, 3, 1);
    for (int64_t i = 0; i < 5000; i++) {
        p.x[2 * i] = (float)rint(4 * uniform());
        p.x[2 * i + 1] = (float)(1e-3 / 3 * rint(4 * uniform()));
        p.weights[i] = i % 3 == 0 ? 9e18 : i % 3 == 1 ? 1.0 / 3 : 1e-300;
    }
    for (int t = 0; t < 6; t++)
        p.centres[t] = uniform() * (t % 2 ? 1e-3 : 3);
    check(&p);
}

/* Squared distances between rows must stay within float32, which seeding measures them in. */
static void distances_beyond_float32(void)
{
    const int32_t columns = 400;
    struct problem p = new_problem(50, columns, 3, 0);
    for (int32_t t = 0; t < 50 * columns; t++)
        p.x[t] = (float)(0x1p59 * (uniform() < 0 ? -0.99 : 0.99));
    struct spot_kmeans_options options = spot_kmeans_defaults();
    options.k = 3;
    spot_engine *engine = open_engine(1, NULL);
    spot_kmeans *model;
    struct spot_error err = {0};
    CU_ASSERT_EQUAL(spot_kmeans_fit(engine, &p.data, &options, &model, &err), SPOT_EDATA);
    CU_ASSERT_PTR_NULL(model);
    CU_ASSERT_PTR_NOT_NULL(strstr(err.message, "divide"));
    spot_kmeans_free(model);
    spot_engine_close(engine);
    free_problem(&p);
}

int main(void)
{
    const struct suite_test tests[] = {
        {"near ties", near_ties},
        {"duplicated centres", duplicated_centres},
        {"offsets and scales", offsets_and_scales},
        {"odd shapes", odd_shapes},
        {"heavy weights", heavy_weights},
        {"distances beyond float32", distances_beyond_float32},
        {NULL, NULL},
    };
    return run_suite("exactness", tests);
}
