/* One pass with an open hash table of group numbers. Rows are compared by their bits, so 0.0 and
 * -0.0 stay apart, which costs a group and changes nothing. */
#include "data/compact.h"

#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "base/memory.h"
#include "base/scratch.h"

enum { TRIAL_ROWS = 4096, FEW_ROWS = 512 };
static const int64_t TABLE_BYTES = 64 << 20;

struct compaction {
    struct compact_options options;
    struct compacted found; /* groups so far; their values are in `words` until the end */
    uint32_t *words;        /* (groups, width) the values' bits */
    int32_t width;          /* words of a row */
    int64_t values_capacity, weights_capacity, counts_capacity;
    int64_t rows;              /* so far */
    int32_t *slots;            /* (capacity) group + 1, 0: free */
    int64_t capacity;          /* a power of two */
    int32_t trial[TRIAL_ROWS]; /* groups of the first rows, before there is an array for all */
    bool given_up;
};

int64_t compaction_groups(int32_t columns, bool wide)
{
    const int64_t values = (int64_t)columns * (wide ? 8 : 4);
    return TABLE_BYTES / (values + 28); /* values, weight, count, four slots */
}

/* ---- The table ------------------------------------------------------------------------------- */

/* A row on its way into the table. */
struct candidate {
    const char *values; /* (width) words of 4 bytes */
    int64_t weight;
};

static uint64_t hash_row(int32_t width, struct candidate row)
{
    uint64_t hash = (uint64_t)row.weight;
    for (int64_t j = 0; j < width; j++) {
        uint32_t bits;
        memcpy(&bits, row.values + 4 * j, sizeof bits);
        hash = (hash ^ bits) * 0x9e3779b97f4a7c15u;
        hash ^= hash >> 32;
    }
    return hash;
}

static struct candidate group_row(const struct compaction *c, int64_t group)
{
    return (struct candidate){(const char *)(c->words + group * c->width),
                              c->found.weights == NULL ? 1 : c->found.weights[group]};
}

static bool same_row(int32_t width, struct candidate a, struct candidate b)
{
    return a.weight == b.weight && memcmp(a.values, b.values, (size_t)width * 4) == 0;
}

/* The slot where the row's group is or belongs. */
static int64_t find_slot(const struct compaction *c, struct candidate row)
{
    int64_t mask = c->capacity - 1;
    int64_t slot = (int64_t)(hash_row(c->width, row) & (uint64_t)mask);
    while (c->slots[slot] != 0 && !same_row(c->width, group_row(c, c->slots[slot] - 1), row))
        slot = (slot + 1) & mask;
    return slot;
}

static int grow_table(struct compaction *c)
{
    free(c->slots);
    c->capacity = c->capacity == 0 ? 4 * TRIAL_ROWS : 2 * c->capacity;
    c->slots = spot_alloc_zero(c->capacity, sizeof *c->slots);
    if (c->slots == NULL) return SPOT_ENOMEM;
    for (int64_t g = 0; g < c->found.groups; g++)
        c->slots[find_slot(c, group_row(c, g))] = (int32_t)(g + 1);
    return SPOT_OK;
}

static int add_group(struct compaction *c, struct candidate row, int64_t slot)
{
    struct compacted *found = &c->found;
    const size_t row_bytes = (size_t)c->width * sizeof *c->words;
    const int64_t group = found->groups;
    if (spot_grow((void **)&c->words, &c->values_capacity, group + 1, row_bytes) < 0 ||
        spot_grow((void **)&found->counts, &c->counts_capacity, group + 1, sizeof *found->counts) <
            0 ||
        (c->options.weighted && spot_grow((void **)&found->weights, &c->weights_capacity, group + 1,
                                          sizeof *found->weights) < 0))
        return SPOT_ENOMEM;
    memcpy(c->words + group * c->width, row.values, row_bytes);
    if (found->weights != NULL) found->weights[group] = row.weight;
    found->counts[group] = 0;
    c->slots[slot] = (int32_t)(group + 1);
    found->groups++;
    return 2 * found->groups > c->capacity ? grow_table(c) : SPOT_OK;
}

/* ---- Rows ------------------------------------------------------------------------------------ */

/* After `rows` rows. */
static bool pays(const struct compaction *c, int64_t rows)
{
    const int64_t groups = c->found.groups;
    if (groups >= compaction_groups(c->options.columns, c->options.wide)) return false;
    if (c->options.force) return true;
    if (rows == TRIAL_ROWS && groups > TRIAL_ROWS / 2) return false;
    return groups <= FEW_ROWS || 4 * groups <= c->options.rows;
}

