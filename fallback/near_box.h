/* Which centres a box of rows has to look at: one that is farther from every point of the box than
 * two others are from any cannot be nearest nor second nearest to a row in it (Kanungo et al. 2002,
 * with two centres kept instead of one, so that the rows' limits hold as well). Plain C in groups
 * of 16, which AVX2 compiles to its own vectors. */
#ifndef SPOT_FALLBACK_NEAR_BOX_H
#define SPOT_FALLBACK_NEAR_BOX_H

#include <math.h>
#include <stdint.h>

#include "fallback/kmeans_kernels.h"

enum { NEAR_LANES = 16 };

/* Squared distances of 16 centres to the nearest and the farthest point of the box: of low - c and
 * c - high, at most one is positive, and the smaller is how far away the other side is. */
static inline __attribute__((always_inline)) void box_distances(const float *box, int32_t columns,
                                                                const float *values, int64_t stride,
                                                                float *least, float *most)
{
    for (int l = 0; l < NEAR_LANES; l++)
        least[l] = most[l] = 0.0f;
    for (int32_t j = 0; j < columns; j++, values += stride)
        for (int l = 0; l < NEAR_LANES; l++) {
            float below = box[j] - values[l], above = values[l] - box[columns + j];
            float outside = below > above ? below : above;
            float inside = below > above ? above : below;
            outside = outside > 0.0f ? outside : 0.0f;
            least[l] += outside * outside;
            most[l] += inside * inside;
        }
}

/* The second smallest of 16 smallest and 16 second smallest. */
static inline float second_of(const float *smallest, const float *second)
{
    float first = INFINITY, next = INFINITY;
    for (int l = 0; l < NEAR_LANES; l++) {
        float larger = smallest[l] > first ? smallest[l] : first;
        first = smallest[l] < first ? smallest[l] : first;
        next = larger < next ? larger : next;
        next = second[l] < next ? second[l] : next;
    }
    return next;
}

/* Appends the centres of 16 from `first` on whose bit is set. */
static inline void append_near(const struct centre_list *from, int32_t first, uint32_t bits,
                               int32_t columns, struct centre_list *near)
{
    for (; bits != 0; bits &= bits - 1) {
        const int32_t c = first + __builtin_ctz(bits), at = near->count++;
        near->index[at] = from->index[c];
        near->halves[at] = from->halves[c];
        for (int32_t j = 0; j < columns; j++)
            near->values[j * near->stride + at] = from->values[j * from->stride + c];
    }
}

static inline __attribute__((always_inline)) void near_box(const float *box, int32_t columns,
                                                           float slack,
                                                           const struct centre_list *from,
                                                           struct centre_list *near, float *work)
{
    float smallest[NEAR_LANES], second[NEAR_LANES];
    float *least = work, *most = work + from->stride;
    for (int l = 0; l < NEAR_LANES; l++)
        smallest[l] = second[l] = INFINITY;
    for (int32_t c = 0; c < from->count; c += NEAR_LANES) {
        box_distances(box, columns, from->values + c, from->stride, least + c, most + c);
        for (int l = 0; l < NEAR_LANES; l++) {
            float value = c + l < from->count ? most[c + l] : INFINITY;
            float larger = value > smallest[l] ? value : smallest[l];
            smallest[l] = value < smallest[l] ? value : smallest[l];
            second[l] = larger < second[l] ? larger : second[l];
        }
    }
    const float bound = second_of(smallest, second) * NEAR_FACTOR + slack;
    near->count = 0;
    for (int32_t c = 0; c < from->count; c += NEAR_LANES) {
        uint32_t bits = 0;
        for (int l = 0; l < NEAR_LANES; l++)
            bits |= (uint32_t)(c + l < from->count && !(least[c + l] > bound)) << l;
        append_near(from, c, bits, columns, near);
    }
}

#endif
