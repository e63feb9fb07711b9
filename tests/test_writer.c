/* Files appear whole or not at all, and say why not; numbers read back to the same bits. */
#define _GNU_SOURCE
#include "data/writer.h"

#include <dirent.h>
#include <fcntl.h>
#include <locale.h>
#include <math.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>
#include <zlib.h>
#include <zstd.h>

#include "suite.h"

static char folder[] = "/tmp/blackspot-writer-XXXXXX";
static struct spot_error err;

static const char *in_folder(const char *name)
{
    static char path[400];
    snprintf(path, sizeof path, "%s/%s", folder, name);
    return path;
}

static int files_in_folder(void)
{
    int count = 0;
    DIR *dir = opendir(folder);
    CU_ASSERT_PTR_NOT_NULL_FATAL(dir);
    for (struct dirent *entry; (entry = readdir(dir)) != NULL;)
        count += strcmp(entry->d_name, ".") != 0 && strcmp(entry->d_name, "..") != 0;
    closedir(dir);
    return count;
}

/* The bytes of a file, with a final NUL; the caller frees them. */
static char *content(const char *path, size_t *size)
{
    FILE *file = fopen(path, "rb");
    CU_ASSERT_PTR_NOT_NULL_FATAL(file);
    char *bytes = malloc(1 << 24);
    *size = fread(bytes, 1, (1 << 24) - 1, file);
    bytes[*size] = '\0';
    fclose(file);
    return bytes;
}

static void expect_content(const char *path, const char *text)
{
    size_t size;
    char *bytes = content(path, &size);
    CU_ASSERT_EQUAL(size, strlen(text));
    CU_ASSERT_STRING_EQUAL(bytes, text);
    free(bytes);
}

static int write_text(const char *path, const char *text)
{
    struct writer *writer;
    err.message[0] = '\0';
    int status = writer_open(path, &writer, &err);
    if (status < 0) {
        CU_ASSERT_PTR_NULL(writer);
        return status;
    }
    status = writer_put(writer, text, strlen(text), &err);
    if (status < 0) {
        writer_abandon(writer);
        return status;
    }
    return writer_commit(writer, &err);
}

static void expect_failure(const char *path, const char *part)
{
    CU_ASSERT_EQUAL(write_text(path, "text\n"), SPOT_EIO);
    CU_ASSERT_PTR_NOT_NULL(strstr(err.message, part));
    CU_ASSERT_PTR_NOT_NULL(strstr(err.message, path));
    if (strstr(err.message, part) == NULL) printf("%s lacks %s\n", err.message, part);
}

static void appears_only_when_committed(void)
{
    const char *path = in_folder("a.txt");
    struct writer *writer;
    CU_ASSERT_EQUAL(write_text(path, "old"), SPOT_OK);
    CU_ASSERT_EQUAL_FATAL(writer_open(path, &writer, &err), SPOT_OK);
    CU_ASSERT_EQUAL(writer_printf(writer, &err, "%s %d\n", "new", 5), SPOT_OK);
    CU_ASSERT_EQUAL(files_in_folder(), 2);
    expect_content(path, "old");
    CU_ASSERT_EQUAL(writer_commit(writer, &err), SPOT_OK);
    expect_content(path, "new 5\n");
    CU_ASSERT_EQUAL(files_in_folder(), 1);
    CU_ASSERT_EQUAL_FATAL(writer_open(path, &writer, &err), SPOT_OK);
    CU_ASSERT_EQUAL(writer_put(writer, "half", 4, &err), SPOT_OK);
    writer_abandon(writer);
    writer_abandon(NULL);
    expect_content(path, "new 5\n");
    CU_ASSERT_EQUAL(files_in_folder(), 1);
    unlink(path);
}

