#include "data/document_write.h"

#include <cjson/cJSON.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "base/error.h"
#include "data/decimal.h"

static void put(struct emitter *emitter, const void *bytes, size_t count)
{
    if (emitter->status == SPOT_OK)
        emitter->status = writer_put(emitter->writer, bytes, count, emitter->err);
}

/* ---- Numbers -------------------------------------------------------------------------------- */

/* d.ddd * 10^exponent of `digits`, which ends in no zero. */
static int spell(bool negative, const char *digits, int count, int exponent, char *buffer)
{
    while (count > 1 && digits[count - 1] == '0')
        count--;
    const int length = snprintf(buffer, 32, "%s%c%s%.*sE%d", negative ? "-" : "", digits[0],
                                count > 1 ? "." : "", count - 1, digits + 1, exponent);
    return length;
}

/* Digits of any number, by trial. */
static int spell_slowly(float value, char *buffer)
{
    char text[40], digits[16];
    float back = 0.0f;
    int count = 1;
    const double size = fabs((double)value);
    for (;; count++) {
        snprintf(text, sizeof text, "%.*e", count - 1, size);
        digits[0] = text[0];
        memcpy(digits + 1, text + 2, (size_t)(count - 1)); /* behind the point, whatever it is */
        const char *power = strchr(text, 'e');
        int exponent = 0;
        for (const char *at = power + 2; *at != '\0'; at++)
            exponent = exponent * 10 + (*at - '0');
        if (power[1] == '-') exponent = -exponent;
        const int length = spell(signbit(value) != 0, digits, count, exponent, buffer);
        if (count >= 9 || (decimal_parse_float32(buffer, buffer + length, &back) && back == value))
            return length;
    }
}

/* Between 1e-5 and 1e9 double precision holds all that is needed: the product with a power of ten
 * is off by less than 2^-53 of itself, and candidates closer than 2^-50 to the edge of what rounds
 * to the float are passed over. */
int format_float32(float value, char *buffer)
{
    static const double powers[] = {1e0, 1e1, 1e2,  1e3,  1e4,  1e5,  1e6,  1e7,
                                    1e8, 1e9, 1e10, 1e11, 1e12, 1e13, 1e14, 1e15};
    if (isnan(value)) return snprintf(buffer, 32, "NaN");
    if (isinf(value)) return snprintf(buffer, 32, value < 0.0f ? "-Infinity" : "Infinity");
    const float size = fabsf(value);
    if (size == 0.0f) return snprintf(buffer, 32, signbit(value) ? "-0E0" : "0E0");
    if (size < 1e-5f || size >= 1e9f) return spell_slowly(value, buffer);
    int exponent = -5;
    while (exponent < 8 &&
           (double)size >= (exponent < -1 ? 1.0 / powers[-exponent - 1] : powers[exponent + 1]))
        exponent++;
    const double up = (double)nextafterf(size, INFINITY) - (double)size;
    const double down = (double)size - (double)nextafterf(size, 0.0f);
    const double room = (up < down ? up : down) / 2.0 - (double)size * 0x1p-50;
    for (int count = 1; count <= 9; count++) {
        const int shift = count - 1 - exponent;
        const double scaled =
            shift >= 0 ? (double)size * powers[shift] : (double)size / powers[-shift];
        const double whole = rint(scaled);
        const double back = shift >= 0 ? whole / powers[shift] : whole * powers[-shift];
        char digits[24];
        if (fabs(back - (double)size) >= room && count < 9) continue;
        int written = snprintf(digits, sizeof digits, "%lld", (long long)whole);
        return spell(signbit(value) != 0, digits, written, exponent + written - count, buffer);
    }
    return 0;
}

static void put_big_endian(struct emitter *emitter, uint64_t bits, int size)
{
    unsigned char bytes[8];
    for (int i = 0; i < size; i++)
        bytes[i] = (unsigned char)(bits >> 8 * (size - 1 - i));
    put(emitter, bytes, (size_t)size);
}

static void put_length(struct emitter *emitter, int64_t length)
{
    put(emitter, "L", 1);
    put_big_endian(emitter, (uint64_t)length, 8);
}

