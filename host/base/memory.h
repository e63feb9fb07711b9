/* Allocation of arrays with the overflow checks in one place. Everything is freed with free(). */
#ifndef SPOT_BASE_MEMORY_H
#define SPOT_BASE_MEMORY_H

#include <stddef.h>
#include <stdint.h>

/* count * size bytes, uninitialised and aligned to 64 bytes (a cache line, an AVX-512 register),
 * large arrays to huge pages; NULL when there is no memory, the product overflows or count is
 * negative. count 0 gives a pointer that may be freed. */
void *spot_alloc(int64_t count, size_t size);

/* The same, filled with zeros. */
void *spot_alloc_zero(int64_t count, size_t size);

/* Makes room for `needed` elements in a growing array, doubling it; 0 or SPOT_ENOMEM, and then
 * *array is as it was. *array is NULL or from malloc/realloc; keeps no particular alignment. */
int spot_grow(void **array, int64_t *capacity, int64_t needed, size_t size);

/* A copy of text, or NULL. */
char *spot_copy_text(const char *text);

#endif
