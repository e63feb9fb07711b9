/* The page: title, sizes and heat maps on the left, the map on the right, or below them when it is
 * wide. Drawn once by cairo, as SVG or PNG. */
#include "app/plot.h"

#include <cairo-svg.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "app/plot_parts.h"
#include "app/words.h"
#include "base/error.h"
#include "base/memory.h"
#include "data/writer.h"

enum { PAGE_WIDTH = 1200, MARGIN = 36, GAP = 26, PNG_SCALE = 2 };

struct layout {
    double width, height;
    struct box bars, heat; /* heat without height: not drawn */
    struct box map;        /* the frame; without width: not drawn */
    double cell_height;    /* of the heat maps */
};

/* Puts the heat maps below the bars, filling up to `bottom` where there is more room than they need
 * at least. Returns where they end. */
static double place_heat(struct layout *layout, const struct cluster_picture *picture,
                         double bottom)
{
    double y = layout->bars.y + layout->bars.height;
    if (picture->hours == NULL) return y;
    y += GAP;
    double width = layout->heat.width;
    layout->cell_height = heat_cell_height(picture, width, bottom - y);
    double height = heat_height(picture, width, layout->cell_height);
    layout->heat = (struct box){MARGIN, y, width, height};
    return y + height;
}

/* Sizes and heat maps beside a map that is not wide. */
static void place_beside(struct layout *layout, const struct cluster_picture *picture,
                         const struct map_frame *frame)
{
    const double panels = 610, top = layout->bars.y;
    layout->bars.width = layout->heat.width = panels;
    double x = MARGIN + panels + GAP + MAP_AXIS;
    double width = PAGE_WIDTH - MARGIN - x;
    double height = fmin(width / frame->aspect, 820);
    width = fmax(height * frame->aspect, 260); /* the caption wants room */
    layout->map = (struct box){x, top + MAP_HEAD, height * frame->aspect, height};
    layout->width = x + width + MARGIN;
    double map_bottom = top + MAP_HEAD + height + MAP_FOOT;
    layout->height = fmax(map_bottom, place_heat(layout, picture, map_bottom)) + MARGIN;
}

/* Everything one below the other. */
static void place_below(struct layout *layout, const struct cluster_picture *picture,
                        const struct map_frame *frame)
{
    const double inner = PAGE_WIDTH - 2 * MARGIN;
    layout->bars.width = 760;
    layout->heat.width = inner;
    double bottom = place_heat(layout, picture, 0);
    if (frame->aspect > 0) {
        double height = fmin((inner - MAP_AXIS) / frame->aspect, 640);
        double y = bottom + GAP + MAP_HEAD;
        layout->map = (struct box){MARGIN + MAP_AXIS, y, height * frame->aspect, height};
        bottom = y + height + MAP_FOOT;
    }
    layout->height = bottom + MARGIN;
}

static struct layout make_layout(const struct cluster_picture *picture,
                                 const struct map_frame *frame)
{
    struct layout layout = {.width = PAGE_WIDTH};
    double title = picture->title != NULL ? 62 : 44;
    layout.bars = (struct box){MARGIN, MARGIN + title, 0, bars_height(picture)};
    if (frame->aspect > 0 && frame->aspect < 1.2)
        place_beside(&layout, picture, frame);
    else
        place_below(&layout, picture, frame);
    return layout;
}

static void draw_title(cairo_t *cr, const struct cluster_picture *picture)
{
    char rows[WORDS_ROOM], clusters[WORDS_ROOM], text[2 * WORDS_ROOM + 40];
    snprintf(text, sizeof text, "%s row%s in %s cluster%s", words_count(picture->rows, rows),
             picture->rows == 1 ? "" : "s", words_count(picture->k, clusters),
             picture->k == 1 ? "" : "s");
    bool titled = picture->title != NULL;
    set_text(cr, 23, true, ink);
    draw_text(cr, MARGIN, MARGIN + 20, ALIGN_LEFT, titled ? picture->title : text);
    set_text(cr, 13.5, false, pale_ink);
    if (titled) draw_text(cr, MARGIN, MARGIN + 42, ALIGN_LEFT, text);
}

static int draw_page(cairo_t *cr, const struct cluster_picture *picture, const int64_t *sizes,
                     const struct map_frame *frame, const struct layout *layout,
                     struct spot_error *err)
{
    int status = SPOT_OK;
    set_colour(cr, paper);
    cairo_paint(cr);
    draw_title(cr, picture);
    draw_bars(cr, picture, sizes, layout->bars);
    if (layout->heat.height > 0)
        SPOT_TRY(draw_heat(cr, picture, sizes, layout->heat, layout->cell_height, err));
    if (layout->map.width > 0) SPOT_TRY(draw_map(cr, picture, frame, layout->map, err));
out:
    return status;
}

/* ---- Output ---------------------------------------------------------------------------------- */

/* Cairo's bytes, kept until the page is done: an SVG is renumbered before it is written. */
struct output {
    unsigned char *bytes;
    int64_t count, capacity;
};

static cairo_status_t take_bytes(void *closure, const unsigned char *bytes, unsigned int count)
{
    struct output *output = closure;
    if (spot_grow((void **)&output->bytes, &output->capacity, output->count + count, 1) < 0)
        return CAIRO_STATUS_NO_MEMORY;
    memcpy(output->bytes + output->count, bytes, count);
    output->count += count;
    return CAIRO_STATUS_SUCCESS;
}

