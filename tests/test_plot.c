/* Pictures of clusterings: the same bytes for the same rows, in any order of drawing, whatever is
 * there to be drawn. */
#define _GNU_SOURCE
#include "app/plot.h"

#include <cairo.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "app/plot_parts.h"
#include "suite.h"

enum { ROWS = 20000 };

static char folder[] = "/tmp/blackspot-plot-XXXXXX";
static char path[100];
static struct spot_error err;
static int32_t labels[ROWS];
static double hours[ROWS], weekdays[ROWS], longitudes[ROWS], latitudes[ROWS];

/* A made-up town with three clusters. */
static struct cluster_picture make_picture(void)
{
    uint32_t state = 1;
    for (int i = 0; i < ROWS; i++) {
        state = state * 1664525u + 1013904223u;
        labels[i] = (int32_t)(state >> 16) % 3;
        hours[i] = labels[i] * 8 + (int)((state >> 20) % 9);
        weekdays[i] = (state >> 24) % 7;
        longitudes[i] = -1.5 + (state >> 8) % 1000 * 1e-3;
        latitudes[i] = 52 + (state >> 12) % 1000 * 1e-3;
    }
    return (struct cluster_picture){.rows = ROWS,
                                    .k = 3,
                                    .labels = labels,
                                    .hours = hours,
                                    .weekdays = weekdays,
                                    .longitudes = longitudes,
                                    .latitudes = latitudes};
}

/* Draws and returns the file's bytes; the caller frees them. */
static char *draw(const char *name, const struct cluster_picture *picture, size_t *size)
{
    snprintf(path, sizeof path, "%s/%s", folder, name);
    err.message[0] = '\0';
    int status = plot_clusters(path, picture, &err);
    CU_ASSERT_EQUAL(status, SPOT_OK);
    if (status != SPOT_OK) printf("%s\n", err.message);
    FILE *file = fopen(path, "rb");
    CU_ASSERT_PTR_NOT_NULL_FATAL(file);
    char *bytes = malloc(1 << 23);
    *size = fread(bytes, 1, (1 << 23) - 1, file);
    bytes[*size] = '\0';
    fclose(file);
    unlink(path);
    return bytes;
}

static bool contains(const char *bytes, const char *part)
{
    return strstr(bytes, part) != NULL;
}

/* Cairo numbers its surfaces through the whole process; the file must not show it. */
static void draws_the_same_bytes_again(void)
{
    struct cluster_picture picture = make_picture();
    const char *const names[] = {"a.svg", "a.png"};
    for (int i = 0; i < 2; i++) {
        size_t first_size, second_size, other_size;
        char *first = draw(names[i], &picture, &first_size);
        free(draw(names[1 - i], &picture, &other_size));
        char *second = draw(names[i], &picture, &second_size);
        CU_ASSERT_EQUAL(first_size, second_size);
        CU_ASSERT_EQUAL(memcmp(first, second, first_size), 0);
        free(first);
        free(second);
    }
}

static void writes_an_svg_of_bounded_size(void)
{
    size_t size;
    struct cluster_picture picture = make_picture();
    char *svg = draw("a.svg", &picture, &size);
    CU_ASSERT(size < 1000000);
    CU_ASSERT(strncmp(svg, "<?xml", 5) == 0);
    CU_ASSERT(contains(svg, "<svg "));
    CU_ASSERT(contains(svg, "<image "));
    CU_ASSERT(strcmp(svg + size - 7, "</svg>\n") == 0);
    CU_ASSERT(!contains(svg, "NaN") && !contains(svg, "nan"));
    CU_ASSERT(!contains(svg, "date"));
    free(svg);
}

static void writes_a_png(void)
{
    size_t size;
    struct cluster_picture picture = make_picture();
    picture.title = "A town";
    free(draw("a.png", &picture, &size));
    CU_ASSERT_EQUAL(plot_clusters(path, &picture, &err), SPOT_OK);
    cairo_surface_t *surface = cairo_image_surface_create_from_png(path);
    CU_ASSERT_EQUAL(cairo_surface_status(surface), CAIRO_STATUS_SUCCESS);
    CU_ASSERT(cairo_image_surface_get_width(surface) > 2000);
    cairo_surface_destroy(surface);
    unlink(path);
}

/* The order of the rows is not to be seen. */
static void does_not_depend_on_the_order_of_rows(void)
{
    size_t size, turned_size;
    struct cluster_picture picture = make_picture();
    char *bytes = draw("a.svg", &picture, &size);
    for (int i = 0; i < ROWS / 2; i++) {
        int j = ROWS - 1 - i;
        int32_t label = labels[i];
        labels[i] = labels[j];
        labels[j] = label;
        double *const arrays[] = {hours, weekdays, longitudes, latitudes};
        for (int a = 0; a < 4; a++) {
            double value = arrays[a][i];
            arrays[a][i] = arrays[a][j];
            arrays[a][j] = value;
        }
    }
    char *turned = draw("a.svg", &picture, &turned_size);
    CU_ASSERT(size == turned_size && memcmp(bytes, turned, size) == 0);
    free(bytes);
    free(turned);
}

