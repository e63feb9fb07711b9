# candidates forget the centres taken
# test: test_backend seeds
s/d2\[p\] < before ? d2\[p\] : before/d2[p]/
