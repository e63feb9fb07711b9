/* A column of labels: texts that become classes. Texts that are the same number ("1", "1.0") are
 * the same class; classes are in the order of their numbers, or bytewise where one is no number. */
#ifndef SPOT_APP_LABEL_COLUMN_H
#define SPOT_APP_LABEL_COLUMN_H

#include "data/categories.h"

#include "blackspot.h"

struct label_column {
    struct categories texts; /* as they were met */
    int32_t *codes;          /* (rows) index into texts; after label_column_number, classes */
    int64_t rows, room;
};

/* Adds a row's label, blanks around it left out. Errors: SPOT_EDATA (an empty label, more than 1000
 * different ones), SPOT_ENOMEM. */
int label_column_add(struct label_column *labels, const char *text, int64_t length,
                     struct spot_error *err);
void label_column_clear(struct label_column *labels);

struct class_list {
    char **names; /* (count) */
    int32_t count;
};

/* All labels of one or two columns (the second NULL). */
int classes_of_labels(const struct label_column *first, const struct label_column *second,
                      struct class_list *classes, struct spot_error *err);
/* "a,b,c", in that order. */
int classes_of_option(const char *text, struct class_list *classes, struct spot_error *err);
/* "0", "1", ... */
int classes_of_numbers(int32_t count, struct class_list *classes, struct spot_error *err);
void classes_clear(struct class_list *classes);

/* The class of a label, or -1. */
int32_t classes_find(const struct class_list *classes, const char *label);

/* Turns the codes into classes. SPOT_EDATA names a label that is none; column: its name. */
int label_column_number(struct label_column *labels, const struct class_list *classes,
                        const char *column, struct spot_error *err);

#endif
