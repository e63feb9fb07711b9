# no wait between filling shared memory and reading it
/float margin = \*pass.filter.margin;/{n;s/__syncthreads();//}
