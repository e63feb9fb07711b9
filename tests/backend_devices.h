/* The devices that the suites of backends run over: the CPU's instruction sets and, where
 * BLACKSPOT_CUDA_LIBRARY names a plugin, that one: emulated, or the real one on a machine with a
 * GPU. A suite defines _GNU_SOURCE before anything else. */
#ifndef SPOT_TESTS_BACKEND_DEVICES_H
#define SPOT_TESTS_BACKEND_DEVICES_H

#include <dlfcn.h>
#include <stdio.h>

#include "backend_problem.h"
#include "base/pool.h"
#include "suite.h"

/* The CPU is left out where only a plugin is tested, and that one may be linked in. */
extern const struct backend_tables *cpu_backend(void) __attribute__((weak));
extern backend_entry spot_backend_entry __attribute__((weak));

/* ---- Devices -------------------------------------------------------------------------------- */

struct device {
    const char *name;
    const struct backend_tables *tables;
    struct backend *backend;
};

static struct device devices[4];
static int device_count;
static struct spot_pool *pool;
static struct spot_error error;
static int stop; /* what devices that ask are told */

static void ok(int status)
{
    if (status < 0) printf("\n%s\n", error.message);
    CU_ASSERT_EQUAL_FATAL(status, SPOT_OK);
}

static void on_pool(void *arg, int64_t tasks, backend_task *task, void *task_arg)
{
    pool_run(arg, tasks, task, task_arg);
}

static int stopped(void *arg)
{
    (void)arg;
    return stop;
}

static void add_device(const char *name, const struct backend_tables *tables)
{
    struct device *device = &devices[device_count];
    const struct backend_host host = {.threads = pool_threads(pool),
                                      .parallel = on_pool,
                                      .parallel_arg = pool,
                                      .stopped = stopped};
    *device = (struct device){name, tables, NULL};
    if (tables == NULL) return;
    int status = tables->core->open(NULL, &host, &device->backend, &error);
    if (status == SPOT_EDEVICE && tables->core->name[1] == 'p') return; /* not this processor */
    ok(status);
    device_count++;
}

static void open_devices(void)
{
    static const char *const variants[] = {"ref", "avx2", "avx512"};
    ok(pool_open(2, &pool, &error));
    for (int v = 0; v < 3 && cpu_backend != NULL; v++) {
        setenv("BLACKSPOT_CPU", variants[v], 1);
        add_device(variants[v], cpu_backend());
    }
    unsetenv("BLACKSPOT_CPU");
    if (spot_backend_entry != NULL) add_device("cuda", spot_backend_entry(SPOT_BACKEND_VERSION));
    const char *path = getenv("BLACKSPOT_CUDA_LIBRARY");
    if (path != NULL) {
        void *plugin = dlopen(path, RTLD_NOW | RTLD_LOCAL);
        if (plugin == NULL) printf("\n%s\n", dlerror());
        CU_ASSERT_PTR_NOT_NULL_FATAL(plugin);
        backend_entry *entry = NULL;
        *(void **)&entry = dlsym(plugin, SPOT_BACKEND_ENTRY);
        CU_ASSERT_PTR_NOT_NULL_FATAL(entry);
        add_device("cuda", entry(SPOT_BACKEND_VERSION));
    }
    CU_ASSERT_TRUE_FATAL(device_count > 0);
    for (int i = 0; i < device_count; i++)
        printf(" %s", devices[i].name);
}

static void close_devices(void)
{
    for (int i = 0; i < device_count; i++)
        devices[i].tables->core->close(devices[i].backend);
    pool_close(pool);
}

/* The rows in batches of a size that fits nothing. */
static inline struct backend_data *put_rows(const struct device *device, const struct problem *p)
{
    const struct backend_core *core = device->tables->core;
    struct backend_data *data;
    ok(core->data_open(device->backend, p->rows, p->columns, p->offset, p->largest, p->batch_rows,
                       &data, &error));
    int64_t batch = p->batch_rows > 0 ? p->batch_rows : p->rows;
    for (int64_t first = 0; first < p->rows; first += batch) {
        int64_t rows = p->rows - first < batch ? p->rows - first : batch;
        ok(core->data_put(data, first, rows, p->values + first * p->columns,
                          p->weights == NULL ? NULL : p->weights + first,
                          p->counts == NULL ? NULL : p->counts + first, &error));
    }
    if (p->group_of_row != NULL)
        ok(core->data_map(data, p->original_rows, p->group_of_row, 0, &error));
    return data;
}

/* Of a suite that opens devices first and closes them last, the one test that is named. */
static void choose_test(struct suite_test *tests, size_t entries, const char *name)
{
    const size_t last = entries - 2;
    for (size_t i = 1; name != NULL && i < last; i++) {
        if (strcmp(tests[i].name, name) != 0) continue;
        tests[1] = tests[i];
        tests[2] = tests[last];
        tests[3] = tests[last + 1];
        break;
    }
}

static inline void on_all(const struct problem *p,
                          void (*check)(const struct device *device, const struct problem *p))
{
    for (int i = 0; i < device_count; i++)
        check(&devices[i], p);
}

#endif
