/* Scoring forests on the CPU: blocks of 64 rows through groups of trees where a tree can be sliced
 * (forest_plan.h), row by row where not and for a few rows. Leaves are added tree by tree, so both
 * ways give the same bits. */
#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "base/memory.h"
#include "fallback/cpu.h"
#include "fallback/forest_plan.h"
#include "fallback/forest_walk.h"
#include "fallback/shapley.h"

/* Rows of a task, so that the trees of a group serve many blocks while they are in cache; fewer
 * where there are many outputs or slots. Below FEW_ROWS a block is not worth its ranks. */
enum {
    TASK_SCORED = 1024,
    FEW_ROWS = 8,
    TASK_SUMS = 1 << 14,
    TASK_RANKS = 1 << 20,
    MOST_COLUMNS = 1 << 24
};

struct scoring {
    const struct forest_plan *plan;
    const struct spot_forest_rows *rows;
    int32_t first, trees;
    double *margins; /* (rows, outputs) or NULL */
    int32_t *leaves; /* (rows, trees) or NULL */
    int64_t task_rows;
    char *rooms; /* (threads, room_bytes) */
    int64_t room_bytes;
};

/* A thread's room: everything about the rows of one task. */
struct room {
    struct sliced_work work;
    uint8_t *places; /* (2, FOREST_SET) */
    float *sums32;   /* (outputs, task_rows), or */
    double *sums64;
    int8_t *ranks; /* (sets, slots, FOREST_SET) */
};

/* ---- Row by row ----------------------------------------------------------------------------- */

/* float32 sums are kept in doubles, which hold them exactly. */
static double add_leaf(const struct forest *forest, int32_t tree, double value, double margin)
{
    if (forest->rules == FOREST_LIGHTGBM) return margin + value;
    float leaf = (float)value;
    if (forest->tree_weight != NULL) leaf *= forest->tree_weight[tree];
    return (double)((float)margin + leaf);
}

/* What a leaf adds to an output. */
static double leaf_of_output(const struct forest *forest, int64_t leaf, int32_t output,
                             const struct spot_forest_rows *rows, int64_t row)
{
    if (forest->vector != NULL && forest->vector[leaf] >= 0)
        return forest->leaf_vectors[forest->vector[leaf] * forest->outputs + output];
    return leaf_value(forest, leaf, rows, row);
}

/* A row and a tree, and the leaf where they meet: its number among all nodes. */
struct meeting {
    int32_t tree;
    int64_t row, leaf;
};

static bool in_steps(const struct scoring *scoring, const struct meeting *meetings, int32_t count)
{
    for (int32_t m = 0; m < count; m++)
        if (scoring->plan->steps.trees[meetings[m].tree].root < 0) return false;
    return scoring->rows->values != NULL || scoring->plan->steps.thresholds != NULL;
}

/* Finds the leaves of up to WALKS meetings. */
static void find_leaves(const struct scoring *scoring, struct meeting *meetings, int32_t count)
{
    const struct forest *forest = scoring->plan->forest;
    const bool steps = in_steps(scoring, meetings, count), wide = scoring->rows->values == NULL;
    struct step_walk walks[WALKS];
    int32_t leaves[WALKS];
    for (int32_t w = 0; steps && w < WALKS; w++) {
        const struct meeting *meeting = &meetings[w < count ? w : count - 1];
        walks[w].tree = meeting->tree;
        const int64_t row = meeting->row * scoring->rows->columns;
        walks[w].row = wide ? NULL : scoring->rows->values + row;
        walks[w].row64 = wide ? scoring->rows->values64 + row : NULL;
    }
    if (steps) (wide ? step_leaves64 : step_leaves)(&scoring->plan->steps, walks, leaves);
    for (int32_t m = 0; m < count; m++) {
        const int32_t tree = meetings[m].tree;
        const int64_t row = meetings[m].row, root = forest->first_node[tree];
        meetings[m].leaf = steps ? root + leaves[m] : forest_leaf(forest, tree, scoring->rows, row);
        if (scoring->leaves != NULL)
            scoring->leaves[row * scoring->trees + tree - scoring->first] =
                (int32_t)(meetings[m].leaf - root);
    }
}

