/* Reads .npy files: the header is a Python dictionary of three keys, read by a small strict parser
 * and checked against the size of the file; then rows are fetched with pread, straight into the
 * caller's buffer where the bytes are what is wanted, else block by block. */
#define _GNU_SOURCE
#include "data/npy.h"

#include <errno.h>
#include <fcntl.h>
#include <math.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/error.h"
#include "base/memory.h"

struct npy_file {
    char *path;
    int fd;
    char kind;    /* 'f', 'i', 'u' or 'b' */
    int size;     /* bytes of a value */
    bool swapped; /* big endian; the machine is little endian */
    bool fortran; /* columns one after another */
    int64_t rows; /* */
    int32_t columns;
    int64_t offset; /* of the first value in the file */
};

static int refuse(const struct npy_file *file, struct spot_error *err, const char *reason)
{
    return spot_fail(err, SPOT_EFORMAT, "%s: %s", file->path, reason);
}

/* ---- Header ---------------------------------------------------------------------------------- */

/* What the dictionary says, before it is checked. */
struct npy_header {
    char type[16];
    bool structured; /* descr is a list of fields */
    bool fortran;
    int64_t shape[3];
    int dimensions; /* 3 stands for 3 and more */
    bool has_type, has_order, has_shape;
};

static void skip_blanks(const char **at)
{
    while (**at == ' ' || **at == '\t' || **at == '\n')
        ++*at;
}

static bool take(const char **at, const char *word)
{
    skip_blanks(at);
    size_t length = strlen(word);
    if (strncmp(*at, word, length) != 0) return false;
    *at += length;
    return true;
}

/* A quoted word without escapes; false when it is none or has no room. */
static bool take_word(const char **at, char *word, size_t room)
{
    skip_blanks(at);
    char quote = **at;
    if (quote != '\'' && quote != '"') return false;
    const char *end = strchr(*at + 1, quote);
    if (end == NULL || (size_t)(end - *at - 1) >= room) return false;
    size_t length = (size_t)(end - *at - 1);
    memcpy(word, *at + 1, length);
    word[length] = '\0';
    *at = end + 1;
    return true;
}

/* Digits with Python 2's optional L; false on overflow. */
static bool take_size(const char **at, int64_t *size)
{
    skip_blanks(at);
    if (**at < '0' || **at > '9') return false;
    *size = 0;
    for (; **at >= '0' && **at <= '9'; ++*at)
        if (__builtin_mul_overflow(*size, 10, size) ||
            __builtin_add_overflow(*size, **at - '0', size))
            return false;
    if (**at == 'L') ++*at;
    return true;
}

static bool take_shape(const char **at, struct npy_header *header)
{
    header->dimensions = 0;
    if (!take(at, "(")) return false;
    while (!take(at, ")")) {
        int64_t size;
        if (!take_size(at, &size)) return false;
        if (header->dimensions < 3) header->shape[header->dimensions++] = size;
        if (!take(at, ",")) return take(at, ")");
    }
    return true;
}

/* "'key': value"; false when it is no such thing or the key is there twice. */
static bool take_entry(const char **at, struct npy_header *header)
{
    char key[16];
    if (!take_word(at, key, sizeof key) || !take(at, ":")) return false;
    if (strcmp(key, "descr") == 0 && !header->has_type) {
        header->has_type = true;
        skip_blanks(at);
        header->structured = **at == '[';
        return header->structured || take_word(at, header->type, sizeof header->type);
    }
    if (strcmp(key, "fortran_order") == 0 && !header->has_order) {
        header->has_order = true;
        header->fortran = take(at, "True");
        return header->fortran || take(at, "False");
    }
    if (strcmp(key, "shape") == 0 && !header->has_shape) {
        header->has_shape = true;
        return take_shape(at, header);
    }
    return false;
}

static bool parse_dictionary(const char *text, struct npy_header *header)
{
    const char *at = text;
    if (!take(&at, "{")) return false;
    while (!take(&at, "}")) {
        if (!take_entry(&at, header)) return false;
        if (header->structured) return true; /* refused later; its fields are not read */
        if (!take(&at, ",")) {
            if (!take(&at, "}")) return false;
            break;
        }
    }
    skip_blanks(&at);
    return *at == '\0' && header->has_type && header->has_order && header->has_shape;
}

