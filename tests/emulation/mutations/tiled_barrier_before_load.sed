# a tile is loaded while others still read the one before
# test: test_backend assigns and adds up
s|__syncthreads(); /\* the tiles before have been read \*/||
