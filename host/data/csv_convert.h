/* The cells of one column, converted to the column's type. */
#ifndef SPOT_DATA_CSV_CONVERT_H
#define SPOT_DATA_CSV_CONVERT_H

#include "data/csv_build.h"

/* The batch that takes the values, and where its next rows begin. */
struct csv_growing {
    struct batch *batch;
    int64_t first;    /* row of the batch that the slice's first row becomes */
    bool keep_faults; /* bad cells are still recorded, not only counted */
};

/* Converts the slice's cells of column j. A bad cell becomes missing and a fault; only memory
 * fails. */
int csv_convert(const struct csv_plan *plan, const struct csv_piece *piece, int32_t j,
                struct csv_work *work, struct csv_growing *growing, struct spot_error *err);

/* Makes words ready for another batch. */
int csv_words_clear(struct csv_words *words, struct spot_error *err);

#endif
