/* Integer sums that many threads add to. Integer addition has no order, so neither threads nor
 * blocks can change a bit. A 64-bit add in shared memory is a compare-and-swap loop on most cards;
 * an add of 32 bits is native, so that sums there are limbs of 32 bits joined by a carry. */
#ifndef SPOT_KERNELS_SUMS_CUH
#define SPOT_KERNELS_SUMS_CUH

#include <cuda_runtime.h>

#include "numerics/int128.h"

/* Adds to a number in `limbs` (2 or 4) limbs, two's complement, lowest first. Every wrap of a limb
 * is seen by exactly one thread, which carries it on: right in any order of additions. */
static __device__ inline void add_to_limbs(uint32_t *sum, int32_t limbs, struct int128 term)
{
    uint32_t carry = 0;
    for (int32_t l = 0; l < limbs; l++) {
        uint64_t half = l < 2 ? term.low : (uint64_t)term.high;
        uint32_t part = (uint32_t)(l % 2 == 0 ? half : half >> 32);
        uint32_t add = part + carry;
        carry = add < carry ? 1u : 0u;
        if (add == 0) continue;
        uint32_t before = atomicAdd(&sum[l], add);
        if (before + add < add) carry = 1u;
    }
}

/* The number that limbs hold, once every thread that added to it is done. */
static __device__ inline struct int128 read_limbs(const uint32_t *sum, int32_t limbs)
{
    uint64_t low = (uint64_t)sum[0] | (uint64_t)sum[1] << 32;
    if (limbs == 2) return int128_from((int64_t)low);
    struct int128 value = {low, (int64_t)((uint64_t)sum[2] | (uint64_t)sum[3] << 32)};
    return value;
}

/* Adds to a number in global memory. */
static __device__ inline void add_to_global(struct int128 *sum, struct int128 term)
{
    uint64_t carry = 0;
    if (term.low != 0) {
        uint64_t before = atomicAdd((unsigned long long *)&sum->low, (unsigned long long)term.low);
        carry = before + term.low < before ? 1u : 0u;
    }
    uint64_t high = (uint64_t)term.high + carry;
    if (high != 0) atomicAdd((unsigned long long *)&sum->high, (unsigned long long)high);
}

#endif