/* "<f4" and the like. */
static int check_type(struct npy_file *file, const struct npy_header *header,
                      struct spot_error *err)
{
    const char *type = header->type;
    if (header->structured)
        return refuse(file, err,
                      "a structured array; save its columns as one array of numbers, "
                      "numpy.lib.recfunctions.structured_to_unstructured(x)");
    bool ordered = type[0] == '<' || type[0] == '>' || type[0] == '|' || type[0] == '=';
    const char *name = ordered ? type + 1 : type;
    if (name[0] == 'O')
        return refuse(file, err,
                      "an array of Python objects, which are not read because that runs code; "
                      "save x.astype('float32')");
    if (name[0] == 'c') return refuse(file, err, "complex numbers; save x.real or abs(x)");
    static const char *const readable[] = {"f2", "f4", "f8", "i1", "i2", "i4", "i8",
                                           "u1", "u2", "u4", "u8", "b1", NULL};
    int i = 0;
    while (readable[i] != NULL && strcmp(name, readable[i]) != 0)
        i++;
    if (readable[i] == NULL)
        return spot_fail(err, SPOT_EFORMAT,
                         "%s: values of the type '%s' are not numbers that can be read; save "
                         "x.astype('float32')",
                         file->path, type);
    file->kind = name[0];
    file->size = name[1] - '0';
    file->swapped = type[0] == '>' && file->size > 1;
    return SPOT_OK;
}

static int check_shape(struct npy_file *file, const struct npy_header *header, int64_t bytes,
                       struct spot_error *err)
{
    if (header->dimensions == 0) return refuse(file, err, "a single number; an array is needed");
    if (header->dimensions > 2)
        return refuse(file, err,
                      "an array of more than two dimensions; save x.reshape(len(x), -1)");
    int64_t columns = header->dimensions == 1 ? 1 : header->shape[1], values, expected;
    if (columns == 0) return refuse(file, err, "an array without columns");
    file->rows = header->shape[0];
    file->fortran = header->fortran && columns > 1;
    if (columns > INT32_MAX || __builtin_mul_overflow(file->rows, columns, &values) ||
        __builtin_mul_overflow(values, file->size, &expected))
        return refuse(file, err, "its header gives a shape that is too large to be true");
    file->columns = (int32_t)columns;
    int64_t there = bytes - file->offset;
    if (there == expected) return SPOT_OK;
    return spot_fail(err, SPOT_EFORMAT,
                     "%s: %s: %lld bytes of values where %lld rows of %lld columns take %lld; "
                     "%s",
                     file->path, there < expected ? "cut short" : "longer than its header says",
                     (long long)there, (long long)file->rows, (long long)columns,
                     (long long)expected,
                     there < expected ? "copy or save it again" : "save one array to a file");
}

/* Reads exactly count bytes at an offset. */
static int read_at(const struct npy_file *file, void *bytes, int64_t count, int64_t offset,
                   struct spot_error *err)
{
    unsigned char *next = bytes;
    while (count > 0) {
        ssize_t got = pread(file->fd, next, (size_t)count, (off_t)offset);
        if (got < 0 && errno == EINTR) continue;
        if (got < 0)
            return spot_fail(err, SPOT_EIO, "cannot read %s: %s", file->path, strerror(errno));
        if (got == 0) return refuse(file, err, "cut short; copy or save it again");
        next += got;
        offset += got;
        count -= got;
    }
    return SPOT_OK;
}

/* Finds the length of the dictionary and where the values begin. */
static int read_preamble(struct npy_file *file, int64_t bytes, int64_t *start, int64_t *length,
                         struct spot_error *err)
{
    unsigned char head[12] = {0};
    int status = read_at(file, head, bytes < 12 ? bytes : 12, 0, err);
    if (status < 0) return status;
    if (memcmp(head, "PK\x03\x04", 4) == 0)
        return refuse(file, err, "a .npz archive; save one array with numpy.save");
    if (bytes < 10 || memcmp(head, "\x93NUMPY", 6) != 0)
        return refuse(file, err, "not a .npy file (it does not begin with \\x93NUMPY)");
    if (head[6] < 1 || head[6] > 3)
        return spot_fail(err, SPOT_EFORMAT, "%s: .npy version %d; 1, 2 and 3 can be read",
                         file->path, head[6]);
    *start = head[6] == 1 ? 10 : 12;
    *length = head[8] | head[9] << 8;
    if (head[6] > 1) *length |= (int64_t)head[10] << 16 | (int64_t)head[11] << 24;
    file->offset = *start + *length;
    if (file->offset > bytes) return refuse(file, err, "cut short inside its header");
    return SPOT_OK;
}

