/* Rows by falling score: a radix sort on the bits of the scores, then one walk for the areas under
 * the ROC curve (trapezoids) and the precision-recall curve (average precision, steps), and for the
 * threshold of the largest F1. Rows of equal score are passed together. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "base/memory.h"
#include "models/evaluation_internal.h"

/* ---- Sorting -------------------------------------------------------------------------------- */

enum { DIGIT_BITS = 11, DIGITS = 6, DIGIT_VALUES = 1 << DIGIT_BITS };

/* A score and its row, which travel together. */
struct keyed {
    uint64_t key;
    int32_t row;
};

/* Bits without sign that fall as the score rises; -0 is 0. */
static uint64_t falling_bits(double score)
{
    uint64_t bits;
    if (score == 0.0) score = 0.0;
    memcpy(&bits, &score, sizeof bits);
    return (bits >> 63) != 0 ? bits : ~(bits | (UINT64_C(1) << 63));
}

static int64_t digit_of(uint64_t key, int digit)
{
    return (int64_t)(key >> (digit * DIGIT_BITS) & (DIGIT_VALUES - 1));
}

/* Counts of every digit's values become where each value begins; a digit that all rows share needs
 * no pass. starts: (DIGITS, DIGIT_VALUES) */
static void count_digits(const struct keyed *rows, int64_t count, int64_t *starts,
                         bool needed[DIGITS])
{
    for (int64_t i = 0; i < count; i++)
        for (int digit = 0; digit < DIGITS; digit++)
            starts[digit * DIGIT_VALUES + digit_of(rows[i].key, digit)]++;
    for (int digit = 0; digit < DIGITS; digit++) {
        int64_t *values = starts + (int64_t)digit * DIGIT_VALUES, before = 0;
        needed[digit] = count > 0 && values[digit_of(rows[0].key, digit)] < count;
        for (int v = 0; v < DIGIT_VALUES; v++) {
            const int64_t these = values[v];
            values[v] = before;
            before += these;
        }
    }
}

/* Sorts *rows by rising key, equal ones in their order; *spare has the same room, and the two may
 * change places. */
static int sort_keyed(struct keyed **rows, struct keyed **spare, int64_t count,
                      struct spot_error *err)
{
    bool needed[DIGITS];
    int64_t *starts = spot_alloc_zero((int64_t)DIGITS * DIGIT_VALUES, sizeof *starts);
    if (starts == NULL) return spot_fail_memory(err, "the order of the scores");
    count_digits(*rows, count, starts, needed);
    for (int digit = 0; digit < DIGITS; digit++) {
        if (!needed[digit]) continue;
        int64_t *next = starts + (int64_t)digit * DIGIT_VALUES;
        const struct keyed *from = *rows;
        struct keyed *to = *spare;
        for (int64_t i = 0; i < count; i++)
            to[next[digit_of(from[i].key, digit)]++] = from[i];
        *spare = *rows;
        *rows = to;
    }
    free(starts);
    return SPOT_OK;
}

int ranking_open(const struct predictions *given, const double *scores, int64_t stride,
                 int32_t positive, struct ranking *ranking, struct spot_error *err)
{
    const int64_t rows = given->rows;
    int status;
    struct keyed *keyed = spot_alloc(rows, sizeof *keyed);
    struct keyed *spare = spot_alloc(rows, sizeof *spare);
    ranking->order = spot_alloc(rows, sizeof *ranking->order);
    ranking->marks = spot_alloc(rows, sizeof *ranking->marks);
    if (keyed == NULL || spare == NULL || ranking->order == NULL || ranking->marks == NULL) {
        status = spot_fail_memory(err, "the order of the scores");
        goto out;
    }
    for (int64_t i = 0; i < rows; i++)
        keyed[i] = (struct keyed){falling_bits(scores[i * stride]), (int32_t)i};
    SPOT_TRY(sort_keyed(&keyed, &spare, rows, err));
    for (int64_t i = 0; i < rows; i++) {
        const bool last = i + 1 == rows || keyed[i + 1].key != keyed[i].key;
        const bool is_positive = given->truth[keyed[i].row] == positive;
        ranking->order[i] = keyed[i].row;
        ranking->marks[i] = (uint8_t)((is_positive ? MARK_POSITIVE : 0) | (last ? MARK_LAST : 0));
    }
out:
    free(keyed);
    free(spare);
    return status;
}

