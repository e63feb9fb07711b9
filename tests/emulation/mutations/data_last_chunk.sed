# the last chunk is taken to be as wide as the others
# test: test_backend batches change nothing
s/\*stride = cuda_padded(cuda_chunk_rows(rows, first));/*stride = cuda_chunk(rows);/
