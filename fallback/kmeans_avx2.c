/* KMeans on one block of rows with AVX2 and FMA: as kmeans_avx512.c, with 8 rows to a vector and
 * 16 registers. Up to 8 columns the rows stay in registers; beyond, a tile of 6 centres by 16 rows
 * of scores does. */
#include "fallback/kmeans_kernels.h"

#include <immintrin.h>
#include <math.h>

#include "fallback/load_block.h"
#include "fallback/near_box.h"
#include "fallback/transpose.h"

#define ALWAYS_INLINE static inline __attribute__((always_inline))

enum { LANES = 8, TILE = 6, TILE_VECTORS = 2, SCORE_TILES = 4 };

/* 8 rows from `rows` on, each `stride` long, and 4 columns. */
ALWAYS_INLINE void load_four(const float *rows, int64_t stride, const float *offset, float *x)
{
    __m256 v[4], pairs[4];
    for (int i = 0; i < 4; i++) { /* rows i and 4 + i side by side */
        const float *row = rows + i * stride;
        v[i] = _mm256_castps128_ps256(_mm_loadu_ps(row));
        v[i] = _mm256_insertf128_ps(v[i], _mm_loadu_ps(row + 4 * stride), 1);
    }
    for (int i = 0; i < 4; i += 2) {
        pairs[i] = _mm256_unpacklo_ps(v[i], v[i + 1]);
        pairs[i + 1] = _mm256_unpackhi_ps(v[i], v[i + 1]);
    }
    for (int j = 0; j < 4; j += 2) {
        __m256 low = _mm256_shuffle_ps(pairs[j / 2], pairs[2 + j / 2], 0x44);
        __m256 high = _mm256_shuffle_ps(pairs[j / 2], pairs[2 + j / 2], 0xee);
        _mm256_store_ps(x + j * BLOCK_ROWS, _mm256_sub_ps(low, _mm256_set1_ps(offset[j])));
        _mm256_store_ps(x + (j + 1) * BLOCK_ROWS,
                        _mm256_sub_ps(high, _mm256_set1_ps(offset[j + 1])));
    }
}

static void load_avx2(const float *values, int32_t columns, const float *offset, float *x)
{
    load_block(values, columns, offset, x, LANES, load_four);
}

/* Magnitudes are compared as integers, which puts NaN above all. */
static bool beyond_avx2(const float *x, int32_t columns, const float *limits)
{
    const __m256i magnitude = _mm256_set1_epi32(0x7fffffff);
    __m256i beyond = _mm256_setzero_si256();
    for (int32_t j = 0; j < columns; j++, x += BLOCK_ROWS) {
        __m256i most = _mm256_setzero_si256();
        for (int i = 0; i < BLOCK_ROWS; i += LANES)
            most = _mm256_max_epi32(
                most, _mm256_and_si256(_mm256_load_si256((const __m256i *)(x + i)), magnitude));
        __m256i limit = _mm256_castps_si256(_mm256_set1_ps(limits[j]));
        beyond = _mm256_or_si256(beyond, _mm256_cmpgt_epi32(most, limit));
    }
    return !_mm256_testz_si256(beyond, beyond);
}

/* The ranking so far of 8 rows. */
struct ranking {
    __m256 best, second, label; /* label: the bits of an int32_t */
};

ALWAYS_INLINE struct ranking empty_ranking(void)
{
    const __m256 infinity = _mm256_set1_ps(INFINITY);
    return (struct ranking){infinity, infinity, _mm256_setzero_ps()};
}

/* Centres come in ascending order, so a strict < keeps the lowest index among equals. */
ALWAYS_INLINE void rank(struct ranking *ranking, __m256 score, __m256i centre)
{
    __m256 closer = _mm256_cmp_ps(score, ranking->best, _CMP_LT_OQ);
    __m256 worse = _mm256_max_ps(score, ranking->best);
    ranking->second = _mm256_min_ps(worse, ranking->second);
    ranking->best = _mm256_min_ps(score, ranking->best);
    ranking->label = _mm256_blendv_ps(ranking->label, _mm256_castsi256_ps(centre), closer);
}

