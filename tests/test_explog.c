/* exp and log of numerics/explog.h against the long double library, to the bound they state. */
#include <float.h>
#include <math.h>

#include "numerics/explog.h"
#include "suite.h"

/* |got - exact| in units of the last place of exact. */
static double error_in_ulps(double got, long double exact)
{
    int exponent;
    frexpl(exact, &exponent);
    return (double)(fabsl((long double)got - exact) / ldexpl(1.0L, exponent - 53));
}

/* A walk through an interval whose steps share no factor with anything. */
static double point(double low, double high, int i)
{
    double turn = (double)i * 0.6180339887498949;
    return low + (high - low) * (turn - floor(turn));
}

static void exp_is_within_its_bound(void)
{
    static const double intervals[][2] = {
        {-708, 709}, {-40, 0}, {-1, 1}, {-1e-3, 1e-3}, {-1e-12, 1e-12}};
    double worst = 0;
    for (int t = 0; t < 5; t++)
        for (int i = 0; i < 200000; i++) {
            double x = point(intervals[t][0], intervals[t][1], i);
            worst = fmax(worst, error_in_ulps(spot_exp(x), expl((long double)x)));
        }
    printf("(worst %.4f ulp) ", worst);
    CU_ASSERT(worst <= 1.1);
    CU_ASSERT(spot_exp(0.0) == 1.0);
}

static void exp_ends_in_zero(void)
{
    CU_ASSERT(spot_exp(-708.0) >= DBL_MIN);
    CU_ASSERT(spot_exp(-708.0001) == 0.0);
    CU_ASSERT(spot_exp(-1e300) == 0.0);
    CU_ASSERT(spot_exp(-INFINITY) == 0.0);
}

static void log_is_within_one_ulp(void)
{
    static const double intervals[][2] = {{1, 2},           {0.7, 1.5}, {0.999999, 1.000001},
                                          {1e-300, 1e-290}, {1, 1e6},   {1e300, 1.7e308}};
    double worst = 0;
    for (int t = 0; t < 6; t++)
        for (int i = 0; i < 200000; i++) {
            double x = point(intervals[t][0], intervals[t][1], i);
            if (x == 1.0) continue;
            worst = fmax(worst, error_in_ulps(spot_log(x), logl((long double)x)));
        }
    printf("(worst %.4f ulp) ", worst);
    CU_ASSERT(worst <= 1.0);
    CU_ASSERT(spot_log(1.0) == 0.0);
    CU_ASSERT(spot_log(DBL_MIN) < -708.0);
    CU_ASSERT(isfinite(spot_log(DBL_MAX)));
}

int main(void)
{
    static const struct suite_test tests[] = {
        {"exp is within 1.1 ulp", exp_is_within_its_bound},
        {"exp ends in zero", exp_ends_in_zero},
        {"log is within one ulp", log_is_within_one_ulp},
        {NULL, NULL},
    };
    return run_suite("explog", tests);
}
