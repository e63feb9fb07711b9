#include "models/random.h"

#include "numerics/philox.h"

uint64_t random_bits(uint64_t seed, enum random_stream stream, uint32_t run, uint32_t step,
                     uint32_t index)
{
    return philox_bits(seed, index, step, run, (uint32_t)stream);
}
