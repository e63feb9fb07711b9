/* Measures of predictions against stored values of scikit-learn, against their definitions written
 * out in long double, and at the edges: one class, ties, constants, one row, no weight. */
#define _POSIX_C_SOURCE 200809L
#include "models/evaluation.h"

#include <cjson/cJSON.h>
#include <float.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "models/random.h"
#include "suite.h"

#define STORED SOURCE_DIR "/tests/reference/evaluation/predictions.json"

static struct spot_pool *pool;
static struct spot_error err;

static bool near(double a, double b)
{
    return isnan(a) ? isnan(b) : fabs(a - b) <= 1e-12 * fmax(1.0, fabs(b));
}

/* ---- Stored values of scikit-learn ---------------------------------------------------------- */

static cJSON *read_stored(void)
{
    FILE *file = fopen(STORED, "rb");
    CU_ASSERT_PTR_NOT_NULL_FATAL(file);
    char *text = malloc(1 << 20);
    size_t size = fread(text, 1, (1 << 20) - 1, file);
    text[size] = '\0';
    fclose(file);
    cJSON *stored = cJSON_Parse(text);
    free(text);
    CU_ASSERT_PTR_NOT_NULL_FATAL(stored);
    return stored;
}

static double number_of(const cJSON *item)
{
    return cJSON_IsNumber(item) ? item->valuedouble : (double)NAN;
}

/* A list or a list of lists, one after the other; NULL for null. */
static double *numbers(const cJSON *list)
{
    const int count = cJSON_GetArraySize(list);
    if (!cJSON_IsArray(list)) return NULL;
    const int width = cJSON_IsArray(list->child) ? cJSON_GetArraySize(list->child) : 1;
    double *values = malloc((size_t)(count * width) * sizeof *values), *at = values;
    const cJSON *item, *inner;
    cJSON_ArrayForEach(item, list)
    {
        if (!cJSON_IsArray(item)) *at++ = number_of(item);
        cJSON_ArrayForEach(inner, item) *at++ = number_of(inner);
    }
    return values;
}

static int32_t *integers(const cJSON *list)
{
    double *values = numbers(list);
    if (values == NULL) return NULL;
    int32_t *whole = malloc((size_t)cJSON_GetArraySize(list) * sizeof *whole);
    for (int i = 0; i < cJSON_GetArraySize(list); i++)
        whole[i] = (int32_t)values[i];
    free(values);
    return whole;
}

/* One measure: `key` of a case is `expected`. */
static void expect_near(const char *name, const char *key, double found, double expected)
{
    if (!near(found, expected))
        printf("\n%s: %s is %.17g, not %.17g\n", name, key, found, expected);
    CU_ASSERT(near(found, expected));
}

static void expect_list(const char *name, const char *key, const double *found, int count,
                        const cJSON *expected)
{
    double *values = numbers(expected);
    for (int i = 0; i < count && values != NULL; i++)
        expect_near(name, key, found[i], values[i]);
    free(values);
}

static void expect_case(const cJSON *stored, const struct evaluation *found)
{
    const char *name = cJSON_GetObjectItem(stored, "name")->valuestring;
    const cJSON *expected = cJSON_GetObjectItem(stored, "expected");
    int applied = 0;
    for (int id = 0; id < MEASURE_COUNT; id++) {
        const char *key = measure_name((enum measure_id)id);
        const struct measure *measure = &found->measures[id];
        if (!measure->applies) continue;
        applied++;
        CU_ASSERT(cJSON_HasObjectItem(expected, key));
        expect_near(name, key, measure->value, number_of(cJSON_GetObjectItem(expected, key)));
        CU_ASSERT_EQUAL(isnan(measure->value), measure->undefined != NULL);
    }
    CU_ASSERT_EQUAL(applied, cJSON_GetArraySize(expected));
    expect_list(name, "confusion", found->confusion, found->classes * found->classes,
                cJSON_GetObjectItem(stored, "confusion"));
    const cJSON *by_class = cJSON_GetObjectItem(stored, "by_class"), *list;
    cJSON_ArrayForEach(list, by_class)
    {
        for (int32_t c = 0; c < found->classes; c++) {
            const struct class_measures *of = &found->by_class[c];
            const double value = strcmp(list->string, "precision") == 0 ? of->precision
                                 : strcmp(list->string, "recall") == 0  ? of->recall
                                 : strcmp(list->string, "f1") == 0      ? of->f1
                                 : strcmp(list->string, "roc_auc") == 0 ? of->roc_auc
                                                                        : of->pr_auc;
            expect_near(name, list->string, value, number_of(cJSON_GetArrayItem(list, c)));
        }
    }
    const cJSON *bins = cJSON_GetObjectItem(stored, "bins");
    for (int b = 0, at = 0; b < EVALUATION_BINS && bins != NULL; b++) {
        if (found->bins[b].weight == 0) continue;
        const cJSON *pair = cJSON_GetArrayItem(bins, at++);
        expect_near(name, "frequency", found->bins[b].frequency,
                    number_of(cJSON_GetArrayItem(pair, 0)));
        expect_near(name, "share", found->bins[b].share, number_of(cJSON_GetArrayItem(pair, 1)));
    }
}

