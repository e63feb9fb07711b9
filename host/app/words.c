#include "app/words.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#include "data/writer.h"

const char *const weekday_names[7] = {"Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun"};
const char *const month_names[12] = {"Jan", "Feb", "Mar", "Apr", "May", "Jun",
                                     "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"};

const char *words_count(int64_t count, char *buffer)
{
    char digits[WORDS_ROOM], *at = buffer;
    int length = snprintf(digits, sizeof digits, "%lld", (long long)count);
    for (int i = 0; i < length; i++) {
        int left = length - i;
        if (i > 0 && left % 3 == 0 && digits[i - 1] != '-') *at++ = ',';
        *at++ = digits[i];
    }
    *at = '\0';
    return buffer;
}

const char *words_share(int64_t part, int64_t whole, char *buffer)
{
    if (whole <= 0) return strcpy(buffer, "-");
    int tenths = (int)floor(1000.0 * (double)part / (double)whole + 0.5);
    snprintf(buffer, WORDS_ROOM, "%d.%d %%", tenths / 10, tenths % 10);
    return buffer;
}

const char *words_number(double value, char *buffer)
{
    if (isnan(value)) return strcpy(buffer, "-");
    if (value != 0 && isfinite(value)) {
        double scale = pow(10, 3 - floor(log10(fabs(value))));
        double rounded = round(value * scale) / scale;
        if (isfinite(rounded)) value = rounded;
    }
    format_double(value, buffer);
    return buffer;
}
