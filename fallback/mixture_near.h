/* Densities of full covariances where most components are far from a row: |F z|^2 grows row by row
 * of F, so that its first rows bound a density from above. A row's most likely component by these
 * bounds is computed in full; others only where their bound leaves them a share above the cutoff.
 *
 * Included after mixture_simd.h. Bounds run over rows, full densities over the columns of F. */
#ifndef SPOT_FALLBACK_MIXTURE_NEAR_H
#define SPOT_FALLBACK_MIXTURE_NEAR_H

#include "fallback/mixture_simd.h"

enum { QUAD = 4 }; /* rows computed in full side by side */

/* bounds (k, BLOCK_ROWS) of log densities, from the first rows of F. x (head, BLOCK_ROWS). */
static void bound_densities(const struct mixture_pack *pack, const double *x, double *bounds)
{
    const int64_t d = pack->columns;
    for (int row = 0; row < BLOCK_ROWS; row += GROUP * LANES)
        for (int32_t c = 0; c < pack->k; c++) {
            vector norms[GROUP];
            for (int v = 0; v < GROUP; v++)
                norms[v] = v_set(0.0);
            triangle_norms(pack->factors + c * triangle_at(d), pack->images + c * d, x + row,
                           pack->head, norms);
            for (int v = 0; v < GROUP; v++)
                v_store(bounds + (int64_t)c * BLOCK_ROWS + row + v * LANES,
                        v_minus_product(v_set(pack->log_scales[c]), v_set(0.5), norms[v]));
        }
}

/* The component of each row's largest bound, as a double; the first of equals. */
static void choose_components(int32_t k, const double *bounds, double *chosen)
{
    for (int at = 0; at < BLOCK_ROWS; at += LANES) {
        vector best = v_load(bounds + at), component = v_set(0.0);
        for (int32_t c = 1; c < k; c++) {
            const vector bound = v_load(bounds + (int64_t)c * BLOCK_ROWS + at);
            component = v_where_above(bound, best, v_set(c), component);
            best = v_max(bound, best);
        }
        v_store(chosen + at, component);
    }
}

/* norms[i] += squares of `width` vectors of y = image - F z, for QUAD rows z. f (end, stride) are
 * the columns of the rest of F, width a literal. */
ALWAYS_INLINE void rest_tile(const double *f, const double *image, int64_t stride, int64_t end,
                             const double *const *z, int width, vector *norms)
{
    vector y[QUAD][3];
#pragma GCC unroll 4
    for (int i = 0; i < QUAD; i++) {
#pragma GCC unroll 3
        for (int g = 0; g < width; g++)
            y[i][g] = v_load(image + g * LANES);
    }
    for (int64_t j = 0; j < end; j++, f += stride) {
#pragma GCC unroll 4
        for (int i = 0; i < QUAD; i++) {
            const vector one = v_set(z[i][j]);
#pragma GCC unroll 3
            for (int g = 0; g < width; g++)
                y[i][g] = v_minus_product(y[i][g], one, v_load(f + g * LANES));
        }
    }
#pragma GCC unroll 4
    for (int i = 0; i < QUAD; i++) {
#pragma GCC unroll 3
        for (int g = 0; g < width; g++)
            norms[i] = v_plus_product(norms[i], y[i][g], y[i][g]);
    }
}

/* sums (QUAD) = |rest of F (z - mean)|^2 for QUAD rows z less the centre. */
static void rest_norms(const struct mixture_pack *pack, int32_t c, const double *const *z,
                       double *sums)
{
    const int64_t d = pack->columns, stride = padded_columns(pack->columns - pack->head);
    const double *f = pack->rests + c * (d + 1) * stride, *image = f + d * stride;
    const int32_t vectors = row_vectors(pack->columns - pack->head);
    vector norms[QUAD];
    for (int i = 0; i < QUAD; i++)
        norms[i] = v_set(0.0);
    for (int32_t g = 0; g < vectors; g += REST) {
        const int32_t width = vectors - g < REST ? vectors - g : REST, at = g * LANES;
        int64_t end = pack->head + at + width * LANES;
        if (end > d) end = d;
        if (width == 3)
            rest_tile(f + at, image + at, stride, end, z, 3, norms);
        else if (width == 2)
            rest_tile(f + at, image + at, stride, end, z, 2, norms);
        else
            rest_tile(f + at, image + at, stride, end, z, 1, norms);
    }
    for (int i = 0; i < QUAD; i++) {
        double lanes[LANES];
        v_store(lanes, norms[i]);
        sums[i] = add_lanes(lanes);
    }
}

