/* The machine's limits, measured: bytes read a second by T threads, from memory and from the caches
 * (by how much there is to read), and fused multiply-adds a second (two operations each) in float32
 * and float64. Prints one line of JSON.
 *
 *     limits THREADS          built by bench/run with the host's instruction set */
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

enum { LANES = 16, CHAINS = 20, REPEATS = 5, MAX_THREADS = 256, SIZES = 7 };
static const size_t SIZE[SIZES] = {256 << 10, 1 << 20,   4 << 20,   16 << 20,
                                   64 << 20,  256 << 20, 1024 << 20}; // bytes of all threads
static const size_t LEAST_READ = (size_t)512 << 20;                   // bytes read in a repeat
static const long STEPS = 10000000;

typedef float vector __attribute__((vector_size(LANES * sizeof(float))));
typedef double wide __attribute__((vector_size(LANES / 2 * sizeof(double))));

struct share {
    vector *data; // (bytes / sizeof(vector))
    size_t bytes;
    int passes; // over the bytes in one repeat
    pthread_barrier_t *barrier;
    double best; // seconds of the quickest repeat
    float sink;  // keeps the compiler from dropping the work
};

static double now(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

static float read_all(struct share *share)
{
    vector sum[8] = {0};
    for (int p = 0; p < share->passes; p++) {
        for (size_t i = 0; i < share->bytes / sizeof *share->data; i += 8)
            for (int c = 0; c < 8; c++)
                sum[c] += share->data[i + (size_t)c];
        __asm__ volatile("" ::: "memory"); // every pass reads again
    }
    float total = 0;
    for (int c = 0; c < 8; c++)
        total += sum[c][0];
    return total;
}

static float multiply_add_float(struct share *share)
{
    vector sum[CHAINS], a = (vector){0} + 0.999f, b = (vector){0} + share->sink * 1e-30f + 1e-3f;
    for (int c = 0; c < CHAINS; c++)
        sum[c] = (vector){0} + (float)c;
    for (long i = 0; i < STEPS; i++)
#pragma GCC unroll 20
        for (int c = 0; c < CHAINS; c++)
            sum[c] = sum[c] * a + b;
    float total = 0;
    for (int c = 0; c < CHAINS; c++)
        total += sum[c][0];
    return total;
}

static float multiply_add_double(struct share *share)
{
    wide sum[CHAINS], a = (wide){0} + 0.999, b = (wide){0} + (double)share->sink * 1e-30 + 1e-3;
    for (int c = 0; c < CHAINS; c++)
        sum[c] = (wide){0} + (double)c;
    for (long i = 0; i < STEPS; i++)
#pragma GCC unroll 20
        for (int c = 0; c < CHAINS; c++)
            sum[c] = sum[c] * a + b;
    double total = 0;
    for (int c = 0; c < CHAINS; c++)
        total += sum[c][0];
    return (float)total;
}

static void repeat(struct share *share, float (*work)(struct share *))
{
    for (int r = 0; r < REPEATS; r++) {
        pthread_barrier_wait(share->barrier);
        double begin = now();
        share->sink += work(share);
        pthread_barrier_wait(share->barrier);
        double seconds = now() - begin;
        if (r == 0 || seconds < share->best) share->best = seconds;
    }
}

static void *measure_reads(void *arg)
{
    struct share *share = arg;
    if (posix_memalign((void **)&share->data, 64, share->bytes) != 0) abort();
    for (size_t i = 0; i < share->bytes / sizeof *share->data; i++)
        share->data[i] = (vector){0} + 1.0f;
    repeat(share, read_all);
    free(share->data);
    return NULL;
}

static void *measure_float(void *arg)
{
    repeat(arg, multiply_add_float);
    return NULL;
}

static void *measure_double(void *arg)
{
    repeat(arg, multiply_add_double);
    return NULL;
}

/* Seconds of the quickest repeat on all threads, each with its part of the bytes. */
static double on_threads(int threads, size_t bytes, int passes, void *(*work)(void *))
{
    static struct share shares[MAX_THREADS];
    pthread_t ids[MAX_THREADS];
    pthread_barrier_t barrier;
    pthread_barrier_init(&barrier, NULL, (unsigned)threads);
    for (int t = 0; t < threads; t++) {
        shares[t] = (struct share){.barrier = &barrier, .bytes = bytes, .passes = passes};
        if (pthread_create(&ids[t], NULL, work, &shares[t]) != 0) abort();
    }
    for (int t = 0; t < threads; t++)
        pthread_join(ids[t], NULL);
    pthread_barrier_destroy(&barrier);
    fprintf(stderr, "%s", shares[0].sink == 1.5f ? " " : "");
    return shares[0].best;
}

static double reads_gb_per_s(int threads, size_t size)
{
    const size_t step = 8 * sizeof(vector), bytes = size / (size_t)threads / step * step;
    const int passes = size < LEAST_READ ? (int)(LEAST_READ / size) : 1;
    double seconds = on_threads(threads, bytes, passes, measure_reads);
    return (double)threads * (double)bytes * (double)passes / seconds * 1e-9;
}

static double gflops(int threads, int lanes, void *(*work)(void *))
{
    double operations = (double)threads * 2.0 * lanes * CHAINS * (double)STEPS;
    return operations / on_threads(threads, 0, 0, work) * 1e-9;
}

int main(int argc, char **argv)
{
    int threads = argc > 1 ? atoi(argv[1]) : 1;
    if (threads < 1 || threads > MAX_THREADS) return 2;
    double rate = 0;
    printf("{\"reads\": [");
    for (int s = 0; s < SIZES; s++) {
        rate = reads_gb_per_s(threads, SIZE[s]);
        printf("%s{\"bytes\": %zu, \"gb_per_s\": %.1f}", s > 0 ? ", " : "", SIZE[s], rate);
    }
    printf("], \"read_gb_per_s\": %.1f, \"fma_gflops\": %.0f, \"fma_gflops_double\": %.0f}\n", rate,
           gflops(threads, LANES, measure_float), gflops(threads, LANES / 2, measure_double));
    return 0;
}
