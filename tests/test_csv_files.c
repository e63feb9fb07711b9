/* Several files, encodings, standard input, second passes, progress, and bad cells. */
#define _GNU_SOURCE
#include "table_text.h"

static const struct column_spec NUMBER_AND_NAME[] = {
    {.name = "n", .source = "number", .type = COLUMN_NUMBER, .decimal = ','},
    {.name = "c", .source = "nom", .type = COLUMN_CATEGORY},
    {.name = "x", .source = "nom", .type = COLUMN_TEXT},
};

/* Reads files given as texts with these options. */
static void read_texts(const char *const *texts, int count, struct table_options options,
                       const struct column_spec *specs, int32_t specs_count, const char *expected)
{
    char paths[4][64];
    const char *files[4];
    for (int i = 0; i < count; i++) {
        write_temporary(paths[i], texts[i], strlen(texts[i]));
        files[i] = paths[i];
    }
    options.files = files;
    options.files_count = count;
    struct table_text result;
    read_table(&options, 2, specs, specs_count, &result);
    expect_table(&result, expected);
    free(result.text);
    for (int i = 0; i < count; i++)
        unlink(paths[i]);
}

static void reads_encodings(void)
{
    const char *latin[] = {"number;nom\n1,5;Gr\xe0"
                           "cia\n\xa0 2 ;\xa0x\n"};
    struct table_options options = {.encoding = ENCODING_LATIN1};
    read_texts(latin, 1, options, NUMBER_AND_NAME, 3,
               "n=1.5 c=Gr\xc3\xa0"
               "cia x=Gr\xc3\xa0"
               "cia\nn=2 c=x x=\xc2\xa0x\n");
    const char *windows[] = {"number;nom\n1;\x80\x93z\n"};
    options.encoding = ENCODING_WINDOWS_1252;
    read_texts(windows, 1, options, NUMBER_AND_NAME, 2, "n=1 c=\xe2\x82\xac\xe2\x80\x9cz\n");
    options.encoding = ENCODING_UTF8;
    const char *utf8[] = {"number;nom\n\xc2\xa0"
                          "1,5\xc2\xa0;\xc2\xa0 Gr\xc3\xa0\xc2\xa0\n"};
    read_texts(utf8, 1, options, NUMBER_AND_NAME, 2, "n=1.5 c=Gr\xc3\xa0\n");
    read_texts(latin, 1, options, NUMBER_AND_NAME, 2, "!:2: not UTF-8 at byte 7 of the line");
    read_texts(latin, 1, options, NUMBER_AND_NAME, 2, "!encoding: latin1");
    const char *header[] = {"number;n\xe0m\n1;2\n"};
    read_texts(header, 1, options, NUMBER_AND_NAME, 1, "!:1: the header is not UTF-8 at byte 9");
    const char *invalid[] = {
        "\xed\xa0\x80",     "\xc0\x80",         "\xe0\x80\x80", "\xf0\x80\x80\x80",
        "\xf4\x90\x80\x80", "\xf5\x80\x80\x80", "\xe2\x82",     "\x80"};
    for (int i = 0; i < 8; i++) {
        char text[64];
        snprintf(text, sizeof text, "number;nom\n1;%s\n", invalid[i]);
        const char *texts[] = {text};
        read_texts(texts, 1, options, NUMBER_AND_NAME, 2, "!not UTF-8 at byte 3");
    }
}

static void joins_files(void)
{
    const char *same[] = {"number,nom\n1,a\n", "nom;number;more\r\nb;2;9\r\n", "nom,number\n"};
    read_texts(same, 3, (struct table_options){0}, NUMBER_AND_NAME, 2, "n=1 c=a\nn=2 c=b\n");
    const char *missing[] = {"number,nom\n1,a\n", "number,nam\n2,b\n"};
    read_texts(missing, 2, (struct table_options){0}, NUMBER_AND_NAME, 2,
               "!column 'c': the header has no 'nom'; did you mean 'nam'?");
    const char *far[] = {"number,nom\n1,a\n", "number,xyzzy\n2,b\n"};
    read_texts(far, 2, (struct table_options){0}, NUMBER_AND_NAME, 2, "!among its 2 fields");
}

