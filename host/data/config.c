/* The tree behind config.h, built from libyaml's events. YAML's rarer features (aliases, tags,
 * several documents) are refused: they buy a configuration nothing and cost its reader a guess. */
#define _GNU_SOURCE
#include "data/config.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <yaml.h>

#include "base/error.h"
#include "base/memory.h"

enum { DEPTH_LIMIT = 32, CHILDREN_LIMIT = 10000, FILE_LIMIT = 4 << 20 };

/* ---- The tree ---- */

/* A node; `extra` bytes follow it, for the root's file name. */
static struct config *node_new(enum config_kind kind, const char *file, int line, size_t extra)
{
    struct config *node = calloc(1, sizeof *node + extra);
    if (node == NULL) return NULL;
    node->kind = kind;
    node->file = file;
    node->line = line;
    return node;
}

/* An empty map that carries the file name of its tree behind itself. */
static struct config *root_new(const char *file)
{
    size_t bytes = strlen(file) + 1;
    struct config *root = node_new(CONFIG_MAP, NULL, 1, bytes);
    if (root != NULL) root->file = memcpy(root + 1, file, bytes);
    return root;
}

void config_free(struct config *root)
{
    if (root == NULL) return;
    for (int32_t i = 0; i < root->count; i++)
        config_free(root->items[i]);
    free(root->items);
    free(root->key);
    free(root->text);
    free(root);
}

/* Appends a child and takes it over, also on failure. */
static int add_child(struct config *parent, struct config *child, struct spot_error *err)
{
    size_t bytes = ((size_t)parent->count + 1) * sizeof(struct config *);
    bool full = (parent->count & (parent->count - 1)) == 0; /* 0 or a power of two */
    struct config **items = full ? realloc(parent->items, bytes * 2) : parent->items;
    if (items == NULL) {
        config_free(child);
        return spot_fail_memory(err, "the configuration");
    }
    parent->items = items;
    parent->items[parent->count++] = child;
    return SPOT_OK;
}

int config_fail(const struct config *node, struct spot_error *err, const char *format, ...)
{
    char message[sizeof((struct spot_error *)0)->message];
    va_list args;
    va_start(args, format);
    vsnprintf(message, sizeof message, format, args);
    va_end(args);
    return spot_fail(err, SPOT_EUSAGE, "%s:%d: %s", node->file, node->line, message);
}

/* ---- Reading ---- */

struct reading {
    yaml_parser_t parser;
    const char *file;
    const char *text;
    size_t length;
};

static int line_of_offset(const struct reading *reading, size_t offset)
{
    int line = 1;
    for (size_t i = 0; i < offset && i < reading->length; i++)
        line += reading->text[i] == '\n';
    return line;
}

static int yaml_fail(const struct reading *reading, struct spot_error *err)
{
    const yaml_parser_t *parser = &reading->parser;
    if (parser->error == YAML_MEMORY_ERROR) return spot_fail_memory(err, "the configuration");
    const char *problem = parser->problem == NULL ? "not YAML" : parser->problem;
    int line = parser->error == YAML_READER_ERROR ? line_of_offset(reading, parser->problem_offset)
                                                  : (int)parser->problem_mark.line + 1;
    const char *context = parser->context == NULL ? "" : parser->context;
    return spot_fail(err, SPOT_EUSAGE, "%s:%d: %s%s%s", reading->file, line, problem,
                     *context == '\0' ? "" : " ", context);
}

static int event_line(const yaml_event_t *event)
{
    return (int)event->start_mark.line + 1;
}

/* The next event that is not a beginning of the stream or of its first document. The caller deletes
 * it. */
static int next_event(struct reading *reading, yaml_event_t *event, struct spot_error *err)
{
    for (;;) {
        if (!yaml_parser_parse(&reading->parser, event)) return yaml_fail(reading, err);
        if (event->type != YAML_STREAM_START_EVENT && event->type != YAML_DOCUMENT_START_EVENT)
            return SPOT_OK;
        yaml_event_delete(event);
    }
}

static int event_fail(const struct reading *reading, const yaml_event_t *event,
                      struct spot_error *err, const char *message)
{
    return spot_fail(err, SPOT_EUSAGE, "%s:%d: %s", reading->file, event_line(event), message);
}

/* Refuses what is YAML but has no place in a configuration. */
static int check_event(const struct reading *reading, const yaml_event_t *event,
                       struct spot_error *err)
{
    const yaml_char_t *anchor = NULL, *tag = NULL;
    if (event->type == YAML_ALIAS_EVENT)
        return event_fail(reading, event, err, "aliases (*name) are not read: repeat the value");
    if (event->type == YAML_SCALAR_EVENT) {
        anchor = event->data.scalar.anchor;
        tag = event->data.scalar.tag;
        if (memchr(event->data.scalar.value, '\0', event->data.scalar.length) != NULL)
            return event_fail(reading, event, err, "a NUL character in the text");
    } else if (event->type == YAML_SEQUENCE_START_EVENT) {
        anchor = event->data.sequence_start.anchor;
        tag = event->data.sequence_start.tag;
    } else if (event->type == YAML_MAPPING_START_EVENT) {
        anchor = event->data.mapping_start.anchor;
        tag = event->data.mapping_start.tag;
    }
    if (anchor != NULL) return event_fail(reading, event, err, "anchors (&name) are not read");
    if (tag != NULL) return event_fail(reading, event, err, "tags (!name) are not read");
    return SPOT_OK;
}

