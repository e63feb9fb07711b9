/* Gaussian mixtures on one block of rows with vectors over rows. The including file brings the
 * vector: its type, LANES and the small functions on it (mixture_avx2.c, mixture_avx512.c).
 *
 * A block is turned into float64, less the centre of the means, once; every component reads it from
 * the first-level cache. Densities use F x - F mean, triangles in register tiles of 4 rows by GROUP
 * vectors. Sums are about the component's mean, one vector a number, so that nothing cancels. */
#ifndef SPOT_FALLBACK_MIXTURE_SIMD_H
#define SPOT_FALLBACK_MIXTURE_SIMD_H

#include "fallback/mixture_kernels.h"
#include "numerics/explog.h"

enum { VECTORS = BLOCK_ROWS / LANES, TILE = 4 };

static int64_t triangle_at(int64_t row)
{
    return row * (row + 1) / 2;
}

/* centred (columns, BLOCK_ROWS) = x - centre. */
static void centre_block(const struct mixture_pack *pack, const float *x, double *centred)
{
    for (int32_t j = 0; j < pack->columns; j++) {
        const vector centre = v_set(pack->centre[j]);
        for (int v = 0; v < VECTORS; v++) {
            const int64_t at = (int64_t)j * BLOCK_ROWS + v * LANES;
            v_store(centred + at, v_subtract(v_load_float(x + at), centre));
        }
    }
}

/* ---- exp and log: the steps of numerics/explog.h -------------------------------------------- */

ALWAYS_INLINE vector v_exp(vector x)
{
    const vector magic = v_set(0x1.8p52); /* rounds to whole numbers, kept in the low bits */
    const vector y = v_max(x, v_set(EXP_LOWEST));
    const vector whole = v_add(v_multiply(y, v_set(EXP_LOG2E)), magic);
    const vector n = v_subtract(whole, magic);
    vector r = v_minus_product(y, n, v_set(LOG_LN2_HIGH));
    r = v_minus_product(r, n, v_set(LOG_LN2_LOW));
    vector p = v_set(exp_terms[0]);
#pragma GCC unroll 10
    for (int i = 1; i < EXP_TERMS; i++)
        p = v_plus_product(v_set(exp_terms[i]), p, r);
    p = v_add(v_plus_product(r, v_multiply(r, r), p), v_set(1.0));
    const vector power = v_bits_left_52(v_add(whole, v_set(1023.0)));
    return v_zero_below(v_multiply(p, power), x, v_set(EXP_LOWEST));
}

ALWAYS_INLINE vector v_log(vector x)
{
    const vector shifted = v_bits_add(x, UINT64_C(0x3ff0000000000000) - LOG_SQRT_HALF_BITS);
    const vector exponent = v_bits_or(v_bits_right_52(shifted), UINT64_C(0x4330000000000000));
    const vector e = v_subtract(exponent, v_set(0x1p52 + 1023.0));
    const vector m =
        v_bits_add(v_bits_and(shifted, UINT64_C(0x000fffffffffffff)), LOG_SQRT_HALF_BITS);
    const vector f = v_subtract(m, v_set(1.0));
    const vector s = v_divide(f, v_add(v_set(2.0), f));
    const vector z = v_multiply(s, s);
    vector p = v_set(log_terms[0]);
#pragma GCC unroll 7
    for (int i = 1; i < LOG_TERMS; i++)
        p = v_plus_product(v_set(log_terms[i]), p, z);
    const vector half = v_multiply(v_multiply(v_set(0.5), f), f);
    const vector tail = v_multiply(s, v_plus_product(half, p, z));
    const vector low = v_plus_product(tail, e, v_set(LOG_LN2_LOW));
    return v_plus_product(v_subtract(f, v_subtract(half, low)), e, v_set(LOG_LN2_HIGH));
}

/* ---- Densities ------------------------------------------------------------------------------ */

/* norms += squares of rows first .. first + height - 1 of F x - image, for GROUP vectors of rows.
 * height is a literal up to TILE. */
