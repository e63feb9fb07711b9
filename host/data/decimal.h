/* Decimal text to double: correctly rounded, whatever the locale. */
#ifndef SPOT_DATA_DECIMAL_H
#define SPOT_DATA_DECIMAL_H

#include <stdint.h>

enum decimal_result { DECIMAL_OK, DECIMAL_INVALID, DECIMAL_RANGE };

/* Reads all of [text, end): a sign, digits with at most one `point`, an exponent. No blanks, no
 * "nan", "inf" or hexadecimal. DECIMAL_RANGE: the number is too large for a double (too small
 * becomes zero). *value is written for DECIMAL_OK alone. */
enum decimal_result decimal_parse_any(const char *text, const char *end, char point, double *value);

/* The same; most numbers in tables are a few digits and nothing else. */
static inline enum decimal_result decimal_parse(const char *text, const char *end, char point,
                                                double *value)
{
    int64_t number = 0;
    const char *p = text;
    if (end - text > 15) return decimal_parse_any(text, end, point, value);
    for (; p < end && (unsigned char)(*p - '0') < 10; p++)
        number = number * 10 + (*p - '0');
    if (p < end || p == text) return decimal_parse_any(text, end, point, value);
    *value = (double)number;
    return DECIMAL_OK;
}

#endif
