/* Every variant of the KMeans kernels that this processor runs, against the portable reference:
 * random and adversarial blocks first, guard values around every output. With --bench, the time of
 * each filter and its share of what the processor's multiply-adds allow. */
#include <float.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "fallback/cpu_detect.h"
#include "fallback/kmeans_kernels.h"
#include "numerics/distance.h"
#include "suite.h"

/* The largest problem and what stands around an output. */
enum { MAX_D = 257, MAX_K = 384, PADDED_K = MAX_K + 16, GUARD = 16, MAX_POINTS = 9 };

/* A block and its centres: everything a kernel reads. */
static struct problem {
    int32_t d, k;
    _Alignas(64) float x[MAX_D * BLOCK_ROWS]; /* (d, BLOCK_ROWS) */
    double offset[MAX_D];                     /* (d) */
    double exact[MAX_K * MAX_D];              /* (k, d) */
    _Alignas(64) float centres[PADDED_K * MAX_D];
    _Alignas(64) float halves[PADDED_K];
    struct kmeans_filter filter;
} problem;

/* An output of one value per row, with guards around it. */
struct labels {
    int32_t before[GUARD], at[BLOCK_ROWS], after[GUARD];
};
struct doubles {
    double before[GUARD], at[BLOCK_ROWS], after[GUARD];
};

static const int32_t dimensions[] = {1, 2, 3, 4, 5, 6, 7, 8, 9, 15, 16, 17, 31, 33, 64, 129, 257};
static const int32_t cluster_counts[] = {1, 2, 3, 5, 7, 11, 12, 13, 24, 25, 31, 64, 100, 257};
enum {
    DIMENSIONS = sizeof dimensions / sizeof dimensions[0],
    CLUSTER_COUNTS = sizeof cluster_counts / sizeof cluster_counts[0],
};

static int find_variants(const struct kmeans_kernels *variants[3])
{
    int count = 0;
    variants[count++] = kmeans_kernels_ref();
    if (cpu_has_avx2()) variants[count++] = kmeans_kernels_avx2();
    if (cpu_has_avx512()) variants[count++] = kmeans_kernels_avx512();
    return count;
}

/* Uniform in [-1, 1). */
static double uniform(void)
{
    static uint64_t state = 0x9e3779b97f4a7c15u;
    state = state * 6364136223846793005u + 1442695040888963407u;
    return (double)(state >> 11) * 0x1p-52 - 1.0;
}

/* Blobs of spread 1 around k centres in a cube of half-width `width`. */
static void make_blobs(int32_t d, int32_t k, double width)
{
    problem.d = d;
    problem.k = k;
    for (int32_t j = 0; j < d; j++)
        problem.offset[j] = (double)(float)(100.0 * uniform());
    for (int32_t c = 0; c < k; c++)
        for (int32_t j = 0; j < d; j++)
            problem.exact[c * d + j] = problem.offset[j] + width * uniform();
    for (int i = 0; i < BLOCK_ROWS; i++) {
        const double *centre = problem.exact + (int32_t)((uniform() + 1.0) / 2.0 * k) * d;
        for (int32_t j = 0; j < d; j++)
            problem.x[j * BLOCK_ROWS + i] = (float)(centre[j] - problem.offset[j] + uniform());
    }
}

/* Twice the bound of a score's error in float32, and what float64 itself may be off by. */
static float bound_margin(double largest_half)
{
    double products = 0.0, largest_d2 = 0.0;
    for (int32_t j = 0; j < problem.d; j++) {
        double largest_x = 0.0, largest_c = 0.0;
        for (int i = 0; i < BLOCK_ROWS; i++)
            largest_x = fmax(largest_x, fabs((double)problem.x[j * BLOCK_ROWS + i]));
        for (int32_t c = 0; c < problem.k; c++)
            largest_c = fmax(largest_c, fabs(problem.exact[c * problem.d + j] - problem.offset[j]));
        products += largest_x * largest_c;
        largest_d2 += (largest_x + largest_c) * (largest_x + largest_c);
    }
    double margin = 2.0 * (problem.d + 3) * 0x1p-24 * 1.01 * (largest_half + products) +
                    (problem.d + 3) * 0x1p-52 * largest_d2;
    return nextafterf((float)margin, INFINITY);
}

