/* What every fit asks of its data and of the options that all models share. */
#ifndef SPOT_MODELS_CHECKS_H
#define SPOT_MODELS_CHECKS_H

#include "blackspot.h"

struct shared_options {
    const char *least; /* why k = 0 makes no sense: "a clustering has at least one cluster" */
    int32_t k, n_init, max_iter;
    double tol;
    int64_t batch_rows;
    int32_t compact;
};

/* At least one row and one column, and no more than can be counted. */
int check_matrix(const struct spot_matrix *data, struct spot_error *err);

int check_shared_options(const struct shared_options *options, const struct spot_matrix *data,
                         struct spot_error *err);

#endif
