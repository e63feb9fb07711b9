# candidates of the second group are written over the first
# test: test_backend seeds
s/some, run->distance_scale, s->sums + first)/some, run->distance_scale, s->sums)/
