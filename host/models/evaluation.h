/* How good predictions are: measures of classifiers and regressors with scikit-learn's definitions,
 * sample weights, and bootstrap intervals. Sums carry their rounding errors along, so every number
 * is that of a float64 reference to 1e-12; nothing depends on threads (docs/evaluation.md). */
#ifndef SPOT_MODELS_EVALUATION_H
#define SPOT_MODELS_EVALUATION_H

#include <stdbool.h>

#include "base/pool.h"
#include "blackspot.h"

enum { EVALUATION_CLASSES = 1000, EVALUATION_BINS = 10 };

/* What is measured; those of a binary classifier's class 1 have plain names. */
enum measure_id {
    MEASURE_ACCURACY,
    MEASURE_BALANCED_ACCURACY,
    MEASURE_PRECISION,
    MEASURE_RECALL,
    MEASURE_F1,
    MEASURE_PRECISION_MACRO,
    MEASURE_RECALL_MACRO,
    MEASURE_F1_MACRO,
    MEASURE_PRECISION_WEIGHTED,
    MEASURE_RECALL_WEIGHTED,
    MEASURE_F1_WEIGHTED,
    MEASURE_ROC_AUC,
    MEASURE_ROC_AUC_MACRO,
    MEASURE_ROC_AUC_WEIGHTED,
    MEASURE_PR_AUC,
    MEASURE_PR_AUC_MACRO,
    MEASURE_PR_AUC_WEIGHTED,
    MEASURE_LOG_LOSS,
    MEASURE_BRIER,
    MEASURE_CALIBRATION_ERROR,
    MEASURE_THRESHOLD,
    MEASURE_BEST_THRESHOLD,
    MEASURE_BEST_F1,
    MEASURE_RMSE,
    MEASURE_MAE,
    MEASURE_R2,
    MEASURE_COUNT
};

/* "roc_auc". */
const char *measure_name(enum measure_id id);

struct measure {
    bool applies;          /* to this kind of predictions; else the rest says nothing */
    double value;          /* finite, or NaN: not defined */
    const char *undefined; /* why not, in words; NULL where it is */
    double low, high;      /* of the bootstrap interval, NaN without one */
    int32_t resamples;     /* in which it was defined */
};

/* Predictions to judge, borrowed. Of classes: truth, and scores or labels or both; of a regression
 * (classes 0): target and scores. */
struct predictions {
    int64_t rows;          /* 1 to 2^31 - 1 */
    int32_t classes;       /* 2 to EVALUATION_CLASSES, or 0 */
    const int32_t *truth;  /* (rows) 0 <= class < classes */
    const int32_t *labels; /* (rows) the classes predicted; NULL: by the scores, those of two
                              classes by `threshold`, of several the lowest of the highest */
    const double *scores;  /* of two classes (rows), of class 1; of several (rows, classes); of a
                              regression (rows), the values predicted. Finite */
    const double *target;  /* (rows) finite */
    const double *weights; /* (rows) finite, >= 0, their sum > 0; or NULL: every row counts once */
    double threshold;      /* class 1 is predicted where the score is not below it; NaN: 0.5, or 0
                              where scores are not in [0, 1] */
};

struct evaluation_options {
    struct spot_pool *pool;
    int32_t bootstrap;         /* resamples, or 0 */
    uint64_t seed;             /* of their random numbers */
    bool curves;               /* for pictures */
    int (*stopped)(void *arg); /* not 0: SPOT_ESTOPPED; or NULL */
    void *arg;
};

/* One class against all others. NaN: not defined. */
struct class_measures {
    double precision, recall, f1;
    double support;         /* weight of its rows */
    double predicted;       /* weight of the rows predicted to be in it */
    double roc_auc, pr_auc; /* NaN without scores */
};

/* A point of the ROC and precision-recall curves of a class. */
struct curve_point {
    double false_positives, recall, precision; /* shares */
};

struct curve {
    struct curve_point *points; /* (count) from the highest score to the lowest */
    int64_t count, capacity;
};

/* Rows with a share in (i / bins, (i + 1) / bins]. */
struct calibration_bin {
    double weight, share, frequency; /* mean share predicted, and how often it came true */
};

struct evaluation {
    struct measure measures[MEASURE_COUNT];
    int32_t classes;
    double *confusion;               /* (classes, classes) weights: [truth][predicted] */
    struct class_measures *by_class; /* (classes) */
    bool calibrated;                 /* the bins are known */
    struct calibration_bin bins[EVALUATION_BINS];
    int32_t curves_count; /* 0, of two classes 1, of several `classes` */
    struct curve *curves; /* (curves_count); empty where a class or all others have no rows */
};

/* Judges. Errors: SPOT_EDATA with the row (a score that is not finite, weights without sum),
 * SPOT_EUSAGE (a threshold for several classes), SPOT_ENOMEM, SPOT_ESTOPPED. The caller clears
 * *evaluation, which is empty after a failure. */
int evaluate_predictions(const struct predictions *predictions,
                         const struct evaluation_options *options, struct evaluation *evaluation,
                         struct spot_error *err);
void evaluation_clear(struct evaluation *evaluation);

/* How far two labellings of the same rows agree. labels: (rows) 0 <= label < their number. */
struct agreement {
    double ari; /* adjusted Rand index (Hubert and Arabie 1985): 1 the same, 0 as by chance */
    double nmi; /* mutual information over the mean of the entropies: 0 to 1 */
};
int labels_agreement(int64_t rows, const int32_t *a, int32_t a_count, const int32_t *b,
                     int32_t b_count, struct agreement *agreement, struct spot_error *err);

#endif
