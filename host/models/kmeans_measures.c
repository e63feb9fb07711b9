/* How good a clustering is: silhouette (Rousseeuw 1987), Davies-Bouldin (1979) and
 * Calinski-Harabasz (1974) with scikit-learn's definitions. Rows are those of the table, equal ones
 * merged where that pays; the silhouette of more rows than can be compared is that of a sample. */
#include <math.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "base/memory.h"
#include "base/scratch.h"
#include "data/compact.h"
#include "models/checks.h"
#include "models/directions.h"
#include "models/kmeans.h"
#include "models/random.h"
#include "models/row_batches.h"
#include "models/silhouette.h"
#include "models/statistics.h"

/* The silhouette compares every row with every other: so many rows, and so much work, at most. */
static const int64_t SILHOUETTE_ROWS = 10000, SILHOUETTE_LEAST = 1000;
static const double SILHOUETTE_WORK = 0x1p34; /* rows^2 columns */

enum { CHUNK_ROWS = 4096, MOST_CHUNKS = 64, CHUNK_CELLS = 1 << 23 };

/* Bytes of rows that are read at a time. */
static const int64_t PIECE_BYTES = 4 << 20;

/* Some rows of a chunk, in memory. */
struct piece {
    int64_t rows;
    const float *values;   /* (rows, columns), or NULL: */
    const double *wide;    /* the same in float64 */
    const int32_t *labels; /* (rows) */
    const int32_t *counts; /* (rows) or NULL: 1 */
};

/* The rows to judge, in chunks that only their shape decides, and what is added up for each. */
struct judged {
    spot_engine *engine;
    const struct spot_kmeans_result *model;
    struct spot_matrix rows; /* the groups where equal rows were merged */
    const int32_t *counts;   /* (rows) or NULL: 1 */
    int32_t *labels;         /* (rows) or, of rows that are read, (chunks, piece_rows) */
    char *read;              /* (chunks, piece_rows, columns) of rows that are read, else NULL */
    int64_t piece_rows;      /* of each chunk, at a time */
    double *offset;          /* (columns) that labels are found with */
    struct piece *pieces;    /* (chunks) */
    int64_t total;           /* rows before the merge */
    int32_t used;            /* clusters that have rows */
    int64_t chunks;
    double *sums;    /* (chunks, k, columns) of x - c, c the model's centre */
    double *within;  /* (chunks, k) distances to the cluster's mean */
    double *squares; /* (chunks) their squares */
    int64_t *sizes;  /* (chunks, k); added up in the first */
    double *means;   /* (k, columns) */
    double *worst;   /* (k) each cluster's largest Davies-Bouldin ratio */
};

/* ---- Sums over the rows --------------------------------------------------------------------- */

static int64_t piece_rows(const struct judged *judged)
{
    const int64_t row_bytes = (int64_t)rows_size(&judged->rows);
    const int64_t most = (judged->rows.rows + judged->chunks - 1) / judged->chunks;
    const int64_t rows = PIECE_BYTES / row_bytes / judged->chunks + 1;
    return rows < most ? rows : most;
}

static int judged_open(struct judged *judged, struct spot_error *err)
{
    const int64_t k = judged->model->k, cells = k * judged->model->columns;
    int64_t chunks = (judged->rows.rows + CHUNK_ROWS - 1) / CHUNK_ROWS;
    if (chunks > MOST_CHUNKS) chunks = MOST_CHUNKS;
    if (chunks > CHUNK_CELLS / cells) chunks = cells > CHUNK_CELLS ? 1 : CHUNK_CELLS / cells;
    judged->chunks = chunks;
    judged->piece_rows = piece_rows(judged);
    const bool read = judged->rows.reader != NULL;
    const int64_t held = read ? chunks * judged->piece_rows : judged->rows.rows;
    judged->labels = spot_alloc(held, sizeof *judged->labels);
    if (read) judged->read = spot_alloc(held, rows_size(&judged->rows));
    judged->offset = spot_alloc(judged->rows.columns, sizeof *judged->offset);
    judged->pieces = spot_alloc(chunks, sizeof *judged->pieces);
    judged->sums = spot_alloc_zero(chunks * cells, sizeof *judged->sums);
    judged->within = spot_alloc_zero(chunks * k, sizeof *judged->within);
    judged->squares = spot_alloc_zero(chunks, sizeof *judged->squares);
    judged->sizes = spot_alloc_zero(chunks * k, sizeof *judged->sizes);
    judged->means = spot_alloc(cells, sizeof *judged->means);
    judged->worst = spot_alloc_zero(k, sizeof *judged->worst);
    if (judged->labels == NULL || (read && judged->read == NULL) || judged->offset == NULL ||
        judged->pieces == NULL || judged->sums == NULL || judged->within == NULL ||
        judged->squares == NULL || judged->sizes == NULL || judged->means == NULL ||
        judged->worst == NULL)
        return spot_fail_memory(err, "the measures");
    return SPOT_OK;
}

