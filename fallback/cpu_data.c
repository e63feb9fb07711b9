/* Rows in memory, turned into blocks of columns: x[block][column][row of the block]. */
#include "fallback/cpu.h"

#include <math.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "base/memory.h"

/* Bytes that a block of 64 rows takes beside its values, at most: weight, count, label, limits,
 * distance and rounded term. */
enum {
    RUN_STATE = BLOCK_ROWS * (4 + 4 + 4 + 8) + 4, /* the last five, of each run */
    ROW_STATE = BLOCK_ROWS * (8 + 4) + RUN_STATE,
};

/* ---- Moments of blocks ---------------------------------------------------------------------- */

static void sums_close(struct block_sums *sums)
{
    free(sums->scale);
    free(sums->parts);
    free(sums->rows);
    memset(sums, 0, sizeof *sums);
}

static int sums_open(struct block_sums *sums, int32_t threads, int32_t columns,
                     struct spot_error *err)
{
    sums->scale = spot_alloc(columns, sizeof *sums->scale);
    sums->parts = spot_alloc_zero((int64_t)threads * columns, sizeof *sums->parts);
    sums->rows = spot_alloc_zero(threads, sizeof *sums->rows);
    if (sums->scale != NULL && sums->parts != NULL && sums->rows != NULL) return SPOT_OK;
    sums_close(sums);
    return spot_fail_memory(err, "the columns' moments");
}

/* Rows that stand for several count as often. */
static void add_counted(const struct backend_data *data, int64_t block, int32_t j, double scale,
                        struct column_moments *sum)
{
    const struct block_values x = data_values(data, block);
    int32_t rows = block_rows(data, block);
    for (int32_t i = 0; i < rows; i++) {
        int64_t count = row_count(data, block * BLOCK_ROWS + i);
        double value = block_value(block_from(x, i), j);
        int64_t r = quantise(value, scale);
        bool nonzero = value != 0.0;
        sum->sum = int128_add(sum->sum, int128_multiply(r, count));
        sum->squares = int128_add(sum->squares, int128_multiply(r * r, count));
        sum->nonzero += nonzero ? count : 0;
        sum->vanished += nonzero && r == 0 ? count : 0;
    }
}

static void add_block(const struct backend_data *data, int64_t block, const struct block_sums *sums,
                      int worker)
{
    struct column_moments *parts = sums->parts + (int64_t)worker * data->columns;
    const int32_t rows = block_rows(data, block);
    sums->rows[worker] += rows;
    for (int32_t j = 0; j < data->columns; j++) {
        const int64_t at = (int64_t)j * BLOCK_ROWS;
        if (data->counts != NULL) {
            add_counted(data, block, j, sums->scale[j], &parts[j]);
            continue;
        }
        struct block_moments found;
        if (data->wide != NULL)
            wide_moments(data_wide(data, block) + at, rows, sums->scale[j], &found);
        else
            data->backend->kernels->moments(data_block(data, block) + at, rows, sums->scale[j],
                                            &found);
        parts[j].sum = int128_add(parts[j].sum, int128_from(found.sum));
        parts[j].squares = int128_add(parts[j].squares, int128_from(found.squares));
        parts[j].nonzero += found.nonzero;
        parts[j].vanished += found.vanished;
    }
}

/* The scale that makes the most of a column, which is what a fit asks for. */
static void expect_scales(struct backend_data *data)
{
    for (int32_t j = 0; j < data->columns; j++) {
        const float largest = data->largest[j];
        data->sums.scale[j] =
            largest > 0 ? ldexp(1.0, MOMENT_BITS - 1 - ilogb((double)largest)) : 1.0;
    }
}

/* ---- The handle ----------------------------------------------------------------------------- */

