# a draw on the edge of two rows takes the first
# test: test_backend seeds
s/if (int128_compare(before, draw.target) > 0) break;/if (int128_compare(before, draw.target) >= 0) break;/
