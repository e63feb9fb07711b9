/* Densities and responsibilities of one block with vectors over rows. The including file brings the
 * vector: its type, LANES and the small functions on it (mixture_avx2.c, mixture_avx512.c).
 *
 * A block is turned into float64, less the centre of the means, once; every component reads it from
 * the first-level cache. Densities use F x - F mean, triangles in register tiles of 4 rows by GROUP
 * vectors. The sums are in mixture_sums.h. */
#ifndef SPOT_FALLBACK_MIXTURE_SIMD_H
#define SPOT_FALLBACK_MIXTURE_SIMD_H

#include <stdbool.h>

#include "fallback/mixture_kernels.h"
#include "fallback/transpose.h"
#include "numerics/explog.h"

enum { VECTORS = BLOCK_ROWS / LANES, TILE = 4, SIDE = 2, PACK_GROUP = 8 };

static int64_t triangle_at(int64_t row)
{
    return row * (row + 1) / 2;
}

/* Room behind what is packed, for the last vector. */
enum { PACKED = BLOCK_ROWS + LANES };

static unsigned lane_bits(uint64_t bits, int v)
{
    return (unsigned)(bits >> (v * LANES)) & ((1u << LANES) - 1);
}

/* The rows whose bit is set, in their order: rows (PACKED). Returns how many. */
static int32_t list_rows(uint64_t bits, int32_t *rows)
{
    int32_t count = 0;
    for (int v = 0; v < VECTORS; v++) {
        const unsigned lanes = lane_bits(bits, v);
        pack_numbers(rows + count, lanes, v * LANES);
        count += __builtin_popcount(lanes);
    }
    return count;
}

/* Vectors that a row of z fills; its stride is padded_columns(). */
static int32_t row_vectors(int32_t columns)
{
    return (columns + LANES - 1) / LANES;
}

/* The same as centre_rows() for rows of float64. */
static void centre_wide_rows(const struct mixture_pack *pack, const double *x, double *z)
{
    const int64_t stride = padded_columns(pack->columns);
    for (int64_t i = 0; i < BLOCK_ROWS; i++)
        for (int64_t j = 0; j < stride; j++)
            z[i * stride + j] = j < pack->columns ? x[j * BLOCK_ROWS + i] - pack->centre[j] : 0.0;
}

/* z (BLOCK_ROWS, stride) row-major = x - centre, 0 past the last column. */
static void centre_rows(const struct mixture_pack *pack, struct block_values block, double *z)
{
    const int64_t stride = padded_columns(pack->columns);
    const float *x = block.x;
    if (block.wide != NULL) {
        centre_wide_rows(pack, block.wide, z);
        return;
    }
    for (int32_t j = 0; j < pack->columns; j += 8)
        for (int i = 0; i < BLOCK_ROWS; i += 8) {
            __m256 rows[8];
            load_rows(x + (int64_t)j * BLOCK_ROWS + i, pack->columns - j, rows);
            for (int t = 0; t < 8; t++)
                store_difference(z + (i + t) * stride + j, rows[t], pack->centre + j);
        }
}

