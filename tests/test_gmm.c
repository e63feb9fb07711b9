/* Gaussian mixtures as a user meets them: starts, degenerate data, weights, threads and batches,
 * scoring, sampling, model files, and what is refused. */
#define _POSIX_C_SOURCE 200809L /* setenv, mkdtemp */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "blackspot.h"
#include "models/gmm.h"
#include "models/random.h"
#include "numerics/philox.h"
#include "suite.h"

enum { ROWS = 5000, COLUMNS = 3, GROUPS = 3 };

static spot_engine *engine;
static float blobs[ROWS * COLUMNS];
static const double middles[GROUPS][COLUMNS] = {{0, 0, 0}, {20, 0, -10}, {0, 25, 30}};

static double uniform(uint32_t i, uint32_t j)
{
    return philox_uniform(random_bits(99, RANDOM_SAMPLES, 0, j, i));
}

/* Row i belongs to group i % 3; its columns spread by 1, 2 and 3 standard deviations. */
static void make_blobs(void)
{
    for (uint32_t i = 0; i < ROWS; i++)
        for (uint32_t j = 0; j < COLUMNS; j++) {
            double sum = -6;
            for (uint32_t t = 0; t < 12; t++)
                sum += uniform(i, 12 * j + t);
            blobs[i * COLUMNS + j] = (float)(middles[i % GROUPS][j] + (j + 1) * sum);
        }
}

static spot_engine *open_engine(int threads, const char *instructions)
{
    spot_engine *opened = NULL;
    const struct spot_engine_options options = {.device = "cpu", .threads = threads};
    if (instructions != NULL) setenv("BLACKSPOT_CPU", instructions, 1);
    spot_engine_open(&options, &opened, NULL);
    unsetenv("BLACKSPOT_CPU");
    return opened;
}

static struct spot_gmm_options options_of(int32_t k, enum spot_gmm_covariance covariance)
{
    struct spot_gmm_options options = spot_gmm_defaults();
    options.k = k;
    options.covariance = covariance;
    return options;
}

static struct spot_matrix all_blobs(void)
{
    return (struct spot_matrix){.values = blobs, .rows = ROWS, .columns = COLUMNS};
}

/* Fits, or says why not. */
static spot_gmm *fit(spot_engine *on, const struct spot_matrix *data,
                     const struct spot_gmm_options *options)
{
    spot_gmm *model = NULL;
    struct spot_error err = {0};
    if (spot_gmm_fit(on, data, options, &model, &err) < 0)
        fprintf(stderr, "  not fitted: %s\n", err.message);
    return model;
}

static int finite_numbers(const double *values, int64_t count)
{
    for (int64_t i = 0; i < count; i++)
        if (!isfinite(values[i])) return 0;
    return 1;
}

static int is_finite_model(const spot_gmm *model)
{
    const struct spot_gmm_result *r = spot_gmm_result(model);
    return finite_numbers(r->weights, r->k) &&
           finite_numbers(r->means, (int64_t)r->k * r->columns) &&
           finite_numbers(r->covariances, gmm_covariance_count(r->covariance, r->k, r->columns)) &&
           isfinite(r->lower_bound) && isfinite(r->log_likelihood) && isfinite(r->bic) &&
           isfinite(r->aic);
}

/* Largest difference of two models' numbers. */
static double difference(const spot_gmm *a, const spot_gmm *b)
{
    const struct spot_gmm_result *x = spot_gmm_result(a), *y = spot_gmm_result(b);
    int64_t cells = (int64_t)x->k * x->columns;
    int64_t covariances = gmm_covariance_count(x->covariance, x->k, x->columns);
    double worst = fabs(x->log_likelihood - y->log_likelihood);
    worst = fmax(worst, fabs(x->lower_bound - y->lower_bound));
    for (int32_t c = 0; c < x->k; c++)
        worst = fmax(worst, fabs(x->weights[c] - y->weights[c]));
    for (int64_t i = 0; i < cells; i++)
        worst = fmax(worst, fabs(x->means[i] - y->means[i]));
    for (int64_t i = 0; i < covariances; i++)
        worst = fmax(worst, fabs(x->covariances[i] - y->covariances[i]));
    return worst;
}

/* ---- Starts ---------------------------------------------------------------------------------- */

