/* The models of a range of k, `--k 2..12`: what was measured for each and which one is best. */
#ifndef SPOT_APP_CANDIDATES_H
#define SPOT_APP_CANDIDATES_H

#include <cjson/cJSON.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

#include "blackspot.h"

enum { MOST_MEASURES = 4 };

/* What a kind of model is measured by. */
struct measure {
    const char *key;   /* "davies_bouldin" in JSON; NULL after the last */
    const char *title; /* "Davies-Bouldin" in tables */
};

struct candidate {
    int32_t k;
    double values[MOST_MEASURES]; /* NaN: not defined */
};

struct candidates {
    const struct measure *measures; /* at most MOST_MEASURES */
    int32_t rule;                   /* the measure that decides */
    bool highest;                   /* by its highest value, else by its lowest */
    struct candidate *items;        /* (count) in the order of k */
    int64_t count, capacity;
    int64_t best; /* of the items; the first of equals, the first of all when none is defined */
};

/* Adds what was measured; *better: it is the best so far. Errors: SPOT_ENOMEM. */
int candidates_add(struct candidates *candidates, const struct candidate *candidate, bool *better,
                   struct spot_error *err);
void candidates_clear(struct candidates *candidates);

/* "highest silhouette", "lowest BIC". Returns buffer. */
const char *candidates_rule(const struct candidates *candidates, char *buffer, size_t room);

/* Several: "candidates" and "chosen_by" into an object. */
void candidates_json(const struct candidates *candidates, cJSON *object);

/* A line for each k, the chosen one marked. Errors: SPOT_EIO. */
int candidates_print(const struct candidates *candidates, FILE *out, struct spot_error *err);

#endif
