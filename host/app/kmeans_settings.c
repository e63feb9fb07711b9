#define _GNU_SOURCE /* argp */
#include "app/kmeans_settings.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "app/encoder_file.h"
#include "app/plain_table.h"
#include "base/error.h"
#include "base/memory.h"
#include "data/npy.h"

/* ---- Options ------------------------------------------------------------------------------- */

static const char *const keys[] = {"k",       "init", "n_init",        "max_iter", "tol",
                                   "compact", "seed", "sample_weight", NULL};
static const char *const compact_words[] = {"auto", "on", "off", NULL};

/* Numbers as wide as the readers of options want them. */
struct raw_settings {
    int64_t k, n_init, max_iter, seed;
    int32_t compact; /* index of compact_words */
    double tol;
    const char *init;
};

static int from_config(const struct config *node, struct raw_settings *raw,
                       struct kmeans_settings *settings, struct spot_error *err)
{
    int status;
    SPOT_TRY(config_known(node, keys, err));
    SPOT_TRY(config_integer(node, "k", 1, INT32_MAX, &raw->k, err));
    SPOT_TRY(config_integer(node, "n_init", 1, 100000, &raw->n_init, err));
    SPOT_TRY(config_integer(node, "max_iter", 1, INT32_MAX, &raw->max_iter, err));
    SPOT_TRY(config_integer(node, "seed", 0, INT64_MAX, &raw->seed, err));
    SPOT_TRY(config_number(node, "tol", &raw->tol, err));
    SPOT_TRY(config_choice(node, "compact", compact_words, &raw->compact, err));
    SPOT_TRY(config_text(node, "init", &raw->init, err));
    SPOT_TRY(config_text(node, "sample_weight", &settings->weight_column, err));
    if (raw->tol < 0.0)
        status = config_fail(config_get(node, "tol"), err, "tol: %g is less than 0", raw->tol);
out:
    return status;
}

static int from_options(const struct arguments *arguments, struct raw_settings *raw,
                        struct kmeans_settings *settings, struct spot_error *err)
{
    int status;
    SPOT_TRY(option_integer(arguments, OPTION_K, 1, INT32_MAX, &raw->k, err));
    SPOT_TRY(option_integer(arguments, OPTION_N_INIT, 1, 100000, &raw->n_init, err));
    SPOT_TRY(option_integer(arguments, OPTION_SEED, 0, INT64_MAX, &raw->seed, err));
    SPOT_TRY(option_integer(arguments, OPTION_MAX_ITER, 1, INT32_MAX, &raw->max_iter, err));
    SPOT_TRY(option_number(arguments, OPTION_TOL, 0.0, &raw->tol, err));
    SPOT_TRY(option_choice(arguments, OPTION_COMPACT, compact_words, &raw->compact, err));
    option_text(arguments, OPTION_INIT, &raw->init);
    option_text(arguments, OPTION_SAMPLE_WEIGHT, &settings->weight_column);
out:
    return status;
}

/* A method's name, or a file by its suffix. node: where a configuration says so, else NULL. */
static int choose_init(const char *init, const struct config *node,
                       struct kmeans_settings *settings, struct spot_error *err)
{
    const char *option = node != NULL ? "kmeans.init" : "--init";
    static const char *const methods[] = {"k-means++", "random", NULL};
    struct spot_kmeans_options *options = &settings->options;
    if (init == NULL || strcmp(init, methods[0]) == 0) {
        options->init = SPOT_INIT_KMEANSPP;
    } else if (strcmp(init, methods[1]) == 0) {
        options->init = SPOT_INIT_RANDOM;
    } else if (is_npy(init) || strstr(init, ".csv") != NULL) {
        options->init = SPOT_INIT_CENTRES;
        settings->centres_path = node != NULL ? config_path(node) : spot_copy_text(init);
        if (settings->centres_path == NULL) return spot_fail_memory(err, "a path");
    } else {
        const char *nearest = nearest_word(init, methods);
        if (nearest != NULL)
            return spot_fail(err, SPOT_EUSAGE, "%s: unknown method '%.100s'; did you mean '%s'?",
                             option, init, nearest);
        return spot_fail(err, SPOT_EUSAGE,
                         "%s: '%.100s' is neither k-means++ nor random nor a .npy or .csv file of "
                         "centres",
                         option, init);
    }
    return SPOT_OK;
}

static void training_progress(void *arg, const struct spot_kmeans_progress *at)
{
    progress_training(arg, at);
}