/* The layout that kmeans_kernels.h promises, for tiles of `tile` centres. */
static const struct kmeans_filter *pack(int32_t tile)
{
    const int32_t padded = (problem.k + tile - 1) / tile * tile;
    double largest_half = 0.0;
    for (int32_t c = 0; c < padded; c++) {
        double norm = 0.0;
        for (int32_t j = 0; j < problem.d; j++) {
            double value =
                c < problem.k ? problem.exact[c * problem.d + j] - problem.offset[j] : 0.0;
            problem.centres[((c / tile) * problem.d + j) * tile + c % tile] = (float)value;
            norm += value * value;
        }
        problem.halves[c] = c < problem.k ? (float)(norm / 2.0) : FLT_MAX;
        largest_half = fmax(largest_half, norm / 2.0);
    }
    problem.filter = (struct kmeans_filter){
        .k = problem.k,
        .columns = problem.d,
        .exact = problem.exact,
        .offset = problem.offset,
        .centres = problem.centres,
        .halves = problem.halves,
        .margin = bound_margin(largest_half),
    };
    return &problem.filter;
}

static int count_bits(uint64_t bits)
{
    int count = 0;
    for (; bits != 0; bits &= bits - 1)
        count++;
    return count;
}

/* Number of bytes of the two guards that are not as `fill` left them. */
static int guards_hurt(const void *before, const void *after, size_t size)
{
    const unsigned char *bytes[] = {before, after};
    int hurt = 0;
    for (int side = 0; side < 2; side++)
        for (size_t i = 0; i < size; i++)
            hurt += bytes[side][i] != 0xa5;
    return hurt;
}

/* Runs a variant's filter on the problem: labels must be the definition's wherever no tie is
 * reported. Returns the ties. */
static uint64_t check_filter(const struct kmeans_kernels *variant, struct labels *labels)
{
    static struct labels truth;
    const struct kmeans_filter *filter = pack(variant->tile);
    kmeans_kernels_ref()->filter(filter, problem.x, truth.at, NULL);
    memset(labels, 0xa5, sizeof *labels);
    uint64_t ties = variant->filter(filter, problem.x, labels->at, NULL);
    int wrong = 0;
    for (int i = 0; i < BLOCK_ROWS; i++)
        wrong += (ties >> i & 1) == 0 && labels->at[i] != truth.at[i];
    CU_ASSERT_EQUAL(wrong, 0);
    CU_ASSERT_EQUAL(guards_hurt(labels->before, labels->after, sizeof labels->before), 0);
    return ties;
}

static void reference_is_the_definition(void)
{
    const int32_t expected[] = {0, 1, 1};
    int32_t labels[BLOCK_ROWS];
    problem.d = 2;
    problem.k = 3; /* the last centre repeats the second */
    memcpy(problem.offset, (double[]){10.0, 20.0}, 2 * sizeof(double));
    memcpy(problem.exact, (double[]){10, 20, 14, 23, 14, 23}, 6 * sizeof(double));
    for (int i = 0; i < BLOCK_ROWS; i++) {
        problem.x[i] = (float)(i % 3) * 2.0f + 1.0f;
        problem.x[BLOCK_ROWS + i] = 1.5f;
    }
    const struct kmeans_kernels *ref = kmeans_kernels_ref();
    CU_ASSERT_EQUAL(ref->filter(pack(ref->tile), problem.x, labels, NULL), 0);
    double d2[BLOCK_ROWS];
    ref->own_distances(&problem.filter, problem.x, labels, d2);
    for (int i = 0; i < 3; i++)
        CU_ASSERT_EQUAL(labels[i], expected[i]);
    CU_ASSERT_EQUAL(d2[0], 3.25);
    CU_ASSERT_EQUAL(d2[1], 3.25);
    CU_ASSERT_EQUAL(d2[2], 3.25);
}

