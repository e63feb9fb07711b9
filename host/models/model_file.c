/* Model documents are trees of cJSON, printed so that numbers read back to the same bits. Every
 * value read is checked before it is used. */
#include "models/model_file.h"

#include <errno.h>
#include <math.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "base/memory.h"
#include "data/json.h"
#include "data/writer.h"
#include "models/gmm.h"
#include "models/kmeans.h"

/* Larger documents are no models; the limit bounds what a wrong file can cost. */
static const long LARGEST_FILE = 1l << 30;

/* ---- Writing -------------------------------------------------------------------------------- */

const char *model_kind(const struct model *model)
{
    return model->gmm != NULL ? "gmm" : "kmeans";
}

int32_t model_k(const struct model *model)
{
    return model->gmm != NULL ? spot_gmm_result(model->gmm)->k
                              : spot_kmeans_result(model->kmeans)->k;
}

static bool add_sizes(cJSON *parent, const int64_t *sizes, int32_t k)
{
    cJSON *array = cJSON_AddArrayToObject(parent, "sizes");
    for (int32_t c = 0; array != NULL && c < k; c++)
        if (!cJSON_AddItemToArray(array, cJSON_CreateNumber((double)sizes[c]))) return false;
    return array != NULL;
}

static bool add_centres(cJSON *parent, const struct spot_kmeans_result *result)
{
    cJSON *rows = cJSON_AddArrayToObject(parent, "centres");
    for (int32_t c = 0; rows != NULL && c < result->k; c++) {
        cJSON *row = cJSON_CreateDoubleArray(result->centres + (int64_t)c * result->columns,
                                             result->columns);
        if (!cJSON_AddItemToArray(rows, row)) return false;
    }
    return rows != NULL;
}

/* Only where they say something else than the sizes. */
static bool add_weights(cJSON *parent, const struct spot_kmeans_result *result)
{
    bool same = true;
    for (int32_t c = 0; c < result->k; c++)
        same = same && result->weights[c] == (double)result->sizes[c];
    if (same) return true;
    cJSON *array = cJSON_AddArrayToObject(parent, "weights");
    for (int32_t c = 0; array != NULL && c < result->k; c++)
        if (!cJSON_AddItemToArray(array, cJSON_CreateNumber(result->weights[c]))) return false;
    return array != NULL;
}

static bool add_kmeans(cJSON *document, const struct model *model)
{
    const struct spot_kmeans_result *result = spot_kmeans_result(model->kmeans);
    cJSON *kmeans = cJSON_AddObjectToObject(document, "kmeans");
    return kmeans != NULL && cJSON_AddNumberToObject(kmeans, "k", result->k) != NULL &&
           cJSON_AddStringToObject(kmeans, "metric", kmeans_metric_names[result->metric]) != NULL &&
           cJSON_AddNumberToObject(kmeans, "inertia", result->inertia) != NULL &&
           cJSON_AddNumberToObject(kmeans, "iterations", result->iterations) != NULL &&
           cJSON_AddBoolToObject(kmeans, "converged", result->converged) != NULL &&
           add_sizes(kmeans, result->sizes, result->k) && add_weights(kmeans, result) &&
           add_centres(kmeans, result);
}

static bool add_gmm(cJSON *document, const struct model *model)
{
    return json_give(document, "gmm", gmm_to_json(model->gmm));
}

static bool add_features(cJSON *document, const struct model *model)
{
    cJSON *features = cJSON_AddArrayToObject(document, "features");
    for (int32_t j = 0; features != NULL && j < model->columns; j++) {
        char numbered[32];
        snprintf(numbered, sizeof numbered, "x%d", (int)j);
        const char *name = model->features != NULL ? model->features[j] : numbered;
        if (!cJSON_AddItemToArray(features, cJSON_CreateString(name))) return false;
    }
    return features != NULL;
}

/* Only where it is not the usual one. */
static bool add_precision(cJSON *document, const struct model *model)
{
    return !model->float64 || cJSON_AddStringToObject(document, "precision", "float64") != NULL;
}

