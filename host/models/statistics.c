/* Ranges, scales and moments of the matrix (docs/exactness.md). */
#include "models/statistics.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "base/memory.h"

enum { CHUNK_ROWS = 16384 };

/* Bits below QUANTISER_COLUMN_BITS at which values count for the variance and for flattening. */
enum { COARSE_BITS = 30 };

static int64_t chunks_of(int64_t rows)
{
    return (rows + CHUNK_ROWS - 1) / CHUNK_ROWS;
}

static int64_t chunk_end(int64_t chunk, int64_t rows)
{
    return (chunk + 1) * CHUNK_ROWS < rows ? (chunk + 1) * CHUNK_ROWS : rows;
}

/* ---- Ranges -----------------------------------------------------------------------------------
 */

struct ranges {
    const struct spot_matrix *data;
    float *lowest, *highest; /* (threads, columns) */
    int64_t *bad;            /* (threads) first value that is not finite, or INT64_MAX */
};

static void range_task(void *arg, int64_t task, int worker)
{
    const struct ranges *ranges = arg;
    int32_t columns = ranges->data->columns;
    float *lowest = ranges->lowest + (int64_t)worker * columns;
    float *highest = ranges->highest + (int64_t)worker * columns;
    const float *x = ranges->data->values + task * CHUNK_ROWS * columns;
    int64_t rows = chunk_end(task, ranges->data->rows) - task * CHUNK_ROWS;
    float check = 0.0f; /* x * 0 is NaN for NaN and infinity, and stays NaN */
    for (int64_t i = 0; i < rows; i++)
        for (int32_t j = 0; j < columns; j++) {
            float value = x[i * columns + j];
            check += value * 0.0f;
            lowest[j] = value < lowest[j] ? value : lowest[j];
            highest[j] = value > highest[j] ? value : highest[j];
        }
    if (!isnan(check)) return;
    for (int64_t at = 0; at < rows * columns; at++)
        if (!isfinite(x[at])) {
            int64_t place = task * CHUNK_ROWS * columns + at;
            if (place < ranges->bad[worker]) ranges->bad[worker] = place;
            return;
        }
}

static int merge_ranges(const struct ranges *ranges, int threads, double *minimum, double *maximum,
                        struct spot_error *err)
{
    int32_t columns = ranges->data->columns;
    int64_t bad = INT64_MAX;
    for (int32_t j = 0; j < columns; j++) {
        minimum[j] = INFINITY;
        maximum[j] = -INFINITY;
    }
    for (int t = 0; t < threads; t++) {
        if (ranges->bad[t] < bad) bad = ranges->bad[t];
        for (int32_t j = 0; j < columns; j++) {
            minimum[j] = fmin(minimum[j], (double)ranges->lowest[(int64_t)t * columns + j]);
            maximum[j] = fmax(maximum[j], (double)ranges->highest[(int64_t)t * columns + j]);
        }
    }
    if (bad == INT64_MAX) return SPOT_OK;
    return spot_fail(err, SPOT_EDATA,
                     "row %lld, column %lld: the value is %s; impute or drop it first",
                     (long long)(bad / columns), (long long)(bad % columns),
                     isnan(ranges->data->values[bad]) ? "NaN" : "infinite");
}

int column_ranges(const struct spot_matrix *data, struct spot_pool *pool, double *minimum,
                  double *maximum, struct spot_error *err)
{
    int status;
    int threads = pool_threads(pool);
    int64_t cells = (int64_t)threads * data->columns;
    struct ranges ranges = {data, spot_alloc(cells, sizeof(float)),
                            spot_alloc(cells, sizeof(float)), spot_alloc(threads, sizeof(int64_t))};
    if (ranges.lowest == NULL || ranges.highest == NULL || ranges.bad == NULL) {
        status = spot_fail_memory(err, "the columns' ranges");
        goto out;
    }
    for (int64_t i = 0; i < cells; i++) {
        ranges.lowest[i] = INFINITY;
        ranges.highest[i] = -INFINITY;
    }
    for (int t = 0; t < threads; t++)
        ranges.bad[t] = INT64_MAX;
    pool_run(pool, chunks_of(data->rows), range_task, &ranges);
    status = merge_ranges(&ranges, threads, minimum, maximum, err);
out:
    free(ranges.lowest);
    free(ranges.highest);
    free(ranges.bad);
    return status;
}