/* Whether every group's middle is near some mean. */
static int finds_the_groups(const spot_gmm *model)
{
    const struct spot_gmm_result *r = spot_gmm_result(model);
    for (int g = 0; g < GROUPS; g++) {
        double nearest = INFINITY;
        for (int32_t c = 0; c < r->k; c++) {
            double sum = 0;
            for (int j = 0; j < COLUMNS; j++)
                sum += pow(r->means[c * COLUMNS + j] - middles[g][j], 2);
            nearest = fmin(nearest, sum);
        }
        if (nearest > 0.1) return 0;
    }
    return 1;
}

static void every_start_finds_the_groups(void)
{
    const struct spot_matrix data = all_blobs();
    for (int covariance = SPOT_GMM_FULL; covariance <= SPOT_GMM_SPHERICAL; covariance++)
        for (int init = SPOT_GMM_INIT_KMEANS; init <= SPOT_GMM_INIT_ROWS; init++) {
            struct spot_gmm_options options =
                options_of(GROUPS, (enum spot_gmm_covariance)covariance);
            options.init = (enum spot_gmm_init)init;
            options.n_init = init == SPOT_GMM_INIT_ROWS ? 5 : 1;
            options.max_iter = 500;
            spot_gmm *model = fit(engine, &data, &options);
            CU_ASSERT_FATAL(model != NULL);
            CU_ASSERT(spot_gmm_result(model)->converged);
            CU_ASSERT(finds_the_groups(model));
            spot_gmm_free(model);
        }
}

static void random_start_climbs(void)
{
    const struct spot_matrix data = all_blobs();
    struct spot_gmm_options options = options_of(GROUPS, SPOT_GMM_FULL);
    options.init = SPOT_GMM_INIT_RANDOM;
    options.tol = 0;
    double before = -INFINITY;
    for (int steps = 1; steps < 8; steps++) {
        options.max_iter = steps;
        spot_gmm *model = fit(engine, &data, &options);
        CU_ASSERT_FATAL(model != NULL);
        const struct spot_gmm_result *r = spot_gmm_result(model);
        CU_ASSERT(r->lower_bound >= before && r->log_likelihood >= r->lower_bound);
        before = r->lower_bound;
        spot_gmm_free(model);
    }
    options.seed = 1;
    spot_gmm *other = fit(engine, &data, &options);
    CU_ASSERT(spot_gmm_result(other)->lower_bound != before);
    spot_gmm_free(other);
}

static void the_best_run_is_kept(void)
{
    const struct spot_matrix data = all_blobs();
    struct spot_gmm_options options = options_of(6, SPOT_GMM_FULL);
    options.init = SPOT_GMM_INIT_ROWS;
    options.max_iter = 5;
    spot_gmm *one = fit(engine, &data, &options);
    options.n_init = 6;
    spot_gmm *six = fit(engine, &data, &options);
    CU_ASSERT_FATAL(one != NULL && six != NULL);
    CU_ASSERT(spot_gmm_result(six)->lower_bound >= spot_gmm_result(one)->lower_bound);
    CU_ASSERT((difference(one, six) == 0) == (spot_gmm_result(six)->best_run == 0));
    spot_gmm_free(one);
    spot_gmm_free(six);
}

static void a_warm_start_goes_on(void)
{
    const struct spot_matrix data = all_blobs();
    for (int covariance = SPOT_GMM_FULL; covariance <= SPOT_GMM_SPHERICAL; covariance++) {
        struct spot_gmm_options options = options_of(4, (enum spot_gmm_covariance)covariance);
        options.tol = 0;
        options.max_iter = 9;
        spot_gmm *whole = fit(engine, &data, &options);
        options.max_iter = 4;
        spot_gmm *part = fit(engine, &data, &options);
        options.max_iter = 5;
        options.warm_start = part;
        spot_gmm *rest = fit(engine, &data, &options);
        CU_ASSERT_FATAL(whole != NULL && rest != NULL);
        CU_ASSERT(difference(whole, rest) == 0);
        options.k = 3;
        struct spot_error err;
        spot_gmm *refused;
        CU_ASSERT(spot_gmm_fit(engine, &data, &options, &refused, &err) == SPOT_EUSAGE);
        spot_gmm_free(whole);
        spot_gmm_free(part);
        spot_gmm_free(rest);
    }
}

