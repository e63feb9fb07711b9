/* How good a clustering is: silhouette (Rousseeuw 1987), Davies-Bouldin (1979) and
 * Calinski-Harabasz (1974) with scikit-learn's definitions. Rows are those of the table, equal ones
 * merged where that pays; the silhouette of more rows than can be compared is that of a sample. */
#include <math.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "base/memory.h"
#include "data/compact.h"
#include "models/checks.h"
#include "models/directions.h"
#include "models/kmeans.h"
#include "models/random.h"
#include "models/silhouette.h"
#include "models/statistics.h"

/* The silhouette compares every row with every other: so many rows, and so much work, at most. */
static const int64_t SILHOUETTE_ROWS = 10000, SILHOUETTE_LEAST = 1000;
static const double SILHOUETTE_WORK = 0x1p34; /* rows^2 columns */

enum { CHUNK_ROWS = 4096, MOST_CHUNKS = 64, CHUNK_CELLS = 1 << 23 };

/* The rows to judge, in chunks that only their shape decides, and what is added up for each. */
struct judged {
    spot_engine *engine;
    const struct spot_kmeans_result *model;
    struct spot_matrix rows; /* the groups where equal rows were merged */
    const int32_t *counts;   /* (rows) or NULL: 1 */
    int32_t *labels;         /* (rows) */
    int64_t total;           /* rows before the merge */
    int32_t used;            /* clusters that have rows */
    int64_t chunks;
    double *sums;    /* (chunks, k, columns) of x - c, c the model's centre */
    double *within;  /* (chunks, k) distances to the cluster's mean */
    double *squares; /* (chunks) their squares */
    int64_t *sizes;  /* (k) */
    double *means;   /* (k, columns) */
    double *worst;   /* (k) each cluster's largest Davies-Bouldin ratio */
};

/* ---- Sums over the rows --------------------------------------------------------------------- */

static int judged_open(struct judged *judged, struct spot_error *err)
{
    const int64_t k = judged->model->k, cells = k * judged->model->columns;
    int64_t chunks = (judged->rows.rows + CHUNK_ROWS - 1) / CHUNK_ROWS;
    if (chunks > MOST_CHUNKS) chunks = MOST_CHUNKS;
    if (chunks > CHUNK_CELLS / cells) chunks = cells > CHUNK_CELLS ? 1 : CHUNK_CELLS / cells;
    judged->chunks = chunks;
    judged->labels = spot_alloc(judged->rows.rows, sizeof *judged->labels);
    judged->sums = spot_alloc_zero(chunks * cells, sizeof *judged->sums);
    judged->within = spot_alloc_zero(chunks * k, sizeof *judged->within);
    judged->squares = spot_alloc_zero(chunks, sizeof *judged->squares);
    judged->sizes = spot_alloc_zero(k, sizeof *judged->sizes);
    judged->means = spot_alloc(cells, sizeof *judged->means);
    judged->worst = spot_alloc_zero(k, sizeof *judged->worst);
    if (judged->labels == NULL || judged->sums == NULL || judged->within == NULL ||
        judged->squares == NULL || judged->sizes == NULL || judged->means == NULL ||
        judged->worst == NULL)
        return spot_fail_memory(err, "the measures");
    return SPOT_OK;
}

static void judged_close(struct judged *judged)
{
    free(judged->labels);
    free(judged->sums);
    free(judged->within);
    free(judged->squares);
    free(judged->sizes);
    free(judged->means);
    free(judged->worst);
}

static int64_t chunk_begin(const struct judged *judged, int64_t chunk)
{
    const int64_t rows = judged->rows.rows, chunks = judged->chunks;
    return rows / chunks * chunk + (chunk < rows % chunks ? chunk : rows % chunks);
}

static double count_of(const struct judged *judged, int64_t row)
{
    return judged->counts != NULL ? judged->counts[row] : 1;
}

static void sum_task(void *arg, int64_t chunk, int worker)
{
    const struct judged *judged = arg;
    const int64_t columns = judged->model->columns, end = chunk_begin(judged, chunk + 1);
    double *sums = judged->sums + chunk * judged->model->k * columns;
    (void)worker;
    for (int64_t i = chunk_begin(judged, chunk); i < end; i++) {
        const int64_t at = judged->labels[i] * columns;
        const float *x = judged->rows.values + i * columns;
        const double count = count_of(judged, i);
        for (int64_t j = 0; j < columns; j++)
            sums[at + j] += count * ((double)x[j] - judged->model->centres[at + j]);
    }
}

