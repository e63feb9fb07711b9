/* The runtime calls of the emulation. Device memory is host memory between guard zones, filled with
 * NaN bytes at first, and every copy is checked against the allocations. Streams are lazy: what was
 * put on one is done when somebody waits for it, several streams in a drawn interleaving, so that a
 * missing wait shows. One thread at a time uses the runtime. */
#include "cuda_emulation.h"

#include <cstdlib>
#include <deque>
#include <map>
#include <memory>
#include <utility>
#include <vector>

extern "C" {
void __asan_poison_memory_region(const volatile void *, size_t) __attribute__((weak));
void __asan_unpoison_memory_region(const volatile void *, size_t) __attribute__((weak));
}

using emulation::report;

struct emulation_event {
    emulation_stream *stream = nullptr;
    uint64_t after = 0; /* reached once the stream has done so many pieces of work */
};

struct emulation_stream {
    struct piece {
        std::function<cudaError_t()> work;
        emulation_event first; /* what it waits for */
    };
    std::deque<piece> work;
    uint64_t done = 0;    /* pieces of work done since the stream was made */
    bool running = false; /* one is being done */
};

namespace emulation
{

void forget_report();

namespace
{

enum { guard = 256 };

struct allocation {
    unsigned char *memory; /* guard, bytes, guard */
    size_t bytes;
};

struct {
    std::map<unsigned char *, allocation> device; /* by first byte handed out */
    std::map<void *, size_t> pinned;
    std::map<const void *, int> shared_allowed; /* by kernel */
    std::vector<std::unique_ptr<emulation_stream>> streams;
    std::vector<std::unique_ptr<emulation_stream>> retired; /* events may still point to them */
    size_t memory = 1 << 30, in_use = 0, events = 0;
    int device_now = 0;
    cudaError_t last = cudaSuccess, sticky = cudaSuccess;
    uint64_t fail_in = 0;          /* allocations until one fails; 0: none does */
    uint64_t drawn = 0, asked = 0; /* orders drawn; times that cudaMemGetInfo was called */
} runtime;

cudaError_t keep(cudaError_t error)
{
    if (error != cudaSuccess) runtime.last = error;
    if (error == cudaErrorLaunchFailure || error == cudaErrorIllegalAddress) runtime.sticky = error;
    return error;
}

void shade(unsigned char *at, size_t bytes, bool poison)
{
    auto change = poison ? __asan_poison_memory_region : __asan_unpoison_memory_region;
    if (change != nullptr) change(at, bytes);
}

/* ---- Streams -------------------------------------------------------------------------------- */

void do_one(emulation_stream *stream)
{
    std::function<cudaError_t()> next = std::move(stream->work.front().work);
    stream->work.pop_front();
    stream->running = true;
    if (runtime.sticky == cudaSuccess) keep(next());
    stream->running = false;
    stream->done++;
}

uint64_t draw_number()
{
    return (seed() + runtime.drawn++) * 0x9e3779b97f4a7c15u >> 32;
}

bool may_go_on(const emulation_stream &stream)
{
    if (stream.running || stream.work.empty()) return false;
    const emulation_event &first = stream.work.front().first;
    return first.stream == nullptr || first.stream->done >= first.after;
}

/* Now and then a stream that nobody waits for does something, too. */
void run_ahead(const emulation_stream *but)
{
    std::vector<emulation_stream *> others;
    for (auto &stream : runtime.streams)
        if (stream.get() != but && may_go_on(*stream)) others.push_back(stream.get());
    uint64_t draw = draw_number();
    if (!others.empty() && draw % 4 != 0) do_one(others[draw / 4 % others.size()]);
}

/* Does work in a drawn interleaving of all streams. */
void drain_all()
{
    for (;;) {
        std::vector<emulation_stream *> busy;
        for (auto &stream : runtime.streams)
            if (!stream->work.empty()) busy.push_back(stream.get());
        if (busy.empty()) return;
        do_one(busy[draw_number() % busy.size()]);
    }
}

void drain(emulation_stream *stream, uint64_t until)
{
    while (stream->done < until && !stream->work.empty()) {
        run_ahead(stream);
        do_one(stream);
    }
}

void drain(emulation_stream *stream)
{
    drain(stream, UINT64_MAX);
}

cudaError_t enqueue(cudaStream_t stream, std::function<cudaError_t()> work,
                    emulation_event first = {})
{
    if (runtime.sticky != cudaSuccess) return keep(runtime.sticky);
    if (stream == nullptr) {
        drain_all();
        return keep(work());
    }
    stream->work.push_back({std::move(work), first});
    return cudaSuccess;
}

cudaError_t waited()
{
    return runtime.sticky != cudaSuccess ? keep(runtime.sticky) : cudaSuccess;
}

/* ---- Memory --------------------------------------------------------------------------------- */

/* Whether [at, at + bytes) lies inside one allocation on the device. */
bool on_device(const void *at, size_t bytes)
{
    unsigned char *first = (unsigned char *)at;
    auto next = runtime.device.upper_bound(first);
    if (next == runtime.device.begin()) return false;
    const auto &[start, block] = *std::prev(next);
    return first + bytes <= start + block.bytes;
}

bool is_pinned(const void *at)
{
    auto next = runtime.pinned.upper_bound((void *)at);
    if (next == runtime.pinned.begin()) return false;
    const auto &[start, bytes] = *std::prev(next);
    return (const char *)at < (const char *)start + bytes;
}

bool right_sides(void *to, const void *from, size_t bytes, cudaMemcpyKind kind)
{
    bool to_device = kind == cudaMemcpyHostToDevice || kind == cudaMemcpyDeviceToDevice;
    bool from_device = kind == cudaMemcpyDeviceToHost || kind == cudaMemcpyDeviceToDevice;
    if (bytes == 0 || kind == cudaMemcpyDefault) return true;
    if (to_device != on_device(to, bytes) || from_device != on_device(from, bytes)) {
        report("a copy of %zu bytes leaves an allocation or names the wrong side", bytes);
        return false;
    }
    return true;
}

bool guard_kept(const unsigned char *zone)
{
    for (int i = 0; i < guard; i++)
        if (zone[i] != 0x5a) return false;
    return true;
}

/* Whether this allocation is the one that is to fail. */
bool fails_now()
{
    return runtime.fail_in > 0 && --runtime.fail_in == 0;
}

} // namespace

cudaError_t allow_shared(const void *function, int bytes)
{
    if (bytes < 0 || bytes > shared_optin) return keep(cudaErrorInvalidValue);
    runtime.shared_allowed[function] = bytes;
    return cudaSuccess;
}

void enqueue_launch(const launch_shape &shape, const void *function, cudaStream_t stream,
                    std::function<void()> thread_body)
{
    auto allowed = runtime.shared_allowed.find(function);
    size_t limit = shared_default;
    if (allowed != runtime.shared_allowed.end() && (size_t)allowed->second > limit)
        limit = (size_t)allowed->second;
    uint64_t threads = (uint64_t)shape.block.x * shape.block.y * shape.block.z;
    uint64_t blocks = (uint64_t)shape.grid.x * shape.grid.y * shape.grid.z;
    if (threads == 0 || threads > 1024 || blocks == 0 || shape.grid.y > 65535 ||
        shape.grid.z > 65535 || shape.shared > limit) {
        keep(cudaErrorInvalidConfiguration);
        return;
    }
    enqueue(stream, [shape, thread_body] { return run_grid(shape, thread_body); });
}

void set_memory(size_t bytes)
{
    runtime.memory = bytes;
}

size_t memory_in_use()
{
    return runtime.in_use;
}

extern "C" uint64_t emulation_fail(uint64_t allocations)
{
    return std::exchange(runtime.fail_in, allocations);
}

extern "C" size_t emulation_in_use()
{
    return runtime.in_use + runtime.pinned.size() + runtime.streams.size() + runtime.events;
}

void reset()
{
    runtime.last = runtime.sticky = cudaSuccess;
    for (auto &stream : runtime.streams)
        stream->work.clear();
    forget_report();
}

} // namespace emulation

