/* Centres packed for the float32 filter, with the bound of its error (docs/exactness.md). */
#ifndef SPOT_FALLBACK_FILTER_H
#define SPOT_FALLBACK_FILTER_H

#include <stdbool.h>

#include "fallback/kmeans_wide.h"

/* Memory of a filter for k centres; the struct kmeans_filter inside points into it. */
struct filter_space {
    struct kmeans_filter filter;
    int32_t tile, tiles;
    double *exact;    /* (k, columns) */
    double *previous; /* (k, columns) the centres packed last */
    float *packed;    /* (tiles, columns, tile) */
    float *halves;    /* (tiles * tile) */
    uint16_t *split;  /* as the kernels want it, or NULL */
    double *reach;    /* (columns) largest |centre without offset| */
    double half;      /* the largest of the halves, before rounding */
};

/* 0, or SPOT_ENOMEM with everything freed. offset (columns) is borrowed. wide: the rows are
 * float64. */
int filter_open(struct filter_space *space, int32_t k, int32_t columns, const double *offset,
                const struct kmeans_kernels *kernels, bool wide);
void filter_close(struct filter_space *space);

/* Packs space->exact and bounds the error for rows with |x_j| <= largest_j; (columns). Returns
 * how far the two centres that moved most did since the last time, on average, or infinity where no
 * limit found before holds. */
double filter_pack(struct filter_space *space, const float *largest);

/* Bounds the error of space's scores for rows with |x_j| <= largest_j in a copy of its filter that
 * looks for labels alone. */
void filter_bound(const struct filter_space *space, const float *largest,
                  struct kmeans_filter *filter);

/* The kernels' filter on one block: labels, and the bits of those of the first `rows` that the
 * definition has to decide. */
uint64_t filter_look(const struct kmeans_kernels *kernels, const struct kmeans_filter *filter,
                     const float *x, int32_t rows, int32_t *labels, struct filter_limits *limits);

/* Its decision on these; returns how many they are. Of other rows block.wide is not looked at. */
int32_t filter_decide(const struct kmeans_kernels *kernels, const struct kmeans_filter *filter,
                      struct block_values block, uint64_t ties, int32_t *labels);

/* Labels of one block by the written definition: the kernels' filter, then float64 for the rows it
 * could not decide among the first `rows`. labels (BLOCK_ROWS), limits as in kmeans_kernels.h.
 * Returns how many those were. */
int32_t filter_block(const struct kmeans_kernels *kernels, const struct kmeans_filter *filter,
                     struct block_values block, int32_t rows, int32_t *labels,
                     struct filter_limits *limits);

#endif
