/* Initial centres from a sample, k-means|| and coresets: the same bits for any threads, instruction
 * set, batch and merge; as good as k-means++; rows that are few, equal or weigh nothing. */
#define _POSIX_C_SOURCE 200809L
#include "fitting.h"

enum { ROWS = 20000, COLUMNS = 3, CLUSTERS = 6 };

static float values[ROWS * COLUMNS];
static double weights[ROWS];

/* Blobs on a grid of quarters, so that many rows are equal; every fifth row weighs nothing. */
static void fill(void)
{
    uint64_t state = 7;
    for (int i = 0; i < ROWS; i++) {
        weights[i] = i % 5;
        for (int j = 0; j < COLUMNS; j++) {
            double sum = 0.0;
            for (int t = 0; t < 4; t++)
                sum += next_uniform(&state) - 0.5;
            double centre = (double)(i * 7 % CLUSTERS * (j + 3) % 11) * 5.0;
            values[i * COLUMNS + j] = (float)(rint(4.0 * (centre + sum)) / 4.0);
        }
    }
}

static struct spot_kmeans_options asked(enum spot_kmeans_init init)
{
    struct spot_kmeans_options options = spot_kmeans_defaults();
    options.k = CLUSTERS;
    options.init = init;
    options.seed = 3;
    return options;
}

static const enum spot_kmeans_init both[] = {SPOT_INIT_KMEANS_PARALLEL, SPOT_INIT_CORESET};

static void test_same_bits(void)
{
    static const char *const variants[] = {"ref", "avx2", "avx512"};
    for (int b = 0; b < 2; b++)
        for (int w = 0; w < 2; w++) {
            const struct spot_matrix data = {
                .values = values, .weights = w ? weights : NULL, .rows = ROWS, .columns = COLUMNS};
            struct spot_kmeans_options options = asked(both[b]);
            options.compact = 0;
            spot_engine *engine = open_engine(1, NULL);
            spot_kmeans *first = fit(engine, &data, &options);
            spot_engine_close(engine);
            for (int v = 0; v < 3; v++) {
                engine = open_engine(1 + v, variants[v]);
                if (engine == NULL) continue;
                for (int compact = 0; compact < 2; compact++) {
                    options.compact = compact;
                    options.batch_rows = compact ? 0 : 1777;
                    spot_kmeans *other = fit(engine, &data, &options);
                    CU_ASSERT(same_model(first, other));
                    spot_kmeans_free(other);
                }
                spot_engine_close(engine);
            }
            spot_kmeans_free(first);
        }
}

static double mean_inertia(spot_engine *engine, enum spot_kmeans_init init)
{
    const struct spot_matrix data = {
        .values = values, .weights = NULL, .rows = ROWS, .columns = COLUMNS};
    struct spot_kmeans_options options = asked(init);
    double sum = 0.0;
    for (options.seed = 0; options.seed < 10; options.seed++) {
        spot_kmeans *model = fit(engine, &data, &options);
        sum += spot_kmeans_result(model)->inertia / 10;
        spot_kmeans_free(model);
    }
    return sum;
}

static void test_quality(void)
{
    spot_engine *engine = open_engine(2, NULL);
    double usual = mean_inertia(engine, SPOT_INIT_KMEANSPP);
    for (int b = 0; b < 2; b++)
        CU_ASSERT(mean_inertia(engine, both[b]) <= usual * 1.001);
    spot_engine_close(engine);
}

/* Twenty rows among 20,000, far from all others and weighing 4 each at most, are found. */
static void test_rare_rows(void)
{
    static float rare[ROWS * COLUMNS];
    const struct spot_matrix data = {
        .values = rare, .weights = NULL, .rows = ROWS, .columns = COLUMNS};
    memcpy(rare, values, sizeof rare);
    for (int i = 0; i < 20; i++)
        rare[(i * 997 + 1) * COLUMNS] = 1000.0f;
    spot_engine *engine = open_engine(2, NULL);
    for (int b = 0; b < 2; b++) {
        struct spot_kmeans_options options = asked(both[b]);
        options.k = CLUSTERS + 1;
        spot_kmeans *model = fit(engine, &data, &options);
        int found = 0;
        for (int c = 0; c < options.k; c++)
            found += spot_kmeans_result(model)->sizes[c] == 20;
        CU_ASSERT_EQUAL(found, 1);
        spot_kmeans_free(model);
    }
    spot_engine_close(engine);
}

/* Fewer different rows than clusters, and exactly as many: no inertia is left. */
static void test_few_different(void)
{
    static float few[40 * COLUMNS];
    static double mass[40];
    for (int i = 0; i < 40; i++) {
        mass[i] = i % 4 == 3 ? 0.0 : 1e-3 * i + 1.0;
        for (int j = 0; j < COLUMNS; j++)
            few[i * COLUMNS + j] = (float)(i % 4 + j);
    }
    spot_engine *engine = open_engine(2, NULL);
    for (int k = 1; k <= 40; k += 3)
        for (int w = 0; w < 2; w++)
            for (int b = 0; b < 2; b++) {
                const struct spot_matrix data = {
                    .values = few, .weights = w ? mass : NULL, .rows = 40, .columns = COLUMNS};
                struct spot_kmeans_options options = asked(both[b]);
                options.k = k;
                spot_kmeans *model = fit(engine, &data, &options);
                if (k >= 4) CU_ASSERT_EQUAL(spot_kmeans_result(model)->inertia, 0.0);
                spot_kmeans_free(model);
            }
    spot_engine_close(engine);
}

static void test_auto(void)
{
    spot_engine *engine = open_engine(2, NULL);
    const int k[] = {CLUSTERS, 200}; /* 20,000 x 200 is 4,000,000, but a coreset most of the rows */
    const struct spot_matrix data = {
        .values = values, .weights = NULL, .rows = ROWS, .columns = COLUMNS};
    for (int i = 0; i < 2; i++) {
        struct spot_kmeans_options options = asked(SPOT_INIT_AUTO);
        options.k = k[i];
        options.max_iter = 2;
        spot_kmeans *chosen = fit(engine, &data, &options);
        options.init = SPOT_INIT_KMEANSPP;
        spot_kmeans *usual = fit(engine, &data, &options);
        CU_ASSERT(same_model(chosen, usual));
        spot_kmeans_free(chosen);
        spot_kmeans_free(usual);
    }
    enum { MANY = 500000 };
    float *many = malloc(MANY * sizeof *many);
    uint64_t state = 1;
    for (int i = 0; many != NULL && i < MANY; i++)
        many[i] = (float)next_uniform(&state);
    const struct spot_matrix large = {.values = many, .weights = NULL, .rows = MANY, .columns = 1};
    struct spot_kmeans_options options = asked(SPOT_INIT_AUTO);
    options.k = 8;
    options.max_iter = 1;
    spot_kmeans *chosen = fit(engine, &large, &options);
    options.init = SPOT_INIT_CORESET;
    spot_kmeans *coreset = fit(engine, &large, &options);
    CU_ASSERT(same_model(chosen, coreset));
    spot_kmeans_free(chosen);
    spot_kmeans_free(coreset);
    free(many);
    spot_engine_close(engine);
}

int main(void)
{
    fill();
    static const struct suite_test tests[] = {
        {"same bits", test_same_bits}, {"quality", test_quality},
        {"rare rows", test_rare_rows}, {"few different rows", test_few_different},
        {"auto", test_auto},           {NULL, NULL},
    };
    return run_suite("kmeans_sample", tests);
}
