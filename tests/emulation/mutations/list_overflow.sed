# an overflowing list is taken for complete
s/bool listed = near <= pass.near_capacity;/bool listed = true; near = near < pass.near_capacity ? near : pass.near_capacity;/;s/int64_t near = (int64_t)pass.counters->near/int64_t near = (int64_t)pass.counters->near + 0/
