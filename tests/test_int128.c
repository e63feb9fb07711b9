/* 128-bit sums and products against the compiler's own 128-bit integers. */
#include <stdlib.h>

#include "numerics/int128.h"
#include "suite.h"

__extension__ typedef __int128 wide;
__extension__ typedef unsigned __int128 unsigned_wide;

static wide value_of(struct int128 a)
{
    return (wide)((unsigned_wide)(uint64_t)a.high << 64 | a.low);
}

static uint64_t state = 88172645463325252u;

static uint64_t next(void) /* xorshift64, Marsaglia 2003 */
{
    state ^= state << 13;
    state ^= state >> 7;
    state ^= state << 17;
    return state;
}

/* Numbers of every size and sign, and the edges. */
static int64_t any(int i)
{
    const int64_t edges[] = {0,         1,           -1, INT64_MAX, INT64_MIN, INT64_MIN + 1,
                             1ll << 32, -(1ll << 32)};
    if (i < 8) return edges[i];
    int64_t value = (int64_t)next();
    return value >> (next() % 64);
}

static void adds_and_multiplies(void)
{
    int wrong = 0;
    for (int i = 0; i < 200; i++)
        for (int j = 0; j < 200; j++) {
            int64_t a = any(i), b = any(j);
            struct int128 product = int128_multiply(a, b);
            wrong += value_of(product) != (wide)a * b;
            struct int128 sum = int128_add(product, int128_from(a));
            wrong += value_of(sum) != (wide)a * b + a;
            wrong += value_of(int128_subtract(sum, product)) != a;
            wrong += int128_compare(sum, product) != (a > 0) - (a < 0);
            wrong += int128_is_zero(product) != (a == 0 || b == 0);
        }
    CU_ASSERT_EQUAL(wrong, 0);
}

static void scales_by_a_fraction(void)
{
    int wrong = 0;
    for (int i = 0; i < 10000; i++) {
        unsigned_wide a = ((unsigned_wide)next() << 64 | next()) >> (1 + next() % 127);
        uint64_t fraction = next();
        struct int128 whole = {(uint64_t)a, (int64_t)(a >> 64)};
        unsigned_wide high = (a >> 64) * fraction, low = (a & UINT64_MAX) * fraction;
        unsigned_wide expected = high + (low >> 64);
        wrong += (unsigned_wide)value_of(int128_scale(whole, fraction)) != expected;
        wrong += value_of(int128_scale(whole, fraction)) > (wide)a;
    }
    CU_ASSERT_EQUAL(wrong, 0);
}

static void multiplies_a_wide_number(void)
{
    int wrong = 0;
    for (int i = 0; i < 10000; i++) {
        int64_t b = (int64_t)(next() >> 1) >> (next() % 63);
        unsigned_wide limit = ((unsigned_wide)1 << 126) / ((uint64_t)b + 1);
        unsigned_wide a = ((unsigned_wide)next() << 64 | next()) % (limit + 1);
        struct int128 whole = {(uint64_t)a, (int64_t)(a >> 64)};
        wrong += (unsigned_wide)value_of(int128_times(whole, b)) != a * (uint64_t)b;
    }
    CU_ASSERT_EQUAL(wrong, 0);
}

static void converts_to_double(void)
{
    CU_ASSERT_EQUAL(int128_to_double(int128_from(-1)), -1.0);
    CU_ASSERT_EQUAL(int128_to_double(int128_from(1ll << 53)), 0x1p53);
    int wrong = 0;
    for (int i = 0; i < 1000; i++)
        for (int j = 0; j < 20; j++) {
            struct int128 product = int128_multiply(any(i), any(j));
            wrong += int128_to_double(product) != (double)value_of(product);
        }
    CU_ASSERT_EQUAL(wrong, 0);
}

/* Numbers half way between two doubles, and one beside them: they are rounded once, to even. */
static void rounds_once(void)
{
    int wrong = 0;
    for (int bits = 1; bits < 127; bits++)
        for (int beside = -1; beside <= 1; beside++)
            for (int i = 0; i < 50; i++) {
                unsigned_wide number = (unsigned_wide)(next() >> 11 | 1ull << 52) << 74;
                number |= (unsigned_wide)1 << 73; /* half of the last of 53 bits */
                number >>= 127 - bits;
                number = (unsigned_wide)((wide)number + beside);
                struct int128 whole = {(uint64_t)number, (int64_t)(number >> 64)};
                wrong += int128_to_double(whole) != (double)(wide)number;
                wrong += int128_to_double(int128_negate(whole)) != -(double)(wide)number;
            }
    CU_ASSERT_EQUAL(wrong, 0);
}

int main(void)
{
    const struct suite_test tests[] = {
        {"adds and multiplies", adds_and_multiplies},
        {"scales by a fraction", scales_by_a_fraction},
        {"multiplies a wide number", multiplies_a_wide_number},
        {"converts to double", converts_to_double},
        {"rounds once", rounds_once},
        {NULL, NULL},
    };
    return run_suite("int128", tests);
}
