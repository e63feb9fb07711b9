/* Philox4x32-10 (Salmon et al. 2011) as one function of a key and four counters: the same 64 bits
 * on every device, whatever was drawn before. */
#ifndef SPOT_NUMERICS_PHILOX_H
#define SPOT_NUMERICS_PHILOX_H

#include <Random123/philox.h>

#include "numerics/portable.h"

SPOT_INLINE uint64_t philox_bits(uint64_t key, uint32_t c0, uint32_t c1, uint32_t c2, uint32_t c3)
{
    philox4x32_ctr_t counter = {{c0, c1, c2, c3}};
    philox4x32_key_t keys = {{(uint32_t)key, (uint32_t)(key >> 32)}};
    philox4x32_ctr_t bits = philox4x32(counter, keys);
    return (uint64_t)bits.v[1] << 32 | bits.v[0];
}

/* 53 of the bits as a number in (0, 1), never 0 and never 1. */
SPOT_INLINE double philox_uniform(uint64_t bits)
{
    return ((double)(bits >> 12) + 0.5) * 0x1p-52;
}

#endif
