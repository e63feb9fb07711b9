/* A schema as an object: made from nothing, column by column and check by check, and freed. */
#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "base/memory.h"
#include "data/calendar.h"
#include "data/schema_internal.h"
#include "data/writer.h"

const char *const column_type_words[] = {"number",   "integer", "boolean", "timestamp",
                                         "category", "text",    NULL};

struct schema *schema_new(void)
{
    return calloc(1, sizeof(struct schema));
}

static void free_texts(const char *const *texts, int count)
{
    for (int i = 0; texts != NULL && i < count; i++)
        free((void *)(uintptr_t)texts[i]);
    free((void *)(uintptr_t)texts);
}

static void free_spec(struct column_spec *spec)
{
    free_texts(spec->formats, spec->formats_count);
    free_texts(spec->missing, spec->missing_count);
    free((void *)(uintptr_t)spec->name);
    free((void *)(uintptr_t)spec->source);
    free((void *)(uintptr_t)spec->second);
}

void schema_free(struct schema *schema)
{
    if (schema == NULL) return;
    for (int32_t i = 0; i < schema->count; i++)
        free_spec(&schema->specs[i]);
    for (int32_t i = 0; i < schema->checks_count; i++) {
        struct check *check = &schema->checks[i];
        for (int32_t a = 0; a < check->allowed_count; a++)
            free(check->allowed[a]);
        free(check->allowed);
        free(check->allowed_numbers);
        free(check->name);
    }
    free(schema->specs);
    free(schema->rules);
    free(schema->checks);
    free(schema);
}

int schema_add_column(struct schema *schema, const char *name, enum column_type type,
                      struct spot_error *err)
{
    size_t count = (size_t)schema->count + 1;
    struct column_spec *specs = realloc(schema->specs, count * sizeof *specs);
    if (specs != NULL) schema->specs = specs;
    struct column_rule *rules = realloc(schema->rules, count * sizeof *rules);
    if (rules != NULL) schema->rules = rules;
    if (specs == NULL || rules == NULL) return spot_fail_memory(err, "the schema");
    struct column_spec *spec = &specs[schema->count];
    *spec = (struct column_spec){.type = type, .decimal = '.'};
    rules[schema->count++] = (struct column_rule){0};
    spec->name = spot_copy_text(name);
    spec->source = spot_copy_text(name);
    if (spec->name == NULL || spec->source == NULL) return spot_fail_memory(err, "the schema");
    return SPOT_OK;
}

struct check *schema_add_check(struct schema *schema, enum check_kind kind, const char *format, ...)
{
    char name[200];
    va_list args;
    va_start(args, format);
    vsnprintf(name, sizeof name, format, args);
    va_end(args);
    size_t bytes = ((size_t)schema->checks_count + 1) * sizeof *schema->checks;
    struct check *checks = realloc(schema->checks, bytes);
    if (checks == NULL) return NULL;
    schema->checks = checks;
    struct check *check = &checks[schema->checks_count];
    memset(check, 0, sizeof *check);
    check->kind = kind;
    check->column = check->other = -1;
    check->name = spot_copy_text(name);
    if (check->name == NULL) return NULL;
    schema->checks_count++;
    return check;
}

int schema_add_reading_checks(struct schema *schema, struct spot_error *err)
{
    struct check *whole = schema_add_check(schema, CHECK_WHOLE, "whole rows");
    if (whole == NULL) return spot_fail_memory(err, "the schema");
    whole->warn = schema->drops_rows;
    struct check *readable = schema_add_check(schema, CHECK_READABLE, "readable cells");
    if (readable == NULL) return spot_fail_memory(err, "the schema");
    readable->warn = schema->drops_rows;
    return SPOT_OK;
}

const struct column_spec *schema_columns(const struct schema *schema, int32_t *count)
{
    *count = schema->count;
    return schema->specs;
}

int32_t schema_find(const struct schema *schema, const char *name)
{
    for (int32_t i = 0; i < schema->count; i++)
        if (strcmp(schema->specs[i].name, name) == 0) return i;
    return -1;
}

void schema_value_text(const struct schema *schema, const struct batch *batch, int32_t column,
                       int64_t row, char *text, size_t size)
{
    const struct column *cells = &batch->columns[column];
    char number[32];
    switch (schema->specs[column].type) {
    case COLUMN_CATEGORY:
        if (cells->codes[row] >= 0) {
            const struct dictionary *words = &cells->dictionary;
            snprintf(text, size, "%s", words->bytes + words->offsets[cells->codes[row]]);
        } else {
            snprintf(text, size, "missing");
        }
        return;
    case COLUMN_TEXT:
        snprintf(text, size, "%.*s", (int)(cells->text_offsets[row + 1] - cells->text_offsets[row]),
                 cells->text_bytes + cells->text_offsets[row]);
        return;
    case COLUMN_NUMBER:
    case COLUMN_INTEGER:
    case COLUMN_BOOLEAN:
    case COLUMN_TIMESTAMP:
        break;
    }
    if (isnan(cells->values[row])) {
        snprintf(text, size, "missing");
    } else if (schema->specs[column].type == COLUMN_TIMESTAMP) {
        print_timestamp(cells->values[row], text, size);
    } else {
        format_double(cells->values[row], number);
        snprintf(text, size, "%s", number);
    }
}