static int open_data(struct backend *backend, int64_t rows, int32_t columns, bool wide,
                     const double *offset, const float *largest, struct backend_data **out,
                     struct spot_error *err)
{
    int status;
    *out = NULL;
    struct backend_data *data = calloc(1, sizeof *data);
    if (data == NULL) return spot_fail_memory(err, "the data handle");
    data->backend = backend;
    data->rows = rows;
    data->columns = columns;
    data->blocks = (rows + BLOCK_ROWS - 1) / BLOCK_ROWS;
    data->tasks = (data->blocks + TASK_BLOCKS - 1) / TASK_BLOCKS;
    data->offset = spot_alloc(columns, sizeof *data->offset);
    data->largest = spot_alloc(columns, sizeof *data->largest);
    data->offset_single = spot_alloc(columns, sizeof *data->offset_single);
    if (data->offset == NULL || data->largest == NULL || data->offset_single == NULL) {
        status = spot_fail_memory(err, "the rows");
        goto out;
    }
    const size_t values_bytes = (size_t)columns * BLOCK_ROWS * sizeof(float);
    const size_t block_bytes = (wide ? 3 : 1) * values_bytes + ROW_STATE;
    SPOT_TRY(cpu_rows_open(&data->arrays, backend, data->blocks, block_bytes, err));
    SPOT_TRY(cpu_rows_alloc(&data->arrays, values_bytes, "the rows", &data->values, err));
    if (wide)
        SPOT_TRY(cpu_rows_alloc(&data->arrays, 2 * values_bytes, "the rows", &data->wide, err));
    if (data->arrays.window > 0)
        cpu_log(backend, SPOT_LOG_INFO,
                "the rows stream through temporary files, %.3g MB at a time",
                1e-6 * (double)data->arrays.window * (double)block_bytes);
    memcpy(data->offset, offset, (size_t)columns * sizeof *offset);
    memcpy(data->largest, largest, (size_t)columns * sizeof *largest);
    SPOT_TRY(sums_open(&data->sums, backend->host.threads, columns, err));
    expect_scales(data);
    for (int32_t j = 0; j < columns; j++)
        data->offset_single[j] = (float)offset[j];
    *out = data;
    return SPOT_OK;
out:
    cpu_data_close(data);
    return status;
}

/* A batch is only how the rows arrive. */
int cpu_data_open(struct backend *backend, int64_t rows, int32_t columns, const double *offset,
                  const float *largest, int64_t batch_rows, struct backend_data **data,
                  struct spot_error *err)
{
    (void)batch_rows;
    return open_data(backend, rows, columns, false, offset, largest, data, err);
}

int cpu_data_open64(struct backend *backend, int64_t rows, int32_t columns, const double *offset,
                    const float *largest, int64_t batch_rows, struct backend_data **data,
                    struct spot_error *err)
{
    (void)batch_rows;
    return open_data(backend, rows, columns, true, offset, largest, data, err);
}

void cpu_data_close(struct backend_data *data)
{
    if (data == NULL) return;
    cpu_rows_close(&data->arrays);
    cpu_rows_close(&data->originals);
    sums_close(&data->sums);
    free(data->offset);
    free(data->offset_single);
    free(data->largest);
    free(data);
}

int32_t cpu_data_runs(struct backend_data *data, int32_t wanted, int64_t run_bytes)
{
    const int64_t room = data->backend->host.memory / 8;
    if (run_bytes > 0 && wanted > room / run_bytes) wanted = (int32_t)(room / run_bytes);
    return cpu_rows_divide(&data->arrays, wanted > 1 ? wanted : 1, RUN_STATE);
}

struct put {
    struct backend_data *data;
    int64_t first, rows;
    const float *values;    /* (rows, columns) row-major, or NULL */
    const double *wide;     /* the same in float64, or NULL */
    const int64_t *weights; /* (rows) or NULL */
    const int32_t *counts;  /* (rows) or NULL */
};

/* The same for rows of float64: what they are, and rounded. */
static void put_wide_block(const struct put *put, int64_t begin, int64_t end)
{
    const struct backend_data *data = put->data;
    const int64_t columns = data->columns, block = begin / BLOCK_ROWS, at = begin % BLOCK_ROWS;
    const double *rows = put->wide + (begin - put->first) * columns;
    for (int64_t j = 0; j < columns; j++) {
        float *x = data_block(data, block) + j * BLOCK_ROWS + at;
        double *wide = data_wide(data, block) + j * BLOCK_ROWS + at;
        for (int64_t i = 0; i < end - begin; i++) {
            wide[i] = rows[i * columns + j] - data->offset[j]; /* exact */
            x[i] = (float)wide[i];
        }
    }
}

