# two rows that moved take the same slot
# test: test_backend assigns and adds up
s/int32_t slot = atomicAdd(&moved->count, 1);/int32_t slot = moved->count; moved->count = slot + 1;/
