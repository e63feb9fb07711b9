/* Scoring rows of float32 on the CPU, in one pass over the rows: each block is turned into columns
 * in its thread's cache and gets the labels of the definition. Nothing is known of the rows before.
 * What a column holds is guessed from a few rows, and every block is held to the guess: limits that
 * turn out too small grow, and where taking off an offset might not be exact the block does
 * without. Guesses decide how many rows need a second look, and no label. */
#include <float.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "base/memory.h"
#include "fallback/cpu_kmeans.h"

enum { GUESS_ROWS = 64 };

/* The centres without some offset, and a guess of the rows without it. */
struct view {
    struct filter_space space;
    double *offset;       /* (columns) float32 values */
    float *offset_single; /* (columns) the same */
    float *largest;       /* (columns) guess of the largest magnitudes */
};

/* What a thread knows of the rows under a view; its largest magnitudes grow. */
struct look {
    const struct view *view;
    struct kmeans_filter filter;
    float *largest; /* (columns) */
};

struct scorer {
    struct look near, plain; /* with offsets, without */
    float *x;                /* (columns, BLOCK_ROWS) */
    float *last;             /* (BLOCK_ROWS, columns) rows that fill no block */
    bool not_finite;         /* a value was NaN or infinite */
};

struct scoring {
    const struct backend *backend;
    int32_t columns;
    int64_t rows;
    const float *values;     /* (rows, columns) row-major */
    int32_t *labels;         /* (rows) or NULL */
    double *distances;       /* (rows) or NULL */
    struct view near, plain; /* the same centres; with offsets, without */
    struct scorer *scorers;  /* (threads) */
};

/* ---- Guesses -------------------------------------------------------------------------------- */

/* Where a computed difference is less than half the offset, it is exact (Sterbenz); one that is
 * half of it may have been rounded to that. */
static float most_beside(float offset)
{
    return nextafterf(fabsf(offset) / 2, 0.0f);
}

/* The middle of a column whose values lie within a factor of two; else 0, as where none is finite.
 */
static float guess_offset(float low, float high)
{
    if (!(low <= high) || isinf(low) || isinf(high)) return 0.0f;
    const bool above = low > 0 && high <= 2 * low, below = high < 0 && low >= 2 * high;
    return above || below ? low + (high - low) / 2 : 0.0f;
}

static void guess(struct scoring *scoring)
{
    const int64_t columns = scoring->columns, rows = scoring->rows;
    const int64_t count = rows < GUESS_ROWS ? rows : GUESS_ROWS, step = rows / count;
    for (int64_t j = 0; j < columns; j++) {
        float low = FLT_MAX, high = -FLT_MAX;
        for (int64_t i = 0; i < count; i++) {
            const float value = scoring->values[i * step * columns + j];
            low = value < low ? value : low;
            high = value > high ? value : high;
        }
        const float offset = guess_offset(low, high), most = fmaxf(fabsf(low), fabsf(high));
        scoring->near.offset[j] = (double)offset;
        scoring->near.largest[j] = offset != 0 ? most_beside(offset) : fminf(2 * most, FLT_MAX);
        scoring->plain.offset[j] = 0.0;
        scoring->plain.largest[j] = fminf(2 * most, FLT_MAX);
    }
}

/* Whether the values are finite, and offsets were taken off exactly. */
static bool is_exact(const struct look *look, const float *x)
{
    for (int32_t j = 0; j < look->filter.columns; j++, x += BLOCK_ROWS) {
        const float most = look->view->offset[j] != 0.0 ? look->largest[j] : FLT_MAX;
        for (int32_t i = 0; i < BLOCK_ROWS; i++)
            if (!(fabsf(x[i]) <= most)) return false;
    }
    return true;
}

/* After a block was beyond the limits: they grow to hold it, unless the view is not for it. */
static bool widen(struct look *look, const float *x)
{
    if (!is_exact(look, x)) return false;
    for (int32_t j = 0; j < look->filter.columns; j++, x += BLOCK_ROWS) {
        float most = look->largest[j];
        for (int32_t i = 0; i < BLOCK_ROWS; i++)
            most = fabsf(x[i]) > most ? fabsf(x[i]) : most;
        if (most > look->largest[j]) look->largest[j] = fminf(2 * most, FLT_MAX);
    }
    filter_bound(&look->view->space, look->largest, &look->filter);
    return true;
}

/* ---- Rows ----------------------------------------------------------------------------------- */

/* Turns rows into a block; false where the view is not for them. */
static bool load(const struct kmeans_kernels *kernels, struct look *look, const float *rows,
                 float *x)
{
    const int32_t columns = look->filter.columns;
    kernels->load(rows, columns, look->view->offset_single, x);
    return !kernels->beyond(x, columns, look->largest) || widen(look, x);
}

static void score_block(const struct scoring *scoring, struct scorer *scorer, int64_t first,
                        int32_t rows)
{
    const struct kmeans_kernels *kernels = scoring->backend->kernels;
    const int64_t columns = scoring->columns;
    const float *values = scoring->values + first * columns;
    _Alignas(64) int32_t labels[BLOCK_ROWS];
    _Alignas(64) double d2[BLOCK_ROWS];
    struct look *look = &scorer->near;
    for (int64_t i = 0; rows < BLOCK_ROWS && i < BLOCK_ROWS; i++)
        memcpy(scorer->last + i * columns, values + (i < rows ? i : rows - 1) * columns,
               (size_t)columns * sizeof *values);
    if (rows < BLOCK_ROWS) values = scorer->last;
    if (!load(kernels, look, values, scorer->x)) {
        look = &scorer->plain;
        if (!load(kernels, look, values, scorer->x)) {
            scorer->not_finite = true;
            return;
        }
    }
    filter_block(kernels, &look->filter, (struct block_values){scorer->x, NULL}, rows, labels,
                 NULL);
    if (scoring->labels != NULL)
        memcpy(scoring->labels + first, labels, (size_t)rows * sizeof *labels);
    if (scoring->distances == NULL) return;
    kernels->own_distances(&look->filter, scorer->x, labels, d2);
    memcpy(scoring->distances + first, d2, (size_t)rows * sizeof *d2);
}

