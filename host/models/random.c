#include "models/random.h"

#include <Random123/philox.h>

uint64_t random_bits(uint64_t seed, enum random_stream stream, uint32_t run, uint32_t step,
                     uint32_t index)
{
    philox4x32_ctr_t counter = {{index, step, run, (uint32_t)stream}};
    philox4x32_key_t key = {{(uint32_t)seed, (uint32_t)(seed >> 32)}};
    philox4x32_ctr_t bits = philox4x32(counter, key);
    return (uint64_t)bits.v[1] << 32 | bits.v[0];
}
