/* A table on its way through the program: batches of typed columns in row order.
 *
 *   reader -> batch -> schema (checks) -> encoder -> float32 matrix
 *
 * A batch holds the rows of one piece of a file. Pieces are cut by the file's bytes alone, never by
 * the number of threads, so everything that depends on batches is repeatable. */
#ifndef SPOT_DATA_TABLE_H
#define SPOT_DATA_TABLE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/pool.h"
#include "blackspot.h"

enum column_type {
    COLUMN_NUMBER,    /* any decimal number */
    COLUMN_INTEGER,   /* a number without a fraction, |x| <= 2^53 */
    COLUMN_BOOLEAN,   /* 0/1, true/false, yes/no, t/f, y/n in any case */
    COLUMN_TIMESTAMP, /* seconds since 1970-01-01 00:00:00, no time zone */
    COLUMN_CATEGORY,  /* text or code, kept as an index into the batch's dictionary */
    COLUMN_TEXT,      /* kept as it is, for ids carried through; never a feature */
};

/* What a reader is asked to deliver. */
struct column_spec {
    const char *name;   /* in the table; unique */
    const char *source; /* the header it is read from */
    const char *second; /* header of the time in a date + time pair, else NULL */
    enum column_type type;
    const char *const *formats; /* strptime formats of a timestamp, tried in turn ("date time" is
                                   joined with one blank for a pair) */
    int formats_count;
    const char *const *missing; /* codes that mean "missing"; a blank cell always does. Compared as
                                   text after trimming, and as numbers where the column is one */
    int missing_count;
    char decimal;  /* '.' or ',' */
    bool optional; /* may be absent from the file; then every value is missing */
};

/* Texts numbered in order of first appearance. */
struct dictionary {
    char *bytes;      /* the texts one after another, each with a final NUL */
    int64_t *offsets; /* (count) where each begins in bytes */
    int32_t count;
};

/* What reading has shown about the values of numbers, so that nobody need look again. Whoever
 * changes them clears `known`. */
struct column_facts {
    bool known;   /* else the rest says nothing */
    bool whole;   /* every value is a whole number, none is -0 */
    bool float32; /* every value is a float32 */
    int64_t missing;
    double minimum, maximum; /* of those that are not missing; INFINITY, -INFINITY without one */
};

struct column {
    double *values; /* (rows) number, integer, boolean, timestamp; NaN is missing. Else NULL */
    int32_t *codes; /* (rows) category: index into dictionary, -1 is missing. Else NULL */
    struct dictionary dictionary; /* category: the texts of this batch */
    int64_t
        *text_offsets; /* (rows + 1) text: row i is bytes [offsets[i], offsets[i+1]). Else NULL */
    char *text_bytes;
    struct column_facts facts; /* number and integer */
};

/* A cell that could not be read as its column's type, or a row that is no row. */
struct bad_cell {
    int64_t row;     /* in the batch, from 0; for a dropped row, the row it would have been */
    int64_t line;    /* in the file, from 1 */
    int32_t column;  /* index of the spec, or -1: the row itself is bad */
    char reason[80]; /* "not a number", "12 fields where the header has 32" */
    char text[48];   /* the offending text, cut, control characters shown as '?' */
};

struct batch {
    int64_t rows;
    int32_t columns_count;
    struct column *columns; /* (columns_count) in the order of the specs */
    int32_t file;           /* index of the input file */
    int64_t first_line;     /* line number of the first row in that file */
    int64_t *lines;         /* (rows) line of each row relative to first_line, or NULL: row i is at
                               first_line + i */
    struct bad_cell *bad;   /* the first few, in order */
    int32_t bad_count;
    int64_t bad_cells; /* all unreadable cells (their value is missing) */
    int64_t bad_rows;  /* all rows dropped (on_bad_row: drop) */
    int64_t bytes;     /* of the file's text */
    int64_t first_row; /* number of the first row in the table; known in take(), not in work() */
    void *user;        /* what the visitor's work() found; the visitor frees it */
};

/* Line of row `row` in its file. */
int64_t batch_line(const struct batch *batch, int64_t row);

/* Frees a batch with its columns (not `user`); NULL is allowed. */
void batch_free(struct batch *batch);

enum text_encoding { ENCODING_UTF8, ENCODING_LATIN1, ENCODING_WINDOWS_1252 };

struct table_options {
    const char *const *files; /* paths; "-" is standard input. All have the same columns */
    int files_count;
    char delimiter; /* 0: found from the header (comma, semicolon, tab or bar) */
    enum text_encoding encoding;
    bool drop_bad_rows;    /* on_bad_row: drop; else a bad row is an error */
    const char *spool_dir; /* where standard input is kept when it must be read twice */
    bool rewindable;       /* table_each will be called more than once */
};

/* What is done with each batch. work() runs on any thread, several batches at a time; take() runs
 * on the calling thread in row order and owns the batch from then on (it calls batch_free). A
 * negative return ends the reading and is returned by table_each. discard() is told, on the calling
 * thread, of a batch that work() has seen and take() will not, because the reading ends before or
 * take is NULL: it releases batch->user, not the batch. Any of them may be NULL. */
struct table_visitor {
    int (*work)(void *arg, struct batch *batch, int worker, struct spot_error *err);
    int (*take)(void *arg, struct batch *batch, struct spot_error *err);
    void (*discard)(void *arg, struct batch *batch);
    /* After each group of batches: compressed or plain bytes read so far, of how many (0: unknown).
     * A value other than 0 stops with SPOT_ESTOPPED. May be NULL. */
    int (*progress)(void *arg, int64_t rows, int64_t bytes, int64_t total_bytes);
    void *arg;
};

struct table_reader;

/* Opens the first file and reads its header. Keeps nothing of the options; pool is borrowed until
 * table_close (NULL is allowed there). Errors: SPOT_EUSAGE, SPOT_EIO, SPOT_EFORMAT, SPOT_EDATA (an
 * empty file), SPOT_ENOMEM. */
int table_open(const struct table_options *options, struct spot_pool *pool,
               struct table_reader **reader, struct spot_error *err);
void table_close(struct table_reader *reader);

/* The header of the first file, owned by the reader. */
const char *const *table_header(const struct table_reader *reader, int32_t *count);

/* Path of input file `file`, for messages. */
const char *table_file_name(const struct table_reader *reader, int32_t file);

/* Reads all files from the beginning. specs are borrowed for the call. Columns the specs do not
 * mention are skipped without being converted. A missing column is SPOT_EDATA and names the nearest
 * header. A batch holds the records that begin in one 256 KiB piece of a file, so it has a few
 * thousand rows as a rule and never more than 131,072. Blank lines are no rows. */
int table_each(struct table_reader *reader, const struct column_spec *specs, int32_t specs_count,
               const struct table_visitor *visitor, struct spot_error *err);

/* What the last table_each met, whether or not it succeeded. */
int64_t table_bytes(const struct table_reader *reader);

#endif