/* Stores the labels of 8 rows; returns the bits of those too close to call, NaN among them. */
ALWAYS_INLINE uint64_t decide(const struct ranking *ranking, float margin, int32_t *labels)
{
    __m256 gap = _mm256_sub_ps(ranking->second, ranking->best);
    __m256 close = _mm256_cmp_ps(gap, _mm256_set1_ps(margin), _CMP_NGT_UQ);
    _mm256_storeu_si256((__m256i *)labels, _mm256_castps_si256(ranking->label));
    return (uint64_t)_mm256_movemask_ps(close);
}

static float least_of(const float *limits)
{
    __m256 least = _mm256_load_ps(limits);
    for (int i = LANES; i < BLOCK_ROWS; i += LANES)
        least = _mm256_min_ps(least, _mm256_load_ps(limits + i));
    __m128 four = _mm_min_ps(_mm256_castps256_ps128(least), _mm256_extractf128_ps(least, 1));
    four = _mm_min_ps(four, _mm_movehl_ps(four, four));
    return _mm_cvtss_f32(_mm_min_ss(four, _mm_movehdup_ps(four)));
}

/* Limits of 8 rows: the drift so far and (second - best - reserve) / (2 l), with l at least the
 * distance to the second centre. */
ALWAYS_INLINE __m256 limits_of(const struct kmeans_filter *filter, const struct ranking *ranking,
                               const float *x)
{
    __m256 norm = _mm256_set1_ps(filter->spread);
    for (int32_t j = 0; j < filter->columns; j++, x += BLOCK_ROWS)
        norm = _mm256_fmadd_ps(_mm256_load_ps(x), _mm256_load_ps(x), norm);
    __m256 gap = _mm256_sub_ps(_mm256_sub_ps(ranking->second, ranking->best),
                               _mm256_set1_ps(filter->reserve));
    __m256 square = _mm256_fmadd_ps(_mm256_set1_ps(2.0f), ranking->second, norm);
    __m256 room =
        _mm256_mul_ps(_mm256_mul_ps(gap, _mm256_set1_ps(ROOM_FACTOR)), _mm256_rsqrt_ps(square));
    return _mm256_mul_ps(_mm256_add_ps(room, _mm256_set1_ps(filter->drift)),
                         _mm256_set1_ps(LIMIT_FACTOR));
}

/* columns and vectors are literals: x lives in columns * vectors registers. */
ALWAYS_INLINE uint64_t filter_strip(const struct kmeans_filter *filter, const float *x,
                                    int32_t *labels, float *limits, int32_t columns, int vectors)
{
    __m256 row[2][8];
    struct ranking rankings[2];
    for (int v = 0; v < vectors; v++) {
        rankings[v] = empty_ranking();
        for (int32_t j = 0; j < columns; j++)
            row[v][j] = _mm256_load_ps(x + j * BLOCK_ROWS + v * LANES);
    }
    for (int32_t first = 0; first < filter->k; first += TILE) {
        const float *centre = filter->centres + (int64_t)first * columns;
        const float *half = filter->halves + first;
        const int32_t width = filter->k - first < TILE ? filter->k - first : TILE;
        for (int32_t c = 0; c < width; c++) {
            __m256 score[2];
            for (int v = 0; v < vectors; v++)
                score[v] = _mm256_set1_ps(half[c]);
            for (int32_t j = 0; j < columns; j++)
                for (int v = 0; v < vectors; v++)
                    score[v] =
                        _mm256_fnmadd_ps(row[v][j], _mm256_set1_ps(centre[j * TILE + c]), score[v]);
            for (int v = 0; v < vectors; v++)
                rank(&rankings[v], score[v], _mm256_set1_epi32(first + c));
        }
    }
    uint64_t ties = 0;
    for (int v = 0; v < vectors; v++) {
        ties |= decide(&rankings[v], filter->margin, labels + v * LANES) << (v * LANES);
        if (limits != NULL)
            _mm256_storeu_ps(limits + v * LANES, limits_of(filter, &rankings[v], x + v * LANES));
    }
    return ties;
}

