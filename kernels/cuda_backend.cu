/* An NVIDIA GPU as a device: what there is, why it cannot be used, and the one symbol that the
 * engine looks for. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "kernels/handles.h"

/* ---- Memory and copies ---------------------------------------------------------------------- */

int cuda_alloc_bytes(void **at, int64_t count, size_t size, const char *what,
                     struct spot_error *err)
{
    size_t bytes, free_bytes = 0, total = 0;
    *at = nullptr;
    if (count < 0 || __builtin_mul_overflow((size_t)count, size, &bytes))
        return spot_fail_memory(err, what);
    cudaError_t error = cudaMalloc(at, bytes > 0 ? bytes : 1);
    if (error != cudaErrorMemoryAllocation) return cuda_status(error, what, err);
    (void)cudaGetLastError();
    if (cudaMemGetInfo(&free_bytes, &total) != cudaSuccess) (void)cudaGetLastError();
    return spot_fail(err, SPOT_ENOMEM,
                     "CUDA: no room for %s: %lld MB wanted, %lld of %lld MB are free on the "
                     "device; use --device cpu, or wait until others have left the card",
                     what, (long long)((bytes + (1 << 20) - 1) >> 20),
                     (long long)(free_bytes >> 20), (long long)(total >> 20));
}

int cuda_enter(const struct backend *backend, struct spot_error *err)
{
    return cuda_status(cudaSetDevice(backend->device), "choosing the device", err);
}

int cuda_wait(const struct backend *backend, const char *doing, struct spot_error *err)
{
    return cuda_status(cudaStreamSynchronize(backend->stream), doing, err);
}

/* Memory that is not pinned is read before the call returns. */
int cuda_put(const struct backend *backend, void *to, const void *from, size_t bytes,
             const char *doing, struct spot_error *err)
{
    if (bytes == 0) return SPOT_OK;
    return cuda_status(cudaMemcpyAsync(to, from, bytes, cudaMemcpyHostToDevice, backend->stream),
                       doing, err);
}

int cuda_get(const struct backend *backend, void *to, const void *from, size_t bytes,
             const char *doing, struct spot_error *err)
{
    int status = SPOT_OK;
    if (bytes > 0)
        CUDA_TRY(cudaMemcpyAsync(to, from, bytes, cudaMemcpyDeviceToHost, backend->stream), doing);
    status = cuda_wait(backend, doing, err);
out:
    return status;
}

unsigned cuda_grid(const struct backend *backend, int64_t items, int threads)
{
    int64_t blocks = (items + threads - 1) / threads,
            most = 8 * (int64_t)backend->limits.processors;
    if (blocks < 1) blocks = 1;
    return (unsigned)(blocks < most ? blocks : most);
}

/* ---- What there is -------------------------------------------------------------------------- */

enum { OLDEST_CAPABILITY = 75 };

/* "13.0" of 13000. */
static void print_version(int version, char (&text)[16])
{
    snprintf(text, sizeof text, "%d.%d", version / 1000, version % 1000 / 10);
}

/* How many devices there are, or why there is none: no driver, too old a driver, no GPU. */
static int count_devices(int *count, struct spot_error *err)
{
    int driver = 0, runtime = 0;
    char has[16], needs[16];
    *count = 0;
    cudaError_t error = cudaGetDeviceCount(count);
    if (error == cudaSuccess && *count > 0) return SPOT_OK;
    (void)cudaGetLastError();
    if (cudaDriverGetVersion(&driver) != cudaSuccess) driver = 0;
    if (cudaRuntimeGetVersion(&runtime) != cudaSuccess) runtime = 0;
    (void)cudaGetLastError();
    print_version(driver, has);
    print_version(runtime, needs);
    if (driver == 0)
        return spot_fail(err, SPOT_EDEVICE, "no NVIDIA driver is installed here (libcuda.so.1)");
    if (error == cudaErrorInsufficientDriver)
        return spot_fail(err, SPOT_EDEVICE,
                         "the NVIDIA driver is too old: it serves CUDA %s, this backend needs %s",
                         has, needs);
    if (error == cudaSuccess || error == cudaErrorNoDevice)
        return spot_fail(err, SPOT_EDEVICE, "the NVIDIA driver sees no GPU%s%s",
                         getenv("CUDA_VISIBLE_DEVICES") != NULL ? "; CUDA_VISIBLE_DEVICES is " : "",
                         getenv("CUDA_VISIBLE_DEVICES") != NULL ? getenv("CUDA_VISIBLE_DEVICES")
                                                                : "");
    return cuda_status(error, "counting the devices", err);
}