/* The outputs that a tree adds to. */
static void outputs_of(const struct forest *forest, int32_t tree, int32_t *first, int32_t *end)
{
    *first = forest->tree_output[tree] >= 0 ? forest->tree_output[tree] : 0;
    *end = forest->tree_output[tree] >= 0 ? *first + 1 : forest->outputs;
}

/* All trees for one row. */
static void walk_row(const struct scoring *scoring, int64_t row)
{
    const struct forest *forest = scoring->plan->forest;
    const int32_t last = scoring->first + scoring->trees;
    double *margins = scoring->margins != NULL ? scoring->margins + row * forest->outputs : NULL;
    struct meeting meetings[WALKS];
    for (int32_t first = scoring->first, count; first < last; first += count) {
        count = last - first < WALKS ? last - first : WALKS;
        for (int32_t m = 0; m < count; m++)
            meetings[m] = (struct meeting){.tree = first + m, .row = row};
        find_leaves(scoring, meetings, count);
        for (int32_t m = 0; margins != NULL && m < count; m++) {
            int32_t output, end;
            outputs_of(forest, first + m, &output, &end);
            for (; output < end; output++) {
                double value = leaf_of_output(forest, meetings[m].leaf, output, scoring->rows, row);
                margins[output] = add_leaf(forest, first + m, value, margins[output]);
            }
        }
    }
}

static void add_to_room(const struct scoring *scoring, const struct meeting *meeting, int64_t at,
                        struct room *room)
{
    const struct forest *forest = scoring->plan->forest;
    int32_t output, end;
    outputs_of(forest, meeting->tree, &output, &end);
    for (; output < end; output++) {
        const int64_t sum = output * scoring->task_rows + at;
        double value = leaf_of_output(forest, meeting->leaf, output, scoring->rows, meeting->row);
        if (room->sums32 != NULL)
            room->sums32[sum] =
                (float)add_leaf(forest, meeting->tree, value, (double)room->sums32[sum]);
        else
            room->sums64[sum] = add_leaf(forest, meeting->tree, value, room->sums64[sum]);
    }
}

/* One tree for the rows of a task. */
static void walk_task(const struct scoring *scoring, int32_t tree, int64_t first, int64_t rows,
                      struct room *room)
{
    struct meeting meetings[WALKS];
    for (int64_t i = 0; i < rows; i += WALKS) {
        const int32_t count = rows - i < WALKS ? (int32_t)(rows - i) : WALKS;
        for (int32_t m = 0; m < count; m++)
            meetings[m] = (struct meeting){.tree = tree, .row = first + i + m};
        find_leaves(scoring, meetings, count);
        for (int32_t m = 0; scoring->margins != NULL && m < count; m++)
            add_to_room(scoring, &meetings[m], i + m, room);
    }
}

/* ---- By blocks ------------------------------------------------------------------------------ */

static int64_t bytes_of(const struct scoring *scoring, struct room *room, char *begin)
{
    const struct forest_plan *plan = scoring->plan;
    const struct forest *forest = plan->forest;
    const bool narrow = forest->rules == FOREST_XGBOOST;
    const int64_t masks = sizeof(uint64_t[FOREST_BLOCKS]), places = 2 * (int64_t)FOREST_SET;
    const int64_t right = 2 * (plan->most_splits / 2 + 1) * masks;
    const int64_t reached = 2 * (plan->most_splits + 1) * masks;
    const int64_t sums =
        forest->outputs * scoring->task_rows * (int64_t)(narrow ? sizeof(float) : sizeof(double));
    if (room != NULL) {
        room->work.right = (uint64_t(*)[FOREST_BLOCKS])(void *)begin;
        room->work.reached = (uint64_t(*)[FOREST_BLOCKS])(void *)(begin + right);
        begin += right + reached;
        room->places = (uint8_t *)begin;
        room->sums32 = narrow ? (float *)(void *)(begin + places) : NULL;
        room->sums64 = narrow ? NULL : (double *)(void *)(begin + places);
        room->ranks = (int8_t *)begin + places + sums;
    }
    return right + reached + places + sums + plan->slots * scoring->task_rows;
}

