/* `blackspot evaluate`: how good a model is on data with known labels, or predictions that any
 * program made. The kinds are in evaluate_forest.c, evaluate_table.c and evaluate_clusters.c. */
#define _GNU_SOURCE /* argp */
#include "app/evaluating.h"
#include "app/forest_model.h"
#include "base/error.h"

static const struct argp_option evaluate_options[] = {
    {0, 0, 0, 0, "What is judged:", 1},
    {"model", OPTION_KEY(OPTION_MODEL), "MODEL", 0,
     "trees of XGBoost or LightGBM, KMeans or a mixture", 1},
    {"input", OPTION_KEY(OPTION_INPUT), "DATA", 0,
     "rows for the model, as for 'blackspot score'; may be repeated", 1},
    {"predictions", OPTION_KEY(OPTION_PREDICTIONS), "FILE", 0,
     "instead of a model and data: a .csv (also .gz, .zst) with predictions of any program", 1},
    {"scores", OPTION_KEY(OPTION_SCORES), "A,B,...", 0,
     "of --predictions: the column with class 1's score or probability, or a column for each class",
     1},
    {"predicted", OPTION_KEY(OPTION_PREDICTED), "COLUMN", 0,
     "of --predictions: the column with the predicted class, or a regression's value", 1},
    {"label", OPTION_KEY(OPTION_LABEL), "COLUMN", 0,
     "the column with the true class or value; of a clustering, a labelling to compare with", 1},
    {"labels", OPTION_KEY(OPTION_LABELS), "FILE", 0,
     "the table that has that column (and the weights), a row for each row of the data; default: "
     "the data; or a .npy of labels alone",
     1},
    {"sample-weight", OPTION_KEY(OPTION_SAMPLE_WEIGHT), "COLUMN", 0,
     "a column of weights, 0 or more (default: every row counts once)", 1},
    {"config", OPTION_KEY(OPTION_CONFIG), "FILE", 0,
     "YAML whose `input` says how the files are read: encoding, delimiter, on_bad_row", 1},
    {"set", OPTION_KEY(OPTION_SET), "KEY=VALUE", 0,
     "overrides the configuration, as in --set input.encoding=latin1; may be repeated", 1},
    {0, 0, 0, 0, "How:", 2},
    {"task", OPTION_KEY(OPTION_TASK), "TASK", 0,
     "classification (default) or regression; a model of trees knows its own", 2},
    {"classes", OPTION_KEY(OPTION_CLASSES), "A,B,...", 0,
     "the labels in the order of the classes (default: 0, 1, ..., or all labels in their order)",
     2},
    {"threshold", OPTION_KEY(OPTION_THRESHOLD), "X", 0,
     "of two classes the second is predicted where its score is X or more (default: 0.5, or 0 "
     "where scores are not in [0, 1])",
     2},
    {"bootstrap", OPTION_KEY(OPTION_BOOTSTRAP), "N", 0,
     "95 % intervals from N resamples of the rows, drawn with --seed (default: none)", 2},
    {"iterations", OPTION_KEY(OPTION_ITERATIONS), "A:B", 0,
     "of trees: only these iterations, from A up to but without B", 2},
    {"features", OPTION_KEY(OPTION_FEATURES), "A,B,...", 0,
     "of trees: the table's columns in the order of the model's features", 2},
    {0, 0, 0, 0, "Results:", 3},
    {"metrics", OPTION_KEY(OPTION_METRICS), "FILE", 0,
     "a JSON file of numbers, as DVC reads it: test_metrics.accuracy and so on", 3},
    {"report", OPTION_KEY(OPTION_REPORT), "FILE", 0,
     "a text with all measures, those of each class, and the confusion matrix; of a clustering, "
     "its profile",
     3},
    {"table", OPTION_KEY(OPTION_TABLE), 0, 0, "prints that text on standard error", 3},
    {"plots", OPTION_KEY(OPTION_PLOTS), "FOLDER", 0,
     "confusion.csv, and as .svg and .png: confusion, roc, precision_recall, calibration and, of "
     "trees, importance; of a clustering, clusters and, with --label, contingency.csv",
     3},
    {0},
};

static int check_subject(const struct session *session, struct spot_error *err)
{
    static const enum option_id of_tables[] = {OPTION_SCORES, OPTION_PREDICTED, OPTION_TASK,
                                               OPTION_COUNT};
    static const enum option_id of_models[] = {OPTION_INPUT, OPTION_ITERATIONS, OPTION_FEATURES,
                                               OPTION_COUNT};
    const struct arguments *arguments = &session->arguments;
    if (given(arguments, OPTION_MODEL) == given(arguments, OPTION_PREDICTIONS))
        return spot_fail(err, SPOT_EUSAGE, "%s: --model MODEL --input DATA, or --predictions FILE",
                         given(arguments, OPTION_MODEL) ? "one of the two" : "nothing to judge");
    if (given(arguments, OPTION_MODEL))
        return evaluating_refuse(session, of_tables, "for --predictions", err);
    return evaluating_refuse(session, of_models, "for --model", err);
}

static int evaluate(struct session *session, struct spot_error *err)
{
    const struct arguments *arguments = &session->arguments;
    const char *model = arguments->value[OPTION_MODEL];
    int status;
    SPOT_TRY(check_subject(session, err));
    const bool clusters = model != NULL && !is_forest(model);
    if (model != NULL) SPOT_TRY(session_require(session, OPTION_INPUT, "accidents.csv", err));
    if (!clusters && !given(arguments, OPTION_LABELS))
        SPOT_TRY(session_require(session, OPTION_LABEL, "severity", err));
    SPOT_TRY(evaluating_check(session, err));
    status = model == NULL ? evaluate_table(session, err)
             : clusters    ? evaluate_clusters(session, err)
                           : evaluate_forest(session, err);
out:
    return status;
}

const struct command command_evaluate = {
    .name = "evaluate",
    .summary = "judge a model on data with known labels, or any program's predictions",
    .usage = "--model MODEL --input DATA|--predictions FILE --label COLUMN [OPTION...]",
    .about = "Compares predictions with what is known: accuracy, precision, recall and F1, areas "
             "under the ROC and precision-recall curves, log loss, Brier score and calibration "
             "error of classes; RMSE, MAE and R2 of values; silhouette and its like of clusters, "
             "and how far they agree with a labelling. Definitions are scikit-learn's.",
    .example = "blackspot evaluate --model severity.json --input X_test.csv.gz --label grav \\\n"
               "    --labels y_test.csv --bootstrap 200 --metrics metrics.json --plots plots",
    .options = evaluate_options,
    .run = evaluate,
};
