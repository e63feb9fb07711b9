/* When the rows of a cluster happen: a heat map of 24 hours by 7 weekdays each, or of the hours
 * alone. Each is scaled to its own busiest cell, whose share is written beside it. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "app/plot_parts.h"
#include "app/words.h"
#include "base/error.h"
#include "base/memory.h"

enum { MOST_HEATS = 12, HOURS = 24, DAYS = 7, LEAST_WIDTH = 270, ACROSS_GAP = 24, GUTTER = 30 };

static int days_of(const struct cluster_picture *picture)
{
    return picture->weekdays != NULL ? DAYS : 1;
}

/* Height of one heat map with its title, axis and the space below. */
static double heat_step(const struct cluster_picture *picture, double cell_height)
{
    return 20 + days_of(picture) * cell_height + 34;
}

static int32_t heats_count(const struct cluster_picture *picture)
{
    return picture->k < MOST_HEATS ? picture->k : MOST_HEATS;
}

static int heats_across(double width)
{
    int across = (int)floor((width + ACROSS_GAP) / (LEAST_WIDTH + ACROSS_GAP));
    return across < 1 ? 1 : across;
}

static int heats_down(const struct cluster_picture *picture, double width)
{
    int across = heats_across(width);
    return (heats_count(picture) + across - 1) / across;
}

double heat_height(const struct cluster_picture *picture, double width, double cell_height)
{
    return HEADING_HEIGHT + heats_down(picture, width) * heat_step(picture, cell_height);
}

double heat_cell_height(const struct cluster_picture *picture, double width, double height)
{
    int down = heats_down(picture, width);
    double cell = ((height - HEADING_HEIGHT) / down - heat_step(picture, 0)) / days_of(picture);
    return fmin(fmax(cell, 12), 22);
}

/* counts: (k, DAYS, HOURS) */
static void count_cells(const struct cluster_picture *picture, int64_t *counts)
{
    for (int64_t i = 0; i < picture->rows; i++) {
        double hour = picture->hours[i];
        double day = picture->weekdays != NULL ? picture->weekdays[i] : 0;
        if (!(hour >= 0 && hour < HOURS && day >= 0 && day < DAYS)) continue;
        counts[((int64_t)picture->labels[i] * DAYS + (int64_t)day) * HOURS + (int64_t)hour]++;
    }
}

/* Paper, then the cluster's colour, then a dark shade of it. */
static struct colour shade(struct colour colour, double share)
{
    const struct colour black = {0, 0, 0}, lightest = {0.965, 0.965, 0.965};
    const double middle = 0.65;
    if (share < middle) return blend(lightest, colour, share / middle);
    return blend(colour, blend(colour, black, 0.6), (share - middle) / (1 - middle));
}

/* A grid of cells: its upper left corner and the size of one. */
static void draw_axes(cairo_t *cr, int days, struct box cell)
{
    set_text(cr, 9.5, false, pale_ink);
    for (int day = 0; day < days && days > 1; day++)
        draw_text(cr, cell.x - 5, cell.y + (day + 0.5) * cell.height + 3.5, ALIGN_RIGHT,
                  weekday_names[day]);
    for (int hour = 0; hour <= HOURS; hour += 6) {
        char text[8];
        snprintf(text, sizeof text, "%02d:00", hour);
        draw_text(cr, cell.x + hour * cell.width, cell.y + days * cell.height + 11.5,
                  hour == 0       ? ALIGN_LEFT
                  : hour == HOURS ? ALIGN_RIGHT
                                  : ALIGN_CENTRE,
                  text);
    }
}

/* cells: (DAYS, HOURS) of one cluster */
static void draw_one(cairo_t *cr, const struct cluster_picture *picture, int32_t cluster,
                     const int64_t *cells, double x, double y, double width, double cell_height)
{
    int days = days_of(picture);
    int64_t most = 0, total = 0;
    for (int i = 0; i < DAYS * HOURS; i++) {
        total += cells[i];
        if (cells[i] > most) most = cells[i];
    }
    char title[TITLE_ROOM], share[WORDS_ROOM], text[WORDS_ROOM + 16];
    cluster_title(picture, cluster, title);
    set_text(cr, 12, true, blend(cluster_colour(cluster), ink, 0.35));
    draw_clipped(cr, x + GUTTER, y + 12, width - GUTTER - 90, title);
    snprintf(text, sizeof text, "darkest: %s", words_share(most, total, share));
    set_text(cr, 10, false, pale_ink);
    draw_text(cr, x + width, y + 12, ALIGN_RIGHT, text);

    struct box cell = {x + GUTTER, y + 20, (width - GUTTER) / HOURS, cell_height};
    for (int i = 0; i < days * HOURS; i++) {
        double value = most == 0 ? 0 : (double)cells[i] / (double)most;
        set_colour(cr, shade(cluster_colour(cluster), value));
        int day = i / HOURS, hour = i % HOURS;
        cairo_rectangle(cr, cell.x + hour * cell.width, cell.y + day * cell.height,
                        cell.width - 0.6, cell.height - 0.6);
        cairo_fill(cr);
    }
    draw_axes(cr, days, cell);
}

int draw_heat(cairo_t *cr, const struct cluster_picture *picture, const int64_t *sizes,
              struct box box, double cell_height, struct spot_error *err)
{
    int32_t shown[MOST_HEATS], count = largest_clusters(sizes, picture->k, MOST_HEATS, shown);
    int64_t *counts = spot_alloc_zero((int64_t)picture->k * DAYS * HOURS, sizeof *counts);
    if (counts == NULL) return spot_fail_memory(err, "the picture");
    count_cells(picture, counts);
    char remark[100];
    snprintf(remark, sizeof remark, "hour of day%s, each cluster by itself",
             picture->weekdays != NULL ? " by weekday" : "");
    if (count < picture->k) snprintf(remark + strlen(remark), 30, "; the largest %d", count);
    draw_heading(cr, box.x, box.y, "When they happen", remark);
    int across = heats_across(box.width);
    double width = (box.width - (across - 1) * ACROSS_GAP) / across;
    for (int32_t i = 0; i < count; i++) {
        int row = i / across, place = i % across;
        draw_one(cr, picture, shown[i], counts + (int64_t)shown[i] * DAYS * HOURS,
                 box.x + place * (width + ACROSS_GAP),
                 box.y + HEADING_HEIGHT + row * heat_step(picture, cell_height), width,
                 cell_height);
    }
    free(counts);
    return SPOT_OK;
}