/* Between margins (rows, outputs) and the sums of a task (outputs, task_rows). */
static void take_margins(const struct scoring *scoring, int64_t first, int64_t rows,
                         struct room *room)
{
    const int32_t outputs = scoring->plan->forest->outputs;
    for (int32_t o = 0; scoring->margins != NULL && o < outputs; o++)
        for (int64_t i = 0; i < rows; i++) {
            const double margin = scoring->margins[(first + i) * outputs + o];
            const int64_t at = o * scoring->task_rows + i;
            if (room->sums32 != NULL)
                room->sums32[at] = (float)margin;
            else
                room->sums64[at] = margin;
        }
}

static void give_margins(const struct scoring *scoring, int64_t first, int64_t rows,
                         struct room *room)
{
    const int32_t outputs = scoring->plan->forest->outputs;
    for (int32_t o = 0; scoring->margins != NULL && o < outputs; o++)
        for (int64_t i = 0; i < rows; i++) {
            const int64_t at = o * scoring->task_rows + i;
            scoring->margins[(first + i) * outputs + o] =
                room->sums32 != NULL ? (double)room->sums32[at] : room->sums64[at];
        }
}

/* Rows of a task. */
struct stretch {
    int64_t first, rows;
};

static void rank_task(const struct scoring *scoring, struct stretch task, struct room *room)
{
    const struct forest_plan *plan = scoring->plan;
    for (int64_t at = 0; at < task.rows; at += FOREST_SET) {
        struct spot_forest_rows set = *scoring->rows;
        set.rows = task.rows - at < FOREST_SET ? task.rows - at : FOREST_SET;
        if (set.values != NULL) set.values += (task.first + at) * set.columns;
        if (set.values64 != NULL) set.values64 += (task.first + at) * set.columns;
        plan->kernels->rank(plan, &set, room->ranks + at * plan->slots);
    }
}

/* The leaf of a set's row among those of its tree. */
static int32_t place_of(const struct sliced_tree *tree, const uint8_t *places, int64_t row)
{
    return tree->splits < FOREST_BYTE_LEAVES ? places[row]
                                             : places[row] | places[FOREST_SET + row] << 8;
}

/* Leaves that are more than a number: vectors, and those that depend on the row. */
static void add_meetings(const struct scoring *scoring, int32_t tree, struct stretch set,
                         int64_t at, struct room *room)
{
    const struct forest_plan *plan = scoring->plan;
    const int32_t *leaf_nodes = plan->leaf_nodes + plan->trees[tree].leaves;
    const int64_t root = plan->forest->first_node[tree];
    for (int64_t i = 0; i < set.rows; i++) {
        const int32_t place = place_of(&plan->trees[tree], room->places, i);
        const struct meeting meeting = {tree, set.first + i, root + leaf_nodes[place]};
        add_to_room(scoring, &meeting, at + i, room);
    }
}

/* One tree for a set, whose sums begin `at` in the room. */
static void score_set(const struct scoring *scoring, int32_t tree, struct stretch set, int64_t at,
                      struct room *room)
{
    const struct forest_plan *plan = scoring->plan;
    const struct forest *forest = plan->forest;
    const struct sliced_tree *sliced = &plan->trees[tree];
    const int32_t blocks = (int32_t)((set.rows + FOREST_BLOCK - 1) / FOREST_BLOCK);
    const int64_t sums = forest->tree_output[tree] * scoring->task_rows + at;
    plan->kernels->leaves(plan, sliced, room->ranks + at * plan->slots, blocks, &room->work,
                          room->places);
    for (int64_t i = 0; scoring->leaves != NULL && i < set.rows; i++)
        scoring->leaves[(set.first + i) * scoring->trees + tree - scoring->first] =
            plan->leaf_nodes[sliced->leaves + place_of(sliced, room->places, i)];
    if (scoring->margins == NULL) return;
    if (forest->tree_output[tree] < 0 || forest->linear_constant != NULL)
        add_meetings(scoring, tree, set, at, room);
    else if (room->sums32 != NULL)
        plan->kernels->add32(plan->leaves32 + sliced->leaves, sliced->splits + 1, blocks,
                             room->places, room->sums32 + sums);
    else
        plan->kernels->add64(plan->leaves64 + sliced->leaves, sliced->splits + 1, blocks,
                             room->places, room->sums64 + sums);
}

