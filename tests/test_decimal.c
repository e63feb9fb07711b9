/* Decimal text becomes the nearest double, as strtod has it in the C locale, in any locale. */
#include <locale.h>
#include <math.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "data/decimal.h"
#include "suite.h"

static enum decimal_result parse(const char *text, char point, double *value)
{
    return decimal_parse(text, text + strlen(text), point, value);
}

static bool same(double a, double b)
{
    return memcmp(&a, &b, sizeof a) == 0;
}

/* The ways for short numbers: 1 where one of them reads the text, 0 where none does, -1 where it
 * is not the number that decimal_parse reads. What follows the text must not matter. */
static int parse_short(const char *text, char point)
{
    const char *const behind[] = {"\0\0\0\0\0\0\0\0", "12345678", ".5.5.5.5", ",\n,\n,\n,\n"};
    size_t length = strlen(text);
    char copy[80];
    int read = 0;
    double value = 7, general = 7;
    bool good = parse(text, point, &general) == DECIMAL_OK;
    for (int i = 0; i < 4 && length > 0 && length < 64; i++) {
        uint64_t digits;
        memcpy(copy, text, length);
        memcpy(copy + length, behind[i], DECIMAL_SLACK);
        bool fixed = decimal_parse_fixed(copy, copy + length, point, &value);
        bool whole = length <= 8 && decimal_digits(copy, (int64_t)length, &digits);
        if (fixed && (!good || !same(value, general))) return -1;
        if (whole && (!good || !same((double)digits, general))) return -1;
        read += fixed != whole;
    }
    return read == 4 ? 1 : read == 0 ? 0 : -1;
}

static void reads_short_numbers(void)
{
    const char *const read[] = {
        "0",         "9",        "10",         "99999999",          "00000001",
        "1.5",       "-0.0",     "0.00000001", "-1234567.12345678", "9999999.99999999",
        "51.505538", "-0.198465"};
    const char *const left[] = {"",      "-",    ".5",    "5.",        "1.2.3",      "-5",
                                "+1.5",  "1e5",  "1.5e5", "123456789", "12345678.5", "0.123456789",
                                "1 ",    " 1.5", "1:2",   "1/2",       "1.\xb1",     "\xb1",
                                "--1.5", "1.-5", "12a4",  "1,5"};
    for (size_t i = 0; i < sizeof read / sizeof *read; i++)
        CU_ASSERT_EQUAL(parse_short(read[i], '.'), 1);
    for (size_t i = 0; i < sizeof left / sizeof *left; i++)
        CU_ASSERT_EQUAL(parse_short(left[i], '.'), 0);
    CU_ASSERT_EQUAL(parse_short("48,69", ','), 1);
    uint64_t state = 7;
    int wrong = 0;
    for (int i = 0; i < 100000; i++) {
        char text[32];
        state = state * UINT64_C(6364136223846793005) + 1442695040888963407u;
        int whole = 1 + (int)(state >> 33) % 7, fraction = 1 + (int)(state >> 40) % 8;
        snprintf(text, sizeof text, "%s%0*d.%0*d", state >> 63 != 0 ? "-" : "", whole,
                 (int)(state >> 8 & 0xffffff) % (int)pow(10, whole), fraction,
                 (int)(state >> 20 & 0x7ffffff) % (int)pow(10, fraction));
        wrong += parse_short(text, '.') != 1;
        text[(state >> 50) % strlen(text)] = (char)(state >> 56);
        wrong += parse_short(text, '.') < 0;
    }
    CU_ASSERT_EQUAL(wrong, 0);
}

/* Equal to the compiler's or strtod's reading, sign of zero included. */
static void expect(const char *text, double expected)
{
    double value = NAN;
    bool good = parse(text, '.', &value) == DECIMAL_OK && same(value, expected);
    if (!good) printf("\n%s: %.17g instead of %.17g\n", text, value, expected);
    CU_ASSERT(good);
    CU_ASSERT(parse_short(text, '.') >= 0);
}

static void reads_numbers(void)
{
    expect("0", 0.0);
    expect("-0", -0.0);
    expect("+7", 7.0);
    expect(".5", 0.5);
    expect("5.", 5.0);
    expect("007", 7.0);
    expect("-0.1", -0.1);
    expect("1e3", 1000.0);
    expect("1E+3", 1000.0);
    expect("25e-1", 2.5);
    expect("0e99999999999999999999", 0.0);
    expect("1e-400", 0.0);
    expect("4.9406564584124654e-324", 0x1p-1074);
    expect("1.7976931348623157e308", 0x1.fffffffffffffp1023);
    double value;
    CU_ASSERT_EQUAL(parse("48,69", ',', &value), DECIMAL_OK);
    CU_ASSERT_EQUAL(value, 48.69);
}

