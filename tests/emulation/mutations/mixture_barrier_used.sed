# the next tile is loaded while the last one is added up
# test: test_backend_mixture takes many
s/__syncthreads(); \/\* the rows have been used \*\///
