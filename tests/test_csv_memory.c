/* Every allocation of a reading fails once: each time the reading ends with SPOT_ENOMEM, and
 * nothing is leaked. */
#define _GNU_SOURCE
#include <stdlib.h>
#include <zlib.h>

#include "failing_memory.h"
#include "table_text.h"

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
    int64_t rows = 0, failures = 0;
    struct spot_error err;
    CU_ASSERT_EQUAL(read_rows(path, &rows, &err), SPOT_OK);
    CU_ASSERT_EQUAL(rows, 9001);
    if (!memory_can_fail()) return;
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
        if (status == SPOT_OK) { /* done without, as stdio does without a buffer */
            CU_ASSERT_EQUAL_FATAL(rows, 9001);
            continue;
        }
        if (status != SPOT_ENOMEM)
            printf("\nfailure %lld: %d: %s\n", (long long)failures, status, err.message);
        CU_ASSERT_FATAL(status == SPOT_ENOMEM || status == SPOT_EIO);
        CU_ASSERT_PTR_NOT_NULL(strstr(err.message, "memory"));
    }
    CU_ASSERT(failures > 40);
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
