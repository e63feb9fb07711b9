/* Initial centres from a small weighted sample instead of a pass over the rows for each centre. The
 * sample is clustered like any other data; its centres are the initial ones.
 *
 *   - coreset: rows drawn evenly give rough centres; as many again are drawn by their distance from
 *     those, so that what is rare and far is there too. A row weighs the inverse of its chance
 *     (sensitivity sampling: Feldman and Langberg 2011; Bachem, Lucic and Krause 2017).
 *   - k-means|| (Bahmani et al. 2012): rounds of rows drawn by their distance from all drawn
 * before, exactly 2 k in each; a row weighs as much as the rows that it is nearest to.
 *
 * Draws are those of k-means++, and the sample is clustered with integer sums as well: the same
 * bits on any device. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "base/memory.h"
#include "models/kmeans_seed.h"
#include "models/random.h"

enum {
    EVEN_ROWS = 2048,     /* of a coreset, at least, drawn evenly; as many by distance */
    EVEN_ROWS_PER_K = 32, /* the same for each cluster */
    ROUGH_ITERATIONS = 2, /* for the centres that distances are measured to */
    ROUNDS = 5,           /* of k-means||, with 2 k rows each */
    CANDIDATE_RUNS = 8,   /* of k-means++ on the candidates of k-means||; the best is kept */
    SAMPLE_ITERATIONS = 10,
};

struct sample {
    int64_t capacity, count;
    float *values;          /* (capacity, columns) without the fit's offset */
    double *weights;        /* (capacity) */
    int64_t *rows;          /* (capacity) original rows */
    int64_t *distances;     /* (capacity) */
    struct int128 *targets; /* (capacity) work space of draws */
};

static int sample_open(struct sample *sample, int64_t capacity, int32_t columns,
                       struct spot_error *err)
{
    *sample = (struct sample){.capacity = capacity};
    size_t row_bytes = (size_t)columns * sizeof *sample->values;
    sample->values = spot_alloc(capacity, row_bytes);
    sample->weights = spot_alloc(capacity, sizeof *sample->weights);
    sample->rows = spot_alloc(capacity, sizeof *sample->rows);
    sample->distances = spot_alloc(capacity, sizeof *sample->distances);
    sample->targets = spot_alloc(capacity, sizeof *sample->targets);
    if (sample->values == NULL || sample->weights == NULL || sample->rows == NULL ||
        sample->distances == NULL || sample->targets == NULL)
        return spot_fail_memory(err, "the sample for initial centres");
    return SPOT_OK;
}

static void sample_close(struct sample *sample)
{
    free(sample->values);
    free(sample->weights);
    free(sample->rows);
    free(sample->distances);
    free(sample->targets);
}

/* ---- Clustering a sample -------------------------------------------------------------------- */

/* Clusters the sample's first `count` rows; the best run's centres (k, columns), without the fit's
 * offset. */
static int cluster(struct kmeans_fit *fit, const struct sample *sample, int64_t count,
                   const double *weights, const struct spot_kmeans_options *how, double *centres,
                   struct spot_error *err)
{
    int status = SPOT_OK;
    const int32_t k = fit->options->k, columns = fit->matrix->columns;
    const struct spot_matrix matrix = {
        .values = sample->values, .weights = weights, .rows = count, .columns = columns};
    const struct fit_data_options opening = {.k = k};
    struct fit_data rows = {.engine = fit->engine};
    struct kmeans_fit part = {.engine = fit->engine,
                              .backend = fit->backend,
                              .options = how,
                              .matrix = &matrix,
                              .data = &rows,
                              .n_init = how->n_init,
                              .is_sample = true,
                              .tolerance = fit->tolerance};
    spot_kmeans *model = kmeans_new(k, columns);
    if (model == NULL) {
        status = spot_fail_memory(err, "the sample's clusters");
        goto out;
    }
    SPOT_TRY(fit_data_open(&rows, fit->engine, &matrix, &opening, err));
    SPOT_TRY(kmeans_fit_open(&part, err));
    SPOT_TRY(kmeans_fit_runs(&part, model, err));
    memcpy(centres, model->centres, (size_t)k * (size_t)columns * sizeof *centres);
out:
    kmeans_fit_close(&part);
    fit_data_close(&rows);
    spot_kmeans_free(model);
    return status;
}

/* Options for a sample; `stage` keeps the draws of one fit's samples apart. */
static struct spot_kmeans_options sample_options(const struct kmeans_fit *fit, uint32_t stage,
                                                 int32_t runs, int32_t iterations)
{
    struct spot_kmeans_options options = spot_kmeans_defaults();
    options.k = fit->options->k;
    options.init = SPOT_INIT_KMEANSPP;
    options.n_init = runs;
    options.max_iter = iterations;
    options.compact = 0;
    options.seed =
        random_bits(fit->options->seed, RANDOM_SAMPLE_SEEDS, (uint32_t)fit->run_index, 0, stage);
    return options;
}

