/* Pictures of an evaluation. SVG or PNG by the name's ending; the same input gives the same bytes.
 * Errors of all: SPOT_EUSAGE (another ending), SPOT_EIO, SPOT_ENOMEM. */
#ifndef SPOT_APP_PLOT_EVALUATION_H
#define SPOT_APP_PLOT_EVALUATION_H

#include "models/evaluation.h"

enum { PLOT_CLASSES = 40 }; /* more do not fit on a page */

/* What is drawn, borrowed for the call. */
struct evaluation_picture {
    const struct evaluation *evaluation;
    const char *const *classes; /* (evaluation->classes) names */
    int64_t rows;
};

/* The confusion matrix, coloured by the share of the true class; up to PLOT_CLASSES. */
int plot_confusion(const char *path, const struct evaluation_picture *picture,
                   struct spot_error *err);

/* The curves of class 1, or of each class against the others; the first PLOT_CURVES of them. */
enum { PLOT_CURVES = 12 };
int plot_roc(const char *path, const struct evaluation_picture *picture, struct spot_error *err);
int plot_precision_recall(const char *path, const struct evaluation_picture *picture,
                          struct spot_error *err);

/* Shares predicted and what came true, and how many rows have such shares. */
int plot_calibration(const char *path, const struct evaluation_picture *picture,
                     struct spot_error *err);

/* The features that matter most. values: (features) shares of the whole. */
int plot_importance(const char *path, int32_t features, const char *const *names,
                    const double *values, const char *remark, struct spot_error *err);

#endif
