/* The table of clusters, against one made by hand. */
#define _GNU_SOURCE
#include "app/report.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "app/words.h"
#include "suite.h"

static struct spot_error err;

/* The table as text; the caller frees it. */
static char *report(int32_t k, int64_t rows, const int32_t *labels,
                    const struct profile_column *columns, int32_t count)
{
    char *text;
    size_t size;
    FILE *out = open_memstream(&text, &size);
    CU_ASSERT_EQUAL(report_clusters(out, k, rows, labels, columns, count, &err), SPOT_OK);
    fclose(out);
    return text;
}

static void expect(char *text, const char *expected)
{
    CU_ASSERT_STRING_EQUAL(text, expected);
    if (strcmp(text, expected) != 0) printf("%s\nexpected\n%s", text, expected);
    free(text);
}

static void prints_sizes_alone(void)
{
    const int32_t labels[] = {0, 2, 2, 0, 0};
    expect(report(3, 5, labels, NULL, 0), "cluster  rows    share\n"
                                          "      0     3   60.0 %\n"
                                          "      1     0    0.0 %\n"
                                          "      2     2   40.0 %\n"
                                          "    all     5  100.0 %\n");
}

/* Cluster 0 happens around midnight and the turn of week and year; cluster 2 is empty. Text that is
 * not ASCII is aligned by characters. */
static void prints_profiles(void)
{
    const int32_t labels[] = {0, 0, 0, 1, 1, 1, 1};
    const double hours[] = {23, 0.99, 12, 8, 8, 9, 17};
    const double days[] = {6, 0, 3, 2, 2, 2, (double)NAN};
    const double months[] = {12, 1, 6, 5, 5, 13, 5};
    const double ages[] = {20, (double)NAN, 40, 1e6, 2e6, 0.5, 0.25};
    const double severity[] = {1, 2, 2, 3, 3, 3, (double)NAN};
    const char *const names[] = {"none", "fatal", "serious"};
    const struct profile_column columns[] = {
        {"hour", hours, NULL, 0, PROFILE_HOUR},    {"weekday", days, NULL, 0, PROFILE_WEEKDAY},
        {"month", months, NULL, 0, PROFILE_MONTH}, {"\xc3\xa2ge", ages, NULL, 0, PROFILE_MEAN},
        {"type", severity, names, 3, PROFILE_MIX},
    };
    expect(report(3, 7, labels, columns, 5),
           "cluster  rows    share  hour         weekday  month    mean \xc3\xa2ge  type fatal  "
           "type serious   type 3\n"
           "      0     3   42.9 %  23:00-01:00  Sun-Mon  Dec-Jan        30      33.3 %  "
           "      66.7 %    0.0 %\n"
           "      1     4   57.1 %  08:00-09:00  Wed      May        750000       0.0 %  "
           "       0.0 %  100.0 %\n"
           "      2     0    0.0 %  -            -        -               -           -  "
           "           -        -\n"
           "    all     7  100.0 %  08:00-13:00  Wed      May        500000      16.7 %  "
           "      33.3 %   50.0 %\n"
           "(hours, days and months: the shortest span that holds half of the rows)\n");
}

/* Seven values: the least frequent one of equal frequency, the largest, has no column. */
static void keeps_the_most_frequent_values(void)
{
    const int32_t labels[9] = {0};
    const double codes[] = {7, 6, 5, 4, 3, 2, 1, 7, 6};
    const struct profile_column column = {"c", codes, NULL, 0, PROFILE_MIX};
    char *text = report(1, 9, labels, &column, 1);
    CU_ASSERT_PTR_NOT_NULL(strstr(text, "c 1     c 2     c 3     c 4     c 6     c 7\n"));
    CU_ASSERT_PTR_NULL(strstr(text, "c 5"));
    free(text);
}

static void prints_an_empty_table(void)
{
    const double none[1] = {0};
    const struct profile_column columns[] = {{"hour", none, NULL, 0, PROFILE_HOUR},
                                             {"m", none, NULL, 0, PROFILE_MIX},
                                             {"x", none, NULL, 0, PROFILE_MEAN}};
    char *text = report(1, 0, NULL, columns, 3);
    CU_ASSERT_PTR_NOT_NULL(strstr(text, "      0     0      -  -          -\n"));
    free(text);
}

static void reports_a_full_disk(void)
{
    FILE *full = fopen("/dev/full", "w");
    CU_ASSERT_EQUAL(report_clusters(full, 1, 1, (int32_t[]){0}, NULL, 0, &err), SPOT_EIO);
    CU_ASSERT_PTR_NOT_NULL(strstr(err.message, "No space left"));
    fclose(full);
}

static void writes_numbers_for_people(void)
{
    char text[WORDS_ROOM];
    CU_ASSERT_STRING_EQUAL(words_count(0, text), "0");
    CU_ASSERT_STRING_EQUAL(words_count(999, text), "999");
    CU_ASSERT_STRING_EQUAL(words_count(1000, text), "1,000");
    CU_ASSERT_STRING_EQUAL(words_count(-123456, text), "-123,456");
    CU_ASSERT_STRING_EQUAL(words_count(INT64_MAX, text), "9,223,372,036,854,775,807");
    CU_ASSERT_STRING_EQUAL(words_share(1, 3, text), "33.3 %");
    CU_ASSERT_STRING_EQUAL(words_share(0, 0, text), "-");
    CU_ASSERT_STRING_EQUAL(words_number(0.123456, text), "0.1235");
    CU_ASSERT_STRING_EQUAL(words_number(-12345678, text), "-12350000");
    CU_ASSERT_STRING_EQUAL(words_number(0, text), "0");
    CU_ASSERT_STRING_EQUAL(words_number(1e-310, text), "1e-310");
    CU_ASSERT_STRING_EQUAL(words_number((double)NAN, text), "-");
    CU_ASSERT_STRING_EQUAL(words_number((double)INFINITY, text), "inf");
}

int main(void)
{
    const struct suite_test tests[] = {
        {"prints sizes alone", prints_sizes_alone},
        {"prints profiles", prints_profiles},
        {"keeps the most frequent values", keeps_the_most_frequent_values},
        {"prints an empty table", prints_an_empty_table},
        {"reports a full disk", reports_a_full_disk},
        {"writes numbers for people", writes_numbers_for_people},
        {NULL, NULL},
    };
    return run_suite("report", tests);
}
