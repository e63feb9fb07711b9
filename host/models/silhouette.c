/* Rows are sorted by cluster and laid out in panels of eight, column by column, so that a row's
 * distances to a panel are vector operations; a cluster's last panel is filled up with rows that
 * count 0 times. Each row's sums run over panels in order: neither threads nor vectors change a
 * bit. */
#include "models/silhouette.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "base/memory.h"

enum { LANES = 8, TASK_ROWS = 32, TASKS_BETWEEN_STOPS = 128 };

struct panels {
    const struct silhouette_rows *rows;
    int64_t count;
    double *values;   /* (count, columns, LANES) */
    double *counts;   /* (count, LANES) */
    int64_t *first;   /* (k + 1) a cluster's first panel */
    double *sizes;    /* (k) rows, each as often as it counts */
    int64_t *places;  /* (rows) where a row lies: panel * LANES + lane */
    double *outcomes; /* (rows) silhouettes, times the row's count */
    int64_t task;     /* the first of this part */
};

/* ---- Laying out ----------------------------------------------------------------------------- */

static int panels_open(struct panels *panels, const struct silhouette_rows *rows,
                       struct spot_error *err)
{
    const int32_t k = rows->k;
    *panels = (struct panels){.rows = rows};
    panels->first = spot_alloc_zero((int64_t)k + 1, sizeof *panels->first);
    panels->sizes = spot_alloc_zero(k, sizeof *panels->sizes);
    panels->places = spot_alloc(rows->rows, sizeof *panels->places);
    panels->outcomes = spot_alloc(rows->rows, sizeof *panels->outcomes);
    if (panels->first == NULL || panels->sizes == NULL || panels->places == NULL ||
        panels->outcomes == NULL)
        return spot_fail_memory(err, "the silhouettes");
    for (int64_t i = 0; i < rows->rows; i++) { /* rows of a cluster, for now */
        panels->first[rows->labels[i] + 1]++;
        panels->sizes[rows->labels[i]] += rows->counts != NULL ? rows->counts[i] : 1;
    }
    for (int32_t c = 0; c < k; c++)
        panels->first[c + 1] = panels->first[c] + (panels->first[c + 1] + LANES - 1) / LANES;
    panels->count = panels->first[k];
    panels->values = spot_alloc_zero(panels->count * rows->columns, LANES * sizeof(double));
    panels->counts = spot_alloc_zero(panels->count, LANES * sizeof(double));
    if (panels->values == NULL || panels->counts == NULL)
        return spot_fail_memory(err, "the silhouettes");
    return SPOT_OK;
}

static void panels_close(struct panels *panels)
{
    free(panels->values);
    free(panels->counts);
    free(panels->first);
    free(panels->sizes);
    free(panels->places);
    free(panels->outcomes);
}

static int lay_out(struct panels *panels, struct spot_error *err)
{
    const struct silhouette_rows *rows = panels->rows;
    const int64_t columns = rows->columns;
    int64_t *next = spot_alloc(rows->k, sizeof *next); /* (k) place of a cluster's next row */
    if (next == NULL) return spot_fail_memory(err, "the silhouettes");
    for (int32_t c = 0; c < rows->k; c++)
        next[c] = panels->first[c] * LANES;
    for (int64_t i = 0; i < rows->rows; i++) {
        const int64_t place = next[rows->labels[i]]++;
        double *x = panels->values + place / LANES * columns * LANES + place % LANES;
        for (int64_t j = 0; j < columns; j++)
            x[j * LANES] = rows->values64 != NULL ? rows->values64[i * columns + j]
                                                  : (double)rows->values[i * columns + j];
        panels->counts[place] = rows->counts != NULL ? rows->counts[i] : 1;
        panels->places[i] = place;
    }
    free(next);
    return SPOT_OK;
}

/* ---- Distances ------------------------------------------------------------------------------ */

/* The sum of distances from x to the rows of a cluster, each as often as it counts. x (columns)
 * has stride LANES. */
