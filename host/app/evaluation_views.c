#define _GNU_SOURCE /* argp */
#include "app/evaluation_views.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "app/evaluation_report.h"
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

int evaluation_plots(const struct evaluating *job, const char *folder, struct spot_error *err)
{
    int status;
    SPOT_TRY(make_folder(folder, err));
    if (job->classes.count > 0) SPOT_TRY(write_confusion(job, folder, err));
out:
    return status;
}