static void two_writers_of_one_name_do_not_meet(void)
{
    struct writer *one, *two;
    CU_ASSERT_EQUAL_FATAL(writer_open(in_folder("b"), &one, &err), SPOT_OK);
    CU_ASSERT_EQUAL_FATAL(writer_open(in_folder("b"), &two, &err), SPOT_OK);
    CU_ASSERT_EQUAL(writer_put(one, "one", 3, &err), SPOT_OK);
    CU_ASSERT_EQUAL(writer_put(two, "two", 3, &err), SPOT_OK);
    CU_ASSERT_EQUAL(writer_commit(two, &err), SPOT_OK);
    CU_ASSERT_EQUAL(writer_commit(one, &err), SPOT_OK);
    expect_content(in_folder("b"), "one");
    unlink(in_folder("b"));
    CU_ASSERT_EQUAL(files_in_folder(), 0);
}

static void keeps_permissions_and_links(void)
{
    char target[400];
    strcpy(target, in_folder("real"));
    CU_ASSERT_EQUAL(write_text(target, "1"), SPOT_OK);
    CU_ASSERT_EQUAL(chmod(target, 0640), 0);
    CU_ASSERT_EQUAL(symlink("real", in_folder("link")), 0);
    CU_ASSERT_EQUAL(write_text(in_folder("link"), "2"), SPOT_OK);
    struct stat info;
    CU_ASSERT(lstat(in_folder("link"), &info) == 0 && S_ISLNK(info.st_mode));
    CU_ASSERT(stat(target, &info) == 0 && (info.st_mode & 0777) == 0640);
    expect_content(target, "2");
    unlink(target);
    unlink(in_folder("link"));
}

static void writes_beside_itself_and_long_names(void)
{
    char name[256], *before = getcwd(NULL, 0);
    CU_ASSERT_EQUAL(chdir(folder), 0);
    CU_ASSERT_EQUAL(write_text("plain", "x"), SPOT_OK);
    expect_content("plain", "x");
    unlink("plain");
    memset(name, 'n', 255);
    name[255] = '\0';
    CU_ASSERT_EQUAL(write_text(name, "x"), SPOT_OK);
    unlink(name);
    CU_ASSERT_EQUAL(chdir(before), 0);
    free(before);
}

static void names_what_is_in_the_way(void)
{
    expect_failure(folder, "is a folder");
    expect_failure(in_folder("no/"), "is a folder");
    expect_failure(in_folder("no/such/file"), "No such file");
    expect_failure("", "empty");
    CU_ASSERT_EQUAL(write_text(in_folder("file"), "x"), SPOT_OK);
    expect_failure(in_folder("file/inside"), "Not a directory");
    unlink(in_folder("file"));
    if (geteuid() != 0) {
        CU_ASSERT_EQUAL(chmod(folder, 0500), 0);
        expect_failure(in_folder("x"), "Permission denied");
        CU_ASSERT_EQUAL(chmod(folder, 0700), 0);
    }
    CU_ASSERT_EQUAL(files_in_folder(), 0);
}

/* A folder that takes the target's name while the file is being written. */
static void removes_what_cannot_be_renamed(void)
{
    struct writer *writer;
    CU_ASSERT_EQUAL_FATAL(writer_open(in_folder("c"), &writer, &err), SPOT_OK);
    CU_ASSERT_EQUAL(mkdir(in_folder("c"), 0700), 0);
    CU_ASSERT_EQUAL(writer_commit(writer, &err), SPOT_EIO);
    CU_ASSERT_PTR_NOT_NULL(strstr(err.message, in_folder("c")));
    CU_ASSERT_EQUAL(files_in_folder(), 1);
    rmdir(in_folder("c"));
}

static void reports_a_full_disk(void)
{
    expect_failure("/dev/full", "No space left");
    struct writer *writer;
    static char zeros[300000];
    CU_ASSERT_EQUAL_FATAL(writer_open("/dev/full", &writer, &err), SPOT_OK);
    CU_ASSERT_EQUAL(writer_put(writer, zeros, sizeof zeros, &err), SPOT_EIO);
    memset(&err, 0, sizeof err);
    CU_ASSERT_EQUAL(writer_put(writer, zeros, 1, &err), SPOT_EIO); /* the first failure, again */
    CU_ASSERT_PTR_NOT_NULL(strstr(err.message, "No space left"));
    CU_ASSERT_EQUAL(writer_commit(writer, &err), SPOT_EIO);
}

