#include "fallback/forest_columns.h"

#include <math.h>
#include <stdlib.h>

#include "base/error.h"
#include "base/memory.h"
#include "numerics/threshold.h"

/* A numeric split; sorted, they give the columns of ranks. */
struct split {
    double threshold;
    int32_t feature;
    enum rank_missing missing;
    int left; /* where missing values go */
};

static enum rank_missing missing_of(const struct forest *forest, int64_t node)
{
    const uint8_t flags = forest->flags[node];
    if (forest->rules == FOREST_XGBOOST || (flags & NODE_MISSING_NAN) != 0) return MISSING_NAN;
    return (flags & NODE_MISSING_ZERO) != 0 ? MISSING_ZERO : MISSING_NOTHING;
}

static bool is_category(const struct forest *forest, int64_t node)
{
    return (forest->flags[node] & NODE_CATEGORICAL) != 0;
}

/* Where nothing is missing all nodes share one side. */
static struct split split_of(const struct forest *forest, int64_t node)
{
    const enum rank_missing missing = missing_of(forest, node);
    const int left = missing != MISSING_NOTHING && (forest->flags[node] & NODE_DEFAULT_LEFT) != 0;
    return (struct split){forest->threshold[node], forest->feature[node], missing, left};
}

/* ---- Thresholds ----------------------------------------------------------------------------- */

static int by_column(const void *a, const void *b)
{
    const struct split *x = a, *y = b;
    if (x->feature != y->feature) return x->feature < y->feature ? -1 : 1;
    if (x->missing != y->missing) return x->missing < y->missing ? -1 : 1;
    return (x->threshold > y->threshold) - (x->threshold < y->threshold);
}

/* The numeric splits in order. */
static int64_t collect_splits(const struct forest *forest, const uint8_t *wanted,
                              struct split *splits)
{
    int64_t count = 0;
    for (int64_t node = 0; node < forest->nodes; node++)
        if (wanted[node] && !is_category(forest, node)) splits[count++] = split_of(forest, node);
    qsort(splits, (size_t)count, sizeof *splits, by_column);
    return count;
}

/* As the kernels compute it. */
static int32_t bucket_of(const struct rank_search *search, bool narrow, double x)
{
    double at = (x - search->origin) * search->scale;
    if (narrow) at = (double)(((float)x - (float)search->origin) * (float)search->scale);
    if (!(at > 0.0)) return 0;
    return at < search->buckets - 1 ? (int32_t)at : search->buckets - 1;
}

static int32_t halvings(int32_t most)
{
    int32_t steps = 0;
    while (most >= (int64_t)1 << steps)
        steps++;
    return steps;
}

/* Counts thresholds bucket by bucket, then in all buckets before; returns the most in one. */
static int32_t fill_buckets(const struct rank_column *column, bool narrow, int32_t count,
                            const struct rank_search *search, int32_t *below)
{
    int32_t most = 0, before = 0;
    for (int32_t i = 0; i < count; i++) {
        const double t = narrow ? (double)column->thresholds[i] : column->thresholds64[i];
        const int32_t here = ++below[bucket_of(search, narrow, t)];
        if (here > most) most = here;
    }
    for (int32_t b = 0; b < search->buckets; b++) {
        const int32_t here = below[b];
        below[b] = before;
        before += here;
    }
    return most;
}

/* Buckets pay where thresholds are spread evenly enough; quantiles of most data are. */
static int set_search(const struct rank_column *column, bool narrow, struct rank_search *search)
{
    int32_t count = column->count;
    while (count > 0 &&
           (narrow ? isnan(column->thresholds[count - 1]) : isinf(column->thresholds64[count - 1])))
        count--; /* of x <= inf */
    const int32_t all = halvings(column->count);
    *search = (struct rank_search){.steps = all};
    if (count < 2) return SPOT_OK;
    const double first = narrow ? (double)column->thresholds[0] : column->thresholds64[0];
    const double last =
        narrow ? (double)column->thresholds[count - 1] : column->thresholds64[count - 1];
    search->buckets = 1024;
    while (search->buckets < 4 * (int64_t)count && search->buckets < 1 << 16)
        search->buckets *= 2;
    search->origin = first;
    search->scale = narrow ? (double)((float)search->buckets / ((float)last - (float)first))
                           : search->buckets / (last - first);
    int32_t *below = spot_alloc_zero(search->buckets, sizeof *below);
    if (below == NULL) return SPOT_ENOMEM;
    const bool even = isfinite(search->scale) && isfinite(search->origin) && search->scale != 0.0;
    const int32_t most = even ? fill_buckets(column, narrow, count, search, below) : count;
    if (!even || halvings(most) > all - 2) {
        *search = (struct rank_search){.steps = all};
        free(below);
        return SPOT_OK;
    }
    search->steps = halvings(most);
    if (column->count > SLOT_THRESHOLDS) {
        search->below_many = below;
        return SPOT_OK;
    }
    search->below = spot_alloc_zero(search->buckets + 3, sizeof *search->below);
    for (int32_t b = 0; search->below != NULL && b < search->buckets; b++)
        search->below[b] = (uint8_t)below[b];
    free(below);
    return search->below == NULL ? SPOT_ENOMEM : SPOT_OK;
}

