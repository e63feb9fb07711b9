/* The emulation itself: what CUDA promises holds, and what CUDA leaves undefined is reported. */
#include "cuda_runtime.h"

#include <string>
#include <vector>

#include "suite.h"

namespace
{

enum { THREADS = 96 };

/* Runs a kernel and returns what the wait for it says; the report is left for the test. */
template <class... Parameters, class... Arguments>
cudaError_t run(void (*kernel)(Parameters...), unsigned blocks, unsigned threads, size_t shared,
                Arguments... arguments)
{
    emulation::reset();
    CUDA_LAUNCH(kernel, blocks, threads, shared, nullptr, arguments...);
    return cudaDeviceSynchronize();
}

bool reported(const char *text)
{
    return std::string(emulation::last_report()).find(text) != std::string::npos;
}

template <class T> T *on_device(size_t count)
{
    T *at = nullptr;
    CU_ASSERT_EQUAL_FATAL(cudaMalloc(&at, count * sizeof(T)), cudaSuccess);
    CU_ASSERT_EQUAL(cudaMemset(at, 0, count * sizeof(T)), cudaSuccess);
    return at;
}

template <class T> std::vector<T> from_device(const T *at, size_t count)
{
    std::vector<T> values(count);
    CU_ASSERT_EQUAL(cudaMemcpy(values.data(), at, count * sizeof(T), cudaMemcpyDeviceToHost),
                    cudaSuccess);
    return values;
}

/* ---- What holds ----------------------------------------------------------------------------- */

__global__ void index_kernel(unsigned *seen)
{
    unsigned block = blockIdx.x + gridDim.x * (blockIdx.y + gridDim.y * blockIdx.z);
    unsigned thread = threadIdx.x + blockDim.x * (threadIdx.y + blockDim.y * threadIdx.z);
    atomicAdd(&seen[block * blockDim.x * blockDim.y * blockDim.z + thread], 1u);
}

void runs_every_thread_once()
{
    emulation::reset();
    unsigned *seen = on_device<unsigned>(2 * 3 * 5 * 4 * 3 * 2);
    CUDA_LAUNCH(index_kernel, dim3(2, 3, 5), dim3(4, 3, 2), 0, nullptr, seen);
    CU_ASSERT_EQUAL(cudaDeviceSynchronize(), cudaSuccess);
    for (unsigned times : from_device(seen, 2 * 3 * 5 * 4 * 3 * 2))
        CU_ASSERT_EQUAL(times, 1);
    CU_ASSERT_EQUAL(cudaFree(seen), cudaSuccess);
}

/* Sums 0..THREADS-1 in shared memory, with or without the barriers that it needs. */
__global__ void reverse_kernel(int *out, bool wait)
{
    __shared__ int values[THREADS];
    values[threadIdx.x] = (int)(threadIdx.x + 1 + blockIdx.x * THREADS);
    if (wait) __syncthreads();
    out[blockIdx.x * THREADS + threadIdx.x] = values[THREADS - 1 - threadIdx.x];
}

bool reverses(uint64_t seed, bool wait)
{
    emulation::set_seed(seed);
    int *out = on_device<int>(8 * THREADS);
    CU_ASSERT_EQUAL(run(reverse_kernel, 8, THREADS, 0, out, wait), cudaSuccess);
    bool right = true;
    std::vector<int> values = from_device(out, 8 * THREADS);
    for (int i = 0; i < 8 * THREADS; i++)
        right = right && values[(size_t)i] == i / THREADS * THREADS + THREADS - i % THREADS;
    cudaFree(out);
    return right;
}

void keeps_barriers_and_shows_missing_ones()
{
    for (uint64_t seed = 1; seed <= 10; seed++) {
        CU_ASSERT_TRUE(reverses(seed, true));
#ifndef __SANITIZE_THREAD__ /* which would rightly complain */
        CU_ASSERT_FALSE(reverses(seed, false));
#endif
    }
}

__global__ void warp_kernel(int *out)
{
    int lane = (int)threadIdx.x % 32, sum = lane;
    for (int step = 16; step > 0; step /= 2)
        sum += __shfl_xor_sync(0xffffffffu, sum, step);
    int *mine = out + 10 * threadIdx.x;
    mine[0] = sum;
    mine[1] = __shfl_sync(0xffffffffu, lane * 3, 7);
    mine[2] = __shfl_up_sync(0xffffffffu, lane, 2);
    mine[3] = __shfl_down_sync(0xffffffffu, lane, 5);
    mine[4] = (int)__ballot_sync(0xffffffffu, lane % 3 == 0);
    mine[5] = __any_sync(0xffffffffu, lane == 31);
    mine[6] = __all_sync(0xffffffffu, lane < 31);
    mine[7] = __reduce_add_sync(0xffffffffu, lane);
    mine[8] = (int)__match_any_sync(0xffffffffu, lane / 8);
    mine[9] = __shfl_sync(0xffffffffu, lane, 1, 8);
    if (lane < 16) mine[1] += __shfl_sync(0x0000ffffu, lane, 15);
    __syncwarp();
}

void knows_warp_operations()
{
    int *out = on_device<int>(64 * 10);
    CU_ASSERT_EQUAL(run(warp_kernel, 1, 64, 0, out), cudaSuccess);
    std::vector<int> values = from_device(out, 64 * 10);
    for (int t = 0; t < 64; t++) {
        const int *mine = &values[(size_t)t * 10];
        int lane = t % 32;
        CU_ASSERT_EQUAL(mine[0], 496);
        CU_ASSERT_EQUAL(mine[1], lane < 16 ? 36 : 21);
        CU_ASSERT_EQUAL(mine[2], lane < 2 ? lane : lane - 2);
        CU_ASSERT_EQUAL(mine[3], lane > 26 ? lane : lane + 5);
        CU_ASSERT_EQUAL(mine[4], 0x49249249);
        CU_ASSERT_EQUAL(mine[5], 1);
        CU_ASSERT_EQUAL(mine[6], 0);
        CU_ASSERT_EQUAL(mine[7], 496);
        CU_ASSERT_EQUAL((unsigned)mine[8], 0xffu << lane / 8 * 8);
        CU_ASSERT_EQUAL(mine[9], lane / 8 * 8 + 1);
    }
    CU_ASSERT_EQUAL(cudaFree(out), cudaSuccess);
}

__global__ void atomic_kernel(unsigned long long *total, int *smallest, int *largest, float *sum)
{
    int value = (int)(threadIdx.x + blockIdx.x * blockDim.x);
    atomicAdd(total, (unsigned long long)value << 30);
    atomicMin(smallest, -value);
    atomicMax(largest, value);
    atomicAdd(sum, 0.5f);
}

void loses_no_atomic()
{
    unsigned long long *total = on_device<unsigned long long>(1);
    int *bounds = on_device<int>(2);
    float *sum = on_device<float>(1);
    CU_ASSERT_EQUAL(run(atomic_kernel, 20, 64, 0, total, bounds, bounds + 1, sum), cudaSuccess);
    CU_ASSERT_EQUAL(from_device(total, 1)[0], 1279ull * 640 << 30);
    CU_ASSERT_EQUAL(from_device(bounds, 2)[0], -1279);
    CU_ASSERT_EQUAL(from_device(bounds, 2)[1], 1279);
    CU_ASSERT_EQUAL(from_device(sum, 1)[0], 640.0f);
    cudaFree(total), cudaFree(bounds), cudaFree(sum);
}

/* ---- What is reported ----------------------------------------------------------------------- */

__global__ void early_exit_kernel()
{
    if (threadIdx.x == 5) return;
    __syncthreads();
}

__global__ void two_barriers_kernel()
{
    if (threadIdx.x < 40)
        __syncthreads();
    else
        __syncthreads();
}

__global__ void lost_lane_kernel()
{
    if (threadIdx.x != 7) (void)__ballot_sync(0xffffffffu, 1);
}

__global__ void wrong_lane_kernel()
{
    if (threadIdx.x < 16) (void)__shfl_sync(0x0000ffffu, 1, 20);
}

__global__ void wrong_mask_kernel()
{
    (void)__any_sync(0x0000ffffu, 1);
}

void reports_divergence()
{
    CU_ASSERT_EQUAL(run(early_exit_kernel, 1, 64, 0), cudaErrorLaunchFailure);
    CU_ASSERT_TRUE(reported("1 have returned"));
    CU_ASSERT_EQUAL(run(two_barriers_kernel, 1, 64, 0), cudaErrorLaunchFailure);
    CU_ASSERT_TRUE(reported("different barriers"));
    CU_ASSERT_EQUAL(run(lost_lane_kernel, 1, 32, 0), cudaErrorLaunchFailure);
    CU_ASSERT_TRUE(reported("never come"));
    CU_ASSERT_EQUAL(run(wrong_lane_kernel, 1, 32, 0), cudaErrorLaunchFailure);
    CU_ASSERT_TRUE(reported("outside its mask"));
    CU_ASSERT_EQUAL(run(wrong_mask_kernel, 1, 32, 0), cudaErrorLaunchFailure);
    CU_ASSERT_TRUE(reported("excludes it"));
    CU_ASSERT_EQUAL(cudaGetLastError(), cudaErrorLaunchFailure); /* sticky, as on a card */
    CU_ASSERT_EQUAL(cudaMemset(nullptr, 0, 0), cudaErrorLaunchFailure);
    emulation::reset();
    CU_ASSERT_EQUAL(cudaGetLastError(), cudaSuccess);
}

[[maybe_unused]] __global__ void write_kernel(int *at, int index)
{
    at[index] = 1;
}

__global__ void write_shared_kernel(int index)
{
    CUDA_DYNAMIC_SHARED(bytes);
    bytes[index] = 1;
}

/* AddressSanitizer stops such a program on the spot; here without it. */
void reports_writes_beside_an_array()
{
#ifndef __SANITIZE_ADDRESS__
    for (int index : {-1, 10}) {
        emulation::reset();
        int *at = on_device<int>(10);
        CU_ASSERT_EQUAL(run(write_kernel, 1, 1, 0, at, index), cudaSuccess);
        CU_ASSERT_EQUAL(cudaFree(at), cudaErrorIllegalAddress);
        CU_ASSERT_TRUE(reported("40 bytes"));
    }
    CU_ASSERT_EQUAL(run(write_shared_kernel, 1, 1, 8, 8), cudaErrorLaunchFailure);
    CU_ASSERT_TRUE(reported("8 bytes of dynamic shared memory"));
    CU_ASSERT_EQUAL(run(write_shared_kernel, 1, 1, 8, 7), cudaSuccess);
#endif
    emulation::reset();
}

void refuses_impossible_launches()
{
    const struct {
        unsigned blocks, threads;
        size_t shared;
    } wrong[] = {{0, 1, 0}, {1, 0, 0}, {1, 1025, 0}, {1, 1, emulation::shared_default + 1}};
    for (const auto &shape : wrong) {
        emulation::reset();
        CUDA_LAUNCH(write_shared_kernel, shape.blocks, shape.threads, shape.shared, nullptr, 0);
        CU_ASSERT_EQUAL(cudaGetLastError(), cudaErrorInvalidConfiguration);
        CU_ASSERT_EQUAL(cudaGetLastError(), cudaSuccess);
    }
    const auto more = cudaFuncAttributeMaxDynamicSharedMemorySize;
    CU_ASSERT_EQUAL(cudaFuncSetAttribute(write_shared_kernel, more, emulation::shared_optin + 1),
                    cudaErrorInvalidValue);
    CU_ASSERT_EQUAL(cudaFuncSetAttribute(write_shared_kernel, more, emulation::shared_optin),
                    cudaSuccess);
    CU_ASSERT_EQUAL(run(write_shared_kernel, 1, 1, emulation::shared_optin, 0), cudaSuccess);
}

/* ---- The runtime ---------------------------------------------------------------------------- */

void checks_copies_and_memory()
{
    emulation::reset();
    int host[4] = {1, 2, 3, 4};
    int *device = on_device<int>(4);
    CU_ASSERT_EQUAL(cudaMemcpy(device, host, sizeof host, cudaMemcpyHostToDevice), cudaSuccess);
    CU_ASSERT_EQUAL(cudaMemcpy(device + 1, host, sizeof host, cudaMemcpyHostToDevice),
                    cudaErrorInvalidValue);
    CU_ASSERT_EQUAL(cudaMemcpy(host, device, sizeof host, cudaMemcpyHostToDevice),
                    cudaErrorInvalidValue);
    CU_ASSERT_EQUAL(cudaFree(host), cudaErrorInvalidValue);
    emulation::set_memory(1000);
    void *more = nullptr;
    CU_ASSERT_EQUAL(cudaMalloc(&more, 985), cudaErrorMemoryAllocation);
    CU_ASSERT_PTR_NULL(more);
    CU_ASSERT_EQUAL(cudaMalloc(&more, 984), cudaSuccess);
    CU_ASSERT_EQUAL(emulation::memory_in_use(), 1000);
    emulation::set_memory(1 << 30);
    cudaFree(more), cudaFree(device);
    CU_ASSERT_EQUAL(emulation::memory_in_use(), 0);
    emulation::reset();
}

/* Copies to and from pinned memory happen when somebody waits, in the order of events. */
void makes_streams_lazy()
{
    emulation::reset();
    int *pinned = nullptr, *device = on_device<int>(1);
    CU_ASSERT_EQUAL(cudaMallocHost(&pinned, 2 * sizeof *pinned), cudaSuccess);
    cudaStream_t in, out;
    cudaEvent_t arrived;
    cudaStreamCreate(&in), cudaStreamCreateWithFlags(&out, cudaStreamNonBlocking);
    cudaEventCreateWithFlags(&arrived, cudaEventDisableTiming);
    pinned[0] = 41, pinned[1] = 0;
    cudaMemcpyAsync(device, pinned, sizeof(int), cudaMemcpyHostToDevice, in);
    cudaEventRecord(arrived, in);
    CU_ASSERT_EQUAL(cudaEventQuery(arrived), cudaErrorNotReady);
    cudaStreamWaitEvent(out, arrived);
    cudaMemcpyAsync(pinned + 1, device, sizeof(int), cudaMemcpyDeviceToHost, out);
    pinned[0] = 42; /* too early to reuse the buffer, and it shows */
    CU_ASSERT_EQUAL(pinned[1], 0);
    CU_ASSERT_EQUAL(cudaStreamQuery(out), cudaErrorNotReady);
    CU_ASSERT_EQUAL(cudaStreamSynchronize(out), cudaSuccess);
    CU_ASSERT_EQUAL(pinned[1], 42);
    CU_ASSERT_EQUAL(cudaEventQuery(arrived), cudaSuccess);
    CU_ASSERT_EQUAL(cudaEventSynchronize(arrived), cudaSuccess);

    int pageable = 7; /* copied before the call returns */
    cudaMemcpyAsync(device, &pageable, sizeof(int), cudaMemcpyHostToDevice, in);
    pageable = 8;
    CU_ASSERT_EQUAL(cudaMemcpy(&pageable, device, sizeof(int), cudaMemcpyDeviceToHost),
                    cudaSuccess);
    CU_ASSERT_EQUAL(pageable, 7);
    cudaEventDestroy(arrived), cudaStreamDestroy(in), cudaStreamDestroy(out);
    cudaFreeHost(pinned), cudaFree(device);
}

} // namespace

int main()
{
    const suite_test tests[] = {
        {"runs every thread once", runs_every_thread_once},
        {"keeps barriers and shows missing ones", keeps_barriers_and_shows_missing_ones},
        {"knows warp operations", knows_warp_operations},
        {"loses no atomic", loses_no_atomic},
        {"reports divergence", reports_divergence},
        {"reports writes beside an array", reports_writes_beside_an_array},
        {"refuses impossible launches", refuses_impossible_launches},
        {"checks copies and memory", checks_copies_and_memory},
        {"makes streams lazy", makes_streams_lazy},
        {nullptr, nullptr},
    };
    return run_suite("emulation", tests);
}
