#define _GNU_SOURCE /* setenv */
/* Labels of single blocks by the filter of every instruction set, for shapes on both sides of what
 * each takes at a time, against the definition: blobs, rows halfway between centres, denormal and
 * huge values. */
#include <float.h>
#include <stdlib.h>
#include <string.h>

#include "fallback/cpu_detect.h"
#include "fallback/filter.h"
#include "fitting.h"
#include "numerics/distance.h"
#include "suite.h"

enum { MAX_D = 520, MAX_K = 257, SCORES = 264 };

struct set {
    bool (*supported)(void);
    const struct kmeans_kernels *(*kernels)(void);
};

static const struct set sets[] = {
    {cpu_has_avx2, kmeans_kernels_avx2},
    {cpu_has_avx512, kmeans_kernels_avx512},
    {cpu_has_amx, kmeans_kernels_amx},
};

static const int32_t dimensions[] = {1, 4, 17, 31, 33, 64, 129, 512, 520};
static const int32_t cluster_counts[] = {1, 31, 32, 33, 257};

enum block_kind { BLOBS, HALFWAY, DENORMAL, HUGE_VALUES, KINDS };

static struct {
    int32_t d, k;
    _Alignas(64) float x[MAX_D * BLOCK_ROWS];
    double offset[MAX_D];
    double centres[MAX_K * MAX_D];
    float largest[MAX_D];
} block;

static double uniform_within(double width)
{
    static uint64_t state = 7;
    return width * (2 * next_uniform(&state) - 1);
}

static void make_block(int32_t d, int32_t k, enum block_kind kind)
{
    const double unit = kind == DENORMAL ? 0x1p-130 : kind == HUGE_VALUES ? 0x1p50 : 1.0;
    block.d = d;
    block.k = k;
    memset(block.largest, 0, sizeof block.largest);
    for (int32_t j = 0; j < d; j++)
        block.offset[j] = kind == BLOBS ? 100 * (j % 3) : 0.0;
    for (int32_t c = 0; c < k; c++)
        for (int32_t j = 0; j < d; j++)
            block.centres[c * d + j] = block.offset[j] + uniform_within(unit);
    for (int32_t i = 0; i < BLOCK_ROWS; i++) {
        const double *a = block.centres + i % k * d, *b = block.centres + (i * 7 + 3) % k * d;
        for (int32_t j = 0; j < d; j++) {
            double value = kind == HALFWAY ? (a[j] + b[j]) / 2 : a[j] + uniform_within(unit / 2);
            float *x = &block.x[j * BLOCK_ROWS + i];
            *x = (float)(value - block.offset[j]);
            if (fabsf(*x) > block.largest[j]) block.largest[j] = fabsf(*x);
        }
    }
}

static double definition(int32_t row, int32_t c)
{
    return squared_distance(block.x + row, BLOCK_ROWS, block.offset, block.centres + c * block.d,
                            block.d);
}

static int32_t nearest(int32_t row)
{
    int32_t label = 0;
    for (int32_t c = 1; c < block.k; c++)
        if (definition(row, c) < definition(row, label)) label = c;
    return label;
}

/* Rows whose label is not the definition's. */
static int wrong_labels(const struct kmeans_kernels *kernels, struct filter_space *space,
                        struct filter_limits *limits)
{
    int wrong = 0;
    _Alignas(64) int32_t labels[BLOCK_ROWS];
    memcpy(space->exact, block.centres, (size_t)block.k * (size_t)block.d * sizeof(double));
    filter_pack(space, block.largest);
    filter_block(kernels, &space->filter, (struct block_values){block.x, NULL}, BLOCK_ROWS, labels,
                 limits);
    for (int32_t i = 0; i < BLOCK_ROWS; i++)
        wrong += labels[i] != nearest(i);
    return wrong;
}

/* Scores farther from the real ones than half the margin. */
static int wrong_scores(const struct kmeans_kernels *kernels, const struct filter_space *space)
{
    int wrong = 0;
    float scores[SCORES];
    for (int32_t i = 0; i < BLOCK_ROWS; i += 9) {
        kernels->scores(&space->filter, block.x + i, 0, block.k, scores);
        double norm = 0.0;
        for (int32_t j = 0; j < block.d; j++)
            norm += pow((double)block.x[j * BLOCK_ROWS + i], 2) / 2;
        for (int32_t c = 0; c < block.k; c++) {
            double error = fabs((double)scores[c] - (definition(i, c) / 2 - norm));
            wrong += !(error <= (double)space->filter.margin / 2 + 1e-12 * norm);
        }
    }
    return wrong;
}

static void labels_are_the_definitions(void)
{
    for (size_t s = 0; s < sizeof sets / sizeof sets[0]; s++) {
        if (!sets[s].supported()) continue;
        const struct kmeans_kernels *kernels = sets[s].kernels();
        for (size_t t = 0; t < sizeof dimensions / sizeof dimensions[0]; t++)
            for (size_t u = 0; u < sizeof cluster_counts / sizeof cluster_counts[0]; u++) {
                struct filter_space space;
                const int32_t d = dimensions[t], k = cluster_counts[u];
                CU_ASSERT_EQUAL_FATAL(filter_open(&space, k, d, block.offset, kernels, false), 0);
                for (int kind = 0; kind < KINDS; kind++) {
                    struct filter_limits limits;
                    make_block(d, k, (enum block_kind)kind);
                    CU_ASSERT_EQUAL(wrong_labels(kernels, &space, NULL), 0);
                    CU_ASSERT_EQUAL(wrong_labels(kernels, &space, &limits), 0);
                    CU_ASSERT_EQUAL(wrong_scores(kernels, &space), 0);
                }
                filter_close(&space);
            }
    }
}

/* Wide enough for tiles of matrix multiplication, over several passes with rows that settle. */
static void fits_are_the_same(void)
{
    static const char *const names[] = {"ref", "avx2", "avx512", "amx"};
    enum { ROWS = 6000, COLUMNS = 40 };
    float *x = malloc(ROWS * COLUMNS * sizeof *x);
    for (int32_t i = 0; i < ROWS; i++)
        for (int32_t j = 0; j < COLUMNS; j++)
            x[i * COLUMNS + j] = (float)(i * (j + 3) % 37 + uniform_within(4));
    const struct spot_matrix data = {.values = x, .rows = ROWS, .columns = COLUMNS};
    struct spot_kmeans_options options = spot_kmeans_defaults();
    options.k = 40;
    options.n_init = 1;
    spot_kmeans *first = NULL;
    for (int v = 0; v < 4; v++) {
        spot_engine *engine = open_engine(2, names[v]);
        if (engine == NULL) continue;
        spot_kmeans *model = fit(engine, &data, &options);
        if (first == NULL) {
            first = model;
        } else {
            CU_ASSERT(same_model(first, model));
            spot_kmeans_free(model);
        }
        spot_engine_close(engine);
    }
    CU_ASSERT(spot_kmeans_result(first)->iterations > 2);
    spot_kmeans_free(first);
    free(x);
}

int main(void)
{
    const struct suite_test tests[] = {
        {"labels are the definition's", labels_are_the_definitions},
        {"fits are the same by every set", fits_are_the_same},
        {NULL, NULL},
    };
    return run_suite("filter", tests);
}
