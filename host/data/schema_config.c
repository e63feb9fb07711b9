/* A schema from a configuration: its `columns`, then its `checks`. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "base/memory.h"
#include "data/calendar.h"
#include "data/schema_internal.h"

static int add_named_check(struct schema *schema, enum check_kind kind, int32_t column,
                           const char *what, struct check **check, struct spot_error *err)
{
    *check = schema_add_check(schema, kind, "%s: %s", schema->specs[column].name, what);
    if (*check == NULL) return spot_fail_memory(err, "the schema");
    (*check)->column = column;
    (*check)->warn = schema->rules[column].warn;
    return SPOT_OK;
}

/* One text or a list of texts under a key, copied. */
static int read_texts(const struct config *node, const char *key, const char *const **texts,
                      int *count, struct spot_error *err)
{
    const struct config *child = config_get(node, key);
    if (child == NULL) return SPOT_OK;
    if (child->kind == CONFIG_MAP)
        return config_fail(child, err, "%s: expected a value or a list, found a map", key);
    int32_t found = child->kind == CONFIG_LIST ? child->count : 1;
    char **copies = calloc((size_t)found + 1, sizeof *copies);
    if (copies == NULL) return spot_fail_memory(err, "the schema");
    *texts = (const char *const *)copies;
    for (int32_t i = 0; i < found; i++) {
        const struct config *item = child->kind == CONFIG_LIST ? child->items[i] : child;
        if (item->kind != CONFIG_TEXT)
            return config_fail(item, err, "%s: expected values, found a list or a map", key);
        copies[i] = spot_copy_text(item->text);
        if (copies[i] == NULL) return spot_fail_memory(err, "the schema");
        *count = i + 1;
    }
    return SPOT_OK;
}

/* `from`: a header, or [date, time]. */
static int read_source(const struct config *node, struct column_spec *spec, struct spot_error *err)
{
    const char *const *names = NULL;
    int count = 0;
    int status = read_texts(node, "from", &names, &count, err);
    if (status == SPOT_OK && count > 2)
        status = config_fail(config_get(node, "from"), err,
                             "from: one header or two, [date, time], not %d", count);
    if (status == SPOT_OK && count == 2 && spec->type != COLUMN_TIMESTAMP)
        status = config_fail(config_get(node, "from"), err,
                             "from: two headers make a timestamp, and %s is a %s", spec->name,
                             column_type_words[spec->type]);
    if (status == SPOT_OK && names != NULL && count == 0)
        status = config_fail(config_get(node, "from"), err, "from: no header given");
    if (status == SPOT_OK && count > 0) {
        free((void *)(uintptr_t)spec->source);
        spec->source = names[0];
        if (count == 2) spec->second = names[1];
    } else {
        for (int i = 0; i < count; i++)
            free((void *)(uintptr_t)names[i]);
    }
    free((void *)(uintptr_t)names);
    return status;
}

static int read_decimal(const struct config *node, char *decimal, struct spot_error *err)
{
    static const char *const words[] = {".", ",", NULL};
    int32_t choice = *decimal == ',';
    int status = config_choice(node, "decimal", words, &choice, err);
    *decimal = *words[choice];
    return status;
}

/* The formats of a timestamp; ISO 8601's when none is given. */
static int read_formats(const struct config *node, struct column_spec *spec, struct spot_error *err)
{
    static const char *const usual[] = {"%Y-%m-%d %H:%M:%S", "%Y-%m-%dT%H:%M:%S", "%Y-%m-%d %H:%M",
                                        "%Y-%m-%d"};
    int status = read_texts(node, "format", &spec->formats, &spec->formats_count, err);
    if (status < 0) return status;
    if (spec->type != COLUMN_TIMESTAMP) {
        if (spec->formats == NULL) return SPOT_OK;
        return config_fail(config_get(node, "format"), err,
                           "format: goes with timestamps, and %s is a %s", spec->name,
                           column_type_words[spec->type]);
    }
    if (spec->formats != NULL) {
        if (spec->formats_count == 0)
            return config_fail(config_get(node, "format"), err, "format: none given");
        return SPOT_OK;
    }
    char **copies = calloc(4, sizeof *copies);
    if (copies == NULL) return spot_fail_memory(err, "the schema");
    spec->formats = (const char *const *)copies;
    for (; spec->formats_count < 4; spec->formats_count++) {
        copies[spec->formats_count] = spot_copy_text(usual[spec->formats_count]);
        if (copies[spec->formats_count] == NULL) return spot_fail_memory(err, "the schema");
    }
    return SPOT_OK;
}

