/* The public header, included first and alone, is C11; what it declares is what the shared library
 * holds, since this program links nothing else of blackspot. */
#include "blackspot.h"

#include "suite.h"

static void test_version_is_the_headers(void)
{
    int major = -1, minor = -1, patch = -1;
    CU_ASSERT_EQUAL(sscanf(spot_version(), "%d.%d.%d", &major, &minor, &patch), 3);
    CU_ASSERT_EQUAL(major, SPOT_VERSION_MAJOR);
    CU_ASSERT_EQUAL(minor, SPOT_VERSION_MINOR);
    CU_ASSERT_EQUAL(patch, SPOT_VERSION_PATCH);
}

static void test_closing_nothing_is_safe(void)
{
    spot_engine_close(NULL);
    spot_kmeans_free(NULL);
}

static void test_a_fit_through_the_shared_library(void)
{
    const float values[] = {0, 1, 10, 11}; /* (4, 1) */
    const struct spot_matrix data = {.values = values, .weights = NULL, .rows = 4, .columns = 1};
    struct spot_kmeans_options options = spot_kmeans_defaults();
    options.k = 2;

    struct spot_error err = {0};
    spot_engine *engine = NULL;
    spot_kmeans *model = NULL;
    int32_t labels[4] = {-1, -1, -1, -1};
    CU_ASSERT_EQUAL_FATAL(
        spot_engine_open(&(struct spot_engine_options){.device = "cpu"}, &engine, &err), SPOT_OK);
    CU_ASSERT_EQUAL(spot_kmeans_fit(engine, &data, &options, &model, &err), SPOT_OK);
    CU_ASSERT_EQUAL(spot_kmeans_assign(engine, model, &data, labels, NULL, &err), SPOT_OK);
    CU_ASSERT_EQUAL(labels[0], labels[1]);
    CU_ASSERT_EQUAL(labels[2], labels[3]);
    CU_ASSERT_NOT_EQUAL(labels[0], labels[2]);
    CU_ASSERT_DOUBLE_EQUAL(spot_kmeans_result(model)->inertia, 1.0, 1e-9);
    spot_kmeans_free(model);
    spot_engine_close(engine);
}

int main(void)
{
    const struct suite_test tests[] = {
        {"version is the header's", test_version_is_the_headers},
        {"closing nothing is safe", test_closing_nothing_is_safe},
        {"a fit through the shared library", test_a_fit_through_the_shared_library},
        {NULL, NULL},
    };
    return run_suite("public header", tests);
}