ALWAYS_INLINE uint64_t filter_narrow(const struct kmeans_filter *filter, const float *x,
                                     int32_t *labels, struct filter_limits *limits, int32_t columns,
                                     int vectors)
{
    uint64_t ties = 0;
    for (int i = 0; i < BLOCK_ROWS; i += vectors * LANES)
        ties |= filter_strip(filter, x + i, labels + i, limits == NULL ? NULL : limits->rows + i,
                             columns, vectors)
                << i;
    if (limits != NULL) limits->least = least_of(limits->rows);
    return ties;
}

/* width (a literal) centres from `first` on, against 16 rows. */
ALWAYS_INLINE void filter_tile(const struct kmeans_filter *filter, const float *x, int32_t first,
                               int width, struct ranking *rankings)
{
    __m256 score[TILE][TILE_VECTORS];
    for (int c = 0; c < width; c++)
        for (int v = 0; v < TILE_VECTORS; v++)
            score[c][v] = _mm256_set1_ps(filter->halves[first + c]);

    const float *centre = filter->centres + (int64_t)first * filter->columns;
    for (int32_t j = 0; j < filter->columns; j++, centre += TILE, x += BLOCK_ROWS) {
        __m256 row[TILE_VECTORS];
        for (int v = 0; v < TILE_VECTORS; v++)
            row[v] = _mm256_load_ps(x + v * LANES);
        for (int c = 0; c < width; c++) {
            __m256 coordinate = _mm256_set1_ps(centre[c]);
            for (int v = 0; v < TILE_VECTORS; v++)
                score[c][v] = _mm256_fnmadd_ps(row[v], coordinate, score[c][v]);
        }
    }
    for (int c = 0; c < width; c++)
        for (int v = 0; v < TILE_VECTORS; v++)
            rank(&rankings[v], score[c][v], _mm256_set1_epi32(first + c));
}

static uint64_t filter_wide(const struct kmeans_filter *filter, const float *x, int32_t *labels,
                            struct filter_limits *limits)
{
    uint64_t ties = 0;
    for (int row = 0; row < BLOCK_ROWS; row += TILE_VECTORS * LANES) {
        struct ranking rankings[TILE_VECTORS];
        for (int v = 0; v < TILE_VECTORS; v++)
            rankings[v] = empty_ranking();
        for (int32_t first = 0; first < filter->k; first += TILE) {
            const int32_t left = filter->k - first;
            if (left > 4) {
                filter_tile(filter, x + row, first, TILE, rankings);
            } else if (left > 2) {
                filter_tile(filter, x + row, first, 4, rankings);
            } else {
                filter_tile(filter, x + row, first, 2, rankings);
            }
        }
        for (int v = 0; v < TILE_VECTORS; v++) {
            const int at = row + v * LANES;
            ties |= decide(&rankings[v], filter->margin, labels + at) << at;
            if (limits != NULL)
                _mm256_store_ps(limits->rows + at, limits_of(filter, &rankings[v], x + at));
        }
    }
    if (limits != NULL) limits->least = least_of(limits->rows);
    return ties;
}

static uint64_t filter_avx2(const struct kmeans_filter *filter, const float *x, int32_t *labels,
                            struct filter_limits *limits)
{
    switch (filter->columns) {
    case 1:
        return filter_narrow(filter, x, labels, limits, 1, 2);
    case 2:
        return filter_narrow(filter, x, labels, limits, 2, 2);
    case 3:
        return filter_narrow(filter, x, labels, limits, 3, 2);
    case 4:
        return filter_narrow(filter, x, labels, limits, 4, 2);
    case 5:
        return filter_narrow(filter, x, labels, limits, 5, 1);
    case 6:
        return filter_narrow(filter, x, labels, limits, 6, 1);
    case 7:
        return filter_narrow(filter, x, labels, limits, 7, 1);
    case 8:
        return filter_narrow(filter, x, labels, limits, 8, 1);
    default:
        return filter_wide(filter, x, labels, limits);
    }
}

