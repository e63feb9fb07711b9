/* Fuzz target for the table reader: no input may crash, hang or leak, and what is read must not
 * depend on the number of threads. Chunks are made small, so that small inputs have many:
 *
 *   clang -g -O1 -fsanitize=fuzzer,address,undefined -std=gnu11 -Iinclude -Ihost
 *     -DSPOT_CSV_CHUNK=64 -DSPOT_CSV_LIMIT=256 tests/fuzz/fuzz_csv.c
 *     host/base/{error,memory,pool}.c host/data/{source,decimal,batch,config,config_values}.c
 *     host/data/csv_{build,convert,header,plan,reader,scan,split,text,time,window}.c
 *     -lcsv -lz -lzstd -lyaml -lm -lpthread -o fuzz_csv
 *   ./fuzz_csv -max_len=4096 CORPUS tests/data/csv */
#define _GNU_SOURCE
#include <csv.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "data/csv_scan.h"
#include "data/table.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* What a reading gave, in one number. */
struct digest {
    uint64_t hash;
    int64_t rows;
};

static void mix(struct digest *digest, const void *bytes, size_t count)
{
    const unsigned char *p = bytes;
    for (size_t i = 0; i < count; i++)
        digest->hash = (digest->hash ^ p[i]) * UINT64_C(0x100000001b3);
}

static void mix_row(struct digest *digest, const struct batch *batch, int64_t row)
{
    int64_t line = batch_line(batch, row);
    mix(digest, &line, sizeof line);
    for (int32_t j = 0; j < batch->columns_count; j++) {
        const struct column *column = &batch->columns[j];
        if (column->values != NULL) mix(digest, &column->values[row], sizeof(double));
        if (column->codes != NULL && column->codes[row] >= 0) {
            const char *text =
                column->dictionary.bytes + column->dictionary.offsets[column->codes[row]];
            mix(digest, text, strlen(text) + 1);
        }
        if (column->text_offsets != NULL)
            mix(digest, column->text_bytes + column->text_offsets[row],
                (size_t)(column->text_offsets[row + 1] - column->text_offsets[row]));
    }
}

static int take(void *arg, struct batch *batch, struct spot_error *err)
{
    struct digest *digest = arg;
    (void)err;
    if (batch->first_row != digest->rows) abort();
    for (int64_t row = 0; row < batch->rows; row++)
        mix_row(digest, batch, row);
    mix(digest, &batch->rows, sizeof batch->rows);
    mix(digest, &batch->bad_rows, sizeof batch->bad_rows);
    mix(digest, &batch->bad_cells, sizeof batch->bad_cells);
    for (int32_t i = 0; i < batch->bad_count; i++) {
        mix(digest, batch->bad[i].reason, strlen(batch->bad[i].reason));
        mix(digest, batch->bad[i].text, strlen(batch->bad[i].text));
        mix(digest, &batch->bad[i].line, sizeof batch->bad[i].line);
    }
    digest->rows += batch->rows;
    batch_free(batch);
    return SPOT_OK;
}

static struct digest read_all(const struct table_options *options, int threads)
{
    static const char *const formats[] = {"%Y-%m-%d %H:%M:%S", "%d %b %y", "%j/%Y.%f"};
    static const char *const missing[] = {"-1", "na"};
    struct digest digest = {0};
    struct spot_error error = {0};
    struct spot_pool *pool;
    struct table_reader *reader;
    if (pool_open(threads, &pool, NULL) < 0) abort();
    int status = table_open(options, pool, &reader, &error);
    if (status == SPOT_OK) {
        int32_t count;
        const char *const *header = table_header(reader, &count);
        struct column_spec specs[6];
        if (count > 6) count = 6;
        for (int32_t j = 0; j < count; j++)
            specs[j] = (struct column_spec){.name = header[j],
                                            .source = header[j],
                                            .type = (enum column_type)(COLUMN_TEXT - j),
                                            .formats = formats,
                                            .formats_count = 3,
                                            .missing = missing,
                                            .missing_count = 2,
                                            .decimal = '.'};
        const struct table_visitor visitor = {.take = take, .arg = &digest};
        status = table_each(reader, specs, count, &visitor, &error);
    }
    if (status < 0) mix(&digest, error.message, strlen(error.message));
    table_close(reader);
    pool_close(pool);
    return digest;
}

static void count_row(int feed, void *arg)
{
    (void)feed;
    ++*(int *)arg;
}

static void ignore_field(void *bytes, size_t length, void *arg)
{
    (void)bytes;
    (void)length;
    (void)arg;
}

static int is_space(unsigned char c)
{
    return c == ' ' || c == '\t' || c == '\r';
}

static int is_feed(unsigned char c)
{
    return c == '\n';
}

/* Records end where libcsv ends them: not before, and not later. */
static void compare_scanner(const char *text, const char *end, char delimiter)
{
    struct csv_parser parser;
    csv_init(&parser, 0);
    csv_set_delim(&parser, (unsigned char)delimiter);
    csv_set_space_func(&parser, is_space);
    csv_set_term_func(&parser, is_feed);
    while (text < end) {
        const char *next;
        if (csv_record_end(text, end, true, delimiter, &next) == CSV_COMPLETE) {
            int rows = 0;
            size_t length = (size_t)(next - text) - 1;
            csv_parse(&parser, text, length, ignore_field, count_row, &rows);
            if (rows != 0) abort();
            bool quoted = next[-1] == '\n' && parser.pstate != 0;
            csv_parse(&parser, next - 1, 1, ignore_field, count_row, &rows);
            if (quoted && rows != 1) abort();
            csv_fini(&parser, ignore_field, count_row, &rows);
            if (rows > 1) abort();
        }
        text = next;
    }
    csv_free(&parser);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const char delimiters[] = {0, ',', ';', '\t', ' ', 'x', '1', '\r'};
    if (size < 1) return 0;
    int fd = memfd_create("table", MFD_CLOEXEC);
    if (fd < 0 || write(fd, data + 1, size - 1) != (ssize_t)(size - 1)) abort();
    char path[64];
    snprintf(path, sizeof path, "/proc/self/fd/%d", fd);
    const char *files[] = {path, path};
    const struct table_options options = {.files = files,
                                          .files_count = 1 + (data[0] >> 6 & 1),
                                          .delimiter = delimiters[data[0] & 7],
                                          .encoding = (enum text_encoding)((data[0] >> 3 & 3) % 3),
                                          .drop_bad_rows = data[0] >> 5 & 1};
    struct digest one = read_all(&options, 1), three = read_all(&options, 3);
    if (one.hash != three.hash || one.rows != three.rows) abort();
    compare_scanner((const char *)data + 1, (const char *)data + size,
                    options.delimiter == 0 || options.delimiter == '\r' ? ',' : options.delimiter);
    close(fd);
    return 0;
}
