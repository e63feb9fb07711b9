/* Fits that are stopped at every moment at which they ask, and gone on with, against fits that were
 * never stopped: the same model file, byte for byte. And what a checkpoint refuses. */
#define _POSIX_C_SOURCE 200809L
#include <unistd.h>

#include "fitting.h"
#include "models/checkpoint.h"

enum { ROWS = 900, COLUMNS = 3, FILE_ROOM = 1 << 16 };

/* In memory where there is such a folder: thousands of files are flushed here. */
static char in_memory[] = "/dev/shm/checkpoint_XXXXXX", on_disk[] = "/tmp/checkpoint_XXXXXX";
static char *folder;
static char path[64], one[64], other[64];
static float rows[ROWS * COLUMNS];
static double weights[ROWS];

/* ---- Stopping ------------------------------------------------------------------------------- */

/* Says "stop" from the question `after` on, counted from 0; -1: never. */
struct stopper {
    int asked, after;
};

static int stop_after(void *arg)
{
    struct stopper *stopper = arg;
    return stopper->after >= 0 && stopper->asked++ >= stopper->after;
}

static spot_engine *open_stopping(struct stopper *stopper, int threads)
{
    const struct spot_engine_options options = {
        .device = "cpu", .threads = threads, .stopped = stop_after, .arg = stopper};
    spot_engine *engine = NULL;
    CU_ASSERT_EQUAL_FATAL(spot_engine_open(&options, &engine, NULL), SPOT_OK);
    return engine;
}

/* ---- A fit of either kind ------------------------------------------------------------------- */

struct job {
    struct spot_matrix data;
    struct spot_kmeans_options kmeans;
    struct spot_gmm_options gmm;
    int mixture;
};

/* Fits and, where it was not stopped, writes the model. */
static int run_job(spot_engine *engine, struct job *job, spot_checkpoint *checkpoint,
                   const char *model_path, struct spot_error *err)
{
    spot_kmeans *kmeans = NULL;
    spot_gmm *gmm = NULL;
    job->kmeans.checkpoint = job->gmm.checkpoint = checkpoint;
    int status = job->mixture ? spot_gmm_fit(engine, &job->data, &job->gmm, &gmm, err)
                              : spot_kmeans_fit(engine, &job->data, &job->kmeans, &kmeans, err);
    if (status == SPOT_OK)
        status = job->mixture ? spot_gmm_save(gmm, model_path, err)
                              : spot_kmeans_save(kmeans, model_path, err);
    spot_kmeans_free(kmeans);
    spot_gmm_free(gmm);
    return status;
}

static size_t read_file(const char *name, char *buffer)
{
    FILE *file = fopen(name, "rb");
    CU_ASSERT_PTR_NOT_NULL_FATAL(file);
    size_t length = fread(buffer, 1, FILE_ROOM, file);
    fclose(file);
    return length;
}

static void write_file(const char *name, const char *bytes, size_t length)
{
    FILE *file = fopen(name, "wb");
    CU_ASSERT_PTR_NOT_NULL_FATAL(file);
    CU_ASSERT_EQUAL(fwrite(bytes, 1, length, file), length);
    fclose(file);
}

static int same_files(const char *a, const char *b)
{
    static char left[FILE_ROOM], right[FILE_ROOM];
    size_t length = read_file(a, left);
    return length > 0 && length == read_file(b, right) && memcmp(left, right, length) == 0;
}

/* Through a file, as the program does it. */
static spot_checkpoint *write_and_read(spot_checkpoint *checkpoint)
{
    spot_checkpoint *read = NULL;
    CU_ASSERT_EQUAL(spot_checkpoint_save(checkpoint, path, NULL), SPOT_OK);
    spot_checkpoint_free(checkpoint);
    CU_ASSERT_EQUAL_FATAL(spot_checkpoint_load(path, &read, NULL), SPOT_OK);
    return read;
}