/* A tile's centres are the lanes of a vector; a few tiles at a time hide the latency. */
static void scores_avx2(const struct kmeans_filter *filter, const float *x, int32_t first,
                        int32_t count, float *scores)
{
    const __m256i lanes = _mm256_setr_epi32(-1, -1, -1, -1, -1, -1, 0, 0);
    const int64_t size = (int64_t)TILE * filter->columns;
    const int32_t tiles = (count + TILE - 1) / TILE;
    const float *centres = filter->centres + first / TILE * size;
    for (int32_t t = 0; t < tiles; t += SCORE_TILES, centres += SCORE_TILES * size) {
        const int32_t some = tiles - t < SCORE_TILES ? tiles - t : SCORE_TILES;
        __m256 score[SCORE_TILES];
        for (int32_t i = 0; i < SCORE_TILES; i++)
            score[i] =
                _mm256_maskload_ps(filter->halves + first + (i < some ? t + i : t) * TILE, lanes);
        for (int64_t j = 0; j < filter->columns; j++) {
            const __m256 value = _mm256_set1_ps(x[j * BLOCK_ROWS]);
            for (int32_t i = 0; i < SCORE_TILES; i++) {
                const float *centre = centres + (i < some ? i * size : 0) + j * TILE;
                score[i] = _mm256_fnmadd_ps(value, _mm256_maskload_ps(centre, lanes), score[i]);
            }
        }
        for (int32_t i = 0; i < some; i++)
            _mm256_maskstore_ps(scores + (t + i) * TILE, lanes, score[i]);
    }
}

/* Distances of 16 rows to `count` (a literal) points, the reference's bit for bit. */
ALWAYS_INLINE void distance_tile(const float *x, int32_t columns, const float *points, int count,
                                 __m256 sum[4][TILE_VECTORS])
{
    for (int p = 0; p < count; p++)
        for (int v = 0; v < TILE_VECTORS; v++)
            sum[p][v] = _mm256_setzero_ps();
    for (int32_t j = 0; j < columns; j++, x += BLOCK_ROWS)
        for (int p = 0; p < count; p++) {
            __m256 coordinate = _mm256_set1_ps(points[(int64_t)p * columns + j]);
            for (int v = 0; v < TILE_VECTORS; v++) {
                __m256 difference = _mm256_sub_ps(_mm256_load_ps(x + v * LANES), coordinate);
                sum[p][v] = _mm256_fmadd_ps(difference, difference, sum[p][v]);
            }
        }
}

ALWAYS_INLINE void store_tile(const float *x, int32_t columns, const float *points, int count,
                              float *d2)
{
    __m256 sum[4][TILE_VECTORS];
    distance_tile(x, columns, points, count, sum);
    for (int p = 0; p < count; p++)
        for (int v = 0; v < TILE_VECTORS; v++)
            _mm256_storeu_ps(d2 + p * BLOCK_ROWS + v * LANES, sum[p][v]);
}

ALWAYS_INLINE void approach_tile(const float *x, int32_t columns, const float *points, int count,
                                 float *nearest)
{
    __m256 sum[4][TILE_VECTORS];
    distance_tile(x, columns, points, count, sum);
    for (int v = 0; v < TILE_VECTORS; v++) {
        __m256 least = _mm256_load_ps(nearest + v * LANES);
        for (int p = 0; p < count; p++)
            least = _mm256_min_ps(sum[p][v], least);
        _mm256_store_ps(nearest + v * LANES, least);
    }
}

static void approach_avx2(const float *x, int32_t columns, const float *points, int32_t count,
                          float *nearest)
{
    for (; count > 0; count -= 4, points += 4 * (int64_t)columns)
        for (int i = 0; i < BLOCK_ROWS; i += TILE_VECTORS * LANES) {
            if (count >= 4) approach_tile(x + i, columns, points, 4, nearest + i);
            if (count == 3) approach_tile(x + i, columns, points, 3, nearest + i);
            if (count == 2) approach_tile(x + i, columns, points, 2, nearest + i);
            if (count == 1) approach_tile(x + i, columns, points, 1, nearest + i);
        }
}

static void distances_avx2(const float *x, int32_t columns, const float *points, int32_t count,
                           float *d2)
{
    for (; count > 0; count -= 4, points += 4 * (int64_t)columns, d2 += 4 * BLOCK_ROWS)
        for (int i = 0; i < BLOCK_ROWS; i += TILE_VECTORS * LANES) {
            if (count >= 4) store_tile(x + i, columns, points, 4, d2 + i);
            if (count == 3) store_tile(x + i, columns, points, 3, d2 + i);
            if (count == 2) store_tile(x + i, columns, points, 2, d2 + i);
            if (count == 1) store_tile(x + i, columns, points, 1, d2 + i);
        }
}

