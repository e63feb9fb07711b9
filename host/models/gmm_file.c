/* The "gmm" part of a model document: weights, means and covariances; factors are made anew when it
 * is read, by the same steps, so they have the same bits. */
#include <math.h>
#include <stdbool.h>
#include <string.h>

#include "base/error.h"
#include "data/json.h"
#include "models/gmm.h"

/* How often covariances of a type are nested: [k][columns][columns] has three. */
struct shape {
    int levels;
    int32_t size[3];
};

static struct shape covariance_shape(enum spot_gmm_covariance covariance, int32_t k, int32_t d)
{
    switch (covariance) {
    case SPOT_GMM_FULL:
        return (struct shape){3, {k, d, d}};
    case SPOT_GMM_TIED:
        return (struct shape){2, {d, d, 0}};
    case SPOT_GMM_DIAG:
        return (struct shape){2, {k, d, 0}};
    default:
        return (struct shape){1, {k, 0, 0}};
    }
}

/* ---- Writing --------------------------------------------------------------------------------- */

/* values of this shape as nested lists; *values moves on. */
static cJSON *nested_list(const int32_t *size, int levels, const double **values)
{
    if (levels == 1) {
        cJSON *list = cJSON_CreateDoubleArray(*values, size[0]);
        *values += size[0];
        return list;
    }
    cJSON *list = cJSON_CreateArray();
    for (int32_t i = 0; list != NULL && i < size[0]; i++) {
        if (cJSON_AddItemToArray(list, nested_list(size + 1, levels - 1, values))) continue;
        cJSON_Delete(list);
        list = NULL;
    }
    return list;
}

static bool add_numbers(cJSON *gmm, const char *name, struct shape shape, const double *values)
{
    return json_give(gmm, name, nested_list(shape.size, shape.levels, &values));
}

cJSON *gmm_to_json(const spot_gmm *model)
{
    const struct spot_gmm_result *r = &model->result;
    cJSON *gmm = cJSON_CreateObject();
    bool made =
        gmm != NULL && cJSON_AddNumberToObject(gmm, "k", r->k) != NULL &&
        cJSON_AddStringToObject(gmm, "covariance", gmm_covariance_names[r->covariance]) != NULL &&
        cJSON_AddNumberToObject(gmm, "lower_bound", r->lower_bound) != NULL &&
        cJSON_AddNumberToObject(gmm, "log_likelihood", r->log_likelihood) != NULL &&
        cJSON_AddNumberToObject(gmm, "bic", r->bic) != NULL &&
        cJSON_AddNumberToObject(gmm, "aic", r->aic) != NULL &&
        cJSON_AddNumberToObject(gmm, "iterations", r->iterations) != NULL &&
        cJSON_AddBoolToObject(gmm, "converged", r->converged) != NULL &&
        add_numbers(gmm, "weights", (struct shape){1, {r->k, 0, 0}}, r->weights) &&
        add_numbers(gmm, "means", (struct shape){2, {r->k, r->columns, 0}}, r->means) &&
        add_numbers(gmm, "covariances", covariance_shape(r->covariance, r->k, r->columns),
                    r->covariances);
    if (made) return gmm;
    cJSON_Delete(gmm);
    return NULL;
}

/* ---- Reading --------------------------------------------------------------------------------- */

static int read_number(const char *path, const cJSON *gmm, const char *name, double minimum,
                       double *value, struct spot_error *err)
{
    const cJSON *number = cJSON_GetObjectItemCaseSensitive(gmm, name);
    if (!cJSON_IsNumber(number) || !(number->valuedouble >= minimum) || isinf(number->valuedouble))
        return spot_fail(err, SPOT_EFORMAT, "%s: gmm.%s is not a number of %g or more", path, name,
                         minimum);
    *value = number->valuedouble;
    return SPOT_OK;
}

static int read_nested(const char *path, const char *name, const cJSON *list, const int32_t *size,
                       int levels, double **values, struct spot_error *err)
{
    const cJSON *item;
    if (!cJSON_IsArray(list) || cJSON_GetArraySize(list) != size[0])
        return spot_fail(err, SPOT_EFORMAT, "%s: gmm.%s is not made of lists of %d", path, name,
                         (int)size[0]);
    cJSON_ArrayForEach(item, list)
    {
        if (levels > 1) {
            int status = read_nested(path, name, item, size + 1, levels - 1, values, err);
            if (status < 0) return status;
        } else if (!cJSON_IsNumber(item) || !isfinite(item->valuedouble)) {
            return spot_fail(err, SPOT_EFORMAT, "%s: gmm.%s holds something that is not a number",
                             path, name);
        } else {
            *(*values)++ = item->valuedouble;
        }
    }
    return SPOT_OK;
}

