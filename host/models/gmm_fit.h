/* The steps of a fit, shared by its files: the start of a run, EM, and the criteria at its end. */
#ifndef SPOT_MODELS_GMM_FIT_H
#define SPOT_MODELS_GMM_FIT_H

#include "models/checkpoint.h"
#include "models/fit_data.h"
#include "models/gmm.h"

struct gmm_fit {
    spot_engine *engine;
    const struct backend_mixture *backend;
    const struct spot_gmm_options *options;
    const struct spot_matrix *matrix;
    struct fit_data *data; /* borrowed */
    struct mixture_run *run;
    struct gmm_constants constants;
    struct mixture_partial partial; /* work space of its shape */
    struct gmm_parameters current;  /* of the current run */
    int32_t n_init, run_index;

    /* the current run's outcome */
    double lower_bound;
    int32_t iterations, converged;
    double init_seconds; /* of all runs so far */

    /* for a checkpoint (gmm_checkpoint.c) */
    enum checkpoint_stage stage; /* of the current run */
    struct checkpoint_head head; /* k 0: nothing to compare with yet */
    spot_gmm *model;             /* the best of the runs before the current one */
    uint64_t *begun;             /* (begun_count, words of a run) from run `begun_first` on */
    int32_t begun_first, begun_count;

    /* runs made side by side (gmm_runs.c) */
    struct gmm_fit *parts; /* (parts_count) from the current run on; or NULL */
    int32_t parts_count;
    struct gmm_fit *whole; /* that this is a part of, or NULL */
};

/* A run's sums, parameters and place on the device; close after a failure too. */
int gmm_run_open(struct gmm_fit *run, struct spot_error *err);
void gmm_run_close(struct gmm_fit *run);
void gmm_parts_close(struct gmm_fit *fit);

/* Makes all runs and copies the best one into fit->model. */
int gmm_fit_runs(struct gmm_fit *fit, struct spot_error *err);

/* The start of run `run_index` into fit->current (gmm_start.c). */
int gmm_start(struct gmm_fit *fit, struct spot_error *err);

/* Takes up the fit that options->checkpoint holds, if it holds this one; and leaves it there. */
int gmm_resume(struct gmm_fit *fit, struct spot_error *err);
int gmm_leave(struct gmm_fit *fit, struct spot_error *err);
/* Of a fit or a part: when the time has come (spot_checkpoint_every), in its file too. */
int gmm_leave_in_time(struct gmm_fit *fit, struct spot_error *err);
/* The state of run fit->run_index, if `whole` took it from a checkpoint; else it begins. */
void gmm_take_begun(struct gmm_fit *fit, const struct gmm_fit *whole);

/* Centre and scatter of the whole data, for tied covariances (gmm_start.c). */
int gmm_measure_scatter(struct gmm_fit *fit, struct spot_error *err);

#endif
