/* Batches: see table.h. */
#include <stdlib.h>

#include "data/table.h"

int64_t batch_line(const struct batch *batch, int64_t row)
{
    return batch->first_line + (batch->lines != NULL ? batch->lines[row] : row);
}

void batch_free(struct batch *batch)
{
    if (batch == NULL) return;
    for (int32_t j = 0; batch->columns != NULL && j < batch->columns_count; j++) {
        struct column *column = &batch->columns[j];
        free(column->values);
        free(column->codes);
        free(column->dictionary.bytes);
        free(column->dictionary.offsets);
        free(column->text_offsets);
        free(column->text_bytes);
    }
    free(batch->columns);
    free(batch->lines);
    free(batch->bad);
    free(batch);
}