/* rint() to integers: below 2^51, adding 1.5 * 2^52 leaves the rounded value in the low bits. */
ALWAYS_INLINE __m256i rounded4(__m256d value)
{
    const __m256d shift = _mm256_set1_pd(6755399441055744.0);
    return _mm256_sub_epi64(_mm256_castpd_si256(_mm256_add_pd(value, shift)),
                            _mm256_castpd_si256(shift));
}

ALWAYS_INLINE __m256i quantise4(__m128 value, __m256d scale)
{
    return rounded4(_mm256_mul_pd(_mm256_cvtps_pd(value), scale));
}

static int64_t add_lanes(__m256i sum)
{
    int64_t sums[4];
    _mm256_storeu_si256((__m256i *)sums, sum);
    return sums[0] + sums[1] + sums[2] + sums[3];
}

static uint64_t unsettled_avx2(const float *limits, float drift)
{
    uint64_t bits = 0;
    for (int i = 0; i < BLOCK_ROWS; i += LANES) {
        __m256 below =
            _mm256_cmp_ps(_mm256_loadu_ps(limits + i), _mm256_set1_ps(drift), _CMP_NGT_UQ);
        bits |= (uint64_t)_mm256_movemask_ps(below) << i;
    }
    return bits;
}

ALWAYS_INLINE uint64_t changed_rows(const int32_t *from, const int32_t *to)
{
    uint64_t same = 0;
    for (int i = 0; i < BLOCK_ROWS; i += LANES) {
        __m256i equal = _mm256_cmpeq_epi32(_mm256_loadu_si256((const __m256i *)(from + i)),
                                           _mm256_loadu_si256((const __m256i *)(to + i)));
        same |= (uint64_t)_mm256_movemask_ps(_mm256_castsi256_ps(equal)) << i;
    }
    return ~same;
}

ALWAYS_INLINE __m256i load4(const int64_t *sums)
{
    return _mm256_loadu_si256((const __m256i *)sums);
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
        for (unsigned left = moved; left != 0; left &= left - 1) {
            const int i = __builtin_ctz(left);
            for (int h = 0; h < 8; h += 4) {
                const __m128 half =
                    h == 0 ? _mm256_castps256_ps128(rows[i]) : _mm256_extractf128_ps(rows[i], 1);
                const __m256i value = quantise4(half, _mm256_loadu_pd(scale + h));
                int64_t *into = sums + to[i] * stride + h;
                _mm256_storeu_si256((__m256i *)into, _mm256_add_epi64(load4(into), value));
                if (from[i] < 0) continue;
                int64_t *out = sums + from[i] * stride + h;
                _mm256_storeu_si256((__m256i *)out, _mm256_sub_epi64(load4(out), value));
            }
        }
    }
}

