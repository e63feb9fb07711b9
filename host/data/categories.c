/* Open addressing with linear probing. */
#include "data/categories.h"

#include <stdlib.h>
#include <string.h>

#include "base/memory.h"
#include "blackspot.h"

static uint64_t hash_text(const char *text)
{
    uint64_t hash = UINT64_C(0xcbf29ce484222325); /* FNV-1a, then mixed */
    for (; *text != '\0'; text++)
        hash = (hash ^ (unsigned char)*text) * UINT64_C(0x100000001b3);
    return (hash ^ (hash >> 32)) * UINT64_C(0x9e3779b97f4a7c15) >> 16;
}

/* The slot of a text, or the empty one where it would go. */
static int32_t find_slot(const struct categories *categories, const char *text)
{
    uint64_t mask = (uint64_t)categories->slots_count - 1;
    uint64_t slot = hash_text(text) & mask;
    while (categories->slots[slot] >= 0 &&
           strcmp(categories->texts[categories->slots[slot]], text) != 0)
        slot = (slot + 1) & mask;
    return (int32_t)slot;
}

int32_t categories_find(const struct categories *categories, const char *text)
{
    return categories->count == 0 ? -1 : categories->slots[find_slot(categories, text)];
}

static void fill_slots(struct categories *categories)
{
    for (int32_t i = 0; i < categories->slots_count; i++)
        categories->slots[i] = -1;
    for (int32_t i = 0; i < categories->count; i++)
        categories->slots[find_slot(categories, categories->texts[i])] = i;
}

/* Room for one more text, in the arrays and in the table. */
static int make_room(struct categories *categories)
{
    if (2 * (categories->count + 1) <= categories->slots_count) return SPOT_OK;
    int32_t slots = categories->slots_count == 0 ? 32 : categories->slots_count * 2;
    char **texts = realloc(categories->texts, (size_t)slots * sizeof *texts);
    if (texts != NULL) categories->texts = texts;
    int64_t *counts = realloc(categories->counts, (size_t)slots * sizeof *counts);
    if (counts != NULL) categories->counts = counts;
    int32_t *table = malloc((size_t)slots * sizeof *table);
    if (texts == NULL || counts == NULL || table == NULL) {
        free(table);
        return SPOT_ENOMEM;
    }
    free(categories->slots);
    categories->slots = table;
    categories->slots_count = slots;
    fill_slots(categories);
    return SPOT_OK;
}

int categories_add(struct categories *categories, const char *text, int64_t count)
{
    if (make_room(categories) < 0) return SPOT_ENOMEM;
    int32_t slot = find_slot(categories, text);
    if (categories->slots[slot] < 0) {
        if (categories->count == CATEGORIES_LIMIT) return SPOT_EDATA;
        char *copy = spot_copy_text(text);
        if (copy == NULL) return SPOT_ENOMEM;
        categories->texts[categories->count] = copy;
        categories->counts[categories->count] = 0;
        categories->slots[slot] = categories->count++;
    }
    categories->counts[categories->slots[slot]] += count;
    return SPOT_OK;
}

struct entry {
    char *text;
    int64_t count;
};

static int compare_entries(const void *a, const void *b)
{
    return strcmp(((const struct entry *)a)->text, ((const struct entry *)b)->text);
}

int categories_sort(struct categories *categories)
{
    struct entry *entries = spot_alloc(categories->count, sizeof *entries);
    if (entries == NULL) return SPOT_ENOMEM;
    for (int32_t i = 0; i < categories->count; i++)
        entries[i] = (struct entry){categories->texts[i], categories->counts[i]};
    qsort(entries, (size_t)categories->count, sizeof *entries, compare_entries);
    for (int32_t i = 0; i < categories->count; i++) {
        categories->texts[i] = entries[i].text;
        categories->counts[i] = entries[i].count;
    }
    free(entries);
    fill_slots(categories);
    return SPOT_OK;
}

void categories_clear(struct categories *categories)
{
    for (int32_t i = 0; i < categories->count; i++)
        free(categories->texts[i]);
    free(categories->texts);
    free(categories->counts);
    free(categories->slots);
    memset(categories, 0, sizeof *categories);
}