static char *print_model(const struct model *model)
{
    cJSON *document = cJSON_CreateObject();
    char *text = NULL;
    bool made = document != NULL &&
                cJSON_AddStringToObject(document, "format", "blackspot-model") != NULL &&
                cJSON_AddNumberToObject(document, "version", 1) != NULL &&
                cJSON_AddStringToObject(document, "kind", model_kind(model)) != NULL &&
                add_features(document, model) && add_precision(document, model);
    if (made && model->encoder != NULL)
        made = json_give(document, "encoder", cJSON_CreateObjectReference(model->encoder->child));
    if (made && (model->gmm != NULL ? add_gmm : add_kmeans)(document, model))
        text = json_print(document, true);
    cJSON_Delete(document);
    return text;
}

int model_write(const char *path, const struct model *model, struct spot_error *err)
{
    int status = SPOT_OK;
    struct writer *writer = NULL;
    char *text = print_model(model);
    if (text == NULL) return spot_fail_memory(err, "the model document");
    SPOT_TRY(writer_open(path, &writer, err));
    SPOT_TRY(writer_put(writer, text, strlen(text), err));
    status = writer_commit(writer, err);
    writer = NULL;
out:
    writer_abandon(writer);
    free(text);
    return status;
}

/* ---- Reading -------------------------------------------------------------------------------- */

static int read_text(const char *path, char **out, struct spot_error *err)
{
    int status = SPOT_OK;
    char *text = NULL;
    FILE *file = fopen(path, "rbe");
    if (file == NULL) return spot_fail(err, SPOT_EIO, "%s: cannot open: %s", path, strerror(errno));
    int64_t capacity = 0;
    size_t length = 0;
    for (;;) {
        if (spot_grow((void **)&text, &capacity, (int64_t)length + 65536, 1) < 0) {
            status = spot_fail_memory(err, path);
            goto out;
        }
        size_t got = fread(text + length, 1, (size_t)capacity - length - 1, file);
        length += got;
        if (got == 0) break;
        if (length > (size_t)LARGEST_FILE) {
            status = spot_fail(err, SPOT_EFORMAT, "%s: larger than any model", path);
            goto out;
        }
    }
    if (ferror(file)) {
        status = spot_fail(err, SPOT_EIO, "%s: cannot read: %s", path, strerror(errno));
        goto out;
    }
    text[length] = '\0';
    *out = text;
    text = NULL;
out:
    fclose(file);
    free(text);
    return status;
}

static int line_of(const char *text, const char *place)
{
    int line = 1;
    for (; text < place && *text != '\0'; text++)
        line += *text == '\n';
    return line;
}

static const char *kind_of(const cJSON *document)
{
    const char *kind = cJSON_GetStringValue(cJSON_GetObjectItemCaseSensitive(document, "kind"));
    return kind == NULL ? "" : kind;
}

static int check_head(const char *path, const cJSON *document, struct spot_error *err)
{
    const char *format = cJSON_GetStringValue(cJSON_GetObjectItemCaseSensitive(document, "format"));
    if (format == NULL || strcmp(format, "blackspot-model") != 0)
        return spot_fail(err, SPOT_EFORMAT,
                         "%s: not a blackspot model: \"format\" is not \"blackspot-model\"", path);
    const cJSON *version = cJSON_GetObjectItemCaseSensitive(document, "version");
    if (!cJSON_IsNumber(version) || version->valuedouble != 1)
        return spot_fail(err, SPOT_EFORMAT,
                         "%s: \"version\" is not 1, the version this program knows", path);
    const char *kind = kind_of(document);
    if (strcmp(kind, "kmeans") != 0 && strcmp(kind, "gmm") != 0)
        return spot_fail(err, SPOT_EFORMAT,
                         "%s: \"kind\" is \"%s\"; this program knows \"kmeans\" and \"gmm\"", path,
                         kind);
    return SPOT_OK;
}

