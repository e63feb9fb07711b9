/* The encoder beside a matrix: prepare writes FEATURES.npy and FEATURES.encoder.json, train on
 * FEATURES.npy finds the latter and embeds it, so that the model can score raw files.
 *
 *   {"format": "blackspot-encoder", "version": 1, "features": [...], "encoder": {...}} */
#ifndef SPOT_APP_ENCODER_FILE_H
#define SPOT_APP_ENCODER_FILE_H

#include <cjson/cJSON.h>

#include "blackspot.h"

/* "dir/x.encoder.json" for "dir/x.npy"; NULL without memory. The caller frees. */
char *encoder_file_path(const char *matrix);

/* Whether a path ends in ".npy". */
int is_npy(const char *path);

/* Writes; nothing is kept. names: (columns). */
int encoder_file_write(const char *path, const cJSON *encoder, const char *const *names,
                       int32_t columns, struct spot_error *err);

/* Reads; *encoder and *names ((columns) texts and then NULL) stay NULL when there is no such file.
 * SPOT_EFORMAT when it does not fit a matrix of this many columns, -1: of any number. The caller
 * frees both. */
int encoder_file_read(const char *path, int32_t columns, cJSON **encoder, char ***names,
                      struct spot_error *err);

void names_free(char **names, int32_t columns);

#endif
