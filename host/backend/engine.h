/* An engine: the backend chosen, its thread pool, and the caller's callbacks. */
#ifndef SPOT_BACKEND_ENGINE_H
#define SPOT_BACKEND_ENGINE_H

#include "backend/backend.h"
#include "base/pool.h"

struct spot_engine {
    const struct backend_tables *tables;
    struct backend *backend;
    struct backend_host host;
    struct spot_pool *pool;
    struct spot_engine_options options; /* without the caller's texts */
    char *scratch;                      /* folder for temporary files, or NULL */
};

void engine_log(const struct spot_engine *engine, enum spot_log_level level, const char *format,
                ...) __attribute__((format(printf, 3, 4)));

/* The pool, for reading and encoding beside the engine. */
struct spot_pool *engine_pool(struct spot_engine *engine);

/* What a backend is lent: threads, and the question whether to stop. */
const struct backend_host *engine_host(const struct spot_engine *engine);

/* Every device of every backend, usable or not; the caller frees *devices. */
int engine_devices(struct backend_device **devices, int32_t *count, struct spot_error *err);

#endif
