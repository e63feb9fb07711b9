# the tree forgets the last part of a full group
# test: test_backend_mixture takes many
s/t < first + FAN_IN \* step; t += step/t < first + (FAN_IN - 1) * step; t += step/