static void given_parts_replace_the_start(void)
{
    static const double weights[GROUPS] = {0.2, 0.3, 0.5};
    const struct spot_matrix data = all_blobs();
    struct spot_gmm_options options = options_of(GROUPS, SPOT_GMM_FULL);
    options.means = &middles[0][0];
    spot_gmm *by_means = fit(engine, &data, &options);
    options.weights = weights;
    spot_gmm *by_both = fit(engine, &data, &options);
    CU_ASSERT_FATAL(by_means != NULL && by_both != NULL);
    const struct spot_gmm_result *r = spot_gmm_result(by_both);
    for (int c = 0; c < GROUPS; c++) /* the components keep the order of the means given */
        for (int j = 0; j < COLUMNS; j++)
            CU_ASSERT(fabs(r->means[c * COLUMNS + j] - middles[c][j]) < 0.3);
    CU_ASSERT(difference(by_means, by_both) < 1e-3);
    spot_gmm_free(by_means);
    spot_gmm_free(by_both);
}

/* ---- Degenerate data ------------------------------------------------------------------------- */

/* Every covariance and start on these rows: a finite model, or an error that names the remedy. */
static void survive(const float *values, int64_t rows, int32_t columns, int32_t k, double reg_covar)
{
    const struct spot_matrix data = {.values = values, .rows = rows, .columns = columns};
    for (int covariance = SPOT_GMM_FULL; covariance <= SPOT_GMM_SPHERICAL; covariance++)
        for (int init = SPOT_GMM_INIT_KMEANS; init <= SPOT_GMM_INIT_RANDOM; init++) {
            struct spot_gmm_options options = options_of(k, (enum spot_gmm_covariance)covariance);
            options.init = (enum spot_gmm_init)init;
            options.reg_covar = reg_covar;
            spot_gmm *model = NULL;
            struct spot_error err = {0};
            int status = spot_gmm_fit(engine, &data, &options, &model, &err);
            int named = status == SPOT_EDATA && strstr(err.message, "reg_covar") != NULL;
            CU_ASSERT(status == SPOT_OK ? is_finite_model(model) : named);
            CU_ASSERT(status == SPOT_OK || reg_covar == 0);
            spot_gmm_free(model);
        }
}

static void degenerate_rows_survive(void)
{
    static const float constant[] = {7, 1, 7, 2, 7, 3, 7, 5, 7, 8, 7, 13};
    static const float equal[] = {3, -4, 3, -4, 3, -4, 3, -4, 3, -4, 3, -4, 3, -4};
    static const float two_places[] = {0, 0, 1, 1, 0, 0, 1, 1, 0, 0, 1, 1};
    static const float huge[] = {1e15f, -1e15f, 3e15f, 2e15f, -2e15f, 5e14f, -4e15f, 1e14f};
    for (int t = 0; t < 2; t++) {
        double reg_covar = t == 0 ? 1e-6 : 0.0;
        survive(constant, 6, 2, 2, reg_covar);
        survive(equal, 7, 2, 3, reg_covar);
        survive(two_places, 6, 2, 4, reg_covar);
        survive(constant, 6, 2, 6, reg_covar); /* one row for each component */
        survive(constant, 1, 2, 1, reg_covar);
    }
    survive(huge, 4, 2, 2, 1e20);
}

static void singular_covariances_are_named(void)
{
    static const float line[] = {1, 1, 2, 2, 3, 3, 4, 4, 5, 5, 7, 7};
    const struct spot_matrix data = {.values = line, .rows = 6, .columns = 2};
    struct spot_gmm_options options = options_of(1, SPOT_GMM_FULL);
    options.reg_covar = 0;
    spot_gmm *model;
    struct spot_error err;
    CU_ASSERT(spot_gmm_fit(engine, &data, &options, &model, &err) == SPOT_EDATA);
    CU_ASSERT(model == NULL && strstr(err.message, "component 0") != NULL);
}

/* ---- Weights and order ----------------------------------------------------------------------- */

static void weights_count_rows(void)
{
    enum { USED = 600 };
    static double ones[USED], twos[USED];
    for (int i = 0; i < USED; i++) {
        ones[i] = 1;
        twos[i] = 2;
    }
    for (int covariance = SPOT_GMM_FULL; covariance <= SPOT_GMM_SPHERICAL; covariance++) {
        struct spot_gmm_options options = options_of(3, (enum spot_gmm_covariance)covariance);
        struct spot_matrix data = {.values = blobs, .rows = USED, .columns = COLUMNS};
        spot_gmm *plain = fit(engine, &data, &options);
        data.weights = ones;
        spot_gmm *once = fit(engine, &data, &options);
        data.weights = twos;
        spot_gmm *twice = fit(engine, &data, &options);
        CU_ASSERT_FATAL(plain != NULL && once != NULL && twice != NULL);
        CU_ASSERT(difference(plain, once) == 0);
        CU_ASSERT(difference(plain, twice) < 1e-9);
        CU_ASSERT(fabs(spot_gmm_result(twice)->aic - 2 * spot_gmm_result(plain)->aic) < 200);
        spot_gmm_free(plain);
        spot_gmm_free(once);
        spot_gmm_free(twice);
    }
}