/* centred (columns, BLOCK_ROWS) = x - centre, the first columns of them. */
static void centre_block(const struct mixture_pack *pack, int32_t columns, struct block_values x,
                         double *centred)
{
    for (int32_t j = 0; j < columns; j++) {
        const vector centre = v_set(pack->centre[j]);
        for (int v = 0; v < VECTORS; v++) {
            const int64_t at = (int64_t)j * BLOCK_ROWS + v * LANES;
            const vector value = x.wide != NULL ? v_load(x.wide + at) : v_load_float(x.x + at);
            v_store(centred + at, v_subtract(value, centre));
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

/* norms (count, GROUP) += (factor x - image)^2 column by column, for `count` components side by
 * side, a literal. covariance is a literal: MIXTURE_TIED has factors of 1, x being F x already. */
ALWAYS_INLINE void scaled_norms(const struct mixture_pack *pack, int32_t first, int count,
                                enum mixture_covariance covariance, const double *x,
                                vector (*norms)[GROUP])
{
    const int64_t d = pack->columns;
    const double *image = pack->images + first * d;
    const double *factor =
        pack->factors + (covariance == MIXTURE_DIAG ? first * d : (int64_t)first);
    for (int64_t j = 0; j < d; j++, x += BLOCK_ROWS) {
#pragma GCC unroll 4
        for (int c = 0; c < count; c++) {
            const vector b = v_set(image[c * d + j]);
            const vector f = covariance == MIXTURE_TIED   ? b
                             : covariance == MIXTURE_DIAG ? v_set(factor[c * d + j])
                                                          : v_set(factor[c]);
#pragma GCC unroll 4
            for (int v = 0; v < GROUP; v++) {
                const vector y = covariance == MIXTURE_TIED
                                     ? v_subtract(b, v_load(x + v * LANES))
                                     : v_minus_product(b, f, v_load(x + v * LANES));
                norms[c][v] = v_plus_product(norms[c][v], y, y);
            }
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

/* log density = log scale - norm / 2, the floor for NaN. */
ALWAYS_INLINE void store_densities(const struct mixture_pack *pack, int32_t c, const vector *norms,
                                   double *density)
{
    const vector scale = v_set(pack->log_scales[c]);
    for (int v = 0; v < GROUP; v++) {
        const vector log_density = v_minus_product(scale, v_set(0.5), norms[v]);
        v_store(density + (int64_t)c * BLOCK_ROWS + v * LANES,
                v_max(log_density, v_set(MIXTURE_FLOOR)));
    }
}

/* The components first .. first + count - 1, both literals but first; x and density of a group. */
ALWAYS_INLINE void component_densities(const struct mixture_pack *pack, int32_t first, int count,
                                       enum mixture_covariance covariance, const double *x,
                                       double *density)
{
    const int64_t d = pack->columns;
    vector norms[SIDE][GROUP];
#pragma GCC unroll 4
    for (int c = 0; c < count; c++) {
#pragma GCC unroll 4
        for (int v = 0; v < GROUP; v++)
            norms[c][v] = v_set(0.0);
    }
    if (covariance == MIXTURE_FULL)
        triangle_norms(pack->factors + first * triangle_at(d), pack->images + first * d, x,
                       pack->columns, norms[0]);
    else
        scaled_norms(pack, first, count, covariance, x, norms);
#pragma GCC unroll 4
    for (int c = 0; c < count; c++)
        store_densities(pack, first + c, norms[c], density);
}

/* covariance is a literal: a loop over components for each. */
ALWAYS_INLINE void all_densities(const struct mixture_pack *pack, const double *x,
                                 enum mixture_covariance covariance, double *density)
{
    const int32_t side = covariance == MIXTURE_FULL ? 1 : SIDE;
    for (int row = 0; row < BLOCK_ROWS; row += GROUP * LANES) {
        int32_t c = 0;
        for (; c + side <= pack->k; c += side)
            component_densities(pack, c, side, covariance, x + row, density + row);
        for (; c < pack->k; c++)
            component_densities(pack, c, 1, covariance, x + row, density + row);
    }
}

static void densities(const struct mixture_pack *pack, struct block_values x, double *space,
                      double *density)
{
    double *y = space + (int64_t)pack->columns * BLOCK_ROWS;
    centre_block(pack, pack->columns, x, space);
    switch (pack->covariance) {
    case MIXTURE_FULL:
        all_densities(pack, space, MIXTURE_FULL, density);
        break;
    case MIXTURE_TIED:
        apply_factor(pack->factors, space, pack->columns, y);
        all_densities(pack, y, MIXTURE_TIED, density);
        break;
    case MIXTURE_DIAG:
        all_densities(pack, space, MIXTURE_DIAG, density);
        break;
    case MIXTURE_SPHERICAL:
        all_densities(pack, space, MIXTURE_SPHERICAL, density);
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

/* Turns the log densities of some components into shares before they are divided by their sum. */
static void all_shares(const struct mixture_pack *pack, int32_t first, int32_t count,
                       const double *largest, double *density, double *sum)
{
    for (int32_t c = first; c < first + count; c++) {
        const vector limit = v_set(pack->cutoffs[c]);
        double *column = density + (int64_t)c * BLOCK_ROWS;
        for (int at = 0; at < BLOCK_ROWS; at += LANES) {
            const vector e = v_exp(v_subtract(v_load(column + at), v_load(largest + at)), limit);
            v_store(column + at, e);
            v_store(sum + at, v_add(v_load(sum + at), e));
        }
    }
}

/* The same where few shares are above 0, which have their bits: only those are computed, side by
 * side. A share's bits do not depend on how it was computed. */
static void few_shares(const uint64_t *bits, int32_t count, const double *largest, double *columns,
                       double *sum)
{
    _Alignas(64) double packed[PACK_GROUP * BLOCK_ROWS + LANES];
    const double *from = packed;
    double *end = packed;
    for (int i = 0; i < count * VECTORS; i++) {
        const unsigned lanes = lane_bits(bits[i / VECTORS], i % VECTORS);
        const vector x =
            v_subtract(v_load(columns + i * LANES), v_load(largest + i % VECTORS * LANES));
        v_pack(end, lanes, x);
        end += __builtin_popcount(lanes);
    }
    v_store(end, v_set(0.0));
    for (double *at = packed; at < end; at += LANES)
        v_store(at, v_exp(v_load(at), v_set(EXP_LOWEST)));
    for (int i = 0; i < count * VECTORS; i++) {
        const unsigned lanes = lane_bits(bits[i / VECTORS], i % VECTORS);
        double *total = sum + i % VECTORS * LANES;
        const vector e = v_unpack(from, lanes);
        v_store(columns + i * LANES, e);
        v_store(total, v_add(v_load(total), e));
        from += __builtin_popcount(lanes);
    }
}

/* Up to PACK_GROUP components, by the way that is quicker. */
static void find_shares(const struct mixture_pack *pack, int32_t first, int32_t count,
                        const double *largest, double *density, double *sum)
{
    uint64_t bits[PACK_GROUP];
    int32_t above = 0;
    const bool pack_them = PACKS && pack->k >= PACK_GROUP;
    for (int32_t c = 0; c < count && pack_them; c++) {
        bits[c] = rows_above(density + (int64_t)(first + c) * BLOCK_ROWS, largest,
                             pack->cutoffs[first + c]);
        above += __builtin_popcountll(bits[c]);
    }
    if (pack_them && above <= count * BLOCK_ROWS / 3)
        few_shares(bits, count, largest, density + (int64_t)first * BLOCK_ROWS, sum);
    else
        all_shares(pack, first, count, largest, density, sum);
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

static double responsibilities(const struct mixture_pack *pack, const double *weights,
                               double *density, double *log_likelihood)
{
    _Alignas(64) double largest[BLOCK_ROWS], sum[BLOCK_ROWS] = {0}, scale[BLOCK_ROWS];
    vector total = v_set(0.0);
    find_largest(pack->k, density, largest);
    for (int32_t c = 0; c < pack->k; c += PACK_GROUP)
        find_shares(pack, c, pack->k - c < PACK_GROUP ? pack->k - c : PACK_GROUP, largest, density,
                    sum);
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
