# log-likelihoods are added up before all are there
# test: test_backend_mixture takes sizes
s/__syncthreads(); \/\* the first one ends the sums, too \*\///