static void threads_and_batches_change_no_bit(void)
{
    const struct spot_matrix data = all_blobs();
    for (int covariance = SPOT_GMM_FULL; covariance <= SPOT_GMM_SPHERICAL; covariance++) {
        struct spot_gmm_options options = options_of(5, (enum spot_gmm_covariance)covariance);
        options.max_iter = 20;
        spot_gmm *model = fit(engine, &data, &options);
        for (int threads = 1; threads <= 7; threads += 3) {
            spot_engine *other = open_engine(threads, NULL);
            options.batch_rows = 100 * threads + 1;
            spot_gmm *same = fit(other, &data, &options);
            CU_ASSERT_FATAL(model != NULL && same != NULL);
            CU_ASSERT(difference(model, same) == 0);
            spot_gmm_free(same);
            spot_engine_close(other);
        }
        spot_gmm_free(model);
    }
}

static void instruction_sets_agree(void)
{
    static const char *const sets[] = {"ref", "avx2", "avx512"};
    const struct spot_matrix data = all_blobs();
    for (int covariance = SPOT_GMM_FULL; covariance <= SPOT_GMM_SPHERICAL; covariance++) {
        struct spot_gmm_options options = options_of(5, (enum spot_gmm_covariance)covariance);
        options.max_iter = 30;
        options.tol = 0;
        spot_gmm *models[3] = {NULL};
        for (int s = 0; s < 3; s++) {
            spot_engine *other = open_engine(2, sets[s]);
            if (other == NULL) continue; /* this processor does not have it */
            models[s] = fit(other, &data, &options);
            CU_ASSERT(models[s] != NULL && difference(models[0], models[s]) < 1e-6);
            spot_engine_close(other);
        }
        for (int s = 0; s < 3; s++)
            spot_gmm_free(models[s]);
    }
}

static void merging_equal_rows_changes_little(void)
{
    static float coarse[ROWS * COLUMNS];
    for (int i = 0; i < ROWS * COLUMNS; i++)
        coarse[i] = rintf(blobs[i] / 4);
    const struct spot_matrix data = {.values = coarse, .rows = ROWS, .columns = COLUMNS};
    for (int covariance = SPOT_GMM_FULL; covariance <= SPOT_GMM_SPHERICAL; covariance++) {
        struct spot_gmm_options options = options_of(3, (enum spot_gmm_covariance)covariance);
        options.compact = 0;
        spot_gmm *apart = fit(engine, &data, &options);
        options.compact = 1;
        spot_gmm *merged = fit(engine, &data, &options);
        CU_ASSERT_FATAL(apart != NULL && merged != NULL);
        CU_ASSERT(difference(apart, merged) < 1e-9);
        spot_gmm_free(apart);
        spot_gmm_free(merged);
    }
}

/* ---- Scoring and sampling -------------------------------------------------------------------- */

