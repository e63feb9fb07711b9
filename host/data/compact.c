/* One pass with an open hash table of group numbers. Rows are compared by their bits, so 0.0 and
 * -0.0 stay apart, which costs a group and changes nothing. */
#include "data/compact.h"

#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "base/memory.h"

enum { TRIAL_ROWS = 4096, FEW_ROWS = 512 };

struct table {
    const struct spot_matrix *data;
    const int64_t *weights; /* (rows) or NULL */
    int32_t *slots;         /* (capacity) group + 1, 0: free */
    int64_t capacity;       /* a power of two */
    int64_t *first;         /* (first_capacity) first row of each group */
    int64_t first_capacity;
    int64_t groups;
    int32_t *counts; /* (counts_capacity) */
    int64_t counts_capacity;
};

static uint64_t hash_row(const struct table *table, int64_t row)
{
    const float *x = table->data->values + row * table->data->columns;
    uint64_t hash = table->weights == NULL ? 1 : (uint64_t)table->weights[row];
    for (int32_t j = 0; j < table->data->columns; j++) {
        uint32_t bits;
        memcpy(&bits, &x[j], sizeof bits);
        hash = (hash ^ bits) * 0x9e3779b97f4a7c15u;
        hash ^= hash >> 32;
    }
    return hash;
}

static bool same_row(const struct table *table, int64_t a, int64_t b)
{
    int32_t columns = table->data->columns;
    if (table->weights != NULL && table->weights[a] != table->weights[b]) return false;
    const float *x = table->data->values + a * columns, *y = table->data->values + b * columns;
    return memcmp(x, y, (size_t)columns * sizeof *x) == 0;
}

/* The slot where the row's group is or belongs. */
static int64_t find_slot(const struct table *table, int64_t row)
{
    int64_t mask = table->capacity - 1;
    int64_t slot = (int64_t)(hash_row(table, row) & (uint64_t)mask);
    while (table->slots[slot] != 0 && !same_row(table, table->first[table->slots[slot] - 1], row))
        slot = (slot + 1) & mask;
    return slot;
}

static int grow_table(struct table *table)
{
    free(table->slots);
    table->capacity = table->capacity == 0 ? 4 * TRIAL_ROWS : 2 * table->capacity;
    table->slots = spot_alloc_zero(table->capacity, sizeof *table->slots);
    if (table->slots == NULL) return SPOT_ENOMEM;
    for (int64_t g = 0; g < table->groups; g++)
        table->slots[find_slot(table, table->first[g])] = (int32_t)(g + 1);
    return SPOT_OK;
}

static int add_group(struct table *table, int64_t row, int64_t slot)
{
    if (spot_grow((void **)&table->first, &table->first_capacity, table->groups + 1,
                  sizeof *table->first) < 0 ||
        spot_grow((void **)&table->counts, &table->counts_capacity, table->groups + 1,
                  sizeof *table->counts) < 0)
        return SPOT_ENOMEM;
    table->first[table->groups] = row;
    table->counts[table->groups] = 0;
    table->slots[slot] = (int32_t)(table->groups + 1);
    table->groups++;
    return 2 * table->groups > table->capacity ? grow_table(table) : SPOT_OK;
}

static bool pays(const struct table *table, int64_t rows_seen)
{
    if (rows_seen == TRIAL_ROWS && table->groups > TRIAL_ROWS / 2) return false;
    return table->groups <= FEW_ROWS || 4 * table->groups <= table->data->rows;
}

/* Numbers the groups; *done is false where it gave up. */
static int group_rows(struct table *table, int force, int32_t *group_of_row, bool *done)
{
    *done = false;
    if (grow_table(table) < 0) return SPOT_ENOMEM;
    for (int64_t row = 0; row < table->data->rows; row++) {
        int64_t slot = find_slot(table, row);
        int32_t group = table->slots[slot] - 1;
        if (group < 0) {
            group = (int32_t)table->groups;
            if (table->groups == INT32_MAX - 1) return SPOT_OK;
            if (add_group(table, row, slot) < 0) return SPOT_ENOMEM;
        }
        if (table->counts[group] == INT32_MAX) return SPOT_OK;
        table->counts[group]++;
        group_of_row[row] = group;
        if (!force && !pays(table, row + 1)) return SPOT_OK;
    }
    *done = true;
    return SPOT_OK;
}

static int copy_groups(const struct table *table, struct compacted *out)
{
    size_t columns = (size_t)table->data->columns;
    out->groups = table->groups;
    out->values = spot_alloc(table->groups * table->data->columns, sizeof *out->values);
    if (table->weights != NULL) out->weights = spot_alloc(table->groups, sizeof *out->weights);
    if (out->values == NULL || (table->weights != NULL && out->weights == NULL)) return SPOT_ENOMEM;
    for (int64_t g = 0; g < table->groups; g++) {
        memcpy(out->values + (size_t)g * columns,
               table->data->values + (size_t)table->first[g] * columns,
               columns * sizeof *out->values);
        if (out->weights != NULL) out->weights[g] = table->weights[table->first[g]];
    }
    return SPOT_OK;
}

int compact_rows(const struct spot_matrix *data, const int64_t *weights, int force,
                 struct compacted *out, struct spot_error *err)
{
    int status;
    memset(out, 0, sizeof *out);
    if (!force && data->rows < FEW_ROWS) return SPOT_OK;
    struct table table = {.data = data, .weights = weights};
    bool done = false;
    out->group_of_row = spot_alloc(data->rows, sizeof *out->group_of_row);
    status = out->group_of_row == NULL ? SPOT_ENOMEM
                                       : group_rows(&table, force, out->group_of_row, &done);
    if (status == SPOT_OK && done) status = copy_groups(&table, out);
    if (status < 0) spot_fail_memory(err, "the merged rows");
    if (status == SPOT_OK && done) {
        out->counts = table.counts;
        table.counts = NULL;
    } else {
        compacted_clear(out);
    }
    free(table.slots);
    free(table.first);
    free(table.counts);
    return status;
}

void compacted_clear(struct compacted *compacted)
{
    free(compacted->values);
    free(compacted->weights);
    free(compacted->counts);
    free(compacted->group_of_row);
    memset(compacted, 0, sizeof *compacted);
}
