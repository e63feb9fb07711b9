/* Every allocation of the CUDA backend fails once: each time the call ends with SPOT_ENOMEM and a
 * message, or goes on with less, and nothing on the device or pinned is left behind. Then the same
 * where hardly any memory is said to be free, so that rows stream. */
#define _GNU_SOURCE /* setenv */
#include "backend_mixture.h"
#include "suite.h"

extern backend_entry spot_backend_entry;
extern uint64_t emulation_fail(uint64_t allocations);
extern size_t emulation_in_use(void);

static const struct backend_tables *tables;
static struct problem p;

static void one_by_one(void *arg, int64_t tasks, backend_task *task, void *task_arg)
{
    (void)arg;
    for (int64_t t = 0; t < tasks; t++)
        task(task_arg, t, 0);
}

/* ---- What is tried: the first failure ends it ----------------------------------------------- */

static int use_kmeans(struct backend_data *data, struct spot_error *err)
{
    const struct backend_kmeans *kmeans = tables->kmeans;
    struct kmeans_run *run = NULL;
    struct kmeans_event event;
    struct kmeans_far far[3];
    struct int128 total, target = int128_from(0);
    int64_t row = 0;
    int32_t found;
    int status = kmeans->open(data, p.k, &p.quantiser, &run, err);
    if (status == SPOT_OK) status = kmeans->seed_begin(run, err);
    if (status == SPOT_OK) status = kmeans->seed_take(run, 3, err);
    if (status == SPOT_OK) status = kmeans->seed_try(run, 1, &row, &total, err);
    if (status == SPOT_OK) status = kmeans->seed_pick(run, 1, &target, &row, err);
    if (status == SPOT_OK) status = kmeans->start(run, p.centres, err);
    if (status == SPOT_OK) status = kmeans->run(run, 3, 0.0, &event, err);
    if (status == SPOT_OK) status = kmeans->inertia(run, &total, err);
    if (status == SPOT_OK) status = kmeans->farthest(run, p.others, 3, far, &found, err);
    kmeans->close(run);
    return status;
}

static int use_mixture(struct backend_data *data, enum mixture_covariance covariance,
                       struct spot_error *err)
{
    struct mixture m = mixture_make(&p, covariance, 1.0);
    struct mixture_partial sums = sums_room(&p, covariance);
    struct mixture_run *run = NULL;
    int status = tables->mixture->open(data, p.k, covariance, mixture_unit, &run, err);
    if (status == SPOT_OK) status = tables->mixture->pass(run, &m.parameters, &sums, err);
    tables->mixture->close(run);
    sums_free(&sums);
    mixture_free(&m);
    return status;
}

static int use_scores(struct backend *backend, struct spot_error *err)
{
    struct mixture m = mixture_make(&p, MIXTURE_DIAG, 1.0);
    int32_t *labels = room(p.rows, sizeof *labels);
    double *distances = room(p.rows, sizeof *distances);
    double *shares = room(p.rows * p.k, sizeof *shares);
    int status = tables->kmeans->assign(backend, p.k, p.columns, p.centres, p.offset, p.rows,
                                        p.values, labels, distances, err);
    if (status == SPOT_OK)
        status = tables->mixture->score(backend, &m.parameters, p.rows, p.values, labels, shares,
                                        distances, err);
    free(labels);
    free(distances);
    free(shares);
    mixture_free(&m);
    return status;
}

static int use_everything(struct spot_error *err)
{
    const struct backend_host host = {.threads = 1, .parallel = one_by_one};
    const struct backend_core *core = tables->core;
    struct backend *backend = NULL;
    struct backend_data *data = NULL;
    struct column_moments *moments = room(p.columns, sizeof *moments);
    double *scale = room(p.columns, sizeof *scale);
    for (int32_t j = 0; j < p.columns; j++)
        scale[j] = p.scale[j] * 0x1p-20; /* moments take fewer bits than sums */
    int status = core->open(NULL, &host, &backend, err);
    if (status == SPOT_OK)
        status = core->data_open(backend, p.rows, p.columns, p.offset, p.largest, p.batch_rows,
                                 &data, err);
    if (status == SPOT_OK)
        status = core->data_put(data, 0, p.rows, p.values, p.weights, p.counts, err);
    if (status == SPOT_OK) status = core->data_map(data, p.original_rows, p.group_of_row, 0, err);
    if (status == SPOT_OK) status = core->data_moments(data, scale, moments, err);
    if (status == SPOT_OK) status = use_kmeans(data, err);
    if (status == SPOT_OK) status = use_mixture(data, MIXTURE_FULL, err);
    if (status == SPOT_OK) status = use_mixture(data, MIXTURE_TIED, err);
    if (status == SPOT_OK) status = use_scores(backend, err);
    core->data_close(data);
    core->close(backend);
    free(scale);
    free(moments);
    return status;
}

/* ---- Failures ------------------------------------------------------------------------------- */

static void fail_one_by_one(void)
{
    int failed = 0, survived = 0;
    for (uint64_t n = 1, left = 0; left == 0; n++) { /* until none was left to fail */
        struct spot_error err = {.code = 0};
        emulation_fail(n);
        int status = use_everything(&err);
        left = emulation_fail(0);
        CU_ASSERT_EQUAL_FATAL(emulation_in_use(), 0);
        CU_ASSERT_FATAL(status == SPOT_OK || status == SPOT_ENOMEM);
        if (status == SPOT_ENOMEM) CU_ASSERT(strlen(err.message) > 10);
        failed += status == SPOT_ENOMEM;
        survived += status == SPOT_OK;
    }
    CU_ASSERT(failed > 30 && survived > 1);
}

static void resident_rows(void)
{
    tables = spot_backend_entry(SPOT_BACKEND_VERSION);
    p = problem_make(300, 5, 4, WEIGHTED | MERGED);
    fail_one_by_one();
}

static void streamed_rows(void)
{
    setenv("CUDA_EMULATION", "tight", 1);
    p.batch_rows = 100;
    fail_one_by_one();
    unsetenv("CUDA_EMULATION");
    problem_free(&p);
}

int main(void)
{
    static const struct suite_test tests[] = {
        {"resident rows", resident_rows},
        {"rows that stream", streamed_rows},
        {NULL, NULL},
    };
    return run_suite("cuda_memory", tests);
}