using namespace emulation;

/* ---- Errors and devices --------------------------------------------------------------------- */

static const struct {
    cudaError_t error;
    const char *name, *text;
} error_names[] = {
    {cudaSuccess, "cudaSuccess", "no error"},
    {cudaErrorInvalidValue, "cudaErrorInvalidValue", "invalid argument"},
    {cudaErrorMemoryAllocation, "cudaErrorMemoryAllocation", "out of memory"},
    {cudaErrorInvalidConfiguration, "cudaErrorInvalidConfiguration",
     "invalid configuration argument"},
    {cudaErrorInsufficientDriver, "cudaErrorInsufficientDriver",
     "CUDA driver version is insufficient for CUDA runtime version"},
    {cudaErrorDevicesUnavailable, "cudaErrorDevicesUnavailable",
     "CUDA-capable device(s) is/are busy or unavailable"},
    {cudaErrorNoDevice, "cudaErrorNoDevice", "no CUDA-capable device is detected"},
    {cudaErrorInvalidDevice, "cudaErrorInvalidDevice", "invalid device ordinal"},
    {cudaErrorNotReady, "cudaErrorNotReady", "device not ready"},
    {cudaErrorIllegalAddress, "cudaErrorIllegalAddress", "an illegal memory access"},
    {cudaErrorLaunchFailure, "cudaErrorLaunchFailure", "unspecified launch failure"},
};

