/* The table is made column by column as text, then printed with each column as wide as its widest
 * cell. Line k of every statistic is that of all rows. */
#include "app/report.h"

#include <errno.h>
#include <math.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "app/words.h"
#include "base/error.h"
#include "base/memory.h"

enum { MIX_COLUMNS = 6, CELL_ROOM = 64 };

struct table {
    int32_t lines;            /* k + 2: heading, clusters, all */
    int32_t columns;          /* */
    char (*cells)[CELL_ROOM]; /* (columns, lines) */
    bool *left;               /* (columns) aligned to the left */
    int64_t capacity, left_capacity;
};

/* A new empty column; its cells, or NULL without memory. */
static char (*add_column(struct table *table, bool left))[CELL_ROOM]
{
    int64_t needed = (int64_t)(table->columns + 1) * table->lines;
    if (spot_grow((void **)&table->cells, &table->capacity, needed, sizeof *table->cells) < 0)
        return NULL;
    if (spot_grow((void **)&table->left, &table->left_capacity, table->columns + 1, sizeof(bool)) <
        0)
        return NULL;
    table->left[table->columns] = left;
    char(*cells)[CELL_ROOM] = table->cells + (int64_t)table->columns++ * table->lines;
    memset(cells, 0, (size_t)table->lines * sizeof *cells);
    return cells;
}

/* Characters of UTF-8 text. */
static int width_of(const char *text)
{
    int width = 0;
    for (; *text != '\0'; text++)
        width += ((unsigned char)*text & 0xc0) != 0x80;
    return width;
}

static void print_table(FILE *out, const struct table *table, const int *widths)
{
    for (int32_t line = 0; line < table->lines; line++) {
        for (int32_t c = 0; c < table->columns; c++) {
            const char *cell = table->cells[(int64_t)c * table->lines + line];
            int pad = widths[c] - width_of(cell);
            bool last = c + 1 == table->columns;
            if (table->left[c])
                fprintf(out, "%s%*s", cell, last ? 0 : pad, "");
            else
                fprintf(out, "%*s%s", pad, "", cell);
            if (!last) fputs("  ", out);
        }
        fputc('\n', out);
    }
}

static int measure_and_print(FILE *out, const struct table *table, struct spot_error *err)
{
    int *widths = spot_alloc_zero(table->columns, sizeof *widths);
    if (widths == NULL) return spot_fail_memory(err, "the table of clusters");
    for (int32_t c = 0; c < table->columns; c++)
        for (int32_t line = 0; line < table->lines; line++) {
            int width = width_of(table->cells[(int64_t)c * table->lines + line]);
            if (width > widths[c]) widths[c] = width;
        }
    print_table(out, table, widths);
    free(widths);
    return SPOT_OK;
}

/* ---- Size ------------------------------------------------------------------------------------ */

static int add_sizes(struct table *table, int32_t k, int64_t rows, const int32_t *labels)
{
    char(*name)[CELL_ROOM] = add_column(table, false);
    char(*count)[CELL_ROOM] = name == NULL ? NULL : add_column(table, false);
    char(*share)[CELL_ROOM] = count == NULL ? NULL : add_column(table, false);
    int64_t *sizes = spot_alloc_zero(k + 1, sizeof *sizes);
    if (share == NULL || sizes == NULL) {
        free(sizes);
        return SPOT_ENOMEM;
    }
    name = table->cells; /* growing may have moved them */
    count = name + table->lines;
    for (int64_t i = 0; i < rows; i++)
        sizes[labels[i]]++;
    sizes[k] = rows;
    strcpy(name[0], "cluster");
    strcpy(count[0], "rows");
    strcpy(share[0], "share");
    for (int32_t c = 0; c <= k; c++) {
        if (c < k)
            snprintf(name[c + 1], CELL_ROOM, "%d", c);
        else
            strcpy(name[c + 1], "all");
        words_count(sizes[c], count[c + 1]);
        words_share(sizes[c], rows, share[c + 1]);
    }
    free(sizes);
    return SPOT_OK;
}

/* ---- Time of day, week, year ----------------------------------------------------------------- */

/* The shortest span of a circle of `period` counts that holds half of them; of equally short ones
 * the fullest, of those the first. Returns its length, 0 when there is nothing. */
