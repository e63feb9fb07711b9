#define _GNU_SOURCE /* argp */
#include "app/command.h"

#include <ctype.h>
#include <string.h>

#include "app/arguments.h"
#include "base/error.h"
#include "data/config.h"

const struct command *const commands[] = {
    &command_prepare,  &command_train_kmeans, &command_train_gmm,  &command_score,
    &command_evaluate, &command_sample,       &command_info,       &command_convert,
    &command_devices,  &command_bench_kmeans, &command_bench_read, NULL,
};

/* ---- Finding ------------------------------------------------------------------------------- */

/* The length of a name's first word; *second is the other word or NULL. */
static size_t first_word(const char *name, const char **second)
{
    size_t length = strcspn(name, " ");
    *second = name[length] == ' ' ? name + length + 1 : NULL;
    return length;
}

static bool begins_with(const struct command *command, const char *word)
{
    const char *second;
    size_t length = first_word(command->name, &second);
    return strlen(word) == length && memcmp(command->name, word, length) == 0;
}

/* The word meant by a wrong one, or NULL. first NULL: among the first words; else among the second
 * words of those commands that begin with `first`. */
static const char *suggestion(const char *word, const char *first, char *list, size_t room)
{
    static const char *const firsts[] = {"prepare", "train", "score",   "evaluate",
                                         "sample",  "info",  "convert", "devices",
                                         "bench",   "help",  NULL};
    const char *seconds[16];
    int count = 0;
    if (first == NULL) return nearest_word(word, firsts);
    list[0] = '\0';
    for (const struct command *const *c = commands; *c != NULL; c++) {
        const char *second;
        first_word((*c)->name, &second);
        if (second == NULL || !begins_with(*c, first)) continue;
        size_t used = strlen(list);
        snprintf(list + used, room - used, "%s%s", count > 0 ? ", " : "", second);
        seconds[count++] = second;
    }
    seconds[count] = NULL;
    return nearest_word(word, seconds);
}

static int fail_second(const char *first, const char *word, struct spot_error *err)
{
    char list[100];
    const char *meant = suggestion(word == NULL ? "" : word, first, list, sizeof list);
    if (word == NULL || word[0] == '-')
        return spot_fail(err, SPOT_EUSAGE, "'%s' needs to know what: blackspot %s %s", first, first,
                         list);
    if (meant != NULL)
        return spot_fail(err, SPOT_EUSAGE, "unknown command '%s %.60s'; did you mean '%s %s'?",
                         first, word, first, meant);
    return spot_fail(err, SPOT_EUSAGE, "unknown command '%s %.60s'; after '%s' comes: %s", first,
                     word, first, list);
}

int command_find(int argc, char **argv, const struct command **command, int *words,
                 struct spot_error *err)
{
    const char *first = argv[1], *second = argc > 2 ? argv[2] : NULL;
    bool known = false;
    for (const struct command *const *c = commands; *c != NULL; c++) {
        const char *wanted;
        if (!begins_with(*c, first)) continue;
        known = true;
        first_word((*c)->name, &wanted);
        if (wanted != NULL && (second == NULL || strcmp(second, wanted) != 0)) continue;
        *command = *c;
        *words = wanted != NULL ? 2 : 1;
        return SPOT_OK;
    }
    if (known) return fail_second(first, second, err);
    const char *meant = suggestion(first, NULL, NULL, 0);
    if (meant != NULL)
        return spot_fail(err, SPOT_EUSAGE, "unknown command '%.60s'; did you mean '%s'?", first,
                         meant);
    return spot_fail(err, SPOT_EUSAGE, "unknown command '%.60s'; 'blackspot help' lists them",
                     first);
}

/* ---- Help ---------------------------------------------------------------------------------- */

/* Lines are broken for a terminal; the man page breaks them anew. */
static const char program_about[] =
    "Train and score accident-risk models: raw accident files in, clusters and scores\n"
    "out. The same data and options give the same model, bit for bit, on any number\n"
    "of threads.\n";
static const char result_about[] =
    "Standard output carries one line of JSON, the result; the log and the progress\n"
    "bar go to standard error.\n";
static const char exit_about[] =
    "0 done, 1 failed, 2 wrong usage or configuration, 3 data rejected by validation,\n"
    "130 stopped by Ctrl-C and 143 by SIGTERM, with no half file left.\n";

