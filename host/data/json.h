/* Prints JSON trees. cJSON's own printer takes 15 digits as good enough when they read back to
 * nearly the same number; here they read back to the same bits. */
#ifndef SPOT_DATA_JSON_H
#define SPOT_DATA_JSON_H

#include <cjson/cJSON.h>
#include <stdbool.h>

/* The document as text with a final line feed, or NULL without memory; the caller frees it. pretty:
 * one member a line, with lists of plain values on one line; else the whole on one line. Numbers
 * that JSON cannot hold (NaN, infinity) become null. */
char *json_print(const cJSON *item, bool pretty);

/* Makes an item a member of an object; without memory, or where it is NULL, it is deleted. */
bool json_give(cJSON *object, const char *key, cJSON *item);

#endif
