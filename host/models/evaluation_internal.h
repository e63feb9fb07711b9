/* What the parts of the evaluation share: rows made ready once, to be added up with any
 * multiplicities (1 each for the measures, those of a resample for the intervals). */
#ifndef SPOT_MODELS_EVALUATION_INTERNAL_H
#define SPOT_MODELS_EVALUATION_INTERNAL_H

#include "models/evaluation.h"

/* ---- A sum that knows its rounding error (Knuth 1969, Neumaier 1974) ------------------------ */

struct careful_sum {
    double high, low;
};

static inline void careful_add(struct careful_sum *sum, double value)
{
    const double total = sum->high + value, added = total - sum->high;
    sum->low += (sum->high - (total - added)) + (value - added);
    sum->high = total;
}

static inline double careful_value(const struct careful_sum *sum)
{
    return sum->high + sum->low;
}

/* ---- Rows by falling score ------------------------------------------------------------------ */

enum { MARK_POSITIVE = 1, MARK_LAST = 2 }; /* of its class; the last one of equal scores */

struct ranking {
    int32_t *order; /* (rows) row numbers */
    uint8_t *marks; /* (rows) in that order */
};

/* scores: those of row i at i * stride. positive: the class that counts as such. */
int ranking_open(const struct predictions *given, const double *scores, int64_t stride,
                 int32_t positive, struct ranking *ranking, struct spot_error *err);
void ranking_close(struct ranking *ranking);

/* What a walk along a ranking finds; NaN where one side has no weight. */
struct ranked {
    double roc_auc, pr_auc, best_f1, best_threshold;
};

/* counts: (rows) multiplicities, or NULL: 1 each. positives: weight of all positive rows. scores,
 * stride: as for ranking_open. */
struct ranked ranking_walk(const struct ranking *ranking, const struct predictions *given,
                           const int32_t *counts, double positives, const double *scores,
                           int64_t stride);

/* The points that a picture needs. */
int ranking_curve(const struct ranking *ranking, const struct predictions *given, double positives,
                  double negatives, struct curve *curve, struct spot_error *err);

/* ---- Rows made ready ------------------------------------------------------------------------ */

struct judged {
    const struct predictions *given;
    const int32_t *labels; /* (rows) given, or own_labels */
    int32_t *own_labels;
    bool shares;              /* every score is in [0, 1] */
    double threshold;         /* NaN where none was used */
    double *losses;           /* (rows) -log of the share given to the truth; NULL without shares */
    int32_t rankings_count;   /* 0, 1 or classes */
    struct ranking *rankings; /* (rankings_count) */
};

/* Of shares, a row's: sum over the classes of (share - truth)^2, of two classes half of that; and
 * the share of class 1, of several that of the class predicted. */
double judged_brier(const struct judged *judged, int64_t row);
double judged_confidence(const struct judged *judged, int64_t row);

int judged_open(const struct predictions *given, struct spot_pool *pool, struct judged *judged,
                struct spot_error *err);
void judged_close(struct judged *judged);

/* Work space of one evaluation, and what it found. */
struct tally {
    double values[MEASURE_COUNT];       /* NaN: not defined */
    const char *reasons[MEASURE_COUNT]; /* why not */
    struct careful_sum *cells;          /* (classes, classes) of the confusion matrix */
    int64_t *present;                   /* (classes) rows of this truth or label */
    struct class_measures *measures;    /* (classes) */
    struct calibration_bin bins[EVALUATION_BINS];
};

int tally_open(int32_t classes, struct tally *tally, struct spot_error *err);
void tally_close(struct tally *tally);

/* The measures of rows with multiplicities counts (rows), NULL: 1 each. */
void tally_classes(const struct judged *judged, const int32_t *counts, struct tally *tally);
void tally_regression(const struct predictions *given, const int32_t *counts, struct tally *tally);

/* Intervals of the measures that have a value: from the 2.5th to the 97.5th percentile over
 * resamples of rows drawn with replacement. */
int bootstrap_measures(const struct judged *judged, const struct evaluation_options *options,
                       struct measure *measures, struct spot_error *err);

#endif
