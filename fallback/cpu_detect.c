/* CPUID tells what the processor can do, XGETBV which registers the operating system saves: both
 * have to agree. This file is compiled without instruction set flags, so it runs everywhere. */
#define _DEFAULT_SOURCE /* syscall */
#include "fallback/cpu_detect.h"

#include <cpuid.h>
#include <stdint.h>
#include <sys/syscall.h>
#include <unistd.h>

/* Bits of XCR0, the register state that the system saves on a context switch. */
enum {
    STATE_AVX = 1u << 1 | 1u << 2,                          /* SSE and AVX halves of ymm0-15 */
    STATE_AVX512 = STATE_AVX | 1u << 5 | 1u << 6 | 1u << 7, /* masks, zmm0-15, zmm16-31 */
    STATE_AMX = 1u << 17 | 1u << 18,                        /* the tiles' shapes and contents */
};

/* Of leaf 7, edx. */
enum { HAS_AMX_BF16 = 1u << 22, HAS_AMX_TILE = 1u << 24 };

struct cpu_features {
    unsigned leaf1_ecx, leaf7_ebx, leaf7_edx, saved;
};

static struct cpu_features read_features(void)
{
    struct cpu_features features = {0, 0, 0, 0};
    unsigned eax, ebx, ecx, edx;
    if (__get_cpuid(1, &eax, &ebx, &ecx, &edx)) features.leaf1_ecx = ecx;
    if (__get_cpuid_count(7, 0, &eax, &ebx, &ecx, &edx)) {
        features.leaf7_ebx = ebx;
        features.leaf7_edx = edx;
    }
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

/* Linux lends the tiles' kilobytes only to processes that have asked (arch/x86/xstate in the
 * kernel's documentation); threads inherit the permission. */
static bool tiles_permitted(void)
{
    enum { ARCH_REQ_XCOMP_PERM = 0x1023, XFEATURE_XTILEDATA = 18 };
    return syscall(SYS_arch_prctl, ARCH_REQ_XCOMP_PERM, XFEATURE_XTILEDATA) == 0;
}

bool cpu_has_amx(void)
{
    const unsigned leaf7 = HAS_AMX_BF16 | HAS_AMX_TILE;
    struct cpu_features features = read_features();
    return cpu_has_avx512() && (features.leaf7_edx & leaf7) == leaf7 &&
           (features.saved & STATE_AMX) == STATE_AMX && tiles_permitted();
}
