/* Scores on their way out: one row per record as CSV (RFC 4180 quotes, line feeds), JSON lines, or
 * .npy. A row is composed in a buffer that is sure to hold it, then handed on. */
#include <math.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "base/memory.h"
#include "data/npy.h"
#include "data/writer.h"

enum score_format { SCORES_CSV, SCORES_JSONL, SCORES_NPY };

enum { NUMBER_ROOM = 32 }; /* what format_double may need, and a separator */

struct score_writer {
    struct writer *writer;
    enum score_format format;
    bool has_ids;
    int32_t columns;
    char **keys; /* (columns + 1) what stands before a value: ",", or in JSON ",\"name\":"; the
                    first is the id's */
    size_t *key_sizes; /* (columns + 1) */
    size_t row_room;   /* of everything in a row but the id */
    char *row;
    int64_t row_capacity;
    int is_label; /* of all columns of a .npy */
    int64_t announced, written;
};

/* ---- Text ------------------------------------------------------------------------------------ */

/* Quoted only where RFC 4180 asks for it. Needs 2 * size + 2 bytes; returns the end. */
static char *put_csv_text(char *at, const char *text, size_t size)
{
    bool plain = true;
    for (size_t i = 0; i < size && plain; i++)
        plain = text[i] != ',' && text[i] != '"' && text[i] != '\n' && text[i] != '\r';
    if (plain) {
        memcpy(at, text, size);
        return at + size;
    }
    *at++ = '"';
    for (size_t i = 0; i < size; i++) {
        if (text[i] == '"') *at++ = '"';
        *at++ = text[i];
    }
    *at++ = '"';
    return at;
}

/* Bytes of the UTF-8 character at text, or 0 when it is none (RFC 3629: no surrogates, nothing
 * longer than needed). */
static size_t utf8_size(const unsigned char *text, size_t left)
{
    unsigned char first = text[0];
    if (first < 0x80) return 1;
    size_t size = first >= 0xc2 && first <= 0xdf   ? 2
                  : first >= 0xe0 && first <= 0xef ? 3
                  : first >= 0xf0 && first <= 0xf4 ? 4
                                                   : 0;
    if (size == 0 || size > left) return 0;
    for (size_t i = 1; i < size; i++)
        if ((text[i] & 0xc0) != 0x80) return 0;
    unsigned char second = text[1];
    bool wrong = (first == 0xe0 && second < 0xa0) || (first == 0xed && second > 0x9f) ||
                 (first == 0xf0 && second < 0x90) || (first == 0xf4 && second > 0x8f);
    return wrong ? 0 : size;
}

/* A JSON string; bytes that are no UTF-8 become U+FFFD. Needs 6 * size + 2 bytes. */
static char *put_json_text(char *at, const char *text, size_t size)
{
    static const char hex[] = "0123456789abcdef";
    *at++ = '"';
    for (size_t i = 0; i < size;) {
        unsigned char byte = (unsigned char)text[i];
        size_t length = utf8_size((const unsigned char *)text + i, size - i);
        if (length == 0) {
            memcpy(at, "\xef\xbf\xbd", 3);
            at += 3;
            i++;
        } else if (byte < 0x20) {
            memcpy(at, "\\u00", 4);
            at[4] = hex[byte >> 4];
            at[5] = hex[byte & 15];
            at += 6;
            i++;
        } else {
            if (byte == '"' || byte == '\\') *at++ = '\\';
            memcpy(at, text + i, length);
            at += length;
            i += length;
        }
    }
    *at++ = '"';
    return at;
}

/* ---- Opening --------------------------------------------------------------------------------- */

static bool ends_in(const char *text, const char *end)
{
    size_t length = strlen(text), tail = strlen(end);
    return length >= tail && strcmp(text + length - tail, end) == 0;
}

static int find_format(const char *path, enum score_format *format, struct spot_error *err)
{
    static const struct {
        const char *end;
        enum score_format format;
    } endings[] = {{".csv", SCORES_CSV},        {".csv.gz", SCORES_CSV},
                   {".csv.zst", SCORES_CSV},    {".jsonl", SCORES_JSONL},
                   {".jsonl.gz", SCORES_JSONL}, {".jsonl.zst", SCORES_JSONL},
                   {".npy", SCORES_NPY}};
    for (size_t i = 0; i < sizeof endings / sizeof endings[0]; i++)
        if (ends_in(path, endings[i].end)) {
            *format = endings[i].format;
            return SPOT_OK;
        }
    *format = SCORES_CSV;
    if (strcmp(path, "-") == 0 || strncmp(path, "/dev/", 5) == 0) return SPOT_OK;
    return spot_fail(err, SPOT_EUSAGE,
                     "%s: the name says no format for scores; end it in .csv, .jsonl (each also "
                     "with .gz or .zst) or .npy",
                     path);
}