static void detection_agrees_with_the_compiler(void)
{
    bool avx2 = __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma");
    bool avx512 = __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512dq") &&
                  __builtin_cpu_supports("avx512bw") && __builtin_cpu_supports("avx512vl");
    CU_ASSERT_EQUAL(cpu_has_avx2(), avx2);
    CU_ASSERT_EQUAL(cpu_has_avx512(), avx512);
}

static void labels_are_the_definitions_unless_tied(void)
{
    static struct labels labels;
    const struct kmeans_kernels *variants[3];
    const int count = find_variants(variants);
    int rows[3] = {0}, ties[3] = {0};
    for (int a = 0; a < DIMENSIONS; a++)
        for (int b = 0; b < CLUSTER_COUNTS; b++) {
            make_blobs(dimensions[a], cluster_counts[b], 10.0);
            for (int v = 0; v < count; v++) {
                ties[v] += count_bits(check_filter(variants[v], &labels));
                rows[v] += BLOCK_ROWS;
            }
        }
    for (int v = 0; v < count; v++)
        CU_ASSERT_TRUE(ties[v] * 100 < rows[v]); /* under 1 % looked at twice */
}

/* Centres far from the rows, closer and closer together until float32 cannot order them. */
static void crowded_scores_are_reported(void)
{
    static struct labels labels;
    const struct kmeans_kernels *variants[3];
    const int count = find_variants(variants);
    int ties[3] = {0}, rows[3] = {0};
    for (int a = 0; a < DIMENSIONS; a++)
        for (double width = 1e-2; width > 1e-8; width /= 3.0) {
            make_blobs(dimensions[a], 13, width);
            for (int32_t j = 0; j < problem.d; j++)
                problem.offset[j] -= 5.0;
            for (int v = 1; v < count; v++) {
                ties[v] += count_bits(check_filter(variants[v], &labels));
                rows[v] += BLOCK_ROWS;
            }
        }
    for (int v = 1; v < count; v++) {
        CU_ASSERT_TRUE(ties[v] > rows[v] / 10);
        CU_ASSERT_TRUE(ties[v] < rows[v]);
    }
}

/* Each centre of the upper half of the list repeats one of the lower half. */
static void duplicated_centres_tie_at_the_lowest_index(void)
{
    static struct labels labels;
    const struct kmeans_kernels *variants[3];
    const int count = find_variants(variants);
    for (int a = 0; a < DIMENSIONS; a++)
        for (int b = 0; b < CLUSTER_COUNTS; b++) {
            const int32_t half = cluster_counts[b], d = dimensions[a];
            if (half > MAX_K / 2) continue;
            make_blobs(d, half, 10.0);
            memcpy(problem.exact + half * d, problem.exact,
                   (size_t)half * (size_t)d * sizeof *problem.exact);
            problem.k = 2 * half;
            for (int v = 1; v < count; v++) {
                CU_ASSERT_EQUAL(check_filter(variants[v], &labels), UINT64_MAX);
                for (int i = 0; i < BLOCK_ROWS; i++)
                    CU_ASSERT_TRUE(labels.at[i] < half);
            }
        }
}

/* Moves every centre by `length`: that of cluster `own` away from row i, the others towards it. */
static void move_against(int i, int32_t own, double length, double *centres)
{
    for (int32_t c = 0; c < problem.k; c++) {
        const double *old = problem.exact + c * problem.d;
        double square = 0.0;
        for (int32_t j = 0; j < problem.d; j++) {
            double x = (double)problem.x[j * BLOCK_ROWS + i] + problem.offset[j];
            square += (old[j] - x) * (old[j] - x);
        }
        double share = (c == own ? length : -length) / sqrt(square);
        for (int32_t j = 0; j < problem.d; j++) {
            double x = (double)problem.x[j * BLOCK_ROWS + i] + problem.offset[j];
            centres[c * problem.d + j] = old[j] + (old[j] - x) * share;
        }
    }
}

