/* KMeans on one block of rows with AVX-512: 16 rows to a vector, one centre at a time broadcast to
 * all of them. Up to 8 columns the rows stay in registers; beyond, a tile of 12 centres by 32 rows
 * of scores does. Either way a score costs d multiply-adds and 5 operations to rank it. */
#include "fallback/kmeans_kernels.h"

#include <immintrin.h>
#include <math.h>

#include "fallback/load_block.h"
#include "fallback/ranking_avx512.h"
#include "fallback/transpose.h"

enum { TILE = 12, TILE_VECTORS = 2, SCORE_TILES = 4 };

/* 16 rows from `rows` on, each `stride` long, and 4 columns. */
ALWAYS_INLINE void load_four(const float *rows, int64_t stride, const float *offset, float *x)
{
    __m512 v[4], pairs[4];
    for (int i = 0; i < 4; i++) { /* rows i, 4 + i, 8 + i and 12 + i side by side */
        const float *row = rows + i * stride;
        v[i] = _mm512_castps128_ps512(_mm_loadu_ps(row));
        v[i] = _mm512_insertf32x4(v[i], _mm_loadu_ps(row + 4 * stride), 1);
        v[i] = _mm512_insertf32x4(v[i], _mm_loadu_ps(row + 8 * stride), 2);
        v[i] = _mm512_insertf32x4(v[i], _mm_loadu_ps(row + 12 * stride), 3);
    }
    for (int i = 0; i < 4; i += 2) {
        pairs[i] = _mm512_unpacklo_ps(v[i], v[i + 1]);
        pairs[i + 1] = _mm512_unpackhi_ps(v[i], v[i + 1]);
    }
    for (int j = 0; j < 4; j += 2) {
        __m512 low = _mm512_shuffle_ps(pairs[j / 2], pairs[2 + j / 2], 0x44);
        __m512 high = _mm512_shuffle_ps(pairs[j / 2], pairs[2 + j / 2], 0xee);
        _mm512_store_ps(x + j * BLOCK_ROWS, _mm512_sub_ps(low, _mm512_set1_ps(offset[j])));
        _mm512_store_ps(x + (j + 1) * BLOCK_ROWS,
                        _mm512_sub_ps(high, _mm512_set1_ps(offset[j + 1])));
    }
}

static void load_avx512(const float *values, int32_t columns, const float *offset, float *x)
{
    load_block(values, columns, offset, x, LANES, load_four);
}

/* Magnitudes are compared as integers, which puts NaN above all. */
static bool beyond_avx512(const float *x, int32_t columns, const float *limits)
{
    const __m512i magnitude = _mm512_set1_epi32(0x7fffffff);
    __mmask16 beyond = 0;
    for (int32_t j = 0; j < columns; j++, x += BLOCK_ROWS) {
        __m512i most = _mm512_setzero_si512();
        for (int v = 0; v < VECTORS; v++)
            most = _mm512_max_epi32(most,
                                    _mm512_and_si512(_mm512_load_si512(x + v * LANES), magnitude));
        __m512i limit = _mm512_castps_si512(_mm512_set1_ps(limits[j]));
        beyond |= _mm512_cmpgt_epi32_mask(most, limit);
    }
    return beyond != 0;
}

/* columns is a literal: x lives in registers, what does not fit is an operand in memory. The
 * unrolling keeps the rankings in registers as well. */
