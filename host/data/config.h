/* YAML configuration: a tree of maps, lists and text that remembers the line of everything, so that
 * a wrong value can be named by its place. Repeated keys are refused when reading, unknown keys by
 * config_known; both suggest the nearest key. Aliases are refused. */
#ifndef SPOT_DATA_CONFIG_H
#define SPOT_DATA_CONFIG_H

#include <stdbool.h>
#include <stdint.h>

#include "blackspot.h"

enum config_kind { CONFIG_TEXT, CONFIG_LIST, CONFIG_MAP };

struct config {
    enum config_kind kind;
    char *key;        /* in a map, else NULL */
    char *text;       /* CONFIG_TEXT, else NULL */
    bool quoted;      /* "5" in quotes is text and never a number */
    const char *file; /* shared by the tree; "--set" for values given there */
    int line;         /* from 1 */
    int32_t count;    /* children of a list or map */
    struct config **items;
};

/* Reads a file, or text (file names it in messages). The caller frees *root. An empty document is
 * an empty map. Errors: SPOT_EIO, SPOT_EUSAGE with file and line. */
int config_read(const char *path, struct config **root, struct spot_error *err);
int config_parse(const char *text, const char *file, struct config **root, struct spot_error *err);
void config_free(struct config *root);

/* Sets a value by its path, "kmeans.k" to "5"; makes maps on the way. The value is read as YAML. */
int config_set(struct config *root, const char *assignment, struct spot_error *err);

/* The child with this key, or NULL; node may be NULL. */
const struct config *config_get(const struct config *node, const char *key);

/* Typed values of a map's key. An absent key leaves *value as it is (the default) and is no error;
 * a value of another type or out of range is SPOT_EUSAGE and names file, line and key. */
int config_text(const struct config *node, const char *key, const char **value,
                struct spot_error *err);
int config_number(const struct config *node, const char *key, double *value,
                  struct spot_error *err);
int config_integer(const struct config *node, const char *key, int64_t minimum, int64_t maximum,
                   int64_t *value, struct spot_error *err);
int config_bool(const struct config *node, const char *key, bool *value, struct spot_error *err);

/* The path that a text node gives: relative to the file it is written in, to the working folder for
 * --set; absolute paths and "-" stay. The caller frees it; NULL without memory. */
char *config_path(const struct config *node);

/* One of the words (NULL-terminated); *value becomes its index. */
int config_choice(const struct config *node, const char *key, const char *const *words,
                  int32_t *value, struct spot_error *err);

/* Whether a node (a list's item, say) is a plain finite number. */
bool config_is_number(const struct config *node, double *value);

/* Refuses keys of a map that are not among `keys` (NULL-terminated) and suggests the nearest. */
int config_known(const struct config *node, const char *const *keys, struct spot_error *err);

/* SPOT_EUSAGE with "FILE:LINE: " in front. */
int config_fail(const struct config *node, struct spot_error *err, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

/* The word among `words` (NULL-terminated) nearest to `word` by edit distance, or NULL when none is
 * near enough to be meant. Used for options, keys and column names. */
const char *nearest_word(const char *word, const char *const *words);

#endif