static void scores_fit_together(void)
{
    enum { K = 4 };
    static int32_t labels[ROWS];
    static double shares[ROWS * K], log_likelihood[ROWS];
    struct spot_matrix data = all_blobs();
    const struct spot_gmm_options options = options_of(K, SPOT_GMM_TIED);
    spot_gmm *model = fit(engine, &data, &options);
    struct spot_error err;
    CU_ASSERT_FATAL(model != NULL);
    CU_ASSERT(spot_gmm_score(engine, model, &data, labels, shares, log_likelihood, &err) == 0);
    double mean = 0;
    for (int i = 0; i < ROWS; i++) {
        double sum = 0;
        for (int c = 0; c < K; c++) {
            sum += shares[i * K + c];
            CU_ASSERT(shares[i * K + labels[i]] >= shares[i * K + c]);
        }
        CU_ASSERT(fabs(sum - 1) < 1e-12);
        mean += log_likelihood[i] / ROWS;
    }
    CU_ASSERT(fabs(mean - spot_gmm_result(model)->log_likelihood) < 1e-9);
    float far[] = {1e6f, 1e6f, 1e6f};
    const struct spot_matrix stranger = {.values = far, .rows = 1, .columns = COLUMNS};
    CU_ASSERT(spot_gmm_score(engine, model, &stranger, NULL, NULL, log_likelihood, &err) == 0);
    CU_ASSERT(isfinite(log_likelihood[0]) && log_likelihood[0] < mean - 1e6);
    data.columns = 2;
    CU_ASSERT(spot_gmm_score(engine, model, &data, labels, NULL, NULL, &err) == SPOT_EDATA);
    data.columns = COLUMNS;
    data.rows = 0;
    CU_ASSERT(spot_gmm_score(engine, model, &data, labels, NULL, NULL, &err) == SPOT_OK);
    far[1] = NAN;
    CU_ASSERT(spot_gmm_score(engine, model, &stranger, labels, NULL, NULL, &err) == SPOT_EDATA);
    spot_gmm_free(model);
}

static void samples_look_like_the_model(void)
{
    enum { DRAWN = 60000 };
    static double drawn[DRAWN * COLUMNS], again[100 * COLUMNS];
    static int32_t labels[DRAWN];
    static float narrow[DRAWN * COLUMNS];
    const struct spot_matrix data = all_blobs();
    for (int covariance = SPOT_GMM_FULL; covariance <= SPOT_GMM_SPHERICAL; covariance++) {
        struct spot_gmm_options options = options_of(GROUPS, (enum spot_gmm_covariance)covariance);
        spot_gmm *model = fit(engine, &data, &options);
        CU_ASSERT_FATAL(model != NULL);
        CU_ASSERT(spot_gmm_sample(model, 5, DRAWN, drawn, labels, NULL) == SPOT_OK);
        CU_ASSERT(spot_gmm_sample(model, 5, 100, again, NULL, NULL) == SPOT_OK);
        CU_ASSERT(memcmp(drawn, again, sizeof again) == 0);
        CU_ASSERT(spot_gmm_sample(model, 5, -1, again, NULL, NULL) == SPOT_EUSAGE);
        for (int i = 0; i < DRAWN * COLUMNS; i++)
            narrow[i] = (float)drawn[i];
        const struct spot_matrix sample = {.values = narrow, .rows = DRAWN, .columns = COLUMNS};
        options.warm_start = model;
        options.max_iter = 3;
        spot_gmm *refitted = fit(engine, &sample, &options);
        CU_ASSERT_FATAL(refitted != NULL);
        CU_ASSERT(fabs(spot_gmm_result(refitted)->log_likelihood -
                       spot_gmm_result(model)->log_likelihood) < 0.03);
        CU_ASSERT(difference(model, refitted) < 0.5);
        spot_gmm_free(refitted);
        spot_gmm_free(model);
    }
}

/* ---- Files ----------------------------------------------------------------------------------- */

static void models_survive_a_file(void)
{
    char folder[] = "/tmp/test_gmm_XXXXXX", path[64];
    CU_ASSERT_FATAL(mkdtemp(folder) != NULL);
    snprintf(path, sizeof path, "%s/model.json", folder);
    const struct spot_matrix data = all_blobs();
    struct spot_error err;
    for (int covariance = SPOT_GMM_FULL; covariance <= SPOT_GMM_SPHERICAL; covariance++) {
        const struct spot_gmm_options options = options_of(3, (enum spot_gmm_covariance)covariance);
        spot_gmm *model = fit(engine, &data, &options), *loaded = NULL;
        spot_kmeans *wrong = NULL;
        CU_ASSERT_FATAL(model != NULL);
        CU_ASSERT(spot_gmm_save(model, path, &err) == SPOT_OK);
        CU_ASSERT_FATAL(spot_gmm_load(path, &loaded, &err) == SPOT_OK);
        CU_ASSERT(difference(model, loaded) == 0);
        CU_ASSERT(spot_gmm_result(loaded)->bic == spot_gmm_result(model)->bic);
        CU_ASSERT(
            memcmp(model->parameters.factors, loaded->parameters.factors,
                   (size_t)gmm_factor_count((enum spot_gmm_covariance)covariance, 3, COLUMNS) *
                       sizeof(double)) == 0);
        CU_ASSERT(spot_kmeans_load(path, &wrong, &err) == SPOT_EFORMAT);
        CU_ASSERT(strstr(err.message, "gmm") != NULL);
        spot_gmm_free(model);
        spot_gmm_free(loaded);
    }
    unlink(path);
    rmdir(folder);
}