static void equals_scikit_learn(void)
{
    cJSON *stored = read_stored();
    const cJSON *one;
    int cases = 0;
    cJSON_ArrayForEach(one, cJSON_GetObjectItem(stored, "cases"))
    {
        struct evaluation found;
        int32_t *truth = integers(cJSON_GetObjectItem(one, "truth"));
        int32_t *labels = integers(cJSON_GetObjectItem(one, "labels"));
        double *target = numbers(cJSON_GetObjectItem(one, "target"));
        double *scores = numbers(cJSON_GetObjectItem(one, "scores"));
        double *weights = numbers(cJSON_GetObjectItem(one, "weights"));
        const cJSON *rows = cJSON_GetObjectItem(one, truth != NULL ? "truth" : "target");
        const struct predictions given = {.rows = cJSON_GetArraySize(rows),
                                          .classes = cJSON_GetObjectItem(one, "classes")->valueint,
                                          .truth = truth,
                                          .labels = labels,
                                          .scores = scores,
                                          .target = target,
                                          .weights = weights,
                                          .threshold =
                                              number_of(cJSON_GetObjectItem(one, "threshold"))};
        const struct evaluation_options options = {.pool = pool};
        CU_ASSERT_EQUAL(evaluate_predictions(&given, &options, &found, &err), SPOT_OK);
        expect_case(one, &found);
        evaluation_clear(&found);
        free(truth);
        free(labels);
        free(target);
        free(scores);
        free(weights);
        cases++;
    }
    CU_ASSERT_EQUAL(cases, 30);
    cJSON_Delete(stored);
}

static void agreements_equal_scikit_learn(void)
{
    cJSON *stored = read_stored();
    const cJSON *one;
    cJSON_ArrayForEach(one, cJSON_GetObjectItem(stored, "agreements"))
    {
        struct agreement found = {NAN, NAN};
        const cJSON *list = cJSON_GetObjectItem(one, "a");
        int32_t *a = integers(list), *b = integers(cJSON_GetObjectItem(one, "b"));
        const char *name = cJSON_GetObjectItem(one, "name")->valuestring;
        CU_ASSERT_EQUAL(labels_agreement(cJSON_GetArraySize(list), a, 40, b, 40, &found, &err),
                        SPOT_OK);
        expect_near(name, "ari", found.ari, number_of(cJSON_GetObjectItem(one, "ari")));
        expect_near(name, "nmi", found.nmi, number_of(cJSON_GetObjectItem(one, "nmi")));
        free(a);
        free(b);
    }
    cJSON_Delete(stored);
}

/* ---- The definitions ------------------------------------------------------------------------ */

enum { ROWS = 700, CLASSES = 3 };

static int32_t truth[ROWS];
static double binary_scores[ROWS], shares[ROWS * CLASSES], weights[ROWS], target[ROWS];

static double uniform(uint32_t stream, uint32_t i)
{
    return (double)(random_bits(7, RANDOM_SAMPLES, 1, stream, i) >> 11) * 0x1p-53;
}

/* Scores from far apart to equal, of both signs; shares with and without ties; weights over
 * decades. */
