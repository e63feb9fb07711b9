/* Two ways to the same cells: text without quotes is split at the positions of its separators,
 * text with quotes goes record by record through libcsv. */
#define _GNU_SOURCE
#include "data/csv_split.h"

#include <csv.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "base/memory.h"
#include "data/csv_scan.h"
#include "data/decimal.h"

enum { SLICE = CSV_CHUNK / 8 };

void csv_cells_free(struct csv_cells *cells)
{
    free(cells->cells);
    free(cells->lines);
    free(cells->positions);
    free(cells->ends);
    free(cells->bytes);
    *cells = (struct csv_cells){0};
}

int csv_fault(struct csv_faults *faults, const struct csv_plan *plan, int32_t column, int64_t row,
              int64_t line, const char *reason, struct csv_span text, struct spot_error *err)
{
    if (spot_grow((void **)&faults->list, &faults->capacity, faults->count + 1,
                  sizeof *faults->list) < 0)
        return spot_fail_memory(err, "the list of bad cells");
    struct bad_cell *bad = &faults->list[faults->count++];
    *bad = (struct bad_cell){.row = row, .line = line, .column = column};
    snprintf(bad->reason, sizeof bad->reason, "%s", reason);
    csv_show(text, plan->encoding, bad->text, sizeof bad->text);
    return SPOT_OK;
}

/* A record that is no row: dropped and counted, or the end. */
static int bad_row(const struct csv_plan *plan, const struct csv_piece *piece,
                   const struct csv_cursor *cursor, const struct csv_cells *cells,
                   struct csv_span record, const char *reason, struct csv_faults *faults,
                   struct spot_error *err)
{
    int64_t line = piece->first_line + cursor->line;
    while (record.end > record.begin && (record.end[-1] == '\n' || record.end[-1] == '\r'))
        record.end--;
    if (!plan->drop) {
        char text[64];
        csv_show(record, plan->encoding, text, sizeof text);
        return spot_fail(err, SPOT_EDATA, "%s:%lld: %s: '%s'", plan->file, (long long)line, reason,
                         text);
    }
    faults->rows++;
    if (faults->rows > CSV_FAULTS_KEPT) return SPOT_OK;
    return csv_fault(faults, plan, -1, cursor->row + cells->rows, line, reason, record, err);
}

static int ragged_row(const struct csv_plan *plan, const struct csv_piece *piece,
                      const struct csv_cursor *cursor, const struct csv_cells *cells,
                      struct csv_span record, int64_t fields, struct csv_faults *faults,
                      struct spot_error *err)
{
    char reason[80];
    snprintf(reason, sizeof reason, "%lld field%s where the header has %d", (long long)fields,
             fields == 1 ? "" : "s", plan->fields);
    return bad_row(plan, piece, cursor, cells, record, reason, faults, err);
}

/* Room for the rows of a slice of `bytes` with at most `lines` lines: a row has a separator after
 * each of its fields, and one without a single byte before it is a blank line. */
static int reserve_rows(const struct csv_plan *plan, struct csv_cells *cells, int64_t bytes,
                        int64_t lines, struct spot_error *err)
{
    int64_t rows = bytes / (plan->fields < 2 ? 2 : plan->fields) + 2;
    if (rows > lines) rows = lines;
    if (rows <= cells->capacity) return SPOT_OK;
    int64_t needed;
    if (__builtin_mul_overflow(rows, (int64_t)plan->wanted_count, &needed) ||
        spot_grow((void **)&cells->cells, &cells->cells_capacity, needed, sizeof *cells->cells) <
            0 ||
        spot_grow((void **)&cells->lines, &cells->lines_capacity, rows, sizeof *cells->lines) < 0)
        return spot_fail_memory(err, "the cells of a table");
    cells->capacity = rows;
    return SPOT_OK;
}

static bool is_blank_line(const char *text, const char *end, char delimiter)
{
    while (text < end && csv_is_blank(*text, delimiter))
        text++;
    return text == end;
}

/* ---- Without quotes -------------------------------------------------------------------------- */

/* The end of the next slice: whole lines of about SLICE bytes, at least one. */
static int64_t slice_end(const struct csv_piece *piece, int64_t at)
{
    if (piece->length - at <= SLICE) return piece->length;
    const char *text = piece->text + at;
    const char *feed = memrchr(text, '\n', SLICE);
    if (feed == NULL) feed = memchr(text + SLICE, '\n', (size_t)(piece->length - at - SLICE));
    return feed == NULL ? piece->length : feed + 1 - piece->text;
}

