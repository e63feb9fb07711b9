#define _GNU_SOURCE /* argp */
#include "app/arguments.h"

#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "data/config.h"

const struct argp_option common_options[] = {
    {0, 0, 0, 0, "Common options:", 10},
    {"device", OPTION_KEY(OPTION_DEVICE), "DEVICE", 0,
     "auto (default), cpu, cuda, cuda:N or cuda:UUID", 10},
    {"threads", OPTION_KEY(OPTION_THREADS), "N", 0,
     "CPU threads (default: all that the process may use)", 10},
    {"memory", OPTION_KEY(OPTION_MEMORY), "SIZE", 0,
     "resident memory to stay below, such as 512M or 4G: rows that would exceed it are read when "
     "they are needed, and what a fit keeps for each goes to temporary files beside the output; "
     "changes no result",
     10},
    {"batch-rows", OPTION_KEY(OPTION_BATCH_ROWS), "N", 0,
     "rows handed to the device at a time (default: all that fit); changes no result", 10},
    {"seed", OPTION_KEY(OPTION_SEED), "N", 0, "key of the random numbers (default: 0)", 10},
    {"log-level", OPTION_KEY(OPTION_LOG_LEVEL), "LEVEL", 0,
     "error, warning, info (default) or debug", 10},
    {"quiet", OPTION_KEY(OPTION_QUIET), 0, 0, "no progress bar, and of the log only errors", 10},
    {"help", 'h', 0, 0, "print this help", 10},
    {"version", OPTION_KEY(OPTION_VERSION), 0, 0, "print the version", 10},
    {0},
};

static const char *const names[OPTION_COUNT] = {
    [OPTION_DEVICE] = "device",
    [OPTION_THREADS] = "threads",
    [OPTION_MEMORY] = "memory",
    [OPTION_BATCH_ROWS] = "batch-rows",
    [OPTION_SEED] = "seed",
    [OPTION_LOG_LEVEL] = "log-level",
    [OPTION_QUIET] = "quiet",
    [OPTION_HELP] = "help",
    [OPTION_VERSION] = "version",
    [OPTION_INPUT] = "input",
    [OPTION_CONFIG] = "config",
    [OPTION_SET] = "set",
    [OPTION_FLOAT64] = "float64",
    [OPTION_OUTPUT] = "output",
    [OPTION_REPORT] = "report",
    [OPTION_METRICS] = "metrics",
    [OPTION_MODEL] = "model",
    [OPTION_K] = "k",
    [OPTION_INIT] = "init",
    [OPTION_N_INIT] = "n-init",
    [OPTION_MAX_ITER] = "max-iter",
    [OPTION_TOL] = "tol",
    [OPTION_SAMPLE_WEIGHT] = "sample-weight",
    [OPTION_COMPACT] = "compact",
    [OPTION_MEASURES] = "measures",
    [OPTION_RESUME] = "resume",
    [OPTION_CHECKPOINT_EVERY] = "checkpoint-every",
    [OPTION_UPDATE] = "update",
    [OPTION_MINI_BATCH] = "mini-batch",
    [OPTION_METRIC] = "metric",
    [OPTION_COVARIANCE] = "covariance",
    [OPTION_REG_COVAR] = "reg-covar",
    [OPTION_TABLE] = "table",
    [OPTION_PLOTS] = "plots",
    [OPTION_ID] = "id",
    [OPTION_OUTPUT_KIND] = "output-kind",
    [OPTION_FEATURES] = "features",
    [OPTION_BASE_MARGIN] = "base-margin",
    [OPTION_PREDICTIONS] = "predictions",
    [OPTION_SCORES] = "scores",
    [OPTION_PREDICTED] = "predicted",
    [OPTION_LABEL] = "label",
    [OPTION_LABELS] = "labels",
    [OPTION_TASK] = "task",
    [OPTION_CLASSES] = "classes",
    [OPTION_THRESHOLD] = "threshold",
    [OPTION_BOOTSTRAP] = "bootstrap",
    [OPTION_JSON] = "json",
    [OPTION_ROWS] = "rows",
    [OPTION_COLUMNS] = "columns",
    [OPTION_ITERATIONS] = "iterations",
    [OPTION_REPEAT] = "repeat",
    [OPTION_TO] = "to",
    [OPTION_ENCODER] = "encoder",
};

