/* The shortest decimal of a double, by exact integers: scale the number, and the interval of all
 * that rounds to it, by a power of ten to 17 or 18 digits; then take the multiple of the largest
 * power of ten that lies inside (the idea of Steele and White 1990). For 2^-49 <= |x| < 2^53 all of
 * it fits 128 bits; outside, digits are searched with printf and strtod. */
#include <math.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "data/writer.h"

__extension__ typedef unsigned __int128 uint128;

/* digits * 10^exponent, digits without trailing zeros. */
struct decimal {
    uint64_t digits;
    int exponent;
};

static const uint64_t power_of_five[] = {
    1ull,         5ull,          25ull,         125ull,         625ull,     3125ull,
    15625ull,     78125ull,      390625ull,     1953125ull,     9765625ull, 48828125ull,
    244140625ull, 1220703125ull, 6103515625ull, 30517578125ull,
};

/* 5^power for 0 <= power <= 31, below 2^72. */
static uint128 five_to(int power)
{
    if (power <= 15) return power_of_five[power];
    uint128 upper = (uint128)power_of_five[15] * power_of_five[power <= 30 ? power - 15 : 15];
    return power <= 30 ? upper : upper * 5;
}

/* The number of units nearest to scaled / 2^shift, ties to the even one. */
static uint64_t nearest_units(uint128 scaled, int shift, uint64_t unit)
{
    uint64_t whole = (uint64_t)(scaled >> shift);
    uint64_t units = whole / unit;
    uint128 step = (uint128)unit << shift;
    uint128 rest = scaled - ((uint128)(units * unit) << shift);
    uint128 other = step - rest;
    return units + (rest > other || (rest == other && units % 2 == 1) ? 1 : 0);
}

/* For 2^-49 <= x < 2^53 that is no integer. */
static struct decimal shortest_exact(double x)
{
    uint64_t bits;
    memcpy(&bits, &x, sizeof bits);
    uint64_t fraction = bits & (((uint64_t)1 << 52) - 1);
    uint64_t mantissa = fraction | (uint64_t)1 << 52;
    int binary = (int)(bits >> 52) - 1075; /* x = mantissa * 2^binary */

    /* x * 10^power = 4 * mantissa * five / 2^shift has 17 or 18 digits before the point. */
    int power = 16 - (int)floor((binary + 52) * 0.30102999566398120);
    int shift = 2 - binary - power;
    uint128 five = five_to(power);

    /* Half way to the neighbours; below a power of two the lower one is twice as near. */
    uint128 scaled = 4 * mantissa * five;
    uint128 below = scaled - (fraction == 0 ? 1 : 2) * five;
    uint128 above = scaled + 2 * five;

    /* The integers that read back to x: half way itself belongs to an even mantissa. */
    uint128 mask = ((uint128)1 << shift) - 1;
    bool even = mantissa % 2 == 0;
    uint64_t first = (uint64_t)(below >> shift) + ((below & mask) != 0 || !even ? 1 : 0);
    uint64_t last = (uint64_t)(above >> shift) - ((above & mask) == 0 && !even ? 1 : 0);

    uint64_t unit = 1;
    int exponent = -power;
    for (; last - last % (unit * 10) >= first; exponent++)
        unit *= 10;
    uint64_t units = nearest_units(scaled, shift, unit);
    if (units * unit < first) units++;
    if (units * unit > last) units--;
    return (struct decimal){units, exponent};
}

/* Reads "d.ddde-XX" as printf wrote it, whatever the locale's decimal point is. */
static struct decimal parse_scientific(const char *text)
{
    struct decimal decimal = {0, 0};
    int digits = 0;
    for (; *text != 'e'; text++)
        if (*text >= '0' && *text <= '9') {
            decimal.digits = decimal.digits * 10 + (uint64_t)(*text - '0');
            digits++;
        }
    decimal.exponent = (int)strtol(text + 1, NULL, 10) - (digits - 1);
    return decimal;
}

/* Whether digits * 10^exponent reads back to x. An integer has no decimal point to disagree on. */
static bool reads_back(struct decimal decimal, double x)
{
    char text[40];
    snprintf(text, sizeof text, "%llue%d", (unsigned long long)decimal.digits, decimal.exponent);
    return strtod(text, NULL) == x;
}

/* For any finite x > 0: the first precision whose rounding reads back. Below a power of two the
 * nearest decimal of that length may lie outside while its upper neighbour lies inside. */
static struct decimal shortest_search(double x)
{
    struct decimal decimal = {0, 0};
    for (int precision = 1; precision <= 17; precision++) {
        char text[40];
        snprintf(text, sizeof text, "%.*e", precision - 1, x);
        decimal = parse_scientific(text);
        if (reads_back(decimal, x)) break;
        struct decimal upper = {decimal.digits + 1, decimal.exponent};
        if (reads_back(upper, x)) return upper;
    }
    return decimal;
}

static int write_integer(uint64_t value, char *buffer)
{
    char reversed[20];
    int count = 0;
    do {
        reversed[count++] = (char)('0' + value % 10);
        value /= 10;
    } while (value > 0);
    for (int i = 0; i < count; i++)
        buffer[i] = reversed[count - 1 - i];
    return count;
}

/* Like Python's repr: plain for 1e-4 <= x < 1e16, else with an exponent of at least two digits. */
static int write_decimal(struct decimal decimal, char *buffer)
{
    char digits[20];
    int count = write_integer(decimal.digits, digits);
    int point = count + decimal.exponent; /* digits before the decimal point */
    char *at = buffer;
    if (point > 0 && point <= 16) {
        for (int i = 0; i < count || i < point; i++) {
            if (i == point) *at++ = '.';
            *at++ = i < count ? digits[i] : '0';
        }
    } else if (point > -4 && point <= 0) {
        *at++ = '0';
        *at++ = '.';
        for (int i = point; i < 0; i++)
            *at++ = '0';
        memcpy(at, digits, (size_t)count);
        at += count;
    } else {
        *at++ = digits[0];
        if (count > 1) *at++ = '.';
        memcpy(at, digits + 1, (size_t)count - 1);
        at += count - 1;
        int exponent = point - 1;
        *at++ = 'e';
        *at++ = exponent < 0 ? '-' : '+';
        if (abs(exponent) < 10) *at++ = '0';
        at += write_integer((uint64_t)abs(exponent), at);
    }
    return (int)(at - buffer);
}

int format_double(double value, char *buffer)
{
    int length = 0;
    if (isnan(value)) {
        memcpy(buffer, "nan", 4);
        return 3;
    }
    if (signbit(value)) buffer[length++] = '-';
    double magnitude = fabs(value);
    if (isinf(value)) {
        memcpy(buffer + length, "inf", 3);
        length += 3;
    } else if (magnitude < 9007199254740992.0 && magnitude == (double)(uint64_t)magnitude) {
        length += write_integer((uint64_t)magnitude, buffer + length);
    } else {
        bool exact = magnitude >= 0x1p-49 && magnitude < 9007199254740992.0;
        struct decimal decimal = exact ? shortest_exact(magnitude) : shortest_search(magnitude);
        length += write_decimal(decimal, buffer + length);
    }
    buffer[length] = '\0';
    return length;
}
