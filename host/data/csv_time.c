/* Dates become days by the Gregorian calendar's 400-year cycle (Hinnant, "chrono-compatible
 * low-level date algorithms"). */
#define _GNU_SOURCE
#include "data/csv_time.h"

#include <locale.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/error.h"
#include "base/memory.h"

enum { LONGEST_CELL = 127 }; /* no timestamp is longer; strptime wants a copy with a NUL */

struct csv_time {
    int count;
    char **formats; /* (count) with %F, %T, %R and %D written out */
    bool *foreign;  /* (count) read by strptime */
    locale_t locale;
};

struct fields {
    int year, month, day, day_of_year, hour, minute, second;
    double fraction;
    bool by_day_of_year;
};

/* ---- Formats --------------------------------------------------------------------------------- */

static const char *expansion(char directive)
{
    switch (directive) {
    case 'F':
        return "%Y-%m-%d";
    case 'T':
        return "%H:%M:%S";
    case 'R':
        return "%H:%M";
    case 'D':
        return "%m/%d/%y";
    default:
        return NULL;
    }
}

/* Writes out composed directives and sees whether strptime is needed. */
static int compile(const char *format, char **out, bool *foreign, struct spot_error *err)
{
    char *to = *out = malloc(strlen(format) * 4 + 1);
    if (to == NULL) return spot_fail_memory(err, "a timestamp's format");
    *foreign = false;
    bool any = false;
    for (const char *p = format; *p != '\0'; p++) {
        *to++ = *p;
        if (*p != '%') continue;
        char directive = *++p;
        if (directive != '\0' && strchr("zZsc", directive) != NULL)
            return spot_fail(err, SPOT_EUSAGE,
                             "format '%s': %%%c is not supported, timestamps have no time zone",
                             format, directive);
        if (directive == '\0' ||
            strchr("YymdjHMSfFTRDbBhaAIpeklntCPuwUWVGgExOrX%", directive) == NULL)
            return spot_fail(err, SPOT_EUSAGE, "format '%s': '%%%c' is no directive of strptime",
                             format, directive == '\0' ? ' ' : directive);
        any = any || directive != '%';
        const char *longer = expansion(directive);
        if (longer != NULL) {
            to = stpcpy(to - 1, longer);
        } else {
            *to++ = directive;
            *foreign = *foreign || strchr("YymdjHMSf%", directive) == NULL;
        }
    }
    *to = '\0';
    if (!any)
        return spot_fail(err, SPOT_EUSAGE,
                         "format '%s' has no directive; for example \"%%Y-%%m-%%d %%H:%%M\"",
                         format);
    if (*foreign && strstr(*out, "%f") != NULL)
        return spot_fail(err, SPOT_EUSAGE,
                         "format '%s': %%f goes with %%Y %%y %%m %%d %%j %%H %%M %%S only", format);
    return SPOT_OK;
}

int csv_time_make(const char *const *formats, int count, struct csv_time **out,
                  struct spot_error *err)
{
    *out = NULL;
    int status = SPOT_OK;
    struct csv_time *time = calloc(1, sizeof *time);
    if (time == NULL) return spot_fail_memory(err, "a timestamp's format");
    time->formats = spot_alloc_zero(count, sizeof *time->formats);
    time->foreign = spot_alloc_zero(count, sizeof *time->foreign);
    time->locale = newlocale(LC_ALL_MASK, "C", (locale_t)0);
    if (time->formats == NULL || time->foreign == NULL || time->locale == (locale_t)0) {
        status = spot_fail_memory(err, "a timestamp's format");
        goto out;
    }
    for (; time->count < count; time->count++) {
        int i = time->count;
        status = compile(formats[i], &time->formats[i], &time->foreign[i], err);
        if (status < 0) {
            free(time->formats[i]);
            goto out;
        }
    }
    *out = time;
    time = NULL;
out:
    csv_time_free(time);
    return status;
}

void csv_time_free(struct csv_time *time)
{
    if (time == NULL) return;
    for (int i = 0; i < time->count; i++)
        free(time->formats[i]);
    free(time->formats);
    free(time->foreign);
    if (time->locale != (locale_t)0) freelocale(time->locale);
    free(time);
}

/* ---- Cells ----------------------------------------------------------------------------------- */

static bool is_space(char c)
{
    return c == ' ' || (c >= '\t' && c <= '\r');
}

/* A number of 1 to `most` digits within [low, high]. */
static bool read_number(const char **text, const char *end, int most, int low, int high,
                        int *number)
{
    const char *p = *text;
    int value = 0, digits = 0;
    for (; p < end && digits < most && (unsigned char)(*p - '0') < 10; p++, digits++)
        value = value * 10 + (*p - '0');
    *text = p;
    *number = value;
    return digits > 0 && value >= low && value <= high;
}

