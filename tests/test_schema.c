/* The schema: every check with its counts and places, severities, and what a configuration may say.
 */
#define _GNU_SOURCE
#include <cjson/cJSON.h>

#include "data/calendar.h"
#include "data/unique.h"
#include "prepare_text.h"

/* The entry of a check in the report, or NULL. */
static const cJSON *find_check(const cJSON *report, const char *name)
{
    const cJSON *check;
    cJSON_ArrayForEach(check, cJSON_GetObjectItem(report, "checks"))
    {
        if (strcmp(cJSON_GetObjectItem(check, "check")->valuestring, name) == 0) return check;
    }
    return NULL;
}

static double number_of(const cJSON *object, const char *key)
{
    const cJSON *item = cJSON_GetObjectItem(object, key);
    return item == NULL ? -1.0 : item->valuedouble;
}

/* One check's outcome: counts, and the first offending row. */
static void reports(const char *config, const char *csv, const char *name, const char *severity,
                    bool passed, int checked, int failed, int line, const char *text)
{
    struct prepared out;
    struct spot_error err = {0};
    int status = prepare_text(config, csv, NULL, &out, &err);
    CU_ASSERT_EQUAL(status, !passed && strcmp(severity, "error") == 0 ? SPOT_EDATA : SPOT_OK);
    if (status < 0 && passed) printf("\n    %s\n", err.message);
    const cJSON *check = find_check(out.report, name);
    CU_ASSERT_PTR_NOT_NULL_FATAL(check);
    CU_ASSERT_STRING_EQUAL(cJSON_GetObjectItem(check, "severity")->valuestring, severity);
    CU_ASSERT_EQUAL(cJSON_IsTrue(cJSON_GetObjectItem(check, "passed")), passed);
    CU_ASSERT_EQUAL(number_of(check, "checked"), checked);
    CU_ASSERT_EQUAL(number_of(check, "failed"), failed);
    const cJSON *first = cJSON_GetObjectItem(check, "first")->child;
    if (text == NULL) {
        CU_ASSERT_PTR_NULL(first);
    } else {
        CU_ASSERT_PTR_NOT_NULL_FATAL(first);
        CU_ASSERT_EQUAL(number_of(first, "line"), line);
        const char *found = cJSON_GetObjectItem(first, "text")->valuestring;
        if (strstr(found, text) == NULL) printf("\n    %s\n", found);
        CU_ASSERT_PTR_NOT_NULL(strstr(found, text));
    }
    prepared_free(&out);
}

static void checks_ranges(void)
{
    const char *config = "columns: {a: {type: number, range: [0, 5.5]}}\n"
                         "features: [{column: a, impute: constant, value: 0}]";
    reports(config, "a\n0\n5.5\n\"\"\n", "a: range [0, 5.5]", "error", true, 2, 0, 0, NULL);
    reports(config, "a\n1\n5.6\n-1\n", "a: range [0, 5.5]", "error", false, 3, 2, 3, "5.6");
    const char *time = "columns:\n  t: {type: timestamp, format: \"%d/%m/%Y\",\n"
                       "      range: [2015-01-01, 2015-12-31 23:59]}\n"
                       "features: [{column: t, derive: month}]";
    reports(time, "t\n01/01/2015\n01/01/2016\n", "t: range [2015-01-01, 2015-12-31 23:59]", "error",
            false, 2, 1, 3, "2016-01-01 00:00:00");
    const char *warn = "columns: {a: {type: number, range: [0, 5.5], severity: warn}}";
    reports(warn, "a\n1\n7\n", "a: range [0, 5.5]", "warn", false, 2, 1, 3, "7");
}

