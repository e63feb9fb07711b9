/* Every operation on mixtures in the backend contract against plain C, over every device there is
 * (backend_devices.h): 1e-9 of the magnitudes that were added up, and the same bits for any batch.
 */
#define _GNU_SOURCE /* setenv */
#include "backend_devices.h"
#include "backend_mixture.h"

static enum mixture_covariance covariance; /* of the problem at hand */
static struct mixture mixture;
static struct mixture_partial expected, size;

/* ---- Passes --------------------------------------------------------------------------------- */

/* Sums of a pass by density, of the clusters' labels, and of draws; and the likelihood alone. */
static void check_sums(const struct device *device, const struct problem *p, enum share_rule rule)
{
    const struct backend_mixture *table = device->tables->mixture;
    const struct backend_kmeans *kmeans = device->tables->kmeans;
    struct mixture_partial found = sums_room(p, covariance);
    struct backend_data *data = put_rows(device, p);
    struct mixture_run *run;
    struct kmeans_run *clusters = NULL;
    double likelihood = 1.0;
    ok(table->open(data, p->k, covariance, mixture_unit, &run, &error));
    switch (rule) {
    case BY_DENSITY:
        ok(table->pass(run, &mixture.parameters, &found, &error));
        ok(table->log_likelihood(run, &mixture.parameters, &likelihood, &error));
        CU_ASSERT(likelihood == found.log_likelihood);
        break;
    case BY_LABEL:
        ok(kmeans->open(data, p->k, &p->quantiser, &clusters, &error));
        ok(kmeans->start(clusters, p->centres, &error));
        ok(kmeans->pass(clusters, &error));
        ok(table->labelled(run, p->centres, clusters, &found, &error));
        break;
    case BY_DRAW:
        ok(table->drawn(run, p->centres, DRAW_SEED, DRAW_NUMBER, &found, &error));
        break;
    }
    CU_ASSERT(sums_close(p, covariance, &found, &expected, &size));
    kmeans->close(clusters);
    table->close(run);
    device->tables->core->data_close(data);
    sums_free(&found);
}

static void check_densities(const struct device *device, const struct problem *p)
{
    check_sums(device, p, BY_DENSITY);
}

static void check_labels(const struct device *device, const struct problem *p)
{
    check_sums(device, p, BY_LABEL);
}

static void check_draws(const struct device *device, const struct problem *p)
{
    check_sums(device, p, BY_DRAW);
}

/* The bits of a pass do not depend on the batches in which rows came, nor on passes before. */
static void check_bits(const struct device *device, const struct problem *p)
{
    static const int64_t batches[] = {0, 5, 64, 130, 999};
    const struct backend_mixture *table = device->tables->mixture;
    struct mixture_partial first = sums_room(p, covariance), found = sums_room(p, covariance);
    for (int b = 0; b < 5; b++) {
        struct problem batched = *p;
        batched.batch_rows = batches[b];
        struct backend_data *data = put_rows(device, &batched);
        struct mixture_run *run;
        ok(table->open(data, p->k, covariance, mixture_unit, &run, &error));
        if (b == 2) ok(table->drawn(run, p->others, 1, 2, &found, &error));
        ok(table->pass(run, &mixture.parameters, b == 0 ? &first : &found, &error));
        if (b > 0) CU_ASSERT(sums_same(p, covariance, &first, &found));
        table->close(run);
        device->tables->core->data_close(data);
    }
    sums_free(&first);
    sums_free(&found);
}

/* ---- Problems ------------------------------------------------------------------------------- */

static const int kinds[] = {PLAIN, WEIGHTED, MERGED | LATTICE, OFFSET, HEAVY | MERGED | OFFSET};
enum { KINDS = sizeof kinds / sizeof *kinds };

typedef void check_device(const struct device *device, const struct problem *p);

/* Checks a problem on all devices under one rule. */
static void on_all_by(const struct problem *p, enum share_rule rule, check_device *check,
                      double scale)
{
    mixture = mixture_make(p, covariance, scale);
    expected = sums_room(p, covariance);
    size = sums_room(p, covariance);
    int32_t *labels = room(p->rows, sizeof *labels);
    for (int64_t i = 0; rule == BY_LABEL && i < p->rows; i++)
        labels[i] = nearest_of(p, p->centres, i);
    expected_sums(p, &mixture, rule, labels, &expected, &size);
    on_all(p, check);
    free(labels);
    sums_free(&expected);
    sums_free(&size);
    mixture_free(&mixture);
}

static void adds_up(int64_t rows, int32_t columns, int32_t k, int kind, double scale)
{
    struct problem p = problem_make(rows, columns, k, kind);
    p.batch_rows = rows % 2 == 0 ? 0 : 100;
    on_all_by(&p, BY_DENSITY, check_densities, scale);
    problem_free(&p);
}

