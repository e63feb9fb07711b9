/* `evaluate` of KMeans and mixtures: the measures that need no labels, the profile of each cluster,
 * and with --label how far the clusters agree with a given labelling. */
#define _GNU_SOURCE /* argp */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "app/encoder_file.h"
#include "app/evaluating.h"
#include "app/evaluation_report.h"
#include "app/evaluation_views.h"
#include "app/result.h"
#include "app/score_input.h"
#include "app/views.h"
#include "base/error.h"
#include "base/memory.h"
#include "data/writer.h"
#include "models/gmm.h"

enum { MOST_FOUND = 10 };

struct clusters_evaluating {
    struct session *session;
    struct model model;
    struct model_encoder encoder;
    struct spot_matrix rows; /* all of them */
    float *values;           /* (rows, columns), or NULL: */
    double *values64;        /* the same where the model's rows are float64 */
    double *weights;         /* (rows) or NULL */
    int64_t values_room, weights_room, weights_count;
    int32_t *clusters;         /* (rows) */
    struct label_column truth; /* no rows without --label */
    struct class_list classes;
    struct {
        const char *name;
        double value; /* NaN: not defined */
    } found[MOST_FOUND];
    int32_t found_count;
    double *contingency; /* (classes, k) rows of each label in each cluster, or NULL */
    double read_seconds, score_seconds, evaluate_seconds, write_seconds;
};

/* ---- Rows ----------------------------------------------------------------------------------- */

static int take_values(struct clusters_evaluating *job, const struct scored_rows *rows)
{
    const int64_t columns = job->model.columns, before = job->rows.rows;
    const size_t size = job->model.float64 ? sizeof(double) : sizeof(float);
    const void *from = job->model.float64 ? (const void *)rows->values64 : rows->values;
    void *values = job->model.float64 ? (void *)job->values64 : job->values;
    int status = spot_grow(&values, &job->values_room, (before + rows->rows) * columns, size);
    if (job->model.float64)
        job->values64 = values;
    else
        job->values = values;
    if (status < 0) return status;
    memcpy((char *)values + (size_t)(before * columns) * size, from,
           (size_t)(rows->rows * columns) * size);
    return SPOT_OK;
}

static int take_rows(void *arg, const struct scored_rows *rows, struct spot_error *err)
{
    struct clusters_evaluating *job = arg;
    int status = SPOT_OK;
    if (take_values(job, rows) < 0) return spot_fail_memory(err, "the rows");
    for (int64_t i = 0; i < rows->rows && status == SPOT_OK; i++) {
        if (rows->weights != NULL)
            status = evaluating_add_number(&job->weights, &job->weights_room, job->weights_count++,
                                           rows->weights[i], err);
        if (rows->id_offsets != NULL && status == SPOT_OK)
            status = label_column_add(&job->truth, rows->id_bytes + rows->id_offsets[i],
                                      rows->id_offsets[i + 1] - rows->id_offsets[i], err);
    }
    job->rows.rows += rows->rows;
    return status;
}

/* --labels FILE, as for predictions: labels, and weights where they are asked for. */
static int read_labels(struct clusters_evaluating *job, struct spot_error *err)
{
    struct evaluating labels = {.session = job->session};
    int status = evaluating_read_labels(&labels, err);
    job->truth = labels.truth;
    job->weights = labels.weights;
    job->weights_count = labels.weights_count;
    labels.truth = (struct label_column){0};
    labels.weights = NULL;
    evaluating_close(&labels);
    return status;
}

static int check_weights(const struct clusters_evaluating *job, struct spot_error *err)
{
    double sum = 0.0;
    for (int64_t i = 0; i < job->weights_count; i++) {
        if (!(job->weights[i] >= 0.0))
            return spot_fail(err, SPOT_EDATA, "row %lld: the weight is %g; it must be 0 or more",
                             (long long)(i + 1), job->weights[i]);
        sum += job->weights[i];
    }
    if (job->weights_count > 0 && !(sum > 0.0 && isfinite(sum)))
        return spot_fail(err, SPOT_EDATA, "the weights of all rows add up to %g", sum);
    return SPOT_OK;
}