/* exact (count): the log densities of listed rows under a component, of which bounds are known. */
static void exact_densities(const struct mixture_pack *pack, int32_t c, const double *z,
                            const double *bounds, const int32_t *rows, int32_t count, double *exact)
{
    const int64_t stride = padded_columns(pack->columns);
    for (int32_t first = 0; first < count; first += QUAD) {
        const double *quad[QUAD];
        double sums[QUAD];
        for (int i = 0; i < QUAD; i++)
            quad[i] = z + stride * rows[first + i < count ? first + i : count - 1];
        rest_norms(pack, c, quad, sums);
        for (int i = 0; i < QUAD && first + i < count; i++) {
            const double log_density = bounds[rows[first + i]] - 0.5 * sums[i];
            /* The comparison is false for NaN. */
            exact[first + i] = log_density > MIXTURE_FLOOR ? log_density : MIXTURE_FLOOR;
        }
    }
}

/* best (BLOCK_ROWS): the log density of each row's chosen component. */
static void best_densities(const struct mixture_pack *pack, const double *z, const double *bounds,
                           const double *chosen, double *best)
{
    for (int32_t c = 0; c < pack->k; c++) {
        int32_t rows[PACKED];
        double exact[BLOCK_ROWS];
        uint64_t bits = 0;
        for (int v = 0; v < VECTORS; v++)
            bits |= (uint64_t)v_bits_equal(v_load(chosen + v * LANES), v_set(c)) << (v * LANES);
        const int32_t count = list_rows(bits, rows);
        exact_densities(pack, c, z, bounds + (int64_t)c * BLOCK_ROWS, rows, count, exact);
        for (int32_t i = 0; i < count; i++)
            best[rows[i]] = exact[i];
    }
}

/* Rows that may have a share in component c beside their chosen one. */
static uint64_t other_rows(const struct mixture_pack *pack, int32_t c, const double *bounds,
                           const double *chosen, const double *best)
{
    uint64_t bits = rows_above(bounds, best, pack->cutoffs[c]);
    for (int v = 0; v < VECTORS; v++)
        bits &= ~((uint64_t)v_bits_equal(v_load(chosen + v * LANES), v_set(c)) << (v * LANES));
    return bits;
}

static int near_densities(const struct mixture_pack *pack, struct block_values x, double *space,
                          double *density)
{
    _Alignas(64) double chosen[BLOCK_ROWS], best[BLOCK_ROWS];
    double *z = space, *head = space + padded_columns(pack->columns) * BLOCK_ROWS;
    int32_t left = BLOCK_ROWS * pack->k / 8; /* more are cheaper all at once */
    centre_rows(pack, x, z);
    centre_block(pack, pack->head, x, head);
    bound_densities(pack, head, density);
    choose_components(pack->k, density, chosen);
    best_densities(pack, z, density, chosen, best);
    for (int32_t c = 0; c < pack->k; c++) {
        int32_t rows[PACKED];
        double exact[BLOCK_ROWS], *column = density + (int64_t)c * BLOCK_ROWS;
        const int32_t count = list_rows(other_rows(pack, c, column, chosen, best), rows);
        left -= count;
        if (left < 0) return 0;
        exact_densities(pack, c, z, column, rows, count, exact);
        for (int v = 0; v < VECTORS; v++)
            v_store(column + v * LANES, v_set(MIXTURE_FLOOR));
        for (int32_t i = 0; i < count; i++)
            column[rows[i]] = exact[i];
    }
    for (int i = 0; i < BLOCK_ROWS; i++)
        density[(int64_t)chosen[i] * BLOCK_ROWS + i] = best[i];
    return 1;
}

#endif