static void judged_close(struct judged *judged)
{
    free(judged->labels);
    free(judged->read);
    free(judged->offset);
    free(judged->pieces);
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

/* The nearest centres of rows in memory. */
static int find_labels(const struct judged *judged, const struct spot_matrix *rows, int32_t *labels,
                       struct spot_error *err)
{
    const struct backend_kmeans *backend = judged->engine->tables->kmeans;
    const struct spot_kmeans_result *model = judged->model;
    if (rows->values64 != NULL)
        return backend->assign64(judged->engine->backend, model->k, model->columns, model->centres,
                                 judged->offset, rows->rows, rows->values64, labels, NULL, err);
    return backend->assign(judged->engine->backend, model->k, model->columns, model->centres,
                           judged->offset, rows->rows, rows->values, labels, NULL, err);
}

/* Offsets for labels. A value that is not finite is refused with its row in the whole table. */
static int find_offsets(struct judged *judged, const struct spot_matrix *data,
                        struct spot_error *err)
{
    int status = SPOT_OK;
    const int32_t columns = judged->rows.columns;
    double *ranges = spot_alloc(2 * (int64_t)columns, sizeof *ranges);
    if (ranges == NULL) return spot_fail_memory(err, "the columns' ranges");
    SPOT_TRY(column_ranges(data, engine_pool(judged->engine), ranges, ranges + columns, err));
    for (int32_t j = 0; j < columns; j++)
        judged->offset[j] = exact_offset(ranges[j], ranges[columns + j]);
out:
    free(ranges);
    return status;
}

/* The next rows of every chunk, after `done` of each, read and with their labels; *left: how many
 * there are. */
static int read_pieces(struct judged *judged, int64_t done, int64_t *left, struct spot_error *err)
{
    int64_t rows = 0;
    for (int64_t chunk = 0; chunk < judged->chunks; chunk++) {
        const int64_t first = chunk_begin(judged, chunk) + done;
        int64_t count = chunk_begin(judged, chunk + 1) - first;
        if (count > judged->piece_rows) count = judged->piece_rows;
        if (count < 0) count = 0;
        char *values = judged->read + (size_t)rows * rows_size(&judged->rows);
        const struct spot_matrix part = rows_from(&judged->rows, values, count);
        judged->pieces[chunk] =
            (struct piece){count, part.values, part.values64, judged->labels + rows, NULL};
        int status =
            count == 0 ? SPOT_OK : rows_read(&judged->rows, first, count, values, NULL, err);
        if (status < 0) return status;
        rows += count;
    }
    *left = rows;
    if (rows == 0) return SPOT_OK;
    if (engine_is_stopped(judged->engine))
        return spot_fail(err, SPOT_ESTOPPED, "stopped while measuring");
    const struct spot_matrix read = rows_from(&judged->rows, judged->read, rows);
    return find_labels(judged, &read, judged->labels, err);
}

static void take_chunks(struct judged *judged)
{
    for (int64_t chunk = 0; chunk < judged->chunks; chunk++) {
        const int64_t first = chunk_begin(judged, chunk);
        const int64_t count = chunk_begin(judged, chunk + 1) - first;
        const struct spot_matrix part = rows_of(&judged->rows, first, count);
        judged->pieces[chunk] =
            (struct piece){count, part.values, part.values64, judged->labels + first,
                           judged->counts != NULL ? judged->counts + first : NULL};
    }
}

/* Every row goes through the task of its chunk, in order. */
static int each_row(struct judged *judged, spot_task *task, struct spot_error *err)
{
    struct spot_pool *pool = engine_pool(judged->engine);
    if (judged->rows.reader == NULL) {
        take_chunks(judged);
        pool_run(pool, judged->chunks, task, judged);
        return SPOT_OK;
    }
    for (int64_t done = 0;; done += judged->piece_rows) {
        int64_t left = 0;
        int status = read_pieces(judged, done, &left, err);
        if (status < 0 || left == 0) return status;
        pool_run(pool, judged->chunks, task, judged);
    }
}

/* Column j of row i. */
static inline double value_of(const float *values, const double *wide, int64_t at)
{
    return wide != NULL ? wide[at] : (double)values[at];
}

static double count_of(const struct piece *piece, int64_t row)
{
    return piece->counts != NULL ? piece->counts[row] : 1;
}

static void sum_task(void *arg, int64_t chunk, int worker)
{
    const struct judged *judged = arg;
    const struct piece *piece = &judged->pieces[chunk];
    const int64_t columns = judged->model->columns, k = judged->model->k;
    double *sums = judged->sums + chunk * k * columns;
    int64_t *sizes = judged->sizes + chunk * k;
    (void)worker;
    for (int64_t i = 0; i < piece->rows; i++) {
        const int64_t at = piece->labels[i] * columns;
        const float *x = piece->values;
        const double *wide = piece->wide;
        const double count = count_of(piece, i);
        sizes[piece->labels[i]] += (int64_t)count;
        for (int64_t j = 0; j < columns; j++)
            sums[at + j] +=
                count * (value_of(x, wide, i * columns + j) - judged->model->centres[at + j]);
    }
}

static void distance_task(void *arg, int64_t chunk, int worker)
{
    const struct judged *judged = arg;
    const struct piece *piece = &judged->pieces[chunk];
    const int64_t columns = judged->model->columns;
    double *within = judged->within + chunk * judged->model->k;
    (void)worker;
    for (int64_t i = 0; i < piece->rows; i++) {
        const int32_t label = piece->labels[i];
        const double *mean = judged->means + label * columns;
        const float *x = piece->values;
        const double *wide = piece->wide;
        double square = 0.0;
        for (int64_t j = 0; j < columns; j++) {
            const double difference = value_of(x, wide, i * columns + j) - mean[j];
            square += difference * difference;
        }
        within[label] += count_of(piece, i) * sqrt(square);
        judged->squares[chunk] += count_of(piece, i) * square;
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
static int add_up(struct judged *judged, struct spot_error *err)
{
    int status = SPOT_OK;
    const struct spot_kmeans_result *model = judged->model;
    const int64_t k = model->k, columns = model->columns;
    SPOT_TRY(each_row(judged, sum_task, err));
    add_chunks(judged->sums, judged->chunks, k * columns);
    for (int64_t i = k; i < judged->chunks * k; i++)
        judged->sizes[i % k] += judged->sizes[i];
    for (int64_t c = 0; c < k; c++) {
        judged->used += judged->sizes[c] > 0;
        judged->total += judged->sizes[c];
        for (int64_t j = c * columns; judged->sizes[c] > 0 && j < (c + 1) * columns; j++)
            judged->means[j] = model->centres[j] + judged->sums[j] / (double)judged->sizes[c];
    }
    SPOT_TRY(each_row(judged, distance_task, err));
    add_chunks(judged->within, judged->chunks, k);
    add_chunks(judged->squares, judged->chunks, 1);
out:
    return status;
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

/* The silhouette of `count` rows of the table among themselves. */
static int sampled_silhouette(const struct judged *judged, const struct spot_matrix *data,
                              uint64_t seed, int64_t count, double *mean, struct spot_error *err)
{
    int status = SPOT_OK;
    const struct spot_engine_options *host = &judged->engine->options;
    struct drawn_row *sample = spot_alloc(count, sizeof *sample);
    char *values = spot_alloc(count, rows_size(data));
    int32_t *labels = spot_alloc(count, sizeof *labels);
    if (sample == NULL || values == NULL || labels == NULL) {
        status = spot_fail_memory(err, "the sample of rows");
        goto out;
    }
    draw_rows(seed, data->rows, sample, count);
    for (int64_t i = 0; i < count; i++)
        SPOT_TRY(
            rows_read(data, sample[i].row, 1, values + (size_t)i * rows_size(data), NULL, err));
    const struct spot_matrix drawn = rows_from(data, values, count);
    SPOT_TRY(find_labels(judged, &drawn, labels, err));
    const struct silhouette_rows rows = {.values = drawn.values,
                                         .values64 = drawn.values64,
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
                                         .values64 = judged->rows.values64,
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
    const int64_t limit = judged->engine->options.memory;
    const struct compact_options options = {
        .rows = data->rows,
        .columns = data->columns,
        .wide = rows_wide(data),
        .scratch = limit > 0 && data->rows * (int64_t)sizeof(int32_t) > limit / 16,
        .folder = judged->engine->scratch};
    struct compaction *compaction = NULL;
    struct row_batches batches = {0};
    struct spot_matrix batch;
    int64_t first;
    bool gives_up = false;
    SPOT_TRY(compaction_open(&options, &compaction, err));
    SPOT_TRY(row_batches_open(&batches, data, 0, err));
    while (!gives_up) {
        SPOT_TRY(row_batches_next(&batches, &first, &batch, err));
        if (batch.rows == 0) break;
        const void *values = batch.values64 != NULL ? (const void *)batch.values64 : batch.values;
        SPOT_TRY(compaction_add(compaction, batch.rows, values, NULL, &gives_up, err));
        if (limit > 0 && resident_bytes(limit) > limit) {
            status = spot_fail(err, SPOT_ENOMEM,
                               "merging equal rows to measure them takes more than the %lld MB "
                               "allowed; allow more memory",
                               (long long)(limit >> 20));
            goto out;
        }
    }
    compaction_finish(compaction, merged);
    if (merged->groups == 0) goto out;
    judged->rows = (struct spot_matrix){merged->values, NULL, merged->groups,
                                        data->columns,  NULL, merged->values64};
    judged->counts = merged->counts;
out:
    compaction_close(compaction);
    row_batches_close(&batches);
    return status;
}

/* Few rows that are read are kept: all are compared with each other. */
static int keep_rows(struct judged *judged, void **kept, struct spot_error *err)
{
    const struct spot_matrix data = judged->rows;
    *kept = spot_alloc(data.rows, rows_size(&data));
    if (*kept == NULL) return spot_fail_memory(err, "the rows");
    judged->rows = rows_from(&data, *kept, data.rows);
    return rows_read(&data, 0, data.rows, *kept, NULL, err);
}

static int check_options(const struct spot_measure_options *options, struct spot_error *err)
{
    if (options->silhouette_rows >= 0 && options->silhouette_rows <= INT32_MAX) return SPOT_OK;
    return spot_fail(err, SPOT_EUSAGE,
                     "silhouette_rows = %lld: it is 1 to %d, or 0 for the default",
                     (long long)options->silhouette_rows, INT32_MAX);
}

/* Measures of rows that are as the metric wants them. */
static int measure_rows(struct judged *judged, const struct spot_matrix *data,
                        const struct spot_measure_options *options,
                        struct spot_kmeans_measures *out, struct spot_error *err)
{
    int status;
    struct compacted merged = {0};
    void *kept = NULL;
    const int64_t limit = silhouette_limit(options->silhouette_rows, data->columns);
    SPOT_TRY(merge_rows(judged, data, &merged, err));
    if (judged->rows.reader != NULL && judged->rows.rows <= limit)
        SPOT_TRY(keep_rows(judged, &kept, err));
    SPOT_TRY(judged_open(judged, err));
    SPOT_TRY(find_offsets(judged, data, err));
    if (judged->rows.reader == NULL)
        SPOT_TRY(find_labels(judged, &judged->rows, judged->labels, err));
    SPOT_TRY(add_up(judged, err));
    out->clusters = judged->used;
    if (judged->used < 2 || judged->used >= judged->total) goto out;
    out->davies_bouldin = davies_bouldin(judged);
    out->calinski_harabasz = calinski_harabasz(judged);
    const bool exact = judged->rows.rows <= limit;
    out->silhouette_rows = exact ? judged->total : limit;
    status = exact ? exact_silhouette(judged, &out->silhouette, err)
                   : sampled_silhouette(judged, data, options->seed, limit, &out->silhouette, err);
out:
    compacted_clear(&merged);
    free(kept);
    return status;
}

int spot_kmeans_measure(spot_engine *engine, const spot_kmeans *model,
                        const struct spot_matrix *data, const struct spot_measure_options *options,
                        struct spot_kmeans_measures *out, struct spot_error *err)
{
    int status;
    static const struct spot_measure_options defaults = {0};
    struct judged judged = {.engine = engine, .model = &model->result, .rows = *data};
    struct directions directions;
    void *unit = NULL;
    const struct engine_job job = {data->rows, data->columns, model->result.k, 1, 0, 1};
    *out = (struct spot_kmeans_measures){0, NAN, NAN, NAN, 0};
    if (options == NULL) options = &defaults;
    SPOT_TRY(check_options(options, err));
    SPOT_TRY(kmeans_check_columns(model, data, err));
    SPOT_TRY(check_matrix(data, err));
    if (rows_wide(data)) SPOT_TRY(engine_choose(engine, &job, err));
    directions_of(data, engine_pool(engine), &directions);
    if (model->result.metric == SPOT_METRIC_COSINE && data->reader != NULL) {
        judged.rows = directions.matrix;
    } else if (model->result.metric == SPOT_METRIC_COSINE) {
        SPOT_TRY(unit_rows(data, engine_pool(engine), &unit, err));
        judged.rows = rows_from(data, unit, data->rows);
    }
    const struct spot_matrix rows = judged.rows;
    status = measure_rows(&judged, &rows, options, out, err);
out:
    judged_close(&judged);
    free(unit);
    return status;
}
