/* The files of `evaluate --plots`. */
#ifndef SPOT_APP_EVALUATION_VIEWS_H
#define SPOT_APP_EVALUATION_VIEWS_H

#include "app/evaluating.h"

/* Writes them into a folder, which is made when it is not there. */
int evaluation_plots(const struct evaluating *job, const char *folder, struct spot_error *err);

/* Makes a folder where there is none. */
int make_folder(const char *folder, struct spot_error *err);

/* "folder/name"; the caller frees it. NULL without memory. */
char *path_in(const char *folder, const char *name);

#endif
