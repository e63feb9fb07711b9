/* Radix exchange on the bits of the numbers: a partition for each bit from the highest down, into
 * the side that holds the rank for a selection, into both for a sort. No input is slow. */
#include "data/order.h"

#include <math.h>
#include <string.h>

/* Bits whose order without sign is the order of the numbers, and back. */
static uint64_t to_bits(double value)
{
    uint64_t bits;
    if (value == 0.0) value = 0.0;
    memcpy(&bits, &value, sizeof bits);
    return (bits >> 63) != 0 ? ~bits : bits | (UINT64_C(1) << 63);
}

static double to_value(uint64_t bits)
{
    bits = (bits >> 63) != 0 ? bits ^ (UINT64_C(1) << 63) : ~bits;
    double value;
    memcpy(&value, &bits, sizeof value);
    return value;
}

static uint64_t load(const double *at)
{
    uint64_t bits;
    memcpy(&bits, at, sizeof bits);
    return bits;
}

static void store(double *at, uint64_t bits)
{
    memcpy(at, &bits, sizeof bits);
}

/* Returns the highest bit in which two of the numbers differ, or -1. */
static int all_to_bits(double *values, int64_t count)
{
    uint64_t all = ~UINT64_C(0), any = 0;
    for (int64_t i = 0; i < count; i++) {
        uint64_t bits = to_bits(values[i]);
        store(&values[i], bits);
        all &= bits;
        any |= bits;
    }
    return all == any ? -1 : 63 - __builtin_clzll(all ^ any);
}

static void all_to_values(double *values, int64_t count)
{
    for (int64_t i = 0; i < count; i++)
        values[i] = to_value(load(&values[i]));
}

/* Moves the numbers whose bit is 0 to the front; returns how many they are. */
static int64_t partition(double *keys, int64_t count, int bit)
{
    int64_t zeros = 0;
    for (int64_t i = 0; i < count; i++) { /* without branches: most bits are noise */
        uint64_t key = load(&keys[i]), other = load(&keys[zeros]);
        store(&keys[i], other);
        store(&keys[zeros], key);
        zeros += (int64_t)(~key >> bit & 1u);
    }
    return zeros;
}

/* The number of this rank (from 0), of numbers that agree above `bit`; afterwards no number before
 * it is above it, none behind it below it. */
static uint64_t select_rank(double *keys, int64_t count, int bit, int64_t rank)
{
    for (; bit >= 0 && count > 1; bit--) {
        int64_t zeros = partition(keys, count, bit);
        if (rank < zeros) {
            count = zeros;
        } else {
            keys += zeros;
            count -= zeros;
            rank -= zeros;
        }
    }
    return load(&keys[rank]);
}

/* The numbers of rank and rank + 1. */
static void neighbours(double *values, int64_t count, int64_t rank, double *low, double *high)
{
    int bit = all_to_bits(values, count);
    uint64_t first = select_rank(values, count, bit, rank);
    uint64_t second = first;
    if (rank + 1 < count) {
        second = load(&values[rank + 1]);
        for (int64_t i = rank + 2; i < count; i++)
            if (load(&values[i]) < second) second = load(&values[i]);
    }
    *low = to_value(first);
    *high = to_value(second);
    all_to_values(values, count);
}

double order_quantile(double *values, int64_t count, double fraction)
{
    double low, high, place = fraction * (double)(count - 1);
    int64_t rank = (int64_t)floor(place);
    double t = place - (double)rank;
    neighbours(values, count, rank, &low, &high);
    double width = high - low;
    return t >= 0.5 ? high - width * (1.0 - t) : low + width * t; /* numpy's _lerp */
}

double order_median(double *values, int64_t count)
{
    double low, high;
    neighbours(values, count, (count - 1) / 2, &low, &high);
    return count % 2 == 1 ? low : (low + high) / 2.0;
}

static void sort_by_bit(double *keys, int64_t count, int bit)
{
    while (count > 1 && bit >= 0) {
        int64_t zeros = partition(keys, count, bit);
        bit--;
        sort_by_bit(keys, zeros, bit);
        keys += zeros;
        count -= zeros;
    }
}

double order_mode(double *values, int64_t count)
{
    sort_by_bit(values, count, all_to_bits(values, count));
    all_to_values(values, count);
    double mode = values[0];
    int64_t longest = 0, begin = 0;
    for (int64_t i = 1; i <= count; i++) {
        if (i < count && values[i] == values[begin]) continue;
        if (i - begin > longest) {
            longest = i - begin;
            mode = values[begin];
        }
        begin = i;
    }
    return mode;
}
