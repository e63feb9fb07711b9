/* Gaussian mixtures against stored values of scikit-learn (tests/reference/gmm/make_reference.py),
 * from given starts: all four covariances, to convergence and for a number of iterations, far from
 * the origin, with weights, one column, one component, several tolerances, warm starts, degenerate
 * rows; and without a start, several runs and the choice by BIC; on every instruction set of this
 * machine. */
#define _POSIX_C_SOURCE 200809L /* setenv */
#include <cjson/cJSON.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "blackspot.h"
#include "models/gmm.h"
#include "suite.h"

static cJSON *document;

static double number(const cJSON *object, const char *key)
{
    return cJSON_GetNumberValue(cJSON_GetObjectItem(object, key));
}

/* A list of numbers; the caller frees it. */
static double *list(const cJSON *object, const char *key, int *count)
{
    const cJSON *array = cJSON_GetObjectItem(object, key), *item;
    *count = cJSON_GetArraySize(array);
    double *values = malloc(((size_t)*count + 1) * sizeof *values);
    int i = 0;
    cJSON_ArrayForEach(item, array) values[i++] = item->valuedouble;
    return values;
}

static void expect(int holds, const char *name, const char *what)
{
    if (!holds) fprintf(stderr, "  case %s: %s differ\n", name, what);
    CU_ASSERT(holds);
}

/* Largest difference between values and the stored list, each divided by its scale or by 1. */
static double distance(const cJSON *object, const char *key, const double *values, double scale)
{
    int count;
    double worst = 0, *stored = list(object, key, &count);
    for (int i = 0; i < count; i++)
        worst = fmax(worst, fabs(values[i] - stored[i]) / scale);
    free(stored);
    return count > 0 ? worst : INFINITY;
}

static double largest_variance(const struct spot_gmm_result *r)
{
    double largest = 0;
    int64_t count = gmm_covariance_count(r->covariance, r->k, r->columns);
    for (int64_t i = 0; i < count; i++)
        largest = fmax(largest, fabs(r->covariances[i]));
    return largest;
}

static void compare_model(const cJSON *test, const spot_gmm *model)
{
    const char *name = cJSON_GetStringValue(cJSON_GetObjectItem(test, "name"));
    const struct spot_gmm_result *r = spot_gmm_result(model);
    const double variance = largest_variance(r);
    expect(r->iterations == (int)number(test, "iterations"), name, "iterations");
    expect(r->converged == cJSON_IsTrue(cJSON_GetObjectItem(test, "converged")), name, "ends");
    expect(fabs(r->lower_bound / number(test, "lower_bound") - 1) < 1e-6, name, "lower bounds");
    expect(fabs(r->log_likelihood / number(test, "log_likelihood") - 1) < 1e-6, name,
           "log-likelihoods");
    /* Each is a difference of two numbers of this size. */
    const double criteria = fabs(number(test, "bic")) + fabs(number(test, "aic"));
    expect(fabs(r->bic - number(test, "bic")) < 1e-6 * criteria, name, "BICs");
    expect(fabs(r->aic - number(test, "aic")) < 1e-6 * criteria, name, "AICs");
    expect(distance(test, "weights", r->weights, 1) < 1e-6, name, "weights");
    expect(distance(test, "means", r->means, sqrt(variance)) < 1e-6, name, "means");
    expect(distance(test, "covariances", r->covariances, variance) < 1e-6, name, "covariances");
}

static void compare_scores(spot_engine *engine, const cJSON *test, const spot_gmm *model,
                           const float *x)
{
    const char *name = cJSON_GetStringValue(cJSON_GetObjectItem(test, "name"));
    const cJSON *scored = cJSON_GetObjectItem(test, "scored");
    int count;
    double *labels = list(scored, "labels", &count);
    const struct spot_gmm_result *r = spot_gmm_result(model);
    const struct spot_matrix matrix = {.values = x, .rows = count, .columns = r->columns};
    int32_t found[16];
    double log_likelihood[16], responsibilities[16 * 8];
    struct spot_error err = {0};
    expect(spot_gmm_score(engine, model, &matrix, found, responsibilities, log_likelihood, &err) ==
               SPOT_OK,
           name, err.message);
    for (int i = 0; i < count; i++)
        expect(found[i] == (int)labels[i], name, "labels");
    expect(distance(scored, "log_likelihood", log_likelihood, 10) < 1e-6, name, "scores");
    expect(distance(scored, "responsibilities", responsibilities, 1) < 1e-6, name,
           "responsibilities");
    free(labels);
}

