/* Decimal text to double: correctly rounded, whatever the locale. */
#ifndef SPOT_DATA_DECIMAL_H
#define SPOT_DATA_DECIMAL_H

enum decimal_result { DECIMAL_OK, DECIMAL_INVALID, DECIMAL_RANGE };

/* Reads all of [text, end): a sign, digits with at most one `point`, an exponent. No blanks, no
 * "nan", "inf" or hexadecimal. DECIMAL_RANGE: the number is too large for a double (too small
 * becomes zero). *value is written for DECIMAL_OK alone. */
enum decimal_result decimal_parse(const char *text, const char *end, char point, double *value);

#endif
