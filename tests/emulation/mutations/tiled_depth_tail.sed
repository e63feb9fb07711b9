# what lies behind the last column of a centre is multiplied too
# test: test_backend assigns and adds up
s/j + i < pass.columns ? four.value\[i\] : 0.0f/four.value[i]/