/* A bound of a range: a number, or for a timestamp a date. */
static bool read_bound(const struct config *item, enum column_type type, double *bound)
{
    if (item->kind != CONFIG_TEXT) return false;
    if (type == COLUMN_TIMESTAMP) return parse_timestamp(item->text, bound);
    return config_is_number(item, bound);
}

/* A list of two bounds; `what` it is of, for messages. */
static int read_range(const struct config *child, enum column_type type, double *low, double *high,
                      struct spot_error *err)
{
    const char *form =
        type == COLUMN_TIMESTAMP ? "dates, [2015-01-01, 2015-12-31 23:59]" : "numbers, [1, 3]";
    if (child->kind != CONFIG_LIST || child->count != 2 ||
        !read_bound(child->items[0], type, low) || !read_bound(child->items[1], type, high))
        return config_fail(child, err, "%s: expected two %s", child->key, form);
    if (*low > *high)
        return config_fail(child, err, "%s: %s is above %s", child->key, child->items[0]->text,
                           child->items[1]->text);
    return SPOT_OK;
}

static int read_range_check(const struct config *node, struct schema *schema, int32_t column,
                            struct spot_error *err)
{
    static const char *const words[] = {"keep", "missing", NULL};
    const struct config *child = config_get(node, "range");
    struct column_rule *rule = &schema->rules[column];
    int32_t outside = 0;
    int status = config_choice(node, "outside", words, &outside, err);
    if (status < 0) return status;
    if (child == NULL && outside != 0)
        return config_fail(config_get(node, "outside"), err, "outside: goes with a range");
    if (child == NULL) return SPOT_OK;
    enum column_type type = schema->specs[column].type;
    if (type == COLUMN_CATEGORY || type == COLUMN_TEXT)
        return config_fail(child, err,
                           "range: goes with numbers and timestamps; for a %s use "
                           "allowed",
                           column_type_words[type]);
    double low, high;
    status = read_range(child, type, &low, &high, err);
    if (status < 0) return status;
    char what[120];
    struct check *check;
    snprintf(what, sizeof what, "range [%s, %s]", child->items[0]->text, child->items[1]->text);
    status = add_named_check(schema, CHECK_RANGE, column, what, &check, err);
    if (status < 0) return status;
    check->low = rule->low = low;
    check->high = rule->high = high;
    rule->clears = outside == 1;
    check->warn |= rule->clears;
    return SPOT_OK;
}

