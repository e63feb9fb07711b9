/* Fails every allocation of a call once, the libraries' among them: each time the call ends with
 * SPOT_ENOMEM (or the system's words for it, or did without) and nothing is leaked. */
#ifndef SPOT_TESTS_SURVIVING_H
#define SPOT_TESTS_SURVIVING_H

#include <stdio.h>
#include <string.h>

#include "blackspot.h"
#include "failing_memory.h"
#include "suite.h"

static bool is_expected(int status, const struct spot_error *err)
{
    if (status == SPOT_EIO) return strstr(err->message, strerror(ENOMEM)) != NULL;
    return status == SPOT_OK || status == SPOT_ENOMEM;
}

/* The attempt checks its own out-parameters and frees what it was given. */
static void survives(const char *name, int (*attempt)(struct spot_error *err))
{
    struct spot_error err = {0};
    CU_ASSERT_EQUAL_FATAL(attempt(&err), SPOT_OK);
    if (!memory_can_fail()) return;
    int64_t failures = 0, refused = 0;
    for (bool finished = false; !finished; failures++) {
        int64_t before = live;
        countdown = failures;
        int status = attempt(&err);
        finished = countdown >= 0;
        countdown = -1;
        int64_t leaked = live - before;
        if (leaked != 0 || !is_expected(status, &err))
            printf("\n%s, failure %lld: status %d, %lld not freed: %s\n", name, (long long)failures,
                   status, (long long)leaked, err.message);
        CU_ASSERT_EQUAL(leaked, 0);
        CU_ASSERT(is_expected(status, &err));
        refused += status != SPOT_OK;
        countdown = failures;
        CU_ASSERT_EQUAL(attempt(NULL), status);
        countdown = -1;
    }
    CU_ASSERT(refused > 1);
}

#endif
