/* KMeans as docs/exactness.md defines it, written from that page alone and as plainly as possible:
 * integers of the data, the float64 definition of nearness for every row and centre, exact sums, no
 * bounds, no batches, no threads. Models of the library must have these bits. */
#ifndef SPOT_TESTS_PLAIN_LLOYD_H
#define SPOT_TESTS_PLAIN_LLOYD_H

#include <math.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "blackspot.h"

__extension__ typedef __int128 wide_integer;

struct plain_lloyd {
    const struct spot_matrix *data;
    int32_t k;
    double *offsets, *scales; /* (columns) */
    int64_t *weights;         /* (rows) integers */
    double weight_scale;
    double widest;      /* no squared distance is above it */
    bool whole_weights; /* every row counts once */

    double *centres; /* (k, columns) */
    int32_t *labels; /* (rows) */
    int64_t *sizes;  /* (k) rows of each cluster */
    wide_integer *sums, *masses;
    double inertia, inertia_error; /* the sum, and what the library's rounding may differ by */
    int32_t iterations, converged;
};

/* ---- Integers of the data (section 1) ------------------------------------------------------- */

/* The smallest e with |x| < 2^e. */
static inline int plain_bits(double x)
{
    int exponent;
    frexp(x, &exponent);
    return exponent;
}

static inline void plain_weights(struct plain_lloyd *p)
{
    const struct spot_matrix *data = p->data;
    double largest = 0;
    int unit = 2000; /* every weight is a multiple of 2^unit */
    p->weight_scale = 1;
    p->whole_weights = data->weights == NULL;
    for (int64_t i = 0; i < data->rows; i++)
        p->weights[i] = 1;
    if (data->weights == NULL) return;
    for (int64_t i = 0; i < data->rows; i++) {
        double w = data->weights[i];
        if (w == 0) continue;
        largest = fmax(largest, w);
        int lowest = plain_bits(w) - 53;
        while (fmod(w, ldexp(1, lowest + 1)) == 0)
            lowest++;
        if (lowest < unit) unit = lowest;
    }
    int room = 126 - 40 - plain_bits((double)data->rows);
    if (room > 62) room = 62;
    int shift = room - plain_bits(largest);
    if (shift > -unit) shift = -unit;
    p->weight_scale = ldexp(1, shift);
    for (int64_t i = 0; i < data->rows; i++)
        p->weights[i] = llrint(data->weights[i] * p->weight_scale);
}

static inline double plain_value(const struct plain_lloyd *p, int64_t row, int32_t column)
{
    const int64_t at = row * p->data->columns + column;
    return p->data->values64 != NULL ? p->data->values64[at] : (double)p->data->values[at];
}

static inline void plain_columns(struct plain_lloyd *p)
{
    wide_integer total = 0;
    for (int64_t i = 0; i < p->data->rows; i++)
        total += p->weights[i];
    int bits = 126 - plain_bits((double)total);
    if (bits > 48) bits = 48;
    p->widest = 0;
    for (int32_t j = 0; j < p->data->columns; j++) {
        double low = INFINITY, high = -INFINITY;
        for (int64_t i = 0; i < p->data->rows; i++) {
            low = fmin(low, plain_value(p, i, j));
            high = fmax(high, plain_value(p, i, j));
        }
        p->offsets[j] = 0;
        if (low > 0 && high <= 2 * low) p->offsets[j] = low;
        if (high < 0 && low >= 2 * high) p->offsets[j] = high;
        double reach = fmax(high - p->offsets[j], p->offsets[j] - low);
        p->scales[j] = reach > 0 ? ldexp(1, bits - plain_bits(reach)) : 1;
        for (int32_t c = 0; c < p->k; c++) {
            low = fmin(low, p->centres[(int64_t)c * p->data->columns + j]);
            high = fmax(high, p->centres[(int64_t)c * p->data->columns + j]);
        }
        p->widest += (high - low) * (high - low);
    }
}

/* ---- Nearness (section 2) ------------------------------------------------------------------- */

static inline double plain_distance(const struct plain_lloyd *p, int64_t row, int32_t c)
{
    double sum = 0;
    for (int32_t j = 0; j < p->data->columns; j++) {
        double difference = plain_value(p, row, j) - p->centres[(int64_t)c * p->data->columns + j];
        sum += difference * difference;
    }
    return sum;
}

static inline int32_t plain_nearest(const struct plain_lloyd *p, int64_t row, double *distance)
{
    int32_t label = 0;
    *distance = INFINITY;
    for (int32_t c = 0; c < p->k; c++) {
        double d2 = plain_distance(p, row, c);
        if (!(d2 < *distance)) continue;
        *distance = d2;
        label = c;
    }
    return label;
}

/* Labels of all rows; returns how many are new. */
static inline int64_t plain_assign(struct plain_lloyd *p)
{
    int64_t moved = 0;
    double distance;
    memset(p->sizes, 0, (size_t)p->k * sizeof *p->sizes);
    for (int64_t i = 0; i < p->data->rows; i++) {
        int32_t label = plain_nearest(p, i, &distance);
        moved += label != p->labels[i];
        p->labels[i] = label;
        p->sizes[label]++;
    }
    return moved;
}

/* ---- Sums and centres ----------------------------------------------------------------------- */

static inline void plain_add(struct plain_lloyd *p, int64_t row, int32_t cluster, int sign)
{
    const int32_t d = p->data->columns;
    p->masses[cluster] += sign * (wide_integer)p->weights[row];
    for (int32_t j = 0; j < d; j++) {
        double shifted = plain_value(p, row, j) - p->offsets[j];
        wide_integer value = llrint(shifted * p->scales[j]);
        p->sums[(int64_t)cluster * d + j] += sign * value * p->weights[row];
    }
}