/* Stops at every question of an uninterrupted fit, goes on with other threads, compares. */
static void check_every_stop(struct job *job)
{
    struct stopper stopper = {0, -1};
    spot_engine *engine = open_stopping(&stopper, 1), *second = open_engine(3, NULL);
    CU_ASSERT_EQUAL_FATAL(run_job(engine, job, NULL, one, NULL), SPOT_OK);
    for (int after = 0, done = 0; !done; after++) {
        struct spot_error err = {0};
        spot_checkpoint *checkpoint = spot_checkpoint_new();
        stopper = (struct stopper){0, after};
        int status = run_job(engine, job, checkpoint, other, &err);
        done = status == SPOT_OK;
        CU_ASSERT(done || status == SPOT_ESTOPPED);
        checkpoint = write_and_read(checkpoint);
        CU_ASSERT_EQUAL(run_job(second, job, checkpoint, other, &err), SPOT_OK);
        CU_ASSERT(same_files(one, other));
        if (done) CU_ASSERT(after > 2);
        spot_checkpoint_free(checkpoint);
    }
    spot_engine_close(engine);
    spot_engine_close(second);
}

/* Stops after every few questions until it is done. */
static void check_many_stops(struct job *job, int questions)
{
    struct stopper stopper = {0, -1};
    spot_engine *engine = open_stopping(&stopper, 2);
    CU_ASSERT_EQUAL_FATAL(run_job(engine, job, NULL, one, NULL), SPOT_OK);
    spot_checkpoint *checkpoint = spot_checkpoint_new();
    int status = SPOT_ESTOPPED, stops = 0;
    for (; status == SPOT_ESTOPPED && stops < 1000; stops++) {
        stopper = (struct stopper){0, questions};
        status = run_job(engine, job, checkpoint, other, NULL);
        checkpoint = write_and_read(checkpoint);
    }
    CU_ASSERT_EQUAL(status, SPOT_OK);
    CU_ASSERT(stops > 2);
    CU_ASSERT(same_files(one, other));
    spot_checkpoint_free(checkpoint);
    spot_engine_close(engine);
}

/* A checkpoint of `job` after some iterations, in `path`. */
static void leave_checkpoint(struct job *job)
{
    struct stopper stopper = {0, 9};
    spot_engine *engine = open_stopping(&stopper, 1);
    spot_checkpoint *checkpoint = spot_checkpoint_new();
    CU_ASSERT_EQUAL(run_job(engine, job, checkpoint, one, NULL), SPOT_ESTOPPED);
    CU_ASSERT_EQUAL(spot_checkpoint_fits(checkpoint), 1);
    CU_ASSERT_EQUAL(spot_checkpoint_save(checkpoint, path, NULL), SPOT_OK);
    spot_checkpoint_free(checkpoint);
    spot_engine_close(engine);
}

/* The checkpoint in `path` is refused for this job, for a reason that says `words`. */
static void refuses(struct job *job, const char *words)
{
    struct spot_error err = {0};
    spot_checkpoint *checkpoint = NULL;
    spot_engine *engine = open_engine(1, NULL);
    CU_ASSERT_EQUAL_FATAL(spot_checkpoint_load(path, &checkpoint, NULL), SPOT_OK);
    CU_ASSERT_EQUAL(run_job(engine, job, checkpoint, other, &err), SPOT_EUSAGE);
    CU_ASSERT_PTR_NOT_NULL(strstr(err.message, words));
    CU_ASSERT_PTR_NOT_NULL(strstr(err.message, path));
    if (strstr(err.message, words) == NULL) printf("\n'%s' without '%s'\n", err.message, words);
    spot_checkpoint_free(checkpoint);
    spot_engine_close(engine);
}

/* ---- Data ----------------------------------------------------------------------------------- */

/* Overlapping groups, so that fits take a while; a lattice has equal rows and ties. */
static void make_rows(double step)
{
    uint64_t state = 7;
    for (int i = 0; i < ROWS * COLUMNS; i++) {
        double value = 3.0 * (i / COLUMNS % 4) + 5 * (next_uniform(&state) - 0.5);
        rows[i] = (float)(step > 0 ? step * rint(value / step) : value);
    }
    for (int i = 0; i < ROWS; i++)
        weights[i] = floor(4 * next_uniform(&state));
}

