/* Fitting: statistics of each batch, merged exactly, then the numbers of every feature in
 * scikit-learn's definitions (SimpleImputer before the scaler). */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "base/memory.h"
#include "data/encoder_internal.h"
#include "data/order.h"

/* ---- One batch ---- */

/* Range and count of values, and whether one of them is no float32. */
static void observe_range(const double *values, int64_t rows, struct statistics *statistics)
{
    double minimum = INFINITY, maximum = -INFINITY;
    int64_t present = 0, wide = 0;
    for (int64_t i = 0; i < rows; i++) {
        double x = values[i];
        minimum = x < minimum ? x : minimum;
        maximum = x > maximum ? x : maximum;
        present += x == x;
        wide += (double)(float)x != x && x == x;
    }
    statistics->present = present;
    statistics->missing = rows - present;
    statistics->minimum = minimum;
    statistics->maximum = maximum;
    statistics->wide = wide > 0;
}

/* The reader knows as much of a column from which no row goes. */
static bool recall_range(const struct pass *pass, const struct feature *feature,
                         struct statistics *statistics)
{
    const struct column_facts *facts = &pass->batch->columns[feature->columns[0]].facts;
    if (!facts->known || pass->index != NULL || feature->columns_count > 1) return false;
    statistics->present = pass->kept - facts->missing;
    statistics->missing = facts->missing;
    statistics->minimum = facts->minimum;
    statistics->maximum = facts->maximum;
    statistics->wide = !facts->float32;
    return true;
}

/* Sums of whole numbers below 2^20 need no accumulator: 2^22 squares fit an int64. */
static bool observe_small_integers(const double *values, int64_t rows,
                                   struct statistics *statistics)
{
    int64_t sum = 0, squares = 0, odd = 0;
    if (!(statistics->minimum >= -1048576.0 && statistics->maximum <= 1048576.0) ||
        rows > INT64_C(1) << 22)
        return false;
    for (int64_t i = 0; i < rows; i++) {
        double x = values[i] == values[i] ? values[i] : 0.0;
        int32_t whole = (int32_t)x;
        odd += (double)whole != x;
        sum += whole;
        squares += (int64_t)whole * whole;
    }
    if (odd > 0) return false;
    exact_sum_add(&statistics->sum, (double)sum);
    /* up to 2^63: two halves, each a double */
    exact_sum_add(&statistics->squares, (double)(squares >> 32) * 4294967296.0);
    exact_sum_add(&statistics->squares, (double)(squares & 0xffffffff));
    return true;
}

static void observe_sums(const double *values, int64_t rows, struct statistics *statistics)
{
    if (observe_small_integers(values, rows, statistics)) return;
    for (int64_t i = 0; i < rows; i++) {
        if (isnan(values[i])) continue;
        exact_sum_add(&statistics->sum, values[i]);
        exact_sum_add_product(&statistics->squares, values[i], values[i]);
    }
}

static int append_values(struct statistics *statistics, const double *values, int64_t count)
{
    void *array = statistics->values;
    int status = spot_grow(&array, &statistics->values_capacity, statistics->values_count + count,
                           sizeof *values);
    statistics->values = array;
    if (status < 0) return status;
    for (int64_t i = 0; i < count; i++)
        if (!isnan(values[i])) statistics->values[statistics->values_count++] = values[i];
    return SPOT_OK;
}

static int observe_numbers(struct pass *pass, const struct feature *feature,
                           struct statistics *statistics, struct spot_error *err)
{
    bool sums = feature_needs_sums(feature), keeps = feature_needs_values(feature);
    if (!sums && !keeps && !feature_needs_range(feature)) return SPOT_OK;
    const double *values = pass_values(pass, feature);
    if (!recall_range(pass, feature, statistics)) observe_range(values, pass->kept, statistics);
    double largest = fmax(fabs(statistics->minimum), fabs(statistics->maximum));
    if (sums && statistics->present > 0 && largest > 1e100)
        return spot_fail(err, SPOT_EDATA,
                         "%s: a value of %g cannot be averaged: limit its range "
                         "in `columns`",
                         feature->name, largest);
    if (sums) observe_sums(values, pass->kept, statistics);
    if (keeps && append_values(statistics, values, pass->kept) < 0)
        return spot_fail_memory(err, "the values of a column");
    return SPOT_OK;
}

