# the places behind the last centre are centres of score 0
# test: test_backend assigns and adds up
s/float half = INFINITY;/float half = 0.0f;/