static int read_header(struct npy_file *file, int64_t bytes, struct spot_error *err)
{
    enum { LONGEST_HEADER = 1 << 16 };
    struct npy_header header = {.dimensions = 0};
    int64_t start = 0, length = 0;
    char *text = NULL;
    int status;
    SPOT_TRY(read_preamble(file, bytes, &start, &length, err));
    if (length > LONGEST_HEADER) {
        status = refuse(file, err, "its header is too long to be true");
        goto out;
    }
    text = spot_alloc_zero(length + 1, 1);
    if (text == NULL) {
        status = spot_fail_memory(err, file->path);
        goto out;
    }
    SPOT_TRY(read_at(file, text, length, start, err));
    if (memchr(text, '\0', (size_t)length) != NULL || !parse_dictionary(text, &header)) {
        status = refuse(file, err,
                        "its header is not the dictionary of descr, fortran_order and shape that "
                        "numpy.save writes");
        goto out;
    }
    SPOT_TRY(check_type(file, &header, err));
    SPOT_TRY(check_shape(file, &header, bytes, err));
out:
    free(text);
    return status;
}

/* ---- Opening and closing --------------------------------------------------------------------- */

int npy_open(const char *path, struct npy_file **file, int64_t *rows, int32_t *columns,
             struct spot_error *err)
{
    int status;
    struct stat info;
    *file = NULL;
    *rows = 0;
    *columns = 0;
    struct npy_file *opened = calloc(1, sizeof *opened);
    if (opened == NULL) return spot_fail_memory(err, path);
    opened->fd = -1;
    opened->path = spot_copy_text(path);
    if (opened->path == NULL) {
        status = spot_fail_memory(err, path);
        goto out;
    }
    opened->fd =
        open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK); /* never waits for a pipe's writer */
    if (opened->fd < 0 || fstat(opened->fd, &info) != 0) {
        status = spot_fail(err, SPOT_EIO, "cannot open %s: %s", path, strerror(errno));
        goto out;
    }
    if (!S_ISREG(info.st_mode)) {
        status =
            spot_fail(err, SPOT_EIO, "cannot read %s: a .npy file must be a file on disk, not a %s",
                      path, S_ISDIR(info.st_mode) ? "folder" : "pipe or device");
        goto out;
    }
    SPOT_TRY(read_header(opened, info.st_size, err));
    *rows = opened->rows;
    *columns = opened->columns;
    *file = opened;
    return SPOT_OK;
out:
    npy_close(opened);
    return status;
}

void npy_close(struct npy_file *file)
{
    if (file == NULL) return;
    if (file->fd >= 0) close(file->fd);
    free(file->path);
    free(file);
}

/* ---- Values ---------------------------------------------------------------------------------- */

static uint64_t load_bits(const unsigned char *bytes, int size, bool swapped)
{
    uint64_t eight;
    uint32_t four;
    uint16_t two;
    uint8_t one;
    switch (size) {
    case 8:
        memcpy(&eight, bytes, sizeof eight);
        return swapped ? __builtin_bswap64(eight) : eight;
    case 4:
        memcpy(&four, bytes, sizeof four);
        return swapped ? __builtin_bswap32(four) : four;
    case 2:
        memcpy(&two, bytes, sizeof two);
        return swapped ? __builtin_bswap16(two) : two;
    default:
        memcpy(&one, bytes, sizeof one);
        return one;
    }
}

/* IEEE binary16: 1 sign, 5 exponent and 10 fraction bits. */
static double half_to_double(uint64_t bits)
{
    int exponent = (int)(bits >> 10 & 31);
    double fraction = (double)(bits & 1023);
    double magnitude = exponent == 31  ? (fraction == 0 ? (double)INFINITY : (double)NAN)
                       : exponent == 0 ? ldexp(fraction, -24)
                                       : ldexp(fraction + 1024, exponent - 25);
    return bits >> 15 ? -magnitude : magnitude;
}

static double float_to_double(uint64_t bits, int size)
{
    if (size == 2) return half_to_double(bits);
    if (size == 4) {
        uint32_t word = (uint32_t)bits;
        float single;
        memcpy(&single, &word, sizeof single);
        return (double)single;
    }
    double value;
    memcpy(&value, &bits, sizeof value);
    return value;
}

static int64_t sign_extend(uint64_t bits, int size)
{
    uint64_t sign = (uint64_t)1 << (8 * size - 1);
    return (int64_t)((bits ^ sign) - sign);
}

/* Integers go to float32 in one rounding, not by way of double. */
static float to_float32(const struct npy_file *file, uint64_t bits)
{
    if (file->kind == 'f') return (float)float_to_double(bits, file->size);
    if (file->kind == 'i') return (float)sign_extend(bits, file->size);
    return file->kind == 'b' ? (float)(bits != 0) : (float)bits;
}