static void distance_task(void *arg, int64_t chunk, int worker)
{
    const struct judged *judged = arg;
    const int64_t columns = judged->model->columns, end = chunk_begin(judged, chunk + 1);
    double *within = judged->within + chunk * judged->model->k;
    (void)worker;
    for (int64_t i = chunk_begin(judged, chunk); i < end; i++) {
        const int32_t label = judged->labels[i];
        const double *mean = judged->means + label * columns;
        const float *x = judged->rows.values + i * columns;
        double square = 0.0;
        for (int64_t j = 0; j < columns; j++)
            square += ((double)x[j] - mean[j]) * ((double)x[j] - mean[j]);
        within[label] += count_of(judged, i) * sqrt(square);
        judged->squares[chunk] += count_of(judged, i) * square;
    }
}

/* The chunks' parts, added up into the first. */
static void add_chunks(double *parts, int64_t chunks, int64_t count)
{
    for (int64_t chunk = 1; chunk < chunks; chunk++)
        for (int64_t i = 0; i < count; i++)
            parts[i] += parts[chunk * count + i];
}

/* Sizes and means of the clusters, then each one's distances. */
static void add_up(struct judged *judged)
{
    const struct spot_kmeans_result *model = judged->model;
    const int64_t k = model->k, columns = model->columns;
    struct spot_pool *pool = engine_pool(judged->engine);
    for (int64_t i = 0; i < judged->rows.rows; i++)
        judged->sizes[judged->labels[i]] += judged->counts != NULL ? judged->counts[i] : 1;
    pool_run(pool, judged->chunks, sum_task, judged);
    add_chunks(judged->sums, judged->chunks, k * columns);
    for (int64_t c = 0; c < k; c++) {
        judged->used += judged->sizes[c] > 0;
        judged->total += judged->sizes[c];
        for (int64_t j = c * columns; judged->sizes[c] > 0 && j < (c + 1) * columns; j++)
            judged->means[j] = model->centres[j] + judged->sums[j] / (double)judged->sizes[c];
    }
    pool_run(pool, judged->chunks, distance_task, judged);
    add_chunks(judged->within, judged->chunks, k);
    add_chunks(judged->squares, judged->chunks, 1);
}

/* ---- From sums to measures ------------------------------------------------------------------ */

static double centre_distance(const struct judged *judged, int64_t a, int64_t b)
{
    const int64_t columns = judged->model->columns;
    double square = 0.0;
    for (int64_t j = 0; j < columns; j++) {
        const double difference = judged->means[a * columns + j] - judged->means[b * columns + j];
        square += difference * difference;
    }
    return sqrt(square);
}

/* The largest (s_a + s_b) / |mean_a - mean_b|, s the mean distance to the cluster's mean; clusters
 * with one mean do not count. */
static void ratio_task(void *arg, int64_t a, int worker)
{
    const struct judged *judged = arg;
    (void)worker;
    for (int64_t b = 0; judged->sizes[a] > 0 && b < judged->model->k; b++) {
        const double apart = b == a || judged->sizes[b] == 0 ? 0.0 : centre_distance(judged, a, b);
        if (apart == 0.0) continue;
        const double spread = judged->within[a] / (double)judged->sizes[a] +
                              judged->within[b] / (double)judged->sizes[b];
        judged->worst[a] = fmax(judged->worst[a], spread / apart);
    }
}

static double davies_bouldin(struct judged *judged)
{
    double sum = 0.0;
    pool_run(engine_pool(judged->engine), judged->model->k, ratio_task, judged);
    for (int32_t c = 0; c < judged->model->k; c++)
        sum += judged->worst[c];
    return sum / judged->used;
}

/* Between the clusters over within them, each by its degrees of freedom. */
static double calinski_harabasz(const struct judged *judged)
{
    const int64_t k = judged->model->k, columns = judged->model->columns;
    const double n = (double)judged->total;
    double between = 0.0;
    for (int64_t j = 0; j < columns; j++) {
        double mean = 0.0;
        for (int64_t c = 0; c < k; c++)
            if (judged->sizes[c] > 0)
                mean += (double)judged->sizes[c] / n * judged->means[c * columns + j];
        for (int64_t c = 0; c < k; c++) {
            if (judged->sizes[c] == 0) continue;
            const double difference = judged->means[c * columns + j] - mean;
            between += (double)judged->sizes[c] * difference * difference;
        }
    }
    if (judged->squares[0] == 0.0) return 1.0;
    return between * (n - judged->used) / (judged->squares[0] * (judged->used - 1.0));
}

