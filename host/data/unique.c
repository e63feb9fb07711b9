/* Radix exchange sort (Hildebrandt and Isbitz 1959): in place, and no order of the input is slow.
 */
#include "data/unique.h"

#include <stdlib.h>
#include <string.h>

#include "base/memory.h"
#include "blackspot.h"

#define ROW_BITS 40
#define ROW_MASK ((UINT64_C(1) << ROW_BITS) - 1)

static int add_key(struct unique_keys *keys, uint64_t high, uint64_t low, int64_t row)
{
    void *array = keys->keys;
    int status = spot_grow(&array, &keys->capacity, keys->count + 1, sizeof *keys->keys);
    keys->keys = array;
    if (status < 0) return status;
    struct unique_key key = {high, (low & ~ROW_MASK) | ((uint64_t)row & ROW_MASK)};
    keys->keys[keys->count++] = key;
    return SPOT_OK;
}

int unique_add_number(struct unique_keys *keys, double value, int64_t row)
{
    uint64_t bits;
    if (value == 0.0) value = 0.0; /* -0 is 0 */
    memcpy(&bits, &value, sizeof bits);
    return add_key(keys, bits * UINT64_C(0x9e3779b97f4a7c15), 0, row); /* odd factor: one to one */
}

static uint64_t mix(uint64_t x)
{
    x = (x ^ (x >> 32)) * UINT64_C(0xd6e8feb86659fd93);
    x = (x ^ (x >> 32)) * UINT64_C(0xd6e8feb86659fd93);
    return x ^ (x >> 32);
}

int unique_add_text(struct unique_keys *keys, const char *text, size_t length, int64_t row)
{
    uint64_t a = mix(length), b = mix(~(uint64_t)length);
    for (size_t at = 0; at < length; at += 8) {
        uint64_t word = 0;
        memcpy(&word, text + at, length - at < 8 ? length - at : 8);
        a = mix(a ^ word) + UINT64_C(0x9e3779b97f4a7c15);
        b = mix(b + word) ^ UINT64_C(0xc2b2ae3d27d4eb4f);
    }
    return add_key(keys, a, mix(b), row);
}

int unique_append(struct unique_keys *keys, const struct unique_keys *from, int64_t first_row)
{
    void *array = keys->keys;
    int status = spot_grow(&array, &keys->capacity, keys->count + from->count, sizeof *keys->keys);
    keys->keys = array;
    if (status < 0) return status;
    for (int64_t i = 0; i < from->count; i++) {
        struct unique_key key = from->keys[i];
        uint64_t row = (key.low & ROW_MASK) + (uint64_t)first_row;
        key.low = (key.low & ~ROW_MASK) | (row & ROW_MASK);
        keys->keys[keys->count++] = key;
    }
    return SPOT_OK;
}

static int below(const struct unique_key *a, const struct unique_key *b)
{
    return a->high != b->high ? a->high < b->high : a->low < b->low;
}

static void insertion_sort(struct unique_key *keys, int64_t count)
{
    for (int64_t i = 1; i < count; i++) {
        struct unique_key key = keys[i];
        int64_t at = i;
        for (; at > 0 && below(&key, &keys[at - 1]); at--)
            keys[at] = keys[at - 1];
        keys[at] = key;
    }
}

static unsigned byte_of(const struct unique_key *key, int byte)
{
    return (unsigned)((byte >= 8 ? key->high >> (8 * (byte - 8)) : key->low >> (8 * byte)) & 0xff);
}

/* Moves the keys into 256 buckets by a byte; bucket b ends at end[b]. */
static void split_by_byte(struct unique_key *keys, int64_t count, int byte, int64_t *end)
{
    int64_t next[256], sum = 0;
    memset(end, 0, 256 * sizeof *end);
    for (int64_t i = 0; i < count; i++)
        end[byte_of(&keys[i], byte)]++;
    for (int bucket = 0; bucket < 256; bucket++) {
        next[bucket] = sum;
        sum += end[bucket];
        end[bucket] = sum;
    }
    for (unsigned bucket = 0; bucket < 256; bucket++) {
        while (next[bucket] < end[bucket]) {
            struct unique_key key = keys[next[bucket]];
            unsigned home = byte_of(&key, byte);
            while (home != bucket) { /* follows the cycle until a key of this bucket turns up */
                struct unique_key other = keys[next[home]];
                keys[next[home]++] = key;
                key = other;
                home = byte_of(&key, byte);
            }
            keys[next[bucket]++] = key;
        }
    }
}

/* Sorts keys that agree in all bytes above `byte` (15 is the highest). */
static void sort_by_byte(struct unique_key *keys, int64_t count, int byte)
{
    int64_t end[256];
    if (count <= 24) {
        insertion_sort(keys, count);
        return;
    }
    split_by_byte(keys, count, byte, end);
    for (int bucket = 0; bucket < 256 && byte > 0; bucket++) {
        int64_t begin = bucket == 0 ? 0 : end[bucket - 1];
        if (end[bucket] - begin > 1) sort_by_byte(keys + begin, end[bucket] - begin, byte - 1);
    }
}

struct sorting {
    struct unique_key *keys;
    int64_t end[256];
};

static void sort_bucket(void *arg, int64_t bucket, int worker)
{
    struct sorting *sorting = arg;
    int64_t begin = bucket == 0 ? 0 : sorting->end[bucket - 1];
    (void)worker;
    sort_by_byte(sorting->keys + begin, sorting->end[bucket] - begin, 14);
}

/* Keeps the pairs with the lowest row numbers. */
static void keep_pair(struct unique_pair *pairs, int wanted, int *found, struct unique_pair pair)
{
    int at = *found;
    if (at == wanted) {
        if (wanted == 0 || pairs[wanted - 1].again < pair.again) return;
        at--;
    } else {
        ++*found;
    }
    for (; at > 0 && pairs[at - 1].again > pair.again; at--)
        pairs[at] = pairs[at - 1];
    pairs[at] = pair;
}

int64_t unique_repeats(struct unique_keys *keys, struct spot_pool *pool, int wanted,
                       struct unique_pair *pairs, int *found)
{
    struct sorting sorting = {.keys = keys->keys};
    int64_t repeats = 0, first = 0;
    *found = 0;
    if (keys->count == 0) return 0;
    split_by_byte(keys->keys, keys->count, 15, sorting.end);
    pool_run(pool, 256, sort_bucket, &sorting);
    for (int64_t i = 1; i < keys->count; i++) {
        const struct unique_key *a = &keys->keys[first], *b = &keys->keys[i];
        if (a->high != b->high || (a->low & ~ROW_MASK) != (b->low & ~ROW_MASK)) {
            first = i;
            continue;
        }
        struct unique_pair pair = {(int64_t)(a->low & ROW_MASK), (int64_t)(b->low & ROW_MASK)};
        keep_pair(pairs, wanted, found, pair);
        repeats++;
    }
    return repeats;
}

void unique_clear(struct unique_keys *keys)
{
    free(keys->keys);
    memset(keys, 0, sizeof *keys);
}
