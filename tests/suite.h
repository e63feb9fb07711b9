/* The few lines every CUnit program shares: a table of tests in, the number of failures out. */
#ifndef SPOT_TESTS_SUITE_H
#define SPOT_TESTS_SUITE_H

#include <CUnit/Basic.h>
#include <stddef.h>

struct suite_test {
    const char *name;
    void (*run)(void);
};

/* Runs the tests (the last one has a NULL name) and returns what main() returns. */
static inline int run_suite(const char *name, const struct suite_test *tests)
{
    if (CU_initialize_registry() != CUE_SUCCESS) return 1;
    CU_pSuite suite = CU_add_suite(name, NULL, NULL);
    for (; suite != NULL && tests->name != NULL; tests++)
        if (CU_add_test(suite, tests->name, tests->run) == NULL) suite = NULL;
    unsigned failures = 1;
    if (suite != NULL) {
        CU_basic_set_mode(CU_BRM_NORMAL);
        CU_basic_run_tests();
        failures = CU_get_number_of_failures();
    }
    CU_cleanup_registry();
    return failures == 0 ? 0 : 1;
}

#endif