static void leaves_optional_columns_missing(void)
{
    const char *const formats[] = {"%Y"};
    const struct column_spec specs[] = {
        {.name = "n", .source = "number", .type = COLUMN_NUMBER},
        {.name = "o", .source = "other", .type = COLUMN_NUMBER, .optional = true},
        {.name = "c", .source = "kind", .type = COLUMN_CATEGORY, .optional = true},
        {.name = "x", .source = "text", .type = COLUMN_TEXT, .optional = true},
        {.name = "t",
         .source = "number",
         .second = "time",
         .type = COLUMN_TIMESTAMP,
         .formats = formats,
         .formats_count = 1,
         .optional = true},
    };
    read_text("number,number2,b,b\n1,2,3,4\n", specs, 5, "n=1 o=? c=? x= t=?\n");
}

static void records_bad_cells(void)
{
    const char *const formats[] = {"%Y-%m-%d"};
    const struct column_spec specs[] = {
        {.name = "n", .source = "n", .type = COLUMN_NUMBER},
        {.name = "i", .source = "i", .type = COLUMN_INTEGER},
        {.name = "b", .source = "b", .type = COLUMN_BOOLEAN},
        {.name = "t",
         .source = "t",
         .type = COLUMN_TIMESTAMP,
         .formats = formats,
         .formats_count = 1},
    };
    char path[64];
    const char *text = "n,i,b,t\n"
                       "x,1.5,maybe,2015-02-31\n"
                       "1e999,9007199254740994,2,2015-2-3x\n"
                       "1,9007199254740992,T,2016-02-29\n";
    write_temporary(path, text, strlen(text));
    const char *files[] = {path};
    const struct table_options options = {.files = files, .files_count = 1};
    struct table_text result;
    read_table(&options, 1, specs, 4, &result);
    expect_table(&result, "n=? i=? b=? t=?\nn=? i=? b=? t=?\n"
                          "n=1 i=9007199254740992 b=1 t=1456704000\n");
    CU_ASSERT_EQUAL(result.bad_cells, 8);
    CU_ASSERT_STRING_EQUAL(result.bad, "2/0: not a number: 'x'\n"
                                       "2/1: not a whole number: '1.5'\n"
                                       "2/2: not a boolean (0/1, true/false, yes/no): 'maybe'\n"
                                       "2/3: not a date of the given format: '2015-02-31'\n"
                                       "3/0: a number out of range: '1e999'\n"
                                       "3/1: a whole number beyond 2^53: '9007199254740994'\n"
                                       "3/2: not a boolean (0/1, true/false, yes/no): '2'\n"
                                       "3/3: not a date of the given format: '2015-2-3x'\n");
    free(result.text);
    unlink(path);
}

static void refuses_what_is_no_csv(void)
{
    const struct column_spec specs[] = {{.name = "a", .source = "a", .type = COLUMN_NUMBER}};
    read_text("PK\x03\x04...", specs, 1, "!a spreadsheet");
    read_text("PAR1...", specs, 1, "!Parquet");
    read_text("\x93NUMPY...", specs, 1, "!.npy");
    read_text("BZh91...", specs, 1, "!bunzip2");
    read_text("\xfd"
              "7zXZ",
              specs, 1, "!unxz");
    read_text("SQLite format 3", specs, 1, "!SQLite");
    read_text("\xfe\xff", specs, 1, "!UTF-16");
    read_text("a,b\r1,2\r3,4\r", specs, 1, "!carriage return");
    read_text("\"a,b\n1,2\n", specs, 1, "!a quote in the header is never closed");
    read_text(" \n\r\n", specs, 1, "!empty");
    read_text("a\x80,b\n", specs, 1, "!not UTF-8");

    char path[64];
    struct table_text result;
    const char *files[] = {path, "/nonexistent/file.csv"};
    struct table_options options = {.files = files, .files_count = 1};
    const struct {
        const char *bytes;
        size_t length;
        const char *message;
    } cases[] = {{"a\0,\0b\0\n\0", 8, "!UTF-16"},
                 {"\0a\0,\0b\0\n", 8, "!UTF-16"},
                 {"a,\0b\n1,2\n", 9, "!NUL byte in the header"},
                 {"\x1f\x8b"
                  "garbage",
                  9, "!damaged"},
                 {"\x28\xb5\x2f\xfdgarbage", 11, "!damaged"}};
    for (int i = 0; i < 5; i++) {
        write_temporary(path, cases[i].bytes, cases[i].length);
        read_table(&options, 1, specs, 1, &result);
        expect_table(&result, cases[i].message);
        free(result.text);
        unlink(path);
    }
    char *long_header = malloc(3 << 20);
    memset(long_header, 'a', 3 << 20);
    write_temporary(path, long_header, 3 << 20);
    read_table(&options, 1, specs, 1, &result);
    expect_table(&result, "!the header is longer than");
    free(result.text);
    free(long_header);
    unlink(path);
}

