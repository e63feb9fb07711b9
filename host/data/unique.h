/* Finds repeated values of a column with 16 bytes a row: keys are collected batch by batch, sorted
 * in place and compared with their neighbours.
 *
 * Numbers are their own keys, so nothing is ever mistaken. Texts are 88-bit hashes: the chance of a
 * false alarm in a billion different texts is below 2e-9. */
#ifndef SPOT_DATA_UNIQUE_H
#define SPOT_DATA_UNIQUE_H

#include <stddef.h>
#include <stdint.h>

#include "base/pool.h"

struct unique_key {
    uint64_t high;
    uint64_t low; /* 24 bits of key, then 40 bits of row number */
};

struct unique_keys {
    struct unique_key *keys; /* (count) */
    int64_t count, capacity;
};

struct unique_pair {
    int64_t first, again; /* row numbers, first < again */
};

/* Append the key of a row; 0 or SPOT_ENOMEM. Rows count from 0 and stay below 2^40. */
int unique_add_number(struct unique_keys *keys, double value, int64_t row);
int unique_add_text(struct unique_keys *keys, const char *text, size_t length, int64_t row);

/* Appends `from`, whose rows begin at `first_row` of the table. */
int unique_append(struct unique_keys *keys, const struct unique_keys *from, int64_t first_row);

/* Sorts the keys, on all threads, and counts the rows that repeat an earlier one; pairs: the first
 * `wanted` such rows in row order, *found of them. */
int64_t unique_repeats(struct unique_keys *keys, struct spot_pool *pool, int wanted,
                       struct unique_pair *pairs, int *found);

void unique_clear(struct unique_keys *keys);

#endif
