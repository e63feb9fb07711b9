/* Rows made ready to be judged: checked, each given its label, its losses and its place in the
 * rankings, so that every resample is additions alone. */
#include <math.h>
#include <stdlib.h>

#include "base/error.h"
#include "base/memory.h"
#include "models/evaluation_internal.h"
#include "numerics/explog.h"

/* ---- Checks --------------------------------------------------------------------------------- */

static int check_weights(const struct predictions *given, struct spot_error *err)
{
    double sum = 0.0;
    for (int64_t i = 0; i < given->rows && given->weights != NULL; i++) {
        if (!isfinite(given->weights[i]) || given->weights[i] < 0.0)
            return spot_fail_at(err, SPOT_EDATA, i + 1, 0, "the weight is %g; it must be 0 or more",
                                given->weights[i]);
        sum += given->weights[i];
    }
    if (given->weights != NULL && !(sum > 0.0 && isfinite(sum)))
        return spot_fail(err, SPOT_EDATA, "the weights of all rows add up to %g", sum);
    return SPOT_OK;
}

static int check_values(const double *values, int64_t rows, int64_t columns, const char *what,
                        struct spot_error *err)
{
    for (int64_t i = 0; i < rows * columns; i++)
        if (!isfinite(values[i]))
            return spot_fail_at(err, SPOT_EDATA, i / columns + 1, 0,
                                "the %s is %s; every row needs a number", what,
                                isnan(values[i]) ? "missing" : "infinite");
    return SPOT_OK;
}

static int check_classes(const struct predictions *given, const int32_t *labels, const char *what,
                         struct spot_error *err)
{
    for (int64_t i = 0; i < given->rows && labels != NULL; i++)
        if (labels[i] < 0 || labels[i] >= given->classes)
            return spot_fail_at(err, SPOT_EDATA, i + 1, 0, "%s class %d is none of the %d classes",
                                what, labels[i], given->classes);
    return SPOT_OK;
}

/* Scores of a row. */
static int64_t width_of(const struct predictions *given)
{
    return given->classes > 2 ? given->classes : 1;
}

static int check_predictions(const struct predictions *given, struct spot_error *err)
{
    int status = SPOT_OK;
    const int64_t rows = given->rows;
    if (rows < 1 || rows > INT32_MAX)
        return spot_fail(err, SPOT_EDATA, "%lld rows cannot be judged: there are 1 to %d",
                         (long long)rows, INT32_MAX);
    if (given->classes != 0 && (given->classes < 2 || given->classes > EVALUATION_CLASSES))
        return spot_fail(err, SPOT_EDATA, "%d classes cannot be judged: there are 2 to %d",
                         given->classes, EVALUATION_CLASSES);
    if (given->classes != 2 && !isnan(given->threshold))
        return spot_fail(err, SPOT_EUSAGE, "a threshold decides between two classes; here are %s",
                         given->classes == 0 ? "none" : "more");
    SPOT_TRY(check_weights(given, err));
    SPOT_TRY(check_classes(given, given->classes > 0 ? given->truth : NULL, "the true", err));
    SPOT_TRY(check_classes(given, given->classes > 0 ? given->labels : NULL, "the predicted", err));
    if (given->classes == 0) SPOT_TRY(check_values(given->target, rows, 1, "true value", err));
    if (given->scores != NULL)
        SPOT_TRY(check_values(given->scores, rows, width_of(given), "predicted value", err));
out:
    return status;
}

/* ---- Labels and losses ---------------------------------------------------------------------- */

static bool are_shares(const struct predictions *given)
{
    const int64_t count = given->rows * width_of(given);
    bool within = true;
    for (int64_t i = 0; i < count; i++)
        within = within && given->scores[i] >= 0.0 && given->scores[i] <= 1.0;
    return within;
}

static int32_t likeliest(const double *scores, int32_t classes)
{
    int32_t best = 0;
    for (int32_t c = 1; c < classes; c++)
        if (scores[c] > scores[best]) best = c;
    return best;
}

static void decide_labels(struct judged *judged)
{
    const struct predictions *given = judged->given;
    if (given->classes == 2) judged->threshold = given->threshold;
    if (given->classes == 2 && isnan(given->threshold))
        judged->threshold = judged->shares ? 0.5 : 0;
    for (int64_t i = 0; i < given->rows; i++)
        judged->own_labels[i] = given->classes == 2
                                    ? given->scores[i] >= judged->threshold
                                    : likeliest(given->scores + i * given->classes, given->classes);
}

