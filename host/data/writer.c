/* Files that appear whole or not at all. Bytes go through a buffer, then through zlib or zstd where
 * the name asks for it, then to a temporary file beside the target that is renamed at the end. */
#define _GNU_SOURCE
#include "data/writer.h"

#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include <zlib.h>
#include <zstd.h>

#include "base/error.h"
#include "base/memory.h"

enum { BUFFER_BYTES = 256 * 1024 };

struct writer {
    char *path;      /* as given, for messages */
    char *target;    /* what is renamed to, symbolic links resolved; NULL when written directly */
    char *temporary; /* beside the target; NULL when written directly */
    int fd;
    unsigned char *buffer; /* (BUFFER_BYTES) not yet compressed or written */
    size_t used;
    unsigned char *packed; /* (BUFFER_BYTES) output of the compressor, or NULL */
    z_stream *gzip;        /* one of the two, or neither */
    ZSTD_CCtx *zstd;
    struct spot_error failure; /* the first failure, repeated by later calls */
};

static int fail_errno(const struct writer *writer, struct spot_error *err)
{
    const char *name = strcmp(writer->path, "-") == 0 ? "standard output" : writer->path;
    return spot_fail(err, SPOT_EIO, "cannot write %s: %s", name, strerror(errno));
}

/* ---- Where the bytes go ---------------------------------------------------------------------- */

static int write_all(struct writer *writer, const unsigned char *bytes, size_t count,
                     struct spot_error *err)
{
    while (count > 0) {
        ssize_t written = write(writer->fd, bytes, count);
        if (written < 0 && errno == EINTR) continue;
        if (written < 0) return fail_errno(writer, err);
        bytes += written;
        count -= (size_t)written;
    }
    return SPOT_OK;
}

static int write_gzip(struct writer *writer, const unsigned char *bytes, size_t count, bool last,
                      struct spot_error *err)
{
    z_stream *stream = writer->gzip;
    stream->next_in = (unsigned char *)bytes; /* zlib does not write to it */
    stream->avail_in = (uInt)count;
    do {
        stream->next_out = writer->packed;
        stream->avail_out = BUFFER_BYTES;
        deflate(stream, last ? Z_FINISH : Z_NO_FLUSH);
        int status = write_all(writer, writer->packed, BUFFER_BYTES - stream->avail_out, err);
        if (status < 0) return status;
    } while (stream->avail_out == 0);
    return SPOT_OK;
}

static int write_zstd(struct writer *writer, const unsigned char *bytes, size_t count, bool last,
                      struct spot_error *err)
{
    ZSTD_inBuffer in = {bytes, count, 0};
    size_t left;
    do {
        ZSTD_outBuffer out = {writer->packed, BUFFER_BYTES, 0};
        left = ZSTD_compressStream2(writer->zstd, &out, &in, last ? ZSTD_e_end : ZSTD_e_continue);
        if (ZSTD_isError(left))
            return spot_fail(err, SPOT_EIO, "cannot compress %s: %s", writer->path,
                             ZSTD_getErrorName(left));
        int status = write_all(writer, writer->packed, out.pos, err);
        if (status < 0) return status;
    } while (last ? left > 0 : in.pos < in.size);
    return SPOT_OK;
}

/* Sends bytes through the compressor; at most BUFFER_BYTES unless there is none. */
static int send_bytes(struct writer *writer, const unsigned char *bytes, size_t count, bool last,
                      struct spot_error *err)
{
    if (writer->gzip != NULL) return write_gzip(writer, bytes, count, last, err);
    if (writer->zstd != NULL) return write_zstd(writer, bytes, count, last, err);
    return write_all(writer, bytes, count, err);
}

static int flush_buffer(struct writer *writer, bool last, struct spot_error *err)
{
    size_t count = writer->used;
    writer->used = 0;
    return send_bytes(writer, writer->buffer, count, last, err);
}

/* ---- Opening --------------------------------------------------------------------------------- */

static bool ends_in(const char *text, const char *end)
{
    size_t length = strlen(text), tail = strlen(end);
    return length >= tail && strcmp(text + length - tail, end) == 0;
}

/* Names for the output of this process; opening them anew would write over what is there. */
static bool is_standard_output(const char *path)
{
    return strcmp(path, "-") == 0 || strcmp(path, "/dev/stdout") == 0;
}

/* Devices, pipes and descriptors have no place to put a temporary file, and must stay. */
static bool is_written_directly(const char *path)
{
    struct stat info;
    if (strncmp(path, "/dev/fd/", 8) == 0 || strncmp(path, "/proc/", 6) == 0) return true;
    return stat(path, &info) == 0 && !S_ISREG(info.st_mode) && !S_ISDIR(info.st_mode);
}

