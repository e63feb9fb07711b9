# rows without weight may be the farthest
# test: test_backend measures inertia and the farthest
s/if (cuda_weight(from.rows, row) == 0) continue;//
