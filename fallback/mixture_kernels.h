/* What an instruction set brings to Gaussian mixtures: the inner loops over one block of rows (see
 * kmeans_kernels.h for its layout), in float64. The portable reference fills the table, AVX2 and
 * AVX-512 override it. Bits may differ between instruction sets, but not with threads or batches.
 */
#ifndef SPOT_FALLBACK_MIXTURE_KERNELS_H
#define SPOT_FALLBACK_MIXTURE_KERNELS_H

#include "backend/backend.h"
#include "fallback/kmeans_wide.h"

/* Shares below this times the component's weight count as 0. */
#define MIXTURE_LOG_NEGLIGIBLE (-83.177661667193436) /* log 2^-120 */

/* No log density is below it, so that differences of two are never NaN. */
#define MIXTURE_FLOOR (-1e290)

/* The parameters of one pass, ready for the kernels. */
struct mixture_pack {
    int32_t k, columns;
    enum mixture_covariance covariance;
    const double *log_scales; /* (k) log weight + log |F| - columns/2 log(2 pi) */
    const double *means;      /* (k, columns) without the data's offset */
    const double *factors;    /* as in struct mixture_parameters */
    const double *cutoffs;    /* (k) logs of shares; smaller ones are 0 (docs/exactness.md) */
    const double *centre;     /* (stride) the middle of the means, without offset */
    const double *centred;    /* (k, stride) means - centre; stride: padded_columns(), then 0 */
    const double *images;     /* (k, columns) F (mean - centre) */
    int32_t head;             /* rows of F that bound a density; 0: no near_densities() */
    const double *rests;      /* (k, columns + 1, stride) the columns of the other rows of F, filled
                                 up with 0, and at last of the images */
};

struct mixture_kernels {
    const char *name;

    /* log weight_c + log N(x_i | c): density (k, BLOCK_ROWS), never below MIXTURE_FLOOR. */
    void (*densities)(const struct mixture_pack *pack, struct block_values x, double *space,
                      double *density);

    /* The same for a mixture with a head, MIXTURE_FLOOR where a row's share is below the
     * component's cutoff. Returns 0 where so many are not that densities() is cheaper: it is still
     * to be done. May be NULL. */
    int (*near_densities)(const struct mixture_pack *pack, struct block_values x, double *space,
                          double *density);

    /* Turns log densities (k, BLOCK_ROWS) into weights[i] * responsibility. log_likelihood
     * (BLOCK_ROWS) gets the log of the row's density; returns its sum times the weights. */
    double (*responsibilities)(const struct mixture_pack *pack, const double *weights,
                               double *density, double *log_likelihood);

    /* Adds the block to the sums of all components: (k, sums_room) in an order of its own. x of
     * NULLs: the block that near_densities() left in space. */
    void (*add)(const struct mixture_pack *pack, struct block_values x,
                const double *responsibilities, double *space, double *sums);
    int64_t (*sums_room)(enum mixture_covariance covariance, int32_t columns);

    /* The sums of one component in plain order: weight, means (columns), squares. */
    void (*collect)(enum mixture_covariance covariance, int32_t columns, const double *sums,
                    double *plain);
};

/* Doubles of work space that densities() and add() may use. */
static inline int64_t mixture_space(int32_t columns)
{
    return 3 * ((int64_t)columns + 8) * BLOCK_ROWS;
}

/* Numbers of a component in plain order. */
static inline int64_t mixture_terms(enum mixture_covariance covariance, int32_t columns)
{
    int64_t d = columns;
    switch (covariance) {
    case MIXTURE_FULL:
        return 1 + d + d * (d + 1) / 2;
    case MIXTURE_TIED:
        return 1 + d;
    case MIXTURE_DIAG:
        return 1 + 2 * d;
    default:
        return 2 + d;
    }
}

/* Each variant; the caller asks cpu_detect.h before it uses one. */
const struct mixture_kernels *mixture_kernels_ref(void);
const struct mixture_kernels *mixture_kernels_avx2(void);
const struct mixture_kernels *mixture_kernels_avx512(void);

#endif