/* A limit on the size of files stands in for a disk that fills up half way. */
static void leaves_nothing_of_half_a_file(void)
{
    struct rlimit kept, tight;
    static char zeros[300000];
    const char *const names[] = {"half", "half.gz", "half.zst"};
    for (size_t i = 0; i < sizeof zeros; i++)
        zeros[i] = (char)(i * i >> 7 ^ i * 2654435761u >> 11);
    signal(SIGXFSZ, SIG_IGN);
    getrlimit(RLIMIT_FSIZE, &kept);
    tight = kept;
    tight.rlim_cur = 10000;
    for (int i = 0; i < 3; i++) {
        struct writer *writer;
        CU_ASSERT_EQUAL_FATAL(writer_open(in_folder(names[i]), &writer, &err), SPOT_OK);
        setrlimit(RLIMIT_FSIZE, &tight);
        writer_put(writer, zeros, sizeof zeros, &err);
        CU_ASSERT_EQUAL(writer_commit(writer, &err), SPOT_EIO);
        setrlimit(RLIMIT_FSIZE, &kept);
        CU_ASSERT_PTR_NOT_NULL(strstr(err.message, "File too large"));
        CU_ASSERT_EQUAL(files_in_folder(), 0);
    }
}

static void writes_to_standard_output(void)
{
    const char *const names[] = {"-", "/dev/stdout"};
    fflush(stdout);
    int kept = dup(STDOUT_FILENO);
    int file = open(in_folder("out"), O_WRONLY | O_CREAT | O_TRUNC, 0600);
    dup2(file, STDOUT_FILENO);
    int first = write_text(names[0], "one\n"), second = write_text(names[1], "two\n");
    close(STDOUT_FILENO);
    int closed = write_text("-", "three\n");
    dup2(kept, STDOUT_FILENO);
    close(kept);
    close(file);
    CU_ASSERT_EQUAL(first, SPOT_OK);
    CU_ASSERT_EQUAL(second, SPOT_OK);
    CU_ASSERT_EQUAL(closed, SPOT_EIO);
    CU_ASSERT_PTR_NOT_NULL(strstr(err.message, "standard output: Bad file descriptor"));
    expect_content(in_folder("out"), "one\ntwo\n");
    unlink(in_folder("out"));
}

static void writes_pipes_and_devices_directly(void)
{
    CU_ASSERT_EQUAL(write_text("/dev/null", "x"), SPOT_OK);
    struct stat info;
    CU_ASSERT(stat("/dev/null", &info) == 0 && S_ISCHR(info.st_mode));
    char path[400], read_back[8] = "";
    strcpy(path, in_folder("pipe"));
    CU_ASSERT_EQUAL(mkfifo(path, 0600), 0);
    int fd = open(path, O_RDONLY | O_NONBLOCK);
    CU_ASSERT_EQUAL(write_text(path, "hello"), SPOT_OK);
    CU_ASSERT_EQUAL(read(fd, read_back, 7), 5);
    CU_ASSERT_STRING_EQUAL(read_back, "hello");
    close(fd);
    unlink(path);
    int ends[2];
    CU_ASSERT_EQUAL(pipe(ends), 0);
    char name[40];
    snprintf(name, sizeof name, "/dev/fd/%d", ends[1]);
    CU_ASSERT_EQUAL(write_text(name, "hello"), SPOT_OK);
    CU_ASSERT_EQUAL(read(ends[0], read_back, 7), 5);
    signal(SIGPIPE, SIG_IGN);
    int reader_gone = ends[0];
    struct writer *writer;
    CU_ASSERT_EQUAL_FATAL(writer_open(name, &writer, &err), SPOT_OK);
    close(reader_gone);
    CU_ASSERT_EQUAL(writer_put(writer, "x", 1, &err), SPOT_OK);
    CU_ASSERT_EQUAL(writer_commit(writer, &err), SPOT_EIO);
    CU_ASSERT_PTR_NOT_NULL(strstr(err.message, "Broken pipe"));
    close(ends[1]);
}