/* Transposes rows [begin, end), all of one block. */
static void put_block(const struct put *put, int64_t begin, int64_t end)
{
    const struct backend_data *data = put->data;
    int64_t columns = data->columns;
    float *block = data_block(data, begin / BLOCK_ROWS) + begin % BLOCK_ROWS;
    const float *rows = put->values + (begin - put->first) * columns;
    if (end - begin == BLOCK_ROWS) {
        data->backend->kernels->load(rows, data->columns, data->offset_single, block);
        return;
    }
    for (int64_t j = 0; j < columns; j++) {
        const float offset = data->offset_single[j];
        for (int64_t i = 0; i < end - begin; i++)
            block[j * BLOCK_ROWS + i] = rows[i * columns + j] - offset;
    }
}

/* One task's blocks, with their moments while they are at hand. A batch may begin inside a block,
 * which then has none. */
static void put_task(void *arg, int64_t task, int worker)
{
    const struct put *put = arg;
    const struct backend_data *data = put->data;
    int64_t begin = put->first / TASK_ROWS * TASK_ROWS + task * TASK_ROWS;
    int64_t end = begin + TASK_ROWS;
    if (begin < put->first) begin = put->first;
    if (end > put->first + put->rows) end = put->first + put->rows;
    while (begin < end) {
        int64_t block_end = (begin / BLOCK_ROWS + 1) * BLOCK_ROWS;
        if (block_end > end) block_end = end;
        (put->wide != NULL ? put_wide_block : put_block)(put, begin, block_end);
        if (begin % BLOCK_ROWS == 0 && (block_end % BLOCK_ROWS == 0 || block_end == data->rows))
            add_block(data, begin / BLOCK_ROWS, &data->sums, worker);
        begin = block_end;
    }
}

/* The last block is filled up with copies of the last row. */
static void fill_last_block(struct backend_data *data)
{
    int32_t used = block_rows(data, data->blocks - 1);
    float *block = data_block(data, data->blocks - 1);
    double *wide = data_wide(data, data->blocks - 1);
    for (int32_t j = 0; j < data->columns; j++)
        for (int32_t i = used; i < BLOCK_ROWS; i++) {
            block[j * BLOCK_ROWS + i] = block[j * BLOCK_ROWS + used - 1];
            if (wide != NULL) wide[j * BLOCK_ROWS + i] = wide[j * BLOCK_ROWS + used - 1];
        }
}

/* Keeps a copy of a per-row array that came with a batch; it is made when the first one arrives. */
static int put_array(struct cpu_rows *arrays, void *array, int64_t first, int64_t rows,
                     const void *values, size_t size, struct spot_error *err)
{
    int status = SPOT_OK;
    if (values == NULL) return SPOT_OK;
    if (*(void **)array == NULL)
        SPOT_TRY(cpu_rows_alloc(arrays, BLOCK_ROWS * size, "the rows' weights", array, err));
    memcpy(*(char **)array + (size_t)first * size, values, (size_t)rows * size);
out:
    return status;
}

static int put_rows(const struct put *put, struct spot_error *err)
{
    int status = SPOT_OK;
    struct backend_data *data = put->data;
    const int64_t first = put->first, rows = put->rows;
    SPOT_TRY(put_array(&data->arrays, &data->weights, first, rows, put->weights,
                       sizeof *put->weights, err));
    SPOT_TRY(put_array(&data->arrays, &data->counts, first, rows, put->counts, sizeof *put->counts,
                       err));
    int64_t tasks = (first + rows - 1) / TASK_ROWS - first / TASK_ROWS + 1;
    cpu_parallel(data->backend, tasks, (double)rows * data->columns * 16, put_task,
                 (void *)(uintptr_t)put);
    if (first + rows == data->rows) fill_last_block(data);
    cpu_rows_done(&data->arrays, first / BLOCK_ROWS, (first + rows - 1) / BLOCK_ROWS + 1);
out:
    return status;
}

/* A batch that is longer than a window goes in parts. */
static int put_parts(struct put batch, struct spot_error *err)
{
    const struct backend_data *data = batch.data;
    const int64_t rows = batch.rows;
    const int64_t most = data->arrays.window > 0 ? data->arrays.window * BLOCK_ROWS : rows;
    for (int64_t done = 0; done < rows; done += most) {
        struct put part = batch;
        part.first += done;
        part.rows = rows - done < most ? rows - done : most;
        if (batch.values != NULL) part.values += done * data->columns;
        if (batch.wide != NULL) part.wide += done * data->columns;
        if (batch.weights != NULL) part.weights += done;
        if (batch.counts != NULL) part.counts += done;
        int status = put_rows(&part, err);
        if (status < 0) return status;
    }
    return SPOT_OK;
}

