# rows that moved are added up before all are listed
# test: test_backend assigns and adds up
/sort_out(pass, base, margin, found, moved);/{n;s/__syncthreads();//}