double exact_offset(double minimum, double maximum)
{
    if (minimum > 0 && maximum <= 2 * minimum) return minimum;
    if (maximum < 0 && minimum >= 2 * maximum) return maximum;
    return 0.0;
}

/* ---- Scales -----------------------------------------------------------------------------------
 */

/* The exponent e with |x| < 2^e, for x > 0. */
static int bits_above(double x)
{
    return ilogb(x) + 1;
}

static int choose_scales(struct statistics *s, const double *centres, int32_t k,
                         struct spot_error *err)
{
    double farthest = 0.0; /* no squared distance is above it */
    for (int32_t j = 0; j < s->columns; j++) {
        double low = s->minimum[j], high = s->maximum[j];
        s->offset[j] = exact_offset(low, high);
        double reach = fmax(high - s->offset[j], s->offset[j] - low);
        if (reach >= 0x1p60)
            return spot_fail(err, SPOT_EDATA,
                             "column %d: values as large as %g; divide the column by a constant",
                             (int)j, fmax(fabs(low), fabs(high)));
        s->scale[j] = reach > 0 ? ldexp(1.0, QUANTISER_COLUMN_BITS - bits_above(reach)) : 1.0;
        for (int32_t c = 0; c < k && centres != NULL; c++) {
            low = fmin(low, centres[(int64_t)c * s->columns + j]);
            high = fmax(high, centres[(int64_t)c * s->columns + j]);
        }
        if (!isfinite(high - low) || high - low >= 0x1p60)
            return spot_fail(err, SPOT_EDATA, "column %d: a given centre is too far from the data",
                             (int)j);
        farthest += (high - low) * (high - low);
    }
    /* One bit of room for the rounding of float32 seeding distances. */
    int bits = bits_above(int128_to_double(s->weight)) + 1;
    int distance_bits = 126 - bits < QUANTISER_DISTANCE_BITS ? 126 - bits : QUANTISER_DISTANCE_BITS;
    s->quantiser.distance_scale =
        farthest > 0 ? ldexp(1.0, distance_bits - 1 - bits_above(farthest)) : 1.0;
    return SPOT_OK;
}

/* ---- Weights ----------------------------------------------------------------------------------
 */

/* Largest weight and the exponent of the lowest bit set in any. */
static int weight_range(const struct spot_matrix *data, double *largest, int *lowest_bit,
                        struct spot_error *err)
{
    *largest = 0.0;
    *lowest_bit = 2000;
    for (int64_t i = 0; i < data->rows; i++) {
        double w = data->weights[i];
        if (!isfinite(w) || w < 0)
            return spot_fail(err, SPOT_EDATA,
                             "row %lld: sample weight %g; weights are finite and not negative",
                             (long long)i, w);
        if (w == 0) continue;
        int exponent;
        int64_t mantissa = (int64_t)ldexp(frexp(w, &exponent), 53);
        int bit = exponent - 53 + __builtin_ctzll((unsigned long long)mantissa);
        if (bit < *lowest_bit) *lowest_bit = bit;
        if (w > *largest) *largest = w;
    }
    if (*largest > 0) return SPOT_OK;
    return spot_fail(err, SPOT_EDATA, "every sample weight is zero");
}

/* Exact where the weights' bits fit, else the largest gets as many bits as the sums allow. */
static int quantise_weights(struct statistics *s, const struct spot_matrix *data,
                            struct spot_error *err)
{
    s->quantiser.weight_scale = 1.0;
    s->weight = int128_from(data->rows);
    if (data->weights == NULL) return SPOT_OK;
    double largest;
    int lowest_bit;
    int status = weight_range(data, &largest, &lowest_bit, err);
    if (status < 0) return status;
    int room = 126 - QUANTISER_COLUMN_BITS - bits_above((double)data->rows);
    if (room > QUANTISER_WEIGHT_BITS) room = QUANTISER_WEIGHT_BITS;
    int shift = room - bits_above(largest);
    if (shift > -lowest_bit) shift = -lowest_bit;
    s->quantiser.weight_scale = ldexp(1.0, shift);
    s->weights = spot_alloc(data->rows, sizeof *s->weights);
    if (s->weights == NULL) return spot_fail_memory(err, "the sample weights");
    s->weight = int128_from(0);
    for (int64_t i = 0; i < data->rows; i++) {
        s->weights[i] = quantise(data->weights[i], s->quantiser.weight_scale);
        s->weight = int128_add(s->weight, int128_from(s->weights[i]));
    }
    return SPOT_OK;
}