ALWAYS_INLINE void norm_tile(const double *factor, const double *image, const double *x,
                             int32_t first, int height, vector *norms)
{
    vector y[TILE][GROUP];
    const double *row[TILE];
#pragma GCC unroll 4
    for (int i = 0; i < height; i++) {
        row[i] = factor + triangle_at(first + i);
#pragma GCC unroll 4
        for (int v = 0; v < GROUP; v++)
            y[i][v] = v_set(image[first + i]);
    }
    for (int32_t j = 0; j < first; j++, x += BLOCK_ROWS) {
#pragma GCC unroll 4
        for (int i = 0; i < height; i++) {
            const vector f = v_set(row[i][j]);
#pragma GCC unroll 4
            for (int v = 0; v < GROUP; v++)
                y[i][v] = v_minus_product(y[i][v], f, v_load(x + v * LANES));
        }
    }
#pragma GCC unroll 4
    for (int j = 0; j < height; j++, x += BLOCK_ROWS) {
#pragma GCC unroll 4
        for (int i = j; i < height; i++) {
            const vector f = v_set(row[i][first + j]);
#pragma GCC unroll 4
            for (int v = 0; v < GROUP; v++)
                y[i][v] = v_minus_product(y[i][v], f, v_load(x + v * LANES));
        }
    }
#pragma GCC unroll 4
    for (int i = 0; i < height; i++) {
#pragma GCC unroll 4
        for (int v = 0; v < GROUP; v++)
            norms[v] = v_plus_product(norms[v], y[i][v], y[i][v]);
    }
}

ALWAYS_INLINE void triangle_norms(const double *factor, const double *image, const double *x,
                                  int32_t columns, vector *norms)
{
    int32_t first = 0;
    for (; first + TILE <= columns; first += TILE)
        norm_tile(factor, image, x, first, TILE, norms);
    switch (columns - first) {
    case 3:
        norm_tile(factor, image, x, first, 3, norms);
        break;
    case 2:
        norm_tile(factor, image, x, first, 2, norms);
        break;
    case 1:
        norm_tile(factor, image, x, first, 1, norms);
        break;
    default:
        break;
    }
}

/* norms += (factor x - image)^2 column by column; step 0: one factor for all columns. */
ALWAYS_INLINE void scaled_norms(const double *factor, int step, const double *image,
                                const double *x, int32_t columns, vector *norms)
{
    for (int32_t j = 0; j < columns; j++, x += BLOCK_ROWS) {
        const vector f = v_set(factor[j * step]), b = v_set(image[j]);
#pragma GCC unroll 4
        for (int v = 0; v < GROUP; v++) {
            const vector y = v_minus_product(b, f, v_load(x + v * LANES));
            norms[v] = v_plus_product(norms[v], y, y);
        }
    }
}

/* norms += (y - image)^2, y = F x for all components (columns, BLOCK_ROWS). */
ALWAYS_INLINE void image_norms(const double *image, const double *y, int32_t columns, vector *norms)
{
    for (int32_t j = 0; j < columns; j++, y += BLOCK_ROWS) {
        const vector b = v_set(image[j]);
#pragma GCC unroll 4
        for (int v = 0; v < GROUP; v++) {
            const vector difference = v_subtract(v_load(y + v * LANES), b);
            norms[v] = v_plus_product(norms[v], difference, difference);
        }
    }
}

/* y (columns, BLOCK_ROWS) = F x. */
static void apply_factor(const double *factor, const double *x, int32_t columns, double *y)
{
    for (int32_t i = 0; i < columns; i++, factor += i)
        for (int row = 0; row < BLOCK_ROWS; row += GROUP * LANES) {
            vector sum[GROUP];
            for (int v = 0; v < GROUP; v++)
                sum[v] = v_set(0.0);
            for (int32_t j = 0; j <= i; j++)
                for (int v = 0; v < GROUP; v++)
                    sum[v] = v_plus_product(sum[v], v_set(factor[j]),
                                            v_load(x + (int64_t)j * BLOCK_ROWS + row + v * LANES));
            for (int v = 0; v < GROUP; v++)
                v_store(y + (int64_t)i * BLOCK_ROWS + row + v * LANES, sum[v]);
        }
}

