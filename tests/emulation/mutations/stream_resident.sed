# the first chunk in memory is taken for the last one on the device
# test: test_backend takes moments
# machine: tight
s/first < rows.resident ? rows.x/first <= rows.resident ? rows.x/
