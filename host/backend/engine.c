/* Opens a device by name, or for each job the one that suits it, and lends it the program's
 * threads. */
#include "backend/engine.h"

#include <math.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "backend/loader.h"
#include "base/error.h"
#include "base/memory.h"

const char *spot_version(void)
{
    return "0.1.0";
}

enum device_kind { DEVICE_AUTO, DEVICE_CPU, DEVICE_CUDA, DEVICE_UNKNOWN };

static enum device_kind kind_of(const char *device)
{
    if (device == NULL || strcmp(device, "auto") == 0) return DEVICE_AUTO;
    if (strcmp(device, "cpu") == 0) return DEVICE_CPU;
    if (strncmp(device, "cuda", 4) == 0 && (device[4] == '\0' || device[4] == ':'))
        return DEVICE_CUDA;
    return DEVICE_UNKNOWN;
}

static void run_on_pool(void *arg, int64_t tasks, backend_task *task, void *task_arg)
{
    pool_run(arg, tasks, task, task_arg);
}

static int open_cpu(spot_engine *engine, struct spot_error *err)
{
    int status = SPOT_OK;
    if (engine->cpu == NULL)
        SPOT_TRY(cpu_backend()->core->open(NULL, &engine->host, &engine->cpu, err));
    engine->tables = cpu_backend();
    engine->backend = engine->cpu;
out:
    return status;
}

static int open_cuda(spot_engine *engine, const char *device, struct spot_error *err)
{
    int status = SPOT_OK;
    if (engine->cuda_tables == NULL)
        SPOT_TRY(loader_cuda(engine->cuda_library, &engine->cuda_tables, err));
    if (engine->cuda == NULL)
        SPOT_TRY(engine->cuda_tables->core->open(device, &engine->host, &engine->cuda, err));
    engine->tables = engine->cuda_tables;
    engine->backend = engine->cuda;
out:
    return status;
}

static int host_stopped(void *arg)
{
    return engine_is_stopped(arg);
}

static void host_log(void *arg, enum spot_log_level level, const char *text)
{
    engine_log(arg, level, "%s", text);
}

static void host_streamed(void *arg, int64_t from, int64_t to, int64_t total)
{
    const struct spot_engine_options *options = &((spot_engine *)arg)->options;
    options->streamed(options->arg, from, to, total);
}

static void host_together(void *arg, void *request, backend_together *together)
{
    turns_meet(((spot_engine *)arg)->turns, request, together);
}

/* Copies the caller's texts, and notes what a backend is lent. */
static int keep_options(spot_engine *engine, struct spot_error *err)
{
    struct spot_engine_options *options = &engine->options;
    if (options->scratch != NULL) engine->scratch = spot_copy_text(options->scratch);
    if (options->cuda_library != NULL) engine->cuda_library = spot_copy_text(options->cuda_library);
    if ((options->scratch != NULL && engine->scratch == NULL) ||
        (options->cuda_library != NULL && engine->cuda_library == NULL))
        return spot_fail_memory(err, "the engine");
    engine->host = (struct backend_host){
        .threads = pool_threads(engine->pool),
        .parallel = run_on_pool,
        .parallel_arg = engine->pool,
        .stopped = host_stopped,
        .log = options->log != NULL ? host_log : NULL,
        .streamed = options->streamed != NULL ? host_streamed : NULL,
        .together = host_together,
        .arg = engine,
        .memory = options->memory,
        .scratch = engine->scratch,
    };
    return SPOT_OK;
}

static int check_engine_options(const struct spot_engine_options *options, struct spot_error *err)
{
    if (kind_of(options->device) == DEVICE_UNKNOWN)
        return spot_fail(err, SPOT_EUSAGE, "device '%s' is unknown; choose auto, cpu or cuda",
                         options->device);
    if (options->memory < 0)
        return spot_fail(err, SPOT_EUSAGE, "memory = %lld: it is 0 (no limit) or more",
                         (long long)options->memory);
    return SPOT_OK;
}