static struct job kmeans_job(int32_t k)
{
    struct job job = {.data = {.values = rows, .rows = ROWS, .columns = COLUMNS},
                      .kmeans = spot_kmeans_defaults()};
    job.kmeans.k = k;
    job.kmeans.tol = 0;
    return job;
}

static struct job gmm_job(int32_t k, enum spot_gmm_covariance covariance)
{
    struct job job = {.data = {.values = rows, .rows = ROWS, .columns = COLUMNS},
                      .gmm = spot_gmm_defaults(),
                      .mixture = 1};
    job.gmm.k = k;
    job.gmm.covariance = covariance;
    job.gmm.max_iter = 30;
    job.gmm.tol = 1e-4;
    return job;
}

/* ---- KMeans --------------------------------------------------------------------------------- */

static void test_kmeans(void)
{
    make_rows(0);
    struct job job = kmeans_job(5);
    check_every_stop(&job);
    job.kmeans.tol = 1e-3;
    check_every_stop(&job);
    job.kmeans.tol = 0;
    job.kmeans.max_iter = 4; /* ends before it settles */
    check_every_stop(&job);
}

static void test_kmeans_runs(void)
{
    make_rows(0);
    struct job job = kmeans_job(4);
    job.kmeans.init = SPOT_INIT_RANDOM;
    job.kmeans.n_init = 3;
    check_every_stop(&job);
    check_many_stops(&job, 3);
    job.kmeans.init = SPOT_INIT_KMEANSPP;
    check_many_stops(&job, 6);
}

static void test_kmeans_weights_and_equal_rows(void)
{
    make_rows(1);
    struct job job = kmeans_job(6);
    job.data.weights = weights;
    for (job.kmeans.compact = 0; job.kmeans.compact < 2; job.kmeans.compact++)
        check_every_stop(&job);
}

/* Centres far outside run empty, and relocation takes rows for them, also in the last step. */
static void test_kmeans_empty_clusters(void)
{
    make_rows(1);
    double centres[6 * COLUMNS] = {1, 1, 1, 900, 900, 900, -900, 0, 0, 4, 4, 4, 0, 0, 800, 9, 9, 9};
    struct job job = kmeans_job(6);
    job.kmeans.init = SPOT_INIT_CENTRES;
    job.kmeans.centres = centres;
    check_every_stop(&job);
    check_many_stops(&job, 2);
}

/* Fewer different rows than clusters: empty ones stay, and no row moves early. */
static void test_kmeans_few_rows(void)
{
    for (int i = 0; i < ROWS * COLUMNS; i++)
        rows[i] = (float)(i / COLUMNS % 3);
    struct job job = kmeans_job(5);
    check_every_stop(&job);
}

static void test_mini_batches(void)
{
    make_rows(0);
    struct job job = kmeans_job(4), whole = job;
    job.kmeans.mini_batch = 60;
    check_every_stop(&job);
    job.data.weights = weights;
    job.kmeans.init = SPOT_INIT_RANDOM;
    check_every_stop(&job);
    double centres[4 * COLUMNS];
    for (int i = 0; i < 4 * COLUMNS; i++)
        centres[i] = rows[i];
    job.kmeans.init = SPOT_INIT_CENTRES;
    job.kmeans.centres = centres;
    check_many_stops(&job, 3);
    leave_checkpoint(&job);
    whole.data.weights = weights;
    whole.kmeans.init = SPOT_INIT_CENTRES;
    whole.kmeans.centres = centres;
    refuses(&whole, "mini_batch 60, and now it is 0");
}

/* ---- Mixtures ------------------------------------------------------------------------------- */