static void takes_values_outside_a_range_for_missing(void)
{
    const char *config = "columns: {a: {type: number, range: [0, 5], outside: missing,\n"
                         "              max_missing: 0.5}}\n"
                         "features: [{column: a, impute: drop_row}]";
    const char *csv = "a\n0\n7\n5\n\"\"\n-0.1\n2\n3\n";
    reports(config, csv, "a: range [0, 5]", "warn", false, 6, 2, 3, "7");
    reports(config, csv, "a: missing values", "error", true, 7, 3, 3, "outside the range");
    refuses(config, "a\n1\n7\n8\n", SPOT_EDATA, "missing values: outside the range (2 of 3");
    refuses("columns: {a: {outside: missing}}", "a\n1\n", SPOT_EUSAGE, "goes with a range");
    refuses("columns: {a: {range: [0, 1], outside: drop}}", "a\n1\n", SPOT_EUSAGE, "outside");
    for (int rereads = 0; rereads <= 1; rereads++) {
        struct prepare_wish wish = {.rereads = rereads == 1};
        struct prepared out;
        CU_ASSERT_EQUAL_FATAL(prepare_text(config, csv, &wish, &out, NULL), SPOT_OK);
        CU_ASSERT_EQUAL(out.table_rows, 7);
        CU_ASSERT_EQUAL_FATAL(out.rows, 4);
        const float kept[] = {0, 5, 2, 3};
        CU_ASSERT_EQUAL(memcmp(out.values, kept, sizeof kept), 0);
        /* and so in scoring: the range is in the model */
        cJSON *columns = cJSON_CreateObject();
        cJSON_AddItemToObject(columns, "columns", schema_to_json(out.schema));
        struct schema *schema = NULL;
        CU_ASSERT_EQUAL_FATAL(schema_from_json(columns, &schema, NULL), SPOT_OK);
        wish.encoder = out.encoder;
        wish.schema = schema;
        struct prepared scored;
        CU_ASSERT_EQUAL_FATAL(prepare_text(NULL, "a\n-9\n1\n", &wish, &scored, NULL), SPOT_OK);
        CU_ASSERT(scored.rows == 1 && scored.values[0] == 1.0F);
        prepared_free(&scored);
        prepared_free(&out);
        schema_free(schema);
        cJSON_Delete(columns);
    }
}

/* What is taken for missing has no part in the statistics. */
static void fits_what_is_within_the_range(void)
{
    const char *config = "columns: {a: {type: number, range: [0, 5], outside: missing}}\n"
                         "features: [{column: a, impute: mean, scale: minmax}]";
    struct prepared out;
    CU_ASSERT_EQUAL_FATAL(prepare_text(config, "a\n0\n70000\n5\n-1\n", NULL, &out, NULL), SPOT_OK);
    const float scaled[] = {0.0F, 0.5F, 1.0F, 0.5F};
    CU_ASSERT_EQUAL_FATAL(out.rows, 4);
    CU_ASSERT_EQUAL(memcmp(out.values, scaled, sizeof scaled), 0);
    prepared_free(&out);
}

static void checks_allowed_values(void)
{
    const char *numbers = "columns: {a: {type: integer, allowed: [1, 2, 3], missing: [-1]}}\n"
                          "features: [{column: a, impute: drop_row}]";
    reports(numbers, "a\n1\n-1\n3\n", "a: allowed values", "error", true, 2, 0, 0, NULL);
    reports(numbers, "a\n1\n2.0\n4\n0\n", "a: allowed values", "error", false, 4, 2, 4, "4");
    const char *words = "columns: {w: {type: category, allowed: [wet, \"1\"], missing: [na]}}\n"
                        "features: [{column: w, encode: ordinal, impute: most_frequent}]";
    reports(words, "w\nwet\n1\nna\n", "w: allowed values", "error", true, 2, 0, 0, NULL);
    reports(words, "w\nwet\ndry\nwet\ndry\n", "w: allowed values", "error", false, 4, 2, 3, "dry");
}

static void checks_missing_values(void)
{
    const char *config = "columns: {a: {type: number, missing: [-1, \"Data missing\"], "
                         "max_missing: 0.5}}\nfeatures: [{column: a, impute: mean}]";
    reports(config, "a\n1\n-1\n-1.0\n2\n", "a: missing values", "error", true, 4, 2, 3, "missing");
    reports(config, "a\n1\n-1\nData missing\n", "a: missing values", "error", false, 3, 2, 3,
            "missing");
    const char *text = "columns: {a: number, z: {type: text, max_missing: 0}, w: {type: category, "
                       "max_missing: 0, severity: warn}}\nfeatures: [a]";
    reports(text, "a,z,w\n1,x,y\n2,,y\n", "z: missing values", "error", false, 2, 1, 3, "missing");
    reports(text, "a,z,w\n1,x,y\n2,x,\n", "w: missing values", "warn", false, 2, 1, 3, "missing");
}

