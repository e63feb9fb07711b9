/* The page: title, sizes and heat maps on the left, the map on the right, or below them when it is
 * wide. Drawn once by cairo, as SVG or PNG. */
#include "app/plot.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#include "app/plot_page.h"
#include "app/words.h"
#include "base/error.h"
#include "base/memory.h"

enum { PAGE_WIDTH = 1200, MARGIN = 36, GAP = 26 };

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

/* All that one drawing needs. */
struct drawing {
    const struct cluster_picture *picture;
    const int64_t *sizes; /* (k) */
    struct map_frame frame;
    struct layout layout;
};

static int draw_page(cairo_t *cr, const void *arg, struct spot_error *err)
{
    const struct drawing *drawing = arg;
    const struct cluster_picture *picture = drawing->picture;
    const struct layout *layout = &drawing->layout;
    int status = SPOT_OK;
    draw_title(cr, picture);
    draw_bars(cr, picture, drawing->sizes, layout->bars);
    if (layout->heat.height > 0)
        SPOT_TRY(draw_heat(cr, picture, drawing->sizes, layout->heat, layout->cell_height, err));
    if (layout->map.width > 0) SPOT_TRY(draw_map(cr, picture, &drawing->frame, layout->map, err));
out:
    return status;
}

/* The map is finer than the page, but an SVG stays below LARGEST_SVG if it can. */
static int render_in_size(struct drawing *drawing, bool svg, struct page_bytes *output,
                          struct spot_error *err)
{
    enum { LARGEST_SVG = 1000 * 1000 };
    int status = map_measure(drawing->picture, &drawing->frame, err);
    bool fits = false;
    for (int finer = 2; status == SPOT_OK && !fits && finer >= 0; finer--) {
        drawing->frame.resolution = 1 + 0.5 * finer;
        drawing->layout = make_layout(drawing->picture, &drawing->frame);
        const struct page page = {drawing->layout.width, drawing->layout.height, draw_page,
                                  drawing};
        output->count = 0;
        status = page_render(&page, svg, output, err);
        fits = !svg || output->count < LARGEST_SVG;
    }
    return status;
}

int plot_clusters(const char *path, const struct cluster_picture *picture, struct spot_error *err)
{
    int status;
    struct page_bytes output = {NULL, 0, 0};
    bool svg;
    struct drawing drawing = {.picture = picture};
    int64_t *sizes = NULL;
    SPOT_TRY(page_format(path, &svg, err));
    drawing.sizes = sizes = spot_alloc_zero(picture->k, sizeof *sizes);
    if (sizes == NULL) return spot_fail_memory(err, "the picture");
    for (int64_t i = 0; i < picture->rows; i++)
        sizes[picture->labels[i]]++;
    SPOT_TRY(render_in_size(&drawing, svg, &output, err));
    status = page_save(path, svg, &output, err);
out:
    free(output.bytes);
    free(sizes);
    return status;
}