/* covariance is a literal: a loop over components for each. */
ALWAYS_INLINE void component_densities(const struct mixture_pack *pack, const double *x,
                                       enum mixture_covariance covariance, double *density)
{
    const int64_t d = pack->columns;
    for (int row = 0; row < BLOCK_ROWS; row += GROUP * LANES)
        for (int32_t c = 0; c < pack->k; c++) {
            const double *image = pack->images + c * d;
            vector norms[GROUP];
            for (int v = 0; v < GROUP; v++)
                norms[v] = v_set(0.0);
            if (covariance == MIXTURE_FULL)
                triangle_norms(pack->factors + c * triangle_at(d), image, x + row, pack->columns,
                               norms);
            else if (covariance == MIXTURE_TIED)
                image_norms(image, x + row, pack->columns, norms);
            else if (covariance == MIXTURE_DIAG)
                scaled_norms(pack->factors + c * d, 1, image, x + row, pack->columns, norms);
            else
                scaled_norms(pack->factors + c, 0, image, x + row, pack->columns, norms);
            const vector scale = v_set(pack->log_scales[c]);
            for (int v = 0; v < GROUP; v++) {
                const vector log_density = v_minus_product(scale, v_set(0.5), norms[v]);
                v_store(density + (int64_t)c * BLOCK_ROWS + row + v * LANES,
                        v_max(log_density, v_set(MIXTURE_FLOOR))); /* the floor for NaN */
            }
        }
}

static void densities(const struct mixture_pack *pack, const float *x, double *space,
                      double *density)
{
    double *y = space + (int64_t)pack->columns * BLOCK_ROWS;
    centre_block(pack, x, space);
    switch (pack->covariance) {
    case MIXTURE_FULL:
        component_densities(pack, space, MIXTURE_FULL, density);
        break;
    case MIXTURE_TIED:
        apply_factor(pack->factors, space, pack->columns, y);
        component_densities(pack, y, MIXTURE_TIED, density);
        break;
    case MIXTURE_DIAG:
        component_densities(pack, space, MIXTURE_DIAG, density);
        break;
    case MIXTURE_SPHERICAL:
        component_densities(pack, space, MIXTURE_SPHERICAL, density);
        break;
    }
}

static double responsibilities(int32_t k, const double *weights, double *density,
                               double *log_likelihood)
{
    vector total = v_set(0.0);
    for (int row = 0; row < BLOCK_ROWS; row += LANES) {
        double *column = density + row;
        vector largest = v_load(column), sum = v_set(0.0);
        for (int64_t c = 1; c < k; c++)
            largest = v_max(largest, v_load(column + c * BLOCK_ROWS));
        for (int64_t c = 0; c < k; c++) {
            const vector e = v_exp(v_subtract(v_load(column + c * BLOCK_ROWS), largest));
            v_store(column + c * BLOCK_ROWS, e);
            sum = v_add(sum, e);
        }
        const vector weight = v_load(weights + row), scale = v_divide(weight, sum);
        for (int64_t c = 0; c < k; c++)
            v_store(column + c * BLOCK_ROWS, v_multiply(v_load(column + c * BLOCK_ROWS), scale));
        const vector log_density = v_add(largest, v_log(sum));
        v_store(log_likelihood + row, log_density);
        total = v_plus_product(total, weight, log_density);
    }
    double lanes[LANES];
    v_store(lanes, total);
    return add_lanes(lanes);
}

/* ---- Sums: (terms, LANES) for each component ------------------------------------------------ */

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

/* Numbers (i, j) of wz z^T over the block, i from i0 (height of them), j from j0 (width). With
 * `below`, for i0 = j0, only those with i >= j. All but i0 and j0 are literals. */
ALWAYS_INLINE void add_tile(const double *wz, const double *z, int32_t i0, int height, int32_t j0,
                            int width, int below, double *squares)
{
    vector sum[TILE][TILE];
#pragma GCC unroll 4
    for (int i = 0; i < height; i++) {
#pragma GCC unroll 4
        for (int j = 0; j < width; j++)
            if (!below || j <= i)
                sum[i][j] = v_load(squares + (triangle_at(i0 + i) + j0 + j) * LANES);
    }
    for (int v = 0; v < VECTORS; v++) {
        vector other[TILE];
#pragma GCC unroll 4
        for (int j = 0; j < width; j++)
            other[j] = v_load(z + (int64_t)(j0 + j) * BLOCK_ROWS + v * LANES);
#pragma GCC unroll 4
        for (int i = 0; i < height; i++) {
            const vector one = v_load(wz + (int64_t)(i0 + i) * BLOCK_ROWS + v * LANES);
#pragma GCC unroll 4
            for (int j = 0; j < width; j++)
                if (!below || j <= i) sum[i][j] = v_plus_product(sum[i][j], one, other[j]);
        }
    }
#pragma GCC unroll 4
    for (int i = 0; i < height; i++) {
#pragma GCC unroll 4
        for (int j = 0; j < width; j++)
            if (!below || j <= i)
                v_store(squares + (triangle_at(i0 + i) + j0 + j) * LANES, sum[i][j]);
    }
}

