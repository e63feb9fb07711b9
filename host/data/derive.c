/* Sine and cosine by exact reduction to an eighth of a turn and the polynomials of FreeBSD's
 * k_sin.c and k_cos.c (Sun Microsystems, 1993): the C library's own differ between processors. */
#include "data/derive.h"

#include <math.h>
#include <stdbool.h>

#include "data/calendar.h"

const char *const derive_words[] = {"none",  "hour",        "minute_of_day", "dayofweek",
                                    "month", "day_of_year", "is_weekend",    (const char *)0};

double derive_period(enum derive derive)
{
    switch (derive) {
    case DERIVE_HOUR:
        return 24.0;
    case DERIVE_MINUTE_OF_DAY:
        return 1440.0;
    case DERIVE_DAYOFWEEK:
        return 7.0;
    case DERIVE_MONTH:
        return 12.0;
    case DERIVE_DAY_OF_YEAR:
        return 366.0;
    case DERIVE_NONE:
    case DERIVE_IS_WEEKEND:
        break;
    }
    return 0.0;
}

int derive_needs_time(enum derive derive)
{
    return derive == DERIVE_HOUR || derive == DERIVE_MINUTE_OF_DAY;
}

static bool is_time(double seconds)
{
    return fabs(seconds) < DERIVE_LIMIT;
}

/* floor(seconds / unit) modulo `modulus`, both exact in doubles: 0 <= result < modulus. */
static void derive_modulo(const double *seconds, int64_t rows, double shift, double unit,
                          double modulus, double *out)
{
    for (int64_t i = 0; i < rows; i++) {
        double units = floor((seconds[i] + shift) / unit);
        double value = units - floor(units / modulus) * modulus;
        out[i] = is_time(seconds[i]) ? value : NAN;
    }
}

static void derive_calendar(enum derive derive, const double *seconds, int64_t rows, double *out)
{
    int64_t last = INT64_MIN;
    double value = 0.0;
    for (int64_t i = 0; i < rows; i++) {
        if (!is_time(seconds[i])) {
            out[i] = NAN;
            continue;
        }
        int64_t day = (int64_t)floor(seconds[i] / 86400.0);
        if (day != last) { /* accident files are nearly sorted by day */
            struct date date = date_of_days(day);
            value = derive == DERIVE_MONTH ? (double)date.month
                                           : (double)(day - days_of_date(date.year, 1, 1) + 1);
            last = day;
        }
        out[i] = value;
    }
}

void derive_times(enum derive derive, const double *seconds, int64_t rows, double *out)
{
    const double day = 86400.0, thursday = 3 * 86400.0; /* 1970-01-01 was a Thursday */
    switch (derive) {
    case DERIVE_HOUR:
        derive_modulo(seconds, rows, 0.0, 3600.0, 24.0, out);
        return;
    case DERIVE_MINUTE_OF_DAY:
        derive_modulo(seconds, rows, 0.0, 60.0, 1440.0, out);
        return;
    case DERIVE_DAYOFWEEK:
        derive_modulo(seconds, rows, thursday, day, 7.0, out);
        return;
    case DERIVE_IS_WEEKEND:
        derive_modulo(seconds, rows, thursday, day, 7.0, out);
        for (int64_t i = 0; i < rows; i++)
            out[i] = isnan(out[i]) ? NAN : out[i] >= 5.0 ? 1.0 : 0.0;
        return;
    case DERIVE_MONTH:
    case DERIVE_DAY_OF_YEAR:
        derive_calendar(derive, seconds, rows, out);
        return;
    case DERIVE_NONE:
        for (int64_t i = 0; i < rows; i++)
            out[i] = seconds[i];
        return;
    }
}

void derive_dates(const double *years, const double *months, const double *days, int64_t rows,
                  double *seconds)
{
    for (int64_t i = 0; i < rows; i++) {
        bool good = is_date(years[i], months[i], days[i]);
        seconds[i] = good ? 86400.0 * (double)days_of_date((int64_t)years[i], (int64_t)months[i],
                                                           (int64_t)days[i])
                          : NAN;
    }
}

/* sin(x + y), |x| <= pi/4, y the tail of x. */
static double kernel_sine(double x, double y)
{
    const double s1 = -1.66666666666666324348e-01, s2 = 8.33333333332248946124e-03,
                 s3 = -1.98412698298579493134e-04, s4 = 2.75573137070700676789e-06,
                 s5 = -2.50507602534068634195e-08, s6 = 1.58969099521155010221e-10;
    double z = x * x, w = z * z;
    double r = s2 + z * (s3 + z * s4) + z * w * (s5 + z * s6);
    double v = z * x;
    return x - ((z * (0.5 * y - v * r) - y) - v * s1);
}

static double kernel_cosine(double x, double y)
{
    const double c1 = 4.16666666666666019037e-02, c2 = -1.38888888888741095749e-03,
                 c3 = 2.48015872894767294178e-05, c4 = -2.75573143513906633035e-07,
                 c5 = 2.08757232129817482790e-09, c6 = -1.13596475577881948265e-11;
    double z = x * x, w = z * z;
    double r = z * (c1 + z * (c2 + z * c3)) + w * w * (c4 + z * (c5 + z * c6));
    double half = 0.5 * z, u = 1.0 - half;
    return u + (((1.0 - u) - half) + (z * r - x * y));
}

void turn_sine_cosine(double turns, double *sine, double *cosine)
{
    const double two_pi = 6.283185307179586232, two_pi_tail = 2.449293598294706414e-16;
    if (!(fabs(turns) < 0x1p52)) turns = 0.0; /* a whole number */
    double quarter = rint(4.0 * turns);
    double part = turns - 0.25 * quarter; /* exact, |part| <= 1/8 */
    double x = part * two_pi;
    double y = fma(part, two_pi, -x) + part * two_pi_tail;
    double s = kernel_sine(x, y), c = kernel_cosine(x, y);
    switch ((int64_t)quarter & 3) {
    case 0:
        *sine = s;
        *cosine = c;
        return;
    case 1:
        *sine = c;
        *cosine = 0.0 - s;
        return;
    case 2:
        *sine = 0.0 - s;
        *cosine = 0.0 - c;
        return;
    default:
        *sine = 0.0 - c;
        *cosine = s;
        return;
    }
}
