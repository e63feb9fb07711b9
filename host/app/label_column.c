#define _POSIX_C_SOURCE 200809L
#include "app/label_column.h"

#include <math.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "base/memory.h"
#include "data/decimal.h"
#include "data/writer.h"
#include "models/evaluation.h"

enum { LABEL_ROOM = 200, NUMBER_ROOM = 32 };

static bool is_blank(char c)
{
    return c == ' ' || c == '\t';
}

/* What programs write where a value is missing. */
static bool is_nan(const char *text, int64_t length)
{
    return length == 3 && (memcmp(text, "nan", 3) == 0 || memcmp(text, "NaN", 3) == 0);
}

int label_column_add(struct label_column *labels, const char *text, int64_t length,
                     struct spot_error *err)
{
    char label[LABEL_ROOM];
    for (; length > 0 && is_blank(*text); length--)
        text++;
    while (length > 0 && is_blank(text[length - 1]))
        length--;
    if (length == 0 || is_nan(text, length))
        return spot_fail(err, SPOT_EDATA, "no label; every row needs one");
    if (length >= LABEL_ROOM)
        return spot_fail(err, SPOT_EDATA, "a label of %lld bytes; it has at most %d",
                         (long long)length, LABEL_ROOM - 1);
    memcpy(label, text, (size_t)length);
    label[length] = '\0';
    int32_t code = categories_find(&labels->texts, label);
    if (code < 0) {
        code = labels->texts.count;
        if (code == EVALUATION_CLASSES)
            return spot_fail(err, SPOT_EDATA,
                             "more than %d different labels; a table of predicted values is judged "
                             "with --task regression",
                             EVALUATION_CLASSES);
        if (categories_add(&labels->texts, label, 1) < 0) return spot_fail_memory(err, "labels");
    }
    if (spot_grow((void **)&labels->codes, &labels->room, labels->rows + 1, sizeof *labels->codes) <
        0)
        return spot_fail_memory(err, "labels");
    labels->codes[labels->rows++] = code;
    return SPOT_OK;
}

void label_column_clear(struct label_column *labels)
{
    categories_clear(&labels->texts);
    free(labels->codes);
    *labels = (struct label_column){0};
}

/* ---- Classes -------------------------------------------------------------------------------- */

/* A number in its shortest form, so that equal ones are equal texts; other texts as they are. */
static const char *plain_name(const char *label, char number[NUMBER_ROOM])
{
    double value;
    if (decimal_parse(label, label + strlen(label), '.', &value) != DECIMAL_OK) return label;
    format_double(value == 0.0 ? 0.0 : value, number);
    return number;
}

static int compare_texts(const void *a, const void *b)
{
    return strcmp(*(char *const *)a, *(char *const *)b);
}

static int compare_numbers(const void *a, const void *b)
{
    double x = 0.0, y = 0.0;
    const char *left = *(char *const *)a, *right = *(char *const *)b;
    decimal_parse(left, left + strlen(left), '.', &x);
    decimal_parse(right, right + strlen(right), '.', &y);
    return (x > y) - (x < y);
}

static int add_class(struct class_list *classes, const char *name, struct spot_error *err)
{
    char **names = realloc(classes->names, ((size_t)classes->count + 1) * sizeof *names);
    if (names == NULL) return spot_fail_memory(err, "the classes");
    classes->names = names;
    names[classes->count] = spot_copy_text(name);
    if (names[classes->count] == NULL) return spot_fail_memory(err, "the classes");
    classes->count++;
    return SPOT_OK;
}

int32_t classes_find(const struct class_list *classes, const char *label)
{
    char number[NUMBER_ROOM];
    const char *name = plain_name(label, number);
    for (int32_t c = 0; c < classes->count; c++)
        if (strcmp(classes->names[c], name) == 0) return c;
    return -1;
}

static bool is_number(const char *name)
{
    double value;
    return decimal_parse(name, name + strlen(name), '.', &value) == DECIMAL_OK;
}

int classes_of_labels(const struct label_column *first, const struct label_column *second,
                      struct class_list *classes, struct spot_error *err)
{
    const struct label_column *columns[] = {first, second};
    bool numbers = true;
    int status = SPOT_OK;
    char number[NUMBER_ROOM];
    *classes = (struct class_list){0};
    for (int i = 0; i < 2 && columns[i] != NULL; i++)
        for (int32_t t = 0; t < columns[i]->texts.count; t++) {
            const char *label = columns[i]->texts.texts[t];
            numbers = numbers && is_number(label);
            if (classes_find(classes, label) < 0)
                SPOT_TRY(add_class(classes, plain_name(label, number), err));
        }
    if (classes->count > 1)
        qsort(classes->names, (size_t)classes->count, sizeof *classes->names,
              numbers ? compare_numbers : compare_texts);
out:
    if (status < 0) classes_clear(classes);
    return status;
}

int classes_of_option(const char *text, struct class_list *classes, struct spot_error *err)
{
    int status = SPOT_OK;
    char number[NUMBER_ROOM];
    *classes = (struct class_list){0};
    for (const char *at = text;;) {
        const size_t length = strcspn(at, ",");
        char *name = strndup(at, length);
        if (name == NULL)
            status = spot_fail_memory(err, "the classes");
        else if (length >= LABEL_ROOM)
            status =
                spot_fail(err, SPOT_EUSAGE, "--classes: a class of %zu bytes; it has at most %d",
                          length, LABEL_ROOM - 1);
        else if (*name == '\0' || classes_find(classes, name) >= 0)
            status = spot_fail(err, SPOT_EUSAGE, "--classes: '%.200s': %s", text,
                               *name == '\0' ? "a class without a name" : "a class comes twice");
        else
            status = add_class(classes, plain_name(name, number), err);
        free(name);
        if (status < 0 || at[length] == '\0') break;
        at += length + 1;
    }
    if (status < 0) classes_clear(classes);
    return status;
}

int classes_of_numbers(int32_t count, struct class_list *classes, struct spot_error *err)
{
    int status = SPOT_OK;
    *classes = (struct class_list){0};
    for (int32_t c = 0; c < count && status == SPOT_OK; c++) {
        char name[NUMBER_ROOM];
        snprintf(name, sizeof name, "%d", (int)c);
        status = add_class(classes, name, err);
    }
    if (status < 0) classes_clear(classes);
    return status;
}

void classes_clear(struct class_list *classes)
{
    for (int32_t c = 0; c < classes->count; c++)
        free(classes->names[c]);
    free(classes->names);
    *classes = (struct class_list){0};
}

int label_column_number(struct label_column *labels, const struct class_list *classes,
                        const char *column, struct spot_error *err)
{
    int status = SPOT_OK;
    int32_t *class_of = spot_alloc(labels->texts.count, sizeof *class_of);
    if (class_of == NULL) return spot_fail_memory(err, "the classes");
    for (int32_t t = 0; t < labels->texts.count && status == SPOT_OK; t++) {
        class_of[t] = classes_find(classes, labels->texts.texts[t]);
        if (class_of[t] < 0)
            status = spot_fail(
                err, SPOT_EDATA, "column %.100s: '%.100s' is none of the classes %s%s%s", column,
                labels->texts.texts[t], classes->names[0], classes->count > 2 ? ", ..., " : ", ",
                classes->names[classes->count - 1]);
    }
    for (int64_t i = 0; i < labels->rows && status == SPOT_OK; i++)
        labels->codes[i] = class_of[labels->codes[i]];
    free(class_of);
    return status;
}
