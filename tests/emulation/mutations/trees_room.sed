# a group of trees is larger than its room
# test: test_forest_score shapes
s/forest.first_node\[first\] <= pass.room)/forest.first_node[first] <= pass.room + 200)/
s/nodes <= pass.room/nodes <= pass.room + 200/