static int read_features(const char *path, const cJSON *document, struct model *model,
                         struct spot_error *err)
{
    const cJSON *features = cJSON_GetObjectItemCaseSensitive(document, "features");
    int count = cJSON_IsArray(features) ? cJSON_GetArraySize(features) : 0;
    if (count < 1)
        return spot_fail(err, SPOT_EFORMAT, "%s: \"features\" is not a list of names", path);
    model->features = calloc((size_t)count, sizeof *model->features);
    if (model->features == NULL) return spot_fail_memory(err, "the features");
    const cJSON *item;
    cJSON_ArrayForEach(item, features)
    {
        if (!cJSON_IsString(item))
            return spot_fail(err, SPOT_EFORMAT, "%s: features[%d] is not a name", path,
                             (int)model->columns);
        model->features[model->columns] = spot_copy_text(item->valuestring);
        if (model->features[model->columns] == NULL) return spot_fail_memory(err, "the features");
        model->columns++;
    }
    return SPOT_OK;
}

/* A number of the "kmeans" object within [minimum, maximum]. */
static int read_number(const char *path, const cJSON *kmeans, const char *name, double minimum,
                       double maximum, double *value, struct spot_error *err)
{
    const cJSON *number = cJSON_GetObjectItemCaseSensitive(kmeans, name);
    if (!cJSON_IsNumber(number) || !(number->valuedouble >= minimum) ||
        !(number->valuedouble <= maximum))
        return spot_fail(err, SPOT_EFORMAT, "%s: kmeans.%s is not a number from %g to %g", path,
                         name, minimum, maximum);
    *value = number->valuedouble;
    return SPOT_OK;
}

/* A model without one is Euclidean. */
static int read_metric(const char *path, const cJSON *kmeans, enum spot_metric *metric,
                       struct spot_error *err)
{
    const cJSON *item = cJSON_GetObjectItemCaseSensitive(kmeans, "metric");
    const char *name = item == NULL ? kmeans_metric_names[0] : cJSON_GetStringValue(item);
    for (int i = 0; name != NULL && kmeans_metric_names[i] != NULL; i++)
        if (strcmp(kmeans_metric_names[i], name) == 0) {
            *metric = (enum spot_metric)i;
            return SPOT_OK;
        }
    return spot_fail(err, SPOT_EFORMAT, "%s: kmeans.metric is neither \"euclidean\" nor \"cosine\"",
                     path);
}

static int read_sizes(const char *path, const cJSON *kmeans, spot_kmeans *model,
                      struct spot_error *err)
{
    const cJSON *sizes = cJSON_GetObjectItemCaseSensitive(kmeans, "sizes"), *item;
    if (!cJSON_IsArray(sizes) || cJSON_GetArraySize(sizes) != model->result.k)
        return spot_fail(err, SPOT_EFORMAT, "%s: kmeans.sizes is not a list of k = %d numbers",
                         path, (int)model->result.k);
    int32_t c = 0;
    cJSON_ArrayForEach(item, sizes)
    {
        double size = cJSON_IsNumber(item) ? item->valuedouble : -1;
        if (!(size >= 0 && size <= 0x1p53))
            return spot_fail(err, SPOT_EFORMAT, "%s: kmeans.sizes[%d] is not a count", path,
                             (int)c);
        model->sizes[c++] = (int64_t)size;
    }
    return SPOT_OK;
}

/* Absent: what the sizes say. */
static int read_weights(const char *path, const cJSON *kmeans, spot_kmeans *model,
                        struct spot_error *err)
{
    const cJSON *weights = cJSON_GetObjectItemCaseSensitive(kmeans, "weights"), *item;
    int32_t c = 0;
    for (; weights == NULL && c < model->result.k; c++)
        model->weights[c] = (double)model->sizes[c];
    if (weights == NULL) return SPOT_OK;
    if (!cJSON_IsArray(weights) || cJSON_GetArraySize(weights) != model->result.k)
        return spot_fail(err, SPOT_EFORMAT, "%s: kmeans.weights is not a list of k = %d numbers",
                         path, (int)model->result.k);
    cJSON_ArrayForEach(item, weights)
    {
        double weight = cJSON_IsNumber(item) ? item->valuedouble : -1;
        if (!(weight >= 0) || isinf(weight))
            return spot_fail(err, SPOT_EFORMAT, "%s: kmeans.weights[%d] is not a weight", path,
                             (int)c);
        model->weights[c++] = weight;
    }
    return SPOT_OK;
}