const char *cudaGetErrorName(cudaError_t error)
{
    for (const auto &known : error_names)
        if (known.error == error) return known.name;
    return "unrecognized error code";
}

const char *cudaGetErrorString(cudaError_t error)
{
    for (const auto &known : error_names)
        if (known.error == error) return known.text;
    return "unrecognized error code";
}

cudaError_t cudaGetLastError()
{
    cudaError_t error = runtime.last;
    runtime.last = runtime.sticky;
    return error;
}

cudaError_t cudaPeekAtLastError()
{
    return runtime.last;
}

/* Whether CUDA_EMULATION in the environment says so. */
static bool told(const char *what)
{
    const char *machine = getenv("CUDA_EMULATION");
    return machine != nullptr && std::strcmp(machine, what) == 0;
}

/* A number in CUDA_EMULATION: device memory in megabytes. */
static size_t memory_now()
{
    const char *machine = getenv("CUDA_EMULATION");
    long megabytes = machine != nullptr ? strtol(machine, nullptr, 10) : 0;
    return megabytes > 0 ? (size_t)megabytes << 20 : runtime.memory;
}

cudaError_t cudaDriverGetVersion(int *version)
{
    *version = told("no-driver") ? 0 : told("old-driver") ? 11040 : 13000;
    return cudaSuccess;
}

cudaError_t cudaRuntimeGetVersion(int *version)
{
    *version = 13000;
    return cudaSuccess;
}

cudaError_t cudaGetDeviceCount(int *count)
{
    *count = 0;
    if (told("no-driver") || told("old-driver")) return keep(cudaErrorInsufficientDriver);
    if (told("no-device")) return keep(cudaErrorNoDevice);
    *count = devices;
    return cudaSuccess;
}

cudaError_t cudaSetDevice(int device)
{
    if (device < 0 || device >= devices) return keep(cudaErrorInvalidDevice);
    if (told("busy")) return keep(cudaErrorDevicesUnavailable);
    runtime.device_now = device;
    return cudaSuccess;
}

cudaError_t cudaGetDevice(int *device)
{
    *device = runtime.device_now;
    return cudaSuccess;
}

cudaError_t cudaGetDeviceProperties(cudaDeviceProp *properties, int device)
{
    if (device < 0 || device >= devices) return keep(cudaErrorInvalidDevice);
    *properties = {};
    std::strcpy(properties->name, "emulated CUDA device");
    for (int i = 0; i < 16; i++)
        properties->uuid.bytes[i] = (char)(16 * device + i);
    properties->totalGlobalMem = memory_now();
    properties->sharedMemPerBlock = shared_default;
    properties->sharedMemPerBlockOptin = shared_optin;
    properties->multiProcessorCount = processors;
    properties->major = told("old-device") ? 6 : 7;
    properties->minor = told("old-device") ? 1 : 5;
    properties->warpSize = 32;
    return cudaSuccess;
}

