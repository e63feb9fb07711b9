/* Fits of many clusters in few columns, whose rows are put in spatial order. A constant column
 * more changes no distance, but makes a fit too wide for that: both models must have the same
 * bits. And the lists of near centres against the float64 definition. */
#define _POSIX_C_SOURCE 200809L /* setenv */
#include "fallback/kmeans_kernels.h"
#include "fitting.h"

enum { WIDE = 5 }; /* more columns than are put in order */

/* The first columns of a wide matrix, and the wide matrix itself. */
struct twins {
    float *narrow, *wide; /* (rows, columns), (rows, WIDE) */
    double *weights;      /* (rows) or NULL */
    int64_t rows;
    int32_t columns;
};

enum shape { CLOUDS, LATTICE, LINE, FAR_AWAY };

static float draw(enum shape shape, uint64_t *state)
{
    switch (shape) {
    case CLOUDS:
        return (float)(floor(8 * next_uniform(state)) + 0.3 * next_uniform(state));
    case LATTICE:
        return (float)floor(40 * next_uniform(state)); /* many ties, many equal rows */
    case LINE:
        return (float)exp(20 * next_uniform(state));
    default:
        return 1e6f + (float)floor(1000 * next_uniform(state)) / 16.0f;
    }
}

static struct twins make_twins(enum shape shape, int64_t rows, int32_t columns, int weighted)
{
    struct twins twins = {.rows = rows, .columns = columns};
    uint64_t state = (uint64_t)shape + 17;
    twins.narrow = calloc((size_t)(rows * columns), sizeof(float));
    twins.wide = calloc((size_t)(rows * WIDE), sizeof(float));
    if (weighted) twins.weights = calloc((size_t)rows, sizeof(double));
    CU_ASSERT_FATAL(twins.narrow && twins.wide && (!weighted || twins.weights));
    for (int64_t i = 0; i < rows; i++) {
        for (int32_t j = 0; j < columns; j++)
            twins.narrow[i * columns + j] = twins.wide[i * WIDE + j] = draw(shape, &state);
        if (weighted) twins.weights[i] = floor(4 * next_uniform(&state)) / 4;
    }
    return twins;
}

static void free_twins(struct twins *twins)
{
    free(twins->narrow);
    free(twins->wide);
    free(twins->weights);
}

/* The first k rows as centres; every third one far outside, so that it gets no rows. */
static void first_rows(const float *values, int32_t columns, int32_t k, int relocate,
                       double *centres)
{
    for (int32_t c = 0; c < k; c++)
        for (int32_t j = 0; j < columns; j++)
            centres[c * columns + j] =
                (double)values[c * columns + j] * (relocate && c % 3 == 0 ? 1.5 : 1.0);
}

static int same_clusters(const spot_kmeans *narrow, const spot_kmeans *wide)
{
    const struct spot_kmeans_result *x = spot_kmeans_result(narrow), *y = spot_kmeans_result(wide);
    int same = x->inertia == y->inertia && x->iterations == y->iterations &&
               x->converged == y->converged && x->best_run == y->best_run &&
               memcmp(x->sizes, y->sizes, (size_t)x->k * sizeof *x->sizes) == 0;
    for (int32_t c = 0; c < x->k; c++)
        same = same && memcmp(x->centres + c * x->columns, y->centres + c * WIDE,
                              (size_t)x->columns * sizeof(double)) == 0;
    return same;
}

static void compare_fits(spot_engine *engine, const struct twins *twins,
                         struct spot_kmeans_options options, int relocate)
{
    double *centres = calloc((size_t)options.k * WIDE, sizeof *centres);
    CU_ASSERT_PTR_NOT_NULL_FATAL(centres);
    struct spot_matrix narrow = {.values = twins->narrow,
                                 .weights = twins->weights,
                                 .rows = twins->rows,
                                 .columns = twins->columns};
    struct spot_matrix wide = {
        .values = twins->wide, .weights = twins->weights, .rows = twins->rows, .columns = WIDE};
    if (options.init == SPOT_INIT_CENTRES) options.centres = centres;
    first_rows(twins->narrow, twins->columns, options.k, relocate, centres);
    spot_kmeans *a = fit(engine, &narrow, &options);
    first_rows(twins->wide, WIDE, options.k, relocate, centres);
    spot_kmeans *b = fit(engine, &wide, &options);
    CU_ASSERT(same_clusters(a, b));
    spot_kmeans_free(a);
    spot_kmeans_free(b);
    free(centres);
}

static void order_changes_no_bit(void)
{
    static const char *const variants[] = {"ref", "avx2", "avx512"};
    for (int v = 0; v < 3; v++) {
        spot_engine *engine = open_engine(1 + v, variants[v]);
        if (engine == NULL) continue;
        for (int shape = CLOUDS; shape <= FAR_AWAY; shape++)
            for (int32_t columns = 1; columns <= 4; columns++) {
                struct twins twins = make_twins((enum shape)shape, 2500, columns, columns % 2);
                struct spot_kmeans_options options = spot_kmeans_defaults();
                options.k = 70 + 60 * (shape % 2);
                options.max_iter = 25;
                options.tol = 0;
                options.init = SPOT_INIT_CENTRES;
                compare_fits(engine, &twins, options, columns > 2);
                options.compact = columns % 2;
                options.init = SPOT_INIT_RANDOM;
                options.n_init = 2;
                compare_fits(engine, &twins, options, 0);
                free_twins(&twins);
            }
        spot_engine_close(engine);
    }
}

