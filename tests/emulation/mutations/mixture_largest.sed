# the largest density is not looked for
# test: test_backend_mixture takes rows far away
s/largest = fmax(largest, shares\[(int64_t)c \* stride\]);/;/