/* The digits of a fraction. */
static bool read_fraction(const char **text, const char *end, double *fraction)
{
    double value = 0, scale = 1;
    const char *first = *text;
    for (; *text < end && (unsigned char)(**text - '0') < 10; ++*text) {
        if (*text - first >= 15) continue;
        value = value * 10 + (**text - '0');
        scale *= 10;
    }
    *fraction = value / scale;
    return *text > first;
}

static bool read_directive(char directive, const char **text, const char *end, struct fields *f)
{
    switch (directive) {
    case 'Y':
        return read_number(text, end, 4, 0, 9999, &f->year);
    case 'y':
        if (!read_number(text, end, 2, 0, 99, &f->year)) return false;
        f->year += f->year >= 69 ? 1900 : 2000;
        return true;
    case 'm':
        return read_number(text, end, 2, 1, 12, &f->month);
    case 'd':
        return read_number(text, end, 2, 1, 31, &f->day);
    case 'j':
        f->by_day_of_year = true;
        return read_number(text, end, 3, 1, 366, &f->day_of_year);
    case 'H':
        return read_number(text, end, 2, 0, 23, &f->hour);
    case 'M':
        return read_number(text, end, 2, 0, 59, &f->minute);
    case 'S':
        return read_number(text, end, 2, 0, 60, &f->second);
    case 'f':
        return read_fraction(text, end, &f->fraction);
    default: /* %% */
        return *text < end && *(*text)++ == '%';
    }
}

/* A blank in the format stands for any number of blanks, as in strptime. */
static bool read_fields(const char *format, const char *text, const char *end, struct fields *f)
{
    for (; *format != '\0'; format++) {
        if (*format == '%') {
            format++;
            if (*format != '%' && *format != 'f')
                while (text < end && is_space(*text))
                    text++;
            if (!read_directive(*format, &text, end, f)) return false;
        } else if (is_space(*format)) {
            while (text < end && is_space(*text))
                text++;
        } else if (text < end && *text == *format) {
            text++;
        } else {
            return false;
        }
    }
    return text == end;
}

/* strptime on a copy; it does not say which fields it read, so the ones it may leave are set. */
static bool read_foreign(const struct csv_time *time, const char *format, const char *text,
                         const char *end, struct fields *f)
{
    char copy[LONGEST_CELL + 1];
    if (end - text > LONGEST_CELL) return false;
    memcpy(copy, text, (size_t)(end - text));
    copy[end - text] = '\0';
    struct tm tm = {.tm_year = 70, .tm_mday = 1};
    const char *rest = strptime_l(copy, format, &tm, time->locale);
    if (rest == NULL || *rest != '\0') return false;
    *f = (struct fields){.year = tm.tm_year + 1900,
                         .month = tm.tm_mon + 1,
                         .day = tm.tm_mday,
                         .hour = tm.tm_hour,
                         .minute = tm.tm_min,
                         .second = tm.tm_sec};
    return true;
}

static bool is_leap(int year)
{
    return year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
}

/* Days since 1970-01-01 of a day of the proleptic Gregorian calendar. */
static int64_t days_from_civil(int64_t year, int month, int day)
{
    year -= month <= 2;
    int64_t era = (year >= 0 ? year : year - 399) / 400;
    int64_t year_of_era = year - era * 400;
    int64_t day_of_year = (153 * (month + (month > 2 ? -3 : 9)) + 2) / 5 + day - 1;
    int64_t day_of_era = year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year;
    return era * 146097 + day_of_era - 719468;
}

static bool to_seconds(const struct fields *f, double *seconds)
{
    static const int DAYS[] = {31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};
    int64_t days;
    if (f->by_day_of_year) {
        if (f->day_of_year > 365 + is_leap(f->year)) return false;
        days = days_from_civil(f->year, 1, 1) + f->day_of_year - 1;
    } else {
        if (f->day > DAYS[f->month - 1] + (f->month == 2 && is_leap(f->year))) return false;
        days = days_from_civil(f->year, f->month, f->day);
    }
    *seconds = (double)(days * 86400 + f->hour * 3600 + f->minute * 60 + f->second) + f->fraction;
    return true;
}

bool csv_time_parse(const struct csv_time *time, const char *text, const char *end, double *seconds)
{
    for (int i = 0; i < time->count; i++) {
        struct fields f = {.year = 1970, .month = 1, .day = 1};
        bool read = time->foreign[i] ? read_foreign(time, time->formats[i], text, end, &f)
                                     : read_fields(time->formats[i], text, end, &f);
        if (read && to_seconds(&f, seconds)) return true;
    }
    return false;
}
