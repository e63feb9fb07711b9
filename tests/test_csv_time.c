/* Timestamps agree with the C library's calendar, and dates that do not exist are none. */
#define _GNU_SOURCE
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "data/csv_time.h"
#include "suite.h"

static bool parse(const char *format, const char *text, double *seconds)
{
    struct csv_time *time;
    CU_ASSERT_EQUAL_FATAL(csv_time_make(&format, 1, &time, NULL), SPOT_OK);
    bool read = csv_time_parse(time, text, text + strlen(text), seconds);
    csv_time_free(time);
    return read;
}

static void expect(const char *format, const char *text, double expected)
{
    double seconds = -1;
    bool same = parse(format, text, &seconds) && seconds == expected;
    if (!same) printf("\n%s by %s: %.17g\n", text, format, seconds);
    CU_ASSERT(same);
}

static void reads_formats(void)
{
    expect("%d/%m/%Y %H:%M", "09/01/2015 19:00", 1420830000);
    expect("%d/%m/%Y %H:%M", " 9/1/2015   7:05", 1420787100);
    expect("%Y-%m-%d %H:%M:%S", "2016-02-29 23:59:59", 1456790399);
    expect("%Y-%m-%dT%H:%M:%S.%f", "1970-01-02T00:00:00.250", 86400.25);
    expect("%F %T", "1969-12-31 23:59:59", -1);
    expect("%D %R", "01/01/70 00:01", 60);
    expect("%d.%m.%y", "1.2.68", 3095280000);
    expect("%d.%m.%y", "1.2.69", -28857600);
    expect("%Y%m%d", "20150109", 1420761600);
    expect("%Y/%j", "2016/366", 1483142400);
    expect("%H:%M", "01:00", 3600);
    expect("100%% %Y", "100% 1970", 0);
    expect("%d %b %Y %I:%M %p", "09 Jan 2015 07:05 PM", 1420830300);
}

static void refuses_dates_that_do_not_exist(void)
{
    double seconds;
    CU_ASSERT_FALSE(parse("%d/%m/%Y", "31/02/2015", &seconds));
    CU_ASSERT_FALSE(parse("%d/%m/%Y", "29/02/1900", &seconds));
    CU_ASSERT_TRUE(parse("%d/%m/%Y", "29/02/2000", &seconds));
    CU_ASSERT_FALSE(parse("%d/%m/%Y", "00/01/2015", &seconds));
    CU_ASSERT_FALSE(parse("%d/%m/%Y", "01/13/2015", &seconds));
    CU_ASSERT_FALSE(parse("%d/%m/%Y", "01/12/2015x", &seconds));
    CU_ASSERT_FALSE(parse("%d/%m/%Y", "01-12-2015", &seconds));
    CU_ASSERT_FALSE(parse("%d/%m/%Y", "", &seconds));
    CU_ASSERT_FALSE(parse("%d/%m/%Y", "a/b/c", &seconds));
    CU_ASSERT_FALSE(parse("%H:%M", "24:00", &seconds));
    CU_ASSERT_FALSE(parse("%H:%M", "12:60", &seconds));
    CU_ASSERT_FALSE(parse("%Y/%j", "2015/366", &seconds));
    CU_ASSERT_FALSE(parse("%S.%f", "1.", &seconds));
    CU_ASSERT_FALSE(parse("%y%%", "15", &seconds));
    CU_ASSERT_FALSE(parse("%y", "x", &seconds));
    CU_ASSERT_FALSE(parse("%d %b %Y", "31 Feb 2015", &seconds));
    CU_ASSERT_FALSE(parse("%d %b %Y", "31 Fev 2015", &seconds));
    char text[300];
    memset(text, '1', sizeof text - 1);
    text[sizeof text - 1] = '\0';
    CU_ASSERT_FALSE(parse("%b", text, &seconds));
}

/* Every day of four hundred years and more, against timegm. */
static void agrees_with_the_calendar(void)
{
    int wrong = 0;
    for (int day = 0; day < 160000; day++) {
        struct tm tm = {.tm_year = -100, .tm_mday = 1 + day, .tm_hour = day % 24};
        time_t moment = timegm(&tm);
        char text[64];
        strftime(text, sizeof text, "%d/%m/%Y %H:%M", &tm);
        static struct csv_time *time;
        static const char *const format = "%d/%m/%Y %H:%M";
        if (day == 0) CU_ASSERT_EQUAL_FATAL(csv_time_make(&format, 1, &time, NULL), SPOT_OK);
        double seconds = 0;
        bool read = csv_time_parse(time, text, text + strlen(text), &seconds);
        wrong += !read || seconds != (double)moment;
        if (day == 159999) csv_time_free(time);
    }
    CU_ASSERT_EQUAL(wrong, 0);
}

static void refuses_formats(void)
{
    static const char *const wrong[][2] = {{"%Y %z", "time zone"},       {"%s", "time zone"},
                                           {"%Q", "no directive"},       {"%Y %", "no directive"},
                                           {"year", "has no directive"}, {"%b %f", "%f goes with"}};
    for (int i = 0; i < 6; i++) {
        struct csv_time *time;
        struct spot_error err;
        CU_ASSERT_EQUAL(csv_time_make(&wrong[i][0], 1, &time, &err), SPOT_EUSAGE);
        CU_ASSERT_PTR_NULL(time);
        CU_ASSERT_PTR_NOT_NULL(strstr(err.message, wrong[i][1]));
    }
}

static void tries_formats_in_turn(void)
{
    const char *const formats[] = {"%d/%m/%Y", "%Y-%m-%d"};
    struct csv_time *time;
    double seconds = -1;
    CU_ASSERT_EQUAL_FATAL(csv_time_make(formats, 2, &time, NULL), SPOT_OK);
    const char *text = "1970-01-02";
    CU_ASSERT_TRUE(csv_time_parse(time, text, text + 10, &seconds));
    CU_ASSERT_EQUAL(seconds, 86400);
    csv_time_free(time);
    csv_time_free(NULL);
}

int main(void)
{
    const struct suite_test tests[] = {
        {"reads formats", reads_formats},
        {"refuses dates that do not exist", refuses_dates_that_do_not_exist},
        {"agrees with the calendar", agrees_with_the_calendar},
        {"refuses formats", refuses_formats},
        {"tries formats in turn", tries_formats_in_turn},
        {NULL, NULL},
    };
    return run_suite("csv_time", tests);
}
