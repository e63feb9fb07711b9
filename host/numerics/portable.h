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

#endif