/* The group of the next row; *group is -1 where it makes no sense to go on. */
static int place_row(struct compaction *c, struct candidate row, int32_t *group)
{
    int64_t slot = find_slot(c, row);
    *group = c->slots[slot] - 1;
    if (*group < 0) {
        *group = (int32_t)c->found.groups;
        if (add_group(c, row, slot) < 0) return SPOT_ENOMEM;
    }
    c->rows++;
    if (c->found.counts[*group] == INT32_MAX || !pays(c, c->rows)) {
        *group = -1;
        return SPOT_OK;
    }
    c->found.counts[*group]++;
    return SPOT_OK;
}

/* The array for all rows, once it is likely to be used. */
static int open_map(struct compaction *c, struct spot_error *err)
{
    const struct compact_options *options = &c->options;
    struct compacted *found = &c->found;
    const size_t size = sizeof *found->group_of_row;
    void *map = NULL;
    if (options->scratch) {
        int status = scratch_open(options->folder, options->rows, size, "the groups of equal rows",
                                  &map, err);
        if (status < 0) return status;
    } else if ((map = spot_alloc(options->rows, size)) == NULL) {
        return spot_fail_memory(err, "the groups of equal rows");
    }
    found->group_of_row = map;
    found->rows = options->rows;
    found->scratch = options->scratch;
    memcpy(found->group_of_row, c->trial,
           (size_t)(c->rows < TRIAL_ROWS ? c->rows : TRIAL_ROWS) * size);
    return SPOT_OK;
}

int compaction_add(struct compaction *c, int64_t rows, const void *values, const int64_t *weights,
                   bool *gives_up, struct spot_error *err)
{
    int status = SPOT_OK;
    const int64_t first = c->rows;
    for (int64_t i = 0; i < rows && !c->given_up; i++) {
        struct candidate row = {(const char *)values + 4 * i * c->width,
                                weights == NULL ? 1 : weights[i]};
        int32_t group;
        if (c->rows == TRIAL_ROWS) SPOT_TRY(open_map(c, err));
        status = place_row(c, row, &group);
        if (status < 0) return spot_fail_memory(err, "the merged rows");
        if (group < 0)
            c->given_up = true;
        else if (c->rows <= TRIAL_ROWS)
            c->trial[c->rows - 1] = group;
        else
            c->found.group_of_row[c->rows - 1] = group;
    }
    if (c->rows == c->options.rows && c->rows <= TRIAL_ROWS && !c->given_up)
        status = open_map(c, err);
    if (c->found.scratch) scratch_done(c->found.group_of_row, first * 4, c->rows * 4);
out:
    *gives_up = c->given_up;
    return status;
}

/* ---- All of it ------------------------------------------------------------------------------- */

int compaction_open(const struct compact_options *options, struct compaction **out,
                    struct spot_error *err)
{
    struct compaction *c = *out = calloc(1, sizeof *c);
    if (c == NULL) return spot_fail_memory(err, "the merged rows");
    c->options = *options;
    c->width = options->wide ? 2 * options->columns : options->columns;
    c->given_up = !options->force && options->rows < FEW_ROWS;
    if (grow_table(c) == SPOT_OK) return SPOT_OK;
    compaction_close(c);
    *out = NULL;
    return spot_fail_memory(err, "the merged rows");
}

void compaction_finish(struct compaction *c, struct compacted *out)
{
    memset(out, 0, sizeof *out);
    if (c->given_up || c->rows < c->options.rows) return;
    *out = c->found;
    if (c->options.wide)
        out->values64 = (double *)(void *)c->words;
    else
        out->values = (float *)(void *)c->words;
    c->words = NULL;
    memset(&c->found, 0, sizeof c->found);
}

void compaction_close(struct compaction *c)
{
    if (c == NULL) return;
    compacted_clear(&c->found);
    free(c->words);
    free(c->slots);
    free(c);
}

int compact_rows(const struct spot_matrix *data, const int64_t *weights, int force,
                 struct compacted *out, struct spot_error *err)
{
    const struct compact_options options = {.rows = data->rows,
                                            .columns = data->columns,
                                            .wide = data->values64 != NULL,
                                            .weighted = weights != NULL,
                                            .force = force != 0};
    struct compaction *compaction = NULL;
    bool gives_up;
    memset(out, 0, sizeof *out);
    int status = compaction_open(&options, &compaction, err);
    const void *values = data->values64 != NULL ? (const void *)data->values64 : data->values;
    if (status == SPOT_OK)
        status = compaction_add(compaction, data->rows, values, weights, &gives_up, err);
    if (status == SPOT_OK) compaction_finish(compaction, out);
    compaction_close(compaction);
    return status;
}

void compacted_clear(struct compacted *compacted)
{
    free(compacted->values);
    free(compacted->values64);
    free(compacted->weights);
    free(compacted->counts);
    if (compacted->scratch)
        scratch_close(compacted->group_of_row, compacted->rows, sizeof *compacted->group_of_row);
    else
        free(compacted->group_of_row);
    memset(compacted, 0, sizeof *compacted);
}
