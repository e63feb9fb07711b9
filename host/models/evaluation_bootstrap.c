/* Bootstrap intervals (Efron and Tibshirani 1993, percentile method): the rows are drawn again with
 * replacement, each resample is measured, and the middle 95 % of the values are the interval. A
 * draw is a Philox number of (seed; resample, place), so threads change nothing. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "base/memory.h"
#include "data/order.h"
#include "models/evaluation_internal.h"
#include "models/random.h"
#include "numerics/int128.h"

struct resampling {
    const struct judged *judged;
    const struct evaluation_options *options;
    int64_t first;         /* resample of task 0 */
    double *values;        /* (resamples, MEASURE_COUNT) */
    int32_t **counts;      /* (workers) each (rows) */
    struct tally *tallies; /* (workers) */
};

static void draw(const struct resampling *resampling, int64_t resample, int32_t *counts)
{
    const int64_t rows = resampling->judged->given->rows;
    memset(counts, 0, (size_t)rows * sizeof *counts);
    for (int64_t place = 0; place < rows; place++) {
        const uint64_t bits = random_bits(resampling->options->seed, RANDOM_RESAMPLES,
                                          (uint32_t)resample, 0, (uint32_t)place);
        counts[int128_multiply_unsigned((uint64_t)rows, bits).high]++;
    }
}

static void resample_task(void *arg, int64_t task, int worker)
{
    const struct resampling *resampling = arg;
    const int64_t resample = resampling->first + task;
    const struct judged *judged = resampling->judged;
    struct tally *tally = &resampling->tallies[worker];
    int32_t *counts = resampling->counts[worker];
    draw(resampling, resample, counts);
    if (judged->given->classes > 0)
        tally_classes(judged, counts, tally);
    else
        tally_regression(judged->given, counts, tally);
    memcpy(resampling->values + resample * MEASURE_COUNT, tally->values, sizeof tally->values);
}

static int resampling_open(struct resampling *resampling, int workers, struct spot_error *err)
{
    int status = SPOT_OK;
    const struct predictions *given = resampling->judged->given;
    const int64_t resamples = resampling->options->bootstrap;
    resampling->values = spot_alloc(resamples * MEASURE_COUNT, sizeof *resampling->values);
    resampling->counts = spot_alloc_zero(workers, sizeof *resampling->counts);
    resampling->tallies = spot_alloc_zero(workers, sizeof *resampling->tallies);
    if (resampling->values == NULL || resampling->counts == NULL || resampling->tallies == NULL)
        return spot_fail_memory(err, "the resamples");
    for (int w = 0; w < workers && status == SPOT_OK; w++) {
        resampling->counts[w] = spot_alloc(given->rows, sizeof **resampling->counts);
        status = tally_open(given->classes, &resampling->tallies[w], err);
        if (resampling->counts[w] == NULL) status = spot_fail_memory(err, "the resamples");
    }
    return status;
}

static void resampling_close(struct resampling *resampling, int workers)
{
    for (int w = 0; w < workers; w++) {
        if (resampling->counts != NULL) free(resampling->counts[w]);
        if (resampling->tallies != NULL) tally_close(&resampling->tallies[w]);
    }
    free(resampling->values);
    free(resampling->counts);
    free(resampling->tallies);
}

/* The interval of one measure, from the resamples in which it is defined; column: room. */
static void find_interval(const double *values, int64_t resamples, enum measure_id id,
                          double *column, struct measure *measure)
{
    int64_t count = 0;
    for (int64_t r = 0; r < resamples; r++)
        if (!isnan(values[r * MEASURE_COUNT + id]))
            column[count++] = values[r * MEASURE_COUNT + id];
    measure->resamples = (int32_t)count;
    if (count == 0) return;
    measure->low = order_quantile(column, count, 0.025);
    measure->high = order_quantile(column, count, 0.975);
}

int bootstrap_measures(const struct judged *judged, const struct evaluation_options *options,
                       struct measure *measures, struct spot_error *err)
{
    int status;
    const int64_t resamples = options->bootstrap, group = 16;
    const int workers = pool_threads(options->pool);
    struct resampling resampling = {.judged = judged, .options = options};
    double *column = NULL;
    SPOT_TRY(resampling_open(&resampling, workers, err));
    column = spot_alloc(resamples, sizeof *column);
    if (column == NULL) {
        status = spot_fail_memory(err, "the resamples");
        goto out;
    }
    for (; resampling.first < resamples; resampling.first += group) {
        if (options->stopped != NULL && options->stopped(options->arg) != 0) {
            status = spot_fail(err, SPOT_ESTOPPED, "stopped");
            goto out;
        }
        const int64_t left = resamples - resampling.first;
        pool_run(options->pool, left < group ? left : group, resample_task, &resampling);
    }
    for (int id = 0; id < MEASURE_COUNT; id++)
        if (measures[id].applies && id != MEASURE_THRESHOLD && !isnan(measures[id].value))
            find_interval(resampling.values, resamples, (enum measure_id)id, column, &measures[id]);
out:
    free(column);
    resampling_close(&resampling, workers);
    return status;
}
