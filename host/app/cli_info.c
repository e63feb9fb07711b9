/* `blackspot info MODEL`: what a model file holds, centres in the units of the raw table; models of
 * trees in info_forest.c. */
#define _GNU_SOURCE /* argp */
#include <stdlib.h>
#include <string.h>

#include "app/forest_model.h"
#include "app/info_forest.h"
#include "app/model_encoder.h"
#include "app/result.h"
#include "app/session.h"
#include "app/words.h"
#include "base/error.h"
#include "data/writer.h"
#include "models/gmm.h"
#include "models/kmeans.h"

static const struct argp_option info_options[] = {
    {"json", OPTION_KEY(OPTION_JSON), 0, 0, "one line of JSON instead of text", 1},
    {0},
};

/* A feature's name, or x0, x1, ... in `buffer`. */
static const char *feature_name(const struct model *model, int32_t j, char *buffer, size_t room)
{
    if (model->features != NULL) return model->features[j];
    snprintf(buffer, room, "x%d", j);
    return buffer;
}

/* Directions have no raw units. */
static bool is_cosine(const struct model *model)
{
    return model->kmeans != NULL && spot_kmeans_result(model->kmeans)->metric == SPOT_METRIC_COSINE;
}

static double raw_centre(const struct model *model, const struct model_encoder *encoder, int32_t c,
                         int32_t j)
{
    const double *centres = model->gmm != NULL ? spot_gmm_result(model->gmm)->means
                                               : spot_kmeans_result(model->kmeans)->centres;
    double value = centres[(int64_t)c * model->columns + j];
    return encoder->encoder != NULL && !is_cosine(model) ? encoder_raw(encoder->encoder, j, value)
                                                         : value;
}

static cJSON *clusters_json(const struct model *model, const struct model_encoder *encoder)
{
    cJSON *list = cJSON_CreateArray();
    for (int32_t c = 0; list != NULL && c < model_k(model); c++) {
        cJSON *cluster = cJSON_CreateObject();
        if (model->gmm != NULL)
            cJSON_AddNumberToObject(cluster, "weight", spot_gmm_result(model->gmm)->weights[c]);
        else
            cJSON_AddNumberToObject(cluster, "size",
                                    (double)spot_kmeans_result(model->kmeans)->sizes[c]);
        cJSON *centre = cJSON_AddArrayToObject(cluster, model->gmm != NULL ? "mean" : "centre");
        for (int32_t j = 0; j < model->columns; j++)
            cJSON_AddItemToArray(centre, cJSON_CreateNumber(raw_centre(model, encoder, c, j)));
        cJSON_AddItemToArray(list, cluster);
    }
    return list;
}

static void add_kmeans(cJSON *result, const struct spot_kmeans_result *found)
{
    cJSON_AddNumberToObject(result, "k", found->k);
    cJSON_AddStringToObject(result, "metric", kmeans_metric_names[found->metric]);
    cJSON_AddNumberToObject(result, "iterations", found->iterations);
    cJSON_AddBoolToObject(result, "converged", found->converged);
    cJSON_AddNumberToObject(result, "inertia", found->inertia);
}

static void add_gmm(cJSON *result, const struct spot_gmm_result *found)
{
    cJSON_AddNumberToObject(result, "k", found->k);
    cJSON_AddStringToObject(result, "covariance", gmm_covariance_names[found->covariance]);
    cJSON_AddNumberToObject(result, "iterations", found->iterations);
    cJSON_AddBoolToObject(result, "converged", found->converged);
    cJSON_AddNumberToObject(result, "log_likelihood", found->log_likelihood);
    cJSON_AddNumberToObject(result, "bic", found->bic);
    cJSON_AddNumberToObject(result, "aic", found->aic);
}

static int print_json(const struct session *session, const struct model *model,
                      const struct model_encoder *encoder, struct spot_error *err)
{
    char buffer[16];
    cJSON *result = cJSON_CreateObject();
    if (result == NULL) return spot_fail_memory(err, "the result");
    cJSON_AddStringToObject(result, "command", session->command->name);
    cJSON_AddStringToObject(result, "model", session->arguments.argument);
    cJSON_AddStringToObject(result, "kind", model_kind(model));
    cJSON *features = cJSON_AddArrayToObject(result, "features");
    for (int32_t j = 0; j < model->columns; j++)
        cJSON_AddItemToArray(features,
                             cJSON_CreateString(feature_name(model, j, buffer, sizeof buffer)));
    cJSON_AddStringToObject(result, "precision", model->float64 ? "float64" : "float32");
    cJSON_AddBoolToObject(result, "encoder", encoder->encoder != NULL);
    if (model->gmm != NULL)
        add_gmm(result, spot_gmm_result(model->gmm));
    else
        add_kmeans(result, spot_kmeans_result(model->kmeans));
    cJSON_AddItemToObject(result, model->gmm != NULL ? "components" : "clusters",
                          clusters_json(model, encoder));
    return result_print(result, err);
}

