/* Sources: raw bytes (pread or read) go through an inflater chosen by the first four bytes. */
#define _GNU_SOURCE
#include "data/source.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define ZLIB_CONST
#include <zlib.h>
#include <zstd.h>

#include "base/error.h"
#include "base/memory.h"

enum source_kind { SOURCE_PLAIN, SOURCE_GZIP, SOURCE_ZSTD };

enum { RAW_BYTES = 256 << 10 };

struct source {
    char *name; /* for messages */
    int fd;
    bool owns_fd;
    bool seekable;
    bool spooled;
    int64_t base; /* where a seekable file begins */
    int64_t size; /* of a seekable file, else 0 */
    enum source_kind kind;

    char *raw; /* (RAW_BYTES) as they are in the file */
    int64_t raw_begin, raw_end;
    int64_t raw_offset; /* raw bytes taken so far */
    bool raw_ended;

    z_stream zlib;
    bool zlib_open;
    ZSTD_DStream *zstd;
    bool inside; /* a gzip member or zstd frame has begun and not ended */
    bool member; /* one has ended */

    char *head; /* the peeked beginning of the text */
    int64_t head_begin, head_end, head_capacity;
    bool consumed; /* source_read has been called */
};

static int io_error(const struct source *source, const char *what, struct spot_error *err)
{
    return spot_fail(err, SPOT_EIO, "%s: %s: %s", source->name, what, strerror(errno));
}

/* read() or pread() until count bytes or the end. */
static int read_fully(const struct source *source, int64_t offset, char *buffer, int64_t count,
                      int64_t *got, struct spot_error *err)
{
    *got = 0;
    while (*got < count) {
        size_t wanted = (size_t)(count - *got);
        ssize_t n = source->seekable
                        ? pread(source->fd, buffer + *got, wanted, source->base + offset + *got)
                        : read(source->fd, buffer + *got, wanted);
        if (n < 0 && errno == EINTR && source->seekable) continue;
        if (n < 0 && errno == EINTR) /* a pipe may stay silent for ever: the signal meant to stop */
            return spot_fail(err, SPOT_ESTOPPED, "%s: stopped", source->name);
        if (n < 0) return io_error(source, "cannot read", err);
        if (n == 0) break;
        *got += n;
    }
    return SPOT_OK;
}

/* Fills the raw buffer when it is empty. A pipe gives what it has. */
static int fill_raw(struct source *source, struct spot_error *err)
{
    if (source->raw_begin < source->raw_end || source->raw_ended) return SPOT_OK;
    int64_t got;
    int status = read_fully(source, source->raw_offset, source->raw, RAW_BYTES, &got, err);
    if (status < 0) return status;
    source->raw_begin = 0;
    source->raw_end = got;
    source->raw_offset += got;
    source->raw_ended = got < RAW_BYTES;
    return SPOT_OK;
}

/* ---- Opening --------------------------------------------------------------------------------- */

static int write_fully(int fd, const char *bytes, int64_t count)
{
    while (count > 0) {
        ssize_t n = write(fd, bytes, (size_t)count);
        if (n < 0 && errno == EINTR) continue;
        if (n < 0) return -1;
        bytes += n;
        count -= n;
    }
    return 0;
}

/* An unlinked file for the bytes of a pipe. */
static int open_spool(const char *folder, int *fd, struct spot_error *err)
{
    if (folder == NULL) folder = getenv("TMPDIR");
    if (folder == NULL || *folder == '\0') folder = "/tmp";
    char path[4096];
    int length = snprintf(path, sizeof path, "%s/blackspot-XXXXXX", folder);
    if (length < 0 || (size_t)length >= sizeof path)
        return spot_fail(err, SPOT_EIO, "%.200s...: the name of the folder is too long", folder);
    *fd = mkostemp(path, O_CLOEXEC);
    if (*fd < 0)
        return spot_fail(err, SPOT_EIO, "%s: cannot keep the input there to read it twice: %s",
                         folder, strerror(errno));
    unlink(path);
    return SPOT_OK;
}

/* Copies a pipe to a file that takes its place. */
static int spool(struct source *source, const char *folder, struct spot_error *err)
{
    int fd = -1, status;
    SPOT_TRY(open_spool(folder, &fd, err));
    int64_t got = RAW_BYTES;
    while (got == RAW_BYTES) {
        SPOT_TRY(read_fully(source, 0, source->raw, RAW_BYTES, &got, err));
        if (write_fully(fd, source->raw, got) < 0) {
            status = spot_fail(err, SPOT_EIO, "%s: cannot keep a copy in %s: %s", source->name,
                               folder == NULL ? "the temporary folder" : folder, strerror(errno));
            goto out;
        }
        source->size += got;
    }
    if (source->owns_fd) close(source->fd);
    source->fd = fd;
    source->owns_fd = source->seekable = source->spooled = true;
    source->base = 0;
    fd = -1;
    status = SPOT_OK;
out:
    if (fd >= 0) close(fd);
    return status;
}