static void rounds_correctly(void)
{
    expect("9007199254740992", 9007199254740992.0);
    expect("9007199254740993", 9007199254740992.0); /* a tie, to even */
    expect("9007199254740993.0", 9007199254740992.0);
    expect("9007199254740993.00000000000000000000000000000000000001", 9007199254740994.0);
    expect("900719925474099.3", 900719925474099.3);
    expect("123456789012345678901234567890", 123456789012345678901234567890.0);
    expect("0.000000000000000000000000000000123456789", 1.23456789e-31);
    expect("1e22", 1e22);
    expect("1e23", 1e23);
    expect("8.5e-23", 8.5e-23);
    expect("2.2250738585072011e-308", 2.2250738585072011e-308);
}

/* A tie whose last digit, far behind the first 768, decides. */
static void minds_every_digit(void)
{
    char text[2100];
    strcpy(text, "9007199254740993.");
    memset(text + 17, '0', 2000);
    text[2017] = '\0';
    expect(text, 9007199254740992.0);
    text[2016] = '1';
    expect(text, 9007199254740994.0);
    memset(text, '0', 2000);
    strcpy(text + 2000, "12");
    expect(text, 12.0);
    memset(text, '9', 1000);
    strcpy(text + 1000, "e-1000");
    expect(text, 1.0);
}

static void agrees_with_strtod(void)
{
    uint64_t state = 1;
    int wrong = 0;
    for (int i = 0; i < 200000; i++) {
        char text[64];
        state = state * UINT64_C(6364136223846793005) + 1442695040888963407u;
        int digits = 1 + (int)(state >> 59) % 19, exponent = (int)(state >> 40 & 127) - 64;
        snprintf(text, sizeof text, "%.*f", (int)(state >> 33 & 7),
                 (double)(int64_t)state / pow(10, 19 - digits));
        if (i % 2 == 0) snprintf(text + strlen(text), 16, "e%d", exponent);
        double value = NAN;
        wrong += parse(text, '.', &value) != DECIMAL_OK || value != strtod(text, NULL);
    }
    CU_ASSERT_EQUAL(wrong, 0);
}

static void refuses_what_is_no_number(void)
{
    const char *const wrong[] = {"",     "-",  "+",   ".",     "-.",       "e5",   "1e",  "1e+",
                                 "1e5x", "1 ", " 1",  "1,5",   "1.2.3",    "0x10", "nan", "inf",
                                 "--1",  "1-", "1_0", "1e5.0", "\xd9\xa1", "12a",  "1..2"};
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
        double value = 7;
        CU_ASSERT_EQUAL(parse(wrong[i], '.', &value), DECIMAL_INVALID);
        CU_ASSERT_EQUAL(value, 7);
    }
    double value;
    CU_ASSERT_EQUAL(parse("1.5", ',', &value), DECIMAL_INVALID);
    CU_ASSERT_EQUAL(parse("1e999", '.', &value), DECIMAL_RANGE);
    CU_ASSERT_EQUAL(parse("-1e309", '.', &value), DECIMAL_RANGE);
    CU_ASSERT_EQUAL(parse("1e99999999999999999999", '.', &value), DECIMAL_RANGE);
}

/* Where the machine has a locale with a decimal comma, it has no say. */
static void ignores_the_locale(void)
{
    const char *const names[] = {"de_DE.UTF-8", "fr_FR.UTF-8", "de_DE", "fr_FR", "C"};
    for (int i = 0; i < 5; i++)
        if (setlocale(LC_ALL, names[i]) != NULL) break;
    double value;
    CU_ASSERT_EQUAL(parse("1.2345678901234567890123", '.', &value), DECIMAL_OK);
    CU_ASSERT_EQUAL(value, 1.2345678901234567890123);
    setlocale(LC_ALL, "C");
}

int main(void)
{
    const struct suite_test tests[] = {
        {"reads numbers", reads_numbers},
        {"reads short numbers", reads_short_numbers},
        {"rounds correctly", rounds_correctly},
        {"minds every digit", minds_every_digit},
        {"agrees with strtod", agrees_with_strtod},
        {"refuses what is no number", refuses_what_is_no_number},
        {"ignores the locale", ignores_the_locale},
        {NULL, NULL},
    };
    return run_suite("decimal", tests);
}
