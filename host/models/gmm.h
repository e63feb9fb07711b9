/* Gaussian mixtures in the engine: what spot_gmm is made of, and the rules between two passes. */
#ifndef SPOT_MODELS_GMM_H
#define SPOT_MODELS_GMM_H

#include <cjson/cJSON.h>

#include "backend/engine.h"

/* A mixture. factors: F lower triangular with F^T F = precision, as in struct mixture_parameters.
 */
struct gmm_parameters {
    int32_t k, columns;
    enum spot_gmm_covariance covariance;
    double *weights;     /* (k) */
    double *means;       /* (k, columns) */
    double *covariances; /* in the shape of the covariance type */
    double *factors;     /* full (k, triangle), tied (triangle), diag (k, columns), spherical (k) */
};

struct spot_gmm {
    struct spot_gmm_result result; /* its pointers are the arrays below */
    struct gmm_parameters parameters;
};

/* Numbers in the covariances, and in the factors. */
int64_t gmm_covariance_count(enum spot_gmm_covariance covariance, int64_t k, int64_t columns);
int64_t gmm_factor_count(enum spot_gmm_covariance covariance, int64_t k, int64_t columns);

/* Free parameters, for BIC and AIC. */
double gmm_free_parameters(enum spot_gmm_covariance covariance, int32_t k, int32_t columns);

/* "full", "tied", "diag", "spherical", NULL. */
extern const char *const gmm_covariance_names[];

int gmm_parameters_open(struct gmm_parameters *p, int32_t k, int32_t columns,
                        enum spot_gmm_covariance covariance);
void gmm_parameters_close(struct gmm_parameters *p);
void gmm_parameters_copy(struct gmm_parameters *to, const struct gmm_parameters *from);

/* The view that backends take. */
struct mixture_parameters gmm_view(const struct gmm_parameters *p);

/* A model of this shape with zeroed arrays, or NULL. */
spot_gmm *gmm_new(int32_t k, int32_t columns, enum spot_gmm_covariance covariance);

/* ---- Between two passes (gmm_update.c) ------------------------------------------------------- */

/* What does not change during a fit. */
struct gmm_constants {
    double weight; /* sum of the sample weights */
    double rows;   /* original rows */
    double reg_covar;
    double *centre;  /* tied: (columns) mean of the data */
    double *scatter; /* tied: (triangle) sum of w (x - centre) (x - centre)^T */
};

/* The M step: parameters from the sums of a pass made with p->means. SPOT_EDATA when a covariance
 * is singular. */
int gmm_update(struct gmm_parameters *p, const struct mixture_partial *partial,
               const struct gmm_constants *constants, struct spot_error *err);

/* factors from covariances; SPOT_EDATA names the component. */
int gmm_factorise(struct gmm_parameters *p, double reg_covar, struct spot_error *err);

/* factors from precisions in the covariances' shape; SPOT_EDATA when one is not positive definite.
 */
int gmm_take_precisions(struct gmm_parameters *p, const double *precisions, struct spot_error *err);

/* Rows first .. first + rows - 1 of those that spot_gmm_sample draws (gmm_sample.c). */
void gmm_sample_rows(const spot_gmm *model, uint64_t seed, int64_t first, int64_t rows,
                     double *values, int32_t *labels);

/* ---- The document (gmm_file.c) --------------------------------------------------------------- */

/* The "gmm" object of a model document, or NULL without memory. */
cJSON *gmm_to_json(const spot_gmm *model);

/* path: of the document, for messages. *model is NULL on failure. */
int gmm_from_json(const char *path, const cJSON *node, int32_t columns, spot_gmm **model,
                  struct spot_error *err);

#endif
