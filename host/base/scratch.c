#define _GNU_SOURCE /* O_TMPFILE */
#include "base/scratch.h"

#include <errno.h>
#include <fcntl.h>
#include <malloc.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "blackspot.h"

static const char *folder_or_default(const char *folder)
{
    if (folder != NULL) return folder;
    const char *temporary = getenv("TMPDIR");
    return temporary != NULL && temporary[0] != '\0' ? temporary : "/tmp";
}

/* For file systems without O_TMPFILE: the file has its name for a moment. */
static int named_file(const char *folder, int *fd)
{
    char path[4096];
    int length = snprintf(path, sizeof path, "%s/.blackspot-XXXXXX", folder);
    if (length < 0 || (size_t)length >= sizeof path) {
        errno = ENAMETOOLONG;
        return -1;
    }
    *fd = mkostemp(path, O_CLOEXEC);
    if (*fd >= 0) unlink(path);
    return *fd;
}

int scratch_file(const char *folder, int *fd, struct spot_error *err)
{
    folder = folder_or_default(folder);
    *fd = open(folder, O_TMPFILE | O_RDWR | O_CLOEXEC, 0600);
    if (*fd < 0 && (errno == EOPNOTSUPP || errno == EISDIR || errno == EINVAL))
        named_file(folder, fd);
    if (*fd >= 0) return SPOT_OK;
    return spot_fail(err, SPOT_EIO, "cannot make a temporary file in %.300s: %s", folder,
                     strerror(errno));
}

/* Reserves the space at once, so that no write meets a full disk. */
static int reserve(int fd, int64_t bytes, const char *folder, const char *what,
                   struct spot_error *err)
{
    int failed;
    do
        failed = posix_fallocate(fd, 0, (off_t)bytes);
    while (failed == EINTR);
    if (failed == 0) return SPOT_OK;
    return spot_fail(err, SPOT_EIO,
                     "cannot reserve %lld MB in %.300s for %s: %s; free some space, allow more "
                     "memory or choose another folder",
                     (long long)(bytes >> 20) + 1, folder_or_default(folder), what,
                     strerror(failed));
}

int scratch_open(const char *folder, int64_t count, size_t size, const char *what, void **array,
                 struct spot_error *err)
{
    int status = SPOT_OK, fd = -1;
    int64_t bytes;
    *array = NULL;
    if (count < 0 || __builtin_mul_overflow(count, size, &bytes))
        return spot_fail_memory(err, what);
    if (bytes == 0) bytes = 1;
    SPOT_TRY(scratch_file(folder, &fd, err));
    SPOT_TRY(reserve(fd, bytes, folder, what, err));
    void *mapped = mmap(NULL, (size_t)bytes, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    if (mapped == MAP_FAILED)
        status = spot_fail_memory(err, what);
    else
        *array = mapped;
out:
    if (fd >= 0) close(fd);
    return status;
}

void scratch_close(void *array, int64_t count, size_t size)
{
    size_t bytes = (size_t)count * size;
    if (array != NULL) munmap(array, bytes == 0 ? 1 : bytes);
}

/* Advice about the pages that hold bytes [from, to). */
static void advise(void *array, int64_t from, int64_t to, int advice)
{
    const int64_t page = sysconf(_SC_PAGESIZE);
    if (array == NULL || from >= to) return;
    from = from / page * page;
    madvise((char *)array + from, (size_t)(to - from), advice);
}

void scratch_ahead(void *array, int64_t from, int64_t to)
{
    advise(array, from, to, MADV_WILLNEED);
}

void scratch_done(void *array, int64_t from, int64_t to)
{
    advise(array, from, to, MADV_DONTNEED);
}

static int64_t ask_resident(void)
{
    char text[128];
    long long total = 0, resident = 0;
    int fd = open("/proc/self/statm", O_RDONLY | O_CLOEXEC);
    if (fd < 0) return 0;
    ssize_t length = read(fd, text, sizeof text - 1);
    close(fd);
    text[length > 0 ? length : 0] = '\0';
    if (sscanf(text, "%lld %lld", &total, &resident) != 2) return 0;
    return resident * sysconf(_SC_PAGESIZE);
}

int64_t resident_bytes(int64_t enough)
{
    int64_t bytes = ask_resident();
#ifdef __GLIBC__
    if (bytes > enough && malloc_trim(0) != 0) bytes = ask_resident();
#else
    (void)enough;
#endif
    return bytes;
}
