/* The labels that a fit hands out are those that scoring its rows gives, whatever the rows, the
 * runs, and the way the fit went. */
#define _POSIX_C_SOURCE 200809L /* setenv */
#include "fitting.h"

enum { ROWS = 3001, COLUMNS = 3 };

/* Blobs; `step` > 0: coordinates are multiples of it, so that rows repeat. */
static void make_rows(float *x, int64_t rows, double step)
{
    uint64_t state = 5;
    for (int64_t i = 0; i < rows; i++)
        for (int32_t j = 0; j < COLUMNS; j++) {
            double value = 8 * (double)(i * (j + 3) % 7) + next_uniform(&state);
            x[i * COLUMNS + j] = (float)(step > 0 ? rint(value / step) * step : value);
        }
}

static void check(const struct spot_matrix *data, struct spot_kmeans_options options)
{
    struct spot_error err = {0};
    static int32_t labels[ROWS], scored[ROWS];
    spot_engine *engine = open_engine(2, NULL);
    memset(labels, 0xff, sizeof labels);
    options.labels = labels;
    spot_kmeans *model = fit(engine, data, &options);
    options.labels = NULL;
    spot_kmeans *plain = fit(engine, data, &options);
    if (options.checkpoint == NULL) CU_ASSERT_TRUE(same_model(model, plain));
    CU_ASSERT_EQUAL(spot_kmeans_assign(engine, model, data, scored, NULL, &err), SPOT_OK);
    CU_ASSERT_EQUAL(memcmp(labels, scored, (size_t)data->rows * sizeof *labels), 0);
    spot_kmeans_free(model);
    spot_kmeans_free(plain);
    spot_engine_close(engine);
}

static float values[ROWS * COLUMNS];

static struct spot_matrix rows_of(double step)
{
    make_rows(values, ROWS, step);
    return (struct spot_matrix){.values = values, .rows = ROWS, .columns = COLUMNS};
}

static struct spot_kmeans_options options_for(int32_t k)
{
    struct spot_kmeans_options options = spot_kmeans_defaults();
    options.k = k;
    return options;
}

static void plain_rows(void)
{
    struct spot_matrix data = rows_of(0);
    struct spot_kmeans_options options = options_for(5);
    check(&data, options);
    options.max_iter = 1;
    check(&data, options);
    data.rows = 1;
    options.k = 1;
    check(&data, options);
}

/* With many clusters the fit orders its rows by place. */
static void ordered_rows(void)
{
    struct spot_matrix data = rows_of(0);
    struct spot_kmeans_options options = options_for(80);
    options.init = SPOT_INIT_RANDOM;
    options.n_init = 1;
    options.tol = 0;
    check(&data, options);
}

static void merged_rows(void)
{
    struct spot_matrix data = rows_of(4);
    struct spot_kmeans_options options = options_for(4);
    options.compact = 1;
    check(&data, options);
}

/* The best run is seldom the last of so many. */
static void several_runs(void)
{
    struct spot_matrix data = rows_of(0);
    for (uint64_t seed = 0; seed < 3; seed++) {
        struct spot_kmeans_options options = options_for(6);
        options.init = SPOT_INIT_RANDOM;
        options.n_init = 7;
        options.seed = seed;
        check(&data, options);
    }
}

static void other_ways(void)
{
    struct spot_matrix data = rows_of(0);
    struct spot_kmeans_options options = options_for(5);
    options.metric = SPOT_METRIC_COSINE;
    for (int i = 0; i < ROWS * COLUMNS; i++)
        values[i] += 1;
    check(&data, options);
    options = options_for(5);
    options.mini_batch = 256;
    check(&data, options);
}

/* A fit that its checkpoint says is done has no run whose labels it could hand out. */
static void resumed(void)
{
    struct spot_matrix data = rows_of(0);
    struct spot_kmeans_options options = options_for(5);
    options.checkpoint = spot_checkpoint_new();
    check(&data, options);
    check(&data, options);
    spot_checkpoint_free(options.checkpoint);
}

int main(void)
{
    return run_suite("labels of a fit", (struct suite_test[]){{"rows as they are", plain_rows},
                                                              {"rows in order", ordered_rows},
                                                              {"equal rows merged", merged_rows},
                                                              {"several runs", several_runs},
                                                              {"other ways", other_ways},
                                                              {"resumed", resumed},
                                                              {NULL, NULL}});
}
