/* Rows in Morton order: their coordinates, as integers, with the bits interleaved (Morton 1966). A
 * block of 64 neighbours lies in a small box, so few centres can be nearest to its rows and they
 * settle together. A fit of many clusters orders its rows once; that changes no bit of it, since
 * sums are integers. */
#include "fallback/cpu_order.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/memory.h"

enum { KEY_BITS = 32, COORDINATE_BITS = 16, DIGIT_BITS = 11, DIGITS = 1 << DIGIT_BITS };

/* ---- Keys ----------------------------------------------------------------------------------- */

struct keys {
    const struct backend_data *data;
    float *ranges; /* (threads, 2, columns), then those of thread 0 hold for all */
    double scale[ORDER_MOST_COLUMNS];
    int32_t bits;         /* of a coordinate */
    uint32_t spread[256]; /* a byte with columns - 1 zeros between its bits */
    uint64_t *items;      /* (rows) key << 32 | row */
};

static int64_t task_end(const struct backend_data *data, int64_t task)
{
    return (task + 1) * TASK_BLOCKS < data->blocks ? (task + 1) * TASK_BLOCKS : data->blocks;
}

/* Widens a box by the rows of a block; filling repeats a row, so it is as good. */
static void widen(const float *block, int32_t columns, float *box)
{
    for (int32_t j = 0; j < columns; j++, block += BLOCK_ROWS) {
        float least = box[j], most = box[columns + j];
        for (int32_t i = 0; i < BLOCK_ROWS; i++) {
            least = block[i] < least ? block[i] : least;
            most = block[i] > most ? block[i] : most;
        }
        box[j] = least;
        box[columns + j] = most;
    }
}

static void empty_box(int32_t columns, float *box)
{
    for (int32_t j = 0; j < columns; j++) {
        box[j] = INFINITY;
        box[columns + j] = -INFINITY;
    }
}

static void unite(const float *part, int32_t columns, float *box)
{
    for (int32_t j = 0; j < columns; j++) {
        box[j] = fminf(box[j], part[j]);
        box[columns + j] = fmaxf(box[columns + j], part[columns + j]);
    }
}

static void range_task(void *arg, int64_t task, int worker)
{
    const struct keys *keys = arg;
    const struct backend_data *data = keys->data;
    float *box = keys->ranges + (int64_t)worker * 2 * data->columns;
    for (int64_t b = task * TASK_BLOCKS; b < task_end(data, task); b++)
        widen(data_block(data, b), data->columns, box);
}

static void key_task(void *arg, int64_t task, int worker)
{
    const struct keys *keys = arg;
    const struct backend_data *data = keys->data;
    const float highest = (float)((1 << keys->bits) - 1);
    (void)worker;
    for (int64_t b = task * TASK_BLOCKS; b < task_end(data, task); b++) {
        uint32_t key[BLOCK_ROWS] = {0};
        for (int32_t j = 0; j < data->columns; j++) {
            const float *x = data_block(data, b) + (int64_t)j * BLOCK_ROWS;
            for (int32_t i = 0; i < BLOCK_ROWS; i++) {
                float at = (float)(((double)x[i] - (double)keys->ranges[j]) * keys->scale[j]);
                uint32_t cell = (uint32_t)(at < highest ? at : highest);
                uint32_t high = (uint32_t)((uint64_t)keys->spread[cell >> 8] << 8 * data->columns);
                key[i] |= (keys->spread[cell & 255] | high) << j;
            }
        }
        for (int32_t i = 0; i < block_rows(data, b); i++) {
            uint64_t row = (uint64_t)b * BLOCK_ROWS + (uint64_t)i;
            keys->items[row] = (uint64_t)key[i] << 32 | row;
        }
    }
}

static void make_keys(struct keys *keys)
{
    const struct backend_data *data = keys->data;
    const int32_t columns = data->columns, threads = data->backend->host.threads;
    const double work = (double)data->rows * columns * 16;
    keys->bits = KEY_BITS / columns < COORDINATE_BITS ? KEY_BITS / columns : COORDINATE_BITS;
    for (uint32_t byte = 0; byte < 256; byte++) {
        keys->spread[byte] = 0;
        for (int32_t bit = 0; bit < 8; bit++)
            keys->spread[byte] |= (byte >> bit & 1u) << bit * columns;
    }
    for (int32_t t = 0; t < threads; t++)
        empty_box(columns, keys->ranges + (int64_t)t * 2 * columns);
    cpu_parallel(data->backend, data->tasks, work, range_task, keys);
    for (int32_t t = 1; t < threads; t++)
        unite(keys->ranges + (int64_t)t * 2 * columns, columns, keys->ranges);
    for (int32_t j = 0; j < columns; j++) {
        double width = (double)keys->ranges[columns + j] - (double)keys->ranges[j];
        keys->scale[j] = width > 0.0 ? ldexp(1.0, keys->bits) / width : 0.0;
        if (!isfinite(keys->scale[j])) keys->scale[j] = 0.0;
    }
    cpu_parallel(data->backend, data->tasks, work, key_task, keys);
}