void command_overview(FILE *out)
{
    fprintf(out, "Usage: blackspot COMMAND [OPTION...]\n\n%s\nCommands:\n", program_about);
    for (const struct command *const *c = commands; *c != NULL; c++)
        fprintf(out, "  %-14s %s\n", (*c)->name, (*c)->summary);
    fprintf(out,
            "\n"
            "  blackspot COMMAND --help   its options, with an example\n"
            "  blackspot help --man       everything as a man page\n"
            "  blackspot --version\n\n"
            "%s\nExit codes: %s",
            result_about, exit_about);
}

void command_help(const struct command *command, FILE *out)
{
    struct argp_option merged[MERGED_OPTIONS];
    char name[64];
    merge_options(command, merged);
    snprintf(name, sizeof name, "blackspot %s", command->name);
    const struct argp parser = {.options = merged, .doc = command->about};
    fprintf(out, "Usage: %s %s\n", name, command->usage);
    argp_help(&parser, out, ARGP_HELP_PRE_DOC | ARGP_HELP_LONG, name);
    fputs("\nExample:\n", out); /* not left to argp, which would break its lines */
    for (const char *line = command->example; *line != '\0';) {
        size_t length = strcspn(line, "\n");
        fprintf(out, "  %.*s\n", (int)length, line);
        line += length + (line[length] == '\n');
    }
}

int command_help_for(const char *word, FILE *out)
{
    int found = 0;
    for (const struct command *const *c = commands; *c != NULL; c++) {
        if (!begins_with(*c, word)) continue;
        if (found++ > 0) fputc('\n', out);
        command_help(*c, out);
    }
    return found;
}

/* ---- The man page -------------------------------------------------------------------------- */

/* Text with what troff would take for a command made harmless. */
static void roff(FILE *out, const char *text)
{
    bool line_begins = true;
    for (; *text != '\0'; text++) {
        if (line_begins && (*text == '.' || *text == '\'')) fputs("\\&", out);
        if (*text == '\\')
            fputs("\\e", out);
        else if (*text == '-')
            fputs("\\-", out);
        else if (*text == '\n' && text[1] == '\n')
            fputs("\n.PP", out), text += strspn(text + 1, "\n") - 1;
        else
            fputc(*text, out);
        line_begins = *text == '\n';
    }
}

static void roff_options(FILE *out, const struct argp_option *options)
{
    for (; options != NULL && !option_ends(options); options++) {
        if (options->name == NULL) continue;
        fputs(".TP\n\\fB\\-\\-", out);
        roff(out, options->name);
        fputs("\\fR", out);
        if (options->arg != NULL) fprintf(out, " \\fI%s\\fR", options->arg);
        fputc('\n', out);
        roff(out, options->doc);
        fputc('\n', out);
    }
}

static void roff_command(FILE *out, const struct command *command)
{
    fprintf(out, ".SS blackspot %s\n.B blackspot %s\n", command->name, command->name);
    roff(out, command->usage);
    fputs("\n.PP\n", out);
    roff(out, command->about);
    fputc('\n', out);
    roff_options(out, command->options);
    roff_options(out, command->shared);
    fputs(".PP\nExample:\n.PP\n.nf\n.RS\n", out);
    roff(out, command->example);
    fputs("\n.RE\n.fi\n", out);
}

void command_manual(FILE *out)
{
    fprintf(out, ".TH BLACKSPOT 1 \"\" \"blackspot %s\" \"User Commands\"\n", spot_version());
    fputs(".SH NAME\nblackspot \\- train and score accident\\-risk models\n"
          ".SH SYNOPSIS\n.B blackspot\n.I COMMAND\n[\\fIOPTION\\fR...]\n.SH DESCRIPTION\n",
          out);
    roff(out, program_about);
    fputs(".PP\n", out);
    roff(out, result_about);
    fputs(".SH COMMANDS\n", out);
    for (const struct command *const *c = commands; *c != NULL; c++)
        roff_command(out, *c);
    fputs(".SH COMMON OPTIONS\n", out);
    roff_options(out, common_options);
    fputs(".SH EXIT STATUS\n", out);
    roff(out, exit_about);
    fputs(".SH ENVIRONMENT\n.TP\n.B BLACKSPOT_CPU\n"
          "ref, avx2, avx512 or amx: use this instruction set instead of the best one; changes no "
          "result but the last digits of mixtures.\n",
          out);
}
