# squares are overwritten before they are added up
# test: test_backend runs to every end
s|__syncthreads(); /\* before the next squares \*/||
