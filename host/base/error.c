#include "base/error.h"

#include <stdarg.h>
#include <stdio.h>

int spot_fail(struct spot_error *err, int code, const char *format, ...)
{
    if (err != NULL) {
        va_list args;
        va_start(args, format);
        err->code = code;
        vsnprintf(err->message, sizeof err->message, format, args);
        va_end(args);
    }
    return code;
}

int spot_fail_memory(struct spot_error *err, const char *what)
{
    return spot_fail(err, SPOT_ENOMEM, "out of memory for %s", what);
}
