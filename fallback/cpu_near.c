/* The centres near a box of rows, and a filter of them alone. */
#include <float.h>
#include <stdlib.h>
#include <string.h>

#include "base/memory.h"
#include "blackspot.h"
#include "fallback/cpu_order.h"

int near_centres_open(struct near_centres *near, int32_t k, int32_t columns, int32_t tile)
{
    const int64_t stride = ((int64_t)k + 31) / 16 * 16;
    struct centre_list *list = &near->list;
    memset(near, 0, sizeof *near);
    list->stride = stride;
    list->index = spot_alloc_zero(stride, sizeof *list->index);
    list->halves = spot_alloc_zero(stride, sizeof *list->halves);
    list->values = spot_alloc_zero(columns * stride, sizeof *list->values);
    near->packed = spot_alloc(columns * ((int64_t)k + tile), sizeof *near->packed);
    near->exact = spot_alloc((int64_t)k * columns, sizeof *near->exact);
    near->work = spot_alloc(2 * stride, sizeof *near->work);
    if (list->index != NULL && list->halves != NULL && list->values != NULL &&
        near->packed != NULL && near->exact != NULL && near->work != NULL)
        return SPOT_OK;
    near_centres_close(near);
    return SPOT_ENOMEM;
}

void near_centres_close(struct near_centres *near)
{
    free(near->list.index);
    free(near->list.halves);
    free(near->list.values);
    free(near->packed);
    free(near->exact);
    free(near->work);
    memset(near, 0, sizeof *near);
}

void near_centres_all(const struct filter_space *filter, struct near_centres *all)
{
    const int32_t k = filter->filter.k, columns = filter->filter.columns, tile = filter->tile;
    struct centre_list *list = &all->list;
    list->count = k;
    for (int32_t c = 0; c < k; c++) {
        const float *packed = filter->packed + (int64_t)(c / tile) * columns * tile + c % tile;
        list->index[c] = c;
        list->halves[c] = filter->halves[c];
        for (int32_t j = 0; j < columns; j++)
            list->values[j * list->stride + c] = packed[j * tile];
    }
}

/* Eight margins: a margin bounds the errors of whole scores, so of these parts of them too, and
 * leaves room for the definition's. */
void near_centres_of_box(const struct kmeans_run *run, const float *box,
                         const struct near_centres *from, struct near_centres *near)
{
    run->kernels->near_box(box, run->rows->columns, 8.0f * run->filter.filter.margin, &from->list,
                           &near->list, near->work);
}

struct kmeans_filter near_centres_filter(const struct filter_space *filter,
                                         struct near_centres *near)
{
    const int32_t columns = filter->filter.columns, tile = filter->tile, count = near->list.count;
    struct centre_list *list = &near->list;
    float *packed = near->packed;
    for (int32_t first = 0; first < count; first += tile)
        for (int32_t j = 0; j < columns; j++)
            for (int32_t c = first; c < first + tile; c++)
                *packed++ = c < count ? list->values[j * list->stride + c] : 0.0f;
    for (int32_t c = count; c % tile != 0; c++)
        list->halves[c] = FLT_MAX;
    for (int32_t c = 0; c < count; c++)
        for (int32_t j = 0; j < columns; j++)
            near->exact[c * columns + j] = filter->exact[(int64_t)list->index[c] * columns + j];
    struct kmeans_filter few = filter->filter;
    few.k = count;
    few.exact = near->exact;
    few.centres = near->packed;
    few.halves = list->halves;
    return few;
}
