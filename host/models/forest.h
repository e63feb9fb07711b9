/* A forest with what its file says beside the trees, and how readers and writers of formats meet
 * it. */
#ifndef SPOT_MODELS_FOREST_H
#define SPOT_MODELS_FOREST_H

#include "backend/backend.h"
#include "blackspot.h"

/* From margins to values: each output by itself, but for the softmax. */
enum forest_link {
    LINK_IDENTITY,
    LINK_SIGMOID,       /* 1 / (1 + exp(-parameter * m)) */
    LINK_SOFTMAX,       /* over all outputs */
    LINK_EXP,           /* exp(m) */
    LINK_LOG1P_EXP,     /* log(1 + exp(m)): LightGBM's cross_entropy_lambda */
    LINK_SIGNED_SQUARE, /* sign(m) m^2: LightGBM's regression sqrt */
    LINK_HINGE,         /* 1 where m > 0, else 0: XGBoost's binary:hinge */
};

struct spot_forest {
    struct forest forest;
    char *objective;            /* as the file names it: "binary:logistic" */
    char *objective_parameters; /* XGBoost's, as members of a JSON object; or NULL */
    enum forest_link link;
    double link_parameter;
    int32_t classes;        /* of a classifier, two of a binary one; 0 of a regressor */
    double *base_margin;    /* (outputs) what every row starts with; float32 values of XGBoost's */
    double *base_score;     /* (outputs) XGBoost's, before it became the margin; or NULL */
    int32_t average;        /* 1: margins are divided by the iterations, as in a random forest */
    int32_t best_iteration; /* iterations to use when nothing else is asked, or 0: all */
    char **features;        /* (forest.features) names, or NULL */
    char **feature_types; /* (forest.features) XGBoost's: "float", "int", "i", "q", "c"; or NULL */
    char *encoder;        /* the encoder as JSON text, or NULL */
    char *categories;     /* what the format keeps of categories' names, as JSON text, or NULL */
    char *feature_infos;  /* (forest.features) LightGBM's, as its line holds them, or NULL */
    struct forest_plan *plan;     /* for the CPU */
    struct forest_device *device; /* for a GPU */
    struct spot_forest_info info;
};

/* More than any model has; what a damaged file announces may be 2^31. */
enum { FOREST_MOST_OUTPUTS = 1 << 20 };

/* A forest without trees yet; NULL when memory is short. forest_arrays makes room for nodes. */
spot_forest *forest_new(enum forest_rules rules, int32_t features, int32_t outputs, int32_t trees,
                        int32_t iterations);
/* Arrays for `nodes` nodes, all zero: (nodes) each. SPOT_ENOMEM. */
int forest_arrays(struct forest *forest, int64_t nodes);

/* Makes room for `needed` nodes and one more in the arrays that every reader fills (left to cover,
 * and first_word), which grow; *capacity is theirs. SPOT_ENOMEM. */
int forest_grow(struct forest *forest, int64_t *capacity, int64_t needed);
/* Frees all arrays. */
void forest_clear(struct forest *forest);

/* Every index inside its array, every tree a tree: each node but the root is the child of exactly
 * one other that comes before or after it, none is its own ancestor. Names tree and node. */
int forest_check(const struct forest *forest, const char *path, struct spot_error *err);

/* The last step of every reader: checks, then plans for the CPU and fills in the info. */
int forest_ready(spot_forest *forest, const char *path, struct spot_error *err);

/* Margins (rows, outputs) to values in place, in the arithmetic of the forest's library. */
void forest_link_values(const spot_forest *forest, int64_t rows, double *margins);

#endif