/* Sizes around every tile's edge, in every kind and covariance. */
static void takes_sizes(void)
{
    static const int64_t rows[] = {1, 31, 33, 127, 129, 257, 600};
    static const int32_t columns[] = {1, 2, 3, 4, 5, 8, 9, 16, 17, 36, 70};
    static const int32_t components[] = {1, 2, 3, 4, 5, 9};
    for (int i = 0; i < 44; i++) {
        covariance = (enum mixture_covariance)(i % 4);
        adds_up(rows[i % 7], columns[i % 11], components[(i + i / 6) % 6], kinds[i % KINDS],
                i % 3 == 0 ? 3.0 : 0.3);
    }
}

/* More than a block's shared memory takes: of rows, of responsibilities, of sums; and tasks that
 * take several levels of the tree, or several tiles each. */
static void takes_many(void)
{
    static const struct {
        int64_t rows;
        int32_t columns, k;
        enum mixture_covariance covariance;
    } shapes[] = {
        {70, 240, 2, MIXTURE_FULL},  {70, 240, 2, MIXTURE_TIED},  {70, 240, 2, MIXTURE_DIAG},
        {150, 2, 300, MIXTURE_FULL}, {150, 3, 300, MIXTURE_TIED}, {150, 2, 300, MIXTURE_SPHERICAL},
        {300, 40, 9, MIXTURE_FULL},  {80, 64, 120, MIXTURE_DIAG}, {5000, 2, 2, MIXTURE_FULL},
        {4500, 1, 3, MIXTURE_DIAG},  {140, 100, 3, MIXTURE_TIED}, {4200, 128, 8, MIXTURE_FULL},
    };
    for (size_t i = 0; i < sizeof shapes / sizeof *shapes; i++) {
        covariance = shapes[i].covariance;
        adds_up(shapes[i].rows, shapes[i].columns, shapes[i].k, i % 2 == 0 ? PLAIN : WEIGHTED, 1.0);
    }
}

static void takes_labels_and_draws(void)
{
    for (int i = 0; i < 12; i++) {
        covariance = (enum mixture_covariance)(i % 4);
        struct problem p =
            problem_make(140 + i, 1 + i % 5, i == 7 || i == 9 ? 270 : 4, kinds[i % KINDS]);
        on_all_by(&p, BY_LABEL, check_labels, 1.0);
        on_all_by(&p, BY_DRAW, check_draws, 1.0);
        problem_free(&p);
    }
}

static void batches_change_no_bit(void)
{
    for (int i = 0; i < 8; i++) {
        covariance = (enum mixture_covariance)(i % 4);
        struct problem p = problem_make(1000, i < 4 ? 3 : 18, 4, kinds[i % KINDS]);
        on_all_by(&p, BY_DENSITY, check_bits, 1.0);
        problem_free(&p);
    }
}

static void check_one_component(const struct device *device, const struct problem *p)
{
    const struct backend_mixture *table = device->tables->mixture;
    struct backend_data *data = put_rows(device, p);
    struct mixture_partial found = sums_room(p, covariance);
    struct mixture_run *run;
    ok(table->open(data, p->k, covariance, mixture_unit, &run, &error));
    ok(table->labelled(run, p->centres, NULL, &found, &error));
    CU_ASSERT(sums_close(p, covariance, &found, &expected, &size));
    table->close(run);
    device->tables->core->data_close(data);
    sums_free(&found);
}

/* Without clusters every row belongs to component 0. */
static void takes_the_whole(void)
{
    covariance = MIXTURE_FULL;
    struct problem p = problem_make(300, 6, 2, WEIGHTED | OFFSET);
    mixture = mixture_make(&p, covariance, 1.0);
    expected = sums_room(&p, covariance);
    size = sums_room(&p, covariance);
    expected_sums(&p, &mixture, BY_LABEL, NULL, &expected, &size);
    on_all(&p, check_one_component);
    sums_free(&expected);
    sums_free(&size);
    mixture_free(&mixture);
    problem_free(&p);
}

/* ---- Scores --------------------------------------------------------------------------------- */

