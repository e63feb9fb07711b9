# a margin of an eighth of what is proven
s/(float)(2 \*/(float)(0.25 */
