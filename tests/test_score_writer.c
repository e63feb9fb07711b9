/* Scores in every format, with ids that need care. */
#define _GNU_SOURCE
#include <cjson/cJSON.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <zlib.h>

#include "data/npy.h"
#include "data/writer.h"
#include "suite.h"

static char folder[] = "/tmp/blackspot-scores-XXXXXX";
static char path[64];
static struct spot_error err;

static const char *const names[] = {"cluster", "distance"};
static const int is_label[] = {1, 0};
static const int32_t labels[] = {0, 12, 3};
static const double distances[] = {0.5, 1e-7, 100};
static const struct score_column both[] = {{.labels = labels}, {.values = distances}};

/* The file, through gzip where it is one. */
static const char *content(void)
{
    static char text[4000];
    gzFile file = gzopen(path, "rb");
    CU_ASSERT_PTR_NOT_NULL_FATAL(file);
    int size = gzread(file, text, sizeof text - 1);
    gzclose(file);
    text[size < 0 ? 0 : size] = '\0';
    return text;
}

static void set_path(const char *name)
{
    snprintf(path, sizeof path, "%s/%s", folder, name);
}

/* Three rows with ids, if id_name is given. */
static void write_three(const char *name, const char *id_name, const int64_t *offsets,
                        const char *ids)
{
    struct score_writer *writer;
    set_path(name);
    CU_ASSERT_EQUAL_FATAL(score_writer_open(path, id_name, names, is_label, 2, -1, &writer, &err),
                          SPOT_OK);
    CU_ASSERT_EQUAL(score_writer_put(writer, 3, offsets, ids, both, &err), SPOT_OK);
    CU_ASSERT_EQUAL(score_writer_commit(writer, &err), SPOT_OK);
}

static void expect_text(const char *text)
{
    CU_ASSERT_STRING_EQUAL(content(), text);
    unlink(path);
}

static void writes_csv(void)
{
    write_three("s.csv", NULL, NULL, NULL);
    expect_text("cluster,distance\n0,0.5\n12,1e-07\n3,100\n");
    write_three("s.csv.gz", "id", (int64_t[]){0, 1, 3, 3}, "abc");
    expect_text("id,cluster,distance\na,0,0.5\nbc,12,1e-07\n,3,100\n");
}

static void quotes_csv(void)
{
    write_three("s.csv", "an \"id\"", (int64_t[]){0, 3, 6, 9}, "a,bc\"d\r\ne");
    expect_text("\"an \"\"id\"\"\",cluster,distance\n\"a,b\",0,0.5\n\"c\"\"d\",12,1e-07\n"
                "\"\r\ne\",3,100\n");
}

static void writes_json_lines(void)
{
    write_three("s.jsonl", NULL, NULL, NULL);
    expect_text("{\"cluster\":0,\"distance\":0.5}\n{\"cluster\":12,\"distance\":1e-07}\n"
                "{\"cluster\":3,\"distance\":100}\n");
    write_three("s.jsonl.gz", "id", (int64_t[]){0, 2, 4, 7}, "\"\\\n\001\xc3\xa9x");
    expect_text("{\"id\":\"\\\"\\\\\",\"cluster\":0,\"distance\":0.5}\n"
                "{\"id\":\"\\u000a\\u0001\",\"cluster\":12,\"distance\":1e-07}\n"
                "{\"id\":\"\xc3\xa9x\",\"cluster\":3,\"distance\":100}\n");
}

/* Good and bad UTF-8: overlong, surrogate, beyond U+10FFFF, cut, a stray continuation. */
static void replaces_what_is_no_utf8(void)
{
    static const struct {
        const char *bytes, *text;
    } cases[] = {{"\xe2\x82\xac", "\xe2\x82\xac"},
                 {"\xf0\x9f\x9a\x97", "\xf0\x9f\x9a\x97"},
                 {"\xc0\xaf", "??"},
                 {"\xe0\x80\x80", "???"},
                 {"\xf0\x80\x80\x80", "????"},
                 {"\xed\xa0\x80", "???"},
                 {"\xf4\x90\x80\x80", "????"},
                 {"\xe2\x82", "??"},
                 {"\x80", "?"},
                 {"\xff", "?"},
                 {"\xc3(", "?("}};
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        const int64_t offsets[] = {0, (int64_t)strlen(cases[i].bytes)};
        char expected[200] = "{\"id\":\"", *at = expected + 7;
        for (const char *c = cases[i].text; *c != '\0'; c++)
            at = *c == '?' ? stpcpy(at, "\xef\xbf\xbd") : (*at = *c, at + 1);
        strcpy(at, "\",\"cluster\":0,\"distance\":0.5}\n");
        struct score_writer *writer;
        set_path("u.jsonl");
        CU_ASSERT_EQUAL_FATAL(score_writer_open(path, "id", names, is_label, 2, 1, &writer, &err),
                              SPOT_OK);
        CU_ASSERT_EQUAL(score_writer_put(writer, 1, offsets, cases[i].bytes, both, &err), SPOT_OK);
        CU_ASSERT_EQUAL(score_writer_commit(writer, &err), SPOT_OK);
        expect_text(expected);
    }
}

