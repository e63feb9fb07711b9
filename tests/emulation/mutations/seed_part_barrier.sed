# a sum is cleared before it is written
# test: test_backend seeds
s|__syncthreads(); /\* before the limbs are cleared \*/||
