/* Scanning sixteen bytes at a time with SSE2, which every x86-64 has; elsewhere byte by byte. */
#include "data/csv_scan.h"

#include <stddef.h>
#include <string.h>

#ifdef __SSE2__
#include <emmintrin.h>
#endif

static void count_bytes(const char *text, int64_t length, struct csv_census *census)
{
    for (int64_t i = 0; i < length; i++) {
        census->lines += text[i] == '\n';
        census->quotes += text[i] == '"';
        census->nul |= text[i] == '\0';
        census->high |= (unsigned char)text[i] > 127;
    }
}

static int64_t find_separators(const char *text, int64_t at, int64_t length, char delimiter,
                               uint32_t *positions, uint32_t *ends, int64_t count, int64_t *lines)
{
    for (; at < length; at++) {
        if (text[at] != delimiter && text[at] != '\n') continue;
        if (text[at] == '\n') ends[(*lines)++] = (uint32_t)count;
        positions[count++] = (uint32_t)at;
    }
    return count;
}

#ifdef __SSE2__

static int64_t sum_bytes(__m128i counts)
{
    __m128i sums = _mm_sad_epu8(counts, _mm_setzero_si128());
    return _mm_cvtsi128_si64(sums) + _mm_cvtsi128_si64(_mm_unpackhi_epi64(sums, sums));
}

/* Up to 255 vectors, so that the counts fit bytes. */
static void count_vectors(const char *text, int vectors, struct csv_census *census)
{
    const __m128i feed = _mm_set1_epi8('\n'), quote = _mm_set1_epi8('"');
    const __m128i zero = _mm_setzero_si128();
    __m128i feeds = zero, quotes = zero, nuls = zero, bits = zero;
    for (int i = 0; i < vectors; i++) {
        __m128i bytes = _mm_loadu_si128((const __m128i *)(const void *)(text + 16 * i));
        feeds = _mm_sub_epi8(feeds, _mm_cmpeq_epi8(bytes, feed));
        quotes = _mm_sub_epi8(quotes, _mm_cmpeq_epi8(bytes, quote));
        nuls = _mm_or_si128(nuls, _mm_cmpeq_epi8(bytes, zero));
        bits = _mm_or_si128(bits, bytes);
    }
    census->lines += sum_bytes(feeds);
    census->quotes += sum_bytes(quotes);
    census->nul |= _mm_movemask_epi8(nuls) != 0;
    census->high |= _mm_movemask_epi8(bits) != 0;
}

struct csv_census csv_count(const char *text, int64_t length)
{
    struct csv_census census = {0};
    int64_t at = 0;
    while (length - at >= 16) {
        int64_t vectors = (length - at) / 16;
        if (vectors > 255) vectors = 255;
        count_vectors(text + at, (int)vectors, &census);
        at += vectors * 16;
    }
    count_bytes(text + at, length - at, &census);
    return census;
}

static uint64_t find_bytes(const __m128i *bytes, __m128i wanted)
{
    uint64_t mask = 0;
    for (int i = 0; i < 4; i++) {
        int found = _mm_movemask_epi8(_mm_cmpeq_epi8(bytes[i], wanted));
        mask |= (uint64_t)(unsigned)found << (16 * i);
    }
    return mask;
}

int64_t csv_separators(const char *text, int64_t length, char delimiter, uint32_t *positions,
                       uint32_t *ends, int64_t *lines)
{
    const __m128i delimiters = _mm_set1_epi8(delimiter), feeds = _mm_set1_epi8('\n');
    int64_t count = 0, at = 0;
    *lines = 0;
    for (; at + 64 <= length; at += 64) {
        __m128i bytes[4];
        for (int i = 0; i < 4; i++)
            bytes[i] = _mm_loadu_si128((const __m128i *)(const void *)(text + at + 16 * i));
        uint64_t feed = find_bytes(bytes, feeds), mask = feed | find_bytes(bytes, delimiters);
        for (; feed != 0; feed &= feed - 1) {
            uint64_t before = mask & ((feed & -feed) - 1);
            ends[(*lines)++] = (uint32_t)(count + __builtin_popcountll(before));
        }
        for (; mask != 0; mask &= mask - 1)
            positions[count++] = (uint32_t)(at + __builtin_ctzll(mask));
    }
    return find_separators(text, at, length, delimiter, positions, ends, count, lines);
}

#else

struct csv_census csv_count(const char *text, int64_t length)
{
    struct csv_census census = {0};
    count_bytes(text, length, &census);
    return census;
}

int64_t csv_separators(const char *text, int64_t length, char delimiter, uint32_t *positions,
                       uint32_t *ends, int64_t *lines)
{
    *lines = 0;
    return find_separators(text, 0, length, delimiter, positions, ends, 0, lines);
}

#endif

int64_t csv_feeds(const char *text, const char *end)
{
    int64_t feeds = 0;
    while ((text = memchr(text, '\n', (size_t)(end - text))) != NULL) {
        feeds++;
        text++;
    }
    return feeds;
}

/* libcsv's states. */
enum state {
    FIELD_START,
    PLAIN,  /* in a field without quotes */
    QUOTED, /* in a quoted field */
    CLOSED, /* after a quote in a quoted field, and blanks perhaps */
};

/* The byte after the record's line feed, or NULL; *state is where the scan stopped. */
static const char *scan_record(const char *text, const char *end, char delimiter, enum state *state)
{
    bool blanks = false; /* after the quote that may have closed the field */
    *state = FIELD_START;
    for (const char *p = text; p < end; p++) {
        char c = *p;
        if (*state == QUOTED) {
            p = memchr(p, '"', (size_t)(end - p));
            if (p == NULL) return NULL;
            *state = CLOSED;
            blanks = false;
        } else if (c == delimiter) {
            *state = FIELD_START;
        } else if (c == '\n') {
            return p + 1;
        } else if (*state == FIELD_START) {
            if (c == '"')
                *state = QUOTED;
            else if (!csv_is_blank(c, delimiter))
                *state = PLAIN;
        } else if (*state == CLOSED) {
            if (csv_is_blank(c, delimiter))
                blanks = true;
            else if (c != '"' || !blanks) /* text after a stray quote, or "" for a quote */
                *state = QUOTED;
            else
                blanks = false;
        }
    }
    return NULL;
}

enum csv_record csv_record_end(const char *text, const char *end, bool final, char delimiter,
                               const char **next)
{
    bool cut = end - text > CSV_LIMIT;
    enum state state;
    *next = scan_record(text, cut ? text + CSV_LIMIT : end, delimiter, &state);
    if (*next != NULL) return CSV_COMPLETE;
    if (!cut && !final) return CSV_MORE;
    if (!cut && state != QUOTED) {
        *next = end;
        return CSV_COMPLETE;
    }
    const char *feed = memchr(text, '\n', (size_t)(end - text));
    *next = feed != NULL ? feed + 1 : final ? end : NULL;
    return state == QUOTED ? CSV_UNCLOSED : CSV_LONG;
}

const char *csv_propose(const char *boundary, const char *end, bool quoted, int64_t *lines)
{
    *lines = 0;
    for (const char *p = boundary - 1; p < end; p++) {
        if (*p == '"') quoted = !quoted;
        if (*p != '\n') continue;
        if (p >= boundary) ++*lines;
        if (!quoted) return p + 1;
    }
    return NULL;
}
