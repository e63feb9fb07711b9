/* Sums of one block for the M step, about the components' means, so that nothing cancels. For up to
 * TILE columns vectors run over rows and every sum is a vector; for more they run over columns, row
 * after row, in register tiles of LANES by WIDTH vectors. Rows without a share are left out then,
 * which changes no bit: a sum would get zeros from them.
 *
 * Included after mixture_simd.h. */
#ifndef SPOT_FALLBACK_MIXTURE_SUMS_H
#define SPOT_FALLBACK_MIXTURE_SUMS_H

#include "fallback/mixture_simd.h"

/* ---- Up to TILE columns: (terms, LANES) for each component ----------------------------------- */

ALWAYS_INLINE void v_accumulate(double *at, vector more)
{
    v_store(at, v_add(v_load(at), more));
}

/* Up to 4 columns, a literal: every sum of a component stays in registers over the block. */
ALWAYS_INLINE void add_narrow(const double *x, const double *mean, const double *r, int columns,
                              double *sums)
{
    vector weight = v_set(0.0), first[TILE], second[TILE * (TILE + 1) / 2];
#pragma GCC unroll 10
    for (int t = 0; t < columns * (columns + 1) / 2; t++)
        second[t] = v_set(0.0);
#pragma GCC unroll 4
    for (int j = 0; j < columns; j++)
        first[j] = v_set(0.0);
    for (int v = 0; v < VECTORS; v++) {
        const vector w = v_load(r + v * LANES);
        vector z[TILE];
        weight = v_add(weight, w);
#pragma GCC unroll 4
        for (int i = 0; i < columns; i++) {
            z[i] = v_subtract(v_load(x + i * BLOCK_ROWS + v * LANES), v_set(mean[i]));
            const vector wz = v_multiply(w, z[i]);
            first[i] = v_add(first[i], wz);
#pragma GCC unroll 4
            for (int j = 0; j <= i; j++)
                second[i * (i + 1) / 2 + j] = v_plus_product(second[i * (i + 1) / 2 + j], wz, z[j]);
        }
    }
    v_accumulate(sums, weight);
#pragma GCC unroll 4
    for (int j = 0; j < columns; j++)
        v_accumulate(sums + (1 + j) * LANES, first[j]);
#pragma GCC unroll 10
    for (int t = 0; t < columns * (columns + 1) / 2; t++)
        v_accumulate(sums + (1 + columns + t) * LANES, second[t]);
}

/* Tied, diagonal and spherical: column by column. covariance is a literal. */
ALWAYS_INLINE void add_columns(const double *x, const double *mean, const double *r,
                               int32_t columns, enum mixture_covariance covariance, double *sums)
{
    vector w[VECTORS], weight = v_set(0.0), norm = v_set(0.0);
    for (int v = 0; v < VECTORS; v++) {
        w[v] = v_load(r + v * LANES);
        weight = v_add(weight, w[v]);
    }
    v_accumulate(sums, weight);
    for (int32_t j = 0; j < columns; j++, x += BLOCK_ROWS) {
        const vector middle = v_set(mean[j]);
        vector first = v_set(0.0), second = v_set(0.0);
        for (int v = 0; v < VECTORS; v++) {
            const vector z = v_subtract(v_load(x + v * LANES), middle);
            if (covariance == MIXTURE_TIED) {
                first = v_plus_product(first, w[v], z);
                continue;
            }
            const vector wz = v_multiply(w[v], z);
            first = v_add(first, wz);
            second = v_plus_product(second, wz, z);
        }
        v_accumulate(sums + (1 + j) * LANES, first);
        if (covariance == MIXTURE_DIAG)
            v_accumulate(sums + (int64_t)(1 + columns + j) * LANES, second);
        norm = v_add(norm, second);
    }
    if (covariance == MIXTURE_SPHERICAL) v_accumulate(sums + (1 + columns) * LANES, norm);
}

