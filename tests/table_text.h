/* Reads a table given as text and compares it with its values written out: rows of "name=value",
 * "?" for missing. What is expected of an error begins with '!' and is part of its message. */
#ifndef SPOT_TESTS_TABLE_TEXT_H
#define SPOT_TESTS_TABLE_TEXT_H

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "data/table.h"
#include "suite.h"

/* What reading a table gave. */
struct table_text {
    char *text; /* the rows */
    size_t size;
    FILE *out;
    const struct column_spec *specs;
    int64_t rows, bad_cells, bad_rows;
    char bad[2000]; /* bad cells, a line each */
    int status;
    struct spot_error error;
};

static inline void write_value(FILE *out, const struct batch *batch, int32_t j, int64_t row)
{
    const struct column *column = &batch->columns[j];
    if (column->values != NULL && isnan(column->values[row]))
        fputs("?", out);
    else if (column->values != NULL)
        fprintf(out, "%.17g", column->values[row]);
    else if (column->codes != NULL)
        fputs(column->codes[row] < 0
                  ? "?"
                  : column->dictionary.bytes + column->dictionary.offsets[column->codes[row]],
              out);
    else
        fwrite(column->text_bytes + column->text_offsets[row], 1,
               (size_t)(column->text_offsets[row + 1] - column->text_offsets[row]), out);
}

/* What the reader says of a column is what its values say. */
static inline void expect_facts(const struct column *column, int64_t rows)
{
    const struct column_facts *facts = &column->facts;
    bool whole = true, float32 = true;
    int64_t missing = 0;
    double minimum = INFINITY, maximum = -INFINITY;
    if (!facts->known) return;
    for (int64_t row = 0; row < rows; row++) {
        double value = column->values[row];
        if (isnan(value)) {
            missing++;
            continue;
        }
        whole = whole && value == rint(value) && !(value == 0.0 && signbit(value));
        float32 = float32 && value == (double)(float)value;
        minimum = fmin(minimum, value);
        maximum = fmax(maximum, value);
    }
    CU_ASSERT_EQUAL(facts->missing, missing);
    CU_ASSERT_EQUAL(facts->minimum, minimum);
    CU_ASSERT_EQUAL(facts->maximum, maximum);
    CU_ASSERT(!facts->whole || whole);
    CU_ASSERT_EQUAL(facts->float32, float32);
}

static inline int write_batch(void *arg, struct batch *batch, struct spot_error *err)
{
    struct table_text *table = arg;
    (void)err;
    CU_ASSERT_EQUAL(batch->first_row, table->rows);
    table->rows += batch->rows;
    table->bad_cells += batch->bad_cells;
    table->bad_rows += batch->bad_rows;
    for (int32_t j = 0; j < batch->columns_count; j++)
        expect_facts(&batch->columns[j], batch->rows);
    for (int64_t row = 0; row < batch->rows; row++)
        for (int32_t j = 0; j < batch->columns_count; j++) {
            fprintf(table->out, "%s%s=", j == 0 ? "" : " ", table->specs[j].name);
            write_value(table->out, batch, j, row);
            if (j + 1 == batch->columns_count) fputc('\n', table->out);
        }
    for (int32_t i = 0; i < batch->bad_count; i++) {
        size_t used = strlen(table->bad);
        const struct bad_cell *bad = &batch->bad[i];
        snprintf(table->bad + used, sizeof table->bad - used, "%lld/%d: %s: '%s'\n",
                 (long long)bad->line, bad->column, bad->reason, bad->text);
    }
    batch_free(batch);
    return SPOT_OK;
}

/* The caller frees result->text. */
static inline void read_table(const struct table_options *options, int threads,
                              const struct column_spec *specs, int32_t count,
                              struct table_text *result)
{
    *result = (struct table_text){.specs = specs};
    result->out = open_memstream(&result->text, &result->size);
    struct spot_pool *pool;
    struct table_reader *reader;
    CU_ASSERT_EQUAL_FATAL(pool_open(threads, &pool, NULL), SPOT_OK);
    result->status = table_open(options, pool, &reader, &result->error);
    if (result->status == SPOT_OK) {
        const struct table_visitor visitor = {.take = write_batch, .arg = result};
        result->status = table_each(reader, specs, count, &visitor, &result->error);
    }
    table_close(reader);
    pool_close(pool);
    fclose(result->out);
}

/* A file in the temporary folder that holds the bytes; path has room for 64. */
static inline void write_temporary(char *path, const void *bytes, size_t length)
{
    strcpy(path, "/tmp/blackspot-test-XXXXXX");
    int fd = mkstemp(path);
    CU_ASSERT_FATAL(fd >= 0);
    CU_ASSERT_FATAL(write(fd, bytes, length) == (ssize_t)length);
    close(fd);
}

static inline void expect_table(const struct table_text *result, const char *expected)
{
    bool as_expected = expected[0] == '!'
                           ? result->status < 0 && strstr(result->error.message, expected + 1)
                           : result->status == SPOT_OK && strcmp(result->text, expected) == 0;
    if (!as_expected)
        printf("\nexpected: %s\n     got: %s%s\n", expected, result->text,
               result->status < 0 ? result->error.message : "");
    CU_ASSERT(as_expected);
}

/* Reads text as a file with one thread and default options. */
static inline void read_text(const char *text, const struct column_spec *specs, int32_t count,
                             const char *expected)
{
    char path[64];
    write_temporary(path, text, strlen(text));
    const char *files[] = {path};
    const struct table_options options = {.files = files, .files_count = 1};
    struct table_text result;
    read_table(&options, 1, specs, count, &result);
    expect_table(&result, expected);
    free(result.text);
    unlink(path);
}

#endif
