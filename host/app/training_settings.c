#define _GNU_SOURCE /* argp */
#include "app/training_settings.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "base/memory.h"

const struct argp_option training_options[] = {
    {"input", OPTION_KEY(OPTION_INPUT), "DATA", 0,
     "a .csv (also .gz, .zst, - for standard input), repeated for several of one shape, or one "
     ".npy; default: the configuration's input.files",
     1},
    {"config", OPTION_KEY(OPTION_CONFIG), "FILE", 0,
     "YAML: input, columns, checks, features, precision, kmeans, gmm, engine, seed", 1},
    {"set", OPTION_KEY(OPTION_SET), "KEY=VALUE", 0,
     "overrides the configuration, as in --set kmeans.k=5; may be repeated", 1},
    {"float64", OPTION_KEY(OPTION_FLOAT64), 0, 0,
     "keep the rows in float64 instead of float32, and those that the model will score; for values "
     "that differ by less than float32 can tell. CPU only, three times the memory",
     1},
    {"output", OPTION_KEY(OPTION_OUTPUT), "MODEL", 0, "the model file to write (JSON)", 1},
    {"metrics", OPTION_KEY(OPTION_METRICS), "FILE", 0,
     "also write what was found as JSON, the same bytes in every run", 1},
    {"table", OPTION_KEY(OPTION_TABLE), 0, 0,
     "print tables of what was measured for each k of a range and of the clusters on standard "
     "error",
     1},
    {"plots", OPTION_KEY(OPTION_PLOTS), "DIR", 0,
     "draw clusters.svg and clusters.png into this folder", 1},
    {"sample-weight", OPTION_KEY(OPTION_SAMPLE_WEIGHT), "COLUMN", 0,
     "how much each row counts; the column is no feature then", 2},
    {"compact", OPTION_KEY(OPTION_COMPACT), "auto|on|off", 0,
     "merge equal rows (default: auto, when it pays); changes no bit of a KMeans model", 2},
    {"resume", OPTION_KEY(OPTION_RESUME), 0, 0,
     "go on from MODEL.checkpoint, which a training that was stopped leaves, to the same model; "
     "without such a file, start afresh",
     2},
    {"checkpoint-every", OPTION_KEY(OPTION_CHECKPOINT_EVERY), "SECONDS", 0,
     "write MODEL.checkpoint that often during a training too, so that one that is killed goes on "
     "as well (default: 60; 0: after each iteration)",
     2},
    {0},
};

static const char *const compact_words[] = {"auto", "on", "off", NULL};

/* Numbers as wide as the readers of options want them. */
struct raw_settings {
    int64_t n_init, max_iter, seed;
    int32_t compact; /* index of compact_words */
    double tol;
    const char *k;
};

static int from_config(const struct config *node, struct raw_settings *raw,
                       struct training_settings *settings, struct spot_error *err)
{
    int status;
    SPOT_TRY(config_text(node, "k", &raw->k, err));
    SPOT_TRY(config_integer(node, "n_init", 1, 100000, &raw->n_init, err));
    SPOT_TRY(config_integer(node, "max_iter", 1, INT32_MAX, &raw->max_iter, err));
    SPOT_TRY(config_integer(node, "seed", 0, INT64_MAX, &raw->seed, err));
    SPOT_TRY(config_number(node, "tol", &raw->tol, err));
    SPOT_TRY(config_choice(node, "compact", compact_words, &raw->compact, err));
    SPOT_TRY(config_text(node, "init", &settings->init, err));
    SPOT_TRY(config_text(node, "sample_weight", &settings->weight_column, err));
    settings->init_node = config_get(node, "init");
    if (raw->tol < 0.0)
        status = config_fail(config_get(node, "tol"), err, "tol: %g is less than 0", raw->tol);
out:
    return status;
}

static int from_options(const struct arguments *arguments, struct raw_settings *raw,
                        struct training_settings *settings, struct spot_error *err)
{
    int status;
    SPOT_TRY(option_integer(arguments, OPTION_N_INIT, 1, 100000, &raw->n_init, err));
    SPOT_TRY(option_integer(arguments, OPTION_SEED, 0, INT64_MAX, &raw->seed, err));
    SPOT_TRY(option_integer(arguments, OPTION_MAX_ITER, 1, INT32_MAX, &raw->max_iter, err));
    SPOT_TRY(option_number(arguments, OPTION_TOL, 0.0, &raw->tol, err));
    SPOT_TRY(option_choice(arguments, OPTION_COMPACT, compact_words, &raw->compact, err));
    option_text(arguments, OPTION_SAMPLE_WEIGHT, &settings->weight_column);
    option_text(arguments, OPTION_INIT, &settings->init);
    if (given(arguments, OPTION_INIT)) settings->init_node = NULL;
out:
    return status;
}

