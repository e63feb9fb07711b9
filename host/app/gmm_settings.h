/* Options of Gaussian mixtures from the configuration (`gmm:`) and the command line, which goes
 * first. */
#ifndef SPOT_APP_GMM_SETTINGS_H
#define SPOT_APP_GMM_SETTINGS_H

#include "app/session.h"

struct gmm_settings {
    struct spot_gmm_options options; /* k, means and warm_start are left to the caller */
    int32_t lowest_k, highest_k;     /* 0: as many as the file of means or the model has */
    char *start_path; /* a file of initial means, or a model to go on from; or NULL */
    bool start_is_model;
    const char *weight_column; /* or NULL */
};

int gmm_settings(struct session *session, struct gmm_settings *settings, struct spot_error *err);
void gmm_settings_clear(struct gmm_settings *settings);

#endif
