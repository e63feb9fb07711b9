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
    struct fit_data data;
    struct mixture_run *run;
    struct gmm_constants constants;
    struct mixture_partial partial; /* work space of its shape */
    struct gmm_parameters current;  /* of the current run */
    int32_t n_init, run_index;

    /* the current run's outcome */
    double lower_bound;
    int32_t iterations, converged;

    /* for a checkpoint (gmm_checkpoint.c) */
    enum checkpoint_stage stage; /* of the current run */
    struct checkpoint_head head; /* k 0: nothing to compare with yet */
};

/* The start of run `run_index` into fit->current (gmm_start.c). */
int gmm_start(struct gmm_fit *fit, struct spot_error *err);

/* Takes up the fit that options->checkpoint holds, if it holds this one; and leaves it there. */
int gmm_resume(struct gmm_fit *fit, spot_gmm *model, struct spot_error *err);
int gmm_leave(struct gmm_fit *fit, const spot_gmm *model, struct spot_error *err);
/* When the time has come (spot_checkpoint_every), in its file too. */
int gmm_leave_in_time(struct gmm_fit *fit, const spot_gmm *model, struct spot_error *err);

/* Centre and scatter of the whole data, for tied covariances (gmm_start.c). */
int gmm_measure_scatter(struct gmm_fit *fit, struct spot_error *err);

#endif
