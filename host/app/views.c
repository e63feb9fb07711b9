#define _POSIX_C_SOURCE 200809L
#include "app/views.h"

#include <errno.h>
#include <math.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/stat.h>

#include "app/plot.h"
#include "base/error.h"
#include "base/memory.h"

/* ---- What a feature is --------------------------------------------------------------------- */

/* Whether a feature is called `word`, or something and then `_word`. */
static bool called(const char *name, const char *word)
{
    size_t length = strlen(name), tail = strlen(word);
    if (length < tail || strcasecmp(name + length - tail, word) != 0) return false;
    return length == tail || name[length - tail - 1] == '_';
}

static bool called_one_of(const char *name, const char *const *words)
{
    for (; *words != NULL; words++)
        if (called(name, *words)) return true;
    return false;
}

static const char *const longitude_words[] = {"longitude", "lon", "lng", "long", NULL};
static const char *const latitude_words[] = {"latitude", "lat", NULL};
static const char *const hour_words[] = {"hour", NULL};
static const char *const weekday_words[] = {"dayofweek", NULL};

static bool within(const double *values, int64_t rows, double minimum, double below)
{
    for (int64_t i = 0; i < rows; i++)
        if (values[i] < minimum || values[i] >= below) return false;
    return true;
}

/* Few whole values are told by their shares. */
static bool is_mix(const double *values, int64_t rows)
{
    enum { FEW = 6 };
    double seen[FEW];
    int count = 0;
    for (int64_t i = 0; i < rows; i++) {
        int at = 0;
        if (isnan(values[i])) continue;
        if (values[i] != rint(values[i])) return false;
        while (at < count && seen[at] != values[i])
            at++;
        if (at < count) continue;
        if (count == FEW) return false;
        seen[count++] = values[i];
    }
    return true;
}

static enum profile_kind kind_of(const char *name, const double *values, int64_t rows)
{
    if (called(name, "hour") && within(values, rows, 0, 24)) return PROFILE_HOUR;
    if (called(name, "dayofweek") && within(values, rows, 0, 7)) return PROFILE_WEEKDAY;
    if (called(name, "month") && within(values, rows, 1, 13)) return PROFILE_MONTH;
    return is_mix(values, rows) ? PROFILE_MIX : PROFILE_MEAN;
}

/* Column j in raw units: (rows). Whole numbers that a scale has blurred become whole again. */
static double *raw_column(const struct clustered *clustered, int32_t j)
{
    double *raw = spot_alloc(clustered->rows, sizeof *raw);
    for (int64_t i = 0; raw != NULL && i < clustered->rows; i++) {
        const int64_t at = i * clustered->columns + j;
        double value =
            clustered->values64 != NULL ? clustered->values64[at] : (double)clustered->values[at];
        if (clustered->encoder != NULL) value = encoder_raw(clustered->encoder, j, value);
        double whole = rint(value);
        raw[i] = fabs(value - whole) <= 1e-5 * fmax(1.0, fabs(whole)) ? whole : value;
    }
    return raw;
}

/* ---- The table ----------------------------------------------------------------------------- */

int views_table(const struct clustered *clustered, FILE *out, struct spot_error *err)
{
    int status = SPOT_OK;
    struct profile_column *columns = spot_alloc_zero(clustered->columns, sizeof *columns);
    if (columns == NULL) return spot_fail_memory(err, "the table of clusters");
    for (int32_t j = 0; j < clustered->columns; j++) {
        columns[j].title = clustered->names[j];
        columns[j].values = raw_column(clustered, j);
        if (columns[j].values == NULL) {
            status = spot_fail_memory(err, "the table of clusters");
            goto out;
        }
        columns[j].kind = kind_of(columns[j].title, columns[j].values, clustered->rows);
    }
    status = report_clusters(out, clustered->k, clustered->rows, clustered->labels, columns,
                             clustered->columns, err);
out:
    for (int32_t j = 0; j < clustered->columns; j++)
        free((void *)(uintptr_t)columns[j].values);
    free(columns);
    return status;
}

/* ---- The pictures -------------------------------------------------------------------------- */

/* The first column with one of these names and values in range; *raw stays NULL without one. */
static int find_column(const struct clustered *clustered, const char *const *words, double minimum,
                       double below, const double **raw, struct spot_error *err)
{
    for (int32_t j = 0; j < clustered->columns && *raw == NULL; j++) {
        if (!called_one_of(clustered->names[j], words)) continue;
        double *values = raw_column(clustered, j);
        if (values == NULL) return spot_fail_memory(err, "the picture of clusters");
        if (within(values, clustered->rows, minimum, below))
            *raw = values;
        else
            free(values);
    }
    return SPOT_OK;
}

static int draw(const struct cluster_picture *picture, const char *folder, const char *name,
                struct spot_error *err)
{
    size_t room = strlen(folder) + strlen(name) + 2;
    char *path = malloc(room);
    if (path == NULL) return spot_fail_memory(err, "a path");
    snprintf(path, room, "%s/%s", folder, name);
    int status = plot_clusters(path, picture, err);
    free(path);
    return status;
}

int views_plots(const struct clustered *clustered, const char *folder, struct spot_error *err)
{
    int status;
    struct cluster_picture picture = {
        .rows = clustered->rows, .k = clustered->k, .labels = clustered->labels};
    const double *longitudes = NULL, *latitudes = NULL; /* among the features */
    if (mkdir(folder, 0777) != 0 && errno != EEXIST)
        return spot_fail(err, SPOT_EIO, "cannot make the folder %.200s: %s", folder,
                         strerror(errno));
    SPOT_TRY(find_column(clustered, hour_words, 0, 24, &picture.hours, err));
    SPOT_TRY(find_column(clustered, weekday_words, 0, 7, &picture.weekdays, err));
    SPOT_TRY(find_column(clustered, longitude_words, -INFINITY, INFINITY, &longitudes, err));
    SPOT_TRY(find_column(clustered, latitude_words, -INFINITY, INFINITY, &latitudes, err));
    picture.longitudes = clustered->longitudes != NULL ? clustered->longitudes : longitudes;
    picture.latitudes = clustered->latitudes != NULL ? clustered->latitudes : latitudes;
    SPOT_TRY(draw(&picture, folder, "clusters.svg", err));
    SPOT_TRY(draw(&picture, folder, "clusters.png", err));
out:
    free((void *)(uintptr_t)picture.hours);
    free((void *)(uintptr_t)picture.weekdays);
    free((void *)(uintptr_t)longitudes);
    free((void *)(uintptr_t)latitudes);
    return status;
}