/* A search looks at most as far as from the last threshold on through all its halvings. */
static int set_thresholds(const struct forest *forest, struct rank_column *column,
                          const struct split *splits)
{
    const bool xgboost = forest->rules == FOREST_XGBOOST;
    const int64_t padded = column->count + ((int64_t)1 << halvings(column->count));
    column->thresholds = spot_alloc(padded, sizeof *column->thresholds);
    if (!xgboost) column->thresholds64 = spot_alloc(padded, sizeof *column->thresholds64);
    if (column->thresholds == NULL || (!xgboost && column->thresholds64 == NULL))
        return SPOT_ENOMEM;
    for (int64_t i = 0; i < padded; i++) {
        column->thresholds[i] = NAN;
        if (!xgboost) column->thresholds64[i] = (double)NAN;
    }
    for (int32_t i = 0, s = 0; i < column->count; s++) {
        const double t = splits[s].threshold;
        if (s > 0 && t == splits[s - 1].threshold) continue;
        column->thresholds[i] = xgboost ? (float)t : threshold_above(t);
        if (!xgboost) column->thresholds64[i] = t;
        i++;
    }
    int status = set_search(column, true, &column->search);
    if (status == SPOT_OK && !xgboost) status = set_search(column, false, &column->search64);
    return status;
}

/* ---- Columns -------------------------------------------------------------------------------- */

/* Columns beyond the most slots are not made. */
static void take_slots(struct forest_plan *plan, struct rank_column *column, const bool sides[2])
{
    column->slots = (column->count + SLOT_THRESHOLDS - 1) / SLOT_THRESHOLDS;
    for (int left = 0; left < 2; left++) {
        column->slot[left] = sides[left] ? plan->slots : -1;
        if (sides[left]) plan->slots += column->slots;
    }
}

/* A column from a run of `count` splits. */
static int make_column(struct forest_plan *plan, const struct split *splits, int64_t count,
                       int64_t *capacity)
{
    if (spot_grow((void **)&plan->columns, capacity, plan->columns_count + 1,
                  sizeof *plan->columns) < 0)
        return SPOT_ENOMEM;
    struct rank_column column = {.feature = splits->feature, .missing = splits->missing};
    bool sides[2] = {false, false};
    int64_t thresholds = 0;
    for (int64_t i = 0; i < count; i++) {
        sides[splits[i].left] = true;
        thresholds += i == 0 || splits[i].threshold != splits[i - 1].threshold;
    }
    if (thresholds / SLOT_THRESHOLDS * 2 + plan->slots >= FOREST_MOST_SLOTS) return SPOT_OK;
    column.count = (int32_t)thresholds;
    take_slots(plan, &column, sides);
    struct rank_column *to = &plan->columns[plan->columns_count++];
    *to = column;
    return set_thresholds(plan->forest, to, splits);
}

static int make_columns(struct forest_plan *plan, const struct split *splits, int64_t count)
{
    int64_t capacity = 0;
    int status = SPOT_OK;
    for (int64_t first = 0, end; status == SPOT_OK && first < count; first = end) {
        for (end = first + 1; end < count; end++)
            if (splits[end].feature != splits[first].feature ||
                splits[end].missing != splits[first].missing)
                break;
        status = make_column(plan, splits + first, end - first, &capacity);
    }
    return status;
}

