/* Scoring forests on the CPU, by the definition: every row walks down every tree. */
#include <stdlib.h>

#include "base/error.h"
#include "fallback/cpu.h"
#include "fallback/forest_walk.h"

struct forest_plan {
    const struct forest *forest;
};

enum { SCORE_ROWS = 256 }; /* of a task */

struct scoring {
    const struct forest *forest;
    const struct spot_forest_rows *rows;
    int32_t first, trees;
    double *margins; /* (rows, outputs) or NULL */
    int32_t *leaves; /* (rows, trees) or NULL */
};

/* float32 sums are kept in doubles, which hold them exactly. */
static void add_leaf(const struct forest *forest, int32_t tree, double value, double *margin)
{
    if (forest->rules == FOREST_LIGHTGBM) {
        *margin += value;
        return;
    }
    float leaf = (float)value;
    if (forest->tree_weight != NULL) leaf *= forest->tree_weight[tree];
    *margin = (double)((float)*margin + leaf);
}

static void score_row(const struct scoring *scoring, int64_t row)
{
    const struct forest *forest = scoring->forest;
    double *margins = scoring->margins != NULL ? scoring->margins + row * forest->outputs : NULL;
    for (int32_t t = 0; t < scoring->trees; t++) {
        const int32_t tree = scoring->first + t, output = forest->tree_output[tree];
        const int64_t leaf = forest_leaf(forest, tree, scoring->rows, row);
        if (scoring->leaves != NULL)
            scoring->leaves[row * scoring->trees + t] = (int32_t)(leaf - forest->first_node[tree]);
        if (margins == NULL) continue;
        if (output >= 0) {
            add_leaf(forest, tree, leaf_value(forest, leaf, scoring->rows, row), &margins[output]);
            continue;
        }
        const double *values = forest->leaf_vectors + forest->vector[leaf] * forest->outputs;
        for (int32_t o = 0; o < forest->outputs; o++)
            add_leaf(forest, tree, values[o], &margins[o]);
    }
}

static void score_task(void *arg, int64_t task, int worker)
{
    const struct scoring *scoring = arg;
    const int64_t rows = scoring->rows->rows;
    const int64_t end = (task + 1) * SCORE_ROWS < rows ? (task + 1) * SCORE_ROWS : rows;
    (void)worker;
    for (int64_t row = task * SCORE_ROWS; row < end; row++)
        score_row(scoring, row);
}

static int plan_open(struct backend *backend, const struct forest *forest, struct forest_plan **out,
                     struct spot_error *err)
{
    (void)backend;
    *out = malloc(sizeof **out);
    if (*out == NULL) return spot_fail_memory(err, "the forest");
    (*out)->forest = forest;
    return SPOT_OK;
}

static void plan_close(struct forest_plan *plan)
{
    free(plan);
}

static int score(const struct forest_plan *plan, const struct backend_host *host,
                 const struct spot_forest_rows *rows, int32_t first, int32_t trees, double *margins,
                 int32_t *leaves, struct spot_error *err)
{
    struct scoring scoring = {plan->forest, rows, first, trees, margins, leaves};
    const int64_t tasks = (rows->rows + SCORE_ROWS - 1) / SCORE_ROWS;
    (void)err;
    if (host != NULL && tasks > 1) {
        host->parallel(host->parallel_arg, tasks, score_task, &scoring);
        return SPOT_OK;
    }
    for (int64_t task = 0; task < tasks; task++)
        score_task(&scoring, task, 0);
    return SPOT_OK;
}

const struct backend_trees cpu_trees = {
    .plan = plan_open,
    .plan_close = plan_close,
    .score = score,
};
