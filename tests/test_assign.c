/* Labels and distances of rows that nothing is known of: the definition, written here once more,
 * holds them whatever the columns hold and wherever their values stop being what the first rows
 * let expect. */
#define _POSIX_C_SOURCE 200809L /* setenv */
#include <stdbool.h>

#include "fitting.h"

enum { ROWS = 4500, MOST_COLUMNS = 33, K = 9 };

static float values[ROWS * MOST_COLUMNS];
static int32_t labels[ROWS];
static double distances[ROWS];

/* What row i has in a column of each kind; most rows are harmless. */
static float value_of(int kind, int64_t i, uint64_t *state)
{
    const double u = next_uniform(state);
    const bool stray = i % 97 == 41;
    switch (kind) {
    case 0: /* years, an offset can be taken off */
        return (float)floor(1980 + 40 * u);
    case 1: /* the same, but for strays for which it could not */
        return (float)(stray ? 3.3 * u : 50 + 9 * u);
    case 2:
        return (float)(stray ? -1e6 * u : -50 - 9 * u);
    case 3: /* strays that are much larger */
        return (float)((stray ? 1e9 : 1) * (u - 0.5));
    case 4: /* the largest values come last */
        return (float)((double)(i * i) * (u - 0.5));
    case 5:
        return 7.25f;
    case 6:
        return (float)(1e-42 * (1 + u));
    default:
        return (float)(3 * u);
    }
}

static void make_values(int64_t rows, int32_t columns, int kind)
{
    uint64_t state = (uint64_t)kind;
    for (int64_t i = 0; i < rows; i++)
        for (int32_t j = 0; j < columns; j++)
            values[i * columns + j] = value_of((kind + 3 * j) % 8, i, &state);
}

static double squared(const float *x, const double *centre, int32_t columns)
{
    double sum = 0;
    for (int32_t j = 0; j < columns; j++) {
        const double difference = (double)x[j] - centre[j];
        sum += difference * difference;
    }
    return sum;
}

static void check_labels(const spot_kmeans *model, int64_t rows)
{
    const struct spot_kmeans_result *result = spot_kmeans_result(model);
    int64_t wrong = 0;
    for (int64_t i = 0; i < rows; i++) {
        const float *x = values + i * result->columns;
        int32_t nearest = 0;
        for (int32_t c = 1; c < result->k; c++)
            if (squared(x, result->centres + c * result->columns, result->columns) <
                squared(x, result->centres + nearest * result->columns, result->columns))
                nearest = c;
        const double *centre = result->centres + nearest * result->columns;
        wrong += labels[i] != nearest || distances[i] != sqrt(squared(x, centre, result->columns));
    }
    CU_ASSERT_EQUAL(wrong, 0);
}

/* A model whose centres are rows of the data. */
static spot_kmeans *rows_as_centres(spot_engine *engine, int64_t rows, int32_t columns)
{
    static float points[K * MOST_COLUMNS];
    static double centres[K * MOST_COLUMNS];
    for (int32_t c = 0; c < K; c++)
        for (int32_t j = 0; j < columns; j++)
            centres[c * columns + j] =
                (double)(points[c * columns + j] = values[c * rows / K * columns + j]);
    struct spot_kmeans_options options = spot_kmeans_defaults();
    options.k = K;
    options.init = SPOT_INIT_CENTRES;
    options.centres = centres;
    options.max_iter = 1;
    const struct spot_matrix data = {.values = points, .rows = K, .columns = columns};
    return fit(engine, &data, &options);
}

static void the_definition_holds(void)
{
    static const int64_t counts[] = {ROWS, 1, 63, 64, 65, 1000};
    static const int32_t widths[] = {1, 2, 3, 4, 5, 7, 8, 13, MOST_COLUMNS};
    static const char *const variants[] = {"ref", "avx2", "avx512"};
    struct spot_error err;
    for (int v = 0; v < 3; v++) {
        spot_engine *engine = open_engine(1 + v % 2, variants[v]);
        if (engine == NULL) continue;
        for (int i = 0; i < 54; i++) {
            const int64_t rows = counts[i % 6];
            const int32_t columns = widths[i % 9];
            make_values(rows, columns, i % 8);
            spot_kmeans *model = rows_as_centres(engine, rows, columns);
            const struct spot_matrix data = {.values = values, .rows = rows, .columns = columns};
            memset(labels, 0xff, sizeof labels);
            CU_ASSERT_EQUAL(spot_kmeans_assign(engine, model, &data, labels, distances, &err),
                            SPOT_OK);
            check_labels(model, rows);
            spot_kmeans_free(model);
        }
        spot_engine_close(engine);
    }
}

