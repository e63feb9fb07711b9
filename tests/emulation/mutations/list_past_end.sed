# the list is written one past its end
s/slot < pass.near_capacity/slot <= pass.near_capacity/
