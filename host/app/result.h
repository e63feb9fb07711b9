/* JSON going out: the one line on standard output, and documents in files. */
#ifndef SPOT_APP_RESULT_H
#define SPOT_APP_RESULT_H

#include <cjson/cJSON.h>

#include "blackspot.h"

/* Prints the result as one line on standard output and deletes it. NULL: there was no memory. */
int result_print(cJSON *result, struct spot_error *err);

/* Writes a document, indented, into a file that appears whole or not at all, and deletes it. */
int result_write(cJSON *document, const char *path, struct spot_error *err);

/* Adds seconds[name], in microseconds' precision. */
void result_seconds(cJSON *seconds, const char *name, double value);

#endif