static void test_mixtures(void)
{
    make_rows(0);
    for (int covariance = SPOT_GMM_FULL; covariance <= SPOT_GMM_SPHERICAL; covariance++) {
        struct job job = gmm_job(3, (enum spot_gmm_covariance)covariance);
        check_every_stop(&job);
        job.gmm.n_init = 2;
        job.gmm.init = SPOT_GMM_INIT_ROWS;
        check_many_stops(&job, 9);
    }
}

static void test_mixture_weights_and_equal_rows(void)
{
    make_rows(1);
    struct job job = gmm_job(2, SPOT_GMM_FULL);
    job.data.weights = weights;
    job.gmm.max_iter = 10;
    for (job.gmm.compact = 0; job.gmm.compact < 2; job.gmm.compact++)
        check_every_stop(&job);
}

/* ---- In time -------------------------------------------------------------------------------- */

/* What a process would have left, had it been killed when it asked whether to stop. */
struct killed {
    char left[64][4096];
    size_t length[64];
    int count;
};

static int keep_file(void *arg)
{
    struct killed *killed = arg;
    FILE *file = killed->count < 64 ? fopen(path, "rb") : NULL;
    if (file == NULL) return 0;
    char *bytes = killed->left[killed->count];
    size_t length = fread(bytes, 1, sizeof *killed->left, file);
    CU_ASSERT(length > 0 && length < sizeof *killed->left);
    killed->length[killed->count++] = length;
    fclose(file);
    return 0;
}

/* Written after every iteration; each file goes on to the same model. */
static void check_killed(struct job *job)
{
    static struct killed killed;
    const struct spot_engine_options options = {
        .device = "cpu", .threads = 1, .stopped = keep_file, .arg = &killed};
    spot_engine *engine = NULL, *second = open_engine(2, NULL);
    spot_checkpoint *checkpoint = spot_checkpoint_new();
    CU_ASSERT_EQUAL_FATAL(spot_engine_open(&options, &engine, NULL), SPOT_OK);
    CU_ASSERT_EQUAL_FATAL(run_job(second, job, NULL, one, NULL), SPOT_OK);
    killed.count = 0;
    unlink(path);
    CU_ASSERT_EQUAL(spot_checkpoint_every(checkpoint, path, 0, NULL), SPOT_OK);
    CU_ASSERT_EQUAL(run_job(engine, job, checkpoint, other, NULL), SPOT_OK);
    CU_ASSERT(same_files(one, other));
    spot_checkpoint_free(checkpoint);
    CU_ASSERT(killed.count > 2);
    for (int i = 0; i < killed.count; i++) {
        write_file(path, killed.left[i], killed.length[i]);
        CU_ASSERT_EQUAL_FATAL(spot_checkpoint_load(path, &checkpoint, NULL), SPOT_OK);
        CU_ASSERT_EQUAL(run_job(second, job, checkpoint, other, NULL), SPOT_OK);
        CU_ASSERT(same_files(one, other));
        spot_checkpoint_free(checkpoint);
    }
    spot_engine_close(engine);
    spot_engine_close(second);
    unlink(path);
}

static void test_killed(void)
{
    make_rows(0);
    struct job kmeans = kmeans_job(4), batches = kmeans, gmm = gmm_job(3, SPOT_GMM_DIAG);
    kmeans.kmeans.n_init = 2;
    check_killed(&kmeans);
    batches.kmeans.mini_batch = 80;
    check_killed(&batches);
    gmm.gmm.n_init = 2;
    gmm.gmm.init = SPOT_GMM_INIT_ROWS;
    check_killed(&gmm);
}

static void count_warnings(void *arg, enum spot_log_level level, const char *text)
{
    int *warnings = arg;
    *warnings += level == SPOT_LOG_WARNING && strstr(text, "no checkpoint: ") != NULL;
}