/* ---- k -------------------------------------------------------------------------------------- */

/* What is wrong with a k, or NULL: "5" gives one number twice, "2..12" a range. */
static const char *parse_k(const char *text, int32_t *lowest, int32_t *highest)
{
    static const char digits[] = "0123456789";
    const char *dots = strstr(text, "..");
    const char *last = dots != NULL ? dots + 2 : text;
    const size_t length = strspn(text, digits);
    if (dots == NULL && (length == 0 || text[length] != '\0')) return "is not a whole number";
    if (dots != NULL && *last == '\0') return "has no end; write a range such as 2..12";
    if (dots == text) return "has no beginning; write a range such as 2..12";
    if (text + length != (dots != NULL ? dots : text + strlen(text)) ||
        last[strspn(last, digits)] != '\0')
        return "is neither a whole number, such as 5, nor a range, such as 2..12";
    errno = 0;
    const long first = strtol(text, NULL, 10), end = strtol(last, NULL, 10);
    if (errno != 0 || first < 1 || end < 1 || first > INT32_MAX || end > INT32_MAX)
        return "is out of range (1 to 2147483647)";
    if (end < first) return "ends before it begins; write the smaller number first";
    *lowest = (int32_t)first;
    *highest = (int32_t)end;
    return NULL;
}

static int read_k(const struct session *session, const struct config *node, const char *text,
                  struct training_settings *settings, struct spot_error *err)
{
    if (text == NULL) return SPOT_OK;
    const char *wrong = parse_k(text, &settings->lowest_k, &settings->highest_k);
    if (wrong == NULL) return SPOT_OK;
    const bool word = strstr(wrong, "out of range") == NULL; /* numbers go without quotes */
    const char *quote = word ? "'" : "";
    if (given(&session->arguments, OPTION_K))
        return spot_fail(err, SPOT_EUSAGE, "--k: %s%.60s%s %s", quote, text, quote, wrong);
    return config_fail(config_get(node, "k"), err, "k: %s%.60s%s %s", quote, text, quote, wrong);
}

/* ---- All of them ---------------------------------------------------------------------------- */

int training_settings(const struct session *session, const char *section,
                      struct training_settings *settings, struct spot_error *err)
{
    int status;
    const struct config *node = config_get(session->config, section);
    struct raw_settings raw = {
        .max_iter = settings->max_iter, .tol = settings->tol, .seed = session->seed};
    SPOT_TRY(from_config(node, &raw, settings, err));
    SPOT_TRY(from_options(&session->arguments, &raw, settings, err));
    option_text(&session->arguments, OPTION_K, &raw.k);
    SPOT_TRY(read_k(session, node, raw.k, settings, err));
    settings->n_init = (int32_t)raw.n_init;
    settings->max_iter = (int32_t)raw.max_iter;
    settings->tol = raw.tol;
    settings->compact = raw.compact == 0 ? -1 : raw.compact == 1;
    settings->seed = (uint64_t)raw.seed;
out:
    return status;
}

char *init_path(const struct training_settings *settings)
{
    return settings->init_node != NULL ? config_path(settings->init_node)
                                       : spot_copy_text(settings->init);
}

int init_unknown(const struct training_settings *settings, const char *section,
                 const char *const *methods, const char *else_what, struct spot_error *err)
{
    const bool configured = settings->init_node != NULL;
    const char *nearest = nearest_word(settings->init, methods);
    const char *place = configured ? section : "--init", *key = configured ? ".init" : "";
    if (nearest != NULL)
        return spot_fail(err, SPOT_EUSAGE, "%s%s: unknown method '%.100s'; did you mean '%s'?",
                         place, key, settings->init, nearest);
    return spot_fail(err, SPOT_EUSAGE, "%s%s: '%.100s' is %s", place, key, settings->init,
                     else_what);
}
