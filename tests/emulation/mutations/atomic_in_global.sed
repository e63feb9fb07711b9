# the count of moved rows without an atomic
s/atomicAdd(&counters->moved, (unsigned long long)sum);/counters->moved += (unsigned long long)sum;/
