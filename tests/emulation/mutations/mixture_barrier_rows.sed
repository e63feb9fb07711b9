# rows are used before they are loaded
# test: test_backend_mixture takes sizes
s/__syncthreads(); \/\* sums and rows are there \*\///