/* ---- Compression ---------------------------------------------------------------------------- */

enum { LARGE = 1000000 };

static char *large_text(void)
{
    char *text = malloc(LARGE + 1);
    uint32_t state = 1;
    for (int i = 0; i < LARGE; i++) {
        state = state * 1664525u + 1013904223u;
        text[i] = (char)('a' + (state >> 28));
    }
    text[LARGE] = '\0';
    return text;
}

static void compresses_by_name(void)
{
    char *text = large_text(), *plain = malloc(LARGE + 1);
    for (int gzip = 0; gzip < 2; gzip++) {
        const char *path = in_folder(gzip ? "large.csv.gz" : "large.csv.zst");
        size_t first_size, second_size, plain_size = 0;
        CU_ASSERT_EQUAL(write_text(path, text), SPOT_OK);
        char *first = content(path, &first_size);
        CU_ASSERT_EQUAL(write_text(path, text), SPOT_OK);
        char *second = content(path, &second_size);
        CU_ASSERT(first_size < LARGE);
        CU_ASSERT(first_size == second_size && memcmp(first, second, first_size) == 0);
        if (gzip) {
            CU_ASSERT_EQUAL(memcmp(first + 4, "\0\0\0\0", 4), 0); /* no time */
            gzFile file = gzopen(path, "rb");
            plain_size = (size_t)gzread(file, plain, LARGE + 1);
            gzclose(file);
        } else {
            plain_size = ZSTD_decompress(plain, LARGE + 1, first, first_size);
        }
        CU_ASSERT(plain_size == LARGE && memcmp(plain, text, LARGE) == 0);
        free(first);
        free(second);
        unlink(path);
    }
    free(text);
    free(plain);
}

static void compresses_nothing_at_all(void)
{
    size_t size;
    char plain[4];
    CU_ASSERT_EQUAL(write_text(in_folder("e.gz"), ""), SPOT_OK);
    gzFile file = gzopen(in_folder("e.gz"), "rb");
    CU_ASSERT_EQUAL(gzread(file, plain, 4), 0);
    CU_ASSERT_EQUAL(gzclose(file), Z_OK);
    CU_ASSERT_EQUAL(write_text(in_folder("e.zst"), ""), SPOT_OK);
    char *bytes = content(in_folder("e.zst"), &size);
    CU_ASSERT_EQUAL(ZSTD_decompress(plain, 4, bytes, size), 0);
    free(bytes);
    unlink(in_folder("e.gz"));
    unlink(in_folder("e.zst"));
}

static void rewrites_a_header(void)
{
    struct writer *writer;
    CU_ASSERT_EQUAL_FATAL(writer_open(in_folder("h"), &writer, &err), SPOT_OK);
    CU_ASSERT_EQUAL(writer_put(writer, "????body", 8, &err), SPOT_OK);
    CU_ASSERT_EQUAL(writer_rewrite_start(writer, "head", 4, &err), SPOT_OK);
    CU_ASSERT_EQUAL(writer_put(writer, "more", 4, &err), SPOT_OK);
    CU_ASSERT_EQUAL(writer_commit(writer, &err), SPOT_OK);
    expect_content(in_folder("h"), "headbodymore");
    unlink(in_folder("h"));
    const char *const names[] = {"/dev/null", in_folder("h.gz")};
    for (int i = 0; i < 2; i++) {
        CU_ASSERT_EQUAL_FATAL(writer_open(names[i], &writer, &err), SPOT_OK);
        CU_ASSERT_EQUAL(writer_rewrite_start(writer, "head", 4, &err), SPOT_EIO);
        writer_abandon(writer);
    }
    CU_ASSERT_EQUAL(files_in_folder(), 0);
}

/* ---- Numbers -------------------------------------------------------------------------------- */

static void expect_number(double value, const char *text)
{
    char buffer[32];
    int length = format_double(value, buffer);
    CU_ASSERT_STRING_EQUAL(buffer, text);
    CU_ASSERT_EQUAL((size_t)length, strlen(text));
    if (strcmp(buffer, text) != 0) printf("%s, expected %s\n", buffer, text);
}

