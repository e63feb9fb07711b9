/* One loop for each type of column. A blank cell and a missing code become NaN, or -1. */
#include "data/csv_convert.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "base/error.h"
#include "base/memory.h"
#include "data/decimal.h"

/* A column's cells in a slice, and where they go. */
struct task {
    const struct csv_plan *plan;
    const struct csv_piece *piece;
    const struct column_spec *spec;
    const struct csv_target *target;
    struct csv_work *work;
    struct csv_growing *growing;
    struct column *column;
    int32_t index; /* of the column */
    int64_t rows;
    int kept; /* faults recorded for this column and slice */
    struct spot_error *err;
};

static struct csv_span cell_at(const struct task *task, int32_t source, int64_t row)
{
    const struct csv_cells *cells = &task->work->cells;
    struct csv_cell cell = cells->cells[source * cells->capacity + row];
    if (cell.begin == cell.end) return (struct csv_span){"", ""};
    return (struct csv_span){cells->text + cell.begin, cells->text + cell.end};
}

/* Most cells have no blanks around them, and trimming them is two comparisons. */
static struct csv_span trimmed_cell(const struct task *task, int32_t source, int64_t row)
{
    struct csv_span span = cell_at(task, source, row);
    if (span.begin < span.end && (unsigned char)(span.begin[0] - '!') < 0x5e &&
        (unsigned char)(span.end[-1] - '!') < 0x5e)
        return span;
    return csv_trim(span, task->plan->encoding);
}

static bool same_text(struct csv_span span, const char *text)
{
    size_t length = (size_t)(span.end - span.begin);
    return strlen(text) == length && memcmp(span.begin, text, length) == 0;
}

static bool is_missing_text(const struct column_spec *spec, struct csv_span span)
{
    for (int i = 0; i < spec->missing_count; i++)
        if (same_text(span, spec->missing[i])) return true;
    return false;
}

static bool is_missing_value(const struct csv_target *target, double value)
{
    for (int32_t i = 0; i < target->missing_count; i++)
        if (value == target->missing[i]) return true;
    return false;
}

/* Records a cell that could not be read, unless it is a missing code after all. */
static int bad_cell(struct task *task, int64_t row, struct csv_span span, const char *reason)
{
    if (is_missing_text(task->spec, span)) return SPOT_OK;
    struct csv_faults *faults = &task->work->faults;
    faults->cells++;
    if (!task->growing->keep_faults || task->kept == CSV_FAULTS_KEPT) return SPOT_OK;
    task->kept++;
    int64_t line = task->piece->first_line + task->work->cells.lines[row];
    return csv_fault(faults, task->plan, task->index, task->growing->first + row, line, reason,
                     span, task->err);
}

/* ---- Numbers --------------------------------------------------------------------------------- */

/* Reads a number of any shape; NaN where there is none. */
static int read_number(struct task *task, int64_t row, double *out)
{
    const double exact = 9007199254740992.0; /* 2^53 */
    const bool integer = task->spec->type == COLUMN_INTEGER;
    const char point = task->spec->decimal == ',' ? ',' : '.';
    struct csv_span span = trimmed_cell(task, task->target->first, row);
    double value = 0;
    const char *reason = NULL;
    *out = NAN;
    if (span.begin == span.end) return SPOT_OK;
    enum decimal_result result = DECIMAL_OK;
    if (!decimal_parse_fixed(span.begin, span.end, point, &value))
        result = decimal_parse(span.begin, span.end, point, &value);
    if (result == DECIMAL_INVALID)
        reason = "not a number";
    else if (result == DECIMAL_RANGE)
        reason = "a number out of range";
    else if (integer && fabs(value) > exact)
        reason = "a whole number beyond 2^53";
    else if (integer && value != (double)(int64_t)value)
        reason = "not a whole number";
    if (reason != NULL) return bad_cell(task, row, span, reason);
    *out = value;
    return SPOT_OK;
}

/* The facts a number of any shape may change. */
static void judge_number(double value, struct column_facts *facts)
{
    const double limit = 9007199254740992.0;
    if (isnan(value)) return;
    facts->float32 = facts->float32 && (double)(float)value == value;
    facts->whole = facts->whole && fabs(value) <= limit && (double)(int64_t)value == value &&
                   !(value == 0.0 && signbit(value));
}

