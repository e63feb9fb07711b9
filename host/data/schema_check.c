/* The checks of one batch: a counting loop down each column, and a second one only where something
 * was found. Runs on any thread. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "base/memory.h"
#include "data/schema_internal.h"

struct checking {
    const struct schema *schema;
    const struct batch *batch;
    struct schema_part *part;
    uint8_t *failed; /* (rows) scratch: 1 where the row fails the check at hand */
};

/* A copy that ends before the character (in UTF-8) that does not fit. */
static void copy_cut(const char *text, char *copy, size_t size)
{
    size_t length = strlen(text);
    if (length >= size) {
        length = size - 1;
        while (length > 0 && ((unsigned char)text[length] & 0xc0) == 0x80)
            length--;
    }
    memcpy(copy, text, length);
    copy[length] = '\0';
}

static int add_offence(struct checking *checking, int32_t check, int64_t row, int64_t line,
                       const char *text)
{
    struct schema_part *part = checking->part;
    void *array = part->offences;
    int status = spot_grow(&array, &part->offences_capacity, part->offences_count + 1,
                           sizeof *part->offences);
    part->offences = array;
    if (status < 0) return status;
    struct offence *offence = &part->offences[part->offences_count++];
    offence->check = check;
    offence->row = row;
    offence->line = line;
    offence->file = -1;
    copy_cut(text, offence->text, sizeof offence->text);
    return SPOT_OK;
}

/* The first rows marked in `failed`, with their values. */
static int collect_rows(struct checking *checking, int32_t index)
{
    const struct check *check = &checking->schema->checks[index];
    int shown = 0;
    for (int64_t row = 0; row < checking->batch->rows && shown < OFFENCES_SHOWN; row++) {
        if (!checking->failed[row]) continue;
        char text[150], right[60];
        schema_value_text(checking->schema, checking->batch, check->column, row, text, 80);
        if (check->other >= 0) {
            schema_value_text(checking->schema, checking->batch, check->other, row, right,
                              sizeof right);
            size_t used = strlen(text);
            snprintf(text + used, sizeof text - used, " and %s", right);
        }
        int64_t line = batch_line(checking->batch, row);
        if (add_offence(checking, index, row, line, text) < 0) return SPOT_ENOMEM;
        shown++;
    }
    return SPOT_OK;
}

/* Rows that are no rows and cells that do not read, as the reader noted them. */
static int check_reading(struct checking *checking, int32_t index)
{
    const struct schema *schema = checking->schema;
    const struct batch *batch = checking->batch;
    bool whole = schema->checks[index].kind == CHECK_WHOLE;
    struct finding *finding = &checking->part->findings[index];
    finding->failed = whole ? batch->bad_rows : batch->bad_cells;
    finding->checked = whole ? batch->rows + batch->bad_rows : batch->rows * (int64_t)schema->count;
    int shown = 0;
    for (int32_t i = 0; i < batch->bad_count && shown < OFFENCES_SHOWN; i++) {
        const struct bad_cell *bad = &batch->bad[i];
        if (whole != (bad->column < 0)) continue;
        char text[300];
        bool named = bad->column >= 0 && bad->column < schema->count;
        snprintf(text, sizeof text, "%s%s%s%s%s", named ? schema->specs[bad->column].name : "",
                 named ? ": " : "", bad->text, *bad->text == '\0' ? "" : ": ", bad->reason);
        if (add_offence(checking, index, bad->row, bad->line, text) < 0) return SPOT_ENOMEM;
        shown++;
    }
    return SPOT_OK;
}

static int64_t count_missing(const struct column *cells, int64_t rows)
{
    int64_t missing = 0;
    if (cells->facts.known) return cells->facts.missing;
    if (cells->values != NULL)
        for (int64_t i = 0; i < rows; i++)
            missing += isnan(cells->values[i]) ? 1 : 0;
    else if (cells->codes != NULL)
        for (int64_t i = 0; i < rows; i++)
            missing += cells->codes[i] < 0;
    else if (cells->text_offsets != NULL)
        for (int64_t i = 0; i < rows; i++)
            missing += cells->text_offsets[i] == cells->text_offsets[i + 1];
    return missing;
}

static bool is_missing(const struct column *cells, int64_t row)
{
    if (cells->values != NULL) return isnan(cells->values[row]) != 0;
    if (cells->codes != NULL) return cells->codes[row] < 0;
    return cells->text_offsets[row] == cells->text_offsets[row + 1];
}

