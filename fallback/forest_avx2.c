/* Forests with AVX2: ranks one by one, splits for 32 rows at a time. */
#include <immintrin.h>

#include "fallback/forest_masks.h"
#include "fallback/forest_plan.h"
#include "fallback/forest_ranks.h"

static void rank_avx2(const struct forest_plan *plan, const struct spot_forest_rows *rows,
                      int8_t *ranks)
{
    for (int32_t c = 0; c < plan->columns_count; c++)
        rank_column(&plan->columns[c], rows, ranks);
    rank_categories(plan, rows, ranks);
}

static void compare(const struct sliced_node *nodes, int32_t count, const int8_t *ranks,
                    int32_t blocks, struct sliced_work *work)
{
    uint64_t(*right)[FOREST_BLOCKS] = work->right;
    for (int32_t i = 0; i < count; i++) {
        const __m256i *rank = (const __m256i *)(const void *)(ranks + nodes[i].column);
        const __m256i threshold = _mm256_set1_epi32((int32_t)nodes[i].threshold);
        for (int b = 0; b < blocks; b++) {
            const __m256i low = _mm256_cmpgt_epi8(_mm256_load_si256(rank + 2 * b), threshold);
            const __m256i high = _mm256_cmpgt_epi8(_mm256_load_si256(rank + 2 * b + 1), threshold);
            right[i][b] = (uint32_t)_mm256_movemask_epi8(low) |
                          (uint64_t)(uint32_t)_mm256_movemask_epi8(high) << 32;
        }
    }
}

/* 32 bits as bytes, 255 where set. */
static inline __m256i spread(uint32_t bits)
{
    const __m256i each = _mm256_set1_epi64x((int64_t)UINT64_C(0x8040201008040201));
    const __m256i byte = _mm256_set_epi64x(0x0303030303030303, 0x0202020202020202,
                                           0x0101010101010101, 0x0000000000000000);
    const __m256i all = _mm256_shuffle_epi8(_mm256_set1_epi32((int32_t)bits), byte);
    return _mm256_cmpeq_epi8(_mm256_and_si256(all, each), each);
}

/* The bits of some levels as a byte for each row of half a block. */
static __m256i spread_bits(const struct sliced_work *work, int32_t first, int32_t end, int h)
{
    __m256i place = _mm256_setzero_si256();
    for (int32_t level = first; level < end; level++) /* place = 2 place + bit */
        place = _mm256_sub_epi8(_mm256_add_epi8(place, place),
                                spread((uint32_t)(work->bits[level][h / 2] >> h % 2 * 32)));
    return place;
}

static void leaves_avx2(const struct forest_plan *plan, const struct sliced_tree *tree,
                        const int8_t *ranks, int32_t blocks, struct sliced_work *work,
                        uint8_t *places)
{
    compare(plan->nodes + tree->nodes, tree->splits, ranks, blocks, work);
    const int32_t depth = find_bits(plan, tree, work);
    const int32_t high = depth > 8 ? depth - 8 : 0;
    for (int h = 0; h < 2 * blocks; h++) {
        __m256i *to = (__m256i *)(void *)places + h;
        _mm256_store_si256(to, spread_bits(work, high, depth, h));
        if (high > 0) _mm256_store_si256(to + FOREST_SET / 32, spread_bits(work, 0, high, h));
    }
}

static int32_t place_at(const uint8_t *places, int32_t i, bool many)
{
    return many ? places[i] | places[FOREST_SET + i] << 8 : places[i];
}

static void add32_avx2(const float *leaves, int32_t count, int32_t blocks, const uint8_t *places,
                       float *sums)
{
    for (int32_t i = 0; i < blocks * FOREST_BLOCK; i++)
        sums[i] += leaves[place_at(places, i, count > FOREST_BYTE_LEAVES)];
}

static void add64_avx2(const double *leaves, int32_t count, int32_t blocks, const uint8_t *places,
                       double *sums)
{
    for (int32_t i = 0; i < blocks * FOREST_BLOCK; i++)
        sums[i] += leaves[place_at(places, i, count > FOREST_BYTE_LEAVES)];
}

const struct forest_kernels *forest_kernels_avx2(void)
{
    static const struct forest_kernels kernels = {
        .name = "avx2",
        .rank = rank_avx2,
        .leaves = leaves_avx2,
        .add32 = add32_avx2,
        .add64 = add64_avx2,
    };
    return &kernels;
}
