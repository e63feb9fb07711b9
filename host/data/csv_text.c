/* Encodings: ISO 8859-1 is Unicode's first 256 code points, windows-1252 differs in 0x80 to 0x9f
 * (WHATWG Encoding Standard). */
#include "data/csv_text.h"

#include <string.h>

static const uint16_t WINDOWS_1252[32] = {
    0x20ac, 0x0081, 0x201a, 0x0192, 0x201e, 0x2026, 0x2020, 0x2021, 0x02c6, 0x2030, 0x0160,
    0x2039, 0x0152, 0x008d, 0x017d, 0x008f, 0x0090, 0x2018, 0x2019, 0x201c, 0x201d, 0x2022,
    0x2013, 0x2014, 0x02dc, 0x2122, 0x0161, 0x203a, 0x0153, 0x009d, 0x017e, 0x0178};

static bool is_blank(char c)
{
    return c == ' ' || c == '\t' || c == '\r' || c == '\n';
}

/* Bytes of the blank that begins span, 0 if none does. */
static int blank_first(struct csv_span span, enum text_encoding encoding)
{
    if (span.begin == span.end) return 0;
    if (is_blank(span.begin[0])) return 1;
    if (encoding != ENCODING_UTF8) return span.begin[0] == '\xa0';
    return span.end - span.begin >= 2 && span.begin[0] == '\xc2' && span.begin[1] == '\xa0' ? 2 : 0;
}

static int blank_last(struct csv_span span, enum text_encoding encoding)
{
    if (span.begin == span.end) return 0;
    if (is_blank(span.end[-1])) return 1;
    if (encoding != ENCODING_UTF8) return span.end[-1] == '\xa0';
    return span.end - span.begin >= 2 && span.end[-2] == '\xc2' && span.end[-1] == '\xa0' ? 2 : 0;
}

struct csv_span csv_trim(struct csv_span span, enum text_encoding encoding)
{
    int n;
    while ((n = blank_first(span, encoding)) > 0)
        span.begin += n;
    while ((n = blank_last(span, encoding)) > 0)
        span.end -= n;
    return span;
}

/* Bytes of the character at text, 0 when it is no UTF-8. */
static int utf8_length(const unsigned char *text, int64_t left)
{
    unsigned char c = text[0];
    if (c < 0x80) return 1;
    int length = c >= 0xc2 && c < 0xe0   ? 2
                 : c >= 0xe0 && c < 0xf0 ? 3
                 : c >= 0xf0 && c < 0xf5 ? 4
                                         : 0;
    if (length == 0 || left < length) return 0;
    for (int i = 1; i < length; i++)
        if ((text[i] & 0xc0) != 0x80) return 0;
    bool overlong = (c == 0xe0 && text[1] < 0xa0) || (c == 0xf0 && text[1] < 0x90);
    bool surrogate = c == 0xed && text[1] >= 0xa0, beyond = c == 0xf4 && text[1] >= 0x90;
    return overlong || surrogate || beyond ? 0 : length;
}

int64_t utf8_valid(const char *text, int64_t length)
{
    int64_t at = 0;
    while (at < length) {
        uint64_t eight;
        if (length - at >= 8) {
            memcpy(&eight, text + at, 8);
            if ((eight & UINT64_C(0x8080808080808080)) == 0) {
                at += 8;
                continue;
            }
        }
        int n = utf8_length((const unsigned char *)text + at, length - at);
        if (n == 0) return at;
        at += n;
    }
    return at;
}

static int encode_utf8(unsigned point, char *out)
{
    if (point < 0x80) {
        out[0] = (char)point;
        return 1;
    }
    if (point < 0x800) {
        out[0] = (char)(0xc0 | point >> 6);
        out[1] = (char)(0x80 | (point & 0x3f));
        return 2;
    }
    out[0] = (char)(0xe0 | point >> 12);
    out[1] = (char)(0x80 | (point >> 6 & 0x3f));
    out[2] = (char)(0x80 | (point & 0x3f));
    return 3;
}

int64_t csv_to_utf8(struct csv_span span, enum text_encoding encoding, char *out)
{
    int64_t length = span.end - span.begin;
    if (encoding == ENCODING_UTF8) {
        if (length > 0) memcpy(out, span.begin, (size_t)length);
        return length;
    }
    char *at = out;
    for (const char *p = span.begin; p < span.end; p++) {
        unsigned point = (unsigned char)*p;
        if (encoding == ENCODING_WINDOWS_1252 && point >= 0x80 && point < 0xa0)
            point = WINDOWS_1252[point - 0x80];
        at += encode_utf8(point, at);
    }
    return at - out;
}

void csv_show(struct csv_span span, enum text_encoding encoding, char *out, size_t size)
{
    size_t used = 0, kept = 0; /* kept: where "..." still fits */
    const char *p = span.begin;
    while (p < span.end) {
        char character[4] = "?";
        int bytes = 1, length = 1;
        if (encoding != ENCODING_UTF8) {
            length = (int)csv_to_utf8((struct csv_span){p, p + 1}, encoding, character);
        } else if ((bytes = utf8_length((const unsigned char *)p, span.end - p)) > 1) {
            length = bytes;
            memcpy(character, p, (size_t)bytes);
        } else if (bytes == 1) {
            character[0] = *p;
        } else {
            bytes = 1;
        }
        if (length == 1 && ((unsigned char)character[0] < 32 || character[0] == 127))
            character[0] = '?';
        if (used + (size_t)length + 1 > size) break;
        memcpy(out + used, character, (size_t)length);
        used += (size_t)length;
        p += bytes;
        if (used + 4 <= size) kept = used;
    }
    if (p < span.end && size >= 4) {
        memcpy(out + kept, "...", 3);
        used = kept + 3;
    }
    out[used] = '\0';
}
