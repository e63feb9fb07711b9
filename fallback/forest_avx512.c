/* Forests with AVX-512: 64 ranks, a byte each, to a vector; the outcome of a split is a mask of 64
 * rows, and eight trees' masks of one place are a vector again. */
#include <immintrin.h>
#include <math.h>
#include <string.h>

#include "fallback/forest_plan.h"
#include "fallback/forest_walk.h"

#define ALWAYS_INLINE static inline __attribute__((always_inline))

enum { LANES = 16 };

/* ---- Ranks ---------------------------------------------------------------------------------- */

/* How many of up to 255 ascending thresholds are <= x, in each lane; NaN behind the last one. */
ALWAYS_INLINE __m512i rank_all(const struct rank_column *column, __m512 x)
{
    __m512i rank = _mm512_setzero_si512();
    for (int step = column->count > 15 ? 128 : 8; step > 0; step /= 2) {
        __m512i at = _mm512_add_epi32(rank, _mm512_set1_epi32(step - 1));
        __m512 there = _mm512_i32gather_ps(at, column->thresholds, 4);
        rank = _mm512_mask_add_epi32(rank, _mm512_cmp_ps_mask(there, x, _CMP_LE_OQ), rank,
                                     _mm512_set1_epi32(step));
    }
    return rank;
}

/* The same from the thresholds below x's bucket on. max gives its second operand for NaN. */
ALWAYS_INLINE __m512i rank_bucket(const struct rank_column *column, __m512 x, int32_t steps)
{
    __m512 at = _mm512_mul_ps(_mm512_sub_ps(x, _mm512_set1_ps(column->origin)),
                              _mm512_set1_ps(column->scale));
    at = _mm512_min_ps(_mm512_max_ps(at, _mm512_setzero_ps()),
                       _mm512_set1_ps((float)(FOREST_BUCKETS - 1)));
    __m512i rank = _mm512_and_si512(
        _mm512_i32gather_epi32(_mm512_cvttps_epi32(at), column->below, 1), _mm512_set1_epi32(255));
    for (int step = (1 << steps) / 2; step > 0; step /= 2) {
        __m512i place = _mm512_add_epi32(rank, _mm512_set1_epi32(step - 1));
        __m512 there = _mm512_i32gather_ps(place, column->thresholds, 4);
        rank = _mm512_mask_add_epi32(rank, _mm512_cmp_ps_mask(there, x, _CMP_LE_OQ), rank,
                                     _mm512_set1_epi32(step));
    }
    return rank;
}

ALWAYS_INLINE __m512i rank_floats(const struct rank_column *column, __m512 x)
{
    if (column->below == NULL) return rank_all(column, x);
    switch (column->steps) {
    case 1:
        return rank_bucket(column, x, 1);
    case 2:
        return rank_bucket(column, x, 2);
    default:
        return rank_bucket(column, x, 3);
    }
}

/* Which lanes are missing, and x as the rest of the column sees it. */
ALWAYS_INLINE __mmask16 missing_floats(enum rank_missing missing, __m512 *x)
{
    const __mmask16 nan = _mm512_cmp_ps_mask(*x, *x, _CMP_UNORD_Q);
    if (missing == MISSING_NAN) return nan;
    *x = _mm512_maskz_mov_ps((__mmask16)~nan, *x);
    if (missing == MISSING_NOTHING) return 0;
    return _mm512_cmp_ps_mask(_mm512_abs_ps(*x), _mm512_set1_ps(1e-35f), _CMP_LE_OQ);
}

/* Sixteen ranks as bytes into both slots of a column. */
ALWAYS_INLINE void store_ranks(const struct rank_column *column, __m512i rank, __mmask16 missing,
                               uint8_t *ranks)
{
    uint8_t *to = ranks + (int64_t)column->slot * FOREST_ROWS;
    const __m512i all = _mm512_set1_epi32(column->count);
    rank = _mm512_maskz_mov_epi32((__mmask16)~missing, rank);
    _mm_storeu_si128((__m128i *)to, _mm512_cvtepi32_epi8(rank));
    _mm_storeu_si128((__m128i *)(to + FOREST_ROWS),
                     _mm512_cvtepi32_epi8(_mm512_mask_mov_epi32(rank, missing, all)));
}

/* Rows past the last one repeat it. The offsets of 16 rows, in values. */
ALWAYS_INLINE __m512i row_offsets(const struct spot_forest_rows *rows, int32_t first)
{
    __m512i row =
        _mm512_add_epi32(_mm512_set1_epi32(first),
                         _mm512_set_epi32(15, 14, 13, 12, 11, 10, 9, 8, 7, 6, 5, 4, 3, 2, 1, 0));
    row = _mm512_min_epi32(row, _mm512_set1_epi32((int32_t)rows->rows - 1));
    return _mm512_mullo_epi32(row, _mm512_set1_epi32(rows->columns));
}

