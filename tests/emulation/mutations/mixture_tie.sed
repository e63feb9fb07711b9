# of equal densities the last one gives the label
# test: test_backend_mixture scores
s/\(shares\[(int64_t)c \* stride\]\) > \(shares\[(int64_t)best \* stride\]\)/\1 >= \2/