/* Most cells are a few digits and nothing else: whole numbers, and no larger than a float32 holds
 * exactly. */
static int convert_numbers(struct task *task)
{
    const struct csv_cells *cells = &task->work->cells;
    const struct csv_cell *cell = cells->cells + task->target->first * cells->capacity;
    const bool codes = task->target->missing_count > 0;
    struct column_facts facts = task->column->facts;
    double *values = task->column->values + task->growing->first;
    if (!facts.known) facts = (struct column_facts){true, true, true, 0, INFINITY, -INFINITY};
    for (int64_t i = 0; i < task->rows; i++) {
        uint64_t number;
        uint32_t length = cell[i].end - cell[i].begin;
        if (length - 1 < 7 && decimal_digits(cells->text + cell[i].begin, length, &number)) {
            values[i] = (double)(int64_t)number;
        } else {
            int status = read_number(task, i, &values[i]);
            if (status < 0) return status;
            judge_number(values[i], &facts);
        }
        double value = values[i];
        if (codes && is_missing_value(task->target, value)) values[i] = value = NAN;
        facts.missing += value != value;
        facts.minimum = value < facts.minimum ? value : facts.minimum;
        facts.maximum = value > facts.maximum ? value : facts.maximum;
    }
    task->column->facts = facts;
    return SPOT_OK;
}

static bool read_boolean(struct csv_span span, double *value)
{
    static const char *const words[] = {"0", "1", "false", "true", "no", "yes", "f", "t", "n", "y"};
    size_t length = (size_t)(span.end - span.begin);
    for (int i = 0; i < 10; i++) {
        if (strlen(words[i]) != length || strncasecmp(span.begin, words[i], length) != 0) continue;
        *value = i % 2;
        return true;
    }
    return false;
}

static int convert_booleans(struct task *task)
{
    double *values = task->column->values + task->growing->first;
    for (int64_t i = 0; i < task->rows; i++) {
        struct csv_span span = trimmed_cell(task, task->target->first, i);
        values[i] = NAN;
        if (span.begin == span.end || is_missing_text(task->spec, span)) continue;
        if (read_boolean(span, &values[i])) continue;
        int status = bad_cell(task, i, span, "not a boolean (0/1, true/false, yes/no)");
        if (status < 0) return status;
    }
    return SPOT_OK;
}

/* ---- Timestamps ------------------------------------------------------------------------------ */

static int reserve_scratch(struct task *task, int64_t bytes)
{
    struct csv_work *work = task->work;
    if (spot_grow((void **)&work->scratch, &work->scratch_capacity, bytes, 1) < 0)
        return spot_fail_memory(task->err, "a cell");
    return SPOT_OK;
}

/* Date and time with one blank between them. */
static int join_cells(struct task *task, struct csv_span date, struct csv_span time,
                      struct csv_span *joined)
{
    size_t left = (size_t)(date.end - date.begin), right = (size_t)(time.end - time.begin);
    int status = reserve_scratch(task, (int64_t)(left + right + 1));
    if (status < 0) return status;
    char *out = task->work->scratch;
    memcpy(out, date.begin, left);
    out[left] = ' ';
    memcpy(out + left + 1, time.begin, right);
    *joined = (struct csv_span){out, out + left + 1 + right};
    return SPOT_OK;
}

static int convert_timestamps(struct task *task)
{
    const struct csv_target *target = task->target;
    double *values = task->column->values + task->growing->first;
    for (int64_t i = 0; i < task->rows; i++) {
        struct csv_span span = trimmed_cell(task, target->first, i);
        values[i] = NAN;
        if (span.begin == span.end || is_missing_text(task->spec, span)) continue;
        int status = SPOT_OK;
        if (target->second >= 0) {
            struct csv_span time = trimmed_cell(task, target->second, i);
            if (time.begin == time.end || is_missing_text(task->spec, time)) continue;
            status = join_cells(task, span, time, &span);
        }
        double value;
        if (status == SPOT_OK && !csv_time_parse(target->time, span.begin, span.end, &value))
            status = bad_cell(task, i, span, "not a date of the given format");
        else if (status == SPOT_OK && !is_missing_value(target, value))
            values[i] = value;
        if (status < 0) return status;
    }
    return SPOT_OK;
}

