/* Fuzz target for models of trees: no input may crash, hang or leak. What opens is scored, written
 * in all three formats and read again; in its own library's format it must give the same bits.
 * Built once for each format, FORMAT 0 XGBoost's JSON, 1 its UBJSON, 2 LightGBM's text:
 *
 *   tests/fuzz/run FOLDER [SECONDS [xgboost_json|xgboost_ubj|lightgbm...]] */
#define _GNU_SOURCE
#include <math.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "models/forest.h"

#ifndef FORMAT
#define FORMAT SPOT_FOREST_XGBOOST_JSON
#endif

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { ROWS = 5, MOST_FEATURES = 1000, MOST_OUTPUTS = 1000 };

/* Whether the reader would take the bytes for this target's format. */
static int is_mine(const uint8_t *data, size_t size)
{
    if (size >= 5 && memcmp(data, "tree", 4) == 0) return FORMAT == SPOT_FOREST_LIGHTGBM_TEXT;
    if (FORMAT == SPOT_FOREST_LIGHTGBM_TEXT) return 0;
    const int binary =
        size >= 2 && data[0] == '{' && data[1] != 0 && strchr("iUIlL$#", data[1]) != NULL;
    return binary == (FORMAT == SPOT_FOREST_XGBOOST_UBJSON);
}

/* Rows that differ in what they hold: zeros, missing values, ones, large and small numbers. */
static float *make_rows(int32_t features)
{
    static const float values[] = {0.0f, NAN, 1.0f, -0.3f, 1e30f, -1e30f, 5.0f, 1e-40f, 33.0f};
    float *rows = calloc((size_t)ROWS * (size_t)features + 1, sizeof *rows);
    if (rows == NULL) abort();
    for (int32_t i = 0; i < ROWS * features; i++)
        rows[i] = values[(size_t)(i / features * 7 + i % features * 5 + i) %
                         (sizeof values / sizeof *values)];
    return rows;
}

/* NULL: too much to score, or no memory for it. */
static double *score(const spot_forest *forest, enum spot_forest_output output, int64_t *cells)
{
    const struct spot_forest_info *info = spot_forest_info(forest);
    const struct spot_forest_options options = {.output = output};
    struct spot_error err;
    if (info->features > MOST_FEATURES || info->outputs > MOST_OUTPUTS) return NULL;
    *cells = ROWS * spot_forest_width(forest, &options);
    float *values = make_rows(info->features);
    double *out = calloc((size_t)*cells + 1, sizeof *out);
    const struct spot_forest_rows rows = {
        .values = values, .rows = ROWS, .columns = info->features};
    if (out == NULL) abort();
    if (spot_forest_score(NULL, forest, &rows, &options, out, &err) < 0) {
        free(out);
        out = NULL;
    }
    free(values);
    return out;
}

static int same_numbers(const double *a, const double *b, int64_t count)
{
    for (int64_t i = 0; i < count; i++)
        if (memcmp(&a[i], &b[i], sizeof *a) != 0 && !(isnan(a[i]) && isnan(b[i]))) return 0;
    return 1;
}

static void write_and_read(const spot_forest *forest, enum spot_forest_format format)
{
    static char path[64];
    struct spot_error err = {0};
    spot_forest *again = NULL;
    const int same =
        (forest->forest.rules == FOREST_LIGHTGBM) == (format == SPOT_FOREST_LIGHTGBM_TEXT);
    snprintf(path, sizeof path, "/dev/shm/spot_fuzz_%d", (int)getpid());
    if (spot_forest_save(forest, path, format, &err) < 0) {
        if (same) fprintf(stderr, "cannot be written: %s\n", err.message);
        return;
    }
    if (spot_forest_load(path, &again, &err) < 0) {
        fprintf(stderr, "cannot be read again: %s\n", err.message);
        abort();
    }
    int64_t cells = 0, cells_again = 0;
    double *margins = score(forest, SPOT_FOREST_MARGIN, &cells);
    double *margins_again = score(again, SPOT_FOREST_MARGIN, &cells_again);
    if (same && margins != NULL &&
        (margins_again == NULL || cells != cells_again ||
         !same_numbers(margins, margins_again, cells)))
        abort();
    free(margins);
    free(margins_again);
    spot_forest_free(again);
    unlink(path);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const enum spot_forest_output outputs[] = {SPOT_FOREST_VALUE, SPOT_FOREST_LABEL,
                                                      SPOT_FOREST_LEAF};
    struct spot_error err = {0};
    spot_forest *forest = NULL;
    char path[64];
    int64_t cells;
    if (!is_mine(data, size)) return -1;
    int fd = memfd_create("model", MFD_CLOEXEC);
    if (fd < 0 || write(fd, data, size) != (ssize_t)size) abort();
    snprintf(path, sizeof path, "/proc/self/fd/%d", fd);
    if (spot_forest_load(path, &forest, &err) == SPOT_OK) {
        for (int o = 0; o < 3; o++)
            free(score(forest, outputs[o], &cells));
        for (int format = 0; format < 3; format++)
            write_and_read(forest, (enum spot_forest_format)format);
    } else if (forest != NULL || err.message[0] == '\0') {
        abort();
    }
    spot_forest_free(forest);
    close(fd);
    return 0;
}
