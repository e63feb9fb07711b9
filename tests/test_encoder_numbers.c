/* What the encoder computes with: exact sums and variances, order statistics, sine and cosine of
 * whole turns, tables of categories. */
#define _GNU_SOURCE
#include <float.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#include "blackspot.h"
#include "data/categories.h"
#include "data/derive.h"
#include "data/exact_sum.h"
#include "data/order.h"
#include "suite.h"

/* ---- Exact sums ---- */

static uint64_t random_state;

static uint64_t random_bits(void)
{
    random_state += UINT64_C(0x9e3779b97f4a7c15);
    uint64_t z = random_state;
    z = (z ^ (z >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
    z = (z ^ (z >> 27)) * UINT64_C(0x94d049bb133111eb);
    return z ^ (z >> 31);
}

/* A number with any sign and an exponent within +-limit. */
static double random_double(int limit)
{
    double mantissa = 1.0 + (double)(random_bits() >> 12) * 0x1p-52;
    int exponent = (int)(random_bits() % (uint64_t)(2 * limit + 1)) - limit;
    return ldexp((random_bits() & 1) != 0 ? mantissa : -mantissa, exponent);
}

static void sums_exactly(void)
{
    struct exact_sum sum = {{0}, 0};
    CU_ASSERT_EQUAL(exact_sum_value(&sum), 0.0);
    double terms[] = {1e300, 1.0, 0x1p-1074, -1e300, 0x1p-1074, 3e-310, -1.0};
    for (int i = 0; i < 7; i++)
        exact_sum_add(&sum, terms[i]);
    CU_ASSERT_EQUAL(exact_sum_value(&sum), 3e-310 + 0x1p-1073);

    struct exact_sum half = {{0}, 0}; /* 1 + 2^-53 is a tie, and goes up with anything more */
    exact_sum_add(&half, 1.0);
    exact_sum_add(&half, 0x1p-53);
    CU_ASSERT_EQUAL(exact_sum_value(&half), 1.0);
    exact_sum_add(&half, 0x1p-1000);
    CU_ASSERT_EQUAL(exact_sum_value(&half), 1.0 + DBL_EPSILON);
    exact_sum_add(&half, -0x1p-999);
    CU_ASSERT_EQUAL(exact_sum_value(&half), 1.0);

    struct exact_sum largest = {{0}, 0};
    exact_sum_add(&largest, -DBL_MAX);
    CU_ASSERT_EQUAL(exact_sum_value(&largest), -DBL_MAX);
    struct exact_sum million = {{0}, 0};
    for (int i = 0; i < 1000000; i++)
        exact_sum_add(&million, 0.1);
    CU_ASSERT_EQUAL(exact_sum_value(&million), 100000.00000000000555); /* 1e6 * the double 0.1 */
}

/* Any order, any split into parts: the same bits; and near enough to a long double sum. */
static void sums_in_any_order(void)
{
    enum { COUNT = 20000 };
    double *values = malloc(COUNT * sizeof *values);
    long double reference = 0.0L;
    struct exact_sum forward = {{0}, 0}, backward = {{0}, 0}, parts[3] = {{{0}, 0}};
    random_state = 1;
    for (int i = 0; i < COUNT; i++)
        values[i] = random_double(40);
    for (int i = 0; i < COUNT; i++) {
        exact_sum_add(&forward, values[i]);
        exact_sum_add(&backward, values[COUNT - 1 - i]);
        exact_sum_add(&parts[i % 3], values[i]);
        reference += (long double)values[i];
    }
    exact_sum_merge(&parts[0], &parts[1]);
    exact_sum_merge(&parts[2], &parts[0]);
    CU_ASSERT_EQUAL(exact_sum_value(&forward), exact_sum_value(&backward));
    CU_ASSERT_EQUAL(exact_sum_value(&forward), exact_sum_value(&parts[2]));
    CU_ASSERT(fabs(exact_sum_value(&forward) - (double)reference) <= 1e-3);
    for (int i = 0; i < COUNT; i++)
        exact_sum_add(&forward, -values[COUNT - 1 - i]);
    CU_ASSERT_EQUAL(exact_sum_value(&forward), 0.0);
    free(values);
}

static void finds_variances_that_cancel(void)
{
    struct exact_sum sum = {{0}, 0}, squares = {{0}, 0};
    const double values[] = {1e9 + 1, 1e9 + 2, 1e9 + 3, 1e9 + 4};
    double mean, variance;
    for (int i = 0; i < 4; i++) {
        exact_sum_add(&sum, values[i]);
        exact_sum_add_product(&squares, values[i], values[i]);
    }
    exact_moments(&sum, &squares, 4, &mean, &variance);
    CU_ASSERT_EQUAL(mean, 1e9 + 2.5);
    CU_ASSERT_EQUAL(variance, 1.25);
}

/* ---- Order statistics ---- */

static int compare_doubles(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

static void selects_order_statistics(void)
{
    enum { COUNT = 999 };
    double values[COUNT], sorted[COUNT];
    random_state = 7;
    for (int count = 1; count <= COUNT; count = count * 2 + 1) {
        for (int i = 0; i < count; i++)
            sorted[i] = values[i] = i % 3 == 0 ? (double)(i % 5) - 2.0 : random_double(900);
        qsort(sorted, (size_t)count, sizeof *sorted, compare_doubles);
        double place = 0.25 * (count - 1), low = sorted[(int)place];
        double high = sorted[(int)place + (count > 1 ? 1 : 0)], t = place - floor(place);
        double quartile = t >= 0.5 ? high - (high - low) * (1 - t) : low + (high - low) * t;
        CU_ASSERT_EQUAL(order_quantile(values, count, 0.25), quartile);
        CU_ASSERT_EQUAL(order_quantile(values, count, 0.0), sorted[0]);
        CU_ASSERT_EQUAL(order_quantile(values, count, 1.0), sorted[count - 1]);
        CU_ASSERT_EQUAL(order_median(values, count),
                        count % 2 == 1 ? sorted[count / 2]
                                       : (sorted[count / 2 - 1] + sorted[count / 2]) / 2.0);
    }
    double even[] = {4.0, -1.0, 3.0, -0.0};
    CU_ASSERT_EQUAL(order_median(even, 4), 1.5);
    double modes[] = {3.0, 2.0, 2.0, 3.0, -5.0, 0.0, -0.0};
    CU_ASSERT_EQUAL(order_mode(modes, 7), 0.0);
    CU_ASSERT_EQUAL(order_mode(modes, 1), -5.0); /* sorted by now */
    double same[] = {2.5, 2.5, 2.5};
    CU_ASSERT_EQUAL(order_mode(same, 3), 2.5);
    CU_ASSERT_EQUAL(order_quantile(same, 3, 0.3), 2.5);
}

/* ---- Circles ---- */

/* The distance of a double to a real number in units of the last place. */
static double ulps(double found, long double real)
{
    double near = (double)real;
    if (near == 0.0) return found == 0.0 ? 0.0 : 1e9;
    double unit = nextafter(fabs(near), INFINITY) - fabs(near);
    return (double)fabsl(((long double)found - real) / unit);
}

static void turns_to_one_ulp(void)
{
    double worst = 0.0, sine, cosine;
    for (int i = -5000; i <= 20000; i++) {
        double turns = i / 7919.0;
        long double angle = 6.283185307179586476925286766559L * (turns - floorl(turns));
        turn_sine_cosine(turns, &sine, &cosine);
        if (fabsl(sinl(angle)) > 0.1L) worst = fmax(worst, ulps(sine, sinl(angle)));
        if (fabsl(cosl(angle)) > 0.1L) worst = fmax(worst, ulps(cosine, cosl(angle)));
    }
    if (worst >= 0.9) printf("\n    %g ulp\n", worst);
    CU_ASSERT(worst < 0.9);
    const double quarters[4][2] = {{0, 1}, {1, 0}, {0, -1}, {-1, 0}};
    for (int i = 0; i < 8; i++) {
        turn_sine_cosine(i / 4.0 - 1.0, &sine, &cosine);
        CU_ASSERT_EQUAL(sine, quarters[i % 4][0]);
        CU_ASSERT_EQUAL(cosine, quarters[i % 4][1]);
        CU_ASSERT_FALSE(signbit(sine) && sine == 0.0);
    }
    turn_sine_cosine(1.0 / 12, &sine, &cosine);
    CU_ASSERT_EQUAL(sine, 0.5);
    turn_sine_cosine(1e300, &sine, &cosine);
    CU_ASSERT(sine == 0.0 && cosine == 1.0);
}

/* ---- Categories ---- */

static void counts_categories(void)
{
    struct categories categories = {0};
    char text[16];
    CU_ASSERT_EQUAL(categories_find(&categories, "x"), -1);
    for (int i = 0; i < 3000; i++) {
        snprintf(text, sizeof text, "%d", i % 1000);
        CU_ASSERT_EQUAL(categories_add(&categories, text, 2), SPOT_OK);
    }
    CU_ASSERT_EQUAL(categories.count, 1000);
    CU_ASSERT_EQUAL(categories_sort(&categories), SPOT_OK);
    CU_ASSERT_STRING_EQUAL(categories.texts[2], "10");
    CU_ASSERT_EQUAL(categories_find(&categories, "10"), 2);
    CU_ASSERT_EQUAL(categories.counts[2], 6);
    CU_ASSERT_EQUAL(categories_find(&categories, "1000"), -1);
    categories_clear(&categories);
}

int main(void)
{
    const struct suite_test tests[] = {
        {"sums exactly", sums_exactly},
        {"sums in any order", sums_in_any_order},
        {"finds variances that cancel", finds_variances_that_cancel},
        {"selects order statistics", selects_order_statistics},
        {"turns to one ulp", turns_to_one_ulp},
        {"counts categories", counts_categories},
        {NULL, NULL},
    };
    return run_suite("encoder_numbers", tests);
}