static int build_children(struct reading *reading, struct config *parent, int depth,
                          struct spot_error *err);

/* The node that begins with this event. */
static int build_node(struct reading *reading, const yaml_event_t *event, int depth,
                      struct config **out, struct spot_error *err)
{
    *out = NULL;
    int status = check_event(reading, event, err);
    if (status < 0) return status;
    if (depth > DEPTH_LIMIT)
        return event_fail(reading, event, err, "nested more than 32 levels deep");
    enum config_kind kind = event->type == YAML_SCALAR_EVENT           ? CONFIG_TEXT
                            : event->type == YAML_SEQUENCE_START_EVENT ? CONFIG_LIST
                                                                       : CONFIG_MAP;
    struct config *node = node_new(kind, reading->file, event_line(event), 0);
    if (node == NULL) return spot_fail_memory(err, "the configuration");
    if (kind == CONFIG_TEXT) {
        node->text = spot_copy_text((const char *)event->data.scalar.value);
        node->quoted = event->data.scalar.style != YAML_PLAIN_SCALAR_STYLE;
        if (node->text == NULL) status = spot_fail_memory(err, "the configuration");
    } else {
        status = build_children(reading, node, depth + 1, err);
    }
    if (status < 0)
        config_free(node);
    else
        *out = node;
    return status;
}

/* Takes the key of the entry that begins with this event and moves on to its value. */
static int take_key(struct reading *reading, const struct config *parent, yaml_event_t *event,
                    char **key, struct spot_error *err)
{
    int status = check_event(reading, event, err);
    if (status < 0) return status;
    if (event->type != YAML_SCALAR_EVENT)
        return event_fail(reading, event, err, "a key is a word, not a list or a map");
    const char *name = (const char *)event->data.scalar.value;
    const struct config *first = config_get(parent, name);
    if (first != NULL)
        return spot_fail(err, SPOT_EUSAGE, "%s:%d: %s is given twice (first in line %d)",
                         reading->file, event_line(event), name, first->line);
    *key = spot_copy_text(name);
    if (*key == NULL) return spot_fail_memory(err, "the configuration");
    yaml_event_delete(event);
    memset(event, 0, sizeof *event);
    return next_event(reading, event, err);
}

static int build_children(struct reading *reading, struct config *parent, int depth,
                          struct spot_error *err)
{
    for (;;) {
        yaml_event_t event;
        memset(&event, 0, sizeof event);
        char *key = NULL;
        struct config *child = NULL;
        int status = next_event(reading, &event, err);
        if (status < 0) return status;
        if (parent->count == CHILDREN_LIMIT) {
            yaml_event_delete(&event);
            return spot_fail(err, SPOT_EUSAGE, "%s:%d: more than %d entries", reading->file,
                             parent->line, CHILDREN_LIMIT);
        }
        bool end = event.type == YAML_SEQUENCE_END_EVENT || event.type == YAML_MAPPING_END_EVENT;
        int line = event_line(&event);
        if (!end && parent->kind == CONFIG_MAP)
            status = take_key(reading, parent, &event, &key, err);
        if (!end && status == SPOT_OK) status = build_node(reading, &event, depth, &child, err);
        yaml_event_delete(&event);
        if (child != NULL) {
            if (key != NULL) child->line = line; /* a value is found by its key */
            child->key = key;
            status = add_child(parent, child, err);
        } else {
            free(key);
        }
        if (end || status < 0) return status;
    }
}

/* The whole document; *node is NULL when it is empty. */
static int build_document(struct reading *reading, struct config **node, struct spot_error *err)
{
    yaml_event_t event;
    *node = NULL;
    int status = next_event(reading, &event, err);
    if (status < 0) return status;
    bool empty = event.type == YAML_STREAM_END_EVENT;
    if (!empty) status = build_node(reading, &event, 0, node, err);
    yaml_event_delete(&event);
    if (empty || status < 0) return status;

    status = next_event(reading, &event, err); /* the document's end */
    if (status == SPOT_OK) {
        yaml_event_delete(&event);
        status = next_event(reading, &event, err);
    }
    if (status == SPOT_OK) {
        if (event.type != YAML_STREAM_END_EVENT)
            status = event_fail(reading, &event, err, "a second document: one is read");
        yaml_event_delete(&event);
    }
    if (status < 0) {
        config_free(*node);
        *node = NULL;
    }
    return status;
}