static int32_t nearest_to_row(int i, const double *centres)
{
    int32_t label = 0;
    double nearest = INFINITY;
    for (int32_t c = 0; c < problem.k; c++) {
        double d2 = squared_distance(problem.x + i, BLOCK_ROWS, problem.offset,
                                     centres + c * problem.d, problem.d);
        if (d2 < nearest) label = c;
        nearest = fmin(nearest, d2);
    }
    return label;
}

/* However the centres move: no farther than its limit, a row keeps its label. */
static void rows_stay_within_their_limits(void)
{
    static double centres[MAX_K * MAX_D];
    const struct kmeans_kernels *variants[3];
    const int count = find_variants(variants);
    int32_t labels[BLOCK_ROWS];
    for (int a = 0; a < DIMENSIONS; a++)
        for (int v = 1; v < count; v++) {
            make_blobs(dimensions[a], 9, 5.0);
            pack(variants[v]->tile);
            problem.filter.reserve = 4 * problem.filter.margin;
            problem.filter.spread = problem.filter.margin;
            struct filter_limits limits;
            variants[v]->filter(&problem.filter, problem.x, labels, &limits);
            float least = INFINITY;
            int settled = 0;
            for (int i = 0; i < BLOCK_ROWS; i++) {
                least = fminf(least, limits.rows[i]);
                settled += limits.rows[i] > 0;
                if (!(limits.rows[i] > 0)) continue;
                move_against(i, labels[i], (double)limits.rows[i], centres);
                CU_ASSERT_EQUAL(nearest_to_row(i, centres), labels[i]);
            }
            CU_ASSERT_EQUAL(limits.least, least);
            CU_ASSERT_TRUE(settled > BLOCK_ROWS / 2);
            uint64_t open = variants[v]->unsettled(limits.rows, 0.0f);
            CU_ASSERT_EQUAL(count_bits(open), BLOCK_ROWS - settled);
            CU_ASSERT_EQUAL(open, kmeans_kernels_ref()->unsettled(limits.rows, 0.0f));
        }
}

/* A score that overflows must never look decided when its margin says nothing is. */
static void scores_beyond_float32_are_ties(void)
{
    static struct labels labels;
    const struct kmeans_kernels *variants[3];
    const int count = find_variants(variants);
    for (int a = 0; a < DIMENSIONS; a++) {
        make_blobs(dimensions[a], 25, 1e20);
        for (int v = 1; v < count; v++) {
            pack(variants[v]->tile);
            problem.filter.margin = INFINITY;
            CU_ASSERT_EQUAL(variants[v]->filter(&problem.filter, problem.x, labels.at, NULL),
                            UINT64_MAX);
        }
    }
}

/* From no cluster, from another one, or not at all, for whole blocks and for single rows. */
static void moved_rows_are_added_exactly(void)
{
    static int64_t truth[8 * (MAX_D + 8)], sums[8 * (MAX_D + 8)];
    static double scale[MAX_D + 8];
    const struct kmeans_kernels *variants[3];
    const int count = find_variants(variants);
    int32_t from[BLOCK_ROWS], to[BLOCK_ROWS];
    for (int a = 0; a < DIMENSIONS; a++)
        for (int share = 1; share <= 64; share *= 4) {
            make_blobs(dimensions[a], 8, 10.0);
            memset(scale, 0, sizeof scale);
            for (int32_t j = 0; j < problem.d; j++)
                scale[j] = ldexp(1.0, j % 40 - 4); /* halves to round, and up to 2^40 */
            for (int i = 0; i < BLOCK_ROWS; i++) {
                to[i] = i % 8;
                from[i] = i % share != 0 ? to[i] : i % 3 == 0 ? -1 : (i + 1) % 8;
            }
            for (int v = 1; v < count; v++) {
                memset(truth, 0, sizeof truth);
                memset(sums, 0, sizeof sums);
                int64_t true_sizes[8] = {0}, sizes[8] = {0};
                uint64_t expected = kmeans_kernels_ref()->move_rows(problem.x, problem.d, scale,
                                                                    from, to, truth, true_sizes);
                uint64_t moved =
                    variants[v]->move_rows(problem.x, problem.d, scale, from, to, sums, sizes);
                CU_ASSERT_EQUAL(moved, expected);
                CU_ASSERT_EQUAL(memcmp(sums, truth, sizeof truth), 0);
                CU_ASSERT_EQUAL(memcmp(sizes, true_sizes, sizeof sizes), 0);
            }
        }
}

