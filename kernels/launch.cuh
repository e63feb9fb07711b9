/* What every CUDA source shares: the one place with the launch syntax and the way out after an
 * error. tests/emulation/ brings a <cuda_runtime.h> of its own that defines both launch macros, so
 * that a C++ compiler builds the kernels unchanged and runs them on the CPU. */
#ifndef SPOT_KERNELS_LAUNCH_CUH
#define SPOT_KERNELS_LAUNCH_CUH

#include <cuda_runtime.h>

#include "base/error.h"

#ifndef CUDA_LAUNCH
#define CUDA_LAUNCH(kernel, grid, block, shared, stream, ...) \
    kernel<<<(grid), (block), (shared), (stream)>>>(__VA_ARGS__)
/* The block's dynamic shared memory, 16-byte aligned. */
#define CUDA_DYNAMIC_SHARED(name) extern __shared__ __align__(16) unsigned char name[]
#endif

/* Every lane of a warp. */
#define CUDA_WHOLE_WARP 0xffffffffu

/* Turns a CUDA error into a status with words for people. Reading it clears an error that is not
 * sticky, so that the next call starts clean. */
static inline int cuda_status(cudaError_t error, const char *doing, struct spot_error *err)
{
    if (error == cudaSuccess) return SPOT_OK;
    (void)cudaGetLastError();
    int code = error == cudaErrorMemoryAllocation ? SPOT_ENOMEM : SPOT_EDEVICE;
    return spot_fail(err, code, "CUDA, %s: %s (%s)", doing, cudaGetErrorString(error),
                     cudaGetErrorName(error));
}

/* Runs a CUDA call; a failure leaves through the function's one clean-up label. The function has
 * `int status`, `struct spot_error *err` and a label `out`. After a launch the call is
 * cudaGetLastError(). */
#define CUDA_TRY(call, doing)                       \
    do {                                            \
        status = cuda_status((call), (doing), err); \
        if (status < 0) goto out;                   \
    } while (0)

#endif
