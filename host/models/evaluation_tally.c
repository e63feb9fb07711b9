/* From rows and multiplicities to measures: one pass adds up the confusion matrix, losses and
 * calibration bins, a walk for each ranking gives its areas. Definitions are scikit-learn's. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "base/memory.h"
#include "models/evaluation_internal.h"

int tally_open(int32_t classes, struct tally *tally, struct spot_error *err)
{
    *tally = (struct tally){0};
    tally->cells = spot_alloc_zero((int64_t)classes * classes, sizeof *tally->cells);
    tally->present = spot_alloc_zero(classes, sizeof *tally->present);
    tally->measures = spot_alloc_zero(classes, sizeof *tally->measures);
    if (tally->cells == NULL || tally->present == NULL || tally->measures == NULL)
        return spot_fail_memory(err, "the confusion matrix");
    return SPOT_OK;
}

void tally_close(struct tally *tally)
{
    free(tally->cells);
    free(tally->present);
    free(tally->measures);
}

static void set(struct tally *tally, enum measure_id id, double value, const char *reason)
{
    const bool defined = isfinite(value);
    if (!defined && reason == NULL) reason = "it is too large for a float64";
    tally->values[id] = defined ? value : (double)NAN;
    tally->reasons[id] = defined ? NULL : reason;
}

/* ---- Sums over the rows --------------------------------------------------------------------- */

struct sums {
    struct careful_sum weight, loss, brier;
    struct careful_sum bin_weight[EVALUATION_BINS], bin_share[EVALUATION_BINS],
        bin_hits[EVALUATION_BINS];
};

/* The bin of a share in [0, 1], as numpy's linspace and searchsorted put it. */
static int bin_of(double share)
{
    int bin = 0;
    while (bin + 1 < EVALUATION_BINS && share > (bin + 1) * (1.0 / EVALUATION_BINS))
        bin++;
    return bin;
}

static double weight_of(const struct predictions *given, const int32_t *counts, int64_t row)
{
    const double weight = given->weights != NULL ? given->weights[row] : 1.0;
    return counts != NULL ? weight * counts[row] : weight;
}

static void add_shares(const struct judged *judged, int64_t row, double weight, struct sums *sums)
{
    const struct predictions *given = judged->given;
    const double share = judged_confidence(judged, row);
    const int bin = bin_of(share);
    const bool hit = given->truth[row] == (given->classes == 2 ? 1 : judged->labels[row]);
    careful_add(&sums->loss, weight * judged->losses[row]);
    careful_add(&sums->brier, weight * judged_brier(judged, row));
    careful_add(&sums->bin_weight[bin], weight);
    careful_add(&sums->bin_share[bin], weight * share);
    if (hit) careful_add(&sums->bin_hits[bin], weight);
}

static void add_rows(const struct judged *judged, const int32_t *counts, struct tally *tally,
                     struct sums *sums)
{
    const struct predictions *given = judged->given;
    const int64_t classes = given->classes;
    memset(tally->cells, 0, (size_t)(classes * classes) * sizeof *tally->cells);
    memset(tally->present, 0, (size_t)classes * sizeof *tally->present);
    for (int64_t i = 0; i < given->rows; i++) {
        if (counts != NULL && counts[i] == 0) continue;
        const double weight = weight_of(given, counts, i);
        const int32_t truth = given->truth[i], label = judged->labels[i];
        careful_add(&tally->cells[truth * classes + label], weight);
        tally->present[truth]++;
        tally->present[label]++;
        careful_add(&sums->weight, weight);
        if (judged->shares) add_shares(judged, i, weight, sums);
    }
}

/* ---- Classes one by one --------------------------------------------------------------------- */

static double cell(const struct tally *tally, int64_t classes, int64_t truth, int64_t label)
{
    return careful_value(&tally->cells[truth * classes + label]);
}

static double share_or_zero(double part, double whole)
{
    return whole > 0.0 ? part / whole : 0.0;
}

static void measure_class(struct tally *tally, int64_t classes, int64_t c)
{
    struct careful_sum support = {0}, predicted = {0};
    struct class_measures *measures = &tally->measures[c];
    const double hits = cell(tally, classes, c, c);
    for (int64_t other = 0; other < classes; other++) {
        careful_add(&support, cell(tally, classes, c, other));
        careful_add(&predicted, cell(tally, classes, other, c));
    }
    *measures = (struct class_measures){.support = careful_value(&support),
                                        .predicted = careful_value(&predicted),
                                        .roc_auc = NAN,
                                        .pr_auc = NAN};
    const bool present = tally->present[c] > 0;
    const double both = measures->support + measures->predicted;
    measures->precision = present ? share_or_zero(hits, measures->predicted) : (double)NAN;
    measures->recall = present ? share_or_zero(hits, measures->support) : (double)NAN;
    measures->f1 = present ? share_or_zero(2.0 * hits, both) : (double)NAN;
}