/* The last step of either way: the sample's centres are the fit's. */
static int finish(struct kmeans_fit *fit, const struct sample *sample, enum spot_kmeans_init init,
                  int32_t runs, struct spot_error *err)
{
    const int32_t columns = fit->matrix->columns;
    struct spot_kmeans_options how = sample_options(fit, 1, runs, SAMPLE_ITERATIONS);
    how.init = init;
    int status = cluster(fit, sample, sample->count, sample->weights, &how, fit->centres, err);
    for (int64_t c = 0; status == SPOT_OK && c < fit->options->k; c++)
        for (int32_t j = 0; j < columns; j++)
            fit->centres[c * columns + j] += fit->data->statistics.offset[j];
    return status;
}

/* ---- Coreset -------------------------------------------------------------------------------- */

static int64_t even_rows(int32_t k)
{
    int64_t rows = (int64_t)EVEN_ROWS_PER_K * k;
    return rows < EVEN_ROWS ? EVEN_ROWS : rows;
}

bool kmeans_coreset_fits(int64_t rows, int32_t k)
{
    return k > 1 && rows >= 8 * even_rows(k);
}

bool kmeans_coreset_pays(int64_t rows, int32_t k)
{
    return kmeans_coreset_fits(rows, k) && rows * k >= 4000000;
}

/* Draws rows by potential into the sample's second half, or evenly into the first, and fetches
 * their values. */
static int draw_half(struct kmeans_fit *fit, struct sample *sample, uint32_t half,
                     struct int128 total, struct spot_error *err)
{
    int status = SPOT_OK;
    const int32_t count = (int32_t)(sample->capacity / 2);
    int64_t *rows = sample->rows + (int64_t)half * count;
    float *values = sample->values + (int64_t)half * count * fit->matrix->columns;
    SPOT_TRY(kmeans_draw_rows(fit, total, half, count, sample->targets, rows, err));
    SPOT_TRY(fit->backend->seed_rows(fit->run, count, rows, values, NULL, err));
    sample->count += count;
out:
    return status;
}

/* Centres that distances are measured to, from the evenly drawn half; the potential they leave. */
static int take_rough_centres(struct kmeans_fit *fit, const struct sample *sample,
                              struct int128 *potential, struct spot_error *err)
{
    int status = SPOT_OK;
    const int64_t cells = (int64_t)fit->options->k * fit->matrix->columns;
    const struct spot_kmeans_options how = sample_options(fit, 0, 1, ROUGH_ITERATIONS);
    double *centres = spot_alloc(cells, sizeof *centres);
    float *points = spot_alloc(cells, sizeof *points);
    if (centres == NULL || points == NULL) {
        status = spot_fail_memory(err, "the rough centres");
        goto out;
    }
    SPOT_TRY(cluster(fit, sample, sample->count, NULL, &how, centres, err));
    for (int64_t i = 0; i < cells; i++)
        points[i] = (float)centres[i];
    SPOT_TRY(fit->backend->seed_points(fit->run, fit->options->k, points, potential, err));
out:
    free(centres);
    free(points);
    return status;
}

/* A row of weight w and squared distance d2 was drawn with a chance in proportion to
 * w / W + w d2 / P, W the sum of all weights and P = sum of w d2; it stands for w over that chance,
 * here in units of W: 1 / (1 + d2 W / P). Rounded to 20 bits, and no row vanishes. */
static void weigh_coreset(const struct kmeans_fit *fit, struct sample *sample,
                          struct int128 potential)
{
    const double mean =
        int128_to_double(potential) / int128_to_double(fit->data->statistics.weight);
    for (int64_t i = 0; i < sample->count; i++) {
        double share = mean > 0 ? 1.0 / (1.0 + (double)sample->distances[i] / mean) : 1.0;
        sample->weights[i] = fmax(rint(share * 0x1p20), 1.0);
    }
}

int kmeans_seed_coreset(struct kmeans_fit *fit, struct spot_error *err)
{
    int status = SPOT_OK;
    struct sample sample = {0};
    struct int128 potential;
    SPOT_TRY(sample_open(&sample, 2 * even_rows(fit->options->k), fit->matrix->columns, err));
    SPOT_TRY(fit->backend->seed_begin(fit->run, err));
    SPOT_TRY(draw_half(fit, &sample, 0, fit->data->statistics.weight, err));
    SPOT_TRY(take_rough_centres(fit, &sample, &potential, err));
    if (!int128_is_zero(potential)) SPOT_TRY(draw_half(fit, &sample, 1, potential, err));
    SPOT_TRY(fit->backend->seed_rows(fit->run, (int32_t)sample.count, sample.rows, NULL,
                                     sample.distances, err));
    weigh_coreset(fit, &sample, potential);
    SPOT_TRY(finish(fit, &sample, SPOT_INIT_KMEANS_PARALLEL, 1, err));
out:
    sample_close(&sample);
    return status;
}