static bool is_outside(const struct column_rule *rule, double value)
{
    return rule->clears && (value < rule->low || value > rule->high);
}

void schema_clear_outside(const struct schema *schema, struct batch *batch)
{
    for (int32_t c = 0; c < schema->count; c++) {
        const struct column_rule *rule = &schema->rules[c];
        struct column *column = &batch->columns[c];
        for (int64_t i = 0; rule->clears && i < batch->rows; i++)
            if (is_outside(rule, column->values[i])) {
                column->values[i] = NAN;
                column->facts.known = false;
            }
    }
}

/* Missing are also the values that will be cleared. */
static int check_missing(struct checking *checking, int32_t index)
{
    const struct check *check = &checking->schema->checks[index];
    const struct column *cells = &checking->batch->columns[check->column];
    const struct column_rule *rule = &checking->schema->rules[check->column];
    struct finding *finding = &checking->part->findings[index];
    finding->checked = checking->batch->rows;
    finding->failed = count_missing(cells, checking->batch->rows);
    for (int64_t row = 0; rule->clears && row < checking->batch->rows; row++)
        finding->failed += is_outside(rule, cells->values[row]);
    if (finding->failed == 0) return SPOT_OK;
    int shown = 0;
    for (int64_t row = 0; row < checking->batch->rows && shown < OFFENCES_SHOWN; row++) {
        bool outside = rule->clears && is_outside(rule, cells->values[row]);
        if (!outside && !is_missing(cells, row)) continue;
        const char *text = outside ? "outside the range" : "missing";
        int64_t line = batch_line(checking->batch, row);
        if (add_offence(checking, index, row, line, text) < 0) return SPOT_ENOMEM;
        shown++;
    }
    return SPOT_OK;
}

static void mark_range(const struct check *check, const double *values, int64_t rows,
                       uint8_t *failed)
{
    for (int64_t i = 0; i < rows; i++)
        failed[i] = (uint8_t)((values[i] < check->low) | (values[i] > check->high));
}

static void mark_not_allowed_numbers(const struct check *check, const double *values, int64_t rows,
                                     uint8_t *failed)
{
    for (int64_t i = 0; i < rows; i++)
        failed[i] = (uint8_t)(isnan(values[i]) ? 0 : 1);
    for (int32_t a = 0; a < check->allowed_count; a++)
        for (int64_t i = 0; i < rows; i++)
            failed[i] &= values[i] != check->allowed_numbers[a];
}

/* Words are judged once, in the dictionary. */
static int mark_not_allowed_texts(const struct check *check, const struct column *cells,
                                  int64_t rows, uint8_t *failed)
{
    const struct dictionary *words = &cells->dictionary;
    uint8_t *wrong = spot_alloc_zero((int64_t)words->count + 1, 1); /* wrong[0]: missing */
    if (wrong == NULL) return SPOT_ENOMEM;
    for (int32_t w = 0; w < words->count; w++) {
        wrong[w + 1] = 1;
        for (int32_t a = 0; a < check->allowed_count && wrong[w + 1]; a++)
            wrong[w + 1] = strcmp(words->bytes + words->offsets[w], check->allowed[a]) != 0;
    }
    for (int64_t i = 0; i < rows; i++)
        failed[i] = wrong[cells->codes[i] + 1];
    free(wrong);
    return SPOT_OK;
}

static bool compares(enum comparison op, double a, double b)
{
    switch (op) {
    case COMPARE_GE:
        return a >= b;
    case COMPARE_LE:
        return a <= b;
    case COMPARE_EQ:
        return a == b;
    case COMPARE_NE:
        return a != b;
    case COMPARE_GT:
        return a > b;
    case COMPARE_LT:
        return a < b;
    }
    return false;
}

/* Rows where a side is missing are not judged; returns how many were. */
static int64_t mark_compare(const struct check *check, const struct batch *batch, uint8_t *failed)
{
    const double *left = batch->columns[check->column].values;
    const double *right = check->other < 0 ? NULL : batch->columns[check->other].values;
    int64_t judged = 0;
    for (int64_t i = 0; i < batch->rows; i++) {
        double b = right == NULL ? check->high : right[i];
        bool known = !isnan(left[i]) && !isnan(b);
        judged += known;
        failed[i] = known && !compares(check->op, left[i], b);
    }
    return judged;
}

