/* Rows through trees, by the rules of fallback/forest_walk.h and in its arithmetic. Many rows: a
 * thread for each, which adds up leaves tree by tree while a block's trees and rows lie in shared
 * memory. Few rows: a thread for each row and tree finds a leaf, then one for each sum adds them in
 * the same order. */
#include "kernels/cuda_trees.h"

namespace
{

/* ---- Nodes ---------------------------------------------------------------------------------- */

__device__ uint32_t pair_of(const cuda_node32 &node)
{
    return node.word >> NODE32_NUMBER_BITS;
}

__device__ uint32_t pair_of(const cuda_node64 &node)
{
    return node.pair;
}

__device__ uint32_t feature_of(const cuda_node32 &node)
{
    return node.word >> NODE_FLAG_BITS & ((1u << NODE32_FEATURE_BITS) - 1);
}

__device__ uint32_t feature_of(const cuda_node64 &node)
{
    return node.word >> NODE_FLAG_BITS;
}

__device__ uint32_t categories_of(const cuda_node32 &node)
{
    return __float_as_uint(node.threshold);
}

__device__ uint32_t categories_of(const cuda_node64 &node)
{
    return (uint32_t)node.threshold;
}

__device__ bool is_missing(float x)
{
    return x != x;
}

__device__ bool is_missing(double x)
{
    return x != x;
}

/* x <= threshold */
__device__ bool is_below(const cuda_node32 &node, float x)
{
    return !(x >= node.threshold);
}

__device__ bool is_below(const cuda_node64 &node, double x)
{
    return x <= node.threshold;
}

__device__ bool has_category(const cuda_forest &forest, uint32_t at, int64_t category)
{
    const uint32_t *words = forest.categories + at;
    if (category / 32 >= words[0]) return false;
    return (words[1 + category / 32] >> (category % 32) & 1u) != 0;
}

template <int RULES, class NODE>
__device__ bool goes_left(const cuda_forest &forest, const NODE &node, typename NODE::value x)
{
    const uint32_t flags = node.word;
    if (RULES == FOREST_XGBOOST) {
        if (is_missing(x)) return (flags & NODE_DEFAULT_LEFT) != 0;
        if ((flags & NODE_CATEGORICAL) == 0) return x < node.threshold;
        if (x < 0 || x >= (1 << 24)) return true;
        return !has_category(forest, categories_of(node), (int64_t)x);
    }
    if ((flags & NODE_CATEGORICAL) != 0)
        return (double)x > -1.0 && (double)x <= 2147483647.0 &&
               has_category(forest, categories_of(node), (int64_t)x);
    if (is_missing(x) && (flags & NODE_MISSING_NAN) == 0) x = 0;
    const double size = x < 0 ? -(double)x : (double)x;
    if (is_missing(x) || ((flags & NODE_MISSING_ZERO) != 0 && size <= (double)1e-35f))
        return (flags & NODE_DEFAULT_LEFT) != 0;
    return is_below(node, x);
}

/* ---- Values --------------------------------------------------------------------------------- */

/* A value of a row in device memory; XGBoost rounds to float32. */
template <int RULES, class T>
__device__ T load_value(const cuda_forest_pass &pass, int64_t row, uint32_t feature)
{
    const int64_t at = row * pass.columns + feature;
    if (pass.values32 != nullptr) return (T)pass.values32[at];
    return RULES == FOREST_XGBOOST ? (T)(float)pass.values64[at] : (T)pass.values64[at];
}

/* From the root to a leaf. x (features, TREES_THREADS) of the block in shared memory, or NULL. */
template <int RULES, class NODE>
__device__ NODE find_leaf(const cuda_forest &forest, const cuda_forest_pass &pass, const NODE *tree,
                          const typename NODE::value *x, int64_t row)
{
    NODE node = tree[0];
    for (uint32_t pair = pair_of(node); pair != 0; pair = pair_of(node)) {
        const uint32_t feature = feature_of(node);
        typename NODE::value value =
            x != nullptr ? x[(int64_t)feature * TREES_THREADS + threadIdx.x]
                         : load_value<RULES, typename NODE::value>(pass, row, feature);
        node = tree[2 * (int64_t)pair - (goes_left<RULES>(forest, node, value) ? 1 : 0)];
    }
    return node;
}

/* ---- Leaves --------------------------------------------------------------------------------- */

__device__ double add_leaf(const cuda_forest &forest, int32_t tree, double value, double margin)
{
    if (forest.rules == FOREST_LIGHTGBM) return margin + value;
    float leaf = (float)value;
    if (forest.tree_weight != nullptr) leaf *= forest.tree_weight[tree];
    return (double)((float)margin + leaf);
}

/* What leaf `at` of all nodes adds to an output, `value` where it has no vector. */
__device__ double leaf_of_output(const cuda_forest &forest, int64_t at, int32_t output,
                                 double value)
{
    if (forest.vector == nullptr || forest.vector[at] < 0) return value;
    return forest.leaf_vectors[forest.vector[at] * forest.outputs + output];
}

__device__ double value_of(const cuda_forest &forest, const cuda_node32 &leaf, int64_t at)
{
    return forest.rules == FOREST_XGBOOST ? (double)leaf.threshold : forest.values[at];
}

__device__ double value_of(const cuda_forest &, const cuda_node64 &leaf, int64_t)
{
    return leaf.threshold;
}

/* The sum of one output of a row, which is kept while trees add to that output. */
struct running {
    double *margins; /* (outputs) of the row */
    double sum;
    int32_t output; /* -1: none */
};

__device__ void turn_to(running &sum, int32_t output)
{
    if (sum.output == output) return;
    if (sum.output >= 0) sum.margins[sum.output] = sum.sum;
    if (output >= 0) sum.sum = sum.margins[output];
    sum.output = output;
}

template <class NODE>
__device__ void add_tree(const cuda_forest &forest, int32_t tree, const NODE &leaf, running &sum)
{
    const int32_t output = forest.tree_output[tree];
    const int64_t at = forest.first_node[tree] + leaf.word;
    const double value = value_of(forest, leaf, at);
    turn_to(sum, output);
    if (output >= 0)
        sum.sum = add_leaf(forest, tree, leaf_of_output(forest, at, output, value), sum.sum);
    for (int32_t o = 0; output < 0 && o < forest.outputs; o++)
        sum.margins[o] =
            add_leaf(forest, tree, leaf_of_output(forest, at, o, value), sum.margins[o]);
}

/* ---- Many rows ------------------------------------------------------------------------------ */

template <class NODE> __device__ const NODE *nodes_of(const cuda_forest &forest);

template <> __device__ const cuda_node32 *nodes_of(const cuda_forest &forest)
{
    return forest.nodes32;
}

template <> __device__ const cuda_node64 *nodes_of(const cuda_forest &forest)
{
    return forest.nodes64;
}

/* A block's rows to (features, TREES_THREADS). */
template <int RULES, class T>
__device__ void load_rows(const cuda_forest &forest, const cuda_forest_pass &pass, int64_t first,
                          T *x)
{
    const int64_t left = pass.rows - first;
    const int32_t rows = left < TREES_THREADS ? (int32_t)left : TREES_THREADS;
    for (int32_t i = (int32_t)threadIdx.x; i < rows * forest.features; i += TREES_THREADS) {
        const int32_t row = i / forest.features, feature = i % forest.features;
        x[feature * TREES_THREADS + row] =
            load_value<RULES, T>(pass, first + row, (uint32_t)feature);
    }
}

/* Trees from `first` on, as many as there is room for, one at least. */
__device__ int32_t end_of_group(const cuda_forest &forest, const cuda_forest_pass &pass,
                                int32_t first)
{
    const int32_t last = pass.first + pass.trees;
    int32_t end = first + 1;
    while (end < last && forest.first_node[end + 1] - forest.first_node[first] <= pass.room)
        end++;
    return end;
}

template <int RULES, class NODE>
__global__ __launch_bounds__(TREES_THREADS,
                             TREES_BLOCKS) void forest_rows_kernel(cuda_forest forest,
                                                                   cuda_forest_pass pass)
{
    CUDA_DYNAMIC_SHARED(shared);
    typename NODE::value *x = pass.shared_rows > 0 ? (typename NODE::value *)shared : nullptr;
    NODE *room = (NODE *)(shared + pass.shared_rows);
    const int32_t last = pass.first + pass.trees;
    const int64_t step = (int64_t)gridDim.x * TREES_THREADS;
    for (int64_t start = (int64_t)blockIdx.x * TREES_THREADS; start < pass.rows; start += step) {
        const int64_t row = start + threadIdx.x;
        running sum = {pass.margins, 0.0, -1};
        if (pass.margins != nullptr) sum.margins += row * forest.outputs;
        if (x != nullptr) load_rows<RULES>(forest, pass, start, x);
        for (int32_t first = pass.first, end; first < last; first = end) {
            end = end_of_group(forest, pass, first);
            const NODE *trees = nodes_of<NODE>(forest) + forest.first_node[first];
            const int64_t nodes = forest.first_node[end] - forest.first_node[first];
            for (int64_t i = threadIdx.x; nodes <= pass.room && i < nodes; i += TREES_THREADS)
                room[i] = trees[i];
            if (nodes <= pass.room) trees = room;
            __syncthreads(); /* rows and trees are there */
            for (int32_t t = first; row < pass.rows && t < end; t++) {
                const NODE *tree = trees + (forest.first_node[t] - forest.first_node[first]);
                const NODE leaf = find_leaf<RULES>(forest, pass, tree, x, row);
                if (pass.leaves != nullptr)
                    pass.leaves[row * pass.trees + t - pass.first] = (int32_t)leaf.word;
                if (pass.margins != nullptr) add_tree(forest, t, leaf, sum);
            }
            __syncthreads(); /* rows and trees have been used */
        }
        turn_to(sum, -1);
    }
}

/* ---- Few rows ------------------------------------------------------------------------------- */

/* Neighbouring threads have neighbouring rows of a tree. */
template <int RULES, class NODE>
__global__ __launch_bounds__(TREES_THREADS,
                             TREES_BLOCKS) void forest_pairs_kernel(cuda_forest forest,
                                                                    cuda_forest_pass pass)
{
    const int64_t step = (int64_t)gridDim.x * TREES_THREADS;
    int64_t i = (int64_t)blockIdx.x * TREES_THREADS + threadIdx.x;
    for (; i < pass.rows * pass.trees; i += step) {
        const int64_t row = i % pass.rows, t = i / pass.rows;
        const NODE *tree = nodes_of<NODE>(forest) + forest.first_node[pass.first + t];
        const NODE leaf =
            find_leaf<RULES>(forest, pass, tree, (const typename NODE::value *)nullptr, row);
        pass.leaves[row * pass.trees + t] = (int32_t)leaf.word;
    }
}

/* A thread adds up one output of a row. */
__global__ __launch_bounds__(TREES_THREADS,
                             TREES_BLOCKS) void forest_add_kernel(cuda_forest forest,
                                                                  cuda_forest_pass pass)
{
    const int64_t step = (int64_t)gridDim.x * TREES_THREADS;
    int64_t i = (int64_t)blockIdx.x * TREES_THREADS + threadIdx.x;
    for (; i < pass.rows * forest.outputs; i += step) {
        const int64_t row = i / forest.outputs;
        const int32_t output = (int32_t)(i % forest.outputs);
        double sum = pass.margins[i];
#pragma unroll 8
        for (int32_t t = 0; t < pass.trees; t++) {
            const int32_t tree = pass.first + t, to = forest.tree_output[tree];
            if (to >= 0 && to != output) continue;
            const int64_t at = forest.first_node[tree] + pass.leaves[row * pass.trees + t];
            const double value = leaf_of_output(forest, at, output, forest.values[at]);
            sum = add_leaf(forest, tree, value, sum);
        }
        pass.margins[i] = sum;
    }
}

/* ---- Launches ------------------------------------------------------------------------------- */

const int64_t trees_bytes = 32 << 10, most_rows_bytes = 64 << 10;

template <int RULES, class NODE>
int score_few(const struct backend *backend, const cuda_forest &forest,
              const cuda_forest_pass &pass, struct spot_error *err)
{
    int status = SPOT_OK;
    CUDA_LAUNCH((forest_pairs_kernel<RULES, NODE>),
                cuda_grid(backend, pass.rows * pass.trees, TREES_THREADS), TREES_THREADS, 0,
                backend->stream, forest, pass);
    CUDA_TRY(cudaGetLastError(), "trees: finding leaves");
    if (pass.margins == nullptr) return SPOT_OK;
    CUDA_LAUNCH(forest_add_kernel, cuda_grid(backend, pass.rows * forest.outputs, TREES_THREADS),
                TREES_THREADS, 0, backend->stream, forest, pass);
    CUDA_TRY(cudaGetLastError(), "trees: adding leaves");
out:
    return status;
}

template <int RULES, class NODE>
int score_many(const struct backend *backend, const cuda_forest &forest, cuda_forest_pass pass,
               struct spot_error *err)
{
    int status = SPOT_OK;
    const int64_t bytes =
        (int64_t)forest.features * TREES_THREADS * (int64_t)sizeof(typename NODE::value);
    const int64_t left = (int64_t)backend->limits.shared - trees_bytes;
    if (bytes <= left && bytes <= most_rows_bytes) pass.shared_rows = (int32_t)bytes;
    pass.room = (int32_t)(trees_bytes / (int64_t)sizeof(NODE));
    const size_t shared = (size_t)(trees_bytes + pass.shared_rows);
    CUDA_TRY(cudaFuncSetAttribute(forest_rows_kernel<RULES, NODE>,
                                  cudaFuncAttributeMaxDynamicSharedMemorySize, (int)shared),
             "trees: asking for shared memory");
    CUDA_LAUNCH((forest_rows_kernel<RULES, NODE>), cuda_grid(backend, pass.rows, TREES_THREADS),
                TREES_THREADS, shared, backend->stream, forest, pass);
    CUDA_TRY(cudaGetLastError(), "trees: scoring rows");
out:
    return status;
}

template <int RULES, class NODE>
int score_rows(const struct backend *backend, const cuda_forest &forest,
               const cuda_forest_pass &pass, struct spot_error *err)
{
    return cuda_forest_few(backend, pass.rows)
               ? score_few<RULES, NODE>(backend, forest, pass, err)
               : score_many<RULES, NODE>(backend, forest, pass, err);
}

} // namespace

/* Fewer than a thread for each lane leave multiprocessors idle. */
int cuda_forest_few(const struct backend *backend, int64_t rows)
{
    return rows < (int64_t)backend->limits.processors * TREES_THREADS;
}

int cuda_forest_score(const struct backend *backend, const struct cuda_forest *forest,
                      struct cuda_forest_pass *pass, struct spot_error *err)
{
    const bool narrow = forest->nodes32 != nullptr &&
                        (pass->values32 != nullptr || forest->rules == FOREST_XGBOOST);
    if (forest->rules == FOREST_XGBOOST)
        return narrow ? score_rows<FOREST_XGBOOST, cuda_node32>(backend, *forest, *pass, err)
                      : score_rows<FOREST_XGBOOST, cuda_node64>(backend, *forest, *pass, err);
    return narrow ? score_rows<FOREST_LIGHTGBM, cuda_node32>(backend, *forest, *pass, err)
                  : score_rows<FOREST_LIGHTGBM, cuda_node64>(backend, *forest, *pass, err);
}
