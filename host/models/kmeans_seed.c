/* Initial centres: greedy k-means++ (Arthur and Vassilvitskii 2007; the greedy variant with
 * 2 + floor(ln k) candidates a step, as in scikit-learn), or different rows drawn by weight.
 * Draws are 64-bit integers scaled to the integer total, so they meet the same row on any device.
 */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "base/memory.h"
#include "models/kmeans_seed.h"
#include "models/random.h"

static int by_value(const void *a, const void *b)
{
    return int128_compare(*(const struct int128 *)a, *(const struct int128 *)b);
}

int kmeans_draw_rows(struct kmeans_fit *fit, struct int128 total, uint32_t step, int32_t count,
                     struct int128 *targets, int64_t *rows, struct spot_error *err)
{
    for (int32_t i = 0; i < count; i++) {
        uint64_t bits = random_bits(fit->options->seed, RANDOM_SEEDING, (uint32_t)fit->run_index,
                                    step, (uint32_t)i);
        targets[i] = int128_scale(total, bits);
    }
    qsort(targets, (size_t)count, sizeof *targets, by_value);
    return fit->backend->seed_pick(fit->run, count, targets, rows, err);
}

static int keep_centre(struct kmeans_fit *fit, int32_t c, int64_t row, struct spot_error *err)
{
    double *centre = fit->centres + (int64_t)c * fit->matrix->columns;
    int status = kmeans_row(fit, row, centre, err);
    return status < 0 ? status : fit->backend->seed_take(fit->run, row, err);
}

struct candidates {
    int32_t count;
    struct int128 *targets; /* (count) */
    struct int128 *totals;  /* (count) */
    int64_t *rows;          /* (count) */
};

/* One step: of the rows drawn, the one that lowers the potential most; ties to the first. */
static int choose_next(struct kmeans_fit *fit, int32_t c, struct int128 *potential,
                       const struct candidates *candidates, int64_t *chosen, struct spot_error *err)
{
    int status = SPOT_OK;
    SPOT_TRY(kmeans_draw_rows(fit, *potential, (uint32_t)c, candidates->count, candidates->targets,
                              candidates->rows, err));
    for (int32_t i = 0; i < candidates->count; i++)
        candidates->rows[i] = fit_data_row(fit->data, candidates->rows[i]);
    SPOT_TRY(fit->backend->seed_try(fit->run, candidates->count, candidates->rows,
                                    candidates->totals, err));
    int32_t best = 0;
    for (int32_t i = 1; i < candidates->count; i++)
        if (int128_compare(candidates->totals[i], candidates->totals[best]) < 0) best = i;
    *potential = candidates->totals[best];
    *chosen = candidates->rows[best];
out:
    return status;
}

int kmeans_seed_plusplus(struct kmeans_fit *fit, struct spot_error *err)
{
    int status = SPOT_OK;
    int32_t k = fit->options->k;
    int32_t count = 2 + (int32_t)log((double)k);
    struct candidates candidates = {count, spot_alloc(count, sizeof *candidates.targets),
                                    spot_alloc(count, sizeof *candidates.totals),
                                    spot_alloc(count, sizeof *candidates.rows)};
    if (candidates.targets == NULL || candidates.totals == NULL || candidates.rows == NULL) {
        status = spot_fail_memory(err, "the seeding candidates");
        goto out;
    }
    SPOT_TRY(fit->backend->seed_begin(fit->run, err));
    SPOT_TRY(kmeans_draw_rows(fit, fit->data->statistics.weight, 0, 1, candidates.targets,
                              candidates.rows, err));
    int64_t row = fit_data_row(fit->data, candidates.rows[0]);
    struct int128 potential = int128_from(0);
    if (k > 1) SPOT_TRY(fit->backend->seed_try(fit->run, 1, &row, &potential, err));
    SPOT_TRY(keep_centre(fit, 0, row, err));
    for (int32_t c = 1; c < k; c++) {
        if (engine_is_stopped(fit->engine)) {
            status = spot_fail(err, SPOT_ESTOPPED, "stopped at initial centre %d", (int)c + 1);
            goto out;
        }
        /* Every row lies on a centre already: the rest of the clusters will be empty. */
        if (!int128_is_zero(potential))
            SPOT_TRY(choose_next(fit, c, &potential, &candidates, &row, err));
        SPOT_TRY(keep_centre(fit, c, row, err));
    }
out:
    free(candidates.targets);
    free(candidates.totals);
    free(candidates.rows);
    return status;
}