/* The folder a path is in; the caller frees it. */
static char *folder_of(const char *path)
{
    const char *slash = strrchr(path, '/');
    if (slash == NULL) return spot_copy_text(".");
    return slash == path ? spot_copy_text("/") : strndup(path, (size_t)(slash - path));
}

/* Creates .NAME.tmp-PID beside the target. A file of that name is a dead process's or another
 * writer's of this one: the next number is tried. */
static int create_temporary(struct writer *writer, struct spot_error *err)
{
    const char *slash = strrchr(writer->target, '/');
    const char *name = slash == NULL ? writer->target : slash + 1;
    int folder_length = (int)(name - writer->target);
    for (int attempt = 0; attempt < 100 && writer->fd < 0; attempt++) {
        char number[16] = "";
        if (attempt > 0) snprintf(number, sizeof number, "-%d", attempt);
        free(writer->temporary);
        if (asprintf(&writer->temporary, "%.*s.%.200s.tmp-%ld%s", folder_length, writer->target,
                     name, (long)getpid(), number) < 0) {
            writer->temporary = NULL;
            return spot_fail_memory(err, writer->path);
        }
        writer->fd = open(writer->temporary, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0666);
        if (writer->fd < 0 && errno != EEXIST) break;
    }
    if (writer->fd >= 0) return SPOT_OK;
    int reason = errno;
    free(writer->temporary); /* not ours to remove */
    writer->temporary = NULL;
    return spot_fail(err, SPOT_EIO, "cannot write %s: cannot create a file in the folder %.*s: %s",
                     writer->path, folder_length == 0 ? 1 : folder_length,
                     folder_length == 0 ? "." : writer->target, strerror(reason));
}

static int open_replacing(struct writer *writer, struct spot_error *err)
{
    struct stat info;
    bool exists = stat(writer->path, &info) == 0;
    if (writer->path[0] == '\0') return spot_fail(err, SPOT_EIO, "cannot write: the name is empty");
    if ((exists && S_ISDIR(info.st_mode)) || ends_in(writer->path, "/"))
        return spot_fail(err, SPOT_EIO, "cannot write %s: it is a folder; give the name of a file",
                         writer->path);
    writer->target = exists ? realpath(writer->path, NULL) : spot_copy_text(writer->path);
    if (writer->target == NULL) return fail_errno(writer, err);
    int status = create_temporary(writer, err);
    if (status == SPOT_OK && exists && fchmod(writer->fd, info.st_mode & 07777) != 0)
        return fail_errno(writer, err);
    return status;
}

static int open_target(struct writer *writer, struct spot_error *err)
{
    if (is_standard_output(writer->path))
        writer->fd = fcntl(STDOUT_FILENO, F_DUPFD_CLOEXEC, 3);
    else if (is_written_directly(writer->path))
        writer->fd = open(writer->path, O_WRONLY | O_CLOEXEC);
    else
        return open_replacing(writer, err);
    return writer->fd < 0 ? fail_errno(writer, err) : SPOT_OK;
}

/* The gzip header that zlib writes by itself has no time and no name. */
static int open_compressor(struct writer *writer, struct spot_error *err)
{
    enum { GZIP_WINDOW = 15 + 16, MEMORY_LEVEL = 8 };
    bool gzip = ends_in(writer->path, ".gz"), zstd = ends_in(writer->path, ".zst");
    if (!gzip && !zstd) return SPOT_OK;
    writer->packed = malloc(BUFFER_BYTES);
    if (writer->packed == NULL) return spot_fail_memory(err, "compression");
    if (gzip) {
        writer->gzip = calloc(1, sizeof *writer->gzip);
        if (writer->gzip == NULL ||
            deflateInit2(writer->gzip, Z_DEFAULT_COMPRESSION, Z_DEFLATED, GZIP_WINDOW, MEMORY_LEVEL,
                         Z_DEFAULT_STRATEGY) != Z_OK) {
            free(writer->gzip);
            writer->gzip = NULL;
            return spot_fail_memory(err, "compression");
        }
    } else {
        writer->zstd = ZSTD_createCCtx();
        if (writer->zstd == NULL) return spot_fail_memory(err, "compression");
        ZSTD_CCtx_setParameter(writer->zstd, ZSTD_c_checksumFlag, 1);
    }
    return SPOT_OK;
}

int writer_open(const char *path, struct writer **writer, struct spot_error *err)
{
    int status;
    *writer = NULL;
    struct writer *opened = calloc(1, sizeof *opened);
    if (opened == NULL) return spot_fail_memory(err, path);
    opened->fd = -1;
    opened->path = spot_copy_text(path);
    opened->buffer = malloc(BUFFER_BYTES);
    if (opened->path == NULL || opened->buffer == NULL) {
        status = spot_fail_memory(err, path);
        goto out;
    }
    SPOT_TRY(open_target(opened, err));
    SPOT_TRY(open_compressor(opened, err));
    *writer = opened;
    return SPOT_OK;
out:
    writer_abandon(opened);
    return status;
}