/* ---- Categories ------------------------------------------------------------------------------ */

struct csv_word {
    uint32_t hash;
    int32_t code; /* -1: the slot is free */
};

enum { FIRST_SLOTS = 64 };

int csv_words_clear(struct csv_words *words, struct spot_error *err)
{
    if (words->slots == NULL) {
        words->slots = malloc(FIRST_SLOTS * sizeof *words->slots);
        if (words->slots == NULL) return spot_fail_memory(err, "a dictionary");
        words->mask = FIRST_SLOTS - 1;
    }
    memset(words->slots, 0xff, ((size_t)words->mask + 1) * sizeof *words->slots);
    words->bytes_count = words->bytes_capacity = words->offsets_capacity = 0;
    return SPOT_OK;
}

/* Eight bytes at a time, mixed by a multiplication (Fibonacci hashing). */
static uint32_t hash_text(struct csv_span span)
{
    uint64_t hash = (uint64_t)(span.end - span.begin), word;
    const char *p = span.begin;
    for (; span.end - p >= 8; p += 8) {
        memcpy(&word, p, 8);
        hash = (hash ^ word) * UINT64_C(0x9e3779b97f4a7c15);
        hash ^= hash >> 32;
    }
    word = 0;
    memcpy(&word, p, (size_t)(span.end - p));
    hash = (hash ^ word) * UINT64_C(0x9e3779b97f4a7c15);
    return (uint32_t)(hash >> 32);
}

static int grow_slots(struct csv_words *words, struct spot_error *err)
{
    uint32_t mask = words->mask * 2 + 1;
    struct csv_word *slots = malloc(((size_t)mask + 1) * sizeof *slots);
    if (slots == NULL) return spot_fail_memory(err, "a dictionary");
    memset(slots, 0xff, ((size_t)mask + 1) * sizeof *slots);
    for (uint32_t i = 0; i <= words->mask; i++) {
        if (words->slots[i].code < 0) continue;
        uint32_t at = words->slots[i].hash & mask;
        while (slots[at].code >= 0)
            at = (at + 1) & mask;
        slots[at] = words->slots[i];
    }
    free(words->slots);
    words->slots = slots;
    words->mask = mask;
    return SPOT_OK;
}

static int add_word(struct csv_words *words, struct dictionary *dictionary, struct csv_span span,
                    struct spot_error *err)
{
    int64_t length = span.end - span.begin;
    if (spot_grow((void **)&dictionary->bytes, &words->bytes_capacity,
                  words->bytes_count + length + 1, 1) < 0 ||
        spot_grow((void **)&dictionary->offsets, &words->offsets_capacity, dictionary->count + 1,
                  sizeof *dictionary->offsets) < 0)
        return spot_fail_memory(err, "a dictionary");
    char *out = dictionary->bytes + words->bytes_count;
    memcpy(out, span.begin, (size_t)length);
    out[length] = '\0';
    dictionary->offsets[dictionary->count++] = words->bytes_count;
    words->bytes_count += length + 1;
    return SPOT_OK;
}

/* The code of a text, a new one when it has not been met. */
static int find_word(struct csv_words *words, struct dictionary *dictionary,
                     const struct column_spec *spec, struct csv_span span, int32_t *code,
                     struct spot_error *err)
{
    uint32_t hash = hash_text(span), at = hash & words->mask;
    size_t length = (size_t)(span.end - span.begin);
    for (; words->slots[at].code >= 0; at = (at + 1) & words->mask) {
        if (words->slots[at].hash != hash) continue;
        *code = words->slots[at].code;
        const char *text = dictionary->bytes + dictionary->offsets[*code];
        if (strncmp(text, span.begin, length) == 0 && text[length] == '\0') return SPOT_OK;
    }
    *code = -1;
    if (is_missing_text(spec, span)) return SPOT_OK;
    int status = add_word(words, dictionary, span, err);
    if (status < 0) return status;
    *code = dictionary->count - 1;
    words->slots[at] = (struct csv_word){hash, *code};
    return (uint32_t)dictionary->count > words->mask / 2 ? grow_slots(words, err) : SPOT_OK;
}