ALWAYS_INLINE uint64_t filter_narrow(const struct kmeans_filter *filter, const float *x,
                                     int32_t *labels, struct filter_limits *limits, int32_t columns)
{
    __m512 row[VECTORS][8];
    struct ranking rankings[VECTORS];
#pragma GCC unroll 4
    for (int v = 0; v < VECTORS; v++) {
        rankings[v] = empty_ranking();
        for (int32_t j = 0; j < columns; j++)
            row[v][j] = _mm512_load_ps(x + j * BLOCK_ROWS + v * LANES);
    }
    __m512i index = _mm512_setzero_si512();
    for (int32_t first = 0; first < filter->k; first += TILE) {
        const float *centre = filter->centres + (int64_t)first * columns;
        const float *half = filter->halves + first;
        const int32_t width = filter->k - first < TILE ? filter->k - first : TILE;
        for (int32_t c = 0; c < width; c++) {
            for (int v = 0; v < VECTORS; v++) {
                __m512 score = _mm512_set1_ps(half[c]);
                for (int32_t j = 0; j < columns; j++)
                    score =
                        _mm512_fnmadd_ps(row[v][j], _mm512_set1_ps(centre[j * TILE + c]), score);
                rank(&rankings[v], score, index);
            }
            index = _mm512_add_epi32(index, _mm512_set1_epi32(1));
        }
    }
    uint64_t ties = 0;
#pragma GCC unroll 4
    for (int v = 0; v < VECTORS; v++)
        ties |= decide(&rankings[v], filter->margin, labels + v * LANES) << (v * LANES);
    if (limits == NULL) return ties;
    __m512 least = _mm512_set1_ps(INFINITY);
#pragma GCC unroll 4
    for (int v = 0; v < VECTORS; v++) {
        __m512 norm = _mm512_setzero_ps();
        for (int32_t j = 0; j < columns; j++)
            norm = _mm512_fmadd_ps(row[v][j], row[v][j], norm);
        __m512 limit = limits_of(filter, &rankings[v], norm);
        _mm512_store_ps(limits->rows + v * LANES, limit);
        least = _mm512_min_ps(least, limit);
    }
    limits->least = _mm512_reduce_min_ps(least);
    return ties;
}

/* width (a literal) centres from `first` on, against 32 rows. */
ALWAYS_INLINE void filter_tile(const struct kmeans_filter *filter, const float *x, int32_t first,
                               int width, struct ranking *rankings)
{
    __m512 score[TILE][TILE_VECTORS];
    for (int c = 0; c < width; c++)
        for (int v = 0; v < TILE_VECTORS; v++)
            score[c][v] = _mm512_set1_ps(filter->halves[first + c]);

    const float *centre = filter->centres + (int64_t)first * filter->columns;
    for (int32_t j = 0; j < filter->columns; j++, centre += TILE, x += BLOCK_ROWS) {
        __m512 row[TILE_VECTORS];
        for (int v = 0; v < TILE_VECTORS; v++)
            row[v] = _mm512_load_ps(x + v * LANES);
        for (int c = 0; c < width; c++) {
            __m512 coordinate = _mm512_set1_ps(centre[c]);
            for (int v = 0; v < TILE_VECTORS; v++)
                score[c][v] = _mm512_fnmadd_ps(row[v], coordinate, score[c][v]);
        }
    }
    for (int c = 0; c < width; c++)
        for (int v = 0; v < TILE_VECTORS; v++)
            rank(&rankings[v], score[c][v], _mm512_set1_epi32(first + c));
}

static uint64_t filter_wide(const struct kmeans_filter *filter, const float *x, int32_t *labels,
                            struct filter_limits *limits)
{
    uint64_t ties = 0;
    __m512 least = _mm512_set1_ps(INFINITY);
    for (int row = 0; row < BLOCK_ROWS; row += TILE_VECTORS * LANES) {
        struct ranking rankings[TILE_VECTORS];
        for (int v = 0; v < TILE_VECTORS; v++)
            rankings[v] = empty_ranking();
        for (int32_t first = 0; first < filter->k; first += TILE) {
            const int32_t left = filter->k - first;
            if (left > 8) {
                filter_tile(filter, x + row, first, TILE, rankings);
            } else if (left > 4) {
                filter_tile(filter, x + row, first, 8, rankings);
            } else {
                filter_tile(filter, x + row, first, 4, rankings);
            }
        }
        for (int v = 0; v < TILE_VECTORS; v++) {
            const int at = row + v * LANES;
            ties |= decide(&rankings[v], filter->margin, labels + at) << at;
            if (limits == NULL) continue;
            __m512 norm = squared_norms(x + at, filter->columns);
            __m512 limit = limits_of(filter, &rankings[v], norm);
            _mm512_store_ps(limits->rows + at, limit);
            least = _mm512_min_ps(least, limit);
        }
    }
    if (limits != NULL) limits->least = _mm512_reduce_min_ps(least);
    return ties;
}