/* Times that are none, times that do not come, and a folder that is not there. */
static void test_times(void)
{
    make_rows(0);
    int warnings = 0;
    struct job job = kmeans_job(3);
    const struct spot_engine_options options = {
        .device = "cpu", .threads = 1, .log = count_warnings, .arg = &warnings};
    spot_engine *engine = NULL;
    CU_ASSERT_EQUAL_FATAL(spot_engine_open(&options, &engine, NULL), SPOT_OK);
    spot_checkpoint *checkpoint = spot_checkpoint_new();
    CU_ASSERT_EQUAL(spot_checkpoint_every(checkpoint, path, -1, NULL), SPOT_EUSAGE);
    CU_ASSERT_EQUAL(spot_checkpoint_every(checkpoint, path, NAN, NULL), SPOT_EUSAGE);
    CU_ASSERT_EQUAL(spot_checkpoint_every(checkpoint, path, INFINITY, NULL), SPOT_EUSAGE);
    unlink(path);
    CU_ASSERT_EQUAL(spot_checkpoint_every(checkpoint, path, 1e6, NULL), SPOT_OK);
    CU_ASSERT_EQUAL(run_job(engine, &job, checkpoint, other, NULL), SPOT_OK);
    CU_ASSERT(access(path, F_OK) != 0 && warnings == 0);
    spot_checkpoint_free(checkpoint);
    checkpoint = spot_checkpoint_new();
    CU_ASSERT_EQUAL(spot_checkpoint_every(checkpoint, "/nowhere/at/all", 0, NULL), SPOT_OK);
    CU_ASSERT_EQUAL(run_job(engine, &job, checkpoint, other, NULL), SPOT_OK);
    CU_ASSERT(warnings > 2);
    spot_checkpoint_free(checkpoint);
    spot_engine_close(engine);
}

/* ---- Rows that are read --------------------------------------------------------------------- */

static int read_some(void *arg, int64_t first, int64_t count, float *values, double *row_weights,
                     struct spot_error *err)
{
    (void)arg;
    (void)err;
    if (values != NULL)
        memcpy(values, rows + first * COLUMNS, (size_t)count * COLUMNS * sizeof *rows);
    if (row_weights != NULL) memcpy(row_weights, weights + first, (size_t)count * sizeof *weights);
    return SPOT_OK;
}

/* A fit to rows in memory goes on with rows that are read, and back. */
static void test_rows_that_are_read(void)
{
    make_rows(0);
    const struct spot_reader reader = {.read = read_some, .weighted = 1};
    for (int mixture = 0; mixture < 2; mixture++) {
        struct job memory = mixture ? gmm_job(3, SPOT_GMM_FULL) : kmeans_job(5), read;
        memory.data.weights = weights;
        memory.gmm.init = SPOT_GMM_INIT_RANDOM;
        memory.gmm.tol = 0;
        read = memory;
        read.data.values = NULL;
        read.data.weights = NULL;
        read.data.reader = &reader;
        spot_engine *engine = open_engine(2, NULL);
        for (int turn = 0; turn < 2; turn++) {
            spot_checkpoint *checkpoint = NULL;
            leave_checkpoint(turn == 0 ? &memory : &read);
            CU_ASSERT_EQUAL_FATAL(spot_checkpoint_load(path, &checkpoint, NULL), SPOT_OK);
            CU_ASSERT_EQUAL(run_job(engine, turn == 0 ? &read : &memory, checkpoint, other, NULL),
                            SPOT_OK);
            spot_checkpoint_free(checkpoint);
            CU_ASSERT_EQUAL(run_job(engine, &memory, NULL, one, NULL), SPOT_OK);
            CU_ASSERT(same_files(one, other));
        }
        spot_engine_close(engine);
    }
}

/* ---- Several k ------------------------------------------------------------------------------ */

