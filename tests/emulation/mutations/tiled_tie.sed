# of equal distances in a warp the highest label wins
# test: test_backend decides near ties
s/its < label)/its > label)/
