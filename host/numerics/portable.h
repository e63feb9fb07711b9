/* Headers of this folder compile as C11 and as CUDA C++: one text of each rule for every device. */
#ifndef SPOT_NUMERICS_PORTABLE_H
#define SPOT_NUMERICS_PORTABLE_H

#include <math.h>
#include <stdint.h>

#ifdef __CUDACC__
#define SPOT_INLINE static __host__ __device__ inline
#else
#define SPOT_INLINE static inline
#endif

/* Of a number that is not 0. */
SPOT_INLINE int leading_zeros(uint64_t x)
{
#ifdef __CUDA_ARCH__
    return __clzll((long long)x);
#else
    return __builtin_clzll(x);
#endif
}

#endif
