/* Equal rows become one with a count; whether that happens depends on the data alone. */
#include "data/compact.h"

#include <stdlib.h>
#include <string.h>

#include "suite.h"

static void merges_equal_rows_of_equal_weight(void)
{
    const float x[] = {1, 2, 3, 4, 1, 2, 1, 2, 3, 4, 0.0f, 1, -0.0f, 1};
    const int64_t w[] = {5, 1, 5, 6, 1, 2, 2};
    struct compacted merged;
    CU_ASSERT_EQUAL_FATAL(compact_rows(&(struct spot_matrix){.values = x, .rows = 7, .columns = 2},
                                       NULL, 1, &merged, NULL),
                          SPOT_OK);
    CU_ASSERT_EQUAL_FATAL(merged.groups, 4);
    CU_ASSERT_EQUAL(merged.counts[0], 3);
    CU_ASSERT_EQUAL(merged.counts[1], 2);
    CU_ASSERT(merged.values[2] == 3 && merged.values[3] == 4);
    const int32_t groups[] = {0, 1, 0, 0, 1, 2, 3};
    CU_ASSERT_EQUAL(memcmp(merged.group_of_row, groups, sizeof groups), 0);
    CU_ASSERT_PTR_NULL(merged.weights);
    compacted_clear(&merged);
    CU_ASSERT_EQUAL_FATAL(compact_rows(&(struct spot_matrix){.values = x, .rows = 7, .columns = 2},
                                       w, 1, &merged, NULL),
                          SPOT_OK);
    CU_ASSERT_EQUAL(merged.groups, 5); /* the row of weight 6 stays apart */
    CU_ASSERT_EQUAL(merged.weights[2], 6);
    compacted_clear(&merged);
}

/* n rows of one column with `different` values. */
static int64_t groups_of(int64_t n, int64_t different, int force)
{
    float *x = malloc((size_t)n * sizeof *x);
    for (int64_t i = 0; i < n; i++)
        x[i] = (float)(i * 7919 % different);
    struct compacted merged;
    CU_ASSERT_EQUAL(compact_rows(&(struct spot_matrix){.values = x, .rows = n, .columns = 1}, NULL,
                                 force, &merged, NULL),
                    SPOT_OK);
    int64_t groups = merged.groups, counted = 0;
    for (int64_t g = 0; g < groups; g++)
        counted += merged.counts[g];
    CU_ASSERT_EQUAL(counted, groups > 0 ? n : 0);
    CU_ASSERT((groups > 0) == (merged.group_of_row != NULL));
    compacted_clear(&merged);
    free(x);
    return groups;
}

static void gives_up_where_it_does_not_pay(void)
{
    CU_ASSERT_EQUAL(groups_of(100, 3, 0), 0); /* too small to be worth it */
    CU_ASSERT_EQUAL(groups_of(100, 3, 1), 3); /* unless told */
    CU_ASSERT_EQUAL(groups_of(50000, 100, 0), 100);
    CU_ASSERT_EQUAL(groups_of(50000, 50000, 0), 0); /* the first rows show it */
    CU_ASSERT_EQUAL(groups_of(10000, 3000, 0), 0);  /* more than a quarter */
    CU_ASSERT_EQUAL(groups_of(50000, 12000, 1), 12000);
    CU_ASSERT_EQUAL(groups_of(200000, 20000, 1), 20000); /* the table grows */
}

int main(void)
{
    const struct suite_test tests[] = {
        {"merges equal rows of equal weight", merges_equal_rows_of_equal_weight},
        {"gives up where it does not pay", gives_up_where_it_does_not_pay},
        {NULL, NULL},
    };
    return run_suite("compact", tests);
}
