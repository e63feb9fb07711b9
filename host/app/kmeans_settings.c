#define _GNU_SOURCE /* argp */
#include "app/kmeans_settings.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "app/encoder_file.h"
#include "app/plain_table.h"
#include "app/training_settings.h"
#include "base/error.h"
#include "base/memory.h"
#include "data/npy.h"
#include "models/kmeans.h"

/* ---- Options ------------------------------------------------------------------------------- */

static const char *const keys[] = {"k",        "init",       "n_init", "max_iter",
                                   "tol",      "compact",    "seed",   "sample_weight",
                                   "measures", "mini_batch", "metric", NULL};

/* A method's name, or a file by its suffix. */
static int choose_init(const struct training_settings *shared, struct kmeans_settings *settings,
                       struct spot_error *err)
{
    static const char *const methods[] = {"auto",    "k-means++", "k-means||",
                                          "coreset", "random",    NULL};
    static const enum spot_kmeans_init inits[] = {SPOT_INIT_AUTO, SPOT_INIT_KMEANSPP,
                                                  SPOT_INIT_KMEANS_PARALLEL, SPOT_INIT_CORESET,
                                                  SPOT_INIT_RANDOM};
    if (shared->init == NULL) return SPOT_OK;
    for (int i = 0; methods[i] != NULL; i++)
        if (strcmp(shared->init, methods[i]) == 0) {
            settings->options.init = inits[i];
            return SPOT_OK;
        }
    if (!is_npy(shared->init) && strstr(shared->init, ".csv") == NULL)
        return init_unknown(
            shared, "kmeans", methods,
            "neither auto, k-means++, k-means||, coreset nor random, nor a .npy or .csv "
            "file of centres",
            err);
    settings->options.init = SPOT_INIT_CENTRES;
    settings->centres_path = init_path(shared);
    return settings->centres_path != NULL ? SPOT_OK : spot_fail_memory(err, "a path");
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
    int32_t metric = SPOT_METRIC_EUCLIDEAN;
    struct training_settings shared = {.max_iter = options->max_iter, .tol = options->tol};
    const struct config *node = config_get(session->config, "kmeans");
    SPOT_TRY(config_known(node, keys, err));
    SPOT_TRY(config_bool(node, "measures", &settings->measures, err));
    SPOT_TRY(config_integer(node, "mini_batch", 1, INT64_MAX, &options->mini_batch, err));
    SPOT_TRY(option_integer(&session->arguments, OPTION_MINI_BATCH, 1, INT64_MAX,
                            &options->mini_batch, err));
    SPOT_TRY(config_choice(node, "metric", kmeans_metric_names, &metric, err));
    SPOT_TRY(option_choice(&session->arguments, OPTION_METRIC, kmeans_metric_names, &metric, err));
    SPOT_TRY(training_settings(session, "kmeans", &shared, err));
    SPOT_TRY(choose_init(&shared, settings, err));
    if (shared.lowest_k == 0 && settings->centres_path == NULL)
        return spot_fail(err, SPOT_EUSAGE,
                         "how many clusters? Give --k, such as --k 5 or --k 2..12");
    settings->lowest_k = shared.lowest_k;
    settings->highest_k = shared.highest_k;
    settings->measures |= given(&session->arguments, OPTION_MEASURES);
    settings->measures |= shared.lowest_k != shared.highest_k;
    settings->weight_column = shared.weight_column;
    options->metric = (enum spot_metric)metric;
    options->n_init = shared.n_init;
    options->max_iter = shared.max_iter;
    options->tol = shared.tol;
    options->compact = shared.compact;
    options->seed = shared.seed;
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
