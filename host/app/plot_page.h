/* A page and how it becomes a file, whatever is drawn on it. */
#ifndef SPOT_APP_PLOT_PAGE_H
#define SPOT_APP_PLOT_PAGE_H

#include "app/plot_parts.h"

struct page {
    double width, height;                                              /* points */
    int (*draw)(cairo_t *cr, const void *arg, struct spot_error *err); /* on paper */
    const void *arg;
};

/* Cairo's bytes, kept until the page is done: an SVG is renumbered before it is written. */
struct page_bytes {
    unsigned char *bytes; /* the caller frees them */
    int64_t count, capacity;
};

/* Draws and writes through a temporary file; SVG or PNG by the name's ending. Errors: SPOT_EUSAGE
 * (another ending), SPOT_EIO, SPOT_ENOMEM. */
int page_draw(const char *path, const struct page *page, struct spot_error *err);

/* The same in three steps. */
int page_format(const char *path, bool *svg, struct spot_error *err);
int page_render(const struct page *page, bool svg, struct page_bytes *output,
                struct spot_error *err);
int page_save(const char *path, bool svg, const struct page_bytes *output, struct spot_error *err);

#endif
