/* Numbers and names as people read them, in tables and pictures. English, whatever the locale. */
#ifndef SPOT_APP_WORDS_H
#define SPOT_APP_WORDS_H

#include <stdint.h>

enum { WORDS_ROOM = 32 }; /* bytes that every buffer here has */

extern const char *const weekday_names[7]; /* "Mon" first */
extern const char *const month_names[12];  /* "Jan" first */

/* "140,056". Returns buffer, as the others do. */
const char *words_count(int64_t count, char *buffer);

/* "25.0 %", rounded to the nearest; "-" of nothing. */
const char *words_share(int64_t part, int64_t whole, char *buffer);

/* Four significant digits: "0.1235", "12350000"; "-" for NaN. */
const char *words_number(double value, char *buffer);

#endif
