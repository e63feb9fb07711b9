/* CPUID tells what the processor can do, XGETBV which registers the operating system saves: both
 * have to agree. This file is compiled without instruction set flags, so it runs everywhere. */
#include "fallback/cpu_detect.h"

#include <cpuid.h>
#include <stdint.h>

/* Bits of XCR0, the register state that the system saves on a context switch. */
enum {
    STATE_AVX = 1u << 1 | 1u << 2,                          /* SSE and AVX halves of ymm0-15 */
    STATE_AVX512 = STATE_AVX | 1u << 5 | 1u << 6 | 1u << 7, /* masks, zmm0-15, zmm16-31 */
};

struct cpu_features {
    unsigned leaf1_ecx, leaf7_ebx, saved;
};

static struct cpu_features read_features(void)
{
    struct cpu_features features = {0, 0, 0};
    unsigned eax, ebx, ecx, edx;
    if (__get_cpuid(1, &eax, &ebx, &ecx, &edx)) features.leaf1_ecx = ecx;
    if (__get_cpuid_count(7, 0, &eax, &ebx, &ecx, &edx)) features.leaf7_ebx = ebx;
    if (features.leaf1_ecx & bit_OSXSAVE)
        __asm__ volatile("xgetbv" : "=a"(features.saved), "=d"(edx) : "c"(0));
    return features;
}

bool cpu_has_avx2(void)
{
    const unsigned leaf1 = bit_AVX | bit_FMA;
    struct cpu_features features = read_features();
    return (features.leaf1_ecx & leaf1) == leaf1 && (features.leaf7_ebx & bit_AVX2) != 0 &&
           (features.saved & STATE_AVX) == STATE_AVX;
}

bool cpu_has_avx512(void)
{
    const unsigned leaf7 = bit_AVX512F | bit_AVX512DQ | bit_AVX512BW | bit_AVX512VL;
    struct cpu_features features = read_features();
    return cpu_has_avx2() && (features.leaf7_ebx & leaf7) == leaf7 &&
           (features.saved & STATE_AVX512) == STATE_AVX512;
}
