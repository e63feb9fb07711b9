/* Where the rows are: a picture of pixels, so that a million rows make no much larger a file than a
 * thousand. A pixel has the colour most of its rows have, and is the
 * more opaque the more rows it has; so the order of the rows does not matter. */
#include <float.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "app/plot_parts.h"
#include "app/words.h"
#include "base/error.h"
#include "base/memory.h"

enum { SAMPLE = 20000, MOST_COUNT = 60000, MOST_TICKS = 40 };

static int compare_doubles(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

/* ---- Frame ----------------------------------------------------------------------------------- */

/* The range of the values within [least, most]; false when there is none. */
static bool range_within(const double *values, int64_t rows, double least, double most,
                         double *from, double *to)
{
    *from = (double)INFINITY;
    *to = -(double)INFINITY;
    for (int64_t i = 0; i < rows; i++) {
        if (!(values[i] >= least && values[i] <= most)) continue;
        *from = fmin(*from, values[i]);
        *to = fmax(*to, values[i]);
    }
    return *from <= *to;
}

/* The range of all values but those far away from the rest (wrong signs, codes for "unknown"): at
 * most 0.75 of the spread between the percentiles 1 and 99 of an even sample beyond these. False
 * when there are none. */
static bool find_range(const double *values, int64_t rows, double *sample, double *from, double *to)
{
    int64_t step = (rows + SAMPLE - 1) / SAMPLE, count = 0;
    for (int64_t i = 0; i < rows; i += step)
        if (isfinite(values[i])) sample[count++] = values[i];
    double least = -DBL_MAX, most = DBL_MAX;
    if (count > 0) {
        qsort(sample, (size_t)count, sizeof *sample, compare_doubles);
        double first = sample[count / 100], last = sample[count - 1 - count / 100];
        double reach = 0.75 * (last - first);
        least = fmax(least, first - reach);
        most = fmin(most, last + reach);
    }
    if (!range_within(values, rows, least, most, from, to)) return false;
    double margin = 0.02 * (*to - *from);
    if (margin == 0) margin = *to == 0 ? 1 : fabs(*to) * 1e-3;
    *from -= margin;
    *to += margin;
    return isfinite(*to - *from);
}

int map_measure(const struct cluster_picture *picture, struct map_frame *frame,
                struct spot_error *err)
{
    memset(frame, 0, sizeof *frame);
    if (picture->longitudes == NULL || picture->latitudes == NULL) return SPOT_OK;
    double *sample = spot_alloc(SAMPLE, sizeof *sample);
    if (sample == NULL) return spot_fail_memory(err, "the map");
    bool found =
        find_range(picture->longitudes, picture->rows, sample, &frame->west, &frame->east) &&
        find_range(picture->latitudes, picture->rows, sample, &frame->south, &frame->north);
    free(sample);
    if (!found) return SPOT_OK;
    frame->degrees =
        frame->west >= -181 && frame->east <= 181 && frame->south >= -90 && frame->north <= 90;
    double middle = (frame->south + frame->north) / 2 * (3.14159265358979323846 / 180);
    double ratio = (frame->east - frame->west) / (frame->north - frame->south);
    frame->aspect = fmin(fmax(frame->degrees ? ratio * cos(middle) : ratio, 0.3), 4);
    return SPOT_OK;
}

/* ---- Pixels ---------------------------------------------------------------------------------- */

struct raster {
    int32_t width, height;
    int64_t pixels;
    uint16_t *total; /* (pixels) rows, saturated */
    uint16_t *most;  /* (pixels) rows of the most frequent colour */
    uint16_t *here;  /* (pixels) rows of the colour at work */
    uint8_t *colour; /* (pixels) the most frequent colour */
    int32_t *place;  /* (rows) pixel of a row, -1: not on the map */
    int64_t placed;  /* rows on the map */
};

static void raster_free(struct raster *raster)
{
    free(raster->total);
    free(raster->most);
    free(raster->here);
    free(raster->colour);
    free(raster->place);
}

static int raster_make(struct raster *raster, struct box box, double resolution, int64_t rows,
                       struct spot_error *err)
{
    memset(raster, 0, sizeof *raster);
    raster->width = (int32_t)(box.width * resolution);
    raster->height = (int32_t)(box.height * resolution);
    raster->pixels = (int64_t)raster->width * raster->height;
    raster->total = spot_alloc_zero(raster->pixels, sizeof *raster->total);
    raster->most = spot_alloc_zero(raster->pixels, sizeof *raster->most);
    raster->here = spot_alloc_zero(raster->pixels, sizeof *raster->here);
    raster->colour = spot_alloc_zero(raster->pixels, sizeof *raster->colour);
    raster->place = spot_alloc(rows, sizeof *raster->place);
    if (raster->total != NULL && raster->most != NULL && raster->here != NULL &&
        raster->colour != NULL && raster->place != NULL)
        return SPOT_OK;
    return spot_fail_memory(err, "the map");
}

static void place_rows(struct raster *raster, const struct cluster_picture *picture,
                       const struct map_frame *frame)
{
    double x_scale = raster->width / (frame->east - frame->west);
    double y_scale = raster->height / (frame->north - frame->south);
    for (int64_t i = 0; i < picture->rows; i++) {
        double x = (picture->longitudes[i] - frame->west) * x_scale;
        double y = (frame->north - picture->latitudes[i]) * y_scale;
        bool on_map = x >= 0 && x < raster->width && y >= 0 && y < raster->height;
        raster->place[i] = on_map ? (int32_t)y * raster->width + (int32_t)x : -1;
        raster->placed += on_map;
    }
}

/* Adds a dot of `size` by `size` pixels whose corner is at `place`. */
static void add_dot(const struct raster *raster, uint16_t *counts, int32_t place, int32_t size)
{
    int32_t x = place % raster->width, y = place / raster->width;
    for (int32_t j = y; j < y + size && j < raster->height; j++)
        for (int32_t i = x; i < x + size && i < raster->width; i++) {
            uint16_t *count = &counts[(int64_t)j * raster->width + i];
            if (*count < MOST_COUNT) ++*count;
        }
}

static void count_pixels(struct raster *raster, const struct cluster_picture *picture, int32_t size)
{
    int32_t used = picture->k < COLOURS ? picture->k : COLOURS;
    for (int32_t colour = 0; colour < used; colour++) {
        memset(raster->here, 0, (size_t)raster->pixels * sizeof *raster->here);
        for (int64_t i = 0; i < picture->rows; i++)
            if (raster->place[i] >= 0 && picture->labels[i] % COLOURS == colour)
                add_dot(raster, raster->here, raster->place[i], size);
        for (int64_t p = 0; p < raster->pixels; p++) {
            int sum = raster->total[p] + raster->here[p];
            raster->total[p] = (uint16_t)(sum < MOST_COUNT ? sum : MOST_COUNT);
            if (raster->here[p] <= raster->most[p]) continue;
            raster->most[p] = raster->here[p];
            raster->colour[p] = (uint8_t)colour;
        }
    }
}

/* Opacity in few steps, which keeps the file small. */
static double opacity(int count, double single)
{
    return count == 0 ? 0 : round((1 - pow(1 - single, count)) * 8) / 8;
}

/* Premultiplied 0xAARRGGBB in the machine's byte order, as cairo wants it. */
static uint32_t pixel_value(struct colour colour, double alpha)
{
    uint32_t a = (uint32_t)(alpha * 255 + 0.5);
    uint32_t red = (uint32_t)(colour.red * alpha * 255 + 0.5);
    uint32_t green = (uint32_t)(colour.green * alpha * 255 + 0.5);
    uint32_t blue = (uint32_t)(colour.blue * alpha * 255 + 0.5);
    return a << 24 | red << 16 | green << 8 | blue;
}

/* The finished pixels; the caller destroys the surface. */
static cairo_surface_t *raster_surface(const struct raster *raster, double single)
{
    enum { LEVELS = 64 };
    uint32_t shades[COLOURS][LEVELS];
    for (int32_t c = 0; c < COLOURS; c++)
        for (int count = 0; count < LEVELS; count++)
            shades[c][count] = pixel_value(cluster_colour(c), opacity(count, single));
    cairo_surface_t *surface =
        cairo_image_surface_create(CAIRO_FORMAT_ARGB32, raster->width, raster->height);
    if (cairo_surface_status(surface) != CAIRO_STATUS_SUCCESS) return surface;
    unsigned char *bytes = cairo_image_surface_get_data(surface);
    int stride = cairo_image_surface_get_stride(surface);
    for (int32_t y = 0; y < raster->height; y++)
        for (int32_t x = 0; x < raster->width; x++) {
            int64_t p = (int64_t)y * raster->width + x;
            int count = raster->total[p] < LEVELS ? raster->total[p] : LEVELS - 1;
            memcpy(bytes + (int64_t)y * stride + 4 * (int64_t)x, &shades[raster->colour[p]][count],
                   4);
        }
    cairo_surface_mark_dirty(surface);
    return surface;
}

/* ---- Drawing --------------------------------------------------------------------------------- */

/* 1, 2 or 5 times a power of ten, so that a range has about `parts` parts. */
static double tick_step(double range, double parts)
{
    double power = pow(10, floor(log10(range / parts))), ratio = range / parts / power;
    return power * (ratio < 1.5 ? 1 : ratio < 3.5 ? 2 : ratio < 7.5 ? 5 : 10);
}

static void tick_text(double value, bool degrees, const char *sides, char text[WORDS_ROOM + 8])
{
    char number[WORDS_ROOM];
    words_number(degrees ? fabs(value) : value, number);
    if (!degrees)
        strcpy(text, number);
    else
        snprintf(text, WORDS_ROOM + 8, "%s\xc2\xb0%s%c", number, value == 0 ? "" : " ",
                 value == 0 ? '\0' : sides[value > 0]);
}

static void draw_meridian(cairo_t *cr, const struct map_frame *frame, struct box box,
                          double longitude)
{
    char text[WORDS_ROOM + 8];
    double x = box.x + (longitude - frame->west) / (frame->east - frame->west) * box.width;
    set_colour(cr, rule_colour);
    cairo_move_to(cr, x, box.y);
    cairo_line_to(cr, x, box.y + box.height);
    cairo_stroke(cr);
    tick_text(longitude, frame->degrees, "WE", text);
    set_text(cr, 10, false, pale_ink);
    draw_text(cr, x, box.y + box.height + 14, ALIGN_CENTRE, text);
}

static void draw_parallel(cairo_t *cr, const struct map_frame *frame, struct box box,
                          double latitude)
{
    char text[WORDS_ROOM + 8];
    double y = box.y + (frame->north - latitude) / (frame->north - frame->south) * box.height;
    set_colour(cr, rule_colour);
    cairo_move_to(cr, box.x, y);
    cairo_line_to(cr, box.x + box.width, y);
    cairo_stroke(cr);
    tick_text(latitude, frame->degrees, "SN", text);
    set_text(cr, 10, false, pale_ink);
    draw_text(cr, box.x - 5, y + 3.5, ALIGN_RIGHT, text);
}

static void draw_grid(cairo_t *cr, const struct map_frame *frame, struct box box)
{
    cairo_set_line_width(cr, 0.6);
    double step = tick_step(frame->east - frame->west, box.width / 90);
    double first = ceil(frame->west / step);
    for (int i = 0; i < MOST_TICKS && (first + i) * step <= frame->east; i++)
        draw_meridian(cr, frame, box, (first + i) * step);
    step = tick_step(frame->north - frame->south, box.height / 90);
    first = ceil(frame->south / step);
    for (int i = 0; i < MOST_TICKS && (first + i) * step <= frame->north; i++)
        draw_parallel(cr, frame, box, (first + i) * step);
}

static void draw_pixels(cairo_t *cr, cairo_surface_t *surface, struct box box, double resolution)
{
    cairo_save(cr);
    cairo_translate(cr, box.x, box.y);
    cairo_scale(cr, 1 / resolution, 1 / resolution);
    cairo_set_source_surface(cr, surface, 0, 0);
    cairo_pattern_set_filter(cairo_get_source(cr), CAIRO_FILTER_GOOD);
    cairo_paint(cr);
    cairo_restore(cr);
    cairo_rectangle(cr, box.x, box.y, box.width, box.height);
    cairo_set_line_width(cr, 0.8);
    set_colour(cr, blend(rule_colour, ink, 0.3));
    cairo_stroke(cr);
}

/* missing: rows without a place, or with one far away. */
static void draw_caption(cairo_t *cr, struct box box, int64_t missing)
{
    char number[WORDS_ROOM], text[WORDS_ROOM + 100] = "A dot has the colour of most rows there.";
    if (missing > 0)
        snprintf(text + strlen(text), WORDS_ROOM + 40, "  %s row%s not on the map.",
                 words_count(missing, number), missing == 1 ? " is" : "s are");
    set_text(cr, 10.5, false, pale_ink);
    draw_text(cr, box.x, box.y + box.height + 32, ALIGN_LEFT, text);
}

int draw_map(cairo_t *cr, const struct cluster_picture *picture, const struct map_frame *frame,
             struct box box, struct spot_error *err)
{
    struct raster raster;
    cairo_surface_t *surface = NULL;
    int status;
    SPOT_TRY(raster_make(&raster, box, frame->resolution, picture->rows, err));
    place_rows(&raster, picture, frame);
    int32_t size = raster.placed < 3000 ? 6 : raster.placed < 300000 ? 3 : 2;
    double single = fmin(0.85, 0.14 + 0.71 * 20000 / (double)(raster.placed + 1));
    count_pixels(&raster, picture, size);
    surface = raster_surface(&raster, single);
    if (cairo_surface_status(surface) != CAIRO_STATUS_SUCCESS) {
        status = spot_fail_memory(err, "the map");
        goto out;
    }
    draw_heading(cr, box.x, box.y - HEADING_HEIGHT, "Where they happen", "");
    draw_grid(cr, frame, box);
    draw_pixels(cr, surface, box, frame->resolution);
    draw_caption(cr, box, picture->rows - raster.placed);
out:
    cairo_surface_destroy(surface);
    raster_free(&raster);
    return status;
}
