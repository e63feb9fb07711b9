# a value on the threshold goes the other way
# test: test_forest_score thresholds
s/return x < node.threshold;/return x <= node.threshold;/