static inline bool plain_row_before(const struct plain_lloyd *p, int64_t a, int64_t b)
{
    for (int32_t j = 0; j < p->data->columns; j++)
        if (plain_value(p, a, j) != plain_value(p, b, j))
            return plain_value(p, a, j) < plain_value(p, b, j);
    return p->weights[a] != p->weights[b] ? p->weights[a] < p->weights[b] : a < b;
}

/* The row with a weight that is farthest from its own centre among those not taken; -1: none. */
static inline int64_t plain_farthest(const struct plain_lloyd *p, const bool *taken)
{
    int64_t best = -1;
    double farthest = 0;
    for (int64_t i = 0; i < p->data->rows; i++) {
        if (taken[i] || p->weights[i] == 0) continue;
        double d2 = plain_distance(p, i, p->labels[i]);
        if (d2 < farthest || d2 == 0) continue;
        if (d2 == farthest && !plain_row_before(p, i, best)) continue;
        farthest = d2;
        best = i;
    }
    return best;
}

/* Clusters that are empty take, in turn, the row farthest from its own centre (section 4). */
static inline void plain_relocate(struct plain_lloyd *p)
{
    bool *empty = calloc((size_t)p->k, sizeof *empty);
    bool *taken = calloc((size_t)p->data->rows, sizeof *taken);
    for (int32_t c = 0; c < p->k; c++)
        empty[c] = p->masses[c] == 0;
    for (int32_t c = 0; c < p->k; c++) {
        int64_t row = empty[c] ? plain_farthest(p, taken) : -1;
        if (row < 0) continue;
        taken[row] = true;
        plain_add(p, row, p->labels[row], -1);
        plain_add(p, row, c, 1);
    }
    free(taken);
    free(empty);
}

/* New centres; returns the squared length of their movement. */
static inline double plain_update(struct plain_lloyd *p)
{
    const int32_t d = p->data->columns;
    double shift = 0;
    memset(p->sums, 0, (size_t)p->k * (size_t)d * sizeof *p->sums);
    memset(p->masses, 0, (size_t)p->k * sizeof *p->masses);
    for (int64_t i = 0; i < p->data->rows; i++)
        plain_add(p, i, p->labels[i], 1);
    plain_relocate(p);
    for (int32_t c = 0; c < p->k; c++)
        for (int32_t j = 0; j < d && p->masses[c] > 0; j++) {
            int64_t at = (int64_t)c * d + j;
            double centre =
                p->offsets[j] + (double)p->sums[at] / (double)p->masses[c] / p->scales[j];
            shift += (centre - p->centres[at]) * (centre - p->centres[at]);
            p->centres[at] = centre;
        }
    return shift;
}

/* ---- The whole ------------------------------------------------------------------------------ */

static inline double plain_mean_variance(const struct plain_lloyd *p)
{
    const int64_t n = p->data->rows;
    long double total = 0;
    for (int32_t j = 0; j < p->data->columns; j++) {
        /* From the first value on, so that a column of equal ones has exactly none. */
        long double mean = 0, square = 0, first = (long double)plain_value(p, 0, j);
        for (int64_t i = 0; i < n; i++)
            mean += ((long double)plain_value(p, i, j) - first) / (long double)n;
        for (int64_t i = 0; i < n; i++) {
            long double difference = (long double)plain_value(p, i, j) - first - mean;
            square += difference * difference / (long double)n;
        }
        total += square;
    }
    return (double)(total / p->data->columns);
}

static inline void plain_inertia(struct plain_lloyd *p)
{
    long double inertia = 0, mass = 0;
    for (int64_t i = 0; i < p->data->rows; i++) {
        long double w = (long double)p->weights[i] / (long double)p->weight_scale;
        inertia += w * (long double)plain_distance(p, i, p->labels[i]);
        mass += w;
    }
    p->inertia = (double)inertia;
    p->inertia_error =
        1e-12 * p->inertia + (double)mass * p->widest * (p->whole_weights ? 0x1p-48 : 0x1p-37);
}

/* Fits from centres start (k, columns); plain_free afterwards. */
static inline struct plain_lloyd plain_fit(const struct spot_matrix *data, int32_t k,
                                           const double *start, int32_t max_iter, double tol)
{
    const size_t n = (size_t)data->rows, d = (size_t)data->columns, clusters = (size_t)k;
    struct plain_lloyd p = {.data = data, .k = k};
    p.offsets = malloc(d * sizeof *p.offsets);
    p.scales = malloc(d * sizeof *p.scales);
    p.weights = malloc(n * sizeof *p.weights);
    p.centres = malloc(clusters * d * sizeof *p.centres);
    p.labels = malloc(n * sizeof *p.labels);
    p.sizes = malloc(clusters * sizeof *p.sizes);
    p.sums = malloc(clusters * d * sizeof *p.sums);
    p.masses = malloc(clusters * sizeof *p.masses);
    memcpy(p.centres, start, clusters * d * sizeof *start);
    memset(p.labels, -1, n * sizeof *p.labels);
    plain_weights(&p);
    plain_columns(&p);
    double tolerance = tol * plain_mean_variance(&p);
    bool settled = false;
    while (!p.converged && p.iterations < max_iter) {
        int64_t moved = plain_assign(&p);
        double shift = plain_update(&p);
        p.iterations++;
        p.converged = moved == 0 || shift <= tolerance;
        settled = moved == 0 && shift == 0; /* the labels are those of these centres */
    }
    if (!settled) plain_assign(&p);
    plain_inertia(&p);
    return p;
}

static inline void plain_free(struct plain_lloyd *p)
{
    free(p->offsets);
    free(p->scales);
    free(p->weights);
    free(p->centres);
    free(p->labels);
    free(p->sizes);
    free(p->sums);
    free(p->masses);
}

#endif
