/* Components far from a row are left out: what near_densities() leaves against plain C for groups
 * that lie apart, its refusal for groups that do not, and fits on both with every instruction set.
 */
#define _POSIX_C_SOURCE 200809L /* setenv */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/memory.h"
#include "blackspot.h"
#include "fallback/cpu_detect.h"
#include "fallback/cpu_mixture.h"
#include "models/random.h"
#include "numerics/explog.h"
#include "numerics/philox.h"
#include "suite.h"

enum { COMPONENTS = 9, WIDEST = 70, CELLS = COMPONENTS * BLOCK_ROWS };

static double uniform(uint32_t what, uint32_t i)
{
    return philox_uniform(random_bits(17, RANDOM_SAMPLES, 0, what, i));
}

/* Roughly normal: the sum of twelve uniform numbers. */
static double normal(uint32_t what, uint32_t i)
{
    double sum = -6.0;
    for (uint32_t t = 0; t < 12; t++)
        sum += uniform(1000 + 12 * what + t, i);
    return sum;
}

/* A block whose rows lie around the means of a packed mixture of full covariances. */
struct problem {
    struct mixture_space space;
    float *x;                  /* (columns, BLOCK_ROWS) */
    double *wide;              /* the same with digits that float32 has not */
    struct block_values block; /* one of the two */
    double component_weights[COMPONENTS];
    double *means, *factors;
};

static void problem_open(struct problem *p, int32_t columns, double box)
{
    const int64_t triangle = (int64_t)columns * (columns + 1) / 2;
    p->x = spot_alloc((int64_t)columns * BLOCK_ROWS, sizeof *p->x);
    p->means = spot_alloc((int64_t)COMPONENTS * columns, sizeof(double));
    p->factors = spot_alloc(COMPONENTS * triangle, sizeof(double));
    for (uint32_t i = 0; i < (uint32_t)(COMPONENTS * columns); i++)
        p->means[i] = box * uniform(1, i);
    for (int32_t c = 0; c < COMPONENTS; c++) {
        double *factor = p->factors + c * triangle;
        p->component_weights[c] = (c + 1.0) / 45.0;
        for (int32_t i = 0; i < columns; i++)
            for (int32_t j = 0; j <= i; j++)
                *factor++ = i == j ? 0.8 + 0.1 * c : 0.1 * uniform(2, (uint32_t)(c * 99 + i + j));
    }
    for (uint32_t i = 0; i < BLOCK_ROWS; i++)
        for (uint32_t j = 0; j < (uint32_t)columns; j++)
            p->x[j * BLOCK_ROWS + i] =
                (float)(p->means[i * 7 % COMPONENTS * (uint32_t)columns + j] + normal(j, i));
    p->wide = spot_alloc((int64_t)columns * BLOCK_ROWS, sizeof *p->wide);
    for (uint32_t i = 0; i < (uint32_t)columns * BLOCK_ROWS; i++)
        p->wide[i] = (double)p->x[i] * (1 + 1e-9 * normal(i, 0));
    p->block = (struct block_values){p->x, NULL};
    CU_ASSERT_FATAL(mixture_space_open(&p->space, COMPONENTS, columns, MIXTURE_FULL) == 0);
    const struct mixture_parameters parameters = {.k = COMPONENTS,
                                                  .columns = columns,
                                                  .covariance = MIXTURE_FULL,
                                                  .weights = p->component_weights,
                                                  .means = p->means,
                                                  .factors = p->factors};
    mixture_pack_fill(&p->space, &parameters, NULL);
    mixture_pack_cut(&p->space, &parameters);
}

static void problem_close(struct problem *p)
{
    mixture_space_close(&p->space);
    free(p->x);
    free(p->wide);
    free(p->means);
    free(p->factors);
}

static int near_kernels(const struct mixture_kernels *kernels[2])
{
    int count = 0;
    if (cpu_has_avx2()) kernels[count++] = mixture_kernels_avx2();
    if (cpu_has_avx512()) kernels[count++] = mixture_kernels_avx512();
    return count;
}

/* ---- One block ------------------------------------------------------------------------------- */

/* The same densities as plain C's, or the floor where the share is below the cutoff. */
static void compare_densities(const struct mixture_pack *pack, const double *expected,
                              const double *found)
{
    int left_out = 0;
    for (int i = 0; i < BLOCK_ROWS; i++) {
        double largest = -INFINITY;
        for (int c = 0; c < COMPONENTS; c++)
            largest = fmax(largest, expected[c * BLOCK_ROWS + i]);
        for (int c = 0; c < COMPONENTS; c++) {
            const double e = expected[c * BLOCK_ROWS + i], f = found[c * BLOCK_ROWS + i];
            if (f == MIXTURE_FLOOR) {
                CU_ASSERT(e - largest < pack->cutoffs[c]);
                left_out++;
            } else {
                CU_ASSERT(fabs(e - f) <= 1e-11 * (1 + fabs(e)));
            }
        }
    }
    CU_ASSERT(left_out > CELLS / 2);
}

