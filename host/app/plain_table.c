#define _GNU_SOURCE /* argp */
#include "app/plain_table.h"

#include <math.h>
#include <stdlib.h>

#include "base/error.h"
#include "base/memory.h"

struct plain_reading {
    struct session *session;
    const struct plain_table *table;
    struct table_reader *reader;
    int (*visit)(void *arg, const struct batch *batch, struct spot_error *err);
    void *arg;
};

static int check_cells(const struct plain_reading *reading, const struct batch *batch,
                       struct spot_error *err)
{
    const struct plain_table *table = reading->table;
    const char *file = table_file_name(reading->reader, batch->file);
    if (batch->bad_count > 0 && batch->bad[0].column >= 0)
        return spot_fail(err, SPOT_EDATA, "%.200s:%lld: column %s: '%s' is %s", file,
                         (long long)batch->bad[0].line, table->names[batch->bad[0].column],
                         batch->bad[0].text, batch->bad[0].reason);
    for (int64_t i = 0; i < batch->rows; i++)
        for (int32_t j = 0; j < table->columns; j++)
            if (!isfinite(batch->columns[j].values[i]))
                return spot_fail(err, SPOT_EDATA,
                                 "%.200s:%lld: column %s is empty; there is no encoder here that "
                                 "would fill the gap",
                                 file, (long long)batch_line(batch, i), table->names[j]);
    return SPOT_OK;
}

static int take_batch(void *arg, struct batch *batch, struct spot_error *err)
{
    struct plain_reading *reading = arg;
    int status = check_cells(reading, batch, err);
    if (status == SPOT_OK && batch->rows > 0) status = reading->visit(reading->arg, batch, err);
    batch_free(batch);
    return status;
}

static int note_progress(void *arg, int64_t rows, int64_t bytes, int64_t total)
{
    struct plain_reading *reading = arg;
    return session_progress(reading->session, rows, bytes, total);
}

/* The features' columns as numbers, and behind them the ids. */
static struct column_spec *make_specs(const struct plain_table *table)
{
    struct column_spec *specs = spot_alloc_zero((int64_t)table->columns + 1, sizeof *specs);
    for (int32_t j = 0; specs != NULL && j <= table->columns; j++) {
        const char *name = j < table->columns ? table->names[j] : table->id_column;
        specs[j] = (struct column_spec){
            .name = name,
            .source = name,
            .type = j < table->columns ? COLUMN_NUMBER : COLUMN_TEXT,
            .decimal = '.',
        };
    }
    return specs;
}

int plain_table_each(struct session *session, const struct plain_table *table,
                     int (*visit)(void *arg, const struct batch *batch, struct spot_error *err),
                     void *arg, struct spot_error *err)
{
    int status;
    struct plain_reading reading = {.session = session, .table = table, .visit = visit, .arg = arg};
    const struct table_options options = {.files = table->files, .files_count = table->files_count};
    const struct table_visitor visitor = {
        .take = take_batch, .progress = note_progress, .arg = &reading};
    struct column_spec *specs = make_specs(table);
    if (specs == NULL) return spot_fail_memory(err, "the columns");
    SPOT_TRY(table_open(&options, engine_pool(session->engine), &reading.reader, err));
    status = table_each(reading.reader, specs, table->columns + (table->id_column != NULL),
                        &visitor, err);
out:
    table_close(reading.reader);
    free(specs);
    return status;
}
