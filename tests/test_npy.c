/* .npy files: what NumPy may write is read, what nobody should believe is refused. */
#define _GNU_SOURCE
#include "data/npy.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "data/writer.h"
#include "suite.h"

static char folder[] = "/tmp/blackspot-npy-XXXXXX";
static char path[64];
static struct spot_error err;

static void write_file(const void *bytes, size_t count)
{
    FILE *file = fopen(path, "wb");
    CU_ASSERT_PTR_NOT_NULL_FATAL(file);
    CU_ASSERT_EQUAL(fwrite(bytes, 1, count, file), count);
    fclose(file);
}

/* A file of a version with a dictionary as given and `size` bytes of values. */
static void write_npy(int version, const char *dictionary, const void *values, size_t size)
{
    static unsigned char bytes[100000];
    size_t length = strlen(dictionary), start = version == 1 ? 10 : 12;
    memcpy(bytes, "\x93NUMPY", 6);
    bytes[6] = (unsigned char)version;
    memset(bytes + 7, 0, 5);
    bytes[8] = (unsigned char)(length & 255);
    bytes[9] = (unsigned char)(length >> 8 & 255);
    if (version > 1) bytes[10] = (unsigned char)(length >> 16);
    memcpy(bytes + start, dictionary, length);
    memcpy(bytes + start + length, values, size);
    write_file(bytes, start + length + size);
}

static void write_typed(const char *type, const char *order, const char *shape, const void *values,
                        size_t size)
{
    char dictionary[200];
    snprintf(dictionary, sizeof dictionary,
             "{'descr': '%s', 'fortran_order': %s, 'shape': %s, }   \n", type, order, shape);
    write_npy(1, dictionary, values, size);
}

/* Opens the file and checks its shape; NULL when it cannot be read. */
static struct npy_file *open_as(int64_t rows, int32_t columns)
{
    struct npy_file *file;
    int64_t found_rows;
    int32_t found_columns;
    err.message[0] = '\0';
    int status = npy_open(path, &file, &found_rows, &found_columns, &err);
    CU_ASSERT_EQUAL(status, SPOT_OK);
    if (status != SPOT_OK) printf("%s\n", err.message);
    CU_ASSERT_EQUAL(found_rows, rows);
    CU_ASSERT_EQUAL(found_columns, columns);
    return file;
}

/* Reads `count` values of one column in both types and compares. */
static void expect_values(const double *expected, int64_t count)
{
    struct npy_file *file = open_as(count, 1);
    CU_ASSERT_PTR_NOT_NULL_FATAL(file);
    float singles[16];
    double doubles[16];
    CU_ASSERT_EQUAL(npy_read_float32(file, 0, count, singles, &err), SPOT_OK);
    CU_ASSERT_EQUAL(npy_read_float64(file, 0, count, doubles, &err), SPOT_OK);
    for (int64_t i = 0; i < count; i++) {
        CU_ASSERT(singles[i] == (float)expected[i]);
        CU_ASSERT(doubles[i] == expected[i]);
    }
    npy_close(file);
}

static void expect_refused(int code, const char *part)
{
    struct npy_file *file;
    int64_t rows;
    int32_t columns;
    err.message[0] = '\0';
    CU_ASSERT_EQUAL(npy_open(path, &file, &rows, &columns, &err), code);
    CU_ASSERT_PTR_NULL(file);
    CU_ASSERT_PTR_NOT_NULL(strstr(err.message, path));
    CU_ASSERT_PTR_NOT_NULL(strstr(err.message, part));
    if (strstr(err.message, part) == NULL) printf("%s lacks %s\n", err.message, part);
}

static void reads_every_type(void)
{
    write_typed("<f4", "False", "(2,)", (float[]){1.5f, -0.25f}, 8);
    expect_values((double[]){1.5, -0.25}, 2);
    write_typed("<f8", "False", "(2,)", (double[]){0.1, -1e300 * 1e-290}, 16);
    expect_values((double[]){0.1, -1e300 * 1e-290}, 2);
    write_typed("|i1", "False", "(2,)", (signed char[]){-128, 127}, 2);
    expect_values((double[]){-128, 127}, 2);
    write_typed("<i2", "False", "(2,)", (short[]){-32768, 32767}, 4);
    expect_values((double[]){-32768, 32767}, 2);
    write_typed("<i4", "False", "(2,)", (int32_t[]){INT32_MIN, 7}, 8);
    expect_values((double[]){-2147483648.0, 7}, 2);
    write_typed("<i8", "False", "(2,)", (int64_t[]){INT64_MIN, 9007199254740992}, 16);
    expect_values((double[]){-9223372036854775808.0, 9007199254740992.0}, 2);
    write_typed("|u1", "False", "(2,)", (unsigned char[]){0, 255}, 2);
    expect_values((double[]){0, 255}, 2);
    write_typed("<u2", "False", "(2,)", (unsigned short[]){0, 65535}, 4);
    expect_values((double[]){0, 65535}, 2);
    write_typed("<u4", "False", "(2,)", (uint32_t[]){0, UINT32_MAX}, 8);
    expect_values((double[]){0, 4294967295.0}, 2);
    write_typed("<u8", "False", "(2,)", (uint64_t[]){1, UINT64_MAX}, 16);
    expect_values((double[]){1, 18446744073709551615.0}, 2);
    write_typed("|b1", "False", "(3,)", (unsigned char[]){0, 1, 1}, 3);
    expect_values((double[]){0, 1, 1}, 3);
}

