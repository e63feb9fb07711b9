# equally far rows come in the order of their numbers
# test: test_backend measures inertia and the farthest
s/if (x\[j \* stride_a\] != y\[j \* stride_b\]) return .*;/;/