/* Sums of the block that near_densities() left behind, and of the block itself. */
static void compare_sums(const struct mixture_kernels *kernels, const struct problem *p,
                         double *work, const double *shares)
{
    const struct mixture_pack *pack = &p->space.pack;
    const int64_t room = kernels->sums_room(MIXTURE_FULL, pack->columns);
    const int64_t terms = mixture_terms(MIXTURE_FULL, pack->columns);
    const struct block_values nothing = {NULL, NULL};
    double *sums = spot_alloc_zero(2 * COMPONENTS * room, sizeof *sums);
    double *plain = spot_alloc(3 * terms, sizeof *plain);
    double *ref = spot_alloc_zero(COMPONENTS * terms, sizeof *ref);
    kernels->add(pack, nothing, shares, work, sums);
    kernels->add(pack, p->block, shares, work, sums + COMPONENTS * room);
    mixture_kernels_ref()->add(pack, p->block, shares, work, ref);
    for (int64_t c = 0; c < COMPONENTS; c++) {
        kernels->collect(MIXTURE_FULL, pack->columns, sums + c * room, plain);
        kernels->collect(MIXTURE_FULL, pack->columns, sums + (COMPONENTS + c) * room,
                         plain + terms);
        CU_ASSERT(memcmp(plain, plain + terms, (size_t)terms * sizeof *plain) == 0);
        for (int64_t t = 0; t < terms; t++)
            CU_ASSERT(fabs(plain[t] - ref[c * terms + t]) <= 1e-11 * (1 + fabs(plain[t])));
    }
    free(sums);
    free(plain);
    free(ref);
}

static void compare(const struct mixture_kernels *kernels, int32_t columns, bool wide)
{
    static double expected[CELLS], found[CELLS], weights[BLOCK_ROWS];
    double log_likelihood[BLOCK_ROWS], log_found[BLOCK_ROWS];
    struct problem p;
    problem_open(&p, columns, 200.0);
    if (wide) p.block = (struct block_values){NULL, p.wide};
    const struct mixture_pack *pack = &p.space.pack;
    double *work = spot_alloc(2 * mixture_space(columns), sizeof *work);
    for (int i = 0; i < BLOCK_ROWS; i++)
        weights[i] = 1.0 + i % 3;
    mixture_kernels_ref()->densities(pack, p.block, work, expected);
    CU_ASSERT_FATAL(pack->head > 0);
    CU_ASSERT(kernels->near_densities(pack, p.block, work, found) == 1);
    compare_densities(pack, expected, found);
    const double total =
        mixture_kernels_ref()->responsibilities(pack, weights, expected, log_likelihood);
    const double same = kernels->responsibilities(pack, weights, found, log_found);
    CU_ASSERT(fabs(total - same) <= 1e-11 * fabs(total));
    for (int i = 0; i < CELLS; i++)
        CU_ASSERT(fabs(expected[i] - found[i]) <= 1e-11 && (expected[i] == 0) == (found[i] == 0));
    compare_sums(kernels, &p, work, found);
    free(work);
    problem_close(&p);
}

static void near_ones_are_right(void)
{
    static const int32_t widths[] = {12, 13, 16, 17, 25, 33, 41, WIDEST};
    const struct mixture_kernels *kernels[2];
    for (int s = near_kernels(kernels) - 1; s >= 0; s--)
        for (size_t i = 0; i < 2 * sizeof widths / sizeof *widths; i++)
            compare(kernels[s], widths[i / 2], i % 2 == 1);
}

/* Components that overlap are refused; a row far from all has no NaN. */
static void others_are_not(void)
{
    static double density[CELLS];
    const struct mixture_kernels *kernels[2];
    for (int s = near_kernels(kernels) - 1; s >= 0; s--) {
        struct problem p;
        double *work = spot_alloc(mixture_space(16), sizeof *work);
        problem_open(&p, 16, 1.0);
        CU_ASSERT(kernels[s]->near_densities(&p.space.pack, p.block, work, density) == 0);
        problem_close(&p);
        problem_open(&p, 16, 200.0);
        p.x[5] = 3e38f;
        CU_ASSERT(kernels[s]->near_densities(&p.space.pack, p.block, work, density) == 1);
        for (int i = 0; i < CELLS; i++)
            CU_ASSERT(density[i] >= MIXTURE_FLOOR && density[i] < INFINITY);
        problem_close(&p);
        free(work);
    }
}