static void wrong_documents_are_refused(void)
{
    static const char head[] = "{\"format\":\"blackspot-model\",\"version\":1,\"kind\":\"gmm\","
                               "\"features\":[\"a\",\"b\"],\"gmm\":{";
    static const char figures[] =
        "\"lower_bound\":-1,\"log_likelihood\":-1,\"bic\":1,\"aic\":1,\"iterations\":3,";
    static const struct {
        const char *body, *reason;
    } wrong[] = {
        {"\"k\":1}}", "gmm.weights"},
        {"\"k\":0,\"weights\":[]}}", "gmm.k"},
        {"\"k\":1,\"weights\":[1],\"covariance\":\"round\"}}", "gmm.covariance"},
        {"\"k\":1,\"weights\":[1],\"covariance\":\"diag\"}}", "gmm.lower_bound"},
        {"F\"k\":1,\"weights\":[2],\"covariance\":\"diag\",\"means\":[[0,0]],"
         "\"covariances\":[[1,1]]}}",
         "gmm.weights[0]"},
        {"F\"k\":1,\"weights\":[1],\"covariance\":\"diag\",\"means\":[[0]],"
         "\"covariances\":[[1,1]]}}",
         "gmm.means"},
        {"F\"k\":1,\"weights\":[1],\"covariance\":\"diag\",\"means\":[[0,\"x\"]],"
         "\"covariances\":[[1,1]]}}",
         "gmm.means"},
        {"F\"k\":1,\"weights\":[1],\"covariance\":\"diag\",\"means\":[[0,0]],"
         "\"covariances\":[[1,-1]]}}",
         "positive definite"},
        {"F\"k\":1,\"weights\":[1],\"covariance\":\"full\",\"means\":[[0,0]],"
         "\"covariances\":[[[1,2],[2,1]]]}}",
         "positive definite"},
        {"F\"k\":1,\"weights\":[1],\"covariance\":\"full\",\"means\":[[0,0]],"
         "\"covariances\":[[[1,2]]]}}",
         "gmm.covariances"},
    };
    char path[] = "/tmp/test_gmm_XXXXXX";
    int handle = mkstemp(path);
    CU_ASSERT_FATAL(handle >= 0);
    close(handle);
    for (size_t i = 0; i < sizeof wrong / sizeof wrong[0]; i++) {
        FILE *file = fopen(path, "w");
        int with_figures = wrong[i].body[0] == 'F';
        fprintf(file, "%s%s%s", head, with_figures ? figures : "", wrong[i].body + with_figures);
        fclose(file);
        spot_gmm *model;
        struct spot_error err = {0};
        CU_ASSERT(spot_gmm_load(path, &model, &err) == SPOT_EFORMAT);
        CU_ASSERT(model == NULL && strstr(err.message, wrong[i].reason) != NULL);
    }
    unlink(path);
}

/* ---- What is refused ------------------------------------------------------------------------- */

static void refuse(const struct spot_matrix *data, const struct spot_gmm_options *options, int code,
                   const char *reason)
{
    spot_gmm *model;
    struct spot_error err = {0};
    int status = spot_gmm_fit(engine, data, options, &model, &err);
    if (status != code || strstr(err.message, reason) == NULL)
        fprintf(stderr, "  %d '%s' instead of %d '%s'\n", status, err.message, code, reason);
    CU_ASSERT(status == code && model == NULL && strstr(err.message, reason) != NULL);
}

