/* The machine's two limits, measured: bytes read a second from memory, and float32 fused
 * multiply-adds a second (two operations each) with T threads. Prints one line of JSON.
 *
 *     limits THREADS          built by bench/run with the host's instruction set */
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

enum { LANES = 16, CHAINS = 20, REPEATS = 5, MAX_THREADS = 256 };
static const size_t BYTES = (size_t)512 << 20; // a thread
static const long STEPS = 20000000;

typedef float vector __attribute__((vector_size(LANES * sizeof(float))));

struct share {
    vector *data; // (BYTES / sizeof(vector))
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

static float read_all(const vector *data)
{
    vector sum[8] = {0};
    for (size_t i = 0; i < BYTES / sizeof *data; i += 8)
        for (int c = 0; c < 8; c++)
            sum[c] += data[i + (size_t)c];
    float total = 0;
    for (int c = 0; c < 8; c++)
        total += sum[c][0];
    return total;
}

static float multiply_add(float seed)
{
    vector sum[CHAINS], a = (vector){0} + 0.999f, b = (vector){0} + seed;
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

static void *measure_reads(void *arg)
{
    struct share *share = arg;
    if (posix_memalign((void **)&share->data, 64, BYTES) != 0) abort();
    for (size_t i = 0; i < BYTES / sizeof *share->data; i++)
        share->data[i] = (vector){0} + 1.0f;
    for (int r = 0; r < REPEATS; r++) {
        pthread_barrier_wait(share->barrier);
        double begin = now();
        share->sink += read_all(share->data);
        pthread_barrier_wait(share->barrier);
        double seconds = now() - begin;
        if (r == 0 || seconds < share->best) share->best = seconds;
    }
    free(share->data);
    return NULL;
}

static void *measure_operations(void *arg)
{
    struct share *share = arg;
    for (int r = 0; r < REPEATS; r++) {
        pthread_barrier_wait(share->barrier);
        double begin = now();
        share->sink += multiply_add(share->sink * 1e-30f + 1e-3f);
        pthread_barrier_wait(share->barrier);
        double seconds = now() - begin;
        if (r == 0 || seconds < share->best) share->best = seconds;
    }
    return NULL;
}

/* Seconds of the quickest repeat on all threads. */
static double on_threads(int threads, void *(*work)(void *))
{
    static struct share shares[MAX_THREADS];
    pthread_t ids[MAX_THREADS];
    pthread_barrier_t barrier;
    pthread_barrier_init(&barrier, NULL, (unsigned)threads);
    for (int t = 0; t < threads; t++) {
        shares[t] = (struct share){.barrier = &barrier};
        if (pthread_create(&ids[t], NULL, work, &shares[t]) != 0) abort();
    }
    for (int t = 0; t < threads; t++)
        pthread_join(ids[t], NULL);
    pthread_barrier_destroy(&barrier);
    fprintf(stderr, "%s", shares[0].sink == 1.5f ? " " : "");
    return shares[0].best;
}

int main(int argc, char **argv)
{
    int threads = argc > 1 ? atoi(argv[1]) : 1;
    if (threads < 1 || threads > MAX_THREADS) return 2;
    double read = on_threads(threads, measure_reads);
    double operations = on_threads(threads, measure_operations);
    printf("{\"read_gb_per_s\": %.1f, \"fma_gflops\": %.0f}\n",
           (double)threads * (double)BYTES / read * 1e-9,
           (double)threads * 2.0 * LANES * CHAINS * (double)STEPS / operations * 1e-9);
    return 0;
}
