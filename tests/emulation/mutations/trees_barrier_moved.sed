# a group's trees are replaced while others walk them
# test: test_forest_score kinds of trees
s/__syncthreads(); \/\* rows and trees have been used \*\///