static int read_centre(const char *path, const cJSON *row, int32_t c, spot_kmeans *model,
                       struct spot_error *err)
{
    int32_t columns = model->result.columns, j = 0;
    if (!cJSON_IsArray(row) || cJSON_GetArraySize(row) != columns)
        return spot_fail(err, SPOT_EFORMAT, "%s: kmeans.centres[%d] is not a list of %d numbers",
                         path, (int)c, (int)columns);
    const cJSON *item;
    cJSON_ArrayForEach(item, row)
    {
        if (!cJSON_IsNumber(item) || !isfinite(item->valuedouble))
            return spot_fail(err, SPOT_EFORMAT, "%s: kmeans.centres[%d][%d] is not a number", path,
                             (int)c, (int)j);
        model->centres[(int64_t)c * columns + j++] = item->valuedouble;
    }
    return SPOT_OK;
}

static int read_kmeans(const char *path, const cJSON *document, struct model *model,
                       struct spot_error *err)
{
    int status = SPOT_OK;
    const cJSON *kmeans = cJSON_GetObjectItemCaseSensitive(document, "kmeans");
    const cJSON *centres = cJSON_GetObjectItemCaseSensitive(kmeans, "centres"), *row;
    double k = 0, iterations = 0;
    SPOT_TRY(read_number(path, kmeans, "k", 1, INT32_MAX, &k, err));
    if (!cJSON_IsArray(centres) || cJSON_GetArraySize(centres) != (int)k)
        return spot_fail(err, SPOT_EFORMAT, "%s: kmeans.centres is not a list of k = %d rows", path,
                         (int)k);
    model->kmeans = kmeans_new((int32_t)k, model->columns);
    if (model->kmeans == NULL) return spot_fail_memory(err, "the model");
    struct spot_kmeans_result *result = &model->kmeans->result;
    SPOT_TRY(read_metric(path, kmeans, &result->metric, err));
    SPOT_TRY(read_number(path, kmeans, "inertia", 0, INFINITY, &result->inertia, err));
    SPOT_TRY(read_number(path, kmeans, "iterations", 1, INT32_MAX, &iterations, err));
    result->iterations = (int32_t)iterations;
    SPOT_TRY(read_sizes(path, kmeans, model->kmeans, err));
    SPOT_TRY(read_weights(path, kmeans, model->kmeans, err));
    int32_t c = 0;
    cJSON_ArrayForEach(row, centres) SPOT_TRY(read_centre(path, row, c++, model->kmeans, err));
    const cJSON *converged = cJSON_GetObjectItemCaseSensitive(kmeans, "converged");
    if (!cJSON_IsBool(converged))
        return spot_fail(err, SPOT_EFORMAT, "%s: kmeans.converged is neither true nor false", path);
    result->converged = cJSON_IsTrue(converged);
out:
    return status;
}

static int read_gmm(const char *path, const cJSON *document, struct model *model,
                    struct spot_error *err)
{
    return gmm_from_json(path, cJSON_GetObjectItemCaseSensitive(document, "gmm"), model->columns,
                         &model->gmm, err);
}

static int read_precision(const char *path, const cJSON *document, struct model *model,
                          struct spot_error *err)
{
    const cJSON *item = cJSON_GetObjectItemCaseSensitive(document, "precision");
    const char *word = item == NULL ? "float32" : cJSON_GetStringValue(item);
    model->float64 = word != NULL && strcmp(word, "float64") == 0;
    if (model->float64 || (word != NULL && strcmp(word, "float32") == 0)) return SPOT_OK;
    return spot_fail(err, SPOT_EFORMAT, "%s: \"precision\" is neither \"float32\" nor \"float64\"",
                     path);
}

