/* Ranges, scales and moments of the matrix (docs/exactness.md). */
#include "models/statistics.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "base/memory.h"
#include "models/row_batches.h"

enum { CHUNK_ROWS = 16384, STRIP_ROWS = 16 };

static int64_t chunks_of(int64_t rows)
{
    return (rows + CHUNK_ROWS - 1) / CHUNK_ROWS;
}

static int64_t chunk_end(int64_t chunk, int64_t rows)
{
    return (chunk + 1) * CHUNK_ROWS < rows ? (chunk + 1) * CHUNK_ROWS : rows;
}

/* ---- Ranges --------------------------------------------------------------------------------- */

struct ranges {
    struct spot_matrix data;                /* the batch */
    float *lowest, *highest, *check;        /* (threads, STRIP_ROWS, columns), or NULL */
    double *lowest64, *highest64, *check64; /* the same for rows of float64, or NULL */
};

/* A chunk goes by in strips of rows seen as one long row, so that neighbouring values meet
 * neighbouring minima and maxima whatever the number of columns. */
static void range_task(void *arg, int64_t task, int worker)
{
    const struct ranges *ranges = arg;
    int64_t width = (int64_t)ranges->data.columns * STRIP_ROWS;
    float *lowest = ranges->lowest + worker * width;
    float *highest = ranges->highest + worker * width;
    float *check = ranges->check + worker * width;
    const float *x = ranges->data.values + task * CHUNK_ROWS * ranges->data.columns;
    int64_t cells = (chunk_end(task, ranges->data.rows) - task * CHUNK_ROWS) * ranges->data.columns;
    for (int64_t first = 0; first < cells; first += width) {
        int64_t count = cells - first < width ? cells - first : width;
        for (int64_t t = 0; t < count; t++) {
            float value = x[first + t];
            check[t] += value * 0.0f; /* NaN for NaN and infinity, and stays NaN */
            lowest[t] = value < lowest[t] ? value : lowest[t];
            highest[t] = value > highest[t] ? value : highest[t];
        }
    }
}

/* The same for rows of float64. */
static void wide_range_task(void *arg, int64_t task, int worker)
{
    const struct ranges *ranges = arg;
    int64_t width = (int64_t)ranges->data.columns * STRIP_ROWS;
    double *lowest = ranges->lowest64 + worker * width;
    double *highest = ranges->highest64 + worker * width;
    double *check = ranges->check64 + worker * width;
    const double *x = ranges->data.values64 + task * CHUNK_ROWS * ranges->data.columns;
    int64_t cells = (chunk_end(task, ranges->data.rows) - task * CHUNK_ROWS) * ranges->data.columns;
    for (int64_t first = 0; first < cells; first += width) {
        int64_t count = cells - first < width ? cells - first : width;
        for (int64_t t = 0; t < count; t++) {
            double value = x[first + t];
            check[t] += value * 0.0;
            lowest[t] = value < lowest[t] ? value : lowest[t];
            highest[t] = value > highest[t] ? value : highest[t];
        }
    }
}

static int wide_ranges_open(struct ranges *ranges, int64_t cells, struct spot_error *err)
{
    ranges->lowest64 = spot_alloc(cells, sizeof(double));
    ranges->highest64 = spot_alloc(cells, sizeof(double));
    ranges->check64 = spot_alloc_zero(cells, sizeof(double));
    if (ranges->lowest64 == NULL || ranges->highest64 == NULL || ranges->check64 == NULL)
        return spot_fail_memory(err, "the columns' ranges");
    for (int64_t t = 0; t < cells; t++) {
        ranges->lowest64[t] = INFINITY;
        ranges->highest64[t] = -INFINITY;
    }
    return SPOT_OK;
}

static int ranges_open(struct ranges *ranges, int64_t cells, struct spot_error *err)
{
    if (rows_wide(&ranges->data)) return wide_ranges_open(ranges, cells, err);
    ranges->lowest = spot_alloc(cells, sizeof(float));
    ranges->highest = spot_alloc(cells, sizeof(float));
    ranges->check = spot_alloc_zero(cells, sizeof(float));
    if (ranges->lowest == NULL || ranges->highest == NULL || ranges->check == NULL)
        return spot_fail_memory(err, "the columns' ranges");
    for (int64_t t = 0; t < cells; t++) {
        ranges->lowest[t] = INFINITY;
        ranges->highest[t] = -INFINITY;
    }
    return SPOT_OK;
}