static void add_few_columns(const struct mixture_pack *pack, const double *x, const double *mean,
                            const double *r, double *sums)
{
    const int32_t columns = pack->columns;
    switch (pack->covariance) {
    case MIXTURE_TIED:
        add_columns(x, mean, r, columns, MIXTURE_TIED, sums);
        return;
    case MIXTURE_DIAG:
        add_columns(x, mean, r, columns, MIXTURE_DIAG, sums);
        return;
    case MIXTURE_SPHERICAL:
        add_columns(x, mean, r, columns, MIXTURE_SPHERICAL, sums);
        return;
    case MIXTURE_FULL:
        break;
    }
    switch (columns) {
    case 1:
        add_narrow(x, mean, r, 1, sums);
        break;
    case 2:
        add_narrow(x, mean, r, 2, sums);
        break;
    case 3:
        add_narrow(x, mean, r, 3, sums);
        break;
    default:
        add_narrow(x, mean, r, 4, sums);
        break;
    }
}

enum { MOST_ROWS = 48 };

/* ---- More columns: LANES weights, (vectors, LANES) of w z, then the squares ------------------ */

/* Where the squares of row-block `block` begin: LANES rows of block + 1 vectors each. */
static int64_t squares_at(int64_t block)
{
    return LANES * LANES * (block * (block + 1) / 2);
}

/* The rows that have a share, in their order; all of them where most have. Returns how many. */
static int32_t list_shares(const double *r, int32_t *rows)
{
    uint64_t bits = 0;
    for (int v = 0; v < VECTORS; v++)
        bits |= (uint64_t)v_bits_not_zero(v_load(r + v * LANES)) << (v * LANES);
    return list_rows(__builtin_popcountll(bits) < MOST_ROWS ? bits : UINT64_MAX, rows);
}

/* What is added up of one component: its listed rows. */
struct listed {
    const double *x;    /* (BLOCK_ROWS, stride) less the centre */
    const double *mean; /* (stride) less the centre */
    const double *r;    /* (BLOCK_ROWS) */
    const int32_t *rows;
    int32_t count, columns;
    int64_t stride;
};

/* z = x - mean and w z of the listed rows (count, stride), and the sums of w z, for `width` vectors
 * of columns from j on. */
ALWAYS_INLINE void weigh_columns(const struct listed *list, int64_t j, int width, double *z,
                                 double *wz, double *first)
{
    vector sum[2], middle[2];
#pragma GCC unroll 2
    for (int g = 0; g < width; g++) {
        middle[g] = v_load(list->mean + j + g * LANES);
        sum[g] = v_load(first + j + g * LANES);
    }
    for (int64_t i = 0; i < list->count; i++) {
        const int64_t row = list->rows[i];
        const vector w = v_set(list->r[row]);
#pragma GCC unroll 2
        for (int g = 0; g < width; g++) {
            const int64_t at = j + g * LANES;
            const vector difference =
                v_subtract(v_load(list->x + row * list->stride + at), middle[g]);
            const vector product = v_multiply(w, difference);
            v_store(z + i * list->stride + at, difference);
            v_store(wz + i * list->stride + at, product);
            sum[g] = v_add(sum[g], product);
        }
    }
#pragma GCC unroll 2
    for (int g = 0; g < width; g++)
        v_store(first + j + g * LANES, sum[g]);
}

static void weigh_rows(const struct listed *list, double *z, double *wz, double *first)
{
    int64_t j = 0;
    for (; j + LANES < list->columns; j += 2 * LANES)
        weigh_columns(list, j, 2, z, wz, first);
    if (j < list->columns) weigh_columns(list, j, 1, z, wz, first);
}

/* squares (height, .) += wz z^T over the rows: `height` columns of wz by `width` vectors of z, both
 * literals. step: doubles from one row of squares to the next. */