static int half_span(const int64_t *counts, int period, int *first)
{
    int64_t total = 0, most = 0;
    for (int i = 0; i < period; i++)
        total += counts[i];
    for (int length = 1; length <= period && total > 0; length++) {
        for (int start = 0; start < period; start++) {
            int64_t held = 0;
            for (int i = 0; i < length; i++)
                held += counts[(start + i) % period];
            if (2 * held < total || held <= most) continue;
            most = held;
            *first = start;
        }
        if (most > 0) return length;
    }
    return 0;
}

/* "06:00-10:00", "Tue-Thu", "Jan". */
static void print_span(enum profile_kind kind, const int64_t *counts, int period, char *cell)
{
    int first = 0, length = half_span(counts, period, &first);
    int last = (first + length - 1) % period;
    const char *const *names = kind == PROFILE_WEEKDAY ? weekday_names : month_names;
    if (length == 0)
        strcpy(cell, "-");
    else if (kind == PROFILE_HOUR)
        snprintf(cell, CELL_ROOM, "%02d:00-%02d:00", first, last + 1);
    else if (length == 1)
        snprintf(cell, CELL_ROOM, "%s", names[first]);
    else
        snprintf(cell, CELL_ROOM, "%s-%s", names[first], names[last]);
}

static int add_span(struct table *table, int32_t k, int64_t rows, const int32_t *labels,
                    const struct profile_column *column)
{
    int period = column->kind == PROFILE_HOUR ? 24 : column->kind == PROFILE_WEEKDAY ? 7 : 12;
    int offset = column->kind == PROFILE_MONTH ? 1 : 0;
    char(*cells)[CELL_ROOM] = add_column(table, true);
    int64_t *counts =
        spot_alloc_zero((int64_t)(k + 1) * period, sizeof *counts); /* (k + 1, period) */
    if (cells == NULL || counts == NULL) {
        free(counts);
        return SPOT_ENOMEM;
    }
    for (int64_t i = 0; i < rows; i++) {
        double value = floor(column->values[i]) - offset;
        if (!(value >= 0 && value < period)) continue;
        counts[labels[i] * (int64_t)period + (int)value]++;
        counts[k * (int64_t)period + (int)value]++;
    }
    snprintf(cells[0], CELL_ROOM, "%s", column->title);
    for (int32_t c = 0; c <= k; c++)
        print_span(column->kind, counts + (int64_t)c * period, period, cells[c + 1]);
    free(counts);
    return SPOT_OK;
}

/* ---- Mean and mix ---------------------------------------------------------------------------- */

static int add_mean(struct table *table, int32_t k, int64_t rows, const int32_t *labels,
                    const struct profile_column *column)
{
    char(*cells)[CELL_ROOM] = add_column(table, false);
    double *sums = spot_alloc_zero(k + 1, sizeof *sums);
    int64_t *counts = spot_alloc_zero(k + 1, sizeof *counts);
    int status = cells == NULL || sums == NULL || counts == NULL ? SPOT_ENOMEM : SPOT_OK;
    for (int64_t i = 0; i < rows && status == SPOT_OK; i++) {
        if (isnan(column->values[i])) continue;
        sums[labels[i]] += column->values[i];
        sums[k] += column->values[i];
        counts[labels[i]]++;
        counts[k]++;
    }
    if (status == SPOT_OK) snprintf(cells[0], CELL_ROOM, "mean %s", column->title);
    for (int32_t c = 0; c <= k && status == SPOT_OK; c++)
        words_number(counts[c] == 0 ? (double)NAN : sums[c] / (double)counts[c], cells[c + 1]);
    free(sums);
    free(counts);
    return status;
}

struct tally {
    double value;
    int64_t count;
};

static int by_value(const void *a, const void *b)
{
    const struct tally *x = a, *y = b;
    return (x->value > y->value) - (x->value < y->value);
}

/* The most frequent first, of equally frequent ones the smaller. */
static int by_count(const void *a, const void *b)
{
    const struct tally *x = a, *y = b;
    return x->count != y->count ? (x->count < y->count) - (x->count > y->count) : by_value(a, b);
}

