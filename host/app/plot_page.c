/* A page of any picture, drawn by cairo as SVG or PNG into memory and from there into a file: the
 * same drawing gives the same bytes. */
#include "app/plot_page.h"

#include <cairo-svg.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "base/memory.h"
#include "data/writer.h"

enum { PNG_SCALE = 2 };

static cairo_status_t take_bytes(void *closure, const unsigned char *bytes, unsigned int count)
{
    struct page_bytes *output = closure;
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

int page_format(const char *path, bool *svg, struct spot_error *err)
{
    *svg = ends_in(path, ".svg");
    if (*svg || ends_in(path, ".png")) return SPOT_OK;
    return spot_fail(err, SPOT_EUSAGE, "%s: a picture's name ends in .svg or .png", path);
}

/* A surface of the page's size and the context that draws on it in points. */
static cairo_surface_t *make_surface(const struct page *page, bool svg, struct page_bytes *output)
{
    double width = ceil(page->width), height = ceil(page->height);
    if (svg) return cairo_svg_surface_create_for_stream(take_bytes, output, width, height);
    cairo_surface_t *surface = cairo_image_surface_create(
        CAIRO_FORMAT_RGB24, (int)width * PNG_SCALE, (int)height * PNG_SCALE);
    cairo_surface_set_device_scale(surface, PNG_SCALE, PNG_SCALE);
    return surface;
}

int page_render(const struct page *page, bool svg, struct page_bytes *output,
                struct spot_error *err)
{
    cairo_surface_t *surface = make_surface(page, svg, output);
    cairo_t *cr = cairo_create(surface);
    set_colour(cr, paper);
    cairo_paint(cr);
    int status = page->draw(cr, page->arg, err);
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

/* Writes the bytes; in an SVG, with the numbers that cairo gives to surfaces and images replaced by
 * 1, 2, ...: cairo counts all surfaces of the process, so the file would depend on what was drawn
 * before. Only ids have such a number behind a quote or a hash, the data of images have neither. */
static int put_renumbered(struct writer *writer, const struct page_bytes *output,
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

int page_save(const char *path, bool svg, const struct page_bytes *output, struct spot_error *err)
{
    struct writer *writer = NULL;
    int status;
    SPOT_TRY(writer_open(path, &writer, err));
    if (svg)
        SPOT_TRY(put_renumbered(writer, output, err));
    else
        SPOT_TRY(writer_put(writer, output->bytes, (size_t)output->count, err));
    status = writer_commit(writer, err);
    writer = NULL;
out:
    writer_abandon(writer);
    return status;
}

int page_draw(const char *path, const struct page *page, struct spot_error *err)
{
    struct page_bytes output = {NULL, 0, 0};
    bool svg;
    int status;
    SPOT_TRY(page_format(path, &svg, err));
    SPOT_TRY(page_render(page, svg, &output, err));
    status = page_save(path, svg, &output, err);
out:
    free(output.bytes);
    return status;
}
