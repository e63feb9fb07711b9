/* The header: byte order mark, refusal of what is no CSV, delimiter, names (libcsv). */
#include <csv.h>
#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "base/memory.h"
#include "data/csv_plan.h"
#include "data/csv_scan.h"
#include "data/csv_text.h"

enum { PEEK_BYTES = 64 << 10 };

/* Files people mistake for CSV, by their first bytes. */
static const struct {
    const char *magic;
    int length;
    const char *what;
} BINARY[] = {
    {"PK\x03\x04", 4, "a zip archive or a spreadsheet; unpack it, or save it as CSV"},
    {"PAR1", 4, "Parquet; convert it to CSV first"},
    {"\x93NUMPY", 6, "a .npy array, not CSV; name it .npy"},
    {"BZh", 3, "compressed with bzip2; unpack it with `bunzip2`"},
    {"\xfd"
     "7zXZ",
     5, "compressed with xz; unpack it with `unxz`"},
    {"SQLite format 3", 15, "a SQLite database; export the table as CSV first"},
};

/* UTF-16 has a byte order mark, or a NUL beside every ASCII character. */
static bool is_utf16(const char *text, int64_t length)
{
    if (length < 2) return false;
    if (memcmp(text, "\xff\xfe", 2) == 0 || memcmp(text, "\xfe\xff", 2) == 0) return true;
    if (length < 4) return false;
    bool little = text[0] != 0 && text[1] == 0 && text[2] != 0 && text[3] == 0;
    bool big = text[0] == 0 && text[1] != 0 && text[2] == 0 && text[3] != 0;
    return little || big;
}

static int refuse_binary(const char *file, const char *text, int64_t length, struct spot_error *err)
{
    for (size_t i = 0; i < sizeof BINARY / sizeof *BINARY; i++)
        if (length >= BINARY[i].length &&
            memcmp(text, BINARY[i].magic, (size_t)BINARY[i].length) == 0)
            return spot_fail(err, SPOT_EFORMAT, "%s: this is %s", file, BINARY[i].what);
    if (is_utf16(text, length))
        return spot_fail(err, SPOT_EFORMAT,
                         "%s: this is UTF-16 text; convert it first: iconv -f UTF-16 -t UTF-8 '%s'",
                         file, file);
    return SPOT_OK;
}

static char find_delimiter(const char *text, const char *end)
{
    static const char CANDIDATES[] = ",;\t|";
    int64_t counts[4] = {0};
    bool quoted = false;
    for (; text < end && (quoted || *text != '\n'); text++) {
        if (*text == '"') quoted = !quoted;
        const char *found = quoted || *text == '\0' ? NULL : strchr(CANDIDATES, *text);
        if (found != NULL) counts[found - CANDIDATES]++;
    }
    int best = 0;
    for (int i = 1; i < 4; i++)
        if (counts[i] > counts[best]) best = i;
    return CANDIDATES[best];
}

/* ---- Names ----------------------------------------------------------------------------------- */

struct names {
    struct csv_header *header;
    enum text_encoding encoding;
    int64_t capacity;
    bool failed;
};

static void take_name(void *bytes, size_t length, void *arg)
{
    struct names *names = arg;
    struct csv_header *header = names->header;
    struct csv_span span =
        csv_trim((struct csv_span){bytes, (const char *)bytes + length}, names->encoding);
    if (names->failed || header->count == INT32_MAX ||
        spot_grow((void **)&header->names, &names->capacity, header->count + 1,
                  sizeof *header->names) < 0) {
        names->failed = true;
        return;
    }
    char *name = malloc((size_t)(span.end - span.begin) * 3 + 1);
    if (name == NULL) {
        names->failed = true;
        return;
    }
    name[csv_to_utf8(span, names->encoding, name)] = '\0';
    header->names[header->count++] = name;
}

static void ignore_row(int feed, void *arg)
{
    (void)feed;
    (void)arg;
}

static int is_comma_blank(unsigned char c)
{
    return c == ' ' || c == '\t' || c == '\r';
}

static int is_feed(unsigned char c)
{
    return c == '\n';
}

static int parse_names(const char *text, const char *end, enum text_encoding encoding,
                       struct csv_header *header, struct spot_error *err)
{
    struct names names = {header, encoding, 0, false};
    struct csv_parser parser;
    csv_init(&parser, 0);
    csv_set_delim(&parser, (unsigned char)header->delimiter);
    csv_set_space_func(&parser, is_comma_blank);
    csv_set_term_func(&parser, is_feed);
    size_t length = (size_t)(end - text);
    bool parsed = csv_parse(&parser, text, length, take_name, ignore_row, &names) == length &&
                  csv_fini(&parser, take_name, ignore_row, &names) == 0;
    csv_free(&parser);
    return parsed && !names.failed ? SPOT_OK : spot_fail_memory(err, "the header");
}

