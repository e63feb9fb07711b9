/* Contributions of many rows: trees are lowered a group at a time, rows shared among the threads,
 * 32 to a tile and a few tiles to a task, so that a tree's tables stay in cache for all of them. */
#include "fallback/shapley.h"

#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "base/memory.h"
#include "fallback/cpu_detect.h"

enum {
    GROUP_BYTES = 32 << 20, /* of lowered trees */
    TASK_BYTES = 256 << 10, /* of a task's tiles */
    TASK_TILES = 8,
};

struct explaining {
    const struct forest *forest;
    const struct spot_forest_rows *rows;
    shapley_walk_lanes *walk;
    double *out;                /* (rows, outputs, features + 1) */
    struct shapley_tree *trees; /* (trees_count) lowered */
    int32_t trees_count;
    int32_t depth;  /* of the deepest of them */
    int64_t levels; /* most of depth + 1 times points of one tree */
    int64_t tiles;  /* of a task */
    double *rooms;  /* for each worker */
    int64_t room;   /* doubles of one */
};

static shapley_walk_lanes *best_walk(void)
{
    const char *forced = getenv("BLACKSPOT_CPU");
    const bool ref = forced != NULL && strcmp(forced, "ref") == 0;
    const bool avx2 = forced != NULL && strcmp(forced, "avx2") == 0;
    if (!ref && !avx2 && cpu_has_avx512()) return shapley_walk_avx512;
    return !ref && cpu_has_avx2() ? shapley_walk_avx2 : shapley_walk_ref;
}

/* ---- A task --------------------------------------------------------------------------------- */

/* A worker's room: values and phi of the tiles, then what a walk needs. */
struct task_room {
    double *values; /* (tiles, features, lanes) */
    double *phi;    /* (tiles, outputs, features, lanes) */
    struct shapley_room walk;
};

static int64_t divide_room(const struct explaining *job, double *begin, struct task_room *room)
{
    const int64_t tile = (int64_t)job->forest->features * SHAPLEY_LANES;
    const int64_t lanes = ((int64_t)job->depth + 1) * SHAPLEY_LANES;
    double *at = begin;
    room->values = at;
    room->phi = at += job->tiles * tile;
    room->walk.products = at += job->tiles * tile * job->forest->outputs;
    room->walk.sums = at += job->levels * SHAPLEY_LANES;
    room->walk.goes = at += job->levels * SHAPLEY_LANES;
    room->walk.passes = at += lanes;
    room->walk.path = (int32_t *)(at += lanes);
    return at + lanes - begin;
}

/* The last row again where there are fewer than 32. */
static void fill_tile(const struct explaining *job, int64_t first, double *values)
{
    const struct spot_forest_rows *rows = job->rows;
    for (int l = 0; l < SHAPLEY_LANES; l++) {
        const int64_t row = first + l < rows->rows ? first + l : rows->rows - 1;
        for (int32_t j = 0; j < job->forest->features; j++) {
            const int64_t at = row * rows->columns + j;
            double x = rows->values != NULL ? (double)rows->values[at] : rows->values64[at];
            if (job->forest->rules == FOREST_XGBOOST) x = (double)(float)x;
            values[(int64_t)j * SHAPLEY_LANES + l] = x;
        }
    }
}

static void give_tile(const struct explaining *job, int64_t first, const double *phi)
{
    const int32_t features = job->forest->features, outputs = job->forest->outputs;
    for (int l = 0; l < SHAPLEY_LANES && first + l < job->rows->rows; l++) {
        double *out = job->out + (first + l) * outputs * ((int64_t)features + 1);
        for (int32_t o = 0; o < outputs; o++, out += features + 1)
            for (int32_t j = 0; j < features; j++)
                out[j] += phi[((int64_t)o * features + j) * SHAPLEY_LANES + l];
        for (int32_t t = 0; t < job->trees_count; t++)
            out[(job->trees[t].output - outputs + 1) * ((int64_t)features + 1) - 1] +=
                job->trees[t].mean;
    }
}