/* -log of a share, which is kept a little away from 0 and 1 as in scikit-learn. */
static double loss_of(double share)
{
    const double least = 0x1p-52;
    return -spot_log(fmin(fmax(share, least), 1.0 - least));
}

static void lose(struct judged *judged)
{
    const struct predictions *given = judged->given;
    const int64_t width = width_of(given);
    for (int64_t i = 0; i < given->rows; i++) {
        const double *shares = given->scores + i * width;
        const int32_t truth = given->truth[i];
        const double share = width > 1 ? shares[truth] : truth == 1 ? shares[0] : 1.0 - shares[0];
        judged->losses[i] = loss_of(share);
    }
}

double judged_brier(const struct judged *judged, int64_t row)
{
    const struct predictions *given = judged->given;
    const double *shares = given->scores + row * width_of(given);
    const int32_t truth = given->truth[row];
    struct careful_sum sum = {0};
    if (given->classes == 2) return (shares[0] - truth) * (shares[0] - truth);
    for (int32_t c = 0; c < given->classes; c++) {
        const double difference = shares[c] - (c == truth);
        careful_add(&sum, difference * difference);
    }
    return careful_value(&sum);
}

double judged_confidence(const struct judged *judged, int64_t row)
{
    const struct predictions *given = judged->given;
    if (given->classes == 2) return given->scores[row];
    return given->scores[row * given->classes + judged->labels[row]];
}

/* ---- Rankings, a task each ------------------------------------------------------------------ */

struct sorting {
    struct judged *judged;
    struct spot_error *errors; /* (rankings) */
    int *statuses;             /* (rankings) */
};

static void rank_task(void *arg, int64_t task, int worker)
{
    struct sorting *sorting = arg;
    const struct predictions *given = sorting->judged->given;
    const bool one = sorting->judged->rankings_count == 1;
    (void)worker;
    sorting->statuses[task] = ranking_open(
        given, given->scores + (one ? 0 : task), width_of(given), one ? 1 : (int32_t)task,
        &sorting->judged->rankings[task], &sorting->errors[task]);
}

static int rank_all(struct judged *judged, struct spot_pool *pool, struct spot_error *err)
{
    const int32_t count = judged->given->classes == 2 ? 1 : judged->given->classes;
    int status = SPOT_OK;
    struct sorting sorting = {judged, spot_alloc_zero(count, sizeof *sorting.errors),
                              spot_alloc_zero(count, sizeof *sorting.statuses)};
    judged->rankings = spot_alloc_zero(count, sizeof *judged->rankings);
    if (judged->rankings == NULL || sorting.errors == NULL || sorting.statuses == NULL) {
        status = spot_fail_memory(err, "the order of the scores");
        goto out;
    }
    judged->rankings_count = count;
    pool_run(pool, count, rank_task, &sorting);
    for (int32_t c = 0; c < count && status == SPOT_OK; c++)
        if (sorting.statuses[c] < 0)
            status = spot_fail(err, sorting.statuses[c], "%s", sorting.errors[c].message);
out:
    free(sorting.errors);
    free(sorting.statuses);
    return status;
}

int judged_open(const struct predictions *given, struct spot_pool *pool, struct judged *judged,
                struct spot_error *err)
{
    int status;
    const int64_t rows = given->rows;
    *judged = (struct judged){.given = given, .labels = given->labels, .threshold = NAN};
    SPOT_TRY(check_predictions(given, err));
    if (given->classes == 0) return SPOT_OK;
    judged->shares = given->scores != NULL && are_shares(given);
    if (given->labels == NULL) {
        judged->labels = judged->own_labels = spot_alloc(rows, sizeof *judged->own_labels);
        if (judged->own_labels == NULL) return spot_fail_memory(err, "the labels");
        decide_labels(judged);
    }
    if (judged->shares) {
        judged->losses = spot_alloc(rows, sizeof *judged->losses);
        if (judged->losses == NULL) return spot_fail_memory(err, "the losses");
        lose(judged);
    }
    if (given->scores != NULL) status = rank_all(judged, pool, err);
out:
    return status;
}

void judged_close(struct judged *judged)
{
    free(judged->own_labels);
    free(judged->losses);
    for (int32_t c = 0; c < judged->rankings_count; c++)
        ranking_close(&judged->rankings[c]);
    free(judged->rankings);
}
