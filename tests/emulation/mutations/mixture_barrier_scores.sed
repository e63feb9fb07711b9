# responsibilities are copied before all rows have theirs
# test: test_backend_mixture scores
s/__syncthreads(); \/\* the responsibilities are there \*\///
