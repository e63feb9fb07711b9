/* Rows in spatial order: blocks of neighbours, which few centres can be nearest to. */
#ifndef SPOT_FALLBACK_CPU_ORDER_H
#define SPOT_FALLBACK_CPU_ORDER_H

#include "fallback/cpu_kmeans.h"

/* With more columns boxes hold too much of space; below this k looking at all centres is as quick.
 */
enum { ORDER_MOST_COLUMNS = 4, ORDER_LEAST_CENTRES = 64 };

/* What ordering a row costs, in the filter's work: a fit orders once its passes have cost as much,
 * so that it never takes more than twice the better way. Measured. */
enum { ORDER_WORK = 2000 };

struct row_order {
    struct backend_data rows; /* the handle's rows in this order; offset and largest are its own */
    int32_t *row_at;          /* (rows) the handle's row at each place */
    float *block_boxes;       /* (blocks, 2, columns) the least and the largest values */
    float *task_boxes;        /* (tasks, 2, columns) */
};

/* The centres that a box has to look at, and the filter of them alone. */
struct near_centres {
    struct centre_list list;
    float *packed; /* (tiles, columns, tile) as in kmeans_filter */
    double *exact; /* (k, columns) */
    float *work;   /* (2, list.stride) */
};

/* Orders the rows; *order stays NULL where memory is short, which only costs time. */
void row_order_open(const struct backend_data *data, struct row_order **order);
void row_order_close(struct row_order *order);

int near_centres_open(struct near_centres *near, int32_t k, int32_t columns, int32_t tile);
void near_centres_close(struct near_centres *near);
/* All centres of the filter. */
void near_centres_all(const struct filter_space *filter, struct near_centres *all);
/* Those of `from` that may be nearest or second nearest to a row in the box (2, columns). */
void near_centres_of_box(const struct kmeans_run *run, const float *box,
                         const struct near_centres *from, struct near_centres *near);
/* A filter of these centres alone; its labels are places in near->list.index. */
struct kmeans_filter near_centres_filter(const struct filter_space *filter,
                                         struct near_centres *near);

#endif
