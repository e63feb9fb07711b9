# the counts of a pass are not cleared
# test: test_backend runs to every end
s/counters\[i\].moved = counters\[i\].near = 0;//
