/* KMeans' filter by tiles of matrix multiplication (Intel AMX). A product of float32 values is
 * taken as three products of bfloat16 ones: both are split into a leading and a trailing part, and
 * what the trailing parts give together is left out; the margin covers it (docs/exactness.md).
 * Sixteen centres by sixteen rows by thirty-two columns are one instruction, which does what 512
 * vector ones do. */
#include <immintrin.h>
#include <string.h>

#include "fallback/ranking_avx512.h"

enum {
    TILE_BYTES = 1024,                 /* 16 rows of 64 bytes */
    TILE_VALUES = TILE_BYTES / 2,      /* bfloat16 */
    PANEL_BYTES = VECTORS * TILE_BYTES /* the 64 rows of a block, 32 columns */
};

/* Rows (columns / 2, 64 rows, 2), a tile to 16 rows and 32 columns. */
struct split_rows {
    _Alignas(64) uint8_t leading[SPLIT_MOST_COLUMNS / SPLIT_COLUMNS * PANEL_BYTES];
    _Alignas(64) uint8_t trailing[SPLIT_MOST_COLUMNS / SPLIT_COLUMNS * PANEL_BYTES];
};

struct tile_config {
    uint8_t palette, start, reserved[14];
    uint16_t bytes[16]; /* of a row */
    uint8_t rows[16];
};

/* The nearest bfloat16, halves away from zero, as a float32. */
ALWAYS_INLINE __m512i nearest_bfloat16(__m512 value)
{
    __m512i bits = _mm512_add_epi32(_mm512_castps_si512(value), _mm512_set1_epi32(0x8000));
    return _mm512_and_si512(bits, _mm512_set1_epi32((int)0xffff0000));
}

ALWAYS_INLINE __m512i remainder_bfloat16(__m512 value, __m512i leading)
{
    return nearest_bfloat16(_mm512_sub_ps(value, _mm512_castsi512_ps(leading)));
}

/* Pairs of neighbouring columns, the first in the lower half of each lane. */
ALWAYS_INLINE __m512i pairs(__m512i first, __m512i second)
{
    return _mm512_or_si512(_mm512_srli_epi32(first, 16), second);
}

static void split_rows(const float *x, int32_t columns, struct split_rows *rows)
{
    const int32_t padded = (columns + SPLIT_COLUMNS - 1) / SPLIT_COLUMNS * SPLIT_COLUMNS;
    for (int32_t j = 0; j < padded; j += 2)
        for (int32_t v = 0; v < VECTORS; v++) {
            const int32_t at = j / SPLIT_COLUMNS * PANEL_BYTES + v * TILE_BYTES +
                               j % SPLIT_COLUMNS / 2 * (LANES * 4);
            const float *value = x + (int64_t)j * BLOCK_ROWS + v * LANES;
            __m512 first = j < columns ? _mm512_load_ps(value) : _mm512_setzero_ps();
            __m512 second =
                j + 1 < columns ? _mm512_load_ps(value + BLOCK_ROWS) : _mm512_setzero_ps();
            __m512i a = nearest_bfloat16(first), b = nearest_bfloat16(second);
            _mm512_store_si512(rows->leading + at, pairs(a, b));
            _mm512_store_si512(rows->trailing + at,
                               pairs(remainder_bfloat16(first, a), remainder_bfloat16(second, b)));
        }
}

/* Adds the products of 32 centres and 32 rows over all columns to tiles 0 to 3. */
ALWAYS_INLINE void add_products(const uint16_t *centres, const uint16_t *more_centres,
                                const uint8_t *rows, int32_t panels)
{
    for (int32_t p = 0; p < panels; p++) {
        _tile_loadd(4, centres + p * TILE_VALUES, 64);
        _tile_loadd(6, rows + p * PANEL_BYTES, 64);
        _tile_dpbf16ps(0, 4, 6);
        _tile_loadd(7, rows + p * PANEL_BYTES + TILE_BYTES, 64);
        _tile_dpbf16ps(1, 4, 7);
        _tile_loadd(5, more_centres + p * TILE_VALUES, 64);
        _tile_dpbf16ps(2, 5, 6);
        _tile_dpbf16ps(3, 5, 7);
    }
}

