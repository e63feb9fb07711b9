/* CUDA on a CPU, for tests: lets a C++17 compiler build kernels/ unchanged and runs them.
 *
 * The threads of a block are fibers that switch at barriers, warp operations and atomics, in an
 * order drawn from a seed: a missing barrier changes results. Blocks are spread over host threads
 * in a drawn order. Built with -fsanitize=thread every fiber counts as a thread of its own and only
 * barriers order their memory, so that the sanitizer finds races inside a block too. Divergent
 * barriers, warp operations that a lane never reaches, and writes next to an allocation are
 * reported as errors. Streams are lazy: work is done when somebody waits for it.
 *
 * This file is the language; cuda_emulation.cpp runs blocks, cuda_runtime.cpp has the runtime. */
#ifndef SPOT_TESTS_CUDA_EMULATION_H
#define SPOT_TESTS_CUDA_EMULATION_H

#include <cmath>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <functional>
#include <tuple>
#include <type_traits>

#define CUDA_EMULATION 1

/* ---- The language --------------------------------------------------------------------------- */

#define __global__
#define __device__
#define __host__
#define __constant__
#define __shared__ static thread_local /* a host thread runs one block at a time */
#define __forceinline__ inline __attribute__((always_inline))
#define __launch_bounds__(...)
#define __align__(bytes) __attribute__((aligned(bytes)))