/* ---- The silhouette's rows ------------------------------------------------------------------ */

static int64_t silhouette_limit(int64_t wanted, int32_t columns)
{
    if (wanted > 0) return wanted;
    const int64_t affordable = (int64_t)sqrt(SILHOUETTE_WORK / columns);
    if (affordable < SILHOUETTE_LEAST) return SILHOUETTE_LEAST;
    return affordable < SILHOUETTE_ROWS ? affordable : SILHOUETTE_ROWS;
}

/* A row of the table with its random key; the smallest keys are the sample. */
struct drawn_row {
    uint64_t key;
    int64_t row;
};

static bool is_below(const struct drawn_row *a, const struct drawn_row *b)
{
    return a->key < b->key || (a->key == b->key && a->row < b->row);
}

/* Puts a row where the largest one of the heap was. */
static void replace_largest(struct drawn_row *heap, int64_t count, struct drawn_row row)
{
    int64_t at = 0;
    for (int64_t child = 1; child < count; child = 2 * at + 1) {
        if (child + 1 < count && is_below(&heap[child], &heap[child + 1])) child++;
        if (!is_below(&row, &heap[child])) break;
        heap[at] = heap[child];
        at = child;
    }
    heap[at] = row;
}

static int by_row(const void *a, const void *b)
{
    const struct drawn_row *x = a, *y = b;
    return (x->row > y->row) - (x->row < y->row);
}

/* `count` rows of `rows`, each as likely as any other: (count) in ascending order. */
static void draw_rows(uint64_t seed, int64_t rows, struct drawn_row *sample, int64_t count)
{
    for (int64_t i = 0; i < count; i++)
        sample[i] = (struct drawn_row){UINT64_MAX, INT64_MAX};
    for (int64_t i = 0; i < rows; i++) {
        const struct drawn_row row = {
            random_bits(seed, RANDOM_MEASURES, 0, (uint32_t)((uint64_t)i >> 32), (uint32_t)i), i};
        if (is_below(&row, &sample[0])) replace_largest(sample, count, row);
    }
    qsort(sample, (size_t)count, sizeof *sample, by_row);
}

/* The silhouette of `count` rows of the table among themselves. group_of_row: (rows of the table)
 * or NULL. */
static int sampled_silhouette(const struct judged *judged, const struct spot_matrix *data,
                              const int32_t *group_of_row, uint64_t seed, int64_t count,
                              double *mean, struct spot_error *err)
{
    int status = SPOT_OK;
    const struct spot_engine_options *host = &judged->engine->options;
    const int64_t columns = data->columns;
    struct drawn_row *sample = spot_alloc(count, sizeof *sample);
    float *values = spot_alloc(count * columns, sizeof *values);
    int32_t *labels = spot_alloc(count, sizeof *labels);
    if (sample == NULL || values == NULL || labels == NULL) {
        status = spot_fail_memory(err, "the sample of rows");
        goto out;
    }
    draw_rows(seed, data->rows, sample, count);
    for (int64_t i = 0; i < count; i++) {
        const int64_t row = sample[i].row;
        memcpy(values + i * columns, data->values + row * columns,
               (size_t)columns * sizeof *values);
        labels[i] = judged->labels[group_of_row != NULL ? group_of_row[row] : row];
    }
    const struct silhouette_rows rows = {.values = values,
                                         .labels = labels,
                                         .rows = count,
                                         .columns = data->columns,
                                         .k = judged->model->k,
                                         .cosine = judged->model->metric == SPOT_METRIC_COSINE};
    status =
        silhouette_mean(&rows, engine_pool(judged->engine), host->stopped, host->arg, mean, err);
out:
    free(sample);
    free(values);
    free(labels);
    return status;
}