static void explain_task(void *arg, int64_t task, int worker)
{
    const struct explaining *job = arg;
    const int64_t tile = (int64_t)job->forest->features * SHAPLEY_LANES;
    const int64_t begin = task * job->tiles * SHAPLEY_LANES;
    const int64_t all = (job->rows->rows - begin + SHAPLEY_LANES - 1) / SHAPLEY_LANES;
    const int64_t tiles = all < job->tiles ? all : job->tiles;
    const int64_t phi_tile = tile * job->forest->outputs;
    struct task_room room;
    divide_room(job, job->rooms + worker * job->room, &room);
    memset(room.phi, 0, (size_t)(tiles * phi_tile) * sizeof *room.phi);
    for (int64_t i = 0; i < tiles; i++)
        fill_tile(job, begin + i * SHAPLEY_LANES, room.values + i * tile);
    for (int32_t t = 0; t < job->trees_count; t++)
        for (int64_t i = 0; i < tiles; i++)
            job->walk(job->forest, &job->trees[t], &room.walk, room.values + i * tile,
                      room.phi + i * phi_tile + job->trees[t].output * tile);
    for (int64_t i = 0; i < tiles; i++)
        give_tile(job, begin + i * SHAPLEY_LANES, room.phi + i * phi_tile);
}

/* ---- A group of trees ----------------------------------------------------------------------- */

static int explain_group(struct explaining *job, const struct backend_host *host,
                         struct spot_error *err)
{
    struct task_room room;
    job->depth = 0;
    job->levels = 1;
    for (int32_t t = 0; t < job->trees_count; t++) {
        const struct shapley_tree *tree = &job->trees[t];
        const int64_t levels = ((int64_t)tree->depth + 1) * tree->points_count;
        if (tree->depth > job->depth) job->depth = tree->depth;
        if (levels > job->levels) job->levels = levels;
    }
    const int64_t task_rows = job->tiles * SHAPLEY_LANES;
    const int64_t tasks = (job->rows->rows + task_rows - 1) / task_rows;
    const bool shared = host != NULL && tasks > 1;
    double none = 0.0;
    job->room = divide_room(job, &none, &room); /* its size alone */
    job->rooms = spot_alloc(shared ? host->threads : 1, (size_t)job->room * sizeof *job->rooms);
    if (job->rooms == NULL) return spot_fail_memory(err, "contributions");
    if (shared) host->parallel(host->parallel_arg, tasks, explain_task, job);
    for (int64_t task = 0; !shared && task < tasks; task++)
        explain_task(job, task, 0);
    free(job->rooms);
    return SPOT_OK;
}

static int64_t tree_bytes(const struct shapley_tree *tree)
{
    return tree->count *
           (int64_t)(sizeof *tree->nodes + (size_t)tree->points_count * sizeof *tree->points);
}

/* Lowers trees from *tree on, of vector leaves one output after the other from *output on, until
 * the group is large enough or `end` is reached. */
static int open_group(struct explaining *job, int32_t *tree, int32_t *output, int32_t end,
                      struct spot_error *err)
{
    const struct forest *forest = job->forest;
    job->trees_count = 0;
    for (int64_t bytes = 0; *tree < end && bytes < GROUP_BYTES;) {
        const int32_t of = forest->tree_output[*tree];
        struct shapley_tree *next = &job->trees[job->trees_count++];
        int status = shapley_tree_open(forest, *tree, of < 0 ? *output : of, next, err);
        if (status < 0) return status;
        bytes += tree_bytes(next);
        *output = of < 0 && *output + 1 < forest->outputs ? *output + 1 : 0;
        *tree += *output == 0;
    }
    return SPOT_OK;
}

static void close_group(struct explaining *job)
{
    for (int32_t t = 0; t < job->trees_count; t++)
        shapley_tree_clear(&job->trees[t]);
}

/* Trees a group may have, vector leaves counted for each output. */
static int64_t most_trees(const struct forest *forest, int32_t first, int32_t trees)
{
    int64_t count = 0;
    for (int32_t t = first; t < first + trees; t++)
        count += forest->tree_output[t] < 0 ? forest->outputs : 1;
    return count;
}

int shapley_contributions(const struct forest *forest, const struct backend_host *host,
                          const struct spot_forest_rows *rows, int32_t first, int32_t trees,
                          double *out, struct spot_error *err)
{
    struct explaining job = {.forest = forest, .rows = rows, .walk = best_walk(), .out = out};
    const int64_t tile = ((int64_t)forest->features * (forest->outputs + 1)) * SHAPLEY_LANES *
                         (int64_t)sizeof(double);
    int32_t tree = first, output = 0;
    int status = SPOT_OK;
    job.tiles = tile * TASK_TILES < TASK_BYTES ? TASK_TILES : TASK_BYTES / (tile + 1) + 1;
    job.trees = spot_alloc_zero(most_trees(forest, first, trees) + 1, sizeof *job.trees);
    if (job.trees == NULL) return spot_fail_memory(err, "contributions");
    while (tree < first + trees && status == SPOT_OK) {
        status = open_group(&job, &tree, &output, first + trees, err);
        if (status == SPOT_OK) status = explain_group(&job, host, err);
        close_group(&job);
    }
    free(job.trees);
    return status;
}
