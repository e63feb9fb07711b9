/* From text to cells: a piece of a file is taken apart slice by slice, so that the cells of a slice
 * are converted while they are in the cache. */
#ifndef SPOT_DATA_CSV_SPLIT_H
#define SPOT_DATA_CSV_SPLIT_H

#include "data/csv_plan.h"
#include "data/csv_text.h"

/* Whole records of a file that become one batch. */
struct csv_piece {
    const char *text;
    int64_t length;
    int64_t first_line; /* of text in the file, from 1 */
    int64_t lines;      /* line feeds in it */
    bool quotes, nul, high;
};

/* Bad cells and bad rows, the first few kept. */
struct csv_faults {
    struct bad_cell *list;
    int64_t count, capacity;
    int64_t cells, rows;
};

enum { CSV_FAULTS_KEPT = 8 }; /* of a batch, and of each column of a slice */

/* A cell: bytes [begin, end) of csv_cells.text. */
struct csv_cell {
    uint32_t begin, end;
};

/* The cells of a slice. One for each worker, reused; starts zeroed. */
struct csv_cells {
    const char *text; /* DECIMAL_SLACK bytes behind a cell may be read */
    int64_t rows, capacity;
    struct csv_cell *cells; /* (wanted_count, capacity): the cells of a field are neighbours */
    int64_t *lines;         /* (capacity) from the piece's first line */
    uint32_t *positions;    /* work space: separators of a slice */
    uint32_t *ends;         /* work space: the separators that are line feeds */
    int64_t positions_capacity, cells_capacity, lines_capacity, ends_capacity;
    char *bytes; /* cells with their quotes undone */
    int64_t bytes_count, bytes_capacity;
};

/* Where a piece has been read up to. */
struct csv_cursor {
    int64_t at;   /* byte of the piece */
    int64_t line; /* from the piece's first line */
    int64_t row;  /* rows delivered */
};

/* Takes the next slice apart. Bad rows are recorded or, without plan->drop, SPOT_EDATA. */
int csv_split(const struct csv_plan *plan, const struct csv_piece *piece, struct csv_cursor *cursor,
              struct csv_cells *cells, struct csv_faults *faults, struct spot_error *err);
void csv_cells_free(struct csv_cells *cells);

/* Adds a fault to the list; only SPOT_ENOMEM fails. */
int csv_fault(struct csv_faults *faults, const struct csv_plan *plan, int32_t column, int64_t row,
              int64_t line, const char *reason, struct csv_span text, struct spot_error *err);

#endif
