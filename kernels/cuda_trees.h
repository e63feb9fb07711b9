/* A forest on the device, and one call that scores rows there (forest_score.cu). The nodes of a
 * tree lie in order of their depth, the children of a node side by side: the left one of pair p is
 * node 2 p - 1 of the tree, the right one 2 p. A leaf has no pair; its threshold is its value. */
#ifndef SPOT_KERNELS_CUDA_TREES_H
#define SPOT_KERNELS_CUDA_TREES_H

#include "kernels/handles.h"

enum {
    TREES_THREADS = 256,
    TREES_BLOCKS = 4, /* on a multiprocessor, so that 64 registers are there and none is spilled */
    NODE_FLAG_BITS = 4,
    NODE32_FEATURE_BITS = 14,
    NODE32_NUMBER_BITS = NODE_FLAG_BITS + NODE32_FEATURE_BITS,
    NODE32_MOST_NODES = (1 << (32 - NODE32_NUMBER_BITS + 1)) - 1,
};

/* 8 bytes: rows of float32, trees and features of usual size. x <= t is x < the next float32, and
 * NaN where no value is above; a LightGBM leaf's value does not fit and is looked up. */
struct cuda_node32 {
    typedef float value;
    float threshold;
    uint32_t word; /* pair, feature, flags; of a leaf its number in the forest */
};

/* 16 bytes: any rows and any tree. */
struct cuda_node64 {
    typedef double value;
    double threshold;
    uint32_t pair;
    uint32_t word; /* feature, flags; of a leaf its number in the forest */
};

struct cuda_forest {
    enum forest_rules rules;
    int32_t features, outputs;
    struct cuda_node32 *nodes32; /* (nodes), or NULL where they do not fit */
    struct cuda_node64 *nodes64; /* (nodes), or NULL where they are not needed */
    int64_t *first_node;         /* (trees + 1) */
    int32_t *tree_output;        /* (trees), -1: all */
    float *tree_weight;          /* (trees) or NULL */
    double *values;              /* (nodes) by the numbers that the forest has */
    uint32_t *categories;        /* of a split, whose threshold says where: words, then so many */
    int64_t *vector;             /* (nodes) as values, or NULL */
    double *leaf_vectors;
};

/* Rows on the device and what is wanted of them. */
struct cuda_forest_pass {
    int64_t rows;
    int32_t columns, first, trees; /* of the forest's trees */
    const float *values32;         /* (rows, columns) or NULL, */
    const double *values64;
    double *margins; /* (rows, outputs) to add to, or NULL */
    int32_t *leaves; /* (rows, trees) or NULL */
    int32_t room;    /* nodes that shared memory has room for, behind the rows */
    int32_t
        shared_rows; /* bytes of shared memory that rows take; 0: they are read where they are */
};

/* Whether so few rows are walked tree by tree in parallel, which takes room for leaves. */
int cuda_forest_few(const struct backend *backend, int64_t rows);

/* Scores behind the work so far. */
int cuda_forest_score(const struct backend *backend, const struct cuda_forest *forest,
                      struct cuda_forest_pass *pass, struct spot_error *err);

#endif
