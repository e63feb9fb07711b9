#define _GNU_SOURCE /* argp */
#include "app/session.h"

#include <errno.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "app/result.h"
#include "app/stop.h"
#include "base/error.h"
#include "base/memory.h"
#include "base/scratch.h"
#include "data/json.h"

/* ---- Settings ------------------------------------------------------------------------------ */

static const char *const root_keys[] = {"input", "columns", "checks", "features",  "kmeans", "gmm",
                                        "map",   "engine",  "seed",   "precision", NULL};
static const char *const engine_keys[] = {"device",     "threads",      "memory",
                                          "batch_rows", "cuda_library", NULL};
static const char *const levels[] = {"error", "warning", "info", "debug", NULL};

enum { MEMORY_MINIMUM = 1 << 20 };

static int read_config(struct session *session, struct spot_error *err)
{
    const struct arguments *arguments = &session->arguments;
    const char *path = arguments->value[OPTION_CONFIG];
    int status = path != NULL ? config_read(path, &session->config, err)
                              : config_parse("", "--set", &session->config, err);
    for (int i = 0; i < arguments->sets.count && status >= 0; i++)
        status = config_set(session->config, arguments->sets.items[i], err);
    if (status >= 0) status = config_known(session->config, root_keys, err);
    return status;
}

static int config_settings(struct session *session, struct spot_error *err)
{
    int status;
    const struct config *engine = config_get(session->config, "engine");
    const char *memory = NULL, *library = NULL;
    if (engine != NULL) SPOT_TRY(config_known(engine, engine_keys, err));
    SPOT_TRY(config_text(engine, "device", &session->device, err));
    SPOT_TRY(config_integer(engine, "threads", 1, 1024, &session->threads, err));
    SPOT_TRY(config_integer(engine, "batch_rows", 1, INT64_MAX, &session->batch_rows, err));
    SPOT_TRY(config_integer(session->config, "seed", 0, INT64_MAX, &session->seed, err));
    SPOT_TRY(config_text(engine, "memory", &memory, err));
    SPOT_TRY(config_text(engine, "cuda_library", &library, err));
    if (library != NULL) {
        session->cuda_library = config_path(config_get(engine, "cuda_library"));
        if (session->cuda_library == NULL) {
            status = spot_fail_memory(err, "a path");
            goto out;
        }
    }
    if (memory != NULL) {
        session->memory = parse_size(memory);
        if (session->memory < MEMORY_MINIMUM)
            status = config_fail(config_get(engine, "memory"), err,
                                 "memory: '%.60s' is no size of at least 1M, such as 512M or 4G",
                                 memory);
    }
out:
    return status;
}

static int option_settings(struct session *session, struct spot_error *err)
{
    int status;
    const struct arguments *arguments = &session->arguments;
    int32_t level = SPOT_LOG_INFO;
    if (given(arguments, OPTION_QUIET)) level = SPOT_LOG_ERROR;
    option_text(arguments, OPTION_DEVICE, &session->device);
    SPOT_TRY(option_integer(arguments, OPTION_THREADS, 1, 1024, &session->threads, err));
    SPOT_TRY(option_integer(arguments, OPTION_BATCH_ROWS, 1, INT64_MAX, &session->batch_rows, err));
    SPOT_TRY(option_integer(arguments, OPTION_SEED, 0, INT64_MAX, &session->seed, err));
    SPOT_TRY(option_choice(arguments, OPTION_LOG_LEVEL, levels, &level, err));
    session->level = (enum spot_log_level)level;
    if (given(arguments, OPTION_MEMORY)) {
        session->memory = parse_size(arguments->value[OPTION_MEMORY]);
        if (session->memory < MEMORY_MINIMUM)
            status = spot_fail(err, SPOT_EUSAGE,
                               "--memory: '%.60s' is no size of at least 1M, such as 512M or 4G",
                               arguments->value[OPTION_MEMORY]);
    }
out:
    return status;
}

int session_open(const struct command *command, int argc, char **argv, struct session *session,
                 struct spot_error *err)
{
    int status;
    *session = (struct session){.command = command, .started = now_seconds()};
    SPOT_TRY(arguments_parse(command, argc, argv, &session->arguments, err));
    if (given(&session->arguments, OPTION_HELP) || given(&session->arguments, OPTION_VERSION))
        return SPOT_OK;
    SPOT_TRY(read_config(session, err));
    SPOT_TRY(config_settings(session, err));
    SPOT_TRY(option_settings(session, err));
    progress_open(&session->progress, given(&session->arguments, OPTION_QUIET));
out:
    return status;
}

void session_close(struct session *session)
{
    progress_clear(&session->progress);
    spot_engine_close(session->engine);
    config_free(session->config);
    free(session->cuda_library);
    free(session->scratch);
    arguments_clear(&session->arguments);
}