const char *option_name(enum option_id option)
{
    return names[option];
}

/* ---- Spelling ---------------------------------------------------------------------------------
 * argp takes abbreviations and prints its own messages, so the words are checked before it sees
 * them. */

bool option_ends(const struct argp_option *option)
{
    return option->name == NULL && option->doc == NULL;
}

void option_lists(const struct command *command, const struct argp_option *lists[OPTION_LISTS])
{
    lists[0] = command->options;
    lists[1] = command->shared;
    lists[2] = common_options;
}

static const struct argp_option *find_option(const struct command *command, const char *name,
                                             size_t length)
{
    const struct argp_option *lists[OPTION_LISTS];
    option_lists(command, lists);
    for (int list = 0; list < OPTION_LISTS; list++)
        for (const struct argp_option *o = lists[list]; o != NULL && !option_ends(o); o++)
            if (o->name != NULL && strlen(o->name) == length && memcmp(o->name, name, length) == 0)
                return o;
    return NULL;
}

enum { NAME_ROOM = 24 };

/* Adds the options' names with their dashes: two dashes more make short names comparable. */
static int collect_names(const struct argp_option *options, char (*dashed)[NAME_ROOM],
                         const char **words, int count)
{
    for (; options != NULL && !option_ends(options); options++)
        if (options->name != NULL && count < OPTION_COUNT) {
            snprintf(dashed[count], NAME_ROOM, "--%s", options->name);
            words[count] = dashed[count];
            count++;
        }
    words[count] = NULL;
    return count;
}

static int fail_unknown(const struct command *command, const char *word, size_t length,
                        struct spot_error *err)
{
    char dashed[OPTION_COUNT][NAME_ROOM], wrong[64];
    const char *words[OPTION_COUNT + 1];
    const struct argp_option *lists[OPTION_LISTS];
    option_lists(command, lists);
    for (int list = 0, count = 0; list < OPTION_LISTS; list++)
        count = collect_names(lists[list], dashed, words, count);

    int shown = length < 60 ? (int)length : 60;
    const char *extra = strncmp(word, "--", 2) == 0 ? "" : "-"; /* -k: --k is meant */
    snprintf(wrong, sizeof wrong, "%s%.*s", extra, shown, word);
    const char *nearest = NULL;
    for (int i = 0; words[i] != NULL && nearest == NULL; i++) /* --out: the beginning of --output */
        if (strlen(wrong) > 4 && strncmp(words[i], wrong, strlen(wrong)) == 0) nearest = words[i];
    if (nearest == NULL) nearest = nearest_word(wrong, words);
    if (nearest != NULL)
        return spot_fail(err, SPOT_EUSAGE, "unknown option '%.*s'; did you mean '%s'?", shown, word,
                         nearest);
    return spot_fail(err, SPOT_EUSAGE, "unknown option '%.*s'; 'blackspot %s --help' lists them",
                     shown, word, command->name);
}

/* One word that begins with a dash; *takes_next: the word after it is its value. */
static int check_option(const struct command *command, const char *word, const char *next,
                        bool *takes_next, struct spot_error *err)
{
    size_t length = strcspn(word, "=");
    *takes_next = false;
    if (strcmp(word, "-h") == 0) return SPOT_OK;
    if (strncmp(word, "--", 2) != 0) return fail_unknown(command, word, length, err);

    const struct argp_option *option = find_option(command, word + 2, length - 2);
    if (option == NULL) return fail_unknown(command, word, length, err);

    bool has_value = word[length] == '=';
    if (option->arg == NULL) {
        if (has_value)
            return spot_fail(err, SPOT_EUSAGE, "option '--%s' takes no value", option->name);
        return SPOT_OK;
    }
    const char *value = has_value ? word + length + 1 : next;
    if (value == NULL || *value == '\0' || (!has_value && strncmp(value, "--", 2) == 0))
        return spot_fail(err, SPOT_EUSAGE, "option '--%s' needs a value: --%s %s", option->name,
                         option->name, option->arg);
    *takes_next = !has_value;
    return SPOT_OK;
}

