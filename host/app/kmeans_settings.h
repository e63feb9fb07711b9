/* KMeans' options from the configuration (`kmeans:`) and the command line, which goes first. */
#ifndef SPOT_APP_KMEANS_SETTINGS_H
#define SPOT_APP_KMEANS_SETTINGS_H

#include "app/session.h"

struct kmeans_settings {
    struct spot_kmeans_options options; /* k and centres are left to the caller */
    int32_t lowest_k, highest_k;        /* 0: as many as the file of centres has */
    bool measures;                      /* silhouette and the like are wanted */
    char *centres_path;                 /* a file of initial centres, or NULL; owned */
    const char *weight_column;          /* or NULL */
};

int kmeans_settings(struct session *session, struct kmeans_settings *settings,
                    struct spot_error *err);
void kmeans_settings_clear(struct kmeans_settings *settings);

/* Reads the initial centres, (k, columns) float64, in the units of the matrix; the caller frees
 * *centres. *k is how many there must be, or 0: as many as the file has. names: (columns). */
int kmeans_centres(struct session *session, const char *path, const char *const *names,
                   int32_t columns, int32_t *k, double **centres, struct spot_error *err);

#endif