/* 1, 0.5, -2, the largest, the smallest subnormal, infinity. */
static void reads_half_precision(void)
{
    const unsigned short halves[] = {0x3c00, 0x3800, 0xc000, 0x7bff, 0x0001, 0x7c00};
    write_typed("<f2", "False", "(6,)", halves, sizeof halves);
    expect_values((double[]){1, 0.5, -2, 65504, 0x1p-24, (double)INFINITY}, 6);
    write_typed("<f2", "False", "(1,)", (unsigned short[]){0x7e00}, 2);
    struct npy_file *file = open_as(1, 1);
    double value = 0;
    CU_ASSERT_EQUAL(npy_read_float64(file, 0, 1, &value, &err), SPOT_OK);
    CU_ASSERT(isnan(value));
    npy_close(file);
}

static void reads_big_endian(void)
{
    write_typed(">i4", "False", "(2,)", "\x00\x00\x00\x01\xff\xff\xff\xfe", 8);
    expect_values((double[]){1, -2}, 2);
    write_typed(">f4", "False", "(1,)", "\x3f\xc0\x00\x00", 4);
    expect_values((double[]){1.5}, 1);
    write_typed(">f8", "False", "(1,)", "\x3f\xf8\x00\x00\x00\x00\x00\x00", 8);
    expect_values((double[]){1.5}, 1);
}

/* Two roundings would give 2^60 for a number just above half way to the next float. */
static void rounds_integers_once(void)
{
    int64_t value = ((int64_t)1 << 60) + ((int64_t)1 << 36) + 1;
    write_typed("<i8", "False", "(1,)", &value, 8);
    struct npy_file *file = open_as(1, 1);
    float single;
    CU_ASSERT_EQUAL(npy_read_float32(file, 0, 1, &single, &err), SPOT_OK);
    CU_ASSERT(single == 0x1p60f + 0x1p37f);
    npy_close(file);
}

/* Larger than one block of the reader, read in ragged slices. */
static void reads_slices_in_both_orders(void)
{
    enum { ROWS = 2500, COLUMNS = 4 };
    static double values[ROWS * COLUMNS], turned[ROWS * COLUMNS];
    static float slice[ROWS * COLUMNS];
    for (int i = 0; i < ROWS; i++)
        for (int j = 0; j < COLUMNS; j++)
            values[i * COLUMNS + j] = turned[j * ROWS + i] = i * 10 + j;
    const int64_t firsts[] = {0, 1, 17, 2499, 2500}, counts[] = {2500, 2100, 0, 1, 0};
    for (int order = 0; order < 2; order++) {
        write_typed("<f8", order == 0 ? "False" : "True", "(2500, 4)", order == 0 ? values : turned,
                    sizeof values);
        struct npy_file *file = open_as(ROWS, COLUMNS);
        CU_ASSERT_PTR_NOT_NULL_FATAL(file);
        for (int s = 0; s < 5; s++) {
            CU_ASSERT_EQUAL(npy_read_float32(file, firsts[s], counts[s], slice, &err), SPOT_OK);
            int wrong = 0;
            for (int64_t i = 0; i < counts[s] * COLUMNS; i++)
                wrong += slice[i] != (float)values[firsts[s] * COLUMNS + i];
            CU_ASSERT_EQUAL(wrong, 0);
        }
        CU_ASSERT_EQUAL(npy_read_float32(file, 2000, 501, slice, &err), SPOT_EUSAGE);
        CU_ASSERT_EQUAL(npy_read_float32(file, -1, 1, slice, &err), SPOT_EUSAGE);
        npy_close(file);
    }
}

