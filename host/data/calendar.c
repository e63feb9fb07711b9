/* Times as texts, for ranges in a configuration and for reports. */
#include "data/calendar.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

/* `digits` decimal digits at *text, which moves behind them and the separator that follows. */
static bool take_digits(const char **text, int digits, char separator, int *value)
{
    *value = 0;
    for (int i = 0; i < digits; i++, (*text)++) {
        if (**text < '0' || **text > '9') return false;
        *value = *value * 10 + (**text - '0');
    }
    if (separator == '\0') return true;
    if (**text != separator) return false;
    (*text)++;
    return true;
}

bool parse_timestamp(const char *text, double *seconds)
{
    int year, month, day, hour = 0, minute = 0, second = 0;
    if (!take_digits(&text, 4, '-', &year) || !take_digits(&text, 2, '-', &month) ||
        !take_digits(&text, 2, '\0', &day) || !is_date(year, month, day))
        return false;
    if (*text == ' ' || *text == 'T') {
        text++;
        if (!take_digits(&text, 2, ':', &hour) || !take_digits(&text, 2, '\0', &minute))
            return false;
        if (*text == ':') {
            text++;
            if (!take_digits(&text, 2, '\0', &second)) return false;
        }
    }
    if (*text != '\0' || hour > 23 || minute > 59 || second > 59) return false;
    int64_t days = days_of_date(year, month, day);
    *seconds = (double)(days * 86400 + hour * 3600 + minute * 60 + second);
    return true;
}

void print_timestamp(double seconds, char *text, size_t size)
{
    if (!(fabs(seconds) < 1e12)) {
        snprintf(text, size, "out of the calendar");
        return;
    }
    int64_t whole = (int64_t)floor(seconds);
    int64_t days = (whole - ((whole % 86400 + 86400) % 86400)) / 86400;
    int rest = (int)(whole - days * 86400);
    struct date date = date_of_days(days);
    snprintf(text, size, "%04d-%02d-%02d %02d:%02d:%02d", (int)date.year, (int)date.month,
             (int)date.day, rest / 3600, rest / 60 % 60, rest % 60);
}