/* What is wrong with a line although its fields are as many as the header's, or NULL. */
static const char *line_fault(const struct csv_piece *piece, const char *text, const char *end)
{
    if (end - text >= CSV_LIMIT) return "a line longer than 1 MiB";
    if (piece->nul && memchr(text, '\0', (size_t)(end - text)) != NULL) return "a NUL byte";
    return NULL;
}

/* Notes the wanted cells of the row whose fields end at positions[0], positions[1], ...; the entry
 * before those is the end of the row above. */
static void take_row(const struct csv_plan *plan, const uint32_t *positions, int64_t line,
                     struct csv_cells *cells)
{
    int64_t row = cells->rows++;
    cells->lines[row] = line;
    struct csv_cell *cell = cells->cells + row;
    for (int32_t i = 0; i < plan->wanted_count; i++, cell += cells->capacity) {
        const uint32_t *end = positions + plan->wanted[i];
        *cell = (struct csv_cell){end[-1] + 1, end[0]};
    }
}

/* Separators of [text, text + length), the end of a last line without line feed among them.
 * positions[0] is one before the text. */
static int find_separators(const struct csv_plan *plan, const char *text, int64_t length,
                           struct csv_cells *cells, int64_t *lines, struct spot_error *err)
{
    if (spot_grow((void **)&cells->positions, &cells->positions_capacity, length + 2,
                  sizeof *cells->positions) < 0 ||
        spot_grow((void **)&cells->ends, &cells->ends_capacity, length + 1, sizeof *cells->ends) <
            0)
        return spot_fail_memory(err, "splitting lines");
    cells->positions[0] = UINT32_MAX;
    int64_t count =
        csv_separators(text, length, plan->delimiter, cells->positions + 1, cells->ends, lines);
    if (length > 0 && text[length - 1] != '\n') {
        cells->positions[count + 1] = (uint32_t)length;
        cells->ends[(*lines)++] = (uint32_t)count;
    }
    return reserve_rows(plan, cells, length, *lines, err);
}

static int split_plain(const struct csv_plan *plan, const struct csv_piece *piece,
                       struct csv_cursor *cursor, struct csv_cells *cells,
                       struct csv_faults *faults, struct spot_error *err)
{
    const char *text = piece->text + cursor->at;
    int64_t length = slice_end(piece, cursor->at) - cursor->at, lines;
    int status = find_separators(plan, text, length, cells, &lines, err);
    bool suspect = piece->nul || length > CSV_LIMIT;
    uint32_t first = 0; /* separator that ends the line's first field */
    for (int64_t i = 0; i < lines && status == SPOT_OK; i++, cursor->line++) {
        const uint32_t *positions = cells->positions + 1 + first;
        const char *begin = text + (uint32_t)(positions[-1] + 1);
        const char *end = text + cells->positions[1 + cells->ends[i]];
        int64_t fields = (int64_t)cells->ends[i] - first + 1;
        first = cells->ends[i] + 1;
        if (fields == 1 && is_blank_line(begin, end, plan->delimiter)) continue;
        const char *fault = suspect ? line_fault(piece, begin, end) : NULL;
        struct csv_span record = {begin, end};
        if (fault != NULL)
            status = bad_row(plan, piece, cursor, cells, record, fault, faults, err);
        else if (fields != plan->fields)
            status = ragged_row(plan, piece, cursor, cells, record, fields, faults, err);
        else
            take_row(plan, positions, cursor->line, cells);
    }
    cells->text = text;
    cursor->at += length;
    return status;
}

/* ---- With quotes ----------------------------------------------------------------------------- */

/* What libcsv's callbacks fill. */
struct record {
    const struct csv_plan *plan;
    struct csv_cells *cells;
    int64_t field; /* fields seen */
    int32_t next;  /* wanted field that comes next */
    int rows;      /* ends of rows seen */
    bool failed;   /* no memory */
};