/* Rows become blocks, and back; nothing is written beyond a block. */
static void blocks_are_the_rows(void)
{
    static float rows[(BLOCK_ROWS + 1) * MAX_D], offset[MAX_D];
    static _Alignas(64) float x[MAX_D * BLOCK_ROWS + GUARD];
    const struct kmeans_kernels *variants[3];
    const int variants_found = find_variants(variants);
    for (int32_t d = 1; d <= MAX_D; d += d < 40 ? 1 : 31)
        for (int v = 0; v < variants_found; v++) {
            int64_t wrong = 0;
            for (int32_t i = 0; i < BLOCK_ROWS * d; i++)
                rows[i + 1] = (float)uniform();
            for (int32_t j = 0; j < d; j++)
                offset[j] = j % 2 == 0 ? 0.0f : (float)uniform();
            memset(x, 0xa5, sizeof x);
            variants[v]->load(rows + 1, d, offset, x); /* as unaligned as rows may be */
            for (int32_t i = 0; i < BLOCK_ROWS; i++)
                for (int32_t j = 0; j < d; j++)
                    wrong += x[j * BLOCK_ROWS + i] != rows[1 + i * d + j] - offset[j];
            CU_ASSERT_EQUAL(wrong, 0);
            const void *after = x + d * BLOCK_ROWS;
            CU_ASSERT_EQUAL(guards_hurt(after, after, GUARD * sizeof(float)), 0);
        }
}

static void values_beyond_their_limits_are_noticed(void)
{
    static const float bad[] = {1.5000001f, -1.5000001f, INFINITY, -INFINITY, NAN, -NAN};
    static float limits[MAX_D];
    const struct kmeans_kernels *variants[3];
    const int variants_found = find_variants(variants);
    for (int v = 0; v < variants_found; v++)
        for (int32_t d = 1; d <= 9; d++) {
            for (int32_t j = 0; j < d; j++)
                limits[j] = j % 2 == 0 ? 1.5f : 0.0f;
            for (int32_t i = 0; i < d * BLOCK_ROWS; i++)
                problem.x[i] = i / BLOCK_ROWS % 2 != 0 ? -0.0f : i % 3 == 0 ? -1.5f : 1.5f;
            CU_ASSERT_FALSE(variants[v]->beyond(problem.x, d, limits));
            for (int32_t i = 0; i < d * BLOCK_ROWS; i += 7) {
                const float kept = problem.x[i];
                problem.x[i] = bad[i % 6];
                CU_ASSERT_TRUE(variants[v]->beyond(problem.x, d, limits));
                problem.x[i] = kept;
            }
        }
}

/* Of single rows, within the bound of their error that half the margin is. */
static void scores_are_within_their_bound(void)
{
    const struct kmeans_kernels *variants[3];
    const int variants_found = find_variants(variants);
    for (int a = 0; a < DIMENSIONS; a++)
        for (int v = 0; v < variants_found; v++) {
            const int32_t k = cluster_counts[a % CLUSTER_COUNTS], tile = variants[v]->tile;
            float scores[PADDED_K];
            int64_t wrong = 0;
            if (variants[v]->scores == NULL) continue;
            make_blobs(dimensions[a], k, 10.0);
            pack(tile);
            for (int32_t i = 0; i < BLOCK_ROWS; i += 21) {
                const int32_t some = k / tile / 2 * tile;
                variants[v]->scores(&problem.filter, problem.x + i, 0, some, scores);
                variants[v]->scores(&problem.filter, problem.x + i, some, k - some, scores + some);
                for (int32_t c = 0; c < k; c++) {
                    double score = 0.0;
                    for (int32_t j = 0; j < problem.d; j++) {
                        double centre = problem.exact[c * problem.d + j] - problem.offset[j];
                        score +=
                            centre * centre / 2 - (double)problem.x[j * BLOCK_ROWS + i] * centre;
                    }
                    wrong += fabs(score - (double)scores[c]) > 0.5 * (double)problem.filter.margin;
                }
            }
            CU_ASSERT_EQUAL(wrong, 0);
        }
}

