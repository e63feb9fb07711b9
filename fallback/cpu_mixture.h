/* A pass over the rows for a mixture, shared by fitting (cpu_mixture.c) and scoring
 * (cpu_mixture_score.c). */
#ifndef SPOT_FALLBACK_CPU_MIXTURE_H
#define SPOT_FALLBACK_CPU_MIXTURE_H

#include "fallback/cpu.h"
#include "fallback/mixture_kernels.h"

/* The pack with the memory behind it. */
struct mixture_space {
    struct mixture_pack pack;
    double *log_scales, *cutoffs, *means, *centre, *centred, *images, *rests;
};

int mixture_space_open(struct mixture_space *space, int32_t k, int32_t columns,
                       enum mixture_covariance covariance);
void mixture_space_close(struct mixture_space *space);

/* Fills the pack; offset (columns) is taken off the means, NULL: none. factors are borrowed. */
void mixture_pack_fill(struct mixture_space *space, const struct mixture_parameters *parameters,
                       const double *offset);

/* After a fill, for sums: shares too small to matter in them become 0, some unseen. */
void mixture_pack_cut(struct mixture_space *space, const struct mixture_parameters *parameters);

/* Scalar operations a row costs, about: its terms in densities and sums, and an exp a component. */
static inline double mixture_work(const struct mixture_pack *pack)
{
    return pack->k * (2.0 * (double)mixture_terms(pack->covariance, pack->columns) + 30.0);
}

int cpu_mixture_score64(struct backend *backend, const struct mixture_parameters *parameters,
                        int64_t rows, const double *values, int32_t *labels,
                        double *responsibilities, double *log_likelihood, struct spot_error *err);
int cpu_mixture_score(struct backend *backend, const struct mixture_parameters *parameters,
                      int64_t rows, const float *values, int32_t *labels, double *responsibilities,
                      double *log_likelihood, struct spot_error *err);

#endif
