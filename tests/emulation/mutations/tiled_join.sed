# joining lanes forgets the worse of two best scores
# test: test_backend decides near ties
s/fminf(fminf(found->second\[r\], second), fmaxf(found->best\[r\], best))/fminf(found->second[r], second)/
