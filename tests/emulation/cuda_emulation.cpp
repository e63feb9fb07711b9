/* Runs the blocks of a grid: every thread of a block is a fiber with a stack of its own, and a
 * scheduler draws which one goes on. Built without -fsanitize=thread whatever the rest is built
 * with: the sanitizer is told what orders memory, and nothing else. */
#include "cuda_emulation.h"

#include <sys/mman.h>

#include <atomic>
#include <cstdarg>
#include <cstdio>
#include <cstdlib>
#include <memory>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

/* Present when the program runs under a sanitizer, null otherwise. */
extern "C" {
void *__tsan_get_current_fiber() __attribute__((weak));
void *__tsan_create_fiber(unsigned) __attribute__((weak));
void __tsan_switch_to_fiber(void *, unsigned) __attribute__((weak));
void __tsan_acquire(void *) __attribute__((weak));
void __tsan_release(void *) __attribute__((weak));
void __sanitizer_start_switch_fiber(void **, const void *, size_t) __attribute__((weak));
void __sanitizer_finish_switch_fiber(void *, const void **, size_t *) __attribute__((weak));
void __asan_unpoison_memory_region(const volatile void *, size_t) __attribute__((weak));
}

/* ---- Switching stacks ----------------------------------------------------------------------- */

#if defined(__x86_64__)

extern "C" void emulation_switch(void **save, void *to);
__asm__(".text\n"
        ".globl emulation_switch\n"
        ".type emulation_switch, @function\n"
        "emulation_switch:\n"
        "  pushq %rbp\n  pushq %rbx\n  pushq %r12\n  pushq %r13\n  pushq %r14\n  pushq %r15\n"
        "  movq %rsp, (%rdi)\n"
        "  movq %rsi, %rsp\n"
        "  popq %r15\n  popq %r14\n  popq %r13\n  popq %r12\n  popq %rbx\n  popq %rbp\n"
        "  ret\n"
        ".size emulation_switch, . - emulation_switch\n");

namespace
{

struct context {
    void *stack_pointer;
};

void switch_context(context *from, context *to)
{
    emulation_switch(&from->stack_pointer, to->stack_pointer);
}

/* A stack as emulation_switch leaves it, with `entry` as the place to return to. */
void prepare_context(context *fresh, char *stack, size_t bytes, void (*entry)())
{
    void **top = (void **)(stack + bytes);
    *--top = nullptr;
    *--top = (void *)entry;
    for (int i = 0; i < 6; i++)
        *--top = nullptr;
    fresh->stack_pointer = top;
}

} // namespace

#else /* slower, and everywhere */

#include <ucontext.h>

namespace
{

struct context {
    ucontext_t user;
};

void switch_context(context *from, context *to)
{
    swapcontext(&from->user, &to->user);
}

void prepare_context(context *fresh, char *stack, size_t bytes, void (*entry)())
{
    getcontext(&fresh->user);
    fresh->user.uc_stack.ss_sp = stack;
    fresh->user.uc_stack.ss_size = bytes;
    fresh->user.uc_link = nullptr;
    makecontext(&fresh->user, entry, 0);
}

} // namespace

#endif