static void checks_uniqueness(void)
{
    const char *text = "columns: {a: number, id: {type: text, unique: true}}\nfeatures: [a]";
    reports(text, "a,id\n1,x\n1,y\n1,\n1,\n", "id: unique", "error", true, 2, 0, 0, NULL);
    reports(text, "a,id\n1,x\n1,y\n1,x\n1,x\n", "id: unique", "error", false, 4, 2, 4,
            "the value of line 2 of");
    const char *number = "columns: {a: {type: number, unique: true}}";
    reports(number, "a\n0\n1e300\n-0.0\n", "a: unique", "error", false, 3, 1, 4, "of line 2 of");
    const char *word = "columns: {a: number, w: {type: category, unique: true, severity: warn}}\n"
                       "features: [a]";
    reports(word, "a,w\n1,x\n1,x\n", "w: unique", "warn", false, 2, 1, 3, "of line 2 of");
    /* quoted line feeds: lines do not follow one another, rows do */
    reports(text, "a,id\n1,x\n2,\"p\nq\"\n3,r\n4,x\n", "id: unique", "error", false, 4, 1, -1,
            "the value of row 1 again");
}

static void checks_between_columns(void)
{
    const char *csv = "a,b\n1,2\n3,3\n5,4\n\"\",1\n";
    const char *const checks[] = {"a >= b", "a<=b", "a == b", "a != b", "a > 2.5", "a < b"};
    const int failed[] = {1, 1, 2, 1, 1, 2}, lines[] = {2, 4, 2, 3, 2, 3};
    for (int i = 0; i < 6; i++) {
        char config[300], name[100];
        snprintf(config, sizeof config,
                 "columns: {a: number, b: number}\nchecks:\n  - {compare: \"%s\"}\n"
                 "features: [{column: a, impute: constant, value: 0}]",
                 checks[i]);
        snprintf(name, sizeof name, "compare: %s", checks[i]);
        reports(config, csv, name, "error", false, 3, failed[i], lines[i], "");
    }
    reports("columns: {s: timestamp, e: timestamp}\nchecks: [{compare: e >= s, severity: warn}]\n"
            "features: [{column: e, minus: s}]",
            "s,e\n2015-01-02,2015-01-01\n", "compare: e >= s", "warn", false, 1, 1, 2,
            "2015-01-01 00:00:00 and 2015-01-02 00:00:00");
}

static void checks_the_number_of_rows(void)
{
    const char *config = "columns: {a: number}\nchecks: [{rows: [2, 3]}]";
    reports(config, "a\n1\n2\n", "rows: [2, 3]", "error", true, 2, 0, 0, NULL);
    reports(config, "a\n1\n", "rows: [2, 3]", "error", false, 1, 1, 0, NULL);
    reports("columns: {a: number}\nchecks: [{rows: [0, 1], severity: warn}]", "a\n1\n2\n",
            "rows: [0, 1]", "warn", false, 2, 1, 0, NULL);
    refuses(config, "a\n1\n2\n3\n4\n", SPOT_EDATA, "rows: [2, 3]: the table has 4 rows");
}

static void checks_that_cells_are_readable(void)
{
    const char *config = "columns: {a: number}\nfeatures: [{column: a, impute: mean}]";
    reports(config, "a\n1\nabc\n", "readable cells", "error", false, 2, 1, 3, "a: abc: ");
    reports("columns: {a: {type: number, severity: warn}}\n"
            "features: [{column: a, impute: mean}]",
            "a\n1\nabc\n", "readable cells", "warn", false, 2, 1, 3, "a: abc: ");
    reports("input: {on_bad_row: drop}\ncolumns: {a: number, b: number}\nfeatures: [a]",
            "a,b\n1,2\n3\n4,5\n", "whole rows", "warn", false, 3, 1, 3, "");
    refuses(config, "a\n1\nabc\n", SPOT_EDATA, ".csv:3: readable cells: a: abc: ");
    refuses("columns: {a: number, b: number}", "a,b\n1,2\n3\n", SPOT_EDATA, ".csv:3");
}