static uint64_t filter_avx512(const struct kmeans_filter *filter, const float *x, int32_t *labels,
                              struct filter_limits *limits)
{
    switch (filter->columns) {
    case 1:
        return filter_narrow(filter, x, labels, limits, 1);
    case 2:
        return filter_narrow(filter, x, labels, limits, 2);
    case 3:
        return filter_narrow(filter, x, labels, limits, 3);
    case 4:
        return filter_narrow(filter, x, labels, limits, 4);
    case 5:
        return filter_narrow(filter, x, labels, limits, 5);
    case 6:
        return filter_narrow(filter, x, labels, limits, 6);
    case 7:
        return filter_narrow(filter, x, labels, limits, 7);
    case 8:
        return filter_narrow(filter, x, labels, limits, 8);
    default:
        return filter_wide(filter, x, labels, limits);
    }
}

static uint64_t filter_amx(const struct kmeans_filter *filter, const float *x, int32_t *labels,
                           struct filter_limits *limits)
{
    return (filter->split != NULL ? filter_split : filter_avx512)(filter, x, labels, limits);
}

/* Measured: below, the rows' conversion and the ranking cost what the products save. The most
 * columns are what the converted rows may take of a thread's stack. */
static bool splits_amx(int32_t k, int32_t columns)
{
    return k >= 32 && columns > 16 && columns <= SPLIT_MOST_COLUMNS;
}

/* A tile's centres are the lanes of a vector; a few tiles at a time hide the latency. */
static void scores_avx512(const struct kmeans_filter *filter, const float *x, int32_t first,
                          int32_t count, float *scores)
{
    const __mmask16 lanes = (1u << TILE) - 1;
    const int64_t size = (int64_t)TILE * filter->columns;
    const int32_t tiles = (count + TILE - 1) / TILE;
    const float *centres = filter->centres + first / TILE * size;
    for (int32_t t = 0; t < tiles; t += SCORE_TILES, centres += SCORE_TILES * size) {
        const int32_t some = tiles - t < SCORE_TILES ? tiles - t : SCORE_TILES;
        __m512 score[SCORE_TILES];
        for (int32_t i = 0; i < SCORE_TILES; i++)
            score[i] = _mm512_maskz_loadu_ps(lanes, filter->halves + first +
                                                        (i < some ? t + i : t) * TILE);
        for (int64_t j = 0; j < filter->columns; j++) {
            const __m512 value = _mm512_set1_ps(x[j * BLOCK_ROWS]);
            for (int32_t i = 0; i < SCORE_TILES; i++) {
                const float *centre = centres + (i < some ? i * size : 0) + j * TILE;
                score[i] = _mm512_fnmadd_ps(value, _mm512_maskz_loadu_ps(lanes, centre), score[i]);
            }
        }
        for (int32_t i = 0; i < some; i++)
            _mm512_mask_storeu_ps(scores + (t + i) * TILE, lanes, score[i]);
    }
}

static uint64_t unsettled_avx512(const float *limits, float drift)
{
    uint64_t bits = 0;
    for (int i = 0; i < BLOCK_ROWS; i += LANES)
        bits |= (uint64_t)_mm512_cmp_ps_mask(_mm512_loadu_ps(limits + i), _mm512_set1_ps(drift),
                                             _CMP_NGT_UQ)
                << i;
    return bits;
}

ALWAYS_INLINE uint64_t changed_rows(const int32_t *from, const int32_t *to)
{
    uint64_t changed = 0;
    for (int i = 0; i < BLOCK_ROWS; i += LANES) {
        __mmask16 differ =
            _mm512_cmpneq_epi32_mask(_mm512_loadu_si512(from + i), _mm512_loadu_si512(to + i));
        changed |= (uint64_t)differ << i;
    }
    return changed;
}

/* Of 8 rows those whose bits are set. */
ALWAYS_INLINE void move_some(const float *x, int32_t columns, const double *scale, unsigned moved,
                             const int32_t *from, const int32_t *to, int64_t *sums, int64_t *sizes)
{
    const int64_t stride = padded_columns(columns);
    for (unsigned left = moved; left != 0; left &= left - 1) {
        const int i = __builtin_ctz(left);
        sizes[to[i]]++;
        if (from[i] >= 0) sizes[from[i]]--;
    }
    for (int32_t j = 0; j < columns; j += 8, scale += 8, sums += 8, x += 8 * BLOCK_ROWS) {
        __m256 rows[8];
        load_rows(x, columns - j, rows);
        const __m512d scales = _mm512_loadu_pd(scale);
        for (unsigned left = moved; left != 0; left &= left - 1) {
            const int i = __builtin_ctz(left);
            int64_t *into = sums + to[i] * stride;
            __m512i value = _mm512_cvtpd_epi64(_mm512_mul_pd(_mm512_cvtps_pd(rows[i]), scales));
            _mm512_storeu_si512(into, _mm512_add_epi64(_mm512_loadu_si512(into), value));
            if (from[i] < 0) continue;
            int64_t *out = sums + from[i] * stride;
            _mm512_storeu_si512(out, _mm512_sub_epi64(_mm512_loadu_si512(out), value));
        }
    }
}

