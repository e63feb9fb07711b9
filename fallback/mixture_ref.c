/* Gaussian mixtures on one block of rows, in plain C: the truth that every other variant is tested
 * against. Everything is centred on the component's mean, so nothing cancels. */
#include "fallback/mixture_kernels.h"

#include "numerics/explog.h"

/* ---- Densities ------------------------------------------------------------------------------- */

/* |F z|^2, F a lower triangle. */
static double triangle_norm(const double *factor, const double *z, int32_t columns)
{
    double sum = 0.0;
    for (int32_t i = 0; i < columns; i++) {
        double y = 0.0;
        for (int32_t j = 0; j <= i; j++)
            y += *factor++ * z[j];
        sum += y * y;
    }
    return sum;
}

/* |F (x - centre) - F (mean - centre)|^2 with the factor that all components share. */
static double tied_norm(const struct mixture_pack *pack, int32_t c, const double *z)
{
    const double *factor = pack->factors;
    const double *image = pack->images + (int64_t)c * pack->columns;
    double sum = 0.0;
    for (int32_t i = 0; i < pack->columns; i++) {
        double y = -image[i];
        for (int32_t j = 0; j <= i; j++)
            y += *factor++ * z[j];
        sum += y * y;
    }
    return sum;
}

static double scaled_norm(const double *factor, int32_t step, const double *z, int32_t columns)
{
    double sum = 0.0;
    for (int32_t j = 0; j < columns; j++) {
        double y = factor[j * step] * z[j];
        sum += y * y;
    }
    return sum;
}

static double squared_norm(const struct mixture_pack *pack, int32_t c, const double *z)
{
    int64_t d = pack->columns;
    switch (pack->covariance) {
    case MIXTURE_FULL:
        return triangle_norm(pack->factors + c * (d * (d + 1) / 2), z, pack->columns);
    case MIXTURE_TIED:
        return tied_norm(pack, c, z);
    case MIXTURE_DIAG:
        return scaled_norm(pack->factors + c * d, 1, z, pack->columns);
    default:
        return scaled_norm(pack->factors + c, 0, z, pack->columns);
    }
}

static void densities_ref(const struct mixture_pack *pack, struct block_values x, double *space,
                          double *density)
{
    const int32_t d = pack->columns;
    for (int32_t c = 0; c < pack->k; c++) {
        const double *centre =
            pack->covariance == MIXTURE_TIED ? pack->centre : pack->means + (int64_t)c * d;
        for (int32_t i = 0; i < BLOCK_ROWS; i++) {
            for (int32_t j = 0; j < d; j++)
                space[j] = block_value(block_from(x, i), j) - centre[j];
            double log_density = pack->log_scales[c] - 0.5 * squared_norm(pack, c, space);
            /* The comparison is false for NaN. */
            density[(int64_t)c * BLOCK_ROWS + i] =
                log_density > MIXTURE_FLOOR ? log_density : MIXTURE_FLOOR;
        }
    }
}

/* ---- Responsibilities ------------------------------------------------------------------------ */

static double responsibilities_ref(const struct mixture_pack *pack, const double *weights,
                                   double *density, double *log_likelihood)
{
    const int32_t k = pack->k;
    double total = 0.0;
    for (int32_t i = 0; i < BLOCK_ROWS; i++) {
        double largest = density[i], sum = 0.0;
        for (int32_t c = 1; c < k; c++)
            largest = fmax(largest, density[(int64_t)c * BLOCK_ROWS + i]);
        for (int32_t c = 0; c < k; c++) {
            double *r = density + (int64_t)c * BLOCK_ROWS + i;
            *r = *r - largest < pack->cutoffs[c] ? 0.0 : spot_exp(*r - largest);
            sum += *r;
        }
        for (int32_t c = 0; c < k; c++)
            density[(int64_t)c * BLOCK_ROWS + i] *= weights[i] / sum;
        log_likelihood[i] = largest + spot_log(sum);
        total += weights[i] * log_likelihood[i];
    }
    return total;
}

/* ---- Sums ------------------------------------------------------------------------------------ */

/* One row z of weight w into a component's sums: weight, means, squares. */
static void add_row(enum mixture_covariance covariance, int32_t columns, const double *z, double w,
                    double *sums)
{
    double *means = sums + 1, *squares = means + columns, norm = 0.0;
    sums[0] += w;
    for (int32_t i = 0; i < columns; i++) {
        double wz = w * z[i];
        means[i] += wz;
        norm += wz * z[i];
        if (covariance == MIXTURE_DIAG) squares[i] += wz * z[i];
        if (covariance != MIXTURE_FULL) continue;
        for (int32_t j = 0; j <= i; j++)
            *squares++ += wz * z[j];
    }
    if (covariance == MIXTURE_SPHERICAL) squares[0] += norm;
}

static void add_ref(const struct mixture_pack *pack, struct block_values x,
                    const double *responsibilities, double *space, double *sums)
{
    const int64_t d = pack->columns, terms = mixture_terms(pack->covariance, pack->columns);
    for (int32_t c = 0; c < pack->k; c++)
        for (int32_t i = 0; i < BLOCK_ROWS; i++) {
            double r = responsibilities[(int64_t)c * BLOCK_ROWS + i];
            if (r == 0.0) continue;
            for (int32_t j = 0; j < d; j++)
                space[j] = block_value(block_from(x, i), j) - pack->means[c * d + j];
            add_row(pack->covariance, pack->columns, space, r, sums + c * terms);
        }
}

static void collect_ref(enum mixture_covariance covariance, int32_t columns, const double *sums,
                        double *plain)
{
    memcpy(plain, sums, (size_t)mixture_terms(covariance, columns) * sizeof *plain);
}

const struct mixture_kernels *mixture_kernels_ref(void)
{
    static const struct mixture_kernels kernels = {
        .name = "ref",
        .densities = densities_ref,
        .responsibilities = responsibilities_ref,
        .add = add_ref,
        .sums_room = mixture_terms,
        .collect = collect_ref,
    };
    return &kernels;
}