static void ranges_close(struct ranges *ranges)
{
    free(ranges->lowest);
    free(ranges->highest);
    free(ranges->check);
    free(ranges->lowest64);
    free(ranges->highest64);
    free(ranges->check64);
}

/* Refuses the first value that is not finite; first: the batch's first row. */
static int check_finite(const struct ranges *ranges, int64_t cells, int64_t first,
                        struct spot_error *err)
{
    int64_t t = 0, at = 0;
    const int32_t columns = ranges->data.columns;
    while (t < cells &&
           !(ranges->check != NULL ? isnan(ranges->check[t]) : isnan(ranges->check64[t])))
        t++;
    if (t == cells) return SPOT_OK;
    while (isfinite(rows_value(&ranges->data, at)))
        at++;
    return spot_fail_at(err, SPOT_EDATA, first + at / columns + 1, (int32_t)(at % columns) + 1,
                        "the value is %s; impute or drop it first",
                        isnan(rows_value(&ranges->data, at)) ? "NaN" : "infinite");
}

static void merge_ranges(const struct ranges *ranges, int64_t cells, double *minimum,
                         double *maximum)
{
    const int32_t columns = ranges->data.columns;
    for (int32_t j = 0; j < columns; j++) {
        minimum[j] = INFINITY;
        maximum[j] = -INFINITY;
    }
    for (int64_t t = 0; t < cells; t++) {
        int64_t j = t % columns;
        const bool wide = ranges->lowest64 != NULL;
        minimum[j] = fmin(minimum[j], wide ? ranges->lowest64[t] : (double)ranges->lowest[t]);
        maximum[j] = fmax(maximum[j], wide ? ranges->highest64[t] : (double)ranges->highest[t]);
    }
}

/* Largest weight and the exponent of the lowest bit set in any. */
struct weight_range {
    double largest;
    int lowest_bit;
};

static int widen_weights(struct weight_range *range, const struct spot_matrix *batch, int64_t first,
                         struct spot_error *err)
{
    for (int64_t i = 0; batch->weights != NULL && i < batch->rows; i++) {
        double w = batch->weights[i];
        if (!isfinite(w) || w < 0)
            return spot_fail_at(err, SPOT_EDATA, first + i + 1, 0,
                                "sample weight %g; weights are finite and not negative", w);
        if (w == 0) continue;
        int exponent;
        int64_t mantissa = (int64_t)ldexp(frexp(w, &exponent), 53);
        int bit = exponent - 53 + __builtin_ctzll((unsigned long long)mantissa);
        if (bit < range->lowest_bit) range->lowest_bit = bit;
        if (w > range->largest) range->largest = w;
    }
    return SPOT_OK;
}

/* One pass; weights may be NULL: those are not looked at. */
static int find_ranges(const struct spot_matrix *data, struct spot_pool *pool, double *minimum,
                       double *maximum, struct weight_range *weights, struct spot_error *err)
{
    int status;
    const int64_t cells = (int64_t)pool_threads(pool) * STRIP_ROWS * data->columns;
    struct ranges ranges = {.data = *data};
    struct row_batches batches = {0};
    int64_t first;
    SPOT_TRY(ranges_open(&ranges, cells, err));
    SPOT_TRY(row_batches_open(&batches, data, 0, err));
    for (;;) {
        SPOT_TRY(row_batches_next(&batches, &first, &ranges.data, err));
        if (ranges.data.rows == 0) break;
        pool_run(pool, chunks_of(ranges.data.rows),
                 ranges.lowest64 != NULL ? wide_range_task : range_task, &ranges);
        SPOT_TRY(check_finite(&ranges, cells, first, err));
        if (weights != NULL) SPOT_TRY(widen_weights(weights, &ranges.data, first, err));
    }
    merge_ranges(&ranges, cells, minimum, maximum);
out:
    ranges_close(&ranges);
    row_batches_close(&batches);
    return status;
}

int column_ranges(const struct spot_matrix *data, struct spot_pool *pool, double *minimum,
                  double *maximum, struct spot_error *err)
{
    return find_ranges(data, pool, minimum, maximum, NULL, err);
}

double exact_offset(double minimum, double maximum)
{
    if (minimum > 0 && maximum <= 2 * minimum) return minimum;
    if (maximum < 0 && minimum >= 2 * maximum) return maximum;
    return 0.0;
}

