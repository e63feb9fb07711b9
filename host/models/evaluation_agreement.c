/* How far two labellings agree: the adjusted Rand index (Hubert and Arabie 1985) from counts of
 * pairs, and the mutual information over the mean of the two entropies (Vinh et al. 2010), as in
 * scikit-learn. */
#include <math.h>
#include <stdlib.h>

#include "base/error.h"
#include "base/memory.h"
#include "models/evaluation_internal.h"
#include "numerics/explog.h"

/* Rows of each pair of labels. */
struct contingency {
    int64_t rows;
    int64_t a_count, b_count;
    int64_t *cells;           /* (a_count, b_count) */
    int64_t *a_rows, *b_rows; /* (a_count), (b_count) */
};

static int contingency_open(struct contingency *table, const int32_t *a, const int32_t *b,
                            struct spot_error *err)
{
    int64_t cells;
    if (__builtin_mul_overflow(table->a_count, table->b_count, &cells)) cells = -1;
    table->cells = spot_alloc_zero(cells, sizeof *table->cells);
    table->a_rows = spot_alloc_zero(table->a_count, sizeof *table->a_rows);
    table->b_rows = spot_alloc_zero(table->b_count, sizeof *table->b_rows);
    if (table->cells == NULL || table->a_rows == NULL || table->b_rows == NULL)
        return spot_fail_memory(err, "the table of two labellings");
    for (int64_t i = 0; i < table->rows; i++) {
        table->cells[a[i] * table->b_count + b[i]]++;
        table->a_rows[a[i]]++;
        table->b_rows[b[i]]++;
    }
    return SPOT_OK;
}

static void contingency_close(struct contingency *table)
{
    free(table->cells);
    free(table->a_rows);
    free(table->b_rows);
}

/* Pairs of rows of one label; exact to 2^53, beyond that rounded. */
static double pairs(const int64_t *counts, int64_t count)
{
    struct careful_sum sum = {0};
    for (int64_t i = 0; i < count; i++) {
        const double n = (double)counts[i];
        careful_add(&sum, n * (n - 1.0) / 2.0);
    }
    return careful_value(&sum);
}

/* Together in both, less what chance would bring, over the mean of the two less the same. */
static double adjusted_rand(const struct contingency *table)
{
    const double both = pairs(table->cells, table->a_count * table->b_count);
    const double in_a = pairs(table->a_rows, table->a_count);
    const double in_b = pairs(table->b_rows, table->b_count);
    const double all = pairs(&table->rows, 1);
    if (both == in_a && both == in_b) return 1.0;
    const double tn = all - in_a - in_b + both, fn = in_a - both, fp = in_b - both;
    return 2.0 * (both * tn - fn * fp) / (in_a * (fn + tn) + in_b * (fp + tn));
}

static double log_of(int64_t count)
{
    return spot_log((double)count);
}

static double entropy(const int64_t *counts, int64_t count, int64_t rows)
{
    struct careful_sum sum = {0};
    for (int64_t i = 0; i < count; i++)
        if (counts[i] > 0)
            careful_add(&sum, (double)counts[i] * (log_of(rows) - log_of(counts[i])));
    return careful_value(&sum) / (double)rows;
}

static double mutual_information(const struct contingency *table)
{
    struct careful_sum sum = {0};
    for (int64_t a = 0; a < table->a_count; a++)
        for (int64_t b = 0; b < table->b_count; b++) {
            const int64_t n = table->cells[a * table->b_count + b];
            if (n == 0) continue;
            careful_add(&sum, (double)n * (log_of(n) - log_of(table->a_rows[a])));
            careful_add(&sum, (double)n * (log_of(table->rows) - log_of(table->b_rows[b])));
        }
    return fmax(careful_value(&sum) / (double)table->rows, 0.0);
}

int labels_agreement(int64_t rows, const int32_t *a, int32_t a_count, const int32_t *b,
                     int32_t b_count, struct agreement *agreement, struct spot_error *err)
{
    int status;
    struct contingency table = {.rows = rows, .a_count = a_count, .b_count = b_count};
    SPOT_TRY(contingency_open(&table, a, b, err));
    const double mean =
        0.5 * (entropy(table.a_rows, a_count, rows) + entropy(table.b_rows, b_count, rows));
    agreement->ari = adjusted_rand(&table);
    agreement->nmi = mean == 0.0 ? 1.0 : mutual_information(&table) / mean;
out:
    contingency_close(&table);
    return status;
}
