/* MODEL.checkpoint: what a training that is stopped leaves beside its model, and --resume. It is
 * there only while the model is not done. */
#ifndef SPOT_APP_RESUME_H
#define SPOT_APP_RESUME_H

#include "app/training.h"

/* Opens job->checkpoint: with --resume what MODEL.checkpoint holds, else an empty one; NULL where
 * the model goes to a pipe or a device. lowest_k, highest_k: what will be fitted, 0 if not yet
 * known; a checkpoint of other k is refused. */
int resume_open(struct training *job, int32_t lowest_k, int32_t highest_k, struct spot_error *err);

/* At the end of a training, which has this status: when it was stopped, writes the checkpoint and
 * says how to go on; when it is done, removes it. Returns the status. */
int resume_close(struct training *job, int status);

#endif
