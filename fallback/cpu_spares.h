/* Large arrays that the last fits of an engine left behind, for the next ones: memory that the
 * system has to clear page by page costs as much as a pass over it. */
#ifndef SPOT_FALLBACK_CPU_SPARES_H
#define SPOT_FALLBACK_CPU_SPARES_H

#include <stddef.h>
#include <stdint.h>

/* How many arrays are kept, of how many bytes at least, and of how many all together. */
enum { SPARES = 12, SPARE_LEAST = 1 << 18, SPARES_MOST = 256 << 20 };

struct cpu_spares {
    struct spare {
        void *array;
        size_t bytes;
    } kept[SPARES];
    int count;
    size_t bytes; /* of all */
};

/* An array of *bytes or, then *bytes says so, up to twice as many; as spot_alloc otherwise. */
void *cpu_spares_take(struct cpu_spares *spares, size_t *bytes);
/* Takes an array of that many bytes back, to keep or to free. NULL is allowed. */
void cpu_spares_give(struct cpu_spares *spares, void *array, size_t bytes);
void cpu_spares_close(struct cpu_spares *spares);

#endif