/* ---- Moments ----------------------------------------------------------------------------------
 */

/* Integer sums of one column's coarse values r, |r| <= 2^30. */
struct moments {
    int64_t sum;
    int64_t square_high, square_low; /* sums of r^2 >> 32 and of its low half */
    int64_t nonzero, flattened;
};

struct moments_pass {
    const struct spot_matrix *data;
    const struct statistics *statistics;
    struct moments *parts; /* (threads, columns) */
};

static void moments_task(void *arg, int64_t task, int worker)
{
    const struct moments_pass *pass = arg;
    const struct statistics *s = pass->statistics;
    struct moments *parts = pass->parts + (int64_t)worker * s->columns;
    int64_t end = chunk_end(task, pass->data->rows);
    for (int32_t j = 0; j < s->columns; j++) {
        const float *x = pass->data->values + j;
        double offset = s->offset[j];
        double scale = ldexp(s->scale[j], COARSE_BITS - QUANTISER_COLUMN_BITS);
        struct moments m = parts[j];
        for (int64_t i = task * CHUNK_ROWS; i < end; i++) {
            double shifted = (double)x[i * s->columns] - offset;
            int64_t r = quantise(shifted, scale);
            int64_t square = r * r;
            m.sum += r;
            m.square_high += square >> 32;
            m.square_low += square & 0xffffffff;
            m.nonzero += shifted != 0.0;
            m.flattened +=
                shifted != 0.0 && r > -(1 << (COARSE_BITS - 20)) && r < 1 << (COARSE_BITS - 20);
        }
        parts[j] = m;
    }
}

/* Variance of a column in its own units, and the refusal of a flattened one. */
static int finish_column(const struct statistics *s, int32_t j, int64_t rows, struct moments m,
                         double *variance, struct spot_error *err)
{
    if (s->offset[j] == 0.0 && m.flattened > m.nonzero / 1000 && m.flattened > 1)
        return spot_fail(err, SPOT_EDATA,
                         "column %d: an extreme value (%g) flattens the others: %lld of %lld lie "
                         "below a millionth of it; drop it, or take logarithms",
                         (int)j, fmax(fabs(s->minimum[j]), fabs(s->maximum[j])),
                         (long long)m.flattened, (long long)m.nonzero);
    double n = (double)rows;
    double square = ((double)m.square_high * 0x1p32 + (double)m.square_low) / n;
    double mean = (double)m.sum / n;
    double scale = ldexp(s->scale[j], COARSE_BITS - QUANTISER_COLUMN_BITS);
    *variance = (square - mean * mean) / scale / scale;
    if (*variance < 0) *variance = 0;
    return SPOT_OK;
}

static int measure(struct statistics *s, const struct spot_matrix *data, struct spot_pool *pool,
                   struct spot_error *err)
{
    int status = SPOT_OK;
    int threads = pool_threads(pool);
    struct moments_pass pass = {data, s, NULL};
    pass.parts = spot_alloc_zero((int64_t)threads * s->columns, sizeof *pass.parts);
    if (pass.parts == NULL) return spot_fail_memory(err, "the columns' variances");
    pool_run(pool, chunks_of(data->rows), moments_task, &pass);
    double sum = 0.0;
    for (int32_t j = 0; j < s->columns; j++) {
        struct moments m = pass.parts[j];
        for (int t = 1; t < threads; t++) {
            const struct moments *part = &pass.parts[(int64_t)t * s->columns + j];
            m.sum += part->sum;
            m.square_high += part->square_high;
            m.square_low += part->square_low;
            m.nonzero += part->nonzero;
            m.flattened += part->flattened;
        }
        double variance = 0.0;
        SPOT_TRY(finish_column(s, j, data->rows, m, &variance, err));
        sum += variance;
    }
    s->mean_variance = sum / s->columns;
out:
    free(pass.parts);
    return status;
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
    if (s->minimum == NULL || s->maximum == NULL || s->offset == NULL || s->scale == NULL) {
        status = spot_fail_memory(err, "the columns' statistics");
        goto out;
    }
    SPOT_TRY(column_ranges(data, pool, s->minimum, s->maximum, err));
    SPOT_TRY(quantise_weights(s, data, err));
    SPOT_TRY(choose_scales(s, centres, k, err));
    SPOT_TRY(measure(s, data, pool, err));
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
    free(s->weights);
    memset(s, 0, sizeof *s);
}
