# blocks that come round again take rows of others
s/base += gridDim.x \* tile/base += tile/
