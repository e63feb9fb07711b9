/* What a subcommand is: its words for the help and the man page, its options, and what it does. The
 * list of them is in command.c; main.c finds one and runs it. */
#ifndef SPOT_APP_COMMAND_H
#define SPOT_APP_COMMAND_H

#include <argp.h>
#include <stdio.h>

#include "blackspot.h"

struct session;

struct command {
    const char *name;     /* "train kmeans": one or two words */
    const char *summary;  /* a few words for the list of commands */
    const char *usage;    /* the arguments in short */
    const char *about;    /* what it does, in paragraphs */
    const char *example;  /* one or more lines for a shell */
    const char *argument; /* name of the first argument without an option, "MODEL", or NULL */
    const char *target;   /* of the second, "OUT", or NULL */
    const struct argp_option *options; /* its own */
    const struct argp_option *shared;  /* those of several commands, or NULL */
    int (*run)(struct session *session, struct spot_error *err);
};

extern const struct command command_prepare, command_train_kmeans, command_train_gmm, command_score,
    command_evaluate, command_sample, command_info, command_convert, command_devices,
    command_bench_kmeans, command_bench_read;

/* All subcommands, NULL-terminated. */
extern const struct command *const commands[];

/* The subcommand that argv[1] (and argv[2]) name; *words is how many of them were used.
 * SPOT_EUSAGE suggests the nearest name. */
int command_find(int argc, char **argv, const struct command **command, int *words,
                 struct spot_error *err);

/* `blackspot help`: the overview. */
void command_overview(FILE *out);

/* `blackspot COMMAND --help`. */
void command_help(const struct command *command, FILE *out);

/* The help of each command that begins with this word; how many there were. */
int command_help_for(const char *word, FILE *out);

/* `blackspot help --man`: the same texts as a man page. */
void command_manual(FILE *out);

#endif
