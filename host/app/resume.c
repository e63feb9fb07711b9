#define _GNU_SOURCE /* argp */
#include "app/resume.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/error.h"
#include "base/memory.h"

static const double CHECKPOINT_SECONDS = 60;

/* ---- Opening ------------------------------------------------------------------------------- */

/* MODEL.checkpoint, or *path stays NULL where the model is no file. */
static int name_checkpoint(const char *model, char **path, struct spot_error *err)
{
    static const char suffix[] = ".checkpoint";
    struct stat target;
    if (strcmp(model, "-") == 0) return SPOT_OK;
    if (stat(model, &target) == 0 && !S_ISREG(target.st_mode)) return SPOT_OK;
    const size_t length = strlen(model);
    *path = malloc(length + sizeof suffix);
    if (*path == NULL) return spot_fail_memory(err, "a path");
    memcpy(*path, model, length);
    memcpy(*path + length, suffix, sizeof suffix);
    return SPOT_OK;
}

/* A checkpoint whose fits this command does not make belongs to another one. */
static int check_k(const struct training *job, int32_t lowest_k, int32_t highest_k,
                   struct spot_error *err)
{
    for (int32_t i = 0; i < spot_checkpoint_fits(job->checkpoint) && lowest_k > 0; i++) {
        const int32_t k = spot_checkpoint_at(job->checkpoint, i).k;
        if (k < lowest_k || k > highest_k)
            return spot_fail(err, SPOT_EUSAGE,
                             "%.300s: holds a fit with k = %d, which this command does not make; "
                             "give the same --k, or delete it to start afresh",
                             job->checkpoint_path, (int)k);
    }
    return SPOT_OK;
}

static int open_checkpoint(struct training *job, int32_t lowest_k, int32_t highest_k,
                           struct spot_error *err)
{
    int status;
    struct session *session = job->session;
    const bool resume = given(&session->arguments, OPTION_RESUME);
    SPOT_TRY(name_checkpoint(session->arguments.value[OPTION_OUTPUT], &job->checkpoint_path, err));
    const char *path = job->checkpoint_path;
    if (path == NULL) {
        if (resume)
            status = spot_fail(err, SPOT_EUSAGE,
                               "--resume: only a model that goes to a file has a checkpoint");
        goto out;
    }
    const bool there = access(path, F_OK) == 0;
    if (resume && there) {
        SPOT_TRY(spot_checkpoint_load(path, &job->checkpoint, err));
        SPOT_TRY(check_k(job, lowest_k, highest_k, err));
        goto out;
    }
    if (resume)
        session_log(session, SPOT_LOG_INFO, "there is no %s: starting afresh", path);
    else if (there)
        session_log(session, SPOT_LOG_INFO,
                    "starting afresh; with --resume the training in %s would go on", path);
    job->checkpoint = spot_checkpoint_new();
    if (job->checkpoint == NULL) status = spot_fail_memory(err, "the checkpoint");
out:
    return status;
}

/* The checkpoint is written in time, to the same file. */
static int keep_time(struct training *job, struct spot_error *err)
{
    double seconds = CHECKPOINT_SECONDS;
    int status =
        option_number(&job->session->arguments, OPTION_CHECKPOINT_EVERY, 0.0, &seconds, err);
    if (status < 0 || job->checkpoint == NULL) return status;
    return spot_checkpoint_every(job->checkpoint, job->checkpoint_path, seconds, err);
}

int resume_open(struct training *job, int32_t lowest_k, int32_t highest_k, struct spot_error *err)
{
    int status = open_checkpoint(job, lowest_k, highest_k, err);
    return status < 0 ? status : keep_time(job, err);
}

/* ---- Closing ------------------------------------------------------------------------------- */

/* A text that grows; NULL once there was no memory. */
struct text {
    char *bytes;
    int64_t length, capacity;
};

static void add_bytes(struct text *text, const char *bytes, size_t count)
{
    if (spot_grow((void **)&text->bytes, &text->capacity, text->length + (int64_t)count + 1, 1) < 0)
        return;
    memcpy(text->bytes + text->length, bytes, count);
    text->length += (int64_t)count;
    text->bytes[text->length] = '\0';
}

/* A word as a shell reads it. */
static void add_word(struct text *text, const char *word)
{
    static const char plain[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789"
                                "_-+=:,./@%";
    add_bytes(text, " ", 1);
    if (*word != '\0' && word[strspn(word, plain)] == '\0') {
        add_bytes(text, word, strlen(word));
        return;
    }
    add_bytes(text, "'", 1);
    for (; *word != '\0'; word++)
        if (*word == '\'')
            add_bytes(text, "'\\''", 4);
        else
            add_bytes(text, word, 1);
    add_bytes(text, "'", 1);
}

/* The command that goes on, or NULL without memory; the caller frees it. */
static char *command_again(const struct session *session)
{
    const struct arguments *arguments = &session->arguments;
    struct text text = {0};
    add_bytes(&text, "blackspot ", 10);
    add_bytes(&text, session->command->name, strlen(session->command->name));
    for (int i = 1; i < arguments->argc; i++)
        add_word(&text, arguments->argv[i]);
    if (!given(arguments, OPTION_RESUME)) add_word(&text, "--resume");
    return text.bytes;
}

static void leave_checkpoint(const struct training *job)
{
    struct session *session = job->session;
    const char *path = job->checkpoint_path;
    struct spot_error err = {0};
    if (spot_checkpoint_fits(job->checkpoint) == 0) {
        session_log(session, SPOT_LOG_INFO,
                    "stopped before the first iteration: there is nothing to go on from");
        return;
    }
    if (spot_checkpoint_save(job->checkpoint, path, &err) < 0) {
        session_log(session, SPOT_LOG_ERROR, "no checkpoint: %s", err.message);
        return;
    }
    char *again = command_again(session);
    session_log(session, SPOT_LOG_WARNING, "%s holds the training so far; it goes on with: %s",
                path, again != NULL ? again : "--resume");
    free(again);
}

int resume_close(struct training *job, int status)
{
    const char *path = job->checkpoint_path;
    if (job->checkpoint != NULL && status == SPOT_ESTOPPED)
        leave_checkpoint(job);
    else if (job->checkpoint != NULL && status >= 0 && unlink(path) == 0)
        session_log(job->session, SPOT_LOG_INFO, "removed %s: the model is done", path);
    spot_checkpoint_free(job->checkpoint);
    free(job->checkpoint_path);
    job->checkpoint = NULL;
    job->checkpoint_path = NULL;
    return status;
}