static uint64_t move_rows_avx512(const float *x, int32_t columns, const double *scale,
                                 const int32_t *from, const int32_t *to, int64_t *sums,
                                 int64_t *sizes)
{
    const uint64_t moved = changed_rows(from, to);
    for (int i = 0; i < BLOCK_ROWS; i += 8)
        if ((moved >> i & 0xff) != 0)
            move_some(x + i, columns, scale, (unsigned)(moved >> i & 0xff), from + i, to + i, sums,
                      sizes);
    return moved;
}

/* Distances of all 64 rows to `count` (a literal) points, the reference's bit for bit. */
ALWAYS_INLINE void distance_tile(const float *x, int32_t columns, const float *points, int count,
                                 bool fetch, __m512 sum[4][VECTORS])
{
    for (int p = 0; p < count; p++)
        for (int v = 0; v < VECTORS; v++)
            sum[p][v] = _mm512_setzero_ps();
    for (int32_t j = 0; j < columns; j++, x += BLOCK_ROWS) {
        for (int v = 0; fetch && v < VECTORS; v++)
            _mm_prefetch((const char *)(x + (int64_t)columns * BLOCK_ROWS + v * LANES),
                         _MM_HINT_T0);
        for (int p = 0; p < count; p++) {
            __m512 coordinate = _mm512_set1_ps(points[(int64_t)p * columns + j]);
            for (int v = 0; v < VECTORS; v++) {
                __m512 difference = _mm512_sub_ps(_mm512_load_ps(x + v * LANES), coordinate);
                sum[p][v] = _mm512_fmadd_ps(difference, difference, sum[p][v]);
            }
        }
    }
}

ALWAYS_INLINE void store_tile(const float *x, int32_t columns, const float *points, int count,
                              float *d2)
{
    __m512 sum[4][VECTORS];
    distance_tile(x, columns, points, count, true, sum);
    for (int p = 0; p < count; p++)
        for (int v = 0; v < VECTORS; v++)
            _mm512_storeu_ps(d2 + p * BLOCK_ROWS + v * LANES, sum[p][v]);
}

static void distances_avx512(const float *x, int32_t columns, const float *points, int32_t count,
                             float *d2)
{
    for (; count >= 4; count -= 4, points += 4 * (int64_t)columns, d2 += 4 * BLOCK_ROWS)
        store_tile(x, columns, points, 4, d2);
    if (count == 3) store_tile(x, columns, points, 3, d2);
    if (count == 2) store_tile(x, columns, points, 2, d2);
    if (count == 1) store_tile(x, columns, points, 1, d2);
}

ALWAYS_INLINE void approach_tile(const float *x, int32_t columns, const float *points, int count,
                                 bool fetch, float *nearest)
{
    __m512 sum[4][VECTORS];
    distance_tile(x, columns, points, count, fetch, sum);
    for (int v = 0; v < VECTORS; v++) {
        __m512 least = _mm512_load_ps(nearest + v * LANES);
        for (int p = 0; p < count; p++)
            least = _mm512_min_ps(sum[p][v], least);
        _mm512_store_ps(nearest + v * LANES, least);
    }
}

static void approach_avx512(const float *x, int32_t columns, const float *points, int32_t count,
                            float *nearest)
{
    if (count >= 4) approach_tile(x, columns, points, 4, true, nearest);
    for (int32_t p = 4; p + 4 <= count; p += 4)
        approach_tile(x, columns, points + (int64_t)p * columns, 4, false, nearest);
    points += (int64_t)(count / 4 * 4) * columns;
    if (count % 4 == 3) approach_tile(x, columns, points, 3, true, nearest);
    if (count % 4 == 2) approach_tile(x, columns, points, 2, true, nearest);
    if (count % 4 == 1) approach_tile(x, columns, points, 1, true, nearest);
}