static void make_rows(void)
{
    for (uint32_t i = 0; i < ROWS; i++) {
        truth[i] = (int32_t)(uniform(0, i) * CLASSES);
        const double size = ldexp(1.0, (int)(uniform(1, i) * 40) - 20);
        const double score = (uniform(2, i) - 0.5 + 0.1 * (truth[i] == 1)) * size;
        binary_scores[i] = i % 3 == 0 ? rint(score) : i % 50 == 0 ? -0.0 : score;
        weights[i] = i % 11 == 0 ? 0 : ldexp(uniform(3, i), (int)(uniform(4, i) * 20));
        double sum = 0;
        for (int c = 0; c < CLASSES; c++) {
            double *share = &shares[i * CLASSES + (uint32_t)c];
            *share = uniform(5 + (uint32_t)c, i) + (c == truth[i]);
            if (i % 2 == 0) *share = rint(*share * 4) + 1;
            sum += *share;
        }
        for (int c = 0; c < CLASSES; c++)
            shares[i * CLASSES + (uint32_t)c] /= sum;
        target[i] = 1e6 + uniform(9, i);
    }
}

/* The weighted share of pairs (a row of the class, another row) that are in the right order. */
static double plain_auc(const double *scores, int stride, int32_t positive)
{
    long double right = 0, positives = 0, negatives = 0;
    for (int i = 0; i < ROWS; i++) {
        if (truth[i] == positive)
            positives += weights[i];
        else
            negatives += weights[i];
        for (int j = 0; j < ROWS && truth[i] == positive; j++) {
            if (truth[j] == positive) continue;
            const double a = scores[i * stride], b = scores[j * stride];
            right += (long double)weights[i] * weights[j] * (a > b ? 1 : a == b ? 0.5L : 0);
        }
    }
    return (double)(right / positives / negatives);
}

/* Sum over the rows of the class of the precision at their score, and the largest F1. */
static double plain_precision(const double *scores, int stride, int32_t positive, double *best,
                              double *threshold)
{
    long double area = 0, positives = 0;
    *best = -1;
    for (int i = 0; i < ROWS; i++)
        positives += truth[i] == positive ? weights[i] : 0;
    for (int i = 0; i < ROWS; i++) {
        long double hits = 0, all = 0;
        const double from = scores[i * stride];
        if (weights[i] == 0) continue;
        for (int j = 0; j < ROWS; j++) {
            if (scores[j * stride] < from) continue;
            all += weights[j];
            hits += truth[j] == positive ? weights[j] : 0;
        }
        if (truth[i] == positive) area += weights[i] * hits / all;
        const double f1 = (double)(2 * hits / (all + positives));
        if (f1 > *best || (f1 == *best && from < *threshold)) {
            *best = f1;
            *threshold = from;
        }
    }
    return (double)(area / positives);
}

static double value_of(const struct evaluation *found, enum measure_id id)
{
    CU_ASSERT(found->measures[id].applies);
    return found->measures[id].value;
}

static void areas_equal_their_definitions(void)
{
    struct evaluation found;
    double best, threshold = 0;
    int32_t positive[ROWS];
    const struct predictions given = {.rows = ROWS,
                                      .classes = 2,
                                      .truth = positive,
                                      .scores = binary_scores,
                                      .weights = weights,
                                      .threshold = NAN};
    const struct evaluation_options options = {.pool = pool, .curves = true};
    make_rows();
    for (int i = 0; i < ROWS; i++)
        positive[i] = truth[i] == 1;
    CU_ASSERT_EQUAL_FATAL(evaluate_predictions(&given, &options, &found, &err), SPOT_OK);
    expect_near("plain", "roc_auc", value_of(&found, MEASURE_ROC_AUC),
                plain_auc(binary_scores, 1, 1));
    const double area = plain_precision(binary_scores, 1, 1, &best, &threshold);
    expect_near("plain", "pr_auc", value_of(&found, MEASURE_PR_AUC), area);
    expect_near("plain", "best_f1", value_of(&found, MEASURE_BEST_F1), best);
    CU_ASSERT_EQUAL(value_of(&found, MEASURE_BEST_THRESHOLD), threshold);
    CU_ASSERT_EQUAL(value_of(&found, MEASURE_THRESHOLD), 0.0);
    CU_ASSERT_EQUAL(found.curves_count, 1);
    const struct curve *curve = &found.curves[0];
    CU_ASSERT(curve->count > 10 && curve->count <= ROWS);
    for (int64_t i = 1; i < curve->count; i++)
        CU_ASSERT(curve->points[i].recall >= curve->points[i - 1].recall &&
                  curve->points[i].false_positives >= curve->points[i - 1].false_positives);
    CU_ASSERT(near(curve->points[curve->count - 1].recall, 1.0));
    CU_ASSERT(near(curve->points[curve->count - 1].false_positives, 1.0));
    evaluation_clear(&found);
}

