/* The steps of a fit, shared by its files: seeding, Lloyd's iterations, empty clusters. */
#ifndef SPOT_MODELS_KMEANS_FIT_H
#define SPOT_MODELS_KMEANS_FIT_H

#include <stdbool.h>

#include "models/checkpoint.h"
#include "models/fit_data.h"
#include "models/kmeans.h"

struct kmeans_fit {
    spot_engine *engine;
    const struct backend_kmeans *backend;
    const struct spot_kmeans_options *options;
    const struct spot_matrix *matrix;
    struct fit_data *data; /* borrowed */
    struct kmeans_run *run;
    bool is_sample;   /* the tolerance is given: that of the rows it was drawn from */
    double tolerance; /* on the squared shift */
    int32_t n_init, run_index;
    double init_seconds; /* of all runs so far */

    double *centres;               /* (k, columns) of the current run */
    struct kmeans_partial partial; /* work space of its shape */
    struct kmeans_far *far;        /* (k) */
    float *row;                    /* (columns) */
    double *shifted;               /* (columns) a row without offset */

    /* the current run's outcome */
    int32_t iterations;
    int32_t converged;
    int64_t near_ties;
    struct int128 inertia;

    struct int128 best; /* inertia of the run kept so far */
    bool has_labels;    /* options->labels are those of that run */

    /* for a checkpoint (kmeans_checkpoint.c) */
    enum checkpoint_stage stage; /* of the current run */
    double *kept, *before;       /* (k, columns) to go on from, and before this step; or NULL */
    int32_t kept_iterations;     /* that led to `kept` */
    struct checkpoint_head head; /* k 0: nothing to compare with yet */
    spot_kmeans *model;          /* the best of the runs before the current one */
    uint64_t *begun;             /* (begun_count, words of a run) from run `begun_first` on */
    int32_t begun_first, begun_count;

    /* runs made side by side (kmeans_runs.c) */
    struct kmeans_fit *parts; /* (parts_count) from the current run on; or NULL */
    int32_t parts_count;
    struct kmeans_fit *whole; /* that this is a part of, or NULL */
};

/* Opens everything but the data: engine, backend, options, matrix, data and n_init are given. Close
 * after a failure too. */
int kmeans_fit_open(struct kmeans_fit *fit, struct spot_error *err);
void kmeans_fit_close(struct kmeans_fit *fit);

/* Makes all runs and copies the best one into the model (kmeans_runs.c). Where rows stream, several
 * runs share each pass over them. The labels of a single run stay in fit->run. */
int kmeans_fit_runs(struct kmeans_fit *fit, spot_kmeans *model, struct spot_error *err);
void kmeans_parts_close(struct kmeans_fit *fit);

/* Initial centres of run `run_index` into fit->centres (kmeans_seed.c). */
int kmeans_seed(struct kmeans_fit *fit, struct spot_error *err);

/* Lloyd's iterations from fit->centres to the end, labels and inertia (kmeans_lloyd.c). */
int kmeans_lloyd(struct kmeans_fit *fit, struct spot_error *err);

/* The fit's rows and options, and how its words of options are read. */
struct checkpoint_head kmeans_head(const struct kmeans_fit *fit);
extern const struct checkpoint_option kmeans_option_words[];

/* Takes up the fit that options->checkpoint holds, if it holds this one. */
int kmeans_resume(struct kmeans_fit *fit, spot_kmeans *model, struct spot_error *err);
/* Room for what a checkpoint needs, where there is one. */
int kmeans_keep_open(struct kmeans_fit *fit, struct spot_error *err);
/* Centres (k, columns) that the run can go on from, found in fit->iterations. */
void kmeans_keep(struct kmeans_fit *fit, const double *centres);
/* Leaves the fit in options->checkpoint; the second, of a fit or a part, when the time has come
 * (spot_checkpoint_every), in its file too. */
int kmeans_leave(struct kmeans_fit *fit, struct spot_error *err);
int kmeans_leave_in_time(struct kmeans_fit *fit, struct spot_error *err);
/* The state of run fit->run_index, if `whole` took it from a checkpoint; else it begins. */
void kmeans_take_begun(struct kmeans_fit *fit, const struct kmeans_fit *whole);

/* A row of the handle without its offset, and its weight and label. */
int kmeans_shifted_row(struct kmeans_fit *fit, int64_t row, double *values, int64_t *weight,
                       int32_t *label, struct spot_error *err);

/* One row of the matrix, offset added again: (columns) float64. */
int kmeans_row(struct kmeans_fit *fit, int64_t row, double *values, struct spot_error *err);

#endif
