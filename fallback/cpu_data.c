/* Rows in memory, turned into blocks of columns: x[block][column][row of the block]. */
#include "fallback/cpu.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "base/memory.h"

int cpu_data_open(struct backend *backend, int64_t rows, int32_t columns, const double *offset,
                  int64_t batch_rows, struct backend_data **out, struct spot_error *err)
{
    (void)batch_rows; /* resident: a batch is only how the rows arrive */
    *out = NULL;
    struct backend_data *data = calloc(1, sizeof *data);
    if (data == NULL) return spot_fail_memory(err, "the data handle");
    data->backend = backend;
    data->rows = rows;
    data->columns = columns;
    data->blocks = (rows + BLOCK_ROWS - 1) / BLOCK_ROWS;
    data->tasks = (data->blocks + TASK_BLOCKS - 1) / TASK_BLOCKS;
    data->offset = spot_alloc(columns, sizeof *data->offset);
    data->largest = spot_alloc_zero(columns, sizeof *data->largest);
    size_t block_bytes;
    if (!__builtin_mul_overflow((size_t)columns, BLOCK_ROWS * sizeof(float), &block_bytes))
        data->values = spot_alloc(data->blocks, block_bytes);
    if (data->offset == NULL || data->largest == NULL || data->values == NULL) {
        cpu_data_close(data);
        return spot_fail_memory(err, "the rows");
    }
    memcpy(data->offset, offset, (size_t)columns * sizeof *offset);
    *out = data;
    return SPOT_OK;
}

void cpu_data_close(struct backend_data *data)
{
    if (data == NULL) return;
    free(data->offset);
    free(data->values);
    free(data->largest);
    free(data->weights);
    free(data->counts);
    free(data);
}

struct put {
    struct backend_data *data;
    int64_t first, rows;
    const float *values; /* (rows, columns) row-major */
};

/* Transposes the rows of one task's blocks. A batch may begin inside a block. */
static void put_task(void *arg, int64_t task, int worker)
{
    const struct put *put = arg;
    struct backend_data *data = put->data;
    (void)worker;
    int64_t begin = put->first / TASK_ROWS * TASK_ROWS + task * TASK_ROWS;
    int64_t end = begin + TASK_ROWS;
    if (begin < put->first) begin = put->first;
    if (end > put->first + put->rows) end = put->first + put->rows;
    for (int64_t row = begin; row < end; row++) {
        const float *values = put->values + (row - put->first) * data->columns;
        float *block = data_block(data, row / BLOCK_ROWS) + row % BLOCK_ROWS;
        for (int32_t j = 0; j < data->columns; j++)
            block[j * BLOCK_ROWS] = (float)((double)values[j] - data->offset[j]);
    }
}

/* The last block is filled up with copies of the last row. */
static void fill_last_block(struct backend_data *data)
{
    int32_t used = block_rows(data, data->blocks - 1);
    float *block = data_block(data, data->blocks - 1);
    for (int32_t j = 0; j < data->columns; j++)
        for (int32_t i = used; i < BLOCK_ROWS; i++)
            block[j * BLOCK_ROWS + i] = block[j * BLOCK_ROWS + used - 1];
}

/* Largest magnitude of each column among rows that were put. */
static void find_largest(struct backend_data *data, int64_t first, int64_t rows)
{
    for (int64_t b = first / BLOCK_ROWS; b <= (first + rows - 1) / BLOCK_ROWS; b++) {
        int64_t begin = b * BLOCK_ROWS < first ? first - b * BLOCK_ROWS : 0;
        int64_t end = first + rows - b * BLOCK_ROWS;
        if (end > BLOCK_ROWS) end = BLOCK_ROWS;
        for (int32_t j = 0; j < data->columns; j++) {
            const float *x = data_block(data, b) + j * BLOCK_ROWS;
            float largest = data->largest[j];
            for (int64_t i = begin; i < end; i++)
                largest = fabsf(x[i]) > largest ? fabsf(x[i]) : largest;
            data->largest[j] = largest;
        }
    }
}

/* Keeps a copy of a per-row array that came with a batch; it is made when the first one arrives. */
static int put_array(void **array, int64_t total, int64_t first, int64_t rows, const void *values,
                     size_t size, struct spot_error *err)
{
    if (values == NULL) return SPOT_OK;
    if (*array == NULL) *array = spot_alloc(total, size);
    if (*array == NULL) return spot_fail_memory(err, "the rows' weights");
    memcpy((char *)*array + (size_t)first * size, values, (size_t)rows * size);
    return SPOT_OK;
}

int cpu_data_put(struct backend_data *data, int64_t first, int64_t rows, const float *values,
                 const int64_t *weights, const int32_t *counts, struct spot_error *err)
{
    int status = SPOT_OK;
    if (rows == 0) return SPOT_OK;
    SPOT_TRY(
        put_array((void **)&data->weights, data->rows, first, rows, weights, sizeof *weights, err));
    SPOT_TRY(
        put_array((void **)&data->counts, data->rows, first, rows, counts, sizeof *counts, err));
    struct put put = {data, first, rows, values};
    const struct backend_host *host = &data->backend->host;
    int64_t tasks = (first + rows - 1) / TASK_ROWS - first / TASK_ROWS + 1;
    host->parallel(host->parallel_arg, tasks, put_task, &put);
    find_largest(data, first, rows);
    if (first + rows == data->rows) fill_last_block(data);
out:
    return status;
}

int cpu_data_map(struct backend_data *data, int64_t rows, const int32_t *group_of_row,
                 struct spot_error *err)
{
    (void)err;
    data->map_rows = rows;
    data->group_of_row = group_of_row;
    return SPOT_OK;
}
