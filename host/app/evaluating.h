/* What the three kinds of `evaluate` have in common: options, labels, classes, outputs. Forests and
 * tables of predictions are judged by models/evaluation.h; clusterings have their own measures. */
#ifndef SPOT_APP_EVALUATING_H
#define SPOT_APP_EVALUATING_H

#include "app/label_column.h"
#include "app/session.h"
#include "data/table.h"
#include "models/evaluation.h"

/* Predictions on their way to be judged. */
struct evaluating {
    struct session *session;
    bool regression;
    int32_t width; /* scores of a row: 0, 1 (of two classes or a regression), or one a class */
    struct label_column truth, predicted; /* of classes; predicted: no rows where none are given */
    double *target;                       /* (rows) of a regression */
    double *scores;                       /* (rows, width) */
    double *weights;                      /* (rows) or NULL */
    int64_t rows, target_room, scores_room, weights_room, weights_count, target_count;
    struct class_list classes;
    struct evaluation evaluation;

    /* A forest's importance, for its picture. */
    int32_t features;
    char **feature_names;        /* (features) */
    double *importance;          /* (features) shares of the whole, or NULL */
    const char *importance_kind; /* what they are shares of */
    double read_seconds, score_seconds, evaluate_seconds, write_seconds;
};

/* Refuses, before any work, outputs that cannot be written. */
int evaluating_check(const struct session *session, struct spot_error *err);

/* Options that mean something for other kinds of evaluation alone; OPTION_COUNT ends
 * the list. */
int evaluating_refuse(const struct session *session, const enum option_id *options,
                      const char *reason, struct spot_error *err);

/* --labels FILE: true labels (or, of a regression, values) and weights beside the data. */
int evaluating_read_labels(struct evaluating *job, struct spot_error *err);

/* Puts a place in front of the message of a failed row, and returns the status. */
int evaluating_name_row(int status, const char *file, int64_t line, const char *column,
                        struct spot_error *err);

/* A row's label of a batch, text column `column`. */
int evaluating_add_label(struct label_column *labels, const struct batch *batch, int64_t row,
                         int32_t column, const char *name, const char *file,
                         struct spot_error *err);

/* values[count] = value, in a growing array. */
int evaluating_add_number(double **values, int64_t *room, int64_t count, double value,
                          struct spot_error *err);

/* Decides the classes, judges, writes --metrics, --report, --plots, and prints the result. */
int evaluating_finish(struct evaluating *job, struct spot_error *err);
void evaluating_close(struct evaluating *job);

/* The kinds. */
int evaluate_forest(struct session *session, struct spot_error *err);
int evaluate_table(struct session *session, struct spot_error *err);
int evaluate_clusters(struct session *session, struct spot_error *err);

#endif