static void draws_what_is_there(void)
{
    size_t size, less;
    struct cluster_picture picture = make_picture();
    char *bytes = draw("a.svg", &picture, &size);
    free(bytes);
    picture.weekdays = NULL;
    free(draw("a.svg", &picture, &less));
    CU_ASSERT(less < size);
    picture.latitudes = NULL;
    bytes = draw("a.svg", &picture, &size);
    CU_ASSERT(!contains(bytes, "<image "));
    free(bytes);
    picture.hours = NULL;
    free(draw("a.svg", &picture, &less));
    CU_ASSERT(less < size);
}

static void survives_odd_input(void)
{
    size_t size;
    struct cluster_picture picture = make_picture();
    picture.rows = 0;
    free(draw("none.svg", &picture, &size));
    picture.rows = 1;
    free(draw("one.svg", &picture, &size));
    picture.rows = ROWS;
    for (int i = 0; i < ROWS; i++)
        longitudes[i] = latitudes[i] = 7;
    free(draw("same.png", &picture, &size));
    for (int i = 0; i < ROWS; i++) {
        hours[i] = i % 2 ? (double)NAN : 1e300;
        weekdays[i] = -5;
        longitudes[i] = i % 2 ? -1e308 : 1e308;
        latitudes[i] = i % 3 ? (double)INFINITY : i;
    }
    free(draw("wild.svg", &picture, &size));
    for (int i = 0; i < ROWS; i++)
        latitudes[i] = (double)NAN;
    char *bytes = draw("nowhere.svg", &picture, &size);
    CU_ASSERT(!contains(bytes, "<image "));
    free(bytes);
}

/* More clusters than colours, bars and heat maps; long titles, some not ASCII. */
static void draws_many_clusters(void)
{
    enum { K = 200 };
    static char texts[K][200];
    const char *titles[K];
    size_t size;
    struct cluster_picture picture = make_picture();
    for (int i = 0; i < K; i++) {
        memset(texts[i], 0, sizeof texts[i]);
        for (int j = 0; j + 2 < i; j += 2)
            memcpy(texts[i] + j, "\xc3\xa4", 2);
        titles[i] = texts[i];
    }
    for (int i = 0; i < ROWS; i++)
        labels[i] = i * (i % 7) % K;
    picture.k = K;
    picture.titles = titles;
    free(draw("many.svg", &picture, &size));
    CU_ASSERT(size < 1000000);
}

/* Three far away rows, as codes for "unknown" are, do not shrink the map of the others. */
static void leaves_out_rows_that_are_far_away(void)
{
    struct map_frame near, far;
    struct cluster_picture picture = make_picture();
    CU_ASSERT_EQUAL(map_measure(&picture, &near, &err), SPOT_OK);
    CU_ASSERT(near.degrees);
    CU_ASSERT_DOUBLE_EQUAL(near.aspect, cos(52.5 * 3.14159265358979 / 180), 0.01);
    longitudes[0] = 999.9999;
    longitudes[1] = -201;
    latitudes[2] = 0;
    CU_ASSERT_EQUAL(map_measure(&picture, &far, &err), SPOT_OK);
    CU_ASSERT(near.west == far.west && near.east == far.east);
    CU_ASSERT(near.south == far.south && near.north == far.north);
    for (int i = 0; i < ROWS; i++)
        latitudes[i] = latitudes[i] * 1e5;
    CU_ASSERT_EQUAL(map_measure(&picture, &far, &err), SPOT_OK);
    CU_ASSERT(!far.degrees);
}

static void picks_the_largest_clusters(void)
{
    const int64_t sizes[] = {5, 1, 9, 1, 7, 5};
    int32_t shown[6];
    CU_ASSERT_EQUAL(largest_clusters(sizes, 6, 3, shown), 3);
    CU_ASSERT(shown[0] == 0 && shown[1] == 2 && shown[2] == 4);
    CU_ASSERT_EQUAL(largest_clusters(sizes, 2, 3, shown), 2);
    CU_ASSERT(shown[0] == 0 && shown[1] == 1);
}

static void refuses_other_names(void)
{
    struct cluster_picture picture = make_picture();
    CU_ASSERT_EQUAL(plot_clusters("x.pdf", &picture, &err), SPOT_EUSAGE);
    CU_ASSERT_PTR_NOT_NULL(strstr(err.message, ".svg or .png"));
    CU_ASSERT_EQUAL(plot_clusters("/no/such/folder/x.svg", &picture, &err), SPOT_EIO);
}

int main(void)
{
    const struct suite_test tests[] = {
        {"draws the same bytes again", draws_the_same_bytes_again},
        {"writes an svg of bounded size", writes_an_svg_of_bounded_size},
        {"writes a png", writes_a_png},
        {"does not depend on the order of rows", does_not_depend_on_the_order_of_rows},
        {"draws what is there", draws_what_is_there},
        {"survives odd input", survives_odd_input},
        {"draws many clusters", draws_many_clusters},
        {"leaves out rows that are far away", leaves_out_rows_that_are_far_away},
        {"picks the largest clusters", picks_the_largest_clusters},
        {"refuses other names", refuses_other_names},
        {NULL, NULL},
    };
    if (mkdtemp(folder) == NULL) return 1;
    int result = run_suite("plot", tests);
    rmdir(folder);
    return result;
}
