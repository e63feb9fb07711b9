#define _GNU_SOURCE /* argp */
#include "app/evaluation_views.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "app/evaluation_report.h"
#include "app/plot_evaluation.h"
#include "base/error.h"

int make_folder(const char *folder, struct spot_error *err)
{
    if (mkdir(folder, 0777) == 0 || errno == EEXIST) return SPOT_OK;
    return spot_fail(err, SPOT_EIO, "cannot make the folder %.200s: %s", folder, strerror(errno));
}

char *path_in(const char *folder, const char *name)
{
    const size_t room = strlen(folder) + strlen(name) + 2;
    char *path = malloc(room);
    if (path != NULL) snprintf(path, room, "%s/%s", folder, name);
    return path;
}

static int write_confusion(const struct evaluating *job, const char *folder, struct spot_error *err)
{
    const char *const *names = (const char *const *)job->classes.names;
    char *path = path_in(folder, "confusion.csv");
    if (path == NULL) return spot_fail_memory(err, "a path");
    int status = report_matrix(path, "true \\ predicted", names, job->classes.count, names,
                               job->classes.count, job->evaluation.confusion, err);
    free(path);
    return status;
}

/* Writes one picture as folder/name.svg and .png. */
typedef int picture_plotter(const char *path, const struct evaluation_picture *picture,
                            struct spot_error *err);

static int plot_both(picture_plotter *plot, const struct evaluation_picture *picture,
                     const char *folder, const char *name, struct spot_error *err)
{
    static const char *const endings[] = {"svg", "png"};
    int status = SPOT_OK;
    for (int i = 0; i < 2 && status == SPOT_OK; i++) {
        char file[40];
        snprintf(file, sizeof file, "%s.%s", name, endings[i]);
        char *path = path_in(folder, file);
        status = path != NULL ? plot(path, picture, err) : spot_fail_memory(err, "a path");
        free(path);
    }
    return status;
}

/* Whether there is a curve: a class with rows, and rows that are not of it. */
static bool has_curves(const struct evaluation *evaluation)
{
    bool found = false;
    for (int32_t c = 0; c < evaluation->curves_count; c++)
        found = found || evaluation->curves[c].count > 0;
    return found;
}

static int plot_classes(const struct evaluating *job, const char *folder, struct spot_error *err)
{
    const struct evaluation_picture picture = {.evaluation = &job->evaluation,
                                               .classes = (const char *const *)job->classes.names,
                                               .rows = job->rows};
    int status;
    SPOT_TRY(write_confusion(job, folder, err));
    if (job->classes.count <= PLOT_CLASSES)
        SPOT_TRY(plot_both(plot_confusion, &picture, folder, "confusion", err));
    if (has_curves(&job->evaluation)) {
        SPOT_TRY(plot_both(plot_roc, &picture, folder, "roc", err));
        SPOT_TRY(plot_both(plot_precision_recall, &picture, folder, "precision_recall", err));
    }
    if (job->evaluation.calibrated)
        SPOT_TRY(plot_both(plot_calibration, &picture, folder, "calibration", err));
out:
    return status;
}

static int plot_features(const struct evaluating *job, const char *folder, struct spot_error *err)
{
    static const char *const files[] = {"importance.svg", "importance.png"};
    int status = SPOT_OK;
    for (int i = 0; i < 2 && status == SPOT_OK; i++) {
        char *path = path_in(folder, files[i]);
        status = path == NULL
                     ? spot_fail_memory(err, "a path")
                     : plot_importance(path, job->features, (const char *const *)job->feature_names,
                                       job->importance, job->importance_kind, err);
        free(path);
    }
    return status;
}

int evaluation_plots(const struct evaluating *job, const char *folder, struct spot_error *err)
{
    int status;
    SPOT_TRY(make_folder(folder, err));
    if (job->classes.count > 0) SPOT_TRY(plot_classes(job, folder, err));
    if (job->importance != NULL) SPOT_TRY(plot_features(job, folder, err));
out:
    return status;
}
