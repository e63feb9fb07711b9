/* Features made of raw values: parts of a time, and the circle of a period. A column at a time;
 * NaN (missing) stays NaN. */
#ifndef SPOT_DATA_DERIVE_H
#define SPOT_DATA_DERIVE_H

#include <stdint.h>

enum derive {
    DERIVE_NONE,
    DERIVE_HOUR,          /* 0..23 */
    DERIVE_MINUTE_OF_DAY, /* 0..1439 */
    DERIVE_DAYOFWEEK,     /* 0 Monday .. 6 Sunday */
    DERIVE_MONTH,         /* 1..12 */
    DERIVE_DAY_OF_YEAR,   /* 1..366 */
    DERIVE_IS_WEEKEND,    /* 1 on Saturday and Sunday */
};

/* Seconds from here on are no time anyone meant, and missing. */
#define DERIVE_LIMIT 1e14

/* The words of the configuration, "none" first. */
extern const char *const derive_words[];

/* After how much a derived value comes round again; 0: it does not. */
double derive_period(enum derive derive);

/* Whether a derived value needs the time of day. */
int derive_needs_time(enum derive derive);

/* out (rows) from seconds since 1970 (rows); they may be the same array. */
void derive_times(enum derive derive, const double *seconds, int64_t rows, double *out);

/* Seconds of the dates in three columns of numbers; what is no date is missing. */
void derive_dates(const double *years, const double *months, const double *days, int64_t rows,
                  double *seconds);

/* The sine and cosine of a number of turns, to 1 ulp and to the same bits on every machine. */
void turn_sine_cosine(double turns, double *sine, double *cosine);

#endif