static void names_files_that_cannot_be_read(void)
{
    const struct column_spec specs[] = {{.name = "a", .source = "a", .type = COLUMN_NUMBER}};
    struct table_text result;
    const struct {
        const char *files[2];
        int count;
        char delimiter;
        const char *message;
    } cases[] = {{{"/nonexistent/a.csv"}, 1, 0, "!/nonexistent/a.csv: cannot open"},
                 {{"/tmp"}, 1, 0, "!/tmp: is a folder"},
                 {{"-", "-"}, 2, 0, "!twice"},
                 {{NULL}, 0, 0, "!no input file"},
                 {{"/dev/null"}, 1, '"', "!delimiter"},
                 {{"/dev/null", "/nonexistent/b.csv"}, 2, 0, "!/nonexistent/b.csv"},
                 {{"/dev/null"}, 1, 0, "!empty"}};
    for (int i = 0; i < 7; i++) {
        const struct table_options options = {.files = cases[i].files,
                                              .files_count = cases[i].count,
                                              .delimiter = cases[i].delimiter};
        read_table(&options, 1, specs, 1, &result);
        expect_table(&result, cases[i].message);
        free(result.text);
    }
}

/* ---- Visitors ---- */

struct visits {
    int worked, taken, discarded, progressed;
    int fail_work, fail_take, stop; /* at this call, 0: never */
    int64_t bytes, total;
};

static int visit_work(void *arg, struct batch *batch, int worker, struct spot_error *err)
{
    struct visits *visits = arg;
    (void)worker;
    batch->user = malloc(1);
    if (++visits->worked == visits->fail_work) {
        snprintf(err->message, sizeof err->message, "work says no");
        return SPOT_EFAILED;
    }
    return SPOT_OK;
}

static int visit_take(void *arg, struct batch *batch, struct spot_error *err)
{
    struct visits *visits = arg;
    free(batch->user);
    batch_free(batch);
    if (++visits->taken == visits->fail_take) {
        snprintf(err->message, sizeof err->message, "take says no");
        return SPOT_EUSAGE;
    }
    return SPOT_OK;
}

static void visit_discard(void *arg, struct batch *batch)
{
    struct visits *visits = arg;
    visits->discarded++;
    free(batch->user);
}

static int visit_progress(void *arg, int64_t rows, int64_t bytes, int64_t total)
{
    struct visits *visits = arg;
    (void)rows;
    CU_ASSERT(bytes >= visits->bytes);
    visits->bytes = bytes;
    visits->total = total;
    return ++visits->progressed == visits->stop;
}

/* A table of 3 MiB on standard input through a pipe or from a file; returns the status of the
 * last of `passes`. */
static int read_standard_input(bool pipe_it, bool rewindable, int passes, struct visits *visits,
                               struct spot_error *err)
{
    char path[64], command[160];
    const size_t size = 3 << 20;
    char *text = malloc(size + 1);
    for (size_t i = 0; i < size; i += 8)
        snprintf(text + i, 9, "12,4567\n");
    text[0] = 'a', text[1] = 'b';
    write_temporary(path, text, size);
    free(text);
    snprintf(command, sizeof command, "cat %s", path);
    FILE *from = pipe_it ? popen(command, "r") : fopen(path, "r");
    int saved = dup(0);
    dup2(fileno(from), 0);

