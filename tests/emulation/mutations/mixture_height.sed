# the last column of a block of the factor is left out
# test: test_backend_mixture takes sizes
s/int32_t end = (block + 1) \* MIXTURE_HEIGHT;/int32_t end = (block + 1) * MIXTURE_HEIGHT - 1;/
