/* Typed values of a configuration, and the suggestions for what was mistyped. */
#define _GNU_SOURCE
#include "data/config.h"

#include <ctype.h>
#include <errno.h>
#include <locale.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/memory.h"

enum { WORD_LIMIT = 127 };

const struct config *config_get(const struct config *node, const char *key)
{
    if (node == NULL || node->kind != CONFIG_MAP) return NULL;
    for (int32_t i = 0; i < node->count; i++)
        if (strcmp(node->items[i]->key, key) == 0) return node->items[i];
    return NULL;
}

/* The text of a key's value; *text is NULL when the key is absent. */
static int get_text(const struct config *node, const char *key, const struct config **child,
                    struct spot_error *err)
{
    *child = config_get(node, key);
    if (*child == NULL) return SPOT_OK;
    if ((*child)->kind != CONFIG_TEXT)
        return config_fail(*child, err, "%s: expected one value, found a %s", key,
                           (*child)->kind == CONFIG_LIST ? "list" : "map");
    if (!(*child)->quoted && *(*child)->text == '\0')
        return config_fail(*child, err, "%s: has no value", key);
    return SPOT_OK;
}

int config_text(const struct config *node, const char *key, const char **value,
                struct spot_error *err)
{
    const struct config *child;
    int status = get_text(node, key, &child, err);
    if (status == SPOT_OK && child != NULL) *value = child->text;
    return status;
}

char *config_path(const struct config *node)
{
    const char *slash = strrchr(node->file, '/'), *path = node->text;
    if (slash == NULL || *path == '/' || strcmp(path, "-") == 0) return spot_copy_text(path);
    size_t folder = (size_t)(slash - node->file) + 1, length = strlen(path);
    char *resolved = malloc(folder + length + 1);
    if (resolved == NULL) return NULL;
    memcpy(resolved, node->file, folder);
    memcpy(resolved + folder, path, length + 1);
    return resolved;
}

/* Decimal numbers alone, whatever the locale: no hexadecimal, infinity or NaN. */
static bool parse_number(const char *text, double *value)
{
    if (*text == '\0' || strspn(text, "+-.0123456789eE") != strlen(text)) return false;
    locale_t plain = newlocale(LC_ALL_MASK, "C", (locale_t)0);
    if (plain == (locale_t)0) return false;
    char *end;
    *value = strtod_l(text, &end, plain);
    freelocale(plain);
    return *end == '\0' && isfinite(*value);
}

bool config_is_number(const struct config *node, double *value)
{
    return node->kind == CONFIG_TEXT && !node->quoted && parse_number(node->text, value);
}

int config_number(const struct config *node, const char *key, double *value, struct spot_error *err)
{
    const struct config *child;
    int status = get_text(node, key, &child, err);
    if (status < 0 || child == NULL) return status;
    double number;
    if (!config_is_number(child, &number))
        return config_fail(child, err, "%s: %s%s%s is not a number", key, child->quoted ? "\"" : "",
                           child->text, child->quoted ? "\"" : "");
    *value = number;
    return SPOT_OK;
}

int config_integer(const struct config *node, const char *key, int64_t minimum, int64_t maximum,
                   int64_t *value, struct spot_error *err)
{
    const struct config *child;
    int status = get_text(node, key, &child, err);
    if (status < 0 || child == NULL) return status;
    char *end = child->text;
    errno = 0;
    long long whole = strtoll(child->text, &end, 10);
    double number;
    bool good = !child->quoted && end != child->text && *end == '\0' && errno == 0;
    if (!good && config_is_number(child, &number)) { /* 1e6 */
        good = number == rint(number) && fabs(number) <= 9007199254740992.0;
        whole = good ? (long long)number : 0;
    }
    if (!good || whole < minimum || whole > maximum)
        return config_fail(child, err, "%s: %s is not a whole number between %lld and %lld", key,
                           child->text, (long long)minimum, (long long)maximum);
    *value = whole;
    return SPOT_OK;
}

