# what counts as zero and missing does so at any size
# test: test_forest_score depths
s/size <= (double)1e-35f/size < 1e-35/
