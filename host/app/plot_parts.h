/* What the parts of a picture share: colours, text, and the panels. Lengths are points on a page
 * whose origin is the upper left corner. */
#ifndef SPOT_APP_PLOT_PARTS_H
#define SPOT_APP_PLOT_PARTS_H

#include <cairo.h>
#include <stdbool.h>

#include "app/plot.h"

struct colour {
    double red, green, blue; /* 0 .. 1 */
};

struct box {
    double x, y, width, height;
};

enum text_align { ALIGN_LEFT, ALIGN_CENTRE, ALIGN_RIGHT };

enum { COLOURS = 12, TITLE_ROOM = 80, HEADING_HEIGHT = 30 };

extern const struct colour ink, pale_ink, rule_colour, paper;

/* Clusters beyond COLOURS begin again with the first colour. */
struct colour cluster_colour(int32_t cluster);
struct colour blend(struct colour from, struct colour to, double share);
void set_colour(cairo_t *cr, struct colour colour);

/* x is the left end, the middle or the right end; y the base line. */
void draw_text(cairo_t *cr, double x, double y, enum text_align align, const char *text);
/* The same at the left, cut where it is wider. */
void draw_clipped(cairo_t *cr, double x, double y, double width, const char *text);
void set_text(cairo_t *cr, double size, bool bold, struct colour colour);
double text_width(cairo_t *cr, const char *text);

/* The heading of a panel and, behind it, a remark. Takes HEADING_HEIGHT. */
void draw_heading(cairo_t *cr, double x, double y, const char *heading, const char *remark);

/* The cluster's title, cut to TITLE_ROOM bytes at a character. */
void cluster_title(const struct cluster_picture *picture, int32_t cluster, char title[TITLE_ROOM]);

/* The `most` largest clusters in ascending order; returns how many. shown: (most) */
int32_t largest_clusters(const int64_t *sizes, int32_t k, int32_t most, int32_t *shown);

/* Panels. sizes: (k) rows of each cluster. */
double bars_height(const struct cluster_picture *picture);
void draw_bars(cairo_t *cr, const struct cluster_picture *picture, const int64_t *sizes,
               struct box box);

/* The cells of the heat maps may be made higher, so that a panel fills a given height. */
double heat_height(const struct cluster_picture *picture, double width, double cell_height);
double heat_cell_height(const struct cluster_picture *picture, double width, double height);
int draw_heat(cairo_t *cr, const struct cluster_picture *picture, const int64_t *sizes,
              struct box box, double cell_height, struct spot_error *err);

enum { MAP_HEAD = HEADING_HEIGHT, MAP_FOOT = 38, MAP_AXIS = 48 }; /* around a map's frame */

/* The part of the plane that a map shows. */
struct map_frame {
    double west, east, south, north;
    bool degrees;      /* else any unit of length */
    double aspect;     /* width by height on paper; 0 when there is nothing to show */
    double resolution; /* pixels of the map in a point of the page */
};
int map_measure(const struct cluster_picture *picture, struct map_frame *frame,
                struct spot_error *err);
int draw_map(cairo_t *cr, const struct cluster_picture *picture, const struct map_frame *frame,
             struct box box, struct spot_error *err);

#endif
