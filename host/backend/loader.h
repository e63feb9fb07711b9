/* Opens a backend that is a library of its own, libblackspot_cuda.so, when it is first asked for.
 * It is looked for where the configuration says, or else beside the program or library that the
 * engine is part of and in the lib folder of its install: never in the current folder, and not
 * along the system's search path. */
#ifndef SPOT_BACKEND_LOADER_H
#define SPOT_BACKEND_LOADER_H

#include "backend/backend.h"

/* The tables of the CUDA backend, which stay valid until the process ends. path: the library's own
 * path, or NULL to look for it. The message says which it is: not found, found but does not load,
 * found but of another version. */
int loader_cuda(const char *path, const struct backend_tables **tables, struct spot_error *err);

#endif