static int check_header(const char *file, const char *text, const char *end,
                        enum text_encoding encoding, struct spot_error *err)
{
    int64_t length = end - text;
    if (memchr(text, '\0', (size_t)length) != NULL)
        return spot_fail(err, SPOT_EFORMAT, "%s:1: a NUL byte in the header: not a CSV file", file);
    const char *mac = memchr(text, '\r', (size_t)length);
    if (mac != NULL && mac + 1 < end && mac[1] != '\n' &&
        memchr(text, '\n', (size_t)length - 1) == NULL)
        return spot_fail(err, SPOT_EFORMAT,
                         "%s:1: lines end with a bare carriage return; convert them first: "
                         "tr '\\r' '\\n' < '%s'",
                         file, file);
    int64_t valid = utf8_valid(text, length);
    if (encoding == ENCODING_UTF8 && valid < length)
        return spot_fail(err, SPOT_EFORMAT,
                         "%s:1: the header is not UTF-8 at byte %lld; if the file is older, try "
                         "`encoding: latin1` or `encoding: windows-1252`",
                         file, (long long)valid + 1);
    return SPOT_OK;
}

/* The first record that is not blank: [*text, *end). */
static int find_record(const char *file, const char *head, int64_t length, bool final,
                       char delimiter, const char **text, const char **end, struct spot_error *err)
{
    const char *limit = head + length;
    *end = head;
    do {
        *text = *end;
        if (*text == limit)
            return spot_fail(err, SPOT_EDATA, "%s: the file is empty: not even a header", file);
        enum csv_record record = csv_record_end(*text, limit, final, delimiter, end);
        if (record == CSV_UNCLOSED)
            return spot_fail(err, SPOT_EFORMAT, "%s:1: a quote in the header is never closed",
                             file);
        if (record != CSV_COMPLETE)
            return spot_fail(err, SPOT_EFORMAT, "%s:1: the header is longer than %d bytes", file,
                             CSV_LIMIT);
        while (*text < *end && (csv_is_blank(**text, delimiter) || **text == '\n'))
            ++*text;
    } while (*text == *end);
    return SPOT_OK;
}

/* Peeks until the whole header record is there. */
static int peek_header(struct source *source, const char **head, int64_t *length, bool *final,
                       struct spot_error *err)
{
    int64_t wanted = PEEK_BYTES;
    for (;; wanted *= 2) {
        int status = source_peek(source, wanted, head, length, err);
        if (status < 0) return status;
        *final = *length < wanted;
        bool first = *length > 0 && memchr(*head, '\n', (size_t)*length) != NULL;
        if (*final || wanted > 2 * CSV_LIMIT) return SPOT_OK;
        if (first && *length >= PEEK_BYTES && memchr(*head, '"', (size_t)*length) == NULL)
            return SPOT_OK;
        const char *next;
        if (first && csv_record_end(*head, *head + *length, false, ',', &next) == CSV_COMPLETE)
            return SPOT_OK;
    }
}

int csv_header_read(struct source *source, const char *file, char delimiter,
                    enum text_encoding encoding, struct csv_header *header, struct spot_error *err)
{
    int status;
    *header = (struct csv_header){0};
    const char *head, *text, *end;
    int64_t length;
    bool final;
    SPOT_TRY(peek_header(source, &head, &length, &final, err));
    SPOT_TRY(refuse_binary(file, head, length, err));
    bool mark = length >= 3 && memcmp(head, "\xef\xbb\xbf", 3) == 0;
    const char *begin = head + (mark ? 3 : 0);
    header->delimiter = delimiter != 0 ? delimiter : find_delimiter(begin, head + length);
    SPOT_TRY(find_record(file, begin, length - (mark ? 3 : 0), final, header->delimiter, &text,
                         &end, err));
    if (end - head > CSV_LIMIT) {
        status = spot_fail(err, SPOT_EFORMAT, "%s:1: the header is longer than %d bytes", file,
                           CSV_LIMIT);
        goto out;
    }
    SPOT_TRY(check_header(file, text, end, encoding, err));
    SPOT_TRY(parse_names(text, end, encoding, header, err));
    header->bytes = end - head;
    header->lines = csv_count(head, header->bytes).lines;
    if (header->lines == 0) header->lines = 1;
out:
    if (status < 0) csv_header_free(header);
    return status;
}

void csv_header_free(struct csv_header *header)
{
    for (int32_t i = 0; i < header->count; i++)
        free(header->names[i]);
    free(header->names);
    *header = (struct csv_header){0};
}