static uint64_t move_rows_avx2(const float *x, int32_t columns, const double *scale,
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

static void potentials_avx2(const float *nearest, const float *d2, int32_t count, double scale,
                            const int64_t *mass, struct int128 *sums)
{
    const __m256d scales = _mm256_set1_pd(scale);
    const __m256i below = _mm256_set1_epi64x((INT64_C(1) << POTENTIAL_LOW_BITS) - 1);
    for (int32_t p = 0; p < count; p++, d2 += BLOCK_ROWS) {
        __m256i low = _mm256_setzero_si256(), high = _mm256_setzero_si256();
        for (int i = 0; i < BLOCK_ROWS; i += 4) {
            __m128 smaller = _mm_min_ps(_mm_loadu_ps(d2 + i), _mm_loadu_ps(nearest + i));
            __m256i term = quantise4(smaller, scales);
            if (mass == NULL) {
                low = _mm256_add_epi64(low, term);
                continue;
            }
            __m256i times = _mm256_loadu_si256((const __m256i *)(mass + i));
            __m256i upper = _mm256_srli_epi64(term, POTENTIAL_LOW_BITS);
            __m256i lower = _mm256_and_si256(term, below);
            low = _mm256_add_epi64(low, _mm256_mul_epu32(lower, times));
            high = _mm256_add_epi64(high, _mm256_mul_epu32(upper, times));
        }
        add_potential(&sums[p], add_lanes(low), add_lanes(high));
    }
}

static void own_distances_avx2(const struct kmeans_filter *filter, const float *x,
                               const int32_t *labels, double *d2)
{
    const __m256i columns = _mm256_set1_epi64x(filter->columns);
    for (int i = 0; i < BLOCK_ROWS; i += 4) {
        __m128i label = _mm_loadu_si128((const __m128i *)(labels + i));
        __m256i first = _mm256_mul_epi32(_mm256_cvtepi32_epi64(label), columns);
        __m256d sum = _mm256_setzero_pd();
        for (int32_t j = 0; j < filter->columns; j++) {
            __m256d row = _mm256_cvtps_pd(_mm_load_ps(x + (int64_t)j * BLOCK_ROWS + i));
            row = _mm256_add_pd(row, _mm256_set1_pd(filter->offset[j]));
            __m256d centre = _mm256_i64gather_pd(filter->exact + j, first, 8);
            __m256d difference = _mm256_sub_pd(row, centre);
            sum = _mm256_add_pd(sum, _mm256_mul_pd(difference, difference));
        }
        _mm256_storeu_pd(d2 + i, sum);
    }
}

static int64_t sum_rounded_avx2(const double *values, double scale)
{
    __m256i sum = _mm256_setzero_si256();
    for (int i = 0; i < BLOCK_ROWS; i += 4)
        sum = _mm256_add_epi64(
            sum, rounded4(_mm256_mul_pd(_mm256_loadu_pd(values + i), _mm256_set1_pd(scale))));
    return add_lanes(sum);
}

static void moments_avx2(const float *x, int32_t rows, double scale, struct block_moments *moments)
{
    const __m256d scales = _mm256_set1_pd(scale);
    const __m128i lane = _mm_setr_epi32(0, 1, 2, 3);
    __m256i sum = _mm256_setzero_si256(), squares = _mm256_setzero_si256();
    moments->nonzero = moments->vanished = 0;
    for (int32_t i = 0; i < rows; i += 4) {
        __m128i counted = _mm_cmpgt_epi32(_mm_set1_epi32(rows - i), lane);
        __m128 value = _mm_and_ps(_mm_load_ps(x + i), _mm_castsi128_ps(counted));
        __m128i r32 = _mm256_cvtpd_epi32(_mm256_mul_pd(_mm256_cvtps_pd(value), scales));
        __m256i r = _mm256_cvtepi32_epi64(r32);
        sum = _mm256_add_epi64(sum, r);
        squares = _mm256_add_epi64(squares, _mm256_mul_epi32(r, r));
        __m128 nonzero = _mm_cmpneq_ps(value, _mm_setzero_ps());
        __m128i zero = _mm_cmpeq_epi32(r32, _mm_setzero_si128());
        __m128 vanished = _mm_and_ps(nonzero, _mm_castsi128_ps(zero));
        moments->nonzero += __builtin_popcount((unsigned)_mm_movemask_ps(nonzero));
        moments->vanished += __builtin_popcount((unsigned)_mm_movemask_ps(vanished));
    }
    moments->sum = add_lanes(sum);
    moments->squares = add_lanes(squares);
}

static void near_box_avx2(const float *box, int32_t columns, float slack,
                          const struct centre_list *from, struct centre_list *near, float *work)
{
    near_box(box, columns, slack, from, near, work);
}

const struct kmeans_kernels *kmeans_kernels_avx2(void)
{
    static const struct kmeans_kernels kernels = {
        .name = "avx2",
        .tile = TILE,
        .load = load_avx2,
        .beyond = beyond_avx2,
        .filter = filter_avx2,
        .scores = scores_avx2,
        .unsettled = unsettled_avx2,
        .move_rows = move_rows_avx2,
        .distances = distances_avx2,
        .approach = approach_avx2,
        .potentials = potentials_avx2,
        .near_box = near_box_avx2,
        .moments = moments_avx2,
        .own_distances = own_distances_avx2,
        .sum_rounded = sum_rounded_avx2,
    };
    return &kernels;
}
