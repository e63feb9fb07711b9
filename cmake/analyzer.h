/* Read by clang-tidy before every file but host/base/error.c. It analyses one file at a time, and
 * has to be told that spot_fail() returns the code it was given to see that the caller leaves. */
#define _GNU_SOURCE
#include "base/error.h"

#define spot_fail(err, code, ...) ((void)spot_fail(err, code, __VA_ARGS__), (code))
#define spot_fail_memory(err, what) ((void)spot_fail_memory(err, what), SPOT_ENOMEM)
