/* The confusion matrix: a cell for each true class (down) and predicted one (across), as dark as
 * its share of the true class. */
#include <math.h>
#include <stdio.h>

#include "app/plot_evaluation.h"
#include "app/plot_page.h"
#include "app/words.h"
#include "base/error.h"

enum { MARGIN = 30, HEAD = 50, NAMES = 110, COLUMN_NAMES = 44, FOOT = 30 };

/* Cells shrink with the number of classes. */
static double cell_side(int32_t classes)
{
    return fmin(fmax(720.0 / classes, 22), 130);
}

static double cell_height(int32_t classes)
{
    return fmin(cell_side(classes), 84);
}

static void draw_cell(cairo_t *cr, double weight, double share, struct box box)
{
    char text[WORDS_ROOM];
    set_colour(cr, blend(paper, cluster_colour(0), 0.06 + 0.94 * share));
    cairo_rectangle(cr, box.x, box.y, box.width - 2, box.height - 2);
    cairo_fill(cr);
    if (box.width < 44) return;
    const bool large = box.height >= 60;
    if (weight == rint(weight) && weight < 1e15)
        words_count((int64_t)weight, text);
    else
        words_number(weight, text);
    set_text(cr, large ? 19 : 11, large, share > 0.55 ? paper : ink);
    draw_text(cr, box.x + box.width / 2 - 1, box.y + box.height / 2 + (large ? 0 : 4), ALIGN_CENTRE,
              text);
    if (!large) return;
    words_share((int64_t)llround(share * 1e6), 1000000, text);
    set_text(cr, 12, false, share > 0.55 ? paper : pale_ink);
    draw_text(cr, box.x + box.width / 2 - 1, box.y + box.height / 2 + 20, ALIGN_CENTRE, text);
}

static void draw_column_names(cairo_t *cr, const struct evaluation_picture *picture,
                              struct box cell)
{
    const int32_t classes = picture->evaluation->classes;
    set_text(cr, 12, false, pale_ink);
    draw_text(cr, cell.x + classes * cell.width / 2, cell.y - 26, ALIGN_CENTRE, "predicted");
    for (int32_t c = 0; c < classes; c++) {
        set_text(cr, cell.width < 44 ? 9 : 13, true, ink);
        const double room = cell.width - 6, wide = text_width(cr, picture->classes[c]);
        draw_clipped(cr, cell.x + c * cell.width + (wide < room ? (room - wide) / 2 : 2),
                     cell.y - 8, room, picture->classes[c]);
    }
}

/* A true class and how much weight it has, to the left of its cells. */
static void draw_row_name(cairo_t *cr, const char *name, double weight, struct box cell)
{
    const bool large = cell.height >= 44;
    const double end = cell.x - 12, room = NAMES - 14;
    const double y = cell.y + cell.height / 2 + (large ? -1 : 4);
    char text[WORDS_ROOM];
    set_text(cr, cell.width < 44 ? 9 : 13, true, ink);
    if (text_width(cr, name) <= room)
        draw_text(cr, end, y, ALIGN_RIGHT, name);
    else
        draw_clipped(cr, end - room, y, room, name);
    if (!large) return;
    set_text(cr, 11, false, pale_ink);
    draw_text(cr, end, y + 16, ALIGN_RIGHT, words_count((int64_t)llround(weight), text));
}

static int draw_confusion(cairo_t *cr, const void *arg, struct spot_error *err)
{
    const struct evaluation_picture *picture = arg;
    const struct evaluation *evaluation = picture->evaluation;
    const int32_t classes = evaluation->classes;
    const struct box cell = {MARGIN + NAMES, HEAD + COLUMN_NAMES, cell_side(classes),
                             cell_height(classes)};
    char rows[WORDS_ROOM], accuracy[WORDS_ROOM], remark[160];
    (void)err;
    snprintf(remark, sizeof remark, "%s rows, accuracy %s", words_count(picture->rows, rows),
             words_share((int64_t)llround(evaluation->measures[MEASURE_ACCURACY].value * 1e6),
                         1000000, accuracy));
    draw_heading(cr, MARGIN, MARGIN - 8, "Confusion matrix", remark);
    draw_column_names(cr, picture, cell);
    set_text(cr, 12, false, pale_ink);
    draw_text(cr, cell.x - 12, cell.y - 26, ALIGN_RIGHT, "true class");
    for (int32_t t = 0; t < classes; t++) {
        const double support = evaluation->by_class[t].support;
        const struct box first = {cell.x, cell.y + t * cell.height, cell.width, cell.height};
        draw_row_name(cr, picture->classes[t], support, first);
        for (int32_t p = 0; p < classes; p++) {
            const double weight = evaluation->confusion[(int64_t)t * classes + p];
            const struct box box = {cell.x + p * cell.width, cell.y + t * cell.height, cell.width,
                                    cell.height};
            draw_cell(cr, weight, support > 0.0 ? weight / support : 0.0, box);
        }
    }
    return SPOT_OK;
}

int plot_confusion(const char *path, const struct evaluation_picture *picture,
                   struct spot_error *err)
{
    const int32_t classes = picture->evaluation->classes;
    const double width = 2 * MARGIN + NAMES + classes * cell_side(classes);
    const struct page page = {fmax(width, 420),
                              HEAD + COLUMN_NAMES + classes * cell_height(classes) + FOOT,
                              draw_confusion, picture};
    return page_draw(path, &page, err);
}
