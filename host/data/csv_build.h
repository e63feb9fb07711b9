/* From cells to columns: a batch under construction. */
#ifndef SPOT_DATA_CSV_BUILD_H
#define SPOT_DATA_CSV_BUILD_H

#include "data/csv_split.h"

/* A hash table over a dictionary under construction. */
struct csv_words {
    struct csv_word *slots; /* (mask + 1), a power of two */
    uint32_t mask;
    int64_t bytes_count, bytes_capacity, offsets_capacity; /* of the dictionary */
};

/* One for each worker, reused from batch to batch; starts zeroed. */
struct csv_work {
    struct csv_cells cells;
    struct csv_faults faults;
    struct csv_words *words; /* (words_count), one for each spec */
    int32_t words_count;
    char *scratch; /* a cell in UTF-8 or a date joined with its time */
    int64_t scratch_capacity;
};

/* Splits and converts a piece. The caller frees *batch. first_row and user are left zero.
 * Errors: SPOT_EDATA (a bad row and not plan->drop), SPOT_EFORMAT (no UTF-8), SPOT_ENOMEM. */
int csv_build(const struct csv_plan *plan, const struct csv_piece *piece, struct csv_work *work,
              struct batch **batch, struct spot_error *err);
void csv_work_free(struct csv_work *work);

#endif