static void classes_equal_their_definitions(void)
{
    struct evaluation found;
    long double loss = 0, brier = 0, hits = 0, all = 0;
    double best, threshold = 0;
    const struct predictions given = {.rows = ROWS,
                                      .classes = CLASSES,
                                      .truth = truth,
                                      .scores = shares,
                                      .weights = weights,
                                      .threshold = NAN};
    const struct evaluation_options options = {.pool = pool};
    make_rows();
    CU_ASSERT_EQUAL_FATAL(evaluate_predictions(&given, &options, &found, &err), SPOT_OK);
    for (int i = 0; i < ROWS; i++) {
        const double *row = shares + i * CLASSES;
        int label = 0;
        all += weights[i];
        loss -= weights[i] * logl(row[truth[i]]);
        for (int c = 0; c < CLASSES; c++) {
            const long double apart = (long double)row[c] - (c == truth[i]);
            brier += weights[i] * apart * apart;
            if (row[c] > row[label]) label = c;
        }
        hits += label == truth[i] ? weights[i] : 0;
    }
    expect_near("plain", "log_loss", value_of(&found, MEASURE_LOG_LOSS), (double)(loss / all));
    expect_near("plain", "brier", value_of(&found, MEASURE_BRIER), (double)(brier / all));
    expect_near("plain", "accuracy", value_of(&found, MEASURE_ACCURACY), (double)(hits / all));
    for (int c = 0; c < CLASSES; c++) {
        expect_near("plain", "roc_auc", found.by_class[c].roc_auc,
                    plain_auc(shares + c, CLASSES, c));
        expect_near("plain", "pr_auc", found.by_class[c].pr_auc,
                    plain_precision(shares + c, CLASSES, c, &best, &threshold));
    }
    evaluation_clear(&found);
}

/* Errors of a tenth on values near a million, one of them outweighing all. */
static void errors_equal_their_definitions(void)
{
    struct evaluation found;
    double predicted[ROWS];
    long double squares = 0, sizes = 0, mean = 0, spread = 0, all = 0;
    make_rows();
    for (int i = 0; i < ROWS; i++) {
        predicted[i] = target[i] + (binary_scores[i] > 0 ? 0.1 : -0.03);
        all += weights[i];
        mean += (long double)weights[i] * target[i];
    }
    mean /= all;
    for (int i = 0; i < ROWS; i++) {
        const long double error = (long double)target[i] - predicted[i];
        squares += weights[i] * error * error;
        sizes += weights[i] * fabsl(error);
        spread += weights[i] * (target[i] - mean) * (target[i] - mean);
    }
    const struct predictions given = {
        .rows = ROWS, .scores = predicted, .target = target, .weights = weights, .threshold = NAN};
    const struct evaluation_options options = {.pool = pool};
    CU_ASSERT_EQUAL_FATAL(evaluate_predictions(&given, &options, &found, &err), SPOT_OK);
    expect_near("plain", "rmse", value_of(&found, MEASURE_RMSE), (double)sqrtl(squares / all));
    expect_near("plain", "mae", value_of(&found, MEASURE_MAE), (double)(sizes / all));
    expect_near("plain", "r2", value_of(&found, MEASURE_R2), (double)(1 - squares / spread));
    CU_ASSERT(!found.measures[MEASURE_ACCURACY].applies);
    evaluation_clear(&found);
}

/* ---- Intervals ------------------------------------------------------------------------------ */

static int by_size(const void *a, const void *b)
{
    const double *x = a, *y = b;
    return (*x > *y) - (*x < *y);
}

static double quantile(double *sorted, int count, double fraction)
{
    const double place = fraction * (count - 1);
    const int low = (int)place, high = low + 1 < count ? low + 1 : low;
    return sorted[low] + (sorted[high] - sorted[low]) * (place - low);
}