static const char no_scores[] = "there are no scores";
static const char no_shares[] = "the scores are not all in [0, 1]";
static const char no_threshold[] = "the labels are given";
static const char one_side[] = "only one class has rows";
static const char no_positive[] = "no row is of class 1";
static const char class_missing[] = "a class has no rows, or all of them";
static const char no_weight[] = "the rows have no weight";

/* ---- Areas under curves --------------------------------------------------------------------- */

static void rank_classes(const struct judged *judged, const int32_t *counts, struct tally *tally,
                         struct ranked *binary)
{
    const struct predictions *given = judged->given;
    const bool one = given->classes == 2;
    for (int32_t r = 0; r < judged->rankings_count; r++) {
        const int32_t c = one ? 1 : r;
        struct class_measures *measures = &tally->measures[c];
        const struct ranked found =
            ranking_walk(&judged->rankings[r], given, counts, measures->support,
                         given->scores + (one ? 0 : r), one ? 1 : given->classes);
        measures->roc_auc = found.roc_auc;
        measures->pr_auc = found.pr_auc;
        if (one) *binary = found;
    }
}

static void set_binary_ranks(const struct judged *judged, const struct ranked *found,
                             struct tally *tally)
{
    const bool scored = judged->rankings_count > 0;
    const char *missing = scored ? no_positive : no_scores;
    set(tally, MEASURE_ROC_AUC, found->roc_auc, scored ? one_side : no_scores);
    set(tally, MEASURE_PR_AUC, found->pr_auc, missing);
    set(tally, MEASURE_BEST_THRESHOLD, found->best_threshold, missing);
    set(tally, MEASURE_BEST_F1, found->best_f1, missing);
    set(tally, MEASURE_THRESHOLD, judged->threshold, no_threshold);
}

/* ---- Averages over the classes -------------------------------------------------------------- */

/* offset: of a double in struct class_measures. */
static double of_class(const struct tally *tally, int64_t c, size_t offset)
{
    double value;
    memcpy(&value, (const char *)&tally->measures[c] + offset, sizeof value);
    return value;
}

/* The mean over classes that are there; an area that one of them lacks makes it undefined. */
static double macro(const struct tally *tally, int64_t classes, size_t offset, bool all)
{
    struct careful_sum sum = {0};
    int64_t count = 0;
    for (int64_t c = 0; c < classes; c++) {
        if (!all && tally->present[c] == 0) continue;
        careful_add(&sum, of_class(tally, c, offset));
        count++;
    }
    return careful_value(&sum) / (double)count;
}

/* The mean by support; classes without any do not count. */
static double by_support(const struct tally *tally, int64_t classes, size_t offset)
{
    struct careful_sum sum = {0}, weight = {0};
    for (int64_t c = 0; c < classes; c++) {
        const double support = tally->measures[c].support;
        if (support == 0.0) continue;
        careful_add(&sum, support * of_class(tally, c, offset));
        careful_add(&weight, support);
    }
    return careful_value(&sum) / careful_value(&weight);
}

static void set_averages(const struct judged *judged, struct tally *tally)
{
    const int64_t classes = judged->given->classes;
    const size_t precision = offsetof(struct class_measures, precision),
                 recall = offsetof(struct class_measures, recall),
                 f1 = offsetof(struct class_measures, f1),
                 roc = offsetof(struct class_measures, roc_auc),
                 pr = offsetof(struct class_measures, pr_auc);
    const char *missing = judged->rankings_count > 0 ? class_missing : no_scores;
    set(tally, MEASURE_PRECISION_MACRO, macro(tally, classes, precision, false), no_weight);
    set(tally, MEASURE_RECALL_MACRO, macro(tally, classes, recall, false), no_weight);
    set(tally, MEASURE_F1_MACRO, macro(tally, classes, f1, false), no_weight);
    set(tally, MEASURE_PRECISION_WEIGHTED, by_support(tally, classes, precision), no_weight);
    set(tally, MEASURE_RECALL_WEIGHTED, by_support(tally, classes, recall), no_weight);
    set(tally, MEASURE_F1_WEIGHTED, by_support(tally, classes, f1), no_weight);
    if (classes == 2) return;
    set(tally, MEASURE_ROC_AUC_MACRO, macro(tally, classes, roc, true), missing);
    set(tally, MEASURE_ROC_AUC_WEIGHTED, by_support(tally, classes, roc), missing);
    set(tally, MEASURE_PR_AUC_MACRO, macro(tally, classes, pr, true), missing);
    set(tally, MEASURE_PR_AUC_WEIGHTED, by_support(tally, classes, pr), missing);
}