static int exact_silhouette(const struct judged *judged, double *mean, struct spot_error *err)
{
    const struct spot_engine_options *host = &judged->engine->options;
    const struct silhouette_rows rows = {.values = judged->rows.values,
                                         .labels = judged->labels,
                                         .counts = judged->counts,
                                         .rows = judged->rows.rows,
                                         .columns = judged->rows.columns,
                                         .k = judged->model->k,
                                         .cosine = judged->model->metric == SPOT_METRIC_COSINE};
    return silhouette_mean(&rows, engine_pool(judged->engine), host->stopped, host->arg, mean, err);
}

/* ---- All measures --------------------------------------------------------------------------- */

/* Equal rows merged, where the rows say that it pays. */
static int merge_rows(struct judged *judged, const struct spot_matrix *data,
                      struct compacted *merged, struct spot_error *err)
{
    int status;
    double *ranges = NULL; /* (2, columns) */
    judged->rows.weights = NULL;
    SPOT_TRY(compact_rows(data, NULL, 0, merged, err));
    if (merged->groups == 0) return SPOT_OK;
    ranges = spot_alloc(2 * (int64_t)data->columns, sizeof *ranges);
    if (ranges == NULL) return spot_fail_memory(err, "the columns' ranges");
    /* A value that is not finite is refused with its row's own number. */
    SPOT_TRY(column_ranges(data, engine_pool(judged->engine), ranges, ranges + data->columns, err));
    judged->rows.values = merged->values;
    judged->rows.rows = merged->groups;
    judged->counts = merged->counts;
out:
    free(ranges);
    return status;
}

static int check_options(const struct spot_measure_options *options, struct spot_error *err)
{
    if (options->silhouette_rows >= 0 && options->silhouette_rows <= INT32_MAX) return SPOT_OK;
    return spot_fail(err, SPOT_EUSAGE,
                     "silhouette_rows = %lld: it is 1 to %d, or 0 for the default",
                     (long long)options->silhouette_rows, INT32_MAX);
}

/* Measures of rows that are as the metric wants them. */
static int measure_rows(struct judged *judged, const spot_kmeans *model,
                        const struct spot_matrix *data, const struct spot_measure_options *options,
                        struct spot_kmeans_measures *out, struct spot_error *err)
{
    int status;
    struct compacted merged = {0};
    SPOT_TRY(merge_rows(judged, data, &merged, err));
    SPOT_TRY(judged_open(judged, err));
    SPOT_TRY(kmeans_assign_rows(judged->engine, model, &judged->rows, judged->labels, NULL, err));
    add_up(judged);
    out->clusters = judged->used;
    if (judged->used < 2 || judged->used >= judged->total) goto out;
    out->davies_bouldin = davies_bouldin(judged);
    out->calinski_harabasz = calinski_harabasz(judged);
    const int64_t limit = silhouette_limit(options->silhouette_rows, data->columns);
    const bool exact = judged->rows.rows <= limit;
    out->silhouette_rows = exact ? judged->total : limit;
    status = exact ? exact_silhouette(judged, &out->silhouette, err)
                   : sampled_silhouette(judged, data, merged.group_of_row, options->seed, limit,
                                        &out->silhouette, err);
out:
    compacted_clear(&merged);
    return status;
}

int spot_kmeans_measure(spot_engine *engine, const spot_kmeans *model,
                        const struct spot_matrix *data, const struct spot_measure_options *options,
                        struct spot_kmeans_measures *out, struct spot_error *err)
{
    int status;
    static const struct spot_measure_options defaults = {0};
    struct judged judged = {.engine = engine, .model = &model->result, .rows = *data};
    struct spot_matrix rows = *data;
    float *unit = NULL;
    *out = (struct spot_kmeans_measures){0, NAN, NAN, NAN, 0};
    if (options == NULL) options = &defaults;
    SPOT_TRY(check_options(options, err));
    SPOT_TRY(kmeans_check_columns(model, data, err));
    SPOT_TRY(check_matrix(data, err));
    if (data->reader != NULL) {
        status = spot_fail(err, SPOT_EUSAGE, "measures need rows in memory, not a reader");
        goto out;
    }
    if (data->values64 != NULL) {
        status = spot_fail(err, SPOT_EUSAGE, "measures need rows of float32");
        goto out;
    }
    if (model->result.metric == SPOT_METRIC_COSINE) {
        SPOT_TRY(unit_rows(data, engine_pool(engine), &unit, err));
        rows.values = judged.rows.values = unit;
    }
    status = measure_rows(&judged, model, &rows, options, out, err);
out:
    judged_close(&judged);
    free(unit);
    return status;
}