/* The rows drawn are written out one after the other and judged as any others. */
static void intervals_equal_their_definition(void)
{
    enum { RESAMPLES = 40, N = 150 };
    static const enum measure_id ids[] = {MEASURE_ACCURACY,      MEASURE_F1_MACRO,
                                          MEASURE_ROC_AUC_MACRO, MEASURE_PR_AUC_WEIGHTED,
                                          MEASURE_LOG_LOSS,      MEASURE_CALIBRATION_ERROR};
    enum { IDS = sizeof ids / sizeof *ids };
    static double values[IDS][RESAMPLES], again_shares[N * CLASSES], again_weights[N];
    static int32_t again_truth[N];
    struct evaluation found, again;
    make_rows();
    struct predictions given = {.rows = N,
                                .classes = CLASSES,
                                .truth = truth,
                                .scores = shares,
                                .weights = weights,
                                .threshold = NAN};
    struct evaluation_options options = {.pool = pool, .bootstrap = RESAMPLES, .seed = 5};
    CU_ASSERT_EQUAL_FATAL(evaluate_predictions(&given, &options, &found, &err), SPOT_OK);
    options.bootstrap = 0;
    for (int r = 0; r < RESAMPLES; r++) {
        for (uint32_t i = 0; i < N; i++) {
            const uint64_t bits = random_bits(5, RANDOM_RESAMPLES, (uint32_t)r, 0, i);
            const size_t row = (size_t)floorl((long double)bits * 0x1p-64L * N);
            again_truth[i] = truth[row];
            again_weights[i] = weights[row];
            memcpy(again_shares + i * CLASSES, shares + row * CLASSES, CLASSES * sizeof *shares);
        }
        given.truth = again_truth;
        given.scores = again_shares;
        given.weights = again_weights;
        CU_ASSERT_EQUAL_FATAL(evaluate_predictions(&given, &options, &again, &err), SPOT_OK);
        for (int m = 0; m < IDS; m++)
            values[m][r] = again.measures[ids[m]].value;
        evaluation_clear(&again);
    }
    for (int m = 0; m < IDS; m++) {
        const struct measure *measure = &found.measures[ids[m]];
        qsort(values[m], RESAMPLES, sizeof(double), by_size);
        CU_ASSERT_EQUAL(measure->resamples, RESAMPLES);
        expect_near("bootstrap", "low", measure->low, quantile(values[m], RESAMPLES, 0.025));
        expect_near("bootstrap", "high", measure->high, quantile(values[m], RESAMPLES, 0.975));
        CU_ASSERT(measure->low <= measure->value && measure->value <= measure->high);
    }
    evaluation_clear(&found);
}

static bool is_same(double a, double b)
{
    return a == b || (isnan(a) && isnan(b));
}

static void threads_change_nothing(void)
{
    struct evaluation found[2];
    make_rows();
    const struct predictions given = {.rows = ROWS,
                                      .classes = CLASSES,
                                      .truth = truth,
                                      .scores = shares,
                                      .weights = weights,
                                      .threshold = NAN};
    for (int i = 0; i < 2; i++) {
        struct spot_pool *threads;
        CU_ASSERT_EQUAL_FATAL(pool_open(i == 0 ? 1 : 5, &threads, &err), SPOT_OK);
        const struct evaluation_options options = {.pool = threads, .bootstrap = 20, .seed = 1};
        CU_ASSERT_EQUAL_FATAL(evaluate_predictions(&given, &options, &found[i], &err), SPOT_OK);
        pool_close(threads);
    }
    for (int id = 0; id < MEASURE_COUNT; id++) {
        const struct measure *a = &found[0].measures[id], *b = &found[1].measures[id];
        if (!a->applies) continue;
        CU_ASSERT(is_same(a->value, b->value));
        CU_ASSERT(is_same(a->low, b->low));
        CU_ASSERT(is_same(a->high, b->high));
    }
    evaluation_clear(&found[0]);
    evaluation_clear(&found[1]);
}

/* A class that few resamples meet: what is not defined in one is left out. */
static void resamples_without_a_class_are_left_out(void)
{
    struct evaluation found;
    int32_t rare[20] = {1};
    make_rows();
    const struct predictions given = {
        .rows = 20, .classes = 2, .truth = rare, .scores = binary_scores, .threshold = NAN};
    const struct evaluation_options options = {.pool = pool, .bootstrap = 100};
    CU_ASSERT_EQUAL_FATAL(evaluate_predictions(&given, &options, &found, &err), SPOT_OK);
    const int32_t met = found.measures[MEASURE_ROC_AUC].resamples;
    CU_ASSERT(met > 30 && met < 95);
    CU_ASSERT_EQUAL(found.measures[MEASURE_ACCURACY].resamples, 100);
    CU_ASSERT_EQUAL(found.measures[MEASURE_THRESHOLD].resamples, 0);
    CU_ASSERT(isnan(found.measures[MEASURE_LOG_LOSS].low));
    evaluation_clear(&found);
}

/* ---- What is refused ------------------------------------------------------------------------ */

