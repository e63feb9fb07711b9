#define _GNU_SOURCE /* argp */
#include "app/side_table.h"

#include <math.h>
#include <stdlib.h>

#include "base/error.h"
#include "base/memory.h"
#include "data/prepare_internal.h"

struct side_reading {
    struct session *session;
    const struct side_table *table;
    struct table_reader *reader;
    side_visitor *visit;
    void *arg;
    int64_t bad_rows; /* left out: on_bad_row: drop */
};

/* Every number that is wanted is there. */
static int check_numbers(const struct side_reading *reading, const struct batch *batch,
                         const char *file, struct spot_error *err)
{
    const struct side_table *table = reading->table;
    if (batch->bad_count > 0 && batch->bad[0].column >= 0)
        return spot_fail(err, SPOT_EDATA, "%.200s:%lld: column %s: '%s' is %s", file,
                         (long long)batch->bad[0].line, table->columns[batch->bad[0].column].name,
                         batch->bad[0].text, batch->bad[0].reason);
    for (int32_t j = 0; j < table->columns_count; j++)
        for (int64_t i = 0; i < batch->rows && !table->columns[j].text; i++)
            if (!isfinite(batch->columns[j].values[i]))
                return spot_fail(err, SPOT_EDATA,
                                 "%.200s:%lld: column %s is empty; every row needs a number", file,
                                 (long long)batch_line(batch, i), table->columns[j].name);
    return SPOT_OK;
}

static int take_batch(void *arg, struct batch *batch, struct spot_error *err)
{
    struct side_reading *reading = arg;
    const char *file = table_file_name(reading->reader, batch->file);
    int status = check_numbers(reading, batch, file, err);
    if (status == SPOT_OK && batch->rows > 0)
        status = reading->visit(reading->arg, batch, file, err);
    reading->bad_rows += batch->bad_rows;
    batch_free(batch);
    return status;
}

static int note_progress(void *arg, int64_t rows, int64_t bytes, int64_t total)
{
    return session_progress(((struct side_reading *)arg)->session, rows, bytes, total);
}

/* A row left out here would pair all that follow with the labels of others. */
static int check_left_out(const struct side_reading *reading, struct spot_error *err)
{
    const long long rows = reading->bad_rows;
    if (rows == 0) return SPOT_OK;
    if (given(&reading->session->arguments, OPTION_LABELS))
        return spot_fail(err, SPOT_EDATA,
                         "%.200s: %lld rows could not be read; with --labels every row must be "
                         "there",
                         reading->table->path, rows);
    session_log(reading->session, SPOT_LOG_WARNING,
                "%lld rows that could not be read were left out", rows);
    return SPOT_OK;
}

int side_table_each(struct session *session, const struct side_table *table, side_visitor *visit,
                    void *arg, struct spot_error *err)
{
    int status;
    struct side_reading reading = {.session = session, .table = table, .visit = visit, .arg = arg};
    struct table_options options = {.files = &table->path, .files_count = 1};
    const struct table_visitor visitor = {
        .take = take_batch, .progress = note_progress, .arg = &reading};
    const struct config *config = session->config->count > 0 ? session->config : NULL;
    char decimal = '.';
    struct column_spec *specs = spot_alloc_zero(table->columns_count, sizeof *specs);
    if (specs == NULL) return spot_fail_memory(err, "the columns");
    SPOT_TRY(intake_table_options(config, &options, &decimal, err));
    for (int32_t j = 0; j < table->columns_count; j++)
        specs[j] = (struct column_spec){
            .name = table->columns[j].name,
            .source = table->columns[j].name,
            .type = table->columns[j].text ? COLUMN_TEXT : COLUMN_NUMBER,
            .decimal = decimal,
        };
    SPOT_TRY(table_open(&options, engine_pool(session->engine), &reading.reader, err));
    SPOT_TRY(table_each(reading.reader, specs, table->columns_count, &visitor, err));
    status = check_left_out(&reading, err);
out:
    table_close(reading.reader);
    free(specs);
    return status;
}