/* Labels, responsibilities and log-likelihoods, all and one at a time. */
static void check_scores(const struct device *device, const struct problem *p)
{
    const int64_t k = p->k;
    int32_t *labels = room(p->rows, sizeof *labels);
    double *shares = room(p->rows * k, sizeof *shares), *logs = room(p->rows, sizeof *logs);
    double *wanted = room(k, sizeof *wanted), *z = room(p->columns, sizeof *z);
    for (int which = 1; which < 8; which++) {
        ok(device->tables->mixture->score(device->backend, &mixture.parameters, p->rows, p->values,
                                          (which & 1) != 0 ? labels : NULL,
                                          (which & 2) != 0 ? shares : NULL,
                                          (which & 4) != 0 ? logs : NULL, &error));
        for (int64_t i = 0; i < p->rows; i++) {
            double log_sum = expected_shares(p, &mixture, BY_DENSITY, i, 0, wanted, z);
            double most = 0.0;
            for (int64_t c = 0; c < k; c++)
                most = fmax(most, wanted[c]);
            if ((which & 1) != 0) CU_ASSERT(wanted[labels[i]] >= most - 1e-9);
            if ((which & 1) != 0 && k > 1) CU_ASSERT(labels[i] != 1); /* it is 0 once more */
            for (int64_t c = 0; (which & 2) != 0 && c < k; c++)
                CU_ASSERT(fabs(shares[i * k + c] - wanted[c]) <= 1e-9);
            if ((which & 4) != 0) CU_ASSERT(fabs(logs[i] - log_sum) <= 1e-9 * (1 + fabs(log_sum)));
        }
    }
    free(labels);
    free(shares);
    free(logs);
    free(wanted);
    free(z);
}

/* Component 1 becomes component 0 once more: an exact tie. */
static void make_twins(struct problem *p)
{
    const int64_t d = p->columns, each = squares_of(covariance, d);
    if (p->k < 2) return;
    memcpy(p->centres + d, p->centres, (size_t)d * sizeof(double));
    mixture.weights[1] = mixture.weights[0];
    memcpy(mixture.factors + each, mixture.factors, (size_t)each * sizeof(double));
}

static void scores(void)
{
    static const int64_t rows[] = {1, 129, 300};
    static const int32_t columns[] = {1, 4, 9, 70};
    for (int i = 0; i < 16; i++) {
        covariance = (enum mixture_covariance)(i % 4);
        struct problem p = problem_make(rows[i % 3], columns[(i + i / 4) % 4], 1 + i % 6, PLAIN);
        mixture = mixture_make(&p, covariance, 1.0);
        make_twins(&p);
        on_all(&p, check_scores);
        mixture_free(&mixture);
        problem_free(&p);
    }
}

/* A row so far away that densities would not be finite. */
static void check_far(const struct device *device, const struct problem *p)
{
    double *shares = room(p->rows * p->k, sizeof *shares), *logs = room(p->rows, sizeof *logs);
    ok(device->tables->mixture->score(device->backend, &mixture.parameters, p->rows, p->values,
                                      NULL, shares, logs, &error));
    for (int64_t i = 0; i < p->rows; i++) {
        double sum = 0.0;
        for (int32_t c = 0; c < p->k; c++)
            sum += shares[i * p->k + c];
        CU_ASSERT(isfinite(logs[i]) && fabs(sum - 1.0) < 1e-12);
    }
    free(shares);
    free(logs);
}

static void takes_rows_far_away(void)
{
    for (int i = 0; i < 4; i++) {
        covariance = (enum mixture_covariance)i;
        struct problem p = problem_make(40, 3, 3, PLAIN);
        p.values[10 * 3] = 3e38f;
        p.values[10 * 3 + 1] = -3e38f;
        mixture = mixture_make(&p, covariance, 1.0);
        mixture.factors[0] = 1e270;
        on_all(&p, check_far);
        mixture_free(&mixture);
        problem_free(&p);
    }
}

/* ---- All ------------------------------------------------------------------------------------ */

/* Few rows, every operation: short enough for a run that watches every access to memory. */
static void does_everything_once(void)
{
    for (int i = 0; i < 4; i++) {
        covariance = (enum mixture_covariance)i;
        struct problem p = problem_make(290, i % 2 == 0 ? 9 : 70, 5, WEIGHTED | OFFSET);
        p.batch_rows = 160;
        on_all_by(&p, BY_DENSITY, check_densities, 1.0);
        on_all_by(&p, BY_LABEL, check_labels, 1.0);
        on_all_by(&p, BY_DRAW, check_draws, 1.0);
        mixture = mixture_make(&p, covariance, 1.0);
        make_twins(&p);
        on_all(&p, check_scores);
        mixture_free(&mixture);
        problem_free(&p);
    }
}

int main(int argc, char **argv)
{
    struct suite_test tests[] = {
        {"devices open", open_devices},
        {"does everything once", does_everything_once},
        {"takes sizes", takes_sizes},
        {"takes many", takes_many},
        {"takes labels and draws", takes_labels_and_draws},
        {"batches change no bit", batches_change_no_bit},
        {"takes the whole", takes_the_whole},
        {"scores", scores},
        {"takes rows far away", takes_rows_far_away},
        {"devices close", close_devices},
        {NULL, NULL},
    };
    choose_test(tests, sizeof tests / sizeof *tests, argc > 1 ? argv[1] : NULL);
    return run_suite("backend_mixture", tests);
}
