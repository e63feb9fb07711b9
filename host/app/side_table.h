/* Columns of a table by their names, as numbers or as texts, without encoder and schema: what
 * `evaluate` reads of predictions and of labels beside the data. Every number is there. */
#ifndef SPOT_APP_SIDE_TABLE_H
#define SPOT_APP_SIDE_TABLE_H

#include "app/session.h"
#include "data/table.h"

struct side_column {
    const char *name;
    bool text;
};

struct side_table {
    const char *path;
    const struct side_column *columns; /* (columns_count) */
    int32_t columns_count;
};

/* file: for messages. */
typedef int side_visitor(void *arg, const struct batch *batch, const char *file,
                         struct spot_error *err);

/* Calls visit() in row order on the calling thread; the columns are in the order of the table's.
 * Delimiter and the like are those of the configuration's `input`. Rows that
 * on_bad_row: drop leaves out are a warning, and SPOT_EDATA where --labels pairs two files row by
 * row. Errors: SPOT_EIO, SPOT_EDATA naming file, line and column. */
int side_table_each(struct session *session, const struct side_table *table, side_visitor *visit,
                    void *arg, struct spot_error *err);

#endif