static int observe_categories(struct pass *pass, const struct feature *feature,
                              struct statistics *statistics, struct spot_error *err)
{
    const struct column *cells = &pass->batch->columns[feature->columns[0]];
    /* one more in front, for the missing */
    int64_t *counts =
        spot_alloc_zero((int64_t)cells->dictionary.count + 1, sizeof *statistics->code_counts);
    if (counts == NULL) return spot_fail_memory(err, "the categories");
    for (int64_t i = 0; i < pass->kept; i++)
        counts[cells->codes[pass_row(pass, i)] + 1]++;
    statistics->missing = counts[0];
    statistics->present = pass->kept - counts[0];
    statistics->code_counts = counts;
    return SPOT_OK;
}

int encoder_observe(const struct encoder *encoder, const struct batch *batch,
                    struct encoder_part **out, struct spot_error *err)
{
    *out = NULL;
    struct pass pass;
    int status = pass_open(&pass, encoder, batch, err);
    if (status < 0) return status;
    struct encoder_part *part = calloc(1, sizeof *part);
    if (part != NULL) part->statistics = spot_alloc_zero(encoder->count, sizeof *part->statistics);
    if (part == NULL || part->statistics == NULL) {
        status = spot_fail_memory(err, "observing a batch");
    } else {
        part->count = encoder->count;
        part->rows_kept = pass.kept;
    }
    for (int32_t f = 0; f < encoder->count && status == SPOT_OK; f++) {
        const struct feature *feature = &encoder->features[f];
        status = feature->encode == ENCODE_NONE
                     ? observe_numbers(&pass, feature, &part->statistics[f], err)
                     : observe_categories(&pass, feature, &part->statistics[f], err);
    }
    pass_close(&pass);
    if (status < 0)
        encoder_part_free(part);
    else
        *out = part;
    return status;
}

void encoder_part_free(struct encoder_part *part)
{
    if (part == NULL) return;
    for (int32_t f = 0; f < part->count; f++)
        encoder_statistics_clear(&part->statistics[f]);
    free(part->statistics);
    free(part);
}

int64_t encoder_part_rows(const struct encoder_part *part)
{
    return part->rows_kept;
}

/* ---- The merge ---- */

static int merge_categories(struct statistics *into, const struct statistics *from,
                            const struct dictionary *words, const struct feature *feature,
                            struct spot_error *err)
{
    for (int32_t w = 0; w < words->count; w++) {
        if (from->code_counts[w + 1] == 0) continue;
        int status = categories_add(&into->categories, words->bytes + words->offsets[w],
                                    from->code_counts[w + 1]);
        if (status == SPOT_EDATA)
            return spot_fail(err, SPOT_EDATA,
                             "%s has more than %d different categories: is it an "
                             "id?",
                             feature->name, CATEGORIES_LIMIT);
        if (status < 0) return spot_fail_memory(err, "the categories");
    }
    return SPOT_OK;
}

int encoder_add(struct encoder *encoder, const struct batch *batch, const struct encoder_part *part,
                struct spot_error *err)
{
    for (int32_t f = 0; f < encoder->count; f++) {
        const struct feature *feature = &encoder->features[f];
        struct statistics *into = &encoder->statistics[f], *from = &part->statistics[f];
        bool first = into->present == 0;
        if (from->present > 0) {
            if (first || from->minimum < into->minimum) into->minimum = from->minimum;
            if (first || from->maximum > into->maximum) into->maximum = from->maximum;
        }
        into->present += from->present;
        into->missing += from->missing;
        into->wide = into->wide || from->wide;
        if (feature_needs_sums(feature)) {
            exact_sum_merge(&into->sum, &from->sum);
            exact_sum_merge(&into->squares, &from->squares);
        }
        if (append_values(into, from->values, from->values_count) < 0)
            return spot_fail_memory(err, "the values of a column");
        if (feature->encode == ENCODE_NONE) continue;
        const struct dictionary *words = &batch->columns[feature->columns[0]].dictionary;
        int status = merge_categories(into, from, words, feature, err);
        if (status < 0) return status;
    }
    return SPOT_OK;
}