    const struct column_spec specs[] = {{.name = "a", .source = "ab", .type = COLUMN_NUMBER}};
    const char *files[] = {"-"};
    const struct table_options options = {
        .files = files, .files_count = 1, .rewindable = rewindable};
    const struct table_visitor visitor = {visit_work, visit_take, visit_discard, visit_progress,
                                          visits};
    struct spot_pool *pool;
    struct table_reader *reader;
    CU_ASSERT_EQUAL_FATAL(pool_open(1, &pool, NULL), SPOT_OK);
    int status = table_open(&options, pool, &reader, err);
    for (int i = 0; i < passes && status == SPOT_OK; i++) {
        visits->bytes = 0;
        status = table_each(reader, specs, 1, &visitor, err);
        if (status == SPOT_OK) CU_ASSERT_EQUAL(table_bytes(reader), (int64_t)size);
    }
    table_close(reader);
    pool_close(pool);
    dup2(saved, 0);
    close(saved);
    if (pipe_it)
        pclose(from);
    else
        fclose(from);
    unlink(path);
    return status;
}

static void reads_standard_input(void)
{
    struct spot_error err;
    struct visits visits = {0};
    CU_ASSERT_EQUAL(read_standard_input(true, false, 1, &visits, &err), SPOT_OK);
    CU_ASSERT_EQUAL(visits.taken, 12);
    CU_ASSERT_EQUAL(visits.total, 0);
    CU_ASSERT_EQUAL(visits.bytes, 3 << 20);
    visits = (struct visits){0};
    CU_ASSERT_EQUAL(read_standard_input(true, true, 2, &visits, &err), SPOT_OK);
    CU_ASSERT_EQUAL(visits.taken, 24);
    CU_ASSERT_EQUAL(visits.total, 3 << 20);
    visits = (struct visits){0};
    CU_ASSERT_EQUAL(read_standard_input(false, false, 2, &visits, &err), SPOT_OK);
    CU_ASSERT_EQUAL(visits.taken, 24);
    visits = (struct visits){0};
    CU_ASSERT_EQUAL(read_standard_input(true, false, 2, &visits, &err), SPOT_EUSAGE);
    CU_ASSERT_PTR_NOT_NULL(strstr(err.message, "only once"));
}

static void ends_when_the_visitor_says_so(void)
{
    struct spot_error err;
    struct visits visits = {.fail_work = 3};
    CU_ASSERT_EQUAL(read_standard_input(true, false, 1, &visits, &err), SPOT_EFAILED);
    CU_ASSERT_STRING_EQUAL(err.message, "work says no");
    CU_ASSERT_EQUAL(visits.taken, 2);
    CU_ASSERT_EQUAL(visits.taken + visits.discarded, visits.worked);
    visits = (struct visits){.fail_take = 2};
    CU_ASSERT_EQUAL(read_standard_input(true, false, 1, &visits, &err), SPOT_EUSAGE);
    CU_ASSERT_STRING_EQUAL(err.message, "take says no");
    CU_ASSERT_EQUAL(visits.taken + visits.discarded, visits.worked);
    visits = (struct visits){.stop = 1};
    CU_ASSERT_EQUAL(read_standard_input(true, false, 1, &visits, &err), SPOT_ESTOPPED);
    CU_ASSERT_EQUAL(visits.progressed, 1);
}

int main(void)
{
    const struct suite_test tests[] = {
        {"reads encodings", reads_encodings},
        {"joins files", joins_files},
        {"leaves optional columns missing", leaves_optional_columns_missing},
        {"records bad cells", records_bad_cells},
        {"refuses what is no CSV", refuses_what_is_no_csv},
        {"names files that cannot be read", names_files_that_cannot_be_read},
        {"reads standard input", reads_standard_input},
        {"ends when the visitor says so", ends_when_the_visitor_says_so},
        {NULL, NULL},
    };
    return run_suite("csv_files", tests);
}