static void set_accuracies(struct tally *tally, int64_t classes, double weight)
{
    struct careful_sum hits = {0}, recalls = {0};
    int64_t count = 0;
    for (int64_t c = 0; c < classes; c++) {
        const double support = tally->measures[c].support;
        careful_add(&hits, cell(tally, classes, c, c));
        if (support == 0.0) continue;
        careful_add(&recalls, cell(tally, classes, c, c) / support);
        count++;
    }
    set(tally, MEASURE_ACCURACY, careful_value(&hits) / weight, no_weight);
    set(tally, MEASURE_BALANCED_ACCURACY, careful_value(&recalls) / (double)count, no_weight);
}

/* ---- Shares --------------------------------------------------------------------------------- */

/* The expected calibration error: the bins' |share - frequency|, by their weight. */
static void set_shares(const struct judged *judged, const struct sums *sums, struct tally *tally)
{
    const double weight = careful_value(&sums->weight);
    const char *reason = judged->shares               ? no_weight
                         : judged->rankings_count > 0 ? no_shares
                                                      : no_scores;
    struct careful_sum error = {0};
    for (int b = 0; b < EVALUATION_BINS; b++) {
        const double in_bin = careful_value(&sums->bin_weight[b]);
        tally->bins[b] = (struct calibration_bin){in_bin, NAN, NAN};
        if (in_bin == 0.0) continue;
        tally->bins[b].share = careful_value(&sums->bin_share[b]) / in_bin;
        tally->bins[b].frequency = careful_value(&sums->bin_hits[b]) / in_bin;
        careful_add(&error, in_bin * fabs(tally->bins[b].share - tally->bins[b].frequency));
    }
    const bool known = judged->shares && weight > 0.0;
    set(tally, MEASURE_LOG_LOSS, known ? careful_value(&sums->loss) / weight : (double)NAN, reason);
    set(tally, MEASURE_BRIER, known ? careful_value(&sums->brier) / weight : (double)NAN, reason);
    set(tally, MEASURE_CALIBRATION_ERROR, known ? careful_value(&error) / weight : (double)NAN,
        reason);
}

void tally_classes(const struct judged *judged, const int32_t *counts, struct tally *tally)
{
    const int64_t classes = judged->given->classes;
    struct sums sums = {0};
    struct ranked binary = {NAN, NAN, NAN, NAN};
    add_rows(judged, counts, tally, &sums);
    for (int64_t c = 0; c < classes; c++)
        measure_class(tally, classes, c);
    rank_classes(judged, counts, tally, &binary);
    set_accuracies(tally, classes, careful_value(&sums.weight));
    set_averages(judged, tally);
    set_shares(judged, &sums, tally);
    if (classes > 2) return;
    const struct class_measures *positive = &tally->measures[1];
    const bool present = tally->present[1] > 0;
    set(tally, MEASURE_PRECISION, present ? positive->precision : 0.0, NULL);
    set(tally, MEASURE_RECALL, present ? positive->recall : 0.0, NULL);
    set(tally, MEASURE_F1, present ? positive->f1 : 0.0, NULL);
    set_binary_ranks(judged, &binary, tally);
}

/* ---- Regression ----------------------------------------------------------------------------- */

/* R2 is 1 - (squared errors) / (squares about the mean); values are taken from the first one, so
 * that a constant has no spread. Constant values: 1 when they are met, else 0. */
void tally_regression(const struct predictions *given, const int32_t *counts, struct tally *tally)
{
    struct careful_sum weight = {0}, squares = {0}, sizes = {0}, shifted = {0}, spread = {0};
    const double first = given->target[0];
    int64_t drawn = 0;
    for (int64_t i = 0; i < given->rows; i++) {
        const double w = weight_of(given, counts, i), error = given->target[i] - given->scores[i];
        drawn += counts != NULL ? counts[i] : 1;
        careful_add(&weight, w);
        careful_add(&squares, w * (error * error));
        careful_add(&sizes, w * fabs(error));
        careful_add(&shifted, w * (given->target[i] - first));
    }
    const double total = careful_value(&weight), mean = careful_value(&shifted) / total;
    for (int64_t i = 0; i < given->rows; i++) {
        const double apart = given->target[i] - first - mean;
        careful_add(&spread, weight_of(given, counts, i) * (apart * apart));
    }
    const double missed = careful_value(&squares), known = careful_value(&spread);
    const char *reason = total > 0.0 ? NULL : no_weight;
    set(tally, MEASURE_RMSE, sqrt(missed / total), reason);
    set(tally, MEASURE_MAE, careful_value(&sizes) / total, reason);
    if (drawn < 2)
        set(tally, MEASURE_R2, NAN, "there is one row");
    else if (known == 0.0)
        set(tally, MEASURE_R2, missed == 0.0 ? 1.0 : 0.0, NULL);
    else
        set(tally, MEASURE_R2, 1.0 - missed / known, reason);
}
