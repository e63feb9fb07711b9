/* A .csv whose columns are features by their names: initial centres, and rows for a model that
 * carries no encoder. Every cell must be a number. */
#ifndef SPOT_APP_PLAIN_TABLE_H
#define SPOT_APP_PLAIN_TABLE_H

#include "app/session.h"
#include "data/table.h"

struct plain_table {
    const char *const *files;
    int files_count;
    const char *const *names; /* (columns) in the order that is wanted */
    int32_t columns;
    const char *id_column; /* one more column, of text, behind the others; or NULL */
};

/* Calls visit() in row order with batches whose first `columns` columns are finite numbers; the
 * batch stays the reader's. Errors: SPOT_EDATA naming file, line and column. */
int plain_table_each(struct session *session, const struct plain_table *table,
                     int (*visit)(void *arg, const struct batch *batch, struct spot_error *err),
                     void *arg, struct spot_error *err);

#endif
