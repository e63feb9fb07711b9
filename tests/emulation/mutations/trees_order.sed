# few rows: leaves are added from the last tree on
# test: test_forest_score kinds of trees
s/const int32_t tree = pass.first + t, to/const int32_t tree = pass.first + pass.trees - 1 - t, to/
s/pass.leaves\[row \* pass.trees + t\];/pass.leaves[row * pass.trees + pass.trees - 1 - t];/
