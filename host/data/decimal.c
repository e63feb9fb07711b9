/* Nearly every number has a mantissa below 2^53 and a power of ten within 10^22. Both are doubles,
 * so one multiplication or division rounds correctly (Clinger 1990). Up to 19 digits divided by at
 * most 10^27 take integers of 128 bits. The rest goes to strtod as digits and an exponent, without
 * a decimal point, so that the locale has no say. */
#include "data/decimal.h"

#include <math.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>

__extension__ typedef unsigned __int128 uint128;

static const double POWERS[] = {1e0,  1e1,  1e2,  1e3,  1e4,  1e5,  1e6,  1e7,
                                1e8,  1e9,  1e10, 1e11, 1e12, 1e13, 1e14, 1e15,
                                1e16, 1e17, 1e18, 1e19, 1e20, 1e21, 1e22};

enum {
    EXACT_POWER = 22,
    WIDE_POWER = 27,        /* 5^27 has 63 bits */
    MAX_EXPONENT = 1000000, /* larger ones say no more */
    KEPT_DIGITS = 800,      /* a double's rounding is decided by its first 768 digits */
};

static inline bool is_digit(char c)
{
    return (unsigned char)(c - '0') < 10;
}

/* The digits of a number whose shape has been checked, [text, end) without sign and exponent. */
static enum decimal_result parse_long(const char *text, const char *end, char point,
                                      int64_t exponent, double *value)
{
    char digits[KEPT_DIGITS + 32];
    int kept = 0;
    bool fraction = false, rest = false;
    for (; text < end; text++) {
        if (*text == point) {
            fraction = true;
            continue;
        }
        exponent -= fraction;
        if (kept == 0 && *text == '0') continue;
        if (kept < KEPT_DIGITS) {
            digits[kept++] = *text;
        } else {
            exponent++;
            rest |= *text != '0';
        }
    }
    *value = 0;
    if (kept == 0) return DECIMAL_OK;
    if (rest) { /* one more digit tells strtod that the number is above its kept digits */
        digits[kept++] = '1';
        exponent--;
    }
    if (exponent > MAX_EXPONENT) exponent = MAX_EXPONENT;
    if (exponent < -MAX_EXPONENT) exponent = -MAX_EXPONENT;
    snprintf(digits + kept, sizeof digits - (size_t)kept, "e%d", (int)exponent);
    *value = strtod(digits, NULL);
    return isinf(*value) ? DECIMAL_RANGE : DECIMAL_OK;
}

/* mantissa / 10^power, rounded once: an integer quotient of at least 64 bits, of which 53 are kept;
 * the others and the remainder say which way to round. False: another way is needed. */
static bool divide_wide(uint64_t mantissa, int64_t power, double *value)
{
    if (mantissa == 0 || power < 0 || power > WIDE_POWER) return false;
    uint64_t five = 1;
    for (int64_t i = 0; i < power; i++)
        five *= 5;
    const int up = __builtin_clzll(mantissa);
    const uint128 shifted = (uint128)(mantissa << up) << 64;
    const uint128 quotient = shifted / five;
    const uint64_t high = (uint64_t)(quotient >> 64); /* not 0: five is below 2^63 */
    const int drop = 64 - __builtin_clzll(high) + 64 - 54;
    const uint64_t kept = (uint64_t)(quotient >> drop);
    const bool rest = (quotient & (((uint128)1 << drop) - 1)) != 0 || shifted % five != 0;
    uint64_t rounded = kept >> 1;
    rounded += (kept & 1) != 0 && (rest || (rounded & 1) != 0);
    *value = ldexp((double)rounded, drop + 1 - 64 - up - (int)power);
    return true;
}