static void scoring_task(void *arg, int64_t task, int worker)
{
    const struct scoring *scoring = arg;
    struct scorer *scorer = &scoring->scorers[worker];
    int64_t end = (task + 1) * TASK_ROWS;
    if (end > scoring->rows) end = scoring->rows;
    for (int64_t first = task * TASK_ROWS; first < end && !scorer->not_finite; first += BLOCK_ROWS)
        score_block(scoring, scorer, first,
                    end - first < BLOCK_ROWS ? (int32_t)(end - first) : BLOCK_ROWS);
}

/* ---- All of it ------------------------------------------------------------------------------ */

static int view_open(struct view *view, int32_t k, int32_t columns,
                     const struct kmeans_kernels *kernels)
{
    view->offset = spot_alloc_zero(columns, sizeof *view->offset);
    view->offset_single = spot_alloc_zero(columns, sizeof *view->offset_single);
    view->largest = spot_alloc_zero(columns, sizeof *view->largest);
    if (view->offset == NULL || view->offset_single == NULL || view->largest == NULL)
        return SPOT_ENOMEM;
    return filter_open(&view->space, k, columns, view->offset, kernels, false);
}

static void view_close(struct view *view)
{
    filter_close(&view->space);
    free(view->offset);
    free(view->offset_single);
    free(view->largest);
}

static void view_pack(struct view *view, const double *centres)
{
    const int32_t k = view->space.filter.k, columns = view->space.filter.columns;
    for (int32_t j = 0; j < columns; j++)
        view->offset_single[j] = (float)view->offset[j];
    memcpy(view->space.exact, centres, (size_t)k * (size_t)columns * sizeof *centres);
    filter_pack(&view->space, view->largest);
}

static int look_open(struct look *look, const struct view *view)
{
    const int32_t columns = view->space.filter.columns;
    *look = (struct look){.view = view, .filter = view->space.filter};
    look->largest = spot_alloc(columns, sizeof *look->largest);
    if (look->largest == NULL) return SPOT_ENOMEM;
    memcpy(look->largest, view->largest, (size_t)columns * sizeof *look->largest);
    return SPOT_OK;
}

static int scorers_open(struct scoring *scoring)
{
    const int threads = scoring->backend->host.threads;
    scoring->scorers = calloc((size_t)threads, sizeof *scoring->scorers);
    for (int t = 0; scoring->scorers != NULL && t < threads; t++) {
        struct scorer *scorer = &scoring->scorers[t];
        scorer->x = spot_alloc(scoring->columns, BLOCK_ROWS * sizeof *scorer->x);
        scorer->last = spot_alloc(scoring->columns, BLOCK_ROWS * sizeof *scorer->last);
        if (look_open(&scorer->near, &scoring->near) < 0 ||
            look_open(&scorer->plain, &scoring->plain) < 0 || scorer->x == NULL ||
            scorer->last == NULL)
            return SPOT_ENOMEM;
    }
    return scoring->scorers != NULL ? SPOT_OK : SPOT_ENOMEM;
}

static void scoring_close(struct scoring *scoring)
{
    for (int t = 0; scoring->scorers != NULL && t < scoring->backend->host.threads; t++) {
        free(scoring->scorers[t].near.largest);
        free(scoring->scorers[t].plain.largest);
        free(scoring->scorers[t].x);
        free(scoring->scorers[t].last);
    }
    free(scoring->scorers);
    view_close(&scoring->near);
    view_close(&scoring->plain);
}

int cpu_kmeans_assign(struct backend *backend, int32_t k, int32_t columns, const double *centres,
                      const double *offset, int64_t rows, const float *values, int32_t *labels,
                      double *distances, struct spot_error *err)
{
    int status = SPOT_OK;
    (void)offset; /* changes no label and no distance */
    struct scoring scoring = {.backend = backend,
                              .columns = columns,
                              .rows = rows,
                              .values = values,
                              .labels = labels,
                              .distances = distances};
    if (rows == 0) return SPOT_OK;
    if (view_open(&scoring.near, k, columns, backend->kernels) < 0 ||
        view_open(&scoring.plain, k, columns, backend->kernels) < 0) {
        status = spot_fail_memory(err, "the centres");
        goto out;
    }
    guess(&scoring);
    view_pack(&scoring.near, centres);
    view_pack(&scoring.plain, centres);
    if (scorers_open(&scoring) < 0) {
        status = spot_fail_memory(err, "the rows to score");
        goto out;
    }
    double work = (double)rows * ((double)k * (columns + 5) + 8 * columns);
    cpu_parallel(backend, (rows + TASK_ROWS - 1) / TASK_ROWS, work, scoring_task, &scoring);
    for (int t = 0; t < backend->host.threads; t++)
        if (scoring.scorers[t].not_finite)
            status = spot_fail(err, SPOT_EDATA, "a value is not finite");
out:
    scoring_close(&scoring);
    return status;
}
