# a margin that knows only the rounding of the definition
s/double score = /double score = 0.0 * /
