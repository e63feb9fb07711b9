# trees are walked before all nodes are there
# test: test_forest_score kinds of trees
s/__syncthreads(); \/\* rows and trees are there \*\///