/* ---- k-means|| ------------------------------------------------------------------------------ */

/* Removes rows drawn twice; rows ascend. */
static int32_t remove_repeated(int64_t *rows, int32_t count)
{
    int32_t kept = 0;
    for (int32_t i = 0; i < count; i++)
        if (kept == 0 || rows[i] != rows[kept - 1]) rows[kept++] = rows[i];
    return kept;
}

/* One round: draws rows by potential, `total` before and after. */
static int draw_round(struct kmeans_fit *fit, struct sample *sample, uint32_t round, int32_t count,
                      struct int128 *total, struct spot_error *err)
{
    int status = SPOT_OK;
    int64_t *rows = sample->rows + sample->count;
    float *values = sample->values + sample->count * fit->matrix->columns;
    SPOT_TRY(kmeans_draw_rows(fit, *total, round, count, sample->targets, rows, err));
    count = remove_repeated(rows, count);
    SPOT_TRY(fit->backend->seed_rows(fit->run, count, rows, values, NULL, err));
    SPOT_TRY(fit->backend->seed_points(fit->run, count, values, total, err));
    sample->count += count;
out:
    return status;
}

/* Every row of the sample weighs what the rows nearest to it weigh: a pass with all of them as
 * centres. */
static int weigh_candidates(struct kmeans_fit *fit, struct sample *sample, struct spot_error *err)
{
    int status = SPOT_OK;
    const int32_t k = (int32_t)sample->count, columns = fit->matrix->columns;
    const double *offset = fit->data->statistics.offset;
    const double unit = fit->data->statistics.quantiser.weight_scale;
    struct kmeans_run *run = NULL;
    struct kmeans_partial partial = {
        .sums = spot_alloc((int64_t)k * columns, sizeof *partial.sums),
        .weights = spot_alloc(k, sizeof *partial.weights),
        .sizes = spot_alloc(k, sizeof *partial.sizes),
    };
    double *centres = spot_alloc((int64_t)k * columns, sizeof *centres);
    if (partial.sums == NULL || partial.weights == NULL || partial.sizes == NULL ||
        centres == NULL) {
        status = spot_fail_memory(err, "the candidates of k-means||");
        goto out;
    }
    for (int64_t i = 0; i < (int64_t)k * columns; i++)
        centres[i] = (double)sample->values[i] + offset[i % columns];
    SPOT_TRY(fit->backend->open(fit->data->handle, k, &fit->data->statistics.quantiser, &run, err));
    SPOT_TRY(fit->backend->start(run, centres, err));
    SPOT_TRY(fit->backend->pass(run, err));
    SPOT_TRY(fit->backend->partial(run, &partial, err));
    for (int32_t c = 0; c < k; c++)
        sample->weights[c] = int128_to_double(partial.weights[c]) / unit;
out:
    fit->backend->close(run);
    free(partial.sums);
    free(partial.weights);
    free(partial.sizes);
    free(centres);
    return status;
}

/* There are not more different rows than k: all are centres, the first one again for the rest. */
static void take_all(struct kmeans_fit *fit, const struct sample *sample)
{
    const int32_t columns = fit->matrix->columns;
    for (int64_t c = 0; c < fit->options->k; c++)
        for (int32_t j = 0; j < columns; j++)
            fit->centres[c * columns + j] =
                (double)sample->values[(c < sample->count ? c : 0) * columns + j] +
                fit->data->statistics.offset[j];
}

int kmeans_seed_parallel(struct kmeans_fit *fit, struct spot_error *err)
{
    int status = SPOT_OK;
    const int32_t k = fit->options->k;
    /* Of a coreset, half as many find better centres: measured on blobs. */
    const int32_t draws = fit->is_sample ? k : 2 * k;
    struct sample sample = {0};
    struct int128 total = fit->data->statistics.weight;
    /* Rounds after the last have at most 2 k rows as well, and begin with fewer than k. */
    SPOT_TRY(sample_open(&sample, 1 + 2 * ROUNDS * (int64_t)k, fit->matrix->columns, err));
    SPOT_TRY(fit->backend->seed_begin(fit->run, err));
    SPOT_TRY(draw_round(fit, &sample, 0, 1, &total, err));
    for (uint32_t round = 1; !int128_is_zero(total); round++) {
        if (round > ROUNDS && sample.count >= k) break;
        SPOT_TRY(draw_round(fit, &sample, round, draws, &total, err));
    }
    if (sample.count <= k) {
        take_all(fit, &sample);
    } else {
        SPOT_TRY(weigh_candidates(fit, &sample, err));
        SPOT_TRY(finish(fit, &sample, SPOT_INIT_KMEANSPP, CANDIDATE_RUNS, err));
    }
out:
    sample_close(&sample);
    return status;
}