static void test_range_of_k(void)
{
    make_rows(0);
    for (int mixture = 0; mixture < 2; mixture++) {
        struct stopper stopper = {0, -1};
        spot_engine *engine = open_stopping(&stopper, 2);
        spot_checkpoint *checkpoint = spot_checkpoint_new();
        struct job job = mixture ? gmm_job(2, SPOT_GMM_DIAG) : kmeans_job(2);
        job.gmm.init = SPOT_GMM_INIT_RANDOM; /* asks nothing before the first iteration */
        CU_ASSERT_EQUAL(run_job(engine, &job, checkpoint, one, NULL), SPOT_OK);
        job.kmeans.k = job.gmm.k = 3;
        stopper = (struct stopper){0, 5};
        CU_ASSERT_EQUAL(run_job(engine, &job, checkpoint, other, NULL), SPOT_ESTOPPED);
        checkpoint = write_and_read(checkpoint);
        CU_ASSERT_EQUAL_FATAL(spot_checkpoint_fits(checkpoint), 2);
        CU_ASSERT_EQUAL(spot_checkpoint_at(checkpoint, 0).k, 2);
        CU_ASSERT_EQUAL(spot_checkpoint_at(checkpoint, 0).run, 1);
        CU_ASSERT_EQUAL(spot_checkpoint_at(checkpoint, 1).k, 3);
        CU_ASSERT_EQUAL(spot_checkpoint_at(checkpoint, 1).run, 0);
        CU_ASSERT(spot_checkpoint_at(checkpoint, 1).iterations > 0);
        job.kmeans.k = job.gmm.k = 2; /* done: comes back at once, without an iteration */
        stopper = (struct stopper){0, 0};
        CU_ASSERT_EQUAL(run_job(engine, &job, checkpoint, other, NULL), SPOT_OK);
        CU_ASSERT(same_files(one, other));
        job.kmeans.k = job.gmm.k = 3;
        stopper.after = -1;
        CU_ASSERT_EQUAL(run_job(engine, &job, NULL, one, NULL), SPOT_OK);
        CU_ASSERT_EQUAL(run_job(engine, &job, checkpoint, other, NULL), SPOT_OK);
        CU_ASSERT(same_files(one, other));
        spot_checkpoint_free(checkpoint);
        spot_engine_close(engine);
    }
}

/* ---- What is refused ------------------------------------------------------------------------ */

static void test_other_options(void)
{
    make_rows(0);
    double centres[4 * COLUMNS] = {0};
    struct job made = kmeans_job(4), job = made;
    leave_checkpoint(&made);
    job.kmeans.tol = 0.25;
    refuses(&job, "tol 0, and now it is 0.25");
    job = made;
    job.kmeans.seed = 5;
    refuses(&job, "seed 0, and now it is 5");
    job = made;
    job.kmeans.max_iter = 5;
    refuses(&job, "max_iter 300");
    job = made;
    job.kmeans.n_init = 2;
    refuses(&job, "n_init 1");
    job = made;
    job.kmeans.init = SPOT_INIT_CENTRES;
    job.kmeans.centres = centres;
    refuses(&job, "init");
    job = gmm_job(4, SPOT_GMM_FULL);
    refuses(&job, "another kind of model");

    job.gmm.init = SPOT_GMM_INIT_RANDOM;
    job.gmm.tol = 0;
    made = job;
    leave_checkpoint(&made);
    job.gmm.covariance = SPOT_GMM_DIAG;
    refuses(&job, "covariance");
    job = made;
    job.gmm.reg_covar = 0.5;
    refuses(&job, "reg_covar 1e-06, and now it is 0.5");
    job = made;
    job.gmm.means = centres;
    refuses(&job, "another start");
    job = made;
    job.gmm.compact = 1;
    refuses(&job, "compact");
}

static void test_other_rows(void)
{
    make_rows(0);
    struct job made = kmeans_job(4), job = made;
    leave_checkpoint(&made);
    job.data.rows = ROWS - 1;
    refuses(&job, "from 900 rows of 3 columns, and these are 899 of 3");
    job = made;
    job.data.columns = 1;
    refuses(&job, "these are 900 of 1");
    job = made;
    job.data.weights = weights;
    refuses(&job, "other values or weights");
    float kept = rows[100];
    rows[100] = nextafterf(kept, 100.0f);
    refuses(&made, "other values or weights");
    rows[100] = kept;
    for (int j = 0; j < COLUMNS; j++) { /* two rows change places */
        float value = rows[j];
        rows[j] = rows[COLUMNS + j];
        rows[COLUMNS + j] = value;
    }
    refuses(&made, "another order");
    for (int i = 0; i < ROWS; i++)
        weights[i] = 1;
}