namespace emulation
{

__thread const position *here;

namespace
{

enum { max_threads = 1024, stack_bytes = 256 << 10, guard_bytes = 64 };

uint64_t current_seed = 1;
int host_threads = 2;
std::mutex report_mutex;
std::string report_text;

/* splitmix64: small, and good enough to draw orders. */
struct random_source {
    uint64_t state;
    uint64_t next()
    {
        uint64_t z = state += 0x9e3779b97f4a7c15u;
        z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9u;
        z = (z ^ z >> 27) * 0x94d049bb133111ebu;
        return z ^ z >> 31;
    }
    size_t below(size_t n) { return (size_t)(next() % n); }
};

enum fiber_state { READY, AT_BARRIER, AT_WARP, DONE };

struct fiber {
    context registers;
    char *stack = nullptr;
    void *tsan = nullptr, *asan = nullptr;
    position where;
    fiber_state state;
    site waits_at;
    unsigned mask;     /* lanes that the warp operation waits for */
    uint64_t value;    /* brought to it */
    exchange received; /* taken from it */
    unsigned warp_ops; /* parity picks the sanitizer's object */
};

/* A host thread's means to run one block after another; kept between launches. */
struct worker {
    context home;
    void *home_tsan, *home_asan;
    const void *home_stack;
    size_t home_stack_bytes;
    std::vector<fiber> fibers;
    std::vector<unsigned> ready;
    fiber *current;
    const launch_shape *shape;
    const std::function<void()> *body;
    unsigned threads;
    unsigned barriers;       /* passed in this block */
    char barrier_objects[2]; /* addresses for the sanitizer */
    char warp_objects[32][2];
    char start_object, end_object;
    unsigned char *shared;
    random_source random;
    bool failed;
};

thread_local worker *self;

void acquire(void *object)
{
    if (__tsan_acquire != nullptr) __tsan_acquire(object);
}

void release(void *object)
{
    if (__tsan_release != nullptr) __tsan_release(object);
}

void enter_fiber(worker *w, fiber *f)
{
    w->current = f;
    here = &f->where;
    if (__tsan_switch_to_fiber != nullptr) __tsan_switch_to_fiber(f->tsan, 1);
    if (__sanitizer_start_switch_fiber != nullptr)
        __sanitizer_start_switch_fiber(&w->home_asan, f->stack, stack_bytes);
    switch_context(&w->home, &f->registers);
    if (__sanitizer_finish_switch_fiber != nullptr)
        __sanitizer_finish_switch_fiber(w->home_asan, nullptr, nullptr);
}

/* Back to the scheduler; returns when it picks this fiber again. */
void leave_fiber(worker *w, bool for_good)
{
    fiber *f = w->current;
    if (__tsan_switch_to_fiber != nullptr) __tsan_switch_to_fiber(w->home_tsan, 1);
    if (__sanitizer_start_switch_fiber != nullptr)
        __sanitizer_start_switch_fiber(for_good ? nullptr : &f->asan, w->home_stack,
                                       w->home_stack_bytes);
    switch_context(&f->registers, &w->home);
    if (__sanitizer_finish_switch_fiber != nullptr)
        __sanitizer_finish_switch_fiber(f->asan, &w->home_stack, &w->home_stack_bytes);
}

void fiber_main()
{
    worker *w = self;
    if (__sanitizer_finish_switch_fiber != nullptr)
        __sanitizer_finish_switch_fiber(nullptr, &w->home_stack, &w->home_stack_bytes);
    acquire(&w->start_object);
    (*w->body)();
    release(&w->end_object);
    w->current->state = DONE;
    leave_fiber(w, true);
}

void make_ready(worker *w, fiber *f)
{
    f->state = READY;
    w->ready.push_back((unsigned)(f - w->fibers.data()));
}

unsigned index_of(const worker *w, const fiber *f)
{
    return (unsigned)(f - w->fibers.data());
}

/* ---- A block -------------------------------------------------------------------------------- */

void start_fibers(worker *w, dim3 block)
{
    w->ready.clear();
    w->barriers = 0;
    for (unsigned t = 0; t < w->threads; t++) {
        fiber *f = &w->fibers[t];
        if (__asan_unpoison_memory_region != nullptr)
            __asan_unpoison_memory_region(f->stack, stack_bytes);
        dim3 size = w->shape->block;
        f->where = {dim3(t % size.x, t / size.x % size.y, t / size.x / size.y), block, size,
                    w->shape->grid};
        f->warp_ops = 0;
        prepare_context(&f->registers, f->stack, stack_bytes, fiber_main);
        make_ready(w, f);
    }
}

/* Nobody can go on although not all are done: says why. */
void report_deadlock(worker *w)
{
    const fiber *waiting = nullptr;
    unsigned done = 0, at_barrier = 0, at_warp = 0;
    for (unsigned t = 0; t < w->threads; t++) {
        const fiber *f = &w->fibers[t];
        if (f->state == DONE) done++;
        if (f->state == AT_BARRIER) at_barrier++;
        if (f->state == AT_WARP) at_warp++;
        if (f->state != DONE && waiting == nullptr) waiting = f;
    }
    dim3 block = waiting->where.block;
    report("%s, block (%u, %u, %u): thread %u waits at %s:%d for threads that never come: of %u "
           "threads %u are at a barrier, %u at a warp operation and %u have returned",
           w->shape->kernel, block.x, block.y, block.z, index_of(w, waiting),
           waiting->waits_at.file, waiting->waits_at.line, w->threads, at_barrier, at_warp, done);
    w->failed = true;
}

/* A block that failed leaves fibers behind that will never run again: nothing of theirs is a race
 * with what comes after. */
void forget_fibers(worker *w)
{
    for (unsigned t = 0; t < w->threads && __tsan_switch_to_fiber != nullptr; t++) {
        __tsan_switch_to_fiber(w->fibers[t].tsan, 1);
        release(&w->end_object);
        __tsan_switch_to_fiber(w->home_tsan, 1);
    }
    acquire(&w->end_object);
}

bool guard_broken(const unsigned char *guard)
{
    for (int i = 0; i < guard_bytes; i++)
        if (guard[i] != 0x5a) return true;
    return false;
}

void run_block(worker *w, dim3 block)
{
    size_t bytes = w->shape->shared;
    unsigned char *memory = (unsigned char *)aligned_alloc(64, (bytes + 63) / 64 * 64 + 128);
    w->shared = memory + guard_bytes;
    std::memset(memory, 0x5a, bytes + 2 * guard_bytes);
    std::memset(w->shared, 0xff, bytes);
    start_fibers(w, block);
    release(&w->start_object);
    while (!w->ready.empty() && !w->failed) {
        size_t pick = w->random.below(w->ready.size());
        fiber *next = &w->fibers[w->ready[pick]];
        w->ready[pick] = w->ready.back();
        w->ready.pop_back();
        enter_fiber(w, next);
    }
    acquire(&w->end_object);
    for (unsigned t = 0; t < w->threads && !w->failed; t++)
        if (w->fibers[t].state != DONE) report_deadlock(w);
    if (!w->failed && (guard_broken(memory) || guard_broken(w->shared + bytes))) {
        report("%s, block (%u, %u, %u): writes outside its %zu bytes of dynamic shared memory",
               w->shape->kernel, block.x, block.y, block.z, bytes);
        w->failed = true;
    }
    if (w->failed) forget_fibers(w);
    free(memory);
}

/* ---- A grid --------------------------------------------------------------------------------- */

std::vector<std::unique_ptr<worker>> &workers()
{
    static std::vector<std::unique_ptr<worker>> all;
    return all;
}

void grow_worker(worker *w, unsigned threads)
{
    size_t page = 4096;
    if (w->fibers.empty()) w->fibers.resize(max_threads);
    for (unsigned t = 0; t < threads; t++) {
        fiber *f = &w->fibers[t];
        if (f->stack != nullptr) continue;
        char *memory = (char *)mmap(nullptr, stack_bytes + page, PROT_READ | PROT_WRITE,
                                    MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
        if (memory == MAP_FAILED) abort();
        mprotect(memory, page, PROT_NONE);
        f->stack = memory + page;
        if (__tsan_create_fiber != nullptr) f->tsan = __tsan_create_fiber(0);
    }
}

/* Blocks in a drawn order: a step that shares no divisor with their number visits each once. */
struct block_order {
    uint64_t blocks, start, step;
    std::atomic<uint64_t> taken{0};
    std::atomic<bool> failed{false};
};

uint64_t greatest_divisor(uint64_t a, uint64_t b)
{
    return b == 0 ? a : greatest_divisor(b, a % b);
}

void work(worker *w, block_order *order)
{
    self = w;
    if (__tsan_get_current_fiber != nullptr) w->home_tsan = __tsan_get_current_fiber();
    for (;;) {
        uint64_t turn = order->taken++;
        if (turn >= order->blocks || order->failed) break;
        uint64_t block = (order->start + turn * order->step) % order->blocks;
        dim3 grid = w->shape->grid;
        w->failed = false;
        run_block(w, dim3((unsigned)(block % grid.x), (unsigned)(block / grid.x % grid.y),
                          (unsigned)(block / grid.x / grid.y)));
        if (w->failed) order->failed = true;
    }
    self = nullptr;
}

} // namespace

cudaError_t run_grid(const launch_shape &shape, const std::function<void()> &thread_body)
{
    static uint64_t launches;
    random_source random = {current_seed * 0x100000001b3u + launches++};
    block_order order;
    order.blocks = (uint64_t)shape.grid.x * shape.grid.y * shape.grid.z;
    order.start = random.next() % order.blocks;
    do
        order.step = 1 + random.next() % order.blocks;
    while (greatest_divisor(order.step, order.blocks) != 1);

    size_t team = (size_t)host_threads;
    if (team > order.blocks) team = (size_t)order.blocks;
    std::vector<std::thread> threads;
    for (size_t i = 0; i < team; i++) {
        if (workers().size() == i) workers().push_back(std::make_unique<worker>());
        worker *w = workers()[i].get();
        w->shape = &shape;
        w->body = &thread_body;
        w->threads = shape.block.x * shape.block.y * shape.block.z;
        w->random.state = random.next();
        grow_worker(w, w->threads);
        threads.emplace_back(work, w, &order);
    }
    for (std::thread &thread : threads)
        thread.join();
    return order.failed ? cudaErrorLaunchFailure : cudaSuccess;
}

/* ---- What a running thread may ask for ------------------------------------------------------ */

unsigned lane()
{
    return index_of(self, self->current) % 32;
}

unsigned char *dynamic_shared()
{
    return self->shared;
}

void preempt()
{
    worker *w = self;
    if (w == nullptr || w->random.next() % 8 != 0) return;
    make_ready(w, w->current);
    leave_fiber(w, false);
}

void kernel_error(const char *text)
{
    worker *w = self;
    dim3 block = w->current->where.block;
    report("%s, block (%u, %u, %u), thread %u: %s", w->shape->kernel, block.x, block.y, block.z,
           index_of(w, w->current), text);
    w->failed = true;
    leave_fiber(w, true);
    abort();
}

static bool same_site(site a, site b)
{
    return a.line == b.line && std::strcmp(a.file, b.file) == 0;
}

void barrier(site where)
{
    worker *w = self;
    fiber *f = w->current;
    f->state = AT_BARRIER;
    f->waits_at = where;
    char *object = &w->barrier_objects[w->barriers % 2];
    release(object);
    unsigned arrived = 0;
    for (unsigned t = 0; t < w->threads; t++) {
        const fiber *other = &w->fibers[t];
        if (other->state != AT_BARRIER) continue;
        if (!same_site(other->waits_at, where))
            kernel_error("the threads of the block wait at different barriers");
        arrived++;
    }
    if (arrived == w->threads) {
        w->barriers++;
        for (unsigned t = 0; t < w->threads; t++)
            make_ready(w, &w->fibers[t]);
    }
    leave_fiber(w, false);
    acquire(object);
}

/* Whether every lane of the mask waits for this very operation. */
static bool warp_complete(const worker *w, const fiber *f, unsigned first)
{
    for (unsigned l = 0; l < 32; l++) {
        if ((f->mask >> l & 1u) == 0) continue;
        if (first + l >= w->threads)
            kernel_error("a warp operation names a lane that is not there");
        const fiber *other = &w->fibers[first + l];
        if (other->state != AT_WARP) return false;
        if (other->mask != f->mask || !same_site(other->waits_at, f->waits_at)) return false;
    }
    return true;
}

static void hand_out(worker *w, const fiber *f, unsigned first)
{
    exchange all = {};
    all.mask = f->mask;
    for (unsigned l = 0; l < 32; l++)
        if ((all.mask >> l & 1u) != 0) all.value[l] = w->fibers[first + l].value;
    for (unsigned l = 0; l < 32; l++) {
        if ((all.mask >> l & 1u) == 0) continue;
        w->fibers[first + l].received = all;
        make_ready(w, &w->fibers[first + l]);
    }
}

const exchange *meet(unsigned mask, uint64_t value, bool fence, site where)
{
    worker *w = self;
    fiber *f = w->current;
    unsigned index = index_of(w, f), first = index / 32 * 32;
    if ((mask >> index % 32 & 1u) == 0)
        kernel_error("a lane calls a warp operation that excludes it");
    f->state = AT_WARP;
    f->waits_at = where;
    f->mask = mask;
    f->value = value;
    char *object = &w->warp_objects[index / 32][f->warp_ops++ % 2];
    if (fence) release(object);
    if (warp_complete(w, f, first)) hand_out(w, f, first);
    leave_fiber(w, false);
    if (fence) acquire(object);
    return &f->received;
}

/* ---- Settings and reports ------------------------------------------------------------------- */

void set_seed(uint64_t seed)
{
    current_seed = seed;
}

uint64_t seed()
{
    return current_seed;
}

void set_host_threads(int threads)
{
    host_threads = threads;
}

void report(const char *format, ...)
{
    char text[500];
    va_list arguments;
    va_start(arguments, format);
    std::vsnprintf(text, sizeof text, format, arguments);
    va_end(arguments);
    std::lock_guard<std::mutex> lock(report_mutex);
    if (report_text.empty()) report_text = text;
}

const char *last_report()
{
    return report_text.c_str();
}

void forget_report()
{
    report_text.clear();
}

} // namespace emulation
