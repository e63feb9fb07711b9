/* `evaluate` of a model of XGBoost or LightGBM: rows are scored as they are read, and what is kept
 * of them is the label, the weight and the scores. */
#define _GNU_SOURCE /* argp */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "app/evaluating.h"
#include "app/forest_input.h"
#include "app/score_forest.h"
#include "base/error.h"
#include "base/memory.h"

struct forest_evaluating {
    struct evaluating job;
    struct forest_model model;
    struct spot_forest_options options;
    struct beside_column beside[2]; /* (beside_count) label, then weight */
    int32_t beside_count;
    bool weighted; /* the weight is among them */
};

/* What the model predicts. */
static int choose_task(struct forest_evaluating *forest, struct spot_error *err)
{
    const struct spot_forest_info *info = spot_forest_info(forest->model.forest);
    struct evaluating *job = &forest->job;
    int status;
    SPOT_TRY(forest_iterations(&job->session->arguments, &forest->options, err));
    const struct spot_forest_rows none = {.columns = info->features};
    SPOT_TRY(spot_forest_score(NULL, forest->model.forest, &none, &forest->options, NULL, err));
    job->regression = info->classes == 0;
    job->width = info->outputs;
    if (job->regression && info->outputs != 1)
        return spot_fail(err, SPOT_EUSAGE,
                         "the model has %d targets; score it and judge each by 'evaluate "
                         "--predictions'",
                         (int)info->outputs);
    if (info->classes > EVALUATION_CLASSES)
        return spot_fail(err, SPOT_EUSAGE, "the model has %d classes; up to %d can be judged",
                         (int)info->classes, EVALUATION_CLASSES);
out:
    return status;
}

static int take_truth(struct forest_evaluating *forest, const struct forest_batch *batch,
                      int64_t row, struct spot_error *err)
{
    struct evaluating *job = &forest->job;
    const struct beside_values *label = &batch->beside[0];
    int status;
    if (!job->regression)
        status = label_column_add(&job->truth, label->bytes + label->starts[row],
                                  label->starts[row + 1] - label->starts[row], err);
    else if (isfinite(label->values[row]))
        status = evaluating_add_number(&job->target, &job->target_room, job->target_count++,
                                       label->values[row], err);
    else
        status = spot_fail(err, SPOT_EDATA, "no number; every row needs one");
    if (status == SPOT_OK) return status;
    return evaluating_name_row(status, batch->file, forest_batch_line(batch, row),
                               forest->beside[0].name, err);
}

static int take_weight(struct forest_evaluating *forest, const struct forest_batch *batch,
                       int64_t row, struct spot_error *err)
{
    struct evaluating *job = &forest->job;
    const double weight = batch->beside[1].values[row];
    if (!isfinite(weight))
        return spot_fail(err, SPOT_EDATA,
                         "%.200s:%lld: column %.100s is empty; every row needs a "
                         "number",
                         batch->file, (long long)forest_batch_line(batch, row),
                         forest->beside[1].name);
    return evaluating_add_number(&job->weights, &job->weights_room, job->weights_count++, weight,
                                 err);
}

static int score_batch(void *arg, const struct forest_batch *batch, struct spot_error *err)
{
    struct forest_evaluating *forest = arg;
    struct evaluating *job = &forest->job;
    const int64_t rows = batch->rows.rows, cells = (job->rows + rows) * job->width;
    const double started = now_seconds();
    int status = SPOT_OK;
    if (session_stopped(job->session)) return SPOT_ESTOPPED;
    if (spot_grow((void **)&job->scores, &job->scores_room, cells, sizeof *job->scores) < 0)
        return spot_fail_memory(err, "the scores");
    SPOT_TRY(spot_forest_score(job->session->engine, forest->model.forest, &batch->rows,
                               &forest->options, job->scores + job->rows * job->width, err));
    job->score_seconds += now_seconds() - started;
    for (int64_t i = 0; i < rows && forest->beside_count > 0; i++) {
        SPOT_TRY(take_truth(forest, batch, i, err));
        if (forest->weighted) SPOT_TRY(take_weight(forest, batch, i, err));
    }
    job->rows += rows;
out:
    return status;
}