/* The exponent in [text, end), after the 'e'. */
static bool parse_exponent(const char *text, const char *end, int64_t *exponent)
{
    bool negative = text < end && *text == '-';
    if (text < end && (*text == '-' || *text == '+')) text++;
    if (text == end) return false;
    int64_t value = 0;
    for (; text < end && is_digit(*text); text++)
        if (value <= MAX_EXPONENT) value = value * 10 + (*text - '0');
    *exponent = negative ? -value : value;
    return text == end;
}

enum decimal_result decimal_parse(const char *text, const char *end, char point, double *value)
{
    bool negative = text < end && *text == '-';
    if (text < end && (*text == '-' || *text == '+')) text++;

    const char *p = text;
    uint64_t mantissa = 0;
    for (; p < end && is_digit(*p); p++)
        mantissa = mantissa * 10 + (uint64_t)(*p - '0');
    int64_t digits = p - text, exponent = 0, fraction = 0;
    if (p < end && *p == point) {
        const char *first = ++p;
        for (; p < end && is_digit(*p); p++)
            mantissa = mantissa * 10 + (uint64_t)(*p - '0');
        fraction = p - first;
        digits += fraction;
    }
    if (digits == 0) return DECIMAL_INVALID;
    const char *digits_end = p;
    if (p < end && ((*p != 'e' && *p != 'E') || !parse_exponent(p + 1, end, &exponent)))
        return DECIMAL_INVALID;

    double result;
    int64_t power = exponent - fraction;
    if (digits <= 19 && mantissa <= (UINT64_C(1) << 53) && power >= -EXACT_POWER &&
        power <= EXACT_POWER) {
        result = (double)mantissa;
        result = power < 0 ? result / POWERS[-power] : result * POWERS[power];
    } else if (digits > 19 || !divide_wide(mantissa, -power, &result)) {
        enum decimal_result status = parse_long(text, digits_end, point, exponent, &result);
        if (status != DECIMAL_OK) return status;
    }
    *value = negative ? -result : result;
    return DECIMAL_OK;
}

bool decimal_parse_fixed(const char *text, const char *end, char point, double *value)
{
    const uint64_t ones = UINT64_C(0x0101010101010101), tops = UINT64_C(0x8080808080808080);
    bool negative = *text == '-';
    text += negative;
    uint64_t others = decimal_load(text) ^ ones * (unsigned char)point; /* 0 where the point is */
    if (end - text < 8) others |= ~UINT64_C(0) << 8 * (end - text);     /* none behind the text */
    uint64_t found = (others - ones) & ~others & tops;
    if (found == 0) return false;
    int64_t whole = __builtin_ctzll(found) / 8, fraction = end - text - whole - 1;
    uint64_t high, low;
    if (whole < 1 || fraction < 1 || fraction > 8 || !decimal_digits(text, whole, &high) ||
        !decimal_digits(text + whole + 1, fraction, &low))
        return false;
    double scale = POWERS[fraction]; /* the mantissa has 15 digits at most: exact */
    double number = ((double)(int64_t)high * scale + (double)(int64_t)low) / scale;
    *value = negative ? -number : number;
    return true;
}

/* The double is either the nearest float32's or between two of them, where only strtof knows. */
bool decimal_parse_float32(const char *text, const char *end, float *value)
{
    double wide;
    char digits[KEPT_DIGITS + 32];
    const char *exponent = text;
    if (decimal_parse(text, end, '.', &wide) == DECIMAL_INVALID) return false;
    while (exponent < end && *exponent != 'e' && *exponent != 'E')
        exponent++;
    int64_t power = 0, length = 0;
    if (exponent < end) parse_exponent(exponent + 1, end, &power);
    for (bool fraction = false; text < exponent && length < KEPT_DIGITS; text++) {
        if (*text == '.')
            fraction = true;
        else
            digits[length++] = *text;
        power -= fraction && *text != '.';
    }
    if (text < exponent) { /* more digits than decide anything */
        *value = (float)wide;
        return true;
    }
    snprintf(digits + length, sizeof digits - (size_t)length, "e%lld", (long long)power);
    *value = strtof(digits, NULL);
    return true;
}