cudaError_t cudaDeviceGetAttribute(int *value, cudaDeviceAttr attribute, int device)
{
    if (device < 0 || device >= devices) return keep(cudaErrorInvalidDevice);
    switch (attribute) {
    case cudaDevAttrMultiProcessorCount:
        *value = processors;
        return cudaSuccess;
    case cudaDevAttrMaxSharedMemoryPerBlockOptin:
        *value = shared_optin;
        return cudaSuccess;
    }
    return keep(cudaErrorInvalidValue);
}

cudaError_t cudaMemGetInfo(size_t *free_bytes, size_t *total)
{
    *total = memory_now();
    *free_bytes = *total > runtime.in_use ? *total - runtime.in_use : 0;
    if (told("tight")) *free_bytes = (size_t)16 << (10 + runtime.asked++ % 6);
    return cudaSuccess;
}

cudaError_t cudaDeviceSynchronize()
{
    drain_all();
    return waited();
}

/* ---- Memory --------------------------------------------------------------------------------- */

cudaError_t cudaMalloc(void **at, size_t bytes)
{
    *at = nullptr;
    if (bytes == 0) return cudaSuccess;
    if (fails_now()) return keep(cudaErrorMemoryAllocation);
    if (bytes > memory_now() || runtime.in_use > memory_now() - bytes)
        return keep(cudaErrorMemoryAllocation);
    size_t rounded = (bytes + guard - 1) / guard * guard;
    unsigned char *memory = (unsigned char *)aligned_alloc(guard, rounded + 2 * guard);
    if (memory == nullptr) return keep(cudaErrorMemoryAllocation);
    unsigned char *first = memory + guard;
    std::memset(memory, 0x5a, rounded + 2 * guard);
    std::memset(first, 0xff, bytes);
    shade(memory, guard, true);
    shade(first + bytes, guard, true);
    runtime.device[first] = {memory, bytes};
    runtime.in_use += bytes;
    *at = first;
    return cudaSuccess;
}

cudaError_t cudaFree(void *at)
{
    if (at == nullptr) return cudaSuccess;
    drain_all();
    auto found = runtime.device.find((unsigned char *)at);
    if (found == runtime.device.end()) {
        report("cudaFree of something that cudaMalloc did not give");
        return keep(cudaErrorInvalidValue);
    }
    allocation block = found->second;
    unsigned char *end = found->first + block.bytes;
    runtime.device.erase(found);
    runtime.in_use -= block.bytes;
    shade(block.memory, guard, false);
    shade(end, guard, false);
    bool before = guard_kept(block.memory), after = guard_kept(end);
    if (!before || !after)
        report("a kernel wrote %s an allocation of %zu bytes", before ? "past" : "before",
               block.bytes);
    free(block.memory);
    return before && after ? cudaSuccess : keep(cudaErrorIllegalAddress);
}

cudaError_t cudaMallocHost(void **at, size_t bytes)
{
    *at = bytes > 0 && !fails_now() ? malloc(bytes) : nullptr;
    if (bytes > 0 && *at == nullptr) return keep(cudaErrorMemoryAllocation);
    if (*at != nullptr) runtime.pinned[*at] = bytes;
    return cudaSuccess;
}

cudaError_t cudaFreeHost(void *at)
{
    if (at == nullptr) return cudaSuccess;
    drain_all();
    if (runtime.pinned.erase(at) == 0) return keep(cudaErrorInvalidValue);
    free(at);
    return cudaSuccess;
}

cudaError_t cudaMemsetAsync(void *at, int value, size_t bytes, cudaStream_t stream)
{
    if (bytes > 0 && !on_device(at, bytes)) {
        report("cudaMemset of %zu bytes leaves an allocation", bytes);
        return keep(cudaErrorInvalidValue);
    }
    return enqueue(stream, [=] {
        if (bytes > 0) std::memset(at, value, bytes);
        return cudaSuccess;
    });
}

cudaError_t cudaMemset(void *at, int value, size_t bytes)
{
    return cudaMemsetAsync(at, value, bytes, nullptr);
}

