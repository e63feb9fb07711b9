/* Rows of float64. Their blocks lie beside those of float32 that the filter looks at; whatever a
 * result is made of comes from here. One text of plain C for all instruction sets. */
#ifndef SPOT_FALLBACK_KMEANS_WIDE_H
#define SPOT_FALLBACK_KMEANS_WIDE_H

#include <stddef.h>

#include "fallback/kmeans_kernels.h"

/* As the entries of struct kmeans_kernels, for blocks x of float64. */
uint64_t wide_move_rows(const double *x, int32_t columns, const double *scale, const int32_t *from,
                        const int32_t *to, int64_t *sums, int64_t *sizes);
void wide_own_distances(const struct kmeans_filter *filter, const double *x, const int32_t *labels,
                        double *d2);
void wide_moments(const double *x, int32_t rows, double scale, struct block_moments *moments);

/* A block of rows: as float32, and as they are where they are float64, else NULL. */
struct block_values {
    const float *x;     /* (columns, BLOCK_ROWS) */
    const double *wide; /* (columns, BLOCK_ROWS) or NULL */
};

/* The same from row i on. */
static inline struct block_values block_from(struct block_values block, int64_t i)
{
    return (struct block_values){block.x + i, block.wide == NULL ? NULL : block.wide + i};
}

/* Column j of its first row. */
static inline double block_value(struct block_values block, int64_t j)
{
    return block.wide == NULL ? (double)block.x[j * BLOCK_ROWS] : block.wide[j * BLOCK_ROWS];
}

static inline void own_distances(const struct kmeans_kernels *kernels,
                                 const struct kmeans_filter *filter, struct block_values block,
                                 const int32_t *labels, double *d2)
{
    if (block.wide == NULL)
        kernels->own_distances(filter, block.x, labels, d2);
    else
        wide_own_distances(filter, block.wide, labels, d2);
}

#endif
