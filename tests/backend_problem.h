/* Problems for the suite of backends, and what plain C makes of them, straight from the
 * definitions of docs/exactness.md. */
#ifndef SPOT_TESTS_BACKEND_PROBLEM_H
#define SPOT_TESTS_BACKEND_PROBLEM_H

#include <math.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "backend/backend.h"
#include "numerics/direction.h"
#include "numerics/distance.h"
#include "numerics/update.h"

enum problem_kind {
    PLAIN,        /* uniform numbers */
    LATTICE = 1,  /* few different values: exact ties, equal rows */
    WEIGHTED = 2, /* weights, some of them 0 */
    MERGED = 4,   /* rows that stand for several, in shuffled order */
    HEAVY = 8,    /* weights of up to 60 bits */
    OFFSET = 16,  /* columns that lie far from 0 */
    COSINE = 32,  /* rows and centres of length one, and so are centres after an update */
};

struct problem {
    int64_t rows, batch_rows;
    int32_t columns, k;
    float *values;            /* (rows, columns) row-major */
    float *x;                 /* the same without offset */
    float *largest;           /* (columns) */
    double *offset, *scale;   /* (columns) */
    double *centres, *others; /* (k, columns) */
    int64_t *weights;         /* (rows) or NULL */
    int32_t *counts;          /* (rows) or NULL */
    int64_t original_rows;
    int32_t *group_of_row; /* (original_rows) or NULL */
    struct quantiser quantiser;
};

static uint64_t problem_state = 20150101;

/* In [0, 1); splitmix64, Steele et al. 2014. */
static inline double draw(void)
{
    uint64_t z = (problem_state += 0x9e3779b97f4a7c15u);
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
    z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
    return (double)((z ^ (z >> 31)) >> 11) * 0x1p-53;
}

static inline void *room(int64_t count, size_t size)
{
    void *at = calloc(count > 0 ? (size_t)count : 1, size);
    if (at == NULL) abort();
    return at;
}

static inline void problem_weights(struct problem *p, int kind)
{
    if ((kind & (WEIGHTED | HEAVY)) != 0) {
        p->weights = room(p->rows, sizeof *p->weights);
        for (int64_t i = 0; i < p->rows; i++)
            p->weights[i] = (int64_t)(draw() * ((kind & HEAVY) != 0 ? 0x1p+40 : 6.0));
        p->weights[p->rows - 1] = 3;
    }
    p->original_rows = p->rows;
    if ((kind & MERGED) == 0) return;
    p->counts = room(p->rows, sizeof *p->counts);
    p->original_rows = 0;
    for (int64_t i = 0; i < p->rows; i++)
        p->original_rows += p->counts[i] = 1 + (int32_t)(draw() * 5);
    p->group_of_row = room(p->original_rows, sizeof *p->group_of_row);
    int64_t at = 0;
    for (int64_t i = 0; i < p->rows; i++)
        for (int32_t c = 0; c < p->counts[i]; c++)
            p->group_of_row[at++] = (int32_t)i;
    for (int64_t i = p->original_rows - 1; i > 0; i--) {
        int64_t other = (int64_t)(draw() * (double)(i + 1));
        int32_t group = p->group_of_row[i];
        p->group_of_row[i] = p->group_of_row[other];
        p->group_of_row[other] = group;
    }
}

/* Scales as the statistics would choose them: 40 bits where weights are heavy. */
static inline void problem_scales(struct problem *p, int kind)
{
    int bits = (kind & HEAVY) != 0 ? QUANTISER_COLUMN_LEAST : QUANTISER_COLUMN_BITS;
    double distance = 0.0;
    for (int32_t j = 0; j < p->columns; j++) {
        for (int64_t i = 0; i < p->rows; i++)
            p->largest[j] = fmaxf(p->largest[j], fabsf(p->x[i * p->columns + j]));
        double reach = (double)p->largest[j];
        p->scale[j] = reach > 0 ? ldexp(1.0, bits - 1 - ilogb(reach)) : 1.0;
        distance += 900.0 + 4 * reach * reach;
    }
    p->quantiser = (struct quantiser){.columns = p->columns,
                                      .column_bits = bits,
                                      .offset = p->offset,
                                      .scale = p->scale,
                                      .weight_scale = 1.0,
                                      .distance_scale = ldexp(1.0, 38 - ilogb(distance))};
}

/* Gives rows and centres length one. */
static inline void problem_normalise(struct problem *p)
{
    const int32_t d = p->columns;
    for (int64_t i = 0; i < p->rows; i++) {
        const double length = row_length(p->x + i * d, d);
        for (int64_t t = i * d; t < (i + 1) * d; t++)
            p->values[t] = p->x[t] = unit_value(p->x[t], length);
    }
    for (int64_t c = 0; c < p->k; c++) {
        make_unit(p->centres + c * d, d);
        make_unit(p->others + c * d, d);
    }
}