int kmeans_settings(struct session *session, struct kmeans_settings *settings,
                    struct spot_error *err)
{
    int status;
    *settings = (struct kmeans_settings){.options = spot_kmeans_defaults()};
    struct spot_kmeans_options *options = &settings->options;
    struct raw_settings raw = {
        .max_iter = options->max_iter, .tol = options->tol, .seed = session->seed};
    SPOT_TRY(from_config(config_get(session->config, "kmeans"), &raw, settings, err));
    SPOT_TRY(from_options(&session->arguments, &raw, settings, err));
    const struct config *init = config_get(config_get(session->config, "kmeans"), "init");
    if (given(&session->arguments, OPTION_INIT)) init = NULL;
    SPOT_TRY(choose_init(raw.init, init, settings, err));
    if (raw.k == 0 && settings->centres_path == NULL)
        return spot_fail(err, SPOT_EUSAGE, "how many clusters? Give --k, such as --k 5");
    options->k = (int32_t)raw.k;
    options->n_init = (int32_t)raw.n_init;
    options->max_iter = (int32_t)raw.max_iter;
    options->tol = raw.tol;
    options->compact = raw.compact == 0 ? -1 : raw.compact == 1;
    options->seed = (uint64_t)raw.seed;
    options->batch_rows = session->batch_rows;
    /* Without somebody who looks, the device need not stop after every iteration. */
    if (session->progress.enabled) options->progress = training_progress;
    options->progress_arg = &session->progress;
out:
    return status;
}

void kmeans_settings_clear(struct kmeans_settings *settings)
{
    free(settings->centres_path);
    settings->centres_path = NULL;
}

/* ---- Initial centres from a file ----------------------------------------------------------- */

static int centres_from_npy(const char *path, int32_t columns, int64_t *rows, double **centres,
                            struct spot_error *err)
{
    struct npy_file *file = NULL;
    int32_t found;
    int status;
    SPOT_TRY(npy_open(path, &file, rows, &found, err));
    if (found != columns) {
        status = spot_fail(err, SPOT_EUSAGE,
                           "--init: %.200s has %d columns, but the matrix has %d features", path,
                           found, columns);
        goto out;
    }
    int64_t cells;
    *centres = __builtin_mul_overflow(*rows, (int64_t)columns, &cells)
                   ? NULL
                   : spot_alloc(cells, sizeof **centres);
    if (*centres == NULL) {
        status = spot_fail_memory(err, "the initial centres");
        goto out;
    }
    status = npy_read_float64(file, 0, *rows, *centres, err);
out:
    npy_close(file);
    return status;
}

/* What a .csv of centres is read into. */
struct centre_rows {
    double *values; /* (rows, columns) row-major */
    int64_t rows, capacity;
    int32_t columns;
};

static int visit_centres(void *arg, const struct batch *batch, struct spot_error *err)
{
    struct centre_rows *centres = arg;
    int64_t cells;
    if (__builtin_mul_overflow(centres->rows + batch->rows, (int64_t)centres->columns, &cells) ||
        spot_grow((void **)&centres->values, &centres->capacity, cells, sizeof(double)) < 0)
        return spot_fail_memory(err, "the initial centres");
    for (int64_t i = 0; i < batch->rows; i++, centres->rows++)
        for (int32_t j = 0; j < centres->columns; j++)
            centres->values[centres->rows * centres->columns + j] = batch->columns[j].values[i];
    return SPOT_OK;
}

static int centres_from_csv(struct session *session, const char *path, const char *const *names,
                            int32_t columns, int64_t *rows, double **centres,
                            struct spot_error *err)
{
    struct centre_rows read = {.columns = columns};
    const struct plain_table table = {
        .files = &path, .files_count = 1, .names = names, .columns = columns};
    int status = plain_table_each(session, &table, visit_centres, &read, err);
    *rows = read.rows;
    *centres = read.values; /* freed by the caller, also after a failure */
    return status;
}

int kmeans_centres(struct session *session, const char *path, const char *const *names,
                   int32_t columns, int32_t *k, double **centres, struct spot_error *err)
{
    int64_t rows = 0;
    *centres = NULL;
    int status = is_npy(path)
                     ? centres_from_npy(path, columns, &rows, centres, err)
                     : centres_from_csv(session, path, names, columns, &rows, centres, err);
    if (status >= 0 && (rows < 1 || rows > INT32_MAX || (*k != 0 && rows != *k)))
        status = spot_fail(err, SPOT_EUSAGE, "--init: %.200s has %lld rows, but k is %d", path,
                           (long long)rows, *k);
    for (int64_t i = 0; status >= 0 && i < rows * columns; i++)
        if (!isfinite((*centres)[i]))
            status = spot_fail(err, SPOT_EUSAGE, "--init: %.200s: row %lld, column %s is no number",
                               path, (long long)(i / columns + 1), names[i % columns]);
    if (status < 0) {
        free(*centres);
        *centres = NULL;
        return status;
    }
    *k = (int32_t)rows;
    return SPOT_OK;
}
