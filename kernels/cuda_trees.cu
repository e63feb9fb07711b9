/* The table of trees: packs a forest and takes it to the device once, then scores rows in batches.
 * Its stream is its own, so that a plan may outlive the engine that it was made with. */
#include <cmath>
#include <cstdlib>
#include <cstring>

#include "kernels/cuda_trees.h"
#include "numerics/threshold.h"

struct forest_plan {
    struct backend backend; /* a copy with the plan's own stream */
    struct cuda_forest forest;
    struct forest_room *room;
};

/* Room on the device for a batch of rows, kept from call to call. */
struct forest_room {
    char *values; /* float32 or float64 */
    double *margins;
    int32_t *leaves;
    int64_t value_bytes, margins_count, leaves_count;
};

namespace
{

const int64_t batch_bytes = 64 << 20;

/* ---- Packing -------------------------------------------------------------------------------- */

struct packing {
    const struct forest *from;
    struct cuda_node32 *nodes32;
    struct cuda_node64 *nodes64;
    uint32_t *categories;
    int64_t words;  /* of categories, so far */
    int32_t *queue; /* (nodes of the largest tree) */
};

bool fits32(const struct forest *forest)
{
    if (forest->features > 1 << NODE32_FEATURE_BITS) return false;
    for (int32_t t = 0; t < forest->trees; t++)
        if (forest->first_node[t + 1] - forest->first_node[t] > NODE32_MOST_NODES) return false;
    return true;
}

/* A categorical split's words behind their number; returns where. */
uint32_t pack_categories(struct packing *p, int64_t node)
{
    const int64_t first = p->from->first_word[node], words = p->from->first_word[node + 1] - first;
    const uint32_t at = (uint32_t)p->words;
    p->categories[p->words++] = (uint32_t)words;
    for (int64_t w = 0; w < words; w++)
        p->categories[p->words++] = p->from->category_bits[first + w];
    return at;
}

void pack_leaf(struct packing *p, int64_t to, int64_t node, int32_t number)
{
    const double value = p->from->value[node];
    if (p->nodes32 != NULL) p->nodes32[to] = {(float)value, (uint32_t)number};
    if (p->nodes64 != NULL) p->nodes64[to] = {value, 0, (uint32_t)number};
}

void pack_split(struct packing *p, int64_t to, int64_t node, uint32_t pair)
{
    const struct forest *from = p->from;
    const bool xgboost = from->rules == FOREST_XGBOOST;
    const uint32_t word = (uint32_t)from->feature[node] << NODE_FLAG_BITS | from->flags[node];
    double threshold = from->threshold[node];
    if (std::isnan(threshold)) threshold = -HUGE_VAL; /* no value is below either */
    float above = xgboost ? (float)threshold : threshold_above(threshold);
    if (xgboost) threshold = (double)above;
    if ((from->flags[node] & NODE_CATEGORICAL) != 0) {
        const uint32_t at = pack_categories(p, node);
        memcpy(&above, &at, sizeof above);
        threshold = at;
    }
    if (p->nodes32 != NULL) p->nodes32[to] = {above, pair << NODE32_NUMBER_BITS | word};
    if (p->nodes64 != NULL) p->nodes64[to] = {threshold, pair, word};
}

/* Breadth first: nodes come in the order in which they are queued. */
void pack_tree(struct packing *p, int32_t tree)
{
    const struct forest *from = p->from;
    const int64_t root = from->first_node[tree];
    int64_t queued = 1;
    uint32_t pairs = 0;
    p->queue[0] = 0;
    for (int64_t i = 0; i < queued; i++) {
        const int64_t node = root + p->queue[i];
        if (from->left[node] < 0) {
            pack_leaf(p, root + i, node, p->queue[i]);
            continue;
        }
        pack_split(p, root + i, node, ++pairs);
        p->queue[queued++] = from->left[node];
        p->queue[queued++] = from->right[node];
    }
}

void close_packing(struct packing *p)
{
    free(p->nodes32);
    free(p->nodes64);
    free(p->categories);
    free(p->queue);
}

int open_packing(struct packing *p, int64_t *words, struct spot_error *err)
{
    const struct forest *from = p->from;
    const size_t nodes = (size_t)from->nodes;
    const bool narrow = fits32(from);
    int64_t largest = 1;
    *words = 0;
    for (int32_t t = 0; t < from->trees; t++)
        if (from->first_node[t + 1] - from->first_node[t] > largest)
            largest = from->first_node[t + 1] - from->first_node[t];
    for (int64_t i = 0; i < from->nodes; i++)
        if (from->left[i] >= 0 && (from->flags[i] & NODE_CATEGORICAL) != 0)
            *words += 1 + from->first_word[i + 1] - from->first_word[i];
    if (*words > UINT32_MAX || from->features > INT32_MAX >> NODE_FLAG_BITS)
        return spot_fail(err, SPOT_EUSAGE, "the forest has too many categories or features");
    p->queue = (int32_t *)calloc((size_t)largest + 2, sizeof *p->queue);
    p->categories = (uint32_t *)calloc((size_t)*words + 1, sizeof *p->categories);
    if (narrow) p->nodes32 = (struct cuda_node32 *)calloc(nodes + 1, sizeof *p->nodes32);
    if (!narrow || from->rules == FOREST_LIGHTGBM)
        p->nodes64 = (struct cuda_node64 *)calloc(nodes + 1, sizeof *p->nodes64);
    if (p->queue == NULL || p->categories == NULL || (narrow && p->nodes32 == NULL) ||
        ((!narrow || from->rules == FOREST_LIGHTGBM) && p->nodes64 == NULL))
        return spot_fail_memory(err, "the packed forest");
    return SPOT_OK;
}

/* ---- To the device -------------------------------------------------------------------------- */

/* A copy on the device, NULL of NULL. */
template <class T>
int take(const struct backend *backend, T **to, const T *from, int64_t count,
         struct spot_error *err)
{
    int status = SPOT_OK;
    if (from == NULL) return SPOT_OK;
    SPOT_TRY(cuda_alloc(to, count, "the forest", err));
    SPOT_TRY(cuda_put(backend, *to, from, (size_t)count * sizeof *from, "copying the forest", err));
out:
    return status;
}

int take_forest(struct forest_plan *plan, const struct packing *p, struct spot_error *err)
{
    int status = SPOT_OK;
    const struct forest *from = p->from;
    const struct backend *backend = &plan->backend;
    struct cuda_forest *to = &plan->forest;
    to->rules = from->rules;
    to->features = from->features;
    to->outputs = from->outputs;
    SPOT_TRY(take(backend, &to->nodes32, p->nodes32, from->nodes, err));
    SPOT_TRY(take(backend, &to->nodes64, p->nodes64, from->nodes, err));
    SPOT_TRY(take(backend, &to->first_node, from->first_node, (int64_t)from->trees + 1, err));
    SPOT_TRY(take(backend, &to->tree_output, from->tree_output, from->trees, err));
    SPOT_TRY(take(backend, &to->tree_weight, from->tree_weight, from->trees, err));
    SPOT_TRY(take(backend, &to->values, from->value, from->nodes, err));
    SPOT_TRY(take(backend, &to->categories, p->categories, p->words, err));
    SPOT_TRY(take(backend, &to->vector, from->vector, from->nodes, err));
    SPOT_TRY(take(backend, &to->leaf_vectors, from->leaf_vectors,
                  from->leaf_vectors_count * from->outputs, err));
    SPOT_TRY(cuda_wait(backend, "copying the forest", err));
out:
    return status;
}

void plan_close(struct forest_plan *plan)
{
    if (plan == NULL) return;
    const struct cuda_forest *forest = &plan->forest;
    if (plan->backend.stream != nullptr && cuda_enter(&plan->backend, NULL) == SPOT_OK)
        (void)cudaStreamDestroy(plan->backend.stream);
    (void)cudaFree(forest->nodes32);
    (void)cudaFree(forest->nodes64);
    (void)cudaFree(forest->first_node);
    (void)cudaFree(forest->tree_output);
    (void)cudaFree(forest->tree_weight);
    (void)cudaFree(forest->values);
    (void)cudaFree(forest->categories);
    (void)cudaFree(forest->vector);
    (void)cudaFree(forest->leaf_vectors);
    if (plan->room != NULL) {
        (void)cudaFree(plan->room->values);
        (void)cudaFree(plan->room->margins);
        (void)cudaFree(plan->room->leaves);
    }
    free(plan->room);
    free(plan);
}

int plan_open(struct backend *backend, const struct forest *forest, struct forest_plan **out,
              struct spot_error *err)
{
    int status = SPOT_OK;
    int64_t words = 0;
    struct packing packing = {};
    struct forest_plan *plan = NULL;
    *out = NULL;
    if (forest->linear_constant != NULL)
        return spot_fail(err, SPOT_EUSAGE, "the CUDA backend has no linear leaves");
    packing.from = forest;
    SPOT_TRY(open_packing(&packing, &words, err));
    for (int32_t t = 0; t < forest->trees; t++)
        pack_tree(&packing, t);
    plan = (struct forest_plan *)calloc(1, sizeof *plan);
    if (plan != NULL) plan->room = (struct forest_room *)calloc(1, sizeof *plan->room);
    if (plan == NULL || plan->room == NULL) {
        status = spot_fail_memory(err, "the forest");
        goto out;
    }
    plan->backend = *backend;
    plan->backend.stream = nullptr;
    SPOT_TRY(cuda_enter(backend, err));
    CUDA_TRY(cudaStreamCreateWithFlags(&plan->backend.stream, cudaStreamNonBlocking),
             "opening the forest");
    SPOT_TRY(take_forest(plan, &packing, err));
out:
    close_packing(&packing);
    if (status < 0) {
        plan_close(plan);
        plan = NULL;
    }
    *out = plan;
    return status;
}

/* ---- Scoring -------------------------------------------------------------------------------- */

template <class T>
int make_room(T **at, int64_t *has, int64_t wanted, const char *what, struct spot_error *err)
{
    if (*has >= wanted) return SPOT_OK;
    (void)cudaFree(*at);
    *at = nullptr;
    *has = 0;
    int status = cuda_alloc(at, wanted, what, err);
    if (status == SPOT_OK) *has = wanted;
    return status;
}

/* Rows at a time. */
int64_t batch_of(const struct spot_forest_rows *rows, int64_t row_bytes)
{
    int64_t batch = batch_bytes / row_bytes > 1024 ? batch_bytes / row_bytes : 1024;
    return batch < rows->rows ? batch : rows->rows;
}

/* Rows [from, from + pass->rows) there and their results back. margins, leaves: of the first one.
 */
int score_batch(const struct forest_plan *plan, const char *values, int64_t value_bytes,
                struct cuda_forest_pass *pass, double *margins, int32_t *leaves,
                struct spot_error *err)
{
    int status = SPOT_OK;
    const struct backend *backend = &plan->backend;
    const size_t margin_bytes = (size_t)(pass->rows * plan->forest.outputs) * sizeof *margins;
    const size_t leaf_bytes = (size_t)(pass->rows * pass->trees) * sizeof *leaves;
    SPOT_TRY(cuda_put(backend, plan->room->values, values,
                      (size_t)(pass->rows * pass->columns * value_bytes), "copying rows to score",
                      err));
    if (margins != NULL)
        SPOT_TRY(cuda_put(backend, pass->margins, margins, margin_bytes, "copying margins", err));
    SPOT_TRY(cuda_forest_score(backend, &plan->forest, pass, err));
    if (margins != NULL)
        SPOT_TRY(
            cuda_get(backend, margins, pass->margins, margin_bytes, "trees: scoring rows", err));
    if (leaves != NULL)
        SPOT_TRY(cuda_get(backend, leaves, pass->leaves, leaf_bytes, "trees: scoring rows", err));
out:
    return status;
}

int score(const struct forest_plan *plan, const struct backend_host *host,
          const struct spot_forest_rows *rows, int32_t first, int32_t trees, double *margins,
          int32_t *leaves, struct spot_error *err)
{
    int status = SPOT_OK;
    const int64_t value_bytes = rows->values != NULL ? 4 : 8, outputs = plan->forest.outputs;
    const char *values =
        rows->values != NULL ? (const char *)rows->values : (const char *)rows->values64;
    struct forest_room *room = plan->room;
    struct cuda_forest_pass pass = {};
    (void)host;
    if (rows->rows == 0 || trees == 0) return SPOT_OK;
    const int64_t leaf_room = leaves != NULL ? trees : 0;
    const int64_t batch = batch_of(rows, value_bytes * rows->columns + 8 * outputs + 4 * leaf_room);
    /* The last batch may be one of few rows. */
    const int64_t few = (int64_t)plan->backend.limits.processors * TREES_THREADS;
    SPOT_TRY(cuda_enter(&plan->backend, err));
    SPOT_TRY(make_room(&room->values, &room->value_bytes, batch * rows->columns * value_bytes,
                       "the rows to score", err));
    if (margins != NULL)
        SPOT_TRY(
            make_room(&room->margins, &room->margins_count, batch * outputs, "the margins", err));
    SPOT_TRY(make_room(&room->leaves, &room->leaves_count,
                       (leaves != NULL || batch < few ? batch : few) * trees, "the leaves", err));
    pass.columns = rows->columns;
    pass.first = first;
    pass.trees = trees;
    pass.values32 = rows->values != NULL ? (const float *)(void *)room->values : nullptr;
    pass.values64 = rows->values == NULL ? (const double *)(void *)room->values : nullptr;
    pass.margins = margins != NULL ? room->margins : nullptr;
    for (int64_t from = 0; from < rows->rows; from += batch) {
        pass.rows = rows->rows - from < batch ? rows->rows - from : batch;
        pass.leaves =
            leaves != NULL || cuda_forest_few(&plan->backend, pass.rows) ? room->leaves : nullptr;
        SPOT_TRY(score_batch(plan, values + from * rows->columns * value_bytes, value_bytes, &pass,
                             margins != NULL ? margins + from * outputs : NULL,
                             leaves != NULL ? leaves + from * trees : NULL, err));
    }
out:
    return status;
}

} // namespace

const struct backend_trees cuda_trees = {
    .plan = plan_open,
    .plan_close = plan_close,
    .score = score,
    .contributions = NULL, /* they are the CPU's, as training is */
    .open = NULL,
    .close = NULL,
    .gradients = NULL,
    .histograms = NULL,
    .split = NULL,
};
