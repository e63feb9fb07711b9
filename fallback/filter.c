/* The filter's scores are h_c - x.c with h_c = |c|^2 / 2, which order the centres as the squared
 * distances do. Each score is computed in float32 with a known bound on its error; only where the
 * two best are closer than twice the bound can the order be wrong, and there the definition
 * decides. The bound: standard analysis of a chain of fused multiply-adds, Higham, Accuracy and
 * Stability of Numerical Algorithms, 2nd ed., section 3.1; the proof is in docs/exactness.md. */
#include "fallback/filter.h"

#include <float.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/memory.h"
#include "blackspot.h"
#include "numerics/distance.h"
#include "numerics/margin.h"

/* Rounded up to whole tiles, leading and trailing parts. */
static int64_t split_size(int32_t k, int32_t columns)
{
    const int64_t centres = (k + SPLIT_CENTRES - 1) / SPLIT_CENTRES * (int64_t)SPLIT_CENTRES;
    return 2 * centres * ((columns + SPLIT_COLUMNS - 1) / SPLIT_COLUMNS * SPLIT_COLUMNS);
}

int filter_open(struct filter_space *space, int32_t k, int32_t columns, const double *offset,
                const struct kmeans_kernels *kernels, bool wide)
{
    const int32_t tile = kernels->tile;
    const bool split = kernels->splits != NULL && kernels->splits(k, columns);
    memset(space, 0, sizeof *space);
    space->tile = tile;
    space->tiles = (k + tile - 1) / tile;
    int64_t padded = (int64_t)space->tiles * tile;
    space->exact = spot_alloc((int64_t)k * columns, sizeof *space->exact);
    space->previous = spot_alloc_zero((int64_t)k * columns, sizeof *space->previous);
    space->packed = spot_alloc_zero(padded * columns, sizeof *space->packed);
    space->halves = spot_alloc(padded, sizeof *space->halves);
    space->reach = spot_alloc(columns, sizeof *space->reach);
    if (split) space->split = spot_alloc_zero(split_size(k, columns), sizeof *space->split);
    if (space->exact == NULL || space->previous == NULL || space->packed == NULL ||
        space->halves == NULL || space->reach == NULL || (split && space->split == NULL)) {
        filter_close(space);
        return SPOT_ENOMEM;
    }
    for (int64_t c = 0; c < padded; c++)
        space->halves[c] = FLT_MAX;
    space->filter = (struct kmeans_filter){.k = k,
                                           .columns = columns,
                                           .wide = wide,
                                           .exact = space->exact,
                                           .offset = offset,
                                           .centres = space->packed,
                                           .halves = space->halves,
                                           .split = space->split};
    return SPOT_OK;
}

void filter_close(struct filter_space *space)
{
    free(space->exact);
    free(space->previous);
    free(space->packed);
    free(space->halves);
    free(space->split);
    free(space->reach);
    memset(space, 0, sizeof *space);
}

struct bounds {
    double product, distance, squares;
};

/* Sums over the columns, of the largest values there are. */
static struct bounds largest_sums(const struct filter_space *space, const float *largest)
{
    struct bounds sums = {0};
    for (int32_t j = 0; j < space->filter.columns; j++) {
        double x = (double)largest[j];
        sums.product += x * space->reach[j];
        sums.distance += (x + space->reach[j]) * (x + space->reach[j]);
        sums.squares += x * x;
    }
    return sums;
}

static float margin_of(const struct filter_space *space, const struct bounds *sums)
{
    const struct kmeans_filter *filter = &space->filter;
    return (filter->split == NULL ? score_margin_of : split_margin)(
        filter->columns, filter->wide, space->half, sums->product, sums->distance);
}

void filter_bound(const struct filter_space *space, const float *largest,
                  struct kmeans_filter *filter)
{
    const struct bounds sums = largest_sums(space, largest);
    *filter = space->filter;
    filter->margin = margin_of(space, &sums);
}

/* The bounds for this pass; the reserve stays as long as it is at least three margins, since limits
 * found with it are still in use. Returns whether it stayed. */
static bool bound_errors(struct filter_space *space, const float *largest)
{
    struct kmeans_filter *filter = &space->filter;
    const int32_t d = filter->columns;
    const struct bounds sums = largest_sums(space, largest);
    filter->margin = margin_of(space, &sums);
    filter->spread =
        (float)((d + 4) * 0x1p-23 * (sums.squares + 2 * (space->half + sums.product)) + 0x1p-100);
    if (filter->split != NULL) filter->spread += filter->margin;
    if (3 * filter->margin <= filter->reserve) return true;
    filter->reserve = 4 * filter->margin;
    return false;
}

/* The most that two centres, a row's own and another, have moved since they were packed last, on
 * average. */
static double pair_movement(const struct filter_space *space)
{
    const struct kmeans_filter *filter = &space->filter;
    double largest = 0.0, second = 0.0; /* squares */
    for (int32_t c = 0; c < filter->k; c++) {
        double square = 0.0;
        for (int64_t j = 0; j < filter->columns; j++) {
            int64_t at = (int64_t)c * filter->columns + j;
            double difference = space->exact[at] - space->previous[at];
            square += difference * difference;
        }
        if (square > largest) {
            second = largest;
            largest = square;
        } else if (square > second) {
            second = square;
        }
    }
    return (sqrt(largest) + sqrt(second)) / 2 * (1 + 1e-9) + 0x1p-500;
}

