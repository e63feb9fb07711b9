/* How one file's fields become the columns asked for: its header, and the plan made of header and
 * specs. */
#ifndef SPOT_DATA_CSV_PLAN_H
#define SPOT_DATA_CSV_PLAN_H

#include "data/csv_time.h"
#include "data/source.h"
#include "data/table.h"

struct csv_header {
    char **names; /* (count) in UTF-8, trimmed, without byte order mark */
    int32_t count;
    char delimiter;
    int64_t bytes; /* from the beginning of the text to the first record */
    int64_t lines; /* line feeds in them */
};

/* Reads the header record of a source that has just been opened or rewound, and refuses what is no
 * CSV text. delimiter 0: the most frequent of comma, semicolon, tab and bar.
 * Errors: SPOT_EFORMAT, SPOT_EDATA (empty), SPOT_EIO, SPOT_ENOMEM. header_free is always safe. */
int csv_header_read(struct source *source, const char *file, char delimiter,
                    enum text_encoding encoding, struct csv_header *header, struct spot_error *err);
void csv_header_free(struct csv_header *header);

/* Where a column's cells come from and how they are read. */
struct csv_target {
    int32_t first, second; /* index into wanted, -1: none */
    struct csv_time *time; /* timestamp */
    double *missing;       /* (missing_count) the missing codes that are values of the type */
    int32_t missing_count;
};

struct csv_plan {
    const char *file; /* borrowed, for messages */
    int32_t file_index;
    const struct column_spec *specs; /* (specs_count) borrowed */
    int32_t specs_count;
    struct csv_target *targets; /* (specs_count) */
    char delimiter;
    enum text_encoding encoding;
    bool drop;       /* bad rows */
    int32_t fields;  /* of a record */
    int32_t *wanted; /* (wanted_count) the fields that are needed, ascending */
    int32_t wanted_count;
};

/* plan->file, file_index, encoding and drop are filled by the caller before. Errors: SPOT_EDATA (a
 * column is missing or named twice), SPOT_EUSAGE (a format), SPOT_ENOMEM. csv_plan_free is always
 * safe. */
int csv_plan_make(const struct csv_header *header, const struct column_spec *specs,
                  int32_t specs_count, struct csv_plan *plan, struct spot_error *err);
void csv_plan_free(struct csv_plan *plan);

#endif
