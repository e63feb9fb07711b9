/* blackspot: train and score accident-risk models on a CPU or a GPU.
 *
 * This header is the whole public interface of libblackspot.
 *
 * Errors. Every function that can fail returns 0 or a negative enum spot_status and fills the
 * caller's `struct spot_error` (which may be NULL). After a failure every out-parameter is NULL and
 * nothing has to be released. No function keeps a pointer to memory of the caller's after it
 * returned, unless its comment says so.
 *
 * Threads. An engine serves one call at a time; several engines may live in one process. Models are
 * immutable once trained or opened and may be read from any number of threads.
 *
 * Exactness. A model does not depend on device, instruction set, number of threads, batch size or
 * on whether equal rows were merged: same data and options, same bits (docs/exactness.md). Gaussian
 * mixtures sum floating-point numbers: their bits hold for one instruction set. Both hold in the
 * default floating-point environment: a program that changes the rounding or flushes denormals
 * (-ffast-math does) sets it back before it calls.
 *
 * Versions. Until 1.0 structures may grow from one minor version to the next: compile against the
 * header of the library that you link, and start from the defaults functions or from zeros.
 *
 * Pointers are not NULL unless their comment says that they may be. */
#ifndef BLACKSPOT_H
#define BLACKSPOT_H

#include <stdint.h>

#if defined(_WIN32)
#error "blackspot runs on Linux"
#endif

#ifndef SPOT_API
#define SPOT_API __attribute__((visibility("default")))
#endif

