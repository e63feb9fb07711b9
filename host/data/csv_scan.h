/* What can be said about CSV text without taking it apart: a census of its bytes, and where its
 * records end. Quotes follow libcsv's rules, which the scanner repeats state by state. */
#ifndef SPOT_DATA_CSV_SCAN_H
#define SPOT_DATA_CSV_SCAN_H

#include <stdbool.h>
#include <stdint.h>

/* Smaller in fuzz tests, so that small inputs have many chunks. */
#ifndef SPOT_CSV_CHUNK
#define SPOT_CSV_CHUNK (256 << 10)
#define SPOT_CSV_LIMIT (1 << 20)
#endif

enum {
    CSV_CHUNK = SPOT_CSV_CHUNK, /* bytes of a file whose records make a batch */
    CSV_LIMIT = SPOT_CSV_LIMIT, /* the longest record, its line feed included */
};

struct csv_census {
    int64_t lines;  /* line feeds */
    int64_t quotes; /* double quotes */
    bool nul;       /* there is a NUL byte */
    bool high;      /* there is a byte above 127 */
};

struct csv_census csv_count(const char *text, int64_t length);

/* Line feeds of a short text. */
int64_t csv_feeds(const char *text, const char *end);

/* Blanks around a field: they are no part of it unless they delimit. A carriage return counts, so
 * that CRLF needs no care. */
static inline bool csv_is_blank(char c, char delimiter)
{
    return (c == ' ' || c == '\t' || c == '\r') && c != delimiter;
}

enum csv_record {
    CSV_COMPLETE,
    CSV_MORE,     /* the text ends before it can be told; only when not final */
    CSV_UNCLOSED, /* a quote is not closed within CSV_LIMIT or the file */
    CSV_LONG,     /* no line feed within CSV_LIMIT */
};

/* Finds the end of the record that begins at text: *next is the byte after its line feed, or end.
 * A bad record (unclosed, long) is given up at its first line feed, so that one stray quote costs
 * one line; if there is none before end, *next is NULL unless final.
 * final: the file ends at end. */
enum csv_record csv_record_end(const char *text, const char *end, bool final, char delimiter,
                               const char **next);

/* The first record that begins at or after boundary, given whether the byte before boundary lies
 * within quotes (by parity, a proposal). NULL when there is none before end.
 * *lines: line feeds in [boundary, the result). */
const char *csv_propose(const char *boundary, const char *end, bool quoted, int64_t *lines);

/* Positions of the delimiters and line feeds of text that has no quotes, and which of them are line
 * feeds: ends[i] is an index into positions, *lines their number. Both have room for length
 * entries; returns the number of positions. length < 2^32. */
int64_t csv_separators(const char *text, int64_t length, char delimiter, uint32_t *positions,
                       uint32_t *ends, int64_t *lines);

#endif
