# a tile is read before all of it is there
# test: test_backend assigns and adds up
/load_centres<C>(pass, packed_stride, first, depth, shared);/{n;s/__syncthreads();//}
