/* Tables of several windows: what is read does not depend on threads, compression or where the
 * chunks end, and quoted line feeds and stray quotes do no harm. */
#define _GNU_SOURCE
#include <zlib.h>
#include <zstd.h>

#include "table_text.h"

enum { ROWS = 80000 };

/* A row's cells: the number, a category, a text that may need quotes. */
static const char *text_of(int row)
{
    static const char *const texts[] = {"plain", "a,b", "line\nfeed", "say \"hi\"", "", "tail "};
    return texts[(row * 7 + row / 1000) % 6];
}

static void write_quoted(FILE *out, const char *text)
{
    fputc('"', out);
    for (; *text != '\0'; text++) {
        if (*text == '"') fputc('"', out);
        fputc(*text, out);
    }
    fputc('"', out);
}

/* The table as CSV, and what is expected of reading it. */
static void write_table(char **csv, size_t *csv_size, char **expected, size_t *expected_size)
{
    FILE *text = open_memstream(csv, csv_size), *rows = open_memstream(expected, expected_size);
    fputs("n,kind,filler,text\n", text);
    for (int row = 0; row < ROWS; row++) {
        bool quotes = row / 20000 % 2 == 1; /* stretches with and without */
        const char *cell = quotes ? text_of(row) : "plain";
        fprintf(text, "%d.25,k%d,0123456789012345678901234567890123456789,", row, row % 17);
        if (quotes)
            write_quoted(text, cell);
        else
            fputs(cell, text);
        fputs(row % 3 == 0 ? "\r\n" : "\n", text);
        fprintf(rows, "n=%d.25 k=k%d t=%s\n", row, row % 17, cell);
    }
    fclose(text);
    fclose(rows);
}

static const struct column_spec SPECS[] = {
    {.name = "n", .source = "n", .type = COLUMN_NUMBER},
    {.name = "k", .source = "kind", .type = COLUMN_CATEGORY},
    {.name = "t", .source = "text", .type = COLUMN_TEXT},
};

static void expect_same(const char *path, const char *expected, int threads, bool rewindable)
{
    const char *files[] = {path};
    const struct table_options options = {
        .files = files, .files_count = 1, .rewindable = rewindable};
    struct table_text result;
    read_table(&options, threads, SPECS, 3, &result);
    CU_ASSERT_EQUAL(result.status, SPOT_OK);
    CU_ASSERT_EQUAL(result.rows, ROWS);
    CU_ASSERT(strcmp(result.text, expected) == 0);
    free(result.text);
}

static void is_the_same_for_any_threads(void)
{
    char *csv, *expected, path[64];
    size_t size, expected_size;
    write_table(&csv, &size, &expected, &expected_size);
    CU_ASSERT(size > 4 << 20);
    write_temporary(path, csv, size);
    for (int threads = 1; threads <= 7; threads += 2)
        expect_same(path, expected, threads, false);
    unlink(path);
    free(csv);
    free(expected);
}

static void is_the_same_compressed(void)
{
    char *csv, *expected, path[64];
    size_t size, expected_size;
    write_table(&csv, &size, &expected, &expected_size);

    size_t bound = ZSTD_compressBound(size);
    char *packed = malloc(bound + 64);
    size_t length = ZSTD_compress(packed, bound, csv, size, 1);
    write_temporary(path, packed, length);
    expect_same(path, expected, 2, false);
    unlink(path);
    free(packed);

    strcpy(path, "/tmp/blackspot-test-XXXXXX");
    close(mkstemp(path));
    gzFile gz = gzopen(path, "wb1"); /* two members, as `cat a.gz b.gz` makes them */
    gzwrite(gz, csv, (unsigned)(size / 2));
    gzclose(gz);
    gz = gzopen(path, "ab1");
    gzwrite(gz, csv + size / 2, (unsigned)(size - size / 2));
    gzclose(gz);
    expect_same(path, expected, 1, false);
    expect_same(path, expected, 3, true);
    unlink(path);
    free(csv);
    free(expected);
}

