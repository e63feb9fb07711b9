/* The KMeans kernels against the float64 definition and plain integer sums, on rows that are made
 * to hurt: ragged sizes, exact ties, duplicated centres, distances on the error bound, NaN. Built
 * by a C++ compiler they run in the emulation, every case under another order of threads. */
#include <algorithm>
#include <cfloat>
#include <cmath>
#include <cstdio>
#include <cstring>
#include <random>
#include <vector>

#include "kernels/kmeans_assign.h"
#include "kernels/launch.cuh"
#include "numerics/distance.h"
#include "numerics/quantiser.h"
#include "suite.h"

namespace
{

/* An array on the device; its guard zones are checked when it goes. */
template <class T> struct device_array {
    T *at = nullptr;
    size_t count = 0;

    explicit device_array(const std::vector<T> &values) : count(values.size())
    {
        CU_ASSERT_EQUAL_FATAL(cudaMalloc(&at, count * sizeof(T)), cudaSuccess);
        cudaMemcpy(at, values.data(), count * sizeof(T), cudaMemcpyHostToDevice);
    }
    device_array(const device_array &) = delete;
    device_array &operator=(const device_array &) = delete;
    ~device_array() { CU_ASSERT_EQUAL(cudaFree(at), cudaSuccess); }
    std::vector<T> read() const
    {
        std::vector<T> values(count);
        CU_ASSERT_EQUAL(cudaMemcpy(values.data(), at, count * sizeof(T), cudaMemcpyDeviceToHost),
                        cudaSuccess);
        return values;
    }
};

struct problem {
    int64_t rows;
    int32_t columns, k;
    std::vector<float> x; /* (rows, columns) row-major, without offset */
    std::vector<double> offset, scale, largest;
    std::vector<double> centres, moved_centres; /* (k, columns) */
    std::vector<int64_t> weights;               /* empty for 1 */
    std::vector<int32_t> counts;                /* empty for 1 */
    int32_t wide = 0, near_capacity = 1 << 20;
    bool narrow_labels = true;
};

struct outcome {
    std::vector<int32_t> labels;
    std::vector<int128> sums;
    int64_t moved, near;
};

std::mt19937_64 random_bits(20240229);

double uniform()
{
    return (double)(random_bits() >> 11) * 0x1p-53;
}

/* A largest value and a power of two for each column, as the statistics pass would find them. */
void finish_problem(problem *p)
{
    p->largest.assign((size_t)p->columns, 0.0);
    p->scale.assign((size_t)p->columns, 1.0);
    if (p->offset.empty()) p->offset.assign((size_t)p->columns, 0.0);
    for (int64_t i = 0; i < p->rows; i++)
        for (int32_t j = 0; j < p->columns; j++) {
            double value = std::fabs((double)p->x[(size_t)(i * p->columns + j)]);
            if (value > p->largest[(size_t)j]) p->largest[(size_t)j] = value;
        }
    for (int32_t j = 0; j < p->columns; j++) {
        double value = p->largest[(size_t)j];
        if (value > 0.0 && value <= DBL_MAX)
            p->scale[(size_t)j] = std::ldexp(1.0, QUANTISER_COLUMN_BITS - 1 - std::ilogb(value));
    }
}

/* levels 0: blobs without structure; otherwise a lattice of so many levels, full of exact ties. */
problem make_problem(int64_t rows, int32_t columns, int32_t k, int levels)
{
    problem p = {};
    p.rows = rows, p.columns = columns, p.k = k;
    auto value = [&] {
        return levels > 0 ? std::floor(uniform() * levels) : uniform() * 20.0 - 10.0;
    };
    for (int64_t i = 0; i < rows * columns; i++)
        p.x.push_back((float)value());
    for (int64_t i = 0; i < (int64_t)k * columns; i++) {
        p.centres.push_back(value());
        p.moved_centres.push_back(value());
    }
    finish_problem(&p);
    return p;
}

/* ---- The reference -------------------------------------------------------------------------- */

int32_t nearest_by_definition(const problem &p, const std::vector<double> &centres, int64_t row)
{
    double smallest = INFINITY;
    int32_t label = 0;
    for (int32_t c = 0; c < p.k; c++) {
        double d2 = squared_distance(&p.x[(size_t)(row * p.columns)], 1, p.offset.data(),
                                     &centres[(size_t)c * (size_t)p.columns], p.columns);
        if (d2 < smallest) {
            smallest = d2;
            label = c;
        }
    }
    return label;
}

outcome reference(const problem &p, const std::vector<double> &centres,
                  const std::vector<int32_t> *before)
{
    outcome o = {};
    o.sums.assign((size_t)p.k * (size_t)(p.columns + 2), int128{0, 0});
    for (int64_t i = 0; i < p.rows; i++) {
        int32_t label = nearest_by_definition(p, centres, i);
        int64_t weight = p.weights.empty() ? 1 : p.weights[(size_t)i];
        int64_t count = p.counts.empty() ? 1 : p.counts[(size_t)i];
        int128 mass = int128_multiply(weight, count);
        int128 *sums = &o.sums[(size_t)label * (size_t)(p.columns + 2)];
        for (int32_t j = 0; j < p.columns; j++) {
            if (p.scale[(size_t)j] == 0.0) continue; /* such rows have no sums */
            int64_t q = quantise((double)p.x[(size_t)(i * p.columns + j)], p.scale[(size_t)j]);
            int128 size = int128_times(mass, q < 0 ? -q : q);
            sums[j] = int128_add(sums[j], q < 0 ? int128_negate(size) : size);
        }
        sums[p.columns] = int128_add(sums[p.columns], mass);
        sums[p.columns + 1] = int128_add(sums[p.columns + 1], int128_from(count));
        if (before == nullptr || (*before)[(size_t)i] != label) o.moved += count;
        o.labels.push_back(label);
    }
    return o;
}

/* ---- The device ----------------------------------------------------------------------------- */

/* A batch on the device: what a backend keeps between passes. */
struct batch {
    const problem &p;
    size_t stride;
    cuda_limits limits;
    device_array<float> x, packed, margin;
    device_array<uint8_t> labels8;
    device_array<int32_t> labels32, counts, near;
    device_array<int64_t> weights;
    device_array<double> offset, scale, largest;
    device_array<int128> sums;
    int32_t fresh = 1;