static void take_field(void *bytes, size_t length, void *arg)
{
    struct record *record = arg;
    struct csv_cells *cells = record->cells;
    const struct csv_plan *plan = record->plan;
    int64_t field = record->field++;
    if (record->next == plan->wanted_count || plan->wanted[record->next] != field) return;
    int64_t begin = cells->bytes_count, end = begin + (int64_t)length;
    if (end > UINT32_MAX ||
        spot_grow((void **)&cells->bytes, &cells->bytes_capacity, end + DECIMAL_SLACK, 1) < 0) {
        record->failed = true;
        return;
    }
    if (length > 0) memcpy(cells->bytes + begin, bytes, length);
    memset(cells->bytes + end, 0, DECIMAL_SLACK);
    cells->bytes_count = end;
    cells->cells[record->next++ * cells->capacity + cells->rows] =
        (struct csv_cell){(uint32_t)begin, (uint32_t)end};
}

static void end_row(int feed, void *arg)
{
    (void)feed;
    ((struct record *)arg)->rows++;
}

static int is_space(unsigned char c)
{
    return csv_is_blank((char)c, '\0');
}

static int is_feed(unsigned char c)
{
    return c == '\n';
}

/* Feeds one record to libcsv and takes its cells. */
static int take_record(struct record *record, struct csv_parser *parser,
                       const struct csv_piece *piece, const struct csv_cursor *cursor,
                       struct csv_span text, struct csv_faults *faults, struct spot_error *err)
{
    const struct csv_plan *plan = record->plan;
    struct csv_cells *cells = record->cells;
    size_t length = (size_t)(text.end - text.begin);
    int64_t bytes_count = cells->bytes_count;
    record->field = record->next = record->rows = 0;
    bool parsed = csv_parse(parser, text.begin, length, take_field, end_row, record) == length &&
                  csv_fini(parser, take_field, end_row, record) == 0;
    if (!parsed || record->failed) return spot_fail_memory(err, "a record with quotes");
    if (record->rows == 0) return SPOT_OK; /* a blank line */
    if (record->field == plan->fields && record->rows == 1) {
        cells->lines[cells->rows++] = cursor->line;
        return SPOT_OK;
    }
    cells->bytes_count = bytes_count;
    return ragged_row(plan, piece, cursor, cells, text, record->field, faults, err);
}

static int split_records(struct record *record, struct csv_parser *parser,
                         const struct csv_piece *piece, struct csv_cursor *cursor,
                         struct csv_faults *faults, struct spot_error *err)
{
    const struct csv_plan *plan = record->plan;
    const char *end = piece->text + piece->length;
    int64_t stop = cursor->at + SLICE;
    while (cursor->at < piece->length && cursor->at < stop) {
        struct csv_span text = {.begin = piece->text + cursor->at};
        enum csv_record kind = csv_record_end(text.begin, end, true, plan->delimiter, &text.end);
        const char *fault = kind == CSV_UNCLOSED
                                ? "a quote that is never closed"
                                : line_fault(piece, text.begin, text.end - (text.end[-1] == '\n'));
        int status;
        if (fault != NULL)
            status = bad_row(plan, piece, cursor, record->cells, text, fault, faults, err);
        else
            status = take_record(record, parser, piece, cursor, text, faults, err);
        if (status < 0) return status;
        cursor->line += csv_feeds(text.begin, text.end);
        cursor->at = text.end - piece->text;
    }
    return SPOT_OK;
}

static int split_quoted(const struct csv_plan *plan, const struct csv_piece *piece,
                        struct csv_cursor *cursor, struct csv_cells *cells,
                        struct csv_faults *faults, struct spot_error *err)
{
    struct csv_parser parser;
    csv_init(&parser, 0);
    csv_set_delim(&parser, (unsigned char)plan->delimiter);
    csv_set_space_func(&parser, is_space);
    csv_set_term_func(&parser, is_feed);
    csv_set_blk_size(&parser, 4096);
    struct record record = {.plan = plan, .cells = cells};
    cells->bytes_count = 0;
    int status = reserve_rows(plan, cells, SLICE, INT64_MAX, err);
    if (status == SPOT_OK) status = split_records(&record, &parser, piece, cursor, faults, err);
    csv_free(&parser);
    cells->text = cells->bytes;
    return status;
}

int csv_split(const struct csv_plan *plan, const struct csv_piece *piece, struct csv_cursor *cursor,
              struct csv_cells *cells, struct csv_faults *faults, struct spot_error *err)
{
    cells->rows = 0;
    return piece->quotes ? split_quoted(plan, piece, cursor, cells, faults, err)
                         : split_plain(plan, piece, cursor, cells, faults, err);
}