static int check_spelling(const struct command *command, int argc, char **argv,
                          struct spot_error *err)
{
    for (int i = 1; i < argc; i++) {
        bool takes_next;
        if (argv[i][0] != '-' || argv[i][1] == '\0') continue;
        if (strcmp(argv[i], "--") == 0) break;
        int status = check_option(command, argv[i], argv[i + 1], &takes_next, err);
        if (status < 0) return status;
        if (takes_next) i++;
    }
    return SPOT_OK;
}

/* ---- Splitting ----------------------------------------------------------------------------- */

struct parse {
    const struct command *command;
    struct arguments *arguments;
    struct spot_error *err;
    int status;
};

static int append(struct text_list *list, const char *text, struct spot_error *err)
{
    const char **items = realloc(list->items, ((size_t)list->count + 1) * sizeof *items);
    if (items == NULL) return spot_fail_memory(err, "the command line");
    items[list->count++] = text;
    list->items = items;
    return SPOT_OK;
}

static int take_option(struct parse *parse, enum option_id option, const char *text)
{
    struct arguments *arguments = parse->arguments;
    bool repeats = option == OPTION_INPUT || option == OPTION_SET;
    bool again = arguments->value[option] != NULL;
    arguments->value[option] = text != NULL ? text : "";
    if (option == OPTION_INPUT) return append(&arguments->inputs, text, parse->err);
    if (option == OPTION_SET) return append(&arguments->sets, text, parse->err);
    if (again && !repeats)
        return spot_fail(parse->err, SPOT_EUSAGE, "option '--%s' is given twice", names[option]);
    return SPOT_OK;
}

static int take_argument(struct parse *parse, const char *text)
{
    const struct command *command = parse->command;
    if (command->argument != NULL && parse->arguments->argument == NULL) {
        parse->arguments->argument = text;
        return SPOT_OK;
    }
    if (command->target != NULL && parse->arguments->target == NULL) {
        parse->arguments->target = text;
        return SPOT_OK;
    }
    bool has_input = find_option(command, "input", 5) != NULL;
    return spot_fail(parse->err, SPOT_EUSAGE, "unexpected argument '%.200s'%s", text,
                     has_input ? "; files to read are given with --input" : "");
}

static error_t parse_key(int key, char *text, struct argp_state *state)
{
    struct parse *parse = state->input;
    if (key == 'h') key = OPTION_KEY(OPTION_HELP);
    if (key == ARGP_KEY_ARG)
        parse->status = take_argument(parse, text);
    else if (key >= OPTION_KEY(0) && key < OPTION_KEY(OPTION_COUNT))
        parse->status = take_option(parse, (enum option_id)(key - OPTION_KEY(0)), text);
    else
        return ARGP_ERR_UNKNOWN;
    return parse->status < 0 ? EINVAL : 0;
}

void merge_options(const struct command *command, struct argp_option *merged)
{
    int count = 0;
    const struct argp_option *lists[OPTION_LISTS];
    option_lists(command, lists);
    for (int list = 0; list < OPTION_LISTS; list++)
        for (const struct argp_option *o = lists[list]; o != NULL && !option_ends(o); o++)
            if (count < MERGED_OPTIONS - 1) merged[count++] = *o;
    merged[count] = (struct argp_option){0};
}

int arguments_parse(const struct command *command, int argc, char **argv,
                    struct arguments *arguments, struct spot_error *err)
{
    struct argp_option merged[MERGED_OPTIONS];
    struct parse parse = {.command = command, .arguments = arguments, .err = err};
    *arguments = (struct arguments){.argc = argc, .argv = argv};
    int status = check_spelling(command, argc, argv, err);
    if (status < 0) return status;

