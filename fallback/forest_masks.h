/* From the outcomes of a tree's splits to the leaf of each row, with masks of a set's rows: plain
 * loops over four words, which compilers turn into vectors. Included by the kernels of each
 * instruction set. */
#ifndef SPOT_FALLBACK_FOREST_MASKS_H
#define SPOT_FALLBACK_FOREST_MASKS_H

#include "fallback/forest_plan.h"

/* Complete trees: the masks of a level are halved by the bits found above it, until one is left,
 * which is the level's own bit. bits[0] is the root's. */
static inline __attribute__((always_inline)) void bits_of_complete(
    uint64_t (*restrict right)[FOREST_BLOCKS], int32_t depth,
    uint64_t (*restrict bits)[FOREST_BLOCKS])
{
    for (int32_t level = 0; level < depth; level++) {
        uint64_t(*at)[FOREST_BLOCKS] = right + ((1 << level) - 1);
        int32_t half = 1 << level;
        for (int32_t above = 0; above < level; above++) {
            half /= 2;
            for (int32_t p = 0; p < half; p++)
                for (int b = 0; b < FOREST_BLOCKS; b++)
                    at[p][b] = (bits[above][b] & at[p + half][b]) | (~bits[above][b] & at[p][b]);
        }
        for (int b = 0; b < FOREST_BLOCKS; b++)
            bits[level][b] = at[0][b];
    }
}

/* Other trees: which rows reach each node and each leaf, from the root down. */
static inline void reach_leaves(const struct sliced_node *nodes, int32_t splits,
                                uint64_t (*restrict right)[FOREST_BLOCKS],
                                uint64_t (*restrict reached)[FOREST_BLOCKS])
{
    for (int b = 0; b < FOREST_BLOCKS; b++)
        reached[0][b] = ~UINT64_C(0);
    for (int32_t i = 0; i < splits; i++)
        for (int b = 0; b < FOREST_BLOCKS; b++) {
            const uint64_t here = reached[i][b], there = right[i][b];
            reached[nodes[i].left][b] = here & ~there;
            reached[nodes[i].right][b] = here & there;
        }
}

/* The bits of the leaf's number, the highest first: a bit is set for rows in the upper half of the
 * leaves, and then both halves are one. Returns how many bits there are. */
static inline int32_t bits_of_leaves(uint64_t (*restrict leaves)[FOREST_BLOCKS], int32_t count,
                                     uint64_t (*restrict bits)[FOREST_BLOCKS])
{
    int32_t depth = 0, half = 1;
    while (half < count)
        half *= 2;
    for (half /= 2; half > 0; half /= 2, depth++) {
        uint64_t any[FOREST_BLOCKS] = {0};
        const int32_t upper = count - half;
        for (int32_t i = 0; i < upper; i++)
            for (int b = 0; b < FOREST_BLOCKS; b++) {
                any[b] |= leaves[half + i][b];
                leaves[i][b] |= leaves[half + i][b];
            }
        for (int b = 0; b < FOREST_BLOCKS; b++)
            bits[depth][b] = any[b];
        count = half;
    }
    return depth;
}

/* Once all splits are compared; returns how many bits there are. */
static inline int32_t find_bits(const struct sliced_tree *tree, const struct sliced_node *nodes,
                                struct sliced_work *work)
{
    if (tree->kind == SLICED_ANY) {
        reach_leaves(nodes, tree->splits, work->right, work->reached);
        return bits_of_leaves(work->reached + tree->splits, tree->splits + 1, work->bits);
    }
    switch (tree->depth) { /* literals, so that all loops are unrolled */
    case 5:
        bits_of_complete(work->right, 5, work->bits);
        break;
    case 6:
        bits_of_complete(work->right, 6, work->bits);
        break;
    default:
        bits_of_complete(work->right, tree->depth, work->bits);
    }
    return tree->depth;
}

#endif
