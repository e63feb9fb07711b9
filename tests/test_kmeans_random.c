/* Thousands of small random fits against KMeans written plainly from docs/exactness.md
 * (plain_lloyd.h): the same centres, labels, sizes and iterations, bit for bit, whatever the data,
 * the weights, the instruction set, threads, batches and merging; for rows of float32 and float64.
 *
 *     test_kmeans_random SEED CASES     another campaign, longer; SEED odd: float64 */
#define _POSIX_C_SOURCE 200809L
#include "fitting.h"
#include "plain_lloyd.h"

enum { ENGINES = 6, CASES = 8000, KINDS = 10, WIDE_KINDS = 16 };

static uint64_t state;
static spot_engine *engines[ENGINES]; /* NULL: this processor lacks the instruction set */
static bool wide;                     /* rows of float64 */
static int refused, tied;             /* cases that were refused; that had near ties */

static double uniform(void)
{
    return next_uniform(&state);
}

static double around_zero(void)
{
    return 2 * uniform() - 1;
}

static int32_t below(int32_t bound)
{
    return (int32_t)(uniform() * bound);
}

/* ---- Data ----------------------------------------------------------------------------------- */

struct problem {
    struct spot_matrix data;
    double *x;        /* (rows, columns) */
    float *narrow;    /* the same as float32, or NULL */
    double *weights;  /* (rows) or NULL */
    double *centres;  /* (k, columns) */
    int32_t k, kinds; /* kinds: which data and weights these are, for messages */
    int32_t max_iter;
    double tol;
};

/* A column's values: lattices full of ties, offsets that float32 can and cannot take off, huge and
 * denormal numbers, two far clumps, signs that alternate, values that are all the same. From KINDS
 * on they differ by less than float32 can tell, with and without an offset. */
static double draw_value(int kind, int64_t row)
{
    switch (kind) {
    case 0:
        return below(4);
    case 1:
        return 10 * around_zero();
    case 2:
        return 1e6 + below(16) / 16.0;
    case 3:
        return (row % 2 ? 1e4 : -3e4) + around_zero();
    case 4:
        return 1e15 + 0x1p27 * below(32);
    case 5:
        return ldexp(below(40) - 20, -149);
    case 6:
        return (row % 2 ? 1 : -1) * (1 + ldexp(below(8), -23));
    case 7:
        return 3.25;
    case 8:
        return ldexp(around_zero(), 50);
    case 10:
        return 1e9 + ldexp(below(64), -20);
    case 11:
        return row % 5 == 0 ? -1e6 : 1e9 + ldexp(below(64), -20);
    case 12:
        return 1 + ldexp(below(32), -52);
    case 13:
        return (row % 2 ? 1 : -1) + 1e-9 * around_zero();
    case 14:
        return ldexp(around_zero(), -400);
    case 15:
        return ldexp(below(40) - 20, -440);
    default:
        return row % 7 < 5 ? below(3) : 5 * around_zero();
    }
}

static double draw_weight(int kind, int64_t row)
{
    switch (kind) {
    case 1:
        return 1;
    case 2:
        return below(6);
    case 3:
        return pow(10, 12 * uniform() - 6);
    case 4:
        return 0x1p60 + 0x1p10 * below(1000);
    case 5:
        return row % 3 == 0 ? 9e18 : row % 3 == 1 ? 1.0 / 3 : 1e-300;
    default:
        return uniform() + 0.1;
    }
}

/* A value of the rows' type. */
static double stored(double value)
{
    return wide ? value : (double)(float)value;
}

static void draw_rows(struct problem *p)
{
    const int mixed = below(3) == 0;
    const int32_t d = p->data.columns;
    const int32_t kinds = wide ? WIDE_KINDS : KINDS;
    int kind = below(kinds);
    p->kinds = kind;
    for (int32_t j = 0; j < d; j++) {
        if (mixed) kind = below(4) == 0 ? below(kinds) : kind % 4;
        for (int64_t i = 0; i < p->data.rows; i++)
            p->x[i * d + j] = stored(draw_value(kind, i));
    }
    if (below(4) != 0) return;
    for (int64_t i = 1; i < p->data.rows; i++) /* rows that repeat */
        if (below(2) == 0)
            memcpy(p->x + i * d, p->x + below((int32_t)i) * d, (size_t)d * sizeof *p->x);
}

