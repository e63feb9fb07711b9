/* The proleptic Gregorian calendar in seconds and days since 1970-01-01, without time zones. */
#ifndef SPOT_DATA_CALENDAR_H
#define SPOT_DATA_CALENDAR_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Days of a date (Hinnant 2013, days_from_civil); month 1..12. */
static inline int64_t days_of_date(int64_t year, int64_t month, int64_t day)
{
    year -= month <= 2;
    int64_t era = (year >= 0 ? year : year - 399) / 400;
    int64_t year_of_era = year - era * 400;
    int64_t day_of_year = (153 * (month + (month > 2 ? -3 : 9)) + 2) / 5 + day - 1;
    int64_t day_of_era = year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year;
    return era * 146097 + day_of_era - 719468;
}

struct date {
    int64_t year;
    int32_t month, day; /* from 1 */
};

/* The date of a day (Hinnant 2013, civil_from_days). */
static inline struct date date_of_days(int64_t days)
{
    days += 719468;
    int64_t era = (days >= 0 ? days : days - 146096) / 146097;
    uint32_t day_of_era = (uint32_t)(days - era * 146097);
    uint32_t year_of_era =
        (day_of_era - day_of_era / 1460 + day_of_era / 36524 - day_of_era / 146096) / 365;
    uint32_t day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    uint32_t shifted_month = (5 * day_of_year + 2) / 153;
    struct date date;
    date.day = (int32_t)(day_of_year - (153 * shifted_month + 2) / 5 + 1);
    date.month = (int32_t)(shifted_month < 10 ? shifted_month + 3 : shifted_month - 9);
    date.year = (int64_t)year_of_era + era * 400 + (date.month <= 2);
    return date;
}

/* Whether the three numbers are a date of the years -9999 .. 9999. */
static inline bool is_date(double year, double month, double day)
{
    static const int lengths[] = {31, 29, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};
    if (!(year >= -9999 && year <= 9999 && month >= 1 && month <= 12 && day >= 1)) return false;
    int64_t y = (int64_t)year, m = (int64_t)month, d = (int64_t)day;
    if ((double)y != year || (double)m != month || d > lengths[m - 1] || (double)d != day)
        return false;
    return !(m == 2 && d == 29) || (y % 4 == 0 && (y % 100 != 0 || y % 400 == 0));
}

/* "2015-01-31", "2015-01-31 12:30" or "2015-01-31 12:30:59" as seconds. */
bool parse_timestamp(const char *text, double *seconds);

/* The same, written. */
void print_timestamp(double seconds, char *text, size_t size);

#endif