static void score_task(void *arg, int64_t number, int worker)
{
    const struct scoring *scoring = arg;
    const struct forest_plan *plan = scoring->plan;
    const int64_t first = number * scoring->task_rows, left = scoring->rows->rows - first;
    const struct stretch task = {first, left < scoring->task_rows ? left : scoring->task_rows};
    struct room room;
    bytes_of(scoring, &room, scoring->rooms + worker * scoring->room_bytes);
    take_margins(scoring, task.first, task.rows, &room);
    rank_task(scoring, task, &room);
    for (int32_t t = scoring->first; t < scoring->first + scoring->trees; t++) {
        if (plan->trees[t].kind == SLICED_NOT) walk_task(scoring, t, task.first, task.rows, &room);
        for (int64_t at = 0; plan->trees[t].kind != SLICED_NOT && at < task.rows;
             at += FOREST_SET) {
            const int64_t rows = task.rows - at < FOREST_SET ? task.rows - at : FOREST_SET;
            score_set(scoring, t, (struct stretch){task.first + at, rows}, at, &room);
        }
    }
    give_margins(scoring, task.first, task.rows, &room);
}

static int64_t rows_of_task(const struct forest_plan *plan, int64_t rows)
{
    int64_t most = TASK_SUMS / plan->forest->outputs;
    if (most > TASK_RANKS / (plan->slots + 1)) most = TASK_RANKS / (plan->slots + 1);
    if (most > TASK_SCORED) most = TASK_SCORED;
    if (most > rows) most = rows;
    if (most < 1) most = 1;
    return (most + FOREST_SET - 1) / FOREST_SET * FOREST_SET;
}

static int score_blocks(struct scoring *scoring, const struct backend_host *host,
                        struct spot_error *err)
{
    const int64_t rows = scoring->rows->rows;
    scoring->task_rows = rows_of_task(scoring->plan, rows);
    const int64_t tasks = (rows + scoring->task_rows - 1) / scoring->task_rows;
    const bool shared = host != NULL && tasks > 1;
    scoring->room_bytes = (bytes_of(scoring, NULL, NULL) + 63) / 64 * 64;
    scoring->rooms = spot_alloc(shared ? host->threads : 1, (size_t)scoring->room_bytes);
    if (scoring->rooms == NULL) return spot_fail_memory(err, "the rows' ranks");
    if (shared) host->parallel(host->parallel_arg, tasks, score_task, scoring);
    for (int64_t task = 0; !shared && task < tasks; task++)
        score_task(scoring, task, 0);
    free(scoring->rooms);
    return SPOT_OK;
}

/* ---- Row by row, on all threads ------------------------------------------------------------- */

static void walk_rows_task(void *arg, int64_t task, int worker)
{
    const struct scoring *scoring = arg;
    const int64_t rows = scoring->rows->rows, first = task * scoring->task_rows;
    const int64_t end = first + scoring->task_rows < rows ? first + scoring->task_rows : rows;
    (void)worker;
    for (int64_t row = first; row < end; row++)
        walk_row(scoring, row);
}

static void walk_rows(struct scoring *scoring, const struct backend_host *host)
{
    scoring->task_rows = FOREST_BLOCK;
    const int64_t tasks = (scoring->rows->rows + FOREST_BLOCK - 1) / FOREST_BLOCK;
    if (host != NULL && tasks > 1)
        host->parallel(host->parallel_arg, tasks, walk_rows_task, scoring);
    for (int64_t task = 0; !(host != NULL && tasks > 1) && task < tasks; task++)
        walk_rows_task(scoring, task, 0);
}

static int plan_open(struct backend *backend, const struct forest *forest,
                     struct forest_plan **plan, struct spot_error *err)
{
    (void)backend;
    return forest_plan_open(forest, plan, err);
}

static int score(const struct forest_plan *plan, const struct backend_host *host,
                 const struct spot_forest_rows *rows, int32_t first, int32_t trees, double *margins,
                 int32_t *leaves, struct spot_error *err)
{
    struct scoring scoring = {.plan = plan,
                              .rows = rows,
                              .first = first,
                              .trees = trees,
                              .margins = margins,
                              .leaves = leaves};
    if (plan->kernels != NULL && rows->rows >= FEW_ROWS && rows->columns < MOST_COLUMNS)
        return score_blocks(&scoring, host, err);
    walk_rows(&scoring, host);
    return SPOT_OK;
}

const struct backend_trees cpu_trees = {
    .plan = plan_open,
    .plan_close = forest_plan_close,
    .score = score,
    .contributions = shapley_contributions,
};
