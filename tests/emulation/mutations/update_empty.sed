# empty clusters are updated like others
# test: test_backend stops at an empty cluster
s/if (empty != 0) {/if (empty > 1) {/