static void writes_values_that_are_no_numbers(void)
{
    const double values[] = {(double)NAN, (double)INFINITY};
    const struct score_column column = {.values = values};
    const char *const endings[] = {"n.csv", "n.jsonl"};
    const char *const texts[] = {"distance\nnan\ninf\n",
                                 "{\"distance\":null}\n{\"distance\":null}\n"};
    for (int i = 0; i < 2; i++) {
        struct score_writer *writer;
        set_path(endings[i]);
        CU_ASSERT_EQUAL_FATAL(
            score_writer_open(path, NULL, &names[1], &is_label[1], 1, 2, &writer, &err), SPOT_OK);
        CU_ASSERT_EQUAL(score_writer_put(writer, 2, NULL, NULL, &column, &err), SPOT_OK);
        CU_ASSERT_EQUAL(score_writer_commit(writer, &err), SPOT_OK);
        expect_text(texts[i]);
    }
}

/* rows announced rightly, wrongly and not at all: the file tells the truth. */
static void writes_npy(void)
{
    const int64_t announced[] = {6, 5, -1};
    for (int i = 0; i < 3; i++)
        for (int kind = 0; kind < 2; kind++) {
            struct score_writer *writer;
            set_path("s.npy");
            CU_ASSERT_EQUAL_FATAL(score_writer_open(path, NULL, &names[kind], &is_label[kind], 1,
                                                    announced[i], &writer, &err),
                                  SPOT_OK);
            CU_ASSERT_EQUAL(score_writer_put(writer, 3, NULL, NULL, &both[kind], &err), SPOT_OK);
            CU_ASSERT_EQUAL(score_writer_put(writer, 3, NULL, NULL, &both[kind], &err), SPOT_OK);
            CU_ASSERT_EQUAL(score_writer_commit(writer, &err), SPOT_OK);
            CU_ASSERT_PTR_NOT_NULL(strstr(content() + 10, kind == 0 ? "'<i4'" : "'<f8'"));
            struct npy_file *file;
            int64_t rows;
            int32_t columns;
            double values[6];
            CU_ASSERT_EQUAL_FATAL(npy_open(path, &file, &rows, &columns, &err), SPOT_OK);
            CU_ASSERT_EQUAL(rows, 6);
            CU_ASSERT_EQUAL(npy_read_float64(file, 0, 6, values, &err), SPOT_OK);
            for (int r = 0; r < 6; r++)
                CU_ASSERT(values[r] == (kind == 0 ? labels[r % 3] : distances[r % 3]));
            npy_close(file);
            unlink(path);
        }
}

static void writes_npy_of_two_columns(void)
{
    const int numbers[] = {0, 0};
    const struct score_column twice[] = {both[1], both[1]};
    struct score_writer *writer;
    struct npy_file *file;
    int64_t rows;
    int32_t columns;
    double values[12];
    set_path("t.npy");
    CU_ASSERT_EQUAL_FATAL(score_writer_open(path, NULL, names, numbers, 2, -1, &writer, &err),
                          SPOT_OK);
    CU_ASSERT_EQUAL(score_writer_put(writer, 3, NULL, NULL, twice, &err), SPOT_OK);
    CU_ASSERT_EQUAL(score_writer_put(writer, 3, NULL, NULL, twice, &err), SPOT_OK);
    CU_ASSERT_EQUAL(score_writer_commit(writer, &err), SPOT_OK);
    CU_ASSERT_EQUAL_FATAL(npy_open(path, &file, &rows, &columns, &err), SPOT_OK);
    CU_ASSERT(rows == 6 && columns == 2);
    CU_ASSERT_EQUAL(npy_read_float64(file, 0, 6, values, &err), SPOT_OK);
    for (int i = 0; i < 12; i++)
        CU_ASSERT(values[i] == distances[i / 2 % 3]);
    npy_close(file);
    unlink(path);
}