/* How large a cluster or component is: rows and their share, or the weight alone. */
static void print_size(const struct model *model, int32_t c, int64_t rows)
{
    char count[WORDS_ROOM], share[WORDS_ROOM];
    if (model->gmm != NULL) {
        printf("\n%9d %7.1f%%", c, 100.0 * spot_gmm_result(model->gmm)->weights[c]);
        return;
    }
    int64_t size = spot_kmeans_result(model->kmeans)->sizes[c];
    printf("\n%7d %12s %8s", c, words_count(size, count), words_share(size, rows, share));
}

/* A line for each cluster, a column for each feature. */
static void print_clusters(const struct model *model, const struct model_encoder *encoder)
{
    char name[16], number[WORDS_ROOM];
    int64_t rows = 0;
    for (int32_t c = 0; model->kmeans != NULL && c < model_k(model); c++)
        rows += spot_kmeans_result(model->kmeans)->sizes[c];
    if (model->gmm != NULL)
        printf("\n%9s %8s", "component", "weight");
    else
        printf("\n%7s %12s %8s", "cluster", "rows", "share");
    for (int32_t j = 0; j < model->columns; j++)
        printf("  %10s", feature_name(model, j, name, sizeof name));
    for (int32_t c = 0; c < model_k(model); c++) {
        print_size(model, c, rows);
        for (int32_t j = 0; j < model->columns; j++) {
            int width = (int)strlen(feature_name(model, j, name, sizeof name));
            printf("  %*s", width > 10 ? width : 10,
                   words_number(raw_centre(model, encoder, c, j), number));
        }
    }
    putchar('\n');
}

static void print_kmeans(const struct spot_kmeans_result *found)
{
    char inertia[32];
    format_double(found->inertia, inertia);
    printf("KMeans, %d clusters, %d features%s\n%s after %d iterations, inertia %s\n", found->k,
           found->columns, found->metric == SPOT_METRIC_COSINE ? ", metric cosine" : "",
           found->converged ? "converged" : "not converged", found->iterations, inertia);
}

static void print_gmm(const struct spot_gmm_result *found)
{
    printf("Gaussian mixture, %d components, covariance %s, %d features\n%s after %d iterations, "
           "log-likelihood %.8g, BIC %.10g, AIC %.10g\n",
           found->k, gmm_covariance_names[found->covariance], found->columns,
           found->converged ? "converged" : "stopped by max_iter", found->iterations,
           found->log_likelihood, found->bic, found->aic);
}

static void print_text(const struct session *session, const struct model *model,
                       const struct model_encoder *encoder)
{
    printf("%s: ", session->arguments.argument);
    if (model->gmm != NULL)
        print_gmm(spot_gmm_result(model->gmm));
    else
        print_kmeans(spot_kmeans_result(model->kmeans));
    if (model->float64) puts("made of rows of float64");
    const char *what = model->gmm != NULL ? "means" : "centres";
    if (is_cosine(model))
        printf("%s; centres below are directions in the units of the matrix\n",
               encoder->encoder != NULL ? "carries its encoder" : "has no encoder");
    else if (encoder->encoder != NULL)
        printf("carries its encoder; %s below are in the units of the raw table\n", what);
    else
        printf("has no encoder; %s below are in the units of the matrix\n", what);
    print_clusters(model, encoder);
}

static int info(struct session *session, struct spot_error *err)
{
    struct model model = {0};
    struct model_encoder encoder = {0};
    int status;
    if (session->arguments.argument == NULL)
        return spot_fail(err, SPOT_EUSAGE, "which model? blackspot info MODEL");
    if (is_forest(session->arguments.argument)) return info_forest(session, err);
    SPOT_TRY(model_read(session->arguments.argument, &model, err));
    SPOT_TRY(model_encoder_open(&model, session->arguments.argument, &encoder, err));
    if (given(&session->arguments, OPTION_JSON))
        SPOT_TRY(print_json(session, &model, &encoder, err));
    else
        print_text(session, &model, &encoder);
out:
    model_encoder_close(&encoder);
    model_clear(&model);
    return status;
}

const struct command command_info = {
    .name = "info",
    .summary = "print what a model file holds",
    .usage = "MODEL [--json]",
    .about = "Prints a model's features, clusters and centres or components and means, in the "
             "units of the raw table where "
             "the model carries its encoder. Of trees of XGBoost or LightGBM their number, depth, "
             "leaves and objective, and of each feature the splits, their gain and their cover.",
    .example = "blackspot info model.json",
    .argument = "MODEL",
    .options = info_options,
    .run = info,
};
