/* Texts with a number each, found by hash: the categories of a column and how often they occur. */
#ifndef SPOT_DATA_CATEGORIES_H
#define SPOT_DATA_CATEGORIES_H

#include <stdint.h>

enum { CATEGORIES_LIMIT = 1 << 20 };

struct categories {
    char **texts;    /* (count) */
    int64_t *counts; /* (count) */
    int32_t count;
    int32_t *slots; /* (slots_count) index of a category or -1; a power of two, half empty */
    int32_t slots_count;
};

/* Adds `count` to a text's number, 0 for a new text. SPOT_OK, SPOT_ENOMEM, or SPOT_EDATA beyond
 * CATEGORIES_LIMIT texts. */
int categories_add(struct categories *categories, const char *text, int64_t count);

/* Index of a text, or -1. */
int32_t categories_find(const struct categories *categories, const char *text);

/* Numbers the texts in bytewise order, so that they depend on no order of rows. */
int categories_sort(struct categories *categories);

void categories_clear(struct categories *categories);

#endif