static int read_numbers(const char *path, const cJSON *gmm, const char *name, struct shape shape,
                        double *values, struct spot_error *err)
{
    return read_nested(path, name, cJSON_GetObjectItemCaseSensitive(gmm, name), shape.size,
                       shape.levels, &values, err);
}

static int read_covariance(const char *path, const cJSON *gmm, enum spot_gmm_covariance *covariance,
                           struct spot_error *err)
{
    const char *name = cJSON_GetStringValue(cJSON_GetObjectItemCaseSensitive(gmm, "covariance"));
    for (int i = 0; name != NULL && gmm_covariance_names[i] != NULL; i++)
        if (strcmp(name, gmm_covariance_names[i]) == 0) {
            *covariance = (enum spot_gmm_covariance)i;
            return SPOT_OK;
        }
    return spot_fail(err, SPOT_EFORMAT,
                     "%s: gmm.covariance is none of full, tied, diag and spherical", path);
}

static int read_figures(const char *path, const cJSON *gmm, struct spot_gmm_result *result,
                        struct spot_error *err)
{
    int status;
    double iterations = 0.0;
    SPOT_TRY(read_number(path, gmm, "lower_bound", -INFINITY, &result->lower_bound, err));
    SPOT_TRY(read_number(path, gmm, "log_likelihood", -INFINITY, &result->log_likelihood, err));
    SPOT_TRY(read_number(path, gmm, "bic", -INFINITY, &result->bic, err));
    SPOT_TRY(read_number(path, gmm, "aic", -INFINITY, &result->aic, err));
    SPOT_TRY(read_number(path, gmm, "iterations", 1, &iterations, err));
    result->iterations = iterations < INT32_MAX ? (int32_t)iterations : INT32_MAX;
    result->converged = cJSON_IsTrue(cJSON_GetObjectItemCaseSensitive(gmm, "converged"));
out:
    return status;
}

static int check_weights(const char *path, const struct gmm_parameters *p, struct spot_error *err)
{
    for (int32_t c = 0; c < p->k; c++)
        if (!(p->weights[c] >= 0.0 && p->weights[c] <= 1.0))
            return spot_fail(err, SPOT_EFORMAT, "%s: gmm.weights[%d] is not between 0 and 1", path,
                             (int)c);
    return SPOT_OK;
}

int gmm_from_json(const char *path, const cJSON *gmm, int32_t columns, spot_gmm **out,
                  struct spot_error *err)
{
    int status = SPOT_OK;
    double k = 0.0;
    enum spot_gmm_covariance covariance = SPOT_GMM_FULL;
    spot_gmm *model = NULL;
    struct spot_error reason = {0};
    const cJSON *weights = cJSON_GetObjectItemCaseSensitive(gmm, "weights");
    *out = NULL;
    SPOT_TRY(read_number(path, gmm, "k", 1, &k, err));
    if (!cJSON_IsArray(weights) || cJSON_GetArraySize(weights) != k) {
        status = spot_fail(err, SPOT_EFORMAT, "%s: gmm.weights is not a list of k = %g numbers",
                           path, k);
        goto out;
    }
    SPOT_TRY(read_covariance(path, gmm, &covariance, err));
    model = gmm_new((int32_t)k, columns, covariance);
    if (model == NULL) {
        status = spot_fail_memory(err, "the model");
        goto out;
    }
    struct gmm_parameters *p = &model->parameters;
    SPOT_TRY(read_figures(path, gmm, &model->result, err));
    SPOT_TRY(read_numbers(path, gmm, "weights", (struct shape){1, {p->k, 0, 0}}, p->weights, err));
    SPOT_TRY(check_weights(path, p, err));
    SPOT_TRY(
        read_numbers(path, gmm, "means", (struct shape){2, {p->k, columns, 0}}, p->means, err));
    SPOT_TRY(read_numbers(path, gmm, "covariances", covariance_shape(covariance, p->k, columns),
                          p->covariances, err));
    if (gmm_factorise(p, 0.0, &reason) < 0)
        status = spot_fail(err, reason.code == SPOT_ENOMEM ? SPOT_ENOMEM : SPOT_EFORMAT,
                           "%s: gmm.covariances holds one that is not positive definite", path);
out:
    if (status < 0) {
        spot_gmm_free(model);
        model = NULL;
    }
    *out = model;
    return status;
}
