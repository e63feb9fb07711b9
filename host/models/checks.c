#include "models/checks.h"

#include <math.h>
#include <stddef.h>

#include "base/error.h"

int check_matrix(const struct spot_matrix *data, struct spot_error *err)
{
    if (data->columns < 1)
        return spot_fail(err, SPOT_EDATA, "the data has no columns; choose at least one feature");
    if (data->rows < 1) return spot_fail(err, SPOT_EDATA, "the data has no rows");
    const int given = (data->values != NULL) + (data->values64 != NULL) + (data->reader != NULL);
    if (given == 0) return spot_fail(err, SPOT_EDATA, "the data has neither values nor a reader");
    if (given > 1)
        return spot_fail(err, SPOT_EDATA,
                         "the data has more than one of values, values64 and a reader");
    if (data->reader != NULL && (data->reader->read != NULL) == (data->reader->read64 != NULL))
        return spot_fail(err, SPOT_EDATA, "the reader has to have one of read and read64");
    if (data->rows > INT64_MAX / 64 / data->columns)
        return spot_fail(err, SPOT_EDATA, "%lld rows of %d columns are too many",
                         (long long)data->rows, (int)data->columns);
    return SPOT_OK;
}

int check_shared_options(const struct shared_options *options, const struct spot_matrix *data,
                         struct spot_error *err)
{
    if (options->k < 1)
        return spot_fail(err, SPOT_EUSAGE, "k = %d: %s", (int)options->k, options->least);
    if (options->k > data->rows)
        return spot_fail(err, SPOT_EDATA, "k = %d is more than the %lld rows; choose a smaller k",
                         (int)options->k, (long long)data->rows);
    if (options->max_iter < 1)
        return spot_fail(err, SPOT_EUSAGE, "max_iter = %d: at least one iteration is needed",
                         (int)options->max_iter);
    if (!(options->tol >= 0) || isinf(options->tol))
        return spot_fail(err, SPOT_EUSAGE, "tol = %g: it is finite and not negative", options->tol);
    if (options->n_init < 0)
        return spot_fail(err, SPOT_EUSAGE, "n_init = %d: it is 1 or more, or 0 for the default",
                         (int)options->n_init);
    if (options->batch_rows < 0)
        return spot_fail(err, SPOT_EUSAGE,
                         "batch_rows = %lld: it is 1 or more, or 0 for the default",
                         (long long)options->batch_rows);
    if (options->compact < -1 || options->compact > 1)
        return spot_fail(err, SPOT_EUSAGE, "compact = %d: choose 1, 0 or -1",
                         (int)options->compact);
    return SPOT_OK;
}
