/* What the checks found in the whole table: parts merged in row order, the verdict, and the report
 * for people and programs. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "base/memory.h"
#include "data/schema_internal.h"

/* Where the rows of a batch came from, so that a repeated value can be found in its file. */
struct origin {
    int64_t first_row, first_line; /* first_line 0: lines do not follow one another */
    int32_t file;
};

struct schema_report {
    const struct schema *schema;
    struct finding *findings; /* (checks_count) */
    struct unique_keys *keys; /* (checks_count) */
    struct offence *offences; /* (checks_count * OFFENCES_SHOWN) grouped by check */
    int32_t *shown;           /* (checks_count) how many of them are filled */
    bool *strict; /* (checks_count) READABLE: a bad cell in a column of severity error */
    char **files;
    int32_t files_count;
    struct origin *origins;
    int64_t origins_count, origins_capacity;
    int64_t rows;
};

int schema_report_open(const struct schema *schema, struct schema_report **out,
                       struct spot_error *err)
{
    struct schema_report *report = *out = calloc(1, sizeof *report);
    if (report == NULL) return spot_fail_memory(err, "the report");
    int64_t checks = schema->checks_count;
    report->schema = schema;
    report->findings = spot_alloc_zero(checks, sizeof *report->findings);
    report->keys = spot_alloc_zero(checks, sizeof *report->keys);
    report->offences = spot_alloc_zero(checks * OFFENCES_SHOWN, sizeof *report->offences);
    report->shown = spot_alloc_zero(checks, sizeof *report->shown);
    report->strict = spot_alloc_zero(checks, sizeof *report->strict);
    if (report->findings == NULL || report->keys == NULL || report->offences == NULL ||
        report->shown == NULL || report->strict == NULL) {
        schema_report_free(report);
        *out = NULL;
        return spot_fail_memory(err, "the report");
    }
    return SPOT_OK;
}

void schema_report_free(struct schema_report *report)
{
    if (report == NULL) return;
    for (int32_t i = 0; report->keys != NULL && i < report->schema->checks_count; i++)
        unique_clear(&report->keys[i]);
    for (int32_t i = 0; i < report->files_count; i++)
        free(report->files[i]);
    free(report->files);
    free(report->keys);
    free(report->findings);
    free(report->offences);
    free(report->shown);
    free(report->strict);
    free(report->origins);
    free(report);
}

/* The index of a file's name; files come one after another. */
static int find_file(struct schema_report *report, const char *file, int32_t *index)
{
    for (int32_t i = report->files_count - 1; i >= 0; i--) {
        *index = i;
        if (strcmp(report->files[i], file) == 0) return SPOT_OK;
    }
    char **files = realloc(report->files, ((size_t)report->files_count + 1) * sizeof *files);
    if (files == NULL) return SPOT_ENOMEM;
    report->files = files;
    files[report->files_count] = spot_copy_text(file);
    if (files[report->files_count] == NULL) return SPOT_ENOMEM;
    *index = report->files_count++;
    return SPOT_OK;
}

static void add_offence(struct schema_report *report, const struct offence *offence)
{
    int32_t *shown = &report->shown[offence->check];
    if (*shown == OFFENCES_SHOWN) return;
    report->offences[offence->check * OFFENCES_SHOWN + (*shown)++] = *offence;
}

/* A bad cell stops the work when its column's severity, or that of one it may be in, is error. */
static bool has_strict_cell(const struct schema *schema, const struct batch *batch)
{
    int64_t listed = 0;
    for (int32_t i = 0; i < batch->bad_count; i++) {
        int32_t column = batch->bad[i].column;
        if (column < 0) continue;
        listed++;
        if (column >= schema->count || !schema->rules[column].warn) return true;
    }
    if (listed >= batch->bad_cells) return false;
    for (int32_t i = 0; i < schema->count; i++)
        if (!schema->rules[i].warn) return true;
    return false;
}

