/* One model, bit for bit: KMeans over threads, instruction sets, batch sizes, merged and shuffled
 * rows, with and without weights; mixtures over threads and batch sizes of one instruction set. And
 * 30 million rows in one cluster, beyond what float32 can count. */
#define _POSIX_C_SOURCE 200809L
#include "fitting.h"

enum { ROWS = 9000, COLUMNS = 3, K = 7 };

/* An optimised build takes the large size; the others take long enough. */
#ifdef NDEBUG
enum { MANY = 30000000 };
#else
enum { MANY = 300000 };
#endif

static const char *const variants[] = {"ref", "avx2", "avx512"};
static const int thread_counts[] = {1, 2, 3, 7, 16};
static const int64_t batch_sizes[] = {1, 63, 64, 65, 4095};

static float rows[ROWS * COLUMNS], shuffled[ROWS * COLUMNS];
static double weights[ROWS], shuffled_weights[ROWS], centres[K * COLUMNS];

/* Some rows on a lattice, so that there are ties and equal rows. */
static void make_rows(void)
{
    uint64_t state = 12;
    for (int i = 0; i < ROWS; i++) {
        for (int j = 0; j < COLUMNS; j++) {
            double value = 8 * next_uniform(&state) + 3 * (i % 5) + 1000 * j;
            rows[i * COLUMNS + j] = (float)(i % 3 == 0 ? value : rint(value));
        }
        weights[i] = i % 17 == 0 ? 0 : pow(10, i % 13 - 6);
    }
    for (int i = 0; i < ROWS; i++) {
        const int from = (int)((int64_t)i * 4001 % ROWS);
        memcpy(shuffled + i * COLUMNS, rows + from * COLUMNS, COLUMNS * sizeof *rows);
        shuffled_weights[i] = weights[from];
    }
    for (int c = 0; c < K; c++)
        for (int j = 0; j < COLUMNS; j++)
            centres[c * COLUMNS + j] = (double)rows[c * 1001 * COLUMNS + j];
}

static void one_clustering(int weighted)
{
    const struct spot_matrix data = {
        .values = rows, .weights = weighted ? weights : NULL, .rows = ROWS, .columns = COLUMNS};
    const struct spot_matrix mixed = {.values = shuffled,
                                      .weights = weighted ? shuffled_weights : NULL,
                                      .rows = ROWS,
                                      .columns = COLUMNS};
    struct spot_kmeans_options options = spot_kmeans_defaults();
    options.k = K;
    options.init = SPOT_INIT_CENTRES;
    options.centres = centres;
    options.tol = 0;
    options.max_iter = 12;
    spot_engine *engine = open_engine(1, "ref");
    spot_kmeans *first = fit(engine, &data, &options);
    spot_engine_close(engine);
    for (int v = 0; v < 3; v++)
        for (int t = 0; t < 5; t++) {
            engine = open_engine(thread_counts[t], variants[v]);
            if (engine == NULL) continue;
            options.batch_rows = batch_sizes[(t + v) % 5];
            options.compact = (t + v) % 3 - 1;
            spot_kmeans *model = fit(engine, t % 2 == 0 ? &data : &mixed, &options);
            CU_ASSERT(same_model(first, model));
            spot_kmeans_free(model);
            spot_engine_close(engine);
        }
    spot_kmeans_free(first);
}

static void one_clustering_of_rows(void)
{
    one_clustering(0);
}

static void one_clustering_of_weighted_rows(void)
{
    one_clustering(1);
}

static void one_mixture(int weighted, const char *variant)
{
    const struct spot_matrix data = {
        .values = rows, .weights = weighted ? weights : NULL, .rows = ROWS, .columns = COLUMNS};
    struct spot_gmm_options options = spot_gmm_defaults();
    options.k = 3;
    options.max_iter = 6;
    options.tol = 0;
    for (int covariance = SPOT_GMM_FULL; covariance <= SPOT_GMM_SPHERICAL; covariance++) {
        spot_gmm *first = NULL;
        options.covariance = (enum spot_gmm_covariance)covariance;
        for (int t = 0; t < 5; t++) {
            spot_engine *engine = open_engine(thread_counts[t], variant);
            if (engine == NULL) return;
            spot_gmm *model = NULL;
            options.batch_rows = batch_sizes[t];
            CU_ASSERT_EQUAL_FATAL(spot_gmm_fit(engine, &data, &options, &model, NULL), SPOT_OK);
            if (first == NULL) first = model;
            const struct spot_gmm_result *a = spot_gmm_result(first), *b = spot_gmm_result(model);
            CU_ASSERT(a->lower_bound == b->lower_bound && a->bic == b->bic);
            CU_ASSERT_EQUAL(memcmp(a->means, b->means, 3 * COLUMNS * sizeof *a->means), 0);
            CU_ASSERT_EQUAL(memcmp(a->weights, b->weights, 3 * sizeof *a->weights), 0);
            CU_ASSERT_EQUAL(a->covariances[0], b->covariances[0]);
            if (model != first) spot_gmm_free(model);
            spot_engine_close(engine);
        }
        spot_gmm_free(first);
    }
}

static void one_mixture_each(void)
{
    for (int v = 0; v < 3; v++)
        for (int weighted = 0; weighted < 2; weighted++)
            one_mixture(weighted, variants[v]);
}

/* Multiples of 1/4 about a large number, and one stray row: sums and sizes are exact. */
static void very_many_rows_in_one_cluster(void)
{
    float *x = malloc(MANY * sizeof *x);
    int64_t quarters = 0;
    for (int64_t i = 0; i < MANY; i++) {
        int64_t quarter = 400000 + i * 7919 % 1000;
        x[i] = (float)quarter / 4;
        quarters += quarter;
    }
    quarters -= (int64_t)(4 * x[MANY / 2]);
    x[MANY / 2] = 500000;
    const double start[] = {100100, 500000};
    struct spot_kmeans_options options = spot_kmeans_defaults();
    options.k = 2;
    options.init = SPOT_INIT_CENTRES;
    options.centres = start;
    options.compact = 0;
    options.max_iter = 2;
    spot_engine *engine = open_engine(2, NULL);
    const struct spot_matrix data = {.values = x, .rows = MANY, .columns = 1};
    spot_kmeans *model = fit(engine, &data, &options);
    const struct spot_kmeans_result *result = spot_kmeans_result(model);
    CU_ASSERT_EQUAL(result->sizes[0], MANY - 1);
    CU_ASSERT_EQUAL(result->sizes[1], 1);
    /* float32 or a sum that loses a row would be off by 1e-6 at least */
    CU_ASSERT_DOUBLE_EQUAL(result->centres[0], (double)quarters / (MANY - 1) / 4, 1e-10);
    CU_ASSERT_EQUAL(result->centres[1], 500000);
    spot_kmeans_free(model);
    spot_engine_close(engine);
    free(x);
}

int main(void)
{
    const struct suite_test tests[] = {
        {"one clustering of rows", one_clustering_of_rows},
        {"one clustering of weighted rows", one_clustering_of_weighted_rows},
        {"one mixture for each instruction set", one_mixture_each},
        {"very many rows in one cluster", very_many_rows_in_one_cluster},
        {NULL, NULL},
    };
    make_rows();
    return run_suite("same_bits", tests);
}
