/* The CPU as a device: chooses the instruction set once, when it is opened. BLACKSPOT_CPU=ref|avx2|
 * avx512|amx forces one; all give the same bits but for mixtures, which sum floats. */
#include "fallback/cpu.h"

#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "base/scratch.h"
#include "fallback/cpu_detect.h"
#include "fallback/mixture_kernels.h"

/* Some 20 us of vector operations; a thread that sleeps is awake after 5 to 10. */
static const double small_work = 2e6;

void cpu_parallel(const struct backend *backend, int64_t tasks, double work, backend_task *task,
                  void *arg)
{
    if (work >= small_work) {
        backend->host.parallel(backend->host.parallel_arg, tasks, task, arg);
        return;
    }
    for (int64_t t = 0; t < tasks; t++)
        task(arg, t, 0);
}

void cpu_log(const struct backend *backend, enum spot_log_level level, const char *format, ...)
{
    char text[256];
    va_list args;
    if (backend->host.log == NULL) return;
    va_start(args, format);
    vsnprintf(text, sizeof text, format, args);
    va_end(args);
    backend->host.log(backend->host.arg, level, text);
}

int cpu_check_memory(const struct backend *backend, int64_t bytes, const char *what,
                     struct spot_error *err)
{
    const int64_t limit = backend->host.memory;
    const int64_t used = limit > 0 ? resident_bytes(limit - bytes) : 0;
    if (limit <= 0 || bytes <= limit - used) return SPOT_OK;
    return spot_fail(err, SPOT_ENOMEM,
                     "%s: %lld MB are needed beside the %lld MB in use, but %lld MB are allowed; "
                     "allow more memory",
                     what, (long long)(bytes >> 20) + 1, (long long)(used >> 20),
                     (long long)(limit >> 20));
}

/* Instruction sets, the best first. */
struct variant {
    const char *name;
    bool (*supported)(void); /* NULL: always */
    const struct kmeans_kernels *(*kmeans)(void);
    const struct mixture_kernels *(*mixture)(void);
};

static const struct variant variants[] = {
    {"amx", cpu_has_amx, kmeans_kernels_amx, mixture_kernels_avx512},
    {"avx512", cpu_has_avx512, kmeans_kernels_avx512, mixture_kernels_avx512},
    {"avx2", cpu_has_avx2, kmeans_kernels_avx2, mixture_kernels_avx2},
    {"ref", NULL, kmeans_kernels_ref, mixture_kernels_ref},
};

enum { VARIANTS = sizeof variants / sizeof variants[0] };

static bool supported(const struct variant *variant)
{
    return variant->supported == NULL || variant->supported();
}

static int choose_variant(const struct variant **chosen, struct spot_error *err)
{
    const char *forced = getenv("BLACKSPOT_CPU");
    const bool any = forced == NULL || forced[0] == '\0';
    for (int v = 0; v < VARIANTS; v++) {
        *chosen = &variants[v];
        if (any && supported(*chosen)) return SPOT_OK;
        if (any || strcmp(forced, (*chosen)->name) != 0) continue;
        if (supported(*chosen)) return SPOT_OK;
        return spot_fail(err, SPOT_EDEVICE, "BLACKSPOT_CPU=%s: this processor does not have it",
                         forced);
    }
    return spot_fail(err, SPOT_EUSAGE, "BLACKSPOT_CPU=%s: choose ref, avx2, avx512 or amx", forced);
}

static int cpu_devices(struct backend_device *devices, int32_t capacity, int32_t *count,
                       struct spot_error *err)
{
    const struct variant *variant;
    int status = choose_variant(&variant, err);
    if (status < 0) return status;
    *count = 1;
    if (capacity < 1) return SPOT_OK;
    memset(devices, 0, sizeof *devices);
    snprintf(devices->name, sizeof devices->name, "CPU (%s)", variant->name);
    snprintf(devices->id, sizeof devices->id, "cpu");
    snprintf(devices->detail, sizeof devices->detail, "variants: ref%s%s%s",
             cpu_has_avx2() ? ", avx2" : "", cpu_has_avx512() ? ", avx512" : "",
             cpu_has_amx() ? ", amx" : "");
    devices->usable = 1;
    return SPOT_OK;
}

static int cpu_open(const char *id, const struct backend_host *host, struct backend **out,
                    struct spot_error *err)
{
    *out = NULL;
    if (id != NULL && strcmp(id, "cpu") != 0)
        return spot_fail(err, SPOT_EUSAGE, "device '%s' is not a CPU; it is called cpu", id);
    const struct variant *variant;
    int status = choose_variant(&variant, err);
    if (status < 0) return status;
    struct backend *backend = calloc(1, sizeof *backend);
    if (backend != NULL) backend->spares = calloc(1, sizeof *backend->spares);
    if (backend == NULL || backend->spares == NULL) {
        free(backend);
        return spot_fail_memory(err, "the CPU backend");
    }
    backend->host = *host;
    backend->kernels = variant->kmeans();
    backend->mixture_kernels = variant->mixture();
    snprintf(backend->description, sizeof backend->description, "cpu (%s, %d thread%s)",
             variant->name, host->threads, host->threads == 1 ? "" : "s");
    *out = backend;
    return SPOT_OK;
}

static void cpu_close(struct backend *backend)
{
    if (backend == NULL) return;
    cpu_spares_close(backend->spares);
    free(backend->spares);
    free(backend);
}

static const char *cpu_describe(const struct backend *backend)
{
    return backend->description;
}

const struct backend_tables *cpu_backend(void)
{
    static const struct backend_core core = {
        .version = SPOT_BACKEND_VERSION,
        .name = "cpu",
        .devices = cpu_devices,
        .open = cpu_open,
        .close = cpu_close,
        .describe = cpu_describe,
        .data_open = cpu_data_open,
        .data_put = cpu_data_put,
        .data_map = cpu_data_map,
        .data_moments = cpu_data_moments,
        .data_runs = cpu_data_runs,
        .data_close = cpu_data_close,
        .data_open64 = cpu_data_open64,
        .data_put64 = cpu_data_put64,
    };
    static const struct backend_tables tables = {
        .version = SPOT_BACKEND_VERSION,
        .core = &core,
        .kmeans = &cpu_kmeans,
        .mixture = &cpu_mixture,
        .trees = &cpu_trees,
    };
    return &tables;
}