static double to_float64(const struct npy_file *file, uint64_t bits)
{
    if (file->kind == 'f') return float_to_double(bits, file->size);
    if (file->kind == 'i') return (double)sign_extend(bits, file->size);
    return file->kind == 'b' ? (double)(bits != 0) : (double)bits;
}

/* Where converted values go: one of the two. */
struct destination {
    float *singles;
    double *doubles;
};

/* count values, written to every step-th place from `start` on. */
struct run {
    int64_t count, start, step;
};

/* Converts one run; returns the index in it of a value beyond float32, or -1. */
static int64_t convert(const struct npy_file *file, const unsigned char *bytes, struct run run,
                       const struct destination *out)
{
    for (int64_t i = 0; i < run.count; i++) {
        uint64_t bits = load_bits(bytes + i * file->size, file->size, file->swapped);
        int64_t at = run.start + i * run.step;
        if (out->doubles != NULL) {
            out->doubles[at] = to_float64(file, bits);
            continue;
        }
        out->singles[at] = to_float32(file, bits);
        if (isinf(out->singles[at]) && !isinf(to_float64(file, bits))) return i;
    }
    return -1;
}

static int fail_overflow(const struct npy_file *file, int64_t row, int64_t column,
                         struct spot_error *err)
{
    return spot_fail(err, SPOT_EDATA,
                     "%s: row %lld, column %lld: the value is too large for float32 (at most "
                     "3.4e38); rescale the column",
                     file->path, (long long)row + 1, (long long)column + 1);
}

enum { BLOCK_BYTES = 32 * 1024 };

/* C order: the rows asked for are one stretch of the file. */
static int read_rows(const struct npy_file *file, int64_t first, int64_t count,
                     const struct destination *out, struct spot_error *err)
{
    unsigned char block[BLOCK_BYTES];
    int64_t d = file->columns, values = count * d, most = BLOCK_BYTES / file->size;
    for (int64_t done = 0; done < values; done += most) {
        struct run run = {values - done < most ? values - done : most, done, 1};
        int status = read_at(file, block, run.count * file->size,
                             file->offset + (first * d + done) * file->size, err);
        if (status < 0) return status;
        int64_t beyond = convert(file, block, run, out);
        if (beyond >= 0)
            return fail_overflow(file, first + (done + beyond) / d, (done + beyond) % d, err);
    }
    return SPOT_OK;
}

/* Fortran order: blocks of rows small enough for the cache, column after column in each. */
static int read_columns(const struct npy_file *file, int64_t first, int64_t count,
                        const struct destination *out, struct spot_error *err)
{
    unsigned char block[BLOCK_BYTES];
    int64_t d = file->columns, most = BLOCK_BYTES / file->size;
    for (int64_t done = 0; done < count; done += most) {
        int64_t rows = count - done < most ? count - done : most;
        for (int64_t column = 0; column < d; column++) {
            int status =
                read_at(file, block, rows * file->size,
                        file->offset + (column * file->rows + first + done) * file->size, err);
            if (status < 0) return status;
            struct run run = {rows, done * d + column, d};
            int64_t beyond = convert(file, block, run, out);
            if (beyond >= 0) return fail_overflow(file, first + done + beyond, column, err);
        }
    }
    return SPOT_OK;
}

static int read_values(const struct npy_file *file, int64_t first, int64_t count,
                       const struct destination *out, struct spot_error *err)
{
    if (first < 0 || count < 0 || count > file->rows || first > file->rows - count)
        return spot_fail(err, SPOT_EUSAGE, "%s: rows %lld to %lld where there are %lld", file->path,
                         (long long)first, (long long)first + count - 1, (long long)file->rows);
    int wanted = out->doubles != NULL ? 8 : 4;
    bool as_it_is = file->kind == 'f' && file->size == wanted && !file->swapped && !file->fortran;
    if (as_it_is) {
        void *values = out->doubles != NULL ? (void *)out->doubles : (void *)out->singles;
        int64_t width = (int64_t)file->columns * wanted;
        return read_at(file, values, count * width, file->offset + first * width, err);
    }
    return file->fortran ? read_columns(file, first, count, out, err)
                         : read_rows(file, first, count, out, err);
}

int npy_read_float32(struct npy_file *file, int64_t first, int64_t count, float *values,
                     struct spot_error *err)
{
    return read_values(file, first, count, &(struct destination){.singles = values}, err);
}

int npy_read_float64(struct npy_file *file, int64_t first, int64_t count, double *values,
                     struct spot_error *err)
{
    return read_values(file, first, count, &(struct destination){.doubles = values}, err);
}