/* "GPU-01234567-89ab-...", as nvidia-smi prints it. */
static void print_uuid(const cudaDeviceProp &properties, char (&text)[64])
{
    const unsigned char *b = (const unsigned char *)properties.uuid.bytes;
    snprintf(text, sizeof text,
             "GPU-%02x%02x%02x%02x-%02x%02x-%02x%02x-%02x%02x-%02x%02x%02x%02x%02x%02x", b[0], b[1],
             b[2], b[3], b[4], b[5], b[6], b[7], b[8], b[9], b[10], b[11], b[12], b[13], b[14],
             b[15]);
}

/* Whether a device can be used now, and the words for it; makes a context for the moment. */
static void look_at_device(int index, struct backend_device *device)
{
    cudaDeviceProp properties;
    struct spot_error reason = {};
    size_t free_bytes = 0, total = 0;
    int driver = 0, runtime = 0;
    char has[16], needs[16], uuid[64];
    snprintf(device->id, sizeof device->id, "cuda:%d", index);
    snprintf(device->name, sizeof device->name, "NVIDIA GPU %d", index);
    int status =
        cuda_status(cudaGetDeviceProperties(&properties, index), "asking what it is", &reason);
    if (status == SPOT_OK) {
        snprintf(device->name, sizeof device->name, "%.90s", properties.name);
        device->memory = (int64_t)properties.totalGlobalMem;
        if (properties.major * 10 + properties.minor < OLDEST_CAPABILITY)
            status = spot_fail(
                &reason, SPOT_EDEVICE, "its compute capability is %d.%d, this backend needs %d.%d",
                properties.major, properties.minor, OLDEST_CAPABILITY / 10, OLDEST_CAPABILITY % 10);
    }
    if (status == SPOT_OK) status = cuda_status(cudaSetDevice(index), "taking the device", &reason);
    if (status == SPOT_OK)
        status = cuda_status(cudaMemGetInfo(&free_bytes, &total), "asking for memory", &reason);
    if (status < 0) {
        snprintf(device->detail, sizeof device->detail, "%.155s", reason.message);
        return;
    }
    device->memory_free = (int64_t)free_bytes;
    device->usable = 1;
    (void)cudaDriverGetVersion(&driver);
    (void)cudaRuntimeGetVersion(&runtime);
    print_version(driver, has);
    print_version(runtime, needs);
    print_uuid(properties, uuid);
    snprintf(device->detail, sizeof device->detail,
             "compute %d.%d, %lld of %lld MB free, driver for CUDA %s, runtime %s, %.44s",
             properties.major, properties.minor, (long long)(free_bytes >> 20),
             (long long)(total >> 20), has, needs, uuid);
}

static int cuda_devices(struct backend_device *devices, int32_t capacity, int32_t *count,
                        struct spot_error *err)
{
    int found;
    *count = 0;
    int status = count_devices(&found, err);
    if (status < 0) return status;
    *count = found;
    for (int i = 0; i < found && i < capacity; i++) {
        memset(&devices[i], 0, sizeof devices[i]);
        look_at_device(i, &devices[i]);
    }
    return SPOT_OK;
}

/* ---- Opening one ---------------------------------------------------------------------------- */

/* The index that "cuda:N" or "cuda:UUID" means; "cuda" alone means the device with the most free
 * memory. */
