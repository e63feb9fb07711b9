#include "base/error.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

int spot_fail(struct spot_error *err, int code, const char *format, ...)
{
    if (err != NULL) {
        va_list args;
        va_start(args, format);
        err->code = code;
        err->row = err->column = 0;
        vsnprintf(err->message, sizeof err->message, format, args);
        va_end(args);
    }
    return code;
}

/* "row 3, column b: " or a part of it. */
static void print_place(char *text, size_t size, int64_t row, const char *column)
{
    text[0] = '\0';
    if (row > 0 && column[0] != '\0')
        snprintf(text, size, "row %lld, column %.100s: ", (long long)row, column);
    else if (row > 0)
        snprintf(text, size, "row %lld: ", (long long)row);
    else if (column[0] != '\0')
        snprintf(text, size, "column %.100s: ", column);
}

static void print_number(char *text, size_t size, int32_t column)
{
    snprintf(text, size, column > 0 ? "%d" : "", (int)column);
}

int spot_fail_at(struct spot_error *err, int code, int64_t row, int32_t column, const char *format,
                 ...)
{
    char place[200], number[16];
    if (err == NULL) return code;
    va_list args;
    va_start(args, format);
    vsnprintf(err->message, sizeof err->message, format, args);
    va_end(args);
    print_number(number, sizeof number, column);
    print_place(place, sizeof place, row, number);
    size_t length = strlen(place), kept = strlen(err->message);
    if (kept > sizeof err->message - 1 - length) kept = sizeof err->message - 1 - length;
    memmove(err->message + length, err->message, kept);
    memcpy(err->message, place, length);
    err->message[length + kept] = '\0';
    err->code = code;
    err->row = row;
    err->column = column;
    return code;
}

void spot_name_place(struct spot_error *err, const char *file, int64_t rows_before,
                     const char *const *names)
{
    char place[200], number[16], rest[sizeof err->message];
    if (err == NULL || (err->row == 0 && err->column == 0)) return;
    print_number(number, sizeof number, err->column);
    print_place(place, sizeof place, err->row, number);
    if (strncmp(err->message, place, strlen(place)) != 0) return;
    snprintf(rest, sizeof rest, "%s", err->message + strlen(place));
    if (err->row > 0) err->row += rows_before;
    print_place(place, sizeof place, err->row,
                err->column > 0 && names != NULL ? names[err->column - 1] : number);
    snprintf(err->message, sizeof err->message, "%.200s%s%s%.190s", file != NULL ? file : "",
             file != NULL ? ": " : "", place, rest);
}

int spot_fail_memory(struct spot_error *err, const char *what)
{
    return spot_fail(err, SPOT_ENOMEM, "out of memory for %s", what);
}