/* ---- Near centres --------------------------------------------------------------------------- */

enum { CENTRES = 75, STRIDE = 96, ROOM = 4 };

struct lists {
    int32_t all_index[STRIDE], near_index[STRIDE];
    float all_halves[STRIDE], near_halves[STRIDE];
    float all_values[ROOM * STRIDE], near_values[ROOM * STRIDE], work[2 * STRIDE];
};

static double distance_to(const struct centre_list *list, int32_t c, const double *x,
                          int32_t columns)
{
    double sum = 0;
    for (int32_t j = 0; j < columns; j++) {
        double difference = x[j] - (double)list->values[j * list->stride + c];
        sum += difference * difference;
    }
    return sum;
}

static int listed(const struct centre_list *near, int32_t index)
{
    for (int32_t c = 0; c < near->count; c++)
        if (near->index[c] == index) return 1;
    return 0;
}

/* The two centres nearest to a point of the box are on the list. */
static void check_point(const struct centre_list *all, const struct centre_list *near,
                        const double *x, int32_t columns)
{
    int32_t best = -1, second = -1;
    for (int32_t c = 0; c < all->count; c++) {
        double d2 = distance_to(all, c, x, columns);
        if (best < 0 || d2 < distance_to(all, best, x, columns)) {
            second = best;
            best = c;
        } else if (second < 0 || d2 < distance_to(all, second, x, columns)) {
            second = c;
        }
    }
    CU_ASSERT(listed(near, best));
    CU_ASSERT(second < 0 || listed(near, second));
}

static void check_boxes(const struct kmeans_kernels *kernels, int32_t columns, int32_t count)
{
    static struct lists lists;
    struct centre_list all = {count, STRIDE, lists.all_index, lists.all_halves, lists.all_values};
    struct centre_list near = {0, STRIDE, lists.near_index, lists.near_halves, lists.near_values};
    uint64_t state = 5;
    int64_t kept = 0;
    for (int32_t c = 0; c < count; c++) {
        all.index[c] = c;
        all.halves[c] = (float)c;
        for (int32_t j = 0; j < columns; j++)
            all.values[j * STRIDE + c] = (float)floor(20 * next_uniform(&state));
    }
    for (int box_number = 0; box_number < 50; box_number++) {
        float box[2 * ROOM];
        for (int32_t j = 0; j < columns; j++) {
            box[j] = (float)floor(20 * next_uniform(&state));
            box[columns + j] = box[j] + (float)(2 * next_uniform(&state));
        }
        kernels->near_box(box, columns, 1e-6f, &all, &near, lists.work);
        kept += near.count;
        for (int32_t c = 0; c < near.count; c++) {
            CU_ASSERT(c == 0 || near.index[c] > near.index[c - 1]);
            CU_ASSERT_EQUAL(near.halves[c], all.halves[near.index[c]]);
            CU_ASSERT_EQUAL(near.values[c], all.values[near.index[c]]);
        }
        for (int point = 0; point < 20; point++) {
            double x[ROOM];
            for (int32_t j = 0; j < columns; j++)
                x[j] = (double)box[j] +
                       ((double)box[columns + j] - (double)box[j]) * next_uniform(&state);
            check_point(&all, &near, x, columns);
        }
    }
    if (count == CENTRES) CU_ASSERT(kept < 50 * CENTRES * 2 / 3); /* it does leave some out */
}

static void near_centres_hold_the_two_nearest(void)
{
    const struct kmeans_kernels *kernels[] = {kmeans_kernels_ref(), NULL, NULL};
    spot_engine *avx2 = open_engine(1, "avx2"), *avx512 = open_engine(1, "avx512");
    if (avx2 != NULL) kernels[1] = kmeans_kernels_avx2();
    if (avx512 != NULL) kernels[2] = kmeans_kernels_avx512();
    for (int v = 0; v < 3; v++)
        for (int32_t columns = 1; kernels[v] != NULL && columns <= ROOM; columns++) {
            check_boxes(kernels[v], columns, CENTRES);
            check_boxes(kernels[v], columns, 16);
            check_boxes(kernels[v], columns, 2);
            check_boxes(kernels[v], columns, 1);
        }
    spot_engine_close(avx2);
    spot_engine_close(avx512);
}

int main(void)
{
    const struct suite_test tests[] = {
        {"spatial order changes no bit", order_changes_no_bit},
        {"near centres hold the two nearest", near_centres_hold_the_two_nearest},
        {NULL, NULL},
    };
    return run_suite("order", tests);
}
