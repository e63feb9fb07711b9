/* What a schema is made of; shared by the schema_*.c files alone. */
#ifndef SPOT_DATA_SCHEMA_INTERNAL_H
#define SPOT_DATA_SCHEMA_INTERNAL_H

#include "data/schema.h"
#include "data/unique.h"

enum check_kind {
    CHECK_READABLE, /* every cell reads as its column's type */
    CHECK_WHOLE,    /* every row has the header's number of fields */
    CHECK_MISSING,  /* share of missing values <= high */
    CHECK_RANGE,    /* low <= value <= high */
    CHECK_ALLOWED,  /* one of a list */
    CHECK_UNIQUE,   /* no value twice */
    CHECK_COMPARE,  /* a value against another column, or a number */
    CHECK_ROWS,     /* low <= rows of the table <= high */
};

enum comparison { COMPARE_GE, COMPARE_LE, COMPARE_EQ, COMPARE_NE, COMPARE_GT, COMPARE_LT };

struct check {
    enum check_kind kind;
    char *name;              /* "severity: range [1, 3]" */
    bool warn;               /* severity warn: reported, never a reason to stop */
    int32_t column;          /* checked column, or -1 */
    int32_t other;           /* COMPARE: the right column, or -1 for the number in `high` */
    enum comparison op;      /* COMPARE */
    double low, high;        /* RANGE, ROWS; high: MISSING (share), COMPARE (number) */
    char **allowed;          /* (allowed_count) ALLOWED, as texts */
    double *allowed_numbers; /* (allowed_count) the same for a column of numbers, else NULL */
    int32_t allowed_count;
};

struct column_rule {
    bool warn;        /* the column's severity */
    bool clears;      /* outside: missing */
    double low, high; /* clears: values outside of these become missing */
};

struct schema {
    struct column_spec *specs; /* (count); owns every text in them */
    struct column_rule *rules; /* (count) */
    int32_t count;
    struct check *checks; /* (checks_count) in the order of the report */
    int32_t checks_count;
    bool drops_rows; /* on_bad_row: drop */
};

enum { OFFENCES_SHOWN = 5, COLUMNS_LIMIT = 20000 };

/* A row that failed a check; the first few of each check are kept. */
struct offence {
    int32_t check;
    int64_t row;  /* in the batch (part) or in the table (report), from 0 */
    int64_t line; /* in the file, 0: not known */
    int32_t file; /* index among the report's file names, or -1 */
    char text[160];
};

struct finding {
    int64_t checked, failed;
};

struct schema_part {
    int32_t checks_count;
    struct finding *findings; /* (checks_count) */
    struct offence *offences; /* in the order of checks, then rows */
    int64_t offences_count, offences_capacity;
    struct unique_keys *keys; /* (checks_count) of the CHECK_UNIQUE, else empty */
};

/* Adds a column that is checked for nothing but readability; takes over nothing. */
int schema_add_column(struct schema *schema, const char *name, enum column_type type,
                      struct spot_error *err);
/* A zeroed check at the end of the list, its name printed from a format; NULL without memory. */
struct check *schema_add_check(struct schema *schema, enum check_kind kind, const char *format, ...)
    __attribute__((format(printf, 3, 4)));
/* The two checks of every table: its rows are whole and its cells are what they should be. */
int schema_add_reading_checks(struct schema *schema, struct spot_error *err);
struct schema *schema_new(void);

/* schema_to_json of some columns: wanted (count), or NULL for all. */
cJSON *schema_columns_json(const struct schema *schema, const bool *wanted);

/* The words of the configuration and of model files. */
extern const char *const column_type_words[];

/* The value of a row as a person would write it. */
void schema_value_text(const struct schema *schema, const struct batch *batch, int32_t column,
                       int64_t row, char *text, size_t size);

#endif