static void refuse(const char *name, const char *id_name, int32_t columns, int code,
                   const char *part)
{
    struct score_writer *writer;
    set_path(name);
    CU_ASSERT_EQUAL(score_writer_open(path, id_name, names, is_label, columns, 1, &writer, &err),
                    code);
    CU_ASSERT_PTR_NULL(writer);
    CU_ASSERT_PTR_NOT_NULL(strstr(err.message, part));
    CU_ASSERT_EQUAL(access(path, F_OK), -1);
}

static void refuses_what_a_format_cannot_hold(void)
{
    refuse("s.npy", "id", 1, SPOT_EUSAGE, "the id 'id'");
    refuse("s.npy", NULL, 2, SPOT_EUSAGE, "labels beside numbers");
    refuse("s.parquet", NULL, 2, SPOT_EUSAGE, ".jsonl");
    refuse("csv", NULL, 2, SPOT_EUSAGE, ".csv");
    refuse("no/s.csv", NULL, 2, SPOT_EIO, "No such file");
}

static void leaves_nothing_when_abandoned(void)
{
    struct score_writer *writer;
    set_path("a.csv");
    CU_ASSERT_EQUAL_FATAL(score_writer_open(path, NULL, names, is_label, 2, -1, &writer, &err),
                          SPOT_OK);
    CU_ASSERT_EQUAL(score_writer_put(writer, 3, NULL, NULL, both, &err), SPOT_OK);
    score_writer_abandon(writer);
    score_writer_abandon(NULL);
    CU_ASSERT_EQUAL(access(path, F_OK), -1);
}

static void reports_a_full_disk(void)
{
    struct score_writer *writer;
    CU_ASSERT_EQUAL_FATAL(
        score_writer_open("/dev/full", NULL, names, is_label, 2, -1, &writer, &err), SPOT_OK);
    int status = SPOT_OK;
    for (int i = 0; i < 100000 && status == SPOT_OK; i++)
        status = score_writer_put(writer, 3, NULL, NULL, both, &err);
    CU_ASSERT_EQUAL(status, SPOT_EIO);
    CU_ASSERT_PTR_NOT_NULL(strstr(err.message, "No space left"));
    CU_ASSERT_EQUAL(score_writer_commit(writer, &err), SPOT_EIO);
}

/* cJSON reads every line of a larger file back. */
static void every_line_is_json(void)
{
    write_three("j.jsonl", "a \"b\"\n", (int64_t[]){0, 2, 4, 6}, "1\t2\"3\\");
    char *text = strdup(content());
    int lines = 0;
    for (char *line = strtok(text, "\n"); line != NULL; line = strtok(NULL, "\n"), lines++) {
        cJSON *json = cJSON_Parse(line);
        CU_ASSERT_PTR_NOT_NULL_FATAL(json);
        CU_ASSERT_PTR_NOT_NULL(cJSON_GetObjectItem(json, "a \"b\"\n"));
        CU_ASSERT(cJSON_GetNumberValue(cJSON_GetObjectItem(json, "distance")) == distances[lines]);
        cJSON_Delete(json);
    }
    CU_ASSERT_EQUAL(lines, 3);
    free(text);
    unlink(path);
}

int main(void)
{
    const struct suite_test tests[] = {
        {"writes csv", writes_csv},
        {"quotes csv", quotes_csv},
        {"writes json lines", writes_json_lines},
        {"replaces what is no utf8", replaces_what_is_no_utf8},
        {"writes values that are no numbers", writes_values_that_are_no_numbers},
        {"writes npy", writes_npy},
        {"writes npy of two columns", writes_npy_of_two_columns},
        {"refuses what a format cannot hold", refuses_what_a_format_cannot_hold},
        {"leaves nothing when abandoned", leaves_nothing_when_abandoned},
        {"reports a full disk", reports_a_full_disk},
        {"every line is json", every_line_is_json},
        {NULL, NULL},
    };
    if (mkdtemp(folder) == NULL) return 1;
    int result = run_suite("score_writer", tests);
    rmdir(folder);
    return result;
}
