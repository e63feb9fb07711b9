/* How many rows each cluster has: a bar each, the largest 24. */
#include <stdio.h>

#include "app/plot_parts.h"
#include "app/words.h"

enum { MOST_BARS = 24, BAR_STEP = 24, BAR_HEIGHT = 16 };

static int32_t bars_count(const struct cluster_picture *picture)
{
    return picture->k < MOST_BARS ? picture->k : MOST_BARS;
}

double bars_height(const struct cluster_picture *picture)
{
    return HEADING_HEIGHT + bars_count(picture) * BAR_STEP;
}

void draw_bars(cairo_t *cr, const struct cluster_picture *picture, const int64_t *sizes,
               struct box box)
{
    int32_t shown[MOST_BARS], count = largest_clusters(sizes, picture->k, MOST_BARS, shown);
    char remark[80] = "rows, share of all", title[TITLE_ROOM];
    if (count < picture->k)
        snprintf(remark, sizeof remark, "rows, share of all; the largest %d of %d", count,
                 picture->k);
    double x = box.x, width = box.width;
    draw_heading(cr, box.x, box.y, "Size of the clusters", remark);

    double titles = 0;
    int64_t longest = 1;
    set_text(cr, 12.5, false, ink);
    for (int32_t i = 0; i < count; i++) {
        cluster_title(picture, shown[i], title);
        double needed = text_width(cr, title) + 12;
        if (needed > titles) titles = needed;
        if (sizes[shown[i]] > longest) longest = sizes[shown[i]];
    }
    if (titles > width / 3) titles = width / 3;
    const double numbers = 128;
    for (int32_t i = 0; i < count; i++) {
        int32_t c = shown[i];
        double y = box.y + HEADING_HEIGHT + i * BAR_STEP;
        double bar = (width - titles - numbers) * (double)sizes[c] / (double)longest;
        cluster_title(picture, c, title);
        set_text(cr, 12.5, false, ink);
        draw_clipped(cr, x, y + 12.5, titles - 8, title);
        set_colour(cr, cluster_colour(c));
        cairo_rectangle(cr, x + titles, y, bar, BAR_HEIGHT);
        cairo_fill(cr);
        char rows[WORDS_ROOM], share[WORDS_ROOM], text[2 * WORDS_ROOM + 8];
        snprintf(text, sizeof text, "%s  \xc2\xb7  %s", words_count(sizes[c], rows),
                 words_share(sizes[c], picture->rows, share));
        set_text(cr, 12, false, ink);
        draw_text(cr, x + titles + bar + 7, y + 12.5, ALIGN_LEFT, text);
    }
}