/* The first offending rows of each check come in row order, from several files. */
static void lists_the_first_offending_rows(void)
{
    char *paths[2];
    for (int f = 0; f < 2; f++) {
        char csv[200] = "a\n";
        for (int i = 0; i < 9; i++)
            snprintf(csv + strlen(csv), 20, "%d\n", i % 3 == 1 ? 100 + i : i);
        paths[f] = temporary_file(csv, strlen(csv), ".csv");
    }
    struct prepared out;
    struct spot_error err;
    CU_ASSERT_EQUAL(prepare_files("columns: {a: {type: integer, range: [0, 50]}}",
                                  (const char *const *)paths, 2, NULL, &out, &err),
                    SPOT_EDATA);
    const cJSON *check = find_check(out.report, "a: range [0, 50]"), *item;
    const int rows[] = {2, 5, 8, 11, 14}, lines[] = {3, 6, 9, 3, 6};
    int i = 0;
    cJSON_ArrayForEach(item, cJSON_GetObjectItem(check, "first"))
    {
        CU_ASSERT_EQUAL(number_of(item, "row"), rows[i]);
        CU_ASSERT_EQUAL(number_of(item, "line"), lines[i]);
        CU_ASSERT_STRING_EQUAL(cJSON_GetObjectItem(item, "file")->valuestring, paths[i / 3]);
        i++;
    }
    CU_ASSERT_EQUAL(i, 5);
    CU_ASSERT_EQUAL(number_of(check, "failed"), 6);
    CU_ASSERT_EQUAL(number_of(out.report, "rows"), 18);
    CU_ASSERT_FALSE(cJSON_IsTrue(cJSON_GetObjectItem(out.report, "passed")));
    prepared_free(&out);
    for (int f = 0; f < 2; f++) {
        unlink(paths[f]);
        free(paths[f]);
    }
}

static void keep_line(void *arg, const char *text)
{
    char *lines = arg;
    snprintf(lines + strlen(lines), 1000 - strlen(lines), "%s\n", text);
}

static void warns_in_words(void)
{
    char lines[1000] = "";
    struct prepared out;
    struct prepare_wish wish = {.warn = keep_line, .arg = lines};
    CU_ASSERT_EQUAL(prepare_text("columns: {a: {type: number, range: [0, 5], severity: warn}}\n"
                                 "checks: [{rows: [5, 9], severity: warn}]",
                                 "a\n1\n7\n8\n", &wish, &out, NULL),
                    SPOT_OK);
    CU_ASSERT_PTR_NOT_NULL(strstr(lines, ".csv:3: a: range [0, 5]: 7 (2 of 3 failed)\n"));
    CU_ASSERT_PTR_NOT_NULL(strstr(lines, "rows: [5, 9]: the table has 3 rows\n"));
    CU_ASSERT_TRUE(cJSON_IsTrue(cJSON_GetObjectItem(out.report, "passed")));
    prepared_free(&out);
}

static void reads_columns_as_told(void)
{
    makes("columns:\n"
          "  when: {type: timestamp, from: [Date, Time], format: \"%d/%m/%Y %H:%M\"}\n"
          "  x: {from: \"X 1\", decimal: \",\"}\n"
          "  gone: {type: number, optional: true}\n"
          "  lost: {type: category, required: false}\n"
          "features:\n"
          "  - {column: when, derive: hour}\n"
          "  - x\n"
          "  - {column: gone, impute: constant, value: 4}\n"
          "  - {column: lost, encode: one_hot, impute: constant, value: none}\n",
          "Time;X 1;Date\n18:45;1,5;12/01/2015\n07:50;-2;13/01/2015\n", "hour x gone lost=none",
          "18 1.5 4 1; 7 -2 4 1");
    makes("columns: {t: {type: timestamp, format: [\"%Y-%m-%d\", \"%d.%m.%Y\"]}}\n"
          "features: [{column: t, derive: month}]",
          "t\n2015-03-01\n01.04.2015\n", "month", "3; 4");
}

