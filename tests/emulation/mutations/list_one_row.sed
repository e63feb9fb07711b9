# of several near ties in one thread only the first is listed
s/near &= near - 1, slot++/near = 0, slot++/
