# a limb that wraps does not carry
s/if (before + add < add) carry = 1u;//
