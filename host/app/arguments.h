/* The command line as text: which options were given and with what. argp splits it; what the texts
 * mean is decided by whoever uses them, because a configuration may supply the same value. */
#ifndef SPOT_APP_ARGUMENTS_H
#define SPOT_APP_ARGUMENTS_H

#include <stdbool.h>
#include <stdint.h>

#include "app/command.h"

/* Every option of the program. Its key for argp is OPTION_KEY of it. */
enum option_id {
    OPTION_DEVICE,
    OPTION_THREADS,
    OPTION_MEMORY,
    OPTION_BATCH_ROWS,
    OPTION_SEED,
    OPTION_LOG_LEVEL,
    OPTION_QUIET,
    OPTION_HELP,
    OPTION_VERSION,
    OPTION_INPUT,
    OPTION_CONFIG,
    OPTION_SET,
    OPTION_FLOAT64,
    OPTION_OUTPUT,
    OPTION_REPORT,
    OPTION_METRICS,
    OPTION_MODEL,
    OPTION_K,
    OPTION_INIT,
    OPTION_N_INIT,
    OPTION_MAX_ITER,
    OPTION_TOL,
    OPTION_SAMPLE_WEIGHT,
    OPTION_COMPACT,
    OPTION_MEASURES,
    OPTION_RESUME,
    OPTION_CHECKPOINT_EVERY,
    OPTION_UPDATE,
    OPTION_MINI_BATCH,
    OPTION_METRIC,
    OPTION_COVARIANCE,
    OPTION_REG_COVAR,
    OPTION_TABLE,
    OPTION_PLOTS,
    OPTION_ID,
    OPTION_OUTPUT_KIND,
    OPTION_FEATURES,
    OPTION_BASE_MARGIN,
    OPTION_PREDICTIONS,
    OPTION_SCORES,
    OPTION_PREDICTED,
    OPTION_LABEL,
    OPTION_LABELS,
    OPTION_TASK,
    OPTION_CLASSES,
    OPTION_THRESHOLD,
    OPTION_BOOTSTRAP,
    OPTION_JSON,
    OPTION_ROWS,
    OPTION_COLUMNS,
    OPTION_ITERATIONS,
    OPTION_REPEAT,
    OPTION_TO,
    OPTION_ENCODER,
    OPTION_COUNT
};

#define OPTION_KEY(option) (1000 + (option))

/* Options that every subcommand takes. */
extern const struct argp_option common_options[];

/* The last, empty entry of a list. */
bool option_ends(const struct argp_option *option);

/* A command's options, where to look for them: its own, the shared ones or NULL, the common ones.
 */
enum { OPTION_LISTS = 3 };
void option_lists(const struct command *command, const struct argp_option *lists[OPTION_LISTS]);

/* All of them as one list. */
enum { MERGED_OPTIONS = OPTION_COUNT + 8 };
void merge_options(const struct command *command, struct argp_option *merged);

/* Texts that may be given several times. */
struct text_list {
    const char **items;
    int count;
};

struct arguments {
    const char *value[OPTION_COUNT]; /* the text given, "" for one without value, NULL: not given */
    const char *argument;            /* the first without an option, or NULL */
    const char *target;              /* the second, or NULL */
    struct text_list inputs, sets;   /* --input and --set, in order */
    int argc;                        /* all of it, as it was given; argv[0] is no argument */
    char **argv;
};

/* Splits argv (argv[0] is skipped). Wrong spelling, an option given twice or without its value:
 * SPOT_EUSAGE. Texts are borrowed from argv; the caller frees the lists with arguments_clear. */
int arguments_parse(const struct command *command, int argc, char **argv,
                    struct arguments *arguments, struct spot_error *err);
void arguments_clear(struct arguments *arguments);

static inline bool given(const struct arguments *arguments, enum option_id option)
{
    return arguments->value[option] != NULL;
}

/* The option's name without dashes, "n-init". */
const char *option_name(enum option_id option);

/* Typed values of options: an option that was not given leaves *value as it is. */
int option_integer(const struct arguments *arguments, enum option_id option, int64_t minimum,
                   int64_t maximum, int64_t *value, struct spot_error *err);
int option_number(const struct arguments *arguments, enum option_id option, double minimum,
                  double *value, struct spot_error *err);
int option_choice(const struct arguments *arguments, enum option_id option,
                  const char *const *words, int32_t *value, struct spot_error *err);
void option_text(const struct arguments *arguments, enum option_id option, const char **value);

/* "64M" as bytes: a whole number with K, M, G or T (powers of 1024) or none; -1 when it is none. */
int64_t parse_size(const char *text);

#endif