/* A row, a place between two rows, one beside a row, an earlier centre again, or somewhere far. */
static void draw_centre(struct problem *p, int32_t c)
{
    const int32_t d = p->data.columns, rows = (int32_t)p->data.rows;
    const double *a = p->x + (int64_t)below(rows) * d, *b = p->x + (int64_t)below(rows) * d;
    double *centre = p->centres + (int64_t)c * d;
    const int kind = below(10);
    if (kind == 9 && c > 0) {
        memcpy(centre, p->centres + (int64_t)below(c) * d, (size_t)d * sizeof *centre);
        return;
    }
    for (int32_t j = 0; j < d; j++) {
        double x = a[j], y = b[j];
        centre[j] = kind < 4 ? x : kind < 6 ? (x + y) / 2 : x + (y - x) * 0.3 * uniform();
        if (kind == 8) centre[j] += 0.5 * (fabs(x) + fabs(y)) * around_zero();
        if (kind == 3) centre[j] = nextafter(centre[j], INFINITY);
    }
}

/* Rows near the plane between two centres, from a few float64 roundings off it to some float32
 * ones. */
static void draw_ties(struct problem *p)
{
    const int32_t d = p->data.columns;
    for (int64_t i = below(3); i < p->data.rows; i += 3) {
        const double *a = p->centres + (int64_t)below(p->k) * d;
        const double *b = p->centres + (int64_t)below(p->k) * d;
        double push = ldexp(around_zero(), -below(40));
        for (int32_t j = 0; j < d; j++)
            p->x[i * d + j] = stored((a[j] + b[j]) / 2 + push * (b[j] - a[j]));
    }
}

/* Mostly small; now and then wide, or with many clusters. */
static int32_t draw_size(int32_t usual, int32_t most)
{
    int kind = below(12);
    return 1 + below(kind == 0 ? most : kind < 6 ? 3 : usual);
}

static void give_values(struct problem *p)
{
    const int64_t cells = p->data.rows * p->data.columns;
    p->data.values64 = p->x;
    if (wide) return;
    p->narrow = malloc((size_t)cells * sizeof *p->narrow);
    for (int64_t t = 0; t < cells; t++)
        p->narrow[t] = (float)p->x[t];
    p->data.values64 = NULL;
    p->data.values = p->narrow;
}

static struct problem draw_problem(void)
{
    static const int32_t iterations[] = {1, 2, 3, 5, 9, 40};
    struct problem p = {.max_iter = iterations[below(6)]};
    const int32_t d = draw_size(9, 130);
    const int32_t n = d > 20 ? 1 + below(90) : below(8) == 0 ? 1 + below(1500) : 1 + below(200);
    p.k = draw_size(12, 70);
    if (p.k > n) p.k = n;
    p.tol = below(4) == 0 ? pow(10, -1 - 4 * uniform()) : 0;
    p.x = malloc((size_t)n * (size_t)d * sizeof *p.x);
    p.centres = malloc((size_t)p.k * (size_t)d * sizeof *p.centres);
    p.data = (struct spot_matrix){.rows = n, .columns = d};
    draw_rows(&p);
    for (int32_t c = 0; c < p.k; c++)
        draw_centre(&p, c);
    if (below(3) == 0) draw_ties(&p);
    give_values(&p);
    if (below(2) == 0) return p;
    const int kind = 1 + below(6);
    p.weights = malloc((size_t)n * sizeof *p.weights);
    for (int64_t i = 0; i < n; i++)
        p.weights[i] = draw_weight(kind, i);
    p.weights[below(n)] = 1;
    p.data.weights = p.weights;
    p.kinds += 100 * kind;
    return p;
}

static void free_problem(struct problem *p)
{
    free(p->x);
    free(p->narrow);
    free(p->weights);
    free(p->centres);
}

/* ---- One fit -------------------------------------------------------------------------------- */

/* What differs, or NULL. */
static const char *compare(const struct problem *p, const struct plain_lloyd *plain,
                           spot_engine *engine, const spot_kmeans *model)
{
    const struct spot_kmeans_result *r = spot_kmeans_result(model);
    const size_t cells = (size_t)p->k * (size_t)p->data.columns;
    static int32_t labels[4096];
    if (r->iterations != plain->iterations) return "iterations";
    if (r->converged != plain->converged) return "converged";
    for (size_t t = 0; t < cells; t++) /* -0 and 0 are one place */
        if (r->centres[t] != plain->centres[t]) return "centres";
    if (memcmp(r->sizes, plain->sizes, (size_t)p->k * sizeof *r->sizes) != 0) return "sizes";
    if (spot_kmeans_assign(engine, model, &p->data, labels, NULL, NULL) != SPOT_OK) return "scores";
    if (memcmp(labels, plain->labels, (size_t)p->data.rows * sizeof *labels) != 0) return "labels";
    if (!(fabs(r->inertia - plain->inertia) <= plain->inertia_error)) return "inertia";
    return NULL;
}