/* The conversion rounds to nearest even. */
ALWAYS_INLINE __m512i quantise8(const float *nearest, const float *d2, __m512d scale)
{
    __m256 smaller = _mm256_min_ps(_mm256_loadu_ps(d2), _mm256_loadu_ps(nearest));
    return _mm512_cvtpd_epi64(_mm512_mul_pd(_mm512_cvtps_pd(smaller), scale));
}

static void potentials_avx512(const float *nearest, const float *d2, int32_t count, double scale,
                              const int64_t *mass, struct int128 *sums)
{
    const __m512d scales = _mm512_set1_pd(scale);
    const __m512i below = _mm512_set1_epi64((INT64_C(1) << POTENTIAL_LOW_BITS) - 1);
    for (int32_t p = 0; p < count; p++, d2 += BLOCK_ROWS) {
        __m512i low = _mm512_setzero_si512(), high = _mm512_setzero_si512();
        for (int i = 0; i < BLOCK_ROWS; i += 8) {
            __m512i term = quantise8(nearest + i, d2 + i, scales);
            if (mass == NULL) {
                low = _mm512_add_epi64(low, term);
                continue;
            }
            __m512i times = _mm512_loadu_si512(mass + i);
            __m512i upper = _mm512_srli_epi64(term, POTENTIAL_LOW_BITS);
            __m512i lower = _mm512_and_si512(term, below);
            low = _mm512_add_epi64(low, _mm512_mul_epu32(lower, times));
            high = _mm512_add_epi64(high, _mm512_mul_epu32(upper, times));
        }
        add_potential(&sums[p], _mm512_reduce_add_epi64(low), _mm512_reduce_add_epi64(high));
    }
}

/* With up to 16 centres, a column of which fits two registers. */
static void few_own_distances(const struct kmeans_filter *filter, const float *x,
                              const int32_t *labels, double *d2)
{
    const int32_t columns = filter->columns, above = filter->k > 8 ? filter->k - 8 : 0;
    const __mmask8 low_lanes = (__mmask8)(filter->k < 8 ? (1 << filter->k) - 1 : 0xff);
    const __mmask8 high_lanes = (__mmask8)((1 << above) - 1);
    const __m256i places =
        _mm256_mullo_epi32(_mm256_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7), _mm256_set1_epi32(columns));
    const __m512d zero = _mm512_setzero_pd();
    __m512d sums[BLOCK_ROWS / 8];
    __m512i own[BLOCK_ROWS / 8];
#pragma GCC unroll 8
    for (int v = 0; v < BLOCK_ROWS / 8; v++) {
        own[v] = _mm512_cvtepi32_epi64(_mm256_loadu_si256((const __m256i *)(labels + v * 8)));
        sums[v] = zero;
    }
    for (int32_t j = 0; j < columns; j++, x += BLOCK_ROWS) {
        const double *column = filter->exact + j;
        const __m512d low = _mm512_mask_i32gather_pd(zero, low_lanes, places, column, 8);
        const __m512d high = above == 0 ? zero
                                        : _mm512_mask_i32gather_pd(zero, high_lanes, places,
                                                                   column + 8L * columns, 8);
        const __m512d offset = _mm512_set1_pd(filter->offset[j]);
#pragma GCC unroll 8
        for (int v = 0; v < BLOCK_ROWS / 8; v++) {
            __m512d row = _mm512_add_pd(_mm512_cvtps_pd(_mm256_load_ps(x + v * 8)), offset);
            __m512d centre = _mm512_permutex2var_pd(low, own[v], high);
            __m512d difference = _mm512_sub_pd(row, centre);
            sums[v] = _mm512_add_pd(sums[v], _mm512_mul_pd(difference, difference));
        }
    }
#pragma GCC unroll 8
    for (int v = 0; v < BLOCK_ROWS / 8; v++)
        _mm512_storeu_pd(d2 + v * 8, sums[v]);
}