void ranking_close(struct ranking *ranking)
{
    free(ranking->order);
    free(ranking->marks);
    *ranking = (struct ranking){0};
}

/* ---- Walking -------------------------------------------------------------------------------- */

/* Weights that have been passed: those of the rows down to a score. */
struct passed {
    struct careful_sum positives, negatives;
};

static void pass_row(struct passed *passed, const struct ranking *ranking, int64_t i,
                     const struct predictions *given, const int32_t *counts)
{
    const int32_t row = ranking->order[i];
    double weight = given->weights != NULL ? given->weights[row] : 1.0;
    if (counts != NULL) weight *= counts[row];
    if ((ranking->marks[i] & MARK_POSITIVE) != 0)
        careful_add(&passed->positives, weight);
    else
        careful_add(&passed->negatives, weight);
}

struct ranked ranking_walk(const struct ranking *ranking, const struct predictions *given,
                           const int32_t *counts, double positives, const double *scores,
                           int64_t stride)
{
    struct passed passed = {0};
    struct careful_sum area = {0}, steps = {0};
    struct ranked found = {NAN, NAN, NAN, NAN};
    double true_before = 0.0, false_before = 0.0, best = -1.0;
    for (int64_t i = 0; i < given->rows; i++) {
        pass_row(&passed, ranking, i, given, counts);
        if ((ranking->marks[i] & MARK_LAST) == 0) continue;
        const double now_true = careful_value(&passed.positives);
        const double now_false = careful_value(&passed.negatives);
        if (now_true == true_before && now_false == false_before) continue; /* rows of no weight */
        const double f1 = 2.0 * now_true / (now_true + now_false + positives);
        careful_add(&area, (now_false - false_before) * (0.5 * (now_true + true_before)));
        careful_add(&steps, (now_true - true_before) * (now_true / (now_true + now_false)));
        if (f1 >= best) {
            best = f1;
            found.best_threshold = scores[ranking->order[i] * stride];
        }
        true_before = now_true;
        false_before = now_false;
    }
    if (true_before > 0.0) {
        found.pr_auc = careful_value(&steps) / true_before;
        found.best_f1 = best;
        if (false_before > 0.0) found.roc_auc = careful_value(&area) / true_before / false_before;
    } else {
        found.best_threshold = NAN;
    }
    return found;
}

/* Points that the eye cannot tell from their neighbours are left out. */
static bool is_seen(const struct curve_point *point, const struct curve_point *last)
{
    const double along = 1.0 / 512, across = 1.0 / 256;
    return fabs(point->false_positives - last->false_positives) >= along ||
           fabs(point->recall - last->recall) >= along ||
           fabs(point->precision - last->precision) >= across;
}

int ranking_curve(const struct ranking *ranking, const struct predictions *given, double positives,
                  double negatives, struct curve *curve, struct spot_error *err)
{
    struct passed passed = {0};
    struct curve_point last = {-1.0, -1.0, -1.0};
    if (!(positives > 0.0 && negatives > 0.0)) return SPOT_OK;
    for (int64_t i = 0; i < given->rows; i++) {
        pass_row(&passed, ranking, i, given, NULL);
        if ((ranking->marks[i] & MARK_LAST) == 0) continue;
        const double hits = careful_value(&passed.positives);
        const double misses = careful_value(&passed.negatives);
        if (hits + misses == 0.0) continue;
        const struct curve_point point = {misses / negatives, hits / positives,
                                          hits / (hits + misses)};
        if (i + 1 < given->rows && !is_seen(&point, &last)) continue;
        if (spot_grow((void **)&curve->points, &curve->capacity, curve->count + 1, sizeof point) <
            0)
            return spot_fail_memory(err, "a curve");
        curve->points[curve->count++] = point;
        last = point;
    }
    return SPOT_OK;
}