static void bad_options_are_refused(void)
{
    static const double negative[] = {1.5, -0.5}, half[] = {0.25, 0.25}, unknown[] = {NAN, 1};
    static const double skew[] = {1, 2, 0, 0, 1, 0, 0, 0, 1, 1, 0, 0, 0, 1, 0, 0, 0, 1};
    const struct spot_matrix data = all_blobs();
    const struct spot_gmm_options good = options_of(2, SPOT_GMM_FULL);
    struct spot_gmm_options options = good;
#define REFUSE(field, value, code, reason)     \
    do {                                       \
        options = good;                        \
        options.field = value;                 \
        refuse(&data, &options, code, reason); \
    } while (0)
    REFUSE(k, 0, SPOT_EUSAGE, "k = 0");
    REFUSE(k, ROWS + 1, SPOT_EDATA, "more than the 5000 rows");
    REFUSE(covariance, (enum spot_gmm_covariance)9, SPOT_EUSAGE, "covariance");
    REFUSE(init, (enum spot_gmm_init)9, SPOT_EUSAGE, "init");
    REFUSE(max_iter, 0, SPOT_EUSAGE, "max_iter");
    REFUSE(tol, -1, SPOT_EUSAGE, "tol");
    REFUSE(tol, NAN, SPOT_EUSAGE, "tol");
    REFUSE(reg_covar, -1, SPOT_EUSAGE, "reg_covar");
    REFUSE(n_init, -1, SPOT_EUSAGE, "n_init");
    REFUSE(batch_rows, -1, SPOT_EUSAGE, "batch_rows");
    REFUSE(compact, 2, SPOT_EUSAGE, "compact");
    REFUSE(weights, negative, SPOT_EDATA, "component 1");
    REFUSE(weights, half, SPOT_EDATA, "not 1");
    REFUSE(weights, unknown, SPOT_EDATA, "not finite");
    REFUSE(precisions, skew, SPOT_EDATA, "positive definite");
#undef REFUSE
}

static void bad_data_is_refused(void)
{
    float values[] = {1, 2, 3, NAN};
    double weights[] = {1, -1};
    const struct spot_gmm_options options = options_of(1, SPOT_GMM_FULL);
    struct spot_matrix data = {.values = values, .rows = 2, .columns = 2};
    refuse(&data, &options, SPOT_EDATA, "row 2, column 2: ");
    values[3] = 4;
    data.weights = weights;
    refuse(&data, &options, SPOT_EDATA, "weight");
    data.rows = 0;
    refuse(&data, &options, SPOT_EDATA, "no rows");
    data.columns = 0;
    refuse(&data, &options, SPOT_EDATA, "no columns");
}

static int stop_at_once(void *arg)
{
    (void)arg;
    return 1;
}

static void count_progress(void *arg, const struct spot_gmm_progress *progress)
{
    CU_ASSERT(progress->iteration == ++*(int *)arg && progress->max_iter == 100);
}

static void fits_report_and_stop(void)
{
    int calls = 0;
    const struct spot_matrix data = all_blobs();
    struct spot_gmm_options options = options_of(2, SPOT_GMM_DIAG);
    options.init = SPOT_GMM_INIT_RANDOM;
    options.progress = count_progress;
    options.progress_arg = &calls;
    spot_gmm *model = fit(engine, &data, &options);
    CU_ASSERT_FATAL(model != NULL);
    CU_ASSERT(calls == spot_gmm_result(model)->iterations);
    spot_gmm_free(model);
    const struct spot_engine_options stopping = {.stopped = stop_at_once};
    spot_engine *other = NULL;
    CU_ASSERT_FATAL(spot_engine_open(&stopping, &other, NULL) == SPOT_OK);
    options.progress = NULL;
    CU_ASSERT(spot_gmm_fit(other, &data, &options, &model, NULL) == SPOT_ESTOPPED);
    spot_engine_close(other);
}

int main(void)
{
    static const struct suite_test tests[] = {
        {"every start finds the groups", every_start_finds_the_groups},
        {"a random start climbs", random_start_climbs},
        {"the best run is kept", the_best_run_is_kept},
        {"a warm start goes on", a_warm_start_goes_on},
        {"given parts replace the start", given_parts_replace_the_start},
        {"degenerate rows survive", degenerate_rows_survive},
        {"singular covariances are named", singular_covariances_are_named},
        {"weights count rows", weights_count_rows},
        {"threads and batches change no bit", threads_and_batches_change_no_bit},
        {"instruction sets agree", instruction_sets_agree},
        {"merging equal rows changes little", merging_equal_rows_changes_little},
        {"scores fit together", scores_fit_together},
        {"samples look like the model", samples_look_like_the_model},
        {"models survive a file", models_survive_a_file},
        {"wrong documents are refused", wrong_documents_are_refused},
        {"bad options are refused", bad_options_are_refused},
        {"bad data is refused", bad_data_is_refused},
        {"fits report and stop", fits_report_and_stop},
        {NULL, NULL},
    };
    make_blobs();
    engine = open_engine(2, NULL);
    if (engine == NULL) return 1;
    int failures = run_suite("gmm", tests);
    spot_engine_close(engine);
    return failures;
}
