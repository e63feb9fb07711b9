# the last chunk is taken to be as wide as the others
# test: test_backend batches change nothing
s/\*stride = left < rows.chunk/*stride = left < 0/