static void distances_are_bit_equal(void)
{
    static float points[MAX_POINTS * MAX_D];
    static float truth[MAX_POINTS * BLOCK_ROWS], out[MAX_POINTS * BLOCK_ROWS + GUARD];
    const struct kmeans_kernels *variants[3];
    const int variants_found = find_variants(variants);
    for (int a = 0; a < DIMENSIONS; a++) {
        make_blobs(dimensions[a], 5, 10.0);
        for (int32_t i = 0; i < MAX_POINTS * problem.d; i++)
            points[i] = (float)(10.0 * uniform());
        for (int32_t count = 1; count <= MAX_POINTS; count++)
            for (int v = 1; v < variants_found; v++) {
                const size_t bytes = (size_t)count * BLOCK_ROWS * sizeof(float);
                kmeans_kernels_ref()->distances(problem.x, problem.d, points, count, truth);
                memset(out, 0xa5, sizeof out);
                variants[v]->distances(problem.x, problem.d, points, count, out);
                CU_ASSERT_EQUAL(memcmp(out, truth, bytes), 0);
                const void *after = out + count * BLOCK_ROWS;
                CU_ASSERT_EQUAL(guards_hurt(after, after, GUARD * sizeof(float)), 0);
            }
    }
}

static void least_distances_are_bit_equal(void)
{
    static float points[MAX_POINTS * MAX_D];
    static _Alignas(64) float truth[BLOCK_ROWS], out[BLOCK_ROWS + GUARD];
    const struct kmeans_kernels *variants[3];
    const int variants_found = find_variants(variants);
    for (int a = 0; a < DIMENSIONS; a++) {
        make_blobs(dimensions[a], 5, 10.0);
        for (int32_t i = 0; i < MAX_POINTS * problem.d; i++)
            points[i] = (float)(10.0 * uniform());
        for (int32_t count = 1; count <= MAX_POINTS; count++)
            for (int v = 1; v < variants_found; v++) {
                memset(out, 0xa5, sizeof out);
                for (int32_t i = 0; i < BLOCK_ROWS; i++)
                    truth[i] = out[i] = i % 5 == 0 ? 0.5f : INFINITY;
                kmeans_kernels_ref()->approach(problem.x, problem.d, points, count, truth);
                variants[v]->approach(problem.x, problem.d, points, count, out);
                CU_ASSERT_EQUAL(memcmp(out, truth, sizeof truth), 0);
                CU_ASSERT_EQUAL(guards_hurt(out + BLOCK_ROWS, out + BLOCK_ROWS, GUARD * 4), 0);
            }
    }
}

/* Random distances of up to `largest`, with halves to round, and some rows far away. */
static void make_distances(float *nearest, float *d2, int32_t count, double largest)
{
    for (int i = 0; i < BLOCK_ROWS; i++)
        nearest[i] = i % 9 == 0 ? INFINITY : (float)(rint(400 * fabs(uniform())) / 400 * largest);
    for (int i = 0; i < count * BLOCK_ROWS; i++)
        d2[i] = (float)(rint(400 * fabs(uniform())) / 400 * largest);
}

static void potentials_are_equal(void)
{
    static float nearest[BLOCK_ROWS], d2[MAX_POINTS * BLOCK_ROWS];
    const struct kmeans_kernels *variants[3];
    const int variants_found = find_variants(variants);
    int64_t mass[BLOCK_ROWS];
    for (double largest = 100.0; largest < 0x1p50; largest *= 1000.0)
        for (int32_t count = 1; count <= MAX_POINTS; count++) {
            make_distances(nearest, d2, count, largest);
            for (int i = 0; i < BLOCK_ROWS; i++)
                mass[i] = i % 7 == 0 ? UINT32_MAX : (int64_t)(1000 * fabs(uniform()));
            for (int v = 1; v < variants_found; v++)
                for (int weighted = 0; weighted < 2; weighted++) {
                    struct int128 truth[MAX_POINTS] = {{5, 1}}, sums[MAX_POINTS] = {{5, 1}};
                    const int64_t *masses = weighted ? mass : NULL;
                    kmeans_kernels_ref()->potentials(nearest, d2, count, 0.75, masses, truth);
                    variants[v]->potentials(nearest, d2, count, 0.75, masses, sums);
                    CU_ASSERT_EQUAL(memcmp(sums, truth, sizeof sums), 0);
                }
        }
}

