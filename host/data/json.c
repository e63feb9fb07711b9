#include "data/json.h"

#include <math.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "base/memory.h"
#include "data/writer.h"

struct text {
    char *bytes;
    int64_t length, capacity;
    bool failed;
    bool pretty;
};

static void put(struct text *text, const char *bytes, size_t count)
{
    if (text->failed) return;
    if (spot_grow((void **)&text->bytes, &text->capacity, text->length + (int64_t)count + 1, 1) <
        0) {
        text->failed = true;
        return;
    }
    memcpy(text->bytes + text->length, bytes, count);
    text->length += (int64_t)count;
    text->bytes[text->length] = '\0';
}

static void put_line(struct text *text, int depth)
{
    if (!text->pretty) return;
    put(text, "\n", 1);
    for (int i = 0; i < depth; i++)
        put(text, "  ", 2);
}

static void put_number(struct text *text, double value)
{
    char digits[32];
    if (!isfinite(value))
        put(text, "null", 4);
    else
        put(text, digits, (size_t)format_double(value, digits));
}

/* Text, true, false and null print well enough in cJSON. */
static void put_simple(struct text *text, const cJSON *item)
{
    char *printed = cJSON_PrintUnformatted(item);
    if (printed == NULL)
        text->failed = true;
    else
        put(text, printed, strlen(printed));
    cJSON_free(printed);
}

static void put_key(struct text *text, const char *key)
{
    cJSON *item = cJSON_CreateStringReference(key);
    if (item == NULL) {
        text->failed = true;
        return;
    }
    put_simple(text, item);
    cJSON_Delete(item);
    put(text, text->pretty ? ": " : ":", text->pretty ? 2 : 1);
}

static bool is_nested(const cJSON *item)
{
    return cJSON_IsArray(item) || cJSON_IsObject(item);
}

static void put_item(struct text *text, const cJSON *item, int depth);

/* A list stays on one line when none of its items is a list or an object. */
static void put_children(struct text *text, const cJSON *parent, int depth)
{
    bool object = cJSON_IsObject(parent), lines = object;
    const cJSON *child;
    cJSON_ArrayForEach(child, parent) lines = lines || is_nested(child);
    const char *comma = text->pretty && !lines ? ", " : ",";
    put(text, object ? "{" : "[", 1);
    cJSON_ArrayForEach(child, parent)
    {
        if (child != parent->child) put(text, comma, strlen(comma));
        if (lines) put_line(text, depth + 1);
        if (object) put_key(text, child->string);
        put_item(text, child, depth + 1);
    }
    if (lines && parent->child != NULL) put_line(text, depth);
    put(text, object ? "}" : "]", 1);
}

static void put_item(struct text *text, const cJSON *item, int depth)
{
    if (is_nested(item))
        put_children(text, item, depth);
    else if (cJSON_IsNumber(item))
        put_number(text, item->valuedouble);
    else
        put_simple(text, item);
}

char *json_print(const cJSON *item, bool pretty)
{
    struct text text = {.pretty = pretty};
    put_item(&text, item, 0);
    put(&text, "\n", 1);
    if (!text.failed) return text.bytes;
    free(text.bytes);
    return NULL;
}

bool json_give(cJSON *object, const char *key, cJSON *item)
{
    bool given = cJSON_AddItemToObject(object, key, item) != 0;
    if (!given) cJSON_Delete(item);
    return given;
}