static const char *try_problem(const struct problem *p, int e, int32_t compact, int64_t batch)
{
    struct spot_error err = {0};
    spot_kmeans *model;
    struct spot_kmeans_options options = spot_kmeans_defaults();
    options.k = p->k;
    options.init = SPOT_INIT_CENTRES;
    options.centres = p->centres;
    options.max_iter = p->max_iter;
    options.tol = p->tol;
    options.compact = compact;
    options.batch_rows = batch;
    int status = spot_kmeans_fit(engines[e], &p->data, &options, &model, &err);
    if (status == SPOT_EDATA) {
        refused++;
        return NULL;
    }
    if (status != SPOT_OK) return err.message[0] != '\0' ? "status" : "message";
    struct plain_lloyd plain = plain_fit(&p->data, p->k, p->centres, p->max_iter, p->tol);
    const char *wrong = compare(p, &plain, engines[e], model);
    tied += spot_kmeans_result(model)->near_ties > 0;
    plain_free(&plain);
    spot_kmeans_free(model);
    return wrong;
}

/* Cases first to first + count of a campaign; returns how many went wrong. */
static int campaign(uint64_t seed, int count)
{
    int wrong = 0;
    for (int i = 0; i < count; i++) {
        state = seed * 1000003u + (uint64_t)i;
        struct problem p = draw_problem();
        int e = i % ENGINES;
        while (engines[e] == NULL)
            e = (e + 1) % ENGINES;
        int32_t compact = below(3) - 1;
        int64_t batch = below(2) == 0 ? 0 : 1 + below(200);
        const char *what = try_problem(&p, e, compact, batch);
        wrong += what != NULL;
        if (what != NULL)
            printf("\nseed %llu, case %d: %s differ: %lld x %d, k %d, data and weights %d, %d "
                   "iterations, tol %g, %s, merged %d, batch %lld\n",
                   (unsigned long long)seed, i, what, (long long)p.data.rows, p.data.columns, p.k,
                   p.kinds, p.max_iter, p.tol, spot_engine_device(engines[e]), compact,
                   (long long)batch);
        free_problem(&p);
    }
    return wrong;
}

static void fits_are_the_definition(void)
{
    wide = false;
    refused = tied = 0;
    CU_ASSERT_EQUAL(campaign(1, CASES), 0);
    CU_ASSERT(refused < CASES / 8);
    CU_ASSERT(tied > CASES / 8);
}

static void wide_fits_are_the_definition(void)
{
    wide = true;
    refused = tied = 0;
    CU_ASSERT_EQUAL(campaign(1, CASES / 2), 0);
    CU_ASSERT(refused < CASES / 8);
    CU_ASSERT(tied > CASES / 8);
}

/* Outside of a suite, where CUnit's assertions must not be used. */
static void open_engines(void)
{
    static const char *const variants[] = {"ref", "avx2", "avx512"};
    for (int e = 0; e < ENGINES; e++) {
        const struct spot_engine_options options = {.device = "cpu", .threads = 1 + 2 * (e / 3)};
        setenv("BLACKSPOT_CPU", variants[e % 3], 1);
        spot_engine_open(&options, &engines[e], NULL);
    }
    unsetenv("BLACKSPOT_CPU");
}

int main(int argc, char **argv)
{
    const struct suite_test tests[] = {
        {"random fits are the definition's", fits_are_the_definition},
        {"random fits of float64 are the definition's", wide_fits_are_the_definition},
        {NULL, NULL},
    };
    int failures = 0;
    open_engines();
    if (argc == 3) {
        wide = strtoull(argv[1], NULL, 10) % 2 == 1;
        failures = campaign(strtoull(argv[1], NULL, 10), atoi(argv[2]));
        printf("%d wrong, %d refused, %d with near ties\n", failures, refused, tied);
    } else {
        failures = run_suite("kmeans_random", tests);
    }
    for (int e = 0; e < ENGINES; e++)
        spot_engine_close(engines[e]);
    return failures != 0;
}