static void reads_versions_two_and_three(void)
{
    for (int version = 2; version <= 3; version++) {
        write_npy(version, "{\"shape\": (2L, 1L), \"fortran_order\": True, \"descr\": \"<f4\"}\n",
                  (float[]){3, 4}, 8);
        expect_values((double[]){3, 4}, 2);
    }
    write_typed("<f4", "False", "(0, 3)", "", 0);
    struct npy_file *file = open_as(0, 3);
    npy_close(file);
}

static void names_a_value_beyond_float32(void)
{
    const double values[] = {1, 2, 3, -1e39, (double)INFINITY, 6};
    float read[6];
    write_typed("<f8", "False", "(3, 2)", values, sizeof values);
    struct npy_file *file = open_as(3, 2);
    CU_ASSERT_EQUAL(npy_read_float32(file, 0, 3, read, &err), SPOT_EDATA);
    CU_ASSERT_PTR_NOT_NULL(strstr(err.message, "row 2, column 2"));
    CU_ASSERT_EQUAL(npy_read_float32(file, 2, 1, read, &err),
                    SPOT_OK); /* infinity is no overflow */
    npy_close(file);
    write_typed("<f8", "True", "(3, 2)", values, sizeof values);
    file = open_as(3, 2);
    CU_ASSERT_EQUAL(npy_read_float32(file, 0, 3, read, &err), SPOT_EDATA);
    CU_ASSERT_PTR_NOT_NULL(strstr(err.message, "row 1, column 2"));
    npy_close(file);
}

static void refuses_what_is_no_array_of_numbers(void)
{
    static const struct {
        const char *type, *part;
    } cases[] = {
        {"|O", "Python objects"}, {"<c8", "complex"}, {"<U5", "'<U5'"}, {"<M8[ns]", "astype"},
        {"<f16", "'<f16'"},       {"f", "'f'"},       {"", "''"}};
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        write_typed(cases[i].type, "False", "(1,)", "12345678", 8);
        expect_refused(SPOT_EFORMAT, cases[i].part);
    }
    write_npy(1, "{'descr': [('a', '<f4')], 'fortran_order': False, 'shape': (1,)}", "1234", 4);
    expect_refused(SPOT_EFORMAT, "structured");
}

static void refuses_shapes_that_cannot_be(void)
{
    static const struct {
        const char *shape, *part;
    } cases[] = {{"()", "single number"},
                 {"(1, 1, 1)", "reshape"},
                 {"(1, 1, 1, 1)", "reshape"},
                 {"(4, 0)", "without columns"},
                 {"(9223372036854775807,)", "too large"},
                 {"(4611686018427387904, 4)", "too large"},
                 {"(1, 3000000000)", "too large"},
                 {"(92233720368547758070,)", "dictionary"},
                 {"(-1,)", "dictionary"},
                 {"(1", "dictionary"},
                 {"1", "dictionary"},
                 {"(,)", "dictionary"},
                 {"(3,)", "cut short"},
                 {"(1,)", "longer"}};
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        write_typed("<f4", "False", cases[i].shape, "12345678", 8);
        expect_refused(SPOT_EFORMAT, cases[i].part);
    }
}

static void refuses_hostile_headers(void)
{
    static const char *const headers[] = {
        "",
        "{",
        "{}",
        "{'descr': '<f4', 'fortran_order': False}",
        "{'descr': '<f4', 'shape': (2,)}",
        "{'fortran_order': False, 'shape': (2,)}",
        "{'descr': '<f4', 'descr': '<f4', 'fortran_order': False, 'shape': (2,)}",
        "{'descr': '<f4', 'fortran_order': 0, 'shape': (2,)}",
        "{'descr': '<f4, 'fortran_order': False, 'shape': (2,)}",
        "{'descr': '<f4' 'fortran_order': False, 'shape': (2,)}",
        "{'descr' '<f4', 'fortran_order': False, 'shape': (2,)}",
        "{'descr': '<f4', 'fortran_order': False, 'shape': (2,)} + x",
        "{'descr': '<f4', 'fortran_order': False, 'shape': (2,), 'more': 1}",
        "{'a key that is much too long for us': 1}",
        "{'descr': 'a type that is much too long for us'}",
        "[1, 2]",
    };
    for (size_t i = 0; i < sizeof headers / sizeof headers[0]; i++) {
        write_npy(1, headers[i], "12345678", 8);
        expect_refused(SPOT_EFORMAT, "dictionary");
    }
    write_file("\x93NUMPY\x01\x00\x76\x00{'descr': '<f4'\0}", 27);
    expect_refused(SPOT_EFORMAT, "inside its header");
    write_file("\x93NUMPY\x01\x00\x04\x00{\0}\n", 14);
    expect_refused(SPOT_EFORMAT, "dictionary");
    write_file("\x93NUMPY\x09\x00\x04\x00{}  ", 14);
    expect_refused(SPOT_EFORMAT, "version 9");
    write_file("\x93NUMPY\x02\x00\xff\xff\xff\xff{}  ", 16);
    expect_refused(SPOT_EFORMAT, "inside its header");
    static char long_header[80000];
    memset(long_header, ' ', sizeof long_header - 1);
    write_npy(2, long_header, "", 0);
    expect_refused(SPOT_EFORMAT, "too long");
}