static int read_allowed_check(const struct config *node, struct schema *schema, int32_t column,
                              struct spot_error *err)
{
    const struct config *child = config_get(node, "allowed");
    if (child == NULL) return SPOT_OK;
    enum column_type type = schema->specs[column].type;
    bool numbers = type == COLUMN_NUMBER || type == COLUMN_INTEGER;
    if (!numbers && type != COLUMN_CATEGORY)
        return config_fail(child, err,
                           "allowed: goes with numbers, integers and categories, and "
                           "%s is a %s",
                           schema->specs[column].name, column_type_words[type]);
    if (child->kind != CONFIG_LIST || child->count == 0)
        return config_fail(child, err, "allowed: expected a list of values");
    struct check *check;
    int status = add_named_check(schema, CHECK_ALLOWED, column, "allowed values", &check, err);
    if (status < 0) return status;
    check->allowed = calloc((size_t)child->count, sizeof *check->allowed);
    if (numbers)
        check->allowed_numbers = calloc((size_t)child->count, sizeof *check->allowed_numbers);
    if (check->allowed == NULL || (numbers && check->allowed_numbers == NULL))
        return spot_fail_memory(err, "the schema");
    for (int32_t i = 0; i < child->count; i++) {
        const struct config *item = child->items[i];
        double ignored, *number = numbers ? &check->allowed_numbers[i] : &ignored;
        if (item->kind != CONFIG_TEXT || (numbers && !config_is_number(item, number)))
            return config_fail(item, err, "allowed: %s is not a %s",
                               item->kind == CONFIG_TEXT ? item->text : "a list or map",
                               numbers ? "number" : "value");
        check->allowed[i] = spot_copy_text(item->text);
        if (check->allowed[i] == NULL) return spot_fail_memory(err, "the schema");
        check->allowed_count = i + 1;
    }
    return SPOT_OK;
}

/* required: true and optional: false say the same. */
static int read_optional(const struct config *node, struct column_spec *spec,
                         struct spot_error *err)
{
    bool required = true, optional = false;
    int status = config_bool(node, "required", &required, err);
    if (status == SPOT_OK) status = config_bool(node, "optional", &optional, err);
    if (status < 0) return status;
    if (config_get(node, "required") != NULL && required == optional)
        if (config_get(node, "optional") != NULL)
            return config_fail(config_get(node, "optional"), err, "optional: contradicts required");
    spec->optional = optional || !required;
    return SPOT_OK;
}

static int read_severity(const struct config *node, bool *warn, struct spot_error *err)
{
    static const char *const words[] = {"error", "warn", NULL};
    int32_t choice = 0;
    int status = config_choice(node, "severity", words, &choice, err);
    *warn = choice == 1;
    return status;
}

static int read_rules(const struct config *node, struct schema *schema, int32_t column,
                      struct spot_error *err)
{
    double share = 1.0;
    bool unique = false;
    struct check *check;
    int status;
    SPOT_TRY(read_severity(node, &schema->rules[column].warn, err));
    SPOT_TRY(config_number(node, "max_missing", &share, err));
    if (share < 0.0 || share > 1.0)
        return config_fail(config_get(node, "max_missing"), err,
                           "max_missing: a share between 0 and 1");
    SPOT_TRY(add_named_check(schema, CHECK_MISSING, column, "missing values", &check, err));
    check->high = share;
    SPOT_TRY(read_range_check(node, schema, column, err));
    SPOT_TRY(read_allowed_check(node, schema, column, err));
    SPOT_TRY(config_bool(node, "unique", &unique, err));
    if (unique) SPOT_TRY(add_named_check(schema, CHECK_UNIQUE, column, "unique", &check, err));
out:
    return status;
}

/* A column: `name: type`, or `name: {type: ..., ...}`. */
static int read_column(const struct config *node, char decimal, struct schema *schema,
                       struct spot_error *err)
{
    static const char *const keys[] = {"type",     "from",    "format",      "missing",  "range",
                                       "allowed",  "unique",  "max_missing", "required", "optional",
                                       "severity", "decimal", "outside",     NULL};
    int32_t type = COLUMN_NUMBER, column = schema->count;
    int status;
    if (node->kind == CONFIG_TEXT) {
        char key[] = "type";
        struct config word = *node, *items[] = {&word}, map = *node;
        word.key = key;
        map.kind = CONFIG_MAP;
        map.count = 1;
        map.items = items;
        return read_column(&map, decimal, schema, err);
    }
    SPOT_TRY(config_known(node, keys, err));
    SPOT_TRY(config_choice(node, "type", column_type_words, &type, err));
    SPOT_TRY(schema_add_column(schema, node->key, (enum column_type)type, err));
    struct column_spec *spec = &schema->specs[column];
    spec->decimal = decimal;
    SPOT_TRY(read_decimal(node, &spec->decimal, err));
    SPOT_TRY(read_source(node, spec, err));
    SPOT_TRY(read_formats(node, spec, err));
    SPOT_TRY(read_texts(node, "missing", &spec->missing, &spec->missing_count, err));
    SPOT_TRY(read_optional(node, spec, err));
    SPOT_TRY(read_rules(node, schema, column, err));
out:
    return status;
}

