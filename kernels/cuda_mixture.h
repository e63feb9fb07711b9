/* Gaussian mixtures on the device, shared by their files: how a pass is cut, the parameters as
 * kernels want them, and what the kernels are handed. All arithmetic is float64. */
#ifndef SPOT_KERNELS_CUDA_MIXTURE_H
#define SPOT_KERNELS_CUDA_MIXTURE_H

#include "kernels/handles.h"

enum { MIXTURE_THREADS = 128, MIXTURE_GROUP = 4, MIXTURE_HEIGHT = 8 };

/* No log density is below it, so that differences of two are never NaN. */
#define CUDA_MIXTURE_FLOOR (-1e290)

enum cuda_mixture_mode { BY_DENSITY, LIKELIHOOD_ONLY, BY_LABEL, BY_DRAW };

/* The three ways that densities are computed; spherical is diagonal here. */
enum cuda_mixture_kind { BY_TRIANGLES, BY_SHARED_TRIANGLE, BY_SCALES };

/* How the rows are cut: by the shape of the problem alone, so that no bit depends on the card. */
struct cuda_mixture_cut {
    int32_t tile_bits; /* 2^tile_bits rows are worked on at a time: 32, 64 or 128 */
    int32_t slabs;     /* parts of a tile whose sums are kept apart, so that threads have work */
    int32_t shared;    /* the sums of a task lie in shared memory; if not, slabs is 1 */
    int64_t task_rows, tasks;
    int64_t terms; /* sums of a component: weight, means, squares */
    int64_t part;  /* doubles of a task: log-likelihood, (k, terms) */
};

/* A number and its image, so that the distance of x is fma(factor, x, -image). */
struct alignas(16) cuda_mixture_scale {
    double factor, image;
};

/* The parameters of a pass. Padding is 0, or log densities at the floor. */
struct cuda_mixture_model {
    int32_t k, columns;
    enum cuda_mixture_kind kind;
    const double *centre;                    /* (columns to 4) the middle of the means */
    const double *log_scales;                /* (k to 4) log weight + log |F| - d/2 log(2 pi) */
    const double *cutoffs;                   /* (k to 4) logs of shares; smaller ones are 0 */
    const double *means;                     /* (k, columns to 4) means - centre */
    const double *images;                    /* (k, columns to 8) F (mean - centre): triangles */
    const double *triangles;                 /* (k or 1, cuda_triangle()) F in blocks of 8 rows */
    const struct cuda_mixture_scale *scales; /* (k to 4 by fours, columns, 4); not triangles */
};

/* Where a block keeps its arrays: doubles from the start of its shared memory, or of its scratch in
 * global memory, which begins at MIXTURE_IN_SCRATCH. */
enum { MIXTURE_IN_SCRATCH = 1 << 24 };

struct cuda_mixture_places {
    int64_t rows;   /* (columns to 4, tile + 1) less the centre */
    int64_t images; /* (columns to 8, tile + 1) F times these: BY_SHARED_TRIANGLE */
    int64_t shares; /* (k, tile + 1) log densities, then weight times responsibility */
};

struct cuda_mixture_pass {
    struct cuda_rows rows;
    const float *row_major; /* (rows, columns) to be scored, where rows.x is not used */
    struct cuda_mixture_model model;
    struct cuda_mixture_cut cut;
    struct cuda_mixture_places places;
    double *scratch; /* (blocks, scratch_room) */
    int64_t scratch_room;
    double *parts; /* (tasks, part) */

    enum cuda_mixture_mode mode;
    double weight_unit;
    const uint8_t *labels8; /* BY_LABEL: either, or none: all 0 */
    const int32_t *labels32;
    uint64_t seed; /* BY_DRAW */
    uint32_t draw;

    /* scores; any may be NULL */
    int32_t *labels;
    double *responsibilities; /* (rows, k) */
    double *log_likelihood;
};

/* A grid for the pass: blocks, their shared memory and their scratch. */
struct cuda_mixture_grid {
    unsigned blocks;
    size_t shared;
    int64_t scratch_room; /* doubles of a block */
};

/* ---- Shapes --------------------------------------------------------------------------------- */

CUDA_INLINE int64_t cuda_to(int64_t count, int64_t multiple)
{
    return (count + multiple - 1) / multiple * multiple;
}

/* Doubles of a triangle in blocks of 8 rows: column by column up to the diagonal's block. */
CUDA_INLINE int64_t cuda_triangle(int64_t columns)
{
    int64_t blocks = (columns + MIXTURE_HEIGHT - 1) / MIXTURE_HEIGHT;
    return blocks * (blocks + 1) / 2 * MIXTURE_HEIGHT * MIXTURE_HEIGHT;
}

/* Where block `block` of a triangle begins. */
CUDA_INLINE int64_t cuda_triangle_at(int64_t block)
{
    return block * (block + 1) / 2 * MIXTURE_HEIGHT * MIXTURE_HEIGHT;
}

/* ---- Parameters (mixture_pack.cu) ----------------------------------------------------------- */

/* Room for the parameters on both sides, filled once for each pass. */
struct cuda_mixture_pack {
    int32_t k, columns;
    enum mixture_covariance covariance;
    int64_t room; /* doubles */
    double *here, *there;
    double *offset; /* (columns) that the rows were taken off */
};

int cuda_mixture_pack_open(const struct backend_data *data, int32_t k, int32_t columns,
                           enum mixture_covariance covariance, struct cuda_mixture_pack *pack,
                           struct spot_error *err);
void cuda_mixture_pack_close(struct cuda_mixture_pack *pack);

/* Copies the parameters to the device behind the work so far. Without factors means alone; `cut`:
 * shares that are too small to matter in sums become 0. The device must be done with the last. */
int cuda_mixture_pack_fill(const struct backend *backend, struct cuda_mixture_pack *pack,
                           const struct mixture_parameters *parameters, bool cut,
                           struct cuda_mixture_model *model, struct spot_error *err);

/* ---- Passes (mixture_pass.cu) --------------------------------------------------------------- */

struct cuda_mixture_cut cuda_mixture_cut_of(int64_t rows, int32_t k, int32_t columns,
                                            enum mixture_covariance covariance);

/* Places for a pass's arrays and the grid. score: that of cuda_mixture_score(). */
int cuda_mixture_plan(const struct backend *backend, struct cuda_mixture_pass *pass, bool score,
                      struct cuda_mixture_grid *grid, struct spot_error *err);

/* Adds up all tasks; parts (part) then holds the sums of all. */
int cuda_mixture_sum(const struct backend *backend, const struct cuda_mixture_pass *pass,
                     const struct cuda_mixture_grid *grid, struct spot_error *err);

/* Scores pass->rows.rows rows of row_major. */
int cuda_mixture_score(const struct backend *backend, const struct cuda_mixture_pass *pass,
                       const struct cuda_mixture_grid *grid, struct spot_error *err);

#endif