static void put_binary(struct emitter *emitter, enum emitted type, double value)
{
    uint64_t bits = 0;
    uint32_t single;
    const float narrow = (float)value;
    switch (type) {
    case EMIT_SINGLE_FLOAT:
        put(emitter, "d", 1);
        put_binary(emitter, EMIT_FLOAT32, value);
        break;
    case EMIT_FLOAT32:
        memcpy(&single, &narrow, sizeof single);
        put_big_endian(emitter, single, 4);
        break;
    case EMIT_FLOAT64:
        memcpy(&bits, &value, sizeof bits);
        put_big_endian(emitter, bits, 8);
        break;
    case EMIT_SINGLE:
        put(emitter, "l", 1);
        put_big_endian(emitter, (uint64_t)(int64_t)value, 4);
        break;
    default:
        put_big_endian(emitter, (uint64_t)(int64_t)value,
                       type == EMIT_INT64   ? 8
                       : type == EMIT_INT32 ? 4
                                            : 1);
    }
}

static void put_decimal(struct emitter *emitter, enum emitted type, double value)
{
    char text[32];
    int length;
    if (type == EMIT_FLOAT32 || type == EMIT_SINGLE_FLOAT)
        length = format_float32((float)value, text);
    else if (type == EMIT_FLOAT64)
        length = format_double(value, text);
    else if (type == EMIT_TRUTH)
        length = snprintf(text, sizeof text, value != 0.0 ? "true" : "false");
    else
        length = snprintf(text, sizeof text, "%lld", (long long)value);
    put(emitter, text, (size_t)length);
}

/* ---- Texts ---------------------------------------------------------------------------------- */

static void put_quoted(struct emitter *emitter, const char *text)
{
    put(emitter, "\"", 1);
    for (const char *from = text;; text++) {
        const unsigned char c = (unsigned char)*text;
        if (c >= 0x20 && c != '"' && c != '\\') continue;
        put(emitter, from, (size_t)(text - from));
        if (c == '\0') break;
        char code[8];
        if (c == '"' || c == '\\')
            snprintf(code, sizeof code, "\\%c", c);
        else
            snprintf(code, sizeof code, "\\u%04x", c);
        put(emitter, code, strlen(code));
        from = text + 1;
    }
    put(emitter, "\"", 1);
}

static void put_name(struct emitter *emitter, const char *text)
{
    const size_t length = strlen(text);
    put_length(emitter, (int64_t)length);
    put(emitter, text, length);
}

/* ---- Values --------------------------------------------------------------------------------- */

/* What comes before a value. */
static void begin(struct emitter *emitter, const char *key)
{
    if (emitter->binary) {
        if (key != NULL) put_name(emitter, key);
        return;
    }
    if (emitter->comma) put(emitter, ",", 1);
    emitter->comma = true;
    if (key == NULL) return;
    put_quoted(emitter, key);
    put(emitter, ":", 1);
}

void emit_object(struct emitter *emitter, const char *key)
{
    begin(emitter, key);
    put(emitter, "{", 1);
    emitter->comma = false;
}

void emit_object_end(struct emitter *emitter)
{
    put(emitter, "}", 1);
    emitter->comma = true;
}

void emit_array(struct emitter *emitter, const char *key, int64_t count)
{
    begin(emitter, key);
    put(emitter, "[", 1);
    emitter->comma = false;
    if (!emitter->binary) return;
    put(emitter, "#", 1);
    put_length(emitter, count);
}

void emit_array_end(struct emitter *emitter)
{
    if (!emitter->binary) put(emitter, "]", 1);
    emitter->comma = true;
}

void emit_text(struct emitter *emitter, const char *key, const char *text)
{
    begin(emitter, key);
    if (!emitter->binary) {
        put_quoted(emitter, text);
        return;
    }
    put(emitter, "S", 1);
    put_name(emitter, text);
}

void emit_count(struct emitter *emitter, const char *key, int64_t count)
{
    char text[24];
    snprintf(text, sizeof text, "%lld", (long long)count);
    emit_text(emitter, key, text);
}

void emit_integer(struct emitter *emitter, const char *key, int64_t value)
{
    begin(emitter, key);
    if (emitter->binary)
        put_length(emitter, value);
    else
        put_decimal(emitter, EMIT_INT64, (double)value);
}

