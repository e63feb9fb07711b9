/* What the suites of forest readers share: the cases that scripts made (tests/reference/trees), and
 * models that are changed before they are read. */
#ifndef SPOT_TESTS_FOREST_CASES_H
#define SPOT_TESTS_FOREST_CASES_H

#include <cjson/cJSON.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "blackspot.h"
#include "data/npy.h"
#include "suite.h"

enum { COLUMNS = 6 };

/* One case: what the script wrote. */
struct expected {
    const char *name;
    double *table;  /* (rows, width): rows, margins, values, leaves */
    float *rows;    /* (count, COLUMNS) */
    double *rows64; /* the same; NULL: all is float32 */
    int64_t count;
    int32_t width, outputs, trees;
};

static inline char *read_file(const char *path, long *length)
{
    FILE *file = fopen(path, "rb");
    if (file == NULL) return NULL;
    fseek(file, 0, SEEK_END);
    *length = ftell(file);
    rewind(file);
    char *text = calloc(1, (size_t)*length + 1);
    if (text != NULL && fread(text, 1, (size_t)*length, file) != (size_t)*length) *length = 0;
    fclose(file);
    return text;
}

/* folder ends with a slash. */
static inline struct expected load_expected(const char *folder, const cJSON *item)
{
    struct expected expected = {.name = cJSON_GetStringValue(cJSON_GetObjectItem(item, "name"))};
    char path[512];
    struct spot_error err = {0};
    struct npy_file *file = NULL;
    expected.outputs = (int32_t)cJSON_GetNumberValue(cJSON_GetObjectItem(item, "outputs"));
    expected.trees = (int32_t)cJSON_GetNumberValue(cJSON_GetObjectItem(item, "trees"));
    snprintf(path, sizeof path, "%s%s.npy", folder, expected.name);
    CU_ASSERT_EQUAL_FATAL(npy_open(path, &file, &expected.count, &expected.width, &err), 0);
    expected.table = calloc((size_t)(expected.count * expected.width), sizeof(double));
    expected.rows = calloc((size_t)(expected.count * COLUMNS), sizeof(float));
    CU_ASSERT_FATAL(expected.table != NULL && expected.rows != NULL);
    CU_ASSERT_EQUAL_FATAL(npy_read_float64(file, 0, expected.count, expected.table, &err), 0);
    npy_close(file);
    for (int64_t i = 0; i < expected.count; i++)
        for (int64_t j = 0; j < COLUMNS; j++)
            expected.rows[i * COLUMNS + j] = (float)expected.table[i * expected.width + j];
    return expected;
}

static inline spot_forest *load(const char *path)
{
    spot_forest *forest = NULL;
    struct spot_error err = {0};
    if (spot_forest_load(path, &forest, &err) < 0) printf("\n%s\n", err.message);
    CU_ASSERT_PTR_NOT_NULL_FATAL(forest);
    return forest;
}

static inline double *score(spot_engine *engine, const spot_forest *forest,
                            const struct expected *expected, enum spot_forest_output output)
{
    const struct spot_forest_options options = {.output = output};
    const struct spot_forest_rows rows = {.values =
                                              expected->rows64 == NULL ? expected->rows : NULL,
                                          .values64 = expected->rows64,
                                          .rows = expected->count,
                                          .columns = COLUMNS};
    struct spot_error err = {0};
    int64_t cells = expected->count * spot_forest_width(forest, &options);
    double *out = calloc((size_t)cells, sizeof *out);
    CU_ASSERT_PTR_NOT_NULL_FATAL(out);
    CU_ASSERT_EQUAL(spot_forest_score(engine, forest, &rows, &options, out, &err), 0);
    return out;
}

/* The largest relative difference to `count` columns of the table from `first` on. */
static inline double difference(const struct expected *expected, const double *out, int32_t first,
                                int32_t count)
{
    double worst = 0;
    for (int64_t i = 0; i < expected->count; i++)
        for (int32_t j = 0; j < count; j++) {
            double want = expected->table[i * expected->width + first + j];
            double got = out[i * count + j];
            if (expected->rows64 == NULL) got = (double)(float)got;
            if (want != got) worst = fmax(worst, fabs(got - want) / fmax(fabs(want), 1e-30));
        }
    return worst;
}

/* ---- Damaged files -------------------------------------------------------------------------- */

static char scratch[] = "/tmp/test_forest_XXXXXX";

static inline void write_file(const char *path, const char *text, size_t length)
{
    FILE *file = fopen(path, "wb");
    CU_ASSERT_PTR_NOT_NULL_FATAL(file);
    CU_ASSERT_EQUAL(fwrite(text, 1, length, file), length);
    fclose(file);
}

/* Loads the text as a model and returns the status; the message is in err. */
static inline int load_text(const char *text, size_t length, struct spot_error *err)
{
    char path[64];
    spot_forest *forest;
    snprintf(path, sizeof path, "%s/model", scratch);
    write_file(path, text, length);
    memset(err, 0, sizeof *err);
    int status = spot_forest_load(path, &forest, err);
    spot_forest_free(forest);
    remove(path);
    return status;
}

/* The model with the first `from` replaced by `to`. */
static inline int load_changed(const char *model, const char *from, const char *to,
                               struct spot_error *err)
{
    const char *at = strstr(model, from);
    CU_ASSERT_PTR_NOT_NULL_FATAL(at);
    size_t head = (size_t)(at - model), length = strlen(model) - strlen(from) + strlen(to);
    char *changed = calloc(1, length + 1);
    CU_ASSERT_PTR_NOT_NULL_FATAL(changed);
    memcpy(changed, model, head);
    strcpy(changed + head, to);
    strcat(changed, at + strlen(from));
    int status = load_text(changed, length, err);
    free(changed);
    return status;
}

/* Every beginning of a model is refused, and none crashes. */
static inline void cut_short(const char *path)
{
    long length = 0;
    struct spot_error err;
    char *model = read_file(path, &length);
    CU_ASSERT_PTR_NOT_NULL_FATAL(model);
    for (long kept = 0; kept < length; kept += kept < 200 ? 1 : 97)
        CU_ASSERT_EQUAL(load_text(model, (size_t)kept, &err), SPOT_EFORMAT);
    free(model);
}

#endif
