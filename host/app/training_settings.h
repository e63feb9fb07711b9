/* What the settings of `train kmeans` and `train gmm` have in common, from the configuration
 * (`kmeans:`, `gmm:`) and the command line, which goes first. */
#ifndef SPOT_APP_TRAINING_SETTINGS_H
#define SPOT_APP_TRAINING_SETTINGS_H

#include "app/session.h"

/* The options that every `train` takes beside those of its model. */
extern const struct argp_option training_options[];

struct training_settings {
    int32_t lowest_k, highest_k;    /* the same, or a range to choose from; 0: none given */
    const char *init;               /* a method or a file, or NULL */
    const struct config *init_node; /* where a configuration says so, else NULL */
    int32_t n_init;                 /* 0: the model's default */
    int32_t max_iter;
    double tol;
    int32_t compact; /* 1, 0, or -1: when it pays */
    uint64_t seed;
    const char *weight_column; /* or NULL */
};

/* Reads them over the defaults of max_iter and tol that *settings brings; section: "kmeans", whose
 * keys (NULL-terminated) the caller has checked. Texts are borrowed from the session. */
int training_settings(const struct session *session, const char *section,
                      struct training_settings *settings, struct spot_error *err);

/* The path of a file that init names; the caller frees it. NULL without memory. */
char *init_path(const struct training_settings *settings);

/* Why init is no method; the nearest of `methods` (NULL-terminated) is suggested, else `else_what`
 * says what it may be. */
int init_unknown(const struct training_settings *settings, const char *section,
                 const char *const *methods, const char *else_what, struct spot_error *err);

#endif
