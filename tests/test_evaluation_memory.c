/* Every allocation of an evaluation fails once: each time it ends with SPOT_ENOMEM, leaves nothing
 * behind, and leaks nothing. */
#define _GNU_SOURCE
#include <math.h>

#include "models/evaluation.h"
#include "surviving.h"

enum { ROWS = 60, CLASSES = 3 };

static struct spot_pool *pool;
static int32_t truth[ROWS], labels[ROWS];
static double scores[ROWS * CLASSES], weights[ROWS];

static int judge(const struct predictions *given, struct spot_error *err)
{
    struct evaluation found;
    const struct evaluation_options options = {.pool = pool, .bootstrap = 3, .curves = true};
    const int status = evaluate_predictions(given, &options, &found, err);
    CU_ASSERT((status == SPOT_OK) ==
              (found.measures[MEASURE_ACCURACY].applies || found.measures[MEASURE_RMSE].applies));
    evaluation_clear(&found);
    return status;
}

static int judge_classes(struct spot_error *err)
{
    const struct predictions given = {.rows = ROWS,
                                      .classes = CLASSES,
                                      .truth = truth,
                                      .scores = scores,
                                      .weights = weights,
                                      .threshold = NAN};
    return judge(&given, err);
}

static int judge_labels(struct spot_error *err)
{
    const struct predictions given = {
        .rows = ROWS, .classes = CLASSES, .truth = truth, .labels = labels, .threshold = NAN};
    return judge(&given, err);
}

static int judge_values(struct spot_error *err)
{
    const struct predictions given = {
        .rows = ROWS, .target = weights, .scores = scores, .threshold = NAN};
    return judge(&given, err);
}

static int compare(struct spot_error *err)
{
    struct agreement agreement;
    return labels_agreement(ROWS, truth, CLASSES, labels, CLASSES, &agreement, err);
}

static void every_call(void)
{
    for (int i = 0; i < ROWS; i++) {
        truth[i] = i % CLASSES;
        labels[i] = i / 7 % CLASSES;
        weights[i] = 1 + i % 4;
        for (int c = 0; c < CLASSES; c++)
            scores[i * CLASSES + c] = (i * 7 + c * 3) % 11 / 11.0;
    }
    survives("classes with scores", judge_classes);
    survives("labels alone", judge_labels);
    survives("values", judge_values);
    survives("two labellings", compare);
}

int main(void)
{
    const struct suite_test tests[] = {
        {"every allocation of every call", every_call},
        {NULL, NULL},
    };
    struct spot_error err;
    if (pool_open(1, &pool, &err) != SPOT_OK) return 1;
    const int failed = run_suite("evaluation_memory", tests);
    pool_close(pool);
    return failed;
}