/* Every byte cut off and every bit turned is noticed. */
static void test_damaged_files(void)
{
    static char bytes[FILE_ROOM];
    make_rows(0);
    struct job job = kmeans_job(2);
    struct spot_error err = {0};
    spot_checkpoint *checkpoint;
    job.kmeans.n_init = 3;
    leave_checkpoint(&job);
    const size_t length = read_file(path, bytes);
    for (size_t cut = 0; cut < length; cut++) {
        write_file(path, bytes, cut);
        CU_ASSERT_EQUAL(spot_checkpoint_load(path, &checkpoint, &err), SPOT_EFORMAT);
        CU_ASSERT_PTR_NULL(checkpoint);
        CU_ASSERT_PTR_NOT_NULL(strstr(err.message, path));
    }
    for (size_t at = 0; at < length; at++) {
        bytes[at] ^= (char)(1 << at % 8);
        write_file(path, bytes, length);
        CU_ASSERT_EQUAL(spot_checkpoint_load(path, &checkpoint, &err), SPOT_EFORMAT);
        bytes[at] ^= (char)(1 << at % 8);
    }
    bytes[length] = 0;
    write_file(path, bytes, length + 1);
    CU_ASSERT_EQUAL(spot_checkpoint_load(path, &checkpoint, &err), SPOT_EFORMAT);
    write_file(path, bytes, length);
    CU_ASSERT_EQUAL(spot_checkpoint_load(path, &checkpoint, &err), SPOT_OK);
    spot_checkpoint_free(checkpoint);
    write_file(path, "features,of,a,table\n", 20);
    CU_ASSERT_EQUAL(spot_checkpoint_load(path, &checkpoint, &err), SPOT_EFORMAT);
    CU_ASSERT_PTR_NOT_NULL(strstr(err.message, "damaged"));
    write_file(path, "features,of,a,table,more\n", 24);
    CU_ASSERT_EQUAL(spot_checkpoint_load(path, &checkpoint, &err), SPOT_EFORMAT);
    CU_ASSERT_PTR_NOT_NULL(strstr(err.message, "not a checkpoint"));
    CU_ASSERT_EQUAL(spot_checkpoint_load(folder, &checkpoint, &err), SPOT_EFORMAT);
    unlink(path);
    CU_ASSERT_EQUAL(spot_checkpoint_load(path, &checkpoint, &err), SPOT_EIO);
    CU_ASSERT_PTR_NULL(checkpoint);
}

/* Words that no fit has left, under a hash that is right: refused, or a fit all the same, but
 * nothing worse. */
static void go_on_from_wrong_words(struct job *job)
{
    static uint64_t words[FILE_ROOM / sizeof(uint64_t)];
    static const uint64_t wrong[] = {0,
                                     1,
                                     2,
                                     3,
                                     UINT64_C(1) << 31,
                                     UINT64_C(1) << 62,
                                     UINT64_MAX,
                                     UINT64_C(0x7ff8000000000000) /* NaN */};
    leave_checkpoint(job);
    const size_t count = read_file(path, (char *)words) / sizeof *words;
    struct stopper stopper = {0, -1};
    spot_engine *engine = open_stopping(&stopper, 1);
    int refused = 0;
    for (size_t at = 2; at + 1 < count; at++)
        for (size_t w = 0; w < sizeof wrong / sizeof *wrong; w++) {
            const uint64_t kept = words[at];
            spot_checkpoint *checkpoint = NULL;
            words[at] = wrong[w];
            words[count - 1] = words_hash(0, words, (int64_t)count - 1);
            write_file(path, (const char *)words, count * sizeof *words);
            words[at] = kept;
            int status = spot_checkpoint_load(path, &checkpoint, NULL);
            stopper.asked = 0;
            stopper.after = 40; /* a count of iterations that is too small goes on for long */
            if (status == SPOT_OK) status = run_job(engine, job, checkpoint, other, NULL);
            CU_ASSERT(status == SPOT_OK || status == SPOT_ESTOPPED || status == SPOT_EFORMAT ||
                      status == SPOT_EUSAGE || status == SPOT_EDATA);
            refused += status != SPOT_OK && status != SPOT_ESTOPPED;
            spot_checkpoint_free(checkpoint);
        }
    CU_ASSERT(refused > 100);
    spot_engine_close(engine);
}