/* Sorts by the lowest digit first; the result is in *items, the other array in *spare. */
static void sort_items(int64_t count, int32_t bits, uint64_t **items, uint64_t **spare)
{
    for (int32_t shift = 32; shift < 32 + bits; shift += DIGIT_BITS) {
        int64_t starts[DIGITS] = {0}, next = 0;
        for (int64_t i = 0; i < count; i++)
            starts[(*items)[i] >> shift & (DIGITS - 1)]++;
        for (int32_t digit = 0; digit < DIGITS; digit++) {
            int64_t here = starts[digit];
            starts[digit] = next;
            next += here;
        }
        for (int64_t i = 0; i < count; i++)
            (*spare)[starts[(*items)[i] >> shift & (DIGITS - 1)]++] = (*items)[i];
        uint64_t *sorted = *spare;
        *spare = *items;
        *items = sorted;
    }
}

/* ---- The copy ------------------------------------------------------------------------------- */

struct gathering {
    const struct backend_data *from;
    const uint64_t *items; /* (rows) in order */
    struct row_order *order;
};

static void gather_block(const struct gathering *gathering, int64_t block)
{
    const struct backend_data *from = gathering->from;
    struct backend_data *to = &gathering->order->rows;
    const int32_t columns = from->columns, rows = block_rows(to, block);
    float *values = data_block(to, block);
    double *wide = data_wide(to, block);
    for (int32_t i = 0; i < BLOCK_ROWS; i++) {
        int64_t place = block * BLOCK_ROWS + (i < rows ? i : rows - 1);
        int64_t row = (int64_t)(uint32_t)gathering->items[place];
        const struct block_values x =
            block_from(data_values(from, row / BLOCK_ROWS), row % BLOCK_ROWS);
        for (int32_t j = 0; j < columns; j++)
            values[j * BLOCK_ROWS + i] = x.x[j * BLOCK_ROWS];
        for (int32_t j = 0; wide != NULL && j < columns; j++)
            wide[j * BLOCK_ROWS + i] = x.wide[j * BLOCK_ROWS];
        if (i >= rows) continue;
        gathering->order->row_at[place] = (int32_t)row;
        if (to->weights != NULL) to->weights[place] = from->weights[row];
        if (to->counts != NULL) to->counts[place] = from->counts[row];
    }
}

static void gather_task(void *arg, int64_t task, int worker)
{
    const struct gathering *gathering = arg;
    struct row_order *order = gathering->order;
    const int32_t columns = order->rows.columns;
    float *task_box = order->task_boxes + task * 2 * columns;
    (void)worker;
    empty_box(columns, task_box);
    for (int64_t b = task * TASK_BLOCKS; b < task_end(&order->rows, task); b++) {
        float *box = order->block_boxes + b * 2 * columns;
        gather_block(gathering, b);
        empty_box(columns, box);
        widen(data_block(&order->rows, b), columns, box);
        unite(box, columns, task_box);
    }
}

static struct row_order *new_order(const struct backend_data *data)
{
    struct row_order *order = calloc(1, sizeof *order);
    if (order == NULL) return NULL;
    const int64_t columns = data->columns;
    order->rows = *data;
    order->rows.weights = NULL;
    order->rows.counts = NULL;
    order->rows.group_of_row = NULL;
    order->rows.wide = NULL;
    order->rows.values =
        spot_alloc(data->blocks * columns, BLOCK_ROWS * sizeof *order->rows.values);
    order->row_at = spot_alloc(data->rows, sizeof *order->row_at);
    order->block_boxes = spot_alloc(data->blocks * 2 * columns, sizeof *order->block_boxes);
    order->task_boxes = spot_alloc(data->tasks * 2 * columns, sizeof *order->task_boxes);
    if (data->weights != NULL)
        order->rows.weights = spot_alloc(data->rows, sizeof *order->rows.weights);
    if (data->counts != NULL)
        order->rows.counts = spot_alloc(data->rows, sizeof *order->rows.counts);
    if (data->wide != NULL)
        order->rows.wide =
            spot_alloc(data->blocks * columns, BLOCK_ROWS * sizeof *order->rows.wide);
    if ((data->wide != NULL && order->rows.wide == NULL) || order->rows.values == NULL ||
        order->row_at == NULL || order->block_boxes == NULL || order->task_boxes == NULL ||
        (data->weights != NULL && order->rows.weights == NULL) ||
        (data->counts != NULL && order->rows.counts == NULL)) {
        row_order_close(order);
        return NULL;
    }
    return order;
}