/* Pageable host memory is copied before the call returns, as CUDA does; pinned memory later. */
cudaError_t cudaMemcpyAsync(void *to, const void *from, size_t bytes, cudaMemcpyKind kind,
                            cudaStream_t stream)
{
    if (!right_sides(to, from, bytes, kind)) return keep(cudaErrorInvalidValue);
    auto copy = [=] {
        if (bytes > 0) std::memcpy(to, from, bytes);
        return cudaSuccess;
    };
    cudaError_t error = enqueue(stream, copy);
    bool lazy =
        (on_device(to, bytes) || is_pinned(to)) && (on_device(from, bytes) || is_pinned(from));
    if (error == cudaSuccess && stream != nullptr && !lazy) {
        drain(stream);
        error = waited();
    }
    return error;
}

cudaError_t cudaMemcpy(void *to, const void *from, size_t bytes, cudaMemcpyKind kind)
{
    cudaError_t error = cudaMemcpyAsync(to, from, bytes, kind, nullptr);
    return error != cudaSuccess ? error : waited();
}

/* ---- Streams and events --------------------------------------------------------------------- */

cudaError_t cudaStreamCreateWithFlags(cudaStream_t *stream, unsigned)
{
    runtime.streams.push_back(std::make_unique<emulation_stream>());
    *stream = runtime.streams.back().get();
    return cudaSuccess;
}

cudaError_t cudaStreamCreate(cudaStream_t *stream)
{
    return cudaStreamCreateWithFlags(stream, 0);
}

cudaError_t cudaStreamDestroy(cudaStream_t stream)
{
    for (auto at = runtime.streams.begin(); at != runtime.streams.end(); ++at) {
        if (at->get() != stream) continue;
        drain(stream);
        runtime.retired.push_back(std::move(*at));
        runtime.streams.erase(at);
        return cudaSuccess;
    }
    return keep(cudaErrorInvalidValue);
}

cudaError_t cudaStreamSynchronize(cudaStream_t stream)
{
    if (stream == nullptr)
        drain_all();
    else
        drain(stream);
    return waited();
}

cudaError_t cudaStreamQuery(cudaStream_t stream)
{
    if (runtime.sticky != cudaSuccess) return keep(runtime.sticky);
    return stream == nullptr || stream->work.empty() ? cudaSuccess : cudaErrorNotReady;
}

cudaError_t cudaEventCreateWithFlags(cudaEvent_t *event, unsigned)
{
    *event = new emulation_event;
    runtime.events++;
    return cudaSuccess;
}

cudaError_t cudaEventCreate(cudaEvent_t *event)
{
    return cudaEventCreateWithFlags(event, 0);
}

cudaError_t cudaEventDestroy(cudaEvent_t event)
{
    delete event;
    runtime.events--;
    return cudaSuccess;
}

cudaError_t cudaEventRecord(cudaEvent_t event, cudaStream_t stream)
{
    if (stream == nullptr) drain_all();
    event->stream = stream;
    event->after = stream == nullptr ? 0 : stream->done + stream->work.size();
    return waited();
}

/* The event as it is now: a later record does not change what was asked to wait. */
cudaError_t cudaStreamWaitEvent(cudaStream_t stream, cudaEvent_t event, unsigned)
{
    emulation_event now = *event;
    auto wait = [now] {
        if (now.stream != nullptr) drain(now.stream, now.after);
        return cudaSuccess;
    };
    return enqueue(stream, wait, now);
}

cudaError_t cudaEventSynchronize(cudaEvent_t event)
{
    if (event->stream != nullptr) drain(event->stream, event->after);
    return waited();
}

cudaError_t cudaEventQuery(cudaEvent_t event)
{
    if (runtime.sticky != cudaSuccess) return keep(runtime.sticky);
    bool done = event->stream == nullptr || event->stream->done >= event->after;
    return done ? cudaSuccess : cudaErrorNotReady;
}

/* Emulated time stands still. */
cudaError_t cudaEventElapsedTime(float *milliseconds, cudaEvent_t, cudaEvent_t)
{
    *milliseconds = 0.0f;
    return cudaSuccess;
}
