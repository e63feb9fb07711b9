# the margin is found before every centre is packed
/fabs(centres/{n;n;s/__syncthreads();//}