static int read_rows(struct clusters_evaluating *job, struct spot_error *err)
{
    const struct arguments *arguments = &job->session->arguments;
    const bool beside = given(arguments, OPTION_LABELS);
    const struct extra_columns extra = {.id = beside ? NULL : arguments->value[OPTION_LABEL],
                                        .weight =
                                            beside ? NULL : arguments->value[OPTION_SAMPLE_WEIGHT]};
    int status;
    if (extra.id != NULL && arguments->inputs.count == 1 && is_npy(arguments->inputs.items[0]))
        return spot_fail(err, SPOT_EUSAGE,
                         "%.200s: a .npy has no column %.100s; give --labels FILE",
                         arguments->inputs.items[0], extra.id);
    if (beside) SPOT_TRY(read_labels(job, err));
    SPOT_TRY(
        score_input_each(job->session, &job->model, &job->encoder, &extra, take_rows, job, err));
    progress_clear(&job->session->progress);
    if (job->rows.rows == 0)
        return spot_fail(err, SPOT_EDATA, "there are no rows to judge the clusters by");
    if ((beside || extra.id != NULL) && job->truth.rows != job->rows.rows)
        return spot_fail(err, SPOT_EDATA,
                         "%lld rows of data, but %lld labels; each row needs its own",
                         (long long)job->rows.rows, (long long)job->truth.rows);
    SPOT_TRY(check_weights(job, err));
    job->rows.values = job->values;
    job->rows.values64 = job->values64;
    job->rows.weights = job->weights;
    job->rows.columns = job->model.columns;
out:
    return status;
}

/* ---- Measures ------------------------------------------------------------------------------- */

static void add_found(struct clusters_evaluating *job, const char *name, double value)
{
    job->found[job->found_count].name = name;
    job->found[job->found_count++].value = value;
}

/* The sum of weight and squared distance, or of weight and (1 - cos), as of a fit. */
static double inertia_of(const struct clusters_evaluating *job, const double *distances)
{
    const bool cosine = spot_kmeans_result(job->model.kmeans)->metric == SPOT_METRIC_COSINE;
    double sum = 0.0, error = 0.0; /* what additions lose is added at the end */
    for (int64_t i = 0; i < job->rows.rows; i++) {
        const double weight = job->weights != NULL ? job->weights[i] : 1.0;
        const double value = weight * distances[i] * (cosine ? 1.0 : distances[i]);
        const double total = sum + value, added = total - sum;
        error += (sum - (total - added)) + (value - added);
        sum = total;
    }
    return sum + error;
}

static int measure_kmeans(struct clusters_evaluating *job, struct spot_error *err)
{
    spot_engine *engine = job->session->engine;
    const struct spot_measure_options options = {.seed = (uint64_t)job->session->seed};
    struct spot_kmeans_measures measures;
    double *distances = spot_alloc(job->rows.rows, sizeof *distances);
    int status;
    if (distances == NULL) return spot_fail_memory(err, "the distances");
    const double started = now_seconds();
    SPOT_TRY(
        spot_kmeans_assign(engine, job->model.kmeans, &job->rows, job->clusters, distances, err));
    job->score_seconds = now_seconds() - started;
    SPOT_TRY(spot_kmeans_measure(engine, job->model.kmeans, &job->rows, &options, &measures, err));
    add_found(job, "clusters", measures.clusters);
    add_found(job, "inertia", inertia_of(job, distances));
    add_found(job, "silhouette", measures.silhouette);
    add_found(job, "davies_bouldin", measures.davies_bouldin);
    add_found(job, "calinski_harabasz", measures.calinski_harabasz);
out:
    free(distances);
    return status;
}