    static std::vector<float> columns_of(const problem &p, size_t stride)
    {
        std::vector<float> columns((size_t)p.columns * stride, NAN);
        for (int64_t i = 0; i < p.rows; i++)
            for (int32_t j = 0; j < p.columns; j++)
                columns[(size_t)j * stride + (size_t)i] = p.x[(size_t)(i * p.columns + j)];
        return columns;
    }

    explicit batch(const problem &of)
        : p(of), stride(((size_t)of.rows + 3) / 4 * 4), x(columns_of(of, stride)),
          packed(std::vector<float>((size_t)of.k * (size_t)cuda_kmeans_stride(of.columns))),
          margin(std::vector<float>(1)),
          labels8(std::vector<uint8_t>(of.narrow_labels ? stride : 0)),
          labels32(std::vector<int32_t>(of.narrow_labels ? 0 : stride)), counts(of.counts),
          near(std::vector<int32_t>((size_t)std::min<int64_t>(of.near_capacity, of.rows))),
          weights(of.weights), offset(of.offset), scale(of.scale), largest(of.largest),
          sums(std::vector<int128>((size_t)of.k * (size_t)(of.columns + 2)))
    {
        CU_ASSERT_EQUAL_FATAL(cuda_limits_of(0, &limits, nullptr), SPOT_OK);
    }

    outcome pass(const std::vector<double> &host_centres)
    {
        spot_error err = {};
        device_array<double> centres(host_centres);
        device_array<cuda_kmeans_counters> counters({cuda_kmeans_counters{0, 0}});
        cuda_kmeans_filter filter = {packed.at, margin.at};
        cuda_kmeans_pass pass = {
            {p.rows, (int64_t)stride, x.at, weights.at, counts.at, labels8.at, labels32.at, fresh},
            filter,
            p.k,
            p.columns,
            centres.at,
            offset.at,
            scale.at,
            p.wide,
            sums.at,
            near.at,
            (int32_t)near.count,
            counters.at,
            nullptr};
        cudaStream_t stream;
        cudaStreamCreate(&stream);
        int status = cuda_kmeans_pack(centres.at, offset.at, largest.at, p.k, p.columns, filter,
                                      stream, &err);
        if (status == SPOT_OK) status = cuda_kmeans_assign(&pass, &limits, stream, &err);
        if (status == SPOT_OK) status = cuda_status(cudaStreamSynchronize(stream), "waiting", &err);
        cudaStreamDestroy(stream);
        if (status != SPOT_OK) std::fprintf(stderr, "%s\n", err.message);
        CU_ASSERT_EQUAL(status, SPOT_OK);
        fresh = 0;
        return read(counters.read()[0]);
    }

