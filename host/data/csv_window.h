/* A window onto a file: some chunks of its text in memory at once, cut into pieces of whole records
 * that can be parsed on any thread. While one window is parsed the next is filled.
 *
 * A piece holds the records that begin in one chunk, and chunks begin at multiples of CSV_CHUNK in
 * the file, so pieces do not depend on the windows. A window's last piece is not complete before
 * the next window is there: it moves over as a whole. */
#ifndef SPOT_DATA_CSV_WINDOW_H
#define SPOT_DATA_CSV_WINDOW_H

#include <stdatomic.h>

#include "base/pool.h"
#include "data/csv_scan.h"
#include "data/csv_split.h"
#include "data/source.h"

struct csv_window {
    char *memory; /* room for what the window before leaves over, then (chunks) chunks */
    char *fill;   /* where the chunks begin */
    int64_t chunks;
    int64_t offset;            /* of the first chunk in the file */
    int64_t filled;            /* bytes of the chunks that have been read */
    struct csv_census *census; /* (chunks) */
    struct csv_census left_over;
    bool last;               /* the file ends with it */
    int status;              /* of reading */
    struct spot_error error; /* of reading */
    atomic_flag failed;      /* a fill task has written status and error */

    const char *begin, *end;  /* the text, left-over part included */
    struct csv_piece *pieces; /* (pieces_count) complete ones */
    int64_t pieces_count, pieces_capacity;
};

/* Where the text that has not become pieces begins. */
struct csv_place {
    const char *text; /* in a window, up to that window's end */
    int64_t length;
    int64_t line;  /* of text in the file, from 1 */
    bool skipping; /* within a line over the limit, already reported: skip to its end */
};

int csv_window_open(int64_t chunks, struct csv_window *window, struct spot_error *err);
void csv_window_close(struct csv_window *window);

/* Says what comes into the window: the text from offset. Returns the number of fill tasks, which
 * may run at once; each leaves its error in the window. */
int64_t csv_window_prepare(struct csv_window *window, const struct source *source, int64_t offset);
void csv_window_fill(struct csv_window *window, struct source *source, int64_t task);

/* Cuts a filled window into pieces. place: what the window before left over (for the first window:
 * length 0, text the byte after the header, in this window); becomes what this one leaves. */
int csv_window_settle(struct csv_window *window, char delimiter, struct spot_pool *pool,
                      struct csv_place *place, struct spot_error *err);

#endif