static int by_number(const void *a, const void *b)
{
    int64_t x = *(const int64_t *)a, y = *(const int64_t *)b;
    return (x > y) - (x < y);
}

/* Removes repetitions from sorted rows and returns how many are left. */
static int32_t remove_repeated(int64_t *rows, int32_t count)
{
    int32_t kept = 0;
    for (int32_t i = 0; i < count; i++)
        if (kept == 0 || rows[i] != rows[kept - 1]) rows[kept++] = rows[i];
    return kept;
}

/* Fills up rows, sorted and `found` long, to k with the first rows that are not among them. */
static void fill_rows(int64_t *rows, int32_t found, int32_t k)
{
    int64_t next = 0;
    int32_t kept = found;
    for (int32_t i = 0; kept < k; next++) {
        if (i < found && rows[i] == next)
            i++;
        else
            rows[kept++] = next;
    }
}

/* Different rows by weight: draws as many as are missing until k different ones are there. Where
 * that takes too long (k is nearly all rows, weights differ by orders of magnitude), the first rows
 * not yet drawn fill the rest. */
static int draw_different(struct kmeans_fit *fit, struct int128 *targets, int64_t *rows,
                          struct spot_error *err)
{
    int32_t k = fit->options->k, found = 0;
    for (uint32_t step = 0; found < k && step < 64; step++) {
        int status = kmeans_draw_rows(fit, fit->data->statistics.weight, step, k - found, targets,
                                      rows + found, err);
        if (status < 0) return status;
        qsort(rows, (size_t)k, sizeof *rows, by_number);
        found = remove_repeated(rows, k);
    }
    fill_rows(rows, found, k);
    return SPOT_OK;
}

static int seed_random(struct kmeans_fit *fit, struct spot_error *err)
{
    int status = SPOT_OK;
    int32_t k = fit->options->k;
    struct int128 *targets = spot_alloc(k, sizeof *targets);
    int64_t *rows = spot_alloc(k, sizeof *rows);
    if (targets == NULL || rows == NULL) {
        status = spot_fail_memory(err, "the initial rows");
        goto out;
    }
    SPOT_TRY(fit->backend->seed_begin(fit->run, err));
    SPOT_TRY(draw_different(fit, targets, rows, err));
    for (int32_t c = 0; c < k; c++)
        SPOT_TRY(kmeans_row(fit, fit_data_row(fit->data, rows[c]),
                            fit->centres + (int64_t)c * fit->matrix->columns, err));
out:
    free(targets);
    free(rows);
    return status;
}

/* What `auto` comes to depends on the shape of the data alone. A coreset that were most of the rows
 * would spare nothing. */
static enum spot_kmeans_init chosen_init(const struct kmeans_fit *fit)
{
    const int64_t rows = fit->matrix->rows;
    const int32_t k = fit->options->k;
    const enum spot_kmeans_init init = fit->options->init;
    if (init == SPOT_INIT_AUTO)
        return kmeans_coreset_pays(rows, k) ? SPOT_INIT_CORESET : SPOT_INIT_KMEANSPP;
    if (init == SPOT_INIT_CORESET && !kmeans_coreset_fits(rows, k)) return SPOT_INIT_KMEANSPP;
    return init;
}

int kmeans_seed(struct kmeans_fit *fit, struct spot_error *err)
{
    size_t cells = (size_t)fit->options->k * (size_t)fit->matrix->columns;
    switch (chosen_init(fit)) {
    case SPOT_INIT_KMEANSPP:
        return kmeans_seed_plusplus(fit, err);
    case SPOT_INIT_KMEANS_PARALLEL:
        return kmeans_seed_parallel(fit, err);
    case SPOT_INIT_CORESET:
        return kmeans_seed_coreset(fit, err);
    case SPOT_INIT_RANDOM:
        return seed_random(fit, err);
    case SPOT_INIT_CENTRES:
        memcpy(fit->centres, fit->options->centres, cells * sizeof *fit->centres);
        return SPOT_OK;
    case SPOT_INIT_AUTO:
        break;
    }
    return spot_fail(err, SPOT_EUSAGE, "init: %d is no initialisation", (int)fit->options->init);
}
