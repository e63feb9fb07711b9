/* Text of cells: trimming, encodings, and how a cell is shown in a message. */
#ifndef SPOT_DATA_CSV_TEXT_H
#define SPOT_DATA_CSV_TEXT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "data/table.h"

/* A piece of text somewhere else. */
struct csv_span {
    const char *begin, *end;
};

/* Without blanks, tabs and no-break spaces at both ends. */
struct csv_span csv_trim(struct csv_span span, enum text_encoding encoding);

/* Length of the valid UTF-8 at the beginning; equals length when all is valid. No surrogates, no
 * overlong forms. */
int64_t utf8_valid(const char *text, int64_t length);

/* Writes span in UTF-8 to out, which has room for 3 bytes for each of its bytes; returns the
 * length. For UTF-8 itself a copy. */
int64_t csv_to_utf8(struct csv_span span, enum text_encoding encoding, char *out);

/* For messages: cut to size - 1 bytes with "..." where it was longer, in UTF-8, control characters
 * and invalid bytes as '?'. */
void csv_show(struct csv_span span, enum text_encoding encoding, char *out, size_t size);

#endif
