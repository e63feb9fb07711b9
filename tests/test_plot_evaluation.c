/* Pictures of evaluations: every kind, few and many classes, nothing to draw, names of any length,
 * and the same bytes for the same numbers. */
#define _GNU_SOURCE
#include "app/plot_evaluation.h"

#include <math.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "models/random.h"
#include "suite.h"

enum { ROWS = 600, MOST = 40 };

typedef int plotter(const char *path, const struct evaluation_picture *picture,
                    struct spot_error *err);

static plotter *const plotters[] = {plot_confusion, plot_roc, plot_precision_recall,
                                    plot_calibration};
enum { PLOTTERS = sizeof plotters / sizeof *plotters };

static char folder[] = "/tmp/blackspot-evaluation-XXXXXX";
static char path[100];
static struct spot_error err;
static struct spot_pool *pool;
static int32_t truth[ROWS];
static double scores[ROWS * MOST];
static char names[MOST][64];
static const char *classes[MOST];

static double uniform(uint32_t stream, uint32_t i)
{
    return (double)(random_bits(3, RANDOM_SAMPLES, 1, stream, i) >> 11) * 0x1p-53;
}

/* Shares of `count` classes that know something of the truth. */
static void judge(int32_t count, struct evaluation *evaluation)
{
    for (uint32_t i = 0; i < ROWS; i++) {
        truth[i] = (int32_t)(uniform(0, i) * count);
        double sum = 0;
        for (int32_t c = 0; c < count; c++)
            sum += scores[(int32_t)i * count + c] =
                uniform(1 + (uint32_t)c, i) + 2 * (c == truth[i]);
        for (int32_t c = 0; c < count; c++)
            scores[(int32_t)i * count + c] /= sum;
        if (count == 2) scores[i] = 0.4 * truth[i] + 0.6 * uniform(9, i);
    }
    const struct predictions given = {
        .rows = ROWS, .classes = count, .truth = truth, .scores = scores, .threshold = NAN};
    const struct evaluation_options options = {.pool = pool, .curves = true};
    CU_ASSERT_EQUAL_FATAL(evaluate_predictions(&given, &options, evaluation, &err), SPOT_OK);
    for (int32_t c = 0; c < count; c++) {
        snprintf(names[c], sizeof names[c],
                 c % 3 == 2 ? "Bless\xc3\xa9 l\xc3\xa9ger, %d ans" : "%d", c);
        classes[c] = names[c];
    }
}

static char *read_all(size_t *size)
{
    FILE *file = fopen(path, "rb");
    CU_ASSERT_PTR_NOT_NULL_FATAL(file);
    char *bytes = malloc(1 << 22);
    *size = fread(bytes, 1, (1 << 22) - 1, file);
    bytes[*size] = '\0';
    fclose(file);
    unlink(path);
    return bytes;
}

/* Draws twice: a complete SVG of the same bytes, without a number that is none; then a PNG. */
static void draws(plotter *plot, const struct evaluation_picture *picture)
{
    size_t size, again;
    snprintf(path, sizeof path, "%s/a.svg", folder);
    CU_ASSERT_EQUAL(plot(path, picture, &err), SPOT_OK);
    char *first = read_all(&size);
    CU_ASSERT_EQUAL(plot(path, picture, &err), SPOT_OK);
    char *second = read_all(&again);
    CU_ASSERT(size == again && memcmp(first, second, size) == 0);
    CU_ASSERT(size > 7 && strcmp(first + size - 7, "</svg>\n") == 0);
    CU_ASSERT_PTR_NULL(strstr(first, "nan"));
    CU_ASSERT_PTR_NULL(strstr(first, "inf"));
    free(first);
    free(second);
    snprintf(path, sizeof path, "%s/a.png", folder);
    CU_ASSERT_EQUAL(plot(path, picture, &err), SPOT_OK);
    char *png = read_all(&size);
    CU_ASSERT(memcmp(png, "\x89PNG", 4) == 0);
    free(png);
}

static void draws_any_number_of_classes(void)
{
    static const int32_t counts[] = {2, 3, 40};
    for (size_t i = 0; i < sizeof counts / sizeof *counts; i++) {
        struct evaluation evaluation;
        judge(counts[i], &evaluation);
        const struct evaluation_picture picture = {&evaluation, classes, ROWS};
        for (int p = 0; p < PLOTTERS; p++)
            draws(plotters[p], &picture);
        evaluation_clear(&evaluation);
    }
}

/* A class without rows has no curve, and no share of nothing. */
static void draws_what_is_there(void)
{
    struct evaluation evaluation;
    int32_t same[5] = {1, 1, 1, 1, 1};
    double shares[5] = {0.5, 0.5, 0.5, 0.5, 0.5};
    const struct predictions given = {
        .rows = 5, .classes = 2, .truth = same, .scores = shares, .threshold = NAN};
    const struct evaluation_options options = {.pool = pool, .curves = true};
    static const char *const two[] = {"no", "yes"};
    CU_ASSERT_EQUAL_FATAL(evaluate_predictions(&given, &options, &evaluation, &err), SPOT_OK);
    const struct evaluation_picture picture = {&evaluation, two, 5};
    for (int p = 0; p < PLOTTERS; p++)
        draws(plotters[p], &picture);
    evaluation_clear(&evaluation);
}

static void draws_importance(void)
{
    static const char *const features[] = {"lat", "long",
                                           "a feature with quite a long name indeed"};
    const double values[] = {0.25, 0.75, 0};
    const char *many[30];
    double shares[30] = {0};
    size_t size;
    for (int j = 0; j < 30; j++)
        many[j] = "x";
    snprintf(path, sizeof path, "%s/a.svg", folder);
    CU_ASSERT_EQUAL(plot_importance(path, 3, features, values, "of gain", &err), SPOT_OK);
    free(read_all(&size));
    CU_ASSERT_EQUAL(plot_importance(path, 30, many, shares, "of gain", &err), SPOT_OK);
    char *svg = read_all(&size);
    CU_ASSERT_PTR_NULL(strstr(svg, "nan"));
    free(svg);
}

static void refuses_what_cannot_be_written(void)
{
    struct evaluation evaluation;
    const double values[] = {1};
    judge(2, &evaluation);
    const struct evaluation_picture picture = {&evaluation, classes, ROWS};
    for (int p = 0; p < PLOTTERS; p++) {
        CU_ASSERT_EQUAL(plotters[p]("x.pdf", &picture, &err), SPOT_EUSAGE);
        CU_ASSERT_EQUAL(plotters[p]("/no/such/folder/x.svg", &picture, &err), SPOT_EIO);
    }
    CU_ASSERT_EQUAL(plot_importance("x.txt", 1, classes, values, "", &err), SPOT_EUSAGE);
    evaluation_clear(&evaluation);
}

int main(void)
{
    static const struct suite_test tests[] = {
        {"draws any number of classes", draws_any_number_of_classes},
        {"draws what is there", draws_what_is_there},
        {"draws importance", draws_importance},
        {"refuses what cannot be written", refuses_what_cannot_be_written},
        {NULL, NULL}};
    if (mkdtemp(folder) == NULL || pool_open(1, &pool, &err) != SPOT_OK) return 1;
    const int failed = run_suite("plot_evaluation", tests);
    pool_close(pool);
    rmdir(folder);
    return failed;
}