/* A cell in UTF-8; it is UTF-8 already unless it has bytes above 127 in another encoding. */
static int recode(struct task *task, struct csv_span *span)
{
    if (task->plan->encoding == ENCODING_UTF8 || !task->piece->high) return SPOT_OK;
    int status = reserve_scratch(task, 3 * (span->end - span->begin) + 1);
    if (status < 0) return status;
    char *out = task->work->scratch;
    *span = (struct csv_span){out, out + csv_to_utf8(*span, task->plan->encoding, out)};
    return SPOT_OK;
}

static int convert_categories(struct task *task)
{
    int32_t *codes = task->column->codes + task->growing->first;
    struct csv_words *words = &task->work->words[task->index];
    for (int64_t i = 0; i < task->rows; i++) {
        struct csv_span span = trimmed_cell(task, task->target->first, i);
        codes[i] = -1;
        if (span.begin == span.end) continue;
        int status = recode(task, &span);
        if (status == SPOT_OK)
            status =
                find_word(words, &task->column->dictionary, task->spec, span, &codes[i], task->err);
        if (status < 0) return status;
    }
    return SPOT_OK;
}

/* ---- Texts ----------------------------------------------------------------------------------- */

/* Texts keep the blanks within their quotes. */
static struct csv_span text_cell(const struct task *task, int64_t row)
{
    struct csv_span span = cell_at(task, task->target->first, row);
    if (task->piece->quotes) return span; /* libcsv has taken the blanks outside */
    while (span.begin < span.end &&
           (*span.begin == ' ' || *span.begin == '\t' || *span.begin == '\r'))
        span.begin++;
    while (span.begin < span.end &&
           (span.end[-1] == ' ' || span.end[-1] == '\t' || span.end[-1] == '\r'))
        span.end--;
    return span;
}

static int convert_texts(struct task *task)
{
    struct column *column = task->column;
    int64_t *offsets = column->text_offsets + task->growing->first;
    struct csv_words *words = &task->work->words[task->index]; /* its counts of bytes */
    for (int64_t i = 0; i < task->rows; i++) {
        struct csv_span span = text_cell(task, i);
        int status = recode(task, &span);
        if (status < 0) return status;
        int64_t length = is_missing_text(task->spec, span) ? 0 : span.end - span.begin;
        if (spot_grow((void **)&column->text_bytes, &words->bytes_capacity,
                      words->bytes_count + length, 1) < 0)
            return spot_fail_memory(task->err, "texts");
        if (length > 0) memcpy(column->text_bytes + words->bytes_count, span.begin, (size_t)length);
        words->bytes_count += length;
        offsets[i + 1] = words->bytes_count;
    }
    return SPOT_OK;
}

/* ---- */

/* An optional column that the file does not have. */
static int convert_absent(struct task *task)
{
    for (int64_t i = task->growing->first; i < task->growing->first + task->rows; i++) {
        if (task->column->values != NULL) task->column->values[i] = NAN;
        if (task->column->codes != NULL) task->column->codes[i] = -1;
        if (task->column->text_offsets != NULL) task->column->text_offsets[i + 1] = 0;
    }
    return SPOT_OK;
}

int csv_convert(const struct csv_plan *plan, const struct csv_piece *piece, int32_t j,
                struct csv_work *work, struct csv_growing *growing, struct spot_error *err)
{
    struct task task = {.plan = plan,
                        .piece = piece,
                        .spec = &plan->specs[j],
                        .target = &plan->targets[j],
                        .work = work,
                        .growing = growing,
                        .column = &growing->batch->columns[j],
                        .index = j,
                        .rows = work->cells.rows,
                        .err = err};
    if (task.target->first < 0) return convert_absent(&task);
    switch (task.spec->type) {
    case COLUMN_NUMBER:
    case COLUMN_INTEGER:
        return convert_numbers(&task);
    case COLUMN_BOOLEAN:
        return convert_booleans(&task);
    case COLUMN_TIMESTAMP:
        return convert_timestamps(&task);
    case COLUMN_CATEGORY:
        return convert_categories(&task);
    case COLUMN_TEXT:
        return convert_texts(&task);
    }
    return SPOT_OK;
}
