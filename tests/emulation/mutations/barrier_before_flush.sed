# no wait between the last sum and reading it
/if (limbs == 0) return;/{n;s/__syncthreads();//}
