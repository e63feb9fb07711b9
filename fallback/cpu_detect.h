/* Which instruction sets this processor and its operating system can run (CPUID and XGETBV). */
#ifndef SPOT_FALLBACK_CPU_DETECT_H
#define SPOT_FALLBACK_CPU_DETECT_H

#include <stdbool.h>

bool cpu_has_avx2(void);   /* AVX2 and FMA, and the OS saves the 256-bit registers */
bool cpu_has_amx(void);    /* AVX-512 and AMX's tiles of bfloat16, and the OS lends them */
bool cpu_has_avx512(void); /* AVX-512 F, DQ, BW, VL, and the OS saves the 512-bit registers */

#endif
