# the last slab is left out
# test: test_backend_mixture takes sizes
s/slab < pass.cut.slabs; slab++/slab < pass.cut.slabs - 1; slab++/