/* Label and weight come with the data, or from a table of their own. */
static int read_rows(struct forest_evaluating *forest, struct spot_error *err)
{
    struct evaluating *job = &forest->job;
    const struct arguments *arguments = &job->session->arguments;
    const double started = now_seconds();
    int status;
    if (given(arguments, OPTION_LABELS)) {
        SPOT_TRY(evaluating_read_labels(job, err));
    } else {
        forest->beside[forest->beside_count++] =
            (struct beside_column){arguments->value[OPTION_LABEL], !job->regression};
        forest->weighted = given(arguments, OPTION_SAMPLE_WEIGHT);
        if (forest->weighted)
            forest->beside[forest->beside_count++] =
                (struct beside_column){arguments->value[OPTION_SAMPLE_WEIGHT], false};
    }
    const struct forest_reading reading = {
        .model = &forest->model, .beside = forest->beside, .beside_count = forest->beside_count};
    SPOT_TRY(forest_input_each(job->session, &reading, score_batch, forest, err));
    job->read_seconds = now_seconds() - started - job->score_seconds;
out:
    return status;
}

/* ---- Importance ----------------------------------------------------------------------------- */

static char *feature_name(const spot_forest *forest, int32_t j)
{
    char number[16];
    if (forest->features != NULL) return spot_copy_text(forest->features[j]);
    snprintf(number, sizeof number, "x%d", (int)j);
    return spot_copy_text(number);
}

/* Each feature's share of the gain of all splits, or of their number where the file has no gain. */
static int share_importance(struct evaluating *job, const int64_t *splits, const double *gain,
                            struct spot_error *err)
{
    double gains = 0.0, count = 0.0;
    for (int32_t j = 0; j < job->features; j++) {
        gains += gain[j];
        count += (double)splits[j];
    }
    const bool known = gains > 0.0 && isfinite(gains);
    job->importance = spot_alloc(job->features, sizeof *job->importance);
    if (job->importance == NULL) return spot_fail_memory(err, "the importance");
    for (int32_t j = 0; j < job->features; j++)
        job->importance[j] = known         ? gain[j] / gains
                             : count > 0.0 ? (double)splits[j] / count
                                           : 0.0;
    job->importance_kind = known ? "share of the gain of all splits" : "share of the splits";
    return SPOT_OK;
}

static int weigh_features(struct forest_evaluating *forest, struct spot_error *err)
{
    const spot_forest *model = forest->model.forest;
    struct evaluating *job = &forest->job;
    const int64_t features = job->features = model->forest.features;
    int64_t *splits = spot_alloc(features, sizeof *splits);
    double *sums = spot_alloc(2 * features, sizeof *sums); /* gain, then cover */
    int status = SPOT_OK;
    job->feature_names = spot_alloc_zero(features, sizeof *job->feature_names);
    if (splits == NULL || sums == NULL || job->feature_names == NULL) {
        status = spot_fail_memory(err, "the importance");
        goto out;
    }
    SPOT_TRY(spot_forest_importance(model, splits, sums, sums + features, err));
    SPOT_TRY(share_importance(job, splits, sums, err));
    for (int32_t j = 0; j < features && status == SPOT_OK; j++) {
        job->feature_names[j] = feature_name(model, j);
        if (job->feature_names[j] == NULL) status = spot_fail_memory(err, "the importance");
    }
out:
    free(splits);
    free(sums);
    return status;
}

int evaluate_forest(struct session *session, struct spot_error *err)
{
    struct forest_evaluating forest = {.job = {.session = session}};
    int status;
    SPOT_TRY(forest_model_open(session->arguments.value[OPTION_MODEL], &forest.model, err));
    SPOT_TRY(choose_task(&forest, err));
    SPOT_TRY(session_engine(session, err));
    SPOT_TRY(read_rows(&forest, err));
    if (given(&session->arguments, OPTION_PLOTS)) SPOT_TRY(weigh_features(&forest, err));
    status = evaluating_finish(&forest.job, err);
out:
    evaluating_close(&forest.job);
    forest_model_close(&forest.model);
    return status;
}
