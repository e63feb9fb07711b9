/* Opens a device by name and lends it the program's threads. */
#include "backend/engine.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "base/memory.h"

const char *spot_version(void)
{
    return "0.1.0";
}

/* The tables that serve a device name, or NULL with the reason. */
static const struct backend_tables *backend_of(const char *device, struct spot_error *err)
{
    if (device == NULL || strcmp(device, "auto") == 0 || strcmp(device, "cpu") == 0)
        return cpu_backend();
    if (strncmp(device, "cuda", 4) == 0 && (device[4] == '\0' || device[4] == ':'))
        spot_fail(err, SPOT_EDEVICE,
                  "device '%s': this build has no CUDA backend; use --device cpu or auto", device);
    else
        spot_fail(err, SPOT_EUSAGE, "device '%s' is unknown; choose auto, cpu or cuda", device);
    return NULL;
}

static void run_on_pool(void *arg, int64_t tasks, backend_task *task, void *task_arg)
{
    pool_run(arg, tasks, task, task_arg);
}

static int open_backend(spot_engine *engine, struct spot_error *err)
{
    const struct spot_engine_options *options = &engine->options;
    const char *device = options->device;
    if (device != NULL && strcmp(device, "auto") == 0) device = NULL;
    engine->host = (struct backend_host){
        .threads = pool_threads(engine->pool),
        .parallel = run_on_pool,
        .parallel_arg = engine->pool,
        .stopped = options->stopped,
        .log = options->log,
        .streamed = options->streamed,
        .arg = options->arg,
        .memory = options->memory,
        .scratch = engine->scratch,
    };
    return engine->tables->core->open(device, &engine->host, &engine->backend, err);
}

int spot_engine_open(const struct spot_engine_options *options, spot_engine **out,
                     struct spot_error *err)
{
    int status = SPOT_OK;
    *out = NULL;
    spot_engine *engine = calloc(1, sizeof *engine);
    if (engine == NULL) return spot_fail_memory(err, "the engine");
    if (options != NULL) engine->options = *options;
    struct spot_error reason = {.code = SPOT_EUSAGE};
    engine->tables = backend_of(engine->options.device, &reason);
    if (engine->tables == NULL) {
        status = spot_fail(err, reason.code, "%s", reason.message);
        goto out;
    }
    if (engine->options.memory < 0) {
        status = spot_fail(err, SPOT_EUSAGE, "memory = %lld: it is 0 (no limit) or more",
                           (long long)engine->options.memory);
        goto out;
    }
    if (engine->options.scratch != NULL) {
        engine->scratch = spot_copy_text(engine->options.scratch);
        if (engine->scratch == NULL) {
            status = spot_fail_memory(err, "the engine");
            goto out;
        }
    }
    SPOT_TRY(pool_open(engine->options.threads, &engine->pool, err));
    SPOT_TRY(open_backend(engine, err));
    engine->options.device = engine->options.scratch = NULL; /* the caller's texts are not kept */
    if (options == NULL || options->device == NULL || strcmp(options->device, "auto") == 0)
        engine_log(engine, SPOT_LOG_DEBUG, "device auto: %s, the only one in this build",
                   spot_engine_device(engine));
out:
    if (status < 0) {
        spot_engine_close(engine);
        engine = NULL;
    }
    *out = engine;
    return status;
}

void spot_engine_close(spot_engine *engine)
{
    if (engine == NULL) return;
    if (engine->backend != NULL) engine->tables->core->close(engine->backend);
    pool_close(engine->pool);
    free(engine->scratch);
    free(engine);
}

const char *spot_engine_device(const spot_engine *engine)
{
    return engine->tables->core->describe(engine->backend);
}

const struct backend_host *engine_host(const struct spot_engine *engine)
{
    return &engine->host;
}

struct spot_pool *engine_pool(struct spot_engine *engine)
{
    return engine->pool;
}

void engine_log(const struct spot_engine *engine, enum spot_log_level level, const char *format,
                ...)
{
    if (engine->options.log == NULL) return;
    char text[512];
    va_list args;
    va_start(args, format);
    vsnprintf(text, sizeof text, format, args);
    va_end(args);
    engine->options.log(engine->options.arg, level, text);
}

int engine_devices(struct backend_device **out, int32_t *count, struct spot_error *err)
{
    const struct backend_core *core = cpu_backend()->core;
    int status = SPOT_OK;
    *out = NULL;
    *count = 0;
    struct backend_device *devices = NULL;
    SPOT_TRY(core->devices(NULL, 0, count, err));
    devices = calloc((size_t)*count + 1, sizeof *devices);
    if (devices == NULL) {
        status = spot_fail_memory(err, "the list of devices");
        goto out;
    }
    SPOT_TRY(core->devices(devices, *count, count, err));
out:
    if (status < 0) {
        free(devices);
        devices = NULL;
    }
    *out = devices;
    return status;
}
