/* Every instruction set's mixture kernels against plain C, on one block of rows of float32 and of
 * float64: all covariances,
 * ragged numbers of columns, weights of 0, rows too far away for any density, and nothing written
 * beyond the arrays. */
#include <math.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "base/memory.h"
#include "fallback/cpu_detect.h"
#include "fallback/cpu_mixture.h"
#include "models/random.h"
#include "numerics/explog.h"
#include "numerics/philox.h"
#include "suite.h"

enum { COMPONENTS = 3, WIDEST = 21, GUARD = 8 };

static double uniform(uint32_t what, uint32_t i)
{
    return philox_uniform(random_bits(7, RANDOM_SAMPLES, 0, what, i));
}

/* One problem: a block, its weights, and a packed mixture. */
struct problem {
    struct mixture_space space;
    float *x;                  /* (columns, BLOCK_ROWS) */
    double *wide;              /* the same with digits that float32 has not */
    struct block_values block; /* one of the two */
    double weights[BLOCK_ROWS];
    double component_weights[COMPONENTS];
    double *means, *factors;
};

static void problem_open(struct problem *p, int32_t columns, enum mixture_covariance covariance,
                         bool wide)
{
    const int64_t cells = (int64_t)COMPONENTS * columns, triangle = columns * (columns + 1) / 2;
    p->x = spot_alloc((int64_t)columns * BLOCK_ROWS, sizeof *p->x);
    p->means = spot_alloc(cells, sizeof(double));
    p->factors = spot_alloc(COMPONENTS * triangle + cells, sizeof(double));
    for (uint32_t i = 0; i < (uint32_t)columns * BLOCK_ROWS; i++)
        p->x[i] = (float)(4 * uniform(0, i) - 2);
    p->x[5] = 1e18f; /* row 5 is far from everything */
    p->wide = spot_alloc((int64_t)columns * BLOCK_ROWS, sizeof *p->wide);
    for (uint32_t i = 0; i < (uint32_t)columns * BLOCK_ROWS; i++)
        p->wide[i] = (double)p->x[i] * (1 + 1e-9 * uniform(4, i));
    p->block = wide ? (struct block_values){NULL, p->wide} : (struct block_values){p->x, NULL};
    for (uint32_t i = 0; i < BLOCK_ROWS; i++)
        p->weights[i] = i % 7 == 3 ? 0.0 : uniform(1, i);
    for (uint32_t c = 0; c < COMPONENTS; c++)
        p->component_weights[c] = (c + 1.0) / 6.0;
    for (uint32_t i = 0; i < cells; i++)
        p->means[i] = 2 * uniform(2, i) - 1;
    for (uint32_t i = 0; i < COMPONENTS * triangle + cells; i++)
        p->factors[i] = 0.2 + uniform(3, i);
    CU_ASSERT_FATAL(mixture_space_open(&p->space, COMPONENTS, columns, covariance) == 0);
    const struct mixture_parameters parameters = {.k = COMPONENTS,
                                                  .columns = columns,
                                                  .covariance = covariance,
                                                  .weights = p->component_weights,
                                                  .means = p->means,
                                                  .factors = p->factors};
    mixture_pack_fill(&p->space, &parameters, NULL);
}

static void problem_close(struct problem *p)
{
    mixture_space_close(&p->space);
    free(p->x);
    free(p->wide);
    free(p->means);
    free(p->factors);
}

/* What a variant makes of a problem, with guards behind every array. */
struct outcome {
    double density[COMPONENTS * BLOCK_ROWS + GUARD];
    double shares[COMPONENTS * BLOCK_ROWS + GUARD];
    double log_likelihood[BLOCK_ROWS + GUARD];
    double sums[COMPONENTS][2 + WIDEST * (WIDEST + 5) / 2];
    double total;
};

static void guard(double *from)
{
    for (int i = 0; i < GUARD; i++)
        from[i] = -77.25;
}

static void expect_guard(const double *from)
{
    for (int i = 0; i < GUARD; i++)
        CU_ASSERT(from[i] == -77.25);
}

static void solve(const struct mixture_kernels *kernels, const struct problem *p, struct outcome *o)
{
    const struct mixture_pack *pack = &p->space.pack;
    const int64_t room = kernels->sums_room(pack->covariance, pack->columns);
    const int64_t work_room = mixture_space(pack->columns);
    double *work = spot_alloc(work_room + GUARD, sizeof *work);
    double *sums = spot_alloc_zero(COMPONENTS * room + GUARD, sizeof *sums);
    guard(work + work_room);
    guard(sums + COMPONENTS * room);
    guard(o->shares + COMPONENTS * BLOCK_ROWS);
    guard(o->log_likelihood + BLOCK_ROWS);
    kernels->densities(pack, p->block, work, o->shares);
    memcpy(o->density, o->shares, sizeof o->density);
    o->total = kernels->responsibilities(pack, p->weights, o->shares, o->log_likelihood);
    for (int c = 0; c < COMPONENTS; c++) /* squares of the far row would drown the others */
        o->shares[c * BLOCK_ROWS + 5] = 0.0;
    for (int twice = 0; twice < 2; twice++)
        kernels->add(pack, p->block, o->shares, work, sums);
    for (int c = 0; c < COMPONENTS; c++)
        kernels->collect(pack->covariance, pack->columns, sums + c * room, o->sums[c]);
    expect_guard(work + work_room);
    expect_guard(sums + COMPONENTS * room);
    expect_guard(o->shares + COMPONENTS * BLOCK_ROWS);
    expect_guard(o->log_likelihood + BLOCK_ROWS);
    free(work);
    free(sums);
}