/* Opens the device asked for; `auto` begins with the CPU. */
static int open_device(spot_engine *engine, struct spot_error *err)
{
    const char *device = engine->options.device;
    engine->automatic = kind_of(device) == DEVICE_AUTO;
    if (kind_of(device) != DEVICE_CUDA) return open_cpu(engine, err);
    struct spot_error reason = {.code = SPOT_EDEVICE};
    int status = open_cuda(engine, device, &reason);
    return status == SPOT_OK ? status
                             : spot_fail(err, status, "device '%s': %s", device, reason.message);
}

int spot_engine_open(const struct spot_engine_options *options, spot_engine **out,
                     struct spot_error *err)
{
    int status = SPOT_OK;
    *out = NULL;
    spot_engine *engine = calloc(1, sizeof *engine);
    if (engine == NULL) return spot_fail_memory(err, "the engine");
    if (options != NULL) engine->options = *options;
    SPOT_TRY(check_engine_options(&engine->options, err));
    SPOT_TRY(pool_open(engine->options.threads, &engine->pool, err));
    SPOT_TRY(keep_options(engine, err));
    SPOT_TRY(open_device(engine, err));
    /* The caller's texts are not kept. */
    engine->options.device = engine->options.scratch = engine->options.cuda_library = NULL;
out:
    if (status < 0) {
        spot_engine_close(engine);
        engine = NULL;
    }
    *out = engine;
    return status;
}

/* ---- The device for a job ------------------------------------------------------------------- */

/* Opening a GPU takes as long as a CPU needs for about so many operations. */
static const double small_job = 1 << 30;

/* Bytes of a row on a GPU besides its values: weight, count, label, distance, place in a list. */
enum { ROW_STATE_BYTES = 24 };

/* Whether the open GPU has room for the rows, taken as they are, and if not, why. */
static bool has_room(const spot_engine *engine, const struct engine_job *job, char *why,
                     size_t room)
{
    enum { MOST_DEVICES = 64 };
    struct backend_device devices[MOST_DEVICES];
    const struct backend_core *core = engine->cuda_tables->core;
    double wanted = (double)job->rows * ((double)job->columns * sizeof(float) + ROW_STATE_BYTES);
    int32_t count = 0;
    if (core->devices(devices, MOST_DEVICES, &count, NULL) < 0) return true;
    for (int32_t i = 0; i < count && i < MOST_DEVICES; i++) {
        size_t length = strlen(devices[i].id);
        const char *open = core->describe(engine->cuda);
        bool same = strncmp(open, devices[i].id, length) == 0 && open[length] == ' ';
        if (!same || wanted <= (double)devices[i].memory_free) continue;
        snprintf(why, room, "%s has %lld MB free, the rows may need %.0f MB", devices[i].id,
                 (long long)(devices[i].memory_free >> 20), ceil(wanted / (1 << 20)));
        return false;
    }
    return true;
}

/* Why a job stays on the CPU; "" when the GPU has it. */
static int try_cuda(spot_engine *engine, const struct engine_job *job, char *why, size_t room,
                    struct spot_error *err)
{
    struct spot_error reason = {.message = ""};
    double work = (double)job->rows * job->columns * ((double)job->k + 8) * job->runs;
    why[0] = '\0';
    if (work < small_job) {
        snprintf(why, room, "the job is small");
        return open_cpu(engine, err);
    }
    if (open_cuda(engine, NULL, &reason) == SPOT_OK) {
        if (job->mixture != 0 && engine->tables->mixture == NULL)
            snprintf(why, room, "the CUDA backend has no Gaussian mixtures");
        else if (job->wide != 0 && engine->tables->core->data_open64 == NULL)
            snprintf(why, room, "the CUDA backend takes no rows of float64");
        else if (has_room(engine, job, why, room))
            return SPOT_OK;
    } else {
        snprintf(why, room, "%s", reason.message);
    }
    return open_cpu(engine, err);
}