static void own_distances_avx512(const struct kmeans_filter *filter, const float *x,
                                 const int32_t *labels, double *d2)
{
    if (filter->k <= 16) {
        few_own_distances(filter, x, labels, d2);
        return;
    }
    const __m512i columns = _mm512_set1_epi64(filter->columns);
    for (int i = 0; i < BLOCK_ROWS; i += 8) {
        __m256i label = _mm256_loadu_si256((const __m256i *)(labels + i));
        __m512i first = _mm512_mul_epi32(_mm512_cvtepi32_epi64(label), columns);
        __m512d sum = _mm512_setzero_pd();
        for (int32_t j = 0; j < filter->columns; j++) {
            __m512d row = _mm512_cvtps_pd(_mm256_load_ps(x + (int64_t)j * BLOCK_ROWS + i));
            row = _mm512_add_pd(row, _mm512_set1_pd(filter->offset[j]));
            __m512d centre = _mm512_i64gather_pd(first, filter->exact + j, 8);
            __m512d difference = _mm512_sub_pd(row, centre);
            sum = _mm512_add_pd(sum, _mm512_mul_pd(difference, difference));
        }
        _mm512_storeu_pd(d2 + i, sum);
    }
}

static int64_t sum_rounded_avx512(const double *values, double scale)
{
    __m512i sum = _mm512_setzero_si512();
    for (int i = 0; i < BLOCK_ROWS; i += 8) {
        __m512d scaled = _mm512_mul_pd(_mm512_loadu_pd(values + i), _mm512_set1_pd(scale));
        sum = _mm512_add_epi64(sum, _mm512_cvtpd_epi64(scaled));
    }
    return _mm512_reduce_add_epi64(sum);
}

static void moments_avx512(const float *x, int32_t rows, double scale,
                           struct block_moments *moments)
{
    const __m512d scales = _mm512_set1_pd(scale);
    const uint64_t counted = rows < BLOCK_ROWS ? ((uint64_t)1 << rows) - 1 : UINT64_MAX;
    __m512i sum = _mm512_setzero_si512(), squares = _mm512_setzero_si512();
    uint64_t nonzero = 0, zero = 0; /* bits of rows with x != 0, and with r = 0 */
    for (int i = 0; i < BLOCK_ROWS; i += 8) {
        __m256 value = _mm256_maskz_loadu_ps((__mmask8)(counted >> i), x + i);
        __m256i r32 = _mm512_cvtpd_epi32(_mm512_mul_pd(_mm512_cvtps_pd(value), scales));
        __m512i r = _mm512_cvtepi32_epi64(r32);
        sum = _mm512_add_epi64(sum, r);
        squares = _mm512_add_epi64(squares, _mm512_mul_epi32(r, r));
        nonzero |= (uint64_t)_mm256_cmp_ps_mask(value, _mm256_setzero_ps(), _CMP_NEQ_OQ) << i;
        zero |= (uint64_t)_mm256_testn_epi32_mask(r32, r32) << i;
    }
    moments->nonzero = __builtin_popcountll(nonzero);
    moments->vanished = __builtin_popcountll(nonzero & zero);
    moments->sum = _mm512_reduce_add_epi64(sum);
    moments->squares = _mm512_reduce_add_epi64(squares);
}

/* Squared distances of 16 centres to the nearest and the farthest point of a box: of low - c and
 * c - high at most one is positive, and the smaller is how far away the other side is. */
ALWAYS_INLINE void box_distances(const float *box, int32_t columns, const float *values,
                                 int64_t stride, __m512 *least, __m512 *most)
{
    *least = *most = _mm512_setzero_ps();
    for (int32_t j = 0; j < columns; j++, values += stride) {
        __m512 centre = _mm512_loadu_ps(values);
        __m512 below = _mm512_sub_ps(_mm512_set1_ps(box[j]), centre);
        __m512 above = _mm512_sub_ps(centre, _mm512_set1_ps(box[columns + j]));
        __m512 outside = _mm512_max_ps(_mm512_max_ps(below, above), _mm512_setzero_ps());
        __m512 inside = _mm512_min_ps(below, above);
        *least = _mm512_fmadd_ps(outside, outside, *least);
        *most = _mm512_fmadd_ps(inside, inside, *most);
    }
}

