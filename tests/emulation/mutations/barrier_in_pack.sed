# the margin is found before every thread has told what it saw
/distances\[thread\] = distance;/{n;s/__syncthreads();//}