static int read_encoder(const char *path, cJSON *document, struct model *model,
                        struct spot_error *err)
{
    model->encoder = cJSON_DetachItemFromObjectCaseSensitive(document, "encoder");
    if (model->encoder == NULL || cJSON_IsObject(model->encoder)) return SPOT_OK;
    return spot_fail(err, SPOT_EFORMAT, "%s: \"encoder\" is not an object", path);
}

int model_read(const char *path, struct model *model, struct spot_error *err)
{
    int status = SPOT_OK;
    char *text = NULL;
    cJSON *document = NULL;
    const char *end = NULL;
    memset(model, 0, sizeof *model);
    SPOT_TRY(read_text(path, &text, err));
    errno = 0; /* the parser does not say why it gave up; the allocator does */
    document = cJSON_ParseWithOpts(text, &end, true);
    if (document == NULL && errno == ENOMEM) {
        status = spot_fail_memory(err, path);
        goto out;
    }
    if (document == NULL) {
        status =
            spot_fail(err, SPOT_EFORMAT, "%s:%d: not a JSON document", path, line_of(text, end));
        goto out;
    }
    SPOT_TRY(check_head(path, document, err));
    SPOT_TRY(read_features(path, document, model, err));
    SPOT_TRY(read_precision(path, document, model, err));
    SPOT_TRY(read_encoder(path, document, model, err));
    const bool mixture = strcmp(kind_of(document), "gmm") == 0;
    SPOT_TRY((mixture ? read_gmm : read_kmeans)(path, document, model, err));
out:
    if (status < 0) model_clear(model);
    cJSON_Delete(document);
    free(text);
    return status;
}

void model_clear(struct model *model)
{
    for (int32_t j = 0; j < model->columns && model->features != NULL; j++)
        free(model->features[j]);
    free(model->features);
    cJSON_Delete(model->encoder);
    spot_kmeans_free(model->kmeans);
    spot_gmm_free(model->gmm);
    memset(model, 0, sizeof *model);
}

/* ---- The public interface ------------------------------------------------------------------- */

int spot_kmeans_save(const spot_kmeans *model, const char *path, struct spot_error *err)
{
    /* model_write only reads through the pointer. */
    const struct model document = {.columns = model->result.columns,
                                   .kmeans = (spot_kmeans *)(uintptr_t)model};
    return model_write(path, &document, err);
}

/* Refuses a model of another kind, by its name. */
static int refuse_kind(const char *path, struct model *document, const char *wanted,
                       struct spot_error *err)
{
    int status = spot_fail(err, SPOT_EFORMAT, "%s: a model of kind \"%s\", not \"%s\"", path,
                           model_kind(document), wanted);
    model_clear(document);
    return status;
}

int spot_kmeans_load(const char *path, spot_kmeans **out, struct spot_error *err)
{
    struct model document;
    *out = NULL;
    int status = model_read(path, &document, err);
    if (status < 0) return status;
    if (document.kmeans == NULL) return refuse_kind(path, &document, "kmeans", err);
    *out = document.kmeans;
    document.kmeans = NULL;
    model_clear(&document);
    return SPOT_OK;
}

int spot_gmm_save(const spot_gmm *model, const char *path, struct spot_error *err)
{
    const struct model document = {.columns = model->result.columns,
                                   .gmm = (spot_gmm *)(uintptr_t)model};
    return model_write(path, &document, err);
}

int spot_gmm_load(const char *path, spot_gmm **out, struct spot_error *err)
{
    struct model document;
    *out = NULL;
    int status = model_read(path, &document, err);
    if (status < 0) return status;
    if (document.gmm == NULL) return refuse_kind(path, &document, "gmm", err);
    *out = document.gmm;
    document.gmm = NULL;
    model_clear(&document);
    return SPOT_OK;
}