static bool ends_in(const char *text, const char *end)
{
    size_t length = strlen(text), tail = strlen(end);
    return length >= tail && strcmp(text + length - tail, end) == 0;
}

/* A surface of the page's size and the context that draws on it in points. */
static cairo_surface_t *make_surface(bool svg, const struct layout *layout, struct output *output)
{
    double width = ceil(layout->width), height = ceil(layout->height);
    if (svg) return cairo_svg_surface_create_for_stream(take_bytes, output, width, height);
    cairo_surface_t *surface = cairo_image_surface_create(
        CAIRO_FORMAT_RGB24, (int)width * PNG_SCALE, (int)height * PNG_SCALE);
    cairo_surface_set_device_scale(surface, PNG_SCALE, PNG_SCALE);
    return surface;
}

/* Draws the page into *output. */
static int render(const struct cluster_picture *picture, const int64_t *sizes,
                  const struct map_frame *frame, bool svg, struct output *output,
                  struct spot_error *err)
{
    struct layout layout = make_layout(picture, frame);
    cairo_surface_t *surface = make_surface(svg, &layout, output);
    cairo_t *cr = cairo_create(surface);
    int status = draw_page(cr, picture, sizes, frame, &layout, err);
    cairo_status_t drawn = cairo_status(cr);
    cairo_destroy(cr);
    if (drawn == CAIRO_STATUS_SUCCESS && !svg)
        drawn = cairo_surface_write_to_png_stream(surface, take_bytes, output);
    cairo_surface_finish(surface);
    if (drawn == CAIRO_STATUS_SUCCESS) drawn = cairo_surface_status(surface);
    cairo_surface_destroy(surface);
    if (status < 0 || drawn == CAIRO_STATUS_SUCCESS) return status;
    return spot_fail(err, drawn == CAIRO_STATUS_NO_MEMORY ? SPOT_ENOMEM : SPOT_EFAILED,
                     "cannot draw the picture: %s", cairo_status_to_string(drawn));
}

/* The map is finer than the page, but an SVG stays below LARGEST_SVG if it can. */
static int render_in_size(const struct cluster_picture *picture, const int64_t *sizes, bool svg,
                          struct output *output, struct spot_error *err)
{
    enum { LARGEST_SVG = 1000 * 1000 };
    struct map_frame frame;
    int status = map_measure(picture, &frame, err);
    bool fits = false;
    for (int finer = 2; status == SPOT_OK && !fits && finer >= 0; finer--) {
        frame.resolution = 1 + 0.5 * finer;
        output->count = 0;
        status = render(picture, sizes, &frame, svg, output, err);
        fits = !svg || output->count < LARGEST_SVG;
    }
    return status;
}

/* Writes the bytes; in an SVG, with the numbers that cairo gives to surfaces and images replaced by
 * 1, 2, ...: cairo counts all surfaces of the process, so the file would depend on what was drawn
 * before. Only ids have such a number behind a quote or a hash, the data of images have neither. */
static int put_renumbered(struct writer *writer, const struct output *output,
                          struct spot_error *err)
{
    enum { MOST_IDS = 16 };
    long ids[MOST_IDS];
    int known = 0, status = SPOT_OK;
    const char *at = (const char *)output->bytes, *end = at + output->count;
    while (at < end && status == SPOT_OK) {
        const char *mark = at;
        while (mark < end && *mark != '"' && *mark != '#')
            mark++;
        size_t word = mark + 9 >= end                        ? 0
                      : strncmp(mark + 1, "surface", 7) == 0 ? 8
                      : strncmp(mark + 1, "image", 5) == 0   ? 6
                                                             : 0;
        bool numbered = word > 0 && mark[word] >= '0' && mark[word] <= '9';
        const char *next = mark + (numbered ? word : mark < end);
        status = writer_put(writer, at, (size_t)(next - at), err);
        at = next;
        if (!numbered || status < 0) continue;
        char *after;
        long id = strtol(at, &after, 10);
        int index = 0;
        while (index < known && ids[index] != id)
            index++;
        if (index == known && known < MOST_IDS) ids[known++] = id;
        status = writer_printf(writer, err, "%d", index + 1);
        at = after;
    }
    return status;
}

int plot_clusters(const char *path, const struct cluster_picture *picture, struct spot_error *err)
{
    int status;
    struct output output = {NULL, 0, 0};
    struct writer *writer = NULL;
    bool svg = ends_in(path, ".svg");
    if (!svg && !ends_in(path, ".png"))
        return spot_fail(err, SPOT_EUSAGE, "%s: a picture's name ends in .svg or .png", path);
    int64_t *sizes = spot_alloc_zero(picture->k, sizeof *sizes);
    if (sizes == NULL) return spot_fail_memory(err, "the picture");
    for (int64_t i = 0; i < picture->rows; i++)
        sizes[picture->labels[i]]++;
    SPOT_TRY(writer_open(path, &writer, err));
    SPOT_TRY(render_in_size(picture, sizes, svg, &output, err));
    if (svg)
        SPOT_TRY(put_renumbered(writer, &output, err));
    else
        SPOT_TRY(writer_put(writer, output.bytes, (size_t)output.count, err));
    status = writer_commit(writer, err);
    writer = NULL;
out:
    writer_abandon(writer);
    free(output.bytes);
    free(sizes);
    return status;
}