static double distance_sum(const struct panels *panels, int32_t cluster, const double *x)
{
    const int64_t columns = panels->rows->columns;
    double sums[LANES] = {0};
    for (int64_t p = panels->first[cluster]; p < panels->first[cluster + 1]; p++) {
        const double *y = panels->values + p * columns * LANES;
        const double *counts = panels->counts + p * LANES;
        double d2[LANES] = {0};
        for (int64_t j = 0; j < columns; j++)
            for (int lane = 0; lane < LANES; lane++) {
                const double difference = y[j * LANES + lane] - x[j * LANES];
                d2[lane] += difference * difference;
            }
        if (panels->rows->cosine)
            for (int lane = 0; lane < LANES; lane++)
                sums[lane] += counts[lane] * (d2[lane] / 2.0);
        else
            for (int lane = 0; lane < LANES; lane++)
                sums[lane] += counts[lane] * sqrt(d2[lane]);
    }
    return ((sums[0] + sums[4]) + (sums[2] + sums[6])) +
           ((sums[1] + sums[5]) + (sums[3] + sums[7]));
}

/* One row's silhouette. */
static double silhouette(const struct panels *panels, int64_t row)
{
    const int32_t own = panels->rows->labels[row];
    const int64_t panel = panels->places[row] / LANES, lane = panels->places[row] % LANES;
    const double *x = panels->values + panel * panels->rows->columns * LANES + lane;
    if (panels->sizes[own] == 1.0) return 0.0;
    double a = distance_sum(panels, own, x) / (panels->sizes[own] - 1.0), b = INFINITY;
    for (int32_t c = 0; c < panels->rows->k; c++) {
        if (c == own || panels->sizes[c] == 0.0) continue;
        b = fmin(b, distance_sum(panels, c, x) / panels->sizes[c]);
    }
    const double larger = fmax(a, b);
    return larger > 0.0 ? (b - a) / larger : 0.0; /* equal rows in two clusters */
}

static void silhouette_task(void *arg, int64_t task, int worker)
{
    struct panels *panels = arg;
    (void)worker;
    const int64_t first = (panels->task + task) * TASK_ROWS;
    const int64_t end =
        first + TASK_ROWS < panels->rows->rows ? first + TASK_ROWS : panels->rows->rows;
    for (int64_t i = first; i < end; i++)
        panels->outcomes[i] = panels->counts[panels->places[i]] * silhouette(panels, i);
}

/* ---- The mean ------------------------------------------------------------------------------- */

static bool is_defined(const struct panels *panels, double total)
{
    int32_t used = 0;
    for (int32_t c = 0; c < panels->rows->k; c++)
        used += panels->sizes[c] > 0.0;
    return used >= 2 && used < total;
}

int silhouette_mean(const struct silhouette_rows *rows, struct spot_pool *pool,
                    int (*stopped)(void *arg), void *arg, double *mean, struct spot_error *err)
{
    int status = SPOT_OK;
    double total = 0.0, sum = 0.0;
    struct panels panels;
    *mean = NAN;
    SPOT_TRY(panels_open(&panels, rows, err));
    for (int32_t c = 0; c < rows->k; c++)
        total += panels.sizes[c];
    if (!is_defined(&panels, total)) goto out;
    SPOT_TRY(lay_out(&panels, err));
    const int64_t tasks = (rows->rows + TASK_ROWS - 1) / TASK_ROWS;
    for (panels.task = 0; panels.task < tasks; panels.task += TASKS_BETWEEN_STOPS) {
        const int64_t left = tasks - panels.task;
        if (stopped != NULL && stopped(arg) != 0) {
            status = spot_fail(err, SPOT_ESTOPPED, "stopped while measuring silhouettes");
            goto out;
        }
        pool_run(pool, left < TASKS_BETWEEN_STOPS ? left : TASKS_BETWEEN_STOPS, silhouette_task,
                 &panels);
    }
    for (int64_t i = 0; i < rows->rows; i++)
        sum += panels.outcomes[i];
    *mean = sum / total;
out:
    panels_close(&panels);
    return status;
}