static void prints_short_numbers(void)
{
    expect_number(0, "0");
    expect_number(-0.0, "-0");
    expect_number(3, "3");
    expect_number(-17.25, "-17.25");
    expect_number(0.1, "0.1");
    expect_number(0.1 + 0.2, "0.30000000000000004");
    expect_number(1.0 / 3, "0.3333333333333333");
    expect_number(1e-4, "0.0001");
    expect_number(1e-5, "1e-05");
    expect_number(1.25e-7, "1.25e-07");
    expect_number(9007199254740991.0, "9007199254740991");
    expect_number(1e16, "1e+16");
    expect_number(1.5e300, "1.5e+300");
    expect_number(-123456789012345680000.0, "-1.2345678901234568e+20");
    expect_number(5e-324, "5e-324");
    expect_number(1.7976931348623157e308, "1.7976931348623157e+308");
    expect_number(0x1p-44, "5.684341886080802e-14");
    expect_number(0x1p-1022, "2.2250738585072014e-308");
    expect_number((double)INFINITY, "inf");
    expect_number(-(double)INFINITY, "-inf");
    expect_number((double)NAN, "nan");
}

/* Reads back to the same bits, and no decimal with one digit less does. */
static void prints_the_shortest_that_reads_back(void)
{
    uint64_t state = 1;
    int wrong = 0, longer = 0;
    for (int i = 0; i < 100000; i++) {
        state = state * 6364136223846793005u + 1442695040888963407u;
        uint64_t bits = state;
        double value;
        if (i % 2 == 0) bits = (bits & 0x800fffffffffffffu) | (970 + bits % 110) << 52;
        memcpy(&value, &bits, sizeof value);
        if (!isfinite(value)) continue;
        char text[40], shorter[40];
        format_double(value, text);
        wrong += strtod(text, NULL) != value;
        int digits = 0;
        for (const char *at = text + strspn(text, "-0."); *at != '\0' && *at != 'e'; at++)
            digits += *at != '.';
        if (digits < 2 || strchr(text, '.') == NULL) continue;
        snprintf(shorter, sizeof shorter, "%.*e", digits - 2, value);
        longer += strtod(shorter, NULL) == value;
    }
    CU_ASSERT_EQUAL(wrong, 0);
    CU_ASSERT_EQUAL(longer, 0);
}

static void prints_alike_in_every_locale(void)
{
    const char *const names[] = {"de_DE.UTF-8", "fr_FR.UTF-8", "C.UTF-8"};
    for (int i = 0; i < 3; i++) {
        setlocale(LC_ALL, names[i]); /* stays as it is where the locale is not installed */
        expect_number(1.5, "1.5");
        expect_number(1.5e-300, "1.5e-300");
    }
    setlocale(LC_ALL, "C");
}

int main(void)
{
    const struct suite_test tests[] = {
        {"appears only when committed", appears_only_when_committed},
        {"two writers of one name do not meet", two_writers_of_one_name_do_not_meet},
        {"keeps permissions and links", keeps_permissions_and_links},
        {"writes beside itself and long names", writes_beside_itself_and_long_names},
        {"names what is in the way", names_what_is_in_the_way},
        {"removes what cannot be renamed", removes_what_cannot_be_renamed},
        {"reports a full disk", reports_a_full_disk},
        {"leaves nothing of half a file", leaves_nothing_of_half_a_file},
        {"writes to standard output", writes_to_standard_output},
        {"writes pipes and devices directly", writes_pipes_and_devices_directly},
        {"compresses by name", compresses_by_name},
        {"compresses nothing at all", compresses_nothing_at_all},
        {"rewrites a header", rewrites_a_header},
        {"prints short numbers", prints_short_numbers},
        {"prints the shortest that reads back", prints_the_shortest_that_reads_back},
        {"prints alike in every locale", prints_alike_in_every_locale},
        {NULL, NULL},
    };
    if (mkdtemp(folder) == NULL) return 1;
    int result = run_suite("writer", tests);
    rmdir(folder);
    return result;
}