static enum spot_gmm_covariance covariance_of(const cJSON *test)
{
    const char *name = cJSON_GetStringValue(cJSON_GetObjectItem(test, "covariance"));
    int i = 0;
    while (strcmp(gmm_covariance_names[i], name) != 0)
        i++;
    return (enum spot_gmm_covariance)i;
}

/* A warm start: other limits, and the model found so far. */
static int go_on(spot_engine *engine, const struct spot_matrix *matrix,
                 struct spot_gmm_options options, const cJSON *then, spot_gmm **model)
{
    spot_gmm *first = *model;
    options.warm_start = first;
    options.max_iter = (int32_t)number(then, "max_iter");
    options.tol = number(then, "tol");
    options.weights = options.means = options.precisions = NULL;
    int status = spot_gmm_fit(engine, matrix, &options, model, NULL);
    spot_gmm_free(first);
    return status;
}

static void check_case(spot_engine *engine, const cJSON *test)
{
    int cells, weights_count, ignored;
    const cJSON *start = cJSON_GetObjectItem(test, "start");
    double *x = list(test, "x", &cells);
    double *sample_weights = list(test, "sample_weights", &weights_count);
    double *weights = list(start, "weights", &ignored), *means = list(start, "means", &ignored);
    double *precisions = list(start, "precisions", &ignored);
    float *values = malloc((size_t)cells * sizeof *values);
    for (int i = 0; i < cells; i++)
        values[i] = (float)x[i];
    struct spot_gmm_options options = spot_gmm_defaults();
    options.k = (int32_t)number(test, "k");
    options.covariance = covariance_of(test);
    options.max_iter = (int32_t)number(test, "max_iter");
    options.tol = number(test, "tol");
    options.reg_covar = number(test, "reg_covar");
    options.weights = weights;
    options.means = means;
    options.precisions = precisions;
    int32_t columns = (int32_t)number(test, "columns");
    const struct spot_matrix matrix = {.values = values,
                                       .weights = weights_count > 0 ? sample_weights : NULL,
                                       .rows = cells / columns,
                                       .columns = columns};
    spot_gmm *model = NULL;
    struct spot_error err = {0};
    int status = spot_gmm_fit(engine, &matrix, &options, &model, &err);
    const cJSON *then = cJSON_GetObjectItem(test, "then");
    if (status == SPOT_OK && then != NULL) status = go_on(engine, &matrix, options, then, &model);
    expect(status == SPOT_OK, cJSON_GetStringValue(cJSON_GetObjectItem(test, "name")), err.message);
    if (model != NULL) {
        compare_model(test, model);
        compare_scores(engine, test, model, values);
    }
    spot_gmm_free(model);
    free(x);
    free(sample_weights);
    free(weights);
    free(means);
    free(precisions);
    free(values);
}

/* ---- Without a start ------------------------------------------------------------------------ */

/* Components in the order of their first coordinates: order (k). */
static void sort_components(const struct spot_gmm_result *r, int *order)
{
    for (int c = 0; c < r->k; c++) {
        int at = c;
        for (; at > 0 && r->means[order[at - 1] * r->columns] > r->means[c * r->columns]; at--)
            order[at] = order[at - 1];
        order[at] = c;
    }
}

/* `count` numbers of each component against the stored list. */
static void compare_sorted(const cJSON *test, const char *key, const double *values,
                           const struct spot_gmm_result *r, int64_t count, double scale)
{
    int order[8], total;
    double worst = 0, *stored = list(test, key, &total);
    sort_components(r, order);
    CU_ASSERT_EQUAL(total, (int)(count * r->k));
    for (int64_t t = 0; t < total; t++)
        worst = fmax(worst, fabs(values[order[t / count] * count + t % count] - stored[t]) / scale);
    free(stored);
    expect(worst < 1e-6, cJSON_GetStringValue(cJSON_GetObjectItem(test, "name")), key);
}

static void compare_free(const cJSON *test, const spot_gmm *model)
{
    const char *name = cJSON_GetStringValue(cJSON_GetObjectItem(test, "name"));
    const struct spot_gmm_result *r = spot_gmm_result(model);
    const double variance = largest_variance(r);
    expect(r->converged, name, "ends");
    expect(fabs(r->log_likelihood / number(test, "log_likelihood") - 1) < 1e-7, name,
           "log-likelihoods");
    expect(fabs(r->bic / number(test, "bic") - 1) < 1e-7, name, "BICs");
    expect(fabs(r->aic / number(test, "aic") - 1) < 1e-7, name, "AICs");
    compare_sorted(test, "weights", r->weights, r, 1, 1);
    compare_sorted(test, "means", r->means, r, r->columns, sqrt(variance));
    if (r->covariance == SPOT_GMM_TIED)
        expect(distance(test, "covariances", r->covariances, variance) < 1e-6, name, "covariances");
    else
        compare_sorted(test, "covariances", r->covariances, r,
                       gmm_covariance_count(r->covariance, r->k, r->columns) / r->k, variance);
}