static void refuses_cut_off_compression(void)
{
    char *csv, *expected, path[64];
    size_t size, expected_size;
    write_table(&csv, &size, &expected, &expected_size);
    size_t bound = ZSTD_compressBound(size);
    char *packed = malloc(bound);
    size_t length = ZSTD_compress(packed, bound, csv, size, 1);
    strcpy(path, "/tmp/blackspot-test-XXXXXX");
    close(mkstemp(path));
    gzFile gz = gzopen(path, "wb1");
    gzwrite(gz, csv, (unsigned)size);
    gzclose(gz);
    FILE *file = fopen(path, "rb");
    char *gzip = malloc(size);
    size_t gzip_size = fread(gzip, 1, size, file);
    fclose(file);
    unlink(path);

    struct {
        const char *bytes;
        size_t length;
        const char *message;
    } cases[] = {{packed, length - 5, "cut off"},
                 {packed, length / 2, "cut off"},
                 {gzip, gzip_size - 3, "cut off"},
                 {gzip, gzip_size / 2, "cut off"},
                 {gzip, 5, "cut off"}};
    for (int i = 0; i < 5; i++) {
        write_temporary(path, cases[i].bytes, cases[i].length);
        const char *files[] = {path};
        const struct table_options options = {.files = files, .files_count = 1};
        struct table_text result;
        read_table(&options, 2, SPECS, 3, &result);
        CU_ASSERT_EQUAL(result.status, SPOT_EFORMAT);
        CU_ASSERT_PTR_NOT_NULL(strstr(result.error.message, cases[i].message));
        CU_ASSERT_PTR_NOT_NULL(strstr(result.error.message, path));
        free(result.text);
        unlink(path);
    }
    gzip[gzip_size / 2] = (char)(gzip[gzip_size / 2] ^ 0x55);
    write_temporary(path, gzip, gzip_size);
    const char *files[] = {path};
    const struct table_options options = {.files = files, .files_count = 1};
    struct table_text result;
    read_table(&options, 2, SPECS, 3, &result);
    CU_ASSERT(result.status < 0);
    free(result.text);
    unlink(path);
    free(packed);
    free(gzip);
    free(csv);
    free(expected);
}

/* Every way to spoil a row, in a table of several windows, for several numbers of threads. */
static void drops_bad_rows_and_counts_them(void)
{
    char *csv, path[64], *first = NULL;
    size_t size;
    FILE *out = open_memstream(&csv, &size);
    fputs("n,kind,text\n", out);
    int64_t good = 0;
    for (int row = 0; row < 100000; row++) {
        if (row == 100) fputs("1,2\n", out);
        if (row == 20000) fwrite("1,\0,x\n", 1, 6, out);
        if (row == 50000) fputs("7,\"never closed,x\n", out);
        if (row == 70000) {
            for (int i = 0; i < 3 << 20; i++)
                fputc('y', out);
            fputc('\n', out);
        }
        if (row == 90000) fputs("1,2,3,4\n", out);
        fprintf(out, "%d,k,0123456789012345678901234567890123456789\n", row);
        good++;
    }
    fputs("7,k,\"cut", out);
    fclose(out);
    write_temporary(path, csv, size);
    const char *files[] = {path};
    struct table_options options = {.files = files, .files_count = 1, .drop_bad_rows = true};
    for (int threads = 1; threads <= 5; threads += 2) {
        struct table_text result;
        read_table(&options, threads, SPECS, 3, &result);
        CU_ASSERT_EQUAL(result.status, SPOT_OK);
        CU_ASSERT_EQUAL(result.rows, good);
        CU_ASSERT_EQUAL(result.bad_rows, 6);
        CU_ASSERT_STRING_EQUAL(result.bad,
                               "102/-1: 2 fields where the header has 3: '1,2'\n"
                               "20003/-1: a NUL byte: '1,?,x'\n"
                               "50004/-1: a quote that is never closed: '7,\"never closed,x'\n"
                               "70005/-1: a line longer than 1 MiB: "
                               "'yyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyy...'\n"
                               "90006/-1: 4 fields where the header has 3: '1,2,3,4'\n"
                               "100007/-1: a quote that is never closed: '7,k,\"cut'\n");
        CU_ASSERT(first == NULL || strcmp(first, result.text) == 0);
        if (first == NULL)
            first = result.text;
        else
            free(result.text);
    }
    options.drop_bad_rows = false;
    struct table_text result;
    read_table(&options, 2, SPECS, 3, &result);
    CU_ASSERT_EQUAL(result.status, SPOT_EDATA);
    CU_ASSERT_PTR_NOT_NULL(strstr(result.error.message, ":102: 2 fields"));
    free(result.text);
    free(first);
    free(csv);
    unlink(path);
}

int main(void)
{
    const struct suite_test tests[] = {
        {"is the same for any threads", is_the_same_for_any_threads},
        {"is the same compressed", is_the_same_compressed},
        {"refuses cut-off compression", refuses_cut_off_compression},
        {"drops bad rows and counts them", drops_bad_rows_and_counts_them},
        {NULL, NULL},
    };
    return run_suite("csv_large", tests);
}
