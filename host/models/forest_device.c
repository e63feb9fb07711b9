/* Keeps a forest's plan for a GPU beside the one for the CPU. */
#include "models/forest_device.h"

#include <pthread.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "backend/engine.h"
#include "base/error.h"

struct forest_device {
    pthread_mutex_t lock;
    const struct backend_tables *tables; /* of the device that was asked last, or NULL */
    char name[256];
    struct forest_plan *plan; /* NULL: it does not score this forest */
};

struct forest_device *forest_device_new(void)
{
    struct forest_device *device = calloc(1, sizeof *device);
    if (device != NULL) pthread_mutex_init(&device->lock, NULL);
    return device;
}

static void forget(struct forest_device *device)
{
    if (device->tables != NULL) device->tables->trees->plan_close(device->plan);
    device->tables = NULL;
    device->plan = NULL;
}

void forest_device_free(struct forest_device *device)
{
    if (device == NULL) return;
    forget(device);
    pthread_mutex_destroy(&device->lock);
    free(device);
}

/* A GPU that was asked for by name; `auto` leaves forests to the CPU, which needs no copy of the
 * rows elsewhere. */
static bool on_gpu(const spot_engine *engine)
{
    return engine != NULL && engine->automatic == 0 && engine->tables != cpu_backend() &&
           engine->tables->trees != NULL;
}

/* Makes the plan for the engine's device, unless it is there. */
static int plan(struct forest_device *device, const spot_engine *engine,
                const struct forest *forest, struct spot_error *err)
{
    const char *name = spot_engine_device(engine);
    struct spot_error reason = {.message = ""};
    if (device->tables == engine->tables && strcmp(device->name, name) == 0) return SPOT_OK;
    forget(device);
    int status = engine->tables->trees->plan(engine->backend, forest, &device->plan, &reason);
    if (status < 0 && status != SPOT_EUSAGE) return spot_fail(err, status, "%s", reason.message);
    if (status < 0)
        engine_log(engine, SPOT_LOG_INFO, "%s; the CPU scores the forest", reason.message);
    device->tables = engine->tables;
    snprintf(device->name, sizeof device->name, "%s", name);
    return SPOT_OK;
}

int forest_device_score(spot_engine *engine, const spot_forest *model,
                        const struct spot_forest_rows *rows, int32_t first, int32_t trees,
                        double *margins, int32_t *leaves, struct spot_error *err)
{
    const struct backend_host *host = engine != NULL ? engine_host(engine) : NULL;
    struct forest_device *device = model->device;
    if (on_gpu(engine)) {
        pthread_mutex_lock(&device->lock);
        int status = plan(device, engine, &model->forest, err);
        const bool there = status == SPOT_OK && device->plan != NULL;
        if (there)
            status = device->tables->trees->score(device->plan, host, rows, first, trees, margins,
                                                  leaves, err);
        pthread_mutex_unlock(&device->lock);
        if (there || status < 0) return status;
    }
    return cpu_backend()->trees->score(model->plan, host, rows, first, trees, margins, leaves, err);
}

bool forest_device_used(const spot_engine *engine, const spot_forest *model)
{
    struct forest_device *device = model->device;
    if (!on_gpu(engine)) return false;
    pthread_mutex_lock(&device->lock);
    const bool used = device->tables == engine->tables && device->plan != NULL;
    pthread_mutex_unlock(&device->lock);
    return used;
}
