/* Forests with AVX-512: 64 ranks, a byte each, to a vector; the outcome of a split is a mask of 64
 * rows. */
#include <immintrin.h>
#include <math.h>
#include <string.h>

#include "fallback/forest_masks.h"
#include "fallback/forest_plan.h"
#include "fallback/forest_ranks.h"

#define ALWAYS_INLINE static inline __attribute__((always_inline))

enum { LANES = 16 };

/* ---- Ranks ---------------------------------------------------------------------------------- */

/* Sixteen values of a feature and their ranks so far: which are missing, and how many thresholds
 * are not above the others. */
struct lanes {
    __m512i rank;
    __mmask16 missing;
};

/* The thresholds below the buckets, which are whole numbers within their range. */
ALWAYS_INLINE __m512i look_below(const struct rank_search *search, __m512i bucket)
{
    if (search->below == NULL) return _mm512_i32gather_epi32(bucket, search->below_many, 4);
    return _mm512_and_si512(_mm512_i32gather_epi32(bucket, search->below, 1),
                            _mm512_set1_epi32(255));
}

/* max gives its second operand for NaN. */
ALWAYS_INLINE __m512i rank_steps(const struct rank_column *column, __m512 x, int32_t steps)
{
    const struct rank_search *search = &column->search;
    __m512i rank = _mm512_setzero_si512();
    if (search->buckets > 0) {
        __m512 at = _mm512_mul_ps(_mm512_sub_ps(x, _mm512_set1_ps((float)search->origin)),
                                  _mm512_set1_ps((float)search->scale));
        at = _mm512_min_ps(_mm512_max_ps(at, _mm512_setzero_ps()),
                           _mm512_set1_ps((float)(search->buckets - 1)));
        rank = look_below(search, _mm512_cvttps_epi32(at));
    }
    for (int32_t step = (1 << steps) / 2; step > 0; step /= 2) {
        __m512i place = _mm512_add_epi32(rank, _mm512_set1_epi32(step - 1));
        __m512 there = _mm512_i32gather_ps(place, column->thresholds, 4);
        rank = _mm512_mask_add_epi32(rank, _mm512_cmp_ps_mask(there, x, _CMP_LE_OQ), rank,
                                     _mm512_set1_epi32(step));
    }
    return rank;
}

/* The steps are a literal where they are few. */
ALWAYS_INLINE __m512i rank_floats(const struct rank_column *column, __m512 x)
{
    switch (column->search.steps) {
    case 1:
        return rank_steps(column, x, 1);
    case 2:
        return rank_steps(column, x, 2);
    case 3:
        return rank_steps(column, x, 3);
    default:
        return rank_steps(column, x, column->search.steps);
    }
}

