/* From the outcomes of a tree's splits to the leaf of each row: a set's rows are four masks of 64,
 * a vector that both instruction sets have. */
#ifndef SPOT_FALLBACK_FOREST_MASKS_H
#define SPOT_FALLBACK_FOREST_MASKS_H

#include <immintrin.h>

#include "fallback/forest_plan.h"

static inline __m256i load_masks(const uint64_t *masks)
{
    return _mm256_load_si256((const __m256i *)(const void *)masks);
}

static inline void store_masks(uint64_t *masks, __m256i value)
{
    _mm256_store_si256((__m256i *)(void *)masks, value);
}

/* a where the bit is 0, b where it is 1. */
static inline __m256i choose_masks(__m256i bit, __m256i a, __m256i b)
{
#ifdef __AVX512VL__
    return _mm256_ternarylogic_epi64(bit, a, b, 0xac);
#else
    return _mm256_or_si256(_mm256_and_si256(bit, b), _mm256_andnot_si256(bit, a));
#endif
}

/* Complete trees: the masks of a level are halved by the bits found above it, until one is left,
 * which is the level's own bit. */
static inline __attribute__((always_inline)) void bits_of_complete(struct sliced_work *work,
                                                                   int32_t depth)
{
    uint64_t(*right)[FOREST_BLOCKS] = work->right;
    __m256i bits[FOREST_MOST_DEPTH], masks[1 << (FOREST_MOST_DEPTH - 1)];
#pragma GCC unroll 8
    for (int32_t level = 0; level < depth; level++) {
        const int32_t first = (1 << level) - 1, half = 1 << level >> 1;
        if (level == 0) masks[0] = load_masks(right[0]);
#pragma GCC unroll 64
        for (int32_t p = 0; p < half; p++) /* by the root's bit */
            masks[p] = choose_masks(bits[0], load_masks(right[first + p]),
                                    load_masks(right[first + p + half]));
#pragma GCC unroll 8
        for (int32_t above = 1; above < level; above++)
#pragma GCC unroll 64
            for (int32_t p = 0; p < half >> above; p++)
                masks[p] = choose_masks(bits[above], masks[p], masks[p + (half >> above)]);
        bits[level] = masks[0];
        store_masks(work->bits[level], masks[0]);
    }
}

static inline __m256i reached_at(uint64_t (*reached)[FOREST_BLOCKS], uint32_t at)
{
    return load_masks((const uint64_t *)(const void *)((const char *)reached + at));
}

/* Other trees: which rows reach the children of each node, from the root down. What is stored lies
 * in order, and only loads go here and there: the other way round takes twice as long, since a
 * processor does not know where a store goes when a load overtakes it. */
static inline void reach_children(const struct sliced_node *nodes, int32_t splits,
                                  struct sliced_work *work)
{
    uint64_t(*right)[FOREST_BLOCKS] = work->right, (*reached)[FOREST_BLOCKS] = work->reached;
    store_masks(reached[2 * splits], _mm256_set1_epi64x(-1));
#pragma GCC unroll 4
    for (int32_t i = 0; i < splits; i++) {
        const __m256i here = reached_at(reached, nodes[i].reached);
        const __m256i there = _mm256_and_si256(here, load_masks(right[i]));
        store_masks(reached[2 * i], _mm256_xor_si256(here, there));
        store_masks(reached[2 * i + 1], there);
    }
}

/* The bits of the leaf's number, the highest first: a bit is set for rows in the upper half of the
 * leaves, and then both halves are one. Returns how many bits there are. */
static inline int32_t bits_of_leaves(const uint32_t *leaves, int32_t count,
                                     struct sliced_work *work)
{
    uint64_t(*masks)[FOREST_BLOCKS] = work->right, (*reached)[FOREST_BLOCKS] = work->reached;
    int32_t depth = 0, half = 1;
    __m256i any = _mm256_setzero_si256();
    while (2 * half < count)
        half *= 2;
        /* From now on they are in work->right, which has served. */
#pragma GCC unroll 4
    for (int32_t i = 0; i < count - half; i++) {
        const __m256i there = reached_at(reached, leaves[half + i]);
        any = _mm256_or_si256(any, there);
        store_masks(masks[i], _mm256_or_si256(reached_at(reached, leaves[i]), there));
    }
    for (int32_t i = count - half; i < half; i++)
        store_masks(masks[i], reached_at(reached, leaves[i]));
    for (; half > 0; half /= 2) {
        store_masks(work->bits[depth++], any);
        any = _mm256_setzero_si256();
#pragma GCC unroll 4
        for (int32_t i = 0; i < half / 2; i++) {
            const __m256i there = load_masks(masks[half / 2 + i]);
            any = _mm256_or_si256(any, there);
            store_masks(masks[i], _mm256_or_si256(load_masks(masks[i]), there));
        }
    }
    return depth;
}

/* Once all splits are compared; returns how many bits there are. */
static inline int32_t find_bits(const struct forest_plan *plan, const struct sliced_tree *tree,
                                struct sliced_work *work)
{
    if (tree->kind == SLICED_ANY) {
        reach_children(plan->nodes + tree->nodes, tree->splits, work);
        return bits_of_leaves(plan->reached + tree->leaves, tree->splits + 1, work);
    }
    switch (tree->depth) { /* literals, so that all loops are unrolled */
    case 1:
        bits_of_complete(work, 1);
        break;
    case 2:
        bits_of_complete(work, 2);
        break;
    case 3:
        bits_of_complete(work, 3);
        break;
    case 4:
        bits_of_complete(work, 4);
        break;
    case 5:
        bits_of_complete(work, 5);
        break;
    case 6:
        bits_of_complete(work, 6);
        break;
    case 7:
        bits_of_complete(work, 7);
        break;
    default:
        bits_of_complete(work, FOREST_MOST_DEPTH);
    }
    return tree->depth;
}

#endif