int64_t encoder_values_bytes(const struct encoder *encoder)
{
    int64_t bytes = 0;
    for (int32_t f = 0; f < encoder->count; f++)
        bytes += encoder->statistics[f].values_count * (int64_t)sizeof(double);
    return bytes;
}

/* ---- The numbers of a feature ---- */

static int fit_impute(struct feature *feature, struct statistics *statistics,
                      struct spot_error *err)
{
    double variance;
    if (feature->impute == IMPUTE_NONE || feature->impute == IMPUTE_CONSTANT ||
        feature->impute == IMPUTE_DROP_ROW)
        return SPOT_OK;
    if (statistics->present == 0)
        return spot_fail(err, SPOT_EDATA, "%s: every value is missing, so there is no %s",
                         feature->name, impute_words[feature->impute]);
    if (feature->impute == IMPUTE_MEAN)
        exact_moments(&statistics->sum, &statistics->squares, statistics->present, &feature->fill,
                      &variance);
    else if (feature->impute == IMPUTE_MEDIAN)
        feature->fill = order_median(statistics->values, statistics->values_count);
    else
        feature->fill = order_mode(statistics->values, statistics->values_count);
    return SPOT_OK;
}

/* Counts the missing values in as what they become. */
static int add_imputed(const struct feature *feature, struct statistics *statistics)
{
    int64_t missing = statistics->missing;
    double fill = feature->fill;
    if (missing == 0 || feature->impute == IMPUTE_NONE) return SPOT_OK;
    exact_sum_add_product(&statistics->sum, (double)missing, fill);
    double square = fill * fill;
    exact_sum_add_product(&statistics->squares, (double)missing, square);
    exact_sum_add_product(&statistics->squares, (double)missing, fma(fill, fill, -square));
    if (statistics->present == 0 || fill < statistics->minimum) statistics->minimum = fill;
    if (statistics->present == 0 || fill > statistics->maximum) statistics->maximum = fill;
    statistics->wide = statistics->wide || (double)(float)fill != fill;
    statistics->present += missing;
    statistics->missing = 0;
    if (!feature_needs_values(feature)) return SPOT_OK;
    for (int64_t i = 0; i < missing; i++)
        if (append_values(statistics, &fill, 1) < 0) return SPOT_ENOMEM;
    return SPOT_OK;
}

static int fit_scale(struct feature *feature, struct statistics *statistics, struct spot_error *err)
{
    if (feature->scale == SCALE_NONE) return SPOT_OK;
    if (statistics->present == 0)
        return spot_fail(err, SPOT_EDATA, "%s: there is no value to scale by", feature->name);
    double variance, *values = statistics->values;
    int64_t count = statistics->values_count;
    if (feature->scale == SCALE_STANDARD) {
        exact_moments(&statistics->sum, &statistics->squares, statistics->present, &feature->centre,
                      &variance);
        feature->spread = sqrt(variance);
    } else if (feature->scale == SCALE_MINMAX) {
        feature->centre = statistics->minimum;
        feature->spread = statistics->maximum - statistics->minimum;
    } else {
        feature->centre = order_median(values, count);
        feature->spread = order_quantile(values, count, 0.75) - order_quantile(values, count, 0.25);
    }
    if (!isfinite(feature->spread) || !isfinite(feature->centre))
        return spot_fail(err, SPOT_EDATA, "%s: the values are too far apart to be scaled",
                         feature->name);
    if (feature->spread == 0.0) feature->spread = 1.0;
    return SPOT_OK;
}

/* A dyadic number near the middle of a range of float64 values, with few bits, so that what is left
 * of the values keeps more of theirs in float32. */
static void fit_offset(struct feature *feature, const struct statistics *statistics)
{
    if (feature->scale != SCALE_NONE || !statistics->wide || statistics->present == 0) return;
    double range = statistics->maximum - statistics->minimum;
    double middle = statistics->minimum + 0.5 * range;
    if (!(range < 1e38 && fabs(middle) < 1e38) || middle == 0.0) return;
    int finest = ilogb(middle) - 23; /* the offset is itself a float32 */
    int exponent = range > 0.0 ? ilogb(range) - 2 : finest;
    if (exponent < finest) exponent = finest;
    feature->offset = ldexp(rint(ldexp(middle, -exponent)), exponent);
}

