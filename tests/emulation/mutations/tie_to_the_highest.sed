# a tie goes to the highest index
s/if (d2 < smallest)/if (d2 <= smallest)/
