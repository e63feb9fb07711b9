/* Where rows lie: on the device as many chunks as have room, the others in pinned memory of the
 * host. A pass of Lloyd's algorithm gets those through two slots on the device, one being filled on
 * a stream of its own while the other is worked on; kernels that read every row once, or few rows,
 * read them where they are, over the bus. Where there is less room than was promised, the resident
 * part and the chunks are halved until they fit. */
#include <stdlib.h>
#include <string.h>

#include "kernels/handles.h"

namespace
{

/* One more launch for 2^28 rows costs nothing, and row numbers in a chunk stay below 2^31. */
enum { LEAST_CHUNK_BITS = 2, MOST_CHUNK_BITS = 28 };

/* Chunks that we choose ourselves are not smaller while there is room, and then not than that. */
enum { FEW_ROWS = 1 << 14, FEWEST_BITS = 6 };

/* Bytes of a row besides its values: weight, count, group, label, distance. */
enum { ROW_STATE_BYTES = 24 };

/* Chunks of the size of a batch, or a little larger. */
int32_t chunk_bits_of(int64_t batch_rows)
{
    int32_t bits = LEAST_CHUNK_BITS;
    if (batch_rows <= 0) return MOST_CHUNK_BITS;
    while (bits < MOST_CHUNK_BITS && (int64_t)1 << bits < batch_rows)
        bits++;
    return bits;
}

int64_t row_bytes(const struct cuda_rows &rows)
{
    return (int64_t)sizeof(float) * rows.columns;
}

/* Fewer rows stay resident, whole chunks of them. */
void keep_resident(struct cuda_rows *rows, int64_t most)
{
    rows->resident = most >> rows->chunk_bits << rows->chunk_bits;
    if (rows->resident < 0) rows->resident = 0;
}

/* All rows where they have room beside their state and an eighth for what runs need, else chunks:
 * two of them a quarter of the room, unless the caller has said how large they are. */
void plan_rows(struct cuda_rows *rows, int64_t batch_rows, int64_t free_bytes)
{
    const int64_t each = row_bytes(*rows);
    const int64_t room = free_bytes - free_bytes / 8 - rows->rows * ROW_STATE_BYTES;
    rows->chunk_bits = chunk_bits_of(batch_rows);
    rows->resident = rows->rows;
    if (cuda_padded(rows->rows) <= room / each) return;
    const int64_t quarter = room / 8 / each > FEW_ROWS ? room / 8 / each : (int64_t)FEW_ROWS;
    while (rows->chunk_bits > LEAST_CHUNK_BITS &&
           (cuda_chunk(*rows) >= rows->rows || (batch_rows <= 0 && cuda_chunk(*rows) > quarter)))
        rows->chunk_bits--;
    keep_resident(rows, room / each - 2 * cuda_chunk(*rows));
}

void free_places(struct backend_data *data)
{
    (void)cudaFree(data->rows.x);
    (void)cudaFreeHost(data->rows.host_x);
    data->rows.x = data->rows.host_x = nullptr;
    for (struct cuda_slot &slot : data->slots) {
        (void)cudaFree(slot.x);
        if (slot.ready != nullptr) (void)cudaEventDestroy(slot.ready);
        if (slot.used != nullptr) (void)cudaEventDestroy(slot.used);
        memset(&slot, 0, sizeof slot);
    }
}

int open_slots(struct backend_data *data, struct spot_error *err)
{
    int status = SPOT_OK;
    for (struct cuda_slot &slot : data->slots) {
        SPOT_TRY(cuda_alloc(&slot.x, cuda_chunk(data->rows) * data->rows.columns,
                            "rows that come and go", err));
        CUDA_TRY(cudaEventCreateWithFlags(&slot.ready, cudaEventDisableTiming), "opening an event");
        CUDA_TRY(cudaEventCreateWithFlags(&slot.used, cudaEventDisableTiming), "opening an event");
    }
out:
    return status;
}

/* Room for all rows by the plan. Kernels read the padding behind the last row too, and make nothing
 * of it. */
int open_places(struct backend_data *data, struct spot_error *err)
{
    int status = SPOT_OK;
    struct cuda_rows *rows = &data->rows;
    const bool all = rows->resident >= rows->rows;
    const int64_t columns = rows->columns;
    const int64_t here = (all ? cuda_padded(rows->rows) : rows->resident) * columns;
    const size_t away =
        all ? 0 : (size_t)((cuda_padded(rows->rows) - rows->resident) * columns) * sizeof(float);
    SPOT_TRY(cuda_alloc(&rows->x, here, "the rows", err));
    CUDA_TRY(cudaMemsetAsync(rows->x, 0, (size_t)here * sizeof(float), data->backend->stream),
             "clearing the rows");
    if (all) goto out;
    SPOT_TRY(open_slots(data, err));
    CUDA_TRY(cudaMallocHost(&rows->host_x, away), "pinning memory for the rows");
    memset(rows->host_x, 0, away);
out:
    return status;
}

} // namespace

