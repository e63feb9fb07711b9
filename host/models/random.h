/* Counter-based random numbers, Philox4x32-10 (Salmon et al. 2011): the draw with given counters is
 * the same on every device, whatever was drawn before. */
#ifndef SPOT_MODELS_RANDOM_H
#define SPOT_MODELS_RANDOM_H

#include <stdint.h>

/* What a draw is for, so that no two uses share numbers. */
enum random_stream {
    RANDOM_SEEDING = 1,
    RANDOM_RESPONSIBILITIES,
    RANDOM_SAMPLES,
    RANDOM_MEASURES,
    RANDOM_BATCHES,
    RANDOM_SAMPLE_SEEDS,
    RANDOM_RESAMPLES
};

/* 64 random bits for (seed; stream, run, step, index). */
uint64_t random_bits(uint64_t seed, enum random_stream stream, uint32_t run, uint32_t step,
                     uint32_t index);

#endif
