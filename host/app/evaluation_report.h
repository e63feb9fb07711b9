/* An evaluation on paper: JSON for DVC and the result line, text for people, CSV for the confusion
 * matrix. */
#ifndef SPOT_APP_EVALUATION_REPORT_H
#define SPOT_APP_EVALUATION_REPORT_H

#include <cjson/cJSON.h>
#include <stdio.h>

#include "models/evaluation.h"

/* What is told, borrowed. */
struct evaluated {
    const struct evaluation *evaluation;
    const char *const *classes; /* (evaluation->classes) names */
    int64_t rows;
};

/* Adds every measure that applies to an object: a number, or null where it is not defined. nulls
 * false: those are left out, as DVC knows numbers alone. */
void report_measures(cJSON *object, const struct evaluated *evaluated, bool nulls);

/* {"roc_auc": "only one class has rows"}, or NULL where all are defined. */
cJSON *report_undefined(const struct evaluated *evaluated);

/* {"test_metrics": {...}}: measures, those of each class, intervals. NULL without memory. */
cJSON *report_document(const struct evaluated *evaluated);

/* Measures with their intervals, each class, the confusion matrix of up to 12 classes. */
void report_text(FILE *out, const struct evaluated *evaluated);

/* The confusion matrix, a line for each true class. cells: (rows_count, columns_count). Errors:
 * SPOT_EIO, SPOT_ENOMEM. */
int report_matrix(const char *path, const char *corner, const char *const *row_names,
                  int32_t rows_count, const char *const *column_names, int32_t columns_count,
                  const double *cells, struct spot_error *err);

/* Text that `print` writes, in a file that appears whole or not at all. */
int report_file(const char *path, void (*print)(FILE *out, const void *arg), const void *arg,
                struct spot_error *err);

#endif
