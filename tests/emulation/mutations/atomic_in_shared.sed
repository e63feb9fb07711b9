# a sum in shared memory without an atomic
s/uint32_t before = atomicAdd(&sum\[l\], add);/uint32_t before = sum[l]; sum[l] = before + add;/
