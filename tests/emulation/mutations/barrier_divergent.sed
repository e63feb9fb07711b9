# threads without a centre to copy leave before the barrier
/float margin = \*pass.filter.margin;/s/$/ if (thread >= pass.k) return;/