static void refuses_other_files(void)
{
    write_file("PK\x03\x04 and so on", 14);
    expect_refused(SPOT_EFORMAT, "npz");
    write_file("a,b\n1,2\n3,4\n", 12);
    expect_refused(SPOT_EFORMAT, "not a .npy file");
    write_file("", 0);
    expect_refused(SPOT_EFORMAT, "not a .npy file");
    unlink(path);
    expect_refused(SPOT_EIO, "No such file");
    char kept[sizeof path];
    memcpy(kept, path, sizeof path);
    strcpy(path, folder);
    expect_refused(SPOT_EIO, "folder");
    strcpy(path, "/dev/null");
    expect_refused(SPOT_EIO, "device");
    memcpy(path, kept, sizeof path);
    npy_close(NULL);
}

/* Cut at every byte, a file is refused and never read past its end. */
static void refuses_every_truncation(void)
{
    static const char whole[] = "\x93NUMPY\x01\x00\x40\x00"
                                "{'descr': '<f4', 'fortran_order': False, 'shape': (2,)}        \n"
                                "12345678";
    size_t size = sizeof whole - 1;
    write_file(whole, size);
    npy_close(open_as(2, 1));
    for (size_t cut = 0; cut < size; cut++) {
        write_file(whole, cut);
        expect_refused(SPOT_EFORMAT, "");
    }
}

static void notices_a_file_that_shrinks(void)
{
    write_typed("<f8", "False", "(2,)", (double[]){1, 2}, 16);
    struct npy_file *file = open_as(2, 1);
    CU_ASSERT_EQUAL(truncate(path, 20), 0);
    double values[2];
    CU_ASSERT_EQUAL(npy_read_float64(file, 0, 2, values, &err), SPOT_EFORMAT);
    CU_ASSERT_PTR_NOT_NULL(strstr(err.message, "cut short"));
    npy_close(file);
}

static void reads_what_the_writer_writes(void)
{
    struct writer *writer;
    const float values[] = {1, 2, 3, 4, 5, 6};
    CU_ASSERT_EQUAL_FATAL(writer_open(path, &writer, &err), SPOT_OK);
    CU_ASSERT_EQUAL(npy_write_header(writer, "<f4", 2, 3, &err), SPOT_OK);
    CU_ASSERT_EQUAL(writer_put(writer, values, sizeof values, &err), SPOT_OK);
    CU_ASSERT_EQUAL(writer_commit(writer, &err), SPOT_OK);
    struct npy_file *file = open_as(2, 3);
    float read[6];
    CU_ASSERT_EQUAL(npy_read_float32(file, 0, 2, read, &err), SPOT_OK);
    for (int i = 0; i < 6; i++)
        CU_ASSERT(read[i] == values[i]);
    npy_close(file);
}

int main(void)
{
    const struct suite_test tests[] = {
        {"reads every type", reads_every_type},
        {"reads half precision", reads_half_precision},
        {"reads big endian", reads_big_endian},
        {"rounds integers once", rounds_integers_once},
        {"reads slices in both orders", reads_slices_in_both_orders},
        {"reads versions two and three", reads_versions_two_and_three},
        {"names a value beyond float32", names_a_value_beyond_float32},
        {"refuses what is no array of numbers", refuses_what_is_no_array_of_numbers},
        {"refuses shapes that cannot be", refuses_shapes_that_cannot_be},
        {"refuses hostile headers", refuses_hostile_headers},
        {"refuses other files", refuses_other_files},
        {"refuses every truncation", refuses_every_truncation},
        {"notices a file that shrinks", notices_a_file_that_shrinks},
        {"reads what the writer writes", reads_what_the_writer_writes},
        {NULL, NULL},
    };
    if (mkdtemp(folder) == NULL) return 1;
    snprintf(path, sizeof path, "%s/x.npy", folder);
    int result = run_suite("npy", tests);
    unlink(path);
    rmdir(folder);
    return result;
}