#define CUDA_LAUNCH(kernel, grid, block, shared, stream, ...) \
    emulation::launch(#kernel, kernel, grid, block, shared, stream, __VA_ARGS__)
#define CUDA_DYNAMIC_SHARED(name) unsigned char *name = emulation::dynamic_shared()

struct dim3 {
    unsigned x, y, z;
    constexpr dim3(unsigned vx = 1, unsigned vy = 1, unsigned vz = 1) : x(vx), y(vy), z(vz) {}
};

static const int warpSize = 32;

namespace emulation
{

/* Where the running fiber stands. */
struct position {
    dim3 thread, block, block_size, grid_size;
};
extern __thread const position *here;

/* A line of a source file, to tell one barrier from another. */
struct site {
    const char *file;
    int line;
};

/* What the lanes of a warp brought to a warp operation: entries of absent lanes are 0. */
struct exchange {
    uint64_t value[32];
    unsigned mask;
};

unsigned lane();
void barrier(site where);
/* Waits for every lane of the mask, and hands each all values. `fence`: orders memory too. */
const exchange *meet(unsigned mask, uint64_t value, bool fence, site where);
/* Lets another fiber run now and then. */
void preempt();
unsigned char *dynamic_shared();
/* Ends the launch with an error; does not return inside a kernel. */
[[noreturn]] void kernel_error(const char *text);

} // namespace emulation

#define threadIdx (emulation::here->thread)
#define blockIdx (emulation::here->block)
#define blockDim (emulation::here->block_size)
#define gridDim (emulation::here->grid_size)

#define EMULATION_SITE (emulation::site{__FILE__, __LINE__})
#define __syncthreads() emulation::barrier(EMULATION_SITE)
#define __syncwarp(...) (emulation::warp_fence{EMULATION_SITE}(__VA_ARGS__))
#define __shfl_sync(...) emulation::shuffle(EMULATION_SITE, __VA_ARGS__)
#define __shfl_up_sync(...) emulation::shuffle_up(EMULATION_SITE, __VA_ARGS__)
#define __shfl_down_sync(...) emulation::shuffle_down(EMULATION_SITE, __VA_ARGS__)
#define __shfl_xor_sync(...) emulation::shuffle_xor(EMULATION_SITE, __VA_ARGS__)
#define __ballot_sync(mask, predicate) emulation::ballot(EMULATION_SITE, mask, predicate)
#define __any_sync(mask, predicate) (emulation::ballot(EMULATION_SITE, mask, predicate) != 0)
#define __all_sync(mask, predicate) (emulation::ballot(EMULATION_SITE, mask, !(predicate)) == 0)
#define __match_any_sync(mask, value) emulation::match_any(EMULATION_SITE, mask, value)
#define __reduce_add_sync(mask, value) emulation::reduce_add(EMULATION_SITE, mask, value)

namespace emulation
{

struct warp_fence {
    site where;
    void operator()(unsigned mask = 0xffffffffu) const { meet(mask, 0, true, where); }
};

/* The value of lane `source`, or of this lane when `source` leaves its group of `width` lanes. */
template <class T> T from_lane(site where, unsigned mask, T value, int source, bool inside)
{
    static_assert(sizeof(T) <= 8 && std::is_trivially_copyable_v<T>, "shuffles move 8 bytes");
    uint64_t bits = 0;
    std::memcpy(&bits, &value, sizeof value);
    const exchange *all = meet(mask, bits, false, where);
    if (!inside) return value;
    if ((all->mask >> source & 1u) == 0) kernel_error("a shuffle reads a lane outside its mask");
    std::memcpy(&value, &all->value[source], sizeof value);
    return value;
}

template <class T> T shuffle(site where, unsigned mask, T value, int source, int width = 32)
{
    int first = (int)lane() & ~(width - 1);
    return from_lane(where, mask, value, first + (source & (width - 1)), true);
}

template <class T> T shuffle_up(site where, unsigned mask, T value, unsigned delta, int width = 32)
{
    int first = (int)lane() & ~(width - 1), source = (int)lane() - (int)delta;
    return from_lane(where, mask, value, source, source >= first);
}

template <class T>
T shuffle_down(site where, unsigned mask, T value, unsigned delta, int width = 32)
{
    int first = (int)lane() & ~(width - 1), source = (int)(lane() + delta);
    return from_lane(where, mask, value, source, source < first + width);
}

template <class T> T shuffle_xor(site where, unsigned mask, T value, int bits, int width = 32)
{
    int first = (int)lane() & ~(width - 1), source = (int)lane() ^ bits;
    return from_lane(where, mask, value, source, source < first + width);
}

inline unsigned ballot(site where, unsigned mask, int predicate)
{
    const exchange *all = meet(mask, predicate != 0, false, where);
    unsigned bits = 0;
    for (unsigned l = 0; l < 32; l++)
        bits |= (unsigned)all->value[l] << l;
    return bits;
}

template <class T> unsigned match_any(site where, unsigned mask, T value)
{
    uint64_t bits = 0;
    std::memcpy(&bits, &value, sizeof value);
    const exchange *all = meet(mask, bits, false, where);
    unsigned equal = 0;
    for (unsigned l = 0; l < 32; l++)
        if ((mask >> l & 1u) != 0 && all->value[l] == bits) equal |= 1u << l;
    return equal;
}

template <class T> T reduce_add(site where, unsigned mask, T value)
{
    static_assert(std::is_same_v<T, int> || std::is_same_v<T, unsigned>, "as in CUDA");
    const exchange *all = meet(mask, (uint64_t)(unsigned)value, false, where);
    unsigned sum = 0;
    for (unsigned l = 0; l < 32; l++)
        sum += (unsigned)all->value[l];
    return (T)sum;
}

/* CUDA has atomics for these types only. */
template <class T>
constexpr bool atomic_integer =
    std::is_same_v<T, int> || std::is_same_v<T, unsigned> || std::is_same_v<T, unsigned long long>;
template <class T> using plain = std::enable_if_t<true, T>;

/* Replaces *at by change(*at) in one step and returns what was there. */
template <class T, class Change> T atomic_change(T *at, Change change)
{
    preempt();
    T before, after;
    __atomic_load(at, &before, __ATOMIC_RELAXED);
    do
        after = change(before);
    while (
        !__atomic_compare_exchange(at, &before, &after, true, __ATOMIC_RELAXED, __ATOMIC_RELAXED));
    return before;
}

} // namespace emulation

template <class T> T atomicAdd(T *at, emulation::plain<T> value)
{
    static_assert(emulation::atomic_integer<T> || std::is_floating_point_v<T>, "as in CUDA");
    return emulation::atomic_change(at, [=](T before) { return (T)(before + value); });
}

template <class T> T atomicMin(T *at, emulation::plain<T> value)
{
    static_assert(emulation::atomic_integer<T> || std::is_same_v<T, long long>, "as in CUDA");
    return emulation::atomic_change(at, [=](T before) { return value < before ? value : before; });
}

template <class T> T atomicMax(T *at, emulation::plain<T> value)
{
    static_assert(emulation::atomic_integer<T> || std::is_same_v<T, long long>, "as in CUDA");
    return emulation::atomic_change(at, [=](T before) { return value > before ? value : before; });
}

template <class T> T atomicExch(T *at, emulation::plain<T> value)
{
    static_assert(emulation::atomic_integer<T> || std::is_same_v<T, float>, "as in CUDA");
    return emulation::atomic_change(at, [=](T) { return value; });
}

template <class T> T atomicOr(T *at, emulation::plain<T> value)
{
    static_assert(emulation::atomic_integer<T>, "as in CUDA");
    return emulation::atomic_change(at, [=](T before) { return before | value; });
}

template <class T> T atomicCAS(T *at, emulation::plain<T> expected, emulation::plain<T> value)
{
    static_assert(emulation::atomic_integer<T>, "as in CUDA");
    return emulation::atomic_change(at,
                                    [=](T before) { return before == expected ? value : before; });
}

template <class To, class From> To emulation_bits(From from)
{
    static_assert(sizeof(To) == sizeof(From), "same bits");
    To to;
    std::memcpy(&to, &from, sizeof to);
    return to;
}

template <class T> T __ldg(const T *at)
{
    return *at;
}
inline int __float_as_int(float x)
{
    return emulation_bits<int>(x);
}
inline unsigned __float_as_uint(float x)
{
    return emulation_bits<unsigned>(x);
}
inline float __int_as_float(int x)
{
    return emulation_bits<float>(x);
}
inline float __uint_as_float(unsigned x)
{
    return emulation_bits<float>(x);
}
inline long long __double_as_longlong(double x)
{
    return emulation_bits<long long>(x);
}
inline double __longlong_as_double(long long x)
{
    return emulation_bits<double>(x);
}
inline int __popc(unsigned x)
{
    return __builtin_popcount(x);
}
inline int __popcll(unsigned long long x)
{
    return __builtin_popcountll(x);
}
inline int __ffs(int x)
{
    return __builtin_ffs(x);
}
inline int __clz(int x)
{
    return x == 0 ? 32 : __builtin_clz((unsigned)x);
}
inline void __threadfence()
{
    __atomic_thread_fence(__ATOMIC_SEQ_CST);
}

/* ---- The runtime ---------------------------------------------------------------------------- */

enum cudaError_t {
    cudaSuccess = 0,
    cudaErrorInvalidValue = 1,
    cudaErrorMemoryAllocation = 2,
    cudaErrorInvalidConfiguration = 9,
    cudaErrorInsufficientDriver = 35,
    cudaErrorDevicesUnavailable = 46,
    cudaErrorNoDevice = 100,
    cudaErrorInvalidDevice = 101,
    cudaErrorNotReady = 600,
    cudaErrorIllegalAddress = 700,
    cudaErrorLaunchFailure = 719,
};
enum cudaMemcpyKind {
    cudaMemcpyHostToHost,
    cudaMemcpyHostToDevice,
    cudaMemcpyDeviceToHost,
    cudaMemcpyDeviceToDevice,
    cudaMemcpyDefault,
};
enum cudaDeviceAttr {
    cudaDevAttrMultiProcessorCount = 16,
    cudaDevAttrMaxSharedMemoryPerBlockOptin = 97,
};
enum cudaFuncAttribute { cudaFuncAttributeMaxDynamicSharedMemorySize = 8 };
enum { cudaStreamNonBlocking = 1, cudaEventDisableTiming = 2, cudaHostAllocDefault = 0 };

struct cudaUUID_t {
    char bytes[16];
};
struct cudaDeviceProp {
    char name[256];
    cudaUUID_t uuid;
    size_t totalGlobalMem, sharedMemPerBlock, sharedMemPerBlockOptin;
    int multiProcessorCount, major, minor, warpSize;
};
typedef struct emulation_stream *cudaStream_t;
typedef struct emulation_event *cudaEvent_t;

const char *cudaGetErrorName(cudaError_t error);
const char *cudaGetErrorString(cudaError_t error);
cudaError_t cudaGetLastError();
cudaError_t cudaPeekAtLastError();
cudaError_t cudaDriverGetVersion(int *version);
cudaError_t cudaRuntimeGetVersion(int *version);
cudaError_t cudaGetDeviceCount(int *count);
cudaError_t cudaSetDevice(int device);
cudaError_t cudaGetDevice(int *device);
cudaError_t cudaGetDeviceProperties(cudaDeviceProp *properties, int device);
cudaError_t cudaDeviceGetAttribute(int *value, cudaDeviceAttr attribute, int device);
cudaError_t cudaMemGetInfo(size_t *free, size_t *total);
cudaError_t cudaDeviceSynchronize();

cudaError_t cudaMalloc(void **at, size_t bytes);
cudaError_t cudaFree(void *at);
cudaError_t cudaMallocHost(void **at, size_t bytes);
cudaError_t cudaFreeHost(void *at);
cudaError_t cudaMemset(void *at, int value, size_t bytes);
cudaError_t cudaMemsetAsync(void *at, int value, size_t bytes, cudaStream_t stream = nullptr);
cudaError_t cudaMemcpy(void *to, const void *from, size_t bytes, cudaMemcpyKind kind);
cudaError_t cudaMemcpyAsync(void *to, const void *from, size_t bytes, cudaMemcpyKind kind,
                            cudaStream_t stream = nullptr);

cudaError_t cudaStreamCreate(cudaStream_t *stream);
cudaError_t cudaStreamCreateWithFlags(cudaStream_t *stream, unsigned flags);
cudaError_t cudaStreamDestroy(cudaStream_t stream);
cudaError_t cudaStreamSynchronize(cudaStream_t stream);
cudaError_t cudaStreamQuery(cudaStream_t stream);
cudaError_t cudaStreamWaitEvent(cudaStream_t stream, cudaEvent_t event, unsigned flags = 0);
cudaError_t cudaEventCreate(cudaEvent_t *event);
cudaError_t cudaEventCreateWithFlags(cudaEvent_t *event, unsigned flags);
cudaError_t cudaEventDestroy(cudaEvent_t event);
cudaError_t cudaEventRecord(cudaEvent_t event, cudaStream_t stream = nullptr);
cudaError_t cudaEventSynchronize(cudaEvent_t event);
cudaError_t cudaEventQuery(cudaEvent_t event);
cudaError_t cudaEventElapsedTime(float *milliseconds, cudaEvent_t from, cudaEvent_t to);

template <class T> cudaError_t cudaMalloc(T **at, size_t bytes)
{
    return cudaMalloc((void **)at, bytes);
}
template <class T> cudaError_t cudaMallocHost(T **at, size_t bytes)
{
    return cudaMallocHost((void **)at, bytes);
}

namespace emulation
{

/* The emulated card: small numbers, so that grids wrap around and shared memory runs out. */
enum { devices = 2, processors = 3, shared_default = 48 << 10, shared_optin = 64 << 10 };

struct launch_shape {
    const char *kernel;
    dim3 grid, block;
    size_t shared;
};

/* Runs a grid now. Returns what a wait for it would. */
cudaError_t run_grid(const launch_shape &shape, const std::function<void()> &thread_body);
/* Checks the shape and puts the grid on the stream; errors wait in cudaGetLastError(). */
void enqueue_launch(const launch_shape &shape, const void *function, cudaStream_t stream,
                    std::function<void()> thread_body);
cudaError_t allow_shared(const void *function, int bytes);

template <class... Parameters, class... Arguments>
void launch(const char *name, void (*kernel)(Parameters...), dim3 grid, dim3 block, size_t shared,
            cudaStream_t stream, const Arguments &...arguments)
{
    std::tuple<std::decay_t<Parameters>...> copies(arguments...);
    enqueue_launch({name, grid, block, shared}, (const void *)kernel, stream,
                   [kernel, copies] { std::apply(kernel, copies); });
}

/* ---- For tests ------------------------------------------------------------------------------ */

/* Draws every order from this seed on. */
void set_seed(uint64_t seed);
uint64_t seed();
/* Host threads that blocks are spread over. */
void set_host_threads(int threads);
/* Device memory from which cudaMalloc is served. */
void set_memory(size_t bytes);
size_t memory_in_use();
/* The nth allocation from now on fails, of the device or pinned; 0: none does. Returns how far off
 * the last one is that was to fail. */
extern "C" uint64_t emulation_fail(uint64_t allocations);
/* 0 when everything was given back: memory of both kinds, streams, events. */
extern "C" size_t emulation_in_use();
/* The machine that is emulated is also told by the environment, for programs that know nothing of
 * this header: CUDA_EMULATION=no-driver, old-driver, no-device, old-device, busy, tight (now little
 * memory is said to be free, now less), or a number of megabytes of device memory. */

/* What the last failed kernel, copy or cudaFree did wrong. "" when nothing. */
const char *last_report();
/* Forgets all errors, sticky ones too, as a new process would. */
void reset();

/* Between cuda_emulation.cpp and cuda_runtime.cpp. */
void report(const char *format, ...) __attribute__((format(printf, 1, 2)));

} // namespace emulation

template <class F> cudaError_t cudaFuncSetAttribute(F *function, cudaFuncAttribute, int value)
{
    return emulation::allow_shared((const void *)function, value);
}

template <class F>
cudaError_t cudaOccupancyMaxActiveBlocksPerMultiprocessor(int *blocks, F *, int, size_t)
{
    *blocks = 1;
    return cudaSuccess;
}

#endif