/* ---- Checks between columns and of the table ---- */

static const char *const operators[] = {">=", "<=", "==", "!=", ">", "<"};

/* A copy of the text between two places without the blanks at its ends, in `word`. */
static bool trim(const char *from, const char *to, char *word, size_t size)
{
    while (from < to && *from == ' ')
        from++;
    while (to > from && to[-1] == ' ')
        to--;
    size_t length = (size_t)(to - from);
    if (length == 0 || length >= size) return false;
    memcpy(word, from, length);
    word[length] = '\0';
    return true;
}

/* A column that holds numbers, by its name. */
static int find_number_column(const struct schema *schema, const struct config *node,
                              const char *name, int32_t *column, struct spot_error *err)
{
    *column = schema_find(schema, name);
    if (*column < 0) return config_fail(node, err, "compare: there is no column %s", name);
    enum column_type type = schema->specs[*column].type;
    if (type == COLUMN_CATEGORY || type == COLUMN_TEXT)
        return config_fail(node, err, "compare: %s is a %s, not a number or timestamp", name,
                           column_type_words[type]);
    return SPOT_OK;
}

static int read_compare(const struct config *node, struct schema *schema, bool warn,
                        struct spot_error *err)
{
    const char *text = NULL, *at = NULL;
    int op = 0, status = config_text(node, "compare", &text, err);
    if (status < 0) return status;
    for (; op < 6 && at == NULL; op++)
        at = strstr(text, operators[op]);
    char left[128], right[128];
    if (at == NULL || !trim(text, at, left, sizeof left) ||
        !trim(at + strlen(operators[op - 1]), text + strlen(text), right, sizeof right))
        return config_fail(config_get(node, "compare"), err,
                           "compare: expected \"column >= column\" or a number on the right "
                           "(>=, >, <=, <, ==, !=)");
    int32_t column, other = -1;
    struct config operand = {.kind = CONFIG_TEXT, .text = right};
    double number = 0.0;
    status = find_number_column(schema, config_get(node, "compare"), left, &column, err);
    if (status == SPOT_OK && !config_is_number(&operand, &number))
        status = find_number_column(schema, config_get(node, "compare"), right, &other, err);
    if (status < 0) return status;
    struct check *check = schema_add_check(schema, CHECK_COMPARE, "compare: %s", text);
    if (check == NULL) return spot_fail_memory(err, "the schema");
    check->column = column;
    check->other = other;
    check->op = (enum comparison)(op - 1);
    check->high = number;
    check->warn = warn;
    return SPOT_OK;
}

static int read_check(const struct config *node, struct schema *schema, struct spot_error *err)
{
    static const char *const keys[] = {"rows", "compare", "severity", NULL};
    bool warn = false;
    int status = config_known(node, keys, err);
    if (status == SPOT_OK) status = read_severity(node, &warn, err);
    if (status < 0) return status;
    const struct config *rows = config_get(node, "rows"), *compare = config_get(node, "compare");
    if ((rows == NULL) == (compare == NULL))
        return config_fail(node, err, "a check is one of rows or compare");
    if (compare != NULL) return read_compare(node, schema, warn, err);
    double low, high;
    status = read_range(rows, COLUMN_NUMBER, &low, &high, err);
    if (status < 0) return status;
    struct check *check = schema_add_check(schema, CHECK_ROWS, "rows: [%s, %s]",
                                           rows->items[0]->text, rows->items[1]->text);
    if (check == NULL) return spot_fail_memory(err, "the schema");
    check->low = low;
    check->high = high;
    check->warn = warn;
    return SPOT_OK;
}