static inline struct problem problem_make(int64_t rows, int32_t columns, int32_t k, int kind)
{
    struct problem p = {.rows = rows, .columns = columns, .k = k};
    int64_t cells = rows * columns, centres = (int64_t)k * columns;
    p.values = room(cells, sizeof *p.values);
    p.x = room(cells, sizeof *p.x);
    p.largest = room(columns, sizeof *p.largest);
    p.offset = room(columns, sizeof *p.offset);
    p.scale = room(columns, sizeof *p.scale);
    p.centres = room(centres, sizeof *p.centres);
    p.others = room(centres, sizeof *p.others);
    for (int32_t j = 0; j < columns; j++)
        p.offset[j] = (kind & OFFSET) != 0 && j % 2 == 0 ? 1024.0 : 0.0;
    for (int64_t i = 0; i < cells; i++) {
        double value = (kind & LATTICE) != 0 ? floor(draw() * 4) : draw() * 20 - 10;
        p.values[i] = (float)(value + p.offset[i % columns]);
        p.x[i] = p.values[i] - (float)p.offset[i % columns];
    }
    for (int64_t i = 0; i < centres; i++) {
        double offset = p.offset[i % columns];
        p.centres[i] = ((kind & LATTICE) != 0 ? floor(draw() * 4) : draw() * 20 - 10) + offset;
        p.others[i] = ((kind & LATTICE) != 0 ? floor(draw() * 4) : draw() * 20 - 10) + offset;
    }
    if ((kind & COSINE) != 0) problem_normalise(&p);
    problem_weights(&p, kind);
    problem_scales(&p, kind);
    p.quantiser.spherical = (kind & COSINE) != 0;
    return p;
}

static inline void problem_free(struct problem *p)
{
    void *all[] = {p->values,  p->x,      p->largest, p->offset, p->scale,
                   p->centres, p->others, p->weights, p->counts, p->group_of_row};
    for (size_t i = 0; i < sizeof all / sizeof *all; i++)
        free(all[i]);
}

static inline int64_t weight_of(const struct problem *p, int64_t row)
{
    return p->weights == NULL ? 1 : p->weights[row];
}

static inline int64_t count_of(const struct problem *p, int64_t row)
{
    return p->counts == NULL ? 1 : p->counts[row];
}

static inline struct int128 mass_of(const struct problem *p, int64_t row)
{
    return int128_multiply(weight_of(p, row), count_of(p, row));
}

static inline double distance_of(const struct problem *p, const double *centres, int64_t row,
                                 int32_t label)
{
    return squared_distance(p->x + row * p->columns, 1, p->offset,
                            centres + (int64_t)label * p->columns, p->columns);
}

static inline int32_t nearest_of(const struct problem *p, const double *centres, int64_t row)
{
    int32_t label = 0;
    double nearest = INFINITY;
    for (int32_t c = 0; c < p->k; c++) {
        double d2 = distance_of(p, centres, row, c);
        if (d2 < nearest) {
            nearest = d2;
            label = c;
        }
    }
    return label;
}

/* Sums as a backend keeps them. */
struct expected {
    int32_t *labels; /* (rows), -1 at first */
    struct kmeans_partial partial;
};

static inline struct kmeans_partial partial_room(const struct problem *p)
{
    return (struct kmeans_partial){
        .sums = room((int64_t)p->k * p->columns, sizeof(struct int128)),
        .weights = room(p->k, sizeof(struct int128)),
        .sizes = room(p->k, sizeof(int64_t)),
    };
}

static inline void partial_free(struct kmeans_partial *partial)
{
    free(partial->sums);
    free(partial->weights);
    free(partial->sizes);
}

static inline struct expected expected_make(const struct problem *p)
{
    struct expected e = {room(p->rows, sizeof *e.labels), partial_room(p)};
    for (int64_t i = 0; i < p->rows; i++)
        e.labels[i] = -1;
    return e;
}

static inline void expected_free(struct expected *e)
{
    free(e->labels);
    partial_free(&e->partial);
}

/* A pass from scratch: nothing is known of the one before but its labels. */
static inline void expected_pass(const struct problem *p, const double *centres, struct expected *e)
{
    struct kmeans_partial *partial = &e->partial;
    memset(partial->sums, 0, (size_t)p->k * (size_t)p->columns * sizeof *partial->sums);
    memset(partial->weights, 0, (size_t)p->k * sizeof *partial->weights);
    memset(partial->sizes, 0, (size_t)p->k * sizeof *partial->sizes);
    partial->moved = 0;
    for (int64_t i = 0; i < p->rows; i++) {
        int32_t label = nearest_of(p, centres, i);
        for (int32_t j = 0; j < p->columns; j++) {
            int64_t q = quantise((double)p->x[i * p->columns + j], p->scale[j]);
            struct int128 size = int128_times(mass_of(p, i), q < 0 ? -q : q);
            struct int128 *sum = &partial->sums[(int64_t)label * p->columns + j];
            *sum = int128_add(*sum, q < 0 ? int128_negate(size) : size);
        }
        partial->weights[label] = int128_add(partial->weights[label], mass_of(p, i));
        partial->sizes[label] += count_of(p, i);
        if (e->labels[i] != label) partial->moved += count_of(p, i);
        e->labels[i] = label;
    }
}

static inline bool same_partial(const struct problem *p, const struct kmeans_partial *a,
                                const struct kmeans_partial *b)
{
    size_t cells = (size_t)p->k * (size_t)p->columns, k = (size_t)p->k;
    return memcmp(a->sums, b->sums, cells * sizeof *a->sums) == 0 &&
           memcmp(a->weights, b->weights, k * sizeof *a->weights) == 0 &&
           memcmp(a->sizes, b->sizes, k * sizeof *a->sizes) == 0 && a->moved == b->moved;
}

#endif
