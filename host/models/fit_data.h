/* The rows of a fit on their way to a device: statistics, equal rows merged, and the handle that
 * owns them there. Several runs, of several models, may work on one. */
#ifndef SPOT_MODELS_FIT_DATA_H
#define SPOT_MODELS_FIT_DATA_H

#include "backend/engine.h"
#include "data/compact.h"
#include "models/statistics.h"

struct fit_data {
    spot_engine *engine;
    const struct spot_matrix *matrix;
    struct statistics statistics;
    struct compacted compacted; /* groups 0: rows as they came */
    struct backend_data *handle;
};

struct fit_data_options {
    const double *centres; /* (k, columns) that distances are measured to as well, or NULL */
    int32_t k;
    bool spherical;     /* rows have length one, and so will centres */
    int32_t compact;    /* 1 yes, 0 no, -1 when it pays */
    int64_t batch_rows; /* 0: all at once */
};

/* The matrix is borrowed until fit_data_close, which is due after a failure too and safe on a
 * zeroed struct with an engine. */
int fit_data_open(struct fit_data *data, spot_engine *engine, const struct spot_matrix *matrix,
                  const struct fit_data_options *options, struct spot_error *err);
void fit_data_close(struct fit_data *data);

/* Rows of the handle. */
int64_t fit_data_rows(const struct fit_data *data);

/* The row of the handle that an original row is part of, and how many it stands for. */
int64_t fit_data_row(const struct fit_data *data, int64_t original);
int64_t fit_data_copies(const struct fit_data *data, int64_t row);

#endif