/* One column's moments, with zeros, values below the smallness limit and halves to round. */
static void moments_are_equal(void)
{
    const struct kmeans_kernels *variants[3];
    const int count = find_variants(variants);
    make_blobs(1, 3, 10.0);
    for (int i = 0; i < BLOCK_ROWS; i += 5)
        problem.x[i] = i % 2 == 0 ? 0.0f : 255.5f * (float)(i % 3 - 1) / 16;
    for (int32_t rows = 1; rows <= BLOCK_ROWS; rows++)
        for (double scale = 0x1p-3; scale < 0x1p24; scale *= 0x1p4)
            for (int v = 1; v < count; v++) {
                struct block_moments truth, got;
                kmeans_kernels_ref()->moments(problem.x, rows, scale, &truth);
                variants[v]->moments(problem.x, rows, scale, &got);
                CU_ASSERT_EQUAL(got.sum, truth.sum);
                CU_ASSERT_EQUAL(got.squares, truth.squares);
                CU_ASSERT_EQUAL(got.nonzero, truth.nonzero);
                CU_ASSERT_EQUAL(got.vanished, truth.vanished);
            }
}

static void own_distances_are_bit_equal(void)
{
    static struct labels labels;
    static struct doubles truth, d2;
    const struct kmeans_kernels *variants[3];
    const int count = find_variants(variants);
    for (int a = 0; a < DIMENSIONS; a++)
        for (int b = 0; b < CLUSTER_COUNTS; b++) {
            make_blobs(dimensions[a], cluster_counts[b], 10.0);
            for (int i = 0; i < BLOCK_ROWS; i++)
                labels.at[i] = (int32_t)((uniform() + 1.0) / 2.0 * problem.k);
            kmeans_kernels_ref()->own_distances(pack(1), problem.x, labels.at, truth.at);
            for (int v = 1; v < count; v++) {
                memset(&d2, 0xa5, sizeof d2);
                variants[v]->own_distances(&problem.filter, problem.x, labels.at, d2.at);
                CU_ASSERT_EQUAL(memcmp(d2.at, truth.at, sizeof d2.at), 0);
                CU_ASSERT_EQUAL(guards_hurt(d2.before, d2.after, sizeof d2.before), 0);
            }
        }
}

static void rounded_sums_are_equal(void)
{
    const struct kmeans_kernels *variants[3];
    const int count = find_variants(variants);
    double values[BLOCK_ROWS];
    for (double largest = 1.0; largest < 0x1p50; largest *= 1000.0) {
        for (int i = 0; i < BLOCK_ROWS; i++)
            values[i] = rint(400 * fabs(uniform())) / 400 * largest;
        for (int v = 1; v < count; v++)
            CU_ASSERT_EQUAL(variants[v]->sum_rounded(values, 0.75),
                            kmeans_kernels_ref()->sum_rounded(values, 0.75));
    }
}

enum { RUNS = 3000, CHAINS = 12, STEPS = 2000 };

static double seconds(void)
{
    struct timespec now;
    timespec_get(&now, TIME_UTC);
    return (double)now.tv_sec + 1e-9 * (double)now.tv_nsec;
}

/* Multiply-adds per nanosecond, from chains that depend on nothing else. */
typedef float vector256 __attribute__((vector_size(32)));
typedef float vector512 __attribute__((vector_size(64)));

__attribute__((target("avx512f"))) static double peak_avx512(void)
{
    vector512 a = {0}, sum[CHAINS] = {{0}};
    double start = seconds();
    for (int step = 0; step < STEPS; step++) {
#pragma GCC unroll 12
        for (int i = 0; i < CHAINS; i++)
            __asm__ volatile("vfmadd231ps %1, %1, %0" : "+v"(sum[i]) : "v"(a));
    }
    return CHAINS * STEPS / (seconds() - start) * 1e-9;
}

