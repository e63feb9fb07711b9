/* One row through the C interface, again and again on one thread: seconds for each, the least of
 * many repeats, as a line of JSON. one_row MODEL COLUMNS */
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "blackspot.h"

enum { ROWS = 1000, REPEATS = 100, MOST_OUTPUTS = 64 };

static double now(void)
{
    struct timespec time;
    timespec_get(&time, TIME_UTC);
    return (double)time.tv_sec + 1e-9 * (double)time.tv_nsec;
}

/* Different rows, so that no branch is learnt by heart. */
static float *draw(int32_t columns)
{
    float *values = malloc((size_t)columns * ROWS * sizeof *values);
    uint32_t state = 1;
    for (int64_t i = 0; values != NULL && i < (int64_t)columns * ROWS; i++) {
        float sum = -2.0f;
        for (int part = 0; part < 4; part++) {
            state = state * 1664525u + 1013904223u;
            sum += (float)(state >> 8) * 0x1p-24f;
        }
        values[i] = 2.0f * sum;
    }
    return values;
}

int main(int argc, char **argv)
{
    struct spot_forest_options options = {.output = SPOT_FOREST_MARGIN};
    struct spot_error err = {0};
    spot_forest *forest = NULL;
    double out[MOST_OUTPUTS], best = 1e9;
    const int32_t columns = argc == 3 ? atoi(argv[2]) : 0;
    float *values = draw(columns);
    if (values == NULL || argc != 3 || spot_forest_load(argv[1], &forest, &err) < 0 ||
        spot_forest_width(forest, &options) > MOST_OUTPUTS) {
        fprintf(stderr, "one_row MODEL COLUMNS: %s\n", err.message);
        return 1;
    }
    for (int repeat = 0; repeat < REPEATS; repeat++) {
        const double begin = now();
        for (int64_t i = 0; i < ROWS; i++) {
            const struct spot_forest_rows row = {
                .values = values + i * columns, .rows = 1, .columns = columns};
            if (spot_forest_score(NULL, forest, &row, &options, out, &err) < 0) return 1;
        }
        const double seconds = (now() - begin) / ROWS;
        if (seconds < best) best = seconds;
    }
    printf("{\"seconds\": %.4g}\n", best);
    spot_forest_free(forest);
    free(values);
    return 0;
}