/* Few shares computed side by side have the bits of all computed one after the other. */
static void few_shares_are_the_same_bits(void)
{
    static double ref[CELLS], fast[CELLS], cutoffs[COMPONENTS];
    double weights[BLOCK_ROWS], ref_log[BLOCK_ROWS], fast_log[BLOCK_ROWS];
    const struct mixture_pack pack = {.k = COMPONENTS, .cutoffs = cutoffs};
    const struct mixture_kernels *kernels[2];
    for (int c = 0; c < COMPONENTS; c++)
        cutoffs[c] = -80.0 - c;
    for (int s = near_kernels(kernels) - 1; s >= 0; s--)
        for (uint32_t round = 0; round < 100; round++) {
            for (uint32_t i = 0; i < BLOCK_ROWS; i++)
                weights[i] = uniform(3, i);
            for (uint32_t i = 0; i < CELLS; i++) {
                const double range = uniform(4 + round, CELLS + i) < 0.01 * round ? 90 : 3000;
                ref[i] = fast[i] = -range * uniform(4 + round, i);
            }
            mixture_kernels_ref()->responsibilities(&pack, weights, ref, ref_log);
            kernels[s]->responsibilities(&pack, weights, fast, fast_log);
            CU_ASSERT(memcmp(ref_log, fast_log, sizeof ref_log) == 0);
            CU_ASSERT(memcmp(ref, fast, sizeof ref) == 0);
        }
}

/* ---- Fits ------------------------------------------------------------------------------------ */

enum { ROWS = 3000, COLUMNS = 16 };

/* Groups that lie apart in the first half of the rows and close together in the second. */
static void make_rows(float *values)
{
    for (uint32_t i = 0; i < ROWS; i++) {
        const uint32_t group = i * 5 % 6;
        const double box = i < ROWS / 2 ? 100.0 : 3.0;
        for (uint32_t j = 0; j < COLUMNS; j++)
            values[i * COLUMNS + j] =
                (float)(box * uniform(5, group * COLUMNS + j) + normal(200 + j, i));
    }
}

/* NULL where the processor lacks the instructions. */
static spot_gmm *fit(const float *values, const char *instructions, int threads, int64_t batch)
{
    spot_engine *engine = NULL;
    spot_gmm *model = NULL;
    struct spot_error err = {0};
    struct spot_gmm_options options = spot_gmm_defaults();
    const struct spot_engine_options host = {.device = "cpu", .threads = threads};
    const struct spot_matrix rows = {.values = values, .rows = ROWS, .columns = COLUMNS};
    options.k = 9;
    options.max_iter = 15;
    options.tol = 0;
    options.batch_rows = batch;
    setenv("BLACKSPOT_CPU", instructions, 1);
    const int opened = spot_engine_open(&host, &engine, &err);
    unsetenv("BLACKSPOT_CPU");
    if (opened == SPOT_EDEVICE) return NULL;
    CU_ASSERT_EQUAL_FATAL(opened, SPOT_OK);
    CU_ASSERT(spot_gmm_fit(engine, &rows, &options, &model, &err) == SPOT_OK);
    spot_engine_close(engine);
    CU_ASSERT_FATAL(model != NULL);
    return model;
}

/* Largest difference of means and covariances. */
static double difference(const spot_gmm *a, const spot_gmm *b)
{
    const struct spot_gmm_result *x = spot_gmm_result(a), *y = spot_gmm_result(b);
    double worst = fabs(x->lower_bound - y->lower_bound);
    for (int i = 0; i < 9 * COLUMNS; i++)
        worst = fmax(worst, fabs(x->means[i] - y->means[i]));
    for (int i = 0; i < 9 * COLUMNS * COLUMNS; i++)
        worst = fmax(worst, fabs(x->covariances[i] - y->covariances[i]));
    return worst;
}

static void fits_are_the_same(void)
{
    static float values[ROWS * COLUMNS];
    static const char *const sets[] = {"avx2", "avx512"};
    make_rows(values);
    spot_gmm *ref = fit(values, "ref", 1, 0);
    for (int s = 0; s < 2; s++) {
        spot_gmm *one = fit(values, sets[s], 1, 0), *two = fit(values, sets[s], 3, 777);
        if (one == NULL) continue;
        CU_ASSERT(difference(one, two) == 0.0);
        CU_ASSERT(difference(ref, one) < 1e-8);
        spot_gmm_free(one);
        spot_gmm_free(two);
    }
    spot_gmm_free(ref);
}

int main(void)
{
    static const struct suite_test tests[] = {
        {"near components are right", near_ones_are_right},
        {"others are not taken for near", others_are_not},
        {"few shares are the same bits", few_shares_are_the_same_bits},
        {"fits are the same", fits_are_the_same},
        {NULL, NULL},
    };
    return run_suite("gmm_near", tests);
}