static void rank_column32(const struct rank_column *column, const struct spot_forest_rows *rows,
                          uint8_t *ranks)
{
    for (int32_t first = 0; first < FOREST_ROWS; first += LANES) {
        __m512 x;
        if (rows->values != NULL) {
            x = _mm512_i32gather_ps(row_offsets(rows, first), rows->values + column->feature, 4);
        } else {
            float values[LANES];
            for (int32_t i = 0; i < LANES; i++) {
                const int64_t row = first + i < rows->rows ? first + i : rows->rows - 1;
                values[i] = (float)rows->values64[row * rows->columns + column->feature];
            }
            x = _mm512_loadu_ps(values);
        }
        const __mmask16 missing = missing_floats(column->missing, &x);
        store_ranks(column, rank_floats(column, x), missing, ranks + first);
    }
}

/* LightGBM's float64 rows. */
static void rank_column64(const struct rank_column *column, const struct spot_forest_rows *rows,
                          uint8_t *ranks)
{
    uint8_t *to = ranks + (int64_t)column->slot * FOREST_ROWS;
    for (int64_t i = 0; i < FOREST_ROWS; i++) {
        const int64_t row = i < rows->rows ? i : rows->rows - 1;
        double x = rows->values64[row * rows->columns + column->feature];
        bool missing = isnan(x) && column->missing != MISSING_NOTHING;
        if (isnan(x)) x = 0.0;
        missing |= column->missing == MISSING_ZERO && fabs(x) <= (double)1e-35f;
        int32_t rank = 0, left = column->count;
        while (left > 0) { /* how many thresholds are below x */
            const int32_t half = (left + 1) / 2;
            rank += column->thresholds64[rank + half - 1] < x ? half : 0;
            left -= half;
        }
        to[i] = (uint8_t)(missing ? 0 : rank);
        to[FOREST_ROWS + i] = (uint8_t)(missing ? column->count : rank);
    }
}

static void rank_category(const struct forest *forest, const struct rank_column *column,
                          const struct spot_forest_rows *rows, uint8_t *ranks)
{
    uint8_t *to = ranks + (int64_t)column->slot * FOREST_ROWS;
    for (int64_t i = 0; i < FOREST_ROWS; i++) {
        const int64_t row = i < rows->rows ? i : rows->rows - 1;
        to[i] = !goes_left(forest, column->node, forest_value(rows, row, column->feature));
    }
}

static void rank_avx512(const struct forest_plan *plan, const struct spot_forest_rows *rows,
                        uint8_t *ranks)
{
    for (int32_t c = 0; c < plan->columns_count; c++) {
        const struct rank_column *column = &plan->columns[c];
        if (column->missing == MISSING_CATEGORY)
            rank_category(plan->forest, column, rows, ranks);
        else if (column->thresholds64 != NULL && rows->values64 != NULL)
            rank_column64(column, rows, ranks);
        else
            rank_column32(column, rows, ranks);
    }
}

/* ---- Trees ---------------------------------------------------------------------------------- */

/* a where the bit is 0, b where it is 1. */
ALWAYS_INLINE __m512i choose(__m512i bit, __m512i a, __m512i b)
{
    return _mm512_ternarylogic_epi64(bit, a, b, 0xac);
}

/* The outcomes of all splits: work (2^depth - 1, 8), a mask of the rows that go right. */
ALWAYS_INLINE void compare_all(const struct sliced_node *nodes, int64_t count, const uint8_t *ranks,
                               uint64_t *work)
{
    for (int64_t i = 0; i < count; i += 4)
        for (int l = 0; l < 4; l++) {
            const __m512i column = _mm512_load_si512(ranks + nodes[i + l].column);
            const __m512i threshold = _mm512_set1_epi32((int32_t)nodes[i + l].threshold);
            work[i + l] = _cvtmask64_u64(_mm512_cmpgt_epu8_mask(column, threshold));
        }
}

/* Down the levels of eight trees at once: the masks of a level are halved by the bits found above
 * it, until one is left, which is the level's own bit. */
ALWAYS_INLINE void find_path(const uint64_t *work, int32_t depth, __m512i *bits)
{
    __m512i masks[1 << (FOREST_MOST_DEPTH - 1)];
    for (int32_t level = 0; level < depth; level++) {
        const uint64_t *at = work + (((int64_t)1 << level) - 1) * FOREST_GROUP;
        if (level == 0) {
            bits[0] = _mm512_load_si512(at);
            continue;
        }
        int32_t half = 1 << (level - 1);
        for (int32_t p = 0; p < half; p++)
            masks[p] = choose(bits[0], _mm512_load_si512(at + p * FOREST_GROUP),
                              _mm512_load_si512(at + (p + half) * FOREST_GROUP));
        for (int32_t above = 1; above < level; above++) {
            half /= 2;
            for (int32_t p = 0; p < half; p++)
                masks[p] = choose(bits[above], masks[p], masks[p + half]);
        }
        bits[level] = masks[0];
    }
}