int schema_report_add(struct schema_report *report, const struct batch *batch,
                      const struct schema_part *part, const char *file, struct spot_error *err)
{
    const struct schema *schema = report->schema;
    int32_t file_index;
    void *array = report->origins;
    int status = find_file(report, file, &file_index);
    if (status == SPOT_OK)
        status = spot_grow(&array, &report->origins_capacity, report->origins_count + 1,
                           sizeof *report->origins);
    report->origins = array;
    if (status < 0) return spot_fail_memory(err, "the report");
    struct origin origin = {report->rows, batch->lines == NULL ? batch->first_line : 0, file_index};
    report->origins[report->origins_count++] = origin;
    for (int32_t i = 0; i < schema->checks_count; i++) {
        report->findings[i].checked += part->findings[i].checked;
        report->findings[i].failed += part->findings[i].failed;
        if (schema->checks[i].kind == CHECK_READABLE && part->findings[i].failed > 0)
            report->strict[i] |= has_strict_cell(schema, batch);
        if (unique_append(&report->keys[i], &part->keys[i], report->rows) < 0)
            return spot_fail_memory(err, "the report");
    }
    for (int64_t i = 0; i < part->offences_count; i++) {
        struct offence offence = part->offences[i];
        offence.row += report->rows;
        offence.file = file_index;
        add_offence(report, &offence);
    }
    report->rows += batch->rows;
    return SPOT_OK;
}

/* The origin of a row, by bisection. */
static const struct origin *origin_of(const struct schema_report *report, int64_t row)
{
    int64_t low = 0, high = report->origins_count - 1;
    while (low < high) {
        int64_t middle = (low + high + 1) / 2;
        if (report->origins[middle].first_row <= row)
            low = middle;
        else
            high = middle - 1;
    }
    return &report->origins[low];
}

static int64_t line_of(const struct origin *origin, int64_t row)
{
    return origin->first_line == 0 ? 0 : origin->first_line + row - origin->first_row;
}

static void finish_unique(struct schema_report *report, struct spot_pool *pool, int32_t index)
{
    struct unique_pair pairs[OFFENCES_SHOWN];
    int found;
    report->findings[index].failed =
        unique_repeats(&report->keys[index], pool, OFFENCES_SHOWN, pairs, &found);
    unique_clear(&report->keys[index]);
    for (int i = 0; i < found; i++) {
        const struct origin *first = origin_of(report, pairs[i].first);
        const struct origin *again = origin_of(report, pairs[i].again);
        struct offence offence = {.check = index,
                                  .row = pairs[i].again,
                                  .file = again->file,
                                  .line = line_of(again, pairs[i].again)};
        if (first->first_line == 0)
            snprintf(offence.text, sizeof offence.text, "the value of row %lld again",
                     (long long)pairs[i].first + 1);
        else
            snprintf(offence.text, sizeof offence.text, "the value of line %lld of %.100s again",
                     (long long)line_of(first, pairs[i].first), report->files[first->file]);
        add_offence(report, &offence);
    }
}

/* Whether a check failed; MISSING and ROWS judge the whole table. */
static bool has_failed(const struct schema_report *report, int32_t index)
{
    const struct check *check = &report->schema->checks[index];
    const struct finding *finding = &report->findings[index];
    if (check->kind == CHECK_MISSING)
        return (double)finding->failed > check->high * (double)finding->checked;
    if (check->kind == CHECK_ROWS)
        return (double)report->rows < check->low || (double)report->rows > check->high;
    return finding->failed > 0;
}

static bool is_warning(const struct schema_report *report, int32_t index)
{
    if (report->schema->checks[index].warn) return true;
    return report->schema->checks[index].kind == CHECK_READABLE && !report->strict[index] &&
           report->findings[index].failed > 0;
}

/* "FILE:LINE: severity: range [1, 3]: 7 (12 of 140056)" */
static void describe(const struct schema_report *report, int32_t index, char *text, size_t size)
{
    const struct check *check = &report->schema->checks[index];
    const struct finding *finding = &report->findings[index];
    if (check->kind == CHECK_ROWS) {
        snprintf(text, size, "%s: the table has %lld rows", check->name, (long long)report->rows);
        return;
    }
    const struct offence *first = &report->offences[index * OFFENCES_SHOWN];
    size_t used = 0;
    if (report->shown[index] > 0 && first->line > 0)
        used = (size_t)snprintf(text, size, "%s:%lld: ", report->files[first->file],
                                (long long)first->line);
    else if (report->shown[index] > 0)
        used = (size_t)snprintf(text, size, "row %lld: ", (long long)first->row + 1);
    if (used >= size) return;
    snprintf(text + used, size - used, "%s%s%s (%lld of %lld failed)", check->name,
             report->shown[index] > 0 ? ": " : "", report->shown[index] > 0 ? first->text : "",
             (long long)finding->failed, (long long)finding->checked);
}

