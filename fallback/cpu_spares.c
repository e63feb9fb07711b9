#include "fallback/cpu_spares.h"

#include <stdlib.h>
#include <string.h>

#include "base/memory.h"

static void remove_spare(struct cpu_spares *spares, int at)
{
    spares->bytes -= spares->kept[at].bytes;
    spares->count--;
    memmove(&spares->kept[at], &spares->kept[at + 1],
            (size_t)(spares->count - at) * sizeof *spares->kept);
}

void *cpu_spares_take(struct cpu_spares *spares, size_t *bytes)
{
    int best = -1;
    for (int i = 0; i < spares->count; i++) {
        const size_t here = spares->kept[i].bytes;
        if (here < *bytes || here / 2 > *bytes) continue;
        if (best < 0 || here < spares->kept[best].bytes) best = i;
    }
    if (best < 0) return spot_alloc(1, *bytes);
    void *array = spares->kept[best].array;
    *bytes = spares->kept[best].bytes;
    remove_spare(spares, best);
    return array;
}

/* The oldest make room. */
void cpu_spares_give(struct cpu_spares *spares, void *array, size_t bytes)
{
    if (array == NULL || bytes < SPARE_LEAST || bytes > SPARES_MOST) {
        free(array);
        return;
    }
    while (spares->count == SPARES || spares->bytes + bytes > SPARES_MOST) {
        free(spares->kept[0].array);
        remove_spare(spares, 0);
    }
    spares->kept[spares->count++] = (struct spare){array, bytes};
    spares->bytes += bytes;
}

void cpu_spares_close(struct cpu_spares *spares)
{
    for (int i = 0; i < spares->count; i++)
        free(spares->kept[i].array);
    memset(spares, 0, sizeof *spares);
}
