/* Colours and text. The colours are those of Okabe and Ito (2008) without black and yellow, which
 * vanish in ink and paper, then darker ones of Paul Tol's "muted" scheme: apart for every common
 * kind of colour blindness. */
#include <stdio.h>
#include <string.h>

#include "app/plot_parts.h"

#define RGB(hex)                                                                \
    {                                                                           \
        ((hex) >> 16) / 255.0, ((hex) >> 8 & 255) / 255.0, ((hex)&255) / 255.0, \
    }

const struct colour ink = RGB(0x222222), pale_ink = RGB(0x6a6a6a), rule_colour = RGB(0xdddddd),
                    paper = RGB(0xffffff);

static const struct colour colours[COLOURS] = {
    RGB(0x0072b2), RGB(0xe69f00), RGB(0x009e73), RGB(0xcc79a7), RGB(0xd55e00), RGB(0x56b4e9),
    RGB(0x332288), RGB(0x999933), RGB(0x882255), RGB(0x44aa99), RGB(0x8c6d31), RGB(0x777777),
};

struct colour cluster_colour(int32_t cluster)
{
    return colours[cluster % COLOURS];
}

struct colour blend(struct colour from, struct colour to, double share)
{
    return (struct colour){from.red + (to.red - from.red) * share,
                           from.green + (to.green - from.green) * share,
                           from.blue + (to.blue - from.blue) * share};
}

void set_colour(cairo_t *cr, struct colour colour)
{
    cairo_set_source_rgb(cr, colour.red, colour.green, colour.blue);
}

void set_text(cairo_t *cr, double size, bool bold, struct colour colour)
{
    cairo_select_font_face(cr, "sans-serif", CAIRO_FONT_SLANT_NORMAL,
                           bold ? CAIRO_FONT_WEIGHT_BOLD : CAIRO_FONT_WEIGHT_NORMAL);
    cairo_set_font_size(cr, size);
    set_colour(cr, colour);
}

double text_width(cairo_t *cr, const char *text)
{
    cairo_text_extents_t extents;
    cairo_text_extents(cr, text, &extents);
    return extents.x_advance;
}

void draw_text(cairo_t *cr, double x, double y, enum text_align align, const char *text)
{
    double shift = align == ALIGN_LEFT ? 0 : text_width(cr, text) / (align == ALIGN_CENTRE ? 2 : 1);
    cairo_move_to(cr, x - shift, y);
    cairo_show_text(cr, text);
}

void draw_clipped(cairo_t *cr, double x, double y, double width, const char *text)
{
    cairo_save(cr);
    cairo_rectangle(cr, x, y - 40, width, 80);
    cairo_clip(cr);
    draw_text(cr, x, y, ALIGN_LEFT, text);
    cairo_restore(cr);
}

void draw_heading(cairo_t *cr, double x, double y, const char *heading, const char *remark)
{
    set_text(cr, 15, true, ink);
    draw_text(cr, x, y + 14, ALIGN_LEFT, heading);
    double after = x + text_width(cr, heading) + 10;
    set_text(cr, 11.5, false, pale_ink);
    draw_text(cr, after, y + 14, ALIGN_LEFT, remark);
}

void cluster_title(const struct cluster_picture *picture, int32_t cluster, char title[TITLE_ROOM])
{
    if (picture->titles == NULL) {
        snprintf(title, TITLE_ROOM, "cluster %d", cluster);
        return;
    }
    size_t length = strlen(picture->titles[cluster]);
    if (length >= TITLE_ROOM)
        for (length = TITLE_ROOM - 1; (picture->titles[cluster][length] & 0xc0) == 0x80;)
            length--;
    memcpy(title, picture->titles[cluster], length);
    title[length] = '\0';
}

int32_t largest_clusters(const int64_t *sizes, int32_t k, int32_t most, int32_t *shown)
{
    int32_t count = 0;
    for (int32_t c = 0; c < k; c++) {
        if (count < most) {
            shown[count++] = c;
            continue;
        }
        int32_t smallest = 0; /* the last of the smallest gives way */
        for (int32_t i = 1; i < count; i++)
            if (sizes[shown[i]] <= sizes[shown[smallest]]) smallest = i;
        if (sizes[c] <= sizes[shown[smallest]]) continue;
        memmove(shown + smallest, shown + smallest + 1,
                (size_t)(count - 1 - smallest) * sizeof *shown);
        shown[count - 1] = c;
    }
    return count;
}