#ifdef __cplusplus
extern "C" {
#endif

#define SPOT_VERSION_MAJOR 0
#define SPOT_VERSION_MINOR 1
#define SPOT_VERSION_PATCH 0

enum spot_status {
    SPOT_OK = 0,
    SPOT_EFAILED = -1,  /* anything that has no code of its own */
    SPOT_EUSAGE = -2,   /* an option, a flag or a configuration that makes no sense */
    SPOT_EDATA = -3,    /* data refused: a type, a range, NaN, too few rows */
    SPOT_ENOMEM = -4,   /* out of memory, on the host or on the device */
    SPOT_EIO = -5,      /* a file could not be opened, read or written */
    SPOT_EFORMAT = -6,  /* a file that is not what it should be */
    SPOT_EDEVICE = -7,  /* a device that is not there, not usable or has failed */
    SPOT_ESTOPPED = -8, /* the caller asked to stop */
};

/* What went wrong, in words for the person who can mend it: where, what, and what to do. */
struct spot_error {
    int code; /* enum spot_status */
    char message[600];
    /* Where in the matrix, counted from 1 as a person counts, when the message begins with it
     * ("row 3, column 2: "); 0: the fault is in no single row or column. */
    int64_t row;
    int32_t column;
};

/* The version of the library as text, "0.1.0". Static storage. */
SPOT_API const char *spot_version(void);

/* ---- Engine: a device, its threads, and how it talks ---------------------------------------- */

typedef struct spot_engine spot_engine;

enum spot_log_level { SPOT_LOG_ERROR, SPOT_LOG_WARNING, SPOT_LOG_INFO, SPOT_LOG_DEBUG };

struct spot_engine_options {
    const char *device; /* "auto" (also NULL), "cpu", "cuda", "cuda:N", "cuda:UUID". auto: for each
                           fit the GPU, or the CPU where the job is small or no GPU can be had, and
                           a line of log that says which and why */
    int32_t threads;    /* CPU threads, at most 4096; 0: as many as the process may use */

    /* Called with a line of text, without a line feed, from the thread that called the library.
     * NULL: silence. */
    void (*log)(void *arg, enum spot_log_level level, const char *text);

    /* Asked between steps, from the calling thread; a value other than 0 ends the call with
     * SPOT_ESTOPPED. NULL: never. */
    int (*stopped)(void *arg);

    void *arg; /* handed to all of these */

    /* Resident memory that the process may take, in bytes, as the system counts it (VmRSS); 0: no
     * limit, and up to 256 MB of work space stay with the engine for its next call. What a fit
     * keeps for each row goes to temporary files where it would exceed that, and is worked on part
     * by part: the same bits, bounded memory. What cannot be bounded (the centres, a matrix of the
     * caller's) is SPOT_ENOMEM with the numbers. */
    int64_t memory;
    const char *scratch; /* folder of the temporary files, which have no names there and vanish with
                            the process; NULL: $TMPDIR or /tmp. Copied */
    /* Told, from the calling thread, of passes over rows in temporary files: bytes [from, to) of
     * `total` are done; from is 0 when a pass begins. NULL: silence. */
    void (*streamed)(void *arg, int64_t from, int64_t to, int64_t total);

    /* The CUDA backend's library, libblackspot_cuda.so. NULL: it is looked for beside the program
     * or library that the engine is part of, and in the lib folder of its install. Copied */
    const char *cuda_library;
};

/* Opens a device. `options` may be NULL (the defaults). The caller closes *engine.
 * Errors: SPOT_EUSAGE (a name that is no device, a number of threads out of range), SPOT_EDEVICE
 * (an explicit device that cannot be had), SPOT_ENOMEM. The environment's
 * BLACKSPOT_CPU=ref|avx2|avx512|amx forces an instruction set, with the same errors. */
SPOT_API int spot_engine_open(const struct spot_engine_options *options, spot_engine **engine,
                              struct spot_error *err);

/* Closes an engine; NULL is allowed. */
SPOT_API void spot_engine_close(spot_engine *engine);

/* The device in words, for logs and results: "cpu (avx512, 2 threads)". Owned by the engine. */
SPOT_API const char *spot_engine_device(const spot_engine *engine);

/* ---- Data ----------------------------------------------------------------------------------- */

/* Rows that are read when they are needed instead of being in memory. Fits read all of them a few
 * times, in order and in batches of their own choice, on the calling thread; they must be the same
 * each time. */
struct spot_reader {
    /* Rows [first, first + rows): values (rows, columns) row-major and weights (rows) are written;
     * either is NULL where it is not wanted. Returns 0, or a negative enum spot_status with the
     * reason in *err. */
    int (*read)(void *arg, int64_t first, int64_t rows, float *values, double *weights,
                struct spot_error *err);
    void *arg;
    int weighted; /* 1: the rows have weights; 0: every row counts once */
    /* The same for rows of float64; then `read` is NULL. NULL: the rows are float32. */
    int (*read64)(void *arg, int64_t first, int64_t rows, double *values, double *weights,
                  struct spot_error *err);
};

/* A table of numbers, borrowed from the caller for the duration of a call. Its rows are float32 or
 * float64: exactly one of values, values64 and reader is not NULL. Every result is that of the rows
 * as they are given; float64 takes three times the memory of float32, and the CPU
 * (docs/exactness.md says what it is good for). */
struct spot_matrix {
    const float *values;   /* (rows, columns) row-major, finite */
    const double *weights; /* (rows) >= 0 and finite, or NULL: every row counts once */
    int64_t rows;
    int32_t columns;
    const struct spot_reader *reader; /* brings the rows, values and weights then being NULL; or
                                         NULL */
    const double *values64;           /* (rows, columns) row-major, finite */
};

/* ---- Checkpoints ---------------------------------------------------------------------------- */

/* How far fits came. A fit that is given a checkpoint (options.checkpoint) and finds itself there
 * goes on from that point, to the same bits as if it had never stopped; when it is stopped or done,
 * it leaves its state there, also beside SPOT_ESTOPPED. A fit that stops before its first iteration
 * leaves the checkpoint as it was. One checkpoint holds one fit for each k, so that a range of k
 * can be gone on with: those that were done come back as they were. */
typedef struct spot_checkpoint spot_checkpoint;

/* An empty one, or NULL without memory. The caller frees it; NULL may be freed. */
SPOT_API spot_checkpoint *spot_checkpoint_new(void);
SPOT_API void spot_checkpoint_free(spot_checkpoint *checkpoint);

/* How far a fit came. */
struct spot_checkpoint_fit {
    int32_t k;
    int32_t run;        /* from 0; the number of runs: all are done */
    int32_t iterations; /* of that run */
};

/* How many fits there are, and fit `index` of them, from 0. Never fail. */
SPOT_API int32_t spot_checkpoint_fits(const spot_checkpoint *checkpoint);
SPOT_API struct spot_checkpoint_fit spot_checkpoint_at(const spot_checkpoint *checkpoint,
                                                       int32_t index);

/* Writes a file (docs/formats.md) through a temporary one that replaces PATH only when it is
 * complete. Errors: SPOT_EIO, SPOT_ENOMEM. */
SPOT_API int spot_checkpoint_save(const spot_checkpoint *checkpoint, const char *path,
                                  struct spot_error *err);

/* Reads one; the caller frees *checkpoint.
 * Errors: SPOT_EIO, SPOT_EFORMAT (no checkpoint, another version, damaged), SPOT_ENOMEM. */
SPOT_API int spot_checkpoint_load(const char *path, spot_checkpoint **checkpoint,
                                  struct spot_error *err);

/* Has the fits that are given this checkpoint write it to PATH too, as spot_checkpoint_save does,
 * at the end of an iteration that comes `seconds` after the last time or later; 0: after each. So
 * not even a process that is killed loses more. What a fit finds does not depend on it; a file that
 * cannot be written is a warning in the log. Nobody removes it. PATH is copied.
 * Errors: SPOT_EUSAGE (seconds is negative or not finite), SPOT_ENOMEM. */
SPOT_API int spot_checkpoint_every(spot_checkpoint *checkpoint, const char *path, double seconds,
                                   struct spot_error *err);

/* ---- KMeans --------------------------------------------------------------------------------- */

enum spot_kmeans_init {
    SPOT_INIT_KMEANSPP, /* greedy k-means++ (Arthur and Vassilvitskii 2007), 2 + ln k candidates */
    SPOT_INIT_RANDOM,   /* k different rows, drawn by weight */
    SPOT_INIT_CENTRES,  /* the centres given */
    SPOT_INIT_KMEANS_PARALLEL, /* k-means|| (Bahmani et al. 2012): 5 rounds of 2 k rows */
    SPOT_INIT_CORESET, /* centres of a weighted sample of 64 k rows, at least 4096, drawn evenly and
                          by distance; of fewer than 4 times as many rows: k-means++ */
    SPOT_INIT_AUTO,    /* coreset where rows * k is 4,000,000 or more, else k-means++ */
};

enum spot_metric {
    SPOT_METRIC_EUCLIDEAN,
    SPOT_METRIC_COSINE, /* 1 - cos of the angle between row and centre: spherical KMeans (Dhillon
                           and Modha 2001). Rows are scaled to length one (length in float64, the
                           quotient rounded to float32), centres after each update; everything else
                           is as before, on those rows. A row of zeros has no direction: refused */
};

/* Where a fit is; handed to the progress callback after each iteration. */
struct spot_kmeans_progress {
    int32_t run, runs; /* initialisation, from 0, and how many there are */
    int32_t iteration; /* from 1 */
    int32_t max_iter;  /* */
    int64_t moved;     /* rows that changed cluster in this iteration */
    double shift;      /* squared Frobenius norm of the centres' movement */
};

struct spot_kmeans_options {
    int32_t k; /* clusters, 1 <= k <= rows; the only value without a default */
    enum spot_kmeans_init init;
    const double *centres;   /* (k, columns) row-major for SPOT_INIT_CENTRES, else NULL */
    enum spot_metric metric; /* default Euclidean; the only one for mini-batches */
    int32_t n_init;          /* runs, the best is kept; 0: 10 for random, else 1 */
    int32_t max_iter;        /* iterations of one run, >= 1; default 300 */
    int64_t mini_batch;      /* 0: every iteration sees all rows; else rows of a step, see below */
    double tol;              /* stop when the shift is <= tol * mean variance; >= 0, default 1e-4 */
    uint64_t seed;           /* key of the random numbers; default 0 */
    int32_t compact;    /* merge equal rows: 1 yes, 0 no, -1 (default) when it pays; same bits */
    int64_t batch_rows; /* rows handed to the device at a time; 0: all that fit; same bits */
    void (*progress)(void *arg, const struct spot_kmeans_progress *progress); /* or NULL */
    void *progress_arg;
    /* What to go on from and where to leave what was found, or NULL. One that was made from other
     * rows or options is refused: SPOT_EUSAGE; one that no fit can have left: SPOT_EFORMAT. */
    spot_checkpoint *checkpoint;
    /* (rows) written: what spot_kmeans_assign would say of these rows, without reading them again;
     * or NULL. After a failure their contents are undefined. */
    int32_t *labels;
};

/* Mini-batches (Sculley 2010, scikit-learn's MiniBatchKMeans). The start are the centres that a fit
 * with the other options finds in a sample of three batches. A step draws `mini_batch` rows by
 * weight and moves each centre towards the mean of its rows, to be the mean of all that it has
 * seen. The end is max_iter times the rows of the data, or 10 steps in turn that did not lower the
 * inertia of a row, smoothed over the number of batches that the data has. tol is for the start
 * alone, and no centre is ever thrown away. */

/* The defaults, scikit-learn's, with k = 0 to be filled in. */
SPOT_API struct spot_kmeans_options spot_kmeans_defaults(void);

typedef struct spot_kmeans spot_kmeans;

/* What a fit found. Pointers are owned by the model. */
struct spot_kmeans_result {
    int32_t k, columns;
    const double *centres; /* (k, columns) row-major */
    const int64_t *sizes;  /* (k) rows in each cluster, weights not counted */
    const double *weights; /* (k) sum of the weights of the rows in each cluster; of mini-batches,
                              of all rows that the centre has seen */
    enum spot_metric metric;
    double inertia;      /* sum of weight * squared distance to the row's centre, or of weight *
                            (1 - cos), half of that between unit vectors */
    int32_t iterations;  /* of the run that was kept, the confirming pass included; steps */
    int32_t converged;   /* 1: no row moved or the shift is within tol; 0: max_iter reached, or
                            updated since */
    int32_t best_run;    /* which initialisation was kept, from 0; 0 in a model that was read */
    double near_ties;    /* share of row assignments that float32 could not decide; alone in
                            depending on the instruction set and on merged rows; 0 when read */
    double init_seconds; /* spent on initial centres, of all runs; 0 in a model that was read */
};

/* Lloyd's algorithm (Lloyd 1982) with scikit-learn's definitions of tol, inertia and empty
 * clusters. Labels are options->labels for these rows, spot_kmeans_assign's for others. The caller
 * frees *model with spot_kmeans_free. Errors: SPOT_EUSAGE (an option out of its range), SPOT_EDATA
 * (NaN or Inf with row and column, k > rows, negative weights, a column flattened by an extreme
 * value, distances beyond float32), SPOT_ENOMEM, SPOT_EDEVICE, SPOT_ESTOPPED. */
SPOT_API int spot_kmeans_fit(spot_engine *engine, const struct spot_matrix *data,
                             const struct spot_kmeans_options *options, spot_kmeans **model,
                             struct spot_error *err);

/* A model that has learnt from more rows: scikit-learn's MiniBatchKMeans.partial_fit. The rows go
 * by in their order, batch_rows at a time (0: all are one mini-batch); each batch moves the centres
 * towards the means of its rows, as if the centres had been the means of all that they have seen.
 * In the new model sizes, weights and iterations have grown by what was learnt, the inertia is that
 * of `data`, and converged is 0. The caller frees *updated; `model` is as it was.
 * Errors: SPOT_EUSAGE (batch_rows < 0, a model of another metric than the Euclidean), SPOT_EDATA
 * (as of a fit, another number of columns), SPOT_ENOMEM, SPOT_EDEVICE, SPOT_ESTOPPED. */
SPOT_API int spot_kmeans_update(spot_engine *engine, const spot_kmeans *model,
                                const struct spot_matrix *data, int64_t batch_rows,
                                spot_kmeans **updated, struct spot_error *err);

/* The nearest centre of each row: the lowest index among the smallest
 * sum_j (x_j - c_j)^2 in float64, j ascending. Weights are not looked at; no rows are fine.
 * labels:    (rows) written, from 0, or NULL
 * distances: (rows) Euclidean distance to that centre, or 1 - cos, written; or NULL
 * After a failure their contents are undefined.
 * Errors: SPOT_EDATA (another number of columns, NaN or Inf), SPOT_ENOMEM, SPOT_EDEVICE. */
SPOT_API int spot_kmeans_assign(spot_engine *engine, const spot_kmeans *model,
                                const struct spot_matrix *data, int32_t *labels, double *distances,
                                struct spot_error *err);

struct spot_measure_options {
    uint64_t seed;           /* key of the random numbers that draw the silhouette's sample */
    int64_t silhouette_rows; /* rows that are compared with each other, at most; 0: 10,000, fewer
                                from 172 columns on (rows^2 * columns <= 2^34), at least 1,000 */
};

/* How good a clustering is. NaN: not defined, as with one cluster, or a cluster for each row. */
struct spot_kmeans_measures {
    int32_t clusters;         /* that have rows */
    double silhouette;        /* -1 to 1, large is good (Rousseeuw 1987) */
    double davies_bouldin;    /* 0 or more, small is good (Davies and Bouldin 1979) */
    double calinski_harabasz; /* 0 or more, large is good (Calinski and Harabasz 1974) */
    int64_t silhouette_rows;  /* rows the silhouette is the mean of: all, or those of the sample */
};

/* Measures of a clustering of these rows, with scikit-learn's definitions: Euclidean distances in
 * float64, clusters by their means (not the model's centres), every row counting once: weights are
 * not used, and clusters without rows do not count. The silhouette compares every row with every
 * other (1 - cos for a model with that metric; the other two measures then are those of the unit
 * rows), equal rows once: beyond options->silhouette_rows different ones it is that of a sample of
 * the table's rows among themselves. The same bits for any number of threads and device. options:
 * NULL for the defaults. Errors: SPOT_EUSAGE (silhouette_rows), SPOT_EDATA (another number of
 * columns, NaN or Inf, no rows), SPOT_ENOMEM, SPOT_EDEVICE, SPOT_ESTOPPED. */
SPOT_API int spot_kmeans_measure(spot_engine *engine, const spot_kmeans *model,
                                 const struct spot_matrix *data,
                                 const struct spot_measure_options *options,
                                 struct spot_kmeans_measures *measures, struct spot_error *err);

/* Never fails; the result lives as long as the model. */
SPOT_API const struct spot_kmeans_result *spot_kmeans_result(const spot_kmeans *model);

/* Frees a model; NULL is allowed. */
SPOT_API void spot_kmeans_free(spot_kmeans *model);

/* Writes a model as a JSON document (docs/formats.md), through a temporary file that replaces PATH
 * only when it is complete. Errors: SPOT_EIO, SPOT_ENOMEM. */
SPOT_API int spot_kmeans_save(const spot_kmeans *model, const char *path, struct spot_error *err);

/* Opens a model file of kind "kmeans"; the caller frees *model.
 * Errors: SPOT_EIO, SPOT_EFORMAT (with the place in the document), SPOT_ENOMEM. */
SPOT_API int spot_kmeans_load(const char *path, spot_kmeans **model, struct spot_error *err);

/* ---- Gaussian mixtures ---------------------------------------------------------------------- */

enum spot_gmm_covariance {
    SPOT_GMM_FULL,      /* a matrix for each component: (k, columns, columns) */
    SPOT_GMM_TIED,      /* one matrix for all: (columns, columns) */
    SPOT_GMM_DIAG,      /* a variance for each component and column: (k, columns) */
    SPOT_GMM_SPHERICAL, /* a variance for each component: (k) */
};

enum spot_gmm_init {
    SPOT_GMM_INIT_KMEANS,   /* the clusters of a KMeans fit */
    SPOT_GMM_INIT_KMEANSPP, /* k rows of greedy k-means++ as means, reg_covar as variance */
    SPOT_GMM_INIT_ROWS,     /* k different rows drawn by weight as means, reg_covar as variance */
    SPOT_GMM_INIT_RANDOM,   /* random responsibilities */
};

typedef struct spot_gmm spot_gmm;

/* Where a fit is; handed to the progress callback after each iteration. */
struct spot_gmm_progress {
    int32_t run, runs;  /* initialisation, from 0, and how many there are */
    int32_t iteration;  /* from 1 */
    int32_t max_iter;   /* */
    double lower_bound; /* mean log-likelihood of the rows before this iteration's update */
};

struct spot_gmm_options {
    int32_t k; /* components, 1 <= k <= rows; the only value without a default */
    enum spot_gmm_covariance covariance;
    enum spot_gmm_init init;
    /* Each of the three replaces what `init` found; with all of them `init` is not used. */
    const double *weights;      /* (k) >= 0, sum 1, or NULL */
    const double *means;        /* (k, columns), or NULL */
    const double *precisions;   /* inverse covariances in the covariances' shape, or NULL */
    const spot_gmm *warm_start; /* goes on from this model instead of `init`, or NULL */
    int32_t n_init;     /* runs, the best is kept; 0: 1. With all three or a warm start only 1 */
    int32_t max_iter;   /* iterations of one run, >= 1; default 100 */
    double tol;         /* stop when the lower bound changes by less; >= 0, default 1e-3 */
    double reg_covar;   /* added to the diagonals of the covariances; >= 0, default 1e-6 */
    uint64_t seed;      /* key of the random numbers; default 0 */
    int32_t compact;    /* merge equal rows: 1 yes, 0 no, -1 (default) when it pays */
    int64_t batch_rows; /* rows handed to the device at a time; 0: all that fit; same bits */
    void (*progress)(void *arg, const struct spot_gmm_progress *progress); /* or NULL */
    void *progress_arg;
    /* What to go on from and where to leave what was found, or NULL. One that was made from other
     * rows or options is refused: SPOT_EUSAGE; one that no fit can have left: SPOT_EFORMAT. */
    spot_checkpoint *checkpoint;
};

/* The defaults, scikit-learn's, with k = 0 to be filled in. */
SPOT_API struct spot_gmm_options spot_gmm_defaults(void);

/* What a fit found. Pointers are owned by the model. Sample weights count as rows do: means over
 * rows are weighted means, and n in the criteria is the sum of the weights. */
struct spot_gmm_result {
    int32_t k, columns;
    enum spot_gmm_covariance covariance;
    const double *weights;     /* (k), sum 1 */
    const double *means;       /* (k, columns) row-major */
    const double *covariances; /* in the shape of enum spot_gmm_covariance, row-major */
    double lower_bound;        /* scikit-learn's: the mean log-likelihood before the last update */
    double log_likelihood;     /* mean over the rows under the final parameters */
    double bic, aic;           /* -2 L n + p ln n and -2 L n + 2 p with p free parameters */
    int32_t iterations;        /* of the run that was kept */
    int32_t converged;         /* 1: the lower bound changed by less than tol; 0: max_iter */
    int32_t best_run;          /* which initialisation was kept, from 0 */
    double init_seconds;       /* spent on starts, of all runs; 0 in a model that was read */
};

/* Expectation maximisation (Dempster, Laird and Rubin 1977) with scikit-learn's definitions, in
 * float64. The same bits for any number of threads and batch size on one instruction set; between
 * instruction sets 1e-6 from the same start. The caller frees *model with spot_gmm_free. Errors:
 * SPOT_EUSAGE (an option out of its range), SPOT_EDATA (NaN or Inf with row and column, k > rows,
 * negative weights, a covariance that is singular), SPOT_ENOMEM, SPOT_EDEVICE, SPOT_ESTOPPED. */
SPOT_API int spot_gmm_fit(spot_engine *engine, const struct spot_matrix *data,
                          const struct spot_gmm_options *options, spot_gmm **model,
                          struct spot_error *err);

/* Rows under a mixture; data->weights are not used. Each output may be NULL.
 * labels:           (rows) the most responsible component, ties to the lowest index
 * responsibilities: (rows, k) row-major, each row sums to 1
 * log_likelihood:   (rows) log of the mixture's density; low values are anomalies
 * Errors: SPOT_EDATA (another number of columns, NaN or Inf), SPOT_ENOMEM, SPOT_EDEVICE. */
SPOT_API int spot_gmm_score(spot_engine *engine, const spot_gmm *model,
                            const struct spot_matrix *data, int32_t *labels,
                            double *responsibilities, double *log_likelihood,
                            struct spot_error *err);

/* Draws rows from the mixture: row i depends on the model, the seed and i alone.
 * values: (rows, columns) row-major written; labels: (rows) their components, or NULL.
 * Errors: SPOT_EUSAGE (rows < 0), SPOT_ENOMEM. */
SPOT_API int spot_gmm_sample(const spot_gmm *model, uint64_t seed, int64_t rows, double *values,
                             int32_t *labels, struct spot_error *err);

/* Never fails; the result lives as long as the model. */
SPOT_API const struct spot_gmm_result *spot_gmm_result(const spot_gmm *model);

/* Frees a model; NULL is allowed. */
SPOT_API void spot_gmm_free(spot_gmm *model);

/* As spot_kmeans_save and spot_kmeans_load, for models of kind "gmm". */
SPOT_API int spot_gmm_save(const spot_gmm *model, const char *path, struct spot_error *err);
SPOT_API int spot_gmm_load(const char *path, spot_gmm **model, struct spot_error *err);

/* ---- Boosted trees -------------------------------------------------------------------------- */

typedef struct spot_forest spot_forest;

/* What a forest is. Pointers are owned by the forest; NULL or 0 where its file says nothing. */
struct spot_forest_info {
    const char *library;   /* "xgboost" or "lightgbm": whose rules and arithmetic hold */
    const char *objective; /* as that library names it */
    int32_t trees, iterations, features;
    int32_t outputs;        /* margins of a row: classes of a softmax, or targets; else 1 */
    int32_t classes;        /* of a classifier, two of a binary one; 0 of a regressor */
    int32_t best_iteration; /* iterations used by default: fewer after early stopping */
    int32_t depth;          /* of the deepest tree */
    int64_t nodes, leaves;
    const char *const *feature_names; /* (features) */
};

enum spot_forest_output {
    SPOT_FOREST_VALUE,  /* (rows, outputs) probabilities, means, ... */
    SPOT_FOREST_MARGIN, /* (rows, outputs) before the link */
    SPOT_FOREST_LABEL,  /* (rows, 1) a classifier's class: the lowest of the likeliest */
    SPOT_FOREST_LEAF,   /* (rows, trees) number of the leaf in each tree used */
    /* (rows, outputs, features + 1) what each feature gave to the margin, and last the mean with
     * the base margin: exact Shapley values along the covers of the training rows (TreeSHAP), in
     * float64. A row's sum is its margin, with the leaves added in float64. */
    SPOT_FOREST_CONTRIBUTIONS,
};

struct spot_forest_options {
    enum spot_forest_output output;
    int32_t first_iteration;   /* from 0 */
    int32_t iterations;        /* 0: the default, up to the best iteration */
    const double *base_margin; /* (rows, outputs) instead of the model's, or NULL */
};

/* Rows to score, row-major, with at least the forest's columns. NaN is a missing value. One of the
 * two pointers is NULL. XGBoost's models see float32, LightGBM's float64. */
struct spot_forest_rows {
    const float *values;
    const double *values64;
    int64_t rows;
    int32_t columns;
};

/* Opens a model of XGBoost (JSON or UBJSON, 1.0 and later) or LightGBM (text, v3 and v4), told
 * apart by its content. The caller frees *forest.
 * Errors: SPOT_EIO, SPOT_EFORMAT (with the place, and the remedy for what is not supported),
 * SPOT_ENOMEM. */
SPOT_API int spot_forest_load(const char *path, spot_forest **forest, struct spot_error *err);

enum spot_forest_format {
    SPOT_FOREST_XGBOOST_JSON,   /* opened by XGBoost 1.0 and later where it has the features */
    SPOT_FOREST_XGBOOST_UBJSON, /* opened by XGBoost 1.6 and later */
    SPOT_FOREST_LIGHTGBM_TEXT,  /* opened by LightGBM 3 and later */
};

/* Writes a forest into a file that appears whole or not at all ("-" is standard output), with the
 * names of its features and its encoder. In its own library's format it predicts the same bits. In
 * the other's each row of float32 values comes to the same leaves, but the leaves are added as that
 * library adds them: in float64 (LightGBM), or rounded to float32 and added in float32 (XGBoost).
 * docs/trees.md has the table of objectives.
 * Errors: SPOT_EUSAGE (the format cannot express the forest; the message says what and where),
 * SPOT_EIO, SPOT_ENOMEM. */
SPOT_API int spot_forest_save(const spot_forest *forest, const char *path,
                              enum spot_forest_format format, struct spot_error *err);

/* How many numbers a row gets. */
SPOT_API int64_t spot_forest_width(const spot_forest *forest,
                                   const struct spot_forest_options *options);

/* Scores rows: out (rows, width) is written. XGBoost's margins are those of its CPU predictor bit
 * for bit (float32 values), LightGBM's those of its own (float64).
 * With an engine the rows are shared among its threads; with NULL all is done by the calling
 * thread, and any number of threads may score one forest at the same time.
 * Errors: SPOT_EDATA (too few columns), SPOT_EUSAGE (iterations that are not there, labels of a
 * regressor, contributions of linear leaves or without covers in the model), SPOT_ENOMEM. */
SPOT_API int spot_forest_score(spot_engine *engine, const spot_forest *forest,
                               const struct spot_forest_rows *rows,
                               const struct spot_forest_options *options, double *out,
                               struct spot_error *err);

/* What the splits of all trees say of each feature, (features) each: their number, the sum of their
 * gains and the sum of their covers (XGBoost's weight, total_gain and total_cover; LightGBM's split
 * and gain, which leave splits without gain out). 0 where the file has none. SPOT_ENOMEM. */
SPOT_API int spot_forest_importance(const spot_forest *forest, int64_t *splits, double *gain,
                                    double *cover, struct spot_error *err);

/* Never fails; lives as long as the forest. */
SPOT_API const struct spot_forest_info *spot_forest_info(const spot_forest *forest);

/* Frees a forest; NULL is allowed. */
SPOT_API void spot_forest_free(spot_forest *forest);

#ifdef __cplusplus
}
#endif

#endif
