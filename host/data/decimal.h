/* Decimal text to double: correctly rounded, whatever the locale. */
#ifndef SPOT_DATA_DECIMAL_H
#define SPOT_DATA_DECIMAL_H

#include <stdbool.h>
#include <stdint.h>

enum decimal_result { DECIMAL_OK, DECIMAL_INVALID, DECIMAL_RANGE };

/* Reads all of [text, end): a sign, digits with at most one `point`, an exponent. No blanks, no
 * "nan", "inf" or hexadecimal. DECIMAL_RANGE: the number is too large for a double (too small
 * becomes zero). *value is written for DECIMAL_OK alone. */
enum decimal_result decimal_parse(const char *text, const char *end, char point, double *value);

/* The same, without a range, as the nearest float32: rounded once, not by way of a double. Too
 * large is infinite. False where the text is no number. */
bool decimal_parse_float32(const char *text, const char *end, float *value);

/* ---- Nearly all numbers of tables, without a branch for each digit ---- */

enum { DECIMAL_SLACK = 8 }; /* bytes behind a text that may be read, whatever they are */

/* The bytes as they would be in a little-endian machine's memory. */
static inline uint64_t decimal_load(const char *text)
{
    const unsigned char *p = (const unsigned char *)text;
    return (uint64_t)p[0] | (uint64_t)p[1] << 8 | (uint64_t)p[2] << 16 | (uint64_t)p[3] << 24 |
           (uint64_t)p[4] << 32 | (uint64_t)p[5] << 40 | (uint64_t)p[6] << 48 |
           (uint64_t)p[7] << 56;
}

/* The number of 1 to 8 digits; false where one of them is none. Zeros are put in front to make them
 * eight, then neighbours are joined: 8 digits, 4 pairs, 2 fours (Lemire, fast_float). */
static inline bool decimal_digits(const char *text, int64_t length, uint64_t *number)
{
    const uint64_t fours = UINT64_C(0x000000ff000000ff);
    uint64_t digits = decimal_load(text) ^ UINT64_C(0x3030303030303030);
    digits <<= 64 - 8 * length;
    if ((((digits + UINT64_C(0x7676767676767676)) | digits) & UINT64_C(0x8080808080808080)) != 0)
        return false;
    digits = digits * 10 + (digits >> 8);
    *number = ((digits & fours) * (100 + (UINT64_C(1000000) << 32)) +
               ((digits >> 16) & fours) * (1 + (UINT64_C(10000) << 32))) >>
              32;
    return true;
}

/* A sign or none, 1 to 7 digits, the point, 1 to 8 digits; false for any other text. text < end. */
bool decimal_parse_fixed(const char *text, const char *end, char point, double *value);

#endif
