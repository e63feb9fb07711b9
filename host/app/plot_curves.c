/* Charts in a square from 0 to 1: ROC curves, precision-recall curves, and calibration with the
 * weight of each bin below. */
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "app/plot_evaluation.h"
#include "app/plot_page.h"
#include "app/words.h"

/* A class has up to 199 bytes; half a character of UTF-8 would be no text. */
enum { NAME_ROOM = 288 };

enum { MARGIN = 30, SIDE = 420, LEFT = 56, TOP = 62, FOOT = 46, LEGEND = 250 };

static const struct box square = {MARGIN + LEFT, TOP, SIDE, SIDE};

static double x_of(double share)
{
    return square.x + share * square.width;
}

static double y_of(double share)
{
    return square.y + (1.0 - share) * square.height;
}

static void draw_line(cairo_t *cr, double x0, double y0, double x1, double y1, double width)
{
    cairo_set_line_width(cr, width);
    cairo_move_to(cr, x0, y0);
    cairo_line_to(cr, x1, y1);
    cairo_stroke(cr);
}

/* Title, grid, ticks of fifths, and what the axes are. */
static void draw_square(cairo_t *cr, const char *title, const char *remark, const char *across,
                        const char *up)
{
    draw_heading(cr, MARGIN, MARGIN - 8, title, remark);
    for (int tick = 0; tick <= 5; tick++) {
        char text[8];
        const double share = tick / 5.0;
        set_colour(cr, rule_colour);
        draw_line(cr, x_of(share), y_of(0), x_of(share), y_of(1), 1);
        draw_line(cr, x_of(0), y_of(share), x_of(1), y_of(share), 1);
        snprintf(text, sizeof text, "%d.%d", tick / 5, tick % 5 * 2);
        set_text(cr, 11, false, pale_ink);
        draw_text(cr, x_of(share), y_of(0) + 16, ALIGN_CENTRE, text);
        draw_text(cr, x_of(0) - 8, y_of(share) + 4, ALIGN_RIGHT, text);
    }
    set_text(cr, 12.5, false, ink);
    draw_text(cr, x_of(0.5), y_of(0) + 36, ALIGN_CENTRE, across);
    cairo_save(cr);
    cairo_translate(cr, MARGIN + 8, y_of(0.5));
    cairo_rotate(cr, -1.5707963267948966);
    draw_text(cr, 0, 0, ALIGN_CENTRE, up);
    cairo_restore(cr);
}

static void draw_dashes(cairo_t *cr, double x0, double y0, double x1, double y1)
{
    const double dashes[] = {4, 4};
    set_colour(cr, pale_ink);
    cairo_set_dash(cr, dashes, 2, 0);
    draw_line(cr, x0, y0, x1, y1, 1.2);
    cairo_set_dash(cr, NULL, 0, 0);
}

/* ---- ROC and precision-recall --------------------------------------------------------------- */

struct curves {
    const struct evaluation_picture *picture;
    bool roc;
};

static void trace(cairo_t *cr, const struct curve *curve, bool roc)
{
    if (roc) cairo_move_to(cr, x_of(0), y_of(0));
    for (int64_t i = 0; i < curve->count; i++) {
        const struct curve_point *point = &curve->points[i];
        if (roc)
            cairo_line_to(cr, x_of(point->false_positives), y_of(point->recall));
        else if (i == 0)
            cairo_move_to(cr, x_of(0), y_of(point->precision));
        if (!roc) { /* average precision is the area of these steps */
            double x, y;
            cairo_get_current_point(cr, &x, &y);
            cairo_line_to(cr, x, y_of(point->precision));
            cairo_line_to(cr, x_of(point->recall), y_of(point->precision));
        }
    }
}

/* The area under the curve of class c, as text. */
static void name_curve(const struct curves *curves, int32_t c, char *text, size_t room)
{
    const struct class_measures *measures = &curves->picture->evaluation->by_class[c];
    char area[WORDS_ROOM];
    snprintf(text, room, "%s  %s",
             words_number(curves->roc ? measures->roc_auc : measures->pr_auc, area),
             curves->picture->classes[c]);
}

static void draw_legend(cairo_t *cr, const struct curves *curves, int32_t shown)
{
    const double x = square.x + square.width + 24;
    char text[NAME_ROOM];
    set_text(cr, 12, true, ink);
    draw_text(cr, x, square.y + 10, ALIGN_LEFT, curves->roc ? "ROC AUC" : "average precision");
    for (int32_t c = 0; c < shown; c++) {
        const double y = square.y + 34 + c * 22;
        set_colour(cr, cluster_colour(c));
        draw_line(cr, x, y - 4, x + 18, y - 4, 2.5);
        name_curve(curves, c, text, sizeof text);
        set_text(cr, 12, false, ink);
        draw_clipped(cr, x + 26, y, LEGEND - 60, text);
    }
}

/* Where a curve lies that knows nothing: the diagonal, or the share of the class. */
static void draw_chance(cairo_t *cr, const struct curves *curves)
{
    const struct evaluation *evaluation = curves->picture->evaluation;
    double all = 0.0;
    if (curves->roc) {
        draw_dashes(cr, x_of(0), y_of(0), x_of(1), y_of(1));
        return;
    }
    for (int32_t c = 0; c < evaluation->classes; c++)
        all += evaluation->by_class[c].support;
    if (evaluation->curves_count == 1 && all > 0.0) {
        const double share = evaluation->by_class[1].support / all;
        draw_dashes(cr, x_of(0), y_of(share), x_of(1), y_of(share));
    }
}

