/* Fits that were stopped, or are done, as 64-bit words: which rows and options they belong to, and
 * how far they came. KMeans and mixtures put their own words in (kmeans_checkpoint.c,
 * gmm_checkpoint.c); this is what both share, and the file (docs/formats.md). */
#ifndef SPOT_MODELS_CHECKPOINT_H
#define SPOT_MODELS_CHECKPOINT_H

#include <stdbool.h>

#include "backend/engine.h"
#include "blackspot.h"

enum checkpoint_kind { CHECKPOINT_KMEANS = 1, CHECKPOINT_GMM };

/* Where the current run of a fit is. */
enum checkpoint_stage {
    STAGE_START,     /* has no centres yet */
    STAGE_ITERATING, /* goes on with the centres kept */
    STAGE_ENDED,     /* its last centres are found; labels and inertia are not */
};

enum { CHECKPOINT_OPTIONS = 10 };

/* Members of 8 bytes each, so that it is written as it is. */
struct checkpoint_head {
    int64_t kind, k, rows, columns;
    uint64_t values;                      /* checkpoint_rows of the matrix */
    uint64_t options[CHECKPOINT_OPTIONS]; /* as struct checkpoint_option says */
    int64_t run;                          /* the current one; the number of runs: all are done */
    int64_t stage, iterations, converged; /* of the current run */
    int64_t count;                        /* words of state */
};

/* How an option's word is read, for messages. */
struct checkpoint_option {
    const char *name; /* NULL ends a list */
    enum { OPTION_WHOLE, OPTION_REAL, OPTION_HASH } type;
};

struct checkpoint_fit {
    struct checkpoint_head head;
    uint64_t *state; /* (head.count) the current run's numbers, then the best run's */
};

struct spot_checkpoint {
    struct checkpoint_fit *fits; /* (count) no two with the same k */
    int64_t count, capacity;
    char *path; /* it was read from, or NULL */

    char *save_path; /* it goes to in time, or NULL */
    double every;    /* seconds */
    double due;      /* on the clock of checkpoint_is_due */
};

/* Whether a fit should put itself in and have the file written; NULL: no. Looks at a clock: it
 * decides when something is written, never what is computed. */
bool checkpoint_is_due(const spot_checkpoint *checkpoint);
/* Writes the file that is due. That it cannot be written is no reason to end a fit: a warning. */
void checkpoint_write(spot_checkpoint *checkpoint, const spot_engine *engine);

/* The fit with head->k, or NULL. Refuses one of another kind, other rows or options: SPOT_EUSAGE,
 * and values that no such fit has: SPOT_EFORMAT. */
int checkpoint_find(const spot_checkpoint *checkpoint, const struct checkpoint_head *head,
                    const struct checkpoint_option *options, const struct checkpoint_fit **found,
                    struct spot_error *err);

/* Tells where a fit goes on. */
void checkpoint_log(const spot_engine *engine, const struct checkpoint_head *head, int32_t runs);

/* Refuses a fit whose values no fit has. */
int checkpoint_refuse(const spot_checkpoint *checkpoint, int64_t k, struct spot_error *err);

/* Takes the place of the fit with the same k. Room for head->count words is returned in *state. */
int checkpoint_put(spot_checkpoint *checkpoint, const struct checkpoint_head *head,
                   uint64_t **state, struct spot_error *err);

/* Copies `count` words (doubles, int64_t) to or from a place that moves on. */
void words_put(uint64_t **at, const void *values, int64_t count);
void words_get(const uint64_t **at, void *values, int64_t count);

/* A number for `count` words, going on from `start`. */
uint64_t words_hash(uint64_t start, const void *words, int64_t count);
uint64_t real_word(double value);

/* A number for all values and weights in their order; adds up over rows, so that neither threads
 * nor batches change it. */
int checkpoint_rows(const struct spot_matrix *rows, struct spot_pool *pool, uint64_t *hash,
                    struct spot_error *err);

#endif
