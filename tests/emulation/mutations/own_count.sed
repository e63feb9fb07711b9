# inertia counts merged rows once
# test: test_backend measures inertia and the farthest
s/rows.counts != nullptr ? rows.counts\[row\] : 1);/1);/