static void refuses_wrong_configurations(void)
{
    const char *const wrong[][2] = {
        {"colums: {a: number}", "c.yaml:1: unknown key colums: did you mean columns?"},
        {"columns: [a]", "columns: expected `name: type` entries"},
        {"columns: {}", "columns: expected `name: type` entries"},
        {"columns: {a: [number]}", "a: expected `key: value` entries, found a list"},
        {"columns: {a: nubmer}", "type: nubmer is none of number, integer"},
        {"columns: {a: {tipe: number}}", "unknown key tipe: did you mean type?"},
        {"columns: {a: {type: number, from: [x, y]}}", "from: two headers make a timestamp"},
        {"columns: {a: {type: timestamp, from: [x, y, z]}}", "from: one header or two"},
        {"columns: {a: {from: []}}", "from: no header given"},
        {"columns: {a: {from: {x: y}}}", "from: expected a value or a list, found a map"},
        {"columns: {a: {from: [[x]]}}", "from: expected values, found a list or a map"},
        {"columns: {a: {format: \"%Y\"}}", "format: goes with timestamps, and a is a number"},
        {"columns: {a: {type: timestamp, format: []}}", "format: none given"},
        {"columns: {a: {range: 5}}", "range: expected two numbers, [1, 3]"},
        {"columns: {a: {range: [1, x]}}", "range: expected two numbers, [1, 3]"},
        {"columns: {a: {range: [3, 1]}}", "range: 3 is above 1"},
        {"columns: {a: {type: timestamp, range: [1, 3]}}", "range: expected two dates"},
        {"columns: {a: {type: timestamp, range: [2015-02-30, 2016-01-01]}}", "two dates"},
        {"columns: {a: {type: text, range: [1, 3]}}", "range: goes with numbers and timestamps"},
        {"columns: {a: {type: boolean, allowed: [1]}}", "allowed: goes with numbers, integers"},
        {"columns: {a: {allowed: 1}}", "allowed: expected a list of values"},
        {"columns: {a: {allowed: [1, x]}}", "allowed: x is not a number"},
        {"columns: {a: {type: category, allowed: [[x]]}}", "allowed: a list or map is not"},
        {"columns: {a: {max_missing: 2}}", "max_missing: a share between 0 and 1"},
        {"columns: {a: {unique: maybe}}", "unique: maybe is neither true nor false"},
        {"columns: {a: {severity: fatal}}", "severity: fatal is none of error or warn"},
        {"columns: {a: {required: true, optional: true}}", "optional: contradicts required"},
        {"columns: {a: {decimal: x}}", "decimal: x is none of . or ,"},
        {"columns: {a: number}\nchecks: 5", "checks: expected a list of checks"},
        {"columns: {a: number}\nchecks: [{}]", "a check is one of rows or compare"},
        {"columns: {a: number}\nchecks: [{rows: [1, 2], compare: a > 1}]",
         "one of rows or compare"},
        {"columns: {a: number}\nchecks: [{row: [1, 2]}]", "unknown key row: did you mean rows?"},
        {"columns: {a: number}\nchecks: [{rows: 5}]", "rows: expected two numbers"},
        {"columns: {a: number}\nchecks: [{compare: a b}]",
         "compare: expected \"column >= column\""},
        {"columns: {a: number}\nchecks: [{compare: \">= a\"}]", "compare: expected"},
        {"columns: {a: number}\nchecks: [{compare: a > }]", "compare: expected"},
        {"columns: {a: number}\nchecks: [{compare: a > q}]", "compare: there is no column q"},
        {"columns: {a: number, w: category}\nchecks: [{compare: w > 3}]", "w is a category"},
        {"input: {delimiter: ab}", "delimiter: expected one character or tab, found 'ab'"},
        {"input: {encoding: utf-7}", "encoding: utf-7 is none of utf-8, latin1"},
        {"input: {on_bad_row: keep}", "on_bad_row: keep is none of fail or drop"},
        {"input: {file: x}", "unknown key file: did you mean files?"},
    };
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
        char config[400];
        snprintf(config, sizeof config, "%s\n", wrong[i][0]);
        refuses(config, "a,x,y,z\n1,2,3,4\n", SPOT_EUSAGE, wrong[i][1]);
    }
    refuses("columns: {b: number}", "a\n1\n", SPOT_EDATA, "'b'");
}

