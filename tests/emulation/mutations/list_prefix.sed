# a lane takes the slot of its neighbour
s/if (lane >= step) end += below;/if (lane > step) end += below;/
