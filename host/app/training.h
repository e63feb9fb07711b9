/* What `train kmeans` and `train gmm` have in common: reading, the encoder's way into the model,
 * and everything that is written when the model is made. */
#ifndef SPOT_APP_TRAINING_H
#define SPOT_APP_TRAINING_H

#include <cjson/cJSON.h>

#include "app/candidates.h"
#include "app/session.h"
#include "models/model_file.h"

/* All that one training holds. */
struct training {
    struct session *session;
    struct prepared data;
    struct spot_reader reader; /* of data.file */
    char **file_names;         /* (data.columns) from the encoder's file beside a .npy, or NULL */
    struct model model;
    spot_checkpoint *checkpoint; /* of the fits, or NULL (resume.h) */
    char *checkpoint_path;
    struct candidates candidates;     /* a range of k, and what was measured */
    bool measured;                    /* silhouette and the like too */
    double init_seconds, fit_seconds; /* init_seconds are part of fit_seconds */
    double measure_seconds, write_seconds;
};

/* Refuses, before any work, outputs that cannot be written. */
int training_check(const struct session *session, struct spot_error *err);

/* Whether the rows must be in memory, whatever --memory says. */
bool training_needs_memory(const struct training *job);

/* Reads the rows; features and encoder go into the model. weight_column may be NULL. directions:
 * zero stays zero, and a matrix whose encoder took an offset off is refused. */
int training_read(struct training *job, const char *weight_column, bool directions,
                  struct spot_error *err);

/* The rows, borrowed from the training. */
struct spot_matrix training_rows(const struct training *job);

/* Names the place in those rows that a failed fit complains of: the .npy and its columns. */
void training_name_place(const struct training *job, struct spot_error *err);

/* Adds what was found to an object. */
typedef void training_findings(cJSON *object, const struct training *job);

/* Refuses a range of k that the rows do not suffice for, or that goes with a file of --init, before
 * the first fit. */
int training_check_range(const struct training *job, int32_t lowest_k, int32_t highest_k,
                         const char *init_path, struct spot_error *err);

/* Says which k of a range is suggested, and why. */
void training_log_choice(const struct training *job);

/* Writes the model and --metrics. */
int training_write(struct training *job, training_findings *findings, struct spot_error *err);

/* The table and the pictures, for whom they were asked. */
int training_show(const struct training *job, struct spot_error *err);

/* The result line. */
int training_print(const struct training *job, training_findings *findings, struct spot_error *err);

void training_close(struct training *job);

#endif
