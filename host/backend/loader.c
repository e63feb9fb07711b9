#define _GNU_SOURCE /* dladdr, RTLD_NODELETE */
#include "backend/loader.h"

#include <dlfcn.h>
#include <limits.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/error.h"

#define CUDA_LIBRARY "libblackspot_cuda.so"

#ifndef BLACKSPOT_LIBDIR
#define BLACKSPOT_LIBDIR "lib" /* below the prefix, or absolute */
#endif

/* The folder of the program or library that this code is part of; "" when nobody knows. */
static void own_folder(char folder[PATH_MAX])
{
    Dl_info info;
    char program[PATH_MAX] = "", own[PATH_MAX] = "";
    folder[0] = '\0';
    if (realpath("/proc/self/exe", program) == NULL) return;
    const char *path = program;
    /* Of the program itself dladdr knows only the name it was started by. */
    if (dladdr((void *)(uintptr_t)loader_cuda, &info) != 0 && info.dli_fname != NULL &&
        strstr(info.dli_fname, ".so") != NULL && realpath(info.dli_fname, own) != NULL)
        path = own;
    snprintf(folder, PATH_MAX, "%s", path);
    char *slash = strrchr(folder, '/');
    if (slash != NULL) *slash = '\0';
}

static bool is_there(const char *path)
{
    return access(path, F_OK) == 0;
}

/* Finds the library; "" where it is not. */
static void find_library(char found[PATH_MAX])
{
    char folder[PATH_MAX];
    static const char libdir[] = BLACKSPOT_LIBDIR;
    own_folder(folder);
    found[0] = '\0';
    if (folder[0] == '\0') return;
    if (snprintf(found, PATH_MAX, "%s/%s", folder, CUDA_LIBRARY) < PATH_MAX && is_there(found))
        return;
    bool absolute = libdir[0] == '/';
    if (snprintf(found, PATH_MAX, "%s%s%s/%s", absolute ? "" : folder, absolute ? "" : "/../",
                 libdir, CUDA_LIBRARY) < PATH_MAX &&
        is_there(found))
        return;
    found[0] = '\0';
}

/* The entry point's tables, checked. */
static int tables_of(void *library, const char *path, const struct backend_tables **tables,
                     struct spot_error *err)
{
    backend_entry *entry = NULL;
    *(void **)&entry = dlsym(library, SPOT_BACKEND_ENTRY);
    if (entry == NULL)
        return spot_fail(
            err, SPOT_EDEVICE,
            "%.300s loads, but is no backend of blackspot: it has no " SPOT_BACKEND_ENTRY, path);
    const struct backend_tables *found = entry(SPOT_BACKEND_VERSION);
    if (found == NULL || found->version != SPOT_BACKEND_VERSION)
        return spot_fail(err, SPOT_EDEVICE,
                         "%.300s is of another version: it speaks contract %u, this engine %u; "
                         "install both from one build",
                         path, found == NULL ? 0u : found->version, SPOT_BACKEND_VERSION);
    *tables = found;
    return SPOT_OK;
}

int loader_cuda(const char *path, const struct backend_tables **tables, struct spot_error *err)
{
    char found[PATH_MAX];
    *tables = NULL;
    if (path != NULL)
        snprintf(found, sizeof found, "%s", path);
    else
        find_library(found);
    if (found[0] == '\0' || !is_there(found))
        return spot_fail(err, SPOT_EDEVICE, "the CUDA backend is not here: %.300s was not found%s",
                         path != NULL ? path : CUDA_LIBRARY,
                         path != NULL ? ""
                                      : " beside the program or in its lib folder; build it with "
                                        "nvcc, or name it in engine.cuda_library");
    if (found[0] != '/' && realpath(path, found) == NULL) /* a bare name would search the system */
        return spot_fail(err, SPOT_EDEVICE, "the CUDA backend %.300s cannot be opened", path);
    /* It stays until the process ends: its runtime has destructors of its own. */
    void *library = dlopen(found, RTLD_NOW | RTLD_LOCAL | RTLD_NODELETE);
    if (library == NULL)
        return spot_fail(err, SPOT_EDEVICE, "the CUDA backend was found, but does not load: %.400s",
                         dlerror());
    int status = tables_of(library, found, tables, err);
    if (status < 0) dlclose(library);
    return status;
}
