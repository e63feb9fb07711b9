# candidates are compared before they are there
# test: test_backend measures inertia and the farthest
s/^        __syncthreads();$//;
