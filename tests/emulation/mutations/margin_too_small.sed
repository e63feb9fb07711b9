# a margin that knows only the rounding of the definition
s/double scores = 2.0 \*/double scores = 0.0 */
