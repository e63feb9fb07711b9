# a margin of an eighth of what is proven
s/double scores = 2.0 \*/double scores = 0.25 */