int config_bool(const struct config *node, const char *key, bool *value, struct spot_error *err)
{
    static const char *const yes[] = {"true", "yes", "on"}, *const no[] = {"false", "no", "off"};
    const struct config *child;
    int status = get_text(node, key, &child, err);
    if (status < 0 || child == NULL) return status;
    for (int i = 0; i < 3 && !child->quoted; i++) {
        if (strcasecmp(child->text, yes[i]) != 0 && strcasecmp(child->text, no[i]) != 0) continue;
        *value = strcasecmp(child->text, yes[i]) == 0;
        return SPOT_OK;
    }
    return config_fail(child, err, "%s: %s is neither true nor false", key, child->text);
}

/* "a, b or c", for messages. */
static void join_words(const char *const *words, char *text, size_t size)
{
    size_t used = 0;
    for (int i = 0; words[i] != NULL && used < size; i++) {
        const char *joint = i == 0 ? "" : words[i + 1] == NULL ? " or " : ", ";
        used += (size_t)snprintf(text + used, size - used, "%s%s", joint, words[i]);
    }
}

int config_choice(const struct config *node, const char *key, const char *const *words,
                  int32_t *value, struct spot_error *err)
{
    const struct config *child;
    int status = get_text(node, key, &child, err);
    if (status < 0 || child == NULL) return status;
    for (int32_t i = 0; words[i] != NULL; i++) {
        if (strcmp(child->text, words[i]) != 0) continue;
        *value = i;
        return SPOT_OK;
    }
    char known[300] = "";
    join_words(words, known, sizeof known);
    return config_fail(child, err, "%s: %s is none of %s", key, child->text, known);
}

int config_known(const struct config *node, const char *const *keys, struct spot_error *err)
{
    if (node == NULL) return SPOT_OK;
    if (node->kind != CONFIG_MAP) {
        const char *name = node->key == NULL ? "" : node->key;
        return config_fail(node, err, "%s%sexpected `key: value` entries, found a %s", name,
                           *name == '\0' ? "" : ": ", node->kind == CONFIG_LIST ? "list" : "text");
    }
    for (int32_t i = 0; i < node->count; i++) {
        const struct config *child = node->items[i];
        int32_t at = 0;
        while (keys[at] != NULL && strcmp(keys[at], child->key) != 0)
            at++;
        if (keys[at] != NULL) continue;
        const char *nearest = nearest_word(child->key, keys);
        if (nearest != NULL)
            return config_fail(child, err, "unknown key %s: did you mean %s?", child->key, nearest);
        char known[300] = "";
        join_words(keys, known, sizeof known);
        return config_fail(child, err, "unknown key %s: expected %s", child->key, known);
    }
    return SPOT_OK;
}

/* ---- Suggestions ---- */

static int smaller(int a, int b)
{
    return a < b ? a : b;
}

/* Edit distance with swapped neighbours (Damerau 1964, restricted), in any case of letters. */
static int edit_distance(const char *a, const char *b)
{
    int rows[3][WORD_LIMIT + 1];
    int length_a = (int)strlen(a), length_b = (int)strlen(b);
    if (length_a > WORD_LIMIT || length_b > WORD_LIMIT) return WORD_LIMIT;
    for (int j = 0; j <= length_b; j++)
        rows[0][j] = j;
    for (int i = 1; i <= length_a; i++) {
        int *now = rows[i % 3];
        const int *before = rows[(i + 2) % 3], *earlier = rows[(i + 1) % 3];
        now[0] = i;
        for (int j = 1; j <= length_b; j++) {
            int left = tolower((unsigned char)a[i - 1]), right = tolower((unsigned char)b[j - 1]);
            now[j] = smaller(smaller(before[j] + 1, now[j - 1] + 1),
                             before[j - 1] + (left != right ? 1 : 0));
            if (i > 1 && j > 1 && left == tolower((unsigned char)b[j - 2]) &&
                right == tolower((unsigned char)a[i - 2]))
                now[j] = smaller(now[j], earlier[j - 2] + 1);
        }
    }
    return rows[length_a % 3][length_b];
}

const char *nearest_word(const char *word, const char *const *words)
{
    const char *nearest = NULL;
    int best = smaller((int)strlen(word), WORD_LIMIT) / 3; /* a third of it mistyped */
    if (best < 1) best = 1;
    for (int i = 0; words[i] != NULL; i++) {
        int distance = edit_distance(word, words[i]);
        if (distance > best || (distance == best && nearest != NULL)) continue;
        if (distance >= (int)strlen(words[i])) continue; /* nothing in common */
        best = distance;
        nearest = words[i];
    }
    return nearest;
}