static int near(const double *a, const double *b, int64_t count)
{
    for (int64_t i = 0; i < count; i++)
        if (!(fabs(a[i] - b[i]) <= 1e-11 * (1 + fabs(a[i])))) return 0;
    return 1;
}

static void compare_rows(const struct mixture_kernels *kernels, bool wide)
{
    static struct outcome expected, found;
    for (int32_t columns = 1; columns <= WIDEST; columns += columns < 9 ? 1 : 6)
        for (int covariance = MIXTURE_FULL; covariance <= MIXTURE_SPHERICAL; covariance++) {
            struct problem problem;
            problem_open(&problem, columns, (enum mixture_covariance)covariance, wide);
            solve(mixture_kernels_ref(), &problem, &expected);
            solve(kernels, &problem, &found);
            CU_ASSERT(near(expected.density, found.density, COMPONENTS * BLOCK_ROWS));
            CU_ASSERT(near(expected.shares, found.shares, COMPONENTS * BLOCK_ROWS));
            CU_ASSERT(near(expected.log_likelihood, found.log_likelihood, BLOCK_ROWS));
            CU_ASSERT(near(&expected.total, &found.total, 1));
            for (int c = 0; c < COMPONENTS; c++)
                CU_ASSERT(near(expected.sums[c], found.sums[c],
                               mixture_terms((enum mixture_covariance)covariance, columns)));
            problem_close(&problem);
        }
}

static void compare(const struct mixture_kernels *kernels)
{
    compare_rows(kernels, false);
    compare_rows(kernels, true);
}

/* Plain C sees the digits beyond float32. */
static void wide_rows_are_not_rounded(void)
{
    static struct outcome narrow, wide;
    struct problem problem;
    for (int covariance = MIXTURE_FULL; covariance <= MIXTURE_SPHERICAL; covariance++) {
        problem_open(&problem, 6, (enum mixture_covariance)covariance, false);
        solve(mixture_kernels_ref(), &problem, &narrow);
        problem.block = (struct block_values){NULL, problem.wide};
        solve(mixture_kernels_ref(), &problem, &wide);
        CU_ASSERT(fabs(narrow.total - wide.total) > 1e-11 * fabs(wide.total));
        for (int i = 0; i < 6 * BLOCK_ROWS; i++)
            problem.wide[i] = (double)problem.x[i];
        solve(mixture_kernels_ref(), &problem, &wide);
        CU_ASSERT(memcmp(&narrow.density, &wide.density, sizeof narrow.density) == 0);
        problem_close(&problem);
    }
}

static void avx2(void)
{
    if (cpu_has_avx2()) compare(mixture_kernels_avx2());
}

static void avx512(void)
{
    if (cpu_has_avx512()) compare(mixture_kernels_avx512());
}

/* The vector exp and log give the bits of numerics/explog.h. */
static void compare_logarithms(const struct mixture_kernels *kernels)
{
    double weights[BLOCK_ROWS], ref[2 * BLOCK_ROWS], fast[2 * BLOCK_ROWS];
    double ref_log[BLOCK_ROWS], fast_log[BLOCK_ROWS];
    static const double cutoffs[2] = {EXP_LOWEST, EXP_LOWEST};
    const struct mixture_pack pack = {.k = 2, .cutoffs = cutoffs};
    for (uint32_t round = 0; round < 200; round++) {
        for (uint32_t i = 0; i < BLOCK_ROWS; i++) {
            weights[i] = 1.0;
            ref[i] = fast[i] = 0.0;
            ref[BLOCK_ROWS + i] = fast[BLOCK_ROWS + i] =
                (round % 2 == 0 ? -750.0 : 3.0) * uniform(4 + round, i);
        }
        mixture_kernels_ref()->responsibilities(&pack, weights, ref, ref_log);
        kernels->responsibilities(&pack, weights, fast, fast_log);
        CU_ASSERT(memcmp(ref_log, fast_log, sizeof ref_log) == 0);
        CU_ASSERT(memcmp(ref, fast, sizeof ref) == 0);
    }
}

static void logarithms_are_the_same_bits(void)
{
    if (cpu_has_avx2()) compare_logarithms(mixture_kernels_avx2());
    if (cpu_has_avx512()) compare_logarithms(mixture_kernels_avx512());
}

static void nan_becomes_the_floor(void)
{
    const struct mixture_kernels *variants[] = {
        mixture_kernels_ref(), cpu_has_avx2() ? mixture_kernels_avx2() : mixture_kernels_ref(),
        cpu_has_avx512() ? mixture_kernels_avx512() : mixture_kernels_ref()};
    static struct outcome outcome;
    for (int s = 0; s < 3; s++) {
        struct problem problem;
        problem_open(&problem, 2, MIXTURE_FULL, false);
        for (int i = 0; i < COMPONENTS * 3; i++)
            problem.factors[i] = i % 3 == 1 ? -1e300 : 1e300;
        problem.x[BLOCK_ROWS + 5] = 1e18f; /* infinity less infinity in row 5 */
        solve(variants[s], &problem, &outcome);
        for (int c = 0; c < COMPONENTS; c++)
            CU_ASSERT(outcome.density[c * BLOCK_ROWS + 5] == MIXTURE_FLOOR);
        CU_ASSERT(isfinite(outcome.log_likelihood[5]));
        problem_close(&problem);
    }
}

int main(void)
{
    static const struct suite_test tests[] = {
        {"rows of float64 are not rounded", wide_rows_are_not_rounded},
        {"AVX2 as plain C", avx2},
        {"AVX-512 as plain C", avx512},
        {"exp and log have the same bits", logarithms_are_the_same_bits},
        {"NaN becomes the floor", nan_becomes_the_floor},
        {NULL, NULL},
    };
    return run_suite("gmm_kernels", tests);
}
