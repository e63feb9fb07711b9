/* A batch is built slice by slice; it has room for as many rows as its piece has lines. */
#include "data/csv_build.h"

#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "base/memory.h"
#include "data/csv_convert.h"

void csv_work_free(struct csv_work *work)
{
    csv_cells_free(&work->cells);
    free(work->faults.list);
    for (int32_t j = 0; j < work->words_count; j++)
        free(work->words[j].slots);
    free(work->words);
    free(work->scratch);
    *work = (struct csv_work){0};
}

static int prepare_work(const struct csv_plan *plan, struct csv_work *work, struct spot_error *err)
{
    work->faults.count = work->faults.cells = work->faults.rows = 0;
    if (work->words == NULL) {
        work->words = spot_alloc_zero(plan->specs_count, sizeof *work->words);
        if (work->words == NULL) return spot_fail_memory(err, "reading a table");
        work->words_count = plan->specs_count;
    }
    int status = SPOT_OK;
    for (int32_t j = 0; j < plan->specs_count && status == SPOT_OK; j++)
        status = csv_words_clear(&work->words[j], err);
    return status;
}

static int add_column(enum column_type type, int64_t capacity, struct column *column,
                      struct spot_error *err)
{
    bool made;
    switch (type) {
    case COLUMN_CATEGORY:
        column->codes = spot_alloc(capacity, sizeof *column->codes);
        column->dictionary.bytes = malloc(1); /* never NULL, even without a text */
        column->dictionary.offsets = malloc(sizeof *column->dictionary.offsets);
        made = column->codes != NULL && column->dictionary.bytes != NULL &&
               column->dictionary.offsets != NULL;
        break;
    case COLUMN_TEXT:
        column->text_offsets = spot_alloc(capacity + 1, sizeof *column->text_offsets);
        column->text_bytes = malloc(1);
        made = column->text_offsets != NULL && column->text_bytes != NULL;
        if (made) column->text_offsets[0] = 0;
        break;
    default:
        column->values = spot_alloc(capacity, sizeof *column->values);
        made = column->values != NULL;
    }
    return made ? SPOT_OK : spot_fail_memory(err, "the columns of a batch");
}

static int open_batch(const struct csv_plan *plan, const struct csv_piece *piece, int64_t capacity,
                      struct batch **out, struct spot_error *err)
{
    struct batch *batch = *out = calloc(1, sizeof *batch);
    if (batch == NULL) return spot_fail_memory(err, "a batch");
    batch->columns_count = plan->specs_count;
    batch->file = plan->file_index;
    batch->first_line = piece->first_line;
    batch->bytes = piece->length;
    batch->columns = spot_alloc_zero(plan->specs_count, sizeof *batch->columns);
    if (batch->columns == NULL) return spot_fail_memory(err, "a batch");
    int status = SPOT_OK;
    for (int32_t j = 0; j < plan->specs_count && status == SPOT_OK; j++)
        status = add_column(plan->specs[j].type, capacity, &batch->columns[j], err);
    return status;
}

/* Line numbers are kept only where they are not consecutive. */
static int add_lines(struct batch *batch, int64_t capacity, const struct csv_cells *cells,
                     struct spot_error *err)
{
    int64_t i = 0;
    while (batch->lines == NULL && i < cells->rows && cells->lines[i] == batch->rows + i)
        i++;
    if (i == cells->rows) return SPOT_OK;
    if (batch->lines == NULL) {
        batch->lines = spot_alloc(capacity, sizeof *batch->lines);
        if (batch->lines == NULL) return spot_fail_memory(err, "line numbers");
        for (int64_t row = 0; row < batch->rows; row++)
            batch->lines[row] = row;
    }
    memcpy(batch->lines + batch->rows, cells->lines, (size_t)cells->rows * sizeof *cells->lines);
    return SPOT_OK;
}

static int compare_faults(const void *a, const void *b)
{
    const struct bad_cell *x = a, *y = b;
    if (x->line != y->line) return x->line < y->line ? -1 : 1;
    return (x->column > y->column) - (x->column < y->column);
}

/* The first few faults in order become the batch's. */
static int add_faults(struct batch *batch, struct csv_faults *faults, struct spot_error *err)
{
    batch->bad_cells = faults->cells;
    batch->bad_rows = faults->rows;
    if (faults->count == 0) return SPOT_OK;
    qsort(faults->list, (size_t)faults->count, sizeof *faults->list, compare_faults);
    batch->bad_count = (int32_t)(faults->count < CSV_FAULTS_KEPT ? faults->count : CSV_FAULTS_KEPT);
    batch->bad = spot_alloc(batch->bad_count, sizeof *batch->bad);
    if (batch->bad == NULL) return spot_fail_memory(err, "the list of bad cells");
    memcpy(batch->bad, faults->list, (size_t)batch->bad_count * sizeof *batch->bad);
    return SPOT_OK;
}

static int refuse_invalid_utf8(const struct csv_plan *plan, const struct csv_piece *piece,
                               struct spot_error *err)
{
    int64_t valid = utf8_valid(piece->text, piece->length), line = piece->first_line;
    if (valid == piece->length) return SPOT_OK;
    const char *begin = piece->text;
    for (const char *p = begin; p < piece->text + valid; p++)
        if (*p == '\n') {
            line++;
            begin = p + 1;
        }
    const char *end = memchr(begin, '\n', (size_t)(piece->text + piece->length - begin));
    if (end == NULL) end = piece->text + piece->length;
    char text[64];
    csv_show((struct csv_span){begin, end}, ENCODING_UTF8, text, sizeof text);
    return spot_fail(err, SPOT_EFORMAT,
                     "%s:%lld: not UTF-8 at byte %lld of the line: '%s'; if the file is older, try "
                     "`encoding: latin1` or `encoding: windows-1252`",
                     plan->file, (long long)line, (long long)(piece->text + valid - begin) + 1,
                     text);
}

static int build_slices(const struct csv_plan *plan, const struct csv_piece *piece,
                        int64_t capacity, struct csv_work *work, struct batch *batch,
                        struct spot_error *err)
{
    int status = SPOT_OK;
    struct csv_cursor cursor = {0};
    while (cursor.at < piece->length) {
        struct csv_growing growing = {.batch = batch,
                                      .first = batch->rows,
                                      .keep_faults = work->faults.count < CSV_FAULTS_KEPT};
        SPOT_TRY(csv_split(plan, piece, &cursor, &work->cells, &work->faults, err));
        for (int32_t j = 0; j < plan->specs_count; j++)
            SPOT_TRY(csv_convert(plan, piece, j, work, &growing, err));
        SPOT_TRY(add_lines(batch, capacity, &work->cells, err));
        batch->rows += work->cells.rows;
        cursor.row = batch->rows;
    }
out:
    return status;
}

int csv_build(const struct csv_plan *plan, const struct csv_piece *piece, struct csv_work *work,
              struct batch **out, struct spot_error *err)
{
    *out = NULL;
    struct batch *batch = NULL;
    int status = SPOT_OK;
    int64_t capacity = piece->lines + 1;
    if (piece->high && plan->encoding == ENCODING_UTF8)
        SPOT_TRY(refuse_invalid_utf8(plan, piece, err));
    SPOT_TRY(prepare_work(plan, work, err));
    SPOT_TRY(open_batch(plan, piece, capacity, &batch, err));
    SPOT_TRY(build_slices(plan, piece, capacity, work, batch, err));
    SPOT_TRY(add_faults(batch, &work->faults, err));
    *out = batch;
    batch = NULL;
out:
    batch_free(batch);
    return status;
}
