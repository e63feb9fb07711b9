/* Every allocation of a reading fails once: each time the reading ends with SPOT_ENOMEM, and
 * nothing is leaked. Needs glibc's allocator, so it is empty under the sanitizers. */
#define _GNU_SOURCE
#include <stdlib.h>
#include <zlib.h>

#include "table_text.h"

#if defined(__has_feature)
#if __has_feature(address_sanitizer) || __has_feature(thread_sanitizer) || \
    __has_feature(memory_sanitizer)
#define SANITIZED
#endif
#endif
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define SANITIZED
#endif

static int64_t countdown = -1; /* allocations until one fails; negative: none does */
static int64_t live;           /* allocations not freed */

#ifndef SANITIZED
void *__libc_malloc(size_t size);
void *__libc_calloc(size_t count, size_t size);
void *__libc_realloc(void *memory, size_t size);
void *__libc_memalign(size_t alignment, size_t size);
void __libc_free(void *memory);

static bool fails(void)
{
    return countdown >= 0 && countdown-- == 0;
}

static void *counted(void *memory)
{
    live += memory != NULL;
    return memory;
}

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
    live += memory == NULL && grown != NULL;
    return grown;
}

void *aligned_alloc(size_t alignment, size_t size)
{
    return fails() ? NULL : counted(__libc_memalign(alignment, size));
}

void free(void *memory)
{
    live -= memory != NULL;
    __libc_free(memory);
}
#endif

static int free_batch(void *arg, struct batch *batch, struct spot_error *err)
{
    (void)err;
    *(int64_t *)arg += batch->rows;
    batch_free(batch);
    return SPOT_OK;
}

static int read_rows(const char *path, int64_t *rows, struct spot_error *err)
{
    static const char *const formats[] = {"%Y-%m-%d %H:%M", "%d %b %Y"};
    static const char *const missing[] = {"-1", "1970-01-01 00:00"};
    const struct column_spec specs[] = {
        {.name = "n", .source = "n", .type = COLUMN_NUMBER, .missing = missing, .missing_count = 2},
        {.name = "c", .source = "c", .type = COLUMN_CATEGORY},
        {.name = "x", .source = "c", .type = COLUMN_TEXT},
        {.name = "t",
         .source = "d",
         .second = "h",
         .type = COLUMN_TIMESTAMP,
         .formats = formats,
         .formats_count = 2,
         .missing = missing,
         .missing_count = 2},
    };
    const char *files[] = {path};
    const struct table_options options = {.files = files,
                                          .files_count = 1,
                                          .encoding = ENCODING_LATIN1,
                                          .drop_bad_rows = true,
                                          .spool_dir = "/tmp"};
    struct spot_pool *pool;
    struct table_reader *reader;
    int status = pool_open(1, &pool, err);
    if (status < 0) return status;
    status = table_open(&options, pool, &reader, err);
    if (status == SPOT_OK) {
        *rows = 0;
        const struct table_visitor visitor = {.take = free_batch, .arg = rows};
        status = table_each(reader, specs, 4, &visitor, err);
    }
    table_close(reader);
    pool_close(pool);
    return status;
}

/* Plain and quoted stretches, bad rows and cells, more categories than a small dictionary has. */
static void write_table(FILE *out)
{
    fputs("n,c,d,h\n", out);
    for (int row = 0; row < 9000; row++) {
        fprintf(out, "%d.5,k%d\xe0,2015-01-%02d,%02d:30\n", row, row % 90, row % 40, row % 24);
        if (row % 1000 == 999) fputs("x,1\n", out);
        if (row == 8990) fputs("1,\"quo\nted\",2015-01-01,10:00\n", out);
    }
}

static void survives_each_failure(const char *path)
{
#ifndef SANITIZED
    int64_t rows = 0, failures = 0;
    struct spot_error err;
    CU_ASSERT_EQUAL(read_rows(path, &rows, &err), SPOT_OK);
    CU_ASSERT_EQUAL(rows, 9001);
    int64_t before = live;
    for (;; failures++) {
        countdown = failures;
        int status = read_rows(path, &rows, &err);
        bool finished = countdown >= 0;
        countdown = -1;
        if (live != before)
            printf("\n%lld leaked after failure %lld\n", (long long)(live - before),
                   (long long)failures);
        CU_ASSERT_EQUAL_FATAL(live, before);
        if (finished) break;
        if (status != SPOT_ENOMEM) printf("\nfailure %lld: %d\n", (long long)failures, status);
        CU_ASSERT_EQUAL_FATAL(status, SPOT_ENOMEM);
        CU_ASSERT_PTR_NOT_NULL(strstr(err.message, "memory"));
    }
    CU_ASSERT(failures > 40);
#else
    (void)path;
#endif
}

static void reads_plain_text_without_memory(void)
{
    char path[64];
    write_temporary(path, "", 0);
    FILE *out = fopen(path, "w");
    write_table(out);
    fclose(out);
    survives_each_failure(path);
    unlink(path);
}

static void reads_gzip_without_memory(void)
{
    char path[64], *text;
    size_t size;
    FILE *out = open_memstream(&text, &size);
    write_table(out);
    fclose(out);
    write_temporary(path, "", 0);
    gzFile gz = gzopen(path, "wb1");
    gzwrite(gz, text, (unsigned)size);
    gzclose(gz);
    survives_each_failure(path);
    free(text);
    unlink(path);
}

int main(void)
{
    const struct suite_test tests[] = {
        {"reads plain text without memory", reads_plain_text_without_memory},
        {"reads gzip without memory", reads_gzip_without_memory},
        {NULL, NULL},
    };
    return run_suite("csv_memory", tests);
}