ALWAYS_INLINE void leaves_of_depth(const struct sliced_node *nodes, int32_t depth,
                                   const uint8_t *ranks, uint64_t *work, uint8_t *places)
{
    __m512i bits[FOREST_MOST_DEPTH];
    _Alignas(64) uint64_t path[FOREST_MOST_DEPTH][FOREST_GROUP];
    compare_all(nodes, ((1 << depth) - 1) * FOREST_GROUP, ranks, work);
    find_path(work, depth, bits);
    for (int32_t level = 0; level < depth; level++)
        _mm512_store_si512(path[level], bits[level]);
    for (int32_t t = 0; t < FOREST_GROUP; t++) {
        __m512i place = _mm512_setzero_si512();
        for (int32_t level = 0; level < depth; level++)
            place = _mm512_mask_add_epi8(place, _cvtu64_mask64(path[level][t]), place,
                                         _mm512_set1_epi8((char)(1 << (depth - 1 - level))));
        _mm512_store_si512(places + t * FOREST_ROWS, place);
    }
}

/* The depth is a literal in each case, so that all loops are unrolled. */
static void leaves_avx512(const struct forest_plan *plan, const struct sliced_group *group,
                          const uint8_t *ranks, uint64_t *work, uint8_t *places)
{
    const struct sliced_node *nodes = plan->nodes + group->nodes;
    switch (group->depth) {
    case 1:
        leaves_of_depth(nodes, 1, ranks, work, places);
        break;
    case 2:
        leaves_of_depth(nodes, 2, ranks, work, places);
        break;
    case 3:
        leaves_of_depth(nodes, 3, ranks, work, places);
        break;
    case 4:
        leaves_of_depth(nodes, 4, ranks, work, places);
        break;
    case 5:
        leaves_of_depth(nodes, 5, ranks, work, places);
        break;
    case 6:
        leaves_of_depth(nodes, 6, ranks, work, places);
        break;
    default:
        leaves_of_depth(nodes, group->depth, ranks, work, places);
    }
}

/* ---- Leaves --------------------------------------------------------------------------------- */

/* Up to 64 leaves are looked up in registers. */
ALWAYS_INLINE __m512 look_up(const float *leaves, int32_t depth, const __m512 *table, __m512i place)
{
    if (depth > 6) return _mm512_i32gather_ps(place, leaves, 4);
    if (depth <= 4) return _mm512_permutexvar_ps(place, table[0]);
    __m512 low = _mm512_permutex2var_ps(table[0], place, table[1]);
    if (depth == 5) return low;
    __m512 high = _mm512_permutex2var_ps(table[2], place, table[3]);
    return _mm512_mask_mov_ps(low, _mm512_test_epi32_mask(place, _mm512_set1_epi32(32)), high);
}

ALWAYS_INLINE void add_of_depth(const float *leaves, int32_t depth, const uint8_t *places,
                                float *sums)
{
    __m512 table[4];
    for (int t = 0; depth <= 6 && t < (depth <= 4 ? 1 : depth == 5 ? 2 : 4); t++)
        table[t] = _mm512_maskz_loadu_ps(depth >= 4 ? 0xffff : (__mmask16)((1 << (1 << depth)) - 1),
                                         leaves + t * LANES);
    for (int32_t i = 0; i < FOREST_ROWS; i += LANES) {
        __m512i place = _mm512_cvtepu8_epi32(_mm_load_si128((const __m128i *)(places + i)));
        __m512 sum = _mm512_load_ps(sums + i);
        _mm512_store_ps(sums + i, _mm512_add_ps(sum, look_up(leaves, depth, table, place)));
    }
}

static void add32_avx512(const float *leaves, int32_t depth, const uint8_t *places, float *sums)
{
    switch (depth) {
    case 5:
        add_of_depth(leaves, 5, places, sums);
        break;
    case 6:
        add_of_depth(leaves, 6, places, sums);
        break;
    case 7:
    case 8:
        add_of_depth(leaves, 8, places, sums);
        break;
    default:
        add_of_depth(leaves, depth, places, sums);
    }
}

static void add64_avx512(const double *leaves, const uint8_t *places, double *sums)
{
    for (int32_t i = 0; i < FOREST_ROWS; i += LANES / 2) {
        __m256i place = _mm256_cvtepu8_epi32(_mm_loadl_epi64((const __m128i *)(places + i)));
        __m512d sum = _mm512_load_pd(sums + i);
        _mm512_store_pd(sums + i, _mm512_add_pd(sum, _mm512_i32gather_pd(place, leaves, 8)));
    }
}

const struct forest_kernels *forest_kernels_avx512(void)
{
    static const struct forest_kernels kernels = {
        .name = "avx512",
        .rank = rank_avx512,
        .leaves = leaves_avx512,
        .add32 = add32_avx512,
        .add64 = add64_avx512,
    };
    return &kernels;
}
