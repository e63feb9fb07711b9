/* The model document: {"format": "blackspot-model", "version": 1, "kind": "kmeans",
 * "features": [...], "precision": "float64", "encoder": {...}, "kmeans": {...}}; kind "gmm" has a
 * "gmm" object instead. Numbers are printed so that they read back to the same bits; nothing in it
 * differs from run to run (docs/formats.md). */
#ifndef SPOT_MODELS_MODEL_FILE_H
#define SPOT_MODELS_MODEL_FILE_H

#include <cjson/cJSON.h>
#include <stdbool.h>

#include "blackspot.h"

struct model {
    char **features; /* (columns) names, or NULL: x0, x1, ... */
    int32_t columns;
    bool float64;        /* the rows it was made of, and those it scores; else float32 */
    cJSON *encoder;      /* as encoder_to_json wrote it, or NULL: rows come as they are */
    spot_kmeans *kmeans; /* one of the two, the other NULL */
    spot_gmm *gmm;
};

/* "kmeans" or "gmm". */
const char *model_kind(const struct model *model);

/* Clusters or components. */
int32_t model_k(const struct model *model);

/* Writes through a temporary file. Nothing of *model is kept. */
int model_write(const char *path, const struct model *model, struct spot_error *err);

/* Reads and checks every value; *model is zeroed on failure. The caller calls model_clear. */
int model_read(const char *path, struct model *model, struct spot_error *err);
void model_clear(struct model *model);

#endif