static void test_wrong_words(void)
{
    make_rows(0);
    struct job job = kmeans_job(2);
    job.kmeans.init = SPOT_INIT_RANDOM;
    job.kmeans.n_init = 4;
    go_on_from_wrong_words(&job);
    job.kmeans.n_init = 1;
    job.kmeans.mini_batch = 20;
    go_on_from_wrong_words(&job);
    job = gmm_job(2, SPOT_GMM_FULL);
    job.gmm.init = SPOT_GMM_INIT_RANDOM;
    job.gmm.tol = 0;
    job.gmm.max_iter = 4;
    job.gmm.n_init = 4;
    go_on_from_wrong_words(&job);
}

/* ---- Before the first step ------------------------------------------------------------------ */

static void test_nothing_yet(void)
{
    make_rows(0);
    struct stopper stopper = {0, 0};
    spot_engine *engine = open_stopping(&stopper, 1);
    spot_checkpoint *checkpoint = spot_checkpoint_new();
    struct job job = kmeans_job(4);
    CU_ASSERT_EQUAL(run_job(engine, &job, checkpoint, one, NULL), SPOT_ESTOPPED);
    CU_ASSERT_EQUAL(spot_checkpoint_fits(checkpoint), 0);
    job.data.rows = 0; /* another failure leaves nothing either */
    CU_ASSERT_EQUAL(run_job(engine, &job, checkpoint, one, NULL), SPOT_EDATA);
    CU_ASSERT_EQUAL(spot_checkpoint_fits(checkpoint), 0);
    checkpoint = write_and_read(checkpoint);
    CU_ASSERT_EQUAL(spot_checkpoint_fits(checkpoint), 0);
    spot_checkpoint_free(checkpoint);
    spot_checkpoint_free(NULL);
    spot_engine_close(engine);
}

int main(void)
{
    static const struct suite_test tests[] = {
        {"KMeans", test_kmeans},
        {"KMeans, several runs", test_kmeans_runs},
        {"KMeans, weights and equal rows", test_kmeans_weights_and_equal_rows},
        {"KMeans, empty clusters", test_kmeans_empty_clusters},
        {"KMeans, fewer different rows than clusters", test_kmeans_few_rows},
        {"mini-batches", test_mini_batches},
        {"mixtures", test_mixtures},
        {"mixtures, weights and equal rows", test_mixture_weights_and_equal_rows},
        {"rows that are read", test_rows_that_are_read},
        {"a range of k", test_range_of_k},
        {"other options are refused", test_other_options},
        {"other rows are refused", test_other_rows},
        {"damaged files are refused", test_damaged_files},
        {"words that no fit has", test_wrong_words},
        {"stopped before the first step", test_nothing_yet},
        {"killed at any moment", test_killed},
        {"times", test_times},
        {NULL, NULL},
    };
    folder = mkdtemp(in_memory) != NULL ? in_memory : mkdtemp(on_disk);
    if (folder == NULL) return 1;
    snprintf(path, sizeof path, "%s/c", folder);
    snprintf(one, sizeof one, "%s/one.json", folder);
    snprintf(other, sizeof other, "%s/other.json", folder);
    int failed = run_suite("checkpoint", tests);
    unlink(path);
    unlink(one);
    unlink(other);
    rmdir(folder);
    return failed;
}
