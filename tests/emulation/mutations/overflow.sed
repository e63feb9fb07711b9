# a score that overflows is believed
/return INFINITY;/d
