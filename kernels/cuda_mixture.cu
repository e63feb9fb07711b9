/* Gaussian mixtures on the device: the table of mixtures. A pass takes parameters there and brings
 * one set of sums back; rows stay where they are. */
#include "kernels/cuda_mixture.h"

#include <stdlib.h>
#include <string.h>

#include "kernels/cuda_kmeans.h"

struct mixture_run {
    struct backend_data *data;
    enum mixture_covariance covariance;
    struct cuda_mixture_pack pack;
    struct cuda_mixture_pass pass; /* what does not change from pass to pass, and the last one's */
    struct cuda_mixture_grid grid;
    double *sums; /* (part) on the host */
};

namespace
{

void run_close(struct mixture_run *run)
{
    if (run == NULL) return;
    if (cuda_enter(run->data->backend, NULL) == SPOT_OK) {
        (void)cudaStreamSynchronize(run->data->backend->stream);
        cuda_mixture_pack_close(&run->pack);
        (void)cudaFree(run->pass.scratch);
        (void)cudaFree(run->pass.parts);
    }
    free(run->sums);
    free(run);
}

/* Everything that a pass needs room for. */
int open_room(struct mixture_run *run, int32_t k, struct spot_error *err)
{
    int status = SPOT_OK;
    const struct backend_data *data = run->data;
    struct cuda_mixture_pass *pass = &run->pass;
    const int32_t columns = data->rows.columns;
    SPOT_TRY(cuda_mixture_pack_open(data, k, columns, run->covariance, &run->pack, err));
    pass->rows = data->rows;
    pass->cut = cuda_mixture_cut_of(data->rows.rows, k, columns, run->covariance);
    pass->model.k = k;
    pass->model.columns = columns;
    pass->model.kind = run->covariance == MIXTURE_FULL   ? BY_TRIANGLES
                       : run->covariance == MIXTURE_TIED ? BY_SHARED_TRIANGLE
                                                         : BY_SCALES;
    SPOT_TRY(cuda_mixture_plan(data->backend, pass, false, &run->grid, err));
    pass->scratch_room = run->grid.scratch_room;
    SPOT_TRY(cuda_alloc(&pass->scratch, run->grid.blocks * pass->scratch_room,
                        "the responsibilities of a few rows", err));
    SPOT_TRY(
        cuda_alloc(&pass->parts, pass->cut.tasks * pass->cut.part, "the components' sums", err));
    run->sums = (double *)calloc((size_t)pass->cut.part, sizeof *run->sums);
    if (run->sums == NULL) status = spot_fail_memory(err, "the components' sums");
out:
    return status;
}

int run_open(struct backend_data *data, int32_t k, enum mixture_covariance covariance,
             double weight_unit, struct mixture_run **out, struct spot_error *err)
{
    int status = SPOT_OK;
    *out = NULL;
    struct mixture_run *run = (struct mixture_run *)calloc(1, sizeof *run);
    if (run == NULL) return spot_fail_memory(err, "the mixture");
    run->data = data;
    run->covariance = covariance;
    run->pass.weight_unit = weight_unit;
    SPOT_TRY(cuda_enter(data->backend, err));
    SPOT_TRY(open_room(run, k, err));
out:
    if (status < 0) {
        run_close(run);
        run = NULL;
    }
    *out = run;
    return status;
}

/* ---- Passes --------------------------------------------------------------------------------- */

/* One pass; the sums of all rows come into run->sums. */
int make_pass(struct mixture_run *run, enum cuda_mixture_mode mode,
              const struct mixture_parameters *parameters, struct spot_error *err)
{
    int status = SPOT_OK;
    const struct backend *backend = run->data->backend;
    struct cuda_mixture_pass *pass = &run->pass;
    const int64_t terms = mode == LIKELIHOOD_ONLY ? 1 : pass->cut.part;
    SPOT_TRY(cuda_enter(backend, err));
    SPOT_TRY(cuda_mixture_pack_fill(backend, &run->pack, parameters, true, &pass->model, err));
    pass->mode = mode;
    SPOT_TRY(cuda_mixture_sum(backend, pass, &run->grid, err));
    SPOT_TRY(cuda_get(backend, run->sums, pass->parts, (size_t)terms * sizeof(double),
                      "mixtures: a pass", err));
out:
    return status;
}

/* The sums as the contract has them; those of a spherical component are its columns' together. */
void copy_partial(const struct mixture_run *run, struct mixture_partial *partial)
{
    const int64_t k = run->pass.model.k, d = run->pass.model.columns;
    const int64_t squares = run->pass.cut.terms - 1 - d;
    partial->log_likelihood = run->sums[0];
    for (int64_t c = 0; c < k; c++) {
        const double *from = run->sums + 1 + c * run->pass.cut.terms, *second = from + 1 + d;
        partial->components[c] = from[0];
        memcpy(partial->means + c * d, from + 1, (size_t)d * sizeof *from);
        if (run->covariance == MIXTURE_TIED) continue;
        if (run->covariance != MIXTURE_SPHERICAL) {
            memcpy(partial->squares + c * squares, second, (size_t)squares * sizeof *second);
            continue;
        }
        partial->squares[c] = 0.0;
        for (int64_t j = 0; j < d; j++)
            partial->squares[c] += second[j];
    }
}

int em_pass(struct mixture_run *run, const struct mixture_parameters *parameters,
            struct mixture_partial *partial, struct spot_error *err)
{
    int status = make_pass(run, BY_DENSITY, parameters, err);
    if (status == SPOT_OK) copy_partial(run, partial);
    return status;
}

int likelihood_pass(struct mixture_run *run, const struct mixture_parameters *parameters,
                    double *sum, struct spot_error *err)
{
    int status = make_pass(run, LIKELIHOOD_ONLY, parameters, err);
    *sum = status == SPOT_OK ? run->sums[0] : 0.0;
    return status;
}

/* A pass that takes no densities, only sums about means. */
int sums_pass(struct mixture_run *run, enum cuda_mixture_mode mode, const double *means,
              struct mixture_partial *partial, struct spot_error *err)
{
    struct mixture_parameters about = {};
    about.k = run->pack.k;
    about.columns = run->pack.columns;
    about.covariance = run->covariance;
    about.means = means;
    int status = make_pass(run, mode, &about, err);
    if (status == SPOT_OK) copy_partial(run, partial);
    return status;
}

int labelled_pass(struct mixture_run *run, const double *means, struct kmeans_run *clusters,
                  struct mixture_partial *partial, struct spot_error *err)
{
    run->pass.labels8 = clusters != NULL ? clusters->labels8 : nullptr;
    run->pass.labels32 = clusters != NULL ? clusters->labels32 : nullptr;
    return sums_pass(run, BY_LABEL, means, partial, err);
}

int drawn_pass(struct mixture_run *run, const double *means, uint64_t seed, uint32_t draw,
               struct mixture_partial *partial, struct spot_error *err)
{
    run->pass.seed = seed;
    run->pass.draw = draw;
    return sums_pass(run, BY_DRAW, means, partial, err);
}

/* ---- Scoring -------------------------------------------------------------------------------- */

const int64_t score_bytes = 64 << 20; /* of rows and results on the device at a time */

/* Room on the device for a batch of rows and what is found of them. */
struct scoring {
    struct backend *backend;
    struct cuda_mixture_pack pack;
    struct cuda_mixture_pass pass;
    struct cuda_mixture_grid grid;
    int64_t batch;
    float *values;
    int32_t *labels;
    double *responsibilities, *log_likelihood;
};

void close_scoring(struct scoring *s)
{
    (void)cudaStreamSynchronize(s->backend->stream);
    cuda_mixture_pack_close(&s->pack);
    (void)cudaFree(s->pass.scratch);
    (void)cudaFree(s->values);
    (void)cudaFree(s->labels);
    (void)cudaFree(s->responsibilities);
    (void)cudaFree(s->log_likelihood);
}

int open_scoring(struct scoring *s, const struct mixture_parameters *parameters, int64_t rows,
                 struct spot_error *err)
{
    int status = SPOT_OK;
    struct cuda_mixture_pass *pass = &s->pass;
    const int64_t k = parameters->k, d = parameters->columns;
    const int64_t row_bytes = 4 * d + 4 + (pass->responsibilities != NULL ? 8 * k : 0) + 8;
    s->batch = score_bytes / row_bytes > 1024 ? score_bytes / row_bytes : 1024;
    if (s->batch > rows) s->batch = rows;
    SPOT_TRY(cuda_mixture_pack_open(NULL, parameters->k, parameters->columns,
                                    parameters->covariance, &s->pack, err));
    SPOT_TRY(cuda_mixture_pack_fill(s->backend, &s->pack, parameters, false, &pass->model, err));
    pass->rows.rows = s->batch;
    pass->cut =
        cuda_mixture_cut_of(rows, parameters->k, parameters->columns, parameters->covariance);
    SPOT_TRY(cuda_mixture_plan(s->backend, pass, true, &s->grid, err));
    pass->scratch_room = s->grid.scratch_room;
    SPOT_TRY(cuda_alloc(&pass->scratch, s->grid.blocks * pass->scratch_room,
                        "the responsibilities of a few rows", err));
    SPOT_TRY(cuda_alloc(&s->values, s->batch * d, "the rows to score", err));
    SPOT_TRY(cuda_alloc(&s->labels, s->batch, "the labels", err));
    SPOT_TRY(cuda_alloc(&s->log_likelihood, s->batch, "the log-likelihoods", err));
    if (pass->responsibilities != NULL)
        SPOT_TRY(cuda_alloc(&s->responsibilities, s->batch * k, "the responsibilities", err));
out:
    return status;
}

/* Results of `rows` rows to where the caller wants them, if he does. */
template <class T>
int fetch(const struct scoring *s, T *to, const T *from, int64_t count, struct spot_error *err)
{
    if (to == NULL) return SPOT_OK;
    return cuda_get(s->backend, to, from, (size_t)count * sizeof *to, "mixtures: scoring rows",
                    err);
}

int score(struct backend *backend, const struct mixture_parameters *parameters, int64_t rows,
          const float *values, int32_t *labels, double *responsibilities, double *log_likelihood,
          struct spot_error *err)
{
    int status = SPOT_OK;
    const int64_t k = parameters->k, d = parameters->columns;
    struct scoring s = {};
    s.backend = backend;
    s.pass.responsibilities = responsibilities;
    if (rows == 0) return SPOT_OK;
    SPOT_TRY(cuda_enter(backend, err));
    SPOT_TRY(open_scoring(&s, parameters, rows, err));
    s.pass.row_major = s.values;
    s.pass.labels = labels != NULL ? s.labels : nullptr;
    s.pass.log_likelihood = log_likelihood != NULL ? s.log_likelihood : nullptr;
    s.pass.responsibilities = s.responsibilities;
    for (int64_t first = 0; first < rows; first += s.batch) {
        const int64_t some = rows - first < s.batch ? rows - first : s.batch;
        s.pass.rows.rows = some;
        SPOT_TRY(cuda_put(backend, s.values, values + first * d,
                          (size_t)(some * d) * sizeof *values, "copying rows to score", err));
        SPOT_TRY(cuda_mixture_score(backend, &s.pass, &s.grid, err));
        SPOT_TRY(fetch(&s, labels == NULL ? NULL : labels + first, s.labels, some, err));
        SPOT_TRY(fetch(&s, responsibilities == NULL ? NULL : responsibilities + first * k,
                       s.responsibilities, some * k, err));
        SPOT_TRY(fetch(&s, log_likelihood == NULL ? NULL : log_likelihood + first, s.log_likelihood,
                       some, err));
    }
out:
    close_scoring(&s);
    return status;
}

} // namespace

const struct backend_mixture cuda_mixture = {
    .open = run_open,
    .close = run_close,
    .pass = em_pass,
    .log_likelihood = likelihood_pass,
    .labelled = labelled_pass,
    .drawn = drawn_pass,
    .score = score,
    .score64 = NULL, /* float64 rows go to the CPU */
};
