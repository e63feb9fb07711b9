# the diagonal of a 4 x 4 tile is left out
# test: test_backend_mixture takes sizes
s/if (b \* MIXTURE_GROUP + j <= row)/if (b * MIXTURE_GROUP + j < row)/