static int check_npy(const char *path, const char *id_name, const int *is_label, int32_t columns,
                     struct spot_error *err)
{
    if (id_name != NULL)
        return spot_fail(err, SPOT_EUSAGE,
                         "%s: a .npy file holds numbers alone and cannot carry the id '%s'; write "
                         ".csv or .jsonl, or leave the id out",
                         path, id_name);
    for (int32_t i = 1; i < columns; i++)
        if (is_label[i] != is_label[0])
            return spot_fail(
                err, SPOT_EUSAGE,
                "%s: a .npy file holds columns of one type, not labels beside numbers; "
                "write .csv or .jsonl, or ask for one column",
                path);
    return SPOT_OK;
}

/* What stands before value i of a row (0: the id). NULL without memory. */
static char *make_key(const struct score_writer *scores, const char *name, int32_t i, size_t *size)
{
    bool first = i == (scores->has_ids ? 0 : 1);
    size_t length = strlen(name);
    char *key = malloc(6 * length + 8), *at = key;
    if (key == NULL) return NULL;
    if (scores->format == SCORES_JSONL) {
        *at++ = first ? '{' : ',';
        at = put_json_text(at, name, length);
        *at++ = ':';
    } else if (!first) {
        *at++ = ',';
    }
    *size = (size_t)(at - key);
    return key;
}

static int make_keys(struct score_writer *scores, const char *id_name, const char *const *names,
                     struct spot_error *err)
{
    scores->keys = spot_alloc_zero(scores->columns + 1, sizeof *scores->keys);
    scores->key_sizes = spot_alloc_zero(scores->columns + 1, sizeof *scores->key_sizes);
    if (scores->keys == NULL || scores->key_sizes == NULL) return spot_fail_memory(err, "scores");
    scores->row_room = 8;
    for (int32_t i = scores->has_ids ? 0 : 1; i <= scores->columns; i++) {
        const char *name = i == 0 ? id_name : names[i - 1];
        scores->keys[i] = make_key(scores, name, i, &scores->key_sizes[i]);
        if (scores->keys[i] == NULL) return spot_fail_memory(err, "scores");
        scores->row_room += scores->key_sizes[i] + NUMBER_ROOM;
    }
    return SPOT_OK;
}

static int put_csv_header(struct score_writer *scores, const char *id_name,
                          const char *const *names, struct spot_error *err)
{
    int status = SPOT_OK;
    for (int32_t i = scores->has_ids ? 0 : 1; i <= scores->columns && status == SPOT_OK; i++) {
        const char *name = i == 0 ? id_name : names[i - 1];
        char *text = malloc(2 * strlen(name) + 3);
        if (text == NULL) return spot_fail_memory(err, "scores");
        char *at = put_csv_text(text, name, strlen(name));
        *at++ = i == scores->columns ? '\n' : ',';
        status = writer_put(scores->writer, text, (size_t)(at - text), err);
        free(text);
    }
    return status;
}

/* One column is an array of one dimension. */
static int32_t npy_columns(const struct score_writer *scores)
{
    return scores->columns == 1 ? 0 : scores->columns;
}

static int put_npy_header(struct score_writer *scores, struct spot_error *err)
{
    int64_t rows = scores->announced < 0 ? 0 : scores->announced;
    return npy_write_header(scores->writer, scores->is_label ? "<i4" : "<f8", rows,
                            npy_columns(scores), err);
}

int score_writer_open(const char *path, const char *id_name, const char *const *names,
                      const int *is_label, int32_t columns, int64_t rows,
                      struct score_writer **writer, struct spot_error *err)
{
    int status;
    enum score_format format;
    *writer = NULL;
    if ((status = find_format(path, &format, err)) < 0) return status;
    if (format == SCORES_NPY && (status = check_npy(path, id_name, is_label, columns, err)) < 0)
        return status;
    struct score_writer *scores = calloc(1, sizeof *scores);
    if (scores == NULL) return spot_fail_memory(err, "scores");
    scores->format = format;
    scores->has_ids = id_name != NULL;
    scores->columns = columns;
    scores->announced = rows;
    scores->is_label = columns > 0 && is_label[0];
    SPOT_TRY(make_keys(scores, id_name, names, err));
    SPOT_TRY(writer_open(path, &scores->writer, err));
    if (format == SCORES_CSV) SPOT_TRY(put_csv_header(scores, id_name, names, err));
    if (format == SCORES_NPY) SPOT_TRY(put_npy_header(scores, err));
    *writer = scores;
    return SPOT_OK;
out:
    score_writer_abandon(scores);
    return status;
}

