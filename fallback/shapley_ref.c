/* Shapley values with no more than the compiler's own instruction set. */
#include "fallback/shapley_walk.h"

void shapley_walk_ref(const struct forest *forest, const struct shapley_tree *tree,
                      const struct shapley_room *room, const double *values, double *phi)
{
    shapley_walk(forest, tree, room, values, phi);
}
