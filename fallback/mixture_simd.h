/* Densities and responsibilities of one block with vectors over rows. The including file brings the
 * vector: its type, LANES and the small functions on it (mixture_avx2.c, mixture_avx512.c).
 *
 * A block is turned into float64, less the centre of the means, once; every component reads it from
 * the first-level cache. Densities use F x - F mean, triangles in register tiles of 4 rows by GROUP
 * vectors. The sums are in mixture_sums.h. */
#ifndef SPOT_FALLBACK_MIXTURE_SIMD_H
#define SPOT_FALLBACK_MIXTURE_SIMD_H

#include "fallback/mixture_kernels.h"
#include "fallback/transpose.h"
#include "numerics/explog.h"

enum { VECTORS = BLOCK_ROWS / LANES, TILE = 4, FEW_ROWS = 20 };

static int64_t triangle_at(int64_t row)
{
    return row * (row + 1) / 2;
}

/* The rows whose bit is set, in their order. Returns how many. */
static int32_t list_rows(uint64_t bits, int32_t *rows)
{
    int32_t count = 0;
    if (bits == UINT64_MAX)
        for (; count < BLOCK_ROWS; count++)
            rows[count] = count;
    else
        for (; bits != 0; bits &= bits - 1)
            rows[count++] = __builtin_ctzll(bits);
    return count;
}

/* Vectors that a row of z fills; its stride is padded_columns(). */
static int32_t row_vectors(int32_t columns)
{
    return (columns + LANES - 1) / LANES;
}

/* z (BLOCK_ROWS, stride) row-major = x - centre, 0 past the last column. */
static void centre_rows(const struct mixture_pack *pack, const float *x, double *z)
{
    const int64_t stride = padded_columns(pack->columns);
    for (int32_t j = 0; j < pack->columns; j += 8)
        for (int i = 0; i < BLOCK_ROWS; i += 8) {
            __m256 rows[8];
            load_rows(x + (int64_t)j * BLOCK_ROWS + i, pack->columns - j, rows);
            for (int t = 0; t < 8; t++)
                store_difference(z + (i + t) * stride + j, rows[t], pack->centre + j);
        }
}

/* centred (columns, BLOCK_ROWS) = x - centre, the first columns of them. */
static void centre_block(const struct mixture_pack *pack, int32_t columns, const float *x,
                         double *centred)
{
    for (int32_t j = 0; j < columns; j++) {
        const vector centre = v_set(pack->centre[j]);
        for (int v = 0; v < VECTORS; v++) {
            const int64_t at = (int64_t)j * BLOCK_ROWS + v * LANES;
            v_store(centred + at, v_subtract(v_load_float(x + at), centre));
        }
    }
}

/* ---- exp and log: the steps of numerics/explog.h -------------------------------------------- */

/* e^x, or 0 below limit >= EXP_LOWEST. */
ALWAYS_INLINE vector v_exp(vector x, vector limit)
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
    return v_zero_below(v_multiply(p, power), x, limit);
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
    centre_block(pack, pack->columns, x, space);
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

/* ---- Responsibilities ----------------------------------------------------------------------- */

/* Bits of the rows whose share in the component is above its cutoff. */
static uint64_t rows_above(const double *log_density, const double *largest, double cutoff)
{
    uint64_t bits = 0;
    const vector limit = v_set(cutoff);
    for (int v = 0; v < VECTORS; v++) {
        const vector x = v_subtract(v_load(log_density + v * LANES), v_load(largest + v * LANES));
        bits |= (uint64_t)v_bits_not_below(x, limit) << (v * LANES);
    }
    return bits;
}

/* Few rows: their exponents side by side. The others' shares are 0. */
static void few_shares(uint64_t bits, double *column, const double *largest, double *sum)
{
    int32_t rows[BLOCK_ROWS];
    _Alignas(64) double packed[BLOCK_ROWS];
    const int32_t count = list_rows(bits, rows);
    for (int32_t i = 0; i < count; i++)
        packed[i] = column[rows[i]] - largest[rows[i]];
    for (int32_t i = count; i % LANES != 0; i++)
        packed[i] = 0.0;
    for (int v = 0; v < VECTORS; v++)
        v_store(column + v * LANES, v_set(0.0));
    for (int32_t i = 0; i < count; i += LANES)
        v_store(packed + i, v_exp(v_load(packed + i), v_set(EXP_LOWEST)));
    for (int32_t i = 0; i < count; i++) {
        column[rows[i]] = packed[i];
        sum[rows[i]] += packed[i];
    }
}

static void all_shares(double cutoff, double *column, const double *largest, double *sum)
{
    const vector limit = v_set(cutoff);
    for (int at = 0; at < BLOCK_ROWS; at += LANES) {
        const vector e = v_exp(v_subtract(v_load(column + at), v_load(largest + at)), limit);
        v_store(column + at, e);
        v_store(sum + at, v_add(v_load(sum + at), e));
    }
}

static void find_largest(int32_t k, const double *density, double *largest)
{
    for (int at = 0; at < BLOCK_ROWS; at += LANES) {
        vector most = v_load(density + at);
        for (int64_t c = 1; c < k; c++)
            most = v_max(most, v_load(density + c * BLOCK_ROWS + at));
        v_store(largest + at, most);
    }
}

/* A share's bits do not depend on how many others are computed beside it. */
static double responsibilities(const struct mixture_pack *pack, const double *weights,
                               double *density, double *log_likelihood)
{
    _Alignas(64) double largest[BLOCK_ROWS], sum[BLOCK_ROWS] = {0}, scale[BLOCK_ROWS];
    vector total = v_set(0.0);
    find_largest(pack->k, density, largest);
    for (int64_t c = 0; c < pack->k; c++) {
        double *column = density + c * BLOCK_ROWS;
        const uint64_t bits = rows_above(column, largest, pack->cutoffs[c]);
        if (__builtin_popcountll(bits) <= FEW_ROWS)
            few_shares(bits, column, largest, sum);
        else
            all_shares(pack->cutoffs[c], column, largest, sum);
    }
    for (int at = 0; at < BLOCK_ROWS; at += LANES) {
        const vector weight = v_load(weights + at), all = v_load(sum + at);
        const vector log_density = v_add(v_load(largest + at), v_log(all));
        v_store(scale + at, v_divide(weight, all));
        v_store(log_likelihood + at, log_density);
        total = v_plus_product(total, weight, log_density);
    }
    for (int64_t c = 0; c < pack->k; c++)
        for (int at = 0; at < BLOCK_ROWS; at += LANES) {
            double *share = density + c * BLOCK_ROWS + at;
            v_store(share, v_multiply(v_load(share), v_load(scale + at)));
        }
    double lanes[LANES];
    v_store(lanes, total);
    return add_lanes(lanes);
}

#endif