static void writes_and_parses_times(void)
{
    double seconds;
    char text[40];
    CU_ASSERT(parse_timestamp("2015-12-31 23:59:58", &seconds));
    CU_ASSERT_EQUAL(seconds, 1451606398.0);
    print_timestamp(seconds, text, sizeof text);
    CU_ASSERT_STRING_EQUAL(text, "2015-12-31 23:59:58");
    CU_ASSERT(parse_timestamp("1900-03-01T06:30", &seconds));
    CU_ASSERT_EQUAL(seconds, -2203867800.0);
    print_timestamp(-1.0, text, sizeof text);
    CU_ASSERT_STRING_EQUAL(text, "1969-12-31 23:59:59");
    print_timestamp(1e300, text, sizeof text);
    CU_ASSERT_STRING_EQUAL(text, "out of the calendar");
    const char *const wrong[] = {"2015",
                                 "2015-13-01",
                                 "2015-1-1",
                                 "2015-01-01 24:00",
                                 "x",
                                 "2015-01-01 10:0",
                                 "2015-01-01 10:00:60",
                                 "2015-01-01 10:00 "};
    for (int i = 0; i < 8; i++)
        CU_ASSERT_FALSE(parse_timestamp(wrong[i], &seconds));
    for (int64_t day = -800000; day < 800000; day += 37) {
        struct date date = date_of_days(day);
        CU_ASSERT(days_of_date(date.year, date.month, date.day) == day);
        CU_ASSERT(is_date((double)date.year, date.month, date.day));
    }
}

/* Against a plain count, with many repeats and in every size around the sort's threshold. */
static void finds_repeats_among_many(void)
{
    struct spot_pool *pool;
    CU_ASSERT_EQUAL_FATAL(pool_open(3, &pool, NULL), SPOT_OK);
    for (int64_t rows = 0; rows < 3000; rows = rows * 2 + 1) {
        struct unique_keys keys = {NULL, 0, 0}, all = {NULL, 0, 0};
        char text[24];
        for (int64_t i = 0; i < rows; i++) {
            int length = snprintf(text, sizeof text, "id-%lld", (long long)(i * 7919 % 701));
            CU_ASSERT_EQUAL_FATAL(unique_add_text(&keys, text, (size_t)length, i), SPOT_OK);
        }
        CU_ASSERT_EQUAL_FATAL(unique_append(&all, &keys, 1000), SPOT_OK);
        struct unique_pair pairs[3];
        int found;
        int64_t expected = rows > 701 ? rows - 701 : 0;
        CU_ASSERT_EQUAL(unique_repeats(&all, pool, 3, pairs, &found), expected);
        CU_ASSERT_EQUAL(found, expected < 3 ? (int)expected : 3);
        for (int i = 0; i < found; i++) {
            CU_ASSERT_EQUAL(pairs[i].again, 1701 + i);
            CU_ASSERT_EQUAL(pairs[i].first, 1000 + i);
        }
        unique_clear(&keys);
        unique_clear(&all);
    }
    pool_close(pool);
}

int main(void)
{
    const struct suite_test tests[] = {
        {"checks ranges", checks_ranges},
        {"takes values outside a range for missing", takes_values_outside_a_range_for_missing},
        {"fits what is within the range", fits_what_is_within_the_range},
        {"checks allowed values", checks_allowed_values},
        {"checks missing values", checks_missing_values},
        {"checks uniqueness", checks_uniqueness},
        {"checks between columns", checks_between_columns},
        {"checks the number of rows", checks_the_number_of_rows},
        {"checks that cells are readable", checks_that_cells_are_readable},
        {"lists the first offending rows", lists_the_first_offending_rows},
        {"warns in words", warns_in_words},
        {"reads columns as told", reads_columns_as_told},
        {"refuses wrong configurations", refuses_wrong_configurations},
        {"writes and parses times", writes_and_parses_times},
        {"finds repeats among many", finds_repeats_among_many},
        {NULL, NULL},
    };
    return run_suite("schema", tests);
}
