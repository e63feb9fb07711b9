# a row that moves stays in the sums of its old cluster
/if (old >= 0) add_term/d