/* Opens the file and learns whether it can be read at any place. */
static int open_file(struct source *source, const char *path, struct spot_error *err)
{
    source->fd = source->owns_fd ? open(path, O_RDONLY | O_CLOEXEC) : STDIN_FILENO;
    if (source->fd < 0) return io_error(source, "cannot open", err);
    struct stat info;
    if (fstat(source->fd, &info) < 0) return io_error(source, "cannot read", err);
    if (S_ISDIR(info.st_mode))
        return spot_fail(err, SPOT_EIO, "%s: is a folder, not a file", source->name);
    off_t place = source->owns_fd ? 0 : lseek(source->fd, 0, SEEK_CUR);
    source->seekable = S_ISREG(info.st_mode) && place >= 0;
    if (source->seekable) {
        source->base = place;
        source->size = info.st_size > place ? info.st_size - place : 0;
    }
    return SPOT_OK;
}

/* gzip and zstd are known by their first bytes, whatever the name. */
static int open_inflater(struct source *source, struct spot_error *err)
{
    int status = fill_raw(source, err);
    if (status < 0) return status;
    const unsigned char *raw = (const unsigned char *)source->raw;
    int64_t count = source->raw_end;
    if (count >= 2 && raw[0] == 0x1f && raw[1] == 0x8b) {
        source->kind = SOURCE_GZIP;
        if (inflateInit2(&source->zlib, 15 + 16) != Z_OK)
            return spot_fail_memory(err, "reading gzip");
        source->zlib_open = true;
    } else if (count >= 4 && raw[0] == 0x28 && raw[1] == 0xb5 && raw[2] == 0x2f && raw[3] == 0xfd) {
        source->kind = SOURCE_ZSTD;
        source->zstd = ZSTD_createDStream();
        if (source->zstd == NULL) return spot_fail_memory(err, "reading zstd");
    }
    return SPOT_OK;
}

int source_open(const char *path, const char *spool_dir, bool rewindable, struct source **out,
                struct spot_error *err)
{
    *out = NULL;
    int status;
    struct source *source = calloc(1, sizeof *source);
    if (source == NULL) return spot_fail_memory(err, "opening a file");
    source->fd = -1;
    source->owns_fd = strcmp(path, "-") != 0;
    source->name = spot_copy_text(source->owns_fd ? path : "standard input");
    source->raw = spot_alloc(RAW_BYTES, 1);
    if (source->name == NULL || source->raw == NULL) {
        status = spot_fail_memory(err, "opening a file");
        goto out;
    }
    SPOT_TRY(open_file(source, path, err));
    if (!source->seekable && rewindable) SPOT_TRY(spool(source, spool_dir, err));
    SPOT_TRY(open_inflater(source, err));
    *out = source;
    source = NULL;
out:
    source_close(source);
    return status;
}

void source_close(struct source *source)
{
    if (source == NULL) return;
    if (source->owns_fd && source->fd >= 0) close(source->fd);
    if (source->zlib_open) inflateEnd(&source->zlib);
    ZSTD_freeDStream(source->zstd);
    free(source->name);
    free(source->raw);
    free(source->head);
    free(source);
}

bool source_reopens(const struct source *source)
{
    return source->owns_fd && source->seekable && !source->spooled;
}

int64_t source_plain_size(const struct source *source)
{
    return source->seekable && source->kind == SOURCE_PLAIN ? source->size : -1;
}

int64_t source_consumed(const struct source *source)
{
    return source->raw_offset - (source->raw_end - source->raw_begin);
}

int64_t source_total(const struct source *source)
{
    return source->size;
}

/* ---- Reading --------------------------------------------------------------------------------- */

int source_read_at(const struct source *source, int64_t offset, char *buffer, int64_t count,
                   struct spot_error *err)
{
    int64_t got;
    int status = read_fully(source, offset, buffer, count, &got, err);
    if (status < 0) return status;
    if (got < count)
        return spot_fail(err, SPOT_EIO, "%s: the file became shorter while it was read",
                         source->name);
    return SPOT_OK;
}

static int damaged(const struct source *source, const char *why, struct spot_error *err)
{
    return spot_fail(err, SPOT_EFORMAT, "%s: the %s data is damaged: %s", source->name,
                     source->kind == SOURCE_GZIP ? "gzip" : "zstd", why);
}

static int inflate_gzip(struct source *source, char *buffer, int64_t count, int64_t *got,
                        struct spot_error *err)
{
    z_stream *zlib = &source->zlib;
    zlib->next_in = (const Bytef *)source->raw + source->raw_begin;
    zlib->avail_in = (uInt)(source->raw_end - source->raw_begin);
    zlib->next_out = (Bytef *)buffer;
    zlib->avail_out = (uInt)count;
    source->inside = true;
    int result = inflate(zlib, Z_NO_FLUSH);
    source->raw_begin = source->raw_end - zlib->avail_in;
    *got = count - zlib->avail_out;
    if (result == Z_STREAM_END) {
        source->inside = false;
        source->member = true;
        return inflateReset(zlib) == Z_OK ? SPOT_OK : damaged(source, "reset failed", err);
    }
    if (result == Z_MEM_ERROR) return spot_fail_memory(err, "reading gzip");
    if (result != Z_OK && result != Z_BUF_ERROR)
        return damaged(source, zlib->msg != NULL ? zlib->msg : "unknown error", err);
    return SPOT_OK;
}