void cuda_rows_close(struct backend_data *data)
{
    if (data->copies != nullptr) (void)cudaStreamSynchronize(data->copies);
    free_places(data);
    if (data->copies != nullptr) (void)cudaStreamDestroy(data->copies);
    data->copies = nullptr;
}

int cuda_rows_open(struct backend_data *data, int64_t batch_rows, struct spot_error *err)
{
    int status = SPOT_OK;
    int64_t cells;
    size_t free_bytes = 0, total = 0;
    struct cuda_rows *rows = &data->rows;
    if (__builtin_mul_overflow(cuda_padded(rows->rows), row_bytes(*rows), &cells))
        return spot_fail_memory(err, "the rows");
    CUDA_TRY(cudaMemGetInfo(&free_bytes, &total), "asking for memory");
    CUDA_TRY(cudaStreamCreateWithFlags(&data->copies, cudaStreamNonBlocking), "opening a stream");
    plan_rows(rows, batch_rows, (int64_t)free_bytes);
    for (;;) {
        status = open_places(data, err);
        if (status != SPOT_ENOMEM || rows->chunk_bits <= FEWEST_BITS) break;
        free_places(data);
        do
            rows->chunk_bits--;
        while (rows->chunk_bits > FEWEST_BITS && cuda_chunk(*rows) >= rows->rows);
        keep_resident(rows, (rows->resident < rows->rows ? rows->resident : rows->rows) / 2);
    }
    if (status < 0) goto out;
    if (rows->resident < rows->rows && data->backend->host.log != NULL)
        data->backend->host.log(data->backend->host.arg, SPOT_LOG_INFO,
                                "the device has no room for all rows: some stay in memory and are "
                                "sent to it in every pass");
out:
    return status;
}

int cuda_chunk_ready(struct backend_data *data, int64_t first, const float **x,
                     struct spot_error *err)
{
    int status = SPOT_OK;
    const struct cuda_rows &rows = data->rows;
    struct cuda_slot *slot = &data->slots[data->turn];
    const size_t bytes =
        (size_t)(cuda_padded(cuda_chunk_rows(rows, first)) * rows.columns) * sizeof(float);
    int64_t stride;
    *x = cuda_row(rows, first, &stride);
    if (first < rows.resident) return SPOT_OK;
    CUDA_TRY(cudaStreamWaitEvent(data->copies, slot->used, 0), "waiting for a slot");
    CUDA_TRY(cudaMemcpyAsync(slot->x, *x, bytes, cudaMemcpyHostToDevice, data->copies),
             "copying rows to the device");
    CUDA_TRY(cudaEventRecord(slot->ready, data->copies), "marking a slot");
    CUDA_TRY(cudaStreamWaitEvent(data->backend->stream, slot->ready, 0), "waiting for rows");
    *x = slot->x;
out:
    return status;
}

int cuda_chunk_used(struct backend_data *data, int64_t first, struct spot_error *err)
{
    if (first < data->rows.resident) return SPOT_OK;
    cudaError_t error = cudaEventRecord(data->slots[data->turn].used, data->backend->stream);
    data->turn ^= 1;
    return cuda_status(error, "marking a slot", err);
}
