# the sum of the last output is kept for the next one
# test: test_forest_score kinds of trees
s/if (output >= 0) sum.sum = sum.margins\[output\];/;/