int schema_report_verdict(struct schema_report *report, struct spot_pool *pool,
                          struct spot_error *err)
{
    int status = SPOT_OK;
    for (int32_t i = 0; i < report->schema->checks_count; i++) {
        if (report->schema->checks[i].kind == CHECK_UNIQUE && report->shown[i] == 0)
            finish_unique(report, pool, i);
        if (status < 0 || is_warning(report, i) || !has_failed(report, i)) continue;
        char text[sizeof err->message];
        describe(report, i, text, sizeof text);
        status = spot_fail(err, SPOT_EDATA, "%s", text);
    }
    return status;
}

void schema_report_warnings(const struct schema_report *report,
                            void (*line)(void *arg, const char *text), void *arg)
{
    for (int32_t i = 0; i < report->schema->checks_count; i++) {
        if (!is_warning(report, i) || !has_failed(report, i)) continue;
        char text[600];
        describe(report, i, text, sizeof text);
        line(arg, text);
    }
}

/* ---- JSON ---- */

static bool add_offences(const struct schema_report *report, int32_t index, cJSON *entry)
{
    cJSON *list = cJSON_AddArrayToObject(entry, "first");
    bool good = list != NULL;
    for (int32_t i = 0; good && i < report->shown[index]; i++) {
        const struct offence *offence = &report->offences[index * OFFENCES_SHOWN + i];
        cJSON *item = cJSON_CreateObject();
        if (!cJSON_AddItemToArray(list, item)) {
            cJSON_Delete(item);
            return false;
        }
        good = cJSON_AddStringToObject(item, "file", report->files[offence->file]) != NULL &&
               cJSON_AddNumberToObject(item, "row", (double)offence->row + 1) != NULL &&
               (offence->line == 0 ||
                cJSON_AddNumberToObject(item, "line", (double)offence->line) != NULL) &&
               cJSON_AddStringToObject(item, "text", offence->text) != NULL;
    }
    return good;
}

static bool add_entry(const struct schema_report *report, int32_t index, cJSON *checks)
{
    const struct check *check = &report->schema->checks[index];
    const struct finding *finding = &report->findings[index];
    bool rows = check->kind == CHECK_ROWS;
    cJSON *entry = cJSON_CreateObject();
    if (!cJSON_AddItemToArray(checks, entry)) {
        cJSON_Delete(entry);
        return false;
    }
    const char *column = check->column >= 0 ? report->schema->specs[check->column].name : NULL;
    double checked = (double)(rows ? report->rows : finding->checked);
    double failed = rows ? has_failed(report, index) : (double)finding->failed;
    return cJSON_AddStringToObject(entry, "check", check->name) != NULL &&
           (column == NULL || cJSON_AddStringToObject(entry, "column", column) != NULL) &&
           cJSON_AddStringToObject(entry, "severity",
                                   is_warning(report, index) ? "warn" : "error") != NULL &&
           cJSON_AddBoolToObject(entry, "passed", !has_failed(report, index)) != NULL &&
           cJSON_AddNumberToObject(entry, "checked", checked) != NULL &&
           cJSON_AddNumberToObject(entry, "failed", failed) != NULL &&
           add_offences(report, index, entry);
}

cJSON *schema_report_json(const struct schema_report *report)
{
    cJSON *root = cJSON_CreateObject();
    bool passed = true;
    for (int32_t i = 0; i < report->schema->checks_count; i++)
        passed = passed && (is_warning(report, i) || !has_failed(report, i));
    bool good = cJSON_AddNumberToObject(root, "rows", (double)report->rows) != NULL &&
                cJSON_AddBoolToObject(root, "passed", passed) != NULL;
    cJSON *checks = good ? cJSON_AddArrayToObject(root, "checks") : NULL;
    good = checks != NULL;
    for (int32_t i = 0; good && i < report->schema->checks_count; i++)
        good = add_entry(report, i, checks);
    if (!good) {
        cJSON_Delete(root);
        return NULL;
    }
    return root;
}