int cpu_data_put(struct backend_data *data, int64_t first, int64_t rows, const float *values,
                 const int64_t *weights, const int32_t *counts, struct spot_error *err)
{
    return put_parts((struct put){.data = data,
                                  .first = first,
                                  .rows = rows,
                                  .values = values,
                                  .weights = weights,
                                  .counts = counts},
                     err);
}

int cpu_data_put64(struct backend_data *data, int64_t first, int64_t rows, const double *values,
                   const int64_t *weights, const int32_t *counts, struct spot_error *err)
{
    return put_parts((struct put){.data = data,
                                  .first = first,
                                  .rows = rows,
                                  .wide = values,
                                  .weights = weights,
                                  .counts = counts},
                     err);
}

int cpu_data_map(struct backend_data *data, int64_t rows, const int32_t *group_of_row, int scratch,
                 struct spot_error *err)
{
    const int64_t blocks = (rows + BLOCK_ROWS - 1) / BLOCK_ROWS;
    const size_t block_bytes = BLOCK_ROWS * sizeof *group_of_row;
    data->map_rows = rows;
    data->group_of_row = group_of_row;
    data->originals = (struct cpu_rows){.backend = data->backend, .blocks = blocks};
    if (!scratch) return SPOT_OK;
    int status = cpu_rows_open(&data->originals, data->backend, blocks, block_bytes, err);
    if (status < 0) return status;
    return cpu_rows_borrow(&data->originals, block_bytes, group_of_row, err);
}

/* ---- Moments -------------------------------------------------------------------------------- */

struct moments_pass {
    const struct backend_data *data;
    struct block_sums sums;
};

static void moments_task(void *arg, int64_t task, int worker)
{
    const struct moments_pass *pass = arg;
    const struct backend_data *data = pass->data;
    int64_t end = (task + 1) * TASK_BLOCKS < data->blocks ? (task + 1) * TASK_BLOCKS : data->blocks;
    for (int64_t b = task * TASK_BLOCKS; b < end; b++)
        add_block(data, b, &pass->sums, worker);
}

/* Whether the sums made while the rows were put are those asked for. */
static bool already_there(const struct backend_data *data, const double *scale)
{
    int64_t rows = 0;
    for (int t = 0; t < data->backend->host.threads; t++)
        rows += data->sums.rows[t];
    for (int32_t j = 0; j < data->columns; j++)
        if (data->largest[j] > 0 && scale[j] != data->sums.scale[j]) return false;
    return rows == data->rows;
}

static void add_parts(const struct block_sums *sums, int threads, int32_t columns,
                      struct column_moments *moments)
{
    for (int32_t j = 0; j < columns; j++) {
        moments[j] = sums->parts[j];
        for (int t = 1; t < threads; t++) {
            const struct column_moments *part = &sums->parts[(int64_t)t * columns + j];
            moments[j].sum = int128_add(moments[j].sum, part->sum);
            moments[j].squares = int128_add(moments[j].squares, part->squares);
            moments[j].nonzero += part->nonzero;
            moments[j].vanished += part->vanished;
        }
    }
}

int cpu_data_moments(struct backend_data *data, const double *scale, struct column_moments *moments,
                     struct spot_error *err)
{
    const int threads = data->backend->host.threads;
    struct moments_pass pass = {.data = data};
    if (already_there(data, scale)) {
        add_parts(&data->sums, threads, data->columns, moments);
        return SPOT_OK;
    }
    int status = sums_open(&pass.sums, threads, data->columns, err);
    if (status < 0) return status;
    memcpy(pass.sums.scale, scale, (size_t)data->columns * sizeof *scale);
    cpu_rows_pass(&data->arrays, &(struct row_pass){.task_blocks = TASK_BLOCKS,
                                                    .work = (double)data->rows * data->columns * 16,
                                                    .task = moments_task,
                                                    .arg = &pass});
    add_parts(&pass.sums, threads, data->columns, moments);
    sums_close(&pass.sums);
    return SPOT_OK;
}