/* ---- Log and engine ------------------------------------------------------------------------ */

void session_log(struct session *session, enum spot_log_level level, const char *format, ...)
{
    if (level > session->level) return;
    va_list args;
    va_start(args, format);
    progress_clear(&session->progress);
    fprintf(stderr, "%s: ", levels[level]);
    vfprintf(stderr, format, args);
    fputc('\n', stderr);
    va_end(args);
}

static void log_line(void *arg, enum spot_log_level level, const char *text)
{
    session_log(arg, level, "%s", text);
}

static int engine_stopped(void *arg)
{
    return session_stopped(arg);
}

static void engine_streamed(void *arg, int64_t from, int64_t to, int64_t total)
{
    struct session *session = arg;
    progress_streamed(&session->progress, from, to, total);
}

/* Temporary files lie beside the output: its disk has to have room anyway. */
static int find_scratch(struct session *session, struct spot_error *err)
{
    const char *output = session->arguments.value[OPTION_OUTPUT];
    if (session->memory == 0 || output == NULL || strcmp(output, "-") == 0) return SPOT_OK;
    const char *slash = strrchr(output, '/');
    session->scratch = spot_copy_text(slash == NULL ? "." : output);
    if (session->scratch == NULL) return spot_fail_memory(err, "a path");
    if (slash != NULL) session->scratch[slash - output + (slash == output)] = '\0';
    return SPOT_OK;
}

int session_engine(struct session *session, struct spot_error *err)
{
    int status = find_scratch(session, err);
    if (status < 0) return status;
    const struct spot_engine_options options = {.device = session->device,
                                                .threads = (int32_t)session->threads,
                                                .log = log_line,
                                                .stopped = engine_stopped,
                                                .streamed = engine_streamed,
                                                .arg = session,
                                                .memory = session->memory,
                                                .scratch = session->scratch,
                                                .cuda_library = session->cuda_library};
    return spot_engine_open(&options, &session->engine, err);
}

/* ---- Stopping ------------------------------------------------------------------------------ */

int session_stopped(struct session *session)
{
    if (stop_requested() != 0) return 1;
    if (session->memory > 0 && resident_bytes(session->memory) > session->memory)
        session->over_memory = true;
    return session->over_memory;
}

int session_outcome(struct session *session, int status, struct spot_error *err)
{
    progress_clear(&session->progress);
    if (status >= 0) return status;
    if (stop_requested() != 0) return spot_fail(err, SPOT_ESTOPPED, "stopped");
    if (session->over_memory && status == SPOT_ESTOPPED)
        return spot_fail(err, SPOT_ENOMEM,
                         "this job needs more than the %lld MB that --memory allows; allow more, "
                         "or read fewer rows or columns",
                         (long long)(session->memory >> 20));
    return status;
}

/* ---- Reading ------------------------------------------------------------------------------- */

int session_progress(void *arg, int64_t rows, int64_t bytes, int64_t total)
{
    struct session *session = arg;
    progress_reading(&session->progress, rows, bytes, total);
    return session_stopped(session);
}

static void reading_warning(void *arg, const char *text)
{
    session_log(arg, SPOT_LOG_WARNING, "%s", text);
}

int session_reading(struct session *session, struct prepare_options *options,
                    struct spot_error *err)
{
    const struct text_list *inputs = &session->arguments.inputs;
    bool configured = session->config->count > 0;
    const struct config *files = config_get(config_get(session->config, "input"), "files");
    const char *spool = getenv("TMPDIR");
    if (inputs->count == 0 && files == NULL)
        return spot_fail(err, SPOT_EUSAGE, "there is nothing to read: give --input FILE%s",
                         given(&session->arguments, OPTION_CONFIG)
                             ? " or input.files in the configuration"
                             : "");
    *options = (struct prepare_options){.inputs = inputs->items,
                                        .inputs_count = inputs->count,
                                        .config = configured ? session->config : NULL,
                                        .spool_dir = spool != NULL ? spool : "/tmp",
                                        .progress = session_progress,
                                        .warn = reading_warning,
                                        .arg = session};
    progress_stage(&session->progress);
    return SPOT_OK;
}

int session_precision(const struct session *session, bool *wide, struct spot_error *err)
{
    static const char *const words[] = {"float32", "float64", NULL};
    int32_t word = 0;
    int status = config_choice(session->config, "precision", words, &word, err);
    *wide = word == 1 || given(&session->arguments, OPTION_FLOAT64);
    return status;
}

int session_require(const struct session *session, enum option_id option, const char *example,
                    struct spot_error *err)
{
    if (given(&session->arguments, option)) return SPOT_OK;
    return spot_fail(err, SPOT_EUSAGE, "option '--%s' is missing: --%s %s", option_name(option),
                     option_name(option), example);
}

