/* An engine: the backend chosen, its thread pool, and the caller's callbacks. */
#ifndef SPOT_BACKEND_ENGINE_H
#define SPOT_BACKEND_ENGINE_H

#include "backend/backend.h"
#include "base/pool.h"
#include "base/turns.h"

struct spot_engine {
    const struct backend_tables *tables; /* of the device in use */
    struct backend *backend;
    struct backend *cpu, *cuda; /* the open ones; the CPU is open unless CUDA was asked for */
    const struct backend_tables *cuda_tables;
    char *cuda_library; /* where the configuration says the plugin is, or NULL */
    int automatic;      /* each job gets the device that suits it */
    struct backend_host host;
    struct spot_pool *pool;
    struct spot_engine_options options; /* without the caller's texts */
    char *scratch;                      /* folder for temporary files, or NULL */
    struct turns *turns;                /* while runs are made side by side, else NULL */
};

/* The caller's callbacks, on the caller's thread also from a job of `turns`. engine_is_stopped is
 * not 0 when the caller asks to stop, or another job has failed. */
int engine_is_stopped(spot_engine *engine);
void engine_call(const spot_engine *engine, void (*call)(void *arg), void *arg);
void engine_log(const struct spot_engine *engine, enum spot_log_level level, const char *format,
                ...) __attribute__((format(printf, 3, 4)));

/* The pool, for reading and encoding beside the engine. */
struct spot_pool *engine_pool(struct spot_engine *engine);

/* What a backend is lent: threads, and the question whether to stop. */
const struct backend_host *engine_host(const struct spot_engine *engine);

/* A job, as far as the choice of a device needs to know it. */
struct engine_job {
    int64_t rows;
    int32_t columns, k, runs;
    int mixture; /* Gaussian mixtures are wanted */
    int wide;    /* the rows are float64 */
};

/* Before each job: an engine opened as `auto` takes the GPU for it or the CPU, and says why; any
 * other keeps its device. The rule: on the GPU a pass costs rows * columns * (k + 8) operations at
 * least; a job of fewer than 2^30 of them, all runs together, is done on the CPU before a GPU has
 * woken up. SPOT_EDEVICE where the rows are float64 and the device takes none. */
int engine_choose(struct spot_engine *engine, const struct engine_job *job, struct spot_error *err);

/* Every device of every backend, usable or not; the caller frees *devices. cuda_library: as in
 * spot_engine_options. */
int engine_devices(const char *cuda_library, struct backend_device **devices, int32_t *count,
                   struct spot_error *err);

#endif