ALWAYS_INLINE void add_tile(const double *wz, const double *z, int64_t stride, int32_t count,
                            int height, int width, int64_t step, double *squares)
{
    vector sum[LANES][WIDTH];
#pragma GCC unroll 8
    for (int i = 0; i < height; i++) {
#pragma GCC unroll 3
        for (int g = 0; g < width; g++)
            sum[i][g] = v_load(squares + i * step + g * LANES);
    }
    for (int32_t row = 0; row < count; row++, z += stride, wz += stride) {
        vector other[WIDTH];
#pragma GCC unroll 3
        for (int g = 0; g < width; g++)
            other[g] = v_load(z + g * LANES);
#pragma GCC unroll 8
        for (int i = 0; i < height; i++) {
            const vector one = v_set(wz[i]);
#pragma GCC unroll 3
            for (int g = 0; g < width; g++)
                sum[i][g] = v_plus_product(sum[i][g], one, other[g]);
        }
    }
#pragma GCC unroll 8
    for (int i = 0; i < height; i++) {
#pragma GCC unroll 3
        for (int g = 0; g < width; g++)
            v_store(squares + i * step + g * LANES, sum[i][g]);
    }
}

ALWAYS_INLINE void add_tile_of(const double *wz, const double *z, int64_t stride, int32_t count,
                               int height, int32_t width, int64_t step, double *squares)
{
    if (width >= WIDTH)
        add_tile(wz, z, stride, count, height, WIDTH, step, squares);
    else if (width == 2)
        add_tile(wz, z, stride, count, height, 2, step, squares);
    else
        add_tile(wz, z, stride, count, height, 1, step, squares);
}

/* Row-block by row-block what lies on and below the diagonal, in whole vectors. */
static void add_squares(const double *wz, const double *z, const struct listed *list,
                        double *squares)
{
    const int32_t vectors = row_vectors(list->columns);
    for (int32_t block = 0; block < vectors; block++) {
        const int64_t step = (int64_t)(block + 1) * LANES;
        const double *one = wz + block * LANES;
        double *at = squares + squares_at(block);
        for (int32_t g = 0; g <= block; g += WIDTH) {
            if (list->columns - block * LANES > LANES / 2)
                add_tile_of(one, z + g * LANES, list->stride, list->count, LANES, block + 1 - g,
                            step, at + g * LANES);
            else
                add_tile_of(one, z + g * LANES, list->stride, list->count, LANES / 2, block + 1 - g,
                            step, at + g * LANES);
        }
    }
}

/* Sums of w z and w z^2 (tied: not these) of `width` vectors of columns from j on. */
ALWAYS_INLINE void add_scaled(const struct listed *list, int64_t j, int width, int squared,
                              double *first, double *second)
{
    vector sum[2], square[2], middle[2];
#pragma GCC unroll 2
    for (int g = 0; g < width; g++) {
        middle[g] = v_load(list->mean + j + g * LANES);
        sum[g] = v_load(first + j + g * LANES);
        if (squared) square[g] = v_load(second + j + g * LANES);
    }
    for (int32_t i = 0; i < list->count; i++) {
        const int64_t row = list->rows[i];
        const vector w = v_set(list->r[row]);
#pragma GCC unroll 2
        for (int g = 0; g < width; g++) {
            const vector z =
                v_subtract(v_load(list->x + row * list->stride + j + g * LANES), middle[g]);
            const vector wz = v_multiply(w, z);
            sum[g] = v_add(sum[g], wz);
            if (squared) square[g] = v_plus_product(square[g], wz, z);
        }
    }
#pragma GCC unroll 2
    for (int g = 0; g < width; g++) {
        v_store(first + j + g * LANES, sum[g]);
        if (squared) v_store(second + j + g * LANES, square[g]);
    }
}

static void add_scaled_rows(const struct listed *list, int squared, double *first, double *second)
{
    int64_t j = 0;
    for (; j + LANES < list->columns; j += 2 * LANES) {
        if (squared)
            add_scaled(list, j, 2, 1, first, second);
        else
            add_scaled(list, j, 2, 0, first, second);
    }
    if (j >= list->columns) return;
    if (squared)
        add_scaled(list, j, 1, 1, first, second);
    else
        add_scaled(list, j, 1, 0, first, second);
}