/* BIC and AIC count the weights of the rows as a fit does. */
static int measure_mixture(struct clusters_evaluating *job, struct spot_error *err)
{
    const struct spot_gmm_result *found = spot_gmm_result(job->model.gmm);
    double *likelihoods = spot_alloc(job->rows.rows, sizeof *likelihoods);
    double sum = 0.0, weight = 0.0;
    int status;
    if (likelihoods == NULL) return spot_fail_memory(err, "the likelihoods");
    const double started = now_seconds();
    SPOT_TRY(spot_gmm_score(job->session->engine, job->model.gmm, &job->rows, job->clusters, NULL,
                            likelihoods, err));
    job->score_seconds = now_seconds() - started;
    for (int64_t i = 0; i < job->rows.rows; i++) {
        const double w = job->weights != NULL ? job->weights[i] : 1.0;
        sum += w * likelihoods[i];
        weight += w;
    }
    const double free_parameters = gmm_free_parameters(found->covariance, found->k, found->columns);
    add_found(job, "log_likelihood", sum / weight);
    add_found(job, "bic", -2.0 * sum + free_parameters * log(weight));
    add_found(job, "aic", -2.0 * sum + 2.0 * free_parameters);
out:
    free(likelihoods);
    return status;
}

static int compare_labels(struct clusters_evaluating *job, struct spot_error *err)
{
    const char *classes = job->session->arguments.value[OPTION_CLASSES];
    const char *label = job->session->arguments.value[OPTION_LABEL];
    const int32_t k = model_k(&job->model);
    struct agreement agreement;
    int status;
    if (job->truth.rows == 0) return SPOT_OK;
    SPOT_TRY(classes != NULL ? classes_of_option(classes, &job->classes, err)
                             : classes_of_labels(&job->truth, NULL, &job->classes, err));
    SPOT_TRY(label_column_number(&job->truth, &job->classes, label != NULL ? label : "0", err));
    SPOT_TRY(labels_agreement(job->rows.rows, job->truth.codes, job->classes.count, job->clusters,
                              k, &agreement, err));
    add_found(job, "ari", agreement.ari);
    add_found(job, "nmi", agreement.nmi);
    job->contingency = spot_alloc_zero((int64_t)job->classes.count * k, sizeof *job->contingency);
    if (job->contingency == NULL) return spot_fail_memory(err, "the table of labels");
    for (int64_t i = 0; i < job->rows.rows; i++)
        job->contingency[(int64_t)job->truth.codes[i] * k + job->clusters[i]] += 1.0;
out:
    return status;
}

static int measure(struct clusters_evaluating *job, struct spot_error *err)
{
    const double started = now_seconds();
    int status;
    job->clusters = spot_alloc(job->rows.rows, sizeof *job->clusters);
    if (job->clusters == NULL) return spot_fail_memory(err, "the clusters");
    SPOT_TRY(job->model.gmm != NULL ? measure_mixture(job, err) : measure_kmeans(job, err));
    SPOT_TRY(compare_labels(job, err));
    job->evaluate_seconds = now_seconds() - started - job->score_seconds;
out:
    return status;
}

/* ---- Outputs -------------------------------------------------------------------------------- */

static cJSON *make_metrics(const struct clusters_evaluating *job, bool nulls)
{
    cJSON *metrics = cJSON_CreateObject();
    if (metrics == NULL) return NULL;
    cJSON_AddNumberToObject(metrics, "rows", (double)job->rows.rows);
    cJSON_AddNumberToObject(metrics, "k", model_k(&job->model));
    for (int32_t i = 0; i < job->found_count; i++)
        if (isfinite(job->found[i].value))
            cJSON_AddNumberToObject(metrics, job->found[i].name, job->found[i].value);
        else if (nulls)
            cJSON_AddNullToObject(metrics, job->found[i].name);
    return metrics;
}

static struct clustered clustered_rows(const struct clusters_evaluating *job)
{
    return (struct clustered){.values = job->values,
                              .values64 = job->values64,
                              .rows = job->rows.rows,
                              .columns = job->model.columns,
                              .k = model_k(&job->model),
                              .names = (const char *const *)job->model.features,
                              .encoder = job->encoder.encoder,
                              .labels = job->clusters};
}

static void print_profile(FILE *out, const void *arg)
{
    const struct clusters_evaluating *job = arg;
    const struct clustered clustered = clustered_rows(job);
    struct spot_error err;
    char number[32];
    for (int32_t i = 0; i < job->found_count; i++) {
        format_double(job->found[i].value, number);
        fprintf(out, "%-18s  %s\n", job->found[i].name,
                isfinite(job->found[i].value) ? number : "-");
    }
    fputc('\n', out);
    if (views_table(&clustered, out, &err) < 0) fprintf(out, "%s\n", err.message);
}