/* ---- The whole ---- */

/* Whether the features of a configuration name a column. */
static bool is_named(const struct config *features, const char *name)
{
    static const char *const keys[] = {"column", "minus"};
    for (int32_t i = 0; i < features->count; i++) {
        const struct config *feature = features->items[i];
        if (feature->kind == CONFIG_TEXT && strcmp(feature->text, name) == 0) return true;
        for (int key = 0; key < 2; key++) {
            const struct config *value = config_get(feature, keys[key]);
            if (value == NULL) continue;
            if (value->kind == CONFIG_TEXT && strcmp(value->text, name) == 0) return true;
            for (int32_t j = 0; value->kind == CONFIG_LIST && j < value->count; j++)
                if (value->items[j]->kind == CONFIG_TEXT &&
                    strcmp(value->items[j]->text, name) == 0)
                    return true;
        }
    }
    return false;
}

/* Without `columns`: those of the header that the features name, or all, as numbers. */
static int take_header(const struct config *root, char decimal, const char *const *header,
                       int32_t header_count, struct schema *schema, struct spot_error *err)
{
    const struct config *features = config_get(root, "features");
    for (int32_t i = 0; i < header_count; i++) {
        if (features != NULL && !is_named(features, header[i])) continue;
        if (schema_find(schema, header[i]) >= 0) continue;
        if (schema->count == COLUMNS_LIMIT)
            return spot_fail(err, SPOT_EDATA,
                             "more than %d columns; name those to read in `columns` or `features`",
                             COLUMNS_LIMIT);
        struct check *check;
        int32_t column = schema->count;
        int status = schema_add_column(schema, header[i], COLUMN_NUMBER, err);
        if (status == SPOT_OK) {
            schema->specs[column].decimal = decimal;
            status = add_named_check(schema, CHECK_MISSING, column, "missing values", &check, err);
        }
        if (status < 0) return status;
        check->high = 1.0;
    }
    return SPOT_OK;
}

static int fill(struct schema *schema, const struct config *root, const char *const *header,
                int32_t header_count, struct spot_error *err)
{
    static const char *const bad_row[] = {"fail", "drop", NULL};
    const struct config *input = config_get(root, "input"), *columns = config_get(root, "columns"),
                        *checks = config_get(root, "checks");
    char decimal = '.';
    int32_t drop = 0;
    int status;
    SPOT_TRY(read_decimal(input, &decimal, err));
    SPOT_TRY(config_choice(input, "on_bad_row", bad_row, &drop, err));
    schema->drops_rows = drop == 1;
    SPOT_TRY(schema_add_reading_checks(schema, err));
    if (columns == NULL)
        SPOT_TRY(take_header(root, decimal, header, header_count, schema, err));
    else if (columns->kind != CONFIG_MAP || columns->count == 0)
        return config_fail(columns, err, "columns: expected `name: type` entries");
    for (int32_t i = 0; columns != NULL && i < columns->count; i++)
        SPOT_TRY(read_column(columns->items[i], decimal, schema, err));
    if (checks != NULL && checks->kind != CONFIG_LIST)
        return config_fail(checks, err, "checks: expected a list of checks");
    for (int32_t i = 0; checks != NULL && i < checks->count; i++)
        SPOT_TRY(read_check(checks->items[i], schema, err));
out:
    return status;
}

int schema_make(const struct config *root, const char *const *header, int32_t header_count,
                struct schema **out, struct spot_error *err)
{
    *out = NULL;
    struct schema *schema = schema_new();
    if (schema == NULL) return spot_fail_memory(err, "the schema");
    int status = fill(schema, root, header, header_count, err);
    if (status < 0)
        schema_free(schema);
    else
        *out = schema;
    return status;
}