static int check_rows(struct checking *checking, int32_t index)
{
    const struct check *check = &checking->schema->checks[index];
    const struct batch *batch = checking->batch;
    const struct column *cells = &batch->columns[check->column];
    struct finding *finding = &checking->part->findings[index];
    int64_t judged = -1;
    if (check->kind == CHECK_RANGE)
        mark_range(check, cells->values, batch->rows, checking->failed);
    else if (check->kind == CHECK_COMPARE)
        judged = mark_compare(check, batch, checking->failed);
    else if (check->allowed_numbers != NULL)
        mark_not_allowed_numbers(check, cells->values, batch->rows, checking->failed);
    else if (mark_not_allowed_texts(check, cells, batch->rows, checking->failed) < 0)
        return SPOT_ENOMEM;
    finding->checked = judged >= 0 ? judged : batch->rows - count_missing(cells, batch->rows);
    for (int64_t i = 0; i < batch->rows; i++)
        finding->failed += checking->failed[i];
    return finding->failed == 0 ? SPOT_OK : collect_rows(checking, index);
}

/* Collects the keys; repeats are found when all batches are in. */
static int check_unique(struct checking *checking, int32_t index)
{
    const struct batch *batch = checking->batch;
    const struct column *cells = &batch->columns[checking->schema->checks[index].column];
    struct unique_keys *keys = &checking->part->keys[index];
    for (int64_t row = 0; row < batch->rows; row++) {
        int status;
        if (is_missing(cells, row)) continue;
        if (cells->values != NULL) {
            status = unique_add_number(keys, cells->values[row], row);
        } else if (cells->codes != NULL) {
            const char *word =
                cells->dictionary.bytes + cells->dictionary.offsets[cells->codes[row]];
            status = unique_add_text(keys, word, strlen(word), row);
        } else {
            int64_t from = cells->text_offsets[row], to = cells->text_offsets[row + 1];
            status = unique_add_text(keys, cells->text_bytes + from, (size_t)(to - from), row);
        }
        if (status < 0) return status;
    }
    checking->part->findings[index].checked = keys->count;
    return SPOT_OK;
}

static int run_check(struct checking *checking, int32_t index)
{
    switch (checking->schema->checks[index].kind) {
    case CHECK_READABLE:
    case CHECK_WHOLE:
        return check_reading(checking, index);
    case CHECK_MISSING:
        return check_missing(checking, index);
    case CHECK_RANGE:
    case CHECK_ALLOWED:
    case CHECK_COMPARE:
        return check_rows(checking, index);
    case CHECK_UNIQUE:
        return check_unique(checking, index);
    case CHECK_ROWS:
        break;
    }
    return SPOT_OK;
}

int schema_check(const struct schema *schema, const struct batch *batch, struct schema_part **out,
                 struct spot_error *err)
{
    *out = NULL;
    struct schema_part *part = calloc(1, sizeof *part);
    if (part == NULL) return spot_fail_memory(err, "checking a batch");
    struct checking checking = {schema, batch, part, spot_alloc(batch->rows, 1)};
    part->checks_count = schema->checks_count;
    part->findings = spot_alloc_zero(schema->checks_count, sizeof *part->findings);
    part->keys = spot_alloc_zero(schema->checks_count, sizeof *part->keys);
    int status = SPOT_OK;
    if (part->findings == NULL || part->keys == NULL || checking.failed == NULL)
        status = SPOT_ENOMEM;
    for (int32_t i = 0; i < schema->checks_count && status == SPOT_OK; i++)
        status = run_check(&checking, i);
    free(checking.failed);
    if (status < 0) {
        schema_part_free(part);
        return spot_fail_memory(err, "checking a batch");
    }
    *out = part;
    return SPOT_OK;
}

void schema_part_free(struct schema_part *part)
{
    if (part == NULL) return;
    for (int32_t i = 0; part->keys != NULL && i < part->checks_count; i++)
        unique_clear(&part->keys[i]);
    free(part->keys);
    free(part->findings);
    free(part->offences);
    free(part);
}

int schema_refuse_cells(const struct schema *schema, const struct batch *batch, const char *file,
                        struct spot_error *err)
{
    if (batch->bad_cells == 0) return SPOT_OK;
    for (int32_t i = 0; i < batch->bad_count; i++) {
        const struct bad_cell *bad = &batch->bad[i];
        if (bad->column < 0) continue;
        const char *name = bad->column < schema->count ? schema->specs[bad->column].name : "weight";
        return spot_fail(err, SPOT_EDATA, "%s:%lld: %s: '%s': %s", file, (long long)bad->line, name,
                         bad->text, bad->reason);
    }
    return spot_fail(err, SPOT_EDATA, "%s: %lld cells cannot be read", file,
                     (long long)batch->bad_cells);
}