/* ---- Writing ------------------------------------------------------------------------------- */

static bool same_file(const struct stat *a, const char *path)
{
    struct stat b;
    return stat(path, &b) == 0 && a->st_dev == b.st_dev && a->st_ino == b.st_ino;
}

static int check_folder(const char *path, struct spot_error *err)
{
    struct stat folder;
    const char *slash = strrchr(path, '/');
    char *name = spot_copy_text(path);
    if (name == NULL) return spot_fail_memory(err, "a path");
    if (slash != NULL) name[slash - path + (slash == path)] = '\0';
    const char *where = slash != NULL ? name : ".";
    int status = SPOT_OK;
    if (stat(where, &folder) != 0)
        status = spot_fail(err, SPOT_EIO, "cannot write %.200s: folder %.200s: %s", path, where,
                           strerror(errno));
    else if (!S_ISDIR(folder.st_mode))
        status =
            spot_fail(err, SPOT_EIO, "cannot write %.200s: %.200s is not a folder", path, where);
    else if (access(where, W_OK) != 0)
        status = spot_fail(err, SPOT_EIO, "cannot write %.200s: folder %.200s: %s", path, where,
                           strerror(errno));
    free(name);
    return status;
}

/* Whether a file is named in the configuration: as a table (unless --input is given) or as centres.
 */
static bool in_config(const struct session *session, const struct stat *target)
{
    const struct config *nodes[] = {config_get(config_get(session->config, "input"), "files"),
                                    config_get(config_get(session->config, "kmeans"), "init"),
                                    config_get(config_get(session->config, "gmm"), "init")};
    bool found = false;
    for (int i = session->arguments.inputs.count > 0; i < 3; i++) {
        const struct config *node = nodes[i];
        int32_t count = node == NULL ? 0 : node->kind == CONFIG_LIST ? node->count : 1;
        for (int32_t f = 0; f < count && !found; f++) {
            const struct config *item = node->kind == CONFIG_LIST ? node->items[f] : node;
            char *path = item->kind == CONFIG_TEXT ? config_path(item) : NULL;
            found = path != NULL && same_file(target, path);
            free(path);
        }
    }
    return found;
}

static bool is_read(const struct session *session, const struct stat *target)
{
    static const enum option_id files[] = {OPTION_CONFIG,      OPTION_MODEL,  OPTION_INIT,
                                           OPTION_PREDICTIONS, OPTION_LABELS, OPTION_ENCODER};
    const struct arguments *arguments = &session->arguments;
    bool found = in_config(session, target);
    for (int i = 0; i < arguments->inputs.count && !found; i++)
        found = same_file(target, arguments->inputs.items[i]);
    for (size_t i = 0; i < sizeof files / sizeof *files && !found; i++)
        found = given(arguments, files[i]) && same_file(target, arguments->value[files[i]]);
    return found;
}

int session_check_output(const struct session *session, const char *path, struct spot_error *err)
{
    const char *output = session->arguments.value[OPTION_OUTPUT];
    if (output != NULL && path != output && strcmp(path, output) == 0)
        return spot_fail(err, SPOT_EUSAGE, "%.200s is asked for two outputs", path);
    struct stat target;
    if (strcmp(path, "-") == 0) return SPOT_OK;
    int status = check_folder(path, err);
    if (status < 0 || stat(path, &target) != 0) return status;
    if (S_ISDIR(target.st_mode))
        return spot_fail(err, SPOT_EIO, "cannot write %.200s: it is a folder", path);
    if (S_ISREG(target.st_mode) && is_read(session, &target))
        return spot_fail(err, SPOT_EUSAGE, "%.200s is an input; it would be overwritten", path);
    return SPOT_OK;
}

int session_check_folder(const char *path, struct spot_error *err)
{
    struct stat target;
    if (stat(path, &target) != 0) {
        char *name = spot_copy_text(path);
        if (name == NULL) return spot_fail_memory(err, "a path");
        for (size_t length = strlen(name); length > 1 && name[length - 1] == '/'; length--)
            name[length - 1] = '\0';
        int status = check_folder(name, err);
        free(name);
        return status;
    }
    if (!S_ISDIR(target.st_mode))
        return spot_fail(err, SPOT_EIO, "cannot write into %.200s: it is not a folder", path);
    return SPOT_OK;
}

int session_result(struct session *session, cJSON *result, struct spot_error *err)
{
    const char *output = session->arguments.value[OPTION_OUTPUT];
    if (output == NULL || strcmp(output, "-") != 0) return result_print(result, err);
    char *line = result != NULL ? json_print(result, false) : NULL;
    if (line != NULL) session_log(session, SPOT_LOG_INFO, "%.*s", (int)strlen(line) - 1, line);
    free(line);
    cJSON_Delete(result);
    return SPOT_OK;
}