    outcome read(cuda_kmeans_counters counted)
    {
        outcome o = {};
        for (uint8_t label : labels8.read())
            o.labels.push_back(label);
        for (int32_t label : labels32.read())
            o.labels.push_back(label);
        o.labels.resize((size_t)p.rows);
        o.sums = sums.read();
        o.moved = (int64_t)counted.moved;
        o.near = (int64_t)counted.near;
        return o;
    }
};

bool equal(const outcome &a, const outcome &b)
{
    if (a.labels != b.labels || a.moved != b.moved || a.sums.size() != b.sums.size()) return false;
    for (size_t i = 0; i < a.sums.size(); i++)
        if (int128_compare(a.sums[i], b.sums[i]) != 0) return false;
    return true;
}

/* Labels, then sums after the centres moved, then a pass in which nothing moves. Returns the near
 * ties of the first pass. */
int64_t check(const problem &p)
{
#ifdef CUDA_EMULATION
    emulation::set_seed(random_bits());
#endif
    batch b(p);
    outcome first = b.pass(p.centres), expected = reference(p, p.centres, nullptr);
    CU_ASSERT_TRUE(equal(first, expected));
    CU_ASSERT_TRUE(equal(b.pass(p.moved_centres), reference(p, p.moved_centres, &first.labels)));
    CU_ASSERT_EQUAL(b.pass(p.moved_centres).moved, 0);
    return first.near;
}

/* ---- Tests ---------------------------------------------------------------------------------- */

void takes_ragged_sizes()
{
    const int64_t rows[] = {0, 1, 31, 33, 257, 1000};
    const int32_t clusters[] = {1, 2, 5, 17, 40};
#ifdef __SANITIZE_THREAD__ /* twenty times as slow */
    const int32_t step = 5;
#else
    const int32_t step = 1;
#endif
    for (int64_t n : rows)
        for (int32_t d = 1; d <= CUDA_SMALL_COLUMNS; d += step)
            for (int32_t i = 0; i < 2; i++) {
                int32_t k = clusters[(size_t)(d + i) % 5];
                check(make_problem(n, d, k, i == 0 ? 0 : 4));
            }
}

/* More rows than the emulated card has threads for: blocks come round again. */
void takes_many_rows()
{
    for (int32_t d : {1, 4, 8, 9, 16}) {
        check(make_problem(7001, d, 5, 0));
        check(make_problem(7001, d, 5, 3));
    }
}

void breaks_ties_to_the_lowest_index()
{
    problem p = make_problem(1000, 3, 12, 2);
    for (size_t j = 0; j < 3; j++) /* centre 7 is centre 2 once more, 11 is 0 */
        p.centres[7 * 3 + j] = p.centres[2 * 3 + j], p.centres[11 * 3 + j] = p.centres[j];
    CU_ASSERT_TRUE(check(p) > 0);
    p.moved_centres = p.centres;
    for (double &value : p.centres)
        value = 1.0;
    CU_ASSERT_EQUAL(check(p), p.rows);
}

/* Rows so close to the middle of two centres that float32 cannot tell: on either side, from zero to
 * a few units of the last place and around the filter's margin. */
void decides_near_ties_by_the_definition()
{
    for (double at : {0.0, 3.0, 1000.0, 1e6}) {
        for (double gap : {1.0, 0.37, 1e-3}) {
            problem p = make_problem(999, 2, 3, 0);
            p.offset = {0.125, -7.0};
            const double centres[] = {at, 1.0, at + gap, 1.0, at + gap / 3, 1e3};
            p.centres.assign(centres, centres + 6);
            p.moved_centres = {at + gap, 1.0, at, 1.0, at, -1e3};
            for (int64_t i = 0; i < p.rows; i++) {
                float middle = (float)(at + gap / 2 - p.offset[0]);
                double steps = (double)(i - p.rows / 2) * (i % 3 == 0 ? 1.0 : 0.01);
                p.x[(size_t)i * 2] = middle + (float)(steps * (double)FLT_EPSILON * (at + 1));
                p.x[(size_t)i * 2 + 1] = (float)(uniform() * 4);
            }
            finish_problem(&p);
            CU_ASSERT_TRUE(check(p) > 0);
        }
    }
}

/* Centres a fraction of a unit of the last place apart, just above 1, where rounding is worst: all
 * that the filter sees is its own error. */
void trusts_no_more_than_the_bound()
{
    for (int32_t d : {1, 2, 5}) {
        problem p = make_problem(999, d, 40, 0);
        for (float &value : p.x)
            value = 1.0f + FLT_EPSILON * (float)(random_bits() % 16);
        for (double &value : p.centres)
            value = 1.0 + (double)FLT_EPSILON * 16.0 * uniform();
        for (double &value : p.moved_centres)
            value = 1.0 + (double)FLT_EPSILON * 16.0 * uniform();
        finish_problem(&p);
        check(p);
    }
}

/* Blobs apart from each other: hardly any row needs the definition. */
void keeps_the_list_short()
{
    problem p = make_problem(5000, 4, 8, 0);
    CU_ASSERT_TRUE(check(p) < 50);
}

void looks_at_all_rows_when_the_list_overflows()
{
    for (int32_t capacity : {0, 1, 50}) {
        problem p = make_problem(3000, 5, 6, 2);
        p.near_capacity = capacity;
        CU_ASSERT_TRUE(check(p) > capacity);
    }
}

void adds_weights_and_counts()
{
    for (int32_t wide : {0, 1}) {
        problem p = make_problem(2500, 6, 4, wide ? 0 : 5);
        p.wide = wide;
        for (int64_t i = 0; i < p.rows; i++) {
            p.weights.push_back((int64_t)(random_bits() >> (wide ? 2 : 56)));
            p.counts.push_back((int32_t)(random_bits() % 5));
        }
        check(p);
    }
}

void takes_many_clusters()
{
    check(make_problem(700, 1, 256, 0)); /* the last k with one byte a label */
    problem wide_labels = make_problem(700, 2, 300, 0);
    wide_labels.narrow_labels = false;
    check(wide_labels);
    problem no_room = make_problem(400, 16, 600, 0); /* for sums in shared memory */
    no_room.narrow_labels = false;
    check(no_room);
}

void takes_any_float()
{
    const float odd[] = {NAN, INFINITY, -INFINITY, FLT_MAX, -FLT_MAX, 1e30f, 1e-42f, -0.0f};
    problem p = make_problem(640, 3, 5, 0);
    problem huge = p, tiny = p;
    for (size_t i = 0; i < p.x.size(); i += 7)
        p.x[i] = odd[i / 7 % 8];
    finish_problem(&p);
    for (double &scale : p.scale)
        scale = 0.0; /* only labels */
    batch b(p);
    CU_ASSERT_TRUE(b.pass(p.centres).labels == reference(p, p.centres, nullptr).labels);

    for (double factor : {1e18, 2e18, 3e18, 1e19, 1e30}) { /* scores that overflow, some or all */
        problem scaled = huge;
        for (float &value : scaled.x)
            value *= (float)factor;
        for (double &value : scaled.centres)
            value *= factor;
        for (double &value : scaled.moved_centres)
            value *= factor / 30;
        finish_problem(&scaled);
        check(scaled);
    }
    for (float &value : tiny.x)
        value *= 1e-39f;
    for (double &value : tiny.centres)
        value *= 1e-39;
    tiny.moved_centres = tiny.centres;
    finish_problem(&tiny);
    check(tiny);
}

void refuses_what_it_cannot_do()
{
    cuda_limits limits;
    CU_ASSERT_EQUAL_FATAL(cuda_limits_of(0, &limits, nullptr), SPOT_OK);
    CU_ASSERT_TRUE(cuda_kmeans_fits(&limits, 40, 16));
    CU_ASSERT_FALSE(cuda_kmeans_fits(&limits, 40, 17));
    CU_ASSERT_FALSE(cuda_kmeans_fits(&limits, 40, 0));
    CU_ASSERT_FALSE(cuda_kmeans_fits(&limits, 1000000, 16));
    spot_error err = {};
    CU_ASSERT_EQUAL(cuda_limits_of(99, &limits, &err), SPOT_EDEVICE);
    CU_ASSERT_PTR_NOT_NULL(std::strstr(err.message, "invalid device"));
}

} // namespace

/* Runs all tests, or the one named on the command line. */
int main(int argc, char **argv)
{
    suite_test tests[] = {
        {"takes ragged sizes", takes_ragged_sizes},
        {"takes many rows", takes_many_rows},
        {"breaks ties to the lowest index", breaks_ties_to_the_lowest_index},
        {"decides near ties by the definition", decides_near_ties_by_the_definition},
        {"trusts no more than the bound", trusts_no_more_than_the_bound},
        {"keeps the list short", keeps_the_list_short},
        {"looks at all rows when the list overflows", looks_at_all_rows_when_the_list_overflows},
        {"adds weights and counts", adds_weights_and_counts},
        {"takes many clusters", takes_many_clusters},
        {"takes any float", takes_any_float},
        {"refuses what it cannot do", refuses_what_it_cannot_do},
        {nullptr, nullptr},
    };
    for (suite_test *test = tests; argc > 1 && test->name != nullptr; test++) {
        if (std::strcmp(test->name, argv[1]) != 0) continue;
        tests[0] = *test;
        tests[1] = {nullptr, nullptr};
        break;
    }
    return run_suite("cuda emulation", tests);
}
