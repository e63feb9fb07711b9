/* Timestamps by strptime's formats, without time zones: text to seconds since 1970-01-01. */
#ifndef SPOT_DATA_CSV_TIME_H
#define SPOT_DATA_CSV_TIME_H

#include <stdbool.h>
#include <stdint.h>

#include "blackspot.h"

struct csv_time; /* the formats of one column */

/* Compiles formats. Read by a parser of ours: %Y %y %m %d %j %H %M %S %f (fraction of a second)
 * %F %T %R %D, blanks and other characters. Any other directive makes strptime(3) read that
 * format, with the names of the C locale. Errors: SPOT_EUSAGE (an unknown directive, time zones),
 * SPOT_ENOMEM. */
int csv_time_make(const char *const *formats, int count, struct csv_time **time,
                  struct spot_error *err);
void csv_time_free(struct csv_time *time);

/* False when no format reads all of [text, end) or the date does not exist. What a format leaves
 * out is that of 1970-01-01 00:00:00. */
bool csv_time_parse(const struct csv_time *time, const char *text, const char *end,
                    double *seconds);

#endif
