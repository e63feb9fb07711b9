/* Where a forest is scored: on the CPU, or on the GPU that the engine was opened with, for which it
 * is lowered when that is first asked for, and kept. */
#ifndef SPOT_MODELS_FOREST_DEVICE_H
#define SPOT_MODELS_FOREST_DEVICE_H

#include <stdbool.h>

#include "models/forest.h"

/* NULL when memory is short. */
struct forest_device *forest_device_new(void);
void forest_device_free(struct forest_device *device);

/* Scores as backend_trees.score() does, on any number of threads: a GPU takes one call at a time.
 * What a GPU cannot score, the CPU does, which is logged once. */
int forest_device_score(spot_engine *engine, const spot_forest *model,
                        const struct spot_forest_rows *rows, int32_t first, int32_t trees,
                        double *margins, int32_t *leaves, struct spot_error *err);

/* Whether the last call with this engine was scored by its GPU, not by the CPU instead. */
bool forest_device_used(const spot_engine *engine, const spot_forest *model);

#endif