void row_order_open(const struct backend_data *data, struct row_order **order)
{
    *order = NULL;
    struct keys keys = {.data = data};
    uint64_t *spare = spot_alloc(data->rows, sizeof *spare);
    keys.items = spot_alloc(data->rows, sizeof *keys.items);
    keys.ranges =
        spot_alloc(data->backend->host.threads * 2 * (int64_t)data->columns, sizeof *keys.ranges);
    if (spare != NULL && keys.items != NULL && keys.ranges != NULL) *order = new_order(data);
    if (*order != NULL) {
        make_keys(&keys);
        sort_items(data->rows, keys.bits * data->columns, &keys.items, &spare);
        struct gathering gathering = {data, keys.items, *order};
        cpu_parallel(data->backend, data->tasks, (double)data->rows * data->columns * 32,
                     gather_task, &gathering);
    }
    free(keys.items);
    free(keys.ranges);
    free(spare);
}

void row_order_close(struct row_order *order)
{
    if (order == NULL) return;
    free(order->rows.values);
    free(order->rows.wide);
    free(order->rows.weights);
    free(order->rows.counts);
    free(order->row_at);
    free(order->block_boxes);
    free(order->task_boxes);
    free(order);
}

/* ---- When it pays --------------------------------------------------------------------------- */

static int open_near(struct kmeans_run *run)
{
    const int32_t k = run->k, columns = run->data->columns, tile = run->filter.tile;
    run->centres = calloc(1, sizeof *run->centres);
    if (run->centres == NULL || near_centres_open(run->centres, k, columns, tile) < 0)
        return SPOT_ENOMEM;
    for (int i = 0; i < run->threads; i++) {
        struct kmeans_worker *worker = &run->workers[i];
        worker->near = calloc(2, sizeof *worker->near);
        if (worker->near == NULL || near_centres_open(&worker->near[0], k, columns, tile) < 0 ||
            near_centres_open(&worker->near[1], k, columns, tile) < 0)
            return SPOT_ENOMEM;
    }
    return SPOT_OK;
}

void cpu_order_close(struct kmeans_run *run)
{
    row_order_close(run->order);
    run->order = NULL;
    run->rows = run->data;
    if (run->centres != NULL) near_centres_close(run->centres);
    free(run->centres);
    run->centres = NULL;
    for (int i = 0; i < run->threads; i++) {
        struct near_centres *near = run->workers[i].near;
        for (int n = 0; near != NULL && n < 2; n++)
            near_centres_close(&near[n]);
        free(near);
        run->workers[i].near = NULL;
    }
}

/* Labels by place instead of by row, and limits for whole blocks only. */
static void take_order(struct kmeans_run *run, int32_t *labels)
{
    const struct row_order *order = run->order;
    for (int64_t place = 0; place < order->rows.blocks * BLOCK_ROWS; place++)
        labels[place] =
            place < order->rows.rows && !run->fresh ? run->labels[order->row_at[place]] : 0;
    cpu_rows_free(&run->data->arrays, run->labels);
    run->labels = labels;
    cpu_rows_free(&run->data->arrays, run->row_limits);
    run->row_limits = NULL;
    run->rows = &order->rows;
    cpu_unsettle(run);
}

/* Rows that stream stay as they are. */
static bool has_room(const struct backend_data *data)
{
    const int64_t bytes =
        (data->wide == NULL ? 4 : 12) * (int64_t)data->columns + 8 + 4 + 4 + 4 + 16; /* a row's */
    return data->arrays.window == 0 &&
           cpu_check_memory(data->backend, data->rows * bytes, "an order", NULL) == SPOT_OK;
}

void cpu_order(struct kmeans_run *run)
{
    const struct backend_data *data = run->data;
    if (run->order != NULL || data->columns > ORDER_MOST_COLUMNS || run->k < ORDER_LEAST_CENTRES ||
        data->rows > INT32_MAX)
        return;
    run->work_done += (double)run->looked * run->k * (data->columns + 5);
    if (run->work_done < (double)ORDER_WORK * (double)data->rows) return;
    struct cpu_rows *arrays = &run->data->arrays;
    int32_t *labels = NULL;
    if (has_room(data))
        (void)cpu_rows_alloc(arrays, BLOCK_ROWS * sizeof *labels, "the labels", &labels, NULL);
    if (labels != NULL) row_order_open(data, &run->order);
    if (run->order != NULL && open_near(run) == SPOT_OK) {
        take_order(run, labels);
        return;
    }
    cpu_order_close(run);
    cpu_rows_free(arrays, labels);
    run->work_done = -INFINITY; /* no memory for it: never again */
}