/* The number of components with the lowest BIC. */
static int32_t best_k(spot_engine *engine, const struct spot_matrix *matrix,
                      struct spot_gmm_options options, const cJSON *test)
{
    int32_t best = 0;
    double lowest = INFINITY;
    for (options.k = 1; options.k <= 5; options.k++) {
        spot_gmm *model = NULL;
        CU_ASSERT_EQUAL_FATAL(spot_gmm_fit(engine, matrix, &options, &model, NULL), SPOT_OK);
        const double bic = spot_gmm_result(model)->bic;
        if (options.k == 1)
            expect(fabs(bic / number(test, "one_component_bic") - 1) < 1e-9, "k = 1", "BICs");
        if (bic < lowest) best = options.k;
        lowest = fmin(bic, lowest);
        spot_gmm_free(model);
    }
    return best;
}

static void check_free(spot_engine *engine, const cJSON *test)
{
    int cells;
    double *x = list(test, "x", &cells);
    float *values = malloc((size_t)cells * sizeof *values);
    for (int i = 0; i < cells; i++)
        values[i] = (float)x[i];
    struct spot_gmm_options options = spot_gmm_defaults();
    const char *init = cJSON_GetStringValue(cJSON_GetObjectItem(test, "init"));
    options.k = (int32_t)number(test, "k");
    options.covariance = covariance_of(test);
    options.init = strcmp(init, "kmeans") == 0 ? SPOT_GMM_INIT_KMEANS : SPOT_GMM_INIT_KMEANSPP;
    options.n_init = (int32_t)number(test, "n_init");
    options.max_iter = (int32_t)number(test, "max_iter");
    options.tol = number(test, "tol");
    const int32_t columns = (int32_t)number(test, "columns");
    const struct spot_matrix matrix = {
        .values = values, .rows = cells / columns, .columns = columns};
    spot_gmm *model = NULL;
    CU_ASSERT_EQUAL_FATAL(spot_gmm_fit(engine, &matrix, &options, &model, NULL), SPOT_OK);
    compare_free(test, model);
    /* Where the covariance is the groups' own, BIC finds how many there are. */
    if (options.covariance == SPOT_GMM_FULL)
        CU_ASSERT_EQUAL(best_k(engine, &matrix, options, test), (int32_t)number(test, "best_k"));
    spot_gmm_free(model);
    free(x);
    free(values);
}

static void check_all(const char *instructions)
{
    spot_engine *engine = NULL;
    const cJSON *test;
    setenv("BLACKSPOT_CPU", instructions, 1);
    const struct spot_engine_options options = {.threads = 2};
    int status = spot_engine_open(&options, &engine, NULL);
    unsetenv("BLACKSPOT_CPU");
    if (status == SPOT_EDEVICE) return; /* this processor does not have it */
    CU_ASSERT_FATAL(status == SPOT_OK);
    const cJSON *cases = cJSON_GetObjectItem(document, "cases");
    CU_ASSERT(cJSON_GetArraySize(cases) > 40);
    cJSON_ArrayForEach(test, cases) check_case(engine, test);
    cJSON_ArrayForEach(test, cJSON_GetObjectItem(document, "free")) check_free(engine, test);
    spot_engine_close(engine);
}

static void plain_c(void)
{
    check_all("ref");
}

static void avx2(void)
{
    check_all("avx2");
}

static void avx512(void)
{
    check_all("avx512");
}

static cJSON *read_document(const char *path)
{
    FILE *file = fopen(path, "rb");
    if (file == NULL) return NULL;
    fseek(file, 0, SEEK_END);
    long size = ftell(file);
    rewind(file);
    char *text = calloc((size_t)size + 1, 1);
    cJSON *read = NULL;
    if (fread(text, 1, (size_t)size, file) == (size_t)size) read = cJSON_Parse(text);
    free(text);
    fclose(file);
    return read;
}

int main(void)
{
    static const struct suite_test tests[] = {
        {"scikit-learn's mixtures, plain C", plain_c},
        {"scikit-learn's mixtures, AVX2", avx2},
        {"scikit-learn's mixtures, AVX-512", avx512},
        {NULL, NULL},
    };
    document = read_document(SOURCE_DIR "/tests/reference/gmm/cases.json");
    if (document == NULL) return 1;
    int failures = run_suite("gmm_reference", tests);
    cJSON_Delete(document);
    return failures;
}