/* ---- Scales --------------------------------------------------------------------------------- */

/* The exponent e with |x| < 2^e, for x > 0. */
static int bits_above(double x)
{
    return ilogb(x) + 1;
}

/* |x| <= the result. */
static float float_above(double x)
{
    float nearest = (float)x;
    return (double)nearest < x ? nextafterf(nearest, INFINITY) : nearest;
}

/* farthest: no squared distance is above it. */
static double distance_scale(const struct statistics *s, double farthest)
{
    /* One bit of room for the rounding of float32 seeding distances. */
    int bits = 126 - bits_above(int128_to_double(s->weight)) - 1;
    if (bits > QUANTISER_DISTANCE_BITS) bits = QUANTISER_DISTANCE_BITS;
    return farthest > 0 ? ldexp(1.0, bits - 1 - bits_above(farthest)) : 1.0;
}

static int choose_scales(struct statistics *s, const double *centres, int32_t k,
                         struct spot_error *err)
{
    double farthest = 0.0; /* no squared distance is above it */
    int weight_bits = bits_above(int128_to_double(s->weight));
    int column_bits = 126 - weight_bits;
    if (column_bits > QUANTISER_COLUMN_BITS) column_bits = QUANTISER_COLUMN_BITS;
    s->quantiser.column_bits = column_bits;
    for (int32_t j = 0; j < s->columns; j++) {
        double low = s->minimum[j], high = s->maximum[j];
        s->offset[j] = exact_offset(low, high);
        double reach = fmax(high - s->offset[j], s->offset[j] - low);
        if (reach >= 0x1p60)
            return spot_fail_at(err, SPOT_EDATA, 0, j + 1,
                                "values as large as %g; divide the column by a constant",
                                fmax(fabs(low), fabs(high)));
        if (reach > 0 && reach < 0x1p-450)
            return spot_fail_at(err, SPOT_EDATA, 0, j + 1,
                                "values that differ by no more than %g; multiply the column by a "
                                "constant",
                                reach);
        s->largest[j] = float_above(reach); /* exact where the rows are float32: the offset is */
        s->scale[j] = reach > 0 ? ldexp(1.0, column_bits - bits_above(reach)) : 1.0;
        for (int32_t c = 0; c < k && centres != NULL; c++) {
            low = fmin(low, centres[(int64_t)c * s->columns + j]);
            high = fmax(high, centres[(int64_t)c * s->columns + j]);
        }
        if (!isfinite(high - low) || high - low >= 0x1p60)
            return spot_fail_at(err, SPOT_EDATA, 0, j + 1,
                                "a given centre is too far from the data");
        farthest += (high - low) * (high - low);
    }
    if (farthest >= 0x1p126)
        return spot_fail(
            err, SPOT_EDATA,
            "%d columns as wide as these give squared distances beyond float32; divide "
            "them by a constant",
            (int)s->columns);
    s->quantiser.distance_scale = distance_scale(s, farthest);
    return SPOT_OK;
}

/* ---- Weights -------------------------------------------------------------------------------- */

void quantise_weights(const struct statistics *s, const double *weights, int64_t rows,
                      int64_t *quantised)
{
    for (int64_t i = 0; i < rows; i++)
        quantised[i] = quantise(weights[i], s->quantiser.weight_scale);
}

static int sum_weights(struct statistics *s, const struct spot_matrix *data, struct spot_error *err)
{
    int status;
    struct row_batches batches;
    struct spot_matrix batch;
    int64_t first;
    s->weight = int128_from(0);
    SPOT_TRY(row_batches_open(&batches, data, 0, err));
    batches.only_weights = true;
    for (;;) {
        SPOT_TRY(row_batches_next(&batches, &first, &batch, err));
        for (int64_t i = 0; i < batch.rows; i++) {
            int64_t weight = quantise(batch.weights[i], s->quantiser.weight_scale);
            s->weight = int128_add(s->weight, int128_from(weight));
        }
        if (batch.rows == 0) break;
    }
out:
    row_batches_close(&batches);
    return status;
}

