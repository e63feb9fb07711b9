/* `evaluate --predictions FILE`: a table that any program wrote, a row of it for each prediction.
 */
#define _GNU_SOURCE /* argp */
#include <stdlib.h>
#include <string.h>

#include "app/evaluating.h"
#include "app/side_table.h"
#include "base/error.h"
#include "base/memory.h"

/* Which columns are read, and what they are: label, weight, predicted class or value, scores. */
struct predictions_table {
    struct evaluating *job;
    struct side_column *columns; /* (count) */
    char **score_names;          /* (scores) */
    int32_t count, scores;
    int32_t label, weight, predicted, first_score; /* places in columns; -1: not read */
};

static int32_t add_column(struct predictions_table *table, const char *name, bool text)
{
    if (name == NULL) return -1;
    table->columns[table->count] = (struct side_column){name, text};
    return table->count++;
}

/* --scores A,B,... */
static int split_scores(struct predictions_table *table, struct spot_error *err)
{
    const char *text = table->job->session->arguments.value[OPTION_SCORES];
    int32_t count = text != NULL;
    for (const char *at = text; count > 0 && *at != '\0'; at++)
        count += *at == ',';
    table->score_names = spot_alloc_zero(count, sizeof *table->score_names);
    table->columns = spot_alloc_zero((int64_t)count + 3, sizeof *table->columns);
    if (table->score_names == NULL || table->columns == NULL)
        return spot_fail_memory(err, "the columns");
    for (const char *at = text; table->scores < count;) {
        const size_t length = strcspn(at, ",");
        char *name = strndup(at, length);
        if (name == NULL) return spot_fail_memory(err, "the columns");
        table->score_names[table->scores++] = name;
        if (length == 0)
            return spot_fail(err, SPOT_EUSAGE, "--scores: '%.200s': a column without a name", text);
        at += length + 1;
    }
    return SPOT_OK;
}

static int choose_columns(struct predictions_table *table, struct spot_error *err)
{
    struct evaluating *job = table->job;
    const struct arguments *arguments = &job->session->arguments;
    const bool beside = given(arguments, OPTION_LABELS);
    const char *predicted = arguments->value[OPTION_PREDICTED];
    int status;
    SPOT_TRY(split_scores(table, err));
    if (job->regression && (predicted == NULL || table->scores > 0))
        return spot_fail(err, SPOT_EUSAGE,
                         "a regression's values are one column: --predicted COLUMN%s",
                         table->scores > 0 ? " instead of --scores" : "");
    if (predicted == NULL && table->scores == 0)
        return spot_fail(err, SPOT_EUSAGE,
                         "which columns are the predictions? --scores A,B,... for scores or "
                         "probabilities, --predicted COLUMN for classes");
    table->label =
        beside ? -1 : add_column(table, arguments->value[OPTION_LABEL], !job->regression);
    table->weight = beside ? -1 : add_column(table, arguments->value[OPTION_SAMPLE_WEIGHT], false);
    table->predicted = add_column(table, predicted, !job->regression);
    table->first_score = table->count;
    for (int32_t s = 0; s < table->scores; s++)
        add_column(table, table->score_names[s], false);
    job->width = job->regression ? 1 : table->scores;
out:
    return status;
}

static int take_row(struct predictions_table *table, const struct batch *batch, int64_t row,
                    const char *file, struct spot_error *err)
{
    struct evaluating *job = table->job;
    const struct column *columns = batch->columns;
    int status = SPOT_OK;
    if (table->label >= 0 && job->regression)
        SPOT_TRY(evaluating_add_number(&job->target, &job->target_room, job->target_count++,
                                       columns[table->label].values[row], err));
    if (table->label >= 0 && !job->regression)
        SPOT_TRY(evaluating_add_label(&job->truth, batch, row, table->label,
                                      table->columns[table->label].name, file, err));
    if (table->weight >= 0)
        SPOT_TRY(evaluating_add_number(&job->weights, &job->weights_room, job->weights_count++,
                                       columns[table->weight].values[row], err));
    if (table->predicted >= 0 && !job->regression)
        SPOT_TRY(evaluating_add_label(&job->predicted, batch, row, table->predicted,
                                      table->columns[table->predicted].name, file, err));
    const int32_t first = job->regression ? table->predicted : table->first_score;
    for (int32_t s = 0; s < job->width; s++)
        SPOT_TRY(evaluating_add_number(&job->scores, &job->scores_room, job->rows * job->width + s,
                                       columns[first + s].values[row], err));
    job->rows++;
out:
    return status;
}

static int take_batch(void *arg, const struct batch *batch, const char *file,
                      struct spot_error *err)
{
    int status = SPOT_OK;
    for (int64_t i = 0; i < batch->rows && status == SPOT_OK; i++)
        status = take_row(arg, batch, i, file, err);
    return status;
}

int evaluate_table(struct session *session, struct spot_error *err)
{
    static const char *const tasks[] = {"classification", "regression", NULL};
    struct evaluating job = {.session = session};
    struct predictions_table table = {.job = &job};
    const double started = now_seconds();
    int32_t task = 0;
    int status;
    SPOT_TRY(option_choice(&session->arguments, OPTION_TASK, tasks, &task, err));
    job.regression = task == 1;
    SPOT_TRY(choose_columns(&table, err));
    SPOT_TRY(session_engine(session, err));
    if (given(&session->arguments, OPTION_LABELS)) SPOT_TRY(evaluating_read_labels(&job, err));
    const struct side_table file = {.path = session->arguments.value[OPTION_PREDICTIONS],
                                    .columns = table.columns,
                                    .columns_count = table.count};
    progress_stage(&session->progress);
    SPOT_TRY(side_table_each(session, &file, take_batch, &table, err));
    job.read_seconds = now_seconds() - started;
    status = evaluating_finish(&job, err);
out:
    for (int32_t s = 0; s < table.scores; s++)
        free(table.score_names[s]);
    free(table.score_names);
    free(table.columns);
    evaluating_close(&job);
    return status;
}
