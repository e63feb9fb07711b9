/* An allocator that fails when told to, for programs that include this once: malloc and its
 * siblings are replaced. The sanitizers and valgrind bring allocators of their own; then nothing
 * fails. */
#ifndef SPOT_TESTS_FAILING_MEMORY_H
#define SPOT_TESTS_FAILING_MEMORY_H

#include <errno.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>

#if defined(__has_feature)
#if __has_feature(address_sanitizer) || __has_feature(thread_sanitizer) || \
    __has_feature(memory_sanitizer)
#define SANITIZED
#endif
#endif
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define SANITIZED
#endif

static volatile int64_t countdown = -1; /* allocations until one fails; negative: none does */
static volatile int64_t live;           /* allocations not freed */

#ifndef SANITIZED
void *__libc_malloc(size_t size);
void *__libc_calloc(size_t count, size_t size);
void *__libc_realloc(void *memory, size_t size);
void *__libc_memalign(size_t alignment, size_t size);
void __libc_free(void *memory);

static bool fails(void)
{
    if (countdown < 0) return false;
    countdown = countdown - 1;
    if (countdown >= 0) return false;
    errno = ENOMEM;
    return true;
}

static void *counted(void *memory)
{
    live = live + (memory != NULL);
    return memory;
}

/* Seen by the libraries too, though the build hides what a program defines. */
#pragma GCC visibility push(default)

void *malloc(size_t size)
{
    return fails() ? NULL : counted(__libc_malloc(size));
}

void *calloc(size_t count, size_t size)
{
    return fails() ? NULL : counted(__libc_calloc(count, size));
}

void *realloc(void *memory, size_t size)
{
    if (fails()) return NULL;
    void *grown = __libc_realloc(memory, size);
    live = live + (memory == NULL && grown != NULL);
    return grown;
}

void *aligned_alloc(size_t alignment, size_t size)
{
    return fails() ? NULL : counted(__libc_memalign(alignment, size));
}

void free(void *memory)
{
    live = live - (memory != NULL);
    __libc_free(memory);
}

#pragma GCC visibility pop
#endif

/* Whether the allocator above is the one in use. */
static bool memory_can_fail(void)
{
    countdown = 0;
    void *volatile memory = malloc(1);
    countdown = -1;
    bool failed = memory == NULL;
    free(memory);
    return failed;
}

#endif