static void add_many_columns(const struct mixture_pack *pack, const double *x, const double *mean,
                             const double *r, double *work, double *sums)
{
    int32_t rows[PACKED];
    const int64_t stride = padded_columns(pack->columns);
    const struct listed list = {.x = x,
                                .mean = mean,
                                .r = r,
                                .rows = rows,
                                .count = list_shares(r, rows),
                                .columns = pack->columns,
                                .stride = stride};
    double *first = sums + LANES;
    double *second = first + (int64_t)row_vectors(pack->columns) * LANES;
    vector weight = v_load(sums);
    if (list.count == 0) return;
    for (int v = 0; v < VECTORS; v++)
        weight = v_add(weight, v_load(r + v * LANES));
    v_store(sums, weight);
    if (pack->covariance == MIXTURE_FULL) {
        weigh_rows(&list, work, work + stride * BLOCK_ROWS, first);
        add_squares(work + stride * BLOCK_ROWS, work, &list, second);
    } else {
        add_scaled_rows(&list, pack->covariance != MIXTURE_TIED, first, second);
    }
}

/* ---- Both ----------------------------------------------------------------------------------- */

static int64_t sums_room(enum mixture_covariance covariance, int32_t columns)
{
    const int64_t vectors = row_vectors(columns);
    if (columns <= TILE) return mixture_terms(covariance, columns) * LANES;
    if (covariance == MIXTURE_FULL) return (1 + vectors) * LANES + squares_at(vectors);
    return (1 + (covariance == MIXTURE_TIED ? 1 : 2) * vectors) * LANES;
}

static void add(const struct mixture_pack *pack, struct block_values x,
                const double *responsibilities_in, double *space, double *sums)
{
    const int64_t stride = padded_columns(pack->columns);
    const int64_t room = sums_room(pack->covariance, pack->columns);
    if (pack->columns <= TILE)
        centre_block(pack, pack->columns, x, space);
    else if (x.x != NULL || x.wide != NULL)
        centre_rows(pack, x, space);
    for (int32_t c = 0; c < pack->k; c++, sums += room) {
        const double *mean = pack->centred + c * stride;
        const double *r = responsibilities_in + (int64_t)c * BLOCK_ROWS;
        if (pack->columns <= TILE)
            add_few_columns(pack, space, mean, r, sums);
        else
            add_many_columns(pack, space, mean, r, space + stride * BLOCK_ROWS, sums);
    }
}

/* The squares of a component whose vectors run over columns. */
static void collect_squares(enum mixture_covariance covariance, int32_t columns,
                            const double *squares, double *plain)
{
    if (covariance == MIXTURE_DIAG) memcpy(plain, squares, (size_t)columns * sizeof *plain);
    if (covariance == MIXTURE_SPHERICAL) {
        *plain = 0.0;
        for (int32_t j = 0; j < columns; j++)
            *plain += squares[j];
    }
    if (covariance != MIXTURE_FULL) return;
    for (int64_t i = 0; i < columns; i++) {
        const int64_t block = i / LANES, step = (block + 1) * LANES;
        const double *row = squares + squares_at(block) + i % LANES * step;
        memcpy(plain, row, (size_t)(i + 1) * sizeof *plain);
        plain += i + 1;
    }
}

static void collect(enum mixture_covariance covariance, int32_t columns, const double *sums,
                    double *plain)
{
    if (columns <= TILE) {
        const int64_t terms = mixture_terms(covariance, columns);
        for (int64_t t = 0; t < terms; t++)
            plain[t] = add_lanes(sums + t * LANES);
        return;
    }
    plain[0] = add_lanes(sums);
    memcpy(plain + 1, sums + LANES, (size_t)columns * sizeof *plain);
    collect_squares(covariance, columns, sums + (1 + row_vectors(columns)) * LANES,
                    plain + 1 + columns);
}

#endif