static int find_device(const char *id, int count, int *index, struct spot_error *err)
{
    int status = SPOT_OK;
    cudaDeviceProp properties;
    const char *wanted = id == NULL || strlen(id) <= 5 ? "" : id + 5; /* behind "cuda:" */
    char *end, uuid[64];
    if (wanted[0] == '\0') {
        int64_t most = -1;
        for (int i = 0; i < count; i++) {
            struct backend_device device = {};
            look_at_device(i, &device);
            if (device.usable == 0 || device.memory_free <= most) continue;
            most = device.memory_free;
            *index = i;
        }
        if (most < 0) *index = 0; /* opening it says what is wrong */
        return SPOT_OK;
    }
    long number = strtol(wanted, &end, 10);
    if (*end == '\0' && number >= 0 && number < count) {
        *index = (int)number;
        return SPOT_OK;
    }
    for (int i = 0; i < count; i++) {
        CUDA_TRY(cudaGetDeviceProperties(&properties, i), "asking what a device is");
        print_uuid(properties, uuid);
        if (strcmp(uuid, wanted) != 0 && strcmp(uuid + 4, wanted) != 0) continue;
        *index = i;
        return SPOT_OK;
    }
    status = spot_fail(err, SPOT_EDEVICE,
                       "there is no device '%.80s'; `blackspot devices` lists "
                       "the %d there %s",
                       id, count, count == 1 ? "is" : "are");
out:
    return status;
}

static void cuda_close(struct backend *backend)
{
    if (backend == NULL) return;
    if (backend->stream != nullptr && cuda_enter(backend, NULL) == SPOT_OK)
        (void)cudaStreamDestroy(backend->stream);
    free(backend);
}

static int cuda_open(const char *id, const struct backend_host *host, struct backend **out,
                     struct spot_error *err)
{
    int status, count, index = 0;
    struct backend_device device = {};
    struct backend *backend = NULL;
    *out = NULL;
    SPOT_TRY(count_devices(&count, err));
    SPOT_TRY(find_device(id, count, &index, err));
    look_at_device(index, &device);
    if (device.usable == 0) {
        status = spot_fail(err, SPOT_EDEVICE, "%s (%s) cannot be used: %s", device.id, device.name,
                           device.detail);
        goto out;
    }
    backend = (struct backend *)calloc(1, sizeof *backend);
    if (backend == NULL) {
        status = spot_fail_memory(err, "the CUDA backend");
        goto out;
    }
    backend->host = *host;
    backend->device = index;
    snprintf(backend->description, sizeof backend->description, "%s (%s)", device.id, device.name);
    SPOT_TRY(cuda_enter(backend, err));
    SPOT_TRY(cuda_limits_of(index, &backend->limits, err));
    CUDA_TRY(cudaStreamCreateWithFlags(&backend->stream, cudaStreamNonBlocking),
             "opening the device");
out:
    if (status < 0) {
        cuda_close(backend);
        backend = NULL;
    }
    *out = backend;
    return status;
}

static const char *cuda_describe(const struct backend *backend)
{
    return backend->description;
}

extern "C" __attribute__((visibility("default"))) const struct backend_tables *spot_backend_entry(
    uint32_t engine_version)
{
    static const struct backend_core core = {
        .version = SPOT_BACKEND_VERSION,
        .name = "cuda",
        .devices = cuda_devices,
        .open = cuda_open,
        .close = cuda_close,
        .describe = cuda_describe,
        .data_open = cuda_data_open,
        .data_put = cuda_data_put,
        .data_map = cuda_data_map,
        .data_moments = cuda_data_moments,
        .data_runs = NULL,
        .data_close = cuda_data_close,
        .data_open64 = NULL,
        .data_put64 = NULL,
    };
    static const struct backend_tables tables = {
        .version = SPOT_BACKEND_VERSION,
        .core = &core,
        .kmeans = &cuda_kmeans,
        .mixture = &cuda_mixture,
        .trees = &cuda_trees,
    };
    (void)engine_version; /* it compares the versions and says which is which */
    return &tables;
}