    merge_options(command, merged);
    const struct argp parser = {.options = merged, .parser = parse_key};
    const unsigned flags = ARGP_NO_EXIT | ARGP_NO_ERRS | ARGP_NO_HELP;
    error_t failed = argp_parse(&parser, argc, argv, flags, NULL, &parse);
    if (failed != 0 && parse.status == SPOT_OK)
        return spot_fail(err, SPOT_EUSAGE, "the command line cannot be read: %s", strerror(failed));
    return parse.status;
}

void arguments_clear(struct arguments *arguments)
{
    free(arguments->inputs.items);
    free(arguments->sets.items);
    *arguments = (struct arguments){0};
}

/* ---- Typed values -------------------------------------------------------------------------- */

int option_integer(const struct arguments *arguments, enum option_id option, int64_t minimum,
                   int64_t maximum, int64_t *value, struct spot_error *err)
{
    const char *text = arguments->value[option];
    if (text == NULL) return SPOT_OK;
    size_t digits = text[0] == '-' ? 1 : 0;
    if (text[digits] == '\0' || strspn(text + digits, "0123456789") != strlen(text + digits))
        return spot_fail(err, SPOT_EUSAGE, "--%s: '%.100s' is not a whole number", names[option],
                         text);
    errno = 0;
    long long number = strtoll(text, NULL, 10);
    if (errno == ERANGE || number < minimum || number > maximum)
        return spot_fail(err, SPOT_EUSAGE, "--%s: %.100s is out of range (%lld to %lld)",
                         names[option], text, (long long)minimum, (long long)maximum);
    *value = number;
    return SPOT_OK;
}

int option_number(const struct arguments *arguments, enum option_id option, double minimum,
                  double *value, struct spot_error *err)
{
    const char *text = arguments->value[option];
    if (text == NULL) return SPOT_OK;
    char *end;
    double number = strtod(text, &end);
    if (*end != '\0' || end == text || strspn(text, "+-.0123456789eE") != strlen(text))
        return spot_fail(err, SPOT_EUSAGE, "--%s: '%.100s' is not a number", names[option], text);
    if (!isfinite(number) || number < minimum)
        return spot_fail(err, SPOT_EUSAGE, "--%s: %.100s is out of range (%g or more)",
                         names[option], text, minimum);
    *value = number;
    return SPOT_OK;
}

int option_choice(const struct arguments *arguments, enum option_id option,
                  const char *const *words, int32_t *value, struct spot_error *err)
{
    const char *text = arguments->value[option];
    if (text == NULL) return SPOT_OK;
    for (int32_t i = 0; words[i] != NULL; i++)
        if (strcmp(words[i], text) == 0) {
            *value = i;
            return SPOT_OK;
        }
    char list[200] = "";
    for (int32_t i = 0; words[i] != NULL; i++) {
        size_t used = strlen(list);
        snprintf(list + used, sizeof list - used, "%s%s", i > 0 ? ", " : "", words[i]);
    }
    return spot_fail(err, SPOT_EUSAGE, "--%s: '%.100s' is none of %s", names[option], text, list);
}

void option_text(const struct arguments *arguments, enum option_id option, const char **value)
{
    if (arguments->value[option] != NULL) *value = arguments->value[option];
}

int64_t parse_size(const char *text)
{
    char *end;
    if (text[0] < '0' || text[0] > '9') return -1;
    errno = 0;
    long long number = strtoll(text, &end, 10);
    if (errno == ERANGE) return -1;
    int64_t unit = 1;
    const char *units = "KMGT";
    if (*end != '\0') {
        const char *found = strchr(units, *end);
        if (found == NULL || end[1] != '\0') return -1;
        for (const char *u = units; u <= found; u++)
            unit *= 1024;
    }
    int64_t bytes;
    return __builtin_mul_overflow((int64_t)number, unit, &bytes) ? -1 : bytes;
}