/* The most frequent values in ascending order. Returns how many, or -1 without memory. */
static int frequent_values(const double *values, int64_t rows, double frequent[MIX_COLUMNS])
{
    struct tally *tallies = spot_alloc(rows, sizeof *tallies);
    if (tallies == NULL) return -1;
    size_t known = 0, distinct = 0;
    for (int64_t i = 0; i < rows; i++)
        if (!isnan(values[i])) tallies[known++] = (struct tally){values[i], 1};
    qsort(tallies, known, sizeof *tallies, by_value);
    for (size_t i = 0; i < known; i++)
        if (distinct > 0 && tallies[distinct - 1].value == tallies[i].value)
            tallies[distinct - 1].count++;
        else
            tallies[distinct++] = tallies[i];
    qsort(tallies, distinct, sizeof *tallies, by_count);
    int found = distinct < MIX_COLUMNS ? (int)distinct : MIX_COLUMNS;
    qsort(tallies, (size_t)found, sizeof *tallies, by_value);
    for (int i = 0; i < found; i++)
        frequent[i] = tallies[i].value;
    free(tallies);
    return found;
}

static void print_mix_heading(const struct profile_column *column, double value, char *cell)
{
    char number[WORDS_ROOM];
    bool named = column->names != NULL && value >= 0 && value < column->names_count;
    const char *name = named ? column->names[(int)value] : words_number(value, number);
    snprintf(cell, CELL_ROOM, "%.24s %.24s", column->title, name);
}

/* The column of one value; known: (k + 1) rows of each cluster that have any value. */
static int add_share(struct table *table, int32_t k, int64_t rows, const int32_t *labels,
                     const struct profile_column *column, double value)
{
    char(*cells)[CELL_ROOM] = add_column(table, false);
    int64_t *known = spot_alloc_zero(k + 1, sizeof *known);
    int64_t *equal = spot_alloc_zero(k + 1, sizeof *equal);
    int status = cells == NULL || known == NULL || equal == NULL ? SPOT_ENOMEM : SPOT_OK;
    for (int64_t i = 0; i < rows && status == SPOT_OK; i++) {
        int has = !isnan(column->values[i]), is = column->values[i] == value;
        known[labels[i]] += has;
        known[k] += has;
        equal[labels[i]] += is;
        equal[k] += is;
    }
    if (status == SPOT_OK) print_mix_heading(column, value, cells[0]);
    for (int32_t c = 0; c <= k && status == SPOT_OK; c++)
        words_share(equal[c], known[c], cells[c + 1]);
    free(known);
    free(equal);
    return status;
}

static int add_mix(struct table *table, int32_t k, int64_t rows, const int32_t *labels,
                   const struct profile_column *column)
{
    double frequent[MIX_COLUMNS];
    int found = frequent_values(column->values, rows, frequent);
    int status = found < 0 ? SPOT_ENOMEM : SPOT_OK;
    for (int i = 0; i < found && status == SPOT_OK; i++)
        status = add_share(table, k, rows, labels, column, frequent[i]);
    return status;
}

/* ---- The whole ------------------------------------------------------------------------------- */

static int add_profile(struct table *table, int32_t k, int64_t rows, const int32_t *labels,
                       const struct profile_column *column)
{
    if (column->kind == PROFILE_MEAN) return add_mean(table, k, rows, labels, column);
    if (column->kind == PROFILE_MIX) return add_mix(table, k, rows, labels, column);
    return add_span(table, k, rows, labels, column);
}

int report_clusters(FILE *out, int32_t k, int64_t rows, const int32_t *labels,
                    const struct profile_column *columns, int32_t columns_count,
                    struct spot_error *err)
{
    struct table table = {.lines = k + 2};
    bool spans = false;
    int status = add_sizes(&table, k, rows, labels);
    for (int32_t c = 0; c < columns_count && status == SPOT_OK; c++) {
        status = add_profile(&table, k, rows, labels, &columns[c]);
        spans = spans || columns[c].kind <= PROFILE_MONTH;
    }
    if (status < 0) {
        spot_fail_memory(err, "the table of clusters");
        goto out;
    }
    SPOT_TRY(measure_and_print(out, &table, err));
    if (spans)
        fputs("(hours, days and months: the shortest span that holds half of the rows)\n", out);
    if (fflush(out) != 0 || ferror(out))
        status =
            spot_fail(err, SPOT_EIO, "cannot write the table of clusters: %s", strerror(errno));
out:
    free(table.cells);
    free(table.left);
    return status;
}