/* Exact where the weights' bits fit, else the largest gets as many bits as the sums allow. */
static int choose_weight_scale(struct statistics *s, const struct spot_matrix *data,
                               const struct weight_range *range, struct spot_error *err)
{
    s->quantiser.weight_scale = 1.0;
    s->weight = int128_from(data->rows);
    if (!s->weighted) return SPOT_OK;
    if (!(range->largest > 0)) return spot_fail(err, SPOT_EDATA, "every sample weight is zero");
    int room = 126 - QUANTISER_COLUMN_LEAST - bits_above((double)data->rows);
    if (room > QUANTISER_WEIGHT_BITS) room = QUANTISER_WEIGHT_BITS;
    int shift = room - bits_above(range->largest);
    if (shift > -range->lowest_bit) shift = -range->lowest_bit;
    s->quantiser.weight_scale = ldexp(1.0, shift);
    return sum_weights(s, data, err);
}

/* ---- Moments -------------------------------------------------------------------------------- */

void moment_scales(const struct statistics *s, double *scale)
{
    for (int32_t j = 0; j < s->columns; j++)
        scale[j] = ldexp(s->scale[j], MOMENT_BITS - s->quantiser.column_bits);
}

int mean_variance(const struct statistics *s, const struct column_moments *moments, int64_t rows,
                  double *variance, struct spot_error *err)
{
    double n = (double)rows, sum = 0.0;
    for (int32_t j = 0; j < s->columns; j++) {
        const struct column_moments *m = &moments[j];
        if (m->vanished > m->nonzero / 1000 && m->vanished > 1)
            return spot_fail_at(err, SPOT_EDATA, 0, j + 1,
                                "an extreme value (%g) flattens the others: %lld of %lld "
                                "lie below a billionth of it; drop it, or take logarithms",
                                fmax(fabs(s->minimum[j]), fabs(s->maximum[j])),
                                (long long)m->vanished, (long long)m->nonzero);
        double mean = int128_to_double(m->sum) / n;
        double scale = ldexp(s->scale[j], MOMENT_BITS - s->quantiser.column_bits);
        sum += fmax(int128_to_double(m->squares) / n - mean * mean, 0.0) / scale / scale;
    }
    *variance = sum / s->columns;
    return SPOT_OK;
}

/* With D the rows' largest distance, a mean m of unit rows is within D of each, and
 * |m|^2 >= 1 - D^2 / 2; so its direction is within D + 1 - |m| of each, and within 2 in any case,
 * the square of which 2.5 D^2 bounds. Float32 rounds the rows' lengths. */
void make_spherical(struct statistics *s, bool centres_given)
{
    double farthest = 0.0;
    for (int32_t j = 0; j < s->columns; j++)
        farthest += (s->maximum[j] - s->minimum[j]) * (s->maximum[j] - s->minimum[j]);
    farthest = centres_given ? 5.0 : fmin(5.0, 2.5 * farthest + 1e-12);
    s->quantiser.distance_scale = distance_scale(s, farthest);
    s->quantiser.spherical = 1;
}

int statistics_of(const struct spot_matrix *data, const double *centres, int32_t k,
                  struct spot_pool *pool, struct statistics *s, struct spot_error *err)
{
    int status = SPOT_OK;
    memset(s, 0, sizeof *s);
    s->columns = data->columns;
    s->minimum = spot_alloc(data->columns, sizeof(double));
    s->maximum = spot_alloc(data->columns, sizeof(double));
    s->offset = spot_alloc(data->columns, sizeof(double));
    s->scale = spot_alloc(data->columns, sizeof(double));
    s->largest = spot_alloc(data->columns, sizeof(float));
    if (s->minimum == NULL || s->maximum == NULL || s->offset == NULL || s->scale == NULL ||
        s->largest == NULL) {
        status = spot_fail_memory(err, "the columns' statistics");
        goto out;
    }
    struct weight_range weights = {.largest = 0.0, .lowest_bit = 2000};
    s->weighted = rows_weighted(data);
    SPOT_TRY(find_ranges(data, pool, s->minimum, s->maximum, &weights, err));
    SPOT_TRY(choose_weight_scale(s, data, &weights, err));
    SPOT_TRY(choose_scales(s, centres, k, err));
    s->quantiser.columns = s->columns;
    s->quantiser.offset = s->offset;
    s->quantiser.scale = s->scale;
out:
    if (status < 0) statistics_clear(s);
    return status;
}

void statistics_clear(struct statistics *s)
{
    free(s->minimum);
    free(s->maximum);
    free(s->offset);
    free(s->scale);
    free(s->largest);
    memset(s, 0, sizeof *s);
}
