#define _DEFAULT_SOURCE /* madvise */
#include "base/memory.h"

#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include "blackspot.h"

/* Arrays from large_bytes on lie in huge pages where the system lends them on request: a page fault
 * for 2 MB and not for each 4 KB. */
static const size_t huge_page = (size_t)2 << 20, large_bytes = (size_t)4 << 20;

/* What is left beyond the last whole huge page keeps small ones, so that no memory is wasted. */
static void *alloc_large(size_t bytes)
{
    void *array = aligned_alloc(huge_page, (bytes + huge_page - 1) / huge_page * huge_page);
#ifdef MADV_HUGEPAGE
    if (array != NULL) (void)madvise(array, bytes / huge_page * huge_page, MADV_HUGEPAGE);
#endif
    return array;
}

void *spot_alloc(int64_t count, size_t size)
{
    size_t bytes;
    if (count < 0 || __builtin_mul_overflow((size_t)count, size, &bytes)) return NULL;
    if (bytes > SIZE_MAX - 64) return NULL;
    if (bytes >= large_bytes) return alloc_large((bytes + 63) / 64 * 64);
    bytes = (bytes + 63) / 64 * 64;
    return aligned_alloc(64, bytes == 0 ? 64 : bytes);
}

void *spot_alloc_zero(int64_t count, size_t size)
{
    void *array = spot_alloc(count, size);
    if (array != NULL) memset(array, 0, (size_t)count * size);
    return array;
}

int spot_grow(void **array, int64_t *capacity, int64_t needed, size_t size)
{
    if (needed <= *capacity) return SPOT_OK;
    int64_t larger = *capacity < 16 ? 16 : *capacity;
    while (larger < needed) {
        if (larger > INT64_MAX / 2) return SPOT_ENOMEM;
        larger *= 2;
    }
    size_t bytes;
    if (__builtin_mul_overflow((size_t)larger, size, &bytes)) return SPOT_ENOMEM;
    void *grown = realloc(*array, bytes);
    if (grown == NULL) return SPOT_ENOMEM;
    *array = grown;
    *capacity = larger;
    return SPOT_OK;
}

char *spot_copy_text(const char *text)
{
    size_t bytes = strlen(text) + 1;
    char *copy = malloc(bytes);
    return copy == NULL ? NULL : memcpy(copy, text, bytes);
}