static int stop_now(void *arg)
{
    (void)arg;
    return 1;
}

static void refused(const struct predictions *given, int code, const char *message)
{
    struct evaluation found;
    const struct evaluation_options options = {
        .pool = pool, .bootstrap = 5, .stopped = code == SPOT_ESTOPPED ? stop_now : NULL};
    CU_ASSERT_EQUAL(evaluate_predictions(given, &options, &found, &err), code);
    CU_ASSERT_PTR_NOT_NULL(strstr(err.message, message));
    if (strstr(err.message, message) == NULL) printf("\n%s: not '%s'\n", err.message, message);
    CU_ASSERT_PTR_NULL(found.confusion);
}

static void bad_predictions_are_refused(void)
{
    int32_t some_truth[3] = {0, 1, 1}, high[3] = {0, 1, 2};
    double scores[3] = {0.25, 0.5, 0.75}, missing[3] = {0.1, NAN, 0.2}, wide[3] = {1, 2, INFINITY};
    double negative[3] = {1, -1, 1}, zeros[3] = {0, 0, 0};
    const struct predictions good = {
        .rows = 3, .classes = 2, .truth = some_truth, .scores = scores, .threshold = NAN};
    struct predictions bad = good;
    bad.rows = 0;
    refused(&bad, SPOT_EDATA, "0 rows");
    bad = good, bad.classes = 1;
    refused(&bad, SPOT_EDATA, "1 classes");
    bad = good, bad.classes = EVALUATION_CLASSES + 1;
    refused(&bad, SPOT_EDATA, "1001 classes");
    bad = good, bad.truth = high;
    refused(&bad, SPOT_EDATA, "row 3: the true class 2");
    bad = good, bad.labels = high;
    refused(&bad, SPOT_EDATA, "row 3: the predicted class 2");
    bad = good, bad.scores = missing;
    refused(&bad, SPOT_EDATA, "row 2: the predicted value is missing");
    bad = good, bad.scores = wide;
    refused(&bad, SPOT_EDATA, "row 3: the predicted value is infinite");
    bad = good, bad.weights = negative;
    refused(&bad, SPOT_EDATA, "row 2: the weight is -1");
    bad = good, bad.weights = zeros;
    refused(&bad, SPOT_EDATA, "add up to 0");
    bad = (struct predictions){.rows = 3, .target = missing, .scores = scores, .threshold = NAN};
    refused(&bad, SPOT_EDATA, "row 2: the true value is missing");
    bad.target = scores, bad.threshold = 0.5;
    refused(&bad, SPOT_EUSAGE, "threshold");
    refused(&good, SPOT_ESTOPPED, "stopped");
}

/* Squares beyond float64 are no number, and no NaN either. */
static void values_beyond_float64_are_undefined(void)
{
    struct evaluation found;
    double huge[3] = {1e300, -1e300, 1e300}, zeros[3] = {0, 0, 0};
    const struct predictions given = {.rows = 3, .target = huge, .scores = zeros, .threshold = NAN};
    const struct evaluation_options options = {.pool = pool};
    CU_ASSERT_EQUAL_FATAL(evaluate_predictions(&given, &options, &found, &err), SPOT_OK);
    CU_ASSERT(isnan(value_of(&found, MEASURE_RMSE)));
    CU_ASSERT_PTR_NOT_NULL(strstr(found.measures[MEASURE_RMSE].undefined, "too large"));
    CU_ASSERT_EQUAL(value_of(&found, MEASURE_MAE), 1e300);
    evaluation_clear(&found);
}

int main(void)
{
    static const struct suite_test tests[] = {
        {"equals scikit-learn", equals_scikit_learn},
        {"agreements equal scikit-learn", agreements_equal_scikit_learn},
        {"areas equal their definitions", areas_equal_their_definitions},
        {"classes equal their definitions", classes_equal_their_definitions},
        {"errors equal their definitions", errors_equal_their_definitions},
        {"intervals equal their definition", intervals_equal_their_definition},
        {"threads change nothing", threads_change_nothing},
        {"resamples without a class are left out", resamples_without_a_class_are_left_out},
        {"bad predictions are refused", bad_predictions_are_refused},
        {"values beyond float64 are undefined", values_beyond_float64_are_undefined},
        {NULL, NULL}};
    if (pool_open(0, &pool, &err) != SPOT_OK) return 1;
    const int failed = run_suite("evaluation", tests);
    pool_close(pool);
    return failed;
}