__attribute__((target("avx2,fma"))) static double peak_avx2(void)
{
    vector256 a = {0}, sum[CHAINS] = {{0}};
    double start = seconds();
    for (int step = 0; step < STEPS; step++) {
#pragma GCC unroll 12
        for (int i = 0; i < CHAINS; i++)
            __asm__ volatile("vfmadd231ps %1, %1, %0" : "+x"(sum[i]) : "x"(a));
    }
    return CHAINS * STEPS / (seconds() - start) * 1e-9;
}

static int compare_doubles(const void *a, const void *b)
{
    const double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

/* Prints the time per row, the fastest of many short runs, and the median share of the d + 5
 * operations a row and centre that the peak seen right after each run allows. */
static void time_filter(const struct kmeans_kernels *variant, int lanes, double (*peak)(void))
{
    static double shares[RUNS];
    const struct kmeans_filter *filter = pack(variant->tile);
    const int32_t operations = problem.k * (problem.d + 5);
    const int calls = 1 + 2000000 / (BLOCK_ROWS * operations);
    int32_t labels[BLOCK_ROWS];
    double fastest = INFINITY;
    for (int run = 0; run < RUNS; run++) {
        double start = seconds();
        for (int call = 0; call < calls; call++)
            variant->filter(filter, problem.x, labels, NULL);
        double ns = (seconds() - start) * 1e9 / calls / BLOCK_ROWS;
        shares[run] = operations / (lanes * peak() * ns);
        fastest = fmin(fastest, ns);
    }
    qsort(shares, RUNS, sizeof *shares, compare_doubles);
    printf("%-6s  d %3d, k %3d: %8.3f ns per row, %3.0f %% of the arithmetic limit\n",
           variant->name, problem.d, problem.k, fastest, 100.0 * shares[RUNS / 2]);
}

static void bench(const struct kmeans_kernels *variant, int lanes, double (*peak)(void))
{
    const int32_t shapes[][2] = {{4, 5}, {3, 20}, {8, 16}, {32, 64}, {128, 256}};
    for (int s = 0; s < 5; s++) {
        make_blobs(shapes[s][0], shapes[s][1], 10.0);
        time_filter(variant, lanes, peak);
    }
}

int main(int argc, char **argv)
{
    const struct suite_test tests[] = {
        {"the reference is the definition", reference_is_the_definition},
        {"detection agrees with the compiler", detection_agrees_with_the_compiler},
        {"labels are the definition's unless tied", labels_are_the_definitions_unless_tied},
        {"crowded scores are reported", crowded_scores_are_reported},
        {"duplicated centres tie at the lowest index", duplicated_centres_tie_at_the_lowest_index},
        {"rows stay within their limits", rows_stay_within_their_limits},
        {"scores beyond float32 are ties", scores_beyond_float32_are_ties},
        {"moved rows are added exactly", moved_rows_are_added_exactly},
        {"blocks are the rows", blocks_are_the_rows},
        {"values beyond their limits are noticed", values_beyond_their_limits_are_noticed},
        {"scores are within their bound", scores_are_within_their_bound},
        {"distances are bit-equal", distances_are_bit_equal},
        {"least distances are bit-equal", least_distances_are_bit_equal},
        {"potentials are equal", potentials_are_equal},
        {"moments are equal", moments_are_equal},
        {"own distances are bit-equal", own_distances_are_bit_equal},
        {"rounded sums are equal", rounded_sums_are_equal},
        {NULL, NULL},
    };
    if (argc == 2 && strcmp(argv[1], "--bench") == 0) {
        if (cpu_has_avx2()) bench(kmeans_kernels_avx2(), 8, peak_avx2);
        if (cpu_has_avx512()) bench(kmeans_kernels_avx512(), 16, peak_avx512);
        return 0;
    }
    return run_suite("kmeans_kernels", tests);
}