/* Products of 32 centres and 32 rows: (2, 2, 16 centres, 16 rows). The small ones come first, so
 * that the rounding of their sums is small as well. */
static void products(const uint16_t *centres, int64_t next, const struct split_rows *rows,
                     int32_t first_row, int32_t panels, float *dots)
{
    const uint16_t *more = centres + next, *trailing = centres + panels * TILE_VALUES;
    const uint8_t *x = rows->leading + first_row / LANES * TILE_BYTES;
    _tile_zero(0);
    _tile_zero(1);
    _tile_zero(2);
    _tile_zero(3);
    add_products(centres, more, rows->trailing + first_row / LANES * TILE_BYTES, panels);
    add_products(trailing, trailing + next, x, panels);
    add_products(centres, more, x, panels);
    _tile_stored(0, dots, 64);
    _tile_stored(1, dots + 256, 64);
    _tile_stored(2, dots + 512, 64);
    _tile_stored(3, dots + 768, 64);
}

/* Ranks up to 16 centres for 32 rows. */
ALWAYS_INLINE void rank_products(const struct kmeans_filter *filter, const float *dots,
                                 int32_t first, struct ranking *rankings)
{
    const int32_t left = filter->k - first, count = left < SPLIT_CENTRES ? left : SPLIT_CENTRES;
    for (int32_t c = 0; c < count; c++) {
        const __m512 half = _mm512_set1_ps(filter->halves[first + c]);
        const __m512i index = _mm512_set1_epi32(first + c);
        for (int v = 0; v < 2; v++) {
            __m512 dot = _mm512_load_ps(dots + v * 256 + c * LANES);
            rank(&rankings[v], _mm512_sub_ps(half, dot), index);
        }
    }
}

/* Labels of 32 rows from `row` on; returns the bits of those too close to call. */
static uint64_t filter_half(const struct kmeans_filter *filter, const struct split_rows *rows,
                            int32_t row, const float *x, int32_t *labels,
                            struct filter_limits *limits)
{
    _Alignas(64) float dots[4 * 256];
    const int32_t panels = (filter->columns + SPLIT_COLUMNS - 1) / SPLIT_COLUMNS;
    const int64_t size = (int64_t)2 * panels * TILE_VALUES;
    struct ranking rankings[2] = {empty_ranking(), empty_ranking()};
    for (int32_t first = 0; first < filter->k; first += 2 * SPLIT_CENTRES) {
        const bool more = filter->k - first > SPLIT_CENTRES;
        products(filter->split + first / SPLIT_CENTRES * size, more ? size : 0, rows, row, panels,
                 dots);
        rank_products(filter, dots, first, rankings);
        if (more) rank_products(filter, dots + 512, first + SPLIT_CENTRES, rankings);
    }
    uint64_t ties = 0;
    for (int v = 0; v < 2; v++) {
        const int32_t at = row + v * LANES;
        ties |= decide(&rankings[v], filter->margin, labels + at) << at;
        if (limits == NULL) continue;
        __m512 norm = squared_norms(x + at, filter->columns);
        _mm512_store_ps(limits->rows + at, limits_of(filter, &rankings[v], norm));
    }
    return ties;
}

uint64_t filter_split(const struct kmeans_filter *filter, const float *x, int32_t *labels,
                      struct filter_limits *limits)
{
    static const struct tile_config config = {.palette = 1,
                                              .bytes = {64, 64, 64, 64, 64, 64, 64, 64},
                                              .rows = {16, 16, 16, 16, 16, 16, 16, 16}};
    struct split_rows rows;
    split_rows(x, filter->columns, &rows);
    _tile_loadconfig(&config);
    uint64_t ties = filter_half(filter, &rows, 0, x, labels, limits);
    ties |= filter_half(filter, &rows, BLOCK_ROWS / 2, x, labels, limits);
    _tile_release();
    if (limits == NULL) return ties;
    __m512 least = _mm512_load_ps(limits->rows);
    for (int i = LANES; i < BLOCK_ROWS; i += LANES)
        least = _mm512_min_ps(least, _mm512_load_ps(limits->rows + i));
    limits->least = _mm512_reduce_min_ps(least);
    return ties;
}
