/* The first steps a batch takes both when it is observed and when it is encoded: which rows stay,
 * and the values of a feature, a column at a time. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "base/memory.h"
#include "data/calendar.h"
#include "data/encoder_internal.h"

/* Clears stays[i] where the feature is missing. */
static void mark_missing(const struct feature *feature, const struct batch *batch, uint8_t *stays)
{
    const struct column *cells = &batch->columns[feature->columns[0]];
    int64_t rows = batch->rows;
    if (cells->codes != NULL) {
        for (int64_t i = 0; i < rows; i++)
            stays[i] &= (uint8_t)(cells->codes[i] >= 0);
        return;
    }
    if (feature->columns_count == 3) {
        const double *years = cells->values;
        const double *months = batch->columns[feature->columns[1]].values;
        const double *days = batch->columns[feature->columns[2]].values;
        for (int64_t i = 0; i < rows; i++)
            stays[i] &= (uint8_t)is_date(years[i], months[i], days[i]);
        return;
    }
    double limit = feature->derive == DERIVE_NONE ? INFINITY : DERIVE_LIMIT;
    for (int32_t c = 0; c < feature->columns_count; c++) {
        const double *values = batch->columns[feature->columns[c]].values;
        for (int64_t i = 0; i < rows; i++)
            stays[i] &= (uint8_t)(fabs(values[i]) < limit);
    }
}

/* The numbers of the rows that impute: drop_row leaves in. */
static int list_kept(struct pass *pass)
{
    int64_t rows = pass->batch->rows;
    uint8_t *stays = spot_alloc(rows, 1);
    if (stays == NULL) return SPOT_ENOMEM;
    memset(stays, 1, (size_t)rows);
    for (int32_t f = 0; f < pass->encoder->count; f++)
        if (pass->encoder->features[f].impute == IMPUTE_DROP_ROW)
            mark_missing(&pass->encoder->features[f], pass->batch, stays);
    pass->kept = 0;
    for (int64_t i = 0; i < rows; i++)
        pass->kept += stays[i];
    if (pass->kept < rows) {
        pass->index = spot_alloc(pass->kept, sizeof *pass->index);
        int64_t at = 0;
        for (int64_t i = 0; i < rows && pass->index != NULL; i++)
            if (stays[i]) pass->index[at++] = (int32_t)i;
    }
    free(stays);
    return pass->kept < rows && pass->index == NULL ? SPOT_ENOMEM : SPOT_OK;
}

int pass_open(struct pass *pass, const struct encoder *encoder, const struct batch *batch,
              struct spot_error *err)
{
    *pass = (struct pass){.encoder = encoder, .batch = batch, .kept = batch->rows};
    bool drops = false;
    for (int32_t f = 0; f < encoder->count; f++)
        drops = drops || encoder->features[f].impute == IMPUTE_DROP_ROW;
    pass->scratch = spot_alloc(batch->rows, 2 * sizeof *pass->scratch);
    int status = pass->scratch == NULL || batch->rows > INT32_MAX ? SPOT_ENOMEM : SPOT_OK;
    if (status == SPOT_OK && drops) status = list_kept(pass);
    if (status == SPOT_OK) return SPOT_OK;
    pass_close(pass);
    return spot_fail_memory(err, "encoding a batch");
}

void pass_close(struct pass *pass)
{
    free(pass->index);
    free(pass->scratch);
    memset(pass, 0, sizeof *pass);
}

/* A column without the rows that go; in `room` when there are such rows. */
static const double *gather(const struct pass *pass, int32_t column, double *room)
{
    const double *values = pass->batch->columns[column].values;
    if (pass->index == NULL) return values;
    for (int64_t i = 0; i < pass->kept; i++)
        room[i] = values[pass->index[i]];
    return room;
}

const double *pass_values(struct pass *pass, const struct feature *feature)
{
    double *scratch = pass->scratch, *second = pass->scratch + pass->batch->rows;
    const int32_t *columns = feature->columns;
    if (feature->columns_count == 3) {
        for (int64_t i = 0; i < pass->kept; i++) {
            int64_t row = pass_row(pass, i);
            derive_dates(&pass->batch->columns[columns[0]].values[row],
                         &pass->batch->columns[columns[1]].values[row],
                         &pass->batch->columns[columns[2]].values[row], 1, &scratch[i]);
        }
        derive_times(feature->derive, scratch, pass->kept, scratch);
        return scratch;
    }
    const double *values = gather(pass, columns[0], scratch);
    if (feature->columns_count == 2) {
        const double *taken = gather(pass, columns[1], second);
        for (int64_t i = 0; i < pass->kept; i++)
            scratch[i] = values[i] - taken[i];
        return scratch;
    }
    if (feature->derive == DERIVE_NONE) return values;
    derive_times(feature->derive, values, pass->kept, scratch);
    return scratch;
}