static int parse_value(const char *text, size_t length, const char *file, struct config **node,
                       struct spot_error *err)
{
    struct reading reading = {.file = file, .text = text, .length = length};
    *node = NULL;
    if (!yaml_parser_initialize(&reading.parser)) return spot_fail_memory(err, "the configuration");
    yaml_parser_set_input_string(&reading.parser, (const unsigned char *)text, length);
    int status = build_document(&reading, node, err);
    yaml_parser_delete(&reading.parser);
    return status;
}

static int parse_root(const char *text, size_t length, const char *file, struct config **out,
                      struct spot_error *err)
{
    *out = NULL;
    struct config *root = root_new(file), *document = NULL;
    if (root == NULL) return spot_fail_memory(err, "the configuration");
    int status = parse_value(text, length, root->file, &document, err);
    bool empty = document == NULL || (document->kind == CONFIG_TEXT && *document->text == '\0');
    if (status == SPOT_OK && !empty) {
        if (document->kind == CONFIG_MAP) {
            root->items = document->items;
            root->count = document->count;
            root->line = document->line;
            document->items = NULL;
            document->count = 0;
        } else {
            status = config_fail(document, err, "expected `key: value` lines, found a %s",
                                 document->kind == CONFIG_LIST ? "list" : "text");
        }
    }
    config_free(document);
    if (status < 0)
        config_free(root);
    else
        *out = root;
    return status;
}

int config_parse(const char *text, const char *file, struct config **root, struct spot_error *err)
{
    return parse_root(text, strlen(text), file, root, err);
}

int config_read(const char *path, struct config **root, struct spot_error *err)
{
    *root = NULL;
    FILE *file = fopen(path, "rbe");
    if (file == NULL)
        return spot_fail(err, SPOT_EIO, "%s: cannot be opened: %s", path, strerror(errno));
    int status = SPOT_OK;
    char *text = malloc(FILE_LIMIT + 1);
    size_t length = text == NULL ? 0 : fread(text, 1, FILE_LIMIT + 1, file);
    if (text == NULL)
        status = spot_fail_memory(err, "the configuration");
    else if (ferror(file))
        status = spot_fail(err, SPOT_EIO, "%s: cannot be read: %s", path, strerror(errno));
    else if (length > FILE_LIMIT)
        status = spot_fail(err, SPOT_EUSAGE, "%s: larger than 4 MB: not a configuration", path);
    else
        status = parse_root(text, length, path, root, err);
    free(text);
    fclose(file);
    return status;
}

/* ---- --set ---- */

/* The place in the parent's list of children that a step of the path names, or -1. */
static int32_t find_place(const struct config *parent, const char *step, size_t length)
{
    for (int32_t i = 0; i < parent->count; i++) {
        char number[16];
        const char *name = parent->items[i]->key;
        if (parent->kind == CONFIG_LIST) {
            snprintf(number, sizeof number, "%d", i);
            name = number;
        }
        if (strlen(name) == length && memcmp(name, step, length) == 0) return i;
    }
    return -1;
}

/* Puts `child` at a step of the path, in the place of what was there. Takes it over. */
static int put_child(struct config *parent, const char *step, size_t length, struct config *child,
                     struct spot_error *err)
{
    if (parent->kind == CONFIG_MAP) {
        child->key = strndup(step, length);
        if (child->key == NULL) {
            config_free(child);
            return spot_fail_memory(err, "the configuration");
        }
    }
    int32_t place = find_place(parent, step, length);
    if (place < 0) return add_child(parent, child, err);
    config_free(parent->items[place]);
    parent->items[place] = child;
    return SPOT_OK;
}

int config_set(struct config *root, const char *assignment, struct spot_error *err)
{
    const char *equals = strchr(assignment, '=');
    if (equals == NULL || equals == assignment)
        return spot_fail(err, SPOT_EUSAGE, "--set %s: expected key=value, as in kmeans.k=5",
                         assignment);
    struct config *value, *node = root;
    int status = parse_value(equals + 1, strlen(equals + 1), "--set", &value, err);
    if (status < 0) return status;
    if (value == NULL) /* nothing behind the sign */
        return spot_fail(err, SPOT_EUSAGE, "--set %s: no value given", assignment);

    const char *step = assignment;
    for (;;) {
        size_t length = strcspn(step, ".=");
        bool list = node->kind == CONFIG_LIST;
        int32_t place = node->kind == CONFIG_TEXT ? -1 : find_place(node, step, length);
        if (length == 0 || node->kind == CONFIG_TEXT || (list && place < 0)) {
            config_free(value);
            return spot_fail(err, SPOT_EUSAGE, "--set %s: there is no place %.*s", assignment,
                             (int)(step + length - assignment), assignment);
        }
        if (step[length] == '=') return put_child(node, step, length, value, err);
        if (place < 0 || node->items[place]->kind == CONFIG_TEXT) {
            struct config *map = node_new(CONFIG_MAP, "--set", 1, 0);
            status = map == NULL ? spot_fail_memory(err, "the configuration")
                                 : put_child(node, step, length, map, err);
            if (status < 0) {
                config_free(value);
                return status;
            }
            place = find_place(node, step, length);
        }
        node = node->items[place];
        step += length + 1;
    }
}