/* The nearest bfloat16, halves away from zero. */
static uint16_t nearest_bfloat16(float value)
{
    uint32_t bits;
    memcpy(&bits, &value, sizeof bits);
    return (uint16_t)((bits + 0x8000) >> 16);
}

static float float_of(uint16_t bfloat16)
{
    const uint32_t bits = (uint32_t)bfloat16 << 16;
    float value;
    memcpy(&value, &bits, sizeof value);
    return value;
}

static void split_centre(const struct filter_space *space, int32_t c, int32_t j, float value)
{
    const int64_t panels = (space->filter.columns + SPLIT_COLUMNS - 1) / SPLIT_COLUMNS;
    const int64_t panel = SPLIT_CENTRES * SPLIT_COLUMNS;
    uint16_t *at = space->split + (c / SPLIT_CENTRES * 2 * panels + j / SPLIT_COLUMNS) * panel +
                   c % SPLIT_CENTRES * SPLIT_COLUMNS + j % SPLIT_COLUMNS;
    at[0] = nearest_bfloat16(value);
    at[panels * panel] = nearest_bfloat16(value - float_of(at[0]));
}

double filter_pack(struct filter_space *space, const float *largest)
{
    const struct kmeans_filter *filter = &space->filter;
    int32_t d = filter->columns, tile = space->tile;
    space->half = 0.0;
    memset(space->reach, 0, (size_t)d * sizeof *space->reach);
    for (int32_t c = 0; c < filter->k; c++) {
        float *packed = space->packed + (int64_t)(c / tile) * d * tile + c % tile;
        double half = 0.0;
        for (int32_t j = 0; j < d; j++) {
            double centre = filter->exact[(int64_t)c * d + j] - filter->offset[j];
            packed[(int64_t)j * tile] = (float)centre;
            if (space->split != NULL) split_centre(space, c, j, (float)centre);
            half += centre * centre / 2;
            if (fabs(centre) > space->reach[j]) space->reach[j] = fabs(centre);
        }
        space->halves[c] = (float)half;
        if (half > space->half) space->half = half;
    }
    double movement = pair_movement(space);
    memcpy(space->previous, space->exact, (size_t)filter->k * (size_t)d * sizeof *space->previous);
    return bound_errors(space, largest) ? movement : INFINITY;
}

/* ---- Near ties ------------------------------------------------------------------------------ */

/* Centres whose scores are taken at a time: a multiple of every tile. */
enum { STRIP = 240 };

/* The definition. */
static double distance_to(const struct kmeans_filter *filter, struct block_values row, int32_t c)
{
    const int32_t d = filter->columns;
    const double *centre = filter->exact + (int64_t)c * d;
    return row.wide == NULL
               ? squared_distance(row.x, BLOCK_ROWS, filter->offset, centre, d)
               : squared_distance_float64(row.wide, BLOCK_ROWS, filter->offset, centre, d);
}

/* The definition's choice for one row, among the centres whose score is within the margin of the
 * least so far; no other can be nearest. */
static int32_t nearest_centre(const struct kmeans_kernels *kernels,
                              const struct kmeans_filter *filter, struct block_values row)
{
    float scores[STRIP], least = INFINITY;
    int32_t label = 0;
    double nearest = INFINITY;
    for (int32_t first = 0; first < filter->k; first += STRIP) {
        const int32_t count = filter->k - first < STRIP ? filter->k - first : STRIP;
        if (kernels->scores != NULL) kernels->scores(filter, row.x, first, count, scores);
        for (int32_t c = 0; kernels->scores != NULL && c < count; c++)
            least = scores[c] < least ? scores[c] : least;
        for (int32_t c = 0; c < count; c++) {
            if (kernels->scores != NULL && scores[c] - least > filter->margin) continue;
            double d2 = distance_to(filter, row, first + c);
            if (d2 < nearest) {
                nearest = d2;
                label = first + c;
            }
        }
    }
    return label;
}

uint64_t filter_look(const struct kmeans_kernels *kernels, const struct kmeans_filter *filter,
                     const float *x, int32_t rows, int32_t *labels, struct filter_limits *limits)
{
    uint64_t ties = kernels->filter(filter, x, labels, limits);
    return rows < BLOCK_ROWS ? ties & (((uint64_t)1 << rows) - 1) : ties;
}

int32_t filter_decide(const struct kmeans_kernels *kernels, const struct kmeans_filter *filter,
                      struct block_values block, uint64_t ties, int32_t *labels)
{
    int32_t decided = 0;
    for (; ties != 0; ties &= ties - 1) {
        int32_t i = __builtin_ctzll(ties);
        labels[i] = nearest_centre(kernels, filter, block_from(block, i));
        decided++;
    }
    return decided;
}

int32_t filter_block(const struct kmeans_kernels *kernels, const struct kmeans_filter *filter,
                     struct block_values block, int32_t rows, int32_t *labels,
                     struct filter_limits *limits)
{
    uint64_t ties = filter_look(kernels, filter, block.x, rows, labels, limits);
    return filter_decide(kernels, filter, block, ties, labels);
}