/* A stray row for which an offset cannot be taken off, and whose other value is large, comes before
 * rows with such large values that have to be told apart. */
static void a_stray_row_changes_no_other(void)
{
    static const char *const variants[] = {"ref", "avx2", "avx512"};
    struct spot_error err;
    for (int64_t i = 0; i < ROWS; i++) {
        const bool large = i > 64 && i % 2 == 1; /* never among the rows that are looked at first */
        values[2 * i] = large ? 1e7f + (float)(i % 41) : (float)(i % 3);
        values[2 * i + 1] = 50 + (float)(i % 10);
    }
    values[2 * 1] = 1e7f;
    values[2 * 1 + 1] = 1;
    for (int v = 0; v < 3; v++) {
        spot_engine *engine = open_engine(1, variants[v]);
        if (engine == NULL) continue;
        double centres[2 * K];
        float points[2 * K];
        for (int32_t c = 0; c < K; c++) {
            centres[2 * c] = (double)(points[2 * c] = 1.5f);
            centres[2 * c + 1] = (double)(points[2 * c + 1] = 53 + (float)c / 8);
        }
        struct spot_kmeans_options options = spot_kmeans_defaults();
        options.k = K;
        options.init = SPOT_INIT_CENTRES;
        options.centres = centres;
        const struct spot_matrix own = {.values = points, .rows = K, .columns = 2};
        spot_kmeans *model = fit(engine, &own, &options);
        const struct spot_matrix data = {.values = values, .rows = ROWS, .columns = 2};
        CU_ASSERT_EQUAL(spot_kmeans_assign(engine, model, &data, labels, distances, &err), SPOT_OK);
        check_labels(model, ROWS);
        spot_kmeans_free(model);
        spot_engine_close(engine);
    }
}

/* Half of the offset away, to the last bit, a difference is rounded. */
static void differences_at_half_the_offset(void)
{
    struct spot_error err;
    spot_engine *engine = open_engine(1, NULL);
    float points[] = {1.75f, 2.2499998f};
    double centres[] = {(double)points[0], (double)points[1]};
    struct spot_kmeans_options options = spot_kmeans_defaults();
    options.k = 2;
    options.init = SPOT_INIT_CENTRES;
    options.centres = centres;
    const struct spot_matrix own = {.values = points, .rows = 2, .columns = 1};
    spot_kmeans *model = fit(engine, &own, &options);
    for (int64_t i = 0; i < ROWS; i++)
        values[i] = i == 1 ? nextafterf(2, 0) : 3 + 2 * (float)(i % 4 == 0);
    const struct spot_matrix data = {.values = values, .rows = ROWS, .columns = 1};
    CU_ASSERT_EQUAL(spot_kmeans_assign(engine, model, &data, labels, distances, &err), SPOT_OK);
    check_labels(model, ROWS);
    spot_kmeans_free(model);
    spot_engine_close(engine);
}

static void values_that_are_not_finite_are_named(void)
{
    struct spot_error err;
    spot_engine *engine = open_engine(2, NULL);
    make_values(ROWS, 5, 0);
    spot_kmeans *model = rows_as_centres(engine, ROWS, 5);
    const struct spot_matrix data = {.values = values, .rows = ROWS, .columns = 5};
    for (int32_t at = 0; at < 4; at++) {
        const int32_t row = at * 1499, column = at % 5;
        float *bad = &values[row * 5 + column];
        const float kept = *bad;
        *bad = at % 2 == 0 ? NAN : -INFINITY;
        err.message[0] = '\0';
        CU_ASSERT_EQUAL(spot_kmeans_assign(engine, model, &data, labels, NULL, &err), SPOT_EDATA);
        CU_ASSERT_EQUAL(err.row, row + 1);
        CU_ASSERT_EQUAL(err.column, column + 1);
        CU_ASSERT_PTR_NOT_NULL(strstr(err.message, at % 2 == 0 ? "NaN" : "infinite"));
        *bad = kept;
    }
    for (int32_t i = 0; i < 5; i++)
        values[i] = i == 0 ? -INFINITY : 5;
    const struct spot_matrix row = {.values = values, .rows = 1, .columns = 5};
    CU_ASSERT_EQUAL(spot_kmeans_assign(engine, model, &row, labels, distances, &err), SPOT_EDATA);
    spot_kmeans_free(model);
    spot_engine_close(engine);
}

int main(void)
{
    const struct suite_test tests[] = {
        {"the definition holds", the_definition_holds},
        {"a stray row changes no other", a_stray_row_changes_no_other},
        {"differences at half the offset", differences_at_half_the_offset},
        {"values that are not finite are named", values_that_are_not_finite_are_named},
        {NULL, NULL},
    };
    return run_suite("assign", tests);
}