/* ---- Rows ------------------------------------------------------------------------------------ */

/* JSON has no word for infinity and none for "not a number". */
static char *put_value(const struct score_writer *scores, char *at,
                       const struct score_column *column, int64_t row)
{
    double value = column->labels != NULL ? (double)column->labels[row] : column->values[row];
    if (scores->format == SCORES_JSONL && !isfinite(value)) {
        memcpy(at, "null", 4);
        return at + 4;
    }
    return at + format_double(value, at);
}

static char *put_id(const struct score_writer *scores, char *at, const char *id, size_t size)
{
    memcpy(at, scores->keys[0], scores->key_sizes[0]);
    at += scores->key_sizes[0];
    return scores->format == SCORES_JSONL ? put_json_text(at, id, size)
                                          : put_csv_text(at, id, size);
}

/* One row of text; id is NULL without ids. */
static int put_row(struct score_writer *scores, int64_t row, const char *id, size_t id_size,
                   const struct score_column *columns, struct spot_error *err)
{
    size_t needed = scores->row_room + 6 * id_size;
    if (spot_grow((void **)&scores->row, &scores->row_capacity, (int64_t)needed, 1) < 0)
        return spot_fail_memory(err, "scores");
    char *at = scores->row;
    if (id != NULL) at = put_id(scores, at, id, id_size);
    for (int32_t j = 0; j < scores->columns; j++) {
        memcpy(at, scores->keys[j + 1], scores->key_sizes[j + 1]);
        at = put_value(scores, at + scores->key_sizes[j + 1], &columns[j], row);
    }
    if (scores->format == SCORES_JSONL) *at++ = '}';
    *at++ = '\n';
    return writer_put(scores->writer, scores->row, (size_t)(at - scores->row), err);
}

static int put_number(struct score_writer *scores, int64_t first, int64_t rows,
                      const struct score_column *column, struct spot_error *err)
{
    const void *values = scores->is_label ? (const void *)(column->labels + first)
                                          : (const void *)(column->values + first);
    size_t size = scores->is_label ? sizeof *column->labels : sizeof *column->values;
    return writer_put(scores->writer, values, (size_t)rows * size, err);
}

/* Row by row where there are several columns. */
static int put_numbers(struct score_writer *scores, int64_t rows,
                       const struct score_column *columns, struct spot_error *err)
{
    int status = SPOT_OK;
    if (scores->columns == 1) return put_number(scores, 0, rows, columns, err);
    for (int64_t i = 0; i < rows; i++)
        for (int32_t j = 0; j < scores->columns && status == SPOT_OK; j++)
            status = put_number(scores, i, 1, &columns[j], err);
    return status;
}

int score_writer_put(struct score_writer *scores, int64_t rows, const int64_t *id_offsets,
                     const char *id_bytes, const struct score_column *columns,
                     struct spot_error *err)
{
    int status = SPOT_OK;
    if (scores->format == SCORES_NPY) status = put_numbers(scores, rows, columns, err);
    for (int64_t i = 0; i < rows && status == SPOT_OK && scores->format != SCORES_NPY; i++) {
        const char *id = scores->has_ids ? id_bytes + id_offsets[i] : NULL;
        size_t id_size = scores->has_ids ? (size_t)(id_offsets[i + 1] - id_offsets[i]) : 0;
        status = put_row(scores, i, id, id_size, columns, err);
    }
    scores->written += rows;
    return status;
}

/* ---- Closing --------------------------------------------------------------------------------- */

static int finish_npy_header(struct score_writer *scores, struct spot_error *err)
{
    char header[NPY_HEADER_BYTES];
    if (scores->format != SCORES_NPY || scores->written == scores->announced) return SPOT_OK;
    npy_make_header(scores->is_label ? "<i4" : "<f8", scores->written, npy_columns(scores), header);
    return writer_rewrite_start(scores->writer, header, sizeof header, err);
}

int score_writer_commit(struct score_writer *scores, struct spot_error *err)
{
    int status = finish_npy_header(scores, err);
    if (status == SPOT_OK) {
        status = writer_commit(scores->writer, err);
        scores->writer = NULL;
    }
    score_writer_abandon(scores);
    return status;
}

void score_writer_abandon(struct score_writer *scores)
{
    if (scores == NULL) return;
    writer_abandon(scores->writer);
    for (int32_t i = 0; scores->keys != NULL && i <= scores->columns; i++)
        free(scores->keys[i]);
    free(scores->keys);
    free(scores->key_sizes);
    free(scores->row);
    free(scores);
}