static void begin_numbers(struct emitter *emitter, const char *key, enum emitted type,
                          int64_t count)
{
    const char marker = type == EMIT_TRUTH ? (char)EMIT_UINT8 : (char)type;
    begin(emitter, key);
    put(emitter, "[", 1);
    if (!emitter->binary) return;
    if (type != EMIT_SINGLE && type != EMIT_SINGLE_FLOAT) {
        put(emitter, "$", 1);
        put(emitter, &marker, 1);
    }
    put(emitter, "#", 1);
    put_length(emitter, count);
}

static void put_number(struct emitter *emitter, enum emitted type, bool first, double value)
{
    if (emitter->binary) {
        put_binary(emitter, type, value);
        return;
    }
    if (!first) put(emitter, ",", 1);
    put_decimal(emitter, type, value);
}

void emit_numbers(struct emitter *emitter, const char *key, enum emitted type, int64_t count,
                  const double *values)
{
    begin_numbers(emitter, key, type, count);
    for (int64_t i = 0; i < count && emitter->status == SPOT_OK; i++)
        put_number(emitter, type, i == 0, values[i]);
    if (!emitter->binary) put(emitter, "]", 1);
}

/* ---- What was kept as text ------------------------------------------------------------------ */

/* Of a list of numbers: XGBoost says in `type` how the values of an encoding are stored, and
 * stores texts as bytes. */
static enum emitted type_of(const cJSON *list, const cJSON *parent)
{
    static const char codes[] = {[7] = EMIT_FLOAT32, [8] = EMIT_FLOAT64, [9] = EMIT_INT8,
                                 [10] = EMIT_UINT8,  [13] = EMIT_INT32,  [15] = EMIT_INT64};
    if (list->string == NULL || strcmp(list->string, "values") != 0) return EMIT_INT32;
    const cJSON *type = cJSON_GetObjectItemCaseSensitive(parent, "type");
    if (!cJSON_IsNumber(type)) return EMIT_INT8;
    const int code = type->valueint;
    if (code >= 0 && code < (int)sizeof codes && codes[code] != 0) return (enum emitted)codes[code];
    return EMIT_INT64;
}

static bool is_numbers(const cJSON *list)
{
    if (list->child != NULL) return cJSON_IsNumber(list->child);
    return list->string != NULL && strcmp(list->string, "enc") != 0;
}

static void emit_item(struct emitter *emitter, const cJSON *item, const cJSON *parent)
{
    const cJSON *child;
    const bool in_object = cJSON_IsObject(parent);
    const char *key = in_object ? item->string : NULL;
    if (cJSON_IsObject(item)) {
        emit_object(emitter, key);
        cJSON_ArrayForEach(child, item) emit_item(emitter, child, item);
        emit_object_end(emitter);
    } else if (cJSON_IsArray(item) && is_numbers(item)) {
        const enum emitted type = type_of(item, parent);
        begin_numbers(emitter, key, type, cJSON_GetArraySize(item));
        cJSON_ArrayForEach(child, item)
            put_number(emitter, type, child == item->child, child->valuedouble);
        if (!emitter->binary) put(emitter, "]", 1);
    } else if (cJSON_IsArray(item)) {
        emit_array(emitter, key, cJSON_GetArraySize(item));
        cJSON_ArrayForEach(child, item) emit_item(emitter, child, item);
        emit_array_end(emitter);
    } else if (cJSON_IsNumber(item)) {
        emit_integer(emitter, key, (int64_t)item->valuedouble);
    } else {
        emit_text(emitter, key, cJSON_IsString(item) ? item->valuestring : "");
    }
}

static int emit_parsed(struct emitter *emitter, const char *key, const char *text, bool members)
{
    const cJSON *child;
    cJSON *item = cJSON_Parse(text);
    if (item == NULL) {
        if (emitter->status == SPOT_OK)
            emitter->status = spot_fail_memory(emitter->err, "a part of the model");
        return emitter->status;
    }
    if (!members) emit_object(emitter, key);
    cJSON_ArrayForEach(child, item) emit_item(emitter, child, item);
    if (!members) emit_object_end(emitter);
    cJSON_Delete(item);
    return emitter->status;
}

int emit_json(struct emitter *emitter, const char *key, const char *text)
{
    return emit_parsed(emitter, key, text, false);
}

int emit_json_members(struct emitter *emitter, const char *text)
{
    return emit_parsed(emitter, NULL, text, true);
}