static int fit_numbers(struct feature *feature, struct statistics *statistics,
                       struct spot_error *err)
{
    int status = fit_impute(feature, statistics, err);
    if (status < 0 || feature->period > 0.0) return status;
    if (add_imputed(feature, statistics) < 0)
        return spot_fail_memory(err, "the values of a column");
    status = fit_scale(feature, statistics, err);
    if (status < 0) return status;
    if (feature_needs_range(feature)) fit_offset(feature, statistics);
    return SPOT_OK;
}

/* The most frequent category, the first in bytewise order among equals. */
static const char *most_frequent(const struct categories *categories)
{
    int32_t best = 0;
    for (int32_t i = 1; i < categories->count; i++) {
        int64_t more = categories->counts[i] - categories->counts[best];
        if (more > 0 || (more == 0 && strcmp(categories->texts[i], categories->texts[best]) < 0))
            best = i;
    }
    return categories->texts[best];
}

static int fit_categories(struct feature *feature, struct statistics *statistics,
                          struct spot_error *err)
{
    feature->categories = statistics->categories;
    memset(&statistics->categories, 0, sizeof statistics->categories);
    if (feature->impute == IMPUTE_MOST_FREQUENT) {
        if (statistics->present == 0)
            return spot_fail(err, SPOT_EDATA, "%s: every value is missing", feature->name);
        feature->fill_text = spot_copy_text(most_frequent(&feature->categories));
        if (feature->fill_text == NULL) return spot_fail_memory(err, "the categories");
    }
    if (feature->fill_text != NULL && statistics->missing > 0 &&
        categories_add(&feature->categories, feature->fill_text, statistics->missing) < 0)
        return spot_fail_memory(err, "the categories");
    int status = encoder_group_categories(feature, err);
    if (status < 0) return status;
    if (feature->encode == ENCODE_ONE_HOT && feature->kept > ONE_HOT_LIMIT)
        return spot_fail(err, SPOT_EDATA,
                         "%s would become %d columns: group categories with "
                         "rare, or use encode: frequency",
                         feature->name, feature->kept);
    if (feature->encode == ENCODE_ONE_HOT && feature->kept == 0 && !feature->other)
        return spot_fail(err, SPOT_EDATA, "%s: there is no category", feature->name);
    return SPOT_OK;
}

/* What became of a feature. */
struct fitted {
    int status;
    struct spot_error error;
};

struct fitting {
    struct encoder *encoder;
    struct fitted *fitted; /* (encoder->count) */
};

static void fit_feature(void *arg, int64_t task, int worker)
{
    struct fitting *fitting = arg;
    struct feature *feature = &fitting->encoder->features[task];
    struct statistics *statistics = &fitting->encoder->statistics[task];
    struct fitted *fitted = &fitting->fitted[task];
    (void)worker;
    fitted->status = feature->encode == ENCODE_NONE
                         ? fit_numbers(feature, statistics, &fitted->error)
                         : fit_categories(feature, statistics, &fitted->error);
    if (fitting->encoder->keep_zero) feature->offset = 0.0;
    encoder_statistics_clear(statistics);
}

void encoder_keep_zero(struct encoder *encoder)
{
    encoder->keep_zero = true;
}

int encoder_fit(struct encoder *encoder, struct spot_pool *pool, struct spot_error *err)
{
    struct fitting fitting = {encoder, spot_alloc_zero(encoder->count, sizeof *fitting.fitted)};
    if (fitting.fitted == NULL) return spot_fail_memory(err, "the encoder");
    pool_run(pool, encoder->count, fit_feature, &fitting);
    int status = SPOT_OK;
    for (int32_t f = 0; f < encoder->count && status == SPOT_OK; f++) {
        status = fitting.fitted[f].status;
        if (status < 0 && err != NULL) *err = fitting.fitted[f].error;
    }
    free(fitting.fitted);
    return status == SPOT_OK ? encoder_layout(encoder, err) : status;
}
