/* The shapes of a mixture's numbers, and the memory behind them. */
#include <stdlib.h>
#include <string.h>

#include "base/memory.h"
#include "models/gmm.h"

const char *const gmm_covariance_names[] = {"full", "tied", "diag", "spherical", NULL};

int64_t gmm_covariance_count(enum spot_gmm_covariance covariance, int64_t k, int64_t columns)
{
    switch (covariance) {
    case SPOT_GMM_FULL:
        return k * columns * columns;
    case SPOT_GMM_TIED:
        return columns * columns;
    case SPOT_GMM_DIAG:
        return k * columns;
    default:
        return k;
    }
}

int64_t gmm_factor_count(enum spot_gmm_covariance covariance, int64_t k, int64_t columns)
{
    switch (covariance) {
    case SPOT_GMM_FULL:
        return k * (columns * (columns + 1) / 2);
    case SPOT_GMM_TIED:
        return columns * (columns + 1) / 2;
    default:
        return gmm_covariance_count(covariance, k, columns);
    }
}

double gmm_free_parameters(enum spot_gmm_covariance covariance, int32_t k, int32_t columns)
{
    return (double)gmm_factor_count(covariance, k, columns) + (double)k * columns + k - 1.0;
}

int gmm_parameters_open(struct gmm_parameters *p, int32_t k, int32_t columns,
                        enum spot_gmm_covariance covariance)
{
    *p = (struct gmm_parameters){
        .k = k,
        .columns = columns,
        .covariance = covariance,
        .weights = spot_alloc_zero(k, sizeof(double)),
        .means = spot_alloc_zero((int64_t)k * columns, sizeof(double)),
        .covariances =
            spot_alloc_zero(gmm_covariance_count(covariance, k, columns), sizeof(double)),
        .factors = spot_alloc_zero(gmm_factor_count(covariance, k, columns), sizeof(double))};
    if (p->weights != NULL && p->means != NULL && p->covariances != NULL && p->factors != NULL)
        return SPOT_OK;
    gmm_parameters_close(p);
    return SPOT_ENOMEM;
}

void gmm_parameters_close(struct gmm_parameters *p)
{
    free(p->weights);
    free(p->means);
    free(p->covariances);
    free(p->factors);
    memset(p, 0, sizeof *p);
}

void gmm_parameters_copy(struct gmm_parameters *to, const struct gmm_parameters *from)
{
    const int64_t k = from->k, d = from->columns;
    memcpy(to->weights, from->weights, (size_t)k * sizeof(double));
    memcpy(to->means, from->means, (size_t)(k * d) * sizeof(double));
    memcpy(to->covariances, from->covariances,
           (size_t)gmm_covariance_count(from->covariance, k, d) * sizeof(double));
    memcpy(to->factors, from->factors,
           (size_t)gmm_factor_count(from->covariance, k, d) * sizeof(double));
}

struct mixture_parameters gmm_view(const struct gmm_parameters *p)
{
    return (struct mixture_parameters){.k = p->k,
                                       .columns = p->columns,
                                       .covariance = (enum mixture_covariance)p->covariance,
                                       .weights = p->weights,
                                       .means = p->means,
                                       .factors = p->factors};
}

spot_gmm *gmm_new(int32_t k, int32_t columns, enum spot_gmm_covariance covariance)
{
    spot_gmm *model = calloc(1, sizeof *model);
    if (model == NULL) return NULL;
    if (gmm_parameters_open(&model->parameters, k, columns, covariance) < 0) {
        free(model);
        return NULL;
    }
    model->result = (struct spot_gmm_result){.k = k,
                                             .columns = columns,
                                             .covariance = covariance,
                                             .weights = model->parameters.weights,
                                             .means = model->parameters.means,
                                             .covariances = model->parameters.covariances};
    return model;
}

void spot_gmm_free(spot_gmm *model)
{
    if (model == NULL) return;
    gmm_parameters_close(&model->parameters);
    free(model);
}