static int draw_curves(cairo_t *cr, const void *arg, struct spot_error *err)
{
    const struct curves *curves = arg;
    const struct evaluation *evaluation = curves->picture->evaluation;
    const bool one = evaluation->curves_count == 1;
    int32_t shown = evaluation->curves_count;
    char remark[NAME_ROOM + 32] = "each class against all others", name[NAME_ROOM];
    (void)err;
    if (shown > PLOT_CURVES) {
        shown = PLOT_CURVES;
        snprintf(remark, sizeof remark, "each class against all others, the first %d", PLOT_CURVES);
    }
    if (one) {
        name_curve(curves, 1, name, sizeof name);
        snprintf(remark, sizeof remark, "of class %s, the area is %.*s",
                 curves->picture->classes[1], (int)strcspn(name, " "), name);
    }
    if (curves->roc)
        draw_square(cr, "ROC", remark, "false positives, share of the others",
                    "true positives, share of the class");
    else
        draw_square(cr, "Precision and recall", remark, "recall", "precision");
    draw_chance(cr, curves);
    for (int32_t c = 0; c < shown; c++) {
        trace(cr, &evaluation->curves[c], curves->roc);
        set_colour(cr, cluster_colour(c));
        cairo_set_line_width(cr, 2);
        cairo_stroke(cr);
    }
    if (!one) draw_legend(cr, curves, shown);
    return SPOT_OK;
}

static int plot_curves(const char *path, const struct curves *curves, struct spot_error *err)
{
    const bool one = curves->picture->evaluation->curves_count == 1;
    const struct page page = {square.x + SIDE + MARGIN + (one ? 0 : LEGEND), TOP + SIDE + FOOT,
                              draw_curves, curves};
    return page_draw(path, &page, err);
}

int plot_roc(const char *path, const struct evaluation_picture *picture, struct spot_error *err)
{
    const struct curves curves = {picture, true};
    return plot_curves(path, &curves, err);
}

int plot_precision_recall(const char *path, const struct evaluation_picture *picture,
                          struct spot_error *err)
{
    const struct curves curves = {picture, false};
    return plot_curves(path, &curves, err);
}

/* ---- Calibration ---------------------------------------------------------------------------- */

enum { WEIGHTS_HEIGHT = 90, WEIGHTS_GAP = 62 };

/* A bar for each bin: its part of the weight, the heaviest as high as the panel. */
static void draw_weights(cairo_t *cr, const struct evaluation *evaluation)
{
    const double bottom = y_of(0) + WEIGHTS_GAP + WEIGHTS_HEIGHT;
    double most = 0.0, all = 0.0;
    char share[WORDS_ROOM], text[WORDS_ROOM + 8];
    for (int b = 0; b < EVALUATION_BINS; b++) {
        most = fmax(most, evaluation->bins[b].weight);
        all += evaluation->bins[b].weight;
    }
    for (int b = 0; b < EVALUATION_BINS; b++) {
        const double part = evaluation->bins[b].weight, width = square.width / EVALUATION_BINS;
        const double height = most > 0.0 ? part / most * (WEIGHTS_HEIGHT - 16) : 0.0;
        set_colour(cr, blend(paper, cluster_colour(0), 0.5));
        cairo_rectangle(cr, square.x + b * width + 2, bottom - height, width - 4, height);
        cairo_fill(cr);
        words_share((int64_t)llround(part / all * 1e6), 1000000, share);
        snprintf(text, sizeof text, "%s", part > 0.0 ? share : "");
        set_text(cr, 9.5, false, pale_ink);
        draw_text(cr, square.x + (b + 0.5) * width, bottom - height - 4, ALIGN_CENTRE, text);
    }
    set_colour(cr, rule_colour);
    draw_line(cr, square.x, bottom, square.x + square.width, bottom, 1);
    set_text(cr, 11, false, pale_ink);
    draw_text(cr, x_of(0.5), bottom + 18, ALIGN_CENTRE, "share of the rows in each tenth");
}

static int draw_calibration(cairo_t *cr, const void *arg, struct spot_error *err)
{
    const struct evaluation_picture *picture = arg;
    const struct evaluation *evaluation = picture->evaluation;
    const double error = evaluation->measures[MEASURE_CALIBRATION_ERROR].value;
    char remark[120], number[WORDS_ROOM];
    bool begun = false;
    (void)err;
    snprintf(remark, sizeof remark, "expected calibration error %s", words_number(error, number));
    draw_square(cr, "Calibration", remark,
                evaluation->classes == 2 ? "share predicted" : "share predicted for the likeliest",
                "share that came true");
    draw_dashes(cr, x_of(0), y_of(0), x_of(1), y_of(1));
    for (int b = 0; b < EVALUATION_BINS; b++) {
        const struct calibration_bin *bin = &evaluation->bins[b];
        if (!(bin->weight > 0.0)) continue;
        if (begun)
            cairo_line_to(cr, x_of(bin->share), y_of(bin->frequency));
        else
            cairo_move_to(cr, x_of(bin->share), y_of(bin->frequency));
        begun = true;
    }
    set_colour(cr, cluster_colour(0));
    cairo_set_line_width(cr, 2);
    cairo_stroke(cr);
    for (int b = 0; b < EVALUATION_BINS; b++) {
        const struct calibration_bin *bin = &evaluation->bins[b];
        if (!(bin->weight > 0.0)) continue;
        cairo_arc(cr, x_of(bin->share), y_of(bin->frequency), 4, 0, 6.283185307179586);
        cairo_fill(cr);
    }
    draw_weights(cr, evaluation);
    return SPOT_OK;
}

int plot_calibration(const char *path, const struct evaluation_picture *picture,
                     struct spot_error *err)
{
    const struct page page = {square.x + SIDE + MARGIN,
                              TOP + SIDE + WEIGHTS_GAP + WEIGHTS_HEIGHT + FOOT - 12,
                              draw_calibration, picture};
    return page_draw(path, &page, err);
}