/* The second smallest of all values, of 16 smallest and 16 second smallest. */
ALWAYS_INLINE float second_of(__m512 smallest, __m512 second)
{
    const __m512 first = _mm512_set1_ps(_mm512_reduce_min_ps(smallest));
    __mmask16 lowest = _mm512_cmp_ps_mask(smallest, first, _CMP_EQ_OQ);
    lowest &= (__mmask16)-lowest; /* one of them */
    return _mm512_reduce_min_ps(_mm512_mask_min_ps(second, (__mmask16)~lowest, second, smallest));
}

/* Appends those of 16 centres whose bits are set. */
ALWAYS_INLINE void append_near(const struct centre_list *from, int32_t first, __mmask16 bits,
                               int32_t columns, struct centre_list *near)
{
    const int32_t at = near->count;
    near->count += __builtin_popcount(bits);
    __m512i index = _mm512_loadu_si512(from->index + first);
    __m512 half = _mm512_loadu_ps(from->halves + first);
    _mm512_storeu_si512(near->index + at, _mm512_maskz_compress_epi32(bits, index));
    _mm512_storeu_ps(near->halves + at, _mm512_maskz_compress_ps(bits, half));
    for (int64_t j = 0; j < columns; j++) {
        __m512 values = _mm512_loadu_ps(from->values + j * from->stride + first);
        _mm512_storeu_ps(near->values + j * near->stride + at,
                         _mm512_maskz_compress_ps(bits, values));
    }
}

static void near_box_avx512(const float *box, int32_t columns, float slack,
                            const struct centre_list *from, struct centre_list *near, float *work)
{
    __m512 smallest = _mm512_set1_ps(INFINITY), second = smallest;
    for (int32_t c = 0; c < from->count; c += LANES) {
        __m512 least, most;
        box_distances(box, columns, from->values + c, from->stride, &least, &most);
        const int32_t left = from->count - c;
        const __mmask16 past = left < LANES ? (__mmask16)(0xffffu << left) : 0;
        least = _mm512_mask_mov_ps(least, past, _mm512_set1_ps(INFINITY));
        most = _mm512_mask_mov_ps(most, past, _mm512_set1_ps(INFINITY));
        _mm512_storeu_ps(work + c, least);
        second = _mm512_min_ps(_mm512_max_ps(most, smallest), second);
        smallest = _mm512_min_ps(most, smallest);
    }
    const __m512 bound = _mm512_set1_ps(second_of(smallest, second) * NEAR_FACTOR + slack);
    near->count = 0;
    for (int32_t c = 0; c < from->count; c += LANES) {
        const int32_t left = from->count - c;
        const __mmask16 here = left < LANES ? (__mmask16)((1u << left) - 1) : 0xffff;
        __mmask16 keep =
            _mm512_mask_cmp_ps_mask(here, _mm512_loadu_ps(work + c), bound, _CMP_NGT_UQ);
        if (keep != 0) append_near(from, c, keep, columns, near);
    }
}

const struct kmeans_kernels *kmeans_kernels_avx512(void)
{
    static const struct kmeans_kernels kernels = {
        .name = "avx512",
        .tile = TILE,
        .load = load_avx512,
        .beyond = beyond_avx512,
        .filter = filter_avx512,
        .scores = scores_avx512,
        .unsettled = unsettled_avx512,
        .move_rows = move_rows_avx512,
        .distances = distances_avx512,
        .approach = approach_avx512,
        .potentials = potentials_avx512,
        .near_box = near_box_avx512,
        .moments = moments_avx512,
        .own_distances = own_distances_avx512,
        .sum_rounded = sum_rounded_avx512,
    };
    return &kernels;
}

/* The same with products by tiles of matrix multiplication where those pay. */
const struct kmeans_kernels *kmeans_kernels_amx(void)
{
    static const struct kmeans_kernels kernels = {
        .name = "amx",
        .tile = TILE,
        .load = load_avx512,
        .beyond = beyond_avx512,
        .splits = splits_amx,
        .filter = filter_amx,
        .scores = scores_avx512,
        .unsettled = unsettled_avx512,
        .move_rows = move_rows_avx512,
        .distances = distances_avx512,
        .approach = approach_avx512,
        .potentials = potentials_avx512,
        .near_box = near_box_avx512,
        .moments = moments_avx512,
        .own_distances = own_distances_avx512,
        .sum_rounded = sum_rounded_avx512,
    };
    return &kernels;
}
