/* The program: finds the subcommand, runs it, and tells the person how it ended. */
#define _GNU_SOURCE /* argp */
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "app/session.h"
#include "app/stop.h"
#include "base/error.h"

enum { EXIT_DONE = 0, EXIT_FAILED = 1, EXIT_USAGE = 2, EXIT_DATA = 3, EXIT_SIGNAL = 128 };

/* A closed standard stream would be handed to the first file that is opened. */
static void occupy_standard_streams(void)
{
    for (int fd = STDIN_FILENO; fd <= STDERR_FILENO; fd++)
        if (fcntl(fd, F_GETFD) == -1 && open("/dev/null", O_RDONLY) != fd) _exit(EXIT_FAILED);
}

static int exit_code(int status)
{
    switch (status) {
    case SPOT_EUSAGE:
        return EXIT_USAGE;
    case SPOT_EDATA:
        return EXIT_DATA;
    case SPOT_ESTOPPED:
        return EXIT_SIGNAL + stop_requested();
    default:
        return status < 0 ? EXIT_FAILED : EXIT_DONE;
    }
}

/* What was printed must have arrived. */
static int finish_output(struct spot_error *err)
{
    if (fflush(stdout) == 0 && !ferror(stdout)) return SPOT_OK;
    return spot_fail(err, SPOT_EIO, "cannot write to standard output");
}

static int print_version(struct spot_error *err)
{
    printf("blackspot %s\n", spot_version());
    return finish_output(err);
}

static int run_command(const struct command *command, int argc, char **argv, struct spot_error *err)
{
    struct session session;
    int status = session_open(command, argc, argv, &session, err);
    if (status < 0) {
        session_close(&session);
        return status;
    }
    if (given(&session.arguments, OPTION_HELP)) {
        command_help(command, stdout);
        status = finish_output(err);
    } else if (given(&session.arguments, OPTION_VERSION)) {
        status = print_version(err);
    } else {
        status = session_outcome(&session, command->run(&session, err), err);
        if (status >= 0) status = finish_output(err);
    }
    session_close(&session);
    return status;
}

/* `help`, `help --man`, `help COMMAND`. */
static int run_help(int argc, char **argv, struct spot_error *err)
{
    const struct command *command;
    int words;
    if (argc < 3)
        command_overview(stdout);
    else if (strcmp(argv[2], "--man") == 0)
        command_manual(stdout);
    else if (argc == 3 && command_help_for(argv[2], stdout) > 0)
        return finish_output(err);
    else {
        int status = command_find(argc - 1, argv + 1, &command, &words, err);
        if (status < 0) return status;
        command_help(command, stdout);
    }
    return finish_output(err);
}

static bool asks_help(const char *word)
{
    return word != NULL && (strcmp(word, "--help") == 0 || strcmp(word, "-h") == 0);
}

/* *name: what stands before a message. */
static int dispatch(int argc, char **argv, const char **name, struct spot_error *err)
{
    const struct command *command;
    const char *first = argc > 1 ? argv[1] : NULL;
    int words;
    if (first == NULL) {
        command_overview(stderr);
        return spot_fail(err, SPOT_EUSAGE, "a command is missing");
    }
    if (strcmp(first, "help") == 0) return run_help(argc, argv, err);
    if (asks_help(first)) return run_help(1, argv, err);
    if (strcmp(first, "--version") == 0) return print_version(err);
    if (first[0] == '-')
        return spot_fail(err, SPOT_EUSAGE, "options follow a command: blackspot COMMAND %.60s",
                         first);
    if (asks_help(argv[2]) && command_help_for(first, stdout) > 0) return finish_output(err);
    int status = command_find(argc, argv, &command, &words, err);
    if (status < 0) return status;
    *name = command->name;
    return run_command(command, argc - words, argv + words, err);
}

int main(int argc, char **argv)
{
    struct spot_error err = {0};
    const char *name = NULL;
    occupy_standard_streams();
    stop_install();
    int status = dispatch(argc, argv, &name, &err);
    if (status < 0)
        fprintf(stderr, "blackspot%s%s: %s\n", name != NULL ? " " : "", name != NULL ? name : "",
                err.message);
    return exit_code(status);
}