static const struct rank_column *column_of(const struct forest_plan *plan, int64_t node)
{
    const struct split split = split_of(plan->forest, node);
    int32_t low = 0, high = plan->columns_count - 1;
    while (low <= high) {
        const int32_t middle = low + (high - low) / 2;
        const struct rank_column *column = &plan->columns[middle];
        const struct split of = {split.threshold, column->feature, column->missing, 0};
        const int order = by_column(&of, &split);
        if (order == 0) return column;
        if (order < 0)
            low = middle + 1;
        else
            high = middle - 1;
    }
    return NULL;
}

/* ---- Categories ----------------------------------------------------------------------------- */

static int by_feature(const void *a, const void *b)
{
    const struct category_column *x = a, *y = b;
    if (x->feature != y->feature) return x->feature < y->feature ? -1 : 1;
    return (x->node > y->node) - (x->node < y->node);
}

static int by_node(const void *a, const void *b)
{
    const struct category_column *x = a, *y = b;
    return (x->node > y->node) - (x->node < y->node);
}

/* A slot for each categorical split; for the time being in the order of nodes. */
static int make_categories(struct forest_plan *plan, const uint8_t *wanted)
{
    const struct forest *forest = plan->forest;
    int64_t capacity = 0;
    for (int64_t node = 0; node < forest->nodes; node++) {
        if (!wanted[node] || !is_category(forest, node) || plan->slots >= FOREST_MOST_SLOTS)
            continue;
        if (spot_grow((void **)&plan->categories, &capacity, plan->categories_count + 1,
                      sizeof *plan->categories) < 0)
            return SPOT_ENOMEM;
        plan->categories[plan->categories_count++] =
            (struct category_column){node, forest->feature[node], plan->slots++};
    }
    return SPOT_OK;
}

static const struct category_column *category_of(const struct forest_plan *plan, int64_t node)
{
    const struct category_column key = {.node = node};
    if (plan->categories_count == 0) return NULL;
    return bsearch(&key, plan->categories, (size_t)plan->categories_count, sizeof key, by_node);
}

void forest_columns_sort_categories(struct forest_plan *plan)
{
    if (plan->categories_count > 0)
        qsort(plan->categories, (size_t)plan->categories_count, sizeof *plan->categories,
              by_feature);
}

/* ---- For the trees -------------------------------------------------------------------------- */

int forest_columns_make(struct forest_plan *plan, const uint8_t *wanted, struct spot_error *err)
{
    struct split *splits = spot_alloc(plan->forest->nodes, sizeof *splits);
    int status = splits == NULL ? SPOT_ENOMEM : SPOT_OK;
    if (status == SPOT_OK)
        status = make_columns(plan, splits, collect_splits(plan->forest, wanted, splits));
    free(splits);
    if (status == SPOT_OK) status = make_categories(plan, wanted);
    return status < 0 ? spot_fail_memory(err, "the thresholds") : SPOT_OK;
}

bool forest_columns_have(const struct forest_plan *plan, int64_t node)
{
    if (is_category(plan->forest, node)) return category_of(plan, node) != NULL;
    return column_of(plan, node) != NULL;
}

struct rank_place forest_columns_place(const struct forest_plan *plan, int64_t node)
{
    if (is_category(plan->forest, node))
        return (struct rank_place){category_of(plan, node)->slot, 0};
    const struct split split = split_of(plan->forest, node);
    const struct rank_column *column = column_of(plan, node);
    int32_t low = 0, high = column->count - 1;
    while (low < high) {
        const int32_t middle = low + (high - low) / 2;
        const double there = column->thresholds64 != NULL ? column->thresholds64[middle]
                                                          : (double)column->thresholds[middle];
        if (there < split.threshold)
            low = middle + 1;
        else
            high = middle;
    }
    return (struct rank_place){column->slot[split.left] + low / SLOT_THRESHOLDS,
                               (int8_t)(low % SLOT_THRESHOLDS + SLOT_LOWEST)};
}

void forest_columns_free(struct forest_plan *plan)
{
    for (int32_t c = 0; c < plan->columns_count; c++) {
        struct rank_column *column = &plan->columns[c];
        free(column->thresholds);
        free(column->thresholds64);
        free(column->search.below);
        free(column->search.below_many);
        free(column->search64.below);
        free(column->search64.below_many);
    }
    free(plan->columns);
    free(plan->categories);
}