ALWAYS_INLINE __m256i rank_doubles(const struct rank_column *column, __m512d x)
{
    const struct rank_search *search = &column->search64;
    __m256i rank = _mm256_setzero_si256();
    if (search->buckets > 0) {
        __m512d at = _mm512_mul_pd(_mm512_sub_pd(x, _mm512_set1_pd(search->origin)),
                                   _mm512_set1_pd(search->scale));
        at = _mm512_min_pd(_mm512_max_pd(at, _mm512_setzero_pd()),
                           _mm512_set1_pd(search->buckets - 1));
        const __m512i bucket = _mm512_castsi256_si512(_mm512_cvttpd_epi32(at));
        rank = _mm512_castsi512_si256(look_below(search, _mm512_maskz_mov_epi32(0xff, bucket)));
    }
    for (int32_t step = (1 << search->steps) / 2; step > 0; step /= 2) {
        __m256i place = _mm256_add_epi32(rank, _mm256_set1_epi32(step - 1));
        __m512d there = _mm512_i32gather_pd(place, column->thresholds64, 8);
        rank = _mm256_mask_add_epi32(rank, _mm512_cmp_pd_mask(there, x, _CMP_LT_OQ), rank,
                                     _mm256_set1_epi32(step));
    }
    return rank;
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

ALWAYS_INLINE struct lanes lanes_of_floats(const struct rank_column *column, __m512 x)
{
    struct lanes lanes = {.missing = _mm512_cmp_ps_mask(x, x, _CMP_UNORD_Q)};
    if (column->missing != MISSING_NAN) {
        x = _mm512_maskz_mov_ps((__mmask16)~lanes.missing, x);
        lanes.missing =
            column->missing == MISSING_NOTHING
                ? 0
                : _mm512_cmp_ps_mask(_mm512_abs_ps(x), _mm512_set1_ps(1e-35f), _CMP_LE_OQ);
    }
    lanes.rank = rank_floats(column, x);
    return lanes;
}

/* Eight of LightGBM's float64 values, in the lower lanes. */
ALWAYS_INLINE struct lanes lanes_of_doubles(const struct rank_column *column, __m512d x)
{
    struct lanes lanes = {.missing = _mm512_cmp_pd_mask(x, x, _CMP_UNORD_Q)};
    if (column->missing != MISSING_NAN) {
        x = _mm512_maskz_mov_pd((__mmask8)~lanes.missing, x);
        lanes.missing =
            column->missing == MISSING_NOTHING
                ? 0
                : _mm512_cmp_pd_mask(_mm512_abs_pd(x), _mm512_set1_pd((double)1e-35f), _CMP_LE_OQ);
    }
    lanes.rank = _mm512_castsi256_si512(rank_doubles(column, x));
    return lanes;
}

/* XGBoost takes float64 rows as float32. */
ALWAYS_INLINE struct lanes rank_lanes(const struct rank_column *column,
                                      const struct spot_forest_rows *rows, int32_t first)
{
    const __m512i offsets = row_offsets(rows, first);
    if (rows->values != NULL)
        return lanes_of_floats(column,
                               _mm512_i32gather_ps(offsets, rows->values + column->feature, 4));
    const double *values = rows->values64 + column->feature;
    const __m512d low = _mm512_i32gather_pd(_mm512_castsi512_si256(offsets), values, 8);
    const __m512d high = _mm512_i32gather_pd(_mm512_extracti64x4_epi64(offsets, 1), values, 8);
    if (column->thresholds64 == NULL)
        return lanes_of_floats(column,
                               _mm512_insertf32x8(_mm512_castps256_ps512(_mm512_cvtpd_ps(low)),
                                                  _mm512_cvtpd_ps(high), 1));
    const struct lanes a = lanes_of_doubles(column, low), b = lanes_of_doubles(column, high);
    return (struct lanes){_mm512_inserti64x4(a.rank, _mm512_castsi512_si256(b.rank), 1),
                          (__mmask16)(a.missing | b.missing << 8)};
}

/* Sixteen ranks as bytes into the slots of a column. */
ALWAYS_INLINE void store_ranks(const struct rank_column *column, struct lanes lanes, int8_t *ranks)
{
    for (int left = 0; left < 2; left++) {
        if (column->slot[left] < 0) continue;
        int8_t *to = ranks + (int64_t)column->slot[left] * FOREST_SET;
        __m512i rank = _mm512_mask_mov_epi32(lanes.rank, lanes.missing,
                                             _mm512_set1_epi32(left ? 0 : column->count));
        rank = _mm512_add_epi32(rank, _mm512_set1_epi32(SLOT_LOWEST));
        for (int32_t s = 0; s < column->slots; s++, to += FOREST_SET) {
            _mm_storeu_si128((__m128i *)to, _mm512_cvtsepi32_epi8(rank));
            rank = _mm512_sub_epi32(rank, _mm512_set1_epi32(SLOT_THRESHOLDS));
        }
    }
}

static void rank_avx512(const struct forest_plan *plan, const struct spot_forest_rows *rows,
                        int8_t *ranks)
{
    for (int32_t c = 0; c < plan->columns_count; c++)
        for (int32_t first = 0; first < rows_to_rank(rows); first += LANES)
            store_ranks(&plan->columns[c], rank_lanes(&plan->columns[c], rows, first),
                        ranks + first);
    rank_categories(plan, rows, ranks);
}

/* ---- Trees ---------------------------------------------------------------------------------- */

ALWAYS_INLINE void compare_blocks(const struct sliced_node *nodes, int32_t count,
                                  const int8_t *ranks, int32_t blocks, struct sliced_work *work)
{
    uint64_t(*right)[FOREST_BLOCKS] = work->right;
    for (int32_t i = 0; i < count; i++) {
        const int8_t *rank = ranks + nodes[i].column;
        const __m512i threshold = _mm512_set1_epi32((int32_t)nodes[i].threshold);
        for (int b = 0; b < blocks; b++)
            right[i][b] = _cvtmask64_u64(
                _mm512_cmpgt_epi8_mask(_mm512_load_si512(rank + b * FOREST_BLOCK), threshold));
    }
}

/* The bits of some levels as a byte for each row of a block. */
ALWAYS_INLINE __m512i spread_bits(const struct sliced_work *work, int32_t first, int32_t end, int b)
{
    __m512i place = _mm512_setzero_si512();
    for (int32_t level = first; level < end; level++)
        place = _mm512_mask_add_epi8(place, _cvtu64_mask64(work->bits[level][b]), place,
                                     _mm512_set1_epi8((char)(1 << (end - 1 - level))));
    return place;
}

static void leaves_avx512(const struct forest_plan *plan, const struct sliced_tree *tree,
                          const int8_t *ranks, int32_t blocks, struct sliced_work *work,
                          uint8_t *places)
{
    const struct sliced_node *nodes = plan->nodes + tree->nodes;
    switch (blocks) {
    case 1:
        compare_blocks(nodes, tree->splits, ranks, 1, work);
        break;
    case 2:
        compare_blocks(nodes, tree->splits, ranks, 2, work);
        break;
    case 3:
        compare_blocks(nodes, tree->splits, ranks, 3, work);
        break;
    default:
        compare_blocks(nodes, tree->splits, ranks, FOREST_BLOCKS, work);
    }
    const int32_t depth = find_bits(plan, tree, work);
    for (int b = 0; b < blocks; b++, places += FOREST_BLOCK) {
        const int32_t high = depth > 8 ? depth - 8 : 0;
        _mm512_store_si512(places, spread_bits(work, high, depth, b));
        if (high > 0) _mm512_store_si512(places + FOREST_SET, spread_bits(work, 0, high, b));
    }
}

/* ---- Leaves --------------------------------------------------------------------------------- */

/* Sixteen leaves' numbers; many: with their high bytes. */
ALWAYS_INLINE __m512i load_places(const uint8_t *places, bool many)
{
    __m512i place = _mm512_cvtepu8_epi32(_mm_load_si128((const __m128i *)places));
    if (!many) return place;
    const __m128i high = _mm_load_si128((const __m128i *)(places + FOREST_SET));
    return _mm512_or_si512(place, _mm512_slli_epi32(_mm512_cvtepu8_epi32(high), 8));
}

/* Up to 64 leaves are looked up in registers, of which `tables` are needed. */
ALWAYS_INLINE __m512 look_up(const float *leaves, int tables, const __m512 *table, __m512i place)
{
    if (tables == 0) return _mm512_i32gather_ps(place, leaves, 4);
    if (tables == 1) return _mm512_permutexvar_ps(place, table[0]);
    __m512 low = _mm512_permutex2var_ps(table[0], place, table[1]);
    if (tables == 2) return low;
    __m512 high = _mm512_permutex2var_ps(table[2], place, table[3]);
    return _mm512_mask_mov_ps(low, _mm512_test_epi32_mask(place, _mm512_set1_epi32(32)), high);
}

ALWAYS_INLINE void add_tables(const float *leaves, int32_t count, int tables, int32_t rows,
                              const uint8_t *places, float *sums)
{
    __m512 table[4];
    for (int t = 0; t < tables; t++) {
        const int32_t left = count - t * LANES;
        const __mmask16 there = left >= LANES ? 0xffff
                                : left > 0    ? (__mmask16)((1 << left) - 1)
                                              : 0;
        table[t] = _mm512_maskz_loadu_ps(there, leaves + t * LANES);
    }
    for (int32_t i = 0; i < rows; i += LANES) {
        __m512i place = load_places(places + i, count > FOREST_BYTE_LEAVES);
        __m512 sum = _mm512_load_ps(sums + i);
        _mm512_store_ps(sums + i, _mm512_add_ps(sum, look_up(leaves, tables, table, place)));
    }
}

static void add32_avx512(const float *leaves, int32_t count, int32_t blocks, const uint8_t *places,
                         float *sums)
{
    const int32_t rows = blocks * FOREST_BLOCK;
    if (count == 4 * LANES)
        add_tables(leaves, 4 * LANES, 4, rows, places, sums);
    else if (count <= LANES)
        add_tables(leaves, count, 1, rows, places, sums);
    else if (count <= 2 * LANES)
        add_tables(leaves, count, 2, rows, places, sums);
    else if (count <= 4 * LANES)
        add_tables(leaves, count, 4, rows, places, sums);
    else
        add_tables(leaves, count, 0, rows, places, sums);
}

static void add64_avx512(const double *leaves, int32_t count, int32_t blocks, const uint8_t *places,
                         double *sums)
{
    for (int32_t i = 0; i < blocks * FOREST_BLOCK; i += LANES) {
        const __m512i place = load_places(places + i, count > FOREST_BYTE_LEAVES);
        const __m512d low = _mm512_i32gather_pd(_mm512_castsi512_si256(place), leaves, 8);
        const __m512d high = _mm512_i32gather_pd(_mm512_extracti64x4_epi64(place, 1), leaves, 8);
        _mm512_store_pd(sums + i, _mm512_add_pd(_mm512_load_pd(sums + i), low));
        _mm512_store_pd(sums + i + 8, _mm512_add_pd(_mm512_load_pd(sums + i + 8), high));
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
