/* What a forest's splits say of its features, as XGBoost and LightGBM count it. */
#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "base/memory.h"
#include "models/forest.h"

static void add_split(const struct forest *forest, int64_t node, int64_t *splits, double *gain,
                      double *cover)
{
    const int32_t feature = forest->feature[node];
    const double won = forest->gain != NULL ? forest->gain[node] : 0.0;
    if (forest->rules == FOREST_LIGHTGBM && !(won > 0.0)) return; /* as LightGBM has it */
    splits[feature]++;
    gain[feature] += won;
    cover[feature] += forest->cover != NULL ? forest->cover[node] : 0.0;
}

int spot_forest_importance(const spot_forest *model, int64_t *splits, double *gain, double *cover,
                           struct spot_error *err)
{
    const struct forest *forest = &model->forest;
    int64_t *stack = spot_alloc(forest->nodes + 1, sizeof *stack);
    if (stack == NULL) return spot_fail_memory(err, "the importance of features");
    memset(splits, 0, (size_t)forest->features * sizeof *splits);
    memset(gain, 0, (size_t)forest->features * sizeof *gain);
    memset(cover, 0, (size_t)forest->features * sizeof *cover);
    /* only what the root reaches: pruned nodes may still be in the file */
    for (int32_t t = 0; t < forest->trees; t++) {
        const int64_t root = forest->first_node[t];
        int64_t count = 1;
        stack[0] = root;
        while (count > 0) {
            const int64_t node = stack[--count];
            if (forest->left[node] < 0) continue;
            add_split(forest, node, splits, gain, cover);
            stack[count++] = root + forest->right[node];
            stack[count++] = root + forest->left[node];
        }
    }
    free(stack);
    return SPOT_OK;
}
