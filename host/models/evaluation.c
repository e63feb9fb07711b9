/* The evaluation as a whole: which measures apply, the rows judged once, intervals, and curves. */
#include "models/evaluation.h"

#include <math.h>
#include <stdlib.h>

#include "base/error.h"
#include "base/memory.h"
#include "models/evaluation_internal.h"

/* Which predictions a measure is for. */
enum kind { OF_CLASSES = 7, OF_TWO = 1, OF_SEVERAL = 2, OF_VALUES = 8 };

static const struct {
    const char *name;
    int kind;
} table[MEASURE_COUNT] = {
    [MEASURE_ACCURACY] = {"accuracy", OF_CLASSES},
    [MEASURE_BALANCED_ACCURACY] = {"balanced_accuracy", OF_CLASSES},
    [MEASURE_PRECISION] = {"precision", OF_TWO},
    [MEASURE_RECALL] = {"recall", OF_TWO},
    [MEASURE_F1] = {"f1", OF_TWO},
    [MEASURE_PRECISION_MACRO] = {"precision_macro", OF_CLASSES},
    [MEASURE_RECALL_MACRO] = {"recall_macro", OF_CLASSES},
    [MEASURE_F1_MACRO] = {"f1_macro", OF_CLASSES},
    [MEASURE_PRECISION_WEIGHTED] = {"precision_weighted", OF_CLASSES},
    [MEASURE_RECALL_WEIGHTED] = {"recall_weighted", OF_CLASSES},
    [MEASURE_F1_WEIGHTED] = {"f1_weighted", OF_CLASSES},
    [MEASURE_ROC_AUC] = {"roc_auc", OF_TWO},
    [MEASURE_ROC_AUC_MACRO] = {"roc_auc_macro", OF_SEVERAL},
    [MEASURE_ROC_AUC_WEIGHTED] = {"roc_auc_weighted", OF_SEVERAL},
    [MEASURE_PR_AUC] = {"pr_auc", OF_TWO},
    [MEASURE_PR_AUC_MACRO] = {"pr_auc_macro", OF_SEVERAL},
    [MEASURE_PR_AUC_WEIGHTED] = {"pr_auc_weighted", OF_SEVERAL},
    [MEASURE_LOG_LOSS] = {"log_loss", OF_CLASSES},
    [MEASURE_BRIER] = {"brier", OF_CLASSES},
    [MEASURE_CALIBRATION_ERROR] = {"calibration_error", OF_CLASSES},
    [MEASURE_THRESHOLD] = {"threshold", OF_TWO},
    [MEASURE_BEST_THRESHOLD] = {"best_threshold", OF_TWO},
    [MEASURE_BEST_F1] = {"best_f1", OF_TWO},
    [MEASURE_RMSE] = {"rmse", OF_VALUES},
    [MEASURE_MAE] = {"mae", OF_VALUES},
    [MEASURE_R2] = {"r2", OF_VALUES},
};

const char *measure_name(enum measure_id id)
{
    return table[id].name;
}

static int kind_of(int32_t classes)
{
    return classes == 0 ? OF_VALUES : classes == 2 ? OF_TWO : OF_SEVERAL;
}

static void take_measures(const struct tally *tally, int32_t classes, struct measure *measures)
{
    for (int id = 0; id < MEASURE_COUNT; id++)
        measures[id] = (struct measure){.applies = (table[id].kind & kind_of(classes)) != 0,
                                        .value = tally->values[id],
                                        .undefined = tally->reasons[id],
                                        .low = NAN,
                                        .high = NAN};
}

static int take_classes(const struct judged *judged, struct tally *tally,
                        struct evaluation *evaluation, struct spot_error *err)
{
    const int64_t classes = judged->given->classes;
    evaluation->classes = judged->given->classes;
    evaluation->confusion = spot_alloc(classes * classes, sizeof *evaluation->confusion);
    if (evaluation->confusion == NULL) return spot_fail_memory(err, "the confusion matrix");
    for (int64_t i = 0; i < classes * classes; i++)
        evaluation->confusion[i] = careful_value(&tally->cells[i]);
    evaluation->by_class = tally->measures;
    tally->measures = NULL;
    evaluation->calibrated = judged->shares;
    for (int b = 0; b < EVALUATION_BINS; b++)
        evaluation->bins[b] = tally->bins[b];
    return SPOT_OK;
}

static int take_curves(const struct judged *judged, struct evaluation *evaluation,
                       struct spot_error *err)
{
    int status = SPOT_OK;
    const int32_t count = judged->rankings_count;
    double total = 0.0;
    evaluation->curves = spot_alloc_zero(count, sizeof *evaluation->curves);
    if (evaluation->curves == NULL) return spot_fail_memory(err, "the curves");
    evaluation->curves_count = count;
    for (int32_t c = 0; c < evaluation->classes; c++)
        total += evaluation->by_class[c].support;
    for (int32_t r = 0; r < count && status == SPOT_OK; r++) {
        const double positives = evaluation->by_class[count == 1 ? 1 : r].support;
        status = ranking_curve(&judged->rankings[r], judged->given, positives, total - positives,
                               &evaluation->curves[r], err);
    }
    return status;
}

int evaluate_predictions(const struct predictions *predictions,
                         const struct evaluation_options *options, struct evaluation *evaluation,
                         struct spot_error *err)
{
    int status;
    struct judged judged;
    struct tally tally = {0};
    *evaluation = (struct evaluation){0};
    SPOT_TRY(judged_open(predictions, options->pool, &judged, err));
    SPOT_TRY(tally_open(predictions->classes, &tally, err));
    if (predictions->classes > 0)
        tally_classes(&judged, NULL, &tally);
    else
        tally_regression(predictions, NULL, &tally);
    take_measures(&tally, predictions->classes, evaluation->measures);
    if (predictions->classes > 0) SPOT_TRY(take_classes(&judged, &tally, evaluation, err));
    if (options->curves) SPOT_TRY(take_curves(&judged, evaluation, err));
    if (options->bootstrap > 0)
        status = bootstrap_measures(&judged, options, evaluation->measures, err);
out:
    tally_close(&tally);
    judged_close(&judged);
    if (status < 0) evaluation_clear(evaluation);
    return status;
}

void evaluation_clear(struct evaluation *evaluation)
{
    free(evaluation->confusion);
    free(evaluation->by_class);
    for (int32_t c = 0; c < evaluation->curves_count; c++)
        free(evaluation->curves[c].points);
    free(evaluation->curves);
    *evaluation = (struct evaluation){0};
}