static int inflate_zstd(struct source *source, char *buffer, int64_t count, int64_t *got,
                        struct spot_error *err)
{
    ZSTD_inBuffer in = {source->raw, (size_t)source->raw_end, (size_t)source->raw_begin};
    ZSTD_outBuffer out = {buffer, (size_t)count, 0};
    size_t result = ZSTD_decompressStream(source->zstd, &out, &in);
    source->raw_begin = (int64_t)in.pos;
    *got = (int64_t)out.pos;
    if (ZSTD_isError(result)) return damaged(source, ZSTD_getErrorName(result), err);
    source->inside = result != 0;
    source->member = source->member || result == 0;
    return SPOT_OK;
}

/* gzip files on tape are padded with zeros. */
static bool only_padding(struct source *source, struct spot_error *err)
{
    if (source->kind != SOURCE_GZIP || source->inside || !source->member) return false;
    if (source->raw[source->raw_begin] != 0) return false;
    while (source->raw_begin < source->raw_end) {
        while (source->raw_begin < source->raw_end && source->raw[source->raw_begin] == 0)
            source->raw_begin++;
        if (source->raw_begin < source->raw_end) return false;
        if (fill_raw(source, err) < 0) return false;
    }
    return true;
}

/* One step of decompression: *got may be 0 before the end. */
static int inflate_some(struct source *source, char *buffer, int64_t count, int64_t *got,
                        bool *ended, struct spot_error *err)
{
    *got = 0;
    int status = fill_raw(source, err);
    if (status < 0) return status;
    if (count > (1 << 30)) count = 1 << 30; /* zlib counts in 32 bits */
    *ended = source->raw_begin == source->raw_end;
    if (*ended && source->inside && source->kind == SOURCE_ZSTD) {
        /* the decoder may still hold output */
        status = inflate_zstd(source, buffer, count, got, err);
        if (status < 0 || *got > 0) {
            *ended = false;
            return status;
        }
    }
    if (*ended)
        return source->inside
                   ? spot_fail(err, SPOT_EFORMAT,
                               "%s: the compressed file is cut off; get it again", source->name)
                   : SPOT_OK;
    if (only_padding(source, err)) {
        *ended = true;
        return SPOT_OK;
    }
    return source->kind == SOURCE_GZIP ? inflate_gzip(source, buffer, count, got, err)
                                       : inflate_zstd(source, buffer, count, got, err);
}

static int read_text(struct source *source, char *buffer, int64_t count, int64_t *got,
                     struct spot_error *err)
{
    *got = 0;
    bool ended = false;
    while (*got < count && !ended) {
        int64_t n = 0;
        int status = SPOT_OK;
        if (source->kind == SOURCE_PLAIN) {
            status = fill_raw(source, err);
            n = source->raw_end - source->raw_begin;
            ended = n == 0;
            if (n > count - *got) n = count - *got;
            memcpy(buffer + *got, source->raw + source->raw_begin, (size_t)n);
            source->raw_begin += n;
        } else {
            status = inflate_some(source, buffer + *got, count - *got, &n, &ended, err);
        }
        *got += n;
        if (status < 0) return status;
    }
    return SPOT_OK;
}

int source_read(struct source *source, char *buffer, int64_t count, int64_t *got,
                struct spot_error *err)
{
    source->consumed = true;
    int64_t peeked = source->head_end - source->head_begin;
    if (peeked > count) peeked = count;
    if (peeked > 0) memcpy(buffer, source->head + source->head_begin, (size_t)peeked);
    source->head_begin += peeked;
    int status = read_text(source, buffer + peeked, count - peeked, got, err);
    *got += peeked;
    return status;
}

int source_peek(struct source *source, int64_t count, const char **bytes, int64_t *got,
                struct spot_error *err)
{
    if (count > source->head_end) {
        if (spot_grow((void **)&source->head, &source->head_capacity, count, 1) < 0)
            return spot_fail_memory(err, "the beginning of a file");
        int64_t more;
        int status = read_text(source, source->head + source->head_end, count - source->head_end,
                               &more, err);
        if (status < 0) return status;
        source->head_end += more;
    }
    *bytes = source->head;
    *got = count < source->head_end ? count : source->head_end;
    return SPOT_OK;
}

int source_rewind(struct source *source, struct spot_error *err)
{
    if (!source->consumed) return SPOT_OK;
    if (!source->seekable)
        return spot_fail(err, SPOT_EUSAGE, "%s can be read only once", source->name);
    source->raw_begin = source->raw_end = source->raw_offset = 0;
    source->raw_ended = source->inside = source->member = source->consumed = false;
    source->head_begin = source->head_end = 0;
    if (source->zlib_open) inflateReset(&source->zlib);
    if (source->zstd != NULL) ZSTD_initDStream(source->zstd);
    return SPOT_OK;
}