static int draw_clusters(const struct clusters_evaluating *job, const char *folder,
                         struct spot_error *err)
{
    const struct clustered clustered = clustered_rows(job);
    struct class_list numbers = {0};
    char *path = NULL;
    int status;
    SPOT_TRY(views_plots(&clustered, folder, err));
    if (job->contingency == NULL) return SPOT_OK;
    SPOT_TRY(classes_of_numbers(clustered.k, &numbers, err));
    path = path_in(folder, "contingency.csv");
    if (path == NULL) {
        status = spot_fail_memory(err, "a path");
        goto out;
    }
    status = report_matrix(path, "label \\ cluster", (const char *const *)job->classes.names,
                           job->classes.count, (const char *const *)numbers.names, clustered.k,
                           job->contingency, err);
out:
    classes_clear(&numbers);
    free(path);
    return status;
}

static int write_outputs(struct clusters_evaluating *job, struct spot_error *err)
{
    const struct arguments *arguments = &job->session->arguments;
    const double started = now_seconds();
    int status = SPOT_OK;
    if (session_stopped(job->session)) return SPOT_ESTOPPED;
    if (given(arguments, OPTION_METRICS)) {
        cJSON *document = cJSON_CreateObject();
        cJSON_AddItemToObject(document, "test_metrics", make_metrics(job, false));
        SPOT_TRY(result_write(document, arguments->value[OPTION_METRICS], err));
    }
    if (given(arguments, OPTION_REPORT))
        SPOT_TRY(report_file(arguments->value[OPTION_REPORT], print_profile, job, err));
    if (given(arguments, OPTION_TABLE)) print_profile(stderr, job);
    if (given(arguments, OPTION_PLOTS))
        SPOT_TRY(draw_clusters(job, arguments->value[OPTION_PLOTS], err));
    job->write_seconds = now_seconds() - started;
out:
    return status;
}

static cJSON *make_result(const struct clusters_evaluating *job)
{
    const struct session *session = job->session;
    cJSON *result = cJSON_CreateObject();
    if (result == NULL) return NULL;
    cJSON_AddStringToObject(result, "command", session->command->name);
    cJSON_AddStringToObject(result, "model", session->arguments.value[OPTION_MODEL]);
    cJSON_AddNumberToObject(result, "rows", (double)job->rows.rows);
    cJSON_AddItemToObject(result, "metrics", make_metrics(job, true));
    cJSON_AddStringToObject(result, "device", spot_engine_device(session->engine));
    cJSON *seconds = cJSON_AddObjectToObject(result, "seconds");
    result_seconds(seconds, "read", job->read_seconds);
    result_seconds(seconds, "score", job->score_seconds);
    result_seconds(seconds, "evaluate", job->evaluate_seconds);
    result_seconds(seconds, "write", job->write_seconds);
    result_seconds(seconds, "total", now_seconds() - session->started);
    return result;
}

int evaluate_clusters(struct session *session, struct spot_error *err)
{
    static const enum option_id of_forests[] = {OPTION_THRESHOLD, OPTION_ITERATIONS,
                                                OPTION_FEATURES, OPTION_BOOTSTRAP, OPTION_COUNT};
    const char *path = session->arguments.value[OPTION_MODEL];
    struct clusters_evaluating job = {.session = session};
    int status;
    SPOT_TRY(evaluating_refuse(session, of_forests, "not for clusterings", err));
    SPOT_TRY(model_read(path, &job.model, err));
    SPOT_TRY(model_encoder_open(&job.model, path, &job.encoder, err));
    SPOT_TRY(session_engine(session, err));
    const double started = now_seconds();
    SPOT_TRY(read_rows(&job, err));
    job.read_seconds = now_seconds() - started;
    SPOT_TRY(measure(&job, err));
    SPOT_TRY(write_outputs(&job, err));
    status = session_result(session, make_result(&job), err);
out:
    label_column_clear(&job.truth);
    classes_clear(&job.classes);
    free(job.contingency);
    free(job.clusters);
    free(job.values);
    free(job.values64);
    free(job.weights);
    model_encoder_close(&job.encoder);
    model_clear(&job.model);
    return status;
}