ALWAYS_INLINE void add_tile_row(const double *wz, const double *z, int32_t i0, int height,
                                double *squares)
{
    for (int32_t j0 = 0; j0 < i0; j0 += WIDTH)
        add_tile(wz, z, i0, height, j0, WIDTH, 0, squares);
    add_tile(wz, z, i0, height, i0, height, 1, squares);
}

/* z = x - mean and w z, and the sums of w and w z. */
static void weigh(const double *x, const double *mean, const double *r, int32_t columns, double *z,
                  double *wz, double *sums)
{
    vector w[VECTORS], weight = v_set(0.0);
    for (int v = 0; v < VECTORS; v++) {
        w[v] = v_load(r + v * LANES);
        weight = v_add(weight, w[v]);
    }
    v_accumulate(sums, weight);
    for (int32_t j = 0; j < columns; j++) {
        const vector middle = v_set(mean[j]);
        vector sum = v_set(0.0);
        for (int v = 0; v < VECTORS; v++) {
            const int64_t at = (int64_t)j * BLOCK_ROWS + v * LANES;
            const vector difference = v_subtract(v_load(x + at), middle);
            const vector product = v_multiply(w[v], difference);
            v_store(z + at, difference);
            v_store(wz + at, product);
            sum = v_add(sum, product);
        }
        v_accumulate(sums + (1 + j) * LANES, sum);
    }
}

static void add_full(const double *x, const double *mean, const double *r, int32_t columns,
                     double *space, double *sums)
{
    double *z = space, *wz = space + (int64_t)columns * BLOCK_ROWS;
    double *squares = sums + (1 + columns) * LANES;
    int32_t first = 0;
    weigh(x, mean, r, columns, z, wz, sums);
    for (; first + TILE <= columns; first += TILE)
        add_tile_row(wz, z, first, TILE, squares);
    switch (columns - first) {
    case 3:
        add_tile_row(wz, z, first, 3, squares);
        break;
    case 2:
        add_tile_row(wz, z, first, 2, squares);
        break;
    case 1:
        add_tile_row(wz, z, first, 1, squares);
        break;
    default:
        break;
    }
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

static void add_full_component(const double *x, const double *mean, const double *r,
                               int32_t columns, double *space, double *sums)
{
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
    case 4:
        add_narrow(x, mean, r, 4, sums);
        break;
    default:
        add_full(x, mean, r, columns, space, sums);
    }
}

static int64_t sums_room(enum mixture_covariance covariance, int32_t columns)
{
    return mixture_terms(covariance, columns) * LANES;
}

static void add(const struct mixture_pack *pack, const float *x, const double *responsibilities_in,
                double *space, double *sums)
{
    const int64_t d = pack->columns;
    double *work = space + d * BLOCK_ROWS;
    centre_block(pack, x, space);
    for (int32_t c = 0; c < pack->k; c++, sums += sums_room(pack->covariance, pack->columns)) {
        const double *mean = pack->centred + c * d;
        const double *r = responsibilities_in + (int64_t)c * BLOCK_ROWS;
        switch (pack->covariance) {
        case MIXTURE_FULL:
            add_full_component(space, mean, r, pack->columns, work, sums);
            break;
        case MIXTURE_TIED:
            add_columns(space, mean, r, pack->columns, MIXTURE_TIED, sums);
            break;
        case MIXTURE_DIAG:
            add_columns(space, mean, r, pack->columns, MIXTURE_DIAG, sums);
            break;
        case MIXTURE_SPHERICAL:
            add_columns(space, mean, r, pack->columns, MIXTURE_SPHERICAL, sums);
            break;
        }
    }
}

static void collect(enum mixture_covariance covariance, int32_t columns, const double *sums,
                    double *plain)
{
    const int64_t terms = mixture_terms(covariance, columns);
    for (int64_t t = 0; t < terms; t++)
        plain[t] = add_lanes(sums + t * LANES);
}

#endif
