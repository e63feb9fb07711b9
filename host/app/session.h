/* One run of one subcommand: its arguments, configuration, common settings, log and engine. */
#ifndef SPOT_APP_SESSION_H
#define SPOT_APP_SESSION_H

#include "app/arguments.h"
#include "app/progress.h"
#include "backend/engine.h"
#include "data/config.h"
#include "data/prepare.h"

struct session {
    const struct command *command;
    struct arguments arguments;
    struct config *config; /* the file with --set applied; an empty map without either */

    /* What the common options say. */
    const char *device;
    char *cuda_library;                        /* from the configuration, or NULL */
    int64_t threads, memory, batch_rows, seed; /* 0: not limited, or as many as sensible */
    enum spot_log_level level;

    spot_engine *engine; /* NULL until session_engine */
    char *scratch;       /* from then on: where temporary files go, NULL: the default */
    struct progress progress;
    double started;
    bool over_memory; /* why a step was stopped, when no signal asked for it */
};

/* Reads arguments, configuration and common settings. The caller closes, also after a failure. */
int session_open(const struct command *command, int argc, char **argv, struct session *session,
                 struct spot_error *err);
void session_close(struct session *session);

/* Opens the engine that --device and --threads ask for. */
int session_engine(struct session *session, struct spot_error *err);

/* A line on standard error, if --log-level lets it through. */
void session_log(struct session *session, enum spot_log_level level, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

/* Not 0 when a step should end: a signal came or --memory is used up. */
int session_stopped(struct session *session);

/* What a failed step means: SPOT_ESTOPPED with the reason when session_stopped asked for it. */
int session_outcome(struct session *session, int status, struct spot_error *err);

/* Options for reading: inputs, configuration, progress and warnings filled in. SPOT_EUSAGE when
 * there is nothing to read. */
int session_reading(struct session *session, struct prepare_options *options,
                    struct spot_error *err);

/* Whether the matrix is to be float64: --float64, or `precision` of the configuration. */
int session_precision(const struct session *session, bool *wide, struct spot_error *err);

/* What `options.progress` is; arg: the session. */
int session_progress(void *arg, int64_t rows, int64_t bytes, int64_t total);

/* An option without which the command makes no sense. */
int session_require(const struct session *session, enum option_id option, const char *example,
                    struct spot_error *err);

/* Refuses, before any work, an output whose folder does not exist, that is one of the files to read
 * or that is the main output too. */
int session_check_output(const struct session *session, const char *path, struct spot_error *err);
/* The same for a folder that is made when it is not there. */
int session_check_folder(const char *path, struct spot_error *err);

/* Prints the result as one line and deletes it: on standard output or, where the main output goes
 * there, in the log. */
int session_result(struct session *session, cJSON *result, struct spot_error *err);

#endif