int engine_choose(spot_engine *engine, const struct engine_job *job, struct spot_error *err)
{
    char why[sizeof err->message];
    if (engine->automatic == 0) {
        if (job->wide == 0 || engine->tables->core->data_open64 != NULL) return SPOT_OK;
        return spot_fail(err, SPOT_EDEVICE,
                         "device '%s' takes no rows of float64; use the cpu, or rows of float32",
                         engine->tables->core->name);
    }
    int status = try_cuda(engine, job, why, sizeof why, err);
    if (status < 0) return status;
    bool quiet = strcmp(why, "the job is small") == 0;
    engine_log(engine, quiet ? SPOT_LOG_DEBUG : SPOT_LOG_INFO, "device auto: %s%s%s",
               spot_engine_device(engine), why[0] != '\0' ? ": " : "", why);
    return SPOT_OK;
}

void spot_engine_close(spot_engine *engine)
{
    if (engine == NULL) return;
    cpu_backend()->core->close(engine->cpu);
    if (engine->cuda != NULL) engine->cuda_tables->core->close(engine->cuda);
    pool_close(engine->pool);
    free(engine->scratch);
    free(engine->cuda_library);
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

/* ---- Callbacks ------------------------------------------------------------------------------- */

void engine_call(const spot_engine *engine, void (*call)(void *arg), void *arg)
{
    turns_call(engine->turns, call, arg);
}

struct question {
    const struct spot_engine_options *options;
    int answer;
};

static void ask(void *arg)
{
    struct question *question = arg;
    question->answer = question->options->stopped(question->options->arg);
}

int engine_is_stopped(spot_engine *engine)
{
    struct question question = {&engine->options, turns_failed(engine->turns)};
    if (question.answer == 0 && engine->options.stopped != NULL)
        engine_call(engine, ask, &question);
    return question.answer;
}

struct line {
    const struct spot_engine_options *options;
    enum spot_log_level level;
    char text[512];
};

static void write_line(void *arg)
{
    const struct line *line = arg;
    line->options->log(line->options->arg, line->level, line->text);
}

void engine_log(const struct spot_engine *engine, enum spot_log_level level, const char *format,
                ...)
{
    struct line line = {.options = &engine->options, .level = level};
    va_list args;
    if (engine->options.log == NULL) return;
    va_start(args, format);
    vsnprintf(line.text, sizeof line.text, format, args);
    va_end(args);
    engine_call(engine, write_line, &line);
}

/* ---- What there is -------------------------------------------------------------------------- */

/* Adds a backend's devices to the list. */
static int add_devices(const struct backend_core *core, struct backend_device **devices,
                       int32_t *count, struct spot_error *err)
{
    int status = SPOT_OK;
    int32_t more = 0, there = 0;
    SPOT_TRY(core->devices(NULL, 0, &more, err));
    struct backend_device *grown = realloc(*devices, (size_t)(*count + more + 1) * sizeof *grown);
    if (grown == NULL) return spot_fail_memory(err, "the list of devices");
    *devices = grown;
    memset(grown + *count, 0, (size_t)(more + 1) * sizeof *grown);
    SPOT_TRY(core->devices(grown + *count, more, &there, err));
    *count += there < more ? there : more;
out:
    return status;
}

int engine_devices(const char *cuda_library, struct backend_device **out, int32_t *count,
                   struct spot_error *err)
{
    int status = SPOT_OK;
    const struct backend_tables *cuda;
    struct spot_error reason = {.message = ""};
    *out = NULL;
    *count = 0;
    SPOT_TRY(add_devices(cpu_backend()->core, out, count, err));
    status = loader_cuda(cuda_library, &cuda, &reason);
    if (status == SPOT_OK) status = add_devices(cuda->core, out, count, &reason);
    if (status < 0) { /* there is room for one more */
        struct backend_device *none = &(*out)[(*count)++];
        snprintf(none->id, sizeof none->id, "cuda");
        snprintf(none->name, sizeof none->name, "NVIDIA GPUs");
        snprintf(none->detail, sizeof none->detail, "%.*s", (int)sizeof none->detail - 1,
                 reason.message);
        status = SPOT_OK;
    }
out:
    if (status < 0) {
        free(*out);
        *out = NULL;
        *count = 0;
    }
    return status;
}