/* ---- Writing --------------------------------------------------------------------------------- */

/* Remembers a failure, so that no later call can make a file with a hole in it. */
static int keep_failure(struct writer *writer, struct spot_error *err)
{
    return spot_fail(err, writer->failure.code, "%s", writer->failure.message);
}

int writer_put(struct writer *writer, const void *bytes, size_t count, struct spot_error *err)
{
    const unsigned char *next = bytes;
    if (writer->failure.code != 0) return keep_failure(writer, err);
    while (count > 0) {
        size_t room = BUFFER_BYTES - writer->used, part = count < room ? count : room;
        memcpy(writer->buffer + writer->used, next, part);
        writer->used += part;
        next += part;
        count -= part;
        if (writer->used == BUFFER_BYTES && flush_buffer(writer, false, &writer->failure) < 0)
            return keep_failure(writer, err);
    }
    return SPOT_OK;
}

int writer_printf(struct writer *writer, struct spot_error *err, const char *format, ...)
{
    char *text;
    va_list args;
    va_start(args, format);
    int length = vasprintf(&text, format, args);
    va_end(args);
    if (length < 0) return spot_fail_memory(err, writer->path);
    int status = writer_put(writer, text, (size_t)length, err);
    free(text);
    return status;
}

int writer_rewrite_start(struct writer *writer, const void *bytes, size_t count,
                         struct spot_error *err)
{
    if (writer->failure.code != 0) return keep_failure(writer, err);
    if (writer->temporary == NULL || writer->packed != NULL)
        return spot_fail(err, SPOT_EIO,
                         "cannot write %s: its header is known at the end only, which needs a "
                         "plain file; write a file first",
                         writer->path);
    if (flush_buffer(writer, false, &writer->failure) < 0) return keep_failure(writer, err);
    const unsigned char *next = bytes;
    for (size_t done = 0; done < count;) {
        ssize_t written = pwrite(writer->fd, next + done, count - done, (off_t)done);
        if (written < 0 && errno == EINTR) continue;
        if (written < 0) {
            fail_errno(writer, &writer->failure);
            return keep_failure(writer, err);
        }
        done += (size_t)written;
    }
    return SPOT_OK;
}

/* ---- Closing --------------------------------------------------------------------------------- */

/* A rename is on the disk only when its folder is. Some file systems cannot: that is no failure. */
static int sync_folder(const struct writer *writer, struct spot_error *err)
{
    char *folder = folder_of(writer->target);
    if (folder == NULL) return spot_fail_memory(err, writer->path);
    int status = SPOT_OK;
    int fd = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    free(folder);
    if (fd < 0) return SPOT_OK; /* a folder that may be written but not read */
    if (fsync(fd) != 0 && errno != EINVAL && errno != ENOTSUP) status = fail_errno(writer, err);
    close(fd);
    return status;
}

static int close_target(struct writer *writer, struct spot_error *err)
{
    int closed = close(writer->fd);
    writer->fd = -1;
    return closed != 0 && errno != EINTR ? fail_errno(writer, err) : SPOT_OK;
}

static int publish(struct writer *writer, struct spot_error *err)
{
    int status;
    if (writer->temporary == NULL) return close_target(writer, err);
    if (fsync(writer->fd) != 0) return fail_errno(writer, err);
    SPOT_TRY(close_target(writer, err));
    if (rename(writer->temporary, writer->target) != 0) return fail_errno(writer, err);
    free(writer->temporary);
    writer->temporary = NULL;
    status = sync_folder(writer, err);
out:
    return status;
}

int writer_commit(struct writer *writer, struct spot_error *err)
{
    int status;
    if (writer->failure.code != 0)
        status = keep_failure(writer, err);
    else
        status = flush_buffer(writer, true, err);
    if (status == SPOT_OK) status = publish(writer, err);
    writer_abandon(writer);
    return status;
}

void writer_abandon(struct writer *writer)
{
    if (writer == NULL) return;
    if (writer->fd >= 0) close(writer->fd);
    if (writer->temporary != NULL) unlink(writer->temporary);
    if (writer->gzip != NULL) deflateEnd(writer->gzip);
    ZSTD_freeCCtx(writer->zstd);
    free(writer->gzip);
    free(writer->packed);
    free(writer->buffer);
    free(writer->temporary);
    free(writer->target);
    free(writer->path);
    free(writer);
}
